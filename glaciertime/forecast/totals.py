"""What forecasts of several glaciers are together: their sum, with the weather that their errors share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.tables import VARIABLES, validate, variable_named

__all__ = ["CORRELATION", "shared_weather", "total_forecasts"]

#: Of the errors of two glaciers at one date, where nothing was learned of it.
CORRELATION = 0.5
_DRAWS = 20_000
_LEAST_DATES = 8


def total_forecasts(
    forecasts: pd.DataFrame, *, label: str, correlation: float = CORRELATION, seed: int = 0
) -> pd.DataFrame:
    r"""Return the forecasts of a sum of glaciers, by variable, model and target date.

    The errors of the glaciers are normal scores with one correlation, :math:`z_i = \sqrt\rho\,w + \sqrt{1-\rho}\,e_i`,
    each read off the quantile function of its own forecast; the quantiles of the sum are those of 20,000 draws. With
    no correlation a sum is surer than its parts, with all of it as unsure as the sum of their quantiles.

    Parameters
    ----------
    forecasts : DataFrame
        The table ``forecasts``: of each glacier one series of a variable, in one unit. Only target dates of which the
        model gave a forecast for all its glaciers count: a sum without one of them would be that of others.
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
        if variable in VARIABLES and VARIABLES[variable].unit not in ("km2", "km3", "Gt"):
            raise InputError(f"{variable} of several glaciers has no sum; areas, volumes and masses have")
        units = sorted(rows["unit"].unique())
        if len(units) > 1:
            raise InputError(f"{variable} is given in {' and '.join(units)}; bring the forecasts to one unit")
        several = (
            rows.groupby("glacier")[["method", "footprint", "dataset", "front_of", "cutoff"]].nunique().max(axis=1)
        )
        if (several > 1).any():
            raise InputError(f"{several.idxmax()}: several series or cutoffs of {variable}; give one of each glacier")
        names = asked[variable, model, source]
        for date, here in rows.groupby("target_date"):
            wide = here.pivot_table(index="glacier", columns="quantile", values="value")
            if len(wide) < len(names) or wide.isna().any(axis=None):
                continue
            quantiles = wide.columns.to_numpy(dtype=float)
            if len(quantiles) < 2:
                raise InputError(f"{variable} by {model}: quantile {quantiles[0]:g} alone says nothing of how unsure a "
                                 "sum is; give forecasts with their intervals")  # fmt: skip
            values = _sum(wide.to_numpy(), quantiles, correlation, seed, least=_least(str(variable)))
            cutoff = here["cutoff"].max()
            for quantile, value in zip(quantiles, values, strict=True):
                out.append({
                    "glacier": label, "variable": variable, "method": "sum", "footprint": f"{len(names)} glaciers",
                    "dataset": "sum", "front_of": "", "model": model, "cutoff": cutoff, "target_date": date,
                    "horizon_days": (date - cutoff) / pd.Timedelta(days=1), "quantile": quantile, "value": value,
                    "unit": here["unit"].iloc[0], "status": "ok", "source": source,
                })  # fmt: skip
    columns = pd.DataFrame(out, columns=list(forecasts.columns) if not out else None)
    return validate(columns, "forecasts")


def _sum(
    values: NDArray[np.float64], quantiles: NDArray[np.float64], correlation: float, seed: int, *, least: float
) -> NDArray[np.float64]:
    """Return quantiles (Q,) of the sum of parts (G, Q), none of which falls below the least value of its kind."""
    from scipy import special

    rng = np.random.default_rng(seed)
    half = rng.normal(size=(_DRAWS // 2, len(values) + 1))
    # Each draw with its opposite: the middle of symmetric parts is exact.
    drawn = np.vstack([half, -half])
    z = np.sqrt(correlation) * drawn[:, :1] + np.sqrt(1 - correlation) * drawn[:, 1:]
    scores = special.ndtri(quantiles)
    total = np.zeros(len(drawn))
    for k, own in enumerate(values):
        inside = np.interp(z[:, k], scores, own)
        # Beyond the outermost quantiles as far as the last two let expect.
        for edge, beside in ((0, 1), (-1, -2)):
            beyond = z[:, k] < scores[0] if edge == 0 else z[:, k] > scores[-1]
            slope = (own[edge] - own[beside]) / (scores[edge] - scores[beside])
            inside[beyond] = own[edge] + slope * (z[beyond, k] - scores[edge])
        total += np.maximum(inside, least)
    return np.quantile(total, quantiles)


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
        The mean product of two glaciers' errors at a date over the mean square, 0 to 1; :data:`CORRELATION` where fewer
        than eight dates have two glaciers.
    """
    products, count, dates = 0.0, 0, 0
    each = scores.groupby(["target_date", "glacier"])["z"].mean().reset_index()
    for _, here in each.groupby("target_date"):
        z = here["z"].to_numpy(dtype=float)
        if len(z) > 1:
            products += float(z.sum() ** 2 - (z**2).sum())
            count += len(z) * (len(z) - 1)
            dates += 1
    if dates < _LEAST_DATES:
        return CORRELATION
    square = float((each["z"] ** 2).mean())
    return float(np.clip(products / count / square, 0.0, 1.0)) if square > 0 else CORRELATION
