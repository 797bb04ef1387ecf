"""The retreat table: sums, bounds and what is written of them."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

from glaciertime.errors import InputError
from glaciertime.report.retreat_text import retreat_rows, retreat_text, text_table
from glaciertime.track import retreat_table, sum_row
from glaciertime.track.place import published
from glaciertime.track.record.difference import difference_table


def area(date: str, value: float, **other) -> dict:
    return {
        "glacier": "A", "date": date, "variable": "area_km2", "value": value, "sigma": 0.3, "unit": "km2",
        "method": "mask", "footprint": "box", "dataset": "toy", "sensor": "", "image_id": date, "coverage": 1.0,
        "quality": "ok", "source": "simulated", **other,
    }  # fmt: skip


def loss(*, start: float = 50.0, end: float = 40.0, **other) -> list[dict]:
    return [area("2000-01-01", start, **other), area("2010-01-01", end, **other)]


def boxes(**geometries: shapely.Geometry) -> gpd.GeoDataFrame:
    """Boxes of EPSG:3031 as the archive holds them."""
    plane = pyproj.CRS.from_epsg(3031)
    return gpd.GeoDataFrame(
        {"glacier": list(geometries), "footprint": "box", "dataset": "toy", "area_km2": 1.0, "source": "simulated"},
        geometry=[published(box, plane) for box in geometries.values()], crs="EPSG:4326",
    )  # fmt: skip


X, Y = -2_400_000, 1_200_000


def test_two_areas_of_a_day_are_one_and_the_error_is_that_of_their_mean():
    rows = [*loss(), area("2010-01-01", 44.0, image_id="second", coverage=0.9)]
    for order in (rows, rows[::-1]):
        (row,) = retreat_table(pd.DataFrame(order)).itertuples()
        assert row.loss_km2 == pytest.approx(50 - 42)
        assert row.loss_sigma_km2 == pytest.approx((0.3**2 + (8 / 0.3**2) / (2 / 0.3**2)) ** 0.5)
        assert "90.0% of the footprint imaged at the end" in row.note
    bound = [*loss(), area("2010-01-01", 60.0, image_id="second", quality="censored: the ice fills the box")]
    (row,) = retreat_table(pd.DataFrame(bound)).itertuples()
    assert (row.loss_km2, row.qualifier) == (10.0, "")


def test_a_loss_errs_by_both_areas_and_a_share_by_what_they_have_to_do_with_it():
    (row,) = retreat_table(pd.DataFrame(loss())).itertuples()
    assert row.loss_sigma_km2 == pytest.approx(0.3 * 2**0.5)
    # d(1 - e / s) = -de / s + e ds / s^2
    assert row.loss_percent_sigma == pytest.approx(100 * ((0.3 / 50) ** 2 + (40 * 0.3 / 50**2) ** 2) ** 0.5)


@pytest.mark.parametrize(("end", "is_told"), [("2010-12-28", False), ("2010-07-01", True), ("2010-03-01", False)])
def test_seasons_are_compared_round_the_turn_of_the_year(end, is_told):
    (row,) = retreat_table(pd.DataFrame([area("2000-01-03", 50.0), area(end, 40.0)])).itertuples()
    assert ("different seasons" in row.note) == is_told


def test_a_sum_with_an_unknown_error_has_none():
    table = retreat_table(pd.DataFrame([*loss(), *loss(glacier="B", sigma=np.nan)]))
    known = retreat_table(pd.DataFrame([*loss(), *loss(glacier="B", sigma=0.4)]))
    apart = boxes(A=shapely.box(X, Y, X + 10, Y + 10), B=shapely.box(X + 20, Y, X + 30, Y + 10))
    assert np.isnan(sum_row(table, footprints=apart)["loss_sigma_km2"])
    assert sum_row(known, footprints=apart)["loss_sigma_km2"] == pytest.approx(2**0.5 * 0.5)


def test_the_share_of_a_sum_errs_as_that_of_its_glaciers():
    apart = boxes(A=shapely.box(X, Y, X + 10, Y + 10), B=shapely.box(X + 20, Y, X + 30, Y + 10))
    one = retreat_table(pd.DataFrame(loss(end=20.0)))
    assert sum_row(one, footprints=apart)["loss_percent_sigma"] == pytest.approx(one["loss_percent_sigma"].iloc[0])
    two = retreat_table(pd.DataFrame([*loss(end=20.0), *loss(end=20.0, glacier="B")]))
    assert sum_row(two, footprints=apart)["loss_percent_sigma"] == pytest.approx(
        one["loss_percent_sigma"].iloc[0] / 2**0.5
    )


def test_footprints_that_touch_are_summed():
    table = retreat_table(pd.DataFrame(loss() + loss(glacier="B")))
    touching = boxes(
        A=shapely.box(X, Y, X + 20_000, Y + 20_000), B=shapely.box(X + 20_000, Y + 7_300, X + 38_900, Y + 26_100)
    )
    assert sum_row(table, footprints=touching)["loss_km2"] == pytest.approx(20)


def test_footprints_that_overlap_by_a_strip_are_not():
    table = retreat_table(pd.DataFrame(loss() + loss(glacier="B")))
    over = boxes(A=shapely.box(X, Y, X + 20_000, Y + 20_000), B=shapely.box(X + 19_980, Y, X + 40_000, Y + 20_000))
    with pytest.raises(InputError, match=r"A and B share 0\.\d+ km2"):
        sum_row(table, footprints=over)


def test_two_data_sets_of_a_glacier_are_not_summed():
    table = retreat_table(pd.DataFrame(loss() + loss(dataset="b")))
    with pytest.raises(InputError, match=r"A has several rows \(b, toy\), which a sum would count twice"):
        sum_row(table, footprints=boxes(A=shapely.box(X, Y, X + 9, Y + 9)))


def test_a_sum_of_bounds_is_a_bound_and_so_are_its_rates():
    bound = "censored: the ice fills the box"
    filled, seen = loss()
    table = retreat_table(pd.DataFrame([{**filled, "quality": bound}, seen, *loss(glacier="B")]))
    apart = boxes(A=shapely.box(X, Y, X + 9_000, Y + 9_000), B=shapely.box(X + 20_000, Y, X + 29_000, Y + 9_000))
    assert sum_row(table, footprints=apart)["qualifier"] == "at least"
    assert "Sum: loss at least 20.00" in retreat_text(table, form="text", footprints=apart)
    rows = retreat_rows(table)
    assert rows["Loss per year (km²)"].tolist() == ["at least 1.000 ± 0.030", "1.000 ± 0.042"]
    assert rows["Loss (%)"].iloc[0].startswith("at least 20.00")


def test_a_sum_bears_the_correlation_of_errors_in_every_form():
    table = retreat_table(pd.DataFrame(loss() + loss(glacier="B")))
    apart = boxes(A=shapely.box(X, Y, X + 9_000, Y + 9_000), B=shapely.box(X + 20_000, Y, X + 29_000, Y + 9_000))
    # Two losses of 0.3 sqrt(2) each: independent 0.6, shared 0.849, half correlated the root of 0.54.
    said = "errors correlated 0.5; ± 0.60 by 0, ± 0.85 by 1"
    text = retreat_text(table, form="text", footprints=apart)
    assert f"Sum: loss 20.00 ± 0.73 km² = 20.00 ± 0.67 % ({said})" in text
    latex = retreat_text(table, form="latex", footprints=apart).splitlines()
    (total,) = [line for line in latex if line.startswith("Sum & ")]
    assert r"20.00 $\pm$ 0.73" in total
    assert total.count("&") == latex[2].count("&")
    assert said in retreat_text(table, form="markdown", footprints=apart)


def test_the_retreat_in_metres_is_that_between_the_days_of_the_loss():
    rows = pd.DataFrame(loss())
    front = rows.assign(variable="front_position_m", unit="m", footprint="line", sigma=30.0)
    front["value"] = [9_000.0, 8_500.0]
    other = front.assign(method="area-change", value=[9_000.0, 8_600.0])
    both = pd.concat([rows, other, front.assign(method="centreline")])
    (row,) = retreat_table(both).itertuples()
    assert (row.retreat_m, row.retreat_method) == (500.0, "centreline")
    assert row.retreat_sigma_m == pytest.approx(30 * np.sqrt(2))
    assert row.loss_per_year_sigma_km2 == pytest.approx(row.loss_sigma_km2 / 10, rel=1e-3)
    later = pd.concat([rows, front.assign(method="centreline", date=pd.Timestamp("2009-06-01"))])
    assert np.isnan(retreat_table(later)["retreat_m"].item())


def test_nothing_lost_is_written_without_a_minus():
    rows = retreat_rows(retreat_table(pd.DataFrame(loss(start=100.0, end=100.004))))
    assert rows["Loss (km²)"].iloc[0] == "0.00 ± 0.42"
    assert rows["Loss per year (km²)"].iloc[0] == "0.000 ± 0.042"


def test_no_ice_at_the_start_has_no_share_to_lose():
    row = retreat_rows(retreat_table(pd.DataFrame(loss(start=0.0)))).iloc[0]
    assert row["Loss (km²)"] == "-40.00 ± 0.42"
    assert row["Loss (%)"] == ""


def test_letters_of_latex_are_escaped():
    table = retreat_table(pd.DataFrame(loss(glacier=r"A^B~{C}$\x")))
    assert r"A\textasciicircum{}B\textasciitilde{}\{C\}\$\textbackslash{}x &" in retreat_text(table, form="latex")


def test_numbers_of_a_product_have_no_exponent():
    table = pd.DataFrame({"step": [-14_010.4, 0.00001234, -0.0, np.nan, 999.96]})
    assert [line.strip() for line in text_table(table).splitlines()[2:]] == [
        "-14,010.4",
        "0.00001234",
        "0",
        "",
        "1,000",
    ]


FILLED = {"quality": "censored: the ice fills the box;no-front: the ice fills the box"}
LEFT = {"quality": "censored: no ice in the box;no-front: no ice in the box"}


@pytest.mark.parametrize(
    ("start", "end", "qualifier", "lost_km2"),
    [
        (FILLED, {}, "at least", 10.0),
        ({}, LEFT, "at least", 10.0),
        ({}, FILLED, "at most", 10.0),
        (LEFT, {}, "at most", 10.0),
        (FILLED, LEFT, "at least", 10.0),
        (FILLED, FILLED, "", np.nan),
        (LEFT, LEFT, "", np.nan),
    ],
)
def test_a_loss_is_bounded_on_the_side_that_the_footprint_hides(start, end, qualifier, lost_km2):
    first, last = loss()
    (row,) = retreat_table(pd.DataFrame([{**first, **start}, {**last, **end}])).itertuples()
    assert row.qualifier == qualifier
    assert row.loss_km2 == pytest.approx(lost_km2, nan_ok=True)


def test_a_sum_of_losses_bounded_from_above_is_so_and_one_of_both_sides_is_unknown():
    apart = boxes(A=shapely.box(X, Y, X + 9_000, Y + 9_000), B=shapely.box(X + 20_000, Y, X + 29_000, Y + 9_000))
    first, last = loss()
    above = [first, {**last, **FILLED}]
    plain, below = loss(glacier="B"), [{**row, "glacier": "B"} for row in ({**first, **FILLED}, last)]
    total = sum_row(retreat_table(pd.DataFrame(above + plain)), footprints=apart)
    assert (total["loss_km2"], total["qualifier"]) == (20.0, "at most")
    both = retreat_table(pd.DataFrame(above + below))
    assert np.isnan(sum_row(both, footprints=apart)["loss_km2"])
    assert "others at most so much" in retreat_text(both, form="text", footprints=apart)


def test_an_image_of_another_extent_is_told_where_areas_of_images_are_compared():
    first, last = loss(footprint="image")
    odd = {"quality": "partial-coverage: shows another extent than most masks"}
    table = retreat_table(pd.DataFrame([first, {**last, **odd}]), footprint="image")
    assert table["note"].tolist() == ["the image at the end shows another extent than most masks"]


def test_what_an_image_does_not_show_is_no_loss_where_whole_images_tell():
    """Of 50, 48 and half of 48 km2 the loss was 26."""
    half = area("2011-01-01", 24.0, coverage=0.5, quality="partial-coverage: 50.0% of the box imaged")
    (row,) = retreat_table(pd.DataFrame([*loss(end=48.0), half])).itertuples()
    assert (row.loss_km2, row.note, f"{row.end_date:%Y}") == (2.0, "", "2010")
    (row,) = retreat_table(pd.DataFrame([loss()[0], half])).itertuples()
    assert row.note == "50.0% of the footprint imaged at the end"


def test_a_sigma_that_is_not_zero_never_reads_zero_and_neither_does_a_value():
    small = retreat_rows(retreat_table(pd.DataFrame(loss(start=91.9131, end=57.8098, sigma=0.0025))))
    assert small["Loss (km²)"].tolist() == ["34.103 ± 0.004"]
    assert small["Loss per year (km²)"].tolist() == ["3.4099 ± 0.0004"]
    assert small["Start area (km²)"].tolist() == ["91.913"]
    unknown = retreat_rows(retreat_table(pd.DataFrame(loss(start=0.0061, end=0.0042, sigma=np.nan))))
    assert unknown[["Start area (km²)", "Loss (km²)"]].iloc[0].tolist() == ["0.0061", "0.0019"]


def test_the_exact_bound_of_a_loss_has_no_sigma():
    first, last = loss(sigma=np.nan)
    row = retreat_rows(retreat_table(pd.DataFrame([{**first, **FILLED}, {**last, **LEFT}]))).iloc[0]
    assert row["Loss (km²)"] == "at least 10.00"


def test_of_one_date_no_loss_is_known():
    table = retreat_table(pd.DataFrame(loss()[:1]))
    assert table[["loss_km2", "loss_sigma_km2", "loss_percent", "loss_percent_sigma"]].isna().all(axis=None)
    assert "same nearest observation" in table["note"].iloc[0]
    fronts = pd.DataFrame([{**loss()[0], "variable": "length_m", "unit": "m"}])
    assert difference_table(fronts)[["change", "change_sigma", "change_per_year"]].isna().all(axis=None)


def test_what_is_simulated_is_in_no_sum_with_what_was_observed():
    apart = boxes(A=shapely.box(X, Y, X + 9_000, Y + 9_000), B=shapely.box(X + 20_000, Y, X + 29_000, Y + 9_000))
    table = retreat_table(pd.DataFrame([*loss(), *loss(glacier="B", source="observed")]))
    assert "No sum: some are observed and some simulated" in retreat_text(table, form="text", footprints=apart)


def test_a_sum_says_that_its_periods_differ_and_that_its_error_is_unknown():
    apart = boxes(A=shapely.box(X, Y, X + 9_000, Y + 9_000), B=shapely.box(X + 20_000, Y, X + 29_000, Y + 9_000))
    other = [{**row, "glacier": "B", "sigma": np.nan} for row in loss()]
    other[1]["date"] = "2015-01-01"
    text = retreat_text(retreat_table(pd.DataFrame([*loss(), *other])), form="text", footprints=apart)
    assert "2010-01-01 to 2015-01-01 at the end: it is the loss of no one period" in text
    assert "Sum: loss 20.00 km² = 20.00 % (its sigma is not known" in text


def test_a_retreat_neither_begins_nor_ends_at_an_outlier():
    front = {"variable": "front_position_m", "unit": "m", "method": "centreline", "footprint": "centreline"}
    rows = [*loss(), *({**row, **front} for row in loss(start=900.0, end=500.0))]
    assert retreat_table(pd.DataFrame(rows))["retreat_m"].tolist() == [400.0]
    rows[-1]["quality"] = "outlier-jump: off its neighbours"
    assert retreat_table(pd.DataFrame(rows))["retreat_m"].isna().all()


def test_ground_across_180_and_around_a_pole_is_shared_once_in_a_sum() -> None:
    """A footprint around a pole ended in a traceback; one beyond 180 degrees and its neighbour before it were added."""
    around = shapely.Polygon([(longitude, 89.9) for longitude in (0, 60, 120, 179, -179, -120, -60)])
    across, beside = shapely.box(179.8, 70, 180.2, 70.1), shapely.box(-180, 70, -179.8, 70.1)
    table = retreat_table(pd.DataFrame([row for name in "ABC" for row in loss(glacier=name)]))
    rows = [{"glacier": name, "footprint": "box", "dataset": "toy", "source": "simulated", "area_km2": 1.0}
            for name in "ABC"]  # fmt: skip
    apart = gpd.GeoDataFrame(rows, geometry=[around, across, shapely.box(10, 70, 11, 71)], crs="EPSG:4326")
    assert sum_row(table, footprints=apart)["loss_km2"] == 30.0
    shared = gpd.GeoDataFrame(rows, geometry=[around, across, beside], crs="EPSG:4326")
    with pytest.raises(InputError, match="the footprints of B and C share 85"):
        sum_row(table, footprints=shared)
