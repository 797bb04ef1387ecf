"""What one more glacier costs, from twenty to twenty thousand: track, store, forecast, table, region.

Simulated glaciers, each with a folder of small masks and a manifest of its own, are tracked and stored by the package's
own functions, forecast by ``kalman``, and told of in one table. For each size the processor time of every step is
measured in slices of the glaciers, so that a step whose cost grows shows in one size, too; memory is the largest
resident size. Twenty thousand glaciers are generated rows, marked ``simulated``, through store and table. With
``--of-slice`` so many glaciers of each tenth are done, and generated rows fill the archive up in between.

Every slice that is done is written to a state file: a run that was broken off goes on where it was. Processor time, not
time on the clock, because other work of a machine is not a glacier's.

    python scripts/bench_scale.py --folder /tmp/scale --glaciers 20 200 2000 --rows 20000
    python scripts/bench_scale.py --folder /tmp/scale --glaciers 2000 --rows 20000 --of-slice 5    (an hour less)
    python scripts/bench_scale.py --folder /tmp/scale --workers 180 --turns 3   (two processes against one, in turns)
    python scripts/bench_scale.py --folder /tmp/scale --show
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# Before numpy and its kin are imported: they read the number of threads once.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GDAL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import rasterio  # noqa: E402
from affine import Affine  # noqa: E402

DATES = 40
SIZE_PX = 64
RESOLUTION_M = 100.0
SLICES = 10
FORECAST_UNTIL = "2045"
ROWS_AT_ONCE = 500


def cpu_s() -> float:
    """Return the processor time of this process and of those that it has ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def rss_mb() -> float:
    """Return the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def name_of(number: int) -> str:
    return f"Simulated {number:05d}"


def place_of(number: int) -> tuple[float, float]:
    """Return the upper left corner of a glacier's scenes, metres in EPSG:3413; no two overlap."""
    return -600_000.0 + 10_000.0 * (number % 100), -1_000_000.0 - 10_000.0 * (number // 100)


def make_glacier(folder: Path, number: int, dates: int) -> None:
    """Write the masks and the manifest of one simulated glacier."""
    target = folder / "masks" / name_of(number)
    if len(list(target.glob("*.tif"))) == dates:
        return
    target.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    x, y = place_of(number)
    transform = Affine(RESOLUTION_M, 0, x, 0, -RESOLUTION_M, y)
    retreat = rng.uniform(0.1, 0.6)
    for index in range(dates):
        day = dt.date(1985, 7, 1) + dt.timedelta(days=365 * index + int(rng.integers(-40, 40)))
        front = 45 - retreat * index + rng.normal(0, 0.5, SIZE_PX)
        zones = np.full((SIZE_PX, SIZE_PX), 254, np.uint8)
        zones[np.arange(SIZE_PX)[None, :] < np.round(np.convolve(front, np.ones(9) / 9, "same"))[:, None]] = 127
        zones[:12] = zones[-12:] = 64
        profile = {"driver": "GTiff", "height": SIZE_PX, "width": SIZE_PX, "count": 1, "dtype": "uint8",
                   "crs": "EPSG:3413", "transform": transform, "compress": "deflate"}  # fmt: skip
        with rasterio.open(target / f"scene_{day:%Y-%m-%d}.tif", "w", **profile) as file:
            file.write(zones, 1)
    across = y - SIZE_PX * RESOLUTION_M / 2
    (folder / "manifests").mkdir(exist_ok=True)
    (folder / "manifests" / f"{number:05d}.yaml").write_text(
        f"name: {name_of(number)}\ncrs: EPSG:3413\ncentreline:\n  drawn_by: the benchmark\n"
        f"  coordinates: [[{x}, {across}], [{x + SIZE_PX * RESOLUTION_M}, {across}]]\n"
        f"box: [{x}, {y - 52 * RESOLUTION_M}, {x + 60 * RESOLUTION_M}, {y - 12 * RESOLUTION_M}]\n"
    )


def requests_of(folder: Path, numbers: range, archive: Path) -> list[Any]:
    """Return what is to be tracked: each glacier with its own manifest."""
    from glaciertime.pipeline import TrackRequest

    return [
        TrackRequest(
            glacier=name_of(number), data=folder / "masks" / name_of(number), archive=archive,
            manifests=(folder / "manifests" / f"{number:05d}.yaml",),
        )
        for number in numbers
    ]  # fmt: skip


def track(folder: Path, numbers: range, archive: Path, *, jobs: int = 1) -> dict[str, float]:
    """Track glaciers and store them; return the processor time of both, and of what they share."""
    from glaciertime.archive import Archive
    from glaciertime.pipeline import track_many
    from glaciertime.pipeline.upkeep import Store, other_inputs, with_notes_of_the_record

    target = Archive(archive)
    results = Store(target)
    measuring = storing = 0.0
    start = cpu_s()
    for outcome in track_many(requests_of(folder, numbers, archive), jobs=jobs):
        assert outcome.tracked is not None, outcome.error
        measuring += outcome.cpu_seconds
        before = time.process_time()
        results.store(outcome)
        outcome = with_notes_of_the_record(target, outcome)
        other_inputs(target, outcome)
        storing += time.process_time() - before
    return {"track": measuring, "store": storing, "around": cpu_s() - start - measuring - storing}


def forecast(numbers: range, archive: Path) -> dict[str, float]:
    """Forecast glaciers with ``kalman`` and store it."""
    from glaciertime.archive import Archive
    from glaciertime.forecast import forecast_series, target_dates_until
    from glaciertime.pipeline import choose_series
    from glaciertime.record import read_record

    target = Archive(archive)
    start = cpu_s()
    for number in numbers:
        record = read_record(target, name_of(number))
        for series in choose_series(record):
            rows = forecast_series(series, models=["kalman"], target_dates=target_dates_until(series, FORECAST_UNTIL))
            target.store_forecasts(rows)
    return {"forecast": cpu_s() - start}


def again(folder: Path, numbers: range, archive: Path) -> dict[str, float]:
    """Ask for the same once more: what is stored is found to be done."""
    from glaciertime.pipeline import track_many

    start = cpu_s()
    for outcome in track_many(requests_of(folder, numbers, archive)):
        assert outcome.is_done
    return {"again": cpu_s() - start}


def command(*arguments: object) -> tuple[float, float]:
    """Run a command in a process of its own; return its processor time and its time on the clock."""
    start, used = time.perf_counter(), cpu_s()
    given = [sys.executable, "-m", "glaciertime", *map(str, arguments)]
    ran = subprocess.run(given, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(given)}: {ran.stderr[-2000:]}")
    return cpu_s() - used, time.perf_counter() - start


def told(archive: Path) -> dict[str, float]:
    """Tell of a whole archive in a command of its own."""
    found = {}
    found["table"], found["table on the clock"] = command("table", "--archive", archive, "--format", "csv")
    return found


class State:
    """What was measured so far, in a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    def has(self, **key: object) -> bool:
        return any(all(line.get(name) == value for name, value in key.items()) for line in self.lines)

    def add(self, **line: object) -> None:
        self.lines.append(line)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)


def slices_of(count: int) -> list[range]:
    """Return the numbers of the glaciers in at most ten slices."""
    size = max(1, -(-count // SLICES))
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


def run_size(state: State, folder: Path, count: int, dates: int, *, of_slice: int, are_rows: bool) -> None:
    """Measure one size, slice after slice, each in a process of its own: so is its memory."""
    archive = folder / f"{'rows' if are_rows else 'tracked'}-{count}.gpkg"
    step = "rows" if are_rows else "work"
    for part in slices_of(count):
        key = {"size": count, "step": step, "first": part.start}
        if state.has(**key):
            continue
        given = ["--one", step, str(part.start), str(part.stop), str(archive), "--folder", str(folder), "--dates",
                 str(dates), "--of-slice", str(of_slice)]  # fmt: skip
        ran = subprocess.run([sys.executable, __file__, *given], stdout=subprocess.PIPE, text=True, check=True)
        state.add(**key, **json.loads(ran.stdout.splitlines()[-1]))
    if not state.has(size=count, step="told", of=step):
        state.add(size=count, step="told", of=step, bytes=archive.stat().st_size, **told(archive))


def run_one(step: str, part: range, archive: Path, folder: Path, *, dates: int, of_slice: int) -> None:
    """Do one slice in this process: some glaciers one by one, measured; the rest of it in bulk, to fill the archive."""
    each = range(part.start, min(part.stop, part.start + of_slice)) if of_slice else part
    found: dict[str, float] = {"glaciers": len(each)}
    if step == "work":
        for number in each:
            make_glacier(folder, number, dates)
        # What is imported and compiled once is not a glacier's: the first of the slice is done before it counts.
        warm = folder / f"warm-{os.getpid()}.gpkg"
        track(folder, each[:1], warm)
        forecast(each[:1], warm)
        warm.unlink()
        found["rss_before_mb"] = rss_mb()
        found |= track(folder, each, archive)
        found |= forecast(each, archive)
        found |= again(folder, each, archive)
    else:
        store_rows(each[:1], folder / f"warm-{os.getpid()}.gpkg", dates)
        (folder / f"warm-{os.getpid()}.gpkg").unlink()
        found["rss_before_mb"] = rss_mb()
        found["rows"] = store_rows(each, archive, dates)
    found["rss_mb"] = rss_mb()
    fill(range(each.stop, part.stop), archive, dates)
    print(json.dumps(found))


def generated(numbers: range, dates: int) -> dict[str, Any]:
    """Return generated rows of glaciers, marked as simulated."""
    import bench_archive

    bench_archive.DATES = dates
    tables = bench_archive.tables_of(list(numbers))
    names = {f"G{number:05d}": name_of(number) for number in numbers}
    for name, rows in tables.items():
        column = "GlacierID" if "GlacierID" in rows else "glacier"
        rows = rows.assign(**{column: rows[column].map(names)})
        tables[name] = rows.assign(source="simulated") if "source" in rows else rows
    return tables


def store_rows(numbers: range, archive: Path, dates: int) -> float:
    """Store generated rows, glacier by glacier as ``track`` does; return the processor time of the storing."""
    from glaciertime.archive import Archive

    used = 0.0
    for number in numbers:
        tables = generated(range(number, number + 1), dates)
        before = time.process_time()
        Archive(archive).store_tracked(
            fronts=tables["fronts"], observations=tables["observations"], footprints=tables["footprints"],
            centrelines=tables["centrelines"], inputs=tables["inputs"].itertuples(index=False, name=None),
        )  # fmt: skip
        used += time.process_time() - before
    return used


def fill(numbers: range, archive: Path, dates: int) -> None:
    """Fill an archive with generated rows, many glaciers to a transaction."""
    from glaciertime.archive import Archive
    from glaciertime.archive.schema import TABLES
    from glaciertime.archive.storage import Scope
    from glaciertime.archive.storing import insert
    from glaciertime.tables import validate

    for start in range(numbers.start, numbers.stop, ROWS_AT_ONCE):
        tables = generated(range(start, min(start + ROWS_AT_ONCE, numbers.stop)), dates)

        def work(database: Any, tables: dict[str, Any] = tables) -> None:
            for name, rows in tables.items():
                insert(database, TABLES[name], validate(rows, name))

        Archive(archive).storage.change(work, Scope(sorted(set(tables["observations"]["glacier"]))))


def run_workers(state: State, folder: Path, dates: int, glaciers: int, turns: int) -> None:
    """Measure one and two processes in turns, by the clock and by the processor."""
    for number in range(glaciers):
        make_glacier(folder, number, dates)
    for turn in range(turns):
        for jobs in (1, 2):
            if state.has(step="workers", turn=turn, jobs=jobs, glaciers=glaciers):
                continue
            archive = folder / f"workers-{jobs}.gpkg"
            archive.unlink(missing_ok=True)
            start = time.perf_counter()
            used = track(folder, range(glaciers), archive, jobs=jobs)
            state.add(step="workers", turn=turn, jobs=jobs, glaciers=glaciers, seconds=time.perf_counter() - start,
                      load=os.getloadavg()[0], **used)  # fmt: skip


def show(state: State) -> None:
    """Print what was measured: per glacier, the last slice against the first, and how straight the line is."""
    print("| glaciers | step | CPU ms per glacier | last slice / first | R2 of the line | RSS MB first, last |")
    print("|---|---|---|---|---|---|")
    for size in sorted({line["size"] for line in state.lines if "size" in line}):
        here = [line for line in state.lines if line.get("size") == size]
        for step, names in (("work", ("track", "store", "around", "forecast", "again")), ("rows", ("rows",))):
            lines = sorted((line for line in here if line["step"] == step), key=lambda line: line["first"])
            for name in names if lines else ():
                each = np.array([1000 * line[name] / line["glaciers"] for line in lines])
                # Of a slice some were measured: the line is what all would have taken against how many there are.
                straight = np.corrcoef(np.arange(1, len(each) + 1), np.cumsum(each))[0, 1] ** 2
                print(
                    f"| {size} | {name} | {each.mean():.1f} | {each[-1] / each[0]:.2f} | {straight:.4f} | "
                    f"{lines[0]['rss_mb']:.0f}, {lines[-1]['rss_mb']:.0f} |"
                )
        for line in (line for line in here if line["step"] == "told"):
            print(
                f"| {size} ({line['of']}) | table, whole archive | {1000 * line['table'] / size:.1f} | "
                f"{line['table']:.1f} s CPU, {line['table on the clock']:.1f} s on the clock | "
                f"{line['bytes'] / size / 1e3:.0f} kB a glacier | |"
            )
    pairs: dict[tuple[int, int], dict[int, float]] = {}
    for line in state.lines:
        if line["step"] == "workers":
            pairs.setdefault((line["glaciers"], line["turn"]), {})[line["jobs"]] = line["seconds"]
    ratios = [pair[1] / pair[2] for pair in pairs.values() if len(pair) == 2]
    if ratios:
        print(f"two processes against one, by the clock: {np.round(ratios, 2)}, median {np.median(ratios):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where masks, archives and the state file lie")
    parser.add_argument("--glaciers", type=int, nargs="*", default=[])
    parser.add_argument("--rows", type=int, nargs="*", default=[], help="glaciers whose rows are generated")
    parser.add_argument("--dates", type=int, default=DATES)
    parser.add_argument(
        "--workers", type=int, nargs="?", const=60, default=0, metavar="GLACIERS", help="of so many glaciers; 60"
    )
    parser.add_argument("--turns", type=int, default=5, help="of --workers")
    parser.add_argument("--show", action="store_true")
    parser.add_argument(
        "--of-slice", type=int, default=0,
        help="of each tenth so many glaciers are done one by one, and the rest are generated rows; default all",
    )  # fmt: skip
    parser.add_argument("--one", nargs=4, metavar=("STEP", "FIRST", "END", "ARCHIVE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.one:
        step, first, end, archive = args.one
        part = range(int(first), int(end))
        run_one(step, part, Path(archive), args.folder, dates=args.dates, of_slice=args.of_slice)
        return
    state = State(args.folder / "state.jsonl")
    for are_rows, counts in ((False, args.glaciers), (True, args.rows)):
        for count in counts:
            run_size(state, args.folder, count, args.dates, of_slice=args.of_slice, are_rows=are_rows)
    if args.workers:
        run_workers(state, args.folder, args.dates, args.workers, args.turns)
    show(state)


if __name__ == "__main__":
    main()
