"""All the ice that outlines showed of a glacier, kept over runs: by it two glaciers are told apart that share a box."""

from __future__ import annotations

from collections.abc import Callable

import geopandas as gpd
import pandas as pd
import shapely

from glaciertime.archive.places import Place
from glaciertime.archive.reading import GEOGRAPHIC, condition, read_rows
from glaciertime.archive.schema import TABLES
from glaciertime.archive.storage import Database
from glaciertime.tables import MEASURED_ICE
from glaciertime.units import polygon_area_km2

__all__ = ["has_outlines", "with_measured_ice"]

_OUTLINED = "variable = 'area_km2' AND method = 'polygon' AND value IS NOT NULL"


def has_outlines(database: Database, glacier: str, dataset: str) -> bool:
    """Return whether an area of a glacier was measured by an outline."""
    query = f"SELECT 1 FROM observations WHERE glacier = ? AND dataset = ? AND {_OUTLINED} LIMIT 1"  # nosec B608
    return database.execute(query, (glacier, dataset)).fetchone() is not None


def with_measured_ice(
    database: Database,
    path: Place,
    footprints: gpd.GeoDataFrame,
    *,
    observations: pd.DataFrame,
    tell: Callable[[str], None],
) -> gpd.GeoDataFrame:
    """Return footprints whose measured ice is that of all dates: of those measured now, and of those held besides.

    It is left out where it is not known of all of them, as in an archive of an earlier release: ice that is too small
    would hide what two glaciers share.

    Parameters
    ----------
    database : Database
        In which the observations are stored already.
    footprints : GeoDataFrame
        Those measured now.
    observations : DataFrame
        Those measured now.
    """
    if footprints.crs is None or footprints.empty:
        return footprints
    is_ice = footprints["footprint"] == MEASURED_ICE
    now = {
        (row.glacier, row.dataset, row.source): row.geometry
        for row in footprints[is_ice].to_crs(GEOGRAPHIC).itertuples()
    }
    outlined = observations[
        (observations["variable"] == "area_km2") & (observations["method"] == "polygon") & observations["value"].notna()
    ]
    measured: dict[tuple[str, str, str], set[str]] = {}
    for row in outlined.itertuples():
        measured.setdefault((row.glacier, row.dataset, row.source), set()).add(row.image_id)
    rows = []
    for glacier, dataset in footprints[["glacier", "dataset"]].drop_duplicates().itertuples(index=False, name=None):
        names = {"glacier": glacier, "dataset": dataset, "footprint": MEASURED_ICE}
        table = TABLES["footprints"]
        held = read_rows(database, database.layout(), path, table, condition(table, names=names), tell=tell)
        before = dict(zip(held["source"], held.geometry, strict=True))
        query = f"SELECT DISTINCT source, image_id FROM observations WHERE glacier = ? AND dataset = ? AND {_OUTLINED}"  # nosec B608
        images: dict[str, set[str]] = {}
        for source, image in database.execute(query, (glacier, dataset)).fetchall():
            images.setdefault(source, set()).add(image)
        for source, shown in sorted(images.items()):
            key = (glacier, dataset, source)
            new = measured.get(key, set()) & shown
            parts = [now.get(key)] if new else []
            parts += [before.get(source)] if shown - new else []
            if any(part is None for part in parts):
                continue
            ice = shapely.union_all(parts)
            area = polygon_area_km2(ice, crs=GEOGRAPHIC)
            rows.append((glacier, MEASURED_ICE, dataset, area, source, ice))
    ice_rows = gpd.GeoDataFrame(
        rows, columns=["glacier", "footprint", "dataset", "area_km2", "source", "geometry"], geometry="geometry",
        crs=GEOGRAPHIC,
    )  # fmt: skip
    kept = footprints[~is_ice].to_crs(GEOGRAPHIC)
    return gpd.GeoDataFrame(pd.concat([kept, ice_rows], ignore_index=True)) if rows else kept
