"""A table that holds changes of length alone is forecast as any other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Command


def test_an_archive_without_areas_or_lengths_is_forecast_and_its_hazard_is_not_known(command: Command) -> None:
    rows = [f"My Glacier,{1980 + year}-09-01,length_change_m,{-20 * year},m" for year in range(12)]
    Path("changes.csv").write_text("\n".join(["glacier,date,variable,value,unit", *rows, ""]))
    assert command("import", "changes.csv").code == 0
    result = command("forecast", "--glacier", "My Glacier", "--until", "1993", "--model", "last")
    assert result.code == 0, result.err
    assert "-220.00" in result.out
    assert "hazard: nothing can be said" in result.out


def test_beside_an_earlier_cutoff_no_verdict_is_told_that_saw_more(command: Command) -> None:
    rows = [f"My Glacier,{1980 + year}-09-01,length_change_m,{-20 * year + year % 3},m" for year in range(20)]
    Path("changes.csv").write_text("\n".join(["glacier,date,variable,value,unit", *rows, ""]))
    assert command("import", "changes.csv").code == 0
    assert command("backtest", "--glacier", "My Glacier", "--model", "last,drift").code == 0
    asked = ("forecast", "--glacier", "My Glacier", "--model", "last")
    assert "verdict of its backtest" in command(*asked, "--until", "2002").out
    cut = command(*asked, "--until", "1993", "--cutoff", "1990-12-31").out
    assert "verdict of its backtest" not in cut
    assert "verdict: not told beside --cutoff" in cut


def test_auto_of_three_values_is_the_last_one_and_says_so(command: Command) -> None:
    rows = [f"My Glacier,{1990 + year}-09-01,length_change_m,{-20 * year},m" for year in range(3)]
    Path("changes.csv").write_text("\n".join(["glacier,date,variable,value,unit", *rows, ""]))
    assert command("import", "changes.csv").code == 0
    result = command("forecast", "--glacier", "My Glacier", "--until", "1993", "--model", "auto")
    assert result.code == 0, result.err
    assert "-40.00" in result.out
    assert "3 values say too little for a mix of models; auto is the last value" in result.err


def test_auto_of_a_glacier_that_has_just_come_back_says_that_it_is_the_last_value(command: Command) -> None:
    """Of nineteen values two count, from the last zero on: `auto` was the last value, and nothing said so."""
    area = [20 - year for year in range(15)] + [0, 0, 0, 0.3]
    rows = [f"My Glacier,{1990 + year}-09-01,area_km2,{value},km2" for year, value in enumerate(area)]
    Path("areas.csv").write_text("\n".join(["glacier,date,variable,value,unit", *rows, ""]))
    assert command("import", "areas.csv").code == 0
    result = command("forecast", "--glacier", "My Glacier", "--until", "2010", "--model", "auto")
    assert result.code == 0, result.err
    assert "0.30 [" in result.out
    assert "2 values say too little for a mix of models; auto is the last value" in result.err


def test_a_glacier_of_some_hectares_is_told_in_digits_that_say_something(command: Command) -> None:
    """0.05 km2 melting to 0.0009: with two digits behind the point every forecast and every error was 0.00."""
    rows = [f"TINY,{year}-09-01,area_km2,{0.05 * 0.91 ** (year - 1980):.7f},km2" for year in range(1980, 2024)]
    Path("tiny.csv").write_text("glacier,date,variable,value,unit\n" + "\n".join(rows) + "\n")
    command("import", "tiny.csv")
    told = command("forecast", "--glacier", "TINY", "--until", "2024-09-01", "--model", "last").out
    found = re.search(r"2024-09-01 +(\S+) \[(\S+), (\S+)\]", told)
    assert found is not None
    assert float(found[1]) == pytest.approx(0.05 * 0.91**43, rel=0.06)
    assert float(found[2]) < float(found[1]) < float(found[3])
    told = command("backtest", "--glacier", "TINY", "--model", "last").out
    scores = [line.split() for line in told.splitlines() if line.startswith("  1y")]
    assert float(scores[0][4]) > 0


def test_a_date_beyond_what_a_record_tells_of_is_said(command: Command) -> None:
    rows = [f"My Glacier,2020-06-{1 + day:02d},{5000 - 20 * day + day % 3}" for day in range(20)]
    Path("days.csv").write_text("\n".join(["glacier,date,length_m", *rows, ""]))
    assert command("import", "days.csv").code == 0
    asked = ("forecast", "--glacier", "My Glacier", "--model", "last,drift", "--until")
    far = command(*asked, "2025-06-20")
    assert far.code == 0, far.err
    said = (
        "2025-06-20 lies 96 times as far ahead as the record is long (19 days); from 2020-08-16 on nothing in it says"
    )
    assert said in " ".join(far.err.split())
    assert "as the record is long" not in command(*asked, "2020-08-01").err
