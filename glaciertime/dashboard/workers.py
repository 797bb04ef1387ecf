"""Processes that run commands, each a copy of one that has imported already what they need.

Half of what a short command costs are its imports. The first process of these makes them while nobody waits, and is
copied (``fork``) for each command: a copy has its own memory, its own folder and its own group of processes, and what a
broken file does to a reader happens to it alone.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

__all__ = ["Worker", "warm"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["glaciertime.dashboard.imported"])
_LINE_BYTES = 1 << 20
#: The standard library starts and asks processes from one thread at a time.
_lock = threading.Lock()
_Result = TypeVar("_Result")


def warm() -> None:
    """Begin the process that imports, where it has not begun: the first command finds it done, or waits for it."""
    from multiprocessing import forkserver

    with _lock:
        forkserver.ensure_running()


class Worker:
    """A module that runs as ``python -m`` does, in a process of its own.

    Attributes
    ----------
    pid : int
        Of the process, and of its group.
    code : int or None
        How it ended; negative by a signal; None while it runs.
    stdout, stderr : StreamReader
    """

    def __init__(self, process: multiprocessing.context.ForkServerProcess) -> None:
        assert process.pid is not None
        self._process = process
        self.pid = process.pid
        self.code: int | None = None
        self.stdout = asyncio.StreamReader(limit=_LINE_BYTES)
        self.stderr = asyncio.StreamReader(limit=_LINE_BYTES)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def start(cls, module: str, arguments: Sequence[str], *, folder: Path) -> Worker:
        """Start it.

        Parameters
        ----------
        module : str
        arguments : sequence of str
        folder : Path
            Where it runs.
        """
        pipes = [_CONTEXT.Pipe(duplex=False) for _ in range(2)]
        written = [given for _, given in pipes]
        process = _CONTEXT.Process(
            target=_run, args=(module, list(arguments), str(folder), dict(os.environ), *written)
        )  # fmt: skip
        try:
            await asyncio.to_thread(_alone, process.start)
        except BaseException:
            for read, _ in pipes:
                read.close()
            raise
        finally:
            for given in written:
                given.close()
        worker = cls(process)
        loop = asyncio.get_running_loop()
        loop.add_reader(process.sentinel, worker._end)
        for (read, _), stream in zip(pipes, (worker.stdout, worker.stderr), strict=True):
            file = open(os.dup(read.fileno()), "rb", buffering=0)  # noqa: SIM115 -- the transport closes it
            read.close()
            await loop.connect_read_pipe(lambda stream=stream: asyncio.StreamReaderProtocol(stream), file)  # type: ignore[misc]
        return worker

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        if not self._ended.done():
            self._ended.set_result(None)

    async def wait(self) -> int:
        """Wait for its end and return how it ended."""
        await asyncio.shield(self._ended)
        if self.code is None:
            self.code = await asyncio.to_thread(_alone, lambda: self._process.exitcode)
        assert self.code is not None
        return self.code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, and what it has started."""
        if self._ended.done():
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:  # it has no group of its own yet
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
        except PermissionError:
            pass


def _alone(call: Callable[[], _Result]) -> _Result:
    with _lock:
        return call()


def _run(
    module: str, arguments: list[str], folder: str, environment: dict[str, str], out: Connection, err: Connection
) -> None:
    """Run a module in this process, which is a fresh copy."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, given in ((1, out), (2, err)):
        os.dup2(given.fileno(), number)
        given.close()
    sys.argv = [module, *arguments]
    sys.modules.pop(f"{module}.__main__", None)  # the server's own
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # A copy ends without them otherwise: temporary folders would stay.
        atexit._run_exitfuncs()
