"""Scale-free sequences of past changes, as the recurrent forecasters see them; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.bank import fold_of
from glaciertime.forecast.screening import on_straight_line
from glaciertime.forecast.series import Series

__all__ = ["CONTEXT", "LENGTH", "MIN_VALUES", "STEP", "Examples", "build_examples", "encode_origin", "query_of"]

#: Latest steps that are seen; earlier ones count in the context alone.
LENGTH = 16
MIN_VALUES = 4
STEP = ("scaled step", "log gap years", "scaled height above the last value", "is a step")
CONTEXT = ("rate over 1 year", "rate over 3 years", "rate over 5 years", "rate over 10 years", "rate over the record",
           "log values", "log record years", "is an area")  # fmt: skip
_WINDOWS_YEARS = (1.0, 3.0, 5.0, 10.0)
_LEADS = (1, 2, 3, 4, 5, 8)
_CLIP = 20.0

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Origin:
    """One past as a network sees it: steps (LENGTH, 4), gaps in years (LENGTH,), context (8,), and its scale."""

    steps: Array
    gaps: Array
    context: Array
    scale: float


def encode_origin(years: Array, values: Array, *, is_area: bool, use_gaps: bool = True) -> Origin:
    """Return the scale-free description of a record, whose last value is the origin.

    Changes are divided by the square root of their gap and by a typical such change, the greater of the median and
    a fifth of the root mean square; a record without change has scale 1.

    Parameters
    ----------
    years, values : (N,) float64
        At least four.
    is_area : bool
    use_gaps : bool
        Whether gaps are seen; without them, a step is a step.
    """
    gap = np.diff(years) if use_gaps else np.ones(len(years) - 1)
    time = np.concatenate([[0.0], np.cumsum(gap)])
    step = np.diff(values) / np.sqrt(gap)
    scale = max(float(np.median(np.abs(step))) / 0.6745, 0.2 * float(np.sqrt(np.mean(step**2)))) or 1.0
    count = min(LENGTH, len(step))
    steps, gaps = np.zeros((LENGTH, len(STEP))), np.zeros(LENGTH)
    recent = slice(len(step) - count, len(step))
    steps[-count:, 0] = np.arcsinh(step[recent] / scale)
    steps[-count:, 1] = np.log(gap[recent]) if use_gaps else 0.0
    steps[-count:, 2] = np.arcsinh((values[1:][recent] - values[-1]) / scale / 3.0)
    steps[-count:, 3] = 1.0
    gaps[-count:] = np.minimum(gap[recent], 50.0)
    rates = []
    for window in (*_WINDOWS_YEARS, time[-1]):
        start = max(time[-1] - window, 0.0)
        rates.append((values[-1] - np.interp(start, time, values)) / (time[-1] - start) / scale)
    context = np.array(
        [*np.clip(rates, -_CLIP, _CLIP), np.log(len(values)), np.log(max(time[-1], 0.1)), float(is_area)]
    )
    return Origin(steps, gaps, context, scale)


def query_of(context: Array, ahead: Array) -> Array:
    """Return what is asked of each date: log years ahead, and the changes that each rate makes of them, (D, 6).

    Changes are in units of the scale times the square root of the years ahead, like the answers.

    Examples
    --------
    >>> query_of(np.array([2.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]), np.array([4.0]))[0, :2].round(3).tolist()
    [1.386, 4.0]
    """
    change = np.clip(context[None, :5] * np.sqrt(ahead)[:, None], -_CLIP, _CLIP)
    return np.column_stack([np.log(ahead), change])


@dataclass(frozen=True, eq=False)
class Examples:
    """Origins of many series with what was observed later.

    Attributes
    ----------
    steps, gaps, context : (O, LENGTH, 4), (O, LENGTH), (O, 8) float32
    query : (O, K, 6) float32
    target : (O, K) float32
        Observed change in units of scale times the square root of the years ahead; NaN where there is none.
    ahead : (O, K) float64
        Years ahead.
    target_year, dropped_from : (O, K) float64
        When the target was known; the year from which it is known to lie on a straight line.
    series, fold : (O,) int
    origin_year, scale : (O,) float64
        Date of the origin, and a typical change of the square root of a year, in the unit of the series.
    """

    steps: NDArray[np.float32]
    gaps: NDArray[np.float32]
    context: NDArray[np.float32]
    query: NDArray[np.float32]
    target: NDArray[np.float32]
    ahead: Array
    target_year: Array
    dropped_from: Array
    series: NDArray[np.int64]
    fold: NDArray[np.int64]
    origin_year: Array
    scale: Array

    def __len__(self) -> int:
        return len(self.series)

    def known_at(self, year: float) -> NDArray[np.bool_]:
        """Return which targets were known at a date, (O, K)."""
        return np.isfinite(self.target) & (self.target_year <= year) & (self.dropped_from > year)


def build_examples(series_list: Sequence[Series], *, use_gaps: bool = True) -> Examples:
    """Return every origin with at least four values of some series, and its targets 1, 2, 3, 4, 5 and 8 values ahead.

    Parameters
    ----------
    series_list : sequence of Series
    use_gaps : bool
        As in :func:`encode_origin`; without gaps, the time ahead is the number of values ahead.
    """
    ordered = sorted(series_list, key=lambda series: series.key)
    origins, rows, owner, dates = [], [], [], []
    for number, series in enumerate(ordered):
        years, values, straight = series.years, series.values, on_straight_line(series)
        is_area = series.variable == "area_km2"
        for origin in range(MIN_VALUES - 1, len(series)):
            made = encode_origin(years[: origin + 1], values[: origin + 1], is_area=is_area, use_gaps=use_gaps)
            row = np.full((len(_LEADS), 4), np.nan)
            for place, lead in enumerate(_LEADS):
                if origin + lead >= len(series):
                    continue
                at = origin + lead
                ahead = years[at] - years[origin] if use_gaps else float(lead)
                change = (values[at] - values[origin]) / made.scale / np.sqrt(ahead)
                dropped = years[at + 1] if straight[at] else np.inf
                row[place] = ahead, np.clip(change, -_CLIP, _CLIP), years[at], dropped
            origins.append(made)
            rows.append(row)
            owner.append(number)
            dates.append(years[origin])
    table = np.array(rows).reshape(len(rows), len(_LEADS), 4)
    ahead = np.where(np.isfinite(table[:, :, 0]), table[:, :, 0], 1.0)
    query = np.array([query_of(made.context, a) for made, a in zip(origins, ahead, strict=True)])
    folds = np.array([fold_of(series.glacier) for series in ordered], dtype=np.int64)
    which = np.array(owner, dtype=np.int64)
    return Examples(
        np.array([made.steps for made in origins], dtype=np.float32).reshape(-1, LENGTH, len(STEP)),
        np.array([made.gaps for made in origins], dtype=np.float32).reshape(-1, LENGTH),
        np.array([made.context for made in origins], dtype=np.float32).reshape(-1, len(CONTEXT)),
        query.astype(np.float32).reshape(-1, len(_LEADS), 6), table[:, :, 1].astype(np.float32), ahead,
        np.where(np.isfinite(table[:, :, 2]), table[:, :, 2], np.inf), table[:, :, 3], which,
        folds[which] if len(which) else which, np.array(dates, dtype=float),
        np.array([made.scale for made in origins], dtype=float),
    )  # fmt: skip
