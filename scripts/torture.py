"""Kill every command at random moments and fill its disk: nothing may be lost, changed or left behind.

Each command runs on a small made glacier in a folder of its own, where earlier results lie. A trial kills it (SIGKILL)
at a moment of its run, half of the time as soon as a draft or a journal shows; then what lies there must be the old
result or the new one, whole. Then the command runs undisturbed: its result must be equal, row for row, to that of a run
that was never killed, and no draft may be left. The trials of a full disk run it on a tmpfs with no free page, with
one, with two and so on until it fits: every write that needs a page meets the full disk once (without the right to
mount one, a limit on the size of files stands for it). Then: one sentence, exit 1, and the old result whole.
``--calls`` fails every call that writes instead, one after the other, at the system's door (needs gcc).

``python scripts/torture.py`` takes about an hour and prints a table; stopped, it goes on where it was
(``torture.jsonl``). It needs no data, and ends with 1 where something was lost.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import pkgutil
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from failing_calls import FailingCalls, failing_calls

from glaciertime.__main__ import run as run_command
from glaciertime.archive import Archive

GLACIER, OCEAN, ROCK = 127, 254, 64
TABLES = ("fronts", "observations", "footprints", "centrelines", "forecasts", "scores")
ARCHIVE = "toy.gpkg"
PAGE = resource.getpagesize()
MANIFEST = """\
name: Toy
crs: EPSG:3031
centreline:
  drawn_by: the script
  coordinates: [[-2400000, 1257000], [-2394000, 1257000]]
"""


@dataclass(frozen=True)
class Job:
    """A command, what it writes, and where its output goes."""

    arguments: tuple[str, ...]
    writes: tuple[str, ...]
    stdout: str = os.devnull


def export(form: str) -> Job:
    given = ("export", "--glacier", "Toy", "--table", "fronts", "--archive", f"{{input}}/{ARCHIVE}")
    return Job((*given, "--format", form, "--out", f"a.{form}"), (f"a.{form}",))


JOBS = {
    "track": Job(("track", "--glacier", "Toy", "--manifest", "{input}/toy.yaml", "--data", "{input}/masks",
                  "--archive", ARCHIVE), (ARCHIVE,)),
    "forecast": Job(("forecast", "--glacier", "Toy", "--until", "2012", "--model", "last,drift",
                     "--archive", ARCHIVE), (ARCHIVE,)),
    "segment": Job(("segment", "{input}/scene.tif", "--out", "z.tif", "--probabilities", "p.tif"), ("z.tif", "p.tif")),
    "report": Job(("report", "--glacier", "Toy", "--archive", f"{{input}}/{ARCHIVE}"), ("Toy.html",)),
    "table": Job(("table", "--glacier", "Toy", "--from", "1991", "--to", "2005", "--max-gap", "9999", "--archive",
                  f"{{input}}/{ARCHIVE}"), (), "out.txt"),
    "series": Job(("series", "--glacier", "Toy", "--product", "raw", "--archive", f"{{input}}/{ARCHIVE}"),
                  (), "out.txt"),
    **{f"export {form}": export(form) for form in ("csv", "parquet", "gpkg", "geojson", "shp")},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=50, help="kills of each command; exports share them")
    parser.add_argument("--step", type=int, default=1, help="free pages that one trial of a full disk has more")
    parser.add_argument("--pages", type=int, default=600, help="most free pages that are tried")
    parser.add_argument("--only", action="append", help="track, forecast, segment, report, export; may be repeated")
    parser.add_argument("--folder", type=Path, default=Path("torture"), help="where it works and keeps its results")
    parser.add_argument("--calls", action="store_true", help="fail every call that writes, one after the other")
    options = parser.parse_args()
    calls = failing_calls() if options.calls else None
    options.folder.mkdir(parents=True, exist_ok=True)
    import_all()
    bench = Bench(options.folder.resolve())
    names = [name for name in JOBS if not options.only or name.split()[0] in options.only]
    for name in names if calls is None else ():
        sharing = sum(other.split()[0] == name.split()[0] for other in names)
        for index in range(-(-options.moments // sharing)):
            bench.once(f"kill {name} {index}", lambda name=name, index=index: bench.kill(name, index))
    for name in names if calls is not None else ():
        for number in range(0, 100_000, options.step):
            trial = f"call {name} {number}"
            bench.once(trial, lambda name=name, number=number: bench.fail(name, number, calls))
            if bench.rows[trial]["moment"] == "fits":
                break
    for name in names if calls is None else ():
        for free in range(0, options.pages, options.step):
            bench.once(f"fill {name} {free}", lambda name=name, free=free: bench.fill(name, free))
            if bench.rows[f"fill {name} {free}"]["moment"] == "fits":
                break
    bench.print_table()
    sys.exit(1 if any(row["wrong"] for row in bench.rows.values()) else 0)


def import_all() -> None:
    """Import what the commands import, once, for all the processes to come; nothing of it runs here."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for room in ("cli", "report", "pipeline", "track", "forecast", "scenes"):
        package = importlib.import_module(f"glaciertime.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"glaciertime.{room}."):
            with contextlib.suppress(ImportError):
                importlib.import_module(found.name)


class Bench:
    """The folder of all trials: inputs, earlier results, results that are right, and what was found so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.input, self.before, self.right = (folder / name for name in ("input", "before", "right"))
        self.found = folder / "torture.jsonl"
        self.rows = {}
        if self.found.is_file():
            self.rows = {row["trial"]: row for row in map(json.loads, self.found.read_text().splitlines())}
        if not (folder / "ready").is_file():
            self._prepare()
        self.seconds = json.loads((folder / "ready").read_text())

    def once(self, trial: str, run: Callable[[], dict[str, object]]) -> None:
        if trial in self.rows:
            return
        row = {"trial": trial, **run()}
        self.rows[trial] = row
        with self.found.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        if row["wrong"]:
            print(f"{trial}: {row['wrong']}", flush=True)

    def _prepare(self) -> None:
        """Make the inputs, the results of before (from half of them), and those that are right."""
        for name in ("input", "before", "right", "half"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        half = self.folder / "half"
        make_inputs(half, years=10, seed=1)
        make_inputs(self.input, years=20, seed=0)
        for folder in (half, self.input):
            run(JOBS["track"], folder, folder)
        seconds = {}
        for name, job in JOBS.items():
            before, right = self.before / name, self.right / name
            before.mkdir(parents=True)
            if name == "track":
                shutil.copy(half / ARCHIVE, before / ARCHIVE)
            elif name == "forecast":
                shutil.copy(self.input / ARCHIVE, before / ARCHIVE)
            else:
                run(job, before, half)
            shutil.copytree(before, right)
            start = time.monotonic()
            run(job, right, self.input)
            seconds[name] = time.monotonic() - start
        (self.folder / "ready").write_text(json.dumps(seconds))

    def kill(self, name: str, index: int) -> dict[str, object]:
        """Kill a command at a moment, look at what is there, let it run undisturbed, and compare."""
        job, folder = JOBS[name], self.folder / "trial"
        chance = random.Random(f"{name} {index}")
        moment = "finished"
        # A moment after the end is no kill: another is drawn, and earlier, since the machine was busier when measured.
        for attempt in range(20):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(self.before / name, folder)
            process = Process(job, folder, self.input)
            wanted = chance.random() * self.seconds[name] * 0.7**attempt
            if index % 2:
                wait_for_a_draft(folder, process, set(os.listdir(folder)))
                wanted = chance.random() * 0.01
            if process.wait(wanted) is None:
                process.kill()
                moment = "draft" if index % 2 else "any"
                break
        wrong = [problem for path in job.writes if (problem := self._neither(name, path, folder))]
        done = run(job, folder, self.input, check=False)
        if done.code:
            wrong.append(f"the next run ends with {done.code}: {done.said().strip()}")
        wrong += [f"{path} differs after the next run" for path in job.writes if not self._equal(name, path, folder)]
        left = set(os.listdir(folder)) ^ set(os.listdir(self.right / name))
        if left:
            wrong.append(f"left behind or missing: {sorted(left)}")
        return {"moment": moment, "wrong": wrong}

    def fill(self, name: str, free: int) -> dict[str, object]:
        """Run a command on a disk that is full after so many pages."""
        job, folder = JOBS[name], self.folder / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        there = sum(pages(path) for path in (self.before / name).iterdir())
        with small_disk(folder, there + free * PAGE) as limit:
            shutil.copytree(self.before / name, folder, dirs_exist_ok=True)
            done = run(job, folder, self.input, check=False, limit=limit)
            wrong = self.wrong_of(name, done, folder)
        return {"moment": "fits" if done.code == 0 else "full", "wrong": wrong}

    def wrong_of(self, name: str, done: Process, folder: Path) -> list[str]:
        """Return what is wrong after a command that may have met a full disk."""
        job, wrong = JOBS[name], []
        if done.code == 0:
            return [f"exit 0, and {path} is not right" for path in job.writes if not self._equal(name, path, folder)]
        if done.code != 1 or "Traceback" in done.said() or not done.said().strip():
            wrong.append(f"exit {done.code}: {done.said().strip()[-500:]}")
        told = [line for line in done.said().splitlines() if line.strip()]
        if len([line for line in told if line.startswith("glaciertime: ")]) != 1:
            wrong.append(f"no sentence of its own: {told}")
        wrong += [problem for path in job.writes if (problem := self._neither(name, path, folder))]
        left = set(os.listdir(folder)) - set(os.listdir(self.before / name)) - {f"{ARCHIVE}-journal", job.stdout}
        if left:
            wrong.append(f"left behind: {sorted(left)}")
        return wrong

    def fail(self, name: str, number: int, calls: FailingCalls) -> dict[str, object]:
        """Run a command whose writes find no room from one call on."""
        folder = self.folder / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.before / name, folder)
        calls.reset()
        done = run(JOBS[name], folder, self.input, check=False, arm=lambda: calls.arm(folder, number))
        wrong = self.wrong_of(name, done, folder)
        return {"moment": "full" if calls.has_failed() else "fits", "wrong": wrong}

    def _equal(self, name: str, path: str, folder: Path) -> bool:
        return same(folder / path, self.right / name / path)

    def _neither(self, name: str, path: str, folder: Path) -> str:
        """Return what is wrong where a file is neither as before nor as it should become."""
        if not (folder / path).exists():
            # A set of files cannot be exchanged at once: its main file is away for a moment, never mixed.
            waiting = list(folder.glob(f".{path}.*.ready"))
            return "" if path.endswith(".shp") and waiting else f"{path} is lost"
        try:
            if same(folder / path, self.before / name / path) or self._equal(name, path, folder):
                return ""
        except Exception as error:
            return f"{path} cannot be read: {error}"
        return f"{path} is neither old nor new"

    def print_table(self) -> None:
        kinds = sorted({(trial.split()[0], " ".join(trial.split()[1:-1])) for trial in self.rows})
        print(f"{'trial':<18} {'trials':>6} {'killed or full':>14} {'at a draft':>10} {'wrong':>6}")
        for kind, name in kinds:
            rows = [row for trial, row in self.rows.items() if trial.rpartition(" ")[0] == f"{kind} {name}"]
            hit = sum(row["moment"] not in ("finished", "fits") for row in rows)
            drafts = sum(row["moment"] == "draft" for row in rows)
            wrong = sum(bool(row["wrong"]) for row in rows)
            print(f"{kind + ' ' + name:<18} {len(rows):>6} {hit:>14} {drafts:>10} {wrong:>6}")


def make_inputs(folder: Path, *, years: int, seed: int) -> None:
    """Draw masks of a fjord whose front retreats by a pixel a year, and a scene with a front."""
    (folder / "masks").mkdir(parents=True)
    (folder / "toy.yaml").write_text(MANIFEST)
    for year in range(years):
        zones = np.full((60, 60), ROCK, np.uint8)
        zones[10:50, : 50 - year] = GLACIER
        zones[10:50, 50 - year :] = OCEAN
        write_raster(folder / "masks" / f"toy_{1990 + year}-03-15.tif", zones)
    rows = np.arange(256)[:, None]
    picture = np.where(rows < 100 + 40 * seed, 60, 150) + np.random.default_rng(seed).normal(0, 6, (256, 200))
    write_raster(folder / "scene.tif", picture.clip(0, 255).astype(np.uint8))


def write_raster(path: Path, values: np.ndarray) -> None:
    profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": "uint8"}
    where = {"crs": "EPSG:3031", "transform": Affine(100, 0, -2_400_000, 0, -100, 1_260_000)}
    with rasterio.open(path, "w", **profile, **where) as target:
        target.write(values, 1)


class Process:
    """A command in a process of its own, forked from this one: what takes time is its work, not its imports."""

    def __init__(
        self, job: Job, folder: Path, given: Path, *, limit: int | None = None, arm: Callable[[], None] | None = None
    ) -> None:
        self.code: int | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - read after the process has ended
        arguments = [part.format(input=given) for part in job.arguments]
        self.pid = os.fork()
        if not self.pid:
            code = 70
            try:
                os.chdir(folder)
                os.dup2(self._said.fileno(), 2)
                os.dup2(os.open(job.stdout, os.O_WRONLY | os.O_CREAT, 0o666), 1)
                if limit is not None:
                    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                if arm is not None:
                    arm()
                code = run_command(arguments)
                sys.stdout.flush()
            except BaseException:
                os.write(2, traceback.format_exc().encode())
            finally:
                sys.stderr.flush()
                os._exit(code)

    def is_running(self) -> bool:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is None

    def wait(self, seconds: float = 600.0) -> int | None:
        """Wait at most so long; return the exit code, None where it still runs."""
        end = time.monotonic() + seconds
        while self.is_running() and time.monotonic() < end:
            time.sleep(0.0005)
        return self.code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def said(self) -> str:
        self._said.seek(0)
        return self._said.read().decode(errors="replace")


def run(
    job: Job,
    folder: Path,
    given: Path,
    *,
    check: bool = True,
    limit: int | None = None,
    arm: Callable[[], None] | None = None,
) -> Process:
    process = Process(job, folder, given, limit=limit, arm=arm)
    code = process.wait()
    if check and code:
        raise SystemExit(f"{job.arguments[0]} failed undisturbed: {process.said()}")
    return process


def wait_for_a_draft(folder: Path, process: Process, there: set[str]) -> None:
    while process.is_running() and set(os.listdir(folder)) <= there:
        time.sleep(0.0002)


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[int | None]:
    """Mount a tmpfs of a size on a folder; where that is not allowed, give the size as a limit for files."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        yield size_bytes // 2
        return
    try:
        yield None
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def pages(path: Path) -> int:
    """Return the bytes that a file takes on a tmpfs."""
    return -(-path.stat().st_size // PAGE) * PAGE


def same(one: Path, other: Path) -> bool:
    """Return whether two results hold the same: byte for byte, or row for row."""
    if one.read_bytes() == other.read_bytes() and one.suffix != ".shp":
        return True
    if one.name == ARCHIVE:
        return all(text_of(Archive(one).read(table)) == text_of(Archive(other).read(table)) for table in TABLES)
    if one.suffix == ".parquet":
        return text_of(gpd.read_parquet(one)) == text_of(gpd.read_parquet(other))
    if one.suffix in (".gpkg", ".shp"):
        return text_of(gpd.read_file(one)) == text_of(gpd.read_file(other))
    return False


def text_of(rows: pd.DataFrame) -> list[str]:
    if isinstance(rows, gpd.GeoDataFrame):
        rows = pd.DataFrame(rows).assign(geometry=rows.geometry.to_wkt())
    return sorted(rows.to_csv(index=False, header=False).splitlines())


if __name__ == "__main__":
    main()
