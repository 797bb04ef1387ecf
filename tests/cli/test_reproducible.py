"""The same command on the same inputs gives the same bytes, whatever the order of hashes and the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
