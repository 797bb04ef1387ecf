"""Every kind of archive keeps, replaces, forgets and gives back the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from glaciertime.archive import Archive
from glaciertime.archive.care import check, convert
from glaciertime.archive.schema import TABLES
from glaciertime.errors import UsageError
from glaciertime.provenance import Run
from glaciertime.record import read_record
from glaciertime.tables import SERIES_KEY, validate
from tests.archive.conftest import KINDS
from tests.archive.test_archive import tracked

NewArchive = Callable[[str], Archive]


def of_glacier(name: str, images: list[str], **changed: object) -> dict[str, object]:
    """Return what :func:`tracked` gives, of a glacier of another name."""
    given = tracked(images)
    return {
        "fronts": given["fronts"].assign(GlacierID=name),
        "observations": given["observations"].assign(glacier=name, **changed),
        "footprints": given["footprints"].assign(glacier=name),
        "inputs": [(name, *rest) for _, *rest in given["inputs"]],
    }


def forecasts(name: str, *, value: float = 590.0, cutoff: str = "2010-01-01") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "glacier": name, "variable": "area_km2", "method": "polygon", "footprint": "box", "dataset": "test",
            "model": "last", "cutoff": cutoff, "target_date": ["2011-01-01", "2012-01-01"], "horizon_days": 365.0,
            "quantile": 0.5, "value": value, "unit": "km2", "status": "ok", "source": "observed",
        }
    )  # fmt: skip


def scores(name: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "glacier": name, "variable": "area_km2", "method": "polygon", "footprint": "box", "dataset": "test",
            "model": "last", "horizon": "1y", "metric": ["mae", "mape"], "value": [1.5, np.nan], "n": 5, "n_failed": 1,
            "source": "observed",
        }
    )  # fmt: skip


def contours(name: str) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "glacier": name, "cutoff": "2010-01-01", "target_date": "2012-01-01", "horizon_days": 730.0, "model": "m",
            "kind": ["front", "band"], "level": [np.nan, 0.9], "half_width_m": [np.nan, 50.0], "n_calibration": np.nan,
            "status": "ok", "source": "observed",
        },
        geometry=[shapely.LineString([(-62, -65), (-62.1, -65.2)]), shapely.box(-62.2, -65.2, -62, -65)],
        crs="EPSG:4326",
    )  # fmt: skip


def rows_of(archive: Archive, table: str) -> pd.DataFrame:
    """Return all rows of a table, geometry as text, in an order of their own."""
    rows = archive.read(table)
    if isinstance(rows, gpd.GeoDataFrame):
        rows = pd.DataFrame(rows).assign(geometry=rows.geometry.to_wkb(hex=True))
    return rows.sort_values(list(rows.columns), ignore_index=True)


def fill(archive: Archive) -> None:
    """Store something in every table, of three glaciers with names that folders, SQL and hive trip over."""
    run = Run(arguments=("track",))
    for name in ("Crane", "mill = 5%/é", "Mill = 5%/é"):
        given = of_glacier(name, ["one", "two"])
        archive.store_tracked(**given, run=run.record(glacier=name, images=given["inputs"]))
        archive.store_forecasts(forecasts(name), run=run.record(glacier=name, tables={"observations": name}))
        archive.store_scores(scores(name))
        archive.store_contours(contours(name))
    local = of_glacier("Local", ["x"])
    archive.store_tracked(**{**local, "fronts": local["fronts"].set_crs(None, allow_override=True)})
    series = of_glacier("Far", ["f"], value=3.0)["observations"]
    both = pd.concat([series, series.assign(glacier="Near", value=4.0)])
    archive.store_series(both, source_file="/data/all.csv", run=run.record(files={"file": "/data/all.csv"}))


def test_reading_returns_what_was_stored(archive: Archive) -> None:
    given = tracked(["one", "two"])
    assert not archive.exists()
    assert archive.read("observations").empty
    archive.check_place()
    archive.store_tracked(**given)
    assert archive.exists()
    for some in ({}, {"glacier": "Crane"}, {"glacier": ["Crane", "none"]}, {"source": "observed", "dataset": ["test"]}):
        found = archive.read("observations", **some)
        pd.testing.assert_frame_equal(found, validate(given["observations"], "observations"))
    expected = validate(given["fronts"].assign(dataset="test"), "fronts")
    for some in ({}, {"glacier": "Crane"}):
        fronts = archive.read("fronts", **some)
        assert fronts.crs == "EPSG:4326"
        assert_geodataframe_equal(fronts.to_crs("EPSG:3031"), expected, check_less_precise=True)
    assert archive.read("observations", glacier="crane").empty
    assert archive.holds("Crane")
    assert not archive.holds("crane")
    assert archive.glaciers() == ["Crane"]
    assert archive.glaciers("fronts") == ["Crane"]


def test_rows_are_chosen_by_date_and_image(archive: Archive) -> None:
    archive.store_tracked(**tracked(["one", "two", "three"]))
    for some in ({}, {"glacier": "Crane"}):
        found = archive.read("observations", since="2003", until="2003-12", **some)
        assert list(found["image_id"]) == ["two"]
        assert list(archive.read("fronts", image=["one", "three"], **some)["ImageID"]) == ["one", "three"]


def test_what_is_measured_again_replaces_what_was_and_nothing_else(archive: Archive) -> None:
    archive.store_tracked(**tracked(["one", "two"]))
    archive.store_tracked(**of_glacier("Jorum", ["one"]))
    archive.store_tracked(**tracked(["two", "three"], value=5.0))
    found = archive.read("observations", glacier="Crane")
    assert dict(zip(found["image_id"], found["value"], strict=True)) == {"two": 5.0, "three": 5.0}
    assert len(archive.read("fronts")) == 3
    assert list(archive.read("observations", glacier="Jorum")["value"]) == [600.0]


def test_an_image_that_fails_now_keeps_its_earlier_value(archive: Archive) -> None:
    archive.store_tracked(**tracked(["one", "two"]))
    again = tracked(["one", "two"])
    again["observations"] = again["observations"].assign(value=np.nan, quality="failed: it is damaged")
    assert archive.store_tracked(**again) == ("one", "two")
    assert list(archive.read("observations")["value"]) == [600.0, 600.0]


def test_what_is_not_known_stays_so(archive: Archive) -> None:
    """NaN is neither 0 nor an empty text; texts keep their spaces, quotes and backslashes; days before 1900 stay."""
    given = tracked(['o\\n\'e "x"', "\ttwo ", "NULL", "\\N"])
    given["observations"] = given["observations"].assign(
        date=np.array(["1850-12-31", "1012-03-04", "1677-01-01", "2262-05-01"], dtype="datetime64[s]"),
        value=[1e-300, -0.0, np.nan, 1 / 3], sigma=[np.nan, 0.0, np.nan, 1e300], coverage=np.nan,
        sensor=["", "a", "", "é"],
    )  # fmt: skip
    archive.store_tracked(**given)
    for some in ({}, {"glacier": "Crane"}):
        found = archive.read("observations", **some)
        pd.testing.assert_frame_equal(found, validate(given["observations"], "observations"), check_exact=True)


def test_dates_with_a_zone_are_days_in_utc(archive: Archive) -> None:
    given = tracked(["one"])
    given["observations"]["date"] = pd.to_datetime(["2002-03-15T23:30:00-05:00"])
    archive.store_tracked(**given)
    assert list(archive.read("observations")["date"]) == [pd.Timestamp("2002-03-16")]


def test_geometries_are_flat_and_may_be_empty(archive: Archive) -> None:
    given = tracked(["one", "two", "three"])
    shapes = [shapely.LineString([(0, 0, 5), (1e5, 1, 6)]), shapely.LineString(),
              shapely.MultiLineString([[(0, 0), (1e5, 1)], [(2e5, 2), (3e5, 3)]])]  # fmt: skip
    given["fronts"] = given["fronts"].set_geometry(gpd.GeoSeries(shapes, crs="EPSG:3413"))
    archive.store_tracked(**given)
    for some in ({}, {"glacier": "Crane"}):
        first, empty, both = archive.read("fronts", **some).to_crs("EPSG:3413").geometry
        assert not first.has_z
        assert shapely.get_coordinates(first) == pytest.approx(np.array([(0, 0), (1e5, 1)]), abs=1e-6)
        assert empty.is_empty
        assert len(both.geoms) == 2
    assert check(archive).is_sound


def test_fronts_of_local_frames_have_no_place_on_earth(archive: Archive) -> None:
    given = tracked(["one"])
    given["fronts"] = given["fronts"].set_crs(None, allow_override=True)
    archive.store_tracked(**given)
    for some in ({}, {"glacier": "Crane"}):
        found = archive.read("fronts_local", **some)
        assert found.crs is None
        assert found.geometry.iloc[0].equals(given["fronts"].geometry.iloc[0])
    assert archive.read("fronts").empty
    assert len(archive.read_for_export("fronts")) == 1


def test_a_record_holds_all_tables_of_one_glacier(archive: Archive) -> None:
    fill(archive)
    record = read_record(archive, "Crane")
    counts = [len(getattr(record, name)) for name in ("observations", "fronts", "footprints", "forecasts", "scores",
                                                      "contours", "inputs")]  # fmt: skip
    assert counts == [2, 2, 1, 2, 2, 2, 2]
    assert archive.glaciers() == ["Crane", "Far", "Local", "Mill = 5%/é", "Near", "mill = 5%/é"]
    assert check(archive).problems == ()


def test_forecasts_replace_those_of_their_series_model_and_cutoff(archive: Archive) -> None:
    archive.store_forecasts(forecasts("Crane"))
    archive.store_forecasts(forecasts("Crane", cutoff="2011-01-01"))
    archive.store_forecasts(forecasts("Crane", value=1.0))
    found = archive.read("forecasts")
    assert sorted(found["value"]) == [1.0, 1.0, 590.0, 590.0]


def test_forgetting_takes_what_was_made_of_the_images_too(archive: Archive) -> None:
    fill(archive)
    before = archive.read("forecasts")
    assert archive.forget(glacier="Crane", dry_run=True) == {
        "fronts": 2, "footprints": 1, "observations": 2, "forecasts": 2, "scores": 2, "inputs": 2, "run_inputs": 3,
        "contours": 2,
    }  # fmt: skip
    pd.testing.assert_frame_equal(archive.read("forecasts"), before)
    archive.forget(glacier="Crane")
    assert "Crane" not in archive.glaciers()
    assert len(archive.read("forecasts")) == 4
    assert set(archive.forget(dataset="test")) >= {"observations", "fronts"}
    assert archive.read("observations").empty
    assert archive.read("forecasts").empty


def of_toy(table: str, **columns: object) -> pd.DataFrame:
    """One row of verdicts or of hazards, of the series of Crane."""
    if table == "verdicts":
        key = forecasts("Crane").assign(front_of="")[list(SERIES_KEY)].iloc[:1]
        row = {"horizon": "1y", "use": "last", "best": "drift", "error_ratio": 1.2, "p_value": None, "n": 9,
               "verdict": "1y: use last", "source": "observed"}  # fmt: skip
        return key.assign(**row).assign(**columns)
    row = {"glacier": "Crane", "terminus": "not known", "variable": "area_km2", "cutoff": "2010-01-01", "glaciers": 1,
           "exposure_years": 9.5, "losses": 1, "reading": "too few to say", "source": "observed"}  # fmt: skip
    return pd.DataFrame([row]).assign(**columns)


def test_verdicts_and_hazards_are_stored_replaced_and_forgotten(archive: Archive) -> None:
    fill(archive)
    run = Run(arguments=("backtest",))
    made_by = run.record(settings={})
    archive.store_scores(archive.read("scores", glacier="Crane"), run=made_by)
    archive.store_verdicts(of_toy("verdicts"), run=made_by)
    archive.store_hazards(of_toy("hazards"))
    archive.store_hazards(of_toy("hazards", losses=2))
    archive.store_hazards(of_toy("hazards", cutoff="2009-01-01"))
    record = read_record(archive, "Crane")
    assert record.verdicts[["error_ratio", "n"]].values.tolist() == [[1.2, 9]]
    assert record.verdicts["p_value"].isna().all()
    assert sorted(record.hazards["losses"]) == [1, 2]
    assert record.hazards["rate_per_year"].isna().all()
    assert archive.read_for_export("hazards")["exposure_years"].tolist() == [9.5, 9.5]
    # A run is known as long as a row of any of its tables names it.
    archive.store_verdicts(of_toy("verdicts", n=10), run=Run(arguments=("backtest", "--again")).record(settings={}))
    assert made_by.run in set(archive.read("runs")["run"])
    gone = archive.forget(glacier="Crane")
    assert (gone["verdicts"], gone["hazards"]) == (1, 2)
    assert archive.read("verdicts").empty
    assert archive.read("hazards").empty


def test_a_file_of_series_that_is_read_again_replaces_what_it_gave(archive: Archive) -> None:
    fill(archive)
    series = of_glacier("Far", ["f"], value=9.0)["observations"]
    archive.store_series(series, source_file="/data/all.csv")
    assert list(archive.read("observations", glacier="Far")["value"]) == [9.0]
    assert archive.read("observations", glacier="Near").empty


def test_streams_give_every_row_once(archive: Archive) -> None:
    fill(archive)
    for table in TABLES:
        parts = list(archive.stream(table, rows=2))
        assert all(len(part) <= 2 for part in parts)
        rows = archive.read(table)
        assert sum(map(len, parts)) == len(rows)
        if len(rows):
            joined = pd.concat(parts, ignore_index=True)
            pd.testing.assert_frame_equal(pd.DataFrame(joined), pd.DataFrame(rows))
    assert sum(len(part) for part in archive.stream("observations", glacier=["Crane", "Far"])) == 3


@pytest.mark.parametrize(("one", "other"), [*permutations(KINDS, 2)])
def test_all_rows_go_from_one_kind_to_another_and_back(new_archive: NewArchive, one: str, other: str) -> None:
    source, there, back = new_archive(one), new_archive(other), new_archive(one)
    fill(source)
    counts = convert(source, there)
    assert counts == convert(there, back)
    for table in TABLES:
        expected = rows_of(source, table)
        assert len(expected) == counts[table]
        for copy in (there, back):
            pd.testing.assert_frame_equal(rows_of(copy, table), expected)
    assert len(rows_of(there, "runs")) == 7
    with pytest.raises(UsageError, match="holds something already"):
        convert(source, there)


@pytest.mark.parametrize(("one", "other"), [*permutations(KINDS, 2)])
def test_one_kind_takes_in_what_another_holds(new_archive: NewArchive, one: str, other: str) -> None:
    target, source = new_archive(one), new_archive(other)
    target.store_tracked(**tracked(["one", "old"], value=1.0))
    fill(source)
    counts, left_out = target.take_in(source)
    assert (counts["observations"], left_out) == (9, 0)
    found = target.read("observations", glacier="Crane")
    assert dict(zip(found["image_id"], found["value"], strict=True)) == {"one": 600.0, "two": 600.0}
    assert len(target.read("runs")) == 4
    again, _ = target.take_in(source)
    assert again == counts
    assert len(target.read("observations")) == 9


def test_a_run_of_no_glacier_and_of_others_is_kept_whole(archive: Archive) -> None:
    run = Run(arguments=("report",))
    archive.store_run(run.record(settings={"output": "x"}))
    several = [("Crane", "test", "a", "a.tif"), ("Jorum", "test", "b", "b.tif")]
    archive.store_tracked(**tracked(["a"]), run=Run(arguments=("track",)).record(images=several))
    assert len(archive.read("runs")) == 2
    assert list(archive.read("run_inputs").sort_values("image_id")["glacier"]) == ["Crane", "Jorum"]


def test_an_archive_takes_in_others_only(archive: Archive) -> None:
    archive.store_tracked(**tracked(["one"]))
    with pytest.raises(UsageError, match="cannot take in itself"):
        archive.take_in(Archive(archive.path))
    with pytest.raises(UsageError, match="was given twice"):
        convert(archive, Archive(archive.path))


def test_an_archive_says_what_it_is(tmp_path: Path) -> None:
    assert Archive(tmp_path / "a.gpkg").storage.keeps_glaciers_apart is False
    assert Archive(tmp_path / "a").storage.keeps_glaciers_apart is True
    with pytest.raises(UsageError, match=r"mysql://\.\.\. is no place of an archive"):
        Archive("mysql://anna:geheim@host/db")
