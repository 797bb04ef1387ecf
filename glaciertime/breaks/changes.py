"""Breaks: when a series changed by more in one go than it otherwise does, by how much, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glaciertime.errors import InputError
from glaciertime.units import last_digit

__all__ = ["LEAST_VALUES", "Break", "find_breaks"]

#: Fewer values do not tell what is ordinary.
LEAST_VALUES = 6
#: More than this share of the steps cannot be out of the ordinary: the ordinary is then uneven itself.
_MOST = 0.25
#: A jump whose opposite follows at once, to less than this share of it, is an outlier.
_RETURNED = 0.5
#: A record of N values is searched at (N + 10) / 40 of the level, from 30 values on at the level itself.
_SHORT_BY, _LONG_ENOUGH = 10, 40
#: A break is at least so many times as large as the largest ordinary change.
_APART = 1.5


@dataclass(frozen=True, kw_only=True)
class Break:
    """A change out of the ordinary between the observations ``start`` and ``end``, which need not be neighbours.

    Attributes
    ----------
    start, end : int
        The last observation before it and the first behind it.
    step : float
        The change from one to the other less what the ordinary rate makes of that time, in the unit of the values.
    sigma : float
        Its standard deviation: the scatter of ordinary changes over that time, at least that of the values' sigmas.
    p_value : float
        Chance that a series without a break shows a change like this anywhere.
    values_after : int
        Observations from ``end`` on: of one value alone it cannot be said whether it is a break or an outlier.
    is_ongoing : bool
        Whether it consists of several steps of which the last observation is the latest: nothing says that it is over.
    """

    start: int
    end: int
    step: float
    sigma: float
    p_value: float
    values_after: int
    is_ongoing: bool = False


def find_breaks(
    years: ArrayLike, values: ArrayLike, *, sigmas: ArrayLike | None = None, level: float = 0.05
) -> list[Break]:
    r"""Return the breaks of a series: changes between neighbours that its other changes do not explain.

    A change over the time :math:`g_i` is compared with the median rate *r* of the record in units of a random walk,

    .. math:: x_i = (y_{i+1} - y_i - r g_i) / \sqrt{g_i}

    and the :math:`x_i` are searched for up to a quarter of outliers by the generalised test of the extreme
    studentised deviate (Rosner 1983, doi:10.1080/00401706.1983.10487848), whose level is that of the whole search.
    Neighbouring changes of one sign are one break. A change that is taken back at once is an outlier, no break. A
    steady trend has none, nor does one that steepens by and by: what counts is a change beside its own kind.

    Parameters
    ----------
    years, values : array_like, (N,)
        In order of time, years strictly increasing.
    sigmas : array_like, (N,), optional
        Standard deviations of the values, NaN where unknown: no change is out of the ordinary that they explain.
    level : float
        Chance of finding any break where changes are normal and there is none.

    Returns
    -------
    list of Break
        In order of time; none with fewer than six values.

    Raises
    ------
    InputError
        If the level is no probability, or the years do not increase.

    Examples
    --------
    >>> found = find_breaks(range(1996, 2003), [1200, 1196, 1190, 1185, 1181, 1175, 640])
    >>> [(one.start, one.end, round(one.step)) for one in found]
    [(5, 6, -530)]
    """
    year, value = np.asarray(years, dtype=float), np.asarray(values, dtype=float)
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a probability between 0 and 1")
    gaps, changes = np.diff(year), np.diff(value)
    if (gaps <= 0).any():
        raise InputError("breaks: the dates must increase; combine the rows of one day first")
    if len(value) < LEAST_VALUES:
        return []
    sigma = np.nan_to_num(np.full(len(value), math.nan) if sigmas is None else np.asarray(sigmas, dtype=float))
    rate = _weighted_median(changes / gaps, gaps)
    # What the values' own errors make of a change; where none are told, their last digit.
    error = np.where(sigma > 0, sigma**2, _digit(value) ** 2 / 12)
    noise = np.sqrt((error[:-1] + error[1:]) / gaps)
    x = (changes - rate * gaps) / np.sqrt(gaps)
    # The test's critical values find too much in short records: by simulation (scripts/check_breaks.py) this much.
    share = min(1.0, (len(value) + _SHORT_BY) / _LONG_ENOUGH)
    order, probability = _outlying(x, noise, level * share)
    if not order:
        return []
    flagged = np.zeros(len(x), dtype=bool)
    flagged[order] = True
    ordinary = ~flagged
    usual = float(changes[ordinary].sum() / gaps[ordinary].sum())
    rest = (changes - usual * gaps)[ordinary] / np.sqrt(gaps[ordinary])
    scatter = float(np.sqrt(np.sum(rest**2) / max(len(rest) - 1, 1)))
    found = []
    for first, last in _runs(flagged, x, scatter):
        part = slice(first, last + 1)
        step = float((changes[part] - usual * gaps[part]).sum())
        time = float(gaps[part].sum())
        own = math.hypot(sigma[first], sigma[last + 1])
        p_value = min(probability[i] for i in range(first, last + 1) if flagged[i]) / share
        found.append(Break(start=first, end=last + 1, step=step, sigma=max(scatter * math.sqrt(time), own),
                           p_value=p_value, values_after=len(value) - last - 1,
                           is_ongoing=last + 1 == len(value) - 1 and last > first))  # fmt: skip
    return _without_spikes(found)


def _outlying(x: NDArray[np.float64], noise: NDArray[np.float64], level: float) -> tuple[list[int], dict[int, float]]:
    """Return the indices of outlying numbers, and for each the chance of one as far out among all of them."""
    from scipy import special

    # One loss in the middle of a year is two changes of years.
    most = max(2 if len(x) > LEAST_VALUES else 1, int(_MOST * len(x)))
    left = np.arange(len(x))
    taken: list[int] = []
    count = 0
    probability: dict[int, float] = {}
    for number in range(most):
        held = x[left]
        size = len(left)
        spread = float(held.std(ddof=1))
        far = np.abs(held - held.mean()) / np.maximum(np.maximum(spread, noise[left]), 1e-12 * (np.abs(x).max() or 1))
        at = int(np.argmax(far))
        share = level / (2 * size)
        t = float(special.stdtrit(size - 2, 1 - share))
        if far[at] > (size - 1) * t / math.sqrt((size - 2 + t**2) * size):
            count = number + 1
        # The same number as a chance: the deviation studentised without the value itself.
        inside = max((size - 1) ** 2 - size * far[at] ** 2, 1e-12)
        studentised = math.sqrt(size * (size - 2) * far[at] ** 2 / inside)
        probability[int(left[at])] = min(1.0, 2 * size * float(special.stdtr(size - 2, -studentised)))
        taken.append(int(left[at]))
        left = np.delete(left, at)
        if len(left) < 4:
            break
    found = taken[:count]
    # Of heavy tails the largest are followed closely by others: a break stands apart from what is ordinary.
    rest = np.delete(x, found)
    reach = float(np.abs(rest - rest.mean()).max())
    found = [index for index in found if abs(x[index] - rest.mean()) >= _APART * reach]
    # One that is found with others is as sure as the least sure of them: alone, each hides the other.
    worst = max((min(probability[index], level) for index in found), default=0.0)
    return found, {index: min(probability[index], worst) for index in found}


def _runs(flagged: NDArray[np.bool_], x: NDArray[np.float64], scatter: float) -> list[tuple[int, int]]:
    """Return first and last of the flagged steps that go one way, with at most one lesser step of that way between."""
    runs: list[tuple[int, int]] = []
    for index in np.flatnonzero(flagged):
        if runs:
            first, last = runs[-1]
            one_way = np.sign(x[index]) == np.sign(x[last])
            between = x[last + 1 : index]
            is_near = len(between) == 0 or (len(between) == 1 and between[0] * np.sign(x[index]) > scatter)
            if one_way and is_near:
                runs[-1] = (first, int(index))
                continue
        runs.append((int(index), int(index)))
    return runs


def _without_spikes(found: list[Break]) -> list[Break]:
    """Return the breaks without pairs of which the second takes the first back at once."""
    kept: list[Break] = []
    for one in found:
        if kept and kept[-1].end == one.start and abs(kept[-1].step + one.step) < _RETURNED * abs(kept[-1].step):
            kept.pop()
            continue
        kept.append(one)
    return kept


def _digit(values: NDArray[np.float64]) -> float:
    """Return the unit of the last digit that the values are written with, 0 where all are zero."""
    units = last_digit(values)
    return float(units[units > 0].min(initial=math.inf)) if units.any() else 0.0


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    return float(values[order][int(np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum()))])
