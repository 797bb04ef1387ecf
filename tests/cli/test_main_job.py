"""The main job, end to end: track, table, forecast, backtest, report, export."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from glaciertime.archive import Archive
from glaciertime.catalog import load_catalog
from glaciertime.scenes.crane_simulation import known_ice, known_position_m, simulated_crane
from glaciertime.units import polygon_area_km2

from ..geodesics import geodesic_m
from .conftest import Command, true_m, write_mask, zones


@pytest.fixture(scope="module")
def coastlines(shared_data: Path) -> Path:
    if not (shared_data / "coastlines").is_dir():
        pytest.skip(f"no coastlines in {shared_data}")
    return shared_data


def test_crane_has_its_true_areas(command: Command, coastlines: Path) -> None:
    assert command("track", "--glacier", "Crane", "--data", coastlines).code == 0
    result = command("table", "--glacier", "Crane", "--from", "2002-03-15", "--to", "2010-03-15", "--json")
    row = result.json[0]
    assert row["start_area_km2"] == pytest.approx(654.09, rel=5e-4)
    assert row["end_area_km2"] == pytest.approx(622.97, rel=5e-4)
    assert row["loss_km2"] == pytest.approx(31.12, abs=0.05)
    assert row["loss_percent"] == pytest.approx(4.76, abs=0.01)
    # The plane areas of the map projection are the mistake to guard against.
    assert abs(row["start_area_km2"] - 679.47) > 20
    assert row["loss_sigma_km2"] > 0
    assert (row["start_date"], row["end_date"], row["source"]) == ("2002-03-15", "2010-03-15", "observed")


def test_dbe_has_its_true_areas(command: Command, coastlines: Path) -> None:
    command("track", "--glacier", "DBE", "--data", coastlines)
    row = command("table", "--from", "2002-03-15", "--to", "2010-03-15", "--json").json[0]
    assert row["start_area_km2"] == pytest.approx(613.40, rel=5e-4)
    assert row["end_area_km2"] == pytest.approx(613.13, rel=5e-4)


def test_crane_through_masks_agrees_with_its_polygons(command: Command, coastlines: Path, tmp_path: Path) -> None:
    import rasterio.features
    from affine import Affine

    glacier = load_catalog().glacier("Crane")
    assert glacier.box is not None
    x_min, _, _, y_max = glacier.box
    transform = Affine(30, 0, x_min, 0, -30, y_max)
    ice = gpd.read_file(coastlines / "coastlines" / "antarctic_peninsula.gpkg", layer="ice")
    folder = tmp_path / "rasterised"
    folder.mkdir()
    for date in ("2002-03-15", "2010-03-15"):
        polygon = ice[(ice["glacier"] == "Crane") & (ice["date"] == date)].geometry.iloc[0]
        mask = rasterio.features.rasterize([(polygon, 127)], out_shape=(934, 934), transform=transform, fill=254)
        write_mask(folder / f"Crane_{date}.tif", mask.astype(np.uint8), transform=transform)
    assert command("track", "--glacier", "Crane", "--data", folder).code == 0
    row = command("table", "--json").json[0]
    assert row["start_area_km2"] == pytest.approx(654.09, rel=3e-3)
    assert row["end_area_km2"] == pytest.approx(622.97, rel=3e-3)
    assert row["loss_km2"] == pytest.approx(31.12, rel=1e-2)


def test_a_loss_from_a_full_box_reads_at_least(command: Command, coastlines: Path) -> None:
    command("track", "--glacier", "Crane", "--data", coastlines)
    row = command("table", "--from", "2001-03-15", "--to", "2010-03-15", "--json").json[0]
    assert row["qualifier"] == "at least"
    assert "at least" in command("table", "--from", "2001-03-15", "--to", "2010-03-15").out
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    full = observations[(observations["date"] == "2001-03-15") & (observations["footprint"] == "box")]
    assert full["quality"].str.contains("censored").all()
    assert len(Archive(Path("glaciertime.gpkg")).read("fronts").query("Date < '2001-06-01'")) == 0


def test_overlapping_boxes_are_not_counted_twice(command: Command, coastlines: Path) -> None:
    result = command("track", "--glacier", "Crane", "--glacier", "Jorum", "--data", coastlines)
    assert result.code == 0
    printed = command("table", "--from", "2002-03-15", "--to", "2010-03-15").out
    # 145 km2 on the map plane, less on the ellipsoid.
    assert "Crane and Jorum share 139.2 km2" in printed
    fjords = command("table", "--from", "2002-03-15", "--to", "2010-03-15", "--footprint", "fjord", "--json").json
    loss = sum(row["loss_km2"] for row in fjords)
    assert f"Sum over the fjords: loss {loss:.2f}" in printed


def test_jakobshavn_traces_give_positions(command: Command, shared_data: Path) -> None:
    if not (shared_data / "jakobshavn").is_dir():
        pytest.skip(f"no jakobshavn in {shared_data}")
    result = command("track", "--glacier", "Sermeq Kujalleq", "--data", shared_data, "--json")
    assert result.json[0]["fronts"] == 236
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    position = observations[(observations["method"] == "centreline")].set_index("date")["value"]
    # It lost many kilometres from the 1990s to the 2010s, and advances are positive.
    assert position["1990":"1996"].mean() - position["2012":"2015"].mean() > 10_000


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from glaciertime.pipeline import TrackRequest, store, track_glacier

    path = tmp_path_factory.mktemp("simulated") / "crane.gpkg"
    store(track_glacier(TrackRequest(glacier="Crane")), Archive(path))
    return path


def known_true_m(date: dt.date) -> float:
    """The simulated front's position, which is known on the map, on the ellipsoid."""
    line = simulated_crane(load_catalog().glacier("Crane")).centreline
    assert line is not None
    end = line.linestring.interpolate(known_position_m(date))
    return geodesic_m([line.coordinates[0], (end.x, end.y)], "EPSG:3031")


def test_the_simulated_front_is_recovered_to_half_a_pixel(simulated: Path) -> None:
    observations = Archive(simulated).read("observations")
    rows = observations[(observations["method"] == "centreline") & observations["value"].notna()]
    known = np.array([known_true_m(date.date()) for date in rows["date"]])
    assert len(rows) == 93
    assert np.abs(rows["value"] - known).mean() < 15.0
    assert abs((rows["value"] - known).mean()) < 5.0


def test_the_simulated_area_is_recovered(simulated: Path) -> None:
    observations = Archive(simulated).read("observations")
    rows = observations[(observations["variable"] == "area_km2") & (observations["footprint"] == "fjord")]
    known = np.array([polygon_area_km2(known_ice(date.date()), crs="EPSG:3031") for date in rows["date"]])
    assert np.abs(rows["value"].to_numpy() / known - 1).max() < 0.005


def test_everything_simulated_says_so(command: Command, simulated: Path, tmp_path: Path) -> None:
    archive = ("--archive", simulated)
    command("forecast", "--glacier", "Crane", "--until", "2026", "--model", "last", *archive)
    command("backtest", "--glacier", "Crane", "--model", "last", "--horizon", "1y", "--origins", 3, *archive)
    store = Archive(simulated)
    for table in ("fronts", "observations", "forecasts", "scores"):
        assert set(store.read(table)["source"]) == {"simulated"}
    assert "simulated" in command("table", *archive).out
    command("report", "--glacier", "Crane", "--out", tmp_path / "page.html", *archive)
    page = (tmp_path / "page.html").read_text()
    assert "Nothing here was observed" in page
    # Five pictures, each stamped; the texts of an SVG are drawn as shapes, so the stamp is looked for by its name.
    assert page.count("data:image/svg+xml") >= 5


def test_without_data_the_command_says_it_simulates_and_how_to_get_the_real_thing(command: Command) -> None:
    printed = command("track", "--glacier", "Crane").out
    assert "simulated, not observed" in printed
    assert "--data" in printed
    assert "data fetch" in printed


def test_masks_of_a_glacier_of_ones_own(command: Command, masks: Path, manifest: Path) -> None:
    result = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    assert result.code == 0, result.err
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    position = observations[observations["method"] == "centreline"].sort_values("date")["value"].to_numpy()
    # Two columns of 100 m of the map a year, on the ellipsoid.
    assert np.diff(position) == pytest.approx([true_m(3800) - true_m(4000), true_m(3600) - true_m(3800)], abs=0.01)


def test_running_again_adds_nothing_and_a_changed_mask_replaces(command: Command, masks: Path, manifest: Path) -> None:
    arguments = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    command(*arguments)
    first = Archive(Path("glaciertime.gpkg")).read("observations")
    command(*arguments)
    pd.testing.assert_frame_equal(Archive(Path("glaciertime.gpkg")).read("observations"), first)
    write_mask(masks / "toy_2003-03-15.tif", zones(30))
    command(*arguments)
    changed = Archive(Path("glaciertime.gpkg")).read("observations")
    assert len(changed) == len(first)
    latest = changed[(changed["method"] == "centreline")].sort_values("date")["value"].iloc[-1]
    assert latest == pytest.approx(true_m(3000), abs=0.05)


def test_binary_masks_with_classes(command: Command, masks: Path, manifest: Path) -> None:
    for year, column in ((2001, 40), (2002, 38)):
        values = (zones(column) == 127).astype(np.uint8)
        values[:10] = values[50:] = 2
        write_mask(masks / f"toy_{year}-03-15.tif", values)
    (masks / "toy_2003-03-15.tif").unlink()
    result = command(
        "track", "--glacier", "Toy", "--manifest", manifest, "--data", masks, "--classes", "0=ocean,1=glacier,2=rock"
    )
    assert result.code == 0, result.err
    assert command("table", "--json").json[0]["loss_km2"] > 0


def test_several_glaciers_in_processes_and_one_that_fails(command: Command, coastlines: Path) -> None:
    result = command(
        "track",
        "--glacier",
        "Crane",
        "--glacier",
        "DBE",
        "--glacier",
        "Mapple",
        "--data",
        coastlines,
        "--jobs",
        2,
        "--json",
    )
    assert result.code == 3
    errors = {row["glacier"]: row["error"] for row in result.json}
    assert errors["Crane"] == errors["DBE"] == ""
    assert "holds nothing of Mapple" in errors["Mapple"]
    assert set(Archive(Path("glaciertime.gpkg")).read("observations")["glacier"]) == {"Crane", "DBE"}


def test_values_after_the_cutoff_change_no_forecast(command: Command, simulated: Path, tmp_path: Path) -> None:
    store = Archive(simulated)
    observations = store.read("observations")
    later = observations.copy()
    after = later["date"] > "2015-01-01"
    later.loc[after, "value"] = later.loc[after, "value"] * 0.5
    outputs = []
    for name, rows in (("a", observations), ("b", later)):
        path = tmp_path / f"{name}.gpkg"
        inputs = [(row.glacier, row.dataset, row.image_id, "x") for row in rows.itertuples()]
        Archive(path).store_tracked(
            fronts=store.read("fronts"), observations=rows, footprints=store.read("footprints"), inputs=inputs
        )
        outputs.append(
            command(
                "forecast", "--glacier", "Crane", "--until", "2018", "--cutoff", "2015-01-01", "--model",
                "last,drift,arima", "--json", "--archive", path,
            ).out
        )  # fmt: skip
    assert outputs[0] == outputs[1]
    assert '"value"' in outputs[0]


@pytest.mark.parametrize("form", ["text", "csv", "markdown", "latex"])
def test_the_table_in_every_format_holds_the_numbers(command: Command, simulated: Path, form: str) -> None:
    row = command("table", "--json", "--archive", simulated).json[0]
    printed = command("table", "--format", form, "--archive", simulated).out
    assert "Crane" in printed
    assert f"{row['start_area_km2']:.2f}"[:-1] in printed


@pytest.mark.parametrize(
    ("table", "form"),
    [("fronts", "gpkg"), ("fronts", "geojson"), ("fronts", "shp"), ("fronts", "parquet"), ("fronts", "csv"),
     ("observations", "csv"), ("observations", "parquet"), ("observations", "gpkg")],
)  # fmt: skip
def test_export_writes_all_rows(command: Command, simulated: Path, tmp_path: Path, table: str, form: str) -> None:
    path = tmp_path / f"out.{form}"
    result = command(
        "export", "--glacier", "crane", "--table", table, "--format", form, "--out", path, "--archive", simulated
    )
    assert result.code == 0, result.err
    stored = Archive(simulated).read(table)
    if form == "csv":
        read = pd.read_csv(path)
    elif form == "parquet":
        read = pd.read_parquet(path)
    else:
        read = gpd.read_file(path)
    assert len(read) == len(stored)
    dates = read["Date" if table == "fronts" else "date"].astype(str)
    assert dates.str.fullmatch(r"\d{4}-\d\d-\d\d").all()
    if table == "fronts" and form in ("gpkg", "geojson", "shp"):
        assert shapely.equals_exact(read.geometry.to_numpy(), stored.geometry.to_numpy(), tolerance=1e-6).all()


@pytest.mark.parametrize(("columns", "date"), [("termpicks", "Date"), ("measures", "SourceDate"), ("calfin", "Date")])
def test_fronts_are_exported_under_the_names_of_the_archives(
    command: Command, simulated: Path, tmp_path: Path, columns: str, date: str
) -> None:
    path = tmp_path / "fronts.shp"
    result = command(
        "export", "--glacier", "Crane", "--table", "fronts", "--format", "shp", "--columns", columns, "--out", path,
        "--archive", simulated,
    )  # fmt: skip
    assert result.code == 0, result.err
    assert gpd.read_file(path)[date].astype(str).str.slice(0, 10).iloc[0] == "1995-01-21"


def test_a_front_is_predicted_as_a_line_with_bands(command: Command, simulated: Path, tmp_path: Path) -> None:
    archive = ("--archive", simulated)
    result = command(
        "forecast", "--glacier", "Crane", "--until", "2025-03-01", "--contour", "--model", "last", *archive
    )
    assert result.code == 0, result.err
    contours = Archive(simulated).read("contours")
    assert set(contours["source"]) == {"simulated"}
    last = contours[contours["target_date"] == contours["target_date"].max()].to_crs("EPSG:3031")
    line = last.loc[last["kind"] == "front"].geometry.iloc[0]
    inner, outer = last[last["kind"] == "band-share"].sort_values("level").geometry
    assert outer.buffer(1).contains(line)
    assert inner.area < outer.area
    truth = shapely.LineString(simulated_crane(load_catalog().glacier("Crane")).centreline.coordinates).interpolate(
        known_position_m(pd.Timestamp("2024-10-11").date())
    )
    assert line.distance(truth) < 60
    command("report", "--glacier", "Crane", "--out", tmp_path / "page.html", *archive)


def test_catalog_and_data_list(command: Command) -> None:
    assert "Crane" in command("catalog").out
    names = [row["name"] for row in command("catalog", "--json").json]
    assert names == sorted(names, key=names.index)
    assert "CC-BY-4.0" in command("data", "list").out
    assert "coordinates" in command("catalog", "--template").out


def test_version(command: Command) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", command("--version").out)
