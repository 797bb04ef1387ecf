"""Single values that lie off their neighbours in time on both sides, told from jumps that stay and from turns.

Each value is predicted from its neighbours alone, by a polynomial in time through the nearest ones before and after it;
of several polynomials that is taken which predicts this series best. A value whose error is large against those of the
others, measured without it, is a suspect. It is a spike only if a spike explains the values around it better than a
jump that stays, or a turn of the rate, anywhere among them does: a jump that later values do not reverse is never
called one. At an end of the record there is no other side: there a suspect is unconfirmed. A short record has too few
neighbours for that: where one smooth curve explains all of it, values are measured against the curve (:mod:`.curves`).

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

from glaciertime.track.record.curves import off_curve
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["LEAST_KNOWN", "LEAST_UNKNOWN", "Suspect", "suspects"]

#: Values needed where their sigmas are known, and where only the scatter of the series tells how large an error is.
LEAST_KNOWN, LEAST_UNKNOWN = 5, 8

# Degree of the polynomial, and neighbours on each side.
_PREDICTORS = ((1, 1), (1, 2), (1, 4), (2, 3), (2, 5), (3, 2))
# A seasonal cycle is looked for from so many values a year on, and taken off where it makes the scatter so much less.
_SEASONAL_PER_YEAR, _SEASONAL_YEARS = 6, 1.1
_EASIER, _CLEAR = 0.95, 0.5
_ITERATIONS = 10
# So many of normal errors lie beyond, by the scatter of the series and by stated sigmas; most of these are explained as
# well by a jump or a turn.
_TAIL, _TAIL_STATED = 0.006, 0.014
# The same about a curve through a whole record; that it was chosen among several adds to both.
_TAIL_CURVE, _TAIL_CURVE_STATED = 0.0042, 0.015
# Neighbours on each side that a spike, a jump and a turn are fitted to.
_WINDOW = 4
_SOUGHT = 3.0
# Stated sigmas weigh as much as the scatter of so many values, and hold where that is no larger than they say but for
# so many standard errors of its own.
_STATED_COUNT, _BY_CHANCE = 5.0, 1.5
_MAD_TO_SIGMA = 1.4826
# The scale of errors is that of the smaller ones, which no spike is among: their share, their root mean square for
# normal errors, and how much they tell against all.
_LEAST_SHARE, _LEAST_RMS, _EFFICIENCY = 0.75, 0.607, 0.55
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
    measured: NDArray[np.float64]
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
    if (short := _off_curve(record, _scatter(record, *predictor), known=bool(known.any()))) is not None:
        return short
    found, cleared = [], np.zeros(len(day), dtype=bool)
    # What was found changes the neighbours of others: the worst first, until none is left.
    for _ in range(2 * len(day)):
        off, stated = _errors(record, *predictor)
        ratio, gap = np.abs(off) / stated, _gaps(record)
        scales = _scales(ratio, gap, known=bool(known.any()))
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond = np.where(off != 0, ratio / scales, 0.0)
        beyond = np.nan_to_num(beyond, posinf=np.finfo(float).max)
        beyond[cleared | record.out] = 0.0
        worst = int(np.argmax(beyond))
        if beyond[worst] <= 0:
            break
        # A spike makes its neighbours look wrong too: it is measured by the scatter of the others without it.
        record.out[worst] = True
        rest, rest_stated = _errors(record, *predictor)
        record.out[worst] = False
        others = np.abs(rest) / rest_stated
        scale = float(_scales(others, gap, known=bool(known.any()))[worst])
        if not math.isfinite(scale):
            scale, others = float(scales[worst]), ratio
        limit = float(_limit(int(np.isfinite(others).sum()), np.array(scale), known=bool(known.any())))
        if not ratio[worst] > limit:
            break
        verdict, split = _verdict(record, worst, degree=predictor[0], scale=scale)
        if verdict == "spike":
            found.append(Suspect(worst, float(off[worst]), float(ratio[worst] / max(limit, 1e-12)), True))
            record.out[worst] = True
        elif verdict == "jump":
            record.segment[split:] += 1
            cleared[worst] = True
        else:
            cleared[worst] = True
    return sorted([*found, *_at_ends(record, known=bool(known.any()))], key=lambda each: each.index)


def _off_curve(record: _Record, scatter: float, *, known: bool) -> list[Suspect] | None:
    """Return the suspects of a short record that one smooth curve explains; None of any other."""

    def limit(freedom: float, scale: float) -> float:
        least = np.array(max(scale, 1.0) if known else scale)
        return float(_beyond(freedom, least, tail=_TAIL_CURVE_STATED if known else _TAIL_CURVE, known=known))

    off = off_curve(record.day, record.measured, record.sigma, limit=limit, scatter=scatter)
    if off is None:
        return None
    record.out[[each.index for each in off]] = True
    inner = [Suspect(each.index, each.off, each.ratio, True) for each in off]
    return sorted([*inner, *_at_ends(record, known=known)], key=lambda each: each.index)


def _record(day: NDArray[np.float64], value: NDArray[np.float64], sigma: NDArray[np.float64]) -> _Record:
    """Return the series to be searched: without its seasons where that makes it easier to predict."""

    def record(values: NDArray[np.float64]) -> _Record:
        return _Record(day, value, values, sigma, np.zeros(len(day), dtype=np.int64), np.zeros(len(day), dtype=bool))

    plain = record(value)
    years = (day - day[0]) / DAYS_PER_YEAR
    if years[-1] < _SEASONAL_YEARS or len(day) < _SEASONAL_PER_YEAR * years[-1]:
        return plain
    # A year and a bit tells of one wave on a straight line alone.
    waves, degree = ((1, 2), 3) if years[-1] >= 2 else ((1,), 1)
    seasons = np.column_stack([f(2 * np.pi * k * years) for k in waves for f in (np.sin, np.cos)])
    slow = np.column_stack([years**k for k in range(degree + 1)])
    fitted, rest = _robust_fit(np.column_stack([slow, seasons]), value, sigma)
    # Of few values seasons follow the errors themselves: they have to be plain to see.
    if rest > _CLEAR * _robust_fit(slow, value, sigma)[1]:
        return plain
    even = record(value - seasons @ fitted[slow.shape[1] :])
    scatters = [min(_scatter(each, *predictor) for predictor in _PREDICTORS) for each in (plain, even)]
    return even if scatters[1] < _EASIER * scatters[0] else plain


def _robust_fit(
    design: NDArray[np.float64], value: NDArray[np.float64], sigma: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the coefficients of a fit that single wrong values do not bend, and the median of what it leaves."""
    weight = np.ones(len(value))
    for _ in range(_ITERATIONS):
        scaled = design / sigma[:, None]
        fitted = np.linalg.lstsq(scaled * weight[:, None], value / sigma * weight, rcond=None)[0]
        rest = np.abs(value / sigma - scaled @ fitted)
        weight = np.sqrt(np.minimum(1.0, _MAD_TO_SIGMA * np.median(rest) / np.maximum(rest, 1e-12)))
    return np.asarray(fitted, dtype=np.float64), float(np.median(rest))


def _limit(count: int, scale: NDArray[np.float64], *, known: bool) -> NDArray[np.float64]:
    """Return how far off a value is suspect: more where the scale comes from few values and not from their sigmas."""
    return _beyond(max(3.0, _EFFICIENCY * count), scale, tail=_TAIL_STATED if known else _TAIL, known=known)


def _beyond(freedom: float, scale: NDArray[np.float64], *, tail: float, known: bool) -> NDArray[np.float64]:
    """Return how far off so few of normal errors lie, where their scale has so many degrees of freedom."""
    if not known:
        return scale * stdtrit(freedom, 1 - tail / 2)
    from_series = scale * stdtrit(freedom, 1 - _TAIL / 2)
    pooled = np.sqrt((_STATED_COUNT + freedom * scale**2) / (_STATED_COUNT + freedom))
    as_stated = pooled * stdtrit(freedom + _STATED_COUNT, 1 - tail / 2)
    return np.where(scale <= 1 + _BY_CHANCE / math.sqrt(2 * freedom), as_stated, from_series)


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
        few = np.isnan(value) | ((near >= 0).sum(axis=1) < min(degree + 2, 2 * count))
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


def _scales(ratio: NDArray[np.float64], gap: NDArray[np.float64], *, known: bool) -> NDArray[np.float64]:
    """Return the scale of the errors of every value, in stated sigmas; NaN where too few are known."""
    usable = np.isfinite(ratio) & np.isfinite(gap)
    if usable.sum() < 3:
        return np.full(len(ratio), np.nan)
    scale = np.full(len(ratio), _scale(ratio[usable], known=known))
    typical = max(float(np.median(gap[usable])), 1e-9)
    # In a longer gap the front moved more: values alone in gaps are measured by each other.
    kind = np.round(np.log(np.maximum(gap / typical, 1e-2)) / math.log(_GAP_FACTOR))
    for each in np.unique(kind[np.isfinite(kind)]):
        alike = kind == each
        if (alike & usable).sum() >= _LEAST_OF_GAP:
            scale[alike] = _scale(ratio[alike & usable], known=known)
        elif each > 0:
            scale[alike] *= gap[alike] / typical
    return scale


def _scale(ratio: NDArray[np.float64], *, known: bool) -> float:
    """Return the scale of errors; where sigmas are known, at least one."""
    least = np.sort(ratio)[: max(3, math.ceil(_LEAST_SHARE * len(ratio)))]
    from_series = float(np.sqrt(np.mean(least**2))) / _LEAST_RMS
    return max(1.0, from_series) if known else from_series


def _verdict(record: _Record, index: int, *, degree: int, scale: float) -> tuple[str, int]:
    """Return what explains the values around a suspect best: a spike, a jump (and where), or a turn."""
    near = _neighbours(record, _WINDOW)[index]
    window = np.sort(np.append(near[near >= 0], index))
    verdict = ("turn", -1)
    for bend in range(min(degree, 2), max(degree, 2) + 1):
        # With few values a curve bends through anything.
        used = bend if len(window) >= bend + 5 else 1
        verdict, left = _explained(record, index, window, degree=used, scale=scale)
        freedom = len(window) - used - 2
        if left <= scale**2 * (freedom + math.sqrt(2 * freedom)):
            break
        # Nothing explains them with so few bends: the rate changes all along.
    return verdict


def _explained(
    record: _Record, index: int, window: NDArray[np.int64], *, degree: int, scale: float
) -> tuple[tuple[str, int], float]:
    """Return what explains the values of a window best on a polynomial, and the squares that it leaves."""
    day = record.day[window] - record.day[index]
    span = max(float(np.abs(day).max()), 1e-9)
    value, weight = record.value[window], 1 / record.sigma[window]
    base = (day / span)[:, None] ** np.arange(degree + 1)

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
    left = min([spike, *jumps.values(), *turns])
    if jumps and min(jumps.values()) < min([least, *turns]):
        return ("jump", min(jumps, key=jumps.__getitem__)), left
    return (("turn", -1) if turns and min(turns) < least else ("spike", -1)), left


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
