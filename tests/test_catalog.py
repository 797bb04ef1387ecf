"""Manifests: the package's are sound, and a user's own is checked."""

from __future__ import annotations

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
