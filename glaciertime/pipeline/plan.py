"""What a run would do, before it does it: the tasks, which of them are done, and what the others cost by what is known.

Costs are not guessed: they are those of earlier runs of the archive, or of one glacier that is measured for it and not
stored.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glaciertime.archive import Archive
from glaciertime.errors import GlacierTimeError
from glaciertime.naming import counted
from glaciertime.pipeline.request import TrackRequest
from glaciertime.pipeline.tracking import done_before, looked_up, outcome_of, store
from glaciertime.pipeline.tracking_many import ready
from glaciertime.pipeline.work import Task, Where, run_tasks
from glaciertime.scenes.locate import locate
from glaciertime.walls import wall

__all__ = ["Cost", "Planned", "cost_of", "planned"]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One task: a glacier, its scenes, the bytes of their files, and whether it is done; or why it cannot be."""

    glacier: str
    scenes: int = 0
    bytes: int = 0
    is_done: bool = False
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one scene costs: processor time, bytes in the archive, and how that is known.

    ``cpu_seconds`` is NaN where it is not known.
    """

    cpu_seconds: float
    archive_bytes: float
    known_from: str


def planned(requests: Sequence[TrackRequest], *, jobs: int = 1, scheduler: str = "") -> Iterator[Planned]:
    """Yield what each request would do, in their order; nothing is measured."""
    is_far = bool(scheduler)
    tasks = (Task(name=one.glacier, call=_planned, given=ready(one, is_far=is_far)) for one in requests)
    for result in run_tasks(tasks, where=Where(jobs=jobs, scheduler=scheduler), total=len(requests)):
        yield result.value or Planned(glacier=result.task.name, error=result.lost)


def _planned(request: TrackRequest) -> Planned:
    try:
        with wall(f"{request.glacier}: its scenes cannot be listed", "this is a defect: please report it"):
            return _look(request)
    except GlacierTimeError as error:
        return Planned(glacier=request.glacier, error=str(error))


def _look(request: TrackRequest) -> Planned:
    request = looked_up(request)
    glacier = request.known
    assert glacier is not None
    located = locate(
        glacier, data=request.data, downloads=request.downloads, reading=request.reading, columns=request.columns,
        dataset=request.dataset,
    )  # fmt: skip
    scenes = list(located.scenes)
    found = [scene.acquisition for scene in scenes if scene.acquisition is not None]
    files = {part for what in found for part in (what.input, *what.parts)}
    done = None
    if request.held is not None and not request.redraw:
        done = done_before(request, glacier, located, scenes, held=request.held)
    return Planned(
        glacier=glacier.name,
        scenes=len(scenes),
        bytes=sum(Path(name).stat().st_size for name in files if Path(name).is_file()),
        is_done=done is not None,
    )


def cost_of(requests: Sequence[TrackRequest], plans: Sequence[Planned], archive: Archive) -> Cost:
    """Return what a scene costs: by the earlier runs of an archive, else by measuring one glacier that is not done."""
    known = _from_runs(archive)
    if known is not None:
        return known
    for request, plan in zip(requests, plans, strict=True):
        if plan.is_done or plan.error:
            continue
        outcome = outcome_of(replace(ready(request, is_far=False), archive=None))
        if outcome.tracked is None:
            continue
        with tempfile.TemporaryDirectory(prefix="glaciertime-") as folder:
            sample = Archive(Path(folder) / "sample.gpkg", tell=lambda _: None)
            store(outcome, sample)
            once = _bytes(sample)
        scenes = max(1, len(outcome.inputs))
        return Cost(
            cpu_seconds=outcome.cpu_seconds / scenes,
            archive_bytes=once / scenes,
            known_from=f"{outcome.glacier}, {counted(scenes, 'scenes')} measured for it now and not stored",
        )
    return Cost(cpu_seconds=math.nan, archive_bytes=math.nan, known_from="nothing: no glacier can be measured")


def _bytes(archive: Archive) -> float:
    """Return how large an archive is: of a file or a folder; NaN on a server."""
    if not isinstance(archive.path, Path):
        return math.nan
    files = [archive.path] if archive.path.is_file() else archive.path.rglob("*")
    return float(sum(path.stat().st_size for path in files if path.is_file()))


def _from_runs(archive: Archive) -> Cost | None:
    if not archive.exists():
        return None
    each = []
    for text in archive.read("runs")["settings"]:
        held = json.loads(text)
        if held.get("scenes") and held.get("cpu_seconds"):
            each.append(held["cpu_seconds"] / held["scenes"])
    images = len(archive.read("inputs"))
    if not each or not images:
        return None
    return Cost(
        cpu_seconds=statistics.mean(each),
        archive_bytes=_bytes(archive) / images,
        known_from=f"{counted(len(each), 'glaciers')} that the archive holds, on the machines that measured them",
    )
