"""Runs tasks wherever work is done, and hands out what came of them in the order of the tasks.

So many tasks are on their way as keep the workers busy, and not all at once: what a run holds in memory does not grow
with the number of tasks. The order in which results are handed out is that of the tasks, whoever was done first: what
is stored is the same for one process and for many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from typing import Protocol

from glaciertime.pipeline.work.task import Result, Task, Where

__all__ = ["run_tasks"]

#: Tasks on their way or done and not handed out, for each worker: enough that a slow one keeps no other waiting.
_AHEAD = 16
#: Tasks handed to the workers at a time, for each: the one it does and the next.
_QUEUED = 2
_LOOK_S = 0.5


class Workers(Protocol):
    """What does tasks: processes of this machine, or a cluster."""

    count: int
    #: Whether the loss of one takes the tasks of all with it.
    loses_all: bool

    def submit(self, task: Task) -> Future:
        """Hand over a task."""

    def is_lost(self, error: BaseException) -> bool:
        """Return whether an error says that a worker is gone, and not that the task failed."""

    def again(self, task: Task) -> Result:
        """Do a task alone that may have cost a worker."""

    def renew(self) -> None:
        """Make ready for more work after a worker was lost."""

    def check(self) -> None:
        """Raise where no worker is left, or nobody hands work to them."""


def run_tasks(tasks: Iterable[Task], *, where: Where, total: int | None = None) -> Iterator[Result]:
    """Yield what came of every task, in their order.

    A worker that is lost costs its task an attempt and the others nothing; a task that loses its worker again and
    again is a result with the reason. What a task raises is raised here: tasks turn what can fail into values. Where
    the wait is broken off by Ctrl-C, what was done by then is still handed out, before it is raised again.

    Parameters
    ----------
    tasks : iterable of Task
        Read as they are needed.
    where : Where
    total : int, optional
        How many tasks there are: no more processes are started.
    """
    if not where.scheduler and (where.jobs <= 1 or total == 1):
        yield from (Result(task=task, value=task.call(task.given)) for task in tasks)
        return
    with _workers(where, total) as workers:
        yield from _run(iter(tasks), workers)


def _workers(where: Where, total: int | None) -> AbstractContextManager[Workers]:
    if where.scheduler:
        from glaciertime.pipeline.work.cluster import ClusterWorkers

        return ClusterWorkers(where.scheduler, paths=where.paths)
    from glaciertime.pipeline.work.local import LocalWorkers

    return LocalWorkers(where.jobs if total is None else max(1, min(where.jobs, total)))


def _is_lost(future: Future, workers: Workers) -> bool:
    error = future.exception()
    return error is not None and workers.is_lost(error)


def _submit(workers: Workers, task: Task) -> Future | None:
    """Hand a task over; None where a worker was lost since the last look, and the task waits for its successor."""
    try:
        return workers.submit(task)
    except Exception as error:
        if not workers.is_lost(error):
            raise
        return None


def _run(tasks: Iterator[Task], workers: Workers) -> Iterator[Result]:
    flying: dict[Future, tuple[int, Task]] = {}
    ready: dict[int, Result] = {}
    given = handed_out = 0
    coming = next(tasks, None)
    try:
        while flying or coming is not None:
            while (
                coming is not None
                and len(flying) < _QUEUED * workers.count
                and given - handed_out < _AHEAD * workers.count
            ):
                future = _submit(workers, coming)
                if future is None:
                    break
                flying[future] = (given, coming)
                given += 1
                coming = next(tasks, None)
            if not flying and coming is not None:
                workers.renew()  # lost while it had nothing to do: no task of it will say so
                continue
            done, _ = wait(flying, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            workers.check()
            if workers.loses_all and any(_is_lost(future, workers) for future in done):
                done, _ = wait(flying)
            lost: list[tuple[int, Task]] = []
            for future in sorted(done, key=lambda future: flying[future][0]):
                place, task = flying.pop(future)
                if _is_lost(future, workers):
                    lost.append((place, task))
                else:
                    ready[place] = Result(task=task, value=future.result())
            for place, task in sorted(lost, key=lambda pair: pair[0]):
                ready[place] = workers.again(task)
            if lost:
                workers.renew()
            while handed_out in ready:
                yield ready.pop(handed_out)
                handed_out += 1
    except KeyboardInterrupt:
        for future in [future for future in flying if future.done()]:
            place, task = flying.pop(future)
            if future.exception() is None:
                ready[place] = Result(task=task, value=future.result())
        yield from (ready[place] for place in sorted(ready))
        raise
