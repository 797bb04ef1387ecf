"""A regular grid of dates for the models that need one, with the gaps left open.

The grid ends on the last observation, so that a horizon is counted from the true last date. Observations fall to
their nearest grid date; the forecast is read off between grid dates at the exact date asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import FitError
from glaciertime.forecast.series import Series, as_years

__all__ = ["Grid", "to_grid"]

#: Steps that are tried as the natural step of a record, in years: a week, 12 days, a month, a quarter, half, a year.
_NATURAL_YEARS = (7 / 365.25, 12 / 365.25, 1 / 12, 0.25, 0.5, 1.0)
_MAX_CELLS = 2_000


@dataclass(frozen=True, eq=False)
class Grid:
    """Values on regular dates, NaN where nothing was observed.

    Attributes
    ----------
    values, sigma : (M,) float64
        The last one is observed. Sigma is NaN where unknown.
    step_years : float
    last_years : float
        Date of the last value, in years since 1970.
    is_even : bool
        No gap, and every observation within a tenth of a step of its grid date.
    """

    values: NDArray[np.float64]
    sigma: NDArray[np.float64]
    step_years: float
    last_years: float
    is_even: bool

    @property
    def season_length(self) -> int:
        """Steps in a year, 1 where the step is not a whole fraction of a year."""
        count = round(1 / self.step_years)
        return count if count > 1 and abs(count * self.step_years - 1) < 0.02 else 1

    def steps_ahead(self, dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Return how many steps, fractions included, each date lies after the last value."""
        return (as_years(dates) - self.last_years) / self.step_years

    def at(self, ahead: NDArray[np.float64], path: NDArray[np.float64], *, start: float) -> NDArray[np.float64]:
        """Read a forecast path (values 1, 2, ... steps ahead) at fractional steps, from ``start`` at step 0."""
        return np.interp(ahead, np.arange(len(path) + 1), np.concatenate([[start], path]))


def to_grid(series: Series) -> Grid:
    """Return the series on a regular grid whose step is that of the record.

    Parameters
    ----------
    series : Series
        At least two observations.

    Returns
    -------
    Grid
        Several observations nearest to one grid date are averaged, the last excepted. Where every gap is a multiple of
        some steps, as of a record of every second year, that many are one step: between dates of which none was
        ever observed a model could swing as it likes.

    Raises
    ------
    FitError
        If the record would need more than 2,000 grid dates.

    Examples
    --------
    >>> from glaciertime.forecast.example import make_series
    >>> grid = to_grid(make_series(["2000-01-01", "2001-01-01", "2003-01-01"], [1, 2, 4]))
    >>> grid.values, grid.is_even
    (array([ 1.,  2., nan,  4.]), False)
    """
    years = series.years
    gaps = np.diff(years)
    step = float(np.median(gaps))
    natural = min(_NATURAL_YEARS, key=lambda known: abs(np.log(step / known)))
    if abs(step / natural - 1) < 0.06:
        step = natural
    elif step > 1.5:
        step = 1.0
    position = (years - years[-1]) / step
    cell = np.rint(position).astype(int)
    shared = max(1, int(np.gcd.reduce(cell)))
    step, position, cell = step * shared, position / shared, cell // shared
    count = 1 - cell[0]
    if count > _MAX_CELLS:
        raise FitError(f"{series.label}: {count} grid dates of {step * 365.25:.0f} days between first and last date; "
                       "a model at exact dates, such as kalman, has no grid")  # fmt: skip
    cell += count - 1
    number = np.bincount(cell, minlength=count).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.bincount(cell, weights=series.values, minlength=count) / number
        sigma = np.sqrt(np.bincount(cell, weights=series.sigma**2, minlength=count)) / number
    values[-1], sigma[-1] = series.values[-1], series.sigma[-1]
    drifted = np.abs(position - np.rint(position))
    is_even = bool((number == 1).all() and drifted.max() <= 0.1)
    return Grid(values, sigma, step, float(years[-1]), is_even)
