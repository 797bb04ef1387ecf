"""What the screening flags, what it leaves, and what it never does."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from glaciertime.errors import InputError
from glaciertime.track.record.screening import (
    keep,
    not_screened,
    screen,
    screen_fronts,
    screen_record,
    screening_notes,
    too_fast,
)
from glaciertime.track.record.spikes import suspects
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


def spiked(values, at: int, by: float, **other) -> pd.DataFrame:
    table = series(values, **other)
    table.loc[at, "value"] += by
    return table


def shapes(count: int, every_days: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """True series, with errors of 10 m."""
    years = np.arange(count) * every_days / 365.25
    noise = rng.normal(0, 10, count)
    out = {"steady": -200 * years + noise, "still": noise, "accelerating": -20 * years - 4 * years**2 + noise}
    if every_days < 100:
        out["seasonal"] = -80 * years + 250 * np.sin(2 * np.pi * years) + noise
    return out


@pytest.mark.parametrize(("count", "every_days"), [(30, 365), (60, 30)])
def test_single_spikes_are_found_and_true_values_are_not(count, every_days):
    rng = np.random.default_rng(8)
    found, wrong, tried, values = 0, 0, 0, 0
    for _ in range(3):
        for true in shapes(count, every_days, rng).values():
            wrong += len(flagged(screen(series(true, every_days=every_days)), "outlier-"))
            values += count
            for by in (70.0, -150.0, 3_000.0):
                at = int(rng.integers(1, count - 1))
                out = screen(spiked(true, at, by, every_days=every_days))
                found += at in flagged(out, "outlier-jump")
                tried += 1
    # Two standard errors of each count are let pass.
    assert found >= 0.95 * tried - 2 * np.sqrt(0.95 * 0.05 * tried)
    assert wrong <= 0.01 * values + 2 * np.sqrt(0.01 * values)


@pytest.mark.parametrize("sigma", [10.0, np.nan])
@pytest.mark.parametrize(
    ("kind", "every_days", "count"),
    [("accelerating", 365, 30), ("accelerating", 365, 15), ("still", 365, 15), ("seasonal", 30, 15)],
)
def test_spikes_of_five_sigma_and_more_are_found_in_bent_and_in_short_series(kind, every_days, count, sigma):
    rng = np.random.default_rng(21)
    days, found, wrong = np.arange(count) * float(every_days), 0, 0
    for _ in range(60):
        values = shapes(count, every_days, rng)[kind]
        wrong += sum(each.is_confirmed for each in suspects(days, values, np.full(count, sigma)))
        at = int(rng.integers(1, count - 1))
        values[at] += rng.uniform(50, 100) * rng.choice([-1, 1])
        found += at in [each.index for each in suspects(days, values, np.full(count, sigma)) if each.is_confirmed]
    # 95 and 1 %, within two standard errors of the counts.
    assert found >= 0.95 * 60 - 2 * np.sqrt(0.95 * 0.05 * 60)
    assert wrong <= 0.01 * 60 * count + 2 * np.sqrt(0.01 * 60 * count)


@pytest.mark.parametrize("sigma", [10.0, np.nan])
def test_short_records_with_jumps_turns_and_wandering_lose_no_true_value(sigma):
    rng = np.random.default_rng(23)
    count, wrong = 15, 0
    place, days = np.arange(count), np.arange(count) * 365.0
    for _ in range(25):
        at = int(rng.integers(1, count))
        size = 10 * rng.uniform(5, 40) * rng.choice([-1, 1])
        for true in (
            np.where(place >= at, size, 0.0) - 20.0 * place,
            -size / 10 * np.maximum(place - at, 0),
            600 / (1 + np.exp(-(place - at) / rng.uniform(0.3, 2))),
            np.cumsum(rng.normal(0, 8, count)),
        ):
            found = suspects(days, true + rng.normal(0, 10, count), np.full(count, sigma))
            wrong += sum(each.is_confirmed for each in found)
    assert wrong <= 0.01 * 100 * count


def test_a_spike_among_six_values_is_found_by_their_sigmas():
    found = suspects(np.arange(6) * 365.0, [0.0, 5, 900, -4, 2, 1], [10.0] * 6)
    assert [each.index for each in found if each.is_confirmed] == [2]


def test_changes_larger_than_the_sigmas_are_no_spikes():
    rng = np.random.default_rng(22)
    wrong = 0
    for _ in range(40):
        values = np.cumsum(rng.normal(-30, 60, 20)) + rng.normal(0, 10, 20)
        wrong += sum(each.is_confirmed for each in suspects(np.arange(20) * 365.0, values, np.full(20, 10.0)))
    assert wrong <= 0.01 * 40 * 20


@pytest.mark.parametrize("every_days", [30, 365])
@pytest.mark.parametrize("jump", [-3_000.0, 1_500.0])
def test_a_jump_that_stays_is_never_flagged_wherever_it_lies(every_days, jump):
    rng = np.random.default_rng(9)
    count = 20
    for at in range(1, count):
        values = rng.normal(0, 10, count) - 5.0 * np.arange(count) + np.where(np.arange(count) >= at, jump, 0.0)
        out = screen(series(values, every_days=every_days))
        assert not set(flagged(out, "outlier-")) & {at - 1, at}
        assert len(keep(out)) >= count - 1
        if at == count - 1:
            assert at in flagged(out, "unconfirmed")


def test_the_last_value_is_unconfirmed_until_a_later_one_tells():
    values = [0.0, 5, -5, 3, -2, 4, -1, 2, 1, -3, 1_000]
    out = screen(series(values))
    assert flagged(out, "unconfirmed") == [10]
    assert len(keep(out)) == 11
    assert flagged(screen(series([*values, 1])), "outlier-jump") == [10]
    assert (screen(series([*values, 1_002, 998]))["quality"] == "ok").all()


def test_the_only_value_of_its_season_is_no_error():
    """Eleven Julys and a March: a true winter front, 176 m behind the summers on both sides, was dropped."""
    years = [2014, 2015, 2016, 2017, 2018, 2019, 2019, 2020, 2021, 2022, 2023, 2024]
    dates = pd.to_datetime([f"{year}-07-{5 + year % 9:02d}" for year in years]).to_series().reset_index(drop=True)
    dates[5] = pd.Timestamp("2019-03-12")
    inland = [0.0, 234, 408, 656, 841, 1191, 1090, 1301, 1546, 1749, 1983, 2198]
    table = series([-value for value in inland]).assign(date=dates, sigma=np.nan)
    out = screen(table)
    assert flagged(out, "outlier-") == []
    assert "the only one of its season" in out["quality"][5]
    # Screened again, the flag is made anew; a spike of the season of the others is one.
    names = ("GlacierID", "Date", "ImageID", "QualFlag", "dataset", "front_of")
    none = gpd.GeoDataFrame({name: pd.Series(dtype=object) for name in names}, geometry=[], crs=4326)
    _, again = screen_record([none], out, settings=ScreeningSettings())
    assert again["quality"].tolist() == out["quality"].tolist()
    assert flagged(screen(table.assign(value=table["value"] - 3_000 * (table.index == 3))), "outlier-jump") == [3]


def test_a_surge_is_no_error():
    values = np.array([0, -20, -35, -60, -80, 2_400, -110, -130, -150, -170, -190, -210.0])
    once_a_year = series(values, every_days=365)
    assert flagged(screen(once_a_year), "outlier-jump") == [5]
    surging = ScreeningSettings(surging=True)
    assert (screen(once_a_year, settings=surging)["quality"] == "ok").all()
    assert "surges and its dates lie more than 120 days apart" in not_screened(once_a_year, settings=surging).reason[0]
    # A day's spike is one on any glacier.
    assert flagged(screen(series(values, every_days=10), settings=surging), "outlier-jump") == [5]


def test_a_known_speed_flags_no_advance_that_stays():
    out = screen(series([0, 5, 10, 900, 905, 910, 915]), settings=SPEED)
    assert (out["quality"] == "ok").all()
    assert flagged(screen(series([0, 5, 10, 12, 15, 900]), settings=SPEED), "unconfirmed") == [5]


def test_a_series_too_short_to_screen_is_named():
    table = pd.concat([series([0.0, 10, 20]), series([0.0] * 9).assign(dataset="b")], ignore_index=True)
    assert not_screened(table)[["dataset", "reason"]].values.tolist() == [["toy", "3 values, 5 are needed"]]
    unknown = series([0.0] * 6).assign(sigma=np.nan)
    assert not_screened(unknown)["reason"].tolist() == ["6 values, 8 are needed"]
    assert screening_notes(table) == [
        "not screened for single wrong values: front_position_m by centreline (3 values, 5 are needed)"
    ]
    assert screening_notes(series([0.0] * 9)) == []


def test_a_bound_is_no_neighbour():
    table = series([0.0, 5, -5, 3, 900, -2, 4, -1, 2])
    table.loc[4, "quality"] = "censored: the ice fills the box"
    assert not flagged(screen(table), "outlier-")


def test_a_flag_of_one_data_set_does_not_land_on_another():
    both = pd.concat([series([0.0]), series([0.0]).assign(dataset="b")], ignore_index=True)
    drawn = fronts([5_000.0, 5_000.0]).assign(ImageID="i0", Date=both["date"][0], dataset=["toy", "b"])
    drawn["QualFlag"] = ["outlier-length: 3 m", "ok"]
    assert screen(both, fronts=drawn)["quality"].tolist() == ["outlier-length: 3 m", "ok"]
    by_author = drawn.drop(columns="dataset").assign(Author=["toy", "b"])
    assert screen(both, fronts=by_author)["quality"].tolist() == ["outlier-length: 3 m", "ok"]


def test_other_glaciers_change_no_flag():
    def there(name: str, longitude: float, latitude: float, *, turned: bool) -> gpd.GeoDataFrame:
        lines = []
        for k in range(7):
            across = np.array([0.05 * (1 + 0.02 * k), 0.0]) if turned and k == 3 else np.array([0.0, 0.05 + 0.001 * k])
            lines.append(shapely.LineString([(longitude, latitude), (longitude + across[0], latitude + across[1])]))
        table = fronts([1.0] * 7).assign(GlacierID=name)
        return gpd.GeoDataFrame(table.drop(columns="geometry"), geometry=lines, crs="EPSG:4326")

    alone = there("A", -62.0, -65.4, turned=True)
    both = pd.concat([alone, there("B", -50.0, 69.2, turned=False)], ignore_index=True)
    assert screen_fronts(both)["QualFlag"].tolist()[:7] == screen_fronts(alone)["QualFlag"].tolist()


def clear(table: pd.DataFrame, *at: int, flag: str = "seen-clearly") -> pd.DataFrame:
    table.loc[list(at), "quality"] = f"{flag}: a reason"
    return table


def test_what_its_own_image_shows_clearly_is_no_outlier_of_its_series_alone():
    values = np.random.default_rng(0).normal(0, 10, 30)
    values[12] += 300
    plain = screen(series(values))
    assert flagged(plain, "outlier-jump") == [12]
    seen = screen(clear(series(values), 12))
    assert flagged(seen, "outlier-") == []
    assert "ahead of the values before and after it, by its own series, but clear in its image" in seen["quality"][12]
    assert len(keep(seen)) == 30, "it speaks against nothing"
    assert flagged(screen(clear(series(values), 11)), "outlier-jump") == [12], "of another image it says nothing"


def test_what_the_ice_cannot_flow_is_flagged_however_clear_its_image_is():
    out = screen(clear(series([0, 5, 10, 900, 20, 25, 30]), 3), settings=SPEED)
    assert flagged(out, "outlier-advance") == [3]


#: Tracked at Jakobshavn, with sigmas; the last front was lost in haze.
TRACKED = [
    ("2000-03-23", 9355, 245), ("2000-04-24", 9097, 149), ("2000-05-24", 8848, 125), ("2000-06-25", 8652, 67),
    ("2000-08-05", 8548, 77), ("2000-08-14", 8345, 70), ("2000-09-13", 8508, 79), ("2000-09-22", 8190, 148),
    ("2000-10-17", 8766, 527), ("2001-06-12", 10099, 75), ("2001-06-30", 9541, 104), ("2001-07-07", 9297, 77),
    ("2001-07-14", 9404, 69), ("2002-05-30", 9343, 110), ("2002-06-17", 9931, 101), ("2002-08-27", 3805, 1655),
]  # fmt: skip


def with_a_lost_front() -> pd.DataFrame:
    days, values, sigmas = zip(*TRACKED, strict=True)
    return series(values).assign(date=pd.to_datetime(days), sigma=np.array(sigmas, dtype=float))


@pytest.mark.parametrize("flag", ["unclear-front", "unlike-training"])
def test_what_is_unreliable_by_itself_is_judged_and_judges_no_other(flag):
    table = clear(with_a_lost_front(), 15, flag=flag)
    kept = table.drop(index=15).reset_index(drop=True)
    alone = screen(kept)["quality"].tolist()
    out = screen(table)
    assert out["quality"].drop(index=15).tolist() == alone
    assert screen(with_a_lost_front())["quality"].drop(index=15).tolist() != alone, "it would judge them otherwise"
    spike = np.random.default_rng(0).normal(0, 10, 30)
    spike[12] += 300
    assert flagged(screen(clear(series(spike), 12, flag=flag)), "outlier-jump") == [12]


def test_too_few_values_beside_unreliable_ones_are_judged_by_all():
    values = [0.0, 3, -2, 900, 1, -4, 2, 0, 5, 1]
    table = clear(series(values), 0, 1, 2, 6, 7, flag="unclear-front")
    assert flagged(screen(table), "outlier-jump") == [3]


def test_an_odd_shape_that_its_image_shows_clearly_is_unconfirmed_and_screened_again_alike():
    lengths = [5_000 + 40 * (k % 5) for k in range(20)]
    lengths[7] = 1_500
    drawn = fronts(lengths, wiggle=12)
    drawn.loc[[7, 12], "QualFlag"] = "seen-clearly: a reason"
    out = screen_fronts(drawn)
    texts = out["QualFlag"].to_numpy()
    assert texts[7].startswith("seen-clearly: a reason;unconfirmed: 1500 m, of its neighbours expected")
    assert "times as long as wide" in texts[12]
    assert not any("outlier-" in text for text in texts)
    observed = screen(clear(series([0.0] * 20), 7, 12), fronts=out)
    assert flagged(observed, "unconfirmed") == [7, 12]
    again, told = screen_record([out], observed, settings=ScreeningSettings())
    assert again[0]["QualFlag"].tolist() == out["QualFlag"].tolist()
    assert told["quality"].tolist() == observed["quality"].tolist()
