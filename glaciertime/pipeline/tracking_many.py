"""Tracks many glaciers: a task each, done by processes of this machine or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from glaciertime.archive import Archive
from glaciertime.errors import GlacierTimeError
from glaciertime.pipeline.held import held_of
from glaciertime.pipeline.tracking import TrackOutcome, TrackRequest, looked_up, outcome_of
from glaciertime.pipeline.work import Task, Where, run_tasks

__all__ = ["ready", "track_many"]


def track_many(requests: Sequence[TrackRequest], *, jobs: int = 1, scheduler: str = "") -> Iterator[TrackOutcome]:
    """Yield the outcome of every request, in their order; a failure is an outcome and stops nothing.

    What the archive holds of a glacier is read here, when its turn comes: who measures needs no archive.

    Parameters
    ----------
    requests : sequence of TrackRequest
    jobs : int
        Processes; 1 stays in this one.
    scheduler : str
        Address of a Dask scheduler whose workers do it, instead of processes of this machine.
    """
    paths = dict.fromkeys(path.resolve() for request in requests for path in _paths(request)) if scheduler else {}
    where = Where(jobs=jobs, scheduler=scheduler, paths=tuple(paths))
    tasks = (
        Task(name=request.glacier, call=outcome_of, given=ready(request, is_far=bool(scheduler)))
        for request in requests
    )
    for result in run_tasks(tasks, where=where, total=len(requests)):
        name = result.task.name
        yield result.value or TrackOutcome(glacier=name, error=f"{name}: {result.lost}", exit_code=1)


def ready(request: TrackRequest, *, is_far: bool) -> TrackRequest:
    """Return a request that needs neither manifests nor archive; as it is where its glacier is not found."""
    if is_far:
        request = _absolute(request)
    try:
        found = looked_up(request)
    except GlacierTimeError:
        return request  # who does it says why
    assert found.known is not None
    held = None if request.archive is None else held_of(Archive(request.archive), found.known.name)
    # The name of a file or folder stays: what lies beside scenes and bears it says nothing of them. The address of a
    # server, which may hold a password, goes nowhere.
    archive = request.archive if isinstance(request.archive, Path) else None
    return replace(found, held=held, manifests=request.manifests, archive=archive)


def _absolute(request: TrackRequest) -> TrackRequest:
    """Return a request with absolute paths: a worker of a cluster stands in another folder."""

    def full(path: Path | None) -> Path | None:
        return None if path is None else path.resolve()

    scenes = request.scenes and replace(request.scenes, folder=request.scenes.folder.resolve())
    return replace(
        request, data=full(request.data), scenes=scenes, downloads=full(request.downloads),
        archive=full(request.archive) if isinstance(request.archive, Path) else request.archive,
        manifests=tuple(path.resolve() for path in request.manifests), centreline=full(request.centreline),
        box=full(request.box),
        weights=",".join(
            str(Path(name).resolve()) if Path(name).is_file() else name for name in _named(request)
        ),
        files={role: path.resolve() for role, path in request.files.items()},
    )  # fmt: skip


def _named(request: TrackRequest) -> tuple[str, ...]:
    """Return the models that a request names, names or files."""
    from glaciertime.segment.predict.merging import parse_weights

    return parse_weights(request.weights, request.merge or None)[0] if request.weights else ()


def _paths(request: TrackRequest) -> list[Path]:
    """Return the files and folders that whoever does a request has to see, and that are here."""
    weights = [Path(name) for name in _named(request) if Path(name).is_file()]
    given = (request.data, request.centreline, request.box, *weights)
    return [path for path in given if path is not None and path.exists()]
