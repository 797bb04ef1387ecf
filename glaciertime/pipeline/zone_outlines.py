"""A mask as polygons and its front as a line, in a file that a map program opens."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes

from glaciertime.errors import UsageError
from glaciertime.segment.legend import Legend
from glaciertime.track.scene.regions import to_map
from glaciertime.track.scene.tracing import front_lines
from glaciertime.units import polygon_area_km2

__all__ = ["ENDINGS", "check_outlines", "front_of_zones", "write_outlines", "zone_polygons"]

ENDINGS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON"}
#: Straight edges are bent with the ground, so they are parted this often before they go to longitude and latitude.
_EDGE_PX = 20
_GEOD = pyproj.Geod(ellps="WGS84")


def zone_polygons(zones: NDArray[np.uint8], *, legend: Legend, transform: Affine, crs: Any) -> gpd.GeoDataFrame:
    """Return one row for every connected part of each class.

    Edges follow the sides of pixels, holes are holes, and parts that meet at a corner alone are two.

    Returns
    -------
    GeoDataFrame
        ``class``, ``code``, ``area_km2`` (on the WGS84 ellipsoid) and the polygon in ``crs``.
    """
    seen = zones != legend.unobserved
    rows = [
        {"class": legend.names[int(code)], "code": int(code), "geometry": shapely.geometry.shape(outline)}
        for outline, code in shapes(zones, mask=seen, connectivity=4, transform=transform)
    ]
    for row in rows:
        row["area_km2"] = polygon_area_km2(row["geometry"], crs=crs)
    columns = ["class", "code", "area_km2", "geometry"]
    return gpd.GeoDataFrame(pd.DataFrame(rows, columns=columns), geometry="geometry", crs=crs)


def front_of_zones(zones: NDArray[np.uint8], *, transform: Affine) -> shapely.MultiLineString | None:
    """Return the boundary of ocean (254) and glacier (127) of a mask, in its coordinates; None without one."""
    lines = [shapely.LineString(to_map(line, transform)) for line in front_lines(zones)]
    return shapely.MultiLineString(lines) if lines else None


def write_outlines(
    draft: Path,
    polygons: gpd.GeoDataFrame,
    *,
    front: shapely.Geometry | None,
    told: Mapping[str, Any],
    pixel: float,
    mark: str,
) -> None:
    """Write polygons and a front.

    A GeoPackage has the layers ``zones`` and ``fronts`` in the coordinate system of the scene; GeoJSON is in longitude
    and latitude of WGS84, as its standard has it, with both in one list.

    Parameters
    ----------
    draft : Path
        A draft that ends in .gpkg or .geojson.
    polygons : GeoDataFrame
        See :func:`zone_polygons`.
    front : LineString or MultiLineString, optional
        In the coordinates of the polygons.
    told : mapping
        What every row says of its image: ``image``, ``date``, ``model`` ...
    pixel : float
        Side of a pixel, in the unit of the coordinates.
    mark : str
        The command that makes it.
    """
    crs = polygons.crs
    front = None if front is None or front.is_empty else front
    lines = gpd.GeoDataFrame(
        {"length_km": [] if front is None else [_length_km(front, crs)]},
        geometry=[] if front is None else [front], crs=crs,
    )  # fmt: skip
    polygons, lines = (table.assign(**told) for table in (polygons, lines))
    if ENDINGS[draft.suffix.lower()] == "GPKG":
        polygons.to_file(draft, driver="GPKG", layer="zones", DESCRIPTION=mark)
        if len(lines):
            lines.to_file(draft, driver="GPKG", layer="fronts", DESCRIPTION=mark)
        return
    if crs is None:
        raise UsageError(
            f"{draft.name}: GeoJSON holds longitude and latitude, and the image names no coordinate system"
        )
    both = pd.concat([polygons, lines.assign(**{"class": "front"})], ignore_index=True)
    both.geometry = shapely.segmentize(both.geometry.to_numpy(), _EDGE_PX * pixel)
    both.to_crs("EPSG:4326").to_file(draft, driver="GeoJSON", DESCRIPTION=mark, RFC7946="YES")


def check_outlines(path: Path) -> None:
    """Read all rows of a file of outlines.

    Raises
    ------
    OSError
        If a part of it cannot be read.
    """
    import pyogrio

    try:
        for name, _ in pyogrio.list_layers(path):
            gpd.read_file(path, layer=name)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise OSError(errno.EIO, f"it cannot be read back: {error}", str(path)) from error


def _length_km(line: shapely.Geometry, crs: Any) -> float:
    """Return the length on the ellipsoid."""
    if crs is None:
        return float(line.length) / 1000
    degrees = gpd.GeoSeries([line], crs=crs).to_crs("EPSG:4326").iloc[0]
    return float(_GEOD.geometry_length(degrees)) / 1000
