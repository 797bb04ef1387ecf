"""What covariates tell models across glaciers: how a given future differs from the past that a glacier answered to.

For every origin the glacier's own changes up to it are related to those of the covariates (ridge regression); with the
given future that makes a change which goes with them, in scales of the origin. It and the covariates' own excess over
what they usually do are inputs beside the others. Values of a glacier after its origin are seen nowhere; values of a
covariate only up to the date that is forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.learned.bank import Bank
from glaciertime.forecast.learned.past import OriginRow, Past
from glaciertime.forecast.series import Series, as_years

__all__ = ["driver_inputs", "driver_inputs_of_bank"]

#: Ridge, as so many changes without effect; an effect is not found in fewer changes than these.
_RIDGE, _LEAST_CHANGES = 2.0, 4


@dataclass(frozen=True)
class _Response:
    """How a record answered to covariates up to an origin: ``effect`` (C,) in its unit, for each what is usual."""

    effect: NDArray[np.float64]
    usual_per_year: NDArray[np.float64]
    spread: NDArray[np.float64]
    at_origin: NDArray[np.float64]


def _response(years: NDArray[np.float64], values: NDArray[np.float64], columns: NDArray[np.float64]) -> _Response:
    """Return how a record (N,) with covariates (N, C) at its dates answered to them, the last value the origin."""
    gaps = np.diff(years)
    span = years[-1] - years[0]
    usual = (columns[-1] - columns[0]) / span
    root = np.sqrt(gaps)
    x = (np.diff(columns, axis=0) - usual * gaps[:, None]) / root[:, None]
    # The trend of the values needs no leaving out: what is left of the covariates has none.
    y = np.diff(values) / root
    spread = np.sqrt((x**2).mean(axis=0))
    # What never varied beside its trend, but for rounding, has no effect and no unit.
    spread = np.where(spread > 1e-9 * np.abs(columns).max(axis=0) / root.max(), spread, np.inf)
    x = x / spread
    inverse = np.linalg.inv(x.T @ x + _RIDGE * np.eye(x.shape[1]))
    return _Response(inverse @ (x.T @ y) / spread, usual, spread, columns[-1])


def _inputs(
    response: _Response, future: NDArray[np.float64], ahead: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """Return the inputs (D, C + 1): each covariate's excess in usual changes, and the change that goes with all."""
    excess = future - response.at_origin - response.usual_per_year * ahead[:, None]
    return np.column_stack([excess / response.spread, excess @ response.effect / scale])


def driver_inputs(covariates: Covariates, series: Series, row: OriginRow) -> NDArray[np.float64]:
    """Return the inputs (D, C + 1) of a task, whose dates the covariates cover.

    Parameters
    ----------
    covariates : Covariates
    series : Series
        Up to the origin.
    row : OriginRow
        Of the task.
    """
    response = _response(series.years, series.values, covariates.at(series.years))
    return _inputs(response, covariates.at(row.year + row.ahead), row.ahead, row.scale)


def driver_inputs_of_bank(
    covariates: Covariates, bank: Bank, series_list: Sequence[Series], pasts: Sequence[Past]
) -> tuple[Bank, NDArray[np.float64]]:
    """Return the rows of a bank that the covariates cover, and the inputs (R, C + 1) of each.

    Parameters
    ----------
    covariates : Covariates
    bank : Bank
        Of the series, in their order, from the past of each.
    series_list : sequence of Series
    pasts : sequence of Past
    """
    scale = np.concatenate(
        [past.scale[past.index < len(one)] for one, past in zip(series_list, pasts, strict=True)] or [np.empty(0)]
    )
    first, last = -np.inf, np.inf
    for dates in covariates.dates:
        begins, ends = as_years(dates[[0, -1]])
        first, last = max(first, float(begins)), min(last, float(ends))
    width = len(covariates.names) + 2 * covariates.season + 1
    found = np.full((len(bank.origin), width), np.nan)
    order = np.argsort(bank.origin, kind="stable")
    place = np.searchsorted(bank.origin[order], np.arange(len(bank.origin_year) + 1))
    for origin, year in enumerate(bank.origin_year):
        rows = order[place[origin] : place[origin + 1]]
        rows = rows[bank.target_year[rows] <= last]
        one = series_list[bank.origin_series[origin]]
        seen = (one.years >= first) & (one.years <= year + 1e-9)
        if not len(rows) or seen.sum() <= _LEAST_CHANGES:
            continue
        years = one.years[seen]
        response = _response(years, one.values[seen], covariates.at(years))
        found[rows] = _inputs(response, covariates.at(bank.target_year[rows]), bank.ahead[rows], scale[origin])
    is_covered = np.isfinite(found).all(axis=1)
    names = ("origin", "ahead", "mean", "spread", "walk", "drift", "target", "target_year", "dropped_from")
    return replace(bank, **{name: getattr(bank, name)[is_covered] for name in names}), found[is_covered]
