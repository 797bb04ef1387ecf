"""What one more glacier costs in an archive of ten, of two thousand and of twenty thousand.

Rows are made by the archive's own functions: each glacier has dated areas and positions, fronts, a footprint, a
centreline, forecasts and scores. Measured are the median times of storing one glacier again, of storing a new one, of
reading one, and of ``glaciertime table`` for one in a process of its own.

    python scripts/bench_archive.py --sizes 10 2000 20000
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from glaciertime.archive import Archive
from glaciertime.archive.schema import TABLES
from glaciertime.archive.storage import Database, Scope
from glaciertime.archive.storing import insert
from glaciertime.record import read_record
from glaciertime.tables import validate

DATES = 8
CHUNK = 500


def tables_of(numbers: list[int]) -> dict[str, pd.DataFrame]:
    """Return what is stored of glaciers: ``DATES`` images each, at places spread over the globe."""
    rng = np.random.default_rng(numbers[0])
    dates = pd.date_range("2010-07-01", periods=DATES, freq="365D")
    names = [f"G{number:05d}" for number in numbers]
    every = pd.DataFrame(
        [(name, date, f"{name}_{date:%Y}") for name in names for date in dates], columns=["glacier", "date", "image_id"]
    )
    common = {"dataset": "bench", "sensor": "S2", "coverage": 1.0, "quality": "ok", "source": "observed"}
    area = every.assign(variable="area_km2", unit="km2", method="polygon", footprint="box", sigma=0.1, **common)
    area["value"] = 100 - rng.random(len(area))
    front = every.assign(
        variable="front_position_m", unit="m", method="centreline", footprint="none", sigma=9.0, **common
    )
    front["value"] = 1000 * rng.random(len(front))
    west = np.repeat([-180 + 360 * ((number * 0.618) % 1) for number in numbers], DATES)
    south = np.repeat([-80 + 155 * ((number * 0.414) % 1) for number in numbers], DATES)
    across = np.linspace(0, 0.02, 40)
    lines = [
        shapely.LineString(np.column_stack([x + across, y + 0.002 * rng.random(40)]))
        for x, y in zip(west, south, strict=True)
    ]
    fronts = gpd.GeoDataFrame(
        {
            "GlacierID": every["glacier"], "Date": every["date"], "DecDate": 2010.5, "QualFlag": "ok",
            "Satellite": "S2", "ImageID": every["image_id"], "Author": "bench", "sigma_m": 9.0, "coverage": 1.0,
            "resolution_m": 10.0, "model": "", "source": "observed", "dataset": "bench",
        },
        geometry=lines, crs="EPSG:4326",
    )  # fmt: skip
    first = fronts.iloc[::DATES]
    footprints = gpd.GeoDataFrame(
        {"glacier": names, "footprint": "box", "dataset": "bench", "area_km2": 120.0, "source": "observed"},
        geometry=[shapely.box(*line.bounds) for line in first.geometry], crs="EPSG:4326",
    )  # fmt: skip
    centrelines = gpd.GeoDataFrame(
        {"glacier": names, "dataset": "bench", "drawn_by": "bench", "source": "observed"},
        geometry=list(first.geometry), crs="EPSG:4326",
    )  # fmt: skip
    inputs = pd.DataFrame(
        {"glacier": every["glacier"], "dataset": "bench", "image_id": every["image_id"], "input": every["image_id"]}
    )
    series = {"variable": "area_km2", "method": "polygon", "footprint": "box", "dataset": "bench", "model": "last"}
    forecasts = pd.DataFrame(
        [
            {**series, "glacier": name, "cutoff": dates[-1], "target_date": pd.Timestamp(year, 7, 1), "unit": "km2",
             "horizon_days": 365.0, "quantile": level, "value": 99.0, "status": "ok", "source": "observed"}
            for name in names for year in (2020, 2025) for level in (0.05, 0.5, 0.95)
        ]
    )  # fmt: skip
    scores = pd.DataFrame(
        [
            {**series, "glacier": name, "horizon": "1y", "metric": metric, "value": 1.0, "n": 5, "n_failed": 0,
             "source": "observed"}
            for name in names for metric in ("mae", "rmse", "coverage_90")
        ]
    )  # fmt: skip
    return {
        "observations": pd.concat([area, front], ignore_index=True), "fronts": fronts, "footprints": footprints,
        "centrelines": centrelines, "inputs": inputs, "forecasts": forecasts, "scores": scores,
    }  # fmt: skip


def store_one(archive: Archive, number: int) -> None:
    """Store one glacier as ``track`` does."""
    tables = tables_of([number])
    archive.store_tracked(
        fronts=tables["fronts"], observations=tables["observations"], footprints=tables["footprints"],
        centrelines=tables["centrelines"], inputs=tables["inputs"].itertuples(index=False, name=None),
    )  # fmt: skip


def make(path: Path, glaciers: int) -> Archive:
    """Fill an archive, many glaciers to a transaction."""
    archive = Archive(path)
    for start in range(0, glaciers, CHUNK):
        tables = tables_of(list(range(start, min(start + CHUNK, glaciers))))

        def work(database: Database, tables: dict[str, pd.DataFrame] = tables) -> None:
            for name, rows in tables.items():
                insert(database, TABLES[name], validate(rows, name))

        archive.storage.change(work, Scope(sorted(set(tables["observations"]["glacier"]))))
    store_one(archive, 0)  # brings the extents up to date
    return archive


def pieces(archive: Archive, glaciers: int, times: int) -> dict[str, Callable[[int], object]]:
    """Return what is measured; the glaciers are picked all over the archive."""
    some = np.random.default_rng(0).integers(0, glaciers, times + 1)

    def table(turn: int) -> None:
        name = f"G{some[turn]:05d}"
        command = [sys.executable, "-m", "glaciertime", "table", "--glacier", name, "--archive", str(archive.path)]
        subprocess.run(command, check=True, capture_output=True)

    def read(turn: int) -> None:
        record = read_record(archive, f"G{some[turn]:05d}")
        assert len(record.observations) == 2 * DATES
        assert len(record.fronts) == DATES

    return {
        "store one again": lambda turn: store_one(archive, int(some[turn])),
        "store a new one": lambda turn: store_one(archive, glaciers + turn),
        "read a record": read,
        "table, own process": table,
    }


def cpu_seconds() -> float:
    """Return the processor time of this process and of those that it has run."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 2000, 20000], help="glaciers in the archive")
    parser.add_argument("--times", type=int, default=15, help="repetitions of each piece of work")
    parser.add_argument("--folder", type=Path, help="where the archives are made; default a temporary folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        work = {}
        for size in args.sizes:
            start = time.perf_counter()
            archive = make(Path(folder) / f"{size}.gpkg", size)
            size_mb = archive.path.stat().st_size / 1e6
            print(f"{size} glaciers: {size_mb:.0f} MB, made in {time.perf_counter() - start:.1f} s", flush=True)
            work[size] = pieces(archive, size, args.times)
        sizes = [str(size) for size in args.sizes]
        heads = [*(f"{size} glaciers" for size in sizes), "ratio", *(f"CPU, {size}" for size in sizes), "ratio"]
        print("| ms | " + " | ".join(heads) + " |")
        print("|" + "---|" * (len(heads) + 1))
        for name in work[args.sizes[0]]:
            taken: dict[int, list[tuple[float, float]]] = {size: [] for size in args.sizes}
            # In turns, so that what else the machine does meets all sizes alike; the first turn is not counted.
            for turn in range(args.times + 1):
                for size in args.sizes:
                    start, used = time.perf_counter(), cpu_seconds()
                    work[size][name](turn)
                    taken[size].append((time.perf_counter() - start, cpu_seconds() - used))
            cells = []
            for which in (0, 1):
                medians = [statistics.median(pair[which] for pair in taken[size][1:]) for size in args.sizes]
                cells += [*(f"{1000 * median:.1f}" for median in medians), f"{medians[-1] / medians[0]:.2f}"]
            print("| " + " | ".join([name, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
