"""Processes of this machine, as workers: one that the system ends takes its own task with it and no other."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from types import TracebackType

from glaciertime.pipeline.work.task import Result, Task
from glaciertime.processes import process_pool

__all__ = ["LocalWorkers"]

#: So often a task is begun again, in a process of its own, before it is given up.
_ATTEMPTS = 2
_ENDED = "its process was ended by the system, out of memory as a rule; cut its inputs to the glacier"


class LocalWorkers:
    """A pool of processes of this machine.

    Parameters
    ----------
    count : int
        How many.
    """

    #: A pool that has lost one process gives up all tasks that it has.
    loses_all = True

    def __init__(self, count: int) -> None:
        self.count = count
        self._stack = ExitStack()

    def __enter__(self) -> LocalWorkers:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _start(self) -> None:
        # spawn, because forking a process that holds the threads of a library can hang
        self._pool = self._stack.enter_context(process_pool(self.count, spawn=True))

    def submit(self, task: Task) -> Future:
        """Hand a task to the pool."""
        return self._pool.submit(task.call, task.given)

    def is_lost(self, error: BaseException) -> bool:
        """Return whether an error says that a worker is gone, and not that the task failed."""
        return isinstance(error, BrokenProcessPool)

    def again(self, task: Task) -> Result:
        """Do a task in a process of its own, whose end harms nothing else; a few times."""
        for _ in range(_ATTEMPTS):
            with process_pool(1, spawn=True) as alone:
                try:
                    return Result(task=task, value=alone.submit(task.call, task.given).result())
                except BrokenProcessPool:
                    continue
        return Result(task=task, lost=_ENDED)

    def renew(self) -> None:
        """Start a new pool: one that has lost a process takes no more work."""
        self._stack.close()
        self._start()

    def check(self) -> None:
        """Find nothing amiss: processes of this machine are started as they are needed."""
