"""Leakage in its hardest form: the future of all glaciers scrambled, dates too, in a batch with later origins.

The batch asks for forecasts at an early and at a late cutoff. Values, dates and flags after the early one are made
anew, and so is what the late ones are told. What is said at the early cutoff stays the same to the byte, with one job
and with two.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glaciertime.forecast import model_names
from glaciertime.forecast.example import make_series
from glaciertime.forecast.models import MODELS
from glaciertime.forecast.screening import forget_later_flags
from glaciertime.forecast.task import Task
from glaciertime.forecast.tasks import run_tasks

CUTOFF, LATER = np.datetime64("2012-06-30"), np.datetime64("2019-06-30")
TARGETS = np.array(["2013-09-01", "2015-09-01"], "M8[D]")
LEVELS = (0.5, 0.9)
GLOBAL = tuple(name for name in model_names() if MODELS[name].is_global)
LOCAL = tuple(name for name in model_names() if not MODELS[name].is_global)


def world(future, *, variable="length_change_m", count=11):
    """Records of 1990 to 2020; a third on 1 January of each year, with points on straight lines."""
    found = []
    for number in range(count):
        rng = np.random.default_rng(number)
        years = np.arange(1990, 2021)
        if number % 3 == 0:
            dates = np.array([f"{year}-01-01" for year in years], "M8[D]")
        else:
            dates = np.array([f"{year}-09-01" for year in years], "M8[D]") + rng.integers(-40, 40, len(years))
        values = 2000 + np.cumsum(rng.normal(-15, 20, len(years)))
        values[2::6] = np.nan
        # On the line between its neighbours in calendar years where they are whole.
        gone = np.flatnonzero(np.isnan(values))
        values[gone] = (values[gone - 1] + values[gone + 1]) / 2
        quality = np.full(len(years), "ok", dtype=object)
        late = dates > CUTOFF
        if future != "true":
            other = np.random.default_rng(1000 + number)
            values[late] = np.abs(other.normal(0, 500, late.sum()))
            # Other dates, more of some glaciers and none of others.
            kept = other.random(late.sum()) < (0.3, 0.9, 0.0)[number % 3]
            offset = np.sort(other.choice(np.arange(1, 2700), late.sum(), replace=False))
            dates[late] = CUTOFF + offset
            quality[late] = "outlier-jump;interpolated"
            keep = np.concatenate([np.ones((~late).sum(), dtype=bool), kept])
            dates, values, quality = dates[keep], values[keep], quality[keep]
        series = make_series(dates, values, sigma=3.0 if number == 2 else np.nan, glacier=f"G{number}",
                             variable=variable)  # fmt: skip
        found.append(replace(series, quality=quality))
    return found


def early_bytes(future, models, *, jobs, variable="length_change_m", own=2):
    """What each model says at the early cutoff, in a batch with tasks at the late one."""
    series = world(future, variable=variable)
    tasks = [Task(forget_later_flags(one.until(CUTOFF)), CUTOFF, TARGETS) for one in series[:own]]
    tasks += [Task(forget_later_flags(one.until(LATER)), LATER, np.array(["2021-09-01"], "M8[D]"))
              for one in series[:own]]  # fmt: skip
    outcomes = run_tasks(tasks, models=models, levels=LEVELS, training=series, jobs=jobs)
    return {name: [(one.status, one.values.tobytes()) for one in outcomes[name][:own]] for name in models}


@pytest.mark.parametrize(("models", "variable"), [(LOCAL, "length_change_m"), (GLOBAL, "length_change_m"),
                                                  (("gbm", "auto"), "area_km2")])  # fmt: skip
def test_a_scrambled_future_changes_no_byte(models, variable):
    truth = early_bytes("true", models, jobs=1, variable=variable)
    said = {name: {status for status, _ in truth[name]} for name in models}
    assert [name for name in models if said[name] == {"ok"}] == list(models)
    for jobs in (1, 2):
        again = early_bytes("scrambled", models, jobs=jobs, variable=variable)
        assert [name for name in models if again[name] != truth[name]] == []
