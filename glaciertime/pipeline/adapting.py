"""A shipped model adapted to one glacier: from images and labels on disk to a model that ``track`` takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glaciertime.catalog import Glacier, Source
from glaciertime.errors import InputError, UsageError
from glaciertime.naming import fold_name
from glaciertime.pipeline.images import Towards, find_towards
from glaciertime.pipeline.place_images import Label, frame_images, label_images
from glaciertime.pipeline.place_stack import Moved, PlaceStack, fixed_images, moved_fronts
from glaciertime.pipeline.rulers import given_in_files
from glaciertime.scenes.acquisition import (
    Acquisition,
    ImageScene,
    MaskScene,
    OutlineScene,
    TraceScene,
    UnreadableScene,
)
from glaciertime.scenes.datasets.sample import TrainingSample
from glaciertime.scenes.folder import MaskReading
from glaciertime.scenes.glacier_rows import VectorReading
from glaciertime.scenes.locate import Located, locate
from glaciertime.track.place import WGS84, place_of

if TYPE_CHECKING:
    from torch import nn

    from glaciertime.scenes.datasets.sample import TrainingData
    from glaciertime.segment.adapt.leaving_out import Gain
    from glaciertime.segment.adapt.tuning import Tuning
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.predict.engine import Engine

__all__ = ["AdaptRequest", "Adapted", "adapt", "read_place_images"]

#: So many labelled images are turned to see on which side the ocean is.
_TURNED = 6


@dataclass(frozen=True, kw_only=True)
class AdaptRequest:
    """What is to be adapted to what."""

    glacier: Glacier
    data: Path
    labels: Path | None = None
    weights: str = "landsat-fronts"
    #: How the images are read, and how the labels.
    reading: MaskReading = field(default_factory=MaskReading)
    label_reading: MaskReading = field(default_factory=MaskReading)
    columns: VectorReading = field(default_factory=VectorReading)
    ocean: float | None = None
    centreline: Path | None = None
    #: Reader and folder of earlier images to be rehearsed.
    rehearse: tuple[str, Path] | None = None


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """A model that was adapted to a glacier.

    Attributes
    ----------
    network : torch.nn.Module
        As it was given where nothing is gained at dates left out, or the ocean is in doubt.
    spec : ModelSpec
        What it expects, what it was adapted on, and what leaving dates out gave.
    gain : Gain
    labelled : tuple of TrainingSample
    moved : tuple of Moved
        Images without a label whose front it draws more than ten pixels from where the model drew it as it was given.
    doubt : str
        Why the ocean seems to lie on another side than was said; empty where it does not.
    """

    network: nn.Module
    spec: ModelSpec
    gain: Gain
    labelled: tuple[TrainingSample, ...]
    moved: tuple[Moved, ...] = ()
    doubt: str = ""

    @property
    def is_adapted(self) -> bool:
        """Return whether the network is another than the one that was given."""
        return self.gain.is_gain and not self.doubt


def read_place_images(
    request: AdaptRequest, *, tell: Callable[[str], None], progress: Callable[[], None] | None = None
) -> PlaceStack:
    """Read the images of a glacier into the frame of the model that is to be adapted.

    Raises
    ------
    InputError
        If the model draws no front line, or no image can be read.
    """
    from glaciertime.segment.description import read_spec, weights_path
    from glaciertime.segment.predict.engine import load_engine

    path = weights_path(request.weights, suffix=".safetensors")
    if path.suffix.lower() != ".safetensors":
        raise UsageError(f"--weights {request.weights}: only .safetensors can learn; give the one beside it")
    spec = read_spec(path)
    if spec.zones != "line" or spec.frame.up != "ocean":
        raise InputError(
            f"{spec.name} draws no front as one line across its frame; adapt takes models that do, such as "
            "landsat-fronts. Others are fine-tuned with glaciertime train --initial"
        )
    located = locate(
        _with_sources(request.glacier, request.data, ("images", "landsat-fronts")), data=request.data,
        reading=replace(request.reading, are_images=True), columns=VectorReading(),
    )  # fmt: skip
    for sentence in located.notes:
        tell(sentence)
    problems = []
    scenes: list[ImageScene] = []
    for scene in located.scenes:
        if isinstance(scene, ImageScene):
            scenes.append(scene)
        elif isinstance(scene, UnreadableScene):
            problems.append(scene.reason)
        else:
            raise InputError(f"--data {request.data} holds masks or lines of {request.glacier.name}, images expected")
    scenes = _once(scenes, tell)
    run, _ = load_engine(path, engine="torch")
    towards, said = _towards(request, located, scenes, (run, spec))
    if said:
        tell(said)
    images, unread = frame_images(scenes, run=run, spec=spec, towards=towards, progress=progress)
    if not images:
        reasons = [*problems, *unread]
        raise InputError(
            f"no image of {request.glacier.name} can be read: {reasons[0] if reasons else 'none is there'}"
        )
    return PlaceStack(images=tuple(images), spec=spec, towards=towards, problems=(*problems, *unread))


def _with_sources(glacier: Glacier, folder: Path, formats: tuple[str, ...]) -> Glacier:
    """Return a glacier with those sources of the catalog that can be what is looked for; one that lies here alone."""
    if (folder / "index.csv").is_file() and (folder / "fronts").is_dir():
        here = Source(dataset="Mohajerani et al. 2019", format="landsat-fronts", path=".", code=glacier.name)
        return glacier.model_copy(update={"sources": (here,)})
    kept = tuple(source for source in glacier.sources if source.format in formats)
    return glacier.model_copy(update={"sources": kept})


def _once(scenes: list[ImageScene], tell: Callable[[str], None]) -> list[ImageScene]:
    """Return images without files that hold the same bytes as an earlier one."""
    from glaciertime.provenance import digest_of

    seen: dict[str, ImageScene] = {}
    kept = []
    for scene in scenes:
        digest = digest_of(scene.path)[0].sha256
        if digest in seen:
            tell(f"{scene.path.name} is the same file as {seen[digest].path.name}, and left out")
            continue
        seen[digest] = scene
        kept.append(scene)
    return kept


def _towards(
    request: AdaptRequest, located: Located, scenes: Sequence[ImageScene], model: tuple[Engine, ModelSpec]
) -> tuple[Towards, str]:
    """Return which way the ocean lies, as for ``track``: told, along the glacier's line, or as the model finds it."""
    placed, rulers = given_in_files(located.glacier, centreline=request.centreline, box=None)
    if request.ocean is not None:
        return Towards(ocean_deg=request.ocean), ""
    place = place_of(placed, scene_crs=WGS84, rulers=rulers)
    if place.centreline is not None:
        return Towards(line=place.centreline, crs=place.crs), ""
    return find_towards(scenes, model=model)


def read_labels(request: AdaptRequest, *, tell: Callable[[str], None]) -> list[Label]:
    """Return the labels of a glacier: traced fronts, or masks.

    Raises
    ------
    InputError
        If there are none of it.
    """
    assert request.labels is not None
    located = locate(
        _with_sources(request.glacier, request.labels, ("traces", "masks", "landsat-fronts")), data=request.labels,
        reading=replace(request.label_reading, are_images=False), columns=request.columns,
    )  # fmt: skip
    if located.source is not None and located.source.format == "landsat-fronts":
        return _traced_pictures(Path(located.origin), located)
    labels: list[Label] = []
    for scene in located.scenes:
        if isinstance(scene, (TraceScene, MaskScene, OutlineScene)):
            labels.append(scene)
        elif isinstance(scene, UnreadableScene):
            tell(f"a label was left out: {scene.reason}")
    for sentence in located.notes:
        tell(sentence)
    if not labels:
        raise InputError(f"--labels {request.labels} holds no front and no mask of {request.glacier.name}")
    return labels


def _traced_pictures(folder: Path, located: Located) -> list[Label]:
    """Return the traces of the Landsat fronts as masks of the pixels of their images."""
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.scenes.datasets.traced_zones import zones_from_trace

    reader = LandsatFronts(folder)
    index = {info.name: place for place, info in enumerate(reader.infos)}
    labels: list[Label] = []
    for scene in located.scenes:
        if not isinstance(scene, ImageScene):
            continue
        what = scene.acquisition
        read = lambda place=index[what.image_id]: zones_from_trace(reader.read_trace(place))  # noqa: E731
        labels.append(MaskScene(acquisition=_as_label(what), shape=scene.shape, transform=scene.transform, read=read))
    return labels


def _as_label(what: Acquisition) -> Acquisition:
    return replace(what, model="", flags={})


def adapt(
    request: AdaptRequest,
    stack: PlaceStack,
    *,
    tuning: Tuning,
    tell: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
) -> Adapted:
    """Tune a model to the labelled images of a glacier, and say by leaving dates out what that gained.

    Where nothing is gained at the dates left out, the model is handed back as it was given.

    Parameters
    ----------
    request : AdaptRequest
        With labels.
    stack : PlaceStack
    tuning : Tuning
    tell : callable
        Called with what was assumed or left out, in sentences.
    progress : callable, optional
        Told the steps done and the steps there are.

    Raises
    ------
    InputError
        If fewer than three dates are labelled.
    """
    from glaciertime.segment.adapt.leaving_out import MOST_FOLDS, leave_out
    from glaciertime.segment.adapt.tuning import rehearsal_chances, tune
    from glaciertime.segment.description import weights_path
    from glaciertime.segment.predict.weights import load_model

    labels = read_labels(request, tell=tell)
    samples, said = label_images(stack.images, labels, spec=stack.spec)
    for sentence in said:
        tell(sentence)
    days = {sample.info.date for sample in samples}
    if len(days) < 3:
        raise InputError(
            f"{request.glacier.name}: {len(days)} labelled dates can be used, at least 3 are needed; label more "
            f"of the {len({one.scene.acquisition.date for one in stack.images})} dates that there are images of"
        )
    for sentence in _doubts(request.glacier.name, stack, samples):
        tell(sentence)
    network, spec = load_model(weights_path(request.weights, suffix=".safetensors"))
    doubt = _doubt_of_ocean(stack, samples, network)
    if doubt:
        tell(doubt)
    # A patch larger than the images would show the network mostly what lies beyond them.
    sides = np.max([sample.labels.shape for sample in samples], axis=0)
    tuning = replace(tuning, patch=(min(tuning.patch[0], int(sides[0])), min(tuning.patch[1], int(sides[1]))))
    earlier, chances = _earlier(request, spec), None
    if earlier is not None:
        chances = rehearsal_chances(earlier, without=_same_among(earlier, request.glacier))
    total, done = (min(len(days), MOST_FOLDS) + 1) * tuning.steps, 0

    def step(_: int) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    def learn(known: Sequence[TrainingSample]) -> nn.Module:
        fixed = fixed_images(stack, known)
        return tune(network, spec, known, tuning=tuning, earlier=earlier, chances=chances, stack=fixed, progress=step)

    gain = leave_out(samples, network=network, spec=spec, learn=learn)
    if doubt or not gain.is_gain:
        # What its own dates left out do not call better is not handed out.
        return Adapted(network=network, spec=spec, gain=gain, labelled=tuple(samples), doubt=doubt)
    adapted = learn(samples)
    told = _described(spec, request, samples, gain, rehearsed=_rehearsed(request))
    moved = moved_fronts(stack, samples, adapted)
    return Adapted(network=adapted, spec=told, gain=gain, labelled=tuple(samples), moved=moved)


def _earlier(request: AdaptRequest, spec: ModelSpec) -> TrainingData | None:
    """Return the images to be rehearsed, if any.

    Simulated scenes were tried in their place: what is learnt of the place is worse beside them, and what was known of
    others is forgotten no less (``scripts/adapt_landsat.py``).

    Raises
    ------
    InputError
        If they are of other bands or classes than the model.
    """
    from glaciertime.scenes.datasets.readers import open_training_data

    if request.rehearse is None:
        return None
    reader, root = request.rehearse
    found = open_training_data(reader, root=root)
    if (tuple(found.bands), tuple(found.codes)) != (spec.bands, spec.codes):
        raise InputError(
            f"--rehearse {reader}: bands {tuple(found.bands)} with codes {tuple(found.codes)} given, {spec.bands} with "
            f"{spec.codes} expected by {spec.name}"
        )
    return found


def _rehearsed(request: AdaptRequest) -> str:
    return "nothing" if request.rehearse is None else request.rehearse[0]


def _same_among(data: TrainingData, glacier: Glacier) -> str:
    """Return what rehearsed data call a glacier; empty where they hold nothing of it."""
    names = {fold_name(name) for name in (glacier.name, *glacier.aliases)}
    return next((info.glacier for info in data.infos if fold_name(info.glacier) in names), "")


def _doubts(glacier: str, stack: PlaceStack, samples: Sequence[TrainingSample]) -> list[str]:
    """Return what is to be said of what the figures of a gain are worth."""
    said = []
    years = {sample.info.date.year for sample in samples if sample.info.date is not None}
    spanned = {one.scene.acquisition.date.year for one in stack.images}
    if len(years) == 1 and len(spanned) > 1:
        said.append(
            f"all labels are of {years.pop()}, the images of {min(spanned)} to {max(spanned)}: what is gained is known "
            "of that year alone; label dates spread over the years"
        )
    if stack.spec.adapted_to:
        said.append(
            f"{stack.spec.name} was adapted before, to {stack.spec.adapted_to}: where it has seen the labelled dates "
            "its errors are too small; begin from the model that was not adapted to judge a gain"
        )
    elif fold_name(glacier) in fold_name(stack.spec.trained_on):
        said.append(
            f"{stack.spec.name} was trained on {glacier}: if on these dates, its errors before adapting are too small"
        )
    sensors = sorted({one.scene.acquisition.sensor for one in stack.images} - {""})
    labelled = {sample.info.sensor for sample in samples}
    unseen = [sensor for sensor in sensors if sensor not in labelled]
    if unseen and len(sensors) > 1:
        said.append(f"no label is of {', '.join(unseen)}: what is gained on its images is not known")
    return said


def _doubt_of_ocean(stack: PlaceStack, samples: Sequence[TrainingSample], network: nn.Module) -> str:
    """Return what is to be said where the model finds the labelled fronts with the ocean on another side.

    A front that was traced as a line does not say which of its sides is ocean: the direction alone does.
    """
    from glaciertime.segment.adapt.leaving_out import better_turn, turns_errors_px
    from glaciertime.segment.adapt.tuning import engine_of

    some = samples[:: math.ceil(len(samples) / _TURNED)]
    errors = turns_errors_px(some, run=engine_of(network, stack.spec), spec=stack.spec)
    turns = better_turn(errors)
    if not turns:
        return ""
    as_is, turned = np.nanmean(errors, axis=0)[[0, turns]]
    first = next(image for image in stack.images if image.info.name == some[0].info.name)
    up = first.framing.ocean_deg
    return (
        f"THE OCEAN SEEMS TO LIE ON ANOTHER SIDE: with it at {up:.0f} degrees the model draws the labelled fronts "
        f"{as_is:.1f} pixels off, at {(up + 90 * turns) % 360:.0f} degrees {turned:.1f}; check --ocean or the "
        "glacier's line: a model taught the wrong side calls an advance a retreat"
    )


def _described(
    spec: ModelSpec,
    request: AdaptRequest,
    samples: Sequence[TrainingSample],
    gain: Gain,
    *,
    rehearsed: str,
) -> ModelSpec:
    """Return what an adapted model says of itself."""
    days = sorted({str(sample.info.date) for sample in samples})
    name = request.glacier.name
    places = [*filter(None, spec.adapted_to.split(", ")), name]
    scores = {
        **spec.scores, "left_out_count": float(gain.count), "left_out_before_px": gain.before_px,
        "left_out_after_px": gain.after_px,
    }  # fmt: skip
    errors = np.array([one.after_px for one in gain.images if math.isfinite(one.after_px)])
    if len(errors):
        # The distance that 68 % keep to, never below what the model showed on other glaciers.
        known = spec.front_sigma_px
        measured = float(np.quantile(errors, 0.68))
        scores["front_sigma_px"] = measured if math.isnan(known) else max(known, measured)
    note = f"adapted from {spec.name} to {name}: for images of that place"
    return replace(
        spec,
        name=f"{spec.name}-{'-'.join(fold_name(name).split())}",
        adapted_to=", ".join(dict.fromkeys(places)),
        seen=_widened(spec, samples),
        trained_on=f"{spec.trained_on}; adapted to {name} on labels of {', '.join(days)}, {rehearsed} rehearsed",
        note=f"{spec.note}; {note}" if spec.note else note,
        scores={key: value for key, value in scores.items() if math.isfinite(value)},
    )


def _widened(spec: ModelSpec, samples: Sequence[TrainingSample]) -> tuple[tuple[float, float], ...]:
    """Return the values seen in training and in the labelled images."""
    if not spec.seen:
        return ()
    out = []
    for band, (low, high) in enumerate(spec.seen):
        values = np.concatenate([sample.image[band][np.isfinite(sample.image[band])] for sample in samples])
        if not values.size:
            out.append((low, high))
            continue
        least, most = np.percentile(values, (0.1, 99.9))
        out.append((min(low, float(least)), max(high, float(most))))
    return tuple(out)
