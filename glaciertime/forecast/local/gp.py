"""A Gaussian process at exact dates, by scikit-learn: trend, slow variation, season, and the observation's sigma."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, from_normal
from glaciertime.forecast.series import Series, as_years

__all__ = ["GaussianProcess"]

_MAX_VALUES = 400


@dataclass(frozen=True, eq=False)
class _FittedProcess:
    model: Any
    last_years: float
    centre: float
    scale: float
    #: Of an observation to come, known beforehand; scaled.
    sigma: float

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        mean, sd = self.model.predict((as_years(dates) - self.last_years)[:, None], return_std=True)
        # The process and the white noise are in the model's spread; what was given as known is not.
        spread = self.scale * np.sqrt(sd**2 + self.sigma**2)
        return from_normal(dates, self.centre + self.scale * mean, spread, levels=levels)


@dataclass(frozen=True)
class GaussianProcess:
    """Linear trend plus a Matern-3/2 process, an annual cycle where the record resolves one, and white noise.

    Hyperparameters maximise the marginal likelihood; an observation's own sigma enters as known variance, and a
    typical recent one is that of the observation forecast.
    """

    def fit(self, series: Series) -> _FittedProcess:
        """Return the process fitted to at least five observations; to the latest 400 of a longer record."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, ExpSineSquared, Matern, WhiteKernel

        if len(series) > _MAX_VALUES:
            series = series.take(slice(-_MAX_VALUES, None))
        years = series.years - series.years[-1]
        centre = float(series.values[-1])
        gaps = np.diff(series.years)
        scale = float(np.sqrt(np.mean(np.diff(series.values) ** 2))) or 1.0
        gap, span = float(np.median(gaps)), float(-years[0])
        spread = max(float(np.var((series.values - centre) / scale)), 1.0)
        kernel = ConstantKernel(spread, (1e-2, 1e5)) * Matern(span / 3, (gap, 10 * span), nu=1.5)
        kernel += ConstantKernel((1 / gap) ** 2, (1e-6, 1e6)) * DotProduct(0.0, "fixed")
        kernel += WhiteKernel(0.5, (1e-6, 1e3))
        if gap < 0.2 and span > 2:
            cycle = ExpSineSquared(1.0, 1.0, length_scale_bounds=(0.3, 10.0), periodicity_bounds="fixed")
            kernel += ConstantKernel(1.0, (1e-4, 1e4)) * cycle
        sigma = np.where(np.isnan(series.sigma), 0.0, series.sigma) / scale
        model = GaussianProcessRegressor(kernel, alpha=sigma**2 + 1e-8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(years[:, None], (series.values - centre) / scale)
        return _FittedProcess(model, float(series.years[-1]), centre, scale, series.recent_sigma / scale)
