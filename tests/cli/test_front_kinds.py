"""An ice shelf's front, then a calving front 5 km inland of it: two series, and no retreat between them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from glaciertime.archive import Archive

from .conftest import Command

SHELF_M, CALVING_M = 9_000.0, 4_000.0
SHELF_YEARS, CALVING_YEARS = range(1990, 1998), range(2003, 2013)
MANIFEST = """\
name: Toy
crs: EPSG:32633
centreline: {drawn_by: test, coordinates: [[500000, 8000000], [512000, 8000000]]}
sources:
  - dataset: toy
    format: traces
    path: traces.gpkg
    code: Toy
    delineation_sigma_m: 20
"""
PERIODS = "    front_of: [{until: 2000-06-01, is: ice shelf}, {from: 2002-03-15, is: calving front}]\n"


def write_traces(folder: Path, **columns: list[object]) -> None:
    folder.mkdir(exist_ok=True)
    years = [*SHELF_YEARS, *CALVING_YEARS]
    # Each of the fronts stands still but for a few metres to and fro.
    stands = [(SHELF_M if year in SHELF_YEARS else CALVING_M) + 10 * (-1) ** year for year in years]
    lines = [shapely.LineString([(5e5 + x, 7_998_500), (5e5 + x, 8_001_500)]) for x in stands]
    dates = [f"{year}-01-15" for year in years]
    table = gpd.GeoDataFrame({"GlacierID": "Toy", "Date": dates, **columns}, geometry=lines, crs="EPSG:32633")
    table.to_file(folder / "traces.gpkg")


def write_manifest(folder: Path, more: str = "") -> Path:
    path = folder / "toy.yaml"
    path.write_text(MANIFEST + more, encoding="utf-8")
    return path


KINDS = ["shelf"] * len(SHELF_YEARS) + ["calving front"] * len(CALVING_YEARS)


@pytest.fixture(scope="module", params=["column", "periods"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of both fronts, told apart by a column of the file or by the manifest."""
    from glaciertime.__main__ import run

    folder = tmp_path_factory.mktemp(request.param)
    by_column = request.param == "column"
    write_traces(folder / "data", **({"FrontType": KINDS} if by_column else {}))
    manifest = write_manifest(folder, "" if by_column else PERIODS)
    path = folder / "a.gpkg"
    told = ["track", "--glacier", "Toy", "--manifest", manifest, "--data", folder / "data", "--archive", path]
    assert run([str(word) for word in told]) == 0
    return path


@pytest.fixture
def held(archive: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(archive, tmp_path / "glaciertime.gpkg"))


def test_rows_and_fronts_say_what_the_front_is(held: Path) -> None:
    observations = Archive(held).read("observations")
    positions = observations[observations["variable"] == "front_position_m"]
    assert positions["front_of"].value_counts().to_dict() == {"calving front": 10, "shelf": 8}
    widths = observations[observations["variable"] == "front_width_m"]
    assert widths["front_of"].value_counts().to_dict() == {"calving front": 10, "shelf": 8}
    fronts = Archive(held).read("fronts")
    assert (fronts["front_of"] == np.where(fronts["Date"] < "2000", "shelf", "calving front")).all()
    assert not positions["quality"].str.contains("outlier").any()


def test_nothing_retreats_from_one_kind_to_another(command: Command, held: Path) -> None:
    rates = {row["front_of"]: row for row in command("series", "--glacier", "Toy", "--product", "rates",
             "--variable", "front_position_m", "--json").json}  # fmt: skip
    assert set(rates) == {"shelf", "calving front"}
    assert all(abs(row["rate_per_year"]) < 5 for row in rates.values())
    changes = command("series", "--glacier", "Toy", "--product", "changes", "--json").json
    assert changes == []
    annual = command("series", "--glacier", "Toy", "--product", "annual", "--json").json
    assert {row["front_of"] for row in annual} == {"shelf", "calving front"}
    for row in command("table", "--glacier", "Toy", "--variable", "front_position_m", "--json").json:
        assert abs(row["change"]) < 25
    manifest = write_manifest(held.parent)
    lines = command("series", "--glacier", "Toy", "--product", "flowlines", "--manifest", manifest, "--json").json
    assert {row["front_of"] for row in lines} == {"shelf", "calving front"}
    assert all(abs(row["retreat_m"]) < 25 for row in lines)


def test_two_dates_on_either_side_of_the_change_are_refused(command: Command, held: Path) -> None:
    told = ["table", "--glacier", "Toy", "--variable", "front_position_m"]
    across = command(*told, "--from", "1995-01-15", "--to", "2005-01-15")
    assert across.code == 1
    assert "not of one kind on both dates" in across.err
    within = command(*told, "--from", "2004-01-15", "--to", "2008-01-15", "--json").json
    assert [row["front_of"] for row in within] == ["calving front"]
    assert within[0]["change"] == pytest.approx(0, abs=0.1)


def test_a_forecast_is_of_the_present_front_and_says_so(command: Command, held: Path) -> None:
    told = ["forecast", "--glacier", "Toy", "--until", "2015", "--model", "last", "--variable", "front_position_m"]
    present = command(*told, "--json")
    rows = pd.DataFrame(present.json)
    assert set(rows["front_of"]) == {"calving front"}
    assert rows.loc[rows["quantile"] == 0.5, "value"].between(CALVING_M - 15, CALVING_M + 15).all()
    assert present.err.count("shelf (to 1997-01-15) left out") == 1
    shelf = command(*told, "--front-of", "Ice shelf", "--json")
    assert set(pd.DataFrame(shelf.json)["front_of"]) == {"shelf"}
    assert "left out" not in shelf.err
    stored = Archive(held).read("forecasts")
    assert set(stored["front_of"]) == {"shelf", "calving front"}
    wrong = command(*told, "--front-of", "tongue")
    assert wrong.code == 1
    assert "no observations of a front of tongue; there are calving front, shelf" in wrong.err
    assert command(*told, "--front-of", "snow").code == 2


def test_scores_and_the_predicted_front_are_of_the_present_front(command: Command, held: Path) -> None:
    scored = command("backtest", "--glacier", "Toy", "--model", "last", "--min-train", "3", "--horizon", "1y")
    assert scored.code == 0
    assert set(Archive(held).read("scores")["front_of"]) == {"calving front"}
    contour = command("forecast", "--glacier", "Toy", "--until", "2014", "--contour", "--model", "last")
    assert contour.code == 0, contour.err
    assert "calving front: of calving front; shelf (to 1997-01-15) left out" in contour.err
    lines = Archive(held).read("contours")
    front = lines[lines["kind"] == "front"].to_crs("EPSG:32633")
    assert front.geometry.centroid.x.to_numpy() - 5e5 == pytest.approx(np.full(len(front), CALVING_M), abs=60)


def test_the_report_says_which_front_a_position_is_of(command: Command, held: Path) -> None:
    command("forecast", "--glacier", "Toy", "--until", "2014", "--model", "last")
    assert command("report", "--glacier", "Toy", "--out", "toy.html").code == 0
    page = Path("toy.html").read_text(encoding="utf-8")
    words = re.sub(r"<[^>]*>", "", page)
    assert "Forecast of front position, centreline, calving front" in words
    assert "front position, centreline, shelf" in words
    assert "18 calving fronts" in words
    assert "Calving front: 10. Shelf: 8." in words


def test_exports_carry_what_the_front_is(command: Command, held: Path) -> None:
    command("export", "--glacier", "Toy", "--table", "observations", "--format", "csv", "--out", "o.csv")
    assert set(pd.read_csv("o.csv")["front_of"]) == {"shelf", "calving front"}
    command("export", "--glacier", "Toy", "--table", "fronts", "--format", "gpkg", "--out", "f.gpkg")
    assert set(gpd.read_file("f.gpkg")["front_of"]) == {"shelf", "calving front"}
    command("export", "--glacier", "Toy", "--table", "fronts", "--format", "gpkg", "--columns", "termpicks",
            "--out", "t.gpkg")  # fmt: skip
    assert "front_of" not in gpd.read_file("t.gpkg").columns


def test_the_user_says_it_for_all_and_contradicts_no_file(command: Command, tmp_path: Path) -> None:
    write_traces(tmp_path / "data", front_of=["shelf", *[""] * (len(KINDS) - 1)])
    manifest = write_manifest(tmp_path)
    told = ["track", "--glacier", "Toy", "--manifest", manifest, "--data", tmp_path / "data"]
    unknown = command(*told, "--front-of", "snow")
    assert unknown.code == 2
    assert "known are calving front, tongue, mélange edge, shelf" in unknown.err
    clash = command(*told, "--front-of", "tongue")
    assert clash.code == 3
    assert "the front is one of a tongue by --front-of, and the data say shelf" in clash.err
    positions = Archive(Path("glaciertime.gpkg")).read("observations", variable="front_position_m")
    assert positions["front_of"].tolist() == ["tongue"] * (len(KINDS) - 1)
    # Told otherwise, the same images are measured anew, not beside what they were.
    assert command(*told, "--front-of", "shelf").code == 0
    positions = Archive(Path("glaciertime.gpkg")).read("observations", variable="front_position_m")
    assert positions["front_of"].tolist() == ["shelf"] * len(KINDS)


def test_rows_with_and_without_a_word_are_two_series(command: Command, tmp_path: Path) -> None:
    write_traces(tmp_path / "data", front_of=["shelf"] * len(SHELF_YEARS) + [""] * len(CALVING_YEARS))
    assert command("track", "--glacier", "Toy", "--manifest", write_manifest(tmp_path), "--data",
                   tmp_path / "data").code == 0  # fmt: skip
    rates = command("series", "--glacier", "Toy", "--product", "rates", "--variable", "front_position_m", "--json").json
    assert sorted(row["front_of"] for row in rates) == ["", "shelf"]
    assert all(abs(row["rate_per_year"]) < 5 for row in rates)
    told = ["forecast", "--glacier", "Toy", "--until", "2014", "--model", "last", "--variable", "front_position_m"]
    assert "of unknown; shelf (to 1997-01-15) left out" in command(*told).err
    assert command(*told, "--front-of", "unknown").code == 0


def test_a_row_with_a_word_that_is_not_known_is_refused(command: Command, tmp_path: Path) -> None:
    write_traces(tmp_path / "data", FrontType=["floating", *KINDS[1:]])
    result = command("track", "--glacier", "Toy", "--manifest", write_manifest(tmp_path), "--data", tmp_path / "data")
    assert result.code == 3
    assert "column FrontType: what the front is made of is given as 'floating'" in result.err


def test_import_keeps_it_and_never_joins_two(command: Command, tmp_path: Path) -> None:
    rows = "\n".join(
        f"Toy,{year}-01-15,front_position_m,{SHELF_M if kind == 'shelf' else CALVING_M},m,{kind}"
        for year, kind in zip([*SHELF_YEARS, *CALVING_YEARS], KINDS, strict=True)
    )
    (tmp_path / "mine.csv").write_text(f"glacier,date,variable,value,unit,front_of\n{rows}\n", encoding="utf-8")
    assert command("import", "mine.csv").code == 0
    held = Archive(Path("glaciertime.gpkg")).read("observations")
    assert held["front_of"].value_counts().to_dict() == {"calving front": 10, "shelf": 8}
    table = command("table", "--glacier", "Toy", "--json").json
    assert [(row["front_of"], row["change"]) for row in table] == [("calving front", 0.0), ("shelf", 0.0)]
    (tmp_path / "mine.csv").write_text(f"glacier,date,variable,value,unit,front_of\n{rows}\nToy,2014-01-15,"
                                       "front_position_m,1,m,floating\n", encoding="utf-8")  # fmt: skip
    odd = command("import", "mine.csv")
    assert odd.code == 3
    assert "'floating'" in odd.err


def test_crane_fed_a_shelf_until_it_disintegrated(command: Command, shared_data: Path) -> None:
    if not (shared_data / "coastlines").is_dir():
        pytest.skip(f"no coastlines in {shared_data}")
    assert command("track", "--glacier", "Crane", "--data", shared_data).code == 0
    held = Archive(Path("glaciertime.gpkg")).read("observations")
    along = held[(held["variable"] == "front_position_m") & (held["method"] == "centreline")]
    assert (along["front_of"] == np.where(along["date"] < "2002-02-01", "shelf", "calving front")).all()
    assert along.loc[along["front_of"] == "shelf", "value"].isna().all()
    assert set(held.loc[held["variable"] == "area_km2", "front_of"]) == {""}


def test_a_plain_table_keeps_it_too_and_an_area_has_none(command: Command, tmp_path: Path) -> None:
    rows = "\n".join(
        f"{year},{SHELF_M if kind == 'shelf' else CALVING_M},{2 if kind == 'shelf' else 1},{kind}"
        for year, kind in zip([*SHELF_YEARS, *CALVING_YEARS], KINDS, strict=True)
    )
    (tmp_path / "wide.csv").write_text(f"date,front_position_m,area_km2,front_of\n{rows}\n", encoding="utf-8")
    result = command("import", "wide.csv", "--glacier", "Toy")
    assert result.code == 0, result.err
    assert "front_position_m (shelf) in m: 8 values" in result.out
    held = Archive(Path("glaciertime.gpkg")).read("observations")
    assert set(held.loc[held["variable"] == "area_km2", "front_of"]) == {""}
    assert set(held.loc[held["variable"] == "front_position_m", "front_of"]) == {"shelf", "calving front"}


def test_a_front_that_has_no_value_since_it_changed_is_told(command: Command, tmp_path: Path) -> None:
    rows = "\n".join(f"Toy,{year}-01-15,front_position_m,{SHELF_M},m,shelf,ok" for year in SHELF_YEARS)
    last = "Toy,2003-01-15,front_position_m,3000,m,calving front,partial-coverage"
    head = "glacier,date,variable,value,unit,front_of,quality"
    (tmp_path / "mine.csv").write_text(f"{head}\n{rows}\n{last}\n", encoding="utf-8")
    assert command("import", "mine.csv").code == 0
    result = command("forecast", "--glacier", "Toy", "--until", "2014", "--model", "last")
    assert "of shelf, which it is no longer: from 2003-01-15 on it is of calving front" in result.err


def test_two_fronts_of_one_day_are_not_pieces_of_one(command: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    stands = [(SHELF_M, "shelf"), (CALVING_M, "calving front")]
    lines = [
        shapely.LineString([(5e5 + x, y), (5e5 + x, y + 1_500)]) for y in (7_998_500, 8_000_000) for x, _ in stands
    ]
    rows = {"GlacierID": "Toy", "Date": "2002-02-20", "front_of": [kind for _ in range(2) for _, kind in stands]}
    gpd.GeoDataFrame(rows, geometry=lines, crs="EPSG:32633").to_file(tmp_path / "data" / "traces.gpkg")
    assert command("track", "--glacier", "Toy", "--manifest", write_manifest(tmp_path), "--data",
                   tmp_path / "data").code == 0  # fmt: skip
    held = Archive(Path("glaciertime.gpkg")).read("observations", variable="front_width_m")
    assert held.set_index("front_of")["value"].to_dict() == pytest.approx(
        {"calving front": 3_000, "shelf": 3_000}, rel=2e-3
    )


def test_a_year_in_which_the_front_changed_tells_nothing_of_a_date_without_a_day(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    dates = ["1999", "2000", "2001", "2002", "2003", "2000-06-01", "2000-06", "2000-05"]
    lines = [shapely.LineString([(5e5 + 9_000, 7_998_500 + k), (5e5 + 9_000, 8_001_500)]) for k in range(len(dates))]
    gpd.GeoDataFrame({"GlacierID": "Toy", "Date": dates, "ImageID": dates}, geometry=lines, crs="EPSG:32633").to_file(
        tmp_path / "data" / "traces.gpkg"
    )
    result = command("track", "--glacier", "Toy", "--manifest", write_manifest(tmp_path, PERIODS), "--data",
                     tmp_path / "data", "--json")  # fmt: skip
    assert result.json[0]["front_of"] == {"": 4, "shelf": 3, "calving front": 1}
    held = Archive(Path("glaciertime.gpkg")).read("fronts").set_index("ImageID")["front_of"]
    assert held.to_dict() == {
        "1999": "shelf", "2000": "", "2001": "", "2002": "", "2003": "calving front", "2000-06-01": "shelf",
        "2000-06": "", "2000-05": "shelf",
    }  # fmt: skip
