"""The ice that outlines showed is that of all dates, over runs; where it is not known of all, none is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from glaciertime.archive import Archive
from glaciertime.catalog import Glacier
from glaciertime.scenes.acquisition import Acquisition, OutlineScene
from glaciertime.tables import MEASURED_ICE
from glaciertime.track import retreat_table, sum_row, track_scenes
from glaciertime.track.series import Tracked
from glaciertime.units import as_date, polygon_area_km2

PLANE = "EPSG:32632"


def tracked(name: str, ice: dict[str, shapely.Polygon], *, box: tuple[float, ...] | None = None) -> Tracked:
    scenes = [
        OutlineScene(
            acquisition=Acquisition(
                glacier=name, date=as_date(day), dataset="toy", image_id=day, source="observed", input="x.gpkg",
                crs=PLANE,
            ),
            ice=shape,
        )
        for day, shape in ice.items()
    ]  # fmt: skip
    return track_scenes(scenes, glacier=Glacier(name=name, crs=PLANE, box=box))


def at(x: float, wide: float) -> shapely.Polygon:
    return shapely.box(600_000 + x, 5_100_000, 600_000 + x + wide, 5_104_000)


def store(archive: Archive, found: Tracked, *, footprints: gpd.GeoDataFrame | None = None) -> None:
    rows = found.observations
    keys = rows[["glacier", "dataset", "image_id"]].drop_duplicates()
    archive.store_tracked(
        fronts=found.fronts, observations=rows, footprints=found.footprints if footprints is None else footprints,
        inputs=[(*key, f"{key[-1]}.gpkg") for key in keys.itertuples(index=False, name=None)],
    )  # fmt: skip


def ice_of(archive: Archive, name: str = "A") -> Any:
    rows = archive.read("footprints", glacier=name)
    rows = rows[rows["footprint"] == MEASURED_ICE]
    return rows.geometry.iloc[0] if len(rows) else None


def test_the_ice_of_all_dates_is_kept_over_runs(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a.gpkg")
    store(archive, tracked("A", {"2000-08-01": at(0, 3000)}))
    store(archive, tracked("A", {"2010-08-01": at(-1000, 2000)}))
    whole = polygon_area_km2(at(-1000, 4000), crs=PLANE)
    assert polygon_area_km2(ice_of(archive), crs="EPSG:4326") == pytest.approx(whole, rel=1e-5)
    # Measured again from a corrected outline, all of it: what was wrong is gone.
    store(archive, tracked("A", {"2000-08-01": at(0, 1000), "2010-08-01": at(0, 1000)}))
    right = polygon_area_km2(at(0, 1000), crs=PLANE)
    assert polygon_area_km2(ice_of(archive), crs="EPSG:4326") == pytest.approx(right, rel=1e-5)


def test_ice_that_is_not_known_of_all_dates_is_not_kept(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a.gpkg")
    early = tracked("A", {"2000-08-01": at(0, 3000)})
    old = early.footprints[early.footprints["footprint"] != MEASURED_ICE]  # as an earlier release stored it
    store(archive, early, footprints=gpd.GeoDataFrame(old))
    store(archive, tracked("A", {"2010-08-01": at(0, 2000)}))
    assert ice_of(archive) is None


def test_the_ice_goes_with_the_last_outline(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a.gpkg")
    found = tracked("A", {"2000-08-01": at(0, 3000)})
    store(archive, found)
    mask = found.observations.head(1).assign(method="mask", image_id="mask")
    archive.store_tracked(
        fronts=found.fronts.iloc[:0], observations=mask, footprints=found.footprints.iloc[:0],
        inputs=[("A", "toy", "mask", "y.tif")],
    )  # fmt: skip
    archive.forget(glacier="A", image="2000-08-01")
    assert len(archive.read("footprints", glacier="A")) == len(found.footprints) - 1
    assert ice_of(archive) is None


@pytest.mark.parametrize(("start", "is_shared"), [(3000, False), (2000, True)])
def test_a_sum_of_outlines_is_refused_for_shared_ice_and_not_for_boxes(start: float, is_shared: bool) -> None:
    box = (599_000, 5_099_000, 609_000, 5_105_000)
    pair = [
        tracked("A", {"2000-08-01": at(0, 3000), "2010-08-01": at(0, 2500)}, box=box),
        tracked("B", {"2000-08-01": at(start, 3000), "2010-08-01": at(start, 2500)}, box=box),
    ]
    observations = pd.concat([one.observations for one in pair])
    footprints = gpd.GeoDataFrame(pd.concat([one.footprints for one in pair], ignore_index=True))
    table = retreat_table(observations)
    if is_shared:
        with pytest.raises(Exception, match="would count twice"):
            sum_row(table, footprints=footprints)
    else:
        assert sum_row(table, footprints=footprints)["loss_km2"] == pytest.approx(table["loss_km2"].sum())


def test_areas_without_any_ground_are_summed() -> None:
    pair = [
        tracked(name, {"2000-08-01": at(0, 3000), "2010-08-01": at(0, wide)})
        for name, wide in (("A", 2000), ("B", 1000))
    ]
    table = retreat_table(pd.concat([one.observations for one in pair]), footprint="outline")
    nowhere = pair[0].footprints.iloc[:0]
    assert sum_row(table, footprints=nowhere)["loss_km2"] == pytest.approx(table["loss_km2"].sum())
