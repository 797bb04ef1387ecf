"""A scene as several models see it, each in its own frame, merged on the scene's grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.segment.description import ModelSpec
from glaciertime.segment.predict.engine import Engine
from glaciertime.segment.predict.framed import UNRELIABLE_SHARE, FramedScene, Prediction
from glaciertime.segment.predict.framing import Framing, read_framed
from glaciertime.segment.predict.front_line import SMOOTHNESS, front_pixels, front_rows, zones_from_ocean
from glaciertime.segment.predict.merging import MergedPixels, United, merge_pixels
from glaciertime.segment.predict.prediction import predict_image, probability_of_image, zones_from_probability
from glaciertime.segment.predict.uncertainty import front_sigma_px, why_open

__all__ = ["MemberScene", "MergedScene", "front_apart_px", "member_without_frame", "merge_scene"]

#: Directions of the ocean that differ by more than this are not one.
_APART_DEG = 50.0
#: Fronts are unclear that lie so many times further apart than the models usually err.
_OPEN = 3.0


@dataclass(frozen=True, eq=False)
class MemberScene:
    """What one of several models says of a scene, on the scene's grid.

    Attributes
    ----------
    probability : (k, H, W) float32
        By its own classes; NaN where it did not observe.
    zones : (H, W) uint8
        By its own codes.
    sigma_m : float
        One standard deviation of its front, metres; NaN where not known.
    prediction : Prediction or None
        In its own frame, of a model that has one.
    unclear : str
        Why its front is not to be relied on; empty where it is.
    """

    probability: NDArray[np.float32]
    zones: NDArray[np.uint8]
    sigma_m: float
    prediction: Prediction | None = None
    unclear: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Return whether its front is not to be relied on."""
        made = self.prediction
        return bool(self.unclear or (made is not None and (made.unclear or made.unlike)))


@dataclass(frozen=True, eq=False)
class MergedScene:
    """What several models say of a scene together, on the scene's grid.

    Attributes
    ----------
    pixels : MergedPixels
    sigma_m : float
        One standard deviation of the front, metres: the mean variance of the models' own, and the variance of their
        fronts about each other; NaN where not known.
    apart_m : float
        How far their fronts lie apart; see :func:`front_apart_px`. NaN where one of them sees none.
    prediction : Prediction or None
        In the frame of the first model, where all of them draw one line and their mean does.
    unclear : str
        Why the front is not to be relied on; empty where it is.
    """

    pixels: MergedPixels
    sigma_m: float
    apart_m: float
    prediction: Prediction | None = None
    unclear: str = ""


def member_without_frame(
    pixels: Any, scene: FramedScene, *, run: Engine, spec: ModelSpec, batch: int = 1
) -> MemberScene:
    """Return what a model that takes images in any orientation says of one.

    Parameters
    ----------
    pixels : Imagery
        An opened image.
    scene : FramedScene
        The same.
    run : Engine
    spec : ModelSpec
    batch : int
        Patches at a time.
    """
    if max(pixels.height, pixels.width) <= spec.patch_px:
        probability = predict_image(pixels.read(0, 0, pixels.height, pixels.width), run=run, spec=spec)
    else:
        probability = probability_of_image(pixels, run=run, spec=spec, batch=batch)
    zones = zones_from_probability(probability, spec=spec)
    pixel_m = math.sqrt(abs(float(np.linalg.det(scene.ground()))))
    sigma_px = front_sigma_px(probability, spec=spec)
    return MemberScene(probability, zones, pixel_m * sigma_px, unclear=why_open(sigma_px, spec=spec))


def merge_scene(
    united: United, members: Sequence[MemberScene], scene: FramedScene, *, smoothness: float = SMOOTHNESS
) -> MergedScene:
    """Return what several models say of a scene together.

    The mean of models that draw one line is a line too, drawn in the frame of the first of them.

    Parameters
    ----------
    united : United
    members : sequence of MemberScene
    scene : FramedScene
    smoothness : float
        Of that line.

    Raises
    ------
    InputError
        If no pixel was seen by all of the models.
    """
    pixels = merge_pixels(united, [each.probability for each in members], [each.zones for each in members])
    seen = np.isfinite(pixels.probability).all(axis=0)
    pixel_m = math.sqrt(abs(float(np.linalg.det(scene.ground()))))
    has_front = all({127, 254} <= set(spec.codes) for spec in united.members)
    apart_m = pixel_m * front_apart_px([np.where(seen, each.zones, 0) for each in members]) if has_front else math.nan
    usual_m = math.sqrt(float(np.mean([each.sigma_m**2 for each in members])))
    sigma_m = math.hypot(usual_m, np.nan_to_num(apart_m))
    first = members[0].prediction
    unclear = _unclear(members, apart_m=apart_m, usual_m=usual_m) if has_front else ""
    if unclear:
        extent_m = max(scene.shape) * pixel_m if first is None else max(first.framing.shape) * first.framing.pixel_m
        # What is not known stays unknown.
        sigma_m = float(np.maximum(sigma_m, UNRELIABLE_SHARE * extent_m))
    if united.spec.zones != "line" or first is None:
        return MergedScene(pixels, sigma_m, apart_m, None, unclear)
    line = _line(united, members, pixels, scene, smoothness=smoothness, sigma_m=sigma_m)
    on_grid = line.zones_on(scene, united.spec)
    zones = np.where(seen, on_grid, united.spec.unobserved).astype(np.uint8)
    return MergedScene(replace(pixels, zones=zones), sigma_m, apart_m, line, unclear)


def _line(
    united: United,
    members: Sequence[MemberScene],
    pixels: MergedPixels,
    scene: FramedScene,
    *,
    smoothness: float,
    sigma_m: float,
) -> Prediction:
    """Return the one line through the mean of models that draw one, in the frame of the first."""
    predictions = [each.prediction for each in members if each.prediction is not None]
    first = predictions[0]
    framing = first.framing
    if all(_same(each.framing, framing) for each in predictions):
        layers = [united.layers(place, each.probability) for place, each in enumerate(predictions)]
        hidden = ~np.logical_and.reduce([np.isfinite(each.probability).all(axis=0) for each in predictions])
        probability: NDArray[np.float32] = np.stack(layers).mean(axis=0, dtype=np.float32)
        probability[:, hidden] = np.nan
    else:

        def read(row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
            return pixels.probability[:, row : row + height, column : column + width]

        probability = read_framed(read, framing, scene_shape=scene.shape)
    zones = zones_from_probability(probability, spec=united.spec, smoothness=smoothness)
    ocean = probability[united.spec.codes.index(254)]
    # Where nothing was observed the zones say so; the line runs on there.
    rows = front_rows(ocean, zones_from_ocean(ocean, smoothness=smoothness))
    doubt = float(np.mean([each.doubt for each in predictions]))
    return Prediction(framing, probability, zones, sigma_m / framing.pixel_m, rows, doubt=doubt)


def _same(one: Framing, other: Framing) -> bool:
    return one.shape == other.shape and one.to_scene.almost_equals(other.to_scene, precision=1e-6)


def _unclear(members: Sequence[MemberScene], *, apart_m: float, usual_m: float) -> str:
    """Return why a front that several models see is not to be relied on."""
    found = [each.prediction.found for each in members if each.prediction is not None]
    towards = [each.ocean_deg for each in found if each is not None]
    if any(abs((one - other + 180) % 360 - 180) > _APART_DEG for one, other in combinations(towards, 2)):
        shown = " and ".join(f"{each:.0f}" for each in towards)
        return f"the models find the ocean in different directions, {shown} degrees: say it with --ocean"
    if math.isnan(apart_m):
        return "one of the models sees no front"
    if any(each.is_doubtful for each in members):
        return "one of the models is not to be relied on here"
    if usual_m == usual_m and apart_m > _OPEN * usual_m:
        return f"the fronts of the models lie {apart_m:.0f} m apart, one sigma of their own is {usual_m:.0f} m"
    return ""


def front_apart_px(zones: Sequence[NDArray[np.uint8]]) -> float:
    """Return the standard deviation of several fronts about each other, pixels; NaN where one mask has none.

    With d the symmetric mean nearest distance of two fronts, ``sqrt(sum_pairs d^2 / (M (M - 1)))`` over the pairs of M
    masks: of fronts that are straight and parallel the sample standard deviation of their positions.

    Parameters
    ----------
    zones : sequence of (H, W) uint8
        127 glacier, 254 ocean.

    Examples
    --------
    >>> masks = [np.where(np.arange(9)[:, None] < row, 254, 127) * np.ones((1, 4)) for row in (2, 4, 6)]
    >>> front_apart_px([mask.astype(np.uint8) for mask in masks])
    2.0
    """
    fronts = [front_pixels(mask) for mask in zones]
    if not all(front.any() for front in fronts):
        return math.nan
    far = [ndimage.distance_transform_edt(~front) for front in fronts]
    pairs = [
        (float(far[one][fronts[other]].mean()) + float(far[other][fronts[one]].mean())) / 2
        for one, other in combinations(range(len(fronts)), 2)
    ]
    return math.sqrt(sum(each**2 for each in pairs) / (len(fronts) * (len(fronts) - 1)))
