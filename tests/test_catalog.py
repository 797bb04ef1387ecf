"""Manifests: the package's are sound, and a user's own is checked."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from glaciertime.catalog import TEMPLATE, Glacier, load_catalog, manifest_folder, read_manifest
from glaciertime.errors import DataNotFoundError, InputError, UsageError


def test_every_manifest_of_the_package_is_read() -> None:
    catalog = load_catalog()
    assert {"Crane", "DBE", "Jorum", "Jakobshavn"} <= set(catalog.glaciers)
    assert len(catalog.glaciers) + len(catalog.datasets) == len(list(manifest_folder().glob("*.yaml")))


def test_every_source_names_a_data_set_of_the_catalog() -> None:
    catalog = load_catalog()
    sources = {source.dataset for glacier in catalog.glaciers.values() for source in glacier.sources}
    assert sources - set(catalog.datasets) == {"simulated Crane"}


def test_aliases_and_case_do_not_matter() -> None:
    assert load_catalog().glacier("sermeq kujalleq").name == "Jakobshavn"


def test_the_nearest_names_are_offered() -> None:
    with pytest.raises(UsageError, match="unknown glacier 'Crain', did you mean Crane"):
        load_catalog().glacier("Crain")


@pytest.mark.parametrize("name", ["Crane", "Jorum", "DBE"])
def test_the_fjord_lies_in_the_box_and_the_centreline_runs_through_it_to_the_sea(name: str) -> None:
    glacier = load_catalog().glacier(name)
    assert glacier.fjord is not None
    assert glacier.centreline is not None
    assert glacier.box_polygon.buffer(1).contains(glacier.fjord.polygon)
    assert glacier.centreline.linestring.intersection(glacier.fjord.polygon).length > 3000
    assert glacier.fjord.drawn_by
    assert glacier.centreline.drawn_by


def test_only_the_name_of_the_template_is_live(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEMPLATE.replace("My Glacier", "Vernagtferner"))
    assert read_manifest(path) == Glacier(name="Vernagtferner")


def test_every_line_of_the_template_can_be_taken_live(tmp_path: Path) -> None:
    head, body = TEMPLATE.split("name: My Glacier\n")
    path = tmp_path / "mine.yaml"
    path.write_text(f"{head}name: My Glacier\n" + body.replace("\n# ", "\n"))
    glacier = read_manifest(path)
    assert isinstance(glacier, Glacier)
    assert (glacier.hemisphere, glacier.crs, glacier.sources[0].format) == ("north", "EPSG:3413", "masks")
    assert glacier.box is not None
    assert glacier.fjord is not None
    assert glacier.centreline is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: glacier\n", "field name: Field required"),
        ("name: X\nbox: [0, 0, 1, 1]\n", "name their coordinate system in 'crs'"),
        ("name: X\ncrs: EPSG:1\n", "'EPSG:1' is not a coordinate system"),
        ("name: X\ncolour: blue\n", "field colour: Extra inputs are not permitted"),
        ("name: X\ncrs: EPSG:3031\nbox: [1, 0, 0, 1]\n", "box is x_min, y_min, x_max, y_max"),
        (
            "name: X\ncrs: EPSG:3031\nfjord: {drawn_by: me, coordinates: [[0, 0], [1, 1], [1, 0], [0, 1]]}\n",
            "not simple",
        ),
        ("- a\n- b\n", "holds no fields"),
        ("name: [unclosed\n", "is not YAML"),
    ],
)
def test_a_wrong_manifest_names_the_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(path)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"none\.yaml cannot be read"):
        read_manifest(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        ("calving front", ["calving front", "calving front", "calving front"]),
        ("[{until: 2000-06-01, is: Ice shelf}, {from: 2002-03-15, is: calving front}]", ["shelf", "", "calving front"]),
        ("[{from: 2000-06-02, until: 2000-12-31, is: melange}]", ["", "mélange edge", ""]),
    ],
)
def test_a_manifest_says_what_the_front_is_by_dates(tmp_path: Path, told: str, kinds: list[str]) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(f"name: G\nsources:\n- {{dataset: d, format: traces, front_of: {told}}}\n", encoding="utf-8")
    glacier = read_manifest(path)
    assert isinstance(glacier, Glacier)
    days = [dt.date(2000, 6, 1), dt.date(2000, 6, 2), dt.date(2002, 3, 15)]
    assert [glacier.sources[0].front_on(day) for day in days] == kinds


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("floating", "'floating'; known are calving front, tongue"),
        ("[{until: 2001-01-01, is: shelf}, {from: 2001-01-01, is: tongue}]", "says twice of some days"),
        ("[{is: shelf}, {from: 2001-01-01, is: tongue}]", "says twice of some days"),
        ("[{from: 2002-01-01, until: 2001-01-01, is: shelf}]", "from 2002-01-01 lies after until 2001-01-01"),
        ("[{since: 2001-01-01, is: tongue}]", "since"),
        ("[{from: 2001-13-01, is: tongue}]", "holds a date or a number that there is not (month must be in 1..12)"),
        ("[{from: 86400, is: tongue}]", "'86400' is no day; write it as 2002-03-15"),
        ("[{from: 2001, is: tongue}]", "'2001' is no day"),
    ],
)
def test_a_manifest_that_is_unclear_about_the_front_is_refused(tmp_path: Path, told: str, message: str) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(f"name: G\nsources:\n- {{dataset: d, format: traces, front_of: {told}}}\n", encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)):
        read_manifest(path)
