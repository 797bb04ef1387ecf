"""Scenarios, covariates and skill on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glaciertime.archive import Archive

from .conftest import Command, true_m, write_mask, zones


@pytest.fixture
def toy(command: Command, manifest: Path, tmp_path: Path) -> Command:
    """A glacier that loses a column of 100 m a year, 2000 to 2016."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for year in range(2000, 2017):
        write_mask(folder / f"toy_{year}-03-15.tif", zones(50 - (year - 2000)))
    assert command("track", "--glacier", "Toy", "--manifest", manifest, "--data", folder).code == 0
    return command


SERIES = ("--glacier", "Toy", "--variable", "front_position_m", "--method", "centreline")


def test_a_scenario_is_printed_and_stored_as_one(toy: Command, tmp_path: Path) -> None:
    result = toy("forecast", *SERIES, "--until", "2020", "--scenario", "held,doubled")
    assert result.code == 0, result.err
    assert "SCENARIO, not a forecast" in result.out
    rows = Archive(Path("glaciertime.gpkg")).read("forecasts")
    assert set(rows["model"]) == {"scenario-held", "scenario-doubled"}
    last = rows[(rows["quantile"] == 0.5) & (rows["target_date"] == "2020-03-15")].set_index("model")["value"]
    assert last["scenario-held"] == pytest.approx(true_m(3000), abs=3.0)
    assert last["scenario-doubled"] == pytest.approx(true_m(2600), abs=6.0)
    profile = tmp_path / "width.csv"
    pd.DataFrame({"position_m": [0, 6000], "value": [1000, 4000]}).to_csv(profile, index=False)
    told = toy("forecast", *SERIES, "--until", "2020", "--scenario", "held", "--profile", profile, "--json").json
    ends = [row["value"] for row in told if row["quantile"] == 0.5 and row["target_date"] == "2020-03-15"]
    assert ends[0] < true_m(2990)


def test_forecast_and_scenario_together_stay_apart(toy: Command) -> None:
    result = toy("forecast", *SERIES, "--until", "2018", "--model", "drift", "--scenario", "zero")
    forecast, scenario = result.out.split("SCENARIO, not a forecast")
    assert "drift" in forecast
    assert "scenario-zero" not in forecast
    assert "scenario-zero" in scenario
    assert "drift" not in scenario


def covariate(path: Path, *, last_year: int) -> Path:
    years = np.arange(1999, last_year + 1)
    table = pd.DataFrame({"date": [f"{year}-01-01" for year in years], "name": "melt", "value": np.sin(years)})
    table.to_csv(path, index=False)
    return path


def test_covariates_name_the_model_and_must_cover_the_horizon(toy: Command, tmp_path: Path) -> None:
    long = covariate(tmp_path / "long.csv", last_year=2021)
    result = toy("forecast", *SERIES, "--until", "2020", "--model", "kalman", "--covariates", long)
    assert result.code == 0, result.err
    assert "kalman+melt" in result.out
    assert "do not say how likely it is" in result.err
    short = covariate(tmp_path / "short.csv", last_year=2017)
    result = toy("forecast", *SERIES, "--until", "2020", "--covariates", short)
    assert result.code == 1
    assert "melt ends on 2017-01-01, before the last target date, 2020-03-15" in result.err


def test_several_files_of_covariates_are_several_futures_of_one_past(toy: Command, tmp_path: Path) -> None:
    warm, cool = (covariate(tmp_path / f"{name}.csv", last_year=2021) for name in ("warm", "cool"))
    table = pd.read_csv(cool)
    table.assign(value=table["value"].where(table["date"] < "2016-06", 0.0)).to_csv(cool, index=False)
    ask = (*SERIES, "--until", "2020", "--model", "kalman", "--covariates", warm, "--covariates")
    told = toy("forecast", *ask, cool)
    assert told.code == 0, told.err
    rows = Archive(Path("glaciertime.gpkg")).read("forecasts")
    assert set(rows["model"]) == {"kalman+melt:warm", "kalman+melt:cool"}
    assert "melt:warm, melt:cool follow from the future that was given" in " ".join(told.err.split())
    table.assign(value=0.0).to_csv(tmp_path / "other.csv", index=False)
    other = toy("forecast", *ask, tmp_path / "other.csv")
    assert other.code == 1
    assert "warm and other differ on 1999-01-01 (melt: " in " ".join(other.err.split())
    assert toy("forecast", *ask, warm).code == 2


def test_a_backtest_with_covariates_is_perfect_prognosis_and_no_verdict(toy: Command, tmp_path: Path) -> None:
    warm = covariate(tmp_path / "warm.csv", last_year=2017)
    ask = ("backtest", *SERIES, "--horizon", "1y", "--min-train", "8", "--covariates", warm)
    result = toy(*ask, "--model", "last,drift,kalman")
    assert result.code == 0, result.err
    told = " ".join(result.err.split())
    assert "kalman+melt is perfect prognosis, no forecast: it was given what melt came to after every origin" in told
    assert "scored without melt, which they do not take: last, drift" in told
    assert "perfect prognosis, no forecast, 1y: with melt as it came, kalman errs" in result.out
    scores = Archive(Path("glaciertime.gpkg")).read("scores")
    counts = scores[scores["metric"] == "mae"].set_index("model")["n"]
    assert sorted(counts.index) == ["drift", "kalman", "kalman+melt", "last"]
    assert counts.nunique() == 1, "all on the same origins"
    verdicts = Archive(Path("glaciertime.gpkg")).read("verdicts")
    assert not verdicts["best"].str.contains("melt").any()
    report = toy("report", "--glacier", "Toy", "--out", "toy.md")
    assert report.code == 0, report.err
    assert "perfect prognosis" in Path("toy.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "reason", "code"),
    [
        (("--model", "last,drift"), "last, drift takes no covariates; give --model with some of kalman", 2),
        (("--model", "kalman", "--covariate-effect", "speed"), "no covariate effect 'speed'", 2),
        (("--covariates", "other.csv"), "what is scored is past and has no several futures; give one file", 2),
        (("--model", "last,kalman"), "melt ends on 2012-01-01, before the last target date, 2016-03-15", 1),
    ],
)
def test_covariates_that_a_backtest_cannot_use_are_refused(
    toy: Command, tmp_path: Path, arguments: tuple[str, ...], reason: str, code: int
) -> None:
    short = covariate(tmp_path / "short.csv", last_year=2012)
    result = toy("backtest", *SERIES, "--horizon", "1y", "--min-train", "8", "--covariates", short, *arguments)
    assert result.code == code
    assert reason in " ".join(result.err.split())
    assert toy("backtest", *SERIES, "--model", "kalman", "--covariate-effect", "rate").code == 2


@pytest.mark.parametrize(
    ("arguments", "reason", "code"),
    [
        (("--covariates", "no.csv"), "there is no file no.csv", 1),
        (("--season", "--model", "drift"), "drift takes no covariates", 2),
        (("--scenario", "halved"), "give one of held, doubled, zero", 2),
        (("--profile", "width.csv"), "--profile belongs to a scenario", 2),
        (("--season", "--contour"), "--contour takes no", 2),
        (("--season", "--covariate-effect", "rate"), "given without --covariates", 2),
    ],
)
def test_bad_options_are_refused(toy: Command, arguments: tuple[str, ...], reason: str, code: int) -> None:
    result = toy("forecast", *SERIES, "--until", "2020", *arguments)
    assert result.code == code
    assert reason in " ".join(result.err.split())
    assert "Traceback" not in result.err


def test_a_backtest_prints_and_stores_skill(toy: Command) -> None:
    result = toy("backtest", *SERIES, "--model", "last,drift", "--horizon", "1y")
    assert result.code == 0, result.err
    assert "skill over last" in result.out
    scores = Archive(Path("glaciertime.gpkg")).read("scores")
    skill = scores[scores["metric"] == "skill_last"].set_index("model")["value"]
    assert skill["drift"] > 0.8
    page = Path("page.html")
    assert toy("report", "--glacier", "Toy", "--out", page).code == 0
    assert "skill over the last value" in page.read_text(encoding="utf-8")


def test_verdict_and_hazard_are_stored_and_told_beside_a_forecast(toy: Command) -> None:
    before = toy("forecast", *SERIES, "--until", "2020", "--model", "last,drift")
    assert before.code == 0, before.err
    assert "verdict: none yet; glaciertime backtest --glacier Toy says which model to use" in before.out
    assert "hazard, which is no part of the intervals" in before.out
    assert toy("backtest", *SERIES, "--model", "last,drift", "--horizon", "1y").code == 0
    verdicts = Archive(Path("glaciertime.gpkg")).read("verdicts")
    # Seven forecasts are too few to say that drift is better, whatever it errs.
    assert verdicts[["use", "best"]].values.tolist() == [["last", "drift"]]
    told = toy("forecast", *SERIES, "--until", "2020", "--model", "drift")
    assert f"verdict of its backtest, front_position_m (centreline), {verdicts['verdict'][0]}" in told.out
    rows = json.loads(toy("forecast", *SERIES, "--until", "2020", "--model", "drift", "--json").out)
    assert isinstance(rows, list)
    assert {"quantile", "value"} <= set(rows[0])
    table = toy("table", "--of", "verdict", "--json")
    assert json.loads(table.out)[0]["best"] == "drift"
    hazards = json.loads(toy("table", "--of", "hazard", "--json").out)
    assert [row["losses"] for row in hazards] == [0]
    assert hazards[0]["rate_per_year"] is None
    assert "too few to say" in toy("table", "--of", "hazard").out
    assert "too few to say" in toy("table", "--of", "hazard", "--format", "markdown").out
    out = Path("hazards.csv")
    assert toy("export", "--glacier", "Toy", "--table", "hazards", "--out", out).code == 0
    assert "too few to say" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--of", "hazards"), "--of 'hazards' is not known; known are retreat, verdict, hazard"),
        (("--of", "hazard", "--from", "2000"), "--from is of the retreat"),
        (("--of", "verdict", "--totals"), "--totals is of the retreat"),
    ],
)
def test_a_table_of_what_is_not_asked_for_is_refused(toy: Command, arguments: tuple[str, ...], reason: str) -> None:
    result = toy("table", *arguments)
    assert result.code == 2
    assert reason in " ".join(result.err.split())
