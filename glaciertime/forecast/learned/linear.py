"""The straight way from past rates to the change ahead, learned over all glaciers by least absolute deviations.

Few numbers are learned, so that it serves where trees have too little to grow on, and it carries a rate beyond what
was seen in training, which trees cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.design import COMMON, TARGET_FEATURES
from glaciertime.forecast.learned.features import FEATURES

__all__ = ["Line", "fit_linear", "linear_inputs", "series_weights"]

_CLIP = 20.0
_ROUNDS = 15
#: Smaller errors, in typical steps, count by their square.
_HUBER = 0.05
#: Ridge, as a share of the rows; the inputs have unit variance.
_RIDGE = 1e-3
_RATES = slice(len(TARGET_FEATURES), len(TARGET_FEATURES) + 7)
_STEPS = [len(TARGET_FEATURES) + FEATURES.index(name) for name in ("last step", "step before")]
_HEIGHTS = [
    len(TARGET_FEATURES) + FEATURES.index(name)
    for name in ("height above the mean", "height above the minimum", "depth below the maximum")
]
_OTHERS = slice(len(TARGET_FEATURES) + len(FEATURES), len(TARGET_FEATURES) + len(FEATURES) + len(COMMON) - 2)
_KALMAN_MEAN, _DRIFT = TARGET_FEATURES.index("Kalman mean"), TARGET_FEATURES.index("drift")


def linear_inputs(design: NDArray[np.float32], root_ahead: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the change over the root of the time ahead may be proportional to, (R, 22).

    The glacier's own rates and those of the others carried on, the changes that the Kalman filter and the drift
    forecast, the heights above earlier values, and the last two steps.

    Parameters
    ----------
    design : (R, F) float32
        See :func:`glaciertime.forecast.learned.features.design_matrix`.
    root_ahead : (R,) float64
        Root of the years ahead.
    """
    root = root_ahead[:, None]
    table = np.column_stack(
        [
            design[:, _RATES] * root, design[:, _OTHERS] * root, design[:, [_KALMAN_MEAN, _DRIFT]] / root,
            design[:, _HEIGHTS] / root, design[:, _STEPS],
        ]
    )  # fmt: skip
    # No other glacier known: their rates count as zero.
    return np.clip(np.nan_to_num(table), -_CLIP, _CLIP)


def series_weights(
    error: NDArray[np.float64], root_ahead: NDArray[np.float64], series: NDArray[np.int64], *, power: float
) -> NDArray[np.float64]:
    """Return weights (R,), mean one, with which every series counts about alike in a relative error.

    Parameters
    ----------
    error : (R,) float64
        Absolute errors of some plain forecast, in typical steps.
    root_ahead : (R,) float64
    series : (R,) int
    power : float
        Of the sum of a series' errors that its weight is divided by: 0 lets all rows count alike, 1 all series.

    Examples
    --------
    >>> series_weights(np.array([1.0, 1.0, 4.0]), np.ones(3), np.array([0, 0, 1]), power=1.0).round(2)
    array([1.2, 1.2, 0.6])
    """
    total = np.bincount(series, weights=error)
    weight = root_ahead / np.maximum(total[series], 1e-3) ** power
    return np.asarray(weight / weight.mean())


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line: called with inputs (Q, P), it answers (Q,).

    Attributes
    ----------
    centre, spread : (P,) float64
        What the inputs are shifted and divided by.
    weights : (P + 1,) float64
        The constant, and what each input is multiplied by.
    """

    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __call__(self, asked: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is answered for inputs."""
        # Row by row: a product of matrices rounds by how many rows are asked for.
        shifted = np.ascontiguousarray((asked - self.centre) / self.spread)
        return np.asarray(self.weights[0] + (shifted * self.weights[1:]).sum(axis=1))


def fit_linear(inputs: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]) -> Line:
    """Return the line that answers for inputs (Q, P), fitted by iteratively reweighted least squares.

    Parameters
    ----------
    inputs, target, weight : (R, P), (R,), (R,) float64

    Examples
    --------
    >>> x = np.linspace(-1, 1, 201)[:, None]
    >>> y = 2 * x[:, 0] + 1
    >>> y[::20] = 50.0
    >>> fit_linear(x, y, np.ones(201))(np.array([[0.5]])).round(1)
    array([2.])
    """
    centre = np.average(inputs, axis=0, weights=weight)
    spread = inputs.std(axis=0) + 1e-9
    table = np.column_stack([np.ones(len(inputs)), (inputs - centre) / spread])
    ridge = np.full(table.shape[1], _RIDGE * len(inputs))
    ridge[0] = 0.0
    now, found = weight, np.zeros(table.shape[1])
    for _ in range(_ROUNDS):
        scaled = table * now[:, None]
        found = np.linalg.solve(scaled.T @ table + np.diag(ridge), scaled.T @ target)
        now = weight / np.maximum(np.abs(target - table @ found), _HUBER)

    return Line(centre, spread, found)
