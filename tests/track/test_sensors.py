"""Offsets between sensors: found where they overlap, none where they do not, and none made of the front's motion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glaciertime.track.ruler.sensors import remove_sensor_offsets, sensor_offsets

from .test_screening import series


def seen(*, sensor: str, start: str, every_days: int, count: int) -> pd.DataFrame:
    dates = pd.Timestamp(start) + pd.to_timedelta(np.arange(count) * every_days, unit="D")
    return series([0.0] * count).assign(date=dates, sensor=sensor, image_id=[f"{sensor}{k}" for k in range(count)])


def test_a_sensor_that_never_overlaps_has_no_offset_and_the_others_have_theirs():
    rng = np.random.default_rng(0)
    alone = seen(sensor="A", start="1995-01-01", every_days=16, count=40)
    pair = [seen(sensor=s, start=d, every_days=20, count=15) for s, d in (("B", "2015-01-01"), ("C", "2015-01-03"))]
    table = pd.concat([alone, *pair], ignore_index=True)
    table["value"] = table["sensor"].map({"A": 100.0, "B": 500.0, "C": 530.0}) + rng.normal(size=len(table))
    (offset,) = sensor_offsets(table).itertuples()
    assert (offset.sensor, offset.reference) == ("C", "B")
    assert offset.offset == pytest.approx(30, abs=3 * offset.sigma)
    removed = remove_sensor_offsets(table)
    pd.testing.assert_frame_equal(removed[removed["sensor"] != "C"], table[table["sensor"] != "C"])


@pytest.mark.parametrize("offset_m", [0.0, 40.0])
def test_a_front_that_moves_between_two_images_makes_no_offset(offset_m):
    table = pd.concat(
        [seen(sensor="A", start="2015-01-01", every_days=16, count=30),
         seen(sensor="B", start="2015-01-03", every_days=16, count=30)], ignore_index=True,
    )  # fmt: skip
    days = (table["date"] - table["date"].min()).dt.days
    table["value"] = -10.0 * days + np.where(table["sensor"] == "B", offset_m, 0.0)
    assert sensor_offsets(table)["offset"].tolist() == pytest.approx([offset_m], abs=1e-6)
    removed = remove_sensor_offsets(table)
    np.testing.assert_allclose(removed["value"], -10.0 * days, atol=1e-6)
    assert removed["quality"].str.contains("sensor-offset").any() == (offset_m > 0)


@pytest.mark.parametrize(
    ("differences", "offset"),
    [
        # Half of them lie within 2 of their median: the reach of the fit is 1.345 * 1.4826 * 2 = 3.988.
        # All are within it of their mean, which is then the offset.
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0], 22 / 7),
        # The last counts as one that lies at the edge of the reach: 15 - 6 offset + 3.988 = 0.
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 1000.0], (15 + 1.345 * 1.4826 * 2) / 6),
    ],
)
def test_differences_count_in_full_within_the_reach_of_the_robust_fit(differences, offset):
    first = seen(sensor="A", start="2015-01-01", every_days=30, count=len(differences))
    second = seen(sensor="B", start="2015-01-01", every_days=30, count=len(differences)).assign(value=differences)
    found = sensor_offsets(pd.concat([first, second], ignore_index=True))
    assert found["offset"].tolist() == pytest.approx([offset], rel=1e-5)


def test_where_no_sensor_tells_how_the_front_moved_there_is_no_offset():
    # Each sensor comes once a year: what moved in a week is not known.
    table = pd.concat(
        [seen(sensor="A", start="2000-08-01", every_days=365, count=12),
         seen(sensor="B", start="2000-08-09", every_days=365, count=12)], ignore_index=True,
    )  # fmt: skip
    table["value"] = np.where(table["sensor"] == "B", 50.0, 0.0)
    assert sensor_offsets(table).empty


def test_false_offsets_are_as_rare_as_two_sigma():
    found = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        values = rng.normal(-20 * np.arange(60), 10)
        table = series(values, every_days=3, sensors=rng.choice(["S1", "L8"], 60))
        found += (remove_sensor_offsets(table)["quality"] != "ok").any()
    # 5 % of 60, three standard errors.
    assert found <= 3 + 3 * np.sqrt(60 * 0.05 * 0.95)


def test_a_small_offset_is_written_with_its_digits():
    table = pd.concat(
        [seen(sensor="B", start="2015-01-01", every_days=20, count=15),
         seen(sensor="C", start="2015-01-03", every_days=20, count=15)], ignore_index=True,
    )  # fmt: skip
    table["value"] = np.where(table["sensor"] == "C", 10.04, 10.0)
    quality = remove_sensor_offsets(table)["quality"]
    assert sorted(set(quality)) == ["ok", "sensor-offset: 0.04 of C against B removed"]
