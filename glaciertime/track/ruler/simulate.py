"""Fronts of known position in fjords of known shape, and what a tracer would draw of them.

The errors are not drawn from the model that estimates them: the delineation's correlation falls off as a Gaussian along
the front, and an image is shifted as a whole by a length uniform in size and direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["SHAPES", "SimulatedFjord", "simulated_fjord", "traced"]

#: Shapes of fjord that are drawn, with the heading of the centreline (radians) at a share of its length.
SHAPES = ("straight", "bending", "branching", "advancing", "partial")

_STEP_M = 50.0


@dataclass(frozen=True, kw_only=True)
class SimulatedFjord:
    """A fjord, its centreline from inland to the sea, and true fronts.

    ``positions_m`` (N,) are the distances along the centreline at which the mean of each front over the fjord's width
    stands; ``fronts`` are lines from bank to bank.
    """

    shape: str
    width_m: float
    centreline: shapely.LineString
    fjord: shapely.Polygon
    positions_m: NDArray[np.float64]
    fronts: tuple[shapely.LineString, ...]


def _heading(shape: str, share: NDArray[np.float64]) -> NDArray[np.float64]:
    if shape == "bending":
        return 1.1 * np.sin(2 * np.pi * share)
    return np.zeros_like(share)


def simulated_fjord(
    shape: str, *, count: int, seed: int, width_m: float = 5000.0, length_m: float = 30_000.0
) -> SimulatedFjord:
    """Return a fjord of a shape with fronts of known mean position.

    A front is a smooth curve across the fjord: a random bulge, a tilt and undulations around its mean position. In the
    branching fjord the ice comes from two valleys and the front bends into both; in the partial one a third of each
    front is missing at one bank; in the advancing one the fronts move towards the sea.

    Parameters
    ----------
    shape : str
        One of :data:`SHAPES`.
    count : int
        Number of fronts.
    seed : int
    width_m, length_m : float

    Raises
    ------
    InputError
        For an unknown shape.
    """
    if shape not in SHAPES:
        raise InputError(f"unknown shape '{shape}'; known are {', '.join(SHAPES)}")
    rng = np.random.default_rng(seed)
    share = np.linspace(0, 1, int(length_m / _STEP_M) + 1)
    heading = _heading(shape, share)
    step = length_m / (len(share) - 1)
    middle = 0.5 * (heading[1:] + heading[:-1])
    axis = np.vstack([[0, 0], np.cumsum(step * np.column_stack([np.cos(middle), np.sin(middle)]), axis=0)])
    offsets = np.linspace(-0.5, 0.5, 161) * width_m
    direction = 1.0 if shape == "advancing" else -1.0
    mean = length_m * (0.55 - direction * 0.15 + direction * 0.3 * np.linspace(0, 1, count))
    mean = mean + rng.normal(0, 150, count)
    fronts = []
    for position in mean:
        u = offsets / (width_m / 2)
        relief = rng.normal(0, 400) * (u**2 - 1 / 3) + rng.normal(0, 250) * u
        for wave in range(2, 6):
            relief = relief + rng.normal(0, 160 / wave) * np.sin(wave * np.pi * u + rng.uniform(0, 2 * np.pi))
        if shape == "branching":
            relief = relief - 1500 * (np.abs(u) - 0.5)
        # The mean over the area between the banks: strips lie closer together inside a bend.
        along = position + relief
        weight = np.ones_like(offsets) if shape != "bending" else 1 - offsets * _curvature(along, heading, length_m)
        along = along - (np.average(along, weights=weight) - position)
        keep = slice(None) if shape != "partial" else slice(0, int(0.67 * len(offsets)))
        fronts.append(shapely.LineString(_on_fjord(along[keep], offsets[keep], axis, heading, step)))
    centreline = shapely.LineString(axis)
    fjord = shapely.buffer(centreline, width_m / 2, cap_style="flat")
    return SimulatedFjord(
        shape=shape, width_m=width_m, centreline=centreline, fjord=fjord, positions_m=mean, fronts=tuple(fronts)
    )


def _curvature(along: NDArray[np.float64], heading: NDArray[np.float64], length_m: float) -> NDArray[np.float64]:
    grid = np.linspace(0, length_m, len(heading))
    return np.interp(along, grid, np.gradient(heading, grid))


def _on_fjord(
    along: NDArray[np.float64],
    offsets: NDArray[np.float64],
    axis: NDArray[np.float64],
    heading: NDArray[np.float64],
    step: float,
) -> NDArray[np.float64]:
    grid = np.arange(len(axis)) * step
    x, y = np.interp(along, grid, axis[:, 0]), np.interp(along, grid, axis[:, 1])
    angle = np.interp(along, grid, heading)
    return np.column_stack([x - offsets * np.sin(angle), y + offsets * np.cos(angle)])


def traced(
    front: shapely.LineString,
    *,
    seed: int,
    delineation_sigma_m: float,
    correlation_m: float,
    shift_sigma_m: float,
    spacing_m: float = 60.0,
) -> shapely.LineString:
    """Return a front as someone would trace it on an image that lies a little off.

    Parameters
    ----------
    front : LineString
    seed : int
    delineation_sigma_m : float
        One standard deviation square to the front at each point.
    correlation_m : float
        Integral of the correlation along the front, both directions together; its shape is Gaussian.
    shift_sigma_m : float
        One standard deviation of the image's shift along each axis; its size is uniform, its direction any.
    spacing_m : float
        Between the vertices of the trace.
    """
    rng = np.random.default_rng(seed)
    count = max(2, int(front.length / spacing_m) + 1)
    at = np.linspace(0, front.length, count)
    points = shapely.get_coordinates(shapely.line_interpolate_point(front, at))
    tangent = np.gradient(points, axis=0)
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]]) / np.hypot(*tangent.T)[:, None]
    # exp(-pi d^2 / c^2) integrates to c.
    kernel = np.exp(-np.pi * (at[:, None] - at[None]) ** 2 / correlation_m**2)
    root = np.linalg.cholesky(kernel + 1e-8 * np.eye(count))
    error = delineation_sigma_m * (root @ rng.normal(size=count))
    angle, size = rng.uniform(0, 2 * np.pi), rng.uniform(0, np.sqrt(6)) * shift_sigma_m
    return shapely.LineString(points + error[:, None] * normal + size * np.array([np.cos(angle), np.sin(angle)]))
