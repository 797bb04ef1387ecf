"""What models across glaciers learned is kept: less is computed, and no number changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glaciertime.archive import Archive
from glaciertime.forecast import forecast_series
from glaciertime.forecast.example import make_series
from glaciertime.forecast.learned import bank as bank_module
from glaciertime.forecast.learned import past as past_module
from glaciertime.forecast.learned.bank import FOLDS, Bank, bank_of, build_bank
from glaciertime.forecast.learned.past import past_of, pasts_of
from glaciertime.forecast.learned.pool import pool_of
from glaciertime.forecast.series import Series
from glaciertime.pipeline import learning
from glaciertime.pipeline.hazards import Hazards
from glaciertime.pipeline.learning import KeptLearning, learning_of, other_glaciers
from glaciertime.pipeline.outlook import ForecastRequest, forecast_glacier, many
from glaciertime.pipeline.selection import read_known
from glaciertime.record import read_record
from tests.forecast.conftest import simulate

CUTOFF = "1972-06-01"


@pytest.fixture(scope="module")
def series() -> list[Series]:
    return [simulate(f"Glacier {number}", seed=number, variable="area_km2", count=26) for number in range(7)]


def assert_same(one: Bank, other: Bank) -> None:
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, name), err_msg=name)


def none_described(*_: object) -> None:
    raise AssertionError("what is known was computed again")


def test_a_past_that_is_cut_or_grown_is_that_of_the_values(series: list[Series]) -> None:
    pasts = pasts_of(series)
    cut = [one.until(CUTOFF) for one in series]
    assert_same(bank_of(cut, pasts), build_bank(cut))
    grown = [past_of(one, past_of(early)) for one, early in zip(series, cut, strict=True)]
    assert_same(bank_of(series, grown), build_bank(series))
    # A value that was corrected in the middle.
    changed = replace(series[0], values=series[0].values + 50.0 * (np.arange(len(series[0])) == 12))
    assert_same(bank_of([changed], [past_of(changed, pasts[0])]), build_bank([changed]))


def test_only_origins_that_a_new_value_touches_are_computed(
    series: list[Series], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = past_of(series[0].take(slice(0, -1)))
    described = []
    real = past_module.describe_origin
    monkeypatch.setattr(past_module, "describe_origin", lambda *told: described.append(1) or real(*told))
    past_of(series[0], before)
    assert 1 <= len(described) <= 8  # the new origin, and those that the new value is a target of


def test_what_is_kept_is_taken_and_what_is_damaged_or_of_other_code_is_not(
    series: list[Series], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = KeptLearning(tmp_path).pasts(series)
    with monkeypatch.context() as patched:
        patched.setattr(past_module, "describe_origin", none_described)
        assert_same(bank_of(series, KeptLearning(tmp_path).pasts(series)), bank_of(series, first))
        with pytest.raises(AssertionError, match="computed again"):
            KeptLearning(tmp_path).pasts([replace(series[0], values=series[0].values * 2)])
        patched.setattr(learning, "_made_by", lambda: "other code")
        with pytest.raises(AssertionError, match="computed again"):
            KeptLearning(tmp_path).pasts(series)
    (kept,) = tmp_path.glob("pasts-*.npz")
    kept.write_bytes(kept.read_bytes()[:5000])
    assert_same(bank_of(series, KeptLearning(tmp_path).pasts(series)), bank_of(series, first))


def test_a_forecast_is_the_same_with_what_is_kept_and_trains_no_trees_twice(
    series: list[Series], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glaciertime.forecast.learned.gbm.MIN_ROWS", 60)
    grown = []
    import glaciertime.forecast.learned.gbm as gbm

    real = gbm._grow
    monkeypatch.setattr(gbm, "_grow", lambda *told: grown.append(1) or real(*told))
    own, *others = series
    asked = {"models": ["auto"], "target_dates": ["1974-01-01", "1977-01-01"], "cutoff": CUTOFF, "training": others}
    plain = forecast_series(own, **asked)
    alone = len(grown)
    assert alone > 2
    for trained in (alone, 0):
        grown.clear()
        again = forecast_series(own, **asked, kept=KeptLearning(tmp_path))
        pd.testing.assert_frame_equal(again, plain, check_exact=True)
        assert len(grown) == trained


def test_answers_with_a_bit_turned_are_not_taken(tmp_path: Path) -> None:
    answers = np.linspace(-1, 1, 80).reshape(2, 40)
    KeptLearning(tmp_path).keep_answers("some", answers)
    np.testing.assert_array_equal(KeptLearning(tmp_path).answers("some"), answers)
    (kept,) = tmp_path.glob("answers-*")
    content = bytearray(kept.read_bytes())
    content[content.index(answers.tobytes()) + 47] ^= 0x40
    kept.write_bytes(bytes(content))
    assert KeptLearning(tmp_path).answers("some") is None


def archive_of(series: list[Series], path: Path) -> Archive:
    rows = pd.concat(
        pd.DataFrame(
            {"glacier": one.glacier, "date": one.dates, "variable": one.variable, "value": one.values, "unit": one.unit,
             "sigma": np.nan, "method": "-", "footprint": "-", "dataset": "-", "image_id": "-", "sensor": "",
             "coverage": 1.0, "quality": one.quality, "source": "simulated", "front_of": "", "bound": ""}
        ) for one in series
    )  # fmt: skip
    archive = Archive(path)
    archive.store_series(rows, source_file="series.csv")
    return archive


def test_a_command_reads_the_series_of_an_archive_once(
    series: list[Series], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLACIERTIME_DOWNLOADS", str(tmp_path / "downloads"))
    archive = archive_of(series, tmp_path / "a.gpkg")
    read = []
    real = Archive.read

    def counted(self: Archive, table: str, **which: object) -> pd.DataFrame:
        read.append(which)
        return real(self, table, **which)

    monkeypatch.setattr(Archive, "read", counted)
    found = {}
    for one in series:
        record = read_record(archive, one.glacier)
        found[one.glacier] = learning_of(record, one, models=["auto"], command="one command").others
    of_all = [which for which in read if "glacier" not in which]
    assert len(of_all) == 1
    for one in series:
        fresh = other_glaciers(read_record(archive, one.glacier), one, models=["auto"])
        assert [other.key for other in fresh] == [other.key for other in found[one.glacier]]
        assert one.glacier not in {other.glacier for other in found[one.glacier]}
    assert other_glaciers(record, series[0], models=["kalman"]) == []


def test_one_glacier_is_forecast_as_among_all_and_all_take_the_trees_of_the_folds(
    series: list[Series], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glaciertime.forecast.learned.gbm.MIN_ROWS", 60)
    import glaciertime.forecast.learned.gbm as gbm

    grown, real = [], gbm._grow
    monkeypatch.setattr(gbm, "_grow", lambda *told: grown.append(1) or real(*told))
    archive = archive_of(series, tmp_path / "a.gpkg")

    def asked(name: str) -> ForecastRequest:
        return ForecastRequest(archive=archive.path, glacier=name, until="1980", models=("auto", "gbm"))

    def forecast(names: list[str], folder: str) -> dict[str, pd.DataFrame]:
        learning._kept.cache_clear()
        monkeypatch.setenv("GLACIERTIME_DOWNLOADS", str(tmp_path / folder))
        found = {one.glacier: one.rows for one in many([asked(name) for name in names], forecast_glacier)}
        return {name: rows for name, rows in found.items() if rows is not None}

    every = [one.glacier for one in series]
    of_all = forecast(every, "all")
    # One ensemble for each refit date and fold, whatever the number of glaciers.
    assert 0 < len(grown) <= FOLDS * len({year // 5 for one in series for year in one.years})
    of_one = forecast([every[3]], "one")
    pd.testing.assert_frame_equal(of_one[every[3]], of_all[every[3]], check_exact=True)
    assert set(of_all[every[3]]["status"]) == {"ok"}
    grown.clear()
    again = forecast(every[::-1][:4], "all")
    assert len(grown) <= 4
    for name, rows in again.items():
        pd.testing.assert_frame_equal(rows, of_all[name], check_exact=True)


def test_of_very_many_series_the_same_teach_whoever_asks(series: list[Series], monkeypatch: pytest.MonkeyPatch) -> None:
    bank = build_bank(series)
    monkeypatch.setattr(bank_module, "MOST_SERIES", 3)
    rows = np.arange(len(bank.origin))
    chosen = bank.first_series(bank.series[rows])
    names = set(bank.glaciers[bank.series[rows[chosen]]])
    assert len(names) == 3
    # One that is no part of it makes room for the next, and moves none of the others.
    gone = sorted(names)[0]
    rest = rows[bank.glaciers[bank.series[rows]] != gone]
    assert names - {gone} < set(bank.glaciers[bank.series[rest[bank.first_series(bank.series[rest])]]])
    fewer = build_bank([one for one in series if one.glacier in names])
    assert fewer.first_series(fewer.series).all()


def test_a_new_value_grows_anew_only_the_trees_that_it_is_asked_of_or_known_to(
    series: list[Series], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glaciertime.forecast.learned.gbm.MIN_ROWS", 60)
    import glaciertime.forecast.learned.gbm as gbm

    grown, real = [], gbm._grow
    monkeypatch.setattr(gbm, "_grow", lambda *told: grown.append(1) or real(*told))
    late = [replace(one, variable="front_position_m", unit="m") for one in series[:5]]
    early = [late[0].take(slice(0, -1)), *late[1:]]
    counts = []
    for held in (early, late):
        grown.clear()
        kept = KeptLearning(tmp_path).pool(held, seed=0)
        kept.answer(np.concatenate([one.years for one in held]))
        counts.append(len(grown))
    assert 0 < counts[1] < counts[0]
    plain = pool_of(build_bank(late), variable=late[0].variable)
    plain.answer(np.concatenate([one.years for one in late]))
    np.testing.assert_array_equal(kept.trees.known_answers, plain.trees.known_answers)


def test_an_archive_of_front_positions_alone_has_no_hazard(series: list[Series], tmp_path: Path) -> None:
    positions = [replace(one, variable="front_position_m", unit="m") for one in series[:2]]
    archive = archive_of(positions, tmp_path / "a.gpkg")
    assert Hazards(archive, read_known((), ())).of(series[0].glacier, ["front_position_m"]).empty


def test_the_hazard_at_a_cutoff_rests_on_no_flag_that_later_values_made(tmp_path: Path) -> None:
    dates = [f"{year}-03-01" for year in range(1990, 2010)]
    broken = make_series(dates, [100.0] * 8 + [40.0] * 12, glacier="A", variable="area_km2", unit="km2")
    quality = np.array(["outlier-jump: far from all others" if k >= 8 else "ok" for k in range(20)], dtype=object)
    archive = archive_of([replace(broken, quality=quality)], tmp_path / "a.gpkg")
    (at_cutoff,) = Hazards(archive, read_known((), ()), cutoff="2006-01-01").of("A", ["area_km2"]).to_dict("records")
    assert at_cutoff["losses"] == 1
    (at_end,) = Hazards(archive, read_known((), ())).of("A", ["area_km2"]).to_dict("records")
    assert at_end["losses"] == 0


def test_the_hazards_of_all_glaciers_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from glaciertime.pipeline import hazards

    made, real = [], hazards.hazards_of
    monkeypatch.setattr(hazards, "hazards_of", lambda *told, **more: made.append(1) or real(*told, **more))
    dates = [f"{year}-03-01" for year in range(1990, 2010)]
    broken = [make_series(dates, [100.0] * 8 + [left] * 12, glacier=name, variable="area_km2", unit="km2")
              for name, left in (("Mist", 40.0), ("Fog", 99.0))]  # fmt: skip
    found = Hazards(archive_of(broken, tmp_path / "a.gpkg"), read_known((), ()))
    of_each = {name: found.of(name, ["area_km2"]) for name in ("Mist", "Fog")}
    assert len(made) == 1
    assert [len(rows) for rows in of_each.values()] == [1, 1]
    assert found.of("Haze", ["area_km2"]).empty
    assert "of itself: 1997-03-01 to 1998-03-01" in of_each["Mist"]["reading"].item()
    assert "none of itself" in of_each["Fog"]["reading"].item()


def test_past_errors_are_learned_once_for_the_glaciers_of_a_fold(
    series: list[Series], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glaciertime.forecast.learned.gbm.MIN_ROWS", 60)
    from glaciertime.forecast.learned.bank import fold_of
    from glaciertime.forecast.learned.conformal import PastErrors

    learned, real = [], PastErrors.learn
    monkeypatch.setattr(PastErrors, "learn", lambda *told, **more: learned.append(1) or real(*told, **more))
    asked = {"models": ["auto"], "target_dates": ["1974-01-01"], "cutoff": CUTOFF, "training": series}
    plain = [forecast_series(one, **asked) for one in series]
    alone = len(learned)
    learned.clear()
    kept = KeptLearning(tmp_path)
    for one, right in zip(series, plain, strict=True):
        pd.testing.assert_frame_equal(forecast_series(one, **asked, kept=kept), right, check_exact=True)
    assert len(learned) == len({fold_of(one.glacier) for one in series}) < len(series)
    assert alone <= len(series)
