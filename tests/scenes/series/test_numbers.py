"""Numbers as most cells have them are read in one step, and mean what they mean beside those that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glaciertime.errors import InputError
from glaciertime.scenes.series.assembly import series_of_table
from glaciertime.scenes.series.forms import SeriesOptions
from glaciertime.scenes.series.numbers import decimal_mark, read_numbers, sentinels
from glaciertime.scenes.series.reading import raw_table_from_file

PLAIN = {
    "0": 0.0, "-0": 0.0, "+7": 7.0, "007": 7.0, "-999": -999.0, "9999": 9999.0, "1234567": 1234567.0, "12.50": 12.5,
    "-999.5": -999.5, "1234.5678": 1234.5678, "12345678": 12345678.0, " 5 ": 5.0, "5.": 5.0, ".5": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
@pytest.mark.parametrize("decimal", [None, "."])
def test_a_plain_number_is_that_number(text: str, decimal: str | None) -> None:
    found = read_numbers([text], what="value", decimal=decimal)
    assert found.values.tolist() == [PLAIN[text]]
    assert not np.signbit(found.values[0]) or PLAIN[text]
    assert (found.reasons, found.bounds, found.units, found.absent.tolist()) == ([""], [""], [""], [False])


@pytest.mark.parametrize("text", ["-9999", "-9999.0", "-9999.00", "-99999", "-32768", "-32768.0", "1e20"])
def test_a_figure_for_no_value_is_none_however_plain(text: str) -> None:
    found = read_numbers(["5", text], what="value")
    assert np.isnan(found.values).tolist() == [False, True]
    assert found.absent.tolist() == [False, True]


def test_a_point_among_decimal_commas_parts_thousands() -> None:
    found = read_numbers(["0,5", "1.234", "12"], what="value")
    assert found.values.tolist() == [0.5, 1234.0, 12.0]
    assert read_numbers(["1.5"], what="value", decimal=",").reasons == ["'1.5' is not a number"]
    with pytest.raises(InputError, match="thousands or with decimals"):
        read_numbers(["1.234"], what="value", commas_usual=True)


def test_digits_of_other_scripts_are_read_as_before() -> None:
    assert read_numbers(["\u0663"], what="value").values.tolist() == [3.0]


def test_only_points_and_commas_prove_a_decimal_mark() -> None:
    assert decimal_mark(["12", "1 234", "x", None, 1.5]) is None
    assert decimal_mark(["12", "0.25 ± 3"]) == "."
    assert decimal_mark(["380 ± 0,5"]) == ","


def test_figures_far_from_all_others_are_no_values() -> None:
    values = np.array([10.0, 12.0, -999.0, np.nan, -99.9, np.inf, 11.0, -1.0])
    assert sentinels(values[:5], never_negative=False).tolist() == [False, False, True, False, True]
    assert sentinels(np.array([10.0, 12.0, -1.0]), never_negative=True).tolist() == [False, False, True]
    assert not sentinels(values[[0, 1, 7]], never_negative=False).any()


@pytest.mark.parametrize("cell", ["1e308", "-1e300", "41000001", "4.2e4 km"])
def test_a_length_beyond_the_earth_is_a_row_with_its_reason(tmp_path: Path, cell: str) -> None:
    (tmp_path / "a.csv").write_text(f"date,length_m\n2003-01-01,{cell}\n2004-01-01,4e7\n2005-01-01,12\n")
    found = series_of_table(raw_table_from_file(tmp_path / "a.csv"), SeriesOptions(glacier="X"))
    assert found.observations["value"].tolist() == [4e7, 12.0]
    assert "more than there is on Earth" in found.told.problems()[0]
