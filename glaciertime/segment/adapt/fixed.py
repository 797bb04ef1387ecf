"""What the stack of a place says of each of its images: far behind all fronts is ice, far before all is water."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.scenes.datasets.sample import IGNORE, TrainingSample
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.predict.engine import Engine
from glaciertime.segment.predict.orientation import doubt_about
from glaciertime.segment.predict.prediction import predict_image, zones_from_probability

__all__ = ["MARGIN_PX", "UNSURE", "fixed_labels", "seen_zones", "with_fixed_labels"]

#: Just above the doubt of every image of Kangerlussuaq and Sverdrup by models that had not seen their glacier; the
#: three fronts of Jakobshavn that were lost lie at 0.45 and more.
UNSURE = 0.28
#: So far beyond all fronts that were seen nothing is taken as fixed.
MARGIN_PX = 20.0


def fixed_labels(labels: Sequence[NDArray[np.uint8]], spec: ModelSpec) -> NDArray[np.uint8]:
    """Return what is the same zone in all labels, farther than 20 pixels from every front; what is in none is unknown.

    Parameters
    ----------
    labels : sequence of (h, w) uint8
        Of one frame: class indices or the ignore label.
    spec : ModelSpec

    Returns
    -------
    (h, w) uint8
        Class index where all labels agree and all fronts are farther than the margin, else the ignore label.

    Examples
    --------
    >>> spec = ModelSpec(name="a", model="m", bands=("b",), classes=("glacier", "ocean"), codes=(127, 254))
    >>> one, two = (np.where(np.arange(80)[:, None] < row, 1, 0).astype(np.uint8) for row in (30, 34))
    >>> fixed = fixed_labels([one, two], spec)[:, 0]
    >>> int((fixed == 1).sum()), int((fixed == 0).sum())
    (10, 25)
    """
    stack = np.stack(labels)
    out = np.full(stack.shape[1:], IGNORE, dtype=np.uint8)
    changing = np.zeros(out.shape, dtype=bool)
    zones = [spec.codes.index(254), spec.codes.index(127)]
    ocean, glacier = ((stack == zone) for zone in zones)
    changing |= ocean.any(axis=0) & glacier.any(axis=0)
    for one, other in zip(ocean, glacier, strict=True):
        changing[1:] |= one[:-1] & other[1:]
    far = ndimage.distance_transform_edt(~changing) > MARGIN_PX if changing.any() else ~changing
    for zone, shown, against in ((zones[0], ocean, glacier), (zones[1], glacier, ocean)):
        out[shown.any(axis=0) & ~against.any(axis=0) & far] = zone
    return out


def seen_zones(sample: TrainingSample, *, run: Engine, spec: ModelSpec) -> NDArray[np.uint8] | None:
    """Return the zones that a model sees in an image, (h, w) class indices; None where it is unsure of the image.

    Unsure is a doubt above 0.28, see :func:`.predict.orientation.doubt_about`; the engine may be the quick one.
    """
    probability = predict_image(sample.image, run=run, spec=spec)
    zones = zones_from_probability(probability, spec=spec)
    if doubt_about(probability, zones, ocean=254) > UNSURE:
        return None
    out = np.full(zones.shape, IGNORE, dtype=np.uint8)
    for index, code in enumerate(spec.codes):
        out[zones == code] = index
    return out


def with_fixed_labels(
    others: Sequence[TrainingSample],
    labelled: Sequence[TrainingSample],
    spec: ModelSpec,
    *,
    seen: Sequence[NDArray[np.uint8] | None],
) -> list[TrainingSample]:
    """Return images without a label of their own with what the stack of their frame says is fixed.

    Fixed is what all labels and all images of which the model is sure agree on, in the columns that are labelled: a
    front that moved further than the labelled ones is so not taught away where it is seen. Left out are images of
    another size than the labelled ones, and of a labelled day.

    Parameters
    ----------
    others, labelled : sequence of TrainingSample
        Whose pixels are of the same ground where they are of the same size.
    spec : ModelSpec
    seen : sequence of (h, w) uint8 or None
        Of each of the others, see :func:`seen_zones`.
    """
    days = {sample.info.date for sample in labelled}
    by_shape: dict[tuple[int, ...], NDArray[np.uint8]] = {}
    for shape in {sample.labels.shape for sample in labelled}:
        labels = [each.labels for each in labelled if each.labels.shape == shape]
        beside = ~np.any([each != IGNORE for each in labels], axis=(0, 1))
        for zones in seen:
            if zones is not None and zones.shape == shape:
                labels.append(np.where(beside[None], np.uint8(IGNORE), zones))
        by_shape[shape] = fixed_labels(labels, spec)
    found = []
    for sample in others:
        fixed = by_shape.get(sample.image.shape[1:])
        if fixed is None or sample.info.date in days or (fixed == IGNORE).all():
            continue
        unseen = ~np.isfinite(sample.image).any(axis=0)
        found.append(replace(sample, labels=np.where(unseen, np.uint8(IGNORE), fixed)))
    return found
