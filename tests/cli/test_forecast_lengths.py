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
