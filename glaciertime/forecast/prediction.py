"""What every forecaster is and gives: quantiles of the value at exact dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["DEFAULT_LEVELS", "Fitted", "Forecaster", "Prediction", "from_normal", "from_student", "quantiles_of"]

#: Nominal coverages of the central intervals that are given unless others are asked for.
DEFAULT_LEVELS = (0.5, 0.8, 0.9, 0.95)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Quantiles of the predicted value.

    Attributes
    ----------
    dates : (D,) datetime64[D]
    quantiles : (Q,) float64
        In (0, 1), increasing; 0.5 is among them.
    values : (D, Q) float64
        In the unit of the series, increasing along the second axis.
    """

    dates: NDArray[np.datetime64]
    quantiles: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def median(self) -> NDArray[np.float64]:
        """The median forecast, (D,)."""
        return self.values[:, int(np.argmin(np.abs(self.quantiles - 0.5)))]


class Fitted(Protocol):
    """A model fitted to one series."""

    def predict(self, dates: NDArray[np.datetime64], *, levels: Sequence[float] = DEFAULT_LEVELS) -> Prediction:
        """Return the quantiles at dates after the last observation."""
        ...


class Forecaster(Protocol):
    """A model that can be fitted to one series."""

    def fit(self, series: Any) -> Fitted:
        """Return the model fitted to a :class:`glaciertime.forecast.series.Series`."""
        ...


def quantiles_of(levels: Sequence[float]) -> NDArray[np.float64]:
    """Return the quantiles that bound central intervals, and the median, in order.

    Parameters
    ----------
    levels : sequence of float in (0, 1)
        Nominal coverages.

    Raises
    ------
    InputError
        If a level lies outside (0, 1).

    Examples
    --------
    >>> quantiles_of([0.5, 0.9])
    array([0.05, 0.25, 0.5 , 0.75, 0.95])
    """
    bad = [level for level in levels if not 0 < level < 1]
    if bad:
        raise InputError(f"level {bad[0]} is not a coverage between 0 and 1; give 0.9 for 90 %")
    both = {0.5, *(round((1 - level) / 2, 9) for level in levels), *(round((1 + level) / 2, 9) for level in levels)}
    return np.array(sorted(both))


def from_normal(
    dates: NDArray[np.datetime64], mean: NDArray[np.float64], sd: NDArray[np.float64], *, levels: Sequence[float]
) -> Prediction:
    """Return the prediction of a normal distribution with mean (D,) and standard deviation (D,)."""
    return from_student(dates, mean, sd, degrees=np.inf, levels=levels)


def from_student(
    dates: NDArray[np.datetime64],
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
    *,
    degrees: float,
    levels: Sequence[float],
) -> Prediction:
    """Return the prediction of Student's t with ``degrees`` of freedom, centre (D,) and scale (D,)."""
    from scipy import special

    quantiles = quantiles_of(levels)
    z = special.ndtri(quantiles) if np.isinf(degrees) else special.stdtrit(max(degrees, 1.0), quantiles)
    return Prediction(dates, quantiles, np.asarray(centre)[:, None] + np.asarray(scale)[:, None] * z[None, :])
