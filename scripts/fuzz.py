"""Feed hostile inputs to every reader: broken, cut, lying, huge. None may end otherwise than in a sentence.

Each input is made from its number, so that it can be made again. Workers read 500 inputs each and are replaced; one
that hangs, dies or grows past its limits is told with the input that did it. A finding is an exception that is
not the package's own, more than 10 s of the process's own time, more than 2 GB, a file outside the input's folder.

``python scripts/fuzz.py --per-format 20000`` goes through every format; stopped, it goes on where it was, and counts
what was done in all its runs (``fuzz.json``). ``--until 1000000`` goes on until so many inputs were read in all.
``--workers 16 --seconds 600`` reads on 16 cores for ten minutes. On another machine, give it a ``--seed`` of its own:
``--take-in FILE`` then adds what its state counts, and no input is counted twice.
``--replay yaml:1234 --keep FOLDER`` makes one input again and shows what happens. Ends with 1 where there are findings.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fuzzing.batches import RECYCLED_AFTER, Batch, held_seeds, keep_case, run_batches
from fuzzing.running import Finding, case_of, read_case, write_case
from fuzzing.seeds import FORMATS, seeds_of
from fuzzing.state import State

#: These are slow to open: a tenth of the inputs of the others.
SLOW = ("archive", "onnx", "hdf5")
_SAVED_EVERY_S = 5.0


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


def goals(names: list[str], *, per_format: int, until: int) -> dict[str, int]:
    """Return how many inputs of each format are to be read in all runs."""
    total = sum(2 if name in SLOW else 20 for name in names)
    found = {}
    for name in names:
        share = per_format // 10 if name in SLOW else per_format
        found[name] = max(share, -(-until * (2 if name in SLOW else 20) // total)) if until else share
    return found


def batches(state: State, goal: dict[str, int]) -> Iterator[Batch]:
    """Yield what is left to read: the format that is farthest behind comes next."""
    asked = {name: state.total(name) for name in goal}
    while left := [name for name in goal if asked[name] < goal[name]]:
        name = min(left, key=lambda each: asked[each] / goal[each])
        first, count = state.following.get(name, 0), min(RECYCLED_AFTER, goal[name] - asked[name])
        state.following[name] = first + count
        asked[name] += count
        yield Batch(name, range(first, first + count))


def fuzz(state: State, goal: dict[str, int], *, workers: int, seconds: float, keep: Path | None) -> None:
    """Read what is left, and keep the state as it goes."""
    start, before = time.monotonic(), sum(state.done.values())
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_fast_disk()) as scratch:
        seeds = held_seeds(list(goal), Path(scratch), workers=workers)
        saved = time.monotonic()

        def tell(name: str, number: int, findings: list[Finding]) -> None:
            nonlocal saved
            state.done[name] = state.done.get(name, 0) + 1
            for finding in findings:
                if state.note(finding):
                    print(f"  {name}:{number} {finding.reader}: {finding.what}  [{finding.where}]", flush=True)
                    if keep is not None:
                        keep_case(finding, seeds[name], keep, seed=state.seed)
            if time.monotonic() - saved > _SAVED_EVERY_S:
                state.save()
                saved = time.monotonic()
                done = sum(state.done.values()) - before
                print(f"{done} inputs in {saved - start:.0f} s ({done / (saved - start):.0f} a second)", flush=True)

        try:
            run_batches(
                batches(state, {name: goal[name] for name in seeds}), seeds.__getitem__, Path(scratch),
                seed=state.seed, workers=workers, until=start + seconds, tell=tell,
            )  # fmt: skip
        finally:
            state.save()
    done = sum(state.done.values()) - before
    print(f"{done} inputs in {time.monotonic() - start:.0f} s; {sum(map(state.total, goal))} in all runs")


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--per-format", type=int, default=20_000, help="inputs of each format; a tenth of the slow ones"
    )
    parser.add_argument("--until", type=int, default=0, help="go on until so many inputs were read in all runs")
    parser.add_argument("--only", default="", help="formats, separated by commas")
    parser.add_argument("--workers", type=int, default=1, help="processes that read at the same time")
    parser.add_argument("--seconds", type=float, default=math.inf, help="end after so many")
    parser.add_argument("--state", type=Path, default=Path("fuzz.json"))
    parser.add_argument("--seed", type=int, default=None, help="another one makes other inputs; a state has one")
    parser.add_argument("--take-in", type=Path, default=None, metavar="FILE", help="add the state of another machine")
    parser.add_argument("--replay", default="", metavar="FORMAT:NUMBER")
    parser.add_argument("--keep", type=Path, default=None, metavar="FOLDER", help="write the inputs of findings here")
    given = parser.parse_args()
    if given.replay:
        replay(given.replay, keep=given.keep, seed=given.seed or 1)
        return 0
    state = State.load(given.state, seed=given.seed)
    names = given.only.split(",") if given.only else list(FORMATS)
    if given.take_in is not None:
        print(f"{state.take_in(given.take_in)} inputs taken in")
        state.save()
    else:
        # Stopped from outside, it keeps what it counted.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        goal = goals(names, per_format=given.per_format, until=given.until)
        fuzz(state, goal, workers=given.workers, seconds=given.seconds, keep=given.keep)
    for name in names:
        print(f"  {name:<12}{state.total(name):>9,}")
    print(f"{sum(state.seen.values())} findings of {len(state.seen)} kinds")
    for kind, count in sorted(state.seen.items(), key=lambda pair: -pair[1]):
        print(f"  {count:>7}  {kind}  ({state.findings[kind][0]['format']}:{state.findings[kind][0]['number']})")
    return 1 if state.seen else 0


if __name__ == "__main__":
    sys.exit(main())
