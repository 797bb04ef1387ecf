"""Outlines and traces as people have them: dates, names, parts, rock, files, the 180th meridian; right or refused."""

from __future__ import annotations

import datetime as dt
import shutil
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

from glaciertime.catalog import Glacier
from glaciertime.dates import Dated, DateReading
from glaciertime.errors import AmbiguousDateError, DataNotFoundError, GlacierTimeError, InputError, UsageError
from glaciertime.pipeline import TrackOutcome, TrackRequest, track_glacier
from glaciertime.scenes.folder import MaskReading
from glaciertime.scenes.glacier_rows import VectorReading
from glaciertime.scenes.locate import locate
from glaciertime.tables import flags_of

UTM = "EPSG:32632"
X, Y = 630_000, 5_180_000
#: On this plane, off its central meridian, a true km2 per km2 of the plane.
TRUE = 1.000375


def square(km: float = 3.0, *, x_km: float = 0.0, y_km: float = 0.0) -> shapely.Polygon:
    x, y = X + 1000 * x_km, Y + 1000 * y_km
    return shapely.box(x, y, x + 1000 * km, y + 1000 * km)


def write(path: Path, geometry: list[Any], *, crs: str | None = UTM, layer: str | None = None, **columns: Any) -> Path:
    index = range(len(geometry))
    table = gpd.GeoDataFrame(pd.DataFrame(columns, index=index), geometry=gpd.GeoSeries(geometry, index=index, crs=crs))
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        options = {"driver": "KML"} if path.suffix == ".kml" else {}
        table.to_file(path, **({"layer": layer} if layer else {}), **options, engine="pyogrio")
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    folder = tmp_path / "manifest"
    folder.mkdir()
    (folder / "g.yaml").write_text(f"name: G\ncrs: {UTM}\nbox: [625000, 5175000, 645000, 5190000]\n")
    return folder / "g.yaml"


def track(data: Path, manifest: Path | None, glacier: str = "G", *, crs: str = "", **told: Any) -> TrackOutcome:
    dates = DateReading(form=told.pop("form", ""), order=told.pop("order", ""))
    return track_glacier(
        TrackRequest(
            glacier=glacier,
            data=data,
            manifests=(manifest,) if manifest else (),
            columns=VectorReading(dates=dates, **told),
            reading=MaskReading(crs=pyproj.CRS(crs) if crs else None),
        )
    )


def areas(outcome: TrackOutcome) -> list[tuple[str, float]]:
    """Return days and km2 of the plane."""
    assert outcome.tracked is not None
    rows = outcome.tracked.observations.query("variable == 'area_km2' and value == value")
    return [(str(row.date.date()), round(row.value / TRUE, 2)) for row in rows.itertuples()]


def days(outcome: TrackOutcome) -> list[str]:
    return [day for day, _ in areas(outcome)]


def quality(outcome: TrackOutcome) -> list[set[str]]:
    assert outcome.tracked is not None
    return [set(flags_of(text)) for text in outcome.tracked.observations["quality"]]


# Dates


def cases_of(shared_cases: Path) -> tuple[Path, Path]:
    return shared_cases / "dates_and_names", shared_cases / "dates_and_names" / "g.yaml"


def test_numbers_of_the_case_are_days(shared_cases: Path) -> None:
    folder, manifest = cases_of(shared_cases)
    assert days(track(folder / "dates/integer.geojson", manifest)) == ["2003-08-12", "2010-08-12"]


def test_numbers_of_the_case_in_a_geopackage_are_days(shared_cases: Path) -> None:
    outcome = track(shared_cases / "dates_and_names/intdate.gpkg", None, "Toy")
    assert outcome.tracked is not None
    assert [str(date.date()) for date in outcome.tracked.fronts["Date"]] == ["2001-03-15", "2002-03-15"]


def test_days_and_months_of_the_case_are_refused_unless_told(shared_cases: Path) -> None:
    folder, manifest = cases_of(shared_cases)
    with pytest.raises(AmbiguousDateError, match="row 1: give --day-first or --month-first"):
        track(folder / "dates/dayfirst.geojson", manifest)
    told = track(folder / "dates/dayfirst.geojson", manifest, order="day-first")
    assert days(told) == ["2003-08-12", "2003-08-13"]


def test_the_year_of_the_case_is_flagged_and_takes_no_order(shared_cases: Path) -> None:
    folder, manifest = cases_of(shared_cases)
    outcome = track(folder / "dates/year.geojson", manifest)
    assert (days(outcome), quality(outcome)) == (["2003-01-01"], [{"year-only"}])
    with pytest.raises(UsageError, match=r"--day-first: no date of year\.geojson needs it; leave it out"):
        track(folder / "dates/year.geojson", manifest, order="day-first")


def test_the_bad_date_of_the_case_is_the_reason_of_its_row(shared_cases: Path) -> None:
    folder, manifest = cases_of(shared_cases)
    outcome = track(folder / "dates/one_bad.geojson", manifest)
    assert (days(outcome), outcome.exit_code) == (["2004-02-29"], 3)
    assert "row 1: '2003-02-29' is not a date (there is no day 29 in month 2 of 2003)" in outcome.problems[0]


DATED = {
    "numbers in a column of floats": ([20030812.0, np.nan], ["2003-08-12"]),
    "dates of a spreadsheet's export": (["2003-08-12 00:00:00", "2004-08-12 00:00:00"], ["2003-08-12", "2004-08-12"]),
    "mixed forms": (["20030812", "2004-224", "12 août 2005"], ["2003-08-12", "2004-08-11", "2005-08-12"]),
    "inventories": (["19990000", "20039999", "20050799"], ["1999-01-01", "2003-01-01", "2005-07-01"]),
    "day of year": (["2002_313", "2002313"], ["2002-11-09"]),
    "time zones": (["2002-01-01T23:30:00-05:00", "2003-06-01T00:30:00+02:00"], ["2002-01-02", "2003-05-31"]),
    "decimal years": ([2002.29, 2003.62], ["2002-04-17", "2003-08-15"]),
    "hydrological years": (["2002/03", "2003/04"], ["2003-09-30", "2004-09-30"]),
    "before nanoseconds": (["1600-08-12", "1530"], ["1530-01-01", "1600-08-12"]),
    "sentinels and a day to come": (["-9999999", "0", "2126-01-01", "2003-08-12"], ["2003-08-12"]),
    "years of two digits": (["12/08/03", "2003-08-12"], ["2003-08-12"]),
}


@pytest.mark.parametrize("ending", ["gpkg", "geojson"])
@pytest.mark.parametrize(("values", "expected"), DATED.values(), ids=DATED)
def test_dates_as_they_come(
    tmp_path: Path, manifest: Path, ending: str, values: list[Any], expected: list[str]
) -> None:
    path = write(tmp_path / f"o.{ending}", [square()] * len(values), name="G", date=values)
    assert sorted(set(days(track(path, manifest)))) == expected


@pytest.mark.parametrize(
    "values", [["12.8.2003", "13.8.2003"], ["2003-01-01", "03/04/2002"], [2002.11, 2003.05], ["2002.313", "2003.100"]]
)
def test_a_column_that_can_mean_two_days_is_refused(tmp_path: Path, manifest: Path, values: list[Any]) -> None:
    path = write(tmp_path / "o.gpkg", [square()] * 2, name="G", date=values)
    with pytest.raises(AmbiguousDateError, match=r"o\.gpkg, column date: .* give --(day-first|date-format)"):
        track(path, manifest)


def test_years_and_days_in_one_column_of_numbers(tmp_path: Path, manifest: Path) -> None:
    outcome = track(write(tmp_path / "o.gpkg", [square()] * 2, name="G", date=[2001, 20010315]), manifest)
    assert days(outcome) == ["2001-01-01", "2001-03-15"]
    assert quality(outcome) == [{"year-only"}, {"ok"}]


def test_numbers_that_were_read_as_nanoseconds_are_told(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.parquet", [square()], name="G", date=pd.to_datetime([20030812]))
    with pytest.raises(InputError, match="a number that was read as time since 1970"):
        track(path, manifest)


@pytest.mark.parametrize("column", ["BgnDate", "AcqDay", "SRC_DATE", "src_date", "SourceDate", "Rep_Date", "DATE_"])
def test_columns_of_dates_are_known(tmp_path: Path, manifest: Path, column: str) -> None:
    path = write(tmp_path / "o.gpkg", [square()], name="G", **{column: ["20030812"]})
    assert days(track(path, manifest)) == ["2003-08-12"]


def test_an_end_is_told_of_what_was_drawn_on_several_images(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.gpkg", [square()], name="G", BgnDate=["20030799"], EndDate=["20030999"])
    assert quality(track(path, manifest)) == [{"month-only", "nominal-date"}]
    path = write(tmp_path / "p.gpkg", [square()], name="G", BgnDate=["20030712"], EndDate=["-9999999"])
    assert quality(track(path, manifest)) == [{"ok"}]


def test_year_month_and_day_in_columns_of_their_own(tmp_path: Path, manifest: Path) -> None:
    path = write(
        tmp_path / "o.gpkg", [square()] * 3, name="G", Year=[2003, 2004, 2005], Month=[8, 7, 0], Day=[12, 0, 0]
    )
    outcome = track(path, manifest)
    assert days(outcome) == ["2003-08-12", "2004-07-01", "2005-01-01"]
    assert quality(outcome) == [{"ok"}, {"month-only"}, {"year-only"}]


def test_a_column_called_decimal_year_holds_them(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.gpkg", [square()] * 2, name="G", DecDate=[2003.1, 2004.5])
    assert days(track(path, manifest)) == ["2003-02-06", "2004-07-02"]


def test_a_column_that_is_named_is_read_and_one_that_is_not_there_is_listed(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.gpkg", [square()], name="G", date=["2001-01-01"], flown=["12.08.03"])
    assert days(track(path, manifest, date_column="flown", form="%d.%m.%y")) == ["2003-08-12"]
    with pytest.raises(InputError, match=r"--date-column flow: .* did you mean flown"):
        track(path, manifest, date_column="flow")


def test_the_south_ends_its_year_in_march(tmp_path: Path) -> None:
    path = write(
        tmp_path / "o.gpkg", [shapely.box(-69, -49, -68.9, -48.9)], crs="EPSG:4326", name="P", date=["2002/03"]
    )
    assert days(track(path, None, "P")) == ["2003-03-31"]


def test_the_date_of_a_file_or_a_layer_is_in_its_name(tmp_path: Path, manifest: Path) -> None:
    assert days(track(write(tmp_path / "G_20030812.shp", [square()], name="G"), manifest)) == ["2003-08-12"]
    path = tmp_path / "layers.gpkg"
    for day in ("2003-08-12", "2004-08-12"):
        write(path, [square()], layer=f"front_{day}", name="G")
    assert days(track(path, manifest)) == ["2003-08-12", "2004-08-12"]


def test_a_layer_without_dates_lists_its_columns(tmp_path: Path, manifest: Path) -> None:
    with pytest.raises(InputError, match="no column of dates and none in its name; its columns are name, when_"):
        track(write(tmp_path / "o.gpkg", [square()], name="G", when_=["2003-08-12"]), manifest)


# Names


def test_only_the_rows_of_the_case_are_measured(shared_cases: Path) -> None:
    folder, manifest = cases_of(shared_cases)
    assert areas(track(folder / "names/glac_name.geojson", manifest)) == [("2003-08-12", 9.0)]


@pytest.mark.parametrize(
    "column", ["glac_name", "Glac_Name", "NAME", "GLACIER", "Name", "OfficialN", "GrnlndcN", "Glc_Name", "shelf_name",
               "RGIId", "rgi_id", "glac_id", "GlacierID", "Glacier_ID", "SGI", "FCGI_ID"],
)  # fmt: skip
def test_a_layer_with_other_glaciers_in_it_never_becomes_one(tmp_path: Path, manifest: Path, column: str) -> None:
    geometry = [square(), square(5, x_km=4)]
    path = write(tmp_path / "o.gpkg", geometry, date="2003-08-12", **{column: ["G", "Other"]})
    assert areas(track(path, manifest)) == [("2003-08-12", 9.0)]
    path = write(tmp_path / "p.gpkg", geometry, date="2003-08-12", **{column: ["One", "Other"]})
    with pytest.raises(DataNotFoundError, match=f"holds nothing of G; its column {column} names One, Other"):
        track(path, manifest)


@pytest.mark.parametrize(("held", "typed"), [(103, "103"), (103.0, "103"), ("103.0", "103"), ("0103", "0103")])
def test_numbers_of_glaciers_are_names(tmp_path: Path, held: object, typed: str) -> None:
    path = write(tmp_path / "o.gpkg", [square(), square(5, x_km=4)], date="2003-08-12", GlacierID=[held, "7"]
                 if isinstance(held, str) else [held, 7])  # fmt: skip
    outcome = track(path, None, typed)
    assert (outcome.glacier, areas(outcome)) == (typed, [("2003-08-12", 9.0)])


def test_a_name_is_found_however_its_letters_are_composed_and_stored_as_the_file_has_it(tmp_path: Path) -> None:
    held = unicodedata.normalize("NFD", "Großer Übeltalferner")
    path = write(tmp_path / "o.gpkg", [square(), square(5, x_km=4)], date="2003-08-12", name=[held, "x y"])
    for typed in ("Großer Übeltalferner", held, "GROSSER ÜBELTALFERNER"):
        outcome = track(path, None, typed)
        assert outcome.glacier == "Großer Übeltalferner"
        assert areas(outcome) == [("2003-08-12", 9.0)]


def test_several_glaciers_of_one_name_are_refused_with_their_identifiers(tmp_path: Path) -> None:
    path = write(
        tmp_path / "o.gpkg", [square(), square(5, x_km=4), square(1, y_km=6)], date="2003-08-12",
        Name=["Weißbrunnferner", "Weißbrunnferner", None], RGIId=["RGI60-11.1", "RGI60-11.2", "RGI60-11.3"],
    )  # fmt: skip
    with pytest.raises(InputError, match=r"2 glaciers are called .*; name one by its RGIId: RGI60-11.1, RGI60-11.2"):
        track(path, None, "Weißbrunnferner")
    assert areas(track(path, None, "RGI60-11.2")) == [("2003-08-12", 25.0)]


def test_a_glacier_of_one_name_and_several_dates_is_one(tmp_path: Path) -> None:
    path = write(
        tmp_path / "o.gpkg", [square(), square(2)], src_date=["2003-08-12", "2010-08-12"], glac_name="W",
        glac_id="G01", rgi_id=["RGI-1", "RGI-2"],
    )  # fmt: skip
    assert areas(track(path, None, "W")) == [("2003-08-12", 9.0), ("2010-08-12", 4.0)]


def test_an_unknown_column_that_holds_the_name_tells_and_others_are_listed(tmp_path: Path, manifest: Path) -> None:
    geometry = [square(), square(5, x_km=4)]
    path = write(tmp_path / "o.gpkg", geometry, date="2003-08-12", Eisfeld=["G", "Other"])
    assert areas(track(path, manifest)) == [("2003-08-12", 9.0)]
    path = write(tmp_path / "p.gpkg", geometry, date="2003-08-12", Eisfeld=["One", "Other"])
    with pytest.raises(
        InputError, match=r"no known column names the glaciers; its columns are date, Eisfeld\. Give --na"
    ):
        track(path, manifest)
    assert areas(track(path, manifest, "G", name_column="none")) == [("2003-08-12", 34.0)]


def test_columns_that_are_named_are_used_or_refused(tmp_path: Path, manifest: Path) -> None:
    geometry = [square(), square(5, x_km=4)]
    path = write(tmp_path / "o.gpkg", geometry, date="2003-08-12", name=["Other", "G"], code=[7, 8])
    assert areas(track(path, manifest)) == [("2003-08-12", 25.0)]
    assert areas(track(path, None, "7", id_column="CODE")) == [("2003-08-12", 9.0)]
    with pytest.raises(InputError, match=r"--id-column nr: .* it has date, name, code"):
        track(path, manifest, id_column="nr")


def test_of_two_columns_of_names_the_first_tells_and_the_second_where_it_is_empty(
    tmp_path: Path, manifest: Path
) -> None:
    geometry = [square(), square(5, x_km=4), square(1, y_km=6)]
    path = write(tmp_path / "o.gpkg", geometry, date="2003-08-12", glacier=["G", "Other", None], name=["x", "G", "G"])
    assert areas(track(path, manifest)) == [("2003-08-12", 10.0)]


@pytest.mark.parametrize("columns", [{}, {"id": [1, 2]}, {"Area": [9.0, 25.0]}])
def test_rows_side_by_side_that_nothing_names_are_refused(tmp_path: Path, manifest: Path, columns: Any) -> None:
    path = write(tmp_path / "o.gpkg", [square(), square(5, x_km=2.5)], date="2003-08-12", **columns)
    with pytest.raises(InputError, match="no column names the glaciers, and one day has several outlines"):
        track(path, manifest)


def test_rows_far_apart_that_nothing_names_are_refused(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.gpkg", [square(), square(5, x_km=9)], date=["2003-08-12", "2004-08-12"])
    with pytest.raises(InputError, match="the rows lie apart as if of several; cut the file"):
        track(path, manifest)
    lines = [shapely.LineString([(X + d, Y), (X + d, Y + 2000)]) for d in (0, 90_000)]
    path = write(tmp_path / "t.gpkg", lines, date=["2003-08-12", "2004-08-12"])
    with pytest.raises(InputError, match="the rows lie apart"):
        track(path, manifest)


def test_one_glacier_at_several_dates_needs_no_column(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.gpkg", [square(), square(2)], date=["2003-08-12", "2004-08-12"])
    assert areas(track(path, manifest)) == [("2003-08-12", 9.0), ("2004-08-12", 4.0)]


# Rows


def test_parts_and_rock_of_the_case_are_one_value(shared_cases: Path) -> None:
    folder, manifest = cases_of(shared_cases)
    outcome = track(folder / "rows/parts_and_rock.geojson", manifest)
    assert areas(outcome) == [("2003-08-12", 9.0)]
    assert "parts of one day were joined: 2 rows in 1 observation" in outcome.notes
    assert "rock was taken off 1 outline" in outcome.notes


def rows(path: Path, geometry: list[Any], kinds: list[str | None], **columns: Any) -> Path:
    given = {"glac_name": "G", "src_date": "2003-08-12", "line_type": kinds, **columns}
    return write(path, geometry, **given)


def test_rock_that_is_a_hole_already_is_not_taken_off_twice(tmp_path: Path, manifest: Path) -> None:
    rock = square(1, x_km=1, y_km=1)
    kinds = ["glac_bound", "intrnl_rock"]
    assert areas(track(rows(tmp_path / "a.gpkg", [square().difference(rock), rock], kinds), manifest))[0][1] == 8.0
    half = square(1, x_km=-0.5)
    assert areas(track(rows(tmp_path / "b.gpkg", [square(), half], kinds), manifest))[0][1] == 8.5
    assert areas(track(rows(tmp_path / "c.gpkg", [square(), rock, rock], [*kinds, kinds[1]]), manifest))[0][1] == 8.0


def test_debris_belongs_to_the_glacier_and_lakes_do_not(tmp_path: Path, manifest: Path) -> None:
    kinds = ["glac_bound", "debris_cov", "debris_cov", "snowline", "pro_lake"]
    geometry = [square(), square(1), square(1, x_km=3), square(2), square(1, x_km=5)]
    outcome = track(rows(tmp_path / "a.gpkg", geometry, kinds), manifest)
    assert areas(outcome) == [("2003-08-12", 10.0)]
    assert "rows of line_type pro_lake, snowline are no ice and were left out" in outcome.notes


def test_rock_of_another_day_is_taken_off_nothing(tmp_path: Path, manifest: Path) -> None:
    path = rows(tmp_path / "a.gpkg", [square(), square(1)], ["glac_bound", "intrnl_rock"],
                src_date=["2003-08-12", "2004-08-12"])  # fmt: skip
    outcome = track(path, manifest)
    assert areas(outcome) == [("2003-08-12", 9.0)]
    assert "rock inside an outline, and there is no outline of that day" in " ".join(outcome.problems)


def test_equal_rows_are_counted_once(tmp_path: Path, manifest: Path) -> None:
    turned = shapely.Polygon([*square().exterior.coords[2:], *square().exterior.coords[1:3]])
    path = write(tmp_path / "o.gpkg", [square(), turned, square(1, x_km=5)], name="G", date="2003-08-12")
    outcome = track(path, manifest)
    assert areas(outcome) == [("2003-08-12", 10.0)]
    assert "rows that are there twice were counted once: 1" in outcome.notes


def test_two_opinions_of_one_day_are_two_values(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.gpkg", [square(3), square(2.8)], name="G", date="2003-08-12")
    assert areas(track(path, manifest)) == [("2003-08-12", 9.0), ("2003-08-12", 7.84)]
    path = write(
        tmp_path / "p.gpkg", [square(3), square(1, x_km=5)], name="G", date="2003-08-12", Author=["one", "two"]
    )
    assert areas(track(path, manifest)) == [("2003-08-12", 9.0), ("2003-08-12", 1.0)]


@pytest.mark.parametrize(
    ("ring", "km2"),
    [
        ([(0, 0), (2, 2), (2, 0), (0, 2)], 2.0),  # a bow tie
        ([(0, 0), (3, 0), (3, 3), (1, 3), (1, -1), (2, -1), (2, 3), (0, 3)], 10.0),  # a strip crossed by a loop
        ([(0, 0), (2, 0), (2, 2), (1, 2), (1, 3), (1, 2), (0, 2)], 4.0),  # a spike
    ],
)
def test_a_ring_that_crosses_itself_is_mended_and_told(
    tmp_path: Path, manifest: Path, ring: list[tuple[float, float]], km2: float
) -> None:
    polygon = shapely.Polygon([(X + 1000 * x, Y + 1000 * y) for x, y in ring])
    outcome = track(write(tmp_path / "o.gpkg", [polygon], name="G", date="2003-08-12"), manifest)
    assert areas(outcome) == [("2003-08-12", km2)]
    assert quality(outcome) == [{"mended"}]
    assert "an outline that crosses itself was mended: 1 observation" in outcome.notes


def test_rows_without_ice_are_reasons_and_no_zeros(tmp_path: Path, manifest: Path) -> None:
    geometry = [square(), None, shapely.Polygon(), shapely.LineString([(X, Y), (X + 1, Y)])]
    path = write(tmp_path / "o.gpkg", geometry, name="G", date=[f"200{n}-08-12" for n in range(4)])
    outcome = track(path, manifest)
    assert areas(outcome) == [("2000-08-12", 9.0)]
    assert len(outcome.problems) == 3


def test_a_collection_of_geometries_is_its_polygons(tmp_path: Path, manifest: Path) -> None:
    mixed = shapely.GeometryCollection([square(), shapely.Point(X, Y), shapely.MultiPolygon([square(1, x_km=5)])])
    path = write(tmp_path / "o.geojson", [mixed], name="G", date="2003-08-12")
    assert areas(track(path, manifest)) == [("2003-08-12", 10.0)]


def fronts(path: Path, lines: list[list[tuple[float, float]]], **columns: Any) -> Path:
    geometry = [shapely.LineString([(X + x, Y + y) for x, y in line]) for line in lines]
    return write(path, geometry, **{"name": "G", "date": "2003-08-12", **columns})


def traced(outcome: TrackOutcome) -> list[float]:
    assert outcome.tracked is not None
    widths = outcome.tracked.fronts.to_crs(UTM).geometry.length
    return [round(float(width)) for width in widths]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    (tmp_path / "bare.yaml").write_text(f"name: G\ncrs: {UTM}\n")
    return tmp_path / "bare.yaml"


def test_pieces_of_a_front_are_one_and_repeats_are_not(tmp_path: Path, bare: Path) -> None:
    pieces = [[(0, 0), (0, 1000)], [(0, 1500), (0, 3000)]]
    assert traced(track(fronts(tmp_path / "a.gpkg", pieces), bare)) == [2500]
    again = [*pieces, pieces[0][::-1]]
    outcome = track(fronts(tmp_path / "b.gpkg", again), bare)
    assert traced(outcome) == [2500]
    assert "rows that are there twice were counted once: 1" in outcome.notes
    beside = [[(0, 0), (0, 3000)], [(40, 0), (40, 3000)]]
    assert traced(track(fronts(tmp_path / "c.gpkg", beside), bare)) == [3000, 3000]
    assert traced(track(fronts(tmp_path / "d.gpkg", pieces, Author=["one", "two"]), bare)) == [1000, 1500]


# Files


def test_a_parquet_file_without_a_layer_of_boxes_has_none(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.parquet", [square(), square(2)], glacier="G", date=["2003-08-12", "2004-08-12"])
    assert areas(track(path, None)) == areas(track(path, manifest)) == [("2003-08-12", 9.0), ("2004-08-12", 4.0)]


def test_a_box_has_its_own_coordinate_system(tmp_path: Path) -> None:
    for layer_crs in (UTM, "EPSG:4326", "EPSG:3035"):
        path = tmp_path / f"o{layer_crs[-4:]}.gpkg"
        write(path, [square(), square(4)], layer="ice", glacier="G", date=["2003-08-12", "2004-08-12"])
        box = gpd.GeoSeries([shapely.segmentize(square(2), 20)], crs=UTM).to_crs(layer_crs).iloc[0]
        write(path, [box, square(5)], layer="boxes", crs=layer_crs, glacier=["G", "Other"])
        assert areas(track(path, None)) == [("2003-08-12", 4.0), ("2004-08-12", 4.0)]


def test_columns_of_categories_lists_and_second_geometries_are_no_trouble(tmp_path: Path, manifest: Path) -> None:
    path = write(
        tmp_path / "o.parquet", [square(), square(5, x_km=4)], name=pd.Categorical(["G", "Other"]), date="2003-08-12",
        tags=[["a", "b"], ["c"]], centre=gpd.GeoSeries([square().centroid] * 2, crs=UTM),
    )  # fmt: skip
    assert areas(track(path, manifest)) == [("2003-08-12", 9.0)]


def test_the_dates_of_files_in_a_table_are_those_of_their_layers(tmp_path: Path, manifest: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a", "b"):
        write(folder / f"{name}.geojson", [square()], name="G")
    dates = {"a.geojson": Dated(dt.date(2003, 8, 12)), "b.geojson": "b.geojson: 'soon' is not a date"}
    outcome = track_glacier(
        TrackRequest(glacier="G", data=folder, manifests=(manifest,), reading=MaskReading(dates=dates))
    )
    assert days(outcome) == ["2003-08-12"]
    assert "'soon' is not a date" in outcome.problems[0]


@pytest.mark.parametrize("ending", ["shp", "geojson", "gpkg", "fgb", "parquet", "kml"])
def test_a_folder_of_files_is_one_data_set(tmp_path: Path, manifest: Path, ending: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for year in (2003, 2004):
        degrees = gpd.GeoSeries([shapely.segmentize(square(), 100)], crs=UTM).to_crs("EPSG:4326").iloc[0]
        write(folder / f"ice_{year}0812.{ending}", [degrees], crs="EPSG:4326")
    outcome = track(folder, manifest)
    assert (areas(outcome), outcome.dataset) == ([("2003-08-12", 9.0), ("2004-08-12", 9.0)], "mine")


def test_of_a_folder_the_files_of_the_glacier_are_read(tmp_path: Path, manifest: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    write(folder / "G_20030812.geojson", [square()])
    write(folder / "G_20040812.geojson", [square(2)])
    write(folder / "Other_20040812.geojson", [square(5)])
    assert areas(track(folder, manifest)) == [("2003-08-12", 9.0), ("2004-08-12", 4.0)]
    for name in ("H_20030812", "I_20040812"):
        (folder / f"G{name[1:]}.geojson").unlink()
        write(folder / f"{name}.geojson", [square()])
    with pytest.raises(InputError, match="tell which are of G; put its name into the names of its files"):
        track(folder, manifest)


def test_a_damaged_file_of_a_folder_is_its_own_reason(tmp_path: Path, manifest: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    write(folder / "a.gpkg", [square()], name="G", date="2003-08-12")
    write(folder / "b.gpkg", [square()], name="G", date="2004-08-12")
    write(folder / "c.gpkg", [square()], name="G", when_="2004-08-12")
    outcome = track(folder, manifest)
    assert days(outcome) == ["2003-08-12", "2004-08-12"]
    assert "c.gpkg has no column of dates" in outcome.problems[0]


def test_files_in_several_coordinate_systems_measure_alike(tmp_path: Path, manifest: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for year, crs in ((2003, UTM), (2004, "EPSG:4326"), (2005, "EPSG:3035")):
        moved = gpd.GeoSeries([shapely.segmentize(square(), 50)], crs=UTM).to_crs(crs).iloc[0]
        write(folder / f"G{year}.geojson", [moved], crs=crs, name="G", date=f"{year}-08-12")
    assert [km2 for _, km2 in areas(track(folder, manifest))] == [9.0, 9.0, 9.0]


def test_a_zip_of_a_shapefile_is_read(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.shp", [square(), square(5, x_km=4)], Name=["G", "Other"], BgnDate="20030812")
    with zipfile.ZipFile(tmp_path / "o.zip", "w") as archive:
        for part in tmp_path.glob("o.*"):
            if part.suffix != ".zip":
                archive.write(part, f"deep/{part.name}")
    shutil.rmtree(tmp_path / "gone", ignore_errors=True)
    path.unlink()
    assert areas(track(tmp_path / "o.zip", manifest)) == [("2003-08-12", 9.0)]


def test_a_layer_without_a_coordinate_system_takes_the_one_that_is_given(tmp_path: Path, manifest: Path) -> None:
    path = write(tmp_path / "o.shp", [square()], Name="G", date="20030812", crs=None)
    with pytest.raises(InputError, match=r"o\.shp has no coordinate system; give --crs EPSG:CODE"):
        track(path, manifest)
    assert areas(track(path, manifest, crs=UTM)) == [("2003-08-12", 9.0)]


@pytest.mark.parametrize("name", ["o.zip", "o.gpkg", "o.shp", "o.geojson", "o.parquet", "o.kml"])
def test_what_is_no_vector_file_is_refused(tmp_path: Path, manifest: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 not what it says")
    with pytest.raises(GlacierTimeError, match=name.replace(".", r"\.")):
        track(tmp_path / name, manifest)


# The 180th meridian

AM = shapely.box(179.9, 67.0, 180.1, 67.05)
FORMS = {
    "wrapped": shapely.Polygon([(179.9, 67), (-179.9, 67), (-179.9, 67.05), (179.9, 67.05)]),
    "beyond": AM,
    "west": shapely.box(-180.1, 67.0, -179.9, 67.05),
    "cut": shapely.MultiPolygon([shapely.box(179.9, 67, 180, 67.05), shapely.box(-180, 67, -179.9, 67.05)]),
    "rows": [shapely.box(179.9, 67, 180, 67.05), shapely.box(-180, 67, -179.9, 67.05)],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("with_place", [True, False])
def test_the_180th_meridian_in_any_form(tmp_path: Path, form: str, with_place: bool) -> None:
    manifest = tmp_path / "a.yaml"
    manifest.write_text(
        "name: A\ncrs: EPSG:3413\nbox: [-1795082, 1770690, -1770690, 1795082]\n" if with_place else "name: A\n"
    )
    geometry = FORMS[form] if isinstance(FORMS[form], list) else [FORMS[form]]
    outcome = track(
        write(tmp_path / "o.gpkg", geometry, crs="EPSG:4326", glacier="A", date="2003-08-12"), manifest, "A"
    )
    assert outcome.tracked is not None
    assert outcome.tracked.observations["value"].tolist() == pytest.approx([48.596], abs=1e-3)
    x_min, _, x_max, _ = outcome.tracked.footprints.total_bounds
    assert x_max - x_min < 1.0


def test_the_case_at_the_180th_meridian(shared_cases: Path) -> None:
    outcome = track(shared_cases / "place/am/wrapped.geojson", shared_cases / "place/a.yaml", "A")
    assert outcome.tracked is not None
    assert outcome.tracked.observations["value"].tolist() == pytest.approx([48.596], abs=1e-3)


def test_a_trace_over_the_180th_meridian_keeps_its_length(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: A\n")
    line = shapely.LineString([(179.95, 67.0), (-179.95, 67.0)])
    outcome = track(write(tmp_path / "t.gpkg", [line], crs="EPSG:4326", glacier="A", date="2003-08-12"),
                    tmp_path / "a.yaml", "A")  # fmt: skip
    assert outcome.tracked is not None
    width = outcome.tracked.observations.query("variable == 'front_width_m'")["value"]
    geodesic = pyproj.Geod(ellps="WGS84").inv(179.95, 67.0, -179.95, 67.0)[2]
    assert width.tolist() == pytest.approx([geodesic], rel=1e-3)
    assert np.ptp(outcome.tracked.fronts.total_bounds[[0, 2]]) < 1.0


# Real inventories


def geodesic_km2(geometry: shapely.Geometry) -> float:
    geod = pyproj.Geod(ellps="WGS84")
    parts = shapely.get_parts(shapely.make_valid(shapely.segmentize(geometry, 0.001)))
    return sum(abs(geod.geometry_area_perimeter(shapely.orient_polygons(part))[0]) for part in parts) / 1e6


def test_every_glacier_of_the_oetztal_is_measured_by_its_identifier(shared_data: Path) -> None:
    path = shared_data / "oetztal" / "rgi_oetztal.shp"
    table = gpd.read_file(path)
    for row in table.itertuples():
        outcome = track(path, None, row.RGIId)
        assert outcome.tracked is not None
        (observation,) = outcome.tracked.observations.itertuples()
        assert observation.value == pytest.approx(geodesic_km2(row.geometry), rel=5e-4)
        assert observation.date.date() == dt.date(2003, 7, 1)
        assert {"month-only", "nominal-date"} <= set(flags_of(observation.quality))


@pytest.mark.parametrize(
    ("file", "name", "rows"),
    [
        ("rgi_oetztal.shp", "Hintereisferner", ["RGI50-11.00897"]),
        ("rgi_oetztal.shp", "vernagtferner", ["RGI50-11.00719_d01", "RGI50-11.00719_d02"]),
        ("rgi_oetztal.shp", "RGI50-11.00719", ["RGI50-11.00719_d01", "RGI50-11.00719_d02"]),
        ("rgi7g_hef.shp", "Hintereisferner", ["RGI2000-v7.0-G-11-03116"]),
        ("rgi7g_hef.shp", "RGI2000-v7.0-G-11-03116", ["RGI2000-v7.0-G-11-03116"]),
    ],
)
def test_a_glacier_of_the_oetztal_by_name_is_its_rows_only(
    shared_data: Path, file: str, name: str, rows: list[str]
) -> None:
    table = gpd.read_file(shared_data / "oetztal" / file)
    identifier = "RGIId" if "RGIId" in table else "rgi_id"
    expected = sum(geodesic_km2(one) for one in table[table[identifier].isin(rows)].geometry)
    outcome = track(shared_data / "oetztal" / file, None, name)
    assert outcome.tracked is not None
    assert outcome.tracked.observations["value"].tolist() == pytest.approx([expected], rel=5e-4)


def test_the_letter_that_many_glaciers_of_the_oetztal_are_called_is_refused(shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"16 glaciers are called À; name one by its RGIId: RGI50-11.00648"):
        track(shared_data / "oetztal" / "rgi_oetztal.shp", None, "À")


def test_a_complex_without_a_date_is_refused_with_its_columns(shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"no column of dates .* its columns are rgi_id, o1region"):
        track(shared_data / "oetztal" / "rgi7c_hef.shp", None, "RGI2000-v7.0-C-11-02192")


def test_a_glacier_of_the_everest_inventory_without_a_name(shared_data: Path) -> None:
    outcome = track(shared_data / "everest_landsat7", None, "RGI60-15.03410")
    assert days(outcome) == ["2000-10-30"]
    with pytest.raises(DataNotFoundError, match="holds nothing of Nobody; its column Name names "):
        track(shared_data / "everest_landsat7" / "15_rgi60_glacier_outlines.gpkg", None, "Nobody")


def test_the_traces_of_the_case_give_a_front_each(shared_cases: Path) -> None:
    folder = shared_cases / "place" / "traces_no_position"
    outcome = track(folder, folder / "b.yaml", "Testbreen")
    assert outcome.tracked is not None
    assert len(outcome.tracked.fronts) == 12


# Silent omissions


def test_a_row_without_a_name_where_the_glacier_is_is_told(tmp_path: Path, manifest: Path) -> None:
    squares = [square(), square(2.0), square(x_km=6)]
    data = write(
        tmp_path / "a.gpkg", squares, glac_name=["G", None, None], date=["2003-08-12", "2010-08-12", "2010-08-12"]
    )
    outcome = track(data, manifest)
    assert areas(outcome) == [("2003-08-12", 9.0)]
    assert any("a row without a name lies where G is, left out" in note for note in outcome.notes)


def test_ice_on_the_rock_inside_a_glacier_belongs_to_it(tmp_path: Path, manifest: Path) -> None:
    parts = [square(), square(1.0, x_km=1, y_km=1), square(0.5, x_km=1.2, y_km=1.2)]
    data = write(
        tmp_path / "a.gpkg", parts, glac_name=["G"] * 3, date=["2003-08-12"] * 3,
        line_type=["glac_bound", "intrnl_rock", "glac_bound"],
    )  # fmt: skip
    assert areas(track(data, manifest)) == [("2003-08-12", 8.25)]


def test_rock_of_another_image_is_taken_off_the_one_outline_of_its_day(tmp_path: Path, manifest: Path) -> None:
    parts = [square(), square(1.0, x_km=1, y_km=1)]
    data = write(
        tmp_path / "a.gpkg", parts, glac_name=["G"] * 2, date=["2003-08-12"] * 2, image_id=["a", "b"],
        line_type=["glac_bound", "intrnl_rock"],
    )  # fmt: skip
    assert areas(track(data, manifest)) == [("2003-08-12", 8.0)]


def test_two_outlines_of_one_day_that_differ_are_told(tmp_path: Path, manifest: Path) -> None:
    data = write(tmp_path / "a.gpkg", [square(), square(2.9)], glac_name=["G"] * 2, date=["2003-08-12"] * 2)
    outcome = track(data, manifest)
    assert len(areas(outcome)) == 2
    assert any(
        "1 day has several geometries of the same ground that differ (2003-08-12)" in note for note in outcome.notes
    )


@pytest.mark.parametrize(
    ("column", "codes", "surging"),
    [("Surging", [9, 9, 2], True), ("surge_type", [0, 3, 3], True), ("Surging", [9, 9, 0], False)],
)
def test_attributes_of_inventories_say_whether_a_glacier_surges(
    tmp_path: Path, column: str, codes: list[int], surging: bool
) -> None:
    path = write(
        tmp_path / "rgi.geojson", [square(x_km=5 * k) for k in range(3)], glac_name=["Other", "Another", "Surger"],
        date=["2001-01-01"] * 3, **{column: codes},
    )  # fmt: skip
    glacier = Glacier(name="Surger")
    located = locate(glacier, data=path, downloads=None, reading=MaskReading())
    assert located.glacier.surging is surging


def test_a_file_geodatabase_is_one_file(tmp_path: Path) -> None:
    """It is a folder, and was looked through for files that it does not hold."""
    table = gpd.GeoDataFrame(
        {"name": ["G"], "date": ["2001-08-01"]},
        geometry=[shapely.box(500_000, 8_701_000, 504_000, 8_705_000)],
        crs=32633,
    )
    path = tmp_path / "data" / "inventory.gdb"
    path.parent.mkdir()
    try:
        table.to_file(path, driver="OpenFileGDB")
    except Exception:
        pytest.skip("this GDAL does not write file geodatabases")
    for data in (path, path.parent):
        outcome = track(data, None, "G")
        rows = outcome.tracked.observations
        assert rows["value"].tolist() == [pytest.approx(16.0128, abs=1e-3)]


def test_a_layer_of_another_kind_in_the_same_file_is_told_of(tmp_path: Path) -> None:
    ice = [shapely.box(500_000, 8_701_000, 504_000 - 200 * k, 8_705_000) for k in range(2)]
    fronts = [shapely.LineString([(504_000 - 200 * k, 8_701_000), (504_000 - 200 * k, 8_705_000)]) for k in range(2)]
    columns = {"name": ["G"] * 2, "date": ["2001-08-01", "2002-08-01"]}
    for layer, shapes in (("outlines", ice), ("traces", fronts)):
        gpd.GeoDataFrame(columns, geometry=shapes, crs=32633).to_file(tmp_path / "a.gpkg", layer=layer, driver="GPKG")
    outcome = track(tmp_path / "a.gpkg", None, "G")
    assert any("left out beside the outlines (a.gpkg, layer traces)" in note for note in outcome.notes)


def test_a_folder_that_names_others_says_whom_as_its_file_does(tmp_path: Path) -> None:
    """The folder held nothing of it, and nobody was told that it was called another way, or stood there twice."""
    ice = [shapely.box(500_000, 8_701_000, 504_000 - 900 * k, 8_705_000) for k in range(2)]
    columns = {"name": ["Kv\u00e6rnbreen", "Store Gletsjer"], "date": ["2001-08-01"] * 2}
    gpd.GeoDataFrame(columns, geometry=ice, crs=32633).to_file(tmp_path / "n.gpkg")
    manifest = tmp_path / "j.yaml"
    manifest.write_text("name: Kvaernbreen\n")
    said = r"its column name names Kv\u00e6rnbreen, Store Gletsjer; did you mean --glacier 'Kv\u00e6rnbreen'\?"
    with pytest.raises(DataNotFoundError, match=said):
        track(tmp_path, manifest, "Kvaernbreen")
