"""``glaciertime import``, and what the other commands make of what it stored."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from glaciertime.archive import Archive
from tests.cli.conftest import Command

LENGTHS = "glacier,year,length_change_m\n" + "".join(f"A,{1990 + i},{-10 * i + 3 * (i % 3)}\n" for i in range(20))


@pytest.fixture
def table(tmp_path: Path) -> Any:
    """Write a text as a file of the current folder."""

    def call(text: str, name: str = "mine.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return call


def stored(archive: str = "glaciertime.gpkg") -> list[tuple[Any, ...]]:
    rows = Archive(Path(archive)).read("observations")
    return [tuple(row) for row in rows[["glacier", "variable", "value"]].itertuples(index=False)]


def test_a_series_of_ones_own_goes_the_whole_way(command: Command, table: Any) -> None:
    result = command("import", table(LENGTHS))
    assert result.code == 0, result.err
    assert "20 values in 1 series of 1 glacier stored" in result.out
    forecast = command("forecast", "--glacier", "A", "--until", "2012", "--model", "last,drift")
    assert forecast.code == 0, forecast.err
    assert "A, length_change_m (-, -; mine.csv, observed)" in forecast.out
    assert command("backtest", "--glacier", "A", "--model", "last,drift").code == 0
    assert "length change, retreat" in command("table").out
    changed = command("table", "--glacier", "A", "--from", "1990", "--to", "2008", "--json").json[0]
    assert (changed["start_value"], changed["end_value"], changed["change"]) == (0, -180, -180)
    assert command("series", "--glacier", "A", "--product", "rates").code == 0
    assert command("report", "--glacier", "A", "--out", "a.html").code == 0
    page = Path("a.html").read_text(encoding="utf-8")
    assert "Length change in m" in page
    assert "Retreat in length" in page
    assert "No scene shows" not in page


@pytest.mark.parametrize("variable", ["lake_area_km2", "snowline_m", "mass_gt", "debris_cover_percent"])
def test_other_variables_go_the_whole_way_too(command: Command, table: Any, variable: str) -> None:
    rows = "".join(f"L,{2000 + i}-07-01,{variable},{20 - i + 0.3 * (i % 2)},\n" for i in range(14))
    result = command("import", table("glacier,date,variable,value,unit\n" + rows))
    assert result.code == 0, result.err
    forecast = command("forecast", "--glacier", "L", "--until", "2030", "--model", "drift", "--json")
    assert forecast.code == 0, forecast.err
    lowest = min(row["value"] for row in forecast.json)
    assert (lowest >= 0) == (variable == "lake_area_km2")
    assert command("backtest", "--glacier", "L", "--model", "last", "--min-train", "5").code == 0
    assert command("table", "--variable", variable).code == 0
    assert command("report", "--glacier", "L", "--out", "l.html").code == 0
    assert "First and last value" in Path("l.html").read_text(encoding="utf-8")


def test_what_a_file_gave_before_is_replaced(command: Command, table: Any) -> None:
    command("import", table("glacier,year,area_km2\nA,2000,5\nB,2000,7\n"))
    command("import", table("glacier,year,area_km2\nA,2000,6\n"))
    assert stored() == [("A", "area_km2", 6.0)]
    with sqlite3.connect("glaciertime.gpkg") as database:
        assert database.execute("SELECT count(*) FROM inputs").fetchone() == (1,)


def test_one_glacier_or_one_column_replaces_only_its_own(command: Command, table: Any) -> None:
    both = table("glacier,year,area_km2,length (m)\nA,2000,5,900\nB,2000,7,800\n")
    assert command("import", both).code == 0
    assert len(stored()) == 4
    text = "glacier,year,area_km2,length (m)\nA,2000,6,901\nB,2000,8,801\n"
    assert command("import", table(text), "--glacier", "A").code == 0
    assert sorted(stored()) == [
        ("A", "area_km2", 6),
        ("A", "length_m", 901),
        ("B", "area_km2", 7),
        ("B", "length_m", 800),
    ]
    assert command("import", table(text), "--columns", "value=area_km2").code == 0
    assert sorted(stored()) == [
        ("A", "area_km2", 6),
        ("A", "length_m", 901),
        ("B", "area_km2", 8),
        ("B", "length_m", 800),
    ]


def test_two_files_do_not_replace_each_other(command: Command, table: Any) -> None:
    command("import", table("glacier,year,area_km2\nA,2000,5\n", "a.csv"))
    command("import", table("glacier,year,area_km2\nA,2001,6\n", "b.csv"))
    assert len(stored()) == 2


def test_exit_codes(command: Command, table: Any) -> None:
    partly = table("glacier,year,area_km2\nA,2000,5\nA,2001,banana\n")
    result = command("import", partly)
    assert result.code == 3
    assert "1 row left out, the value cannot be read (first: line 3, 'banana' is not a number)" in result.err
    strict = command("import", partly, "--strict", "--archive", "strict.gpkg")
    assert strict.code == 1
    assert not Path("strict.gpkg").exists()
    assert command("import", table("glacier,year,area_km2\nA,2950,5\n", "later.csv")).code == 1
    assert command("import", "nowhere.csv").code == 1
    assert command("import", partly, "--resets", "maybe").code == 2
    assert command("import", partly, "--columns", "valve=area_km2").code == 2
    assert command("import", partly, "--per-period").code == 2
    assert command("import", partly, "--day-first", "--month-first").code == 2
    assert command("import", partly, "--variable", "Area").code == 2


def test_bounds_are_bounds_in_all_that_follows(command: Command, table: Any) -> None:
    rows = "".join(f"A,{2000 + i},{10 - i}\n" for i in range(9))
    assert command("import", table(f"glacier,year,area_km2\n{rows}A,2009,<0.5\nA,2010,<0.4\n")).code == 0
    result = command("forecast", "--glacier", "A", "--until", "2012", "--model", "last", "--json")
    assert "2 dropped: a bound, not a value" in result.err
    assert {row["cutoff"] for row in result.json} == {"2008-01-01"}
    loss = command("table", "--json").json[0]
    assert (loss["qualifier"], loss["loss_km2"]) == ("at least", pytest.approx(9.6))
    rates = command("series", "--glacier", "A", "--product", "rates", "--json").json
    assert rates[0]["qualifier"] == "bound"


def test_bounds_of_the_other_side_turn_the_qualifier(command: Command, table: Any) -> None:
    assert command("import", table("glacier,year,area_km2\nA,2000,5\nA,2010,>4\n")).code == 0
    assert command("table", "--json").json[0]["qualifier"] == "at most"
    assert command("import", table("glacier,year,area_km2\nA,2000,>5\nA,2010,>4\n")).code == 0
    row = command("table", "--json").json[0]
    assert row["loss_km2"] is None
    assert "nothing can be said" in row["note"]


def test_a_lake_and_a_length_stand_beside_what_was_tracked(
    command: Command, table: Any, masks: Path, manifest: Path
) -> None:
    assert command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks).code == 0
    before = stored()
    rows = "".join(f"Toy,{2000 + i},{5 + i}\n" for i in range(5))
    assert command("import", table(f"glacier,year,lake_area_km2\n{rows}")).code == 0
    assert stored()[: len(before)] == before
    assert len(stored()) == len(before) + 5
    assert command("table", "--variable", "lake_area_km2", "--json").json[0]["change"] == 4
    assert command("report", "--glacier", "Toy", "--out", "toy.html").code == 0
    page = Path("toy.html").read_text(encoding="utf-8")
    assert "Lake area in km²" in page
    assert ">Fronts<" in page  # where they end nobody has said


def test_json_names_every_series(command: Command, table: Any) -> None:
    rows = command("import", table("glacier,year,area_km2\nA,2000,5\nA,2001,<4\n"), "--json").json
    assert rows[0]["values"] == 2
    assert rows[0]["bounds"] == 1
    assert rows[0]["last_date"] == "2001-01-01"


def test_a_usual_model_that_does_not_suit_is_told_and_one_asked_for_fails(command: Command, table: Any) -> None:
    rows = "".join(f"A,{2000 + i},{10 - i + 0.1 * (i % 3)}\n" for i in range(8))
    assert command("import", table(f"glacier,year,area_km2\n{rows}")).code == 0
    usual = command("backtest", "--glacier", "A", "--min-train", "5")
    assert usual.code == 0, usual.err
    assert "arima gave no forecast at any origin" in usual.err
    assert command("backtest", "--glacier", "A", "--min-train", "5", "--model", "last,arima").code == 3
    assert command("backtest", "--glacier", "A", "--min-train", "5", "--model", "arima").code == 1
    assert command("backtest", "--glacier", "A", "--min-train", "5", "--model", "last,arima", "--strict").code == 1


def test_only_the_latest_run_of_changes_is_forecast(command: Command, table: Any) -> None:
    years = [*range(1970, 1980), *range(1990, 2002)]
    rows = "".join(f"A,{year}-09-01,{year + 1}-09-01,{-10 - year % 3}\n" for year in years)
    assert command("import", table("glacier,start,date,length change (m)\n" + rows)).code == 0
    result = command("forecast", "--glacier", "A", "--until", "2005", "--model", "last", "--json")
    assert {row["footprint"] for row in result.json} == {"since 1990-09-01"}
    assert "1 earlier left out, which a gap parts from it; --footprint names one" in result.err
    named = command(
        "forecast", "--glacier", "A", "--until", "1985", "--model", "last", "--json", "--footprint", "since 1970-09-01"
    )
    assert {row["cutoff"] for row in named.json} == {"1980-09-01"}


def test_breaks_that_rest_on_bounds_say_so(command: Command, table: Any) -> None:
    rows = "".join(f"A,{2000 + i},{10 + 0.01 * (i % 3)}\n" for i in range(8))
    rows += "".join(f"A,{2008 + i},>{20 + 0.01 * (i % 3)}\n" for i in range(8))
    assert command("import", table(f"glacier,year,lake_area_km2\n{rows}")).code == 0
    changes = command("series", "--glacier", "A", "--product", "changes", "--json").json
    assert [row["qualifier"] for row in changes] == ["bound"]


def test_a_report_names_the_import_and_what_the_table_calls_its_source(command: Command, table: Any) -> None:
    # A table of two glaciers is read for neither by name: the run is found by the rows that it stored.
    text = "glacier,date,length_m,source\n" + "".join(
        f'{name},{1900 + 20 * i}-08-01,{9000 - 100 * i},"Leclercq et al. 2014, TC 8:659"\n'
        for name in "AB" for i in range(3)
    )  # fmt: skip
    assert command("import", table(text, "lengths.csv")).code == 0
    assert command("report", "--glacier", "B", "--out", "b.md").code == 0
    page = Path("b.md").read_text(encoding="utf-8")
    ran, _, cited = page.partition("### What ran")[2].partition("### To be cited")
    assert "Import of lengths.csv on " in ran
    assert "- Leclercq et al. 2014, TC 8:659." in cited
    assert command("report", "--glacier", "B", "--language", "de", "--out", "b_de.md").code == 0
    assert "Import von lengths.csv am " in Path("b_de.md").read_text(encoding="utf-8")
