"""The ground that areas are of: inside a footprint the ice that outlines showed, else the whole footprint."""

from __future__ import annotations

import geopandas as gpd
import shapely

from glaciertime.scenes.parts import polygons_of
from glaciertime.tables import MEASURED_ICE

__all__ = ["ground_in", "measured_ground"]


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
