"""The breaks of a record, however densely it was observed: of its values, or of its years."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glaciertime.breaks.changes import LEAST_VALUES, Break, find_breaks

__all__ = ["is_dense", "record_breaks"]

#: From so many observations within a year on, a season would pass for a break: years are searched instead.
_DENSE_PER_YEAR = 5
#: From so many values on, an annual cycle is told by two harmonics.
_LEAST_FOR_TWO_WAVES = 40
#: Two searches, and what the cycle leaves behind counts as another.
_SEARCHES = 3
#: How often the cycle is fitted, and from how many times the usual distance on a value weighs less.
_FITS, _HUBER = 6, 1.345
#: Of a dense record, so few values behind a jump may be outliers.
_OUTLIERS_AT_MOST = 2


def is_dense(years: ArrayLike) -> bool:
    """Return whether five observations of a record, years increasing, lie within one year, and it spans six or more.

    Examples
    --------
    >>> is_dense([2000, 2001, 2005, 2005.1, 2005.2, 2005.3, 2005.4, 2005.5]), is_dense(range(2000, 2030))
    (True, False)
    """
    year = np.asarray(years, dtype=float)
    if len(year) < _DENSE_PER_YEAR or year[-1] - year[0] <= LEAST_VALUES - 1:
        return False
    return bool((year[_DENSE_PER_YEAR - 1 :] - year[: len(year) - _DENSE_PER_YEAR + 1] < 1).any())


def record_breaks(
    years: ArrayLike, values: ArrayLike, *, sigmas: ArrayLike | None = None, level: float = 0.05
) -> list[Break]:
    """Return the breaks of a record, each between two of its observations.

    Those of :func:`find_breaks`; of a dense record (:func:`is_dense`) those of its yearly means, freed of the annual
    cycle and counted back from the last observation, else every season would be a break. A break in the middle of
    such a year is two halves of which each hides the other: where none is found, years that begin half a year earlier
    are searched too, each search at a third of the level: both together then find by chance what one should
    (``scripts/check_breaks.py``). Where in the years on both sides it lies, is where the record
    moves most that way.

    Parameters
    ----------
    years, values, sigmas, level :
        Of :func:`find_breaks`.

    Returns
    -------
    list of Break
        Of a dense record none before six of its years were seen, and none with fewer than three observations behind it.

    Raises
    ------
    InputError
        As :func:`find_breaks`.

    Examples
    --------
    >>> year = np.arange(2000, 2012, 1 / 12)
    >>> value = 50 * np.cos(2 * np.pi * year) - 10 * year - np.where(year < 2006.6, 0, 900)
    >>> (found,) = record_breaks(year, value)
    >>> print(f"{year[found.start]:.2f} to {year[found.end]:.2f}: {found.step:.0f}")
    2006.58 to 2006.67: -900
    """
    year, value = np.asarray(years, dtype=float), np.asarray(values, dtype=float)
    sigma = np.full(len(value), math.nan) if sigmas is None else np.asarray(sigmas, dtype=float)
    if not is_dense(year) or (np.diff(year) <= 0).any():
        return find_breaks(year, value, sigmas=sigma, level=level)
    for shift in (0.0, 0.5):
        if found := _of_years(year, value, sigma, shift=shift, level=level / _SEARCHES):
            return found
    return []


def _of_years(
    years: NDArray[np.float64], values: NDArray[np.float64], sigma: NDArray[np.float64], *, shift: float, level: float
) -> list[Break]:
    held, place = np.unique(-np.floor(years[-1] - years + shift).astype(int), return_inverse=True)
    if len(held) < LEAST_VALUES:
        return []
    cycle, scatter = _cycle(years, values, place)
    level_of = values - cycle
    count = np.bincount(place)
    means = np.bincount(place, level_of) / count
    when = np.bincount(place, years) / count
    # A year of few values has an uncertain mean.
    spread = np.maximum(np.sqrt(np.bincount(place, np.nan_to_num(sigma) ** 2)) / count, scatter / np.sqrt(count))
    rate = _usual_rate(years, level_of, place)
    found = []
    for one in find_breaks(when, means, sigmas=spread, level=level):
        first, last = int(np.searchsorted(place, one.start)), int(np.searchsorted(place, one.end, "right")) - 1
        at = first + int(np.argmax(np.sign(one.step) * np.diff(level_of[first : last + 1])))
        if len(values) - at - 1 > _OUTLIERS_AT_MOST:
            found.append(replace(one, start=at, end=at + 1, step=_step_at(years, level_of, at, rate),
                                 values_after=len(values) - at - 1, is_ongoing=False))  # fmt: skip
    # The cycle once more, of what is left without the steps: a collapse within one year passes for a part of it.
    steps = sum((np.where(np.arange(len(values)) >= one.end, one.step, 0.0) for one in found), np.zeros(len(values)))
    level_of = values - _cycle(years, values - steps, place)[0]
    return [replace(one, step=_step_at(years, level_of, one.start, rate)) for one in found]


def _step_at(years: NDArray[np.float64], values: NDArray[np.float64], at: int, rate: float) -> float:
    """Return by how much a record changes behind an observation, from one year to the next, beyond its rate."""
    before = slice(int(np.searchsorted(years, years[at] - 1)), at + 1)
    after = slice(at + 1, int(np.searchsorted(years, years[at + 1] + 1, "right")))
    apart = float(years[after].mean() - years[before].mean())
    return float(np.median(values[after]) - np.median(values[before])) - rate * apart


def _cycle(
    years: NDArray[np.float64], values: NDArray[np.float64], place: NDArray[np.intp]
) -> tuple[NDArray[np.float64], float]:
    """Return the annual cycle (N,), fitted beside a level for every year, and the scatter about both.

    It is that of the values less their usual rate: else what goes on within every year would be told as a part of the
    cycle, and a year of which only a part was observed would stand out. Values far from the fit weigh less (Huber
    1964): a jump within a year is no cycle.
    """
    turns = 2 * np.pi * years
    waves = 2 if len(values) >= _LEAST_FOR_TWO_WAVES else 1
    cycle = np.column_stack([wave(k * turns) for k in range(1, waves + 1) for wave in (np.sin, np.cos)])
    levels = (place[:, None] == np.arange(place.max() + 1)).astype(float)
    design = np.hstack([levels, cycle])
    given = values - _usual_rate(years, values, place) * (years - years.mean())
    given, weight = given - given.mean(), np.ones(len(values))
    scatter = 0.0
    for _ in range(_FITS):
        fitted = np.linalg.lstsq(design * weight[:, None], given * weight, rcond=None)[0]
        off = np.abs(given - design @ fitted)
        scatter = 1.4826 * float(np.median(off))
        if scatter <= 0:
            break
        weight = np.sqrt(_HUBER * scatter / np.maximum(off, _HUBER * scatter))
    return np.asarray(cycle @ fitted[-cycle.shape[1] :]), scatter


def _usual_rate(years: NDArray[np.float64], values: NDArray[np.float64], place: NDArray[np.intp]) -> float:
    """Return the median rate between the means of years, per year."""
    count = np.bincount(place)
    means, when = np.bincount(place, values) / count, np.bincount(place, years) / count
    return float(np.median(np.diff(means) / np.diff(when)))
