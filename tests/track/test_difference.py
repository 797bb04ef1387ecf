"""What a variable did between two dates: at which values a difference begins and ends."""

from __future__ import annotations

import pandas as pd

from glaciertime.track.record.difference import difference_table

from .test_screening import series


def yearly(*qualities: str) -> pd.DataFrame:
    values = [10.0, 8.0, 5_000.0][: len(qualities)]
    return series(values, every_days=365).assign(quality=qualities, bound="")


def test_a_difference_neither_begins_nor_ends_at_a_flagged_value_where_there_are_others():
    """The change was +4,990 m, of a value that the screening had flagged."""
    for flag in ("outlier-jump: 4992 m ahead", "unclear-front"):
        (row,) = difference_table(yearly("ok", "ok", flag)).itertuples()
        assert (row.start_value, row.end_value, row.change, row.note) == (10.0, 8.0, -2.0, "")


def test_a_difference_of_flagged_values_alone_says_so():
    (row,) = difference_table(yearly("outlier-jump: a", "outlier-jump: b")).itertuples()
    assert row.change == -2.0
    assert row.note == "every value is flagged as an outlier or unclear"
