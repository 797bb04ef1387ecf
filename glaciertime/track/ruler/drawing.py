"""A glacier's centreline drawn once, from all of its scenes together, and how surely it can be drawn.

Scenes are laid on one coarse grid, and of each cell counts what most scenes show there: a cloud, a missing corner or a
wrong mask in one of them does not bend the line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK
from glaciertime.track.place import reproject
from glaciertime.track.ruler.centrelines import centreline_from_traces, centreline_from_zones
from glaciertime.track.ruler.tongues import longest_tongue, reach_of
from glaciertime.track.scene.masks import to_map

__all__ = ["SURE_SHARE", "Drawing", "Sketch", "draw_centreline", "sketch_of_zones"]

_GRID_CELLS = 240
_SKETCH_PIXELS = 320
# More scenes than this tell nothing new about where a fjord lies.
_MOST_SCENES = 240
_HALVES = 6
#: A line that moves by more than this share of the front's width between halves of the scenes is not sure.
SURE_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """What one scene tells of where its glacier lies: few pixels of zones, or its front where it is a trace.

    ``front`` lies in the coordinates of the drawing; ``zones`` in those of ``crs``, inside ``region`` only.
    """

    name: str
    front: shapely.Geometry
    zones: NDArray[np.uint8] | None = None
    transform: Affine = field(default_factory=Affine.identity)
    crs: pyproj.CRS | None = None
    region: shapely.Geometry | None = None
    #: What the front is made of: between two kinds of front nothing retreats.
    front_of: str = ""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A line that was drawn, from which scenes, and by what share of the front's width it moves between their halves.

    ``shift_share`` is NaN where there are too few scenes to tell; ``is_directed`` is false where the scenes do not show
    on which side the sea lies.
    """

    line: shapely.LineString
    names: tuple[str, ...]
    shift_share: float
    is_directed: bool
    #: Whether other glaciers than the one that the line follows end in the same masks.
    has_others: bool = False


def sketch_of_zones(
    zones: NDArray[np.uint8],
    *,
    name: str,
    front: shapely.Geometry,
    transform: Affine,
    crs: pyproj.CRS | None,
    region: shapely.Geometry | None,
) -> Sketch:
    """Return a raster of zones as a sketch."""
    step = max(1, -(-max(zones.shape) // _SKETCH_PIXELS))
    small = np.ascontiguousarray(zones[step // 2 :: step, step // 2 :: step])
    # The pixel picked lies step // 2 from the first one, up to half a pixel from the middle of the coarse one.
    shift = (step // 2 + 0.5) - step / 2
    coarse = transform @ Affine.translation(shift, shift) @ Affine.scale(step)
    return Sketch(name=name, front=front, zones=small, transform=coarse, crs=crs, region=region)


def draw_centreline(sketches: Sequence[Sketch], *, crs: pyproj.CRS | None, width_m: float) -> Drawing:
    """Draw a centreline from all scenes.

    Parameters
    ----------
    sketches : sequence of Sketch
        In order of time.
    crs : CRS or None
        Of the line: a plane on which metres are true.
    width_m : float
        Of the fronts.

    Raises
    ------
    InputError
        Where no line can be drawn.
    """
    areal = [sketch for sketch in sketches if sketch.zones is not None]
    chosen = areal or list(sketches)
    if len(chosen) > _MOST_SCENES:
        chosen = [chosen[index] for index in np.linspace(0, len(chosen) - 1, _MOST_SCENES).astype(int)]
    fronts = [sketch.front for sketch in chosen]
    if areal:
        layers, transform = _on_one_grid(chosen, crs=crs)

        def drawn(picked: NDArray[np.int64]) -> shapely.LineString:
            shown = [fronts[index] for index in picked]
            zones, others = _most(layers[picked]), _others(layers[picked])
            return centreline_from_zones(zones, transform=transform, fronts=shown, others=others)
    else:

        def drawn(picked: NDArray[np.int64]) -> shapely.LineString:
            inside = np.sort(picked)
            kinds = [chosen[index].front_of for index in inside]
            return centreline_from_traces([fronts[index] for index in inside], kinds=kinds)

    line = drawn(np.arange(len(chosen)))
    return Drawing(
        line=line,
        names=tuple(sketch.name for sketch in sketches),
        shift_share=_shift_m(line, drawn, chosen) / width_m if width_m > 0 else float("nan"),
        is_directed=bool(areal),
        has_others=bool(areal) and bool(_others(layers).any()),
    )


def _others(layers: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where other glaciers than the one with the longest front reach in any of several scenes."""
    zones = _most(layers)
    tongue, others = longest_tongue(zones == GLACIER, zones == OCEAN, seen=zones != NO_DATA)
    if not others.any():
        return others
    return reach_of(others, tongue, layers == GLACIER) & ~tongue


def _on_one_grid(sketches: Sequence[Sketch], *, crs: pyproj.CRS | None) -> tuple[NDArray[np.uint8], Affine]:
    """Return the zones of all sketches on one grid, (N, H, W), nearest pixel, and its transform."""
    outlines = []
    for sketch in sketches:
        assert sketch.zones is not None
        height, width = sketch.zones.shape
        corners = to_map(np.array([(0.0, 0), (width, 0), (width, height), (0, height)]), sketch.transform)
        shown = shapely.Polygon(corners)
        if sketch.region is not None:
            shown = shown.intersection(sketch.region)
        outlines.append(reproject(shown, source=sketch.crs, target=crs))
    x_min, y_min, x_max, y_max = shapely.total_bounds(outlines)
    cell = max(x_max - x_min, y_max - y_min) / _GRID_CELLS
    shape = (max(1, int(np.ceil((y_max - y_min) / cell))), max(1, int(np.ceil((x_max - x_min) / cell))))
    transform = Affine(cell, 0, x_min, 0, -cell, y_max)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    centres = to_map(np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5]), transform)
    there: dict[str, NDArray[np.float64]] = {}
    layers = np.full((len(sketches), *shape), NO_DATA, dtype=np.uint8)
    for layer, sketch in zip(layers, sketches, strict=True):
        assert sketch.zones is not None
        key = "" if sketch.crs is None else sketch.crs.to_wkt()
        if key not in there:
            there[key] = _moved(centres, source=crs, target=sketch.crs)
        points = there[key]
        if sketch.crs is not None and sketch.crs.is_geographic:
            # Longitudes as the sketch counts them: those of a raster across the 180th meridian run on.
            middle, _ = to_map(np.array([(0.5 * sketch.zones.shape[1], 0.0)]), sketch.transform)[0]
            points = np.column_stack([(points[:, 0] - middle + 180) % 360 - 180 + middle, points[:, 1]])
        column, row = np.floor(to_map(points, ~sketch.transform)).T
        inside = (row >= 0) & (row < sketch.zones.shape[0]) & (column >= 0) & (column < sketch.zones.shape[1])
        if sketch.region is not None:
            inside[inside] = shapely.contains_xy(sketch.region, points[inside])
        flat = layer.reshape(-1)
        flat[inside] = sketch.zones[row[inside].astype(int), column[inside].astype(int)]
    return layers, transform


def _moved(points: NDArray[np.float64], *, source: pyproj.CRS | None, target: pyproj.CRS | None) -> NDArray[np.float64]:
    if source is None or target is None:
        return points
    transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    return np.nan_to_num(np.column_stack(transformer.transform(*points.T)), posinf=-1e300, neginf=-1e300)


def _most(layers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what most layers show of each cell, of those that show it at all: rock, or else ice or ocean."""
    ice, ocean, rock = (np.count_nonzero(layers == zone, axis=0) for zone in (GLACIER, OCEAN, ROCK))
    zones = np.where(ice >= ocean, GLACIER, OCEAN)
    zones = np.where(rock > ice + ocean, ROCK, zones)
    return np.where(ice + ocean + rock > 0, zones, NO_DATA).astype(np.uint8)


def _shift_m(
    line: shapely.LineString, drawn: Callable[[NDArray[np.int64]], shapely.LineString], sketches: Sequence[Sketch]
) -> float:
    """Return by how much a line moves sideways, where the fronts stand, when half of the scenes are left out."""
    if len(sketches) < 4:
        return float("nan")
    every = shapely.points(np.vstack([shapely.get_coordinates(sketch.front) for sketch in sketches]))
    along = shapely.line_locate_point(line, every)
    points = shapely.line_interpolate_point(line, np.linspace(along.min(), along.max(), 50))
    random = np.random.default_rng(0)
    shifts = []
    for _ in range(_HALVES):
        order = random.permutation(len(sketches))
        for half in (order[: len(order) // 2], order[len(order) // 2 :]):
            try:
                other = drawn(half)
            except InputError:
                return float("inf")
            shifts.append(float(shapely.distance(points, other).mean()))
    return max(shifts)
