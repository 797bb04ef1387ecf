"""Forecasters of statsforecast and sktime in our backtest, and ours among theirs.

Both packages count in steps. Here, their models see the last stretch without gaps of the record on a regular grid
(:func:`glaciertime.forecast.local.grid.to_grid`), and their path of forecasts is read off between grid dates at
the exact date asked for. What follows from that, and cannot be helped:

- values before the last gap are not seen, because neither package says for every model what a missing value does;
- dates off the grid by up to half a step are taken as on it, and an observation's sigma is not seen;
- a date less than a step ahead is interpolated between the last value and the first forecast;
- covariates are not passed on.

The other way round, one of our forecasters gets values with evenly spaced made-up dates: exact dates, sigma and the
year's season are lost on the way.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.errors import FitError, InputError, MissingExtraError, SeriesTooShortError
from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.lending import local_model, predict_steps, series_of_values
from glaciertime.forecast.local.grid import Grid, to_grid
from glaciertime.forecast.models import MODELS, Model
from glaciertime.forecast.prediction import DEFAULT_LEVELS, Forecaster, Prediction, quantiles_of
from glaciertime.forecast.series import Series

__all__ = ["ForSktime", "ForStatsforecast", "FromSktime", "FromStatsforecast", "extra_models"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _FittedPath:
    """A fitted model of another package; ``paths`` maps a number of steps and quantiles to (H, Q)."""

    grid: Grid
    last: float
    model: Any
    kind: str

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        """Return the quantiles at exact dates, read off between the steps of the grid."""
        ahead = self.grid.steps_ahead(dates)
        if (ahead <= 0).any():
            raise InputError("a date does not lie after the last observation; give a later one")
        count = int(np.ceil(ahead.max()))
        quantiles = quantiles_of(levels)
        paths = (_statsforecast_paths if self.kind == "statsforecast" else _sktime_paths)(self.model, count, quantiles)
        values = np.column_stack([self.grid.at(ahead, path, start=self.last) for path in paths.T])
        return Prediction(dates, quantiles, np.sort(values, axis=1))


def _stretch(series: Series, name: str, least: int) -> tuple[Grid, Array]:
    grid = to_grid(series)
    gaps = np.flatnonzero(np.isnan(grid.values))
    values = grid.values[gaps[-1] + 1 :] if len(gaps) else grid.values
    if len(values) < least:
        raise SeriesTooShortError(series.label, len(values), f"{name}, which needs even steps,", least,
                                  "count since the last gap; use kalman, which takes any dates")  # fmt: skip
    return grid, values


@dataclass(frozen=True, eq=False)
class FromStatsforecast:
    """A model of statsforecast as one of our forecasters.

    Parameters
    ----------
    model : object
        Of ``statsforecast.models``, such as ``AutoARIMA(season_length=1)``. A copy is fitted.
    min_values : int
        Fewer since the last gap, and the series is refused.

    Examples
    --------
    >>> from statsforecast.models import Naive
    >>> from glaciertime.forecast.example import straight_series
    >>> fitted = FromStatsforecast(Naive()).fit(straight_series(rate_per_year=-2.0))
    >>> fitted.predict(np.array(["2012-01-01"], "M8[D]")).median
    array([80.])
    """

    model: Any
    min_values: int = 8

    def fit(self, series: Series) -> _FittedPath:
        """Return the model fitted to the last stretch without gaps."""
        grid, values = _stretch(series, type(self.model).__name__, self.min_values)
        fitted = copy.deepcopy(self.model).fit(y=values)
        return _FittedPath(grid, float(values[-1]), fitted, "statsforecast")


def _statsforecast_paths(model: Any, count: int, quantiles: Array) -> Array:
    """Return (H, Q): each quantile is a bound of the central interval that it belongs to."""
    asked = sorted({round(100 * abs(1 - 2 * p), 6) for p in quantiles if abs(p - 0.5) > 1e-9})
    answer = model.predict(h=count, level=asked)
    columns = []
    for p in quantiles:
        name = "mean" if abs(p - 0.5) < 1e-9 else _bound_name(answer, p)
        if name not in answer:
            raise FitError(f"{model} gives no intervals; give it prediction_intervals=ConformalIntervals()")
        columns.append(np.asarray(answer[name], dtype=float))
    return np.column_stack(columns)


def _bound_name(answer: Mapping[str, Any], quantile: float) -> str:
    side, level = ("lo" if quantile < 0.5 else "hi"), 100 * abs(1 - 2 * quantile)
    found = [key for key in answer if key.startswith(f"{side}-") and abs(float(key[3:]) - level) < 1e-6]
    return found[0] if found else f"{side}-{level:g}"


@dataclass(frozen=True, eq=False)
class FromSktime:
    """A forecaster of sktime as one of ours; it must be able to give quantiles.

    Parameters
    ----------
    model : sktime.forecasting.base.BaseForecaster
        A clone is fitted.
    min_values : int
        Fewer since the last gap, and the series is refused.
    """

    model: Any
    min_values: int = 8

    def fit(self, series: Series) -> _FittedPath:
        """Return the model fitted to the last stretch without gaps."""
        name = type(self.model).__name__
        if not self.model.get_tag("capability:pred_int", False):
            raise InputError(f"{name} of sktime gives no prediction intervals; wrap it, for example in "
                             "ConformalIntervals of sktime")  # fmt: skip
        grid, values = _stretch(series, name, self.min_values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = self.model.clone().fit(pd.Series(values, index=pd.RangeIndex(len(values))))
        return _FittedPath(grid, float(values[-1]), fitted, "sktime")


def _sktime_paths(model: Any, count: int, quantiles: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = model.predict_quantiles(fh=np.arange(1, count + 1), alpha=[float(p) for p in quantiles])
    return np.asarray(table, dtype=float)


@dataclass(frozen=True)
class _Offered(Model):
    """A row of the table of forecasters that holds the forecaster itself."""

    forecaster: Any = None

    def make(self, *, covariates: Covariates | None = None) -> Forecaster:
        found: Forecaster = copy.deepcopy(self.forecaster)
        return found


@contextmanager
def extra_models(forecasters: Mapping[str, Forecaster], *, min_observations: int = 8) -> Iterator[None]:
    """Let more forecasters be named in forecasts and backtests while the block lasts.

    Parameters
    ----------
    forecasters : mapping of str to Forecaster
        Anything with ``fit(series)`` whose result has ``predict(dates, levels=...)``; it must be picklable where
        several processes are used.
    min_observations : int
        Series with fewer before a cutoff are refused.

    Raises
    ------
    InputError
        If a name is taken.

    Examples
    --------
    >>> from statsforecast.models import Naive
    >>> from glaciertime.forecast import Origins, backtest
    >>> from glaciertime.forecast.example import straight_series
    >>> with extra_models({"naive": FromStatsforecast(Naive(), min_values=4)}, min_observations=4):
    ...     table = backtest([straight_series(rate_per_year=-2.0)], models=["naive", "last"], horizons=["1y"],
    ...                      metrics=["mae"], origins=Origins(min_train=6))
    >>> table["value"].round(2).tolist()
    [2.0, 2.0]
    """
    taken = [name for name in forecasters if name in MODELS]
    if taken:
        raise InputError(f"model name {taken[0]!r} is taken; choose another")
    for name, forecaster in forecasters.items():
        MODELS[name] = _Offered(name, "given by the caller", f"{min_observations} observations", "", min_observations,
                                forecaster=forecaster)  # fmt: skip
    try:
        yield
    finally:
        for name in forecasters:
            MODELS.pop(name, None)


class ForStatsforecast:
    """One of our models of one series as a model of statsforecast.

    It can be put into ``StatsForecast(models=[...])`` and cross-validated there. Values count as evenly spaced, a
    year apart or a season's part.

    Parameters
    ----------
    name : str
        Of :func:`glaciertime.forecast.model_names`; not one that learns from other glaciers.
    season_length : int
        Values in a year.
    alias : str, optional
        Column name in their tables.

    Examples
    --------
    >>> lent = ForStatsforecast("drift")
    >>> lent.forecast(y=np.array([4.0, 3.0, 2.0, 1.0]), h=2)["mean"].round(2)
    array([ 0., -1.])
    """

    uses_exog = False
    prediction_intervals = None
    only_conformal_intervals = False

    def __init__(self, name: str, *, season_length: int = 1, alias: str | None = None) -> None:
        self.name, self.season_length = name, season_length
        self.alias = alias or f"glaciertime-{name}"
        local_model(name)

    def __repr__(self) -> str:
        return self.alias

    def new(self) -> ForStatsforecast:
        """Return an unfitted copy."""
        return ForStatsforecast(self.name, season_length=self.season_length, alias=self.alias)

    def fit(self, y: Array, X: Any = None) -> ForStatsforecast:
        """Fit to values (N,); covariates are not used."""
        self.series_ = series_of_values(np.asarray(y, dtype=float), self.season_length)
        self.fitted_ = local_model(self.name).make().fit(self.series_)
        return self

    def predict(self, h: int, X: Any = None, level: Sequence[float] | None = None) -> dict[str, Array]:
        """Return ``mean`` (the median) and ``lo-L``, ``hi-L`` per level in percent, (h,) each."""
        levels = [] if level is None else sorted(level)
        found = predict_steps(self.fitted_, self.series_, self.season_length, h, [one / 100 for one in levels])
        answer = {"mean": found.median}
        for one in levels:
            for side, p in (("lo", 0.5 - one / 200), ("hi", 0.5 + one / 200)):
                answer[f"{side}-{one}"] = found.values[:, int(np.argmin(np.abs(found.quantiles - p)))]
        return answer

    def forecast(
        self, y: Array, h: int, X: Any = None, X_future: Any = None, level: Any = None, fitted: bool = False
    ) -> dict[str, Array]:
        """Fit and predict at once; fitted values in the sample are not given (NaN)."""
        answer = self.new().fit(y).predict(h, level=level)
        return {**answer, "fitted": np.full(len(y), np.nan)} if fitted else answer


def ForSktime(name: str, *, season_length: int = 1) -> Any:
    """Return one of our models of one series as a forecaster of sktime, with quantiles and intervals.

    Parameters
    ----------
    name, season_length
        As in :class:`ForStatsforecast`.

    Raises
    ------
    MissingExtraError
        If sktime is not installed.
    """
    if find_spec("sktime") is None:
        raise MissingExtraError("a forecaster of sktime", "bench")
    from glaciertime.forecast.sktime_forecaster import GlaciertimeForecaster

    local_model(name)
    return GlaciertimeForecaster(name, season_length)
