"""Every example of every help runs as it stands, on small files of the names that it gives."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from typer.main import get_command

from glaciertime.__main__ import run
from glaciertime.catalog import load_catalog
from glaciertime.cli import app
from glaciertime.segment.description import weights_path

from .. import dataset_trees
from ..segment.test_pixels import GROUND
from ..segment.test_pixels import write as write_bands
from .conftest import write_mask, zones
from .example_inputs import downloads_served, grey_models, scenes_of_crane, serve_for_a_moment
from .test_segment_many import picture
from .test_segment_many import write as write_image

#: Says that what takes minutes is run too.
LONG = "GLACIERTIME_LONG_EXAMPLES"
#: What an example needs that a test has not, by how it begins.
NEEDS = {
    "glaciertime adapt": "half a minute of torch; tests/segment/adapt adapts",
    "glaciertime train-forecaster": "many series and minutes; tests/cli/test_train_forecaster.py teaches",
    "glaciertime compare compare.yaml": "minutes of torch; tests/pipeline/comparison compares",
    "glaciertime models --costs": "minutes of counting; tests/segment/test_models_command.py counts",
    "glaciertime models --model glacier-seg-fast": "two minutes of timing; tests/segment/test_costs.py times",
    "glaciertime models --model glacier-seg --published": "minutes of measuring; tests/segment/test_costs.py measures",
    "glaciertime forecast --all --until 2026 --model gbm": "minutes; tests/forecast/test_drivers.py grows trees",
    "glaciertime export-model pspnet": "half a minute of torch; tests/segment/test_export.py exports",
    "glaciertime demo": "a minute; its steps are run in tests/cli/test_demo.py",
}  # fmt: skip
#: Of these, what minutes alone are not enough for: it reads data of other glaciers than the small files here are of.
UNFED = (
    "glaciertime forecast --all --until 2026 --model gbm", "glaciertime adapt --glacier Helheim",
    "glaciertime compare compare.yaml", "glaciertime train-forecaster --model mamba",
)  # fmt: skip
#: What torch alone can run, which the default install has not.
OF_TORCH = ("glaciertime train train.yaml", "glaciertime explain ", "glaciertime export-model", "glaciertime models --")
#: Where an example runs that would take long, or find other glaciers, in the archive that all others share.
ELSEWHERE = {
    "glaciertime forecast --all": "small",
    "glaciertime backtest": "small",
    "glaciertime table --glacier Crane --of hazard": "small",
    "glaciertime forget --glacier Crane --dataset": "small",
    "glaciertime table --region Alps": "alps",
    "glaciertime report --region Alps": "alps",
    "glaciertime archive merge": "small",
    "glaciertime track --glacier Crane --glacier DBE": "two",
    "glaciertime track --glacier Crane --scenes": "fetched",
    "glaciertime scenes": "fetched",
    "glaciertime data fetch": "fetched",
    **dict.fromkeys(("glaciertime segment", "glaciertime evaluate", "glaciertime explain ", "glaciertime train ",
                     "glaciertime export-model"), "images"),
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


def _small(folder: Path) -> None:
    """An archive of Crane by 24 values of its area, and what another writer left beside it."""
    folder.mkdir()
    os.chdir(folder)
    years = range(1990, 2014)
    areas = [60 - 0.5 * (year - 1990) + 0.3 * (year % 3) for year in years]
    table = pd.DataFrame({"glacier": "Crane", "date": [f"{year}-03-15" for year in years], "area_km2": areas})
    for name, rows in (("glaciertime.unstored-4711.gpkg", table.iloc[:12]), ("glaciertime.gpkg", table)):
        rows.to_csv("areas.csv", index=False)
        assert run(["import", "areas.csv", "--dataset", "my masks", "--archive", name]) == 0


def _two(folder: Path) -> None:
    """Coastlines of two glaciers where their manifests look for them."""
    folder.mkdir(parents=True)
    rows = []
    for name in ("Crane", "DBE"):
        box = load_catalog().glacier(name).box
        assert box is not None
        for index, date in enumerate(("2002-03-15", "2010-03-15")):
            rows.append({"glacier": name, "date": date, "geometry": shapely.box(*box).buffer(-2000 * (index + 1))})
    gpd.GeoDataFrame(rows, crs="EPSG:3031").to_file(folder / "antarctic_peninsula.gpkg", layer="ice")


def _alps(folder: Path) -> None:
    """Outlines of three glaciers of the Alps by their numbers in the RGI, at two dates."""
    folder.mkdir()
    os.chdir(folder)
    for name, year, shrink in (("outlines.shp", 2000, 0.0), ("later.shp", 2015, 0.004)):
        inventory(year, shrink).assign(O2Region="1", BgnDate=f"{year}0115", EndDate=f"{year}0130").to_file(name)
        assert run(["track", "--rgi", "outlines.shp", "--data", name, "--dataset", "inventories"]) == 0


def _images(folder: Path) -> None:
    """Images of a front, and trees of labelled ones."""
    folder.mkdir()
    grey = picture()
    for name in ("landsat.png", "scene.png"):
        write_mask(folder / name, grey, driver="PNG", crs=None, transform=None)
    write_bands(folder / "S2_20230801.tif", GROUND, scale=0.0001, offset=-0.1, dtype="uint16")
    write_image(folder / "LC08_20200801.tif", np.ascontiguousarray(grey.T))
    write_image(folder / "scenes" / "Crane" / "a_2001-08-01.tif", grey)
    write_image(folder / "scenes" / "DBE" / "b_2001-08-01.tif", grey)
    dataset_trees.landsat_fronts(folder / "data" / "landsat_fronts")
    labelled = folder / "data" / "landsat_fronts"
    rows = (labelled / "index.csv").read_text(encoding="utf-8").splitlines()
    for number, name in enumerate(("Helheim", "Sverdrup", "Sverdrup"), start=2):
        for part, letter in (("images", "i"), ("fronts", "f")):
            shutil.copy(labelled / part / f"{letter}1.png", labelled / part / f"{letter}{number}.png")
        rows.append(f"{name},201{number}-08-01,Landsat 8,1-2,i{number}.png,f{number}.png")
    (labelled / "index.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    dataset_trees.caffe(folder / "CaFFe")
    write_image(folder / "tile.tif", grey)
    for name in ("clean.onnx", "debris.onnx"):
        (folder / name).write_bytes(name.encode())
    shutil.copy(weights_path("sar-zones"), folder / "model.onnx")


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
    _small(folder / "small")
    shutil.copy(folder / "warmth.csv", folder / "small")
    _two(folder / "two" / "data" / "coastlines")
    _alps(folder / "alps")
    _images(folder / "images")
    (folder / "fetched").mkdir()
    yield folder
    os.chdir(before)
    os.environ.pop("GLACIERTIME_FORECASTERS")
    os.environ.update({name: value for name, value in kept.items() if value is not None})


def ordered() -> list[str]:
    """Return the examples in order, behind the others what reads what another makes: a forecast, weights, a copy."""
    late = ("glaciertime table --glacier Crane --of hazard", "glaciertime explain scenes")
    return sorted(examples(), key=lambda example: example.startswith(late))


@pytest.mark.parametrize("example", ordered())
def test_an_example_runs(
    world: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    example: str,
) -> None:
    reason = next((why for begins, why in NEEDS.items() if example.startswith(begins)), "")
    if reason and (example.startswith(UNFED) or not os.environ.get(LONG)):
        pytest.skip(f"needs {reason}; {LONG}=1 runs what small files are enough for")
    if example.startswith(OF_TORCH):
        pytest.importorskip("torch")
        pytest.importorskip("lightning")
    if example == "glaciertime track --glacier Crane":
        return  # the fixture ran it
    folder = world / next((where for begins, where in ELSEWHERE.items() if example.startswith(begins)), ".")
    monkeypatch.chdir(folder)
    _prepare(folder, example)
    with _stood_in(example, monkeypatch):
        _run(world, folder, _local(example, request), capsys)


def _local(example: str, request: pytest.FixtureRequest) -> str:
    """Return an example whose server is one of ours."""
    server = "postgresql://anna@localhost/glaciers"
    if server not in example:
        return example
    return example.replace(server, request.getfixturevalue("postgis").new_database(with_postgis=True))


@contextmanager
def _stood_in(example: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let what an example asks elsewhere for be on this machine."""
    if example.startswith(("glaciertime scenes", "glaciertime track --glacier Crane --scenes")):
        pytest.importorskip("pystac_client", reason="the extra 'stac' is not installed")
        with scenes_of_crane(monkeypatch):
            yield
    elif example.startswith("glaciertime data fetch"):
        monkeypatch.setenv("GLACIERTIME_DOWNLOADS", "downloads")
        with downloads_served(monkeypatch, example.split()[-1]):
            yield
    elif example.startswith("glaciertime dashboard"):
        pytest.importorskip("panel", reason="the extra 'dashboard' is not installed")
        codes = serve_for_a_moment(monkeypatch)
        yield
        assert codes == [200]
    elif example.startswith("glaciertime report --all"):
        # The same pictures as of the page that another example writes: they are what takes the time.
        monkeypatch.setattr("glaciertime.report.views.html_view.chart", lambda *_, **__: "<svg/>")
        yield
    elif "--merge" in example.split():
        grey_models(monkeypatch)
        yield
    else:
        yield


def _run(world: Path, folder: Path, example: str, capsys: pytest.CaptureFixture[str]) -> None:
    if example.startswith("glaciertime why"):
        shutil.copy(world / "crane.html", world / "Crane.html")
        row = pd.read_csv(world / "all.csv")["row"].iloc[0] if (world / "all.csv").exists() else ""
        example = example.replace("o3fa9c1d2e07b", str(row))
    typed, _, out = example.replace("/path/to/data", "data").replace("/media/disk", "disk").partition(" > ")
    code = run(shlex.split(typed)[1:])
    printed = capsys.readouterr()
    assert code == 0, printed.err[-2000:]
    if out:
        (folder / out).write_text(printed.out)


def _prepare(folder: Path, example: str) -> None:
    """Shorten a training to what shows that it runs; what it taught is the weights that an explanation is asked of."""
    settings = folder / "train.yaml"
    if example.startswith("glaciertime train train.yaml"):
        text = settings.read_text(encoding="utf-8").replace("epochs: 30", "epochs: 1")
        settings.write_text(text.replace("patch: [256, 192]", "patch: [32, 32]"), encoding="utf-8")
    if "runs/a/weights.safetensors" in example:
        if not (folder / "runs" / "sverdrup").is_dir():
            pytest.skip("needs what the example of train teaches")
        shutil.copytree(folder / "runs" / "sverdrup", folder / "runs" / "a")
