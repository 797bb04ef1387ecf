"""What a forecast does not depend on: the unit of its values, their arbitrary zero, and when it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from glaciertime.forecast import Series, model_names
from glaciertime.forecast.example import make_series
from glaciertime.forecast.models import MODELS
from glaciertime.forecast.task import Outcome, Task
from glaciertime.forecast.tasks import run_tasks

COUNT = 20
DAYS = np.array([f"{1985 + k}-09-01" for k in range(COUNT)], "M8[D]")
WALK = np.cumsum(np.random.default_rng(5).normal(-15, 20, COUNT))
UNITS = {"length_change_m": "m", "area_km2": "km2"}
RECORDS = {
    "a walk": np.round(2000 + WALK, 1),
    "a line": 2000.0 - 30 * np.arange(COUNT),
    "equal values and a jump": np.array([5000.0] * (COUNT - 1) + [6000.0]),
    "a collapse": np.round(np.where(np.arange(COUNT) < 12, 3000 + WALK, 900 + 0.3 * WALK)),
    "nearly gone": np.round(np.maximum(330 + WALK, 20)),
}
SIGMAS = {"a walk": 9.0, "equal values and a jump": 30.0}


@pytest.fixture(autouse=True, scope="module")
def few_refits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glaciertime.forecast.learned.pool.REFIT_YEARS", 17.0)
        yield


def others(variable: str) -> list[Series]:
    """Six glaciers to learn from."""
    dates = np.array([f"{1974 + k}-09-01" for k in range(32)], "M8[D]")
    found = []
    for k in range(6):
        values = 4000 + 400 * k + np.cumsum(np.random.default_rng(k).normal(-15, 20, 32))
        found.append(make_series(dates, np.round(values, 2), glacier=f"T{k}", variable=variable, unit=UNITS[variable]))
    return found


def told(
    variable: str, models: list[str], changes: list[dict[str, Any]], names: list[str]
) -> dict[str, dict[str, list[Outcome]]]:
    """Return by record and model the outcomes of it as it is, and of it changed by each."""
    tasks = []
    for name in names:
        for change in ({}, *changes):
            factor = change.get("factor", 1.0)
            sigma = None if name not in SIGMAS else factor * np.full(COUNT, SIGMAS[name])
            series = make_series(
                DAYS + change.get("days", 0), RECORDS[name] * factor + change.get("shift", 0.0), variable=variable,
                unit=UNITS[variable], sigma=sigma,
            )  # fmt: skip
            tasks.append(Task(series, series.dates[-1], series.dates[-1] + np.array([365, 1461])))
    found = run_tasks(tasks, models=models, levels=[0.5, 0.9], training=others(variable))
    each = 1 + len(changes)
    return {name: {model: found[model][k * each : (k + 1) * each] for model in models} for k, name in enumerate(names)}


def check(found: dict[str, dict[str, list[Outcome]]], changes: list[dict[str, Any]]) -> None:
    for name, by_model in found.items():
        for model, (first, *rest) in by_model.items():
            assert first.status == "ok", (name, model, first.status)
            width = np.ptp(first.values)
            for change, other in zip(changes, rest, strict=True):
                assert other.status == "ok", (name, model, change, other.status)
                back = (other.values - change.get("shift", 0.0)) / change.get("factor", 1.0)
                np.testing.assert_allclose(
                    back, first.values, rtol=0, atol=1e-5 * width, err_msg=f"{name}, {model}, {change}"
                )


#: The slow one searches by steps of its own; one record tells.
FAST = [name for name in model_names() if name != "auto-arima"]


@pytest.mark.parametrize("variable", list(UNITS))
def test_a_thousandth_of_the_values_has_a_thousandth_of_the_forecast(variable: str) -> None:
    changes = [{"factor": 1e-3}, {"factor": 1e3}]
    check(told(variable, FAST, changes, list(RECORDS)), changes)
    check(told(variable, ["auto-arima"], changes, ["a walk"]), changes)


def test_a_constant_added_to_positions_is_added_to_the_forecast() -> None:
    changes = [{"shift": -20_001.0}]
    check(told("length_change_m", FAST, changes, ["a walk", "a collapse", "nearly gone"]), changes)


def test_the_same_record_twenty_years_later_is_forecast_the_same_from_itself() -> None:
    changes = [{"days": 5 * 1461}]
    models = [name for name in FAST if not MODELS[name].is_global]
    check(told("area_km2", models, changes, list(RECORDS)), changes)
