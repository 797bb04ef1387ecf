"""Images on their way to be measured: each segmented by the model for its kind, in the frame of that model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from glaciertime import limits
from glaciertime.errors import GlacierTimeError
from glaciertime.naming import counted, fold_name
from glaciertime.pipeline.model_zones import are_zones, told_of_zones, zone_table
from glaciertime.scenes.acquisition import ImageScene, MaskScene, UnreadableScene
from glaciertime.scenes.imagery import Imagery
from glaciertime.tables import UNRELIABLE
from glaciertime.track.place import reproject

if TYPE_CHECKING:
    from glaciertime.pipeline.neighbours import SeenDates
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.predict.checks import Checked
    from glaciertime.segment.predict.engine import Engine
    from glaciertime.segment.predict.framed import FramedScene, Prediction
    from glaciertime.segment.predict.merging import United
    from glaciertime.segment.predict.orientation import Found

__all__ = [
    "Towards",
    "checked_towards",
    "find_towards",
    "framed_scene",
    "mask_of_image",
    "model_engine",
    "models_of",
    "opened_image",
]

#: The direction of the ocean is looked for in so many images at most, evenly over the record.
_LOOKED_AT = 12
#: Probabilities are held with a mask up to so many numbers: the front of a larger one keeps to its pixels.
_HELD = 50_000_000


@dataclass(frozen=True, kw_only=True)
class Towards:
    """Which way the ocean lies in georeferenced images of one glacier.

    ``line`` leads there from inland, in the coordinates ``crs``; without one ``ocean_deg`` says it, degrees clockwise
    from north; ``found`` tells how that was found, where nobody said it, and ``against`` why it seems to be wrong.
    """

    line: shapely.LineString | None = None
    crs: pyproj.CRS | None = None
    ocean_deg: float | None = None
    found: Found | None = None
    against: str = ""

    def doubt(self, *, placed: bool) -> str:
        """Return why the direction is not to be relied on, of images with a georeference or without; else ``""``."""
        if placed and self.found is not None and not self.found.is_sure:
            return "the direction of the ocean is not sure, say it with --ocean"
        return self.against


def models_of(scene: ImageScene, *, weights: str = "", merge: str = "") -> tuple[str, ...]:
    """Return the models that segment an image, names or files: those that were named, else the one for its kind.

    Raises
    ------
    UsageError
        If several are named and nothing says how they become one.
    """
    from glaciertime.segment.predict.merging import parse_weights

    if not weights and not merge:
        return (scene.weights,) if scene.weights else ()
    return parse_weights(weights or scene.weights, merge or None)[0]


def find_towards(
    scenes: Sequence[ImageScene],
    *,
    weights: str = "",
    merge: str = "",
    model: tuple[Engine, ModelSpec] | None = None,
) -> tuple[Towards, str]:
    """Return where the ocean lies in images of one glacier by the model that segments them, and what is to be said.

    Images without a georeference have the ocean up and are not looked at. ``model`` is one that is loaded already. Of
    several models the first that needs to know it looks.
    """
    from glaciertime.segment.predict.framed import find_ocean

    placed = [scene for scene in scenes if scene.acquisition.crs is not None]
    if not placed:
        return Towards(), ""
    looked = _looked_at(placed, Towards(), weights=weights, merge=merge, model=model)
    if looked is None:
        return Towards(), ""
    run, spec, framed, opened = looked
    try:
        if not framed:
            return Towards(), ""
        found = find_ocean(framed, run=run, spec=spec)
    finally:
        for pixels in opened:
            pixels.close()
    said = (
        f"the ocean was found to lie towards {found.ocean_deg:.0f} degrees from north, the direction in which "
        f"{spec.name} is surest of {counted(len(framed), 'images')}"
    )
    if not found.is_sure:
        chance = f" ({found.chance})" if len(framed) == 1 else ""
        said += (
            f"; but another one leaves it only {1 / found.doubt:.1f} times as unsure{chance}: say it with --ocean, or "
            "give the line to measure along with --centreline FILE"
        )
    return Towards(ocean_deg=found.ocean_deg, found=found), said


def checked_towards(
    scenes: Sequence[ImageScene], towards: Towards, *, weights: str = "", merge: str = ""
) -> tuple[Towards, str]:
    """Return a direction of the ocean that was told with what the images say against it, and what is to be said.

    Images without a georeference are taken to have the ocean up: they are looked at in the same way.
    """
    from glaciertime.segment.predict.framed import check_side

    looked = _looked_at(scenes, towards, weights=weights, merge=merge)
    if looked is None:
        return towards, ""
    run, spec, framed, opened = looked
    try:
        sides = [
            check_side(group, run=run, spec=spec, ocean_deg=towards.ocean_deg if are_placed else None)
            for are_placed in (True, False)
            if (group := [scene for scene in framed if (scene.crs is not None) == are_placed])
        ]
    finally:
        for pixels in opened:
            pixels.close()
    against = next(filter(None, sides), "")
    if not against:
        return towards, ""
    remedy = "check --ocean, or the line to measure along; images without a georeference have to have the ocean up"
    return replace(towards, against=against), f"{against[0].upper()}{against[1:]}. EVERY FRONT IS FLAGGED: {remedy}"


def _looked_at(
    scenes: Sequence[ImageScene],
    towards: Towards,
    *,
    weights: str,
    merge: str = "",
    model: tuple[Engine, ModelSpec] | None = None,
) -> tuple[Engine, ModelSpec, list[FramedScene], list[Imagery]] | None:
    """Return the model of images, and some of its own opened, evenly over the record; None where none has a direction.

    Images of other kinds among them, such as radar, are segmented by another model or by none.
    """
    by_models: dict[tuple[str, ...], list[ImageScene]] = {}
    for scene in scenes:
        names = models_of(scene, weights=weights, merge=merge) if model is None else ()
        by_models.setdefault(names, []).append(scene)
    need: list[tuple[Engine, ModelSpec]] = []
    own: list[ImageScene] = []
    for names, group in by_models.items():
        loaded = [model] if model is not None else [model_engine(name) for name in names]
        need = [(run, spec) for run, spec in loaded if spec.frame.up == "ocean"]
        if need:
            own = group
            break
    if not need:
        return None
    run, spec = need[0]
    chosen = [own[place] for place in np.unique(np.linspace(0, len(own) - 1, _LOOKED_AT).round().astype(int))]
    opened: list[Imagery] = []
    framed = []
    for scene in chosen:
        try:
            pixels, _ = opened_image(scene, spec)
        except GlacierTimeError:
            # Its reason is told when it is segmented.
            continue
        opened.append(pixels)
        framed.append(framed_scene(scene, pixels, towards))
    return run, spec, framed, opened


def model_engine(weights: str) -> tuple[Engine, ModelSpec]:
    """Return what runs a model, and what it expects."""
    from glaciertime.segment.predict.engine import load_engine

    return load_engine(weights)


def opened_image(scene: ImageScene, spec: ModelSpec) -> tuple[Imagery, Checked]:
    """Open an image and look at its values before they are believed."""
    from glaciertime.segment.predict.checks import check_values

    pixels = Imagery(scene.path, bands=scene.bands, expected=len(spec.bands), values=scene.values, clouds=scene.clouds)
    try:
        checked = check_values(pixels.sample(), spec=spec, values=scene.values, name=scene.path.name)
        if said := pixels.said_of_clouds():
            checked = replace(checked, notes=(*checked.notes, said))
    except BaseException:
        pixels.close()
        raise
    pixels.values = checked.values
    return pixels, checked


def framed_scene(scene: ImageScene, pixels: Imagery, towards: Towards) -> FramedScene:
    """Return an open image as it is to be turned into the frame of a model."""
    from glaciertime.segment.predict.framed import FramedScene

    crs = scene.acquisition.crs
    line = None
    if towards.line is not None and towards.crs is not None and crs is not None:
        line = reproject(towards.line, source=towards.crs, target=crs)
    return FramedScene(read=pixels.read, shape=scene.shape, transform=scene.transform, crs=crs, line=line)


@dataclass(frozen=True)
class _Segmented:
    """Zones of one image, where they lie, and how surely its front does."""

    zones: NDArray[np.uint8]
    probability: NDArray[np.float32] | None
    scene: MaskScene
    sigma_px: float
    unlike: str = ""
    unclear: str = ""
    checked: Checked | None = None
    made: Prediction | None = None


def mask_of_image(
    scene: ImageScene,
    *,
    weights: str = "",
    merge: str = "",
    towards: Towards | None = None,
    tell: Callable[[str], None] | None = None,
    dates: SeenDates | None = None,
) -> MaskScene | UnreadableScene:
    """Return an image as a mask in the frame of its model, with the error that the model leaves the front of it.

    Parameters
    ----------
    scene : ImageScene
    weights : str
        A shipped model or a file; by default the one made for images of this kind. Several, separated by commas, with
        ``merge``.
    merge : str
        How they become one, see :func:`glaciertime.segment.predict.merging.parse_merge`.
    towards : Towards, optional
        Which way the ocean lies, for images with a georeference; others have it up.
    tell : callable, optional
        Called with what was assumed, in sentences.
    dates : SeenDates, optional
        Keeps what is compared between the images of the glacier.

    Returns
    -------
    MaskScene or UnreadableScene
        The mask is held until it is read first, and so are the probabilities, which place the front below the pixel;
        each further reading segments the image again. The latter where the image cannot be segmented, with the reason.
    """
    from glaciertime.segment.predict.framed import UNRELIABLE_SHARE

    where = Towards() if towards is None else towards
    if not (weights or scene.weights):
        return _refused(
            scene,
            f"{scene.path.name} is a radar image, and no model that comes with the package was trained on real ones: "
            "give one with --weights; sar-zones has seen simulated scenes alone",
        )
    models, spec, united = _models(scene, weights=weights, merge=merge, tell=tell)
    zone_of = zone_table(spec)
    if zone_of is None:
        return _refused(
            scene,
            f"the classes of the model {spec.name} are {', '.join(spec.classes)} (codes {spec.codes}), not rock, "
            "glacier and ocean (64, 127, 254): write masks with glaciertime segment and say what they mean with "
            "--classes",
        )

    table = zone_of

    def on_zones(made: _Segmented) -> _Segmented:
        zones = table[made.zones]
        # Layers of classes are not those of zones: the front keeps to the pixels of the mask then.
        probability = made.probability if are_zones(spec) else None
        return replace(made, zones=zones, scene=replace(made.scene, read=lambda: zones), probability=probability)

    def segmented() -> _Segmented:
        with limits.timed(scene.acquisition.image_id):
            if united is not None:
                return on_zones(_segment_several(scene, where, models, united))
            pixels, checked = opened_image(scene, spec)
            with pixels:
                made = _segment(scene, pixels, where, run=models[0].run, quick=models[0].quick, spec=spec)
        return on_zones(replace(made, checked=checked))

    try:
        first = segmented()
    except GlacierTimeError as error:
        return _refused(scene, str(error))
    held, probable = [first.zones], [first.probability]
    sigma_px, flags = first.sigma_px, dict(scene.acquisition.flags)
    if first.unclear:
        flags["unclear-front"] = first.unclear
    if tell is not None:
        for sentence in filter(None, (told_of_zones(spec), *(() if first.checked is None else first.checked.notes))):
            tell(sentence)
    elsewhere = [_elsewhere(each.spec, scene.acquisition.glacier) for each in models]
    doubts = [first.unlike, *elsewhere, *(() if first.checked is None else first.checked.doubts)]
    if any(doubts):
        flags["unlike-training"] = ", ".join(each for each in doubts if each)
        sigma_px = max(sigma_px, UNRELIABLE_SHARE * max(first.scene.shape))
    if doubt := where.doubt(placed=scene.acquisition.crs is not None):
        sigma_px = max(sigma_px, UNRELIABLE_SHARE * max(first.scene.shape))
        flags["unclear-front"] = doubt
    if dates is not None and first.made is not None:
        against = {flag: flags[flag] for flag in UNRELIABLE if flag in flags}
        dates.keep(scene, first.made, spec=spec, against=against)
        first = replace(first, made=None)
    placed = first.scene.acquisition
    acquisition = replace(
        placed, model=spec.name, delineation_sigma_m=sigma_px * placed.resolution_m, flags=flags
    )  # fmt: skip
    read: Callable[[], NDArray[np.uint8]] = lambda: held.pop() if held else segmented().zones  # noqa: E731
    if first.probability is None:
        return replace(first.scene, acquisition=acquisition, read=read)

    def probability() -> tuple[NDArray[np.float32], tuple[int, ...]] | None:
        layers = probable.pop() if probable else segmented().probability
        return None if layers is None else (layers, spec.codes)

    return replace(
        first.scene, acquisition=acquisition, read=read, probability=probability, sigma_is_of_probability=False
    )


@dataclass(frozen=True)
class _Model:
    """A model that is ready to run; ``quick`` is for what is only tried out."""

    spec: ModelSpec
    run: Engine
    quick: Engine


def _models(
    scene: ImageScene, *, weights: str, merge: str, tell: Callable[[str], None] | None
) -> tuple[list[_Model], ModelSpec, United | None]:
    """Return the models that segment an image, and what their mask holds."""
    from glaciertime.segment.predict.merging import parse_merge, unite
    from glaciertime.segment.predict.uncertainty import varied

    models = []
    for name in models_of(scene, weights=weights, merge=merge):
        run, spec = model_engine(name)
        models.append(_Model(spec, varied(run) if spec.augmented else run, run))
    if not merge:
        return models, models[0].spec, None
    united = unite([each.spec for each in models], parse_merge(merge))
    if tell is not None:
        for sentence in (f"images are segmented by {united.spec.name}", *united.told):
            tell(sentence)
    return models, united.spec, united


def _elsewhere(spec: ModelSpec, glacier: str) -> str:
    """Return why a model that was adapted to other glaciers is not made for this one; empty where it is."""
    known = {fold_name(name) for name in spec.adapted_to.split(", ")}
    if not spec.adapted_to or fold_name(glacier) in known:
        return ""
    return f"{spec.name} was adapted to {spec.adapted_to}"


def _segment(
    scene: ImageScene, pixels: Imagery, towards: Towards, *, run: Engine, quick: Engine, spec: ModelSpec
) -> _Segmented:
    from glaciertime.segment.predict.framed import predict_scene
    from glaciertime.segment.predict.prediction import probability_of_image, zones_from_probability
    from glaciertime.segment.predict.uncertainty import front_sigma_px, why_open

    what = scene.acquisition
    transform, shape = scene.transform, scene.shape
    unlike, unclear, made = "", "", None
    if spec.frame.up == "ocean":
        framed = framed_scene(scene, pixels, towards)
        ocean_deg = towards.ocean_deg if what.crs is not None else framed.up_deg
        made = predict_scene(framed, run=run, spec=spec, ocean_deg=ocean_deg, try_out=quick)
        zones, sigma_px, probability = made.zones, made.sigma_px, made.probability
        unlike, unclear = made.unlike, made.unclear
        if not made.framing.is_identity or made.framing.shape != shape:
            transform, shape = scene.transform @ made.framing.to_scene, made.framing.shape
            what = replace(what, resolution_m=made.framing.pixel_m)
    else:
        probability = probability_of_image(pixels, run=run, spec=spec)
        zones = zones_from_probability(probability, spec=spec)
        sigma_px = front_sigma_px(probability, spec=spec)
        unclear = why_open(sigma_px, spec=spec)
    mask = MaskScene(acquisition=what, shape=shape, transform=transform, read=lambda: zones, box=scene.box)
    kept = probability if {127, 254} & set(spec.codes) and probability.size <= _HELD else None
    return _Segmented(zones, kept, mask, sigma_px, unlike, unclear, made=made)


def _segment_several(scene: ImageScene, towards: Towards, models: Sequence[_Model], united: United) -> _Segmented:
    """Return what several models make of an image: in the frame of the first where they draw one line, else its own."""
    from glaciertime.segment.predict.framed import predict_scene
    from glaciertime.segment.predict.merged_scene import MemberScene, member_without_frame, merge_scene

    what, members, unlike, looked = scene.acquisition, [], [], []
    for model in models:
        pixels, checked = opened_image(scene, model.spec)
        looked.append(checked)
        with pixels:
            framed = framed_scene(scene, pixels, towards)
            if model.spec.frame.up != "ocean":
                members.append(member_without_frame(pixels, framed, run=model.run, spec=model.spec))
                continue
            ocean_deg = towards.ocean_deg if what.crs is not None else framed.up_deg
            made = predict_scene(framed, run=model.run, spec=model.spec, ocean_deg=ocean_deg, try_out=model.quick)
            zones = made.zones_on(framed, model.spec)
            sigma_m = made.sigma_px * made.framing.pixel_m
            members.append(MemberScene(made.probability_on(framed), zones, sigma_m, made))
            unlike += [made.unlike] if made.unlike else []
    checked = replace(
        looked[0], notes=tuple(dict.fromkeys(told for each in looked for told in each.notes)),
        doubts=tuple(dict.fromkeys(doubt for each in looked for doubt in each.doubts)),
    )  # fmt: skip
    merged = merge_scene(united, members, framed)
    transform, shape, pixel_m = scene.transform, scene.shape, what.resolution_m
    zones, probability = merged.pixels.zones, merged.pixels.probability
    if merged.prediction is not None:
        framing = merged.prediction.framing
        zones, probability = merged.prediction.zones, merged.prediction.probability
        if not framing.is_identity or framing.shape != shape:
            transform, shape, pixel_m = scene.transform @ framing.to_scene, framing.shape, framing.pixel_m
    mask = MaskScene(
        acquisition=replace(what, resolution_m=pixel_m), shape=shape, transform=transform, read=lambda: zones,
        box=scene.box,
    )  # fmt: skip
    # By another rule than the mean a front lies where the masks say, not where a probability is one half.
    is_mean = united.merge.kind == "mean" and probability.size <= _HELD
    kept = probability if is_mean and {127, 254} & set(united.spec.codes) else None
    sigma_px = merged.sigma_m / pixel_m
    return _Segmented(zones, kept, mask, sigma_px, ", ".join(dict.fromkeys(unlike)), merged.unclear, checked)


def _refused(scene: ImageScene, reason: str) -> UnreadableScene:
    what = scene.acquisition
    return UnreadableScene(input=what.input, reason=reason, date=what.date, acquisition=what)
