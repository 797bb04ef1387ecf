"""A region drawn as polygons: which points on Earth lie in it, whatever its coordinate system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from glaciertime import limits
from glaciertime.errors import InputError
from glaciertime.meridian import joined_at_180
from glaciertime.scenes.layers import layers_of, read_layer
from glaciertime.scenes.parts import polygons_of

__all__ = ["RegionPolygon", "read_region"]


@dataclass(frozen=True)
class RegionPolygon:
    """Polygons in their own coordinate system, in which points are looked for in them."""

    path: Path
    shape: shapely.Geometry
    crs: pyproj.CRS

    def holds(self, points: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
        """Return which points (longitude and latitude in degrees) lie inside or on the edge.

        They are looked for on the plane of the polygons, on which their edges are straight; so a polygon round a pole
        is one in a polar coordinate system. Of one in degrees, longitudes are tried a turn to either side too.
        """
        if not len(points):
            return np.zeros(0, dtype=bool)
        lon, lat = np.asarray(points, dtype=float).T
        if self.crs.is_geographic:
            turned = [shapely.intersects_xy(self.shape, lon + turn, lat) for turn in (-360.0, 0.0, 360.0)]
            return np.logical_or.reduce(turned)
        x, y = pyproj.Transformer.from_crs("EPSG:4326", self.crs, always_xy=True).transform(lon, lat)
        known = np.isfinite(x) & np.isfinite(y)
        inside = np.zeros(len(lon), dtype=bool)
        inside[known] = shapely.intersects_xy(self.shape, np.asarray(x)[known], np.asarray(y)[known])
        return inside

    @property
    def span(self) -> str:
        """Where it lies, for a person."""
        x_min, y_min, x_max, y_max = self.shape.bounds
        if self.crs.is_geographic:
            return f"{x_min:.2f} to {x_max:.2f} degrees east, {y_min:.2f} to {y_max:.2f} north"
        return f"{x_min:,.0f} to {x_max:,.0f}, {y_min:,.0f} to {y_max:,.0f} in {self.crs.name}"


def read_region(path: Path) -> RegionPolygon:
    """Return the polygons of a file, all its layers together, as one region.

    Raises
    ------
    DataNotFoundError
        Where there is no such file.
    InputError
        Where it holds no polygon, no coordinate system or another than its coordinates are of.
    """
    path = Path(path)
    layers = layers_of(path)
    if not path.is_file() or not layers:
        read_layer(path)
    shapes, crs = [], None
    for layer in layers:
        table = read_layer(layer)
        for shape in table.geometry:
            limits.check("vertices", 0 if shape is None else shapely.get_num_coordinates(shape), layer.label)
        parts = [polygons_of(shape)[0] for shape in table.geometry]
        held = [joined_at_180(part) if table.crs.is_geographic else part for part in parts if not part.is_empty]
        if held and crs is not None and table.crs != crs:
            raise InputError(f"{path.name}: its layers differ in their coordinate system; give a file with one layer")
        crs = table.crs if held else crs
        shapes += held
    if not shapes or crs is None:
        raise InputError(f"{path.name} holds no polygon; a region is one, or several, drawn around its glaciers")
    region = RegionPolygon(path, shapely.union_all(shapes), pyproj.CRS.from_user_input(crs))
    x_min, y_min, x_max, y_max = region.shape.bounds
    if region.crs.is_geographic and (max(abs(y_min), abs(y_max)) > 90 or max(abs(x_min), abs(x_max)) > 720):
        raise InputError(
            f"{path.name}: {region.span} is no place in {region.crs.name}; assign the coordinate system that it is in "
            "with ogr2ogr -a_srs"
        )
    return region
