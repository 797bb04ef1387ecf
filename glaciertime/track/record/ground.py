"""The ground that areas are of: inside a footprint the ice that outlines showed, else the whole footprint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely

from glaciertime.meridian import joined_at_180
from glaciertime.scenes.parts import polygons_of
from glaciertime.tables import MEASURED_ICE
from glaciertime.track.place import reproject
from glaciertime.units import M2_PER_KM2, true_plane

__all__ = ["common_area_km2", "ground_in", "measured_ground", "near_pairs"]


def measured_ground(footprints: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the footprints, cut to the ice where it is known which ice they hold.

    Boxes of neighbours overlap, and their ice meets at a divide: what outlines measured is told apart by the ice. A
    mask may show ice anywhere in its box.

    Parameters
    ----------
    footprints : GeoDataFrame
        As :attr:`glaciertime.track.Tracked.footprints`, of any glaciers.

    Returns
    -------
    GeoDataFrame
        A row a footprint in the same columns, without the rows of the ice itself; ``outline``, which is the ice of one
        date, becomes that of all dates.

    Examples
    --------
    >>> rows = {"glacier": ["A", "A"], "dataset": "toy", "source": "observed", "footprint": ["box", MEASURED_ICE]}
    >>> table = gpd.GeoDataFrame(rows, geometry=[shapely.box(0, 0, 4, 2), shapely.box(3, 0, 9, 2)], crs="EPSG:4326")
    >>> [shape.bounds for shape in measured_ground(table).geometry]
    [(3.0, 0.0, 4.0, 2.0)]
    """
    key = ["glacier", "dataset", "source"]
    is_ice = footprints["footprint"] == MEASURED_ICE
    ice = dict(
        zip(footprints.loc[is_ice, key].itertuples(index=False, name=None), footprints[is_ice].geometry, strict=True)
    )
    out = footprints[~is_ice]
    held = [ice.get(names) for names in out[key].itertuples(index=False, name=None)]
    shapes = [ground_in(*each) for each in zip(out["footprint"], out.geometry, held, strict=True)]
    return out.set_geometry(gpd.GeoSeries(shapes, index=out.index, crs=footprints.crs))


def ground_in(footprint: str, polygon: shapely.Geometry, ice: shapely.Geometry | None) -> shapely.Geometry:
    """Return the ground that areas in one footprint are of; ``ice`` is None where no outline showed it."""
    if ice is None:
        return polygon
    return ice if footprint == "outline" else polygons_of(polygon.intersection(ice))[0]


def near_pairs(shapes: Sequence[shapely.Geometry], *, crs: Any) -> list[tuple[int, int]]:
    """Return which polygons may share ground, the first number of a pair below the second.

    What lies across the 180th meridian is looked for on both sides of it, and what goes round a pole by its latitudes:
    in degrees such an outline is no polygon.

    Examples
    --------
    >>> beside = [shapely.box(179.8, 70, 180.2, 71), shapely.box(-179.9, 70, -179.5, 71), shapely.box(10, 70, 11, 71)]
    >>> near_pairs(beside, crs="EPSG:4326")
    [(0, 1)]
    """
    if crs is None or not pyproj.CRS.from_user_input(crs).is_geographic:
        turned, whose = list(shapes), list(range(len(shapes)))
    else:
        turned, whose = [], []
        for number, shape in enumerate(shapes):
            whole = joined_at_180(shape)
            west, south, east, north = whole.bounds
            if _goes_round(whole):
                whole = shapely.box(-180, -90, 180, north) if south + north < 0 else shapely.box(-180, south, 180, 90)
            for turn in (0.0, *[-360.0] * (east > 180), *[360.0] * (west < -180)):
                turned.append(shapely.transform(whole, lambda xy, turn=turn: xy + np.array([turn, 0.0])))
                whose.append(number)
    laid = np.array(turned, dtype=object)
    found = shapely.STRtree(laid).query(laid, predicate="intersects") if len(laid) else ((), ())
    return sorted({(whose[i], whose[j]) for i, j in zip(*found, strict=True) if whose[i] < whose[j]})


def common_area_km2(one: shapely.Geometry, other: shapely.Geometry, *, crs: Any) -> float:
    """Return the true area that two polygons share, across the 180th meridian and round a pole too.

    Parameters
    ----------
    one, other : polygons, in ``crs``, near each other
    crs : anything pyproj reads, or None for a local metric frame

    Examples
    --------
    >>> round(common_area_km2(shapely.box(179.9, 0, 180.1, 1), shapely.box(-180, 0, -179, 1), crs="EPSG:4326"), 1)
    1230.8
    """
    if crs is None:
        return float(one.intersection(other).area) / M2_PER_KM2
    source, plane = pyproj.CRS.from_user_input(crs), true_plane(one, crs=crs)
    laid = [shapely.make_valid(reproject(shape, source=source, target=plane)) for shape in (one, other)]
    return float(laid[0].intersection(laid[1]).area) / M2_PER_KM2


def _goes_round(shape: shapely.Geometry) -> bool:
    """Return whether a polygon in degrees goes round a pole."""
    west, _, east, _ = shape.bounds
    return bool(east - west > 180)
