"""What a region says: of what, over which period, and with nothing counted twice or mixed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from glaciertime.archive import Archive
from glaciertime.errors import InputError
from glaciertime.record import records
from glaciertime.region.changes import changes_of
from glaciertime.region.reading import KindReading, RegionReading, read_region_changes
from glaciertime.report.content import region_content
from glaciertime.report.forms import lay_out
from glaciertime.report.region_text import region_text
from glaciertime.tables import MEASURED_ICE


def row(glacier: str, date: str, value: float, **more: Any) -> dict[str, Any]:
    return {
        "glacier": glacier, "date": date, "variable": "area_km2", "value": value, "sigma": 0.3, "unit": "km2",
        "method": "polygon", "footprint": "box", "dataset": "toy", "sensor": "", "image_id": f"{glacier}{date}",
        "coverage": 1.0, "quality": "ok", "source": "observed", "front_of": "", "bound": "", **more,
    }  # fmt: skip


def both(glacier: str, start: float, end: float, *, since: str = "2000-08-01", until: str = "2010-08-01", **more: Any):
    return [row(glacier, since, start, **more), row(glacier, until, end, **more)]


def region(
    tmp_path: Path, rows: list[dict[str, Any]], *, boxes: dict[str, shapely.Polygon] | None = None, **options: Any
) -> RegionReading:
    archive = Archive(tmp_path / "a.gpkg")
    names = sorted({one["glacier"] for one in rows})
    boxes = boxes or {name: shapely.box(10 + k, 46, 10.05 + k, 46.05) for k, name in enumerate(names)}
    footprints = gpd.GeoDataFrame(
        [
            {"glacier": name, "footprint": "box", "dataset": "toy", "area_km2": 1.0, "source": "observed"}
            for name in boxes
        ],
        geometry=list(boxes.values()), crs="EPSG:4326",
    )  # fmt: skip
    fronts = archive.read("fronts")
    archive.store_tracked(
        fronts=fronts, observations=pd.DataFrame(rows), footprints=footprints,
        inputs=[(one["glacier"], one["dataset"], one["image_id"], "x") for one in rows],
    )  # fmt: skip
    return read_region_changes(changes_of(records(archive)), label="Toyland", **options)


def only(reading: RegionReading) -> KindReading:
    assert len(reading.kinds) == 1
    return reading.kinds[0]


def test_the_change_of_a_region_over_one_period(tmp_path: Path) -> None:
    one = only(region(tmp_path, [*both("A", 50, 40), *both("B", 20, 18)]))
    years = 3652 / 365.25
    assert one.change is not None
    assert one.rate is not None
    assert one.percent_per_year is not None
    assert one.change.value == pytest.approx(-12)
    each = math.hypot(0.3, 0.3)
    assert one.change.sigma_independent == pytest.approx(math.sqrt(2) * each)
    assert one.change.sigma_full == pytest.approx(2 * each)
    assert one.change.sigma == pytest.approx(math.sqrt(0.5 * 2 * each**2 + 0.5 * (2 * each) ** 2))
    assert one.rate.value == pytest.approx(-12 / years)
    assert one.percent_per_year.value == pytest.approx(-12 / years / 70 * 100)
    assert (one.start.value, one.end.value) == (70, 58)  # type: ignore[union-attr]
    assert list(one.table["glacier"]) == ["A", "B"]  # the largest loss first


def test_different_periods_are_not_added_but_their_rates_are(tmp_path: Path) -> None:
    one = only(region(tmp_path, [*both("A", 50, 40), *both("B", 20, 10, since="1980-08-01", until="1990-08-01")]))
    assert one.change is None
    assert one.start is None
    assert one.rate is not None
    assert one.rate.value == pytest.approx(-10 / (3652 / 365.25) * 2)
    assert "the periods differ" in one.notes[0]


def test_what_is_simulated_stands_apart(tmp_path: Path) -> None:
    reading = region(tmp_path, [*both("A", 50, 40), *both("B", 20, 10, source="simulated")])
    assert [(kind.kind["source"], len(kind.table)) for kind in reading.kinds] == [("observed", 1), ("simulated", 1)]


@pytest.mark.parametrize(
    "other", [{"dataset": "other"}, {"method": "mask"}, {"variable": "length_m", "unit": "m", "footprint": "-"}]
)
def test_other_data_sets_methods_and_variables_are_no_part_of_a_sum(tmp_path: Path, other: dict[str, Any]) -> None:
    rows = [*both("A", 50, 40), *both("B", 20, 18), *both("B", 20, 12, **other), *both("C", 9, 8, **other)]
    reading = region(tmp_path, rows)
    assert sorted(one.rate.value if one.rate else math.nan for one in reading.kinds)[:1] != []
    main = next(one for one in reading.kinds if one.kind["dataset"] == "toy" and one.kind["method"] == "polygon"
                and one.kind["variable"] == "area_km2")  # fmt: skip
    assert main.change is not None
    assert main.change.value == pytest.approx(-12)
    assert (main.completeness.n, main.completeness.of) == (2, 3)


def test_a_glacier_with_one_date_is_told_and_not_counted(tmp_path: Path) -> None:
    one = only(region(tmp_path, [*both("A", 50, 40), row("B", "2000-08-01", 20)]))
    assert one.left_out == {"B": "one date only"}
    assert (one.completeness.n, one.completeness.of) == (1, 2)
    assert one.completeness.share == pytest.approx(40 / 60)


def test_bounds_make_a_bound_and_on_both_sides_nothing(tmp_path: Path) -> None:
    filled = [row("B", "2000-08-01", 20, quality="censored: the ice fills the box"), row("B", "2010-08-01", 15)]
    one = only(region(tmp_path, [*both("A", 50, 40), *filled]))
    assert one.change is not None
    assert (one.change.value, one.change.qualifier) == (-15, "at most")
    gone = [row("C", "2000-08-01", 20), row("C", "2010-08-01", 19, quality="censored: the ice fills the box")]
    both_sides = only(region(tmp_path, [*both("A", 50, 40), *filled, *gone]))
    assert both_sides.change is not None
    assert math.isnan(both_sides.change.value)


def test_one_glacier_under_two_names_counts_once(tmp_path: Path) -> None:
    here = shapely.box(10, 46, 10.05, 46.05)
    boxes = {"A": here, "Double": here, "B": shapely.box(11, 46, 11.05, 46.05)}
    one = only(region(tmp_path, [*both("A", 50, 40), *both("Double", 50.1, 40), *both("B", 20, 18)], boxes=boxes))
    assert one.change is not None
    assert one.change.value == pytest.approx(-12)
    assert "counted as A" in one.left_out["Double"]


def test_one_series_under_two_names_counts_once_without_any_place(tmp_path: Path) -> None:
    rows = []
    for name, first in (("Diem", 0), ("Diemferner", 0), ("Other", 5)):
        rows += [
            row(name, f"{1990 + k}-09-01", first - 10.0 * k, variable="length_change_m", unit="m", footprint="-")
            for k in range(6)
        ]
    one = only(region(tmp_path, rows, boxes={"Other": shapely.box(11, 46, 11.05, 46.05)}))
    assert list(one.left_out) == ["Diemferner"]
    assert "every date and value" in one.left_out["Diemferner"]
    assert one.mean_rate is not None
    assert one.mean_rate.n == 2


def test_ground_that_two_share_is_in_no_sum(tmp_path: Path) -> None:
    boxes = {"A": shapely.box(10, 46, 10.1, 46.1), "B": shapely.box(10.05, 46, 10.15, 46.1),
             "C": shapely.box(12, 46, 12.1, 46.1)}  # fmt: skip
    reading = region(tmp_path, [*both("A", 50, 40), *both("B", 20, 18), *both("C", 9, 8)], boxes=boxes)
    one = only(reading)
    assert set(one.left_out) == {"A", "B"}
    assert "would be counted twice" in one.left_out["A"]
    assert one.change is not None
    assert one.change.value == pytest.approx(-1)
    assert [(where, pair.one, pair.other) for where, pair in reading.shared] == [("box of toy", "A", "B")]


def test_a_sigma_that_is_not_known_makes_that_of_the_sum_unknown(tmp_path: Path) -> None:
    one = only(region(tmp_path, [*both("A", 50, 40), *both("B", 20, 18, sigma=math.nan)]))
    assert one.change is not None
    assert one.change.value == pytest.approx(-12)
    assert math.isnan(one.change.sigma)
    assert "of 1 of 2 no sigma is known" in one.notes[0]


def test_nothing_to_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing can be said"):
        region(tmp_path, [row("A", "2000-08-01", math.nan)])


def with_ice(tmp_path: Path, ice: dict[str, shapely.Polygon], **more: Any) -> KindReading:
    """Return what is said of two glaciers in boxes that overlap, and of their ice."""
    boxes = {"A": shapely.box(10, 46, 10.1, 46.1), "B": shapely.box(10.05, 46, 10.15, 46.1)}
    archive = Archive(tmp_path / "a.gpkg")
    polygons = [(name, "box", shape) for name, shape in boxes.items()]
    polygons += [(name, MEASURED_ICE, shape) for name, shape in ice.items()]
    footprints = gpd.GeoDataFrame(
        [{"glacier": name, "footprint": what, "dataset": "toy", "area_km2": 1.0, "source": "observed"}
         for name, what, _ in polygons],
        geometry=[shape for *_, shape in polygons], crs="EPSG:4326",
    )  # fmt: skip
    rows = [*both("A", 50, 40, **more), *both("B", 20, 18, **more)]
    archive.store_tracked(
        fronts=archive.read("fronts"), observations=pd.DataFrame(rows), footprints=footprints,
        inputs=[(one["glacier"], one["dataset"], one["image_id"], "x") for one in rows],
    )  # fmt: skip
    return only(read_region_changes(changes_of(records(archive)), label="Toyland"))


def test_neighbours_whose_ice_meets_at_a_divide_both_count_though_their_boxes_overlap(tmp_path: Path) -> None:
    one = with_ice(
        tmp_path, {"A": shapely.box(10.01, 46.01, 10.07, 46.09), "B": shapely.box(10.07, 46.01, 10.14, 46.09)}
    )
    assert one.left_out == {}
    assert one.change is not None
    assert one.change.value == pytest.approx(-12)


@pytest.mark.parametrize(
    ("ice", "more"),
    [
        # The same ice twice, ice that is known of one only, and masks, which show ice anywhere in their boxes.
        ({"A": shapely.box(10.01, 46.01, 10.09, 46.09), "B": shapely.box(10.07, 46.01, 10.14, 46.09)}, {}),
        ({"A": shapely.box(10.01, 46.01, 10.07, 46.09)}, {}),
        (
            {"A": shapely.box(10.01, 46.01, 10.07, 46.09), "B": shapely.box(10.07, 46.01, 10.14, 46.09)},
            {"method": "mask"},
        ),
    ],
)
def test_ice_that_may_be_the_same_is_in_no_sum(
    tmp_path: Path, ice: dict[str, shapely.Polygon], more: dict[str, Any]
) -> None:
    one = with_ice(tmp_path, ice, **more)
    assert set(one.left_out) == {"A", "B"}
    assert "counted twice" in one.left_out["A"]


def test_a_glacier_of_two_days_makes_no_rate_of_a_region(tmp_path: Path) -> None:
    """One of two days apart lost 0.1 km2, and the region 18 km2 a year more."""
    rows = [*both("A", 10, 9), *both("B", 5, 4), *both("C", 5.0, 4.9, since="2009-08-01", until="2009-08-03")]
    one = only(region(tmp_path, rows))
    assert one.rate is not None
    assert one.rate.value == pytest.approx(-2 / 10, rel=0.01)
    assert one.left_out == {"C": "the dates lie less than eleven months apart: no rate per year"}


def test_a_region_of_one_season_has_a_sum_of_changes_and_no_rate(tmp_path: Path) -> None:
    spans = (("2020-05-01", "2020-09-01"), ("2020-05-03", "2020-09-20"))
    rows = [row for name, (since, until) in zip("AB", spans, strict=True)
            for row in both(name, 10, 9, since=since, until=until)]  # fmt: skip
    reading = region(tmp_path, rows)
    one = only(reading)
    assert one.change is not None
    assert one.change.value == pytest.approx(-2)
    assert (one.rate, one.mean_rate, one.percent_per_year) == (None, None, None)
    assert one.notes == ("of 2 of 2 the dates lie less than eleven months apart: no rate per year of the sum",)
    assert "per year" not in region_text(reading).replace("no rate per year", "")
    assert "nicht bekannt" in lay_out(region_content(reading), form=".html", language="de").decode()
