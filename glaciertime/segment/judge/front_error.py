"""The front error of the CaFFe benchmark: all distances of all images in one pool, and how many images had none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from glaciertime.errors import InputError

__all__ = ["FrontDistances", "FrontError", "front_distances", "mean_front_error", "season"]


@dataclass(frozen=True)
class FrontDistances:
    """Distances between the predicted and the labelled front of one image.

    Attributes
    ----------
    to_label_m : (P,) float64
        From every predicted front pixel to the nearest labelled one, metres.
    to_prediction_m : (T,) float64
        The other way round, metres.
    predicted, labelled : bool
        Whether there was a front at all; without one both arrays are empty.
    """

    to_label_m: npt.NDArray[np.float64]
    to_prediction_m: npt.NDArray[np.float64]
    predicted: bool
    labelled: bool


@dataclass(frozen=True)
class FrontError:
    """The mean distance error of a set of images.

    Attributes
    ----------
    mean_m : float
        Mean of all distances of all images, both ways, metres; at least 0, NaN if no
        image has both fronts.
    n_images : int
        All images.
    n_without_prediction : int
        Images with a labelled but no predicted front: left out of the mean.
    n_without_label : int
        Images without a labelled front: left out of the mean.
    """

    mean_m: float
    n_images: int
    n_without_prediction: int
    n_without_label: int


def front_distances(
    predicted: npt.NDArray[np.bool_],
    labelled: npt.NDArray[np.bool_],
    *,
    resolution_m: float,
    sides: tuple[float, float] = (1.0, 1.0),
) -> FrontDistances:
    """Return the nearest-neighbour distances between two front masks, both ways.

    Parameters
    ----------
    predicted, labelled : (H, W) bool
        Front pixels.
    resolution_m : float
        Side of a pixel, metres, above 0.
    sides : (float, float)
        Width and height of a pixel in units of that side, where it is not square.

    Returns
    -------
    FrontDistances

    Raises
    ------
    InputError
        If the sizes differ or the resolution is not positive.

    Examples
    --------
    >>> labelled = np.zeros((5, 4), bool); labelled[1] = True
    >>> predicted = np.roll(labelled, 2, axis=0)
    >>> front_distances(predicted, labelled, resolution_m=20.0).to_label_m.tolist()
    [40.0, 40.0, 40.0, 40.0]
    """
    if predicted.shape != labelled.shape or predicted.ndim != 2:
        raise InputError(f"front masks of shapes {predicted.shape} and {labelled.shape} given; two equal ones expected")
    if not resolution_m > 0:
        raise InputError(f"resolution_m={resolution_m} given, metres per pixel above 0 expected")
    predicted, labelled = predicted.astype(bool), labelled.astype(bool)
    has_prediction, has_label = bool(predicted.any()), bool(labelled.any())
    if not (has_prediction and has_label):
        return FrontDistances(np.empty(0), np.empty(0), has_prediction, has_label)
    width, height = sides
    to_label = distance_transform_edt(~labelled, sampling=(height, width))[predicted] * resolution_m
    to_prediction = distance_transform_edt(~predicted, sampling=(height, width))[labelled] * resolution_m
    return FrontDistances(to_label, to_prediction, True, True)


def mean_front_error(images: Iterable[FrontDistances]) -> FrontError:
    """Pool the distances of images into one mean, and count the images without a front.

    Parameters
    ----------
    images : iterable of FrontDistances
        All images of the set, or those of one season, glacier, sensor or resolution.

    Returns
    -------
    FrontError

    References
    ----------
    Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022

    Examples
    --------
    >>> row = np.zeros((5, 4), bool); row[1] = True
    >>> near = front_distances(np.roll(row, 1, axis=0), row, resolution_m=10.0)
    >>> none = front_distances(np.zeros_like(row), row, resolution_m=10.0)
    >>> mean_front_error([near, none])
    FrontError(mean_m=10.0, n_images=2, n_without_prediction=1, n_without_label=0)
    """
    given = list(images)
    pool = [part for image in given for part in (image.to_label_m, image.to_prediction_m)]
    distances = np.concatenate(pool) if pool else np.empty(0)
    return FrontError(
        mean_m=float(distances.mean()) if distances.size else float("nan"),
        n_images=len(given),
        n_without_prediction=sum(image.labelled and not image.predicted for image in given),
        n_without_label=sum(not image.labelled for image in given),
    )


def season(date: dt.date, *, southern: bool) -> str:
    """Return ``winter`` or ``summer`` as the benchmark parts the year.

    In the north winter is before April and after August; in the south it is April to August.

    Parameters
    ----------
    date : datetime.date
    southern : bool
        Whether the glacier is on the southern hemisphere.

    Examples
    --------
    >>> season(dt.date(2010, 9, 1), southern=False), season(dt.date(2010, 9, 1), southern=True)
    ('winter', 'summer')
    """
    warm_in_north = 4 <= date.month <= 8
    return "summer" if warm_in_north != southern else "winter"
