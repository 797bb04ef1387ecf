"""Single values that lie off their neighbours in time on both sides, told from jumps that stay and from turns.

Each value is predicted from its neighbours alone, by a polynomial in time through the nearest ones before and after it;
of several polynomials that is taken which predicts this series best. A value whose error is large against those of the
others is a suspect. It is a spike only if a spike explains the values around it better than a jump that stays, or a
turn of the rate, anywhere among them does: a jump that later values do not reverse is never called one. At an end of
the record there is no other side: there a suspect is unconfirmed.

References
----------
Hampel, F. R. (1974), doi:10.1080/01621459.1974.10482962 (the scale from the median); Davies, L., & Gather, U. (1993),
doi:10.1080/01621459.1993.10476339 (outliers one after the other, the worst first); Fox, A. J. (1972),
doi:10.1111/j.2517-6161.1972.tb00912.x (spikes against jumps).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from glaciertime.units import DAYS_PER_YEAR

__all__ = ["LEAST_KNOWN", "LEAST_UNKNOWN", "Suspect", "suspects"]

#: Values needed where their sigmas are known, and where only the scatter of the series tells how large an error is.
LEAST_KNOWN, LEAST_UNKNOWN = 5, 8

# Degree of the polynomial, and neighbours on each side.
_PREDICTORS = ((1, 1), (1, 2), (1, 4), (2, 3), (2, 5))
# A seasonal cycle is looked for from so many values a year on, and taken off where it makes the scatter so much less.
_SEASONAL_PER_YEAR = 6
_EASIER = 0.95
_ITERATIONS = 10
# Of normal errors 0.6 % lie beyond; most of these are explained as well by a jump or a turn.
_TAIL = 0.006
# Neighbours on each side that a spike, a jump and a turn are fitted to.
_WINDOW = 4
_SOUGHT = 3.0
# A scatter no larger than this is that of the sigmas.
_AS_STATED = 1.2
_MAD_TO_SIGMA = 1.4826
# Efficiency of the scale from the median against that from squares, for normal errors.
_MAD_EFFICIENCY = 0.37
# Gaps are alike within this factor; so many values of a kind are needed for a scale of their own.
_GAP_FACTOR = 3.0
_LEAST_OF_GAP = 8


@dataclass(frozen=True)
class Suspect:
    """A value that lies off its neighbours: by how much, over what is suspect, and whether on both sides."""

    index: int
    off: float
    ratio: float
    is_confirmed: bool


@dataclass
class _Record:
    """One series, and what has been found of it: breaks part it, spikes are left out."""

    day: NDArray[np.float64]
    value: NDArray[np.float64]
    sigma: NDArray[np.float64]
    segment: NDArray[np.int64]
    out: NDArray[np.bool_]

    def segments(self) -> list[NDArray[np.int64]]:
        kept = np.flatnonzero(~self.out)
        return np.split(kept, np.flatnonzero(np.diff(self.segment[kept])) + 1) if len(kept) else []


def suspects(days: ArrayLike, values: ArrayLike, sigmas: ArrayLike) -> list[Suspect]:
    """Return the values of a series that lie off their neighbours.

    Parameters
    ----------
    days, values, sigmas : array_like, (N,)
        In order of time; unknown sigmas (NaN) take the median of the known ones.

    Returns
    -------
    list of Suspect
        Confirmed where values before and after say so; the first and the last value can only be unconfirmed. Empty for
        fewer values than :data:`LEAST_KNOWN`, without sigmas than :data:`LEAST_UNKNOWN`.

    Examples
    --------
    >>> found = suspects(range(0, 100, 10), [0, 1, 0, 900, 1, 0, -1, 0, 1, 0], [5.0] * 10)
    >>> [(each.index, round(each.off), each.is_confirmed) for each in found]
    [(3, 900, True)]
    """
    day, value, sigma = (np.array(each, dtype=float) for each in (days, values, sigmas))
    known = np.isfinite(sigma) & (sigma > 0)
    if len(day) < (LEAST_KNOWN if known.any() else LEAST_UNKNOWN):
        return []
    sigma = np.where(known, sigma, np.median(sigma[known]) if known.any() else 1.0)
    record = _record(day, value, sigma)
    predictor = min(_PREDICTORS, key=lambda each: _scatter(record, *each))
    found, cleared = [], np.zeros(len(day), dtype=bool)
    # What was found changes the neighbours of others: the worst first, until none is left.
    for _ in range(2 * len(day)):
        off, ratio, scale = _ratios(record, *predictor, known=bool(known.any()))
        ratio[cleared | record.out] = 0.0
        worst = int(np.argmax(ratio))
        if ratio[worst] <= 1:
            break
        verdict, split = _verdict(record, worst, degree=predictor[0], scale=float(scale[worst]))
        if verdict == "spike":
            found.append(Suspect(worst, float(off[worst]), float(ratio[worst]), True))
            record.out[worst] = True
        elif verdict == "jump":
            record.segment[split:] += 1
            cleared[worst] = True
        else:
            cleared[worst] = True
    return sorted([*found, *_at_ends(record, known=bool(known.any()))], key=lambda each: each.index)


def _record(day: NDArray[np.float64], value: NDArray[np.float64], sigma: NDArray[np.float64]) -> _Record:
    """Return the series to be searched: without its seasons where that makes it easier to predict."""

    def record(values: NDArray[np.float64]) -> _Record:
        return _Record(day, values, sigma, np.zeros(len(day), dtype=np.int64), np.zeros(len(day), dtype=bool))

    plain = record(value)
    years = (day - day[0]) / DAYS_PER_YEAR
    if years[-1] < 2 or len(day) < _SEASONAL_PER_YEAR * years[-1]:
        return plain
    seasons = np.column_stack([f(2 * np.pi * k * years) for k in (1, 2) for f in (np.sin, np.cos)])
    slow = np.column_stack([years**k for k in range(4)])
    design = np.column_stack([slow, seasons]) / sigma[:, None]
    weight = np.ones(len(day))
    for _ in range(_ITERATIONS):
        fitted = np.linalg.lstsq(design * weight[:, None], value / sigma * weight, rcond=None)[0]
        rest = np.abs(value / sigma - design @ fitted)
        weight = np.sqrt(np.minimum(1.0, _MAD_TO_SIGMA * np.median(rest) / np.maximum(rest, 1e-12)))
    even = record(value - seasons @ fitted[slow.shape[1] :])
    scatters = [min(_scatter(each, *predictor) for predictor in _PREDICTORS) for each in (plain, even)]
    return even if scatters[1] < _EASIER * scatters[0] else plain


def _limit(count: int, scale: NDArray[np.float64], *, known: bool) -> NDArray[np.float64]:
    """Return how far off a value is suspect: more where the scale comes from few values and not from their sigmas."""
    from_series = stdtrit(max(3.0, _MAD_EFFICIENCY * count), 1 - _TAIL / 2)
    stated = stdtrit(1e6, 1 - _TAIL / 2)
    return scale * np.where((scale <= _AS_STATED) & known, stated, from_series)


def _neighbours(record: _Record, count: int) -> NDArray[np.int64]:
    """Return, per value, up to so many neighbours before and after it in its segment, (N, 2 count); -1 for none."""
    out = np.full((len(record.day), 2 * count), -1)
    for part in record.segments():
        place = np.arange(len(part))
        for k in range(1, count + 1):
            out[part[place >= k], count - k] = part[place[place >= k] - k]
            behind = place + k < len(part)
            out[part[behind], count + k - 1] = part[place[behind] + k]
    return out


def _predicted(
    record: _Record, degree: int, near: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the prediction of every value from neighbours, and the variance of its error; NaN where they are few."""
    there = near >= 0
    count = there.sum(axis=1)
    apart = np.where(there, record.day[near] - record.day[:, None], 0.0)
    apart = apart / np.maximum(np.abs(apart).max(axis=1), 1e-9)[:, None]
    weight = np.where(there, 1 / record.sigma[near] ** 2, 0.0)
    design = apart[:, :, None] ** np.arange(degree + 1)
    normal = np.einsum("nk,nki,nkj->nij", weight, design, design)
    trace = np.trace(normal, axis1=1, axis2=2)[:, None, None]
    inverse = np.linalg.inv(normal + (1e-10 * trace + 1e-300) * np.eye(degree + 1))
    share = np.einsum("nj,nkj,nk->nk", inverse[:, 0], design, weight)
    value = np.sum(share * np.where(there, record.value[near], 0.0), axis=1)
    variance = record.sigma**2 + np.sum(share**2 * np.where(there, record.sigma[near] ** 2, 0.0), axis=1)
    enough = count > degree
    return np.where(enough, value, np.nan), np.where(enough, variance, np.nan)


def _errors(record: _Record, degree: int, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far every value lies off its prediction and what its sigmas say of that; NaN without two sides."""
    near = _neighbours(record, count)
    two_sided = (near[:, :count] >= 0).any(axis=1) & (near[:, count:] >= 0).any(axis=1)
    value, variance = _predicted(record, degree, near)
    if degree > 1 or count > 1:
        # Where neighbours are few, the line through the nearest two.
        few = np.isnan(value) | ((near >= 0).sum(axis=1) < degree + 2)
        simple, simple_variance = _predicted(record, 1, _neighbours(record, 1))
        value, variance = np.where(few, simple, value), np.where(few, simple_variance, variance)
    usable = two_sided & ~record.out
    return np.where(usable, record.value - value, np.nan), np.sqrt(np.where(usable, variance, np.nan))


def _scatter(record: _Record, degree: int, count: int) -> float:
    off, _ = _errors(record, degree, count)
    off = off[np.isfinite(off)]
    return float(np.median(np.abs(off))) if len(off) else math.inf


def _gaps(record: _Record) -> NDArray[np.float64]:
    """Return how far each value lies from its nearest neighbours, as the product of both distances over their sum."""
    near = _neighbours(record, 1)
    before = np.where(near[:, 0] >= 0, record.day - record.day[near[:, 0]], np.nan)
    after = np.where(near[:, 1] >= 0, record.day[near[:, 1]] - record.day, np.nan)
    return before * after / np.maximum(before + after, 1e-9)


def _ratios(
    record: _Record, degree: int, count: int, *, known: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each value lies off its neighbours, that over what is suspect (0: not known), and the scale."""
    off, stated = _errors(record, degree, count)
    ratio = np.abs(off) / stated
    gap = _gaps(record)
    usable = np.isfinite(ratio) & np.isfinite(gap)
    if usable.sum() < 3:
        return off, np.zeros(len(off)), np.ones(len(off))
    scale = np.full(len(off), _scale(ratio[usable], known=known))
    typical = max(float(np.median(gap[usable])), 1e-9)
    # In a longer gap the front moved more: values alone in gaps are measured by each other.
    kind = np.round(np.log(np.maximum(gap / typical, 1e-2)) / math.log(_GAP_FACTOR))
    for each in np.unique(kind[usable]):
        alike = usable & (kind == each)
        if alike.sum() >= _LEAST_OF_GAP:
            scale[alike] = _scale(ratio[alike], known=known)
        elif each > 0:
            scale[alike] *= gap[alike] / typical
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(usable & (off != 0), ratio / _limit(int(usable.sum()), scale, known=known), 0.0)
    return off, np.nan_to_num(found, posinf=np.finfo(float).max), scale


def _scale(ratio: NDArray[np.float64], *, known: bool) -> float:
    """Return the scale of errors; where sigmas are known, at least one."""
    from_series = _MAD_TO_SIGMA * float(np.median(ratio))
    return max(1.0, from_series) if known else from_series


def _verdict(record: _Record, index: int, *, degree: int, scale: float) -> tuple[str, int]:
    """Return what explains the values around a suspect best: a spike, a jump (and where), or a turn."""
    near = _neighbours(record, _WINDOW)[index]
    window = np.sort(np.append(near[near >= 0], index))
    day = record.day[window] - record.day[index]
    span = max(float(np.abs(day).max()), 1e-9)
    value, weight = record.value[window], 1 / record.sigma[window]
    # With few values a curve bends through anything.
    base = (day / span)[:, None] ** np.arange((degree if len(window) >= degree + 5 else 1) + 1)

    def rest(column: NDArray[np.float64]) -> float:
        design = np.column_stack([base, column]) * weight[:, None]
        fitted = design @ np.linalg.lstsq(design, value * weight, rcond=None)[0]
        return float(np.sum((value * weight - fitted) ** 2))

    spike = rest((window == index).astype(float))
    jumps = {
        int(window[k]): rest((np.arange(len(window)) >= k).astype(float))
        # A jump before the last or after the first value of the window alone is a spike there.
        for k in range(1, len(window))
        if day[k] > day[k - 1] and 2 <= k <= len(window) - 2
    }
    turns = [rest(np.maximum(day - day[k], 0.0)) for k in range(1, len(window) - 1)]
    # A jump or a turn was sought at every place, the spike at one: it has to be better by what chance gives.
    least = spike - _SOUGHT * scale**2
    if jumps and min(jumps.values()) < min([least, *turns]):
        return "jump", min(jumps, key=jumps.__getitem__)
    return ("turn", -1) if turns and min(turns) < least else ("spike", -1)


def _at_ends(record: _Record, *, known: bool) -> list[Suspect]:
    """Return the first and the last value where they lie off what a line through the nearest on one side says."""
    out = []
    for is_last in (False, True):
        near = _neighbours(record, _WINDOW)
        near[:, (slice(_WINDOW, None) if is_last else slice(0, _WINDOW))] = -1
        near[(near >= 0).sum(axis=1) < 3] = -1
        value, variance = _predicted(record, 1, near)
        kept = np.flatnonzero(~record.out)
        end = kept[-1 if is_last else 0]
        ratio = np.abs(record.value - value) / np.sqrt(variance)
        usable = np.isfinite(ratio) & ~record.out
        if not usable[end] or usable.sum() < 3:
            continue
        others = ratio[usable & (np.arange(len(ratio)) != end)]
        limit = float(_limit(len(others), np.array(_scale(others, known=known)), known=known))
        if 0 < limit < ratio[end]:
            out.append(Suspect(int(end), float((record.value - value)[end]), float(ratio[end] / limit), False))
    return out
