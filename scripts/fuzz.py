"""Feed hostile inputs to every reader: broken, cut, lying, huge. None may end otherwise than in a sentence.

Each input is made from its number, so that it can be made again. Workers read 500 inputs each and are replaced; one
that hangs, dies or grows past its limits is told with the input that did it. A finding is an exception that is
not the package's own, more than 10 s of the process's own time, more than 2 GB, a file outside the input's folder.

``python scripts/fuzz.py --per-format 20000`` goes through every format; stopped, it goes on where it was, and counts
what was done in all its runs (``fuzz.json``). ``--until 1000000`` goes on until so many inputs were read in all.
``--replay yaml:1234 --keep FOLDER`` makes one input again and shows what happens. Ends with 1 where there are findings.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pickle  # nosec B403
import resource
import signal
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from fuzzing.readers import warm_up
from fuzzing.running import MOST_BYTES, MOST_SECONDS, Finding, case_of, read_case, run_inputs, write_case
from fuzzing.seeds import FORMATS, Case, seeds_of

RECYCLED_AFTER = 500
#: These are slow to open: a tenth of the inputs of the others.
SLOW = ("archive", "onnx", "hdf5")
_KEPT_PER_KIND = 5


@dataclass
class State:
    """What was done in all runs, by format."""

    path: Path
    done: dict[str, int] = field(default_factory=dict)
    findings: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> State:
        """Return the state that a file holds, or a new one."""
        if not path.is_file():
            return cls(path)
        held = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, held["done"], held["findings"], held["seen"])

    def save(self) -> None:
        """Write the state, whole or not at all."""
        draft = self.path.with_name(f"{self.path.name}.draft")
        held = {"done": self.done, "findings": self.findings, "seen": self.seen}
        draft.write_text(json.dumps(held, indent=1), encoding="utf-8")
        os.replace(draft, self.path)

    def note(self, finding: Finding) -> bool:
        """Keep a finding; return whether it is the first of its kind."""
        kind = finding.kind
        self.seen[kind] = self.seen.get(kind, 0) + 1
        held = self.findings.setdefault(kind, [])
        if len(held) < _KEPT_PER_KIND:
            held.append(finding.as_dict())
        return self.seen[kind] == 1


def _work(name: str, numbers: range, seeds: list[Case], folder: Path, seed: int, to_parent: Connection) -> None:
    """Read inputs in a process of its own, within limits, and tell of each."""
    warnings.simplefilter("ignore")
    now = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    # Room for the maps that libraries reserve and never fill: what is filled is told by its peak.
    resource.setrlimit(resource.RLIMIT_AS, (now + 2 * MOST_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    # What the mutations write in between goes to the same disk as the inputs.
    tempfile.tempdir = str(folder.parent)
    warm_up()
    for number, findings in run_inputs(name, numbers, seeds, folder, seed=seed):
        to_parent.send((number, findings))
    to_parent.close()


def run_batch(name: str, first: int, count: int, seeds: list[Case], folder: Path, *, seed: int, state: State) -> None:
    """Read a batch in a worker; one that dies or hangs is replaced after the input that did it."""
    numbers = range(first, first + count)
    while numbers:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        worker = multiprocessing.get_context("fork").Process(
            target=_work, args=(name, numbers, seeds, folder, seed, theirs), daemon=True
        )
        worker.start()
        theirs.close()
        at, why = numbers.start, ""
        while at < numbers.stop:
            try:
                # Every reader has its time, and the alarm cannot end a library that does not return.
                if not ours.poll(8 * MOST_SECONDS):
                    why = f"hung for more than {8 * MOST_SECONDS:.0f} s"
                    break
                number, findings = ours.recv()
            except EOFError:
                worker.join()
                why = f"died with {worker.exitcode}"
                break
            at = number + 1
            for finding in findings:
                _tell(state, finding)
        if worker.is_alive() and why:
            os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
        ours.close()
        if why:
            _tell(state, Finding(name, at, "any", why, "worker"))
            at += 1
        state.done[name] = max(state.done.get(name, 0), at)
        numbers = range(at, numbers.stop)


def _tell(state: State, finding: Finding) -> None:
    if state.note(finding):
        print(f"  {finding.format}:{finding.number} {finding.reader}: {finding.what}  [{finding.where}]", flush=True)


def held_seeds(name: str, folder: Path) -> list[Case]:
    """Return the seeds of a format, made once and in another process: this one opens nothing before it forks."""
    path = folder / f"{name}.seeds"
    if not path.is_file():
        worker = multiprocessing.get_context("fork").Process(target=_make_seeds, args=(name, path))
        worker.start()
        worker.join()
        if not path.is_file():
            raise SystemExit(f"the seeds of {name} could not be made")
    return list(pickle.loads(path.read_bytes()))  # what this script wrote itself  # nosec B301


def _make_seeds(name: str, path: Path) -> None:
    path.write_bytes(pickle.dumps(seeds_of(name)))


def replay(text: str, *, keep: Path | None, seed: int) -> None:
    """Make one input again, keep its files, and show what its readers do."""
    name, _, number = text.partition(":")
    case = case_of(name, int(number), seeds_of(name), seed=seed)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        write_case(case, keep)
    with tempfile.TemporaryDirectory() as folder:
        found = read_case(name, int(number), case, Path(folder) / "a")
        for finding in found:
            print(f"{finding.reader}: {finding.what}  [{finding.where}]")
        print(f"{len(found)} findings")


def _fast_disk() -> str | None:
    """Return a folder in memory, where there is one: each input is written and deleted."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # nosec B108 - folders with names of chance in it


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--per-format", type=int, default=20_000, help="inputs of each format; a tenth of the slow ones"
    )
    parser.add_argument("--until", type=int, default=0, help="go on until so many inputs were read in all runs")
    parser.add_argument("--only", default="", help="formats, separated by commas")
    parser.add_argument("--state", type=Path, default=Path("fuzz.json"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", default="", metavar="FORMAT:NUMBER")
    parser.add_argument("--keep", type=Path, default=None, metavar="FOLDER")
    given = parser.parse_args()
    if given.replay:
        replay(given.replay, keep=given.keep, seed=given.seed)
        return 0
    names = given.only.split(",") if given.only else list(FORMATS)
    state = State.load(given.state)
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_fast_disk()) as scratch:
        folder = Path(scratch)
        start, before = time.monotonic(), sum(state.done.values())

        def goal(name: str) -> int:
            share = given.per_format // 10 if name in SLOW else given.per_format
            if not given.until:
                return share
            total = sum(20 if each not in SLOW else 2 for each in names)
            return max(share, -(-given.until * (2 if name in SLOW else 20) // total))

        while True:
            # The format that is farthest behind comes next.
            left = [name for name in names if state.done.get(name, 0) < goal(name)]
            if not left:
                break
            name = min(left, key=lambda each: state.done.get(each, 0) / goal(each))
            first = state.done.get(name, 0)
            count = min(RECYCLED_AFTER, goal(name) - first)
            began = time.monotonic()
            run_batch(name, first, count, held_seeds(name, folder), folder / name, seed=given.seed, state=state)
            state.save()
            rate = count / (time.monotonic() - began)
            print(f"{name} {state.done[name]} of {goal(name)} ({rate:.0f} a second)", flush=True)
        done = sum(state.done.values())
        print(f"{done - before} inputs in {time.monotonic() - start:.0f} s; {done} in all runs")
    for name in names:
        print(f"  {name:<12}{state.done.get(name, 0):>9,}")
    print(f"{sum(state.seen.values())} findings of {len(state.seen)} kinds")
    for kind, count in sorted(state.seen.items(), key=lambda pair: -pair[1]):
        print(f"  {count:>7}  {kind}  ({state.findings[kind][0]['format']}:{state.findings[kind][0]['number']})")
    return 1 if state.seen else 0


if __name__ == "__main__":
    sys.exit(main())
