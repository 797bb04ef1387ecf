"""Commands that a page runs: each a process of its own, in turn, to be stopped, and told by its own sentences."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glaciertime.archive.places import Server
from glaciertime.dashboard.workers import Worker
from glaciertime.naming import counted

if TYPE_CHECKING:
    from glaciertime.archive import Place

__all__ = ["Commands", "Ended"]

_GRACE_S = 5.0
#: As many at a time as there are cores: more would only wait for each other.
_AT_ONCE = max(1, os.cpu_count() or 1)


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes
    ----------
    code : int
        Of ``glaciertime``: 0 all done, 3 some inputs failed; negative where it was stopped.
    out : str
        What it printed.
    sentences : tuple of str
        What it said beside.
    command : str
        As it can be typed.
    """

    code: int
    out: str
    sentences: tuple[str, ...]
    command: str

    @property
    def has_result(self) -> bool:
        """Return whether there is something to show."""
        return self.code in (0, 3)

    def rows(self) -> Any:
        """Return what was printed as JSON."""
        return json.loads(self.out)


class _Places:
    """How many run at a time of those of all sessions, and how many wait."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.turns = asyncio.Semaphore(count)
        self.waiting = 0


#: What only shows (pictures, headlines) has a place of its own: behind the commands of all others, the first result
#: would be seen when the last is made.
_places: dict[tuple[asyncio.AbstractEventLoop, bool], _Places] = {}


def _places_of(module: str) -> _Places:
    only_shows = module.startswith("glaciertime.dashboard.")
    key = (asyncio.get_running_loop(), only_shows)
    if key not in _places:
        _places[key] = _Places(1 if only_shows else _AT_ONCE)
    return _places[key]


class Commands:
    """Runs the commands of one session; work of several of them is taken as one.

    Parameters
    ----------
    folder : Path
        Where they run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []
        self._workers: set[Worker] = set()
        self._queued: set[asyncio.Future[Any]] = set()
        self._is_taken = self._is_stopped = self._is_ended = False

    @property
    def is_busy(self) -> bool:
        """Return whether one is running, or work is taken that waits or is between two of them."""
        return self._is_taken or bool(self._workers)

    def take(self) -> bool:
        """Begin work of one command or more, or return False where there is other work."""
        if self.is_busy:
            return False
        self._is_taken, self._is_stopped = True, self._is_ended
        return True

    def give_back(self) -> None:
        """End the work that was taken."""
        self._is_taken = False

    async def run(
        self, arguments: Sequence[str | Place], *, hear: Callable[[str], None], module: str = "glaciertime"
    ) -> Ended:
        """Run one and wait for it.

        Parameters
        ----------
        arguments : sequence of str and places
            The password of a server goes to the command, and is not shown.
        hear : callable
            Is told each sentence as it comes.
        module : str
            What is run: the package, or one of its modules.
        """
        named = "glaciertime" if module == "glaciertime" else f"python -m {module}"
        shown = shlex.join([named, *map(str, arguments)])
        if self._is_stopped:
            return _stopped(shown, hear)
        places = _places_of(module)
        if places.turns.locked():
            hear(f"Waiting: {counted(places.waiting + places.count, 'computations')} of others before this one.")
        if not await self._queue(places):
            return _stopped(shown, hear)
        try:
            typed = [one.address if isinstance(one, Server) else str(one) for one in arguments]
            return await self._run(module, typed, shown, hear)
        finally:
            places.turns.release()

    async def _queue(self, places: _Places) -> bool:
        """Wait for a place; return False, without one, where the work is stopped meanwhile."""
        turn = asyncio.ensure_future(places.turns.acquire())
        self._queued.add(turn)
        places.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if not self._is_stopped:
                raise
            return False
        finally:
            places.waiting -= 1
            self._queued.discard(turn)
        if self._is_stopped:
            places.turns.release()
        return not self._is_stopped

    async def _run(self, module: str, arguments: Sequence[str], shown: str, hear: Callable[[str], None]) -> Ended:
        worker = await Worker.start(module, arguments, folder=self.folder)
        self._workers.add(worker)
        if self._is_stopped:  # while it began
            worker.send(signal.SIGKILL)
        said: list[str] = []
        try:

            async def listen(stream: asyncio.StreamReader) -> None:
                while line := await stream.readline():
                    text = line.decode(errors="replace").strip().removeprefix("glaciertime: ")
                    text = text.replace(f"{self.folder}{os.sep}", "")
                    if text:
                        said.append(text)
                        hear(text)

            out, _ = await asyncio.gather(worker.stdout.read(), listen(worker.stderr))
            code = await worker.wait()
        finally:
            worker.send(signal.SIGKILL)  # where this work was given up before its end
            self._workers.discard(worker)
        if self._is_stopped:
            said.extend(_stopped(shown, hear).sentences)
            code = -signal.SIGINT
        elif code < 0:
            said.append("The computation was ended by the system: there may not be enough memory for it.")
            hear(said[-1])
        if module == "glaciertime":
            self.done.append(shown)
        return Ended(code, out.decode(errors="replace"), tuple(said), shown)

    async def stop(self) -> None:
        """Stop what runs or waits, and the rest of its work: as Ctrl-C does, and after some seconds for good."""
        self._is_stopped = True
        self._leave_queue()
        running = list(self._workers)
        for worker in running:
            worker.send(signal.SIGINT)
        for worker in running:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(worker.wait(), _GRACE_S)
            worker.send(signal.SIGKILL)

    def end(self) -> None:
        """End what runs, at once; nothing runs after it."""
        self._is_stopped = self._is_ended = True
        self._leave_queue()
        for worker in self._workers:
            worker.send(signal.SIGKILL)

    def _leave_queue(self) -> None:
        for turn in self._queued:
            turn.cancel()


def _stopped(shown: str, hear: Callable[[str], None]) -> Ended:
    hear("Stopped.")
    return Ended(-signal.SIGINT, "", ("Stopped.",), shown)
