"""The built-in simulated Crane: dated masks of a fjord whose calving front is known at every date.

It exists so that the whole chain runs without any data. Nothing of it is an observation: every scene, and so every
row, plot and page made from it, says ``simulated``. The fjord is straight, 24 km long and about 5 km wide, lies
inside Crane's box, and tells nothing of the real one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial

import numpy as np
import pyproj
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray

from glaciertime.catalog import Glacier, Line, Region
from glaciertime.scenes.acquisition import GLACIER, OCEAN, ROCK, Acquisition, MaskScene
from glaciertime.units import years_between

__all__ = ["DATASET", "known_ice", "known_position_m", "simulated_crane", "simulated_scenes", "simulation_dates"]

DATASET = "simulated Crane"
RESOLUTION_M = 30.0
SIZE_PIXELS = 930

_START = np.array([-2_419_500.0, 1_255_500.0])
_ANGLE = np.deg2rad(38.0)
_LENGTH_M = 24_000.0
_BULGE_M = 400.0
_BREAK_UP = dt.date(2002, 3, 5)
_AUTHOR = "glaciertime simulator"


def simulated_crane(crane: Glacier) -> Glacier:
    """Return Crane with the box, the fjord and the centreline of the simulation instead of its own."""
    x, y = _START[0] - 2_500.0, _START[1] - 5_000.0
    side = SIZE_PIXELS * RESOLUTION_M
    return crane.model_copy(
        update={
            "crs": "EPSG:3031",
            "box": (x, y, x + side, y + side),
            "fjord": Region(coordinates=[(float(a), float(b)) for a, b in _fjord().exterior.coords], drawn_by=_AUTHOR),
            "centreline": Line(
                coordinates=[(float(a), float(b)) for a, b in _to_map(np.array([[0.0, 0.0], [_LENGTH_M, 0.0]]))],
                drawn_by=_AUTHOR,
            ),
        }
    )


def simulation_dates() -> list[dt.date]:
    """Return the dates of acquisition: two to five a year from 1995 to 2024, with a gap, unevenly spaced."""
    random = np.random.default_rng(20020315)
    dates: list[dt.date] = []
    for year in range(1995, 2025):
        if year in (2013, 2014):
            continue
        for day in np.sort(random.choice(np.arange(5, 360), size=int(random.integers(2, 6)), replace=False)):
            dates.append(dt.date(year, 1, 1) + dt.timedelta(days=int(day)))
    return dates


def known_position_m(date: dt.date) -> float:
    """Return the true front position along the centreline, in metres of the map from its inland end.

    A steady front with a seasonal cycle loses 6 km in the break-up of 2002, retreats exponentially for some years
    more, and then advances slowly.
    """
    season = 140.0 * np.cos(2 * np.pi * (date.timetuple().tm_yday - 60) / 365.25)
    since = years_between(_BREAK_UP, date)
    if since < 0:
        return float(19_500.0 + 60.0 * since + season)
    return float(13_500.0 - 2_600.0 * (1 - np.exp(-since / 2.5)) + 45.0 * since + season)


def known_ice(date: dt.date) -> shapely.Polygon:
    """Return the true glacier ice in the fjord at a date, in EPSG:3031, icebergs left out."""
    across = np.linspace(-4_000.0, 4_000.0, 161)
    front = known_position_m(date) - _BULGE_M * (across / 2_500.0) ** 2
    edge = np.column_stack([front, across])
    inland = np.array([[-1.0, 4_000.0], [-1.0, -4_000.0]])
    return shapely.Polygon(_to_map(np.vstack([edge, inland]))).intersection(_fjord())


def simulated_scenes(crane: Glacier) -> Iterator[MaskScene]:
    """Yield the simulated masks in order of date: (930, 930) pixels of 30 m in EPSG:3031."""
    box = simulated_crane(crane).box
    if box is None:  # pragma: no cover - simulated_crane always sets it
        return
    transform = Affine(RESOLUTION_M, 0, box[0], 0, -RESOLUTION_M, box[3])
    for date in simulation_dates():
        yield MaskScene(
            acquisition=Acquisition(
                glacier=crane.name,
                date=date,
                dataset=DATASET,
                image_id=f"simulated_{date.isoformat()}",
                source="simulated",
                input=DATASET,
                sensor="simulated",
                author=_AUTHOR,
                crs=pyproj.CRS.from_epsg(3031),
                resolution_m=RESOLUTION_M,
            ),
            shape=(SIZE_PIXELS, SIZE_PIXELS),
            transform=transform,
            read=partial(_zones, date, transform),
        )


def _to_map(along_across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return map coordinates of (distance along, distance to the left of) the centreline."""
    along, across = along_across.T
    cos, sin = np.cos(_ANGLE), np.sin(_ANGLE)
    return _START + np.column_stack([along * cos - across * sin, along * sin + across * cos])


def _fjord() -> shapely.Polygon:
    """Return the fjord: a strip along the centreline whose walls wave by 200 m."""
    along = np.linspace(0.0, _LENGTH_M, 241)
    half = 2_500.0 + 200.0 * np.sin(along / 2_700.0)
    walls = np.vstack([np.column_stack([along, half]), np.column_stack([along, -half])[::-1]])
    return shapely.Polygon(_to_map(walls))


def _zones(date: dt.date, transform: Affine) -> NDArray[np.uint8]:
    """Draw the zones of a date: a pixel belongs to the polygon that holds its centre."""
    shape = (SIZE_PIXELS, SIZE_PIXELS)
    layers = [(_fjord(), OCEAN), (known_ice(date), GLACIER)]
    random = np.random.default_rng(date.toordinal())
    position = known_position_m(date)
    for _ in range(int(random.integers(2, 7))):
        along = random.uniform(position + 600.0, max(position + 900.0, _LENGTH_M - 500.0))
        centre = _to_map(np.array([[along, random.uniform(-1_800.0, 1_800.0)]]))[0]
        layers.append((shapely.Point(centre).buffer(random.uniform(40.0, 110.0)), GLACIER))
    return rasterio.features.rasterize(layers, out_shape=shape, transform=transform, fill=ROCK, dtype="uint8")
