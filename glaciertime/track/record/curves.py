"""Values off one smooth curve through a whole record: what a short record can tell that neighbours alone cannot.

A polynomial in time, with seasons where the record is dense enough, is chosen by what it costs to tell the record by it
and single wrong values. It speaks only where it explains the record: what it leaves shows no pattern in time and is no
larger than what neighbours leave, and no jump that stays or turn of the rate does better than the wrong values. Every
value is measured against the curve through the others.

References
----------
Rosner, B. (1983), doi:10.1080/00401706.1983.10487848 (several wrong values, none hidden by another); Hurvich, C. M.,
& Tsai, C.-L. (1989), doi:10.1093/biomet/76.2.297 (the choice among curves of few values); von Neumann, J. (1941),
doi:10.1214/aoms/1177731677 (the pattern in time).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.units import DAYS_PER_YEAR

__all__ = ["Off", "off_curve"]

# Fewer values bear no curve, and of more neighbours tell all.
_LEAST, _MOST = 10, 45
_DEGREES = 3
_SEASONAL_PER_YEAR, _SEASONAL_YEARS = 6, 1.1
# So many values, and one in so many, may be wrong; each coefficient rests on at least so many values.
_WRONG, _WRONG_IN, _PER_COEFFICIENT = 1, 15, 2.5
# What a number told costs.
_PRICE = 3.5
# The pattern in time is beyond chance from so many standard errors; curves predict so much worse by chance.
_PATTERN, _BY_CHANCE = 1.5, 4.5
# A wrong value lies off its neighbours by at least this share of what it lies off the curve.
_LEAST_BESIDE = 0.6

_Floats = NDArray[np.float64]
#: The limit from the degrees of freedom and the scale of what is left, in sigmas.
_Limit = Callable[[float, float], float]


@dataclass(frozen=True)
class Off:
    """A value off the curve through the others: by how much, and by how many limits."""

    index: int
    off: float
    ratio: float


@dataclass(frozen=True)
class _Explanation:
    curve: tuple[int, int]
    off: list[Off]
    squares: float
    cost: float


def off_curve(day: _Floats, value: _Floats, sigma: _Floats, *, limit: _Limit, scatter: float) -> list[Off] | None:
    """Return the inner values that lie off a smooth curve through a record; None where no curve explains it.

    Parameters
    ----------
    day, value, sigma : ndarray, (N,)
        In order of time.
    limit : callable
        How far off is wrong, in sigmas, from the degrees of freedom and the scale of the errors in sigmas.
    scatter : float
        The median error, in units of the value, with which neighbours predict the record.
    """
    if not _LEAST <= len(day) <= _MOST:
        return None
    designs = dict(_designs(day))
    best = min((_explain(curve, designs[curve], value, sigma, limit) for curve in designs), key=lambda each: each.cost)
    wrong = np.zeros(len(day), dtype=bool)
    wrong[[each.index for each in best.off]] = True
    off, variance, rest = _deleted(designs[best.curve], value, sigma, ~wrong)
    if np.median(np.abs(off)) > (1 + _BY_CHANCE / math.sqrt(len(day))) * scatter:
        return None
    if _has_pattern((off / np.sqrt(variance))[~wrong]) or (wrong[1:] & wrong[:-1]).any():
        return None
    inner = [each for each in best.off if 0 < each.index < len(day) - 1]
    beside = [abs(rest[k] - (rest[k - 1] + rest[k + 1]) / 2) for k in (each.index for each in inner)]
    if any(near < _LEAST_BESIDE * abs(rest[each.index]) for each, near in zip(inner, beside, strict=True)):
        return None
    if inner and _breaks_better(designs, best, day, value, sigma):
        return None
    return inner


def _designs(day: _Floats) -> Iterator[tuple[tuple[int, int], _Floats]]:
    """Return the curves that so many values can bear, by the waves a year and the degree of the polynomial."""
    years = (day - day[0]) / DAYS_PER_YEAR
    span = max(float(years[-1]), 1e-9)
    waves = 0
    if span >= _SEASONAL_YEARS and len(day) >= _SEASONAL_PER_YEAR * span:
        waves = 2 if span >= 2 else 1
    for wave in range(waves + 1):
        # A year and a bit tells of one wave on a straight line alone.
        for degree in range((1 if waves == 1 and wave else _DEGREES) + 1):
            seasons = [f(2 * np.pi * k * years) for k in range(1, wave + 1) for f in (np.sin, np.cos)]
            design = np.column_stack([*((2 * years / span - 1) ** k for k in range(degree + 1)), *seasons])
            if len(day) >= max(_PER_COEFFICIENT * design.shape[1], design.shape[1] + 4):
                yield (wave, degree), design


def _deleted(
    design: _Floats, value: _Floats, sigma: _Floats, kept: NDArray[np.bool_]
) -> tuple[_Floats, _Floats, _Floats]:
    """Return how far each value lies off the curve through the other kept ones, what its sigma says of that (its
    square), and what the curve through all kept leaves of it in sigmas."""
    scaled = design / sigma[:, None]
    q, r = np.linalg.qr(scaled[kept])
    fitted = np.linalg.lstsq(r, q.T @ (value / sigma)[kept], rcond=None)[0]
    rest = value / sigma - scaled @ fitted
    # Leverage; of a value that is left out it adds to its variance.
    rows = np.linalg.lstsq(r.T, scaled.T, rcond=None)[0]
    leverage = np.sum(rows**2, axis=0)
    inside = np.maximum(1 - leverage, 1e-9)
    off = np.where(kept, rest / inside, rest) * sigma
    variance = np.where(kept, 1 / inside, 1 + leverage) * sigma**2
    return off, variance, rest


def _explain(curve: tuple[int, int], design: _Floats, value: _Floats, sigma: _Floats, limit: _Limit) -> _Explanation:
    """Return what a curve explains together with wrong values: the worst goes first, none hides another."""
    count, coefficients = design.shape
    kept = np.ones(count, dtype=bool)
    steps: list[tuple[int, bool]] = []
    for _ in range(_WRONG + count // _WRONG_IN):
        off, variance, rest = _deleted(design, value, sigma, kept)
        ratio = np.where(kept, np.abs(off) / np.sqrt(variance), 0.0)
        worst = int(np.argmax(ratio))
        freedom = kept.sum() - coefficients - 1.0
        if freedom < 3:
            break
        left = max(float(np.sum(rest[kept] ** 2)) - float(ratio[worst] ** 2), 0.0)
        steps.append((worst, bool(ratio[worst] > limit(freedom, math.sqrt(left / freedom)))))
        kept[worst] = False
    wrong = max((k + 1 for k, (_, beyond) in enumerate(steps) if beyond), default=0)
    kept[:] = True
    kept[[index for index, _ in steps[:wrong]]] = False
    off, variance, rest = _deleted(design, value, sigma, kept)
    freedom = kept.sum() - coefficients
    squares = float(np.sum(rest[kept] ** 2))
    at = limit(float(freedom), math.sqrt(squares / freedom))
    found = [
        Off(index, float(off[index]), float(abs(off[index]) / math.sqrt(variance[index]) / max(at, 1e-12)))
        for index, _ in steps[:wrong]
    ]
    return _Explanation(curve, found, squares, _cost(squares, count, coefficients + wrong))


def _cost(squares: float, count: int, told: int) -> float:
    """Return what is left to tell of a record of which so many numbers are told."""
    return count * math.log(max(squares, 1e-12) / count) + _PRICE * (told + 1) * count / max(count - told - 2, 0.5)


def _has_pattern(rest: _Floats) -> bool:
    """Return whether values one after the other are more alike than by chance."""
    count = len(rest)
    squares = float(np.sum(rest**2))
    return squares > 0 and float(np.sum(rest[1:] * rest[:-1])) / squares > _PATTERN / math.sqrt(count)


def _breaks_better(
    designs: dict[tuple[int, int], _Floats], best: _Explanation, day: _Floats, value: _Floats, sigma: _Floats
) -> bool:
    """Return whether a jump that stays or a turn of the rate, beside one wrong value at most, explains a record better
    than the wrong values of an explanation do."""
    count = len(day)
    later = [k for k in range(2, count - 1) if day[k] > day[k - 1]]
    breaks = [(np.arange(count) >= k).astype(float) for k in later]
    breaks += [np.maximum(day - day[k], 0.0) for k in range(1, count - 1)]
    columns = np.array(breaks).T / sigma[:, None]
    for (wave, degree), design in designs.items():
        # What a break takes off a curve of fewer bends.
        if wave != best.curve[0] or degree > best.curve[1]:
            continue
        q = np.linalg.qr(design / sigma[:, None])[0]
        rest = value / sigma - q @ (q.T @ (value / sigma))
        bent = columns - q @ (q.T @ columns)
        alone = np.eye(count) - q @ q.T
        # Where a break lies is a number told as well.
        for told, single in ((2, None), (3, alone)):
            squares = _least_squares(rest, bent, single)
            if _cost(squares, count, design.shape[1] + told) < best.cost:
                return True
    return False


def _least_squares(rest: _Floats, bent: _Floats, single: _Floats | None) -> float:
    """Return the least squares that a rest keeps beside one column of those bent and, where given, a single one."""
    least = float(np.sum(rest**2))
    across = np.sum(bent**2, axis=0)
    usable = across > 1e-9 * max(float(across.max(initial=0.0)), 1e-300)
    if single is None:
        taken = np.where(usable, (rest @ bent) ** 2 / np.where(usable, across, 1.0), 0.0)
        return max(least - float(taken.max(initial=0.0)), 0.0)
    own = np.diag(single)
    for k in np.flatnonzero(own > 1e-6):
        left = rest - single[k] * rest[k] / own[k]
        beside = bent - np.outer(single[k], bent[k]) / own[k]
        squares = np.sum(beside**2, axis=0)
        there = usable & (squares > 1e-6 * across)
        taken = np.where(there, (left @ beside) ** 2 / np.where(there, squares, 1.0), 0.0)
        least = min(least, float(np.sum(left**2)) - float(taken.max(initial=0.0)))
    return max(least, 0.0)
