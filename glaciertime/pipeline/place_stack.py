"""The stack of a place: which of its images share their pixels, what is fixed there, and what adapting moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glaciertime.pipeline.frames import groups_of_pixels
from glaciertime.pipeline.images import Towards
from glaciertime.pipeline.place_images import PlacedImage
from glaciertime.scenes.acquisition import GLACIER, OCEAN
from glaciertime.scenes.datasets.sample import IGNORE, TrainingSample

if TYPE_CHECKING:
    from torch import nn

    from glaciertime.segment.description import ModelSpec

__all__ = ["Moved", "PlaceStack", "fixed_images", "moved_fronts"]


@dataclass(frozen=True, kw_only=True)
class PlaceStack:
    """The images of one glacier in the frame of a model, and how they came there."""

    images: tuple[PlacedImage, ...]
    spec: ModelSpec
    towards: Towards
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moved:
    """An image whose front adapting moved far: a lost front that was found, or a real jump that was taught away.

    Attributes
    ----------
    name, date : str
    before_row, after_row : float
        Mean row of the front in the frame, by the model as it was given and by the adapted one.
    apart_px : float
        Mean nearest distance of the two.
    """

    name: str
    date: str
    before_row: float
    after_row: float
    apart_px: float


def fixed_images(stack: PlaceStack, known: Sequence[TrainingSample]) -> list[TrainingSample]:
    """Return the images that are not among the labelled ones, with what is fixed on the pixels that they share."""
    from glaciertime.segment.adapt.fixed import with_fixed_labels
    from glaciertime.segment.predict.front_line import zones_from_ocean

    samples = {(sample.info.name, sample.info.date): sample for sample in known}
    ocean, glacier = (stack.spec.codes.index(code) for code in (OCEAN, GLACIER))
    found = []
    for group in groups_of_pixels(stack.images):
        labelled = [samples[key] for image in group if (key := (image.info.name, image.info.date)) in samples]
        others = [image for image in group if (image.info.name, image.info.date) not in samples]
        if not labelled or not others:
            continue
        present = np.ones(len(stack.spec.bands), dtype=bool)
        unlabelled = [
            TrainingSample(
                image=image.image, labels=np.full(image.framing.shape, IGNORE, np.uint8), present=present,
                info=image.info,
            )
            for image in others
        ]  # fmt: skip
        seen = [
            None if image.unclear else np.where(zones_from_ocean(image.ocean) == OCEAN, ocean, glacier).astype(np.uint8)
            for image in others
        ]
        found += with_fixed_labels(unlabelled, labelled, stack.spec, seen=seen)
    return found


def moved_fronts(stack: PlaceStack, known: Sequence[TrainingSample], adapted: nn.Module) -> tuple[Moved, ...]:
    """Return the images without a label whose front an adapted network moved by more than ten pixels."""
    from glaciertime.segment.adapt.prior import FAR_PX
    from glaciertime.segment.adapt.tuning import engine_of
    from glaciertime.segment.predict.front_line import front_deviation_px, front_pixels, front_rows, zones_from_ocean
    from glaciertime.segment.predict.prediction import predict_image

    labelled = {(sample.info.name, sample.info.date) for sample in known}
    run, found = engine_of(adapted, stack.spec), []
    for image in stack.images:
        if (image.info.name, image.info.date) in labelled:
            continue
        ocean = predict_image(image.image, run=run, spec=stack.spec)[stack.spec.codes.index(OCEAN)]
        before, after = zones_from_ocean(image.ocean), zones_from_ocean(ocean)
        apart = front_deviation_px(front_pixels(after), front_pixels(before))
        if apart > FAR_PX:
            rows = [float(front_rows(*pair).mean()) for pair in ((image.ocean, before), (ocean, after))]
            found.append(Moved(image.info.name, str(image.info.date), rows[0], rows[1], apart))
    return tuple(found)
