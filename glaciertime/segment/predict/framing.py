"""A scene turned, resampled and cropped into the frame of a model, and what came of it mapped back onto the scene.

Both grids are joined by one affine map, that of the ground around a point of the scene: over the ten or twenty
kilometres of a frame a map projection bends by less than a tenth of a pixel, and what was traced in the frame comes
back to the scene's own coordinates exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError
from glaciertime.segment.frame import Frame

__all__ = ["Framing", "frame_scene", "ground_of", "moved", "read_framed", "to_scene", "trimmed", "with_margin"]

#: A window of a frame is resampled from at most so many pixels of the scene.
_LARGEST_PX = 60_000_000
#: How many of the outermost rows and columns of a frame are left out where most of them was not observed.
_EDGE_PX = 4
_MARGIN_PX = 8.0
_GEOD = pyproj.Geod(ellps="WGS84")

Read = Callable[[int, int, int, int], NDArray[np.float32]]
"""row, column, height, width -> (C, height, width) float32, NaN where not observed; inside the scene."""


@dataclass(frozen=True)
class Framing:
    """How a frame lies on a scene.

    Attributes
    ----------
    to_scene : Affine
        Column and row in the frame to column and row in the scene, both counted from the corner of the first pixel.
    shape : (int, int)
        Rows and columns of the frame.
    pixel_m : float
        Side of its pixels on the ground.
    ocean_deg : float
        Azimuth that is up in the frame, degrees clockwise from true north.
    """

    to_scene: Affine
    shape: tuple[int, int]
    pixel_m: float
    ocean_deg: float

    @property
    def is_identity(self) -> bool:
        """Return whether the frame's pixels are the scene's own."""
        return self.to_scene.almost_equals(Affine.identity(), precision=1e-9)


def ground_of(transform: Affine, crs: pyproj.CRS | None, *, column: float, row: float) -> NDArray[np.float64]:
    """Return the metres east and north (rows) that a step of one column and of one row makes (columns), (2, 2).

    Parameters
    ----------
    transform : Affine
        Column and row to the coordinates of ``crs``.
    crs : CRS or None
        None: coordinates are metres, y counts up.
    column, row : float
        Where.

    Raises
    ------
    InputError
        If that point has no place on Earth in this coordinate system.

    Examples
    --------
    >>> ground_of(Affine(30, 0, 0, 0, -30, 0), None, column=5, row=5).tolist()
    [[30.0, 0.0], [0.0, -30.0]]
    """
    if crs is None:
        return np.array([[transform.a, transform.b], [transform.d, transform.e]], dtype=np.float64)
    steps = np.array([[column - 0.5, row], [column + 0.5, row], [column, row - 0.5], [column, row + 0.5]])
    x, y = moved(transform, steps.T)
    longitude, latitude = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    if not np.isfinite([*longitude, *latitude]).all():
        raise InputError(f"the scene's coordinates do not lie in the domain of {crs.name}; check its CRS")
    azimuth, _, metres = _GEOD.inv(longitude[::2], latitude[::2], longitude[1::2], latitude[1::2])
    angle = np.radians(azimuth)
    return np.array([metres * np.sin(angle), metres * np.cos(angle)])


def moved(transform: Affine, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return points, (2, N) as columns and rows, where an affine map takes them, (2, N).

    Examples
    --------
    >>> moved(Affine(2, 0, 1, 0, 3, 0), np.array([[1.0], [1.0]])).tolist()
    [[3.0], [3.0]]
    """
    linear = np.array([[transform.a, transform.b], [transform.d, transform.e]])
    return np.asarray(linear @ points + np.array([[transform.c], [transform.f]]), dtype=np.float64)


def frame_scene(
    frame: Frame,
    *,
    ground: NDArray[np.float64],
    ocean_deg: float,
    shown: NDArray[np.float64],
    centre: tuple[float, float] | None = None,
    length_px: int | None = None,
) -> Framing:
    """Return how a frame lies on a scene: the ocean up, pixels of the frame's size, around what the scene shows.

    Parameters
    ----------
    frame : Frame
    ground : (2, 2)
        See :func:`ground_of`.
    ocean_deg : float
        Azimuth of the ocean, degrees clockwise from true north.
    shown : (N, 2)
        Column and row of the outermost observed points of the scene: the frame shows no more than these.
    centre : (column, row), optional
        Point of the scene in the middle of the frame, which is then no larger than its field of view.
    length_px : int, optional
        Rows of the frame around the centre, in place of those of its field of view.
    """
    pixel_m = math.sqrt(abs(float(np.linalg.det(ground))))
    if not frame.fits(pixel_m):
        pixel_m = frame.pixel_m
    angle = math.radians(ocean_deg)
    # Right and down in the frame, as metres east and north.
    axes = pixel_m * np.array([[math.cos(angle), -math.sin(angle)], [-math.sin(angle), -math.cos(angle)]])
    linear = np.linalg.solve(ground, axes)
    linear = _snapped(linear)
    placed = np.linalg.solve(linear, np.asarray(shown, dtype=np.float64).T)
    low, high = placed.min(axis=1), placed.max(axis=1)
    if centre is not None:
        middle = np.linalg.solve(linear, np.asarray(centre, dtype=np.float64))
        half = np.array([frame.width_px, length_px or frame.height_px]) / 2
        half = np.where(half > 0, half, np.inf)
        low, high = np.maximum(low, middle - half), np.minimum(high, middle + half)
    if (high - low < 2).any():
        raise InputError("the scene does not show the place that its frame is to lie on; check the CRS of both")
    columns, rows = (max(2, math.floor(size + 1e-6)) for size in high - low)
    exact = np.array_equal(linear, np.round(linear))
    low = np.round(low) if exact else low + (high - low - [columns, rows]) / 2
    shift = linear @ low
    to_scene = Affine(linear[0, 0], linear[0, 1], shift[0], linear[1, 0], linear[1, 1], shift[1])
    return Framing(to_scene=to_scene, shape=(rows, columns), pixel_m=pixel_m, ocean_deg=ocean_deg % 360)


def trimmed(image: NDArray[np.float32], framing: Framing) -> tuple[NDArray[np.float32], Framing]:
    """Return a framed scene without the outermost rows and columns of which most was not observed, at most a few.

    A line that is unobserved along the edge is one of means to a network, which pads it over its whole margin.

    Parameters
    ----------
    image : (C, h, w)
    framing : Framing
    """
    seen = np.isfinite(image).any(axis=0)
    first, last = [0, 0], list(seen.shape)
    for axis in (0, 1):
        counts = seen.sum(axis=1 - axis)
        if len(counts) <= 4 * _EDGE_PX:
            continue
        poor = counts < 0.5 * np.concatenate([np.full(_EDGE_PX, counts[_EDGE_PX]), counts[:-_EDGE_PX]])
        rich = counts < 0.5 * np.concatenate([counts[_EDGE_PX:], np.full(_EDGE_PX, counts[-_EDGE_PX - 1])])
        while first[axis] < _EDGE_PX and rich[first[axis]]:
            first[axis] += 1
        while len(counts) - last[axis] < _EDGE_PX and poor[last[axis] - 1]:
            last[axis] -= 1
    if first == [0, 0] and last == list(seen.shape):
        return image, framing
    to_scene = framing.to_scene @ Affine.translation(first[1], first[0])
    shape = (last[0] - first[0], last[1] - first[1])
    return image[:, first[0] : last[0], first[1] : last[1]], replace(framing, to_scene=to_scene, shape=shape)


def with_margin(image: NDArray[np.float32], *, margin_px: float = _MARGIN_PX) -> NDArray[np.float32]:
    """Return an image, (C, h, w), that goes on beyond what was observed for some pixels, with the nearest value.

    A scene that was turned ends in steps; without this a network sees a wall along them.
    """
    missing = ~np.isfinite(image)
    if not missing.any():
        return image
    out = image.copy()
    for band, hidden in zip(out, missing, strict=True):
        if hidden.all():
            continue
        far, nearest = ndimage.distance_transform_edt(hidden, return_indices=True)
        near = hidden & (far <= margin_px)
        band[near] = band[nearest[0][near], nearest[1][near]]
    return out


def _snapped(linear: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a map that is a quarter turn without a change of size to within a hundredth as exactly that."""
    whole = np.round(linear)
    is_turn = sorted(np.abs(whole).ravel()) == [0, 0, 1, 1] and abs(round(float(np.linalg.det(whole)))) == 1
    return np.asarray(whole if is_turn and np.abs(linear - whole).max() < 0.01 else linear, dtype=np.float64)


def read_framed(read: Read, framing: Framing, *, scene_shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return a scene in a frame, (C, h, w) float32, NaN where not observed.

    A pixel of the frame that covers several of the scene's is their mean; between pixels the scene is interpolated
    linearly, from those of its four neighbours that were observed.

    Parameters
    ----------
    read : callable
    framing : Framing
    scene_shape : (int, int)

    Raises
    ------
    InputError
        If the frame lies outside the scene, or too many pixels of the scene would have to be read.
    """
    rows, columns = framing.shape
    if framing.is_identity and framing.shape == scene_shape:
        return read(0, 0, *scene_shape)
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], dtype=np.float64).T
    reach = moved(framing.to_scene, corners)
    first = np.maximum(np.floor(reach.min(axis=1)).astype(int) - 2, 0)
    last = np.minimum(np.ceil(reach.max(axis=1)).astype(int) + 2, [scene_shape[1], scene_shape[0]])
    if (last <= first).any():
        raise InputError("the frame lies outside the scene; check the CRS of both")
    if int(np.prod(last - first)) > _LARGEST_PX:
        raise InputError(
            f"{int(np.prod(last - first)):,} pixels lie in the frame of the model, at most {_LARGEST_PX:,} are turned; "
            "cut out the glacier first"
        )
    window = read(int(first[1]), int(first[0]), int(last[1] - first[1]), int(last[0] - first[0]))
    fine = _fineness(framing.to_scene)
    row, column = np.mgrid[0:rows, 0:columns].astype(np.float64)
    total, weight = np.zeros((len(window), rows * columns)), np.zeros((len(window), rows * columns))
    seen = np.isfinite(window).astype(np.float64)
    filled = np.where(seen > 0, window, 0).astype(np.float64)
    steps = (np.arange(fine) + 0.5) / fine
    for down in steps:
        for right in steps:
            points = np.stack([column.ravel() + right, row.ravel() + down])
            x, y = moved(framing.to_scene, points)
            at, inside = np.stack([y - first[1] - 0.5, x - first[0] - 0.5]), _inside(x, y, scene_shape)
            for number, (values, known) in enumerate(zip(filled, seen, strict=True)):
                total[number] += inside * ndimage.map_coordinates(values, at, order=1, mode="nearest")
                weight[number] += inside * ndimage.map_coordinates(known, at, order=1, mode="nearest")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(weight >= 0.5 * fine**2, total / weight, np.nan).astype(np.float32)
    return mean.reshape(-1, rows, columns)


def _inside(x: Any, y: Any, shape: tuple[int, int], *, edge: float = 1e-6) -> NDArray[np.float64]:
    return ((x >= -edge) & (x <= shape[1] + edge) & (y >= -edge) & (y <= shape[0] + edge)).astype(np.float64)


def _fineness(to_scene: Affine) -> int:
    """Return how often a pixel of the frame is sampled along each side: once where the scene is not finer."""
    steps = max(math.hypot(to_scene.a, to_scene.d), math.hypot(to_scene.b, to_scene.e))
    return max(1, math.ceil(steps - 0.2))


def to_scene(
    field: NDArray[np.generic], framing: Framing, *, scene_shape: tuple[int, int], order: int = 1
) -> NDArray[np.float32]:
    """Return layers of a frame on the grid of the scene, (K, H, W) float32, NaN outside the frame.

    Parameters
    ----------
    field : (K, h, w)
    framing : Framing
    scene_shape : (int, int)
    order : int
        1 interpolates linearly, 0 takes the nearest.
    """
    if framing.is_identity and framing.shape == scene_shape:
        return np.asarray(field, dtype=np.float32)
    height, width = scene_shape
    rows, columns = framing.shape
    out = np.full((len(field), height, width), np.nan, dtype=np.float32)
    corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]], dtype=np.float64).T
    reach = moved(framing.to_scene, corners)
    beyond = (_EDGE_PX + 1) * math.hypot(*framing.to_scene[:2], *framing.to_scene[3:5])
    first = np.maximum(np.floor(reach.min(axis=1) - beyond).astype(int), 0)
    last = np.minimum(np.ceil(reach.max(axis=1) + beyond).astype(int), [width, height])
    if (last <= first).any():
        return out
    row, column = np.mgrid[first[1] : last[1], first[0] : last[0]] + 0.5
    x, y = moved(~framing.to_scene, np.stack([column.ravel(), row.ravel()]))
    # What was rounded off, or left out along the edges, is as the nearest pixel of the frame.
    inside = _inside(x, y, framing.shape, edge=_EDGE_PX + 1).astype(bool)
    at = np.stack([y[inside] - 0.5, x[inside] - 0.5])
    for number, layer in enumerate(field):
        values = np.full(x.shape, np.nan, dtype=np.float32)
        values[inside] = ndimage.map_coordinates(np.asarray(layer, dtype=np.float64), at, order=order, mode="nearest")
        out[number, first[1] : last[1], first[0] : last[0]] = values.reshape(row.shape)
    return out
