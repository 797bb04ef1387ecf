"""Intervals from past errors: of other glaciers, at a similar lead, with targets no later than the cutoff."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_ERRORS", "PastErrors", "weighted_quantile"]

#: Fewer past errors at a similar lead, and they say nothing yet; fewer in all, and nothing of what makes them large.
MIN_ERRORS, _LEAST_TO_LEARN = 60, 200
_LEAD_WIDTH = 0.35
#: So many years of targets are trusted half.
_HALF_TRUST_YEARS = 10.0
#: An error that counts less than this is not looked at.
_COUNTS = 1e-3
#: Leads of which less than such a share of the errors are known that are of the best known lead are trusted less.
_FEW_SHARE = 0.25
#: A side is at least so much of what both sides together are: few errors may all be of one sign.
_LEAST_SIDE = 0.2
#: The smallest error that tells more than a smaller one, and how far an input counts as it is.
_SMALLEST, _FARTHEST = 0.02, 20.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Memory:
    """How past errors are remembered.

    Attributes
    ----------
    half_life_years : float
        How fast they are forgotten.
    common : float
        How much of the size of an error the years' common weather is taken to be, in logarithms.
    size_half_life_years : float
        How fast is forgotten what makes them large.
    is_by_side : bool
        Whether what makes errors below large is told apart from what makes those above large.
    ridge, clip : float
        Ridge per error; how far an input counts, in standard deviations.
    """

    half_life_years: float
    common: float
    size_half_life_years: float
    is_by_side: bool
    ridge: float
    clip: float


#: With which as many lie on either side as should, at the least interval score, of what came before the targets that
#: the benchmark scores.
_OF_AREAS = _Memory(5.0, 0.3, np.inf, False, 0.3, 3.0)
_OF_ALL_ELSE = _Memory(2.0, 0.4, 10.0, True, 0.1, 2.0)


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
    return _quantile_of_sorted(values[order], weights[order], quantiles)


def _quantile_of_sorted(x: Array, w: Array, quantiles: Array) -> Array:
    middle = (np.cumsum(w) - w / 2) / w.sum()
    return np.interp(quantiles, middle, x)


@dataclass(frozen=True, eq=False)
class _Sides:
    """What errors of a similar lead say of how far the next one lies on either side.

    Attributes
    ----------
    sizes : (Q,) float64
        How far errors lie on the side of each quantile; 0 where fewer than 60 tell.
    years : int
        Of so many years they are.
    share : float
        How far they are trusted for their number, 0 to 1.
    """

    sizes: Array
    years: int
    share: float


@dataclass(frozen=True, eq=False)
class _Recent:
    """Past errors that count at some lead, and what is the same of them at every lead.

    Attributes
    ----------
    errors, sizes, weight : (N,) float64
        Each error, how large it is, and how much it counts by its age.
    leads : (L,) float64
        The leads that there are.
    lead, year : (N,) int
        Place of each error's lead among them, and number of its target's year.
    by_error, by_size : (N,) int
        What sorts them.
    """

    errors: Array
    sizes: Array
    weight: Array
    leads: Array
    lead: NDArray[np.int64]
    year: NDArray[np.int64]
    by_error: NDArray[np.int64]
    by_size: NDArray[np.int64]

    @cached_property
    def _most_alike(self) -> float:
        """How many errors are of a similar lead, at the one of which the most are."""
        places, counts = np.unique(np.round(np.log(self.leads[self.lead]) / _LEAD_WIDTH, 1), return_counts=True)
        alike = np.exp(-0.5 * (places[:, None] - places) ** 2) @ counts
        return float(alike.max(initial=1.0))

    def sides(self, ahead: float, quantiles: Array) -> _Sides:
        """Return the conformal quantile of each side, and what it rests on."""
        near_lead = np.exp(-0.5 * (np.log(self.leads / ahead) / _LEAD_WIDTH) ** 2)
        weight = near_lead[self.lead] * self.weight
        near = weight > _COUNTS
        years = int(np.count_nonzero(np.bincount(self.year[near])))
        if near.sum() < MIN_ERRORS:
            return _Sides(np.zeros_like(quantiles), years, 0.0)
        alike = float(near_lead @ np.bincount(self.lead, minlength=len(self.leads)))

        def quantile(values: Array, order: NDArray[np.int64], wanted: Array) -> Array:
            chosen = order[near[order]]
            return _quantile_of_sorted(values[chosen], weight[chosen], wanted)

        both = quantile(self.sizes, self.by_size, np.abs(2 * quantiles - 1))
        side = np.sign(np.round(quantiles - 0.5, 12))
        sizes = np.maximum(side * quantile(self.errors, self.by_error, quantiles), _LEAST_SIDE * both)
        return _Sides(sizes, years, min(1.0, alike / (_FEW_SHARE * self._most_alike)))


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
        Ice shelves forget more slowly than lengths do, share less of their weather, and are too few in years for the
        sides to be told apart.
    """

    errors: Array
    lead_years: Array
    target_year: Array
    cutoff_year: float
    is_area: bool
    _middle: Array
    _spread: Array
    _effect: Array
    _sides_held: dict[tuple[float, bytes], _Sides] = field(default_factory=dict)

    @classmethod
    def learn(
        cls, errors: Array, inputs: Array, *, lead_years: Array, target_year: Array, cutoff_year: float,
        is_area: bool = False,
    ) -> PastErrors:  # fmt: skip
        r"""Return past errors with what their inputs tell of their size.

        The logarithm of an error's size is fitted by ridge regression on the standardised inputs, of lengths for the
        errors on each side by themselves and with half the weight after ten years; no fit of fewer than 200 errors.

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
        >>> (learned.size(np.array([1.0])) / learned.size(np.array([0.0]))).round(1)
        array([2.5, 2.5])
        """
        inputs = _bounded(inputs)
        middle = inputs.mean(axis=0) if len(inputs) else np.zeros(inputs.shape[1])
        spread = inputs.std(axis=0) + 1e-9 if len(inputs) else np.ones(inputs.shape[1])
        effect = np.zeros((2, inputs.shape[1]))
        scaled = errors
        if len(errors) >= _LEAST_TO_LEARN:
            memory = _OF_AREAS if is_area else _OF_ALL_ELSE
            z = np.clip((inputs - middle) / spread, -memory.clip, memory.clip)
            size = np.log(np.maximum(np.abs(errors), _SMALLEST))
            weight = 0.5 ** ((cutoff_year - target_year) / memory.size_half_life_years)
            sides = (errors < 0, errors > 0)
            if not memory.is_by_side or min(side.sum() for side in sides) < _LEAST_TO_LEARN // 2:
                sides = (np.ones(len(errors), dtype=bool),) * 2
            effect = np.stack([_ridge(z[side], size[side], weight[side], memory.ridge) for side in sides])
            scaled = errors / np.exp(np.where(errors < 0, *(z @ effect.T).T))
        return cls(scaled, lead_years, target_year, cutoff_year, is_area, middle, spread, effect)

    @property
    def _memory(self) -> _Memory:
        return _OF_AREAS if self.is_area else _OF_ALL_ELSE

    def size(self, inputs: Array) -> Array:
        """Return how large errors below and above (2,) are expected to be by the inputs (P,), 1 for usual ones."""
        z = np.clip((_bounded(inputs) - self._middle) / self._spread, -self._memory.clip, self._memory.clip)
        return np.asarray(np.exp(self._effect @ z))

    @cached_property
    def _recent(self) -> _Recent:
        """The errors that are young enough to count, in order of size."""
        weight = 0.5 ** ((self.cutoff_year - self.target_year) / self._memory.half_life_years)
        young = np.flatnonzero(weight > _COUNTS)
        leads, lead = np.unique(self.lead_years[young], return_inverse=True)
        _, year = np.unique(np.floor(self.target_year[young]), return_inverse=True)
        errors = self.errors[young]
        sizes = np.abs(errors)
        return _Recent(errors, sizes, weight[young], leads, lead, year, np.argsort(errors, kind="stable"),
                       np.argsort(sizes, kind="stable"))  # fmt: skip

    def _sides(self, ahead: float, quantiles: Array) -> _Sides:
        """Return what errors of a lead say of each side: whatever is forecast from one cutoff asks the same of them."""
        key = (ahead, quantiles.tobytes())
        if key not in self._sides_held:
            self._sides_held[key] = self._recent.sides(ahead, quantiles)
        return self._sides_held[key]

    def offsets(self, ahead: float, inputs: Array, native: Array, quantiles: Array) -> Array:
        r"""Return the quantiles of the error of a forecast, in units of its spread.

        The quantile of past errors is the conformal one, of each side by itself: misses need not be as many on both.
        Errors count by how near their lead is (on a log scale) and by their age (half after 2 years, of areas after
        5). Errors of one year share its weather, so that what counts is not how many glaciers there are but how many
        years *K* of targets: the result lies between the native and the conformal quantile, on a log scale, nearer to
        the latter the more years there are (half way at ten), and nearer to the former where less than a quarter as
        many errors are of such a lead as of the one that is known best; and of *n* = *K* / lead independent spells the
        next one is wider than they were by, with *c* = 0.4 (of areas 0.3),

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
            Increasing; the native ones where fewer than 60 errors are known, with that last factor where fewer than 60
            are of a similar lead.

        Examples
        --------
        >>> many = np.tile(np.linspace(-1, 1, 201), 200)
        >>> learned = PastErrors.learn(many, np.zeros((len(many), 1)), lead_years=np.ones(len(many)),
        ...                            target_year=np.repeat(np.arange(200.0), 201), cutoff_year=200.0, is_area=True)
        >>> learned.offsets(1.0, np.zeros(1), np.array([-0.9, 0.0, 0.9]), np.array([0.05, 0.5, 0.95])).round(2)
        array([-0.91,  0.  ,  0.91])
        """
        from scipy import special

        if len(self.errors) < MIN_ERRORS:
            return native
        found = self._sides(ahead, quantiles)
        side = np.sign(np.round(quantiles - 0.5, 12))
        conformal = found.sizes * np.where(quantiles < 0.5, *self.size(inputs))
        trust = found.years / (found.years + _HALF_TRUST_YEARS) * found.share
        half = np.abs(native)
        ratio = np.divide(conformal, half, out=np.ones_like(half), where=(half > 0) & (conformal > 0))
        spells = max(found.years / max(ahead, 1.0), 1.5)
        upper = np.clip(np.maximum(quantiles, 1 - quantiles), 0.5 + 1e-9, 1 - 1e-9)
        wider = special.stdtrit(spells + 1, upper) / special.ndtri(upper) * np.sqrt(1 + 1 / spells)
        return np.sort(side * half * ratio**trust * wider**self._memory.common)


def _ridge(z: Array, size: Array, weight: Array, ridge: float) -> Array:
    """Return the effects (P,) of standardised inputs (N, P) on logarithms of sizes (N,)."""
    weight = weight / weight.mean()
    # Of one side the inputs are not standardised.
    z = z - np.average(z, axis=0, weights=weight)
    gram = (z * weight[:, None]).T @ z + ridge * len(size) * np.eye(z.shape[1])
    return np.asarray(np.linalg.solve(gram, (z * weight[:, None]).T @ (size - np.average(size, weights=weight))))


def _bounded(inputs: Array) -> Array:
    return np.clip(np.nan_to_num(inputs), -_FARTHEST, _FARTHEST)
