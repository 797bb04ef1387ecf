"""The mask of an image that a data set hands out: what ``glaciertime segment`` makes of its file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from glaciertime.errors import MissingExtraError
from glaciertime.scenes.pixel_values import PixelReading
from glaciertime.segment.description import ModelSpec, shipped_names, weights_path
from glaciertime.segment.normalisation import ImageStatistics, Normalisation
from glaciertime.segment.predict.checks import check_values
from glaciertime.segment.predict.engine import Engine, load_engine
from glaciertime.segment.predict.framed import FramedScene, predict_scene
from glaciertime.segment.predict.merging import United, merge_pixels
from glaciertime.segment.predict.orientation import AUTO, parse_ocean
from glaciertime.segment.predict.prediction import predict_image, probability_of_image, zones_from_probability
from glaciertime.segment.predict.uncertainty import varied

__all__ = ["UNSEEN", "ImageMask", "ReadyModel", "predict_merged", "predict_sample", "ready_model"]

UNSEEN = 255
_SAMPLED_PX = 4_000_000


@dataclass(frozen=True)
class ReadyModel:
    """A model that is ready to run, as ``glaciertime segment`` runs it; ``quick`` is for what is only tried out.

    With ``threads`` above 0 there are no more of them.
    """

    path: Path
    spec: ModelSpec
    run: Engine
    quick: Engine
    threads: int = 0


@dataclass(frozen=True)
class ImageMask:
    """What a model makes of an image.

    Attributes
    ----------
    probability : (K, H, W) float32
        NaN where not observed.
    predicted : (H, W) uint8
        Number of the class among the model's; :data:`UNSEEN` where not observed.
    notes, doubts : tuple of str
        What was assumed of the values, and what is known against the image.
    """

    probability: NDArray[np.float32]
    predicted: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def ready_model(weights: str, *, threads: int = 0) -> ReadyModel:
    """Load a model: .safetensors are run with torch, .onnx and shipped ones without it.

    Raises
    ------
    MissingExtraError
        If torch is asked for and not installed.
    """
    engine = "torch" if weights not in shipped_names() and Path(weights).suffix.lower() == ".safetensors" else "onnx"
    path = weights_path(weights, suffix=".onnx" if engine == "onnx" else ".safetensors")
    try:
        run, spec = load_engine(weights, engine=engine, threads=threads)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("torch", "safetensors", "segmentation_models_pytorch"):
            raise
        raise MissingExtraError(f"running {path.name} (its .onnx needs no torch)", "train") from error
    return ReadyModel(path, spec, varied(run) if spec.augmented else run, run, threads)


@dataclass
class _Held:
    """An image in memory as prediction sees a raster."""

    image: NDArray[np.float32]
    path: Path
    values: PixelReading = field(default_factory=PixelReading)

    @property
    def height(self) -> int:
        return int(self.image.shape[1])

    @property
    def width(self) -> int:
        return int(self.image.shape[2])

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        pixels = self.image[:, row : row + height, column : column + width].copy()
        for band in pixels:
            band[self.values.hidden(band)] = np.nan
        return self.values.measured(pixels)

    def sample(self) -> NDArray[np.float32]:
        step = max(1, math.ceil(self.height * self.width / _SAMPLED_PX))
        rows = range(step // 2, self.height, step) if step > 1 else ()
        parts = [self.read(row, 0, 1, self.width) for row in rows]
        return np.concatenate(parts, axis=1) if parts else self.read(0, 0, self.height, self.width)

    def statistics(self, rule: Normalisation) -> ImageStatistics:
        return rule.statistics(self.sample())


def predict_sample(
    image: NDArray[np.floating],
    *,
    model: ReadyModel,
    name: str,
    pixel_m: float = math.nan,
    sides_m: tuple[float, ...] = (),
    ocean: str = "up",
) -> ImageMask:
    """Return what a model makes of an image of raw values, as ``glaciertime segment`` would of its file.

    Parameters
    ----------
    image : (C, H, W)
        The bands of the model, NaN where not observed.
    model : ReadyModel
    name : str
        Named in messages.
    pixel_m : float
        Side of a pixel; NaN where not known, and taken for that of the model then.
    sides_m : (width, height) or ()
        Of a pixel that is not square on the ground.
    ocean : str
        Of models whose frame has the ocean up: where it lies, ``up`` in the image, ``auto``, or an azimuth.

    Raises
    ------
    InputError
        If the values cannot be what the model means, or nothing is observed.
    """
    spec = model.spec
    held = _Held(np.asarray(image, dtype=np.float32), Path(name))
    checked = check_values(held.sample(), spec=spec, values=held.values, name=name)
    held.values = checked.values
    if spec.frame.up == "ocean":
        probability, zones, doubts = _in_frame(held, model, pixel_m=pixel_m, sides_m=sides_m, ocean=ocean)
    else:
        doubts = ()
        if max(held.height, held.width) <= spec.patch_px:
            probability = predict_image(held.read(0, 0, held.height, held.width), run=model.run, spec=spec)
        else:
            probability = probability_of_image(held, run=model.run, spec=spec)
        zones = zones_from_probability(probability, spec=spec)
    number = np.full(256, UNSEEN, dtype=np.uint8)
    number[list(spec.codes)] = np.arange(len(spec.codes), dtype=np.uint8)
    predicted = np.where(np.isfinite(probability).all(axis=0), number[zones], UNSEEN).astype(np.uint8)
    return ImageMask(probability, predicted, checked.notes, (*checked.doubts, *doubts))


def predict_merged(
    image: NDArray[np.floating],
    *,
    models: Sequence[ReadyModel],
    united: United,
    name: str,
    pixel_m: float = math.nan,
    sides_m: tuple[float, ...] = (),
) -> ImageMask:
    """Return what several models make of an image together, by the rule and the classes of ``united``.

    Parameters as of :func:`predict_sample`; ``models`` are the members of ``united``, in their order.

    Raises
    ------
    InputError
        If one of them cannot be run on the image, or no pixel is seen by all.
    """
    masks = [predict_sample(image, model=one, name=name, pixel_m=pixel_m, sides_m=sides_m) for one in models]
    zones = []
    for mask, spec in zip(masks, united.members, strict=True):
        codes = np.full(256, spec.unobserved, dtype=np.uint8)
        codes[: len(spec.codes)] = spec.codes
        zones.append(codes[mask.predicted])
    merged = merge_pixels(united, [mask.probability for mask in masks], zones)
    number = np.full(256, UNSEEN, dtype=np.uint8)
    number[list(united.spec.codes)] = np.arange(len(united.spec.codes), dtype=np.uint8)
    predicted = np.where(np.isfinite(merged.probability).all(axis=0), number[merged.zones], UNSEEN).astype(np.uint8)
    notes = dict.fromkeys(note for mask in masks for note in mask.notes)
    doubts = dict.fromkeys(doubt for mask in masks for doubt in mask.doubts)
    return ImageMask(merged.probability, predicted, tuple(notes), tuple(doubts))


def _in_frame(
    held: _Held, model: ReadyModel, *, pixel_m: float, sides_m: tuple[float, ...], ocean: str
) -> tuple[NDArray[np.float32], NDArray[np.uint8], tuple[str, ...]]:
    spec = model.spec
    size = next((each for each in (pixel_m, spec.frame.pixel_m) if each == each), 1.0)
    width, height = sides_m or (size, size)
    scene = FramedScene(
        read=held.read,
        shape=(held.height, held.width),
        transform=Affine(width, 0, 0, 0, -height, held.height * height),
        crs=None,
    )
    told: Any = parse_ocean(ocean)
    towards = None if told == AUTO else scene.up_deg if told == "up" else float(told)
    made = predict_scene(scene, run=model.run, spec=spec, ocean_deg=towards, try_out=model.quick, threads=model.threads)
    doubts = tuple(why for why in (made.unlike, made.unclear) if why)
    return made.probability_on(scene), made.zones_on(scene, spec), doubts
