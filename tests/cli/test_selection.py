"""One selection for all commands: named, all, a region, manifests, an inventory; contradictions are refused."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from .conftest import Command

NAMES = ("Alpha", "Beta", "Gamma")
#: One degree apart along the equator.
CORNERS = {"Alpha": 10.0, "Beta": 11.0, "Gamma": 12.0}


def manifest(folder: Path, name: str, *, region: str = "Somewhere") -> None:
    lon = CORNERS.get(name, 40.0)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(
        f"name: '{name}'\nregion: {region}\ncrs: EPSG:4326\nbox: [{lon}, 0.0, {lon + 0.1}, 0.1]\n",
        encoding="utf-8",
    )


@pytest.fixture
def lengths(command: Command, tmp_path: Path) -> Command:
    """An archive of the lengths of three glaciers over twelve years."""
    years = np.arange(2000, 2012)
    rows = [
        {"glacier": name, "date": f"{year}-08-01", "variable": "length_m", "value": 5000 - 10 * k * (year - 2000),
         "sigma": 5, "unit": "m"}
        for k, name in enumerate(NAMES, start=1) for year in years
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "lengths.csv", index=False)
    assert command("import", "lengths.csv").code == 0
    for name in NAMES:
        manifest(tmp_path / "manifests", name, region="Here" if name != "Gamma" else "There")
    return command


def test_all_is_every_glacier_of_the_archive_and_is_said(lengths: Command) -> None:
    done = lengths("forecast", "--all", "--until", "2014", "--model", "drift", "--json")
    assert done.code == 0
    assert "all 3 glaciers of glaciertime.gpkg" in done.err
    assert {row["glacier"] for row in done.json} == set(NAMES)
    middle = [row for row in done.json if row["quantile"] == 0.5 and row["target_date"] == "2014-08-01"]
    assert sorted(row["value"] for row in middle) == pytest.approx([4580, 4720, 4860], abs=1)


def test_one_glacier_and_many_give_the_same_numbers(lengths: Command) -> None:
    alone = lengths("forecast", "--glacier", "Beta", "--until", "2014", "--model", "drift", "--json").json
    beside = lengths("forecast", "--all", "--until", "2014", "--model", "drift", "--json").json
    assert alone == [row for row in beside if row["glacier"] == "Beta"]


@pytest.mark.parametrize(
    "given",
    [("--all", "--glacier", "Alpha"), ("--all", "--region", "Here"), ("--glacier", "Alpha", "--region", "Here")],
)
def test_contradictions_are_refused(lengths: Command, given: tuple[str, ...]) -> None:
    done = lengths("forecast", *given, "--until", "2014")
    assert done.code == 2
    assert "give one of them" in done.err


def test_nothing_selected_is_refused_and_says_what_to_type(lengths: Command) -> None:
    for name in ("forecast", "backtest", "report", "export", "series"):
        more = {"forecast": ("--until", "2014"), "export": ("--out", "x.csv")}.get(name, ())
        done = lengths(name, *more)
        assert done.code == 2
        assert "--glacier NAME" in done.err
        assert "--all" in done.err


def test_an_unknown_name_among_several_is_refused_before_any_work(lengths: Command) -> None:
    done = lengths("forecast", "--glacier", "Alpha", "--glacier", "Betta", "--until", "2014", "--model", "drift")
    assert done.code == 1
    assert "'Betta'" in done.err
    assert "Beta" in done.err
    assert done.out == ""


def test_a_region_is_that_of_manifests_and_what_is_of_none_is_told(lengths: Command) -> None:
    done = lengths("series", "--region", "here", "--manifest", "manifests", "--product", "rates", "--json")
    assert [row["glacier"] for row in done.json] == ["Alpha", "Beta"]
    assert "2 of 3 glaciers, those of Here" in done.err
    wrong = lengths("series", "--region", "Heere", "--manifest", "manifests")
    assert wrong.code == 2
    assert "did you mean Here" in wrong.err
    none = lengths("series", "--region", "Alps", "--manifest", "manifests")
    assert none.code == 1
    assert "holds no glacier of Central Europe, Alps (RGI 11-01)" in none.err


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32632"])
def test_a_polygon_chooses_by_where_glaciers_lie_in_any_coordinate_system(
    lengths: Command, tmp_path: Path, crs: str
) -> None:
    region = gpd.GeoSeries([shapely.box(10.5, -1, 12.5, 1)], crs="EPSG:4326").segmentize(0.2).to_crs(crs)
    region.to_file(tmp_path / "region.gpkg")
    done = lengths("series", "--region", "region.gpkg", "--manifest", "manifests", "--product", "rates", "--json")
    assert [row["glacier"] for row in done.json] == ["Beta", "Gamma"]
    assert "lies in the polygon" in done.err


def test_a_polygon_in_the_wrong_place_says_where_it_and_the_glaciers_lie(lengths: Command, tmp_path: Path) -> None:
    gpd.GeoSeries([shapely.box(-1, 10.5, 1, 12.5)], crs="EPSG:4326").to_file(tmp_path / "turned.gpkg")
    done = lengths("series", "--region", "turned.gpkg", "--manifest", "manifests")
    assert done.code == 1
    assert "it spans -1.00 to 1.00 degrees east, 10.50 to 12.50 north" in done.err
    assert "the glaciers lie at 10.05" in done.err
    gpd.GeoSeries([shapely.box(500_000, 10, 600_000, 2_000_000)], crs="EPSG:4326").to_file(tmp_path / "metres.gpkg")
    done = lengths("series", "--region", "metres.gpkg", "--manifest", "manifests")
    assert done.code == 1
    assert "is no place in WGS 84" in done.err


def test_of_glaciers_without_a_place_a_polygon_says_so(lengths: Command, tmp_path: Path) -> None:
    gpd.GeoSeries([shapely.box(10.5, -1, 12.5, 1)], crs="EPSG:4326").to_file(tmp_path / "region.gpkg")
    (tmp_path / "manifests" / "Beta.yaml").unlink()
    done = lengths("series", "--region", "region.gpkg", "--manifest", "manifests", "--product", "rates", "--json")
    assert [row["glacier"] for row in done.json] == ["Gamma"]
    assert "of 1 glacier nothing says where they lie; left out (Beta)" in done.err


def test_a_folder_of_manifests_alone_means_those_it_holds(lengths: Command, tmp_path: Path) -> None:
    manifest(tmp_path / "manifests", "Delta")
    done = lengths("series", "--manifest", "manifests", "--product", "rates", "--json")
    assert {row["glacier"] for row in done.json} == set(NAMES)
    assert "3 of the 4 glaciers of manifests" in done.err
    (tmp_path / "empty").mkdir()
    assert "holds no manifest" in lengths("series", "--manifest", "empty").err


def test_an_inventory_alone_means_those_that_are_held_by_number_or_name(lengths: Command, tmp_path: Path) -> None:
    rows = [
        {"rgi_id": f"X-{number}", "glac_name": name, "o1region": "11", "o2region": "11-01",
         "geometry": shapely.box(lon, 46, lon + 0.02, 46.01)}
        for number, (name, lon) in enumerate([("Alpha", 10.0), ("Omega", 10.1), ("Beta", 10.2), ("Beta", 10.3)])
    ]  # fmt: skip
    gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:4326").to_file(tmp_path / "rgi.gpkg")
    done = lengths("series", "--rgi", "rgi.gpkg", "--product", "rates", "--json")
    assert [row["glacier"] for row in done.json] == ["Alpha"]  # Beta is a name of two: of neither
    assert "1 of the 4 glaciers of rgi.gpkg" in done.err
    region = lengths("series", "--rgi", "rgi.gpkg", "--region", "11", "--product", "rates", "--json")
    assert [row["glacier"] for row in region.json] == ["Alpha"]


def test_what_fails_of_one_glacier_is_its_row_and_stops_nothing(lengths: Command, tmp_path: Path) -> None:
    short = pd.DataFrame(
        [{"glacier": "Short", "date": "2000-08-01", "variable": "area_km2", "value": 1, "unit": "km2"}]
    )
    short.to_csv(tmp_path / "short.csv", index=False)
    assert lengths("import", "short.csv").code == 0
    options = ("--all", "--until", "2014", "--model", "drift", "--variable", "length_m")
    done = lengths("forecast", *options, "--json")
    assert done.code == 3
    failed = [row for row in done.json if row["status"] != "ok"]
    assert [row["glacier"] for row in failed] == ["Short"]
    assert "length_m" in failed[0]["status"]
    assert {row["glacier"] for row in done.json if row["status"] == "ok"} == set(NAMES)
    assert lengths("forecast", *options, "--strict").code == 1


def test_many_are_exported_into_one_table_or_a_file_each(lengths: Command, tmp_path: Path) -> None:
    assert lengths("export", "--all", "--out", "all.csv").code == 0
    whole = pd.read_csv(tmp_path / "all.csv")
    assert len(whole) == 36
    assert set(whole["glacier"]) == set(NAMES)
    assert lengths("export", "--all", "--out", "all.parquet", "--format", "parquet").code == 0
    again = pd.read_parquet(tmp_path / "all.parquet")
    assert len(again) == 36
    assert again["value"].sum() == whole["value"].sum()
    assert lengths("export", "--all", "--out", "all.gpkg", "--format", "gpkg").code == 0
    assert len(gpd.read_file(tmp_path / "all.gpkg")) == 36
    assert lengths("export", "--all", "--out", "each").code == 0
    files = sorted(path.name for path in (tmp_path / "each").glob("*.csv"))
    assert files == ["Alpha.csv", "Beta.csv", "Gamma.csv"]
    assert len(pd.read_csv(tmp_path / "each" / "Beta.csv")) == 12


def test_names_that_are_alike_on_a_disk_get_files_of_their_own(command: Command, tmp_path: Path) -> None:
    names = ["../up", "a/b", "a_b", "a:b", "=1+1", 'qu"ote', "index", "CON"]
    rows = [
        {"glacier": name, "date": f"{year}-08-01", "variable": "length_m", "value": 100 + k, "unit": "m"}
        for k, name in enumerate(names) for year in (2000, 2001, 2002)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "n.csv", index=False)
    assert command("import", "n.csv").code == 0
    assert command("export", "--all", "--out", "each").code == 0
    files = list((tmp_path / "each").glob("*.csv"))
    assert len(files) == len(names)
    assert len({path.name.casefold() for path in files}) == len(names)
    assert not (tmp_path / "up.csv").exists()
    values = {float(pd.read_csv(path)["value"].iloc[0]) for path in files}
    assert values == {100.0 + k for k in range(len(names))}


def test_an_inventory_is_a_catalog_and_is_tracked_by_number(command: Command, shared_data: Path) -> None:
    rgi = shared_data / "oetztal" / "rgi_oetztal.shp"
    shown = command("catalog", "--rgi", rgi, "--json").json
    entry = next(row for row in shown if row["name"] == "RGI50-11.00897")
    assert entry["aliases"] == ["Hintereisferner"]
    assert entry["rgi_region"] == "11-01"
    done = command("track", "--rgi", rgi, "--data", rgi, "--glacier", "hintereisferner", "--json")
    assert done.code == 0
    assert done.json[0]["glacier"] == "RGI50-11.00897"
    both = command("track", "--rgi", rgi, "--data", rgi, "--glacier", "Vernagtferner")
    assert both.code == 2
    assert "2 glaciers are called 'Vernagtferner'" in both.err
    one = command("track", "--rgi", rgi, "--data", rgi, "--glacier", "RGI50-11.00719_d01", "--json")
    assert one.code == 0
    table = command("series", "--all", "--product", "raw", "--variable", "area_km2", "--keep", "all", "--json").json
    areas = {row["glacier"]: row["value"] for row in table}
    # Not 8.24, the area of both that bear the name.
    assert areas == pytest.approx({"RGI50-11.00897": 8.036, "RGI50-11.00719_d01": 6.536}, abs=0.006)
    raw = command("series", "--all", "--product", "raw", "--keep", "all", "--json").json
    assert "front_width_m" not in {row["variable"] for row in raw}  # an outline that closes on itself has no two ends
