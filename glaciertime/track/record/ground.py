"""The ground that areas are of: inside a footprint the ice that outlines showed, else the whole footprint."""

from __future__ import annotations

import geopandas as gpd

from glaciertime.scenes.parts import polygons_of
from glaciertime.tables import MEASURED_ICE

__all__ = ["measured_ground"]


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
    >>> import shapely
    >>> rows = {"glacier": ["A", "A"], "dataset": "toy", "source": "observed", "footprint": ["box", MEASURED_ICE]}
    >>> table = gpd.GeoDataFrame(rows, geometry=[shapely.box(0, 0, 4, 2), shapely.box(3, 0, 9, 2)], crs="EPSG:4326")
    >>> [shape.bounds for shape in measured_ground(table).geometry]
    [(3.0, 0.0, 4.0, 2.0)]
    """
    key = ["glacier", "dataset", "source"]
    is_ice = footprints["footprint"] == MEASURED_ICE
    ice = {
        tuple(names): shape
        for *names, shape in footprints[is_ice][[*key, footprints.geometry.name]].itertuples(index=False, name=None)
    }
    out = footprints[~is_ice]
    shapes = [
        shape if held is None else held if name == "outline" else polygons_of(shape.intersection(held))[0]
        for shape, name, held in zip(
            out.geometry, out["footprint"], (ice.get(names) for names in out[key].itertuples(index=False, name=None)),
            strict=True,
        )
    ]  # fmt: skip
    return out.set_geometry(gpd.GeoSeries(shapes, index=out.index, crs=footprints.crs))
