"""The images of one place in the frame of its model, and the labels of some of them as the model is taught them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.naming import counted
from glaciertime.pipeline.frames import OnPixels
from glaciertime.pipeline.images import Towards, framed_scene, opened_image
from glaciertime.scenes.acquisition import GLACIER, OCEAN, ImageScene, MaskScene, OutlineScene, TraceScene
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample
from glaciertime.track.place import reproject

if TYPE_CHECKING:
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.predict.engine import Engine

__all__ = ["Label", "PlacedImage", "frame_images", "label_images"]

#: A label has to show the front in so many columns of the frame.
_LEAST_COLUMNS = 10
#: So many labels without an image are each told.
_TOLD_SINGLY = 3
#: Two labels of one image that lie further apart contradict each other, pixels of the frame; nearer ones are one.
_CONTRADICT_PX = 3.0

Label = TraceScene | MaskScene | OutlineScene


@dataclass(frozen=True, kw_only=True)
class PlacedImage(OnPixels):
    """An image of the place as its model sees it.

    Attributes
    ----------
    image : (C, h, w) float32
        Raw values, NaN where not observed.
    ocean : (h, w) float32
        Probability of ocean by the model as it was given; NaN where not observed.
    unclear : str
        Why the model is not to be relied on here, as ``track`` flags it; empty where it is sure.
    """

    image: NDArray[np.float32] = field(repr=False)
    ocean: NDArray[np.float32] = field(repr=False)
    unclear: str = ""

    @property
    def info(self) -> SampleInfo:
        """Return what is known of it."""
        what = self.scene.acquisition
        return SampleInfo(
            name=what.image_id, glacier=what.glacier, date=what.date, sensor=what.sensor,
            resolution_m=self.framing.pixel_m,
        )  # fmt: skip


def frame_images(
    scenes: Sequence[ImageScene],
    *,
    run: Engine,
    spec: ModelSpec,
    towards: Towards,
    progress: Callable[[], None] | None = None,
) -> tuple[list[PlacedImage], list[str]]:
    """Return every image that can be read in the frame of a model, and a sentence for each that cannot.

    The frame is laid as ``track`` lays it, see :func:`.predict.framed.predict_scene`.
    """
    from glaciertime.segment.adapt.fixed import UNSURE
    from glaciertime.segment.predict.framed import predict_scene

    placed, problems = [], []
    for scene in scenes:
        try:
            pixels, _ = opened_image(scene, spec)
            with pixels:
                framed = framed_scene(scene, pixels, towards)
                ocean_deg = towards.ocean_deg if scene.acquisition.crs is not None else framed.up_deg
                made = predict_scene(framed, run=run, spec=spec, ocean_deg=ocean_deg)
                framing = made.framing
        except GlacierTimeError as error:
            problems.append(f"{scene.path.name}: {error}")
        else:
            to_ground = scene.transform @ framing.to_scene
            unsure = f"the model is unsure of the image ({made.doubt:.2f})" if made.doubt > UNSURE else ""
            unclear = made.unclear or made.unlike or unsure
            ocean = made.probability[spec.codes.index(OCEAN)]
            placed.append(
                PlacedImage(
                    scene=scene, framing=framing, image=made.image, to_ground=to_ground, ocean=ocean, unclear=unclear
                )
            )  # fmt: skip
        if progress is not None:
            progress()
    return placed, problems


def label_images(
    images: Sequence[PlacedImage], labels: Sequence[Label], *, spec: ModelSpec
) -> tuple[list[TrainingSample], list[str]]:
    """Return the images that a label was drawn on, with it, and a sentence for everything that could not be used.

    A label is of the images of its day; of several that day, of the one whose name or sensor it bears where there is
    such a one. Of two labels of one image that are alike the first counts; two that contradict each other are both
    left out.

    Parameters
    ----------
    images : sequence of PlacedImage
    labels : sequence of TraceScene, MaskScene or OutlineScene
    spec : ModelSpec
        Its classes are the labels' values.
    """
    said: list[str] = []
    without: list[Label] = []
    drawn: dict[int, list[tuple[str, NDArray[np.uint8]]]] = {}
    for label in labels:
        what = label.acquisition
        name = f"the label {what.image_id} of {what.date}"
        chosen = _images_of(label, images)
        if not chosen:
            without.append(label)
            continue
        for index in chosen:
            try:
                on_frame = _on_frame(label, images[index], spec)
            except GlacierTimeError as error:
                said.append(f"{name} on {images[index].scene.path.name}: {error}; it is left out")
            else:
                drawn.setdefault(index, []).append((name, on_frame))
    said = [*_of_no_image(without, images), *said]
    samples = []
    for index, several in sorted(drawn.items()):
        image = images[index]
        agreed = _agreed(several, image, spec, said)
        if agreed is not None:
            present = np.ones(len(spec.bands), dtype=bool)
            samples.append(TrainingSample(image=image.image, labels=agreed, present=present, info=image.info))
    return samples, said


def _images_of(label: Label, images: Sequence[PlacedImage]) -> list[int]:
    """Return which images a label is of."""
    what = label.acquisition
    same_day = [index for index, one in enumerate(images) if one.scene.acquisition.date == what.date]
    if len(same_day) < 2:
        return same_day
    by_name = [index for index in same_day if _same_name(images[index].scene.acquisition.image_id, what.image_id)]
    by_sensor = [index for index in same_day if what.sensor and images[index].scene.acquisition.sensor == what.sensor]
    return by_name or by_sensor or same_day


def _same_name(image: str, label: str) -> bool:
    return bool(image and label) and (image in label or label in image)


def _of_no_image(labels: Sequence[Label], images: Sequence[PlacedImage]) -> list[str]:
    """Return what is said of labels on whose days there is no image: of each, or of the first of many."""
    sentences = []
    for label in labels:
        what = label.acquisition
        days = min((abs((one.scene.acquisition.date - what.date).days) for one in images), default=0)
        sentences.append(
            f"the label {what.image_id} of {what.date} is of no image: none of that day can be read, the nearest is "
            f"{counted(days, 'days')} away; it is left out"
        )
    if len(sentences) <= _TOLD_SINGLY:
        return sentences
    return [f"{sentences[0]} (and {len(sentences) - 1} more like it)"]


def _on_frame(label: Label, image: PlacedImage, spec: ModelSpec) -> NDArray[np.uint8]:
    """Return a label in the frame of an image, (h, w) uint8 of class indices or the ignore label."""
    from glaciertime.scenes.datasets.traced_zones import zones_from_trace
    from glaciertime.segment.adapt.leaving_out import traced_front

    if isinstance(label, OutlineScene):
        raise InputError(
            "an outline of ice does not tell its calving front from its sides; give fronts as lines, or masks"
        )
    zones = zones_from_trace(_traced(label, image)) if isinstance(label, TraceScene) else _zones(label, image)
    out = np.full(zones.shape, IGNORE, dtype=np.uint8)
    for index, code in enumerate(spec.codes):
        out[zones == code] = index
    out[~np.isfinite(image.image).any(axis=0)] = IGNORE
    columns = int(traced_front(out, spec).any(axis=0).sum())
    if columns < _LEAST_COLUMNS:
        raise InputError(f"its front is seen in {columns} columns of the image, at least {_LEAST_COLUMNS} expected")
    upper, lower = _mean_row(out == spec.codes.index(OCEAN)), _mean_row(out == spec.codes.index(GLACIER))
    if upper > lower:
        raise InputError("its ocean lies where the glacier comes from; say where the ocean is with --ocean")
    return out


def _mean_row(zone: NDArray[np.bool_]) -> float:
    return float(np.nonzero(zone)[0].mean())


def _traced(label: TraceScene, image: PlacedImage) -> NDArray[np.bool_]:
    """Return which pixels of a frame a traced front runs through, (h, w) bool."""
    from rasterio.features import rasterize

    line = reproject(label.line, source=label.acquisition.crs, target=image.scene.acquisition.crs)
    inverse = ~image.to_ground
    on_frame = shapely.transform(
        line, lambda xy: np.stack([inverse.a * xy[:, 0] + inverse.b * xy[:, 1] + inverse.c,
                                   inverse.d * xy[:, 0] + inverse.e * xy[:, 1] + inverse.f], axis=1)
    )  # fmt: skip
    height, width = image.framing.shape
    if not on_frame.intersects(shapely.box(0, 0, width, height)):
        raise InputError("it lies outside the image; is it of this glacier, and in the right coordinate system?")
    return np.asarray(rasterize([on_frame], out_shape=(height, width), dtype="uint8") > 0)


def _zones(label: MaskScene, image: PlacedImage) -> NDArray[np.uint8]:
    """Return the zones of a mask in a frame, each pixel as the nearest of the mask; 0 outside it."""
    crs, own = image.scene.acquisition.crs, label.acquisition.crs
    if (crs is None) != (own is None):
        raise InputError("the image or the mask has no coordinate system, the other has one; georeference both")
    height, width = image.framing.shape
    if crs is None and label.shape != image.scene.shape:
        raise InputError(
            f"it has {label.shape[0]} x {label.shape[1]} pixels, the image {image.scene.shape[0]} x "
            f"{image.scene.shape[1]}; without a georeference they must be the same pixels"
        )
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    if crs is None:
        # Both are of the same pixels, whatever their local frames are called.
        to_mask = image.framing.to_scene
        x, y = to_mask.a * columns + to_mask.b * rows + to_mask.c, to_mask.d * columns + to_mask.e * rows + to_mask.f
    else:
        there = image.to_ground
        east = there.a * columns + there.b * rows + there.c
        north = there.d * columns + there.e * rows + there.f
        if not crs.equals(own):
            moved = pyproj.Transformer.from_crs(crs, own, always_xy=True).transform(east.ravel(), north.ravel())
            east, north = (np.asarray(values).reshape(rows.shape) for values in moved)
        back = ~label.transform
        x, y = back.a * east + back.b * north + back.c, back.d * east + back.e * north + back.f
    zones = label.read()
    with np.errstate(invalid="ignore"):
        inside = (x >= 0) & (x < zones.shape[1]) & (y >= 0) & (y < zones.shape[0])
    out = np.zeros((height, width), dtype=np.uint8)
    out[inside] = zones[y[inside].astype(int), x[inside].astype(int)]
    if not inside.any():
        raise InputError("it lies outside the image; is it of this glacier, and in the right coordinate system?")
    return out


def _agreed(
    several: Sequence[tuple[str, NDArray[np.uint8]]], image: PlacedImage, spec: ModelSpec, said: list[str]
) -> NDArray[np.uint8] | None:
    """Return the label of an image on which all of its labels agree; None where they contradict each other."""
    from glaciertime.segment.adapt.leaving_out import traced_front
    from glaciertime.segment.predict.front_line import front_deviation_px

    first_name, first = several[0]
    front = traced_front(first, spec)
    for name, other in several[1:]:
        apart = front_deviation_px(traced_front(other, spec), front)
        if math.isnan(apart) or apart > _CONTRADICT_PX:
            where = "in other columns" if math.isnan(apart) else f"{apart * image.framing.pixel_m:.0f} m apart"
            said.append(
                f"{first_name} and {name} contradict each other on {Path(image.scene.path).name}: their fronts lie "
                f"{where}; both are left out, keep the right one"
            )
            return None
        said.append(f"{name} is there twice on {Path(image.scene.path).name}, {apart:.1f} pixels apart: counted once")
    return first
