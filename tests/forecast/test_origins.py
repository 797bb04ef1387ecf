"""Origins counted back from the end, and horizons in time."""

from __future__ import annotations

import pytest

from glaciertime.forecast.example import straight_series
from glaciertime.forecast.judged.origins import Origins, parse_horizon


@pytest.mark.parametrize(
    ("text", "days"), [("30d", 30.0), ("2w", 14.0), ("6m", 182.625), ("1y", 365.25), ("1.5y", 547.875)]
)
def test_a_horizon_in_time_has_its_days(text, days):
    assert parse_horizon(text).days == days


def test_a_limit_keeps_the_latest_origins():
    series = straight_series(rate_per_year=1.0, count=12)
    assert Origins(min_train=4, limit=2, ahead=3).indices(series) == [8, 7]
    assert Origins(min_train=4, ahead=3).indices(series) == [8, 7, 6, 5, 4, 3]
    assert Origins(min_train=4, ahead=3, first_date="2006-01-01").indices(series) == [8, 7, 6]
