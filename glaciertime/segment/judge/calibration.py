"""Probabilities that mean what they say: one temperature, fitted on held-out pixels, reported with its error."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import IGNORE

__all__ = ["Calibration", "expected_calibration_error", "fit_temperature"]


@dataclass(frozen=True)
class Calibration:
    """A temperature and what it does.

    Attributes
    ----------
    temperature : float
        Logits are divided by it; above 1 where the model was too sure.
    sigma : float
        Standard deviation of the temperature over images drawn with replacement; NaN for a single image, and where some
        draw of them has no best temperature.
    log_loss_before, log_loss_after : float
        Mean negative log-likelihood of a pixel, nats.
    error_before, error_after : float
        Expected calibration error, 0 to 1.
    pixels, images : int
    """

    temperature: float
    sigma: float
    log_loss_before: float
    log_loss_after: float
    error_before: float
    error_after: float
    pixels: int
    images: int


def expected_calibration_error(
    probability: NDArray[np.floating], labels: NDArray[np.integer], *, bins: int = 15
) -> float:
    """Return the mean distance between confidence and accuracy over bins of equal width of confidence.

    ``sum_b n_b / n |accuracy_b - confidence_b|`` (Guo et al. 2017, arXiv:1706.04599).

    Parameters
    ----------
    probability : (N, K)
    labels : (N,)
        0 .. K-1.
    bins : int

    Returns
    -------
    float
        0 to 1; NaN for no pixels.

    Examples
    --------
    >>> expected_calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1]))
    0.0
    """
    if not len(labels):
        return float("nan")
    sure = probability.max(axis=1)
    right = probability.argmax(axis=1) == labels
    place = np.minimum((sure * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    gap = np.bincount(place, weights=right.astype(float) - sure, minlength=bins)
    return float(np.abs(gap).sum() / count.sum())


def _log_loss(logits: NDArray[np.float64], labels: NDArray[np.int64], temperature: float) -> float:
    scaled = logits / temperature
    top = scaled.max(axis=1)
    norm = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float((norm - scaled[np.arange(len(labels)), labels]).mean())


def _best(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the temperature of least log loss: 0 where no pixel is wrong, infinite where a flat guess is best.

    In the inverse temperature the loss is convex: its slope, the mean of what the model expects of the logits less the
    logit of the label, is zero at most once.
    """
    own = logits[np.arange(len(labels)), labels]

    def slope(inverse: float) -> float:
        return float(((special.softmax(inverse * logits, axis=1) * logits).sum(axis=1) - own).mean())

    if slope(0.0) >= -1e-12 * float(np.abs(logits).max()):
        return math.inf
    if (own == logits.max(axis=1)).all():
        return 0.0
    low = high = 1.0
    while slope(low) > 0:
        low /= 2
    while slope(high) < 0:
        high *= 2
    return 1 / float(optimize.brentq(slope, low, high, rtol=1e-9)) if low < high else 1 / low


def fit_temperature(
    images: Iterable[tuple[NDArray[np.floating], NDArray[np.integer]]],
    *,
    pixels_per_image: int = 2000,
    resamples: int = 50,
    seed: int = 0,
) -> Calibration:
    """Fit the temperature that minimises the log loss of held-out images.

    Parameters
    ----------
    images : iterable of (logits (K, H, W), labels (H, W))
        Held out from training; labels of 255 do not count.
    pixels_per_image : int
        Drawn from each image: neighbouring pixels say the same.
    resamples : int
        Of images, for the error of the temperature.
    seed : int

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If no pixel is labelled, or if no temperature is best: where every pixel is right the least loss is that of
        certainty, where the logits tell nothing that of a flat guess.

    Examples
    --------
    Logits of log-odds 4 that are right three times in four should have been ln 3:

    >>> logits = np.zeros((2, 1, 400)); logits[0] = 4.0
    >>> labels = (np.arange(400) % 4 == 3).astype(int)[None]
    >>> round(fit_temperature([(logits, labels)]).temperature, 2), round(4 / float(np.log(3)), 2)
    (3.64, 3.64)
    """
    rng = np.random.default_rng(seed)
    parts = []
    for logits, labels in images:
        places = np.flatnonzero(labels.ravel() != IGNORE)
        if places.size > pixels_per_image:
            places = rng.choice(places, pixels_per_image, replace=False)
        if places.size:
            flat = np.asarray(logits, dtype=np.float64).reshape(len(logits), -1)
            parts.append((flat[:, places].T, labels.ravel()[places].astype(np.int64)))
    if not parts:
        raise InputError("no labelled pixel to calibrate with; hold out labelled images")
    logits_all = np.concatenate([logits for logits, _ in parts])
    labels_all = np.concatenate([labels for _, labels in parts])
    temperature = _best(logits_all, labels_all)
    if temperature == 0:
        raise InputError(
            f"all {len(labels_all)} held-out pixels are right, which does not tell how sure the model may be; "
            "hold out more"
        )
    if math.isinf(temperature):
        raise InputError(
            f"the logits tell nothing of the labels of {len(labels_all)} held-out pixels: no temperature makes them "
            "better than a flat guess; look at the labels, or train longer"
        )
    drawn = []
    for _ in range(resamples if len(parts) > 1 else 0):
        chosen = rng.integers(len(parts), size=len(parts))
        drawn.append(
            _best(np.concatenate([parts[i][0] for i in chosen]), np.concatenate([parts[i][1] for i in chosen]))
        )
    return Calibration(
        temperature=temperature,
        sigma=float(np.std(drawn, ddof=1)) if len(drawn) > 1 and 0 < min(drawn) <= max(drawn) < math.inf else math.nan,
        log_loss_before=_log_loss(logits_all, labels_all, 1.0),
        log_loss_after=_log_loss(logits_all, labels_all, temperature),
        error_before=expected_calibration_error(special.softmax(logits_all, axis=1), labels_all),
        error_after=expected_calibration_error(special.softmax(logits_all / temperature, axis=1), labels_all),
        pixels=len(labels_all),
        images=len(parts),
    )
