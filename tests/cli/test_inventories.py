"""Two inventories compared from the command line."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from .conftest import Command


def write(path: Path, width_m: float, date: str) -> None:
    shape = shapely.box(630_000, 5_190_000, 630_000 + width_m, 5_191_000)
    row = {"rgi_id": "G-1", "glac_name": "=Zunge", "src_date": date, "geometry": shape}
    gpd.GeoDataFrame([row], geometry="geometry", crs="EPSG:32632").to_file(path)


def test_two_inventories_are_compared(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.gpkg", 4000, "2000-08-01")
    write(tmp_path / "b.gpkg", 3000, "2010-08-01")
    done = command("inventories", "a.gpkg", "b.gpkg", "--boundary-sigma", "10")
    assert done.code == 0
    assert "1 glacier compared: 1 smaller, 0 larger; 0 vanished" in done.out
    assert "divides: the outlines of a.gpkg" in done.err
    assert command("inventories", "a.gpkg", "b.gpkg", "--json").json[0]["percent"] == pytest.approx(-25, abs=0.01)
    totals = {row["what"]: row for row in command("inventories", "a.gpkg", "b.gpkg", "--totals", "--json").json}
    assert totals["percent_rate"]["value"] == pytest.approx(-2.5, abs=0.01)
    sheet = command("inventories", "a.gpkg", "b.gpkg", "--format", "csv").out
    assert "'=Zunge" in sheet
    assert command("inventories", "b.gpkg", "a.gpkg").code == 1
    assert command("inventories", "a.gpkg", "b.gpkg", "--correlation", "2").code == 2
    assert command("inventories", "a.gpkg", "none.gpkg").code == 1


def test_dates_that_may_be_two_are_told_by_the_options_that_the_refusal_names(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.gpkg", 4000, "01.08.2000")
    write(tmp_path / "b.gpkg", 3000, "01.08.2010")
    done = command("inventories", "a.gpkg", "b.gpkg")
    assert done.code == 1
    assert "--day-first or --month-first" in done.err
    for option, month in (("--day-first", 8), ("--month-first", 1)):
        (row,) = command("inventories", "a.gpkg", "b.gpkg", option, "--json").json
        assert row["start_date"].startswith(f"2000-{month:02d}-{1 if month == 8 else 8:02d}")
    assert command("inventories", "a.gpkg", "b.gpkg", "--day-first", "--month-first").code == 2
