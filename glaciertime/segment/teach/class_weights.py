"""How much each class counts in a loss: as given, or by how rare it is in the training part."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError, nearest_names
from glaciertime.scenes.datasets.sample import TrainingData
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.sampling import inverse_frequency

__all__ = ["check_class_weights", "class_weights", "median_frequency"]

_COUNTED = ("inverse", "median")
_log = logging.getLogger(__name__)


def class_weights(config: TrainConfig, data: TrainingData, indices: Sequence[int]) -> tuple[float, ...] | None:
    """Return the weight of each class in the loss; None where all count the same.

    Parameters
    ----------
    config : TrainConfig
    data : TrainingData
    indices : sequence of int
        The training part: pixels of no other are counted.
    """
    given = check_class_weights(config, data.classes)
    if given is not None or config.class_weights == "none":
        return given
    counts = np.array([np.bincount(data[index].labels.ravel(), minlength=256) for index in indices], dtype=np.int64)
    counts = counts[:, : len(data.classes)]
    total = counts.sum(axis=0)
    rule = inverse_frequency(total, power=1.0) if config.class_weights == "inverse" else median_frequency(counts)
    weights = tuple(float(value) for value in rule)
    shown = ", ".join(
        f"{name} {weight:.4g} ({count} px)" for name, weight, count in zip(data.classes, weights, total, strict=True)
    )
    _log.warning("class weights (%s frequency of the training part): %s", config.class_weights, shown)
    for name, count in zip(data.classes, total, strict=True):
        if not count:
            _log.warning("class %s has no pixel in the training part: its weight is 0, it cannot be learned", name)
    return weights


def median_frequency(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return ``median(f) / f_k``, ``f_k`` the share of class k among the labelled pixels of the images that show it.

    Eigen and Fergus 2015, doi:10.1109/ICCV.2015.304. A class that never occurs gets 0 and no part in the median.

    Parameters
    ----------
    counts : (N, K) integer
        Pixels of each class in each image.

    Examples
    --------
    >>> median_frequency(np.array([[60, 40, 0], [80, 0, 20]])).round(3).tolist()
    [0.571, 1.0, 2.0]
    """
    values = np.asarray(counts, dtype=np.float64)
    pixels = values.sum(axis=0)
    beside = (values.sum(axis=1, keepdims=True) * (values > 0)).sum(axis=0)
    present = pixels > 0
    if not present.any():
        raise InputError("no pixel has a label; check the label mapping")
    frequency = pixels[present] / beside[present]
    weights = np.zeros(values.shape[1])
    weights[present] = np.median(frequency) / frequency
    return weights


def check_class_weights(config: TrainConfig, classes: Sequence[str] = ()) -> tuple[float, ...] | None:
    """Return the weights that were given by number; None where they are to be counted or all the same.

    Raises
    ------
    InputError
        If they are not one number of at least 0 for each class, or name a class that the data do not have.
    """
    given = config.class_weights
    if isinstance(given, str):
        if given not in ("none", *_COUNTED):
            raise InputError(
                f"class_weights '{given}' given; none, {', '.join(_COUNTED)}, one number a class or "
                "{class: number} expected"
            )
        return None
    if not classes:
        return tuple(given.values()) if isinstance(given, dict) else given
    if isinstance(given, dict):
        for name in given:
            if name not in classes:
                near = nearest_names(name, classes) or list(classes)
                raise InputError(f"class_weights name class '{name}', which the data do not have; nearest: {near[0]}")
        missing = [name for name in classes if name not in given]
        if missing:
            raise InputError(f"class_weights name {', '.join(given)} and not {', '.join(missing)}; give one of each")
        given = tuple(given[name] for name in classes)
    if len(given) != len(classes):
        raise InputError(f"{len(given)} class weights given, {len(classes)} expected: one each of {', '.join(classes)}")
    return given
