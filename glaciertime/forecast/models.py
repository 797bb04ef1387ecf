"""The one table of forecasters: name, what it is, what it needs, and where it is made.

All give the same forecast in another unit that is a power of ten of the first: a thousandth of the values has a
thousandth of the quantiles. In other units (miles) it differs by the last digit of the values, which tells how finely
they were read. Of positions and changes, whose zero is arbitrary, a constant added to all values, of no finer digits,
is added to the forecast; of areas and lengths it is not, since none falls below zero and shares of them tell a break.
Shifted by whole periods of the calendar (1461 days) the models of one series forecast the same; those that learn from
other glaciers do not, since what they know of these, and when they were trained, has its own dates.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from glaciertime.errors import UsageError, nearest_names
from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.prediction import Forecaster
from glaciertime.forecast.task import MIN_MIXED

__all__ = ["MODELS", "Model", "get_model", "model_names", "model_table"]


@dataclass(frozen=True)
class Model:
    """One forecaster.

    Attributes
    ----------
    name, description, needs : str
        One line each, for a reader.
    location : str
        ``module:attribute`` of what makes it, imported on first use.
    min_observations : int
        Fewer before the cutoff, and the model refuses.
    is_global : bool
        Whether it learns from other glaciers; ``location`` is then a function of a
        :class:`~glaciertime.forecast.learned.pooled.Workbench` that returns an outcome per task.
    takes_covariates : bool
        Whether the forecaster has an argument ``covariates``; a global one finds them on its workbench.
    weighs_sigma : bool
        Whether it weighs every observation by its own sigma; the others are given a series in which those of unusual
        sigma are settled (:mod:`glaciertime.forecast.regime`).
    """

    name: str
    description: str
    needs: str
    location: str
    min_observations: int
    is_global: bool = False
    takes_covariates: bool = False
    weighs_sigma: bool = False

    def load(self) -> Any:
        """Return what ``location`` points to."""
        module, _, attribute = self.location.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def make(self, *, covariates: Covariates | None = None) -> Forecaster:
        """Return a local forecaster with its default settings, and with covariates where it takes them."""
        forecaster: Forecaster = self.load()(covariates=covariates) if self.takes_covariates else self.load()()
        return forecaster


_LOCAL = "glaciertime.forecast.local."
_LEARNED = "glaciertime.forecast.learned."

MODELS = {
    model.name: model
    for model in (
        Model("last", "the last value, a random walk around it", "2 observations", _LOCAL + "simple:Last", 2),
        Model("seasonal-last", "the latest value of the same season", "3 observations",
              _LOCAL + "simple:SeasonalLast", 3),
        Model("drift", "the mean rate of the whole record carried on", "3 observations", _LOCAL + "simple:Drift", 3),
        Model("damped-drift", "the recent rate carried on and fading", "5 observations",
              _LOCAL + "simple:DampedDrift", 5),
        Model("theta", "the theta method of statsforecast, on the last stretch without gaps",
              "8 even observations", _LOCAL + "classical:Theta", 8),
        Model("ets", "exponential smoothing of statsforecast, on the last stretch without gaps",
              "8 even observations", _LOCAL + "classical:Ets", 8),
        Model("auto-arima", "auto_arima of pmdarima, on the last stretch without gaps",
              "8 even observations", _LOCAL + "classical:AutoArima", 8),
        Model("gp", "Gaussian process at exact dates: trend, slow variation, season", "5 observations",
              _LOCAL + "gp:GaussianProcess", 5, weighs_sigma=True),
        Model("kalman", "state space at exact dates: level, damped rate, annual cycle, the observation's own sigma",
              "4 observations", _LOCAL + "kalman:Kalman", 4, takes_covariates=True, weighs_sigma=True),
        Model("arima", "ARIMA in state-space form, order by information criterion; gaps stay open",
              "8 observations", _LOCAL + "arima:Arima", 8, takes_covariates=True),
        Model("linear", "past rates carried on, with weights that other glaciers taught up to the cutoff",
              "as gbm", _LEARNED + "pooled:run_linear", 4, is_global=True),
        Model("gbm", "boosted trees on scaled past changes, trained on other glaciers up to the cutoff",
              "4 observations and 300 earlier values of other glaciers",
              _LEARNED + "pooled:run_gbm", 4, is_global=True, takes_covariates=True),
        Model("lstm", "LSTM over all glaciers, shipped weights, quantiles of the scaled change",
              "4 observations and a cutoff after its training",
              _LEARNED + "global_neural:run_lstm", 4, is_global=True),
        Model("mamba", "Mamba over all glaciers, states decay by real time, shipped weights",
              "4 observations and a cutoff after its training",
              _LEARNED + "global_neural:run_mamba", 4, is_global=True),
        Model("ensemble", "median of last, drift, kalman, linear and gbm, weighted by past skill on other glaciers",
              "as gbm", _LEARNED + "pooled:run_ensemble", 4, is_global=True),
        Model("auto", "the mix of last, drift, kalman, linear and gbm that served other glaciers best until then",
              f"2 observations, below {MIN_MIXED} the last value; better with other glaciers",
              _LEARNED + "pooled:run_auto", 2, is_global=True),
    )
}  # fmt: skip


def model_names() -> list[str]:
    """Return the names of all forecasters, simplest first.

    Examples
    --------
    >>> model_names()[:3]
    ['last', 'seasonal-last', 'drift']
    """
    return list(MODELS)


def model_table() -> pd.DataFrame:
    """Return one row per forecaster: ``model, description, needs``.

    Examples
    --------
    >>> list(model_table().columns)
    ['model', 'description', 'needs']
    """
    rows = [(model.name, model.description, model.needs) for model in MODELS.values()]
    return pd.DataFrame(rows, columns=["model", "description", "needs"])


def get_model(name: str) -> Model:
    """Return a forecaster of the table.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in MODELS:
        near = nearest_names(name, MODELS) or model_names()
        raise UsageError(f"there is no model {name!r}; did you mean {', '.join(near)}?")
    return MODELS[name]


def get_models(names: Sequence[str]) -> list[Model]:
    """Return the forecasters of several names, each once, in the order given."""
    if isinstance(names, str):
        names = [names]
    return [get_model(name) for name in dict.fromkeys(names)]
