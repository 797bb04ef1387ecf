"""What forecasts of several glaciers are together: their sum, with the weather that their errors share."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.tables import VARIABLES, empty, validate, variable_named

__all__ = ["CORRELATION", "can_be_added", "shared_weather", "total_forecasts"]

#: Of the errors of two glaciers at one date, where nothing was learned of it.
CORRELATION = 0.5
#: Of the sum of a few glaciers; of very many fewer do, since what each adds counts less.
_DRAWS, _LEAST_DRAWS, _DRAWS_IN_ALL = 20_000, 4_000, 1_000_000
_LEAST_DATES = 8
#: Between two target dates no farther apart a forecast is read along a straight line.
_BRIDGED_DAYS = 400
#: No draw lies so many standard deviations out.
_FAR = 8.0


def total_forecasts(
    forecasts: pd.DataFrame, *, label: str, correlation: float = CORRELATION, seed: int = 0
) -> pd.DataFrame:
    r"""Return the forecasts of a sum of glaciers, by variable, model and target date.

    The errors of the glaciers are normal scores with one correlation, :math:`z_i = \sqrt\rho\,w + \sqrt{1-\rho}\,e_i`,
    each read off the quantile function of its own forecast; the quantiles of the sum are those of 20,000 draws
    (of more than 50 glaciers fewer, at least 4,000). With no correlation a sum is surer than its parts, with all of it
    as unsure as the sum of their quantiles.

    Parameters
    ----------
    forecasts : DataFrame
        The table ``forecasts``: of each glacier one series of a variable, in one unit. A model that failed at one of
        the glaciers has no total: a sum without it would be that of others. Dates are those that all have; where they
        were last seen on different days one a year, read between the dates of each.
    label : str
        What they are together: stands for the glacier.
    correlation : float
        0 to 1; see :func:`shared_weather`.
    seed : int

    Returns
    -------
    DataFrame
        The table ``forecasts``; the cutoff is the latest of the parts.

    Raises
    ------
    InputError
        If the correlation lies outside 0 to 1, a variable is no quantity that can be added, its units differ, a glacier
        has several series of it, or of a forecast only the median is given.

    Examples
    --------
    >>> from glaciertime.forecast import forecast_series
    >>> from glaciertime.forecast.example import make_series
    >>> dates = [f"{year}-01-01" for year in range(2000, 2010)]
    >>> series = [make_series(dates, np.linspace(start, start - 9, 10), variable="area_km2", unit="km2", glacier=name)
    ...           for name, start in (("A", 50), ("B", 90))]
    >>> parts = [forecast_series(one, models=["drift"], target_dates=["2011-01-01"]) for one in series]
    >>> total = total_forecasts(pd.concat(parts), label="both")
    >>> total.loc[total["quantile"] == 0.5, "value"].round(1).tolist()
    [118.0]
    """
    if not 0 <= correlation <= 1:
        raise InputError(f"correlation is {correlation}; expected a number from 0 to 1")
    good = forecasts[(forecasts["status"] == "ok") & forecasts["value"].notna()]
    # Who failed at a model has rows too, which say so.
    asked = forecasts.groupby(["variable", "model", "source"])["glacier"].unique()
    out = []
    for (variable, model, source), rows in good.groupby(["variable", "model", "source"], sort=False):
        if not can_be_added(str(variable)):
            raise InputError(f"{variable} of several glaciers has no sum; areas and volumes have")
        units = sorted(rows["unit"].unique())
        if len(units) > 1:
            raise InputError(f"{variable} is given in {' and '.join(units)}; bring the forecasts to one unit")
        several = (
            rows.groupby("glacier")[["method", "footprint", "dataset", "front_of", "cutoff"]].nunique().max(axis=1)
        )
        if (several > 1).any():
            raise InputError(f"{several.idxmax()}: several series or cutoffs of {variable}; give one of each glacier")
        names = asked[variable, model, source]
        quantiles = np.sort(rows["quantile"].unique().astype(float))
        if len(quantiles) < 2:
            raise InputError(f"{variable} by {model}: quantile {quantiles[0]:g} alone says nothing of how unsure a "
                             "sum is; give forecasts with their intervals")  # fmt: skip
        if len(several) < len(names):
            continue
        dates, values = _on_common_dates(rows)
        values = _sum(values, quantiles, correlation, seed, least=_least(str(variable)))
        cutoff = rows["cutoff"].max()
        ahead = (dates - cutoff) / pd.Timedelta(days=1)
        count = len(quantiles)
        out.append(
            pd.DataFrame({
                "glacier": label, "variable": variable, "method": "sum", "footprint": f"{len(names)} glaciers",
                "dataset": "sum", "front_of": "", "model": model, "cutoff": cutoff,
                "target_date": np.repeat(dates, count), "horizon_days": np.repeat(ahead, count),
                "quantile": np.tile(quantiles, len(dates)), "value": values.ravel(), "unit": units[0],
                "status": "ok", "source": source,
            })
        )  # fmt: skip
    out = [table for table in out if len(table)]
    return validate(pd.concat(out, ignore_index=True), "forecasts") if out else empty("forecasts")


def can_be_added(variable: str) -> bool:
    """Return whether values of several glaciers have a sum: areas and volumes, no lengths, positions or altitudes.

    A change is counted from a date of its own, and has none either.

    Examples
    --------
    >>> [can_be_added(name) for name in ("area_km2", "volume_km3", "length_m", "mass_gt", "front_position_m")]
    [True, True, False, False, False]
    """
    if variable not in VARIABLES:
        return True
    return VARIABLES[variable].ratio_scale and VARIABLES[variable].unit in ("km2", "km3")


def _on_common_dates(rows: pd.DataFrame) -> tuple[pd.DatetimeIndex, NDArray[np.float64]]:
    """Return the dates from the latest first to the earliest last of all glaciers, and the values (G, D, Q) there.

    Glaciers that were last seen on different days are forecast for different days: then one date a year is kept, and
    the quantiles of a glacier are read between its own dates along a straight line.
    """
    wide = rows.pivot_table(index=["glacier", "target_date"], columns="quantile", values="value").dropna()
    each = [part.droplevel("glacier") for _, part in wide.groupby("glacier", sort=True)]
    if len(each) < rows["glacier"].nunique():
        return pd.DatetimeIndex([]), np.empty((len(each), 0, 0))
    first, last = max(part.index[0] for part in each), min(part.index[-1] for part in each)
    dates = pd.DatetimeIndex(sorted({date for part in each for date in part.index if first <= date <= last}))
    if any(not dates.isin(part.index).all() for part in each):
        dates = dates[[*(dates.year[1:] != dates.year[:-1]), True]] if len(dates) else dates
    day = dates.to_numpy().astype("M8[D]").astype(float)
    known = np.ones(len(dates), dtype=bool)
    values = np.empty((len(each), len(dates), wide.shape[1]))
    for place, part in enumerate(each):
        own = part.index.to_numpy().astype("M8[D]").astype(float)
        after = np.clip(np.searchsorted(own, day), 0, len(own) - 1)
        known &= (own[after] == day) | (own[after] - own[np.maximum(after - 1, 0)] <= _BRIDGED_DAYS)
        for column, quantile in enumerate(part.columns):
            values[place, :, column] = np.interp(day, own, part[quantile].to_numpy(dtype=float))
    return dates[known], values[:, known]


def _sum(
    values: NDArray[np.float64], quantiles: NDArray[np.float64], correlation: float, seed: int, *, least: float
) -> NDArray[np.float64]:
    """Return quantiles (D, Q) of the sum of parts (G, D, Q), none of which falls below the least value of its kind."""
    from scipy import special

    if correlation == 1 or len(values) == 1:
        # All lie at the same quantile.
        whole: NDArray[np.float64] = np.maximum(values, least).sum(axis=0)
        return whole
    rng = np.random.default_rng(seed)
    draws = 2 * (int(np.clip(_DRAWS_IN_ALL // len(values), _LEAST_DRAWS, _DRAWS)) // 2)

    def drawn() -> NDArray[np.float64]:
        half = rng.normal(size=draws // 2)
        # Each draw with its opposite: the middle of symmetric parts is exact.
        return np.concatenate([half, -half])

    # Beyond the outermost quantiles as far as the last two let expect.
    scores = special.ndtri(quantiles)
    slopes = (values[..., [1, -1]] - values[..., [0, -2]]) / (scores[[1, -1]] - scores[[0, -2]])
    ends = np.array([-_FAR, _FAR])
    outer = values[..., [0, -1]] + slopes * (ends - scores[[0, -1]])
    knots = np.concatenate([ends[:1], scores, ends[1:]])
    curves = np.concatenate([outer[..., :1], values, outer[..., 1:]], axis=-1)
    shared, total = drawn(), np.zeros((values.shape[1], draws))
    # Glacier by glacier: thousands are no more in memory than one.
    for of_glacier in curves:
        z = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * drawn()
        for place, curve in enumerate(of_glacier):
            total[place] += np.maximum(np.interp(z, knots, curve), least)
    return np.quantile(total, quantiles, axis=1).T


def _least(variable: str) -> float:
    return 0.0 if variable_named(variable).ratio_scale else -np.inf


def shared_weather(scores: pd.DataFrame) -> float:
    """Return the correlation of the errors of glaciers at one date: what past errors of one target date have in common.

    Parameters
    ----------
    scores : DataFrame
        Columns ``glacier``, ``target_date`` and ``z``, the error in units of its own spread.

    Returns
    -------
    float
        The mean product of two glaciers' errors at a date over the mean square, 0 to 1; NaN where fewer than eight
        dates have two glaciers.
    """
    products, count, dates = 0.0, 0, 0
    each = scores.groupby(["target_date", "glacier"])["z"].mean().reset_index()
    for _, here in each.groupby("target_date"):
        z = here["z"].to_numpy(dtype=float)
        if len(z) > 1:
            products += float(z.sum() ** 2 - (z**2).sum())
            count += len(z) * (len(z) - 1)
            dates += 1
    square = float((each["z"] ** 2).mean())
    if dates < _LEAST_DATES or not square > 0:
        return math.nan
    return float(np.clip(products / count / square, 0.0, 1.0))
