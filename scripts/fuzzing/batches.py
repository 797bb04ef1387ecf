"""Batches of inputs in worker processes: several at once, each within limits, replaced when it dies or hangs."""

from __future__ import annotations

import multiprocessing
import os
import pickle  # nosec B403
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from fuzzing.readers import warm_up
from fuzzing.running import MOST_BYTES, MOST_SECONDS, Finding, case_of, read_case, run_inputs, write_case
from fuzzing.seeds import Case, seeds_of

__all__ = ["RECYCLED_AFTER", "Batch", "held_seeds", "keep_case", "run_batches"]

RECYCLED_AFTER = 500
#: Every reader has its time, and the alarm cannot end a library that does not return.
_HUNG_SECONDS = 8 * MOST_SECONDS
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Batch:
    """Inputs of one format, by their numbers."""

    name: str
    numbers: range


@dataclass
class _Running:
    batch: Batch
    process: BaseProcess
    pipe: Connection
    at: int
    heard: float
    cpu_s: float = 0.0

    def hangs(self) -> bool:
        """Return whether nothing was heard for too long, and not because others have the processor."""
        if time.monotonic() - self.heard <= _HUNG_SECONDS:
            return False
        state, cpu_s = _state_of(self.process.pid or 0)
        return state != "R" or cpu_s - self.cpu_s > _HUNG_SECONDS


def run_batches(
    batches: Iterator[Batch],
    seeds: Callable[[str], list[Case]],
    folder: Path,
    *,
    seed: int,
    workers: int,
    until: float,
    tell: Callable[[str, int, list[Finding]], None],
) -> None:
    """Read batches in so many workers at once; one that dies or hangs is replaced after the input that did it.

    Parameters
    ----------
    batches : iterator of Batch
        Asked for the next whenever a worker is free.
    seeds : callable
        Returns the sound inputs of a format.
    folder : Path
        Where the inputs are written.
    seed : int
    workers : int
    until : float
        The time (``time.monotonic``) at which whatever runs is ended.
    tell : callable
        Told the format, the number and the findings of each input.
    """
    running: list[_Running] = []
    again: list[Batch] = []
    count = 0
    try:
        while time.monotonic() < until:
            while len(running) < workers:
                batch = again.pop() if again else next(batches, None)
                if batch is None:
                    break
                count += 1
                running.append(_start(batch, seeds(batch.name), folder / f"{batch.name}-{count}", seed))
            if not running:
                break
            ready = wait([each.pipe for each in running], timeout=1.0)
            for each in list(running):
                why = _hear(each, tell) if each.pipe in ready else ""
                if not why and each.hangs():
                    why = f"hung for more than {_HUNG_SECONDS:.0f} s"
                if not why:
                    continue
                _end(each)
                running.remove(each)
                if each.at < each.batch.numbers.stop:
                    if why == "ended":
                        why = f"died with {each.process.exitcode}"
                    tell(each.batch.name, each.at, [Finding(each.batch.name, each.at, "any", why, "worker")])
                    left = range(each.at + 1, each.batch.numbers.stop)
                    again += [Batch(each.batch.name, left)] if left else []
    finally:
        for each in running:
            _end(each)


def _start(batch: Batch, seeds: list[Case], folder: Path, seed: int) -> _Running:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = _FORK.Process(target=_work, args=(batch, seeds, folder, seed, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Running(batch, process, ours, batch.numbers.start, time.monotonic())


def _hear(worker: _Running, tell: Callable[[str, int, list[Finding]], None]) -> str:
    """Pass on what a worker tells; return ``ended`` where it tells nothing more."""
    try:
        while worker.pipe.poll():
            number, findings = worker.pipe.recv()
            worker.at, worker.heard = number + 1, time.monotonic()
            worker.cpu_s = _state_of(worker.process.pid or 0)[1]
            tell(worker.batch.name, number, findings)
    except EOFError:
        return "ended"
    return ""


def _state_of(pid: int) -> tuple[str, float]:
    """Return whether a process runs, as one letter of the system's, and the seconds of processor it has had."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0.0
    return told[0], (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _end(worker: _Running) -> None:
    # One that has told of all its inputs has closed its pipe and ends by itself.
    if worker.process.is_alive() and worker.at < worker.batch.numbers.stop:
        worker.process.join(0.5)
        if worker.process.is_alive():
            os.kill(worker.process.pid or 0, signal.SIGKILL)
    worker.process.join()
    worker.pipe.close()


def _work(batch: Batch, seeds: list[Case], folder: Path, seed: int, to_parent: Connection) -> None:
    """Read inputs in a process of its own, within limits, and tell of each."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    warm_up()
    # What a format needs is loaded before the limit is set: libraries for GPUs reserve many times what they fill.
    for number, case in enumerate(seeds):
        read_case(batch.name, number, case, folder)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    # Room for the maps that libraries reserve and never fill: what is filled is told by its peak.
    resource.setrlimit(resource.RLIMIT_AS, (now + 2 * MOST_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    # What the mutations write in between goes to the same disk as the inputs.
    tempfile.tempdir = str(folder.parent)
    for number, findings in run_inputs(batch.name, batch.numbers, seeds, folder, seed=seed):
        to_parent.send((number, findings))
    to_parent.close()


def held_seeds(names: list[str], folder: Path, *, workers: int) -> dict[str, list[Case]]:
    """Return the seeds of formats, made in other processes: this one opens nothing before it forks."""
    waiting = list(names)
    while waiting:
        makers = [_FORK.Process(target=_make_seeds, args=(name, folder / name)) for name in waiting[:workers]]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join()
        del waiting[:workers]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        print(f"not read, their sound inputs could not be made: {', '.join(missing)}", file=sys.stderr)
    # What this script wrote itself.
    return {name: pickle.loads((folder / name).read_bytes()) for name in names if name not in missing}  # nosec B301


def _make_seeds(name: str, path: Path) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(pickle.dumps(seeds_of(name)))
    draft.rename(path)


def keep_case(finding: Finding, seeds: list[Case], folder: Path, *, seed: int) -> None:
    """Write the input of a finding into a folder of its own, in a process of its own."""
    keeper = _FORK.Process(target=_keep, args=(finding, seeds, folder, seed))
    keeper.start()
    keeper.join()


def _keep(finding: Finding, seeds: list[Case], folder: Path, seed: int) -> None:
    inside = folder / f"{finding.format}-{seed}-{finding.number}"
    inside.mkdir(parents=True, exist_ok=True)
    write_case(case_of(finding.format, finding.number, seeds, seed=seed), inside)
