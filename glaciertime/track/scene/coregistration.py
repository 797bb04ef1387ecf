"""Scenes registered to each other on stable rock: what never moves tells how far a scene lies off.

The rock of all scenes together, each brought onto one grid, is the reference: where a scene's rock lies against it is
the shift of the scene. Least squares on the reference's own gradients finds it to a fraction of a pixel; parts of the
scene, each left out in turn, tell how sure it is.
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
from glaciertime.scenes.acquisition import NO_DATA, ROCK, MaskScene

__all__ = ["Shift", "coregistered", "rock_shifts"]

#: Edge pixels of rock that a shift is to rest on, and the least that the weaker direction must weigh.
_LEAST_EDGE_PX = 100
_LEAST_ASPECT = 0.02
#: Parts of a scene, by rows and columns, that are left out in turn.
_PARTS = 4
_LARGEST_PX = 25.0
_ROUNDS = 3


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
    layers = [_on_grid(scene, grid) for scene in scenes]
    with_rock = [index for index, (rock, _) in enumerate(layers) if (rock > 0.5).sum() >= _LEAST_EDGE_PX]
    if len(with_rock) < 2:
        raise InputError(
            f"{len(with_rock)} of {len(scenes)} scenes hold rock: there is nothing to register them to each other on; "
            "leave --coregister out, or give masks in which rock has a class of its own"
        )
    pixel_m = abs(grid.transform.a)
    found = {index: np.zeros(2) for index in with_rock}
    sigma: dict[int, float] = {}
    failed: dict[int, str] = {}
    for _ in range(_ROUNDS):
        held = [(layers[index], found[index]) for index in found if index not in failed]
        if not held:
            break
        reference = _reference(held)
        for index in with_rock:
            fit = _fit(layers[index], reference, start=found[index])
            if isinstance(fit, str):
                failed[index] = fit
            else:
                failed.pop(index, None)
                found[index], sigma[index] = fit
        good = [found[index] for index in with_rock if index not in failed]
        if good:
            middle = np.mean(good, axis=0)
            for index in with_rock:
                found[index] = found[index] - middle
    out = []
    for index in range(len(scenes)):
        if index not in found:
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
    boxes, sizes = [], []
    for scene in scenes:
        height, width = scene.shape
        corners = [scene.transform @ corner for corner in ((0, 0), (width, 0), (0, height), (width, height))]
        x, y = zip(*corners, strict=True)
        bounds = (min(x), min(y), max(x), max(y))
        if crs is not None and scene.acquisition.crs != crs:
            bounds = rasterio.warp.transform_bounds(scene.acquisition.crs, crs, *bounds)
        boxes.append(bounds)
        sizes.append(math.sqrt(abs(scene.transform.determinant)))
    west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
    east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
    pixel = float(np.median(sizes))
    shape = (max(1, math.ceil((north - south) / pixel)), max(1, math.ceil((east - west) / pixel)))
    return _Grid(transform=Affine(pixel, 0, west, 0, -pixel, north), shape=shape, crs=crs)


Layer = tuple[NDArray[np.float32], NDArray[np.float32]]


def _on_grid(scene: MaskScene, grid: _Grid) -> Layer:
    """Return the share of rock and of what was observed in each pixel of the grid."""
    zones = scene.read()
    crs = "EPSG:3857" if grid.crs is None else None  # any plane: nothing is projected in a local frame
    out = []
    for layer in (zones == ROCK, zones != NO_DATA):
        moved = np.zeros(grid.shape, dtype=np.float32)
        rasterio.warp.reproject(
            layer.astype(np.float32), moved, src_transform=scene.transform, dst_transform=grid.transform,
            src_crs=crs or scene.acquisition.crs, dst_crs=crs or grid.crs,
            resampling=rasterio.warp.Resampling.bilinear,
        )  # fmt: skip
        out.append(moved)
    return out[0], out[1]


def _moved(layer: NDArray[np.float32], shift: NDArray[np.float64]) -> NDArray[np.float32]:
    from scipy import ndimage

    return np.asarray(ndimage.shift(layer, shift, order=1, mode="constant", cval=0.0), dtype=np.float32)


def _reference(parts: Sequence[tuple[Layer, NDArray[np.float64]]]) -> Layer:
    """Return the mean rock of the scenes moved by their shifts, and the share of scenes that saw each pixel."""
    rock = np.zeros_like(parts[0][0][0])
    seen = np.zeros_like(rock)
    for (part, observed), shift in parts:
        rock += _moved(part, shift)
        seen += _moved(observed, shift)
    mean = np.where(seen > 0.5, rock / np.maximum(seen, 0.5), 0)
    return mean.astype(np.float32), (seen / len(parts)).astype(np.float32)


def _fit(layer: Layer, reference: Layer, *, start: NDArray[np.float64]) -> tuple[NDArray[np.float64], float] | str:
    """Return the shift (rows, columns) of a scene onto the reference and its sigma, pixels; or why there is none."""
    from scipy import ndimage

    target = ndimage.gaussian_filter(reference[0], 1.0)
    shift = np.array(start, dtype=np.float64)
    for _ in range(30):
        rock, seen = _moved(layer[0], shift), _moved(layer[1], shift)
        use = (seen > 0.99) & (reference[1] > 0.3)
        moved = ndimage.gaussian_filter(np.where(seen > 0.5, rock, target), 1.0)
        gradient = np.stack(np.gradient(moved))
        edge = use & (np.abs(gradient).sum(axis=0) > 0.05)
        if edge.sum() < _LEAST_EDGE_PX:
            return "too little rock with an edge that others see too"
        step, strength = _step(gradient[:, edge], (moved - target)[edge])
        if strength < _LEAST_ASPECT:
            return "the edges of its rock all run one way: a shift along them cannot be seen"
        shift = shift + step
        if np.abs(shift).max() > _LARGEST_PX:
            return f"its rock lies more than {_LARGEST_PX:.0f} pixels off: check its coordinate system"
        if np.abs(step).max() < 0.003:
            break
    sigma_px = _jackknife(gradient, moved - target, edge)
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


def _jackknife(gradient: NDArray[np.floating], difference: NDArray[np.floating], edge: NDArray[np.bool_]) -> float:
    """Return one sigma of the shift from its change as each part of the scene is left out (delete-a-group jackknife).

    ``sigma^2 = (m - 1) / m sum_i (s_i - mean)^2`` over m parts that hold edges, the larger of both directions; at least
    a hundredth of a pixel.
    """
    rows, columns = np.indices(edge.shape)
    part = (rows * _PARTS // edge.shape[0]) * _PARTS + columns * _PARTS // edge.shape[1]
    steps = []
    for number in np.unique(part[edge]):
        left = edge & (part != number)
        if left.sum() >= _LEAST_EDGE_PX // 2:
            steps.append(_step(gradient[:, left], difference[left])[0])
    if len(steps) < 3:
        return math.nan
    spread = np.array(steps) - np.mean(steps, axis=0)
    variance = (len(steps) - 1) / len(steps) * (spread**2).sum(axis=0)
    return float(max(0.01, math.sqrt(variance.max())))
