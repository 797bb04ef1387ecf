"""Masks for other programs: a CF stack, STAC items, outlines for GLIMS; each read back, and what is broken found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine

from glaciertime.exchange.glims import glims_problems
from glaciertime.exchange.stac import stac_problems

from .conftest import Command, write_mask, zones

#: A pixel of the toy is 100 m on a plane whose scale there makes 10,000 m2 so much on the ellipsoid.
WIDTHS = (40, 38, 36)


@pytest.fixture
def who() -> Path:
    path = Path("who.yaml")
    path.write_text("investigator: Ada Lovelace\nagency: University of X\n")
    return path


def test_a_stack_keeps_the_conventions_and_the_areas(command: Command, masks: Path) -> None:
    xr = pytest.importorskip("xarray", reason="a stack needs the extra netcdf")
    assert command("export-masks", masks, "--glacier", "Toy", "--out", "m.nc").code == 0
    assert command("data", "check", "m.nc", "--form", "cf").code == 0
    import glaciertime.exchange.accessor  # noqa: F401 - registers the accessor

    with xr.open_dataset("m.nc") as stack:
        areas = stack.glaciertime.area_km2()
        assert (areas / areas.iloc[0]).tolist() == pytest.approx([width / 40 for width in WIDTHS], rel=2e-3)
        assert areas.iloc[0] == pytest.approx(15.415, abs=0.01)
        assert stack.glaciertime.zone("glacier").sum(("x", "y")).to_numpy().tolist() == [40 * width for width in WIDTHS]
        assert str(stack.glaciertime.at("2002-05-01")["time"].to_numpy())[:10] == "2002-03-15"
        assert stack.glaciertime.crs.to_epsg() == 3031
        with pytest.raises(ValueError, match="no zone 'glaciers', did you mean glacier"):
            stack.glaciertime.zone("glaciers")
    assert command("export-masks", masks, "--glacier", "Toy", "--out", "m.nc").code == 0, "its own file is replaced"


def items(command: Command, masks: Path) -> list[Path]:
    assert command("export-masks", masks, "--glacier", "Toy", "--format", "stac", "--out", "cat").code == 0
    return sorted(path for path in Path("cat").glob("*.json") if not path.name.endswith(".run.json"))


def test_items_and_collection_are_valid(command: Command, masks: Path) -> None:
    found = items(command, masks)
    assert [path.name for path in found] == [
        "collection.json",
        *(f"toy_{year}-03-15.json" for year in (2001, 2002, 2003)),
    ]
    for path in found:
        assert stac_problems(path) == [], path
        assert command("data", "check", path, "--form", "stac").code == 0
    item = json.loads(found[1].read_text())
    assert (Path("cat") / item["assets"]["mask"]["href"]).resolve() == (masks / "toy_2001-03-15.tif").resolve()
    assert item["properties"]["proj:code"] == "EPSG:3031"
    assert item["properties"]["proj:shape"] == [60, 60]
    west, south, east, north = item["bbox"]
    assert -65 < west < east < -60
    assert -68 < south < north < -63


def test_pystac_reads_them_without_a_network(command: Command, masks: Path) -> None:
    pystac = pytest.importorskip("pystac", reason="pystac is not installed")
    first = items(command, masks)[0]
    collection = pystac.Collection.from_file(str(first))
    found = list(collection.get_items())
    assert [item.id for item in found] == [f"toy_{year}-03-15" for year in (2001, 2002, 2003)]
    assert [item.datetime.year for item in found] == [2001, 2002, 2003]


def change(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def of(held: dict[str, Any]) -> None:
        for key in keys[:-1]:
            held = held[key]
        if to is None:
            del held[keys[-1]]
        else:
            held[keys[-1]] = to

    return of


BROKEN = {
    "neither Feature nor Collection": change("type", to="Item"),
    "id is missing": change("id", to=None),
    "none of 1.x": change("stac_version", to="0.9.0"),
    "no time of RFC 3339": change("properties", "datetime", to="2001-03-15"),
    "lies in the future": change("properties", "datetime", to="2999-01-01T00:00:00Z"),
    "bbox is not that of the geometry": change("bbox", to=[0, 0, 1, 1]),
    "geometry or bbox is none": change("geometry", to={"type": "Ball"}),
    "it has no asset": change("assets", to={}),
    "the asset mask has no href": change("assets", "mask", "href", to=None),
    "which is not there": change("assets", "mask", "href", to="gone.tif"),
    "a link has no rel": change("links", to=[{"href": "x"}]),
    "assets is missing": change("assets", to=None),
}  # fmt: skip


@pytest.mark.parametrize("said", BROKEN)
def test_a_broken_item_is_found(command: Command, masks: Path, said: str) -> None:
    path = items(command, masks)[1]
    held = json.loads(path.read_text())
    BROKEN[said](held)
    path.write_text(json.dumps(held))
    found = stac_problems(path)
    assert any(said in one for one in found), found


def test_outlines_for_glims_pass_their_form(command: Command, masks: Path, who: Path) -> None:
    given = ("export-masks", masks, "--glacier", "Toy", "--format", "glims", "--submitter", who, "--out")
    assert command(*given, "g.shp").code == 0
    assert command("data", "check", "g.shp", "--form", "glims").code == 0
    layer = gpd.read_file("g.shp")
    assert layer["src_date"].astype(str).str.slice(0, 10).tolist() == ["2001-03-15", "2002-03-15", "2003-03-15"]
    assert layer["area"].iloc[0] == pytest.approx(15.415, abs=0.01)
    broken = command("data", "check", "g.shp", "--form", "termpicks")
    assert (broken.code, "are missing" in broken.out) == (1, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--format", "stak", "--out", "a"), "did you mean stac?"),
        (("--format", "netcdf", "--out", "a.shp"), "give --out a.nc"),
        (("--format", "glims", "--out", "a.shp"), "--submitter: of --format glims"),
        (("--format", "netcdf", "--out", "a.nc", "--submitter", "who.yaml"), "--submitter: of --format glims"),
        (("--out", "a.nc", "--classes", "1=ice"), "--classes"),
    ],
)  # fmt: skip
def test_what_is_not_used_is_refused(
    command: Command, masks: Path, who: Path, given: tuple[str, ...], said: str
) -> None:
    result = command("export-masks", masks, "--glacier", "Toy", *given)
    assert result.code == 2
    assert said in result.err


def test_a_folder_without_masks_is_one_sentence(command: Command, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        result = command("export-masks", folder, "--glacier", "Toy", "--out", "a.nc")
        assert (result.code, result.err.count("\n")) == (1, 1)


def test_masks_that_name_no_system_and_no_date_are_told_them(command: Command, masks: Path) -> None:
    for index, path in enumerate(sorted(masks.glob("*.tif"))):
        path.unlink()
        write_mask(masks / f"{'abc'[index]}.tif", zones(WIDTHS[index]), crs=None)
    Path("dates.csv").write_text("file,date\na.tif,2001-03-15\nb.tif,2002-03-15\nc.tif,2003-03-15\n")
    given = ("export-masks", masks, "--glacier", "Toy", "--dates", "dates.csv", "--out", "m.nc")
    assert command(*given).code == 1
    assert command(*given, "--crs", "EPSG:3031").code == 0
    assert command("data", "check", "m.nc", "--form", "cf").code == 0


def test_a_mask_across_the_180th_meridian_has_the_area_of_its_ice(command: Command, tmp_path: Path, who: Path) -> None:
    """It lies as one polygon around the whole Earth where its longitudes jump."""
    east, north = pyproj.Transformer.from_crs(4326, 32601, always_xy=True).transform(180, 67)
    (tmp_path / "far").mkdir()
    write_mask(tmp_path / "far" / "far_2001-03-15.tif", zones(40), crs="EPSG:32601",
               transform=Affine(100, 0, east - 2000, 0, -100, north + 3000))  # fmt: skip
    given = ("export-masks", "far", "--glacier", "Far", "--format", "glims", "--submitter", who, "--out", "far.gpkg")
    assert command(*given).code == 0
    layer = gpd.read_file("far.gpkg")
    assert layer["area"].iloc[0] == pytest.approx(16.0, rel=2e-3)
    parts = shapely.get_parts(layer.geometry.iloc[0])
    assert len(parts) == 2
    assert max(part.bounds[2] - part.bounds[0] for part in parts) < 0.1
    assert (layer.total_bounds[0], layer.total_bounds[2]) == pytest.approx((-180, 180))
    layer.geometry = [shapely.box(-180, 66.9, 180, 67.0)]
    assert any("180th meridian" in one for one in glims_problems(layer))


def test_long_sides_of_an_outline_keep_their_area(command: Command, tmp_path: Path, who: Path) -> None:
    """A side of 100 km that is straight in a plane is not so in longitude and latitude."""
    (tmp_path / "wide").mkdir()
    write_mask(tmp_path / "wide" / "wide_2001-03-15.tif", np.full((100, 100), 127, np.uint8),
               transform=Affine(1000, 0, -2_400_000, 0, -1000, 1_260_000))  # fmt: skip
    pytest.importorskip("xarray", reason="a stack needs the extra netcdf")
    assert command("export-masks", "wide", "--glacier", "Wide", "--format", "glims", "--submitter", who,
                   "--out", "wide.gpkg").code == 0  # fmt: skip
    assert command("export-masks", "wide", "--glacier", "Wide", "--out", "wide.nc").code == 0
    import xarray as xr

    import glaciertime.exchange.accessor  # noqa: F401 - registers the accessor

    with xr.open_dataset("wide.nc") as stack:
        pixels_km2 = stack.glaciertime.area_km2().iloc[0]
    assert gpd.read_file("wide.gpkg")["area"].iloc[0] == pytest.approx(pixels_km2, rel=1e-5)


def test_an_item_tells_the_values_that_stand_in_its_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    codes = {64: 9, 127: 5, 254: 7}
    write_mask(tmp_path / "own" / "own_2001-03-15.tif", np.vectorize(codes.get)(zones(40)).astype(np.uint8))
    assert command("export-masks", "own", "--glacier", "Own", "--classes", "5=glacier,7=ocean,9=rock", "--format",
                   "stac", "--out", "cat").code == 0  # fmt: skip
    asset = json.loads(Path("cat/own_2001-03-15.json").read_text())["assets"]["mask"]
    assert {one["value"]: one["name"] for one in asset["classification:classes"]} == {
        5: "glacier", 7: "ocean", 9: "rock"}  # fmt: skip


def test_a_stack_in_feet_says_so(command: Command, tmp_path: Path) -> None:
    xr = pytest.importorskip("xarray", reason="a stack needs the extra netcdf")
    (tmp_path / "feet").mkdir()
    write_mask(tmp_path / "feet" / "feet_2001-03-15.tif", zones(40), crs="EPSG:2263",
               transform=Affine(100, 0, 1_000_000, 0, -100, 200_000))  # fmt: skip
    assert command("export-masks", "feet", "--glacier", "Feet", "--out", "feet.nc").code == 0
    assert command("data", "check", "feet.nc", "--form", "cf").code == 0
    with xr.open_dataset("feet.nc") as stack:
        number, unit = stack["x"].attrs["units"].split()
    assert (float(number), unit) == (pytest.approx(1200 / 3937), "m")


@pytest.mark.parametrize(
    ("form", "name", "held"),
    [("stac", "a.json", {"type": "Feature", "stac_version": "1.1.0", "id": 1, "links": 5, "geometry": {}, "bbox": [],
                         "properties": [], "assets": {"a": 3}}),
     ("stac", "b.json", {"type": "Collection", "stac_version": "1.1.0", "id": "b", "links": [], "description": "",
                         "license": "other", "extent": {"spatial": {"bbox": [3]}, "temporal": {"interval": [4]}}})],
)  # fmt: skip
def test_what_is_of_another_kind_is_told_and_no_traceback(
    command: Command, form: str, name: str, held: dict[str, Any]
) -> None:
    Path(name).write_text(json.dumps(held))
    assert command("data", "check", name, "--form", form).code == 1


def test_an_item_of_a_span_of_time_has_no_datetime(command: Command, masks: Path) -> None:
    path = items(command, masks)[1]
    held = json.loads(path.read_text())
    held["properties"]["datetime"] = None
    path.write_text(json.dumps(held))
    assert stac_problems(path) == []
    del held["properties"]["end_datetime"]
    path.write_text(json.dumps(held))
    assert stac_problems(path) != []
