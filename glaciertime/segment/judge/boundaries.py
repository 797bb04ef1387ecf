"""Where classes meet, on the label and in the mask: how much of the one lies near the other, and how far fronts lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from glaciertime.segment.judge.front_error import front_distances
from glaciertime.segment.predict.front_line import GLACIER, OCEAN, front_pixels

__all__ = ["FRONT_CLASSES", "boundary_counts", "boundary_pixels", "front_sums"]

#: A calving front is where these two meet.
FRONT_CLASSES = ("glacier", "ocean")


def boundary_pixels(classes: NDArray[np.integer], label: int, *, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the valid pixels of a class that have a valid pixel of another among their four neighbours.

    Parameters
    ----------
    classes : (H, W) int
    label : int
    valid : (H, W) bool
        Where it is known what is there; the edge of what is known is no boundary.

    Returns
    -------
    (H, W) bool

    Examples
    --------
    >>> boundary_pixels(np.array([[0, 1, 1]]), 1, valid=np.ones((1, 3), bool)).tolist()
    [[False, True, False]]
    """
    own = (classes == label) & valid
    other = np.pad((classes != label) & valid, 1)
    beside = other[:-2, 1:-1] | other[2:, 1:-1] | other[1:-1, :-2] | other[1:-1, 2:]
    return own & beside


def boundary_counts(
    predicted: NDArray[np.integer],
    labels: NDArray[np.integer],
    *,
    classes: int,
    valid: NDArray[np.bool_],
    tolerance_px: float,
) -> NDArray[np.float64]:
    """Return, per class, how many boundary pixels of the mask and of the label there are, and how many lie near.

    Parameters
    ----------
    predicted, labels : (H, W) int
    classes : int
    valid : (H, W) bool
    tolerance_px : float
        Centre to centre, at least 0; a boundary pixel at most that far from one of the other counts as found.

    Returns
    -------
    (classes, 4) float64
        Near the label's, of the mask; near the mask's, of the label.

    Examples
    --------
    >>> label, mask = np.array([[0, 0, 1, 1, 1]]), np.array([[0, 0, 0, 0, 1]])
    >>> boundary_counts(mask, label, classes=2, valid=label < 2, tolerance_px=1.0).tolist()
    [[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0]]
    """
    counts = np.zeros((classes, 4))
    for label in range(classes):
        mask = boundary_pixels(predicted, label, valid=valid)
        known = boundary_pixels(labels, label, valid=valid)
        counts[label, 1], counts[label, 3] = mask.sum(), known.sum()
        if counts[label, 1] and counts[label, 3]:
            counts[label, 0] = (distance_transform_edt(~known)[mask] <= tolerance_px).sum()
            counts[label, 2] = (distance_transform_edt(~mask)[known] <= tolerance_px).sum()
    return counts


def front_sums(
    predicted: NDArray[np.integer],
    labels: NDArray[np.integer],
    *,
    glacier: int,
    ocean: int,
    valid: NDArray[np.bool_],
    pixel_m: float,
    sides_m: tuple[float, ...] = (),
) -> NDArray[np.float64]:
    """Return the summed distances between the labelled and the predicted front of an image, both ways.

    A front pixel is one of ocean with one of glacier among its four neighbours; what lies where nothing is labelled
    does not count.

    Parameters
    ----------
    predicted, labels : (H, W) int
    glacier, ocean : int
        Numbers of the two classes.
    valid : (H, W) bool
    pixel_m : float
        NaN where not known.
    sides_m : (width, height) or ()
        Of a pixel that is not square.

    Returns
    -------
    (7,) float64
        Sum in pixels, their number, sum in metres, their number; images with a labelled front, of these those without
        a predicted one, images with a predicted front and no labelled one.

    Examples
    --------
    >>> label = np.array([[1], [1], [0], [0]]); mask = np.array([[1], [0], [0], [0]])
    >>> front_sums(mask, label, glacier=0, ocean=1, valid=label < 2, pixel_m=10.0).tolist()
    [2.0, 2.0, 20.0, 2.0, 1.0, 0.0, 0.0]
    """
    known, found = (_front(zones, glacier=glacier, ocean=ocean, valid=valid) for zones in (labels, predicted))
    measured = front_distances(found, known, resolution_m=1.0)
    distances = np.concatenate([measured.to_label_m, measured.to_prediction_m])
    total, count = float(distances.sum()), float(distances.size)
    sized = pixel_m == pixel_m
    metres = total * pixel_m if sized else 0.0
    if sized and sides_m:
        width, height = sides_m
        true = front_distances(found, known, resolution_m=1.0, sides=(width, height))
        metres = float(true.to_label_m.sum() + true.to_prediction_m.sum())
    return np.array([
        total, count, metres, count if sized else 0.0,
        float(measured.labelled), float(measured.labelled and not measured.predicted),
        float(measured.predicted and not measured.labelled),
    ])  # fmt: skip


def _front(zones: NDArray[np.integer], *, glacier: int, ocean: int, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    codes = np.zeros(zones.shape, dtype=np.uint8)
    codes[(zones == glacier) & valid] = GLACIER
    codes[(zones == ocean) & valid] = OCEAN
    return front_pixels(codes)
