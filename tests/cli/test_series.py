"""Products of the series on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .conftest import Command, true_m, write_mask, zones


@pytest.fixture
def tracked(command: Command, manifest: Path, tmp_path: Path) -> Command:
    """A glacier that loses two columns of 100 m a year, and ten at once between 2008 and 2009."""
    folder = tmp_path / "break"
    folder.mkdir()
    for year in range(2000, 2018):
        column = 50 - (year - 2000) - (20 if year > 2008 else 0)
        write_mask(folder / f"toy_{year}-03-15.tif", zones(column))
    assert command("track", "--glacier", "Toy", "--manifest", manifest, "--data", folder).code == 0
    return command


def test_the_break_is_found_where_it_is(tracked: Command) -> None:
    rows = tracked("series", "--glacier", "Toy", "--product", "changes", "--method", "centreline", "--json").json
    assert ("2008-03-15", "2009-03-15") in [(row["after"], row["before"]) for row in rows]
    # 2,000 m beyond the 200 m of every year.
    assert min(row["step"] for row in rows) == pytest.approx(-2000, rel=0.03)


def test_the_annual_means_are_the_values_of_the_only_date(tracked: Command) -> None:
    rows = tracked("series", "--glacier", "Toy", "--product", "annual", "--method", "centreline", "--json").json
    assert [row["value"] for row in rows][:2] == pytest.approx([true_m(5000), true_m(4900)], abs=0.05)
    assert len(rows) == 18


def test_the_rate_of_a_window(tracked: Command) -> None:
    row = tracked(
        "series", "--glacier", "Toy", "--product", "rates", "--method", "centreline", "--to", "2008-12-31", "--json"
    ).json[0]
    # 100 m of the map in each of eight years, of which two are leap years.
    assert row["robust_rate_per_year"] == pytest.approx(-true_m(5000) / 50, abs=0.2)
    assert row["robust_low"] <= row["robust_rate_per_year"] <= row["robust_high"]
    assert np.sign(row["rate_per_year"]) == -1


@pytest.mark.parametrize(
    "product", ["raw", "monthly", "seasonal", "cycle", "annual-rates", "segments", "methods", "offsets", "flowlines"]
)
def test_every_product_prints(tracked: Command, manifest: Path, product: str) -> None:
    result = tracked("series", "--glacier", "Toy", "--product", product, "--manifest", manifest)
    assert result.code == 0, result.err


def test_an_unknown_product_offers_the_nearest(tracked: Command) -> None:
    result = tracked("series", "--glacier", "Toy", "--product", "anual")
    assert result.code == 2
    assert "did you mean annual" in result.err


def test_an_unknown_flag_is_named(tracked: Command) -> None:
    result = tracked("series", "--glacier", "Toy", "--keep", "dubious")
    assert result.code == 1
    assert "unknown flag 'dubious'" in result.err


def test_a_variable_that_was_not_measured_is_named(tracked: Command) -> None:
    result = tracked("series", "--glacier", "Toy", "--variable", "length_m")
    assert result.code == 1
    assert "there are area_km2" in result.err
