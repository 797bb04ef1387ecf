"""Two inventories compared: squares whose areas are known, on common divides, each by its own years."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyproj
import pytest
import shapely

from glaciertime.errors import InputError
from glaciertime.region.inventories import Comparison, compare_inventories
from glaciertime.scenes.inventory import read_inventory

GEOD = pyproj.Geod(ellps="WGS84")


def block(x: float, y: float, width: float, height: float) -> shapely.Polygon:
    """A rectangle in metres on UTM 32."""
    return shapely.box(630_000 + x, 5_190_000 + y, 630_000 + x + width, 5_190_000 + y + height)


def km2(shape: shapely.Geometry) -> float:
    """Its area on the ellipsoid, by geodesics."""
    turned = gpd.GeoSeries([shapely.segmentize(shape, 50)], crs="EPSG:32632").to_crs("EPSG:4326").iloc[0]
    return abs(GEOD.geometry_area_perimeter(turned)[0]) / 1e6


def inventory(path: Path, shapes: dict[str, shapely.Geometry], date: Any = "2000-08-01", crs: str = "EPSG:4326"):
    dates = date if isinstance(date, dict) else dict.fromkeys(shapes, date)
    rows = [
        {"rgi_id": name, "glac_name": "", "src_date": dates[name], "geometry": shape} for name, shape in shapes.items()
    ]
    gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:32632").to_crs(crs).to_file(path)
    return read_inventory(path)


def compared(tmp_path: Path, old: dict[str, Any], new: dict[str, Any], **options: Any) -> Comparison:
    first = inventory(tmp_path / "old.gpkg", old, options.pop("since", "2000-08-01"))
    second = inventory(tmp_path / "new.gpkg", new, options.pop("until", "2010-08-01"))
    return compare_inventories(first, second, **options)


def row(found: Comparison, name: str) -> Any:
    return found.table.set_index("glacier").loc[name]


def test_a_glacier_that_shrank_by_a_quarter(tmp_path: Path) -> None:
    found = compared(tmp_path, {"A": block(0, 0, 4000, 1000)}, {"A": block(0, 0, 3000, 1000)})
    one = row(found, "A")
    assert one.start_km2 == pytest.approx(km2(block(0, 0, 4000, 1000)), rel=1e-5)
    assert one.percent == pytest.approx(-25, abs=0.01)
    assert one.years == pytest.approx(3652 / 365.25)
    assert one.per_year_km2 == pytest.approx(one.change_km2 / one.years)
    assert found.totals["percent_rate"].value == pytest.approx(-25 / one.years, abs=0.01)
    assert one.status == "compared"


def test_a_divide_that_was_drawn_anew_is_no_change(tmp_path: Path) -> None:
    old = {"A": block(0, 0, 2000, 1000), "B": block(2000, 0, 2000, 1000)}
    new = {"A2": block(0, 0, 3000, 1000), "B2": block(3000, 0, 1000, 1000)}
    found = compared(tmp_path, old, new)
    assert found.table["change_km2"].abs().max() < 1e-4
    assert found.counts["merged"] == 0
    assert row(found, "B").later == "A2, B2"


def test_an_advance_goes_to_the_glacier_that_it_borders_on(tmp_path: Path) -> None:
    old = {"A": block(0, 0, 2000, 1000), "B": block(0, 3000, 2000, 1000)}
    found = compared(tmp_path, old, {"A": block(0, 0, 2150, 1000), "B": block(0, 3000, 2000, 1000)})
    assert row(found, "A").percent == pytest.approx(7.5, abs=0.01)
    assert row(found, "B").percent == pytest.approx(0, abs=0.01)


def test_those_that_split_merge_vanish_and_are_new(tmp_path: Path) -> None:
    old = {
        "Split": block(0, 0, 3000, 1000), "One": block(0, 2000, 1000, 1000), "Two": block(1090, 2000, 1000, 1000),
        "Gone": block(0, 5000, 500, 500), "Speck": block(0, 8000, 50, 50),
    }  # fmt: skip
    new = {
        "S1": block(0, 0, 1000, 1000), "S2": block(2000, 0, 1000, 1000), "Both": block(0, 2000, 2090, 1000),
        "Rest": block(0, 5000, 60, 60), "Fresh": block(9000, 9000, 500, 500), "Tiny": block(12000, 0, 50, 50),
    }  # fmt: skip
    found = compared(tmp_path, old, new)
    status = dict(zip(found.table["glacier"], found.table["status"], strict=True))
    assert status == {"Split": "split", "One": "merged", "Two": "merged", "Gone": "vanished", "Fresh": "new"}
    assert row(found, "Split").parts == 2
    assert row(found, "Gone").end_km2 == 0
    assert "0.0036 km2 are left" in row(found, "Gone").note
    told = " ".join(found.notes)
    assert "1 glacier below 0.01 km2 at the start" in told
    assert "1 later outlines below 0.01 km2" in told
    held = found.table[found.table["status"] != "new"]
    assert found.totals["change"].value == pytest.approx(held["change_km2"].sum())
    gap = km2(block(1000, 2000, 90, 1000))  # between One and Two: given to one of them, and once
    after = sum(km2(new[name]) for name in ("S1", "S2")) + 2 * km2(block(0, 2000, 1000, 1000)) + gap
    assert found.totals["end"].value == pytest.approx(after, rel=1e-4)


def test_what_one_of_the_two_does_not_cover_is_no_change(tmp_path: Path) -> None:
    old = {"A": block(0, 0, 2000, 1000), "Beside": block(0, 3000, 2000, 1000)}
    new = {"A": block(0, 0, 1000, 1000), "Neighbour": block(0, 1000, 2000, 1500)}
    found = compared(tmp_path, old, new)
    assert dict(zip(found.table["glacier"], found.table["status"], strict=True)) == {
        "A": "compared",
        "Neighbour": "new",
    }
    assert found.totals["change"].value == pytest.approx(-km2(block(1000, 0, 1000, 1000)), rel=1e-4)
    assert any("shows nothing of 1 glacier (Beside; 2 km2)" in note for note in found.notes)
    whole = compared(tmp_path, old, new, is_complete=True)
    assert row(whole, "Beside").status == "vanished"


def test_a_month_makes_no_rate(tmp_path: Path) -> None:
    found = compared(tmp_path, {"A": block(0, 0, 2000, 1000)}, {"A": block(0, 0, 1990, 1000)}, until="2000-09-01")
    assert math.isnan(row(found, "A").percent_per_year)
    assert "rate" not in found.totals


def test_each_is_divided_by_its_own_years_and_periods_are_not_added(tmp_path: Path) -> None:
    old = {"A": block(0, 0, 2000, 1000), "B": block(0, 3000, 2000, 1000)}
    new = {"A": block(0, 0, 1000, 1000), "B": block(0, 3000, 1000, 1000)}
    dates = {"A": "1980-08-01", "B": "2000-08-01"}
    found = compared(tmp_path, old, new, since=dates)
    years = {"A": 10957 / 365.25, "B": 3652 / 365.25}
    for name in old:
        assert row(found, name).percent_per_year == pytest.approx(-50 / years[name], abs=0.01)
    assert "change" not in found.totals
    assert any("the dates differ" in note for note in found.notes)


def test_sigmas_are_those_of_a_boundary_all_in_or_all_out(tmp_path: Path) -> None:
    old = {"A": block(0, 0, 2000, 1000), "B": block(0, 3000, 1000, 1000)}
    found = compared(tmp_path, old, old, boundary_sigma_m=10.0, correlation=0.5)
    each = [math.sqrt(2) * 10 * 6000 / 1e6, math.sqrt(2) * 10 * 4000 / 1e6]
    assert row(found, "A").change_sigma_km2 == pytest.approx(each[0], rel=2e-3)
    total = found.totals["change"]
    assert total.sigma == pytest.approx(math.sqrt(0.5 * (each[0] ** 2 + each[1] ** 2) + 0.5 * sum(each) ** 2), rel=2e-3)
    assert math.isnan(compared(tmp_path, old, old).totals["change"].sigma)


def test_ground_that_two_outlines_share_counts_once(tmp_path: Path) -> None:
    old = {"A": block(0, 0, 2000, 1000), "B": block(1500, 0, 1500, 1000)}
    found = compared(tmp_path, old, {"A": block(0, 0, 3000, 1000)})
    assert found.totals["start"].value == pytest.approx(km2(block(0, 0, 3000, 1000)), rel=1e-4)
    assert found.totals["change"].value == pytest.approx(0, abs=1e-3)
    assert any("overlap: 0.5 km2" in note for note in found.notes)


def test_divides_of_a_file_cut_both(tmp_path: Path) -> None:
    ice = {"All": block(0, 0, 4000, 1000)}
    basins = inventory(tmp_path / "d.gpkg", {"W": block(-500, -500, 2500, 2000), "E": block(2000, -500, 3000, 2000)})
    found = compared(tmp_path, ice, {"All": block(0, 0, 3000, 1000)}, divides=basins)
    assert row(found, "W").percent == pytest.approx(0, abs=0.01)
    assert row(found, "E").percent == pytest.approx(-50, abs=0.01)
    assert row(found, "E").years == pytest.approx(3652 / 365.25)


def test_other_coordinate_systems_change_nothing(tmp_path: Path) -> None:
    shapes = {"A": block(0, 0, 2000, 1000)}
    first = inventory(tmp_path / "a.gpkg", shapes, crs="EPSG:3035")
    second = inventory(tmp_path / "b.gpkg", shapes, "2010-08-01", crs="EPSG:3857")
    assert abs(compare_inventories(first, second).table["change_km2"].iloc[0]) < 1e-4


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="share no ground"):
        compared(tmp_path, {"A": block(0, 0, 2000, 1000)}, {"A": block(90_000, 0, 2000, 1000)})
    with pytest.raises(InputError, match="give the earlier one"):
        compared(tmp_path, {"A": block(0, 0, 2000, 1000)}, {"A": block(0, 0, 1000, 1000)}, until="1990-08-01")


def test_hintereisferner_in_rgi_5_and_7_is_one_glacier(shared_data: Path) -> None:
    folder = shared_data / "oetztal"
    five, seven = read_inventory(folder / "rgi_oetztal.shp"), read_inventory(folder / "rgi7g_hef.shp")
    found = compare_inventories(five, seven)
    one = row(found, "RGI50-11.00897")
    assert one.start_km2 == pytest.approx(8.036, abs=0.001)
    assert one.change_km2 == pytest.approx(0, abs=0.01)  # the same outline of 2003 in both
    assert found.counts["new"] == 0


def test_a_date_that_no_outline_lacks_is_told_as_not_used(tmp_path: Path) -> None:
    """It changed nothing, and nothing said so."""
    squares = {"A": block(0, 0, 1000, 1000), "B": block(5000, 0, 1000, 1000)}
    later = {name: shapely.affinity.scale(shape, 0.9, 1.0) for name, shape in squares.items()}
    given = {"earlier_date": dt.date(1990, 1, 1), "later_date": dt.date(2015, 1, 1)}
    found = compared(tmp_path, squares, later, until={"A": "2010-08-01", "B": None}, **given)
    assert [note for note in found.notes if "not used" in note] == [
        "--from 1990-01-01 is not used: every outline of old.gpkg has a date of its own"
    ]
    assert row(found, "A")["years"] == pytest.approx(10.0, abs=0.01)
    assert row(found, "B")["years"] == pytest.approx(14.42, abs=0.01)
