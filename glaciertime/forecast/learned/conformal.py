"""Intervals from past errors: of other glaciers, at a similar lead, with targets no later than the cutoff."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_ERRORS", "PastErrors", "weighted_quantile"]

#: Fewer past errors at a similar lead, and they say nothing yet; fewer in all, and nothing of what makes them large.
MIN_ERRORS, _LEAST_TO_LEARN = 60, 200
_LEAD_WIDTH = 0.35
#: How fast past errors are forgotten (areas, all else), and how much of the size of an error the years' common weather
#: is taken to be, in logarithms: with which as many lie on either side as should, of what came before the targets that
#: the benchmark scores.
_HALF_LIFE_YEARS = {True: 5.0, False: 2.0}
_COMMON = {True: 0.3, False: 0.4}
#: So many years of targets are trusted half.
_HALF_TRUST_YEARS = 10.0
#: A side is at least so much of what both sides together are: few errors may all be of one sign.
_LEAST_SIDE = 0.2
#: Ridge per error, the smallest error that tells more than a smaller one, and how far an input counts: as it is, and in
#: standard deviations.
_RIDGE, _SMALLEST, _FARTHEST, _CLIP = 0.3, 0.02, 20.0, 3.0

Array = NDArray[np.float64]


def weighted_quantile(
    values: NDArray[np.float64], weights: NDArray[np.float64], quantiles: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return quantiles of weighted values, interpolated between the middles of their steps.

    Examples
    --------
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([0.5]))
    array([2.])
    """
    order = np.argsort(values, kind="stable")
    x, w = values[order], weights[order]
    middle = (np.cumsum(w) - w / 2) / w.sum()
    return np.interp(quantiles, middle, x)


@dataclass(frozen=True, eq=False)
class PastErrors:
    """Past errors in units of what was expected of them, from which intervals around a forecast are made.

    Attributes
    ----------
    errors : (N,) float64
        Observed less forecast, in units of the forecast's spread and of the size that its inputs let expect.
    lead_years, target_year : (N,) float64
    cutoff_year : float
    is_area : bool
        Ice shelves forget more slowly than lengths do, and share less of their weather.
    """

    errors: Array
    lead_years: Array
    target_year: Array
    cutoff_year: float
    is_area: bool
    _middle: Array
    _spread: Array
    _effect: Array

    @classmethod
    def learn(
        cls, errors: Array, inputs: Array, *, lead_years: Array, target_year: Array, cutoff_year: float,
        is_area: bool = False,
    ) -> PastErrors:  # fmt: skip
        r"""Return past errors with what their inputs tell of their size.

        The logarithm of an error's size is fitted by ridge regression on the standardised inputs; no fit of fewer than
        200 errors.

        Parameters
        ----------
        errors : (N,)
            Observed less forecast, in units of the forecast's spread.
        inputs : (N, P)
            What was known of each forecast when it was made.
        lead_years, target_year : (N,)
        cutoff_year : float
            No target lies after it.
        is_area : bool

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> inputs = rng.normal(size=(4000, 1))
        >>> errors = rng.normal(size=4000) * np.exp(inputs[:, 0])
        >>> learned = PastErrors.learn(errors, inputs, lead_years=np.ones(4000), target_year=np.zeros(4000),
        ...                            cutoff_year=0.0)
        >>> bool(1.5 < learned.size(np.array([1.0])) / learned.size(np.array([0.0])) < 3)
        True
        """
        inputs = _bounded(inputs)
        middle = inputs.mean(axis=0) if len(inputs) else np.zeros(inputs.shape[1])
        spread = inputs.std(axis=0) + 1e-9 if len(inputs) else np.ones(inputs.shape[1])
        effect = np.zeros(inputs.shape[1])
        scaled = errors
        if len(errors) >= _LEAST_TO_LEARN:
            z = np.clip((inputs - middle) / spread, -_CLIP, _CLIP)
            size = np.log(np.maximum(np.abs(errors), _SMALLEST))
            gram = z.T @ z + _RIDGE * len(errors) * np.eye(z.shape[1])
            effect = np.linalg.solve(gram, z.T @ (size - size.mean()))
            scaled = errors / np.exp(z @ effect)
        return cls(scaled, lead_years, target_year, cutoff_year, is_area, middle, spread, effect)

    def size(self, inputs: Array) -> float:
        """Return how large an error is expected to be by the inputs (P,) of a forecast, 1 for usual ones."""
        z = np.clip((_bounded(inputs) - self._middle) / self._spread, -_CLIP, _CLIP)
        return float(np.exp(z @ self._effect))

    def offsets(self, ahead: float, inputs: Array, native: Array, quantiles: Array) -> Array:
        r"""Return the quantiles of the error of a forecast, in units of its spread.

        The quantile of past errors is the conformal one, of each side by itself: misses need not be as many on both.
        Errors count by how near their lead is (on a log scale) and by their age (half after 2 years, of areas after
        5). Errors of one year share its weather, so that what counts is not how many glaciers there are but how many
        years *K* of targets: the result lies between the native and the conformal quantile, on a log scale, nearer to
        the latter the more years there are (half way at ten); and of *n* = *K* / lead independent spells the next one
        is wider than they were by, with *c* = 0.4 (of areas 0.3),

        .. math:: \left(\frac{t_{n+1}(p)}{z(p)} \sqrt{1 + 1/n}\right)^{c}

        Parameters
        ----------
        ahead : float
            Years ahead.
        inputs : (P,)
            As of :meth:`learn`.
        native : (Q,)
            Quantiles of the model itself.
        quantiles : (Q,)
            Probabilities, 0 to 1.

        Returns
        -------
        (Q,) float64
            Increasing; the native ones where fewer than 60 errors of a similar lead are known.

        Examples
        --------
        >>> many = np.tile(np.linspace(-1, 1, 201), 200)
        >>> learned = PastErrors.learn(many, np.zeros((len(many), 1)), lead_years=np.ones(len(many)),
        ...                            target_year=np.repeat(np.arange(200.0), 201), cutoff_year=200.0, is_area=True)
        >>> learned.offsets(1.0, np.zeros(1), np.array([-0.9, 0.0, 0.9]), np.array([0.05, 0.5, 0.95])).round(2)
        array([-0.91,  0.  ,  0.91])
        """
        from scipy import special

        age = self.cutoff_year - self.target_year
        weight = np.exp(-0.5 * (np.log(self.lead_years / ahead) / _LEAD_WIDTH) ** 2)
        weight *= 0.5 ** (age / _HALF_LIFE_YEARS[self.is_area])
        near = weight > 1e-3
        if near.sum() < MIN_ERRORS:
            return native
        years = len(np.unique(np.floor(self.target_year[near])))
        errors, weight = self.errors[near], weight[near]
        both = weighted_quantile(np.abs(errors), weight, np.abs(2 * quantiles - 1))
        side = np.sign(np.round(quantiles - 0.5, 12))
        conformal = np.maximum(side * weighted_quantile(errors, weight, quantiles), _LEAST_SIDE * both)
        conformal = conformal * self.size(inputs)
        trust = years / (years + _HALF_TRUST_YEARS)
        half = np.abs(native)
        ratio = np.divide(conformal, half, out=np.ones_like(half), where=(half > 0) & (conformal > 0))
        spells = max(years / max(ahead, 1.0), 1.5)
        upper = np.clip(np.maximum(quantiles, 1 - quantiles), 0.5 + 1e-9, 1 - 1e-9)
        wider = special.stdtrit(spells + 1, upper) / special.ndtri(upper) * np.sqrt(1 + 1 / spells)
        return np.sort(side * half * ratio**trust * wider ** _COMMON[self.is_area])


def _bounded(inputs: Array) -> Array:
    return np.clip(np.nan_to_num(inputs), -_FARTHEST, _FARTHEST)
