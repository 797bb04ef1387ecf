"""Nothing after the cutoff, of any glacier, changes one byte of a forecast made at the cutoff."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glaciertime.forecast import forecast_series, model_names, observations_from_table, series_from_observations
from glaciertime.forecast.learned.bank import build_bank
from glaciertime.forecast.models import MODELS
from glaciertime.forecast.screening import on_straight_line

CUTOFF = np.datetime64("1976-01-01")
TARGETS = ["1977-01-01", "1978-07-01", "1981-01-01"]
LOCAL = [name for name in model_names() if not MODELS[name].is_global]
# The networks come with weights, which are refused at so early a cutoff: test_neural.py looks at them.
GLOBAL = [name for name in model_names() if MODELS[name].is_global and name not in ("lstm", "mamba")]


def scrambled(series, *, seed):
    """The series with other values after the cutoff, straight lines and huge ones among them, and other flags."""
    rng = np.random.default_rng(seed)
    later = series.dates > CUTOFF
    values, quality = series.values.copy(), series.quality.copy()
    values[later] = rng.normal(0, 1e6, later.sum())
    values[np.flatnonzero(later)[:3]] = 2 * series.values[~later][-1] - series.values[~later][-2]
    quality[rng.random(len(series)) < 0.3] = "outlier-jump;interpolated"
    return replace(series, values=values, quality=quality)


@pytest.mark.parametrize("model", LOCAL)
def test_local_models_do_not_see_later_values(model, glaciers):
    series = glaciers[0]
    truth = forecast_series(series, models=[model], target_dates=TARGETS, cutoff=CUTOFF)
    assert set(truth["status"]) == {"ok"} or model in ("theta", "ets", "auto-arima")
    for other in (scrambled(series, seed=1), series.until(CUTOFF)):
        again = forecast_series(other, models=[model], target_dates=TARGETS, cutoff=CUTOFF)
        assert again.to_csv() == truth.to_csv()


def test_global_models_do_not_see_later_values_of_any_glacier(glaciers):
    own, *others = glaciers
    truth = forecast_series(own, models=GLOBAL, target_dates=TARGETS, cutoff=CUTOFF, training=glaciers)
    assert set(truth["status"]) == {"ok"}
    randomised = [scrambled(series, seed=i) for i, series in enumerate(glaciers)]
    deleted = [series.until(CUTOFF) for series in glaciers]
    appeared = [replace(series, glacier=f"{series.glacier} new").take(series.dates > CUTOFF) for series in others[:3]]
    for training in (randomised, deleted, [*deleted, *appeared], deleted[::-1]):
        mine = next(series for series in training if series.glacier == own.glacier)
        again = forecast_series(mine, models=GLOBAL, target_dates=TARGETS, cutoff=CUTOFF, training=training)
        assert again.to_csv() == truth.to_csv()


def test_a_glacier_does_not_train_its_own_global_model(glaciers):
    own = glaciers[0]
    copies = [replace(own, dataset=f"archive {number}") for number in range(12)]
    table = forecast_series(own, models=["gbm"], target_dates=TARGETS, cutoff=CUTOFF, training=[own, *copies])
    assert table["status"].str.contains("0 known values of other glaciers").all()


def test_earlier_values_of_other_glaciers_do_matter(glaciers):
    own, *others = glaciers
    truth = forecast_series(own, models=["gbm"], target_dates=TARGETS, cutoff=CUTOFF, training=others)
    flipped = [replace(series, values=-series.values) for series in others]
    again = forecast_series(own, models=["gbm"], target_dates=TARGETS, cutoff=CUTOFF, training=flipped)
    assert not np.allclose(again["value"], truth["value"])


def test_the_bank_of_a_cut_off_series_is_the_part_known_then(glaciers):
    year = CUTOFF.astype("M8[D]").astype(int) / 365.25
    full, cut = build_bank(glaciers[:3]), build_bank([series.until(CUTOFF) for series in glaciers[:3]])
    known, all_ = full.known_at(year), cut.known_at(year)
    assert 0 < known.sum() < len(known)
    np.testing.assert_array_equal(full.target[known], cut.target[all_])
    np.testing.assert_array_equal(full.mean[known], cut.mean[all_])


def test_a_straight_line_is_known_only_once_its_end_is(glaciers):
    series = glaciers[0]
    values = series.values.copy()
    at = int(np.flatnonzero(series.dates == CUTOFF)[0])
    years = series.dates.astype("M8[Y]").astype(int)
    values[at] = np.interp(years[at], years[[at - 1, at + 1]], values[[at - 1, at + 1]])
    straight = replace(series, values=values)
    assert on_straight_line(straight)[at]
    bank = build_bank([straight])
    rows = bank.target_year == straight.years[at]
    assert bank.known_at(straight.years[at])[rows].all()
    assert not bank.known_at(straight.years[at + 1])[rows].any()


def test_leclercq_forecasts_do_not_see_later_values(shared_data):
    import pandas as pd

    plain = pd.read_csv(shared_data / "series" / "benchmark.csv")
    plain = plain[plain["source"].str.startswith("Leclercq")]
    glaciers = series_from_observations(observations_from_table(plain))[:9]
    cutoff = "1978-01-01"
    before = [series for series in glaciers if (series.dates <= np.datetime64(cutoff)).sum() >= 12]
    own = before[0]
    arguments = {"models": ["kalman", "auto"], "target_dates": ["1979-01-01", "1983-01-01"], "cutoff": cutoff}
    truth = forecast_series(own, training=before, **arguments)
    rng = np.random.default_rng(0)
    changed = [
        replace(s, values=np.where(s.dates > np.datetime64(cutoff), rng.normal(0, 1e4, len(s)), s.values))
        for s in before
    ]
    again = forecast_series(changed[0], training=changed, **arguments)
    assert again.to_csv() == truth.to_csv()
