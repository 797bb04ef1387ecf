"""A table that holds changes of length alone is forecast as any other."""

from __future__ import annotations

from pathlib import Path

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
