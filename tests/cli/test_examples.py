"""Every example of every help runs as it stands, on small files of the names that it gives."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from typer.main import get_command

from glaciertime.__main__ import run
from glaciertime.cli import app

from .conftest import write_mask, zones

#: What an example needs that a test has not, by how it begins.
NEEDS = {
    "glaciertime scenes": "a network",
    "glaciertime data fetch": "a network",
    "glaciertime track --glacier Crane --scenes stac": "a network",
    "glaciertime train ": "torch and labelled images; tests/segment trains",
    "glaciertime adapt": "torch and labelled images; tests/segment/adapt adapts",
    "glaciertime train-forecaster": "torch and many series; tests/cli/test_train_forecaster.py teaches",
    "glaciertime compare compare.yaml": "torch and labelled images; tests/pipeline/comparison compares",
    "glaciertime dashboard": "a browser: it serves until it is stopped; tests/dashboard has it",
    "glaciertime evaluate": "labelled images; tests/segment evaluates",
    "glaciertime explain scenes": "torch and weights of one's own",
    "glaciertime export-model pspnet": "torch",
    "glaciertime models --": "torch and minutes of counting",
    "glaciertime export-model landsat-fronts": "torch and an image to count with",
    "glaciertime archive convert all_glaciers postgresql": "a server",
    "glaciertime archive merge": "what two writers left behind",
    "glaciertime backtest": "minutes; tests/cli/test_forecast.py scores",
    "glaciertime forecast --all": "a minute for a model of many",
    "glaciertime forecast --glacier Crane --until 2026 --contour": "minutes; tests/cli/test_main_job.py predicts",
    "glaciertime track --glacier Crane --glacier DBE": "masks of two glaciers; tests/cli/test_selection.py tracks them",
    "glaciertime table --region Alps": "glaciers of the Alps; tests/cli/test_region.py has them",
    "glaciertime report --region Alps": "glaciers of the Alps; tests/cli/test_region.py has them",
    "glaciertime table --glacier Crane --of hazard": "a forecast of all variables; tests/cli/test_forecast.py has one",
    "glaciertime forget --glacier Crane --dataset": "rows of that data set; tests/cli/test_bad_input.py forgets",
    "glaciertime demo": "a minute; its steps are run in tests/cli/test_demo.py",
    "glaciertime segment S2": "a scene of Sentinel-2; tests/cli/test_own_images.py segments one",
    "glaciertime segment LC08": "a scene of Landsat; tests/cli/test_own_images.py segments one",
    "glaciertime segment scenes": "scenes; tests/cli/test_segment_many.py segments many",
    "glaciertime segment tile.tif": "weights of one's own; tests/segment/test_merging.py merges such",
    "glaciertime segment landsat.png": "an image of a front; tests/cli/test_images.py segments one",
    "glaciertime explain landsat.png": "torch and an image of a front",
}  # fmt: skip


def commands(command: object, words: tuple[str, ...] = ("glaciertime",)) -> Iterator[tuple[tuple[str, ...], str]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, str(getattr(command, "help", "") or "")
        return
    for name, one in inner.items():
        yield from commands(one, (*words, name))


def examples() -> list[str]:
    """Return the examples of all helps: in order, so that what one writes another may read."""
    found = []
    for _, text in commands(get_command(app)):
        found += re.findall(r"^\s*(glaciertime .+?)\s*$", text.partition("Examples:")[2], flags=re.MULTILINE)
    return found


def test_every_command_has_an_example_that_begins_with_its_name() -> None:
    for words, text in commands(get_command(app)):
        told = re.findall(r"^\s*(glaciertime .+?)\s*$", text.partition("Examples:")[2], flags=re.MULTILINE)
        assert told, words
        assert any(one.startswith(" ".join(words)) for one in told), (words, told)


def inventory(year: int, shrink: float) -> gpd.GeoDataFrame:
    shapes = [shapely.box(10.7 + 0.1 * i, 46.7, 10.7 + 0.1 * i + 0.05 - shrink, 46.75) for i in range(3)]
    return gpd.GeoDataFrame(
        {"RGIId": [f"RGI60-11.0090{i}" for i in range(3)], "Name": list("ABC"), "BgnDate": f"{year}0901",
         "EndDate": f"{year}0930", "O1Region": "11", "Area": 2.0}, geometry=shapes, crs="EPSG:4326",
    )  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a small file of every name that an example gives, and an archive of Crane."""
    folder, before = tmp_path_factory.mktemp("examples"), Path.cwd()
    os.chdir(folder)
    held = ("GLACIERTIME_DATA", "GLACIERTIME_ARCHIVE", "GLACIERTIME_FORECASTERS")
    kept = {name: os.environ.pop(name, None) for name in held}
    # Who runs unless a model is named: all of them take a minute, and tests/forecast has them.
    os.environ["GLACIERTIME_FORECASTERS"] = "kalman"
    for where in ("masks", "data"):
        (folder / where).mkdir()
        for index, year in enumerate(range(2001, 2005)):
            name = f"crane_{year}-03-15.tif" if year != 2003 else "crane_2003-08-19.tif"
            write_mask(folder / where / name, zones(40 - index))
    (folder / "disk").mkdir()
    dates = pd.date_range("1980-07-01", "2015-07-01", freq="365D")
    lengths = pd.DataFrame({"glacier": "Rhone", "date": dates, "length_m": 9000.0 - 10 * np.arange(len(dates))})
    lengths.to_csv("lengths.csv", index=False)
    pd.DataFrame({"Year": range(1990, 2010), "dL": [-5.0] * 20}).to_excel("changes.xlsx", index=False)
    days = pd.date_range("1990-01-01", "2027-01-01", freq="MS")
    warmth = pd.DataFrame({"date": days, "name": "warmth", "value": np.sin(np.arange(len(days)) / 2)})
    warmth.to_csv("warmth.csv", index=False)
    for name, year, shrink in (("rgi6.shp", 2003, 0.0), ("rgi7.shp", 2018, 0.004), ("inventory1970.gpkg", 1970, 0.0),
                               ("inventory2015.gpkg", 2015, 0.01), ("outlines.shp", 2003, 0.0)):  # fmt: skip
        inventory(year, shrink).to_file(name)
    assert run(["track", "--glacier", "Crane"]) == 0
    Path("own.yaml").write_text(
        "name: Own\ncrs: EPSG:3031\ncentreline:\n  drawn_by: tests\n"
        "  coordinates: [[-2400000, 1257000], [-2394000, 1257000]]\n"
    )
    assert run(["track", "--glacier", "Own", "--manifest", "own.yaml", "--data", "masks"]) == 0
    assert run(shlex.split(next(one for one in examples() if "changes.xlsx" in one))[1:]) == 0
    yield folder
    os.chdir(before)
    os.environ.pop("GLACIERTIME_FORECASTERS")
    os.environ.update({name: value for name, value in kept.items() if value is not None})


@pytest.mark.parametrize("example", examples())
def test_an_example_runs(world: Path, capsys: pytest.CaptureFixture[str], example: str) -> None:
    reason = next((why for begins, why in NEEDS.items() if example.startswith(begins)), "")
    if reason:
        pytest.skip(f"needs {reason}")
    if example == "glaciertime track --glacier Crane":
        return  # the fixture ran it
    if "why" in example:
        shutil.copy(world / "crane.html", world / "Crane.html")
        row = pd.read_csv(world / "all.csv")["row"].iloc[0] if (world / "all.csv").exists() else ""
        example = example.replace("o3fa9c1d2e07b", str(row))
    typed, _, out = example.replace("/path/to/data", "data").replace("/media/disk", "disk").partition(" > ")
    code = run(shlex.split(typed)[1:])
    printed = capsys.readouterr()
    assert code == 0, printed.err[-2000:]
    if out:
        (world / out).write_text(printed.out)
