"""What one scene tells: areas of ice inside footprints and the calving front as a line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

__all__ = ["Area", "Front", "Measurement", "Rounding", "front_ends", "front_width_m"]

Front: TypeAlias = shapely.LineString | shapely.MultiLineString


@dataclass(frozen=True, kw_only=True)
class Area:
    """Ice inside one footprint.

    ``footprint_area_km2`` and ``area_km2`` are true areas; ``coverage`` is the share of the footprint that the scene
    shows; ``flags`` are those of :data:`glaciertime.tables.QUALITY_FLAGS`.

    A mask tells more: ``ocean_km2`` and ``rock_km2`` (NaN where the source does not tell them apart), so that the ice's
    share of the channel is ``area_km2 / (area_km2 + ocean_km2)``; ``presumed_km2``, ice, ocean and rock where ground
    that was not observed is what the nearest observed ground is (None: all was observed); and ``observed``, the part
    of the polygon inside the image (None: all of it).
    """

    footprint: str
    polygon: shapely.Polygon
    footprint_area_km2: float
    area_km2: float
    method: str
    coverage: float = 1.0
    flags: dict[str, str] = field(default_factory=dict)
    ocean_km2: float = math.nan
    rock_km2: float = math.nan
    presumed_km2: tuple[float, float, float] | None = None
    observed: shapely.Geometry | None = None


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """The error that pixels leave in a front: one standard deviation at a point, and over what length it is the same.

    The length is that which gives the error of an area behind the front, ``sigma_m * sqrt(front length * length_m)``.
    """

    sigma_m: float = 0.0
    length_m: float = 0.0

    @classmethod
    def of_pixels(cls, resolution_m: float) -> Rounding:
        """Return the rounding to pixels of a size, each on its own; none where the size is unknown.

        Examples
        --------
        >>> round(Rounding.of_pixels(30.0).sigma_m, 3)
        8.66
        """
        if math.isnan(resolution_m):
            return cls()
        return cls(sigma_m=resolution_m / math.sqrt(12), length_m=resolution_m)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one scene tells, in the coordinates ``crs``.

    ``front`` is None where the scene shows no boundary between ice and ocean; ``front_flags`` say why.
    ``centreline_points_inland`` is true where the scene shows ocean at the inland end of the centreline and ice at the
    seaward one. ``front_seen`` is the share of the front that the scene shows: a striped image hides the rest.
    ``delineation_sigma_m`` replaces that of the scene where the front itself tells it (NaN: it does not).
    """

    crs: pyproj.CRS | None
    areas: tuple[Area, ...]
    front: Front | None
    front_flags: dict[str, str] = field(default_factory=dict)
    coverage: float = 1.0
    centreline_points_inland: bool = False
    front_seen: float = 1.0
    delineation_sigma_m: float = math.nan
    #: Of the pixels that the front was traced on; None: each pixel on its own.
    rounding: Rounding | None = None
    #: Whether the front is all that bounds the areas, and not only what lies beside the centreline.
    is_whole_front: bool = True
    #: The ice that the areas are of, where polygons tell it.
    ice: shapely.Geometry | None = None


def front_ends(front: Front) -> NDArray[np.float64]:
    """Return the two ends of a front, (2, 2); of one in several pieces, the two ends that lie farthest apart.

    Examples
    --------
    >>> front_ends(shapely.LineString([(0, 0), (3, 0), (3, 4)])).tolist()
    [[0.0, 0.0], [3.0, 4.0]]
    """
    ends = np.array([piece.coords[index] for piece in shapely.get_parts(front) for index in (0, -1)])
    if len(ends) == 2:
        return ends
    apart = ((ends[:, None] - ends[None]) ** 2).sum(axis=2)
    return ends[list(np.unravel_index(int(np.argmax(apart)), apart.shape))]


def front_width_m(front: Front) -> float:
    """Return the straight distance between the two ends of a front, of all its pieces.

    Examples
    --------
    >>> front_width_m(shapely.LineString([(0, 0), (3, 0), (3, 4)]))
    5.0
    """
    return math.dist(*front_ends(front))
