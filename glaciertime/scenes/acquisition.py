"""What was acquired: one dated scene of one glacier, as a mask of zones, an outline of ice or a traced front.

The three kinds of scene share an :class:`Acquisition`, which says what, when, by whom and from which file. A scene
reads its pixels only when asked to, so that a thousand dates cost no more memory than one.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray

from glaciertime.scenes.pixel_values import PixelReading

__all__ = [
    "GLACIER",
    "NO_DATA",
    "OCEAN",
    "ROCK",
    "ZONES",
    "Acquisition",
    "ImageScene",
    "MaskScene",
    "OutlineScene",
    "Scene",
    "TraceScene",
    "UnreadableScene",
]

#: The codes of the zones of a mask, those of the CaFFe data set. Ice mélange counts as ocean.
NO_DATA, ROCK, GLACIER, OCEAN = 0, 64, 127, 254
ZONES = {"nodata": NO_DATA, "rock": ROCK, "glacier": GLACIER, "ocean": OCEAN}


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """What, when, by whom and from which file: what every kind of scene shares.

    ``dataset`` is a citation or a name; ``input`` is the file (for a layer: the file too) whose change replaces
    what came from it; ``flags`` go into the quality of every observation made from the scene.
    """

    glacier: str
    date: dt.date
    dataset: str
    image_id: str
    source: str
    input: str
    sensor: str = ""
    author: str = ""
    crs: pyproj.CRS | None = None
    resolution_m: float = math.nan
    georeferencing_sigma_m: float = math.nan
    delineation_sigma_m: float = math.nan
    #: The segmentation model that drew the boundary; empty where a person or the data set did.
    model: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)
    #: What its front is made of, of :data:`glaciertime.tables.FRONT_OF`; empty where nobody says.
    front_of: str = ""
    #: Where it was made of several files: all of them.
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MaskScene:
    """A raster of zones.

    ``read`` returns (H, W) uint8 of the codes in :data:`ZONES`; ``box`` is the polygon, in the coordinates of
    ``transform``, inside which the scene is to be measured (None: as the catalog or the data set has it).
    ``probability`` returns (K, H, W) float of the zones whose codes it returns beside it, NaN where nothing was
    observed, or None where the file turns out to hold zones only.
    """

    acquisition: Acquisition
    shape: tuple[int, int]
    transform: Affine
    read: Callable[[], NDArray[np.uint8]]
    box: shapely.Polygon | None = None
    probability: Callable[[], tuple[NDArray[np.float32], tuple[int, ...]] | None] | None = None
    #: Whether there is any ocean to end in: a glacier that ends on land has no calving front.
    has_ocean: bool = True
    #: Whether the slope of the probabilities is all that is known of the front's error.
    sigma_is_of_probability: bool = True
    #: The zone of each colour of the file's palette, (red, green, blue), where it has one.
    palette: Mapping[tuple[int, ...], int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImageScene:
    """An image that has to be segmented before it can be measured; ``weights`` names the model made for its kind.

    ``weights`` is empty where none was. ``values`` says how its stored numbers are read, ``bands`` which of its bands
    the model gets (None: all).
    """

    acquisition: Acquisition
    path: Path
    shape: tuple[int, int]
    transform: Affine
    weights: str
    box: shapely.Polygon | None = None
    values: PixelReading = field(default_factory=PixelReading)
    bands: tuple[int, ...] | None = None
    #: Where its cloud layer is, see :mod:`glaciertime.scenes.cloud_layers`.
    clouds: str = "none"


@dataclass(frozen=True, kw_only=True)
class OutlineScene:
    """The ice inside a box, as polygons. What of the box is not ice is ocean or rock: the outline does not tell."""

    acquisition: Acquisition
    ice: shapely.Polygon | shapely.MultiPolygon
    box: shapely.Polygon | None = None


@dataclass(frozen=True, kw_only=True)
class TraceScene:
    """A calving front traced as a line."""

    acquisition: Acquisition
    line: shapely.LineString | shapely.MultiLineString


@dataclass(frozen=True, kw_only=True)
class UnreadableScene:
    """An input that could not be read, with the reason and the remedy; ``date`` where the name told it."""

    input: str
    reason: str
    date: dt.date | None = None
    acquisition: Acquisition | None = None


Scene: TypeAlias = MaskScene | OutlineScene | TraceScene
