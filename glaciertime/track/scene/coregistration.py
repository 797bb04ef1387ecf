"""Scenes registered to each other on stable rock: what never moves tells how far a scene lies off.

The rock of all other scenes together, each brought onto one grid, is the reference: where a scene's rock lies against
it is the shift of the scene. Its own rock is no part of it: a scene lies well on itself wherever it lies. Phase
correlation of both, made coarse, gives a first guess; least squares on the edges of the scene's rock alone finds it to
a fraction of a pixel; parts of the scene, each left out in turn, tell how sure it is.
One reference and one scene are held at a time: scenes are read again in every round.

References
----------
Kuglin, C. D., & Hines, D. C. (1975), The phase correlation image alignment method (the first guess); Lucas, B. D., &
Kanade, T. (1981), An iterative image registration technique (the fraction of a pixel).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyproj
import rasterio.warp
from affine import Affine
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.naming import counted
from glaciertime.scenes.acquisition import NO_DATA, ROCK, MaskScene

__all__ = ["Shift", "coregistered", "rock_shifts"]

#: Edge pixels of rock that a shift is to rest on, and the least that the weaker direction must weigh.
_LEAST_EDGE_PX = 100
_LEAST_ASPECT = 0.02
#: Parts of a scene, by rows and columns, that are left out in turn.
_PARTS = 4
_LARGEST_PX = 25.0
#: Rounds at most, of which the last is that after which no shift changed by more.
_ROUNDS, _SETTLED_PX = 10, 0.02
#: So many scenes are tried as the one on which the others find their first place.
_FIRST_TRIED = 3
#: A first guess is made on so many rows and columns, a fit on so many pixels of edges.
_COARSE_PX, _MOST_EDGE_PX = 256, 100_000


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How far a scene has to be moved to lie on the others.

    Attributes
    ----------
    east_m, north_m : float
        To be added to its coordinates on the plane of the first scene, metres; 0 where it could not be found.
    sigma_m : float
        One standard deviation of either, NaN where it could not be found.
    reason : str
        Why it could not be found, else empty.
    """

    east_m: float = 0.0
    north_m: float = 0.0
    sigma_m: float = math.nan
    reason: str = ""


def coregistered(scenes: Sequence[MaskScene]) -> list[MaskScene]:
    """Return scenes moved onto each other; those that hold too little rock as they are, flagged ``unregistered``.

    A moved scene carries the flag ``coregistered`` with its shift, and the shift's sigma as that of its georeference.

    Parameters
    ----------
    scenes : sequence of MaskScene
        Of one glacier, all with coordinate systems that are planes in metres, or all in local frames.

    Raises
    ------
    InputError
        If no two scenes hold rock, or they cannot be brought onto one grid.
    """
    shifts = rock_shifts(scenes)
    plane = scenes[0].acquisition.crs
    out = []
    for scene, shift in zip(scenes, shifts, strict=True):
        acquisition = scene.acquisition
        flags = dict(acquisition.flags)
        if shift.reason:
            flags["unregistered"] = f"not co-registered: {shift.reason}"
            out.append(replace(scene, acquisition=replace(acquisition, flags=flags)))
            continue
        flags.pop("unregistered", None)
        flags["coregistered"] = (
            f"moved {shift.east_m:+.1f} m east and {shift.north_m:+.1f} m north onto the rock of all scenes, one sigma "
            f"{shift.sigma_m:.1f} m"
        )
        out.append(
            replace(
                scene,
                acquisition=replace(acquisition, flags=flags, georeferencing_sigma_m=shift.sigma_m),
                transform=Affine.translation(*_in_own_plane(shift, scene, plane)) @ scene.transform,
            )
        )
    return out


def _in_own_plane(shift: Shift, scene: MaskScene, plane: pyproj.CRS | None) -> tuple[float, float]:
    """Return a shift on the plane of all scenes along x and y of a scene's own, which may be turned against it."""
    own = scene.acquisition.crs
    if plane is None or own is None or own == plane:
        return shift.east_m, shift.north_m
    middle = scene.transform @ (scene.shape[1] / 2, scene.shape[0] / 2)
    there = pyproj.Transformer.from_crs(own, plane, always_xy=True)
    x, y = there.transform(*middle)
    moved = there.transform(x + shift.east_m, y + shift.north_m, direction="INVERSE")
    return moved[0] - middle[0], moved[1] - middle[1]


def rock_shifts(scenes: Sequence[MaskScene]) -> list[Shift]:
    """Return the shift of each scene against the rock of all of them.

    The mean of all shifts is zero: there is no truth beyond the scenes themselves.

    Parameters
    ----------
    scenes : sequence of MaskScene

    Raises
    ------
    InputError
        As for :func:`coregistered`.
    """
    grid = _common_grid(scenes)
    rock_px = [int((_on_grid(scene, grid).rock > 0.5).sum()) for scene in scenes]
    # Those that hold most rock come first: the others find their place on them.
    order = sorted((k for k, count in enumerate(rock_px) if count >= _LEAST_EDGE_PX), key=lambda k: (-rock_px[k], k))
    if len(order) < 2:
        raise InputError(
            f"{len(order)} of {counted(len(scenes), 'scenes', 'hold')} rock: there is nothing to register them to "
            "each other on; "
            "leave --coregister out, or give masks in which rock has a class of its own"
        )
    pixel_m = abs(grid.transform.a)
    placing = _placed(scenes, grid, order)
    found, failed, sigma = placing.found, placing.failed, placing.sigma
    change: dict[int, float] = {}
    for _ in range(_ROUNDS if len(failed) < len(order) else 0):
        before = {index: shift.copy() for index, shift in found.items()}
        for index in order:
            placing.fit_anew(index, _on_grid(scenes[index], grid))
        good = [index for index in order if index not in failed]
        if not good:
            break
        placing.move(-np.mean([found[index] for index in good], axis=0))
        change = {index: float(np.abs(found[index] - before[index]).max()) for index in good}
        if max(change.values()) < _SETTLED_PX:
            break
    else:
        # What still moves is known no better than that.
        for index, by in change.items():
            sigma[index] = math.hypot(sigma[index], by)
    out = []
    for index in range(len(scenes)):
        if index not in order:
            out.append(Shift(reason="the scene holds hardly any rock"))
        elif index in failed:
            out.append(Shift(reason=failed[index]))
        else:
            row, column = found[index]
            # Rows grow southwards on the common grid.
            moved = float(column) * pixel_m, -float(row) * pixel_m
            out.append(Shift(east_m=moved[0], north_m=moved[1], sigma_m=sigma[index] * pixel_m))
    return out


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """North up, square pixels."""

    transform: Affine
    shape: tuple[int, int]
    crs: object


def _common_grid(scenes: Sequence[MaskScene]) -> _Grid:
    if not scenes:
        raise InputError("no masks given; co-registration needs at least two that hold rock")
    crs = scenes[0].acquisition.crs
    if any((scene.acquisition.crs is None) != (crs is None) for scene in scenes):
        raise InputError("some masks have a coordinate system and others none; co-registration needs one for all")
    if crs is not None and not crs.is_projected:
        raise InputError(f"{crs.name} is no plane in metres; project the masks first, e.g. to the UTM zone")
    boxes = [_bounds(scene, crs) for scene in scenes]
    sizes = [math.sqrt(abs(scene.transform.determinant)) for scene in scenes]
    west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
    east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
    pixel = float(np.median(sizes))
    shape = (max(1, math.ceil((north - south) / pixel)), max(1, math.ceil((east - west) / pixel)))
    return _Grid(transform=Affine(pixel, 0, west, 0, -pixel, north), shape=shape, crs=crs)


def _bounds(scene: MaskScene, crs: object) -> tuple[float, float, float, float]:
    """Return west, south, east and north of a scene on the plane of the grid."""
    height, width = scene.shape
    corners = [scene.transform @ corner for corner in ((0, 0), (width, 0), (0, height), (width, height))]
    x, y = zip(*corners, strict=True)
    bounds = (min(x), min(y), max(x), max(y))
    if crs is not None and scene.acquisition.crs != crs:
        return tuple(rasterio.warp.transform_bounds(scene.acquisition.crs, crs, *bounds))
    return bounds


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """The share of rock and of what was observed in the pixels of the grid that a scene covers, from ``first`` on."""

    first: tuple[int, int]
    rock: NDArray[np.float32]
    seen: NDArray[np.float32]


def _on_grid(scene: MaskScene, grid: _Grid) -> _Layer:
    """Return what a scene tells of rock on the common grid."""
    zones = scene.read()
    own, crs = scene.acquisition.crs, grid.crs
    to_grid = ~grid.transform @ scene.transform
    if own == crs and _is_shifted_by_pixels(to_grid):
        # The pixels are those of the grid: nothing is to be resampled.
        first = round(min(to_grid.f, to_grid.f + to_grid.e * zones.shape[0])), round(to_grid.c)
        zones = zones if to_grid.e > 0 else zones[::-1]
        return _Layer(first=first, rock=_as_share(zones == ROCK), seen=_as_share(zones != NO_DATA))
    rows, columns = _window(scene, grid)
    transform = grid.transform @ Affine.translation(columns.start, rows.start)
    plane = "EPSG:3857" if crs is None else None  # any plane: nothing is projected in a local frame
    out = []
    for layer in (zones == ROCK, zones != NO_DATA):
        moved = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.float32)
        rasterio.warp.reproject(
            _as_share(layer), moved, src_transform=scene.transform, dst_transform=transform, src_crs=plane or own,
            dst_crs=plane or crs, resampling=rasterio.warp.Resampling.bilinear,
        )  # fmt: skip
        out.append(moved)
    return _Layer(first=(rows.start, columns.start), rock=out[0], seen=out[1])


def _as_share(layer: NDArray[np.bool_]) -> NDArray[np.float32]:
    return layer.astype(np.float32)


def _is_shifted_by_pixels(to_grid: Affine) -> bool:
    even = abs(to_grid.b) + abs(to_grid.d) + abs(to_grid.a - 1) + abs(abs(to_grid.e) - 1) < 1e-9
    return even and max(abs(each - round(each)) for each in (to_grid.c, to_grid.f)) < 1e-6


def _window(scene: MaskScene, grid: _Grid) -> tuple[slice, slice]:
    """Return the rows and columns of the grid that a scene covers."""
    west, south, east, north = _bounds(scene, grid.crs)
    left, top = ~grid.transform @ (west, north)
    right, bottom = ~grid.transform @ (east, south)
    rows, columns = grid.shape
    return (
        slice(max(0, math.floor(top)), min(rows, max(math.floor(top) + 1, math.ceil(bottom)))),
        slice(max(0, math.floor(left)), min(columns, max(math.floor(left) + 1, math.ceil(right)))),
    )


class _Placing:
    """Where scenes lie: their shifts (rows, columns), how sure they are, and the reference of those that have one."""

    def __init__(self, grid: _Grid) -> None:
        self.reference = _Reference(grid.shape)
        self.found: dict[int, NDArray[np.float64]] = {}
        self.sigma: dict[int, float] = {}
        self.failed: dict[int, str] = {}

    def put(self, index: int, layer: _Layer, shift: NDArray[np.float64]) -> None:
        """Make a scene part of the reference."""
        self.found[index] = shift
        self.failed.pop(index, None)
        self.reference.add(layer, shift)

    def fit_anew(self, index: int, layer: _Layer) -> None:
        """Fit a scene to the others, and lay it there."""
        is_new = index in self.failed or index not in self.found
        if not is_new:
            self.reference.add(layer, self.found[index], times=-1)
        target, saw = self.reference.mean()
        fit = _fit(layer, target, saw, start=_guess(layer, target) if is_new else self.found[index])
        if isinstance(fit, str):
            self.failed[index] = fit
            self.found.setdefault(index, np.zeros(2))
            return
        self.sigma[index] = fit[1]
        self.put(index, layer, fit[0])

    def move(self, by: NDArray[np.float64]) -> None:
        """Move all scenes together."""
        for index in self.found:
            self.found[index] = self.found[index] + by
        self.reference.move(by)


def _placed(scenes: Sequence[MaskScene], grid: _Grid, order: Sequence[int]) -> _Placing:
    """Return scenes laid one after the other on those that lie already; the first is one on which most find a place."""
    best: _Placing | None = None
    for first in order[:_FIRST_TRIED]:
        placing = _Placing(grid)
        placing.put(first, _on_grid(scenes[first], grid), np.zeros(2))
        for index in order:
            if index != first:
                placing.fit_anew(index, _on_grid(scenes[index], grid))
        if best is None or len(placing.failed) < len(best.failed):
            best = placing
        if 2 * len(placing.failed) < len(order):
            break
    assert best is not None
    if len(best.failed) == len(order) - 1:
        # A scene on which no other finds a place has none either.
        best.failed |= {index: next(iter(best.failed.values())) for index in order if index not in best.failed}
    return best


class _Reference:
    """The mean rock of scenes moved by their shifts, summed up one after the other."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._rock = np.zeros(shape, dtype=np.float32)
        self._seen = np.zeros(shape, dtype=np.float32)
        self._count = 0

    def add(self, layer: _Layer, shift: NDArray[np.float64], *, times: int = 1) -> None:
        """Add a scene, or with -1 times take it out; what it is moved out of the grid is lost."""
        whole = np.floor(shift).astype(int)
        for total, part in ((self._rock, layer.rock), (self._seen, layer.seen)):
            # Padded by a pixel, so that what the fraction moves over the edge is kept.
            moved = _moved(np.pad(part, ((0, 1), (0, 1))), shift - whole)
            first = whole + layer.first
            low = np.maximum(first, 0)
            high = np.minimum(first + moved.shape, total.shape)
            if (high > low).all():
                inner = tuple(slice(a - b, c - b) for a, b, c in zip(low, first, high, strict=True))
                total[low[0] : high[0], low[1] : high[1]] += times * moved[inner]
        self._count += times

    def move(self, shift: NDArray[np.float64]) -> None:
        """Move the whole."""
        self._rock, self._seen = _moved(self._rock, shift), _moved(self._seen, shift)

    def mean(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the smoothed mean rock, and the share of scenes that saw each pixel."""
        from scipy import ndimage

        rock = np.where(self._seen > 0.5, self._rock / np.maximum(self._seen, 0.5), 0)
        smooth = ndimage.gaussian_filter(rock.astype(np.float32), 1.0)
        return np.asarray(smooth, dtype=np.float32), np.asarray(self._seen / max(self._count, 1), dtype=np.float32)


def _moved(layer: NDArray[np.float32], shift: NDArray[np.float64]) -> NDArray[np.float32]:
    from scipy import ndimage

    if not np.any(shift):
        return layer
    return np.asarray(ndimage.shift(layer, shift, order=1, mode="constant", cval=0.0), dtype=np.float32)


def _guess(layer: _Layer, target: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return by about how many rows and columns a scene lies off the reference; none where that is no better."""
    rows, columns = layer.first
    there = target[rows : rows + layer.rock.shape[0], columns : columns + layer.rock.shape[1]]
    by = max(1, math.ceil(max(there.shape) / _COARSE_PX))
    here, there = _coarse(np.where(layer.seen > 0.5, layer.rock, there), by), _coarse(there, by)
    both = [np.fft.rfft2(np.hypot(*np.gradient(each))) for each in (here, there)]
    across = both[1] * both[0].conj()
    peaks = np.fft.irfft2(across / np.maximum(np.abs(across), 1e-9), s=here.shape)
    reach = max(1, int(_LARGEST_PX / by))
    near = [np.r_[0 : min(reach, size // 2) + 1, -min(reach, size // 2) : 0] for size in here.shape]
    best = np.unravel_index(np.argmax(peaks[np.ix_(*near)]), (len(near[0]), len(near[1])))
    step = np.array([near[0][best[0]], near[1][best[1]]])
    off = [np.mean((np.roll(here, each, axis=(0, 1)) - there) ** 2) for each in (step, np.zeros(2, dtype=int))]
    return (step * by if off[0] < off[1] else np.zeros(2)).astype(np.float64)


def _coarse(layer: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    rows, columns = (size // by for size in layer.shape)
    cut = layer[: rows * by, : columns * by]
    return cut.reshape(rows, by, columns, by).mean(axis=(1, 3), dtype=np.float32)


def _fit(
    layer: _Layer, target: NDArray[np.float32], saw: NDArray[np.float32], *, start: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float] | str:
    """Return the shift (rows, columns) of a scene onto the reference and its sigma, pixels; or why there is none."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(layer.rock, 1.0)
    slopes = np.stack(np.gradient(smooth)) if min(smooth.shape) > 1 else np.zeros((2, *smooth.shape))
    # What lies within reach of the filter from the unobserved is no edge of rock.
    unseen = ndimage.maximum_filter((layer.seen <= 0.99).astype(np.uint8), 9, mode="constant", cval=1)
    rows, columns = np.nonzero((unseen == 0) & (np.abs(slopes).sum(axis=0) > 0.05))
    every = max(1, len(rows) // _MOST_EDGE_PX)
    rows, columns = rows[::every], columns[::every]
    value, gradient = smooth[rows, columns], slopes[:, rows, columns]
    places = np.stack([rows + layer.first[0], columns + layer.first[1]]).astype(np.float64)
    shift = np.array(start, dtype=np.float64)
    for _ in range(30):
        at = places + shift[:, None]
        nearest = np.rint(at).astype(int)
        inside = ((nearest >= 0) & (nearest < np.array(target.shape)[:, None])).all(axis=0)
        use = np.zeros(len(value), dtype=bool)
        use[inside] = saw[tuple(nearest[:, inside])] > 0.3
        if use.sum() < _LEAST_EDGE_PX:
            return "too little rock with an edge that others see too"
        difference = value[use] - ndimage.map_coordinates(target, at[:, use], order=1, mode="nearest")
        step, strength = _step(gradient[:, use], difference)
        if strength < _LEAST_ASPECT:
            return "the edges of its rock all run one way: a shift along them cannot be seen"
        shift = shift + step
        if np.abs(shift).max() > _LARGEST_PX:
            return f"its rock lies more than {_LARGEST_PX:.0f} pixels off: check its coordinate system"
        if np.abs(step).max() < 0.003:
            break
    sigma_px = _jackknife(gradient[:, use], difference, places[:, use], target.shape)
    if math.isnan(sigma_px):
        return "its rock lies in one place: how sure its shift is cannot be told"
    return shift, sigma_px


def _step(gradient: NDArray[np.floating], difference: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Return the step that makes the difference vanish to first order, and how evenly both directions are held."""
    # moved(x - step) = moved - gradient . step: the step is the least-squares solution of gradient . step = difference.
    normal = (gradient @ gradient.T).astype(np.float64)
    values = np.linalg.eigvalsh(normal)
    aspect = float(values[0] / values[1]) if values[1] > 0 else 0.0
    if aspect <= 0:
        return np.zeros(2), 0.0
    return np.asarray(np.linalg.solve(normal, gradient @ difference), dtype=np.float64), aspect


def _jackknife(
    gradient: NDArray[np.floating],
    difference: NDArray[np.floating],
    places: NDArray[np.float64],
    shape: tuple[int, ...],
) -> float:
    """Return one sigma of the shift from its change as each part of the scene is left out (delete-a-group jackknife).

    ``sigma^2 = (m - 1) / m sum_i (s_i - mean)^2`` over m parts that hold edges, the larger of both directions; at least
    a hundredth of a pixel.
    """
    rows, columns = (places * _PARTS // np.array(shape)[:, None]).astype(int)
    part = rows * _PARTS + columns
    steps = []
    for number in np.unique(part):
        left = part != number
        if left.sum() >= _LEAST_EDGE_PX // 2:
            steps.append(_step(gradient[:, left], difference[left])[0])
    if len(steps) < 3:
        return math.nan
    spread = np.array(steps) - np.mean(steps, axis=0)
    variance = (len(steps) - 1) / len(steps) * (spread**2).sum(axis=0)
    return float(max(0.01, math.sqrt(variance.max())))
