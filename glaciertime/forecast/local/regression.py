"""The exact-date state-space model with regression on covariates, integrated in closed form.

The filter is linear in the data: run over the values and over every covariate with the same parameters, it leaves
innovations that a ridge regression relates (de Jong 1991, doi:10.1214/aos/1176348139). The coefficients have a
normal prior, wide against what the record shows, and what remains unknown of them widens the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.covariates import Covariates
from glaciertime.forecast.local.scaled import ScaledRecord
from glaciertime.forecast.prediction import DEFAULT_LEVELS, Prediction, quantiles_of
from glaciertime.forecast.series import as_years

__all__ = ["FittedRegression", "fit_regression"]

#: Prior standard deviation of the effect of one standard deviation of a covariate, in that of the values.
_PRIOR = 3.0

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedRegression:
    """The models that the likelihood allows, each with its coefficients.

    Attributes
    ----------
    grid, weights, known_variance : (K, 7), (K,) float64, float
        As in :class:`glaciertime.forecast.local.kalman.FittedKalman`.
    coefficients : (K, C) float64
        Of the centred and scaled covariates, in scaled units.
    uncertainty : (K, C, C) float64
        Their covariances.
    """

    years: Array
    values: Array
    noise: Array
    shift: Array
    grid: Array
    weights: Array
    harmonics: int
    centre: float
    scale: float
    known_variance: float
    covariates: Covariates
    columns: Array
    column_centre: Array
    column_scale: Array
    coefficients: Array
    uncertainty: Array
    label: str

    @property
    def effect(self) -> Array:
        """Change of the value, in its unit, that goes with one unit of each covariate, (C,)."""
        return np.asarray(self.scale * (self.weights @ self.coefficients) / self.column_scale)

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        """Return the quantiles of the mixture at dates that the covariates cover.

        Raises
        ------
        InputError
            If a covariate ends before the last date.
        """
        from scipy.special import ndtri

        from glaciertime.forecast.local.filter_rows import forecast_moments, mixture_quantiles

        self.covariates.check(self.label, dates[0], dates[-1])
        ahead = as_years(dates)
        future = (self.covariates.at(ahead) - self.column_centre) / self.column_scale
        fixed = (self.noise, self.shift, self.grid, self.harmonics, ahead)
        means, variances = forecast_moments(self.years, self.values, *fixed)
        # What the filter makes of a covariate is already in the forecast; the rest is news of the given future.
        carried = [forecast_moments(self.years, np.ascontiguousarray(c), *fixed)[0] for c in self.columns.T]
        news = future[None, :, :] - np.stack(carried, axis=2)
        means = means + np.einsum("kdc,kc->kd", news, self.coefficients)
        variances = variances + self.known_variance + np.einsum("kdc,kce,kde->kd", news, self.uncertainty, news)
        quantiles = quantiles_of(levels)
        values = mixture_quantiles(means, np.sqrt(variances), self.weights, quantiles, ndtri(quantiles))
        return Prediction(dates, quantiles, self.centre + self.scale * values)


def fit_regression(record: ScaledRecord, columns: Array) -> tuple[Array, Array, Array, Array]:
    """Return rows that matter, their weights, and the coefficients' means (K, C) and covariances (K, C, C).

    Parameters
    ----------
    record : ScaledRecord
        Whose grid is evaluated; with several scales among the rows where a sigma is known.
    columns : (N, C) float64
        Covariates, centred, of unit spread.
    """
    from glaciertime.forecast.local.filter import innovations
    from glaciertime.forecast.local.filter_rows import filter_grid

    years, values, noise, shift, harmonics = record.years, record.values, record.noise, record.shift, record.harmonics
    rows = record.with_scales(record.grid())
    total, size = len(years) - 1, columns.shape[1]
    count = total - record.events
    spread = max(float(np.std(values)), 1.0)
    prior = np.eye(size) / (_PRIOR * spread) ** 2
    logs = filter_grid(years, values, noise, shift, rows, harmonics)[:, 0]
    parts = [np.ascontiguousarray(column) for column in columns.T]
    likelihood, scales = np.empty(len(rows)), np.ones(len(rows))
    means, covariances = np.empty((len(rows), size)), np.empty((len(rows), size, size))
    for k, row in enumerate(rows):
        left = innovations(years, values, noise, shift, row, harmonics)
        table = np.column_stack([innovations(years, part, noise, shift, row, harmonics) for part in parts])
        precision = table.T @ table + prior
        inverse = np.linalg.inv(precision)
        pull = table.T @ left
        means[k] = inverse @ pull
        square = max(float(left @ left - pull @ means[k]), 0.0)
        spare = np.linalg.slogdet(precision)[1] - np.linalg.slogdet(prior)[1]
        if not record.has_sigma:
            scales[k] = max((square + (0.0 if record.constant else 1.0)) / (count + 1.0), 1e-12)
        fit = count * np.log(scales[k]) + square / scales[k]
        likelihood[k] = -0.5 * (logs[k] + spare + total * np.log(2 * np.pi) + fit)
        covariances[k] = inverse * scales[k]
    best = float(likelihood.max())
    keep = likelihood > best - 7.0
    weights = np.exp(likelihood[keep] - best)
    scaled = rows[keep].copy()
    scaled[:, [0, 1, 2, 4, 5, 6]] *= scales[keep][:, None]
    return scaled, weights / weights.sum(), means[keep], covariances[keep]
