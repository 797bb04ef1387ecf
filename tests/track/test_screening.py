"""What the screening flags, what it leaves, and what it never does."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from glaciertime.errors import InputError
from glaciertime.track.record.screening import keep, screen, screen_fronts, too_fast
from glaciertime.track.ruler.sensors import remove_sensor_offsets, sensor_offsets
from glaciertime.track.settings import ScreeningSettings


def series(values, *, every_days: int = 10, sensors=None, quality="ok") -> pd.DataFrame:
    dates = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(values)) * every_days, unit="D")
    return pd.DataFrame(
        {
            "glacier": "Toy", "date": dates, "variable": "front_position_m", "value": np.asarray(values, dtype=float),
            "sigma": 10.0, "unit": "m", "method": "centreline", "footprint": "centreline", "dataset": "toy",
            "sensor": sensors if sensors is not None else "", "image_id": [f"i{k}" for k in range(len(values))],
            "coverage": 1.0, "quality": quality, "source": "simulated",
        }
    )  # fmt: skip


def flagged(table: pd.DataFrame, flag: str) -> list[int]:
    return np.flatnonzero(table["quality"].str.contains(flag)).tolist()


SPEED = ScreeningSettings(ice_speed_m_per_year=3_652.5)


def test_a_sudden_retreat_is_never_flagged():
    assert (screen(series([0, 5, 10, -4_000, -3_995, -3_990]), settings=SPEED)["quality"] == "ok").all()


def test_a_retreat_undone_faster_than_ice_flows_is():
    out = screen(series([0, 5, 10, -800, 20, 25, 30]), settings=SPEED)
    assert flagged(out, "outlier-jump") == [3]
    assert "undone, advancing 820 m in 10 days, the ice flows 3652 m a year" in out["quality"].iloc[3]


def test_an_advance_faster_than_the_ice_is_flagged_and_those_after_it_are_not():
    out = screen(series([0, 5, 10, 900, 20, 25, 30]), settings=SPEED)
    assert flagged(out, "outlier-advance") == [3]
    assert (out["quality"] == "ok").sum() == 6


def test_an_advance_within_speed_and_two_sigma_is_left():
    allowed = 100 + 2 * np.hypot(10, 10)
    assert too_fast([0, 10], [0, allowed - 1], [10, 10], limit_m_per_year=3_652.5) == {}
    assert 1 in too_fast([0, 10], [0, allowed + 1], [10, 10], limit_m_per_year=3_652.5)


def test_windows_are_in_days_not_in_numbers_of_fronts():
    sparse = series([0, -2_000, 2_000], every_days=365)
    assert (screen(sparse, settings=SPEED)["quality"] == "ok").all()


def test_two_authors_of_one_day_do_not_flag_each_other():
    table = pd.concat([series([0.0, 10.0]), series([500.0, 510.0]).assign(image_id=["a", "b"])], ignore_index=True)
    table = table[table["date"] == table["date"].min()]
    assert (screen(table, settings=SPEED)["quality"] == "ok").all()


def test_without_a_speed_the_limit_comes_from_the_series_and_says_so():
    rng = np.random.default_rng(2)
    values = np.cumsum(np.where(np.arange(60) % 3 == 2, -110, 55)) + rng.normal(0, 5, 60)
    values[30] += 3_000
    out = screen(series(values))
    assert flagged(out, "outlier-") == [30]
    assert out["quality"].iloc[30].endswith("by its own series")


def test_nothing_is_deleted_and_values_stay():
    table = series([0, 5, 10, 900, 20])
    out = screen(table, settings=SPEED)
    pd.testing.assert_frame_equal(out.drop(columns="quality"), table.drop(columns="quality"))


def test_row_order_changes_no_flag():
    table = series([0, 5, 10, 900, 20, -700, 30, 35])
    plain = screen(table, settings=SPEED).set_index("image_id")["quality"]
    order = np.random.default_rng(0).permutation(len(table))
    shuffled = screen(table.iloc[order], settings=SPEED).set_index("image_id")["quality"]
    pd.testing.assert_series_equal(plain, shuffled.loc[plain.index])


def fronts(lengths, *, wiggle=None) -> gpd.GeoDataFrame:
    dates = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(len(lengths)) * 10, unit="D")
    lines = []
    for k, length in enumerate(lengths):
        y = np.linspace(0, length, 50)
        x = (400 * np.sin(y / 40) if wiggle == k else 0) + 0 * y
        lines.append(shapely.LineString(np.column_stack([x, y])))
    return gpd.GeoDataFrame(
        {"GlacierID": "Toy", "Date": dates, "QualFlag": "ok", "ImageID": [f"i{k}" for k in range(len(lengths))]},
        geometry=lines,
    )


def test_short_and_winding_fronts_are_flagged_and_their_observations_too():
    lengths = [5_000 + 40 * (k % 5) for k in range(20)]
    lengths[7] = 1_500
    out = screen_fronts(fronts(lengths, wiggle=12))
    assert flagged(out.rename(columns={"QualFlag": "quality"}), "outlier-length: 1500 m") == [7]
    assert flagged(out.rename(columns={"QualFlag": "quality"}), "outlier-complexity") == [12]
    observed = screen(series([0.0] * 20), fronts=out)
    assert flagged(observed, "outlier-length") == [7, 12]


def test_keep_lets_pass_what_is_asked_for():
    table = series([1, 2, 3])
    table["quality"] = ["ok", "outlier-jump: undone", "nominal-date;partial-coverage: 60 %"]
    assert keep(table)["value"].tolist() == [1]
    assert keep(table, allow=["partial-coverage"])["value"].tolist() == [1, 3]
    assert keep(table, allow=["all"])["value"].tolist() == [1, 2, 3]
    with pytest.raises(InputError, match="unknown flag 'jump'; known are all, ok"):
        keep(table, allow=["jump"])


def test_offset_of_a_sensor_is_found_beside_a_moving_front():
    rng = np.random.default_rng(4)
    sensors = np.array(["S1"] * 2 + ["L8"]).repeat(1)
    sensors = np.resize(sensors, 90)
    values = -20.0 * np.arange(90) + np.where(sensors == "L8", 150.0, 0.0) + rng.normal(0, 10, 90)
    table = series(values, every_days=3, sensors=sensors)
    offset = sensor_offsets(table).iloc[0]
    assert offset.sensor == "L8"
    assert offset.reference == "S1"
    assert offset.offset == pytest.approx(150, abs=3 * offset.sigma + 1e-9)
    removed = remove_sensor_offsets(table)
    changed = removed["quality"].str.startswith("sensor-offset")
    assert set(removed.loc[changed, "sensor"]) == {"L8"}
    back = removed.loc[changed, "value"] + offset.offset
    np.testing.assert_allclose(back, table.loc[changed, "value"])
