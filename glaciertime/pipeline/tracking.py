"""From a glacier's best source to its tables: track one, track many, store what came of it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from glaciertime.archive import Archive
from glaciertime.catalog import Glacier, Source, load_catalog
from glaciertime.errors import GlacierTimeError, InputError, UsageError
from glaciertime.front_kinds import one_front_kind
from glaciertime.naming import counted
from glaciertime.pipeline.done import TASK, State, file_states, is_done, task_digest
from glaciertime.pipeline.held import Held, held_of
from glaciertime.pipeline.images import Towards, checked_towards, find_towards, mask_of_image, models_of
from glaciertime.pipeline.neighbours import SeenDates
from glaciertime.pipeline.request import TrackOutcome, TrackRequest
from glaciertime.pipeline.rulers import (
    check_positions_compare,
    given_in_files,
    rulers_in,
    rulers_table,
)
from glaciertime.pipeline.runs import run_of_tracking
from glaciertime.provenance import Run, digest_of
from glaciertime.scenes.acquisition import (
    Acquisition,
    ImageScene,
    MaskScene,
    OutlineScene,
    Scene,
    TraceScene,
    UnreadableScene,
)
from glaciertime.scenes.folder import MaskReading
from glaciertime.scenes.glacier_rows import VectorReading
from glaciertime.scenes.locate import Located, glacier_in_data, locate
from glaciertime.track import track_scenes
from glaciertime.track.place import WGS84, Ruler, place_of
from glaciertime.track.record.screening import screen_record
from glaciertime.walls import wall

__all__ = [
    "TrackOutcome",
    "TrackRequest",
    "done_before",
    "find_glacier",
    "looked_up",
    "mask_of_image",
    "outcome_of",
    "store",
    "track_glacier",
]

#: Words of failures that the same file need not meet again.
_OF_THE_MACHINE = ("GLACIERTIME_MAX_", "image-seconds", "memory", "space left")


def find_glacier(
    name: str,
    *,
    data: Path | None = None,
    manifests: tuple[Path, ...] = (),
    dataset: str = "",
    reading: MaskReading | None = None,
    columns: VectorReading | None = None,
) -> Glacier:
    """Return a glacier of the catalog, or one that only the data names, as ``dataset`` if that is given.

    Raises
    ------
    UsageError
        For a name that neither knows; the nearest known ones are offered.
    """
    catalog = load_catalog(manifests)
    try:
        return catalog.glacier(name)
    except UsageError:
        if data is None:
            raise
        found = glacier_in_data(name, data, dataset=dataset, reading=reading, columns=columns)
        if found is None:
            raise
        return found


def track_glacier(request: TrackRequest) -> TrackOutcome:
    """Track one glacier from its best source.

    Raises
    ------
    GlacierTimeError
        Where the glacier is unknown or has no input; what is wrong with single inputs is in ``problems``.
    """
    began = time.process_time()
    request = looked_up(request)
    glacier, dataset = request.known, request.dataset
    assert glacier is not None
    if request.scenes is not None:
        from glaciertime.pipeline.catalogues import located_in_catalogue

        located = located_in_catalogue(
            glacier, request.scenes, box=request.box, weights=request.weights, merge=request.merge, dataset=dataset
        )  # fmt: skip
    else:
        located = locate(
            glacier, data=request.data, downloads=request.downloads, reading=request.reading, columns=request.columns,
            dataset=dataset,
        )  # fmt: skip
    inputs: list[tuple[str, str, str, str]] = []
    read: list[tuple[str, str, str, str]] = []
    weights: dict[str, None] = {}
    problems: list[str] = []

    placed, given = given_in_files(located.glacier, centreline=request.centreline, box=request.box)
    source = "simulated" if located.simulated else "observed"
    held = request.held
    if held is None and request.archive is not None:
        held = held_of(Archive(request.archive), glacier.name)
    known = rulers_in(held, glacier=glacier.name, dataset=located.dataset, source=source)
    used = {ruler.kind: ruler for ruler in (*(() if request.redraw else known), *given)}
    if held is not None and not request.redraw and (held.run_inputs["input"] == TASK).any():
        listed = list(located.scenes)
        done = done_before(request, glacier, located, listed, held=held)
        if done is not None:
            return done
        located = replace(located, scenes=iter(listed))
    states: dict[str, State] = {}
    dates = SeenDates()

    def seen() -> Iterator[Scene | UnreadableScene]:
        found_scenes = located.scenes
        towards = Towards()
        if located.source is not None and located.source.format == "images":
            listed = list(found_scenes)
            found_scenes = iter(listed)
            towards, said = _towards(request, placed, tuple(used.values()), listed)
            located.notes.extend([said] if said else [])
        elif request.ocean is not None:
            raise UsageError(f"--ocean: {located.origin} holds no images with a georeference; leave it out")
        for found in found_scenes:
            scene: Scene | UnreadableScene
            if isinstance(found, ImageScene):
                weights.update(dict.fromkeys(models_of(found, weights=request.weights, merge=request.merge)))
                scene = mask_of_image(
                    found, weights=request.weights, merge=request.merge, towards=towards, tell=located.notes.append,
                    dates=dates,
                )  # fmt: skip
            else:
                scene = found
            scene = with_front_kind(scene, source=located.source, user=request.front_of)
            if isinstance(scene, UnreadableScene):
                problems.append(scene.reason)
            acquisition = scene.acquisition
            if acquisition is not None:
                image = (acquisition.glacier, acquisition.dataset, acquisition.image_id)
                inputs.append((*image, acquisition.input))
                parts = [(*image, part) for part in dict.fromkeys((acquisition.input, *acquisition.parts))]
                states.update(file_states(parts))
                read.extend(parts)
            yield scene

    scenes = on_stable_rock(seen()) if request.coregister else seen()
    tracked = track_scenes(
        scenes, glacier=placed, settings=request.settings, rulers=tuple(used.values()), told_by_all=dates.told
    )  # fmt: skip
    problems += failures_of(tracked.observations, known=problems)
    if not inputs:
        raise InputError(f"{glacier.name}: nothing could be used. {' '.join(problems)}".strip())
    if (told := _of_images(request)) and not weights:
        raise UsageError(f"{told}: {located.origin} holds no images to be segmented; leave it out")
    kept = check_positions_compare(
        held, tracked.rulers, known=known, glacier=glacier.name, dataset=located.dataset,
        source=source, observations=tracked.observations, redraw=request.redraw,
    )  # fmt: skip
    digests = {source: digest_of(source) for *_, source in read}
    count = len(failures_of(tracked.observations, known=()))
    is_whole = file_states(read) == states and len(problems) == count and (located.simulated or all(digests.values()))
    return TrackOutcome(
        glacier=glacier.name,
        dataset=located.dataset,
        origin=located.origin,
        simulated=located.simulated,
        tracked=tracked,
        centrelines=_centreline(located, tracked.rulers),
        inputs=tuple(inputs),
        read=tuple(read),
        files=files_of(request),
        weights=tuple(weights),
        problems=tuple(problems),
        notes=tuple(dict.fromkeys([*located.notes, *tracked.notes, *kept])),
        exit_code=0 if not problems else 3 if tracked.observations["value"].notna().any() else 1,
        task=task_digest(request, glacier, located, read=read, weights=weights) if is_whole else "",
        digests=digests,
        cpu_seconds=time.process_time() - began,
    )


def looked_up(request: TrackRequest) -> TrackRequest:
    """Return a request that knows its glacier, and the name of its data set.

    Raises
    ------
    UsageError
        For a name that nobody knows.
    """
    dataset = load_catalog(request.manifests).dataset_name(request.dataset) if request.dataset else ""
    known = request.known or find_glacier(
        request.glacier, data=request.data, manifests=request.manifests, dataset=dataset, reading=request.reading,
        columns=request.columns,
    )  # fmt: skip
    return replace(request, known=known, dataset=dataset)


def done_before(
    request: TrackRequest, glacier: Glacier, located: Located, scenes: Sequence[Any], *, held: Held
) -> TrackOutcome | None:
    """Return the outcome of a glacier of which everything is in the archive from before; None where it is not."""
    seen = [(scene, scene.acquisition) for scene in scenes if getattr(scene, "acquisition", None) is not None]
    if len(seen) < len(scenes):
        return None
    inputs = [(what.glacier, what.dataset, what.image_id, what.input) for _, what in seen]
    read = [(*image[:3], part) for image, (_, what) in zip(inputs, seen, strict=True)
            for part in dict.fromkeys((what.input, *what.parts))]  # fmt: skip
    weights = dict.fromkeys(
        name for scene, _ in seen if isinstance(scene, ImageScene)
        for name in models_of(scene, weights=request.weights, merge=request.merge)
    )  # fmt: skip
    digest = task_digest(request, glacier, located, read=read, weights=weights)
    source = "simulated" if located.simulated else "observed"
    rulers = rulers_in(held, glacier=glacier.name, dataset=located.dataset, source=source)
    if not is_done(held, digest, read=read, rulers=rulers, is_simulated=located.simulated):
        return None
    rows = held.observations
    rows = rows[(rows["dataset"] == located.dataset) & (rows["source"] == source)]
    rows = rows[rows["image_id"].isin({image for _, _, image, _ in inputs})]
    problems = failures_of(rows, known=())
    if any(word in text for text in problems for word in _OF_THE_MACHINE):
        # Its reason may have gone: time, or memory.
        return None
    return TrackOutcome(
        glacier=glacier.name, dataset=located.dataset, origin=located.origin, simulated=located.simulated,
        inputs=tuple(inputs), read=tuple(read), weights=tuple(weights), problems=tuple(problems), is_done=True,
        notes=(f"measured before, from the same {counted(len(inputs), 'scenes')} in the same way: not measured again",),
        exit_code=0 if not problems else 3 if rows["value"].notna().any() else 1, task=digest,
    )  # fmt: skip


def files_of(request: TrackRequest) -> dict[str, Path]:
    """Return the files that a request names beside its scenes, by what they are."""
    found = {f"manifest {number}" if number > 1 else "manifest": path
             for number, path in enumerate(request.manifests, start=1)}  # fmt: skip
    for role, path in (("centreline", request.centreline), ("box", request.box)):
        if path is not None:
            found[role] = path
    return {**found, **request.files}


def _of_images(request: TrackRequest) -> str:
    """Return the options given that say something of images alone."""
    given = {
        "--weights": bool(request.weights),
        "--merge": bool(request.merge),
        "--bands": request.reading.image_bands is not None,
        "--scale": request.reading.scale != MaskReading().scale,
        "--clouds": request.reading.clouds != MaskReading().clouds,
    }
    return ", ".join(name for name, told in given.items() if told)


def _towards(
    request: TrackRequest, glacier: Glacier, rulers: Sequence[Ruler], scenes: Sequence[object]
) -> tuple[Towards, str]:
    """Return which way the ocean lies in images: told, along the glacier's line, or as the model finds it."""
    images = [scene for scene in scenes if isinstance(scene, ImageScene)]
    models: dict[str, Any] = {"weights": request.weights, "merge": request.merge}
    if request.ocean is not None:
        return checked_towards(images, Towards(ocean_deg=request.ocean), **models)
    place = place_of(glacier, scene_crs=WGS84, rulers=rulers)
    if place.centreline is not None:
        return checked_towards(images, Towards(line=place.centreline, crs=place.crs), **models)
    if not any(scene.acquisition.crs is not None for scene in images):
        return checked_towards(images, Towards(), **models)
    return find_towards(images, **models)


def with_front_kind(
    scene: Scene | UnreadableScene, *, source: Source | None, user: str = ""
) -> Scene | UnreadableScene:
    """Return a scene with what its front is made of, by the data, the catalog's source or the user.

    One of which these say different things comes back as unreadable, with the reason.
    """
    what = scene.acquisition
    if what is None or isinstance(scene, UnreadableScene):
        return scene
    told = "" if source is None else _front_on(source, what)
    try:
        kind = one_front_kind(data=what.front_of, manifest=told, user=user, date=what.date)
    except InputError as error:
        reason = f"{what.image_id}, {error}"
        return UnreadableScene(input=what.input, reason=reason, date=what.date, acquisition=what)
    return scene if kind == what.front_of else replace(scene, acquisition=replace(what, front_of=kind))


def _front_on(source: Source, what: Acquisition) -> str:
    """Return what a source says of a front; nothing where only the year or the month is known, and it changed in it."""
    first, last = what.date, what.date
    if "year-only" in what.flags:
        # A hydrological year is written as its end.
        is_calendar = (what.date.month, what.date.day) == (1, 1)
        first, last = (first, first + dt.timedelta(364)) if is_calendar else (last - dt.timedelta(365), last)
    elif "month-only" in what.flags:
        last = first + dt.timedelta(30)
    days = (first + dt.timedelta(day) for day in range((last - first).days + 1))
    kinds = {source.front_on(day) for day in days}
    return kinds.pop() if len(kinds) == 1 else ""


def on_stable_rock(scenes: Iterable[Scene | UnreadableScene]) -> list[Scene | UnreadableScene]:
    """Return scenes with their masks moved onto each other by stable rock; those that could not be read as they are.

    Raises
    ------
    UsageError
        If there are outlines or traced fronts among them: these hold no rock.
    """
    from glaciertime.track.scene.coregistration import coregistered

    found = list(scenes)
    masks = [scene for scene in found if isinstance(scene, MaskScene)]
    if any(isinstance(scene, OutlineScene | TraceScene) for scene in found):
        raise UsageError("--coregister needs masks or images: outlines and traced fronts hold no rock; leave it out")
    moved = iter(coregistered(masks) if masks else [])
    return [next(moved) if isinstance(scene, MaskScene) else scene for scene in found]


def _centreline(located: Located, rulers: Sequence[Ruler]) -> gpd.GeoDataFrame | None:
    """Return the line that positions are measured along as a table, where it has a place on Earth."""
    ruler = next((each for each in rulers if each.kind == "centreline" and each.crs is not None), None)
    if ruler is None:
        return None
    row = {
        "glacier": located.glacier.name,
        "dataset": located.dataset,
        "drawn_by": ruler.drawn_from if ruler.origin != "drawn" else f"glaciertime, from {ruler.drawn_from}",
        "source": "simulated" if located.simulated else "observed",
    }
    return gpd.GeoDataFrame([row], geometry=[ruler.geometry], crs=ruler.crs)


def failures_of(rows: pd.DataFrame, *, known: Sequence[str]) -> list[str]:
    """Return one sentence per observation that failed, those already told left out."""
    sentences = []
    for row in rows.itertuples():
        quality = str(row.quality)
        if "failed: " not in quality:
            continue
        reason = quality.split("failed: ", 1)[1].split(";")[0]
        if not any(reason == text.replace(";", ",") for text in known):
            sentences.append(f"{row.image_id}: {reason}")
    return list(dict.fromkeys(sentences))


def outcome_of(request: TrackRequest) -> TrackOutcome:
    """Return what came of tracking one glacier; a failure is an outcome, too."""
    try:
        # What no reader foresaw stops one glacier, not the others.
        with wall(f"{request.glacier}: it cannot be tracked", "this is a defect: please report it, with the input"):
            return track_glacier(request)
    except GlacierTimeError as error:
        return TrackOutcome(glacier=request.glacier, error=str(error), exit_code=error.exit_code)


def store(outcome: TrackOutcome, archive: Archive, *, run: Run | None = None) -> tuple[str, ...]:
    """Store an outcome; return the images whose earlier, good measurement was kept instead of a failure.

    What the archive held of the glacier's series before is screened anew together with it. ``run`` is what made it,
    default a program of one's own.
    """
    if outcome.tracked is None:
        return ()
    screening = outcome.tracked.screening
    source = "simulated" if outcome.simulated else "observed"
    rulers = rulers_table(outcome.tracked.rulers, glacier=outcome.glacier, dataset=outcome.dataset, source=source)
    return archive.store_tracked(
        fronts=outcome.tracked.fronts,
        observations=outcome.tracked.observations,
        footprints=outcome.tracked.footprints,
        inputs=outcome.inputs,
        centrelines=outcome.centrelines,
        rulers=rulers if len(rulers) else None,
        flagged=None if screening is None else partial(screen_record, settings=screening),
        run=run_of_tracking(
            run or Run(program="python"),
            glacier=outcome.glacier,
            rulers=outcome.tracked.rulers,
            origin=f"{outcome.origin}{' (simulated)' if outcome.simulated else ''}",
            read=outcome.read or outcome.inputs,
            files=outcome.files,
            weights=outcome.weights,
            notes=outcome.notes,
            refused=outcome.problems,
            digests=outcome.digests,
            tables={TASK: outcome.task} if outcome.task else {},
            settings={"cpu_seconds": round(outcome.cpu_seconds, 3), "scenes": len(outcome.inputs)},
        ),
    )
