"""Simulated optical and radar scenes of a tidewater glacier, for training and for tests.

Simulated; nothing made here is an observation. What the images get right is what misleads a detector of fronts:
melange as bright and as rough as the ice, shadows and bright edges at the front that come and go, stripes along the
flow, crevasses, ponds, snow, cloud, saturation, speckle, layover and radar shadow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.radiometry import add_speckle
from glaciertime.scenes.datasets.sample import SIMULATED, SampleInfo, TrainingSample
from glaciertime.scenes.simulate_ground import GLACIER, NO_DATA, OCEAN, ROCK, Ground, fractal_field, simulate_ground

__all__ = ["SENSORS", "SimulatedFronts", "simulate_optical", "simulate_sar"]

#: Scenes at most, and the least and the largest side of one, pixels.
_MOST = 100_000
_SIDES = (32, 4096)
#: Name -> pixel size in metres and number of looks (radar) of the sensors that are imitated.
SENSORS: dict[str, tuple[float, float | None]] = {
    "ERS": (20.0, 3.0),
    "ENVISAT": (20.0, 3.0),
    "S1": (20.0, 4.4),
    "RSAT": (12.0, 2.0),
    "PALSAR": (17.0, 3.5),
    "TSX": (7.0, 5.0),
    "LT05": (30.0, None),
    "LE07": (30.0, None),
    "LC08": (30.0, None),
}


def simulate_optical(ground: Ground, *, seed: int, cloud: float = 0.15) -> NDArray[np.uint8]:
    """Return one optical band of a ground.

    Parameters
    ----------
    ground : Ground
    seed : int
        Season, sun, texture, cloud.
    cloud : float
        Probability that a thin cloud veils a part of the scene.

    Returns
    -------
    (H, W) uint8

    Examples
    --------
    >>> from glaciertime.scenes.simulate_ground import simulate_ground
    >>> ground = simulate_ground((64, 48), seed=1)
    >>> image = simulate_optical(ground, seed=2)
    >>> image.shape, image.dtype.name, bool((image == simulate_optical(ground, seed=2)).all())
    ((64, 48), 'uint8', True)
    """
    rng = np.random.default_rng(seed)
    size = ground.zones.shape
    shade = _hillshade(ground.dem_m, azimuth=rng.uniform(0, 2 * np.pi), strength=rng.uniform(0.2, 1.0))
    rock = rng.uniform(-1.6, 0.4) + shade * rng.uniform(0.3, 1.0) + 0.2 * fractal_field(size, slope=0.8, rng=rng)
    snow = fractal_field(size, slope=1.4, rng=rng) > rng.uniform(-0.5, 3.0)
    rock = np.where(snow, rng.uniform(0.3, 1.2) + 0.3 * shade, rock)
    level = rng.uniform(-0.4, 0.9)
    ice = level + _ice(ground, rng=rng)
    bumps = _hillshade(30 * fractal_field(size, slope=rng.uniform(1.0, 1.8), rng=rng), azimuth=0.7, strength=1.0)
    ice = ice + rng.uniform(0, 0.5) * bumps
    margin = np.exp(-(((np.abs(ground.flow) - np.abs(ground.flow).mean()) / rng.uniform(3, 12)) ** 2))
    ice = ice + rng.normal(0, 0.25) * margin
    scene = np.where(ground.zones == ROCK, rock, ice)
    ocean = _ocean(ground, level=level, rng=rng)
    scene = np.where(ground.zones == OCEAN, ocean, scene)
    scene = scene + _front_edge(ground, rng=rng)
    if rng.random() < cloud:
        veil = np.clip(fractal_field(size, slope=1.8, rng=rng) - rng.uniform(0, 1), 0, 1)
        scene = scene * (1 - 0.8 * veil) + 1.2 * veil
    scene = scene + rng.uniform(0, 0.5) * fractal_field(size, slope=2.2, rng=rng)
    scene = ndimage.gaussian_filter(scene, rng.uniform(0.2, 0.8))
    scene = scene + rng.uniform(0.01, 0.08) * rng.standard_normal(size)
    mean, spread = rng.uniform(90, 190), rng.uniform(20, 60)
    return np.clip(mean + spread * scene, 0, 255).round().astype(np.uint8)


def _hillshade(dem_m: NDArray[np.float32], *, azimuth: float, strength: float) -> NDArray[np.float64]:
    down, across = np.gradient(dem_m.astype(np.float64) / 30.0)
    return strength * np.tanh(np.cos(azimuth) * down + np.sin(azimuth) * across)


def _ice(ground: Ground, *, rng: np.random.Generator) -> NDArray[np.floating]:
    size = ground.zones.shape
    stripes = fractal_field(size, slope=1.0, rng=rng, stretch=(rng.uniform(4, 15), 1.0))
    # Stripes run along the walls: look each one up by its coordinate across the flow.
    rows = np.broadcast_to(np.arange(size[0], dtype=np.float32)[:, None], size)
    stripes = ndimage.map_coordinates(stripes, [rows, ground.flow + size[1] / 2], order=1, mode="grid-wrap")
    crevasses = fractal_field(size, slope=0.5, rng=rng, stretch=(1.0, rng.uniform(1, 4)))
    patches = fractal_field(size, slope=1.8, rng=rng)
    field = rng.uniform(0, 0.3) * stripes + rng.uniform(0, 0.35) * crevasses + rng.uniform(0, 0.4) * patches
    if rng.random() < 0.3:
        ponds = fractal_field(size, slope=1.2, rng=rng) > rng.uniform(2.0, 3.0)
        field = np.where(ponds, field - rng.uniform(0.5, 1.5), field)
    if rng.random() < 0.4:
        beside = np.abs(ground.flow) > np.quantile(np.abs(ground.flow), rng.uniform(0.3, 0.7))
        blend = ndimage.gaussian_filter(beside.astype(np.float64), rng.uniform(1, 5))
        field = field * (1 - blend) + blend * (rng.uniform(-0.8, 0.8) + 0.3 * patches)
    return field


def _ocean(ground: Ground, *, level: float, rng: np.random.Generator) -> NDArray[np.floating]:
    size = ground.zones.shape
    kind = rng.choice(["water", "melange", "mixed", "sea ice"], p=[0.15, 0.4, 0.3, 0.15])
    water = rng.uniform(-2.2, -0.8) + rng.uniform(0, 0.1) * fractal_field(size, slope=1.0, rng=rng)
    sea_ice = level + rng.normal(0, 0.5) + rng.uniform(0, 0.1) * fractal_field(size, slope=1.0, rng=rng)
    grain = fractal_field(size, slope=rng.uniform(0.3, 1.2), rng=rng)
    melange = level + rng.normal(0, 0.5) + rng.uniform(0.03, 0.5) * grain
    melange = melange + rng.uniform(0, 0.3) * fractal_field(size, slope=1.6, rng=rng)
    base = {"water": water, "melange": melange, "mixed": melange, "sea ice": sea_ice}[str(kind)]
    if kind == "mixed":
        distance = ground.front_row[None] - np.arange(size[0])[:, None]
        reach = rng.uniform(10, size[0] / 2) + rng.uniform(3, 20) * fractal_field(size, slope=1.5, rng=rng)
        base = np.where(distance < reach, melange, water if rng.random() < 0.6 else sea_ice)
    return _icebergs(base, rng=rng)


def _icebergs(field: NDArray[np.floating], *, rng: np.random.Generator) -> NDArray[np.floating]:
    out = field.copy()
    for _ in range(rng.integers(0, 60)):
        row, column = rng.uniform(0, field.shape[0]), rng.uniform(0, field.shape[1])
        length, width = rng.uniform(0.6, 2.0), rng.uniform(0.4, 1.5)
        if rng.random() < 0.15:
            length, width = length * rng.uniform(2, 6), width * rng.uniform(2, 5)
        angle, bright = rng.uniform(0, np.pi), rng.normal(0.4, 0.5)
        reach = int(np.ceil(length + width + 2))
        r0, r1 = max(int(row) - reach, 0), min(int(row) + reach + 1, field.shape[0])
        c0, c1 = max(int(column) - reach, 0), min(int(column) + reach + 1, field.shape[1])
        rows, columns = np.mgrid[r0:r1, c0:c1]
        along = np.abs((rows - row) * np.cos(angle) + (columns - column) * np.sin(angle))
        beside = np.abs(-(rows - row) * np.sin(angle) + (columns - column) * np.cos(angle))
        berg = (along < length) & (beside < width)
        out[r0:r1, c0:c1][berg] += bright
        shadow = np.roll(berg, 1, axis=0) & ~berg
        out[r0:r1, c0:c1][shadow] -= rng.uniform(0, 0.8)
    return out


def _front_edge(ground: Ground, *, rng: np.random.Generator) -> NDArray[np.floating]:
    """Return the cliff: a bright face or a shadow, of changing width and strength along the front."""
    rows = np.arange(ground.zones.shape[0])[:, None]
    distance = rows - ground.front_row[None] - rng.normal(0, 0.5)
    width = rng.uniform(0.5, 2.0)
    along = 1 + 0.6 * fractal_field((1, ground.zones.shape[1]), slope=1.0, rng=rng)
    strength = rng.normal(0, 0.7) * along
    edge = strength * np.exp(-((distance / width) ** 2))
    behind = rng.normal(0, 0.25) * np.exp(-np.clip(distance, 0, None) / rng.uniform(4, 25)) * (distance > 0)
    return np.where(ground.zones == ROCK, 0.0, edge + behind)


def simulate_sar(
    ground: Ground,
    *,
    seed: int,
    looks: float = 4.0,
    resolution_m: float = 20.0,
    melange_like_ice: float = 0.5,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a radar image of a ground, and its zones with layover, shadow and the edge of the swath applied.

    Backscatter is drawn for each zone in decibels; topography moves pixels towards the sensor (layover where
    several fall together, their powers add), darkens slopes turned away (shadow), and multiplicative
    Gamma(L, 1/L) speckle is put on the intensity before it is stored as 8-bit amplitude.

    Parameters
    ----------
    ground : Ground
    seed : int
    looks : float
    resolution_m : float
        Pixel size, metres; scales slopes and layover.
    melange_like_ice : float
        Probability that the ocean is covered by melange within 1.5 dB of the ice.

    Returns
    -------
    (H, W) uint8, (H, W) uint8
        Amplitude 1 to 255, 0 outside the swath; zones 0, 64, 127, 254.

    Examples
    --------
    >>> from glaciertime.scenes.simulate_ground import simulate_ground
    >>> image, zones = simulate_sar(simulate_ground((64, 48), seed=1), seed=2)
    >>> bool(((image == 0) == (zones == 0)).all())
    True
    """
    rng = np.random.default_rng(seed)
    size = ground.zones.shape
    ice_db = rng.uniform(-14, -4)
    near = rng.random() < melange_like_ice
    ocean_db = ice_db + rng.normal(0, 0.8) if near else rng.uniform(-24, -12)
    rock_db = rng.uniform(-15, -5)
    levels = {ROCK: rock_db, GLACIER: ice_db, OCEAN: ocean_db}
    sigma_db = np.zeros(size)
    for code, level in levels.items():
        slope, spread_db = rng.uniform(0.4, 1.6), rng.uniform(0.3, 2.0)
        sigma_db[ground.zones == code] = (level + spread_db * fractal_field(size, slope=slope, rng=rng))[
            ground.zones == code
        ]
    cliff = np.exp(-((np.arange(size[0])[:, None] - ground.front_row[None]) ** 2) / 2.0)
    sigma_db += np.where(ground.zones == ROCK, 0, rng.uniform(-3, 6) * cliff)
    intensity, zones = _geometry(10 ** (sigma_db / 10), ground, resolution_m=resolution_m, rng=rng)
    intensity = add_speckle(intensity, looks=looks, seed=rng)
    amplitude = np.sqrt(intensity)
    scale = rng.uniform(70, 140) / np.median(amplitude)
    image: NDArray[np.uint8] = np.clip(amplitude * scale, 1, 255).round().astype(np.uint8)
    if rng.random() < 0.4:
        outside = _outside_swath(size, rng=rng)
        image[outside], zones[outside] = 0, NO_DATA
    return image, zones


def _geometry(
    intensity: NDArray[np.floating], ground: Ground, *, resolution_m: float, rng: np.random.Generator
) -> tuple[NDArray[np.floating], NDArray[np.uint8]]:
    incidence = np.deg2rad(rng.uniform(23, 45))
    look = 1 if rng.random() < 0.5 else -1
    slope = look * np.gradient(ground.dem_m.astype(np.float64), axis=1) / resolution_m
    # Local incidence angle along range: slopes towards the sensor brighten, beyond 90 degrees they are in shadow.
    local = incidence - np.arctan(slope)
    intensity = intensity * np.clip(np.sin(incidence) / np.maximum(np.sin(local), 0.15), 0.1, 6.0)
    intensity = np.where(local > np.pi / 2 - 0.05, intensity * 0.02, intensity)
    shift = np.rint(-look * ground.dem_m / np.tan(incidence) / resolution_m * 0.3).astype(np.int64)
    rows, columns = (np.asarray(index) for index in np.indices(intensity.shape))
    target = np.clip(columns + shift, 0, intensity.shape[1] - 1)
    power = np.zeros_like(intensity)
    hits = np.zeros(intensity.shape)
    np.add.at(power, (rows, target), intensity)
    np.add.at(hits, (rows, target), 1.0)
    top = np.full(intensity.shape, -1.0)
    np.maximum.at(top, (rows, target), ground.dem_m)
    zones = np.zeros(intensity.shape, dtype=np.uint8)
    highest = ground.dem_m >= top[rows, target] - 1e-3
    zones[rows[highest], target[highest]] = ground.zones[highest]
    empty = hits == 0
    # A pixel that no ground maps to lies between two that were pulled apart; the nearest one fills it.
    nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    return power[tuple(nearest)], zones[tuple(nearest)]


def _outside_swath(size: tuple[int, int], *, rng: np.random.Generator) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: size[0], : size[1]]
    angle = rng.uniform(0, 2 * np.pi)
    along = rows * np.cos(angle) + columns * np.sin(angle)
    return along < np.quantile(along, rng.uniform(0.02, 0.15))


@dataclass(frozen=True)
class SimulatedFronts:
    """Simulated scenes as training data; scene ``i`` is a function of ``seed`` and ``i`` alone.

    Parameters
    ----------
    count : int
        Number of scenes.
    kind : str
        ``optical``: one grey band, classes glacier and ocean, rock without a label. ``sar``: amplitude, four zones.
    size : (int, int)
    seed : int
    scenes_per_fjord : int
        Scenes that share walls and topography and differ in front, season and noise.

    Examples
    --------
    >>> data = SimulatedFronts(count=3, kind="sar", size=(64, 48), seed=0)
    >>> data[2].image.shape, data.codes, data.infos[2].glacier
    ((1, 64, 48), (0, 64, 127, 254), 'simulated-0')
    """

    count: int
    kind: str = "optical"
    size: tuple[int, int] = (300, 200)
    seed: int = 0
    scenes_per_fjord: int = 4
    bands: tuple[str, ...] = field(default=("grey",), init=False)

    def __post_init__(self) -> None:
        if self.kind not in ("optical", "sar"):
            raise InputError(f"simulated scenes of kind '{self.kind}' asked for, 'optical' or 'sar' expected")
        if not 1 <= self.count <= _MOST or self.seed < 0 or self.scenes_per_fjord < 1:
            raise InputError(
                f"simulated scenes: count {self.count}, seed {self.seed}, scenes_per_fjord {self.scenes_per_fjord} "
                f"given; count of 1 to {_MOST}, seed of 0 or more, scenes_per_fjord of 1 or more expected"
            )
        if not all(_SIDES[0] <= side <= _SIDES[1] for side in self.size):
            raise InputError(
                f"simulated scenes of {self.size[0]} x {self.size[1]} pixels asked for, sides of {_SIDES[0]} to "
                f"{_SIDES[1]} expected"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the labels."""
        return ("glacier", "ocean") if self.kind == "optical" else ("no data", "rock", "glacier", "ocean")

    @property
    def codes(self) -> tuple[int, ...]:
        """Return the value of each class in a mask."""
        return (GLACIER, OCEAN) if self.kind == "optical" else (NO_DATA, ROCK, GLACIER, OCEAN)

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return one entry per scene; the glacier's name says that it is simulated."""
        names = [name for name, (_, looks) in SENSORS.items() if (looks is None) == (self.kind == "optical")]
        return tuple(
            SampleInfo(
                name=f"simulated-{self.kind}-{self.seed}-{index}",
                glacier=f"{SIMULATED}{index // self.scenes_per_fjord}",
                sensor=names[index % len(names)],
                resolution_m=SENSORS[names[index % len(names)]][0],
            )
            for index in range(self.count)
        )

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(self.count))

    def __getitem__(self, index: int) -> TrainingSample:
        if not 0 <= index < self.count:
            raise IndexError(index)
        info = self.infos[index]
        fjord, own = (
            np.random.SeedSequence([self.seed, kind, number]).generate_state(2)
            for kind, number in ((0, index // self.scenes_per_fjord), (1, index))
        )
        advance = np.random.default_rng(own[1]).normal(0, 0.06) * self.size[0]
        ground = simulate_ground(self.size, seed=int(fjord[0]), advance_px=advance, front_seed=int(own[0]))
        if self.kind == "optical":
            image, labels = simulate_optical(ground, seed=int(own[1])), np.full(self.size, 255, dtype=np.uint8)
            labels[ground.zones == GLACIER] = 0
            labels[ground.zones == OCEAN] = 1
        else:
            resolution, looks = SENSORS[info.sensor]
            image, zones = simulate_sar(ground, seed=int(own[1]), looks=looks or 4.0, resolution_m=resolution)
            labels = np.searchsorted(self.codes, zones).astype(np.uint8)
        return TrainingSample(
            image=image[None].astype(np.float32), labels=labels, present=np.ones(1, dtype=bool), info=info
        )
