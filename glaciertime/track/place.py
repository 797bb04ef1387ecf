"""Where a glacier is measured: its box, its fjord and its centreline, in the coordinates of the work at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import shapely

from glaciertime.catalog import Glacier
from glaciertime.errors import InputError
from glaciertime.meridian import densified, joined_at_180
from glaciertime.units import true_plane

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["ASSUMED_SEAWARD", "WGS84", "Place", "Ruler", "map_plane", "place_of", "published", "reproject"]

WGS84 = pyproj.CRS.from_epsg(4326)

# Edges are straight on the map they were drawn on; they are densified to this before they leave it.
_EDGE_M = 500.0
_EDGE_DEGREES = 0.005
# A vertex that densifying left on a straight line, to this much, is not needed.
_STRAIGHT_M = 0.005


@lru_cache(maxsize=64)
def _transformer_by_text(source: str, target: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


# A CRS takes longer to write out or to hash than a front to transform: the few in use are told apart by identity.
_recent: dict[tuple[int, int], tuple[pyproj.CRS, pyproj.CRS, pyproj.Transformer]] = {}


def _transformer(source: pyproj.CRS, target: pyproj.CRS) -> pyproj.Transformer:
    key = (id(source), id(target))
    held = _recent.get(key)
    if held is None or held[0] is not source or held[1] is not target:
        if len(_recent) > 64:
            _recent.clear()
        held = _recent[key] = (source, target, _transformer_by_text(source.to_wkt(), target.to_wkt()))
    return held[2]


def reproject(
    geometry: shapely.Geometry, *, source: pyproj.CRS | None, target: pyproj.CRS | None, densify: bool = True
) -> shapely.Geometry:
    """Return a geometry in another coordinate system, its straight edges densified first.

    Raises
    ------
    InputError
        Between a local metric frame and a place on Earth, or where a coordinate has no image in the target.
    """
    if source is None or target is None:
        if source is target:
            return geometry
        raise InputError(
            "one geometry has a coordinate system and another is in a local metric frame; give both the same with --crs"
        )
    if source is target or source == target:
        return geometry
    if densify and geometry.length > 0:
        is_geographic = source.is_geographic
        geometry = densified(geometry, _EDGE_DEGREES) if is_geographic else shapely.segmentize(geometry, _EDGE_M)
    transformer = _transformer(source, target)
    moved = shapely.transform(geometry, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise InputError(f"coordinates do not lie in the domain of {target.name}; check the CRS")
    return moved


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """One thing that a glacier is measured with, and where it comes from.

    Parameters
    ----------
    kind : str
        ``plane`` (``geometry`` is None), ``box``, ``fjord`` or ``centreline``.
    origin : str
        ``manifest``, ``file`` or ``drawn``.
    drawn_from : str
        By whom, or from which scenes.
    made_at : str
        Time in UTC, ISO 8601.
    crs : CRS or None
        Of the geometry; None: a local metric frame.
    """

    kind: str
    origin: str
    drawn_from: str
    made_at: str
    crs: pyproj.CRS | None
    geometry: shapely.Geometry | None = None

    @property
    def is_directed(self) -> bool:
        """Whether it is known which end of a line lies to the sea."""
        return not self.drawn_from.startswith(ASSUMED_SEAWARD)


#: How ``drawn_from`` begins where nothing told ice from ocean.
ASSUMED_SEAWARD = "seaward end assumed"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A glacier's geometry in one plane, metric coordinate system (None: a local metric frame)."""

    name: str
    crs: pyproj.CRS | None
    box: shapely.Polygon | None = None
    fjord: shapely.Polygon | None = None
    centreline: shapely.LineString | None = None
    #: Whether the centreline was drawn automatically, and whether the scenes then told which end lies to the sea.
    is_drawn: bool = False
    is_directed: bool = True

    def to(self, crs: pyproj.CRS | None) -> Place:
        """Return the same place in other coordinates."""
        if crs == self.crs:
            return self

        def move(geometry: shapely.Geometry | None) -> shapely.Geometry | None:
            return None if geometry is None else reproject(geometry, source=self.crs, target=crs)

        return replace(
            self, crs=crs, box=move(self.box), fjord=move(self.fjord), centreline=move(self.centreline)
        )  # fmt: skip

    @property
    def extent(self) -> shapely.Geometry | None:
        """Whatever says where the glacier lies: its centreline, else its fjord, else its box."""
        return next((part for part in (self.centreline, self.fjord, self.box) if part is not None), None)

    def on_true_plane(self, *, around: shapely.Geometry | None = None) -> Place:
        """Return the same place where a metre is a metre on the ellipsoid: see :func:`glaciertime.units.true_plane`.

        The plane lies around what says where the glacier is, or, of a glacier that is only a name, around a geometry in
        the place's coordinates.
        """
        middle = self.extent or around
        if self.crs is None or middle is None:
            return self
        there = self.to(true_plane(middle, crs=self.crs))

        def thinned(geometry: shapely.Geometry | None) -> shapely.Geometry | None:
            return None if geometry is None else shapely.simplify(geometry, _STRAIGHT_M)

        return replace(
            there, box=thinned(there.box), fjord=thinned(there.fjord), centreline=thinned(there.centreline)
        )  # fmt: skip

    @property
    def fjord_span_m(self) -> tuple[float, float] | None:
        """Distances along the centreline at which it enters the fjord from inland and leaves it to the sea."""
        if self.fjord is None or self.centreline is None:
            return None
        inside = self.centreline.intersection(self.fjord)
        if inside.is_empty:
            return None
        along = shapely.line_locate_point(self.centreline, shapely.points(shapely.get_coordinates(inside)))
        return float(along.min()), float(along.max())


def place_of(glacier: Glacier, *, scene_crs: pyproj.CRS | None, rulers: Sequence[Ruler] = ()) -> Place:
    """Return where a glacier's scenes are measured.

    The glacier's own coordinate system is used where the catalog has one and the scene lies on Earth; else the plane
    that it was measured on before, else that of the scene. A local metric frame knows nothing of coordinates on Earth;
    a glacier without a coordinate system has those of the frame.

    Parameters
    ----------
    glacier : Glacier
    scene_crs : CRS or None
    rulers : sequence of Ruler
        With what the glacier was measured before: they fill in what the catalog does not have.
    """
    known = {ruler.kind: ruler for ruler in rulers if (ruler.crs is None) == (scene_crs is None)}
    if (scene_crs is None) != (glacier.projection is None):
        plane = known["plane"].crs if "plane" in known else scene_crs
        place = Place(name=glacier.name, crs=plane)
    else:
        place = Place(
            name=glacier.name,
            crs=glacier.projection,
            box=glacier.box_polygon,
            fjord=glacier.fjord.polygon if glacier.fjord else None,
            centreline=glacier.centreline.linestring if glacier.centreline else None,
        )
    for kind, ruler in known.items():
        if kind == "plane" or getattr(place, kind) is not None or ruler.geometry is None:
            continue
        place = replace(place, **{kind: reproject(ruler.geometry, source=ruler.crs, target=place.crs)})
        if kind == "centreline":
            place = replace(place, is_drawn=ruler.origin == "drawn", is_directed=ruler.is_directed)
    return place


def published(geometry: shapely.Geometry, crs: pyproj.CRS | None) -> shapely.Geometry:
    """Return a geometry as tables carry it: in longitude and latitude, or as it is in a local metric frame.

    What crosses the 180th meridian goes on beyond it (to 180.1 degrees), and not round the globe.
    """
    if crs is None:
        return reproject(geometry, source=None, target=None)
    return joined_at_180(reproject(geometry, source=crs, target=WGS84))


def map_plane(fronts: gpd.GeoDataFrame, *, glacier: Glacier | None) -> pyproj.CRS | None:
    """Return the plane, in metres, that fronts are drawn and predicted on; None for a local metric frame.

    It is the catalog's where that is a plane; else the UTM zone of the fronts or, where there is none, the polar
    stereographic plane of their pole.
    """
    if fronts.crs is None:
        return None
    if glacier is not None and glacier.projection is not None and not glacier.projection.is_geographic:
        return glacier.projection
    longitude, latitude = _middle(fronts.to_crs(WGS84))
    if -80 <= latitude <= 84:
        zone = min(60, 1 + int((longitude + 180) // 6))
        return pyproj.CRS.from_epsg((32600 if latitude >= 0 else 32700) + zone)
    return pyproj.CRS.from_epsg(3413 if latitude > 0 else 3031)


def _middle(placed: gpd.GeoDataFrame) -> tuple[float, float]:
    """Return the middle of what is in degrees, at a longitude from -180 to 180, also across the 180th meridian.

    There some longitudes go on above 180, and those of lines wholly beyond it begin at -180 again.
    """
    longitude, latitude = shapely.get_coordinates(placed.geometry.to_numpy()).T
    angle = np.radians(longitude)
    about = np.degrees(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()))
    off = (longitude - about + 180) % 360 - 180
    east = (about + (off.min() + off.max()) / 2 + 180) % 360 - 180
    return float(east), float((latitude.min() + latitude.max()) / 2)
