"""Time the tracking room: whole masks against one scipy labelling of the same array, and fronts per second.

    python scripts/bench_track.py

Part one: a stack of masks of 3000 x 3000 pixels, written as deflated GeoTIFF in tiles of 512. Per mask, `track` reads
it, measures the areas in the box and in the fjord, cleans it by the reference steps, traces the front and measures it
by four methods; `scipy.ndimage.label` labels the ocean of the same array. Both run in turn in this process, ten masks
at a time, one thread each. Part two: 40,000 traced lines, made by moving and resampling real ones (or drawn ones
where no data is at hand), through the box methods. Part three: peak memory for few and for many dates."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import tempfile
import time
from functools import partial
from pathlib import Path

# Before numpy and its kin are imported: they read the number of threads once.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GDAL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import pyproj  # noqa: E402
import rasterio  # noqa: E402
import shapely  # noqa: E402
from affine import Affine  # noqa: E402
from scipy import ndimage  # noqa: E402

from glaciertime.catalog import Glacier, Line, Region  # noqa: E402
from glaciertime.scenes.acquisition import GLACIER, OCEAN, ROCK, Acquisition, MaskScene  # noqa: E402
from glaciertime.track import TrackSettings, track_scenes  # noqa: E402
from glaciertime.track.ruler.channel import rectangle, strip  # noqa: E402

CRS = pyproj.CRS.from_epsg(3413)
X, Y, RESOLUTION = -300_000.0, -2_200_000.0, 10.0
BATCH = 10
METHODS = ("centreline", "multi-centreline", "curvilinear-box", "area-change")


def draw(index: int, size: int) -> np.ndarray:
    """Return zones: a fjord between rock walls, a wavy front, icebergs, ponds and speckled mélange."""
    rng = np.random.default_rng(index)
    column = np.arange(size)
    wall = (0.2 * size + 0.03 * size * np.sin(column / size * 9)).astype(int)
    rows = np.arange(size)
    knots = ndimage.gaussian_filter1d(rng.normal(size=size), 40) * 250
    front = (0.55 - 0.0005 * index) * size + knots
    zones = np.full((size, size), OCEAN, dtype=np.uint8)
    zones[column[None, :] < front[:, None]] = GLACIER
    zones[rows[:, None] < wall[None, :]] = ROCK
    zones[rows[:, None] >= size - wall[None, :]] = ROCK
    for _ in range(300):
        r, c, extent = rng.integers(0, size), rng.integers(0, size), rng.integers(2, 25)
        patch = zones[r : r + extent, c : c + extent]
        patch[...] = np.where(patch == OCEAN, GLACIER, np.where(patch == GLACIER, OCEAN, patch))
    return zones


def masks(folder: Path, count: int, size: int) -> list[MaskScene]:
    """Write masks and return them as scenes."""
    transform = Affine(RESOLUTION, 0, X, 0, -RESOLUTION, Y + size * RESOLUTION)
    scenes = []
    for index in range(count):
        path = folder / f"mask_{index:03d}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", height=size, width=size, count=1, dtype="uint8", crs=CRS, transform=transform,
            compress="deflate", tiled=True, blockxsize=512, blockysize=512,
        ) as file:  # fmt: skip
            file.write(draw(index, size), 1)
        acquisition = Acquisition(
            glacier="Bench", date=dt.date(2000, 1, 1) + dt.timedelta(days=12 * index), dataset="bench",
            image_id=path.stem, source="simulated", input=str(path), crs=CRS, resolution_m=RESOLUTION,
        )  # fmt: skip
        scenes.append(
            MaskScene(acquisition=acquisition, shape=(size, size), transform=transform, read=partial(read, path))
        )
    return scenes


def read(path: Path) -> np.ndarray:
    """Return the zones of one file."""
    with rasterio.open(path) as file:
        return file.read(1)


def glacier(size: int) -> Glacier:
    """Return the box, the fjord and the centreline of the drawn masks."""
    span = size * RESOLUTION
    return Glacier(
        name="Bench", crs="EPSG:3413", box=(X + 0.02 * span, Y + 0.02 * span, X + 0.98 * span, Y + 0.98 * span),
        fjord=Region(drawn_by="bench", coordinates=[
            (X + 0.1 * span, Y + 0.3 * span), (X + 0.9 * span, Y + 0.3 * span), (X + 0.9 * span, Y + 0.7 * span),
            (X + 0.1 * span, Y + 0.7 * span),
        ]),
        centreline=Line(drawn_by="bench", coordinates=[
            (X + 0.05 * span, Y + 0.5 * span), (X + 0.5 * span, Y + 0.52 * span), (X + 0.95 * span, Y + 0.5 * span),
        ]),
    )  # fmt: skip


def bench_masks(count: int, size: int) -> None:
    """Print the time of the whole track of a mask beside that of one labelling."""
    settings = TrackSettings(methods=METHODS)
    with tempfile.TemporaryDirectory() as name:
        scenes = masks(Path(name), count, size)
        place = glacier(size)
        track_scenes(scenes[:1], glacier=place, settings=settings)
        ours, theirs, reading = [], [], []
        rows = 0
        for first in range(0, count, BATCH):
            batch = scenes[first : first + BATCH]
            start = time.perf_counter()
            tracked = track_scenes(batch, glacier=place, settings=settings)
            ours.append((time.perf_counter() - start) / len(batch))
            rows += len(tracked.observations)
            if len(tracked.fronts) != len(batch) or tracked.observations["value"].isna().any():
                raise SystemExit(f"{batch[0].acquisition.image_id} and after: not every measure gave a value")
            seconds = 0.0
            for scene in batch:
                start = time.perf_counter()
                zones = scene.read()
                reading.append(time.perf_counter() - start)
                ocean = zones == OCEAN
                start = time.perf_counter()
                ndimage.label(ocean)
                seconds += time.perf_counter() - start
            theirs.append(seconds / len(batch))
    ratios = np.array(ours) / np.array(theirs)
    print(
        f"masks {size} x {size}, {count} of them, one thread: track {1e3 * np.median(ours):.1f} ms each (of which read "
        f"{1e3 * np.median(reading):.1f} ms), scipy.ndimage.label {1e3 * np.median(theirs):.1f} ms; median ratio "
        f"{np.median(ratios):.2f}, between {ratios.min():.2f} and {ratios.max():.2f}; {rows} observations"
    )


def fronts(data: Path, count: int) -> tuple[list[shapely.LineString], shapely.LineString]:
    """Return many fronts, made by resampling and moving real ones, and their centreline."""
    path = data / "jakobshavn" / "jakobshavn.gpkg"
    rng = np.random.default_rng(1)
    if path.is_file():
        from glaciertime.scenes.vectors import read_layer

        real = list(read_layer(path, "fronts").geometry)
        line = read_layer(path, "centreline").geometry.iloc[0].reverse()
        origin = "real traces resampled"
    else:
        line = shapely.LineString([(0, 0), (30_000, 4_000), (60_000, 0)])
        y = np.linspace(-6_000, 10_000, 90)
        real = [shapely.LineString(np.column_stack([40_000 + 800 * np.sin(y / 900 + k), y])) for k in range(50)]
        origin = "drawn traces"
    made = []
    for index in range(count):
        base = real[index % len(real)]
        at = np.sort(rng.random(len(base.coords) - 2)) * base.length
        points = shapely.line_interpolate_point(base, np.concatenate([[0], at, [base.length]]))
        made.append(shapely.LineString(shapely.get_coordinates(points) + rng.normal(0, 15, 2)))
    vertices = np.mean([len(front.coords) for front in made[:2000]])
    print(f"{count} fronts ({origin}, {vertices:.0f} vertices on average)")
    return made, line


def bench_fronts(data: Path, count: int) -> None:
    """Print how many fronts the box methods measure in a second."""
    made, line = fronts(data, count)
    boxes = {"curvilinear box": strip(line, width_m=2000), "rectilinear box": rectangle(line, width_m=2000)}
    for name, box in boxes.items():
        box.inland_area(made[0])
        failed = 0
        start = time.perf_counter()
        for front in made:
            try:
                box.inland_area(front)
            except ValueError:
                failed += 1
        seconds = time.perf_counter() - start
        print(f"  {name}: {count / seconds:,.0f} fronts per second on one core, {failed} not measurable")


def bench_memory(size: int) -> None:
    """Print how far peak memory grows between ten and a hundred dates."""
    with tempfile.TemporaryDirectory() as name:
        scenes = masks(Path(name), 10, size)
        peaks = []
        for repeat in (1, 10):
            track_scenes(scenes * repeat, glacier=glacier(size), settings=TrackSettings(methods=METHODS))
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(f"peak memory after 10 dates {peaks[0]:.0f} MB, after 100 more {peaks[1]:.0f} MB")


def main() -> None:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", type=int, default=200)
    parser.add_argument("--size", type=int, default=3000)
    parser.add_argument("--fronts", type=int, default=40_000)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    bench_memory(given.size)
    bench_masks(given.masks, given.size)
    bench_fronts(given.data, given.fronts)


if __name__ == "__main__":
    main()
