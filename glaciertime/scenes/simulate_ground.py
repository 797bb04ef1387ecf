"""The ground under a simulated scene: a fjord, its walls, a tidewater glacier and the line where it ends.

Simulated; nothing made here is an observation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError

__all__ = ["Ground", "fractal_field", "simulate_ground"]

NO_DATA, ROCK, GLACIER, OCEAN = 0, 64, 127, 254


@dataclass(frozen=True)
class Ground:
    """What is where in a simulated scene, the ocean up.

    Attributes
    ----------
    zones : (H, W) uint8
        64 rock, 127 glacier, 254 ocean and ice melange.
    front_row : (W,) float
        Row at which the ocean ends, in each column; also where rock hides it.
    front : (H, W) bool
        Ocean pixels with a glacier pixel among their four neighbours.
    dem_m : (H, W) float32
        Elevation, metres.
    flow : (H, W) float32
        Coordinate across the flow, pixels, by which stripes on the ice follow the walls.
    """

    zones: NDArray[np.uint8]
    front_row: NDArray[np.float64]
    front: NDArray[np.bool_]
    dem_m: NDArray[np.float32]
    flow: NDArray[np.float32]


def fractal_field(
    size: tuple[int, int], *, slope: float, rng: np.random.Generator, stretch: tuple[float, float] = (1.0, 1.0)
) -> NDArray[np.float32]:
    """Return a random field of zero mean and unit variance whose amplitude spectrum falls as frequency^-slope.

    Parameters
    ----------
    size : (int, int)
    slope : float
        0 white noise, 1 rough, 2 smooth.
    rng : Generator
    stretch : (float, float)
        Features are that many times longer along rows (down) and columns (across).

    Examples
    --------
    >>> field = fractal_field((64, 64), slope=1.0, rng=np.random.default_rng(0))
    >>> bool(abs(field.mean()) < 1e-5), round(float(field.std()), 3)
    (True, 1.0)
    """
    down = np.fft.fftfreq(size[0])[:, None] * stretch[0]
    across = np.fft.rfftfreq(size[1])[None] * stretch[1]
    frequency = np.hypot(down, across)
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal(size)) * frequency**-slope
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=size)
    return (field / field.std()).astype(np.float32)


def _curve(length: int, *, roughness: float, rng: np.random.Generator) -> NDArray[np.float64]:
    # Twice as long as needed: the field is periodic, and the two ends of a wall or a front should not agree.
    return fractal_field((1, 2 * length), slope=roughness, rng=rng)[0, :length].astype(np.float64)


def simulate_ground(
    size: tuple[int, int], *, seed: int, advance_px: float = 0.0, front_seed: int | None = None
) -> Ground:
    """Draw a fjord with a glacier in it.

    Parameters
    ----------
    size : (int, int)
        Height and width, at least 32 each.
    seed : int
        Walls, topography and where the front lies on average.
    advance_px : float
        Moves the front towards the ocean (up), so that scenes of one fjord form a series with a known motion.
    front_seed : int, optional
        The front's shape; that of ``seed`` by default.

    Returns
    -------
    Ground

    Examples
    --------
    A front that advances by 7 pixels moves 7 rows up:

    >>> still, moved = (simulate_ground((120, 90), seed=5, advance_px=a) for a in (0, 7))
    >>> np.allclose(still.front_row - moved.front_row, 7)
    True
    """
    height, width = size
    if height < 32 or width < 32:
        raise InputError(f"simulated scene of {size} pixels asked for, at least 32 x 32 expected")
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    centre = width * rng.uniform(0.35, 0.65) + width * 0.08 * _curve(height, roughness=1.8, rng=rng)
    half = width * rng.uniform(0.2, 0.45) + width * 0.05 * _curve(height, roughness=1.5, rng=rng)
    half = np.maximum(half, width * 0.12)
    across = (columns - centre[:, None]) / half[:, None]
    fjord = np.abs(across) < 1
    mean_row = height * rng.uniform(0.28, 0.68)
    relief = fractal_field(size, slope=1.6, rng=rng)
    shape = rng if front_seed is None else np.random.default_rng(front_seed)
    line = _front_line(width, centre=centre[int(mean_row)], half=half[int(mean_row)], rng=shape)
    front_row = mean_row + line - advance_px
    ocean = rows <= front_row[None]
    zones = np.where(ocean, OCEAN, GLACIER).astype(np.uint8)
    wall = ~fjord
    # Away from the main trunk the ice often lies between rocks, or covers them altogether.
    side_ice = (relief + rng.uniform(-2.0, 1.5)) > 0
    side_water = (relief + rng.uniform(-3.0, 0.5)) > 0.5
    zones[wall & ~(side_ice & ~ocean) & ~(side_water & ocean)] = ROCK
    zones = _side_ice(zones, wall=wall, across=across, rows=rows, front_row=front_row, rng=rng)
    islands = fractal_field(size, slope=1.4, rng=rng) > rng.uniform(2.2, 4.0)
    zones[islands & (np.abs(rows - front_row[None]) > 12)] = ROCK
    dem_m = np.where(zones == OCEAN, 0.0, 60.0 + 0.6 * np.clip(rows - front_row[None], 0, None))
    dem_m = np.where(zones == ROCK, 300.0 + 220.0 * relief + 250.0 * np.clip(np.abs(across) - 1, 0, 1.5), dem_m)
    glacier = np.pad(zones == GLACIER, 1)
    beside = glacier[:-2, 1:-1] | glacier[2:, 1:-1] | glacier[1:-1, :-2] | glacier[1:-1, 2:]
    return Ground(
        zones=zones,
        front_row=front_row,
        front=(zones == OCEAN) & beside,
        dem_m=np.maximum(ndimage.gaussian_filter(dem_m, 0.7), 0).astype(np.float32),
        flow=(across * half.mean()).astype(np.float32),
    )


def _side_ice(
    zones: NDArray[np.uint8],
    *,
    wall: NDArray[np.bool_],
    across: NDArray[np.floating],
    rows: NDArray[np.floating],
    front_row: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Let slow ice stand beside the fjord where the trunk has retreated, so that the front turns along the wall."""
    out = zones.copy()
    for side in (-1, 1):
        chance, reach = rng.random(), rng.uniform(0.05, 0.35) * zones.shape[0]
        breadth = rng.uniform(0.3, 2.0)
        if chance < 0.3:
            beside = wall & (side * across > 0) & (np.abs(across) < 1 + breadth)
            out[beside & (rows > front_row[None] - reach)] = GLACIER
    return out


def _front_line(width: int, *, centre: float, half: float, rng: np.random.Generator) -> NDArray[np.float64]:
    columns = np.arange(width, dtype=np.float64)
    offset = (columns - centre) / half
    tilt = rng.normal(0, 0.25) * (columns - centre)
    bulge = rng.normal(0, 0.18) * half * offset**2
    smooth = rng.uniform(0, 7) * _curve(width, roughness=1.6, rng=rng)
    rough = rng.uniform(0.2, 1.5) * _curve(width, roughness=0.7, rng=rng)
    steps = np.zeros(width)
    for _ in range(rng.integers(0, 3)):
        place, depth = rng.uniform(-1, 1), rng.normal(0, 0.2) * half
        steps += depth / (1 + np.exp(-(offset - place) * half / rng.uniform(0.7, 4)))
    return tilt + np.clip(bulge, -2 * half, 2 * half) + smooth + rough + steps - steps.mean()
