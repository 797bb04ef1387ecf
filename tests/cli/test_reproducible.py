"""The same command on the same inputs gives the same bytes, whatever the order of hashes and the number of threads."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from glaciertime.archive.schema import TABLES

from .conftest import write_mask, zones

SCRIPT = """
import sys
from glaciertime.__main__ import run
data = sys.argv[1]
def must(*arguments):
    code = run(arguments)
    assert code == 0, arguments
must("track", "--glacier", "Toy", "--manifest", data + "/toy.yaml", "--data", data + "/masks")
must("forecast", "--glacier", "Toy", "--until", "2012", "--model", "last,drift")
for table in ("observations", "fronts", "forecasts"):
    must("export", "--glacier", "Toy", "--table", table, "--out", table + ".csv")
must("export", "--glacier", "Toy", "--table", "fronts", "--format", "geojson", "--out", "fronts.geojson")
must("report", "--glacier", "Toy")
for form in ("csv", "markdown", "latex"):
    must("table", "--format", form)
"""


#: What tells when and where, not what.
OF_THE_MOMENT = {"started", "finished", "settings", "made_at"}


def held_in(path: Path) -> dict[str, list[object]]:
    """Return the rows of every table of an archive without what tells when they were stored; runs by their names."""
    with closing(sqlite3.connect(path)) as database:
        tables = {}
        for name in TABLES:
            rows = database.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall()
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
            kept = [place for place, column in enumerate(columns) if column not in OF_THE_MOMENT]
            tables[name] = [tuple(row[place] for place in kept) for row in rows]
    return tables


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "toy.yaml").write_text(
        "name: Toy\ncrs: EPSG:3031\ncentreline:\n  drawn_by: the tests\n"
        "  coordinates: [[-2400000, 1257000], [-2394000, 1257000]]\n"
    )
    for index in range(12):
        write_mask(tmp_path / "masks" / f"toy_{1998 + index}-03-15.tif", zones(45 - index))
    running = {}
    for seed, threads in (("1", "1"), ("4711", "4")):
        folder = tmp_path / seed
        folder.mkdir()
        env = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        env["GLACIERTIME_DOWNLOADS"] = str(tmp_path / "none")
        running[folder] = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=folder, env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    made = []
    for folder, process in running.items():
        printed, said = process.communicate()
        assert process.returncode == 0, said
        texts = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".gpkg"}
        made.append({**texts, "printed": printed})
    assert {"observations.csv", "fronts.geojson", "Toy.html", "printed"} <= made[0].keys()
    assert [name for name in made[0] if made[0][name] != made[1].get(name)] == []
    assert "observations.csv.run.json" in made[0]
    first, second = (held_in(folder / "glaciertime.gpkg") for folder in running)
    assert {"observations", "fronts", "forecasts", "runs", "run_inputs"} <= first.keys()
    assert [table for table in first if first[table] != second[table]] == []
    assert len(first["runs"]) == 7, "track, forecast, four exports and the page"
