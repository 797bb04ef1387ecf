"""A scene turned, resampled and cropped into the frame of a model, and what came of it mapped back onto the scene.

Both grids are joined by one affine map, that of the ground around a point of the scene: over the ten or twenty
kilometres of a frame a map projection bends by less than a tenth of a pixel, and what was traced in the frame comes
back to the scene's own coordinates exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

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
#: Samples of a frame that are made at a time.
_STRIP_PX = 4_000_000
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
    # Columns and rows of the finer grid, counted from the middle of its first pixel, to those of the window.
    finer = (
        Affine.translation(-0.5 - first[0], -0.5 - first[1]) @ framing.to_scene @ Affine.scale(1 / fine)
        @ Affine.translation(0.5, 0.5)
    )  # fmt: skip
    seen = np.isfinite(window)
    is_whole, is_shared = bool(seen.all()), bool((seen == seen[:1]).all())
    filled = window if is_whole else np.where(seen, window, np.float32(0))
    mean = np.empty((len(window), rows, columns), dtype=np.float32)
    strip = max(1, _STRIP_PX // (columns * fine**2))
    for top in range(0, rows, strip):
        shape = (min(strip, rows - top) * fine, columns * fine)
        at = finer @ Affine.translation(0, top * fine)
        # As in a window so on the scene: the middle of a pixel lies half a pixel in.
        inside = _grid_inside(Affine.translation(0.5 + first[0], 0.5 + first[1]) @ at, shape, scene_shape)
        known = inside
        for number, (values, observed) in enumerate(zip(filled, seen, strict=True)):
            if not is_whole and (number == 0 or not is_shared):
                known = inside * _interpolated(observed.astype(np.float32), at, shape)
            weight = _summed(known, fine)
            total = _summed(inside * _interpolated(values, at, shape), fine)
            with np.errstate(invalid="ignore", divide="ignore"):
                part = np.where(weight >= 0.5 * fine**2, total / weight, np.nan)
            mean[number, top : top + len(part)] = part
    return mean


def _interpolated(
    values: NDArray[np.generic], at: Affine, shape: tuple[int, ...], *, order: int = 1
) -> NDArray[np.float64]:
    """Return values, (H, W), at the places to which an affine map takes the columns and rows of a grid."""
    made = ndimage.affine_transform(
        values, [[at.e, at.d], [at.b, at.a]], (at.f, at.c), output_shape=shape, output=np.float64, order=order,
        mode="nearest",
    )  # fmt: skip
    return np.asarray(made, dtype=np.float64)


def _grid_inside(
    at: Affine, shape: tuple[int, int], scene_shape: tuple[int, int], *, edge: float = 1e-6
) -> NDArray[np.float64]:
    """Return 1 where an affine map takes the columns and rows of a grid into the scene, else 0.

    What of a row lies inside is one run of columns.
    """
    row = np.arange(shape[0], dtype=np.float64)
    first, last = np.full(len(row), -np.inf), np.full(len(row), np.inf)
    for step, start, size in ((at.a, at.b * row + at.c, scene_shape[1]), (at.d, at.e * row + at.f, scene_shape[0])):
        if abs(step) < 1e-12:
            first[(start < -edge) | (start > size + edge)] = np.inf
            continue
        ends = np.sort([(-edge - start) / step, (size + edge - start) / step], axis=0)
        first, last = np.maximum(first, ends[0]), np.minimum(last, ends[1])
    column = np.arange(shape[1], dtype=np.float64)
    return ((column >= first[:, None]) & (column <= last[:, None])).astype(np.float64)


def _summed(samples: NDArray[np.float64], fine: int) -> NDArray[np.float64]:
    """Return the sum over the samples of each pixel."""
    height, width = samples.shape
    blocks = samples.reshape(height // fine, fine, width // fine, fine)
    return np.asarray(blocks.sum(axis=(1, 3)), dtype=np.float64)


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
    # Columns and rows of the scene, counted from the middle of a pixel, to those of the frame.
    at = (
        Affine.translation(-0.5, -0.5) @ ~framing.to_scene @ Affine.translation(first[0] + 0.5, first[1] + 0.5)
    )  # fmt: skip
    shape = (int(last[1] - first[1]), int(last[0] - first[0]))
    # What was rounded off, or left out along the edges, is as the nearest pixel of the frame.
    inside = _grid_inside(Affine.translation(0.5, 0.5) @ at, shape, framing.shape, edge=_EDGE_PX + 1).astype(bool)
    for number, layer in enumerate(field):
        values = _interpolated(np.asarray(layer, dtype=np.float64), at, shape, order=order)
        out[number, first[1] : last[1], first[0] : last[0]] = np.where(inside, values, np.nan)
    return out
