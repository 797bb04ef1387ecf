"""What several glaciers are forecast to be together, on the terminal and in the report of their region."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glaciertime.archive import Archive

from .conftest import Command

YEARS = range(2000, 2017)


def areas(name: str, *, day: str = "08-01", start: float, per_year: float, years=YEARS) -> list[dict[str, object]]:
    rng = np.random.default_rng(sum(map(ord, name)))
    weather = np.cumsum(np.random.default_rng(7).normal(0, 0.6, 20))
    return [
        {"glacier": name, "date": f"{year}-{day}", "variable": "area_km2", "unit": "km2", "sigma": 0.1,
         "value": round(start + per_year * k + weather[k] + rng.normal(0, 0.4), 3)}
        for k, year in enumerate(years)
    ]  # fmt: skip


@pytest.fixture
def region(command: Command, tmp_path: Path) -> Command:
    """Three glaciers with areas, one seen on another day and one seen twice, and one with a length."""
    rows = [*areas("A", start=50, per_year=-0.5), *areas("B", start=80, per_year=-1.0),
            *areas("C", start=30, per_year=0.2, day="03-15"),
            *areas("Twice", start=9, per_year=-1.0, years=(2000, 2016))]  # fmt: skip
    rows += [{"glacier": "Long", "date": f"{year}-08-01", "variable": "length_m", "unit": "m", "sigma": 5,
              "value": 9000 - 20 * (year - 2000)} for year in YEARS]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "areas.csv", index=False)
    assert command("import", "areas.csv").code == 0
    return command


def last_line(text: str, model: str) -> list[float]:
    """Return the numbers of the last line of a model in the block of totals."""
    block = text[text.index("sum of several glaciers") :]
    line = [one for one in block.splitlines() if re.match(rf"  20\d\d-\d\d-\d\d  {model} ", one)][-1]
    return [float(one.replace(",", "")) for one in re.findall(r"\d[\d,]*(?:\.\d+)?", line.split(model)[1])]


def test_a_total_stands_below_the_forecasts_of_several_glaciers(region: Command) -> None:
    done = region("forecast", "--all", "--until", "2020", "--model", "last,drift")
    assert done.code == 3, done.err  # drift needs three values
    assert "no total of length_m: of several glaciers they have no sum" in " ".join(done.err.split())
    rows = Archive(Path("glaciertime.gpkg")).read("forecasts")
    rows = rows[(rows["variable"] == "area_km2") & (rows["status"] == "ok")]
    ends = rows[(rows["quantile"] == 0.5) & (rows["model"] == "last")].groupby("glacier")["value"].last()
    number, median, low, high, low_0, high_0, low_1, high_1 = last_line(done.out, "last")
    assert number == 4
    assert median == pytest.approx(ends.sum(), abs=0.05)
    assert low_1 < low < low_0 < median < high_0 < high < high_1
    block = done.out[done.out.index("sum of several glaciers") :]
    assert f"last values {ends.sum():.4g} km2 together" in block
    assert "not in the sum by drift: Twice (" in block
    assert re.search(r"errors correlated 0\.[1-9]\d*, as their changes in 16 years", block)
    assert last_line(done.out, "drift")[0] == 3
    # A seen in August, C in March: the total is of a day on which both have a forecast.
    assert re.search(r"2020-03-15  last", block)


def test_who_is_not_counted_is_told_with_the_reason(region: Command, tmp_path: Path) -> None:
    rows = [pd.read_csv(tmp_path / "areas.csv"), pd.DataFrame(areas("Once", start=7, per_year=0, years=(2003,)))]
    pd.concat(rows).to_csv(tmp_path / "areas.csv", index=False)
    assert region("import", "areas.csv").code == 0
    done = region("forecast", "--all", "--until", "2020", "--model", "last")
    block = done.out[done.out.index("sum of several glaciers") :]
    assert [line.split(" (")[0] for line in block.splitlines() if "not counted" in line] == ["  not counted: Once"]
    assert "Long" not in block
    assert region("report", "--all", "--out", "r.json").code == 0
    assert "one date only" in (tmp_path / "r.json").read_text(encoding="utf-8")


def test_the_correlation_is_settable_and_refused_where_nothing_uses_it(region: Command) -> None:
    ask = ("forecast", "--until", "2020", "--model", "last")
    widths = {}
    for rho in ("0", "0.3", "1"):
        out = region(*ask, "--all", "--correlation", rho).out
        _, _, low, high, low_0, high_0, low_1, high_1 = last_line(out, "last")
        assert f"errors correlated {rho}, assumed or given" in out
        widths[rho] = high - low
    assert widths["0"] == pytest.approx(high_0 - low_0, abs=0.03)
    assert widths["1"] == pytest.approx(high_1 - low_1, abs=0.03)
    assert widths["0"] < widths["0.3"] < widths["1"]
    for more, reason in (
        (("--glacier", "A", "--correlation", "0.2"), "of the total of several glaciers"),
        (("--all", "--correlation", "0.2", "--json"), "the rows of --json are of single glaciers"),
        (("--all", "--correlation", "1.2"), "between 0 (independent errors) and 1"),
    ):
        done = region(*ask, *more)
        assert (done.code, reason in " ".join(done.err.split())) == (2, True), done.err


def test_the_report_of_a_region_holds_the_total(region: Command, tmp_path: Path) -> None:
    region("forecast", "--all", "--until", "2020", "--model", "last,drift")
    for name in ("r.html", "r.md", "r.json", "g.html"):
        language = ("--language", "de") if name == "g.html" else ()
        assert region("report", "--all", "--out", name, *language).code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    words = re.sub(r"<[^>]*>", "", page).replace("\u00a0", " ")
    assert "Forecast of the sum" in words
    assert "in all of 4 of the 4 counted glaciers (median and 90 % interval), from values up to 2016-" in words
    assert "if independent" in words
    assert "Counted above, and not in the sum by drift:" in words
    assert "Of length several glaciers have no sum" in words
    assert "Vorhersage der Summe" in (tmp_path / "g.html").read_text(encoding="utf-8")
    assert "Forecast of the sum" in (tmp_path / "r.md").read_text(encoding="utf-8")
    held = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    tables = [block for section in held["sections"] for block in section["blocks"] if block.get("name") == "sums"]
    assert len(tables) == 1


def test_forecasts_that_saw_less_than_is_known_are_told(region: Command, tmp_path: Path) -> None:
    region("forecast", "--all", "--until", "2020", "--model", "last", "--cutoff", "2010-01-01")
    region("forecast", "--glacier", "A", "--until", "2020", "--model", "last")
    assert region("report", "--all", "--out", "r.html").code == 0
    words = re.sub(r"<[^>]*>", "", (tmp_path / "r.html").read_text(encoding="utf-8")).replace("\u00a0", " ")
    assert "from values up to 2010-01-01 for the first of them to 2016-08-01 for the last" in words
    assert "Of 2 glaciers values are known that came after what their forecasts saw" in words
    assert "B, C" in words
