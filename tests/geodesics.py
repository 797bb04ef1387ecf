"""Lengths on the ellipsoid, by geodesics: what a position along a line of a map has to be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyproj
import shapely


def geodesic_m(points: Sequence[tuple[float, float]], crs: object) -> float:
    """Return the length on the WGS84 ellipsoid of a line that is straight between points of a map."""
    line = shapely.segmentize(shapely.LineString(points), 50.0)
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    return float(
        pyproj.Geod(ellps="WGS84").line_length(*to_degrees.transform(*np.array(shapely.get_coordinates(line)).T))
    )
