"""One record in units of its typical step, and what the likelihood says of the models of a grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.local.steps import Steps, typical_steps

__all__ = ["PER_SCALE", "ScaledRecord"]

#: Ratios that span what records of glaciers show: observation and rate noise against that of the level, and the
#: memory of the rate, all in units of the record's median step.
_OBS = (1e-3, 0.05, 0.3, 1.0, 3.0, 15.0)
_RATE = (1e-5, 1e-3, 1e-2, 0.06, 0.3, 1.5, 8.0)
_TAU = (1.0, 3.0, 9.0, 27.0, 1e6)
#: Prior standard deviation of the mean rate, in typical steps of the record, its trend and all.
_MEAN_RATE_STEPS = 3.0
#: Scales that are tried where a known sigma fixes the unit of the noise.
_SCALES = (1e-3, 0.03, 0.12, 0.4, 1.0, 2.5, 6.0)
#: Which of a row's parameters are variances: all but the memory of the rate.
PER_SCALE = np.array([True, True, True, False, True, True, True])

Array = NDArray[np.float64]


@lru_cache(maxsize=4)
def _ratios() -> Array:
    """Return observation, level and rate noise, memory of the rate, and whether the rate has a mean, (K, 5)."""
    obs, rate, tau = (axis.ravel() for axis in np.meshgrid(_OBS, _RATE, _TAU, indexing="ij"))
    rows = np.column_stack([obs, np.ones_like(obs), rate, tau])
    # A level that hardly moves by itself: a smooth trend under noise.
    smooth = rows.copy()
    smooth[:, 1] = 1e-4
    smooth = smooth[(rows[:, 0] >= 0.3) & (rows[:, 2] >= 1e-3)]
    lasting = np.concatenate([rows, smooth])
    lasting = np.column_stack([lasting, np.ones(len(lasting))])
    # A rate that lasts for some steps and has no mean to come back to: what has slowed does not speed up again.
    reverting = lasting[(lasting[:, 2] >= 1e-3) & (lasting[:, 3] >= 3.0) & (lasting[:, 3] < 1e6)]
    reverting[:, 4] = 0.0
    return np.concatenate([lasting, reverting])


class ScaledRecord:
    """One series in scaled units while it is being fitted.

    Attributes
    ----------
    years, values, noise, shift : (N,) float64
        Values less the last one; known variances, huge for what is set aside; variances of jumps of the level.
    centre, scale : float
        What was subtracted, and the unit, both in the unit of the series.
    steps : Steps
        In the unit of the series.
    """

    def __init__(
        self, years: Array, raw: Array, sigma: Array, *, harmonics: int,
        apart: tuple[int, ...] = (), breaks: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        known = np.where(np.isnan(sigma), 0.0, sigma)
        self.steps: Steps = typical_steps(years, raw, apart=apart, breaks=breaks)
        self.gap, self.harmonics = self.steps.gap, harmonics
        self.constant = bool((raw == raw[0]).all())
        # Where nothing varies but the events, they are all that tells of the unit.
        varied = self.steps.about_trend or typical_steps(years, raw).about_trend
        self.scale = varied or float(np.max(known)) or 1.0
        self.centre = float(raw[-1])
        self.years, self.values = years, (raw - self.centre) / self.scale
        self.noise, self.shift = (known / self.scale) ** 2, np.zeros(len(years))
        self.has_sigma = bool((known > 0).any())
        trend = self.steps.rate / self.scale * (years - years[-1])
        self.cycle_variance = float(np.var(self.values - trend)) if harmonics else 0.0
        #: A variance beside which all that the record shows is small.
        self.wide = 10 * max(float(np.max(np.abs(self.values))) ** 2, 1.0)
        self.apart: tuple[int, ...] = ()
        self.breaks: tuple[int, ...] = ()
        #: The rows that are tried: what is set apart later changes none of them.
        self._rows: Array | None = None
        self.set_apart(apart, breaks)

    def set_apart(self, apart: tuple[int, ...], breaks: tuple[int, ...]) -> None:
        """Set observations aside, and let the level jump before others, besides those that already are."""
        self.noise[list(set(apart) - set(self.apart))] += self.wide
        self.shift[list(set(breaks) - set(self.breaks))] += self.wide
        self.apart, self.breaks = tuple(sorted({*self.apart, *apart})), tuple(sorted({*self.breaks, *breaks}))
        self._last: tuple[Array, Array] | None = None

    @property
    def events(self) -> int:
        """How many observations tell nothing of the scale."""
        return len(self.apart) + len(self.breaks)

    def grid(self) -> Array:
        """Return the ratios in scaled units, for a variance of one per median step."""
        ratios = _ratios()
        rows = np.zeros((len(ratios), 7))
        rows[:, :4] = ratios[:, :4]
        rows[:, 1] /= self.gap
        rows[:, 2] /= self.gap**3
        rows[:, 3] *= self.gap
        # The typical variance of a step is one under every row.
        step = rows[:, 0] * 2 + rows[:, 1] * self.gap + rows[:, 2] * self.gap**3
        rows[:, :3] /= step[:, None]
        whole = max(self.steps.whole / self.scale, 1.0)
        rows[:, 5] = ratios[:, 4] * (_MEAN_RATE_STEPS * whole / self.gap) ** 2
        rows[:, 6] = self.cycle_variance
        return rows

    def with_scales(self, rows: Array) -> Array:
        """Return the rows with every scale that is tried: where no sigma is known, it has a closed form."""
        return (
            np.concatenate([np.where(PER_SCALE, rows * factor, rows) for factor in _SCALES]) if self.has_sigma else rows
        )

    def likelihood(self, rows: Array) -> tuple[Array, Array]:
        """Return rows with the scale that makes each most likely, and their log-likelihoods; as given with a sigma."""
        from glaciertime.forecast.local.filter_rows import filter_grid

        sums = filter_grid(self.years, self.values, self.noise, self.shift, rows, self.harmonics)
        scale, likelihood = self.likelihood_of(sums, events=self.events)
        return (rows if self.has_sigma else np.where(PER_SCALE, rows * scale[:, None], rows)), likelihood

    def likelihood_of(self, sums: Array, *, events: int) -> tuple[Array, Array]:
        """Return the most likely scales (K,), 1 with a sigma, and log-likelihoods (K,) of what the filter summed."""
        if self.has_sigma:
            return np.ones(len(sums)), -0.5 * (sums[:, 0] + sums[:, 1] + sums[:, 2] * np.log(2 * np.pi))
        count = sums[:, 2] - events
        # Two pseudo-observations at the scale of the record keep short or nearly constant records proper.
        scale = np.maximum((sums[:, 1] + (0.0 if self.constant else 1.0)) / (count + 1.0), 1e-12)
        fit = count * np.log(scale) + sums[:, 1] / scale
        return scale, -0.5 * (sums[:, 0] + sums[:, 2] * np.log(2 * np.pi) + fit)

    def evaluate(self) -> tuple[Array, Array]:
        """Return all rows with their scale, and their log-likelihoods."""
        if self._last is None:
            if self._rows is None:
                self._rows = self.with_scales(self.grid())
            self._last = self.likelihood(self._rows)
        return self._last

    def weigh(self) -> tuple[Array, Array]:
        """Return the parameter rows that matter, and their weights."""
        rows, likelihood = self.evaluate()
        best = float(likelihood.max())
        keep = likelihood > best - 7.0
        weights = np.exp(likelihood[keep] - best)
        return rows[keep], weights / weights.sum()

    def refine(self) -> tuple[Array, float]:
        """Return the most likely row and its log-likelihood given the first two values.

        It is not added to the mixture, in which every row stands for its neighbourhood.
        """
        from glaciertime.forecast.local.likelihood import most_likely

        rows, likelihood = self.evaluate()
        if self.constant or len(self.years) < 4:
            return rows[int(np.argmax(likelihood))], float(likelihood.max())
        return most_likely(self.years, self.values, self.noise, self.shift, rows, likelihood,
                           harmonics=self.harmonics, free_scale=not self.has_sigma)  # fmt: skip
