"""A made-up place: a bright glacier under dark water, whose front moves from date to date."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from rasterio.transform import Affine, from_origin

from glaciertime.scenes.datasets.mixture import InMemory
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.frame import Frame

HEIGHT, WIDTH, PIXEL_M = 48, 40, 50.0
TRANSFORM: Affine = from_origin(500_000, 8_000_000, PIXEL_M, PIXEL_M)
SPEC = ModelSpec(
    name="tiny", model="unet-small", bands=("grey",), classes=("glacier", "ocean"), codes=(127, 254), fold=2,
    zones="line", frame=Frame(up="ocean", pixel_m=PIXEL_M), trained_on="made-up scenes", licence="MIT",
)  # fmt: skip


def picture(row: int, *, seed: int = 0) -> np.ndarray:
    """Return an image, (H, W) uint8, with its front above a row."""
    noise = np.random.default_rng(seed).normal(0, 6, (HEIGHT, WIDTH))
    return np.clip(np.where(np.arange(HEIGHT)[:, None] < row, 60, 150) + noise, 1, 255).astype(np.uint8)


def labels(row: int) -> np.ndarray:
    """Return its label, of the columns 4 to 35."""
    out = np.where(np.arange(HEIGHT)[:, None] < row, 1, 0).repeat(WIDTH, axis=1).astype(np.uint8)
    out[:, :4] = out[:, 36:] = IGNORE
    return out


def sample(row: int, *, year: int, glacier: str = "Testbrae", month: int = 7) -> TrainingSample:
    """Return a labelled image."""
    date = dt.date(year, month, 3)
    info = SampleInfo(name=f"LC08_{date:%Y%m%d}", glacier=glacier, date=date, resolution_m=PIXEL_M)
    image = picture(row, seed=year)[None].astype(np.float32)
    return TrainingSample(image=image, labels=labels(row), present=np.ones(1, bool), info=info)


def as_data(*samples: TrainingSample) -> InMemory:
    """Return samples as training data."""
    return InMemory(samples, bands=SPEC.bands, classes=SPEC.classes, codes=SPEC.codes)


def tiny_network():
    """Return an untrained network of little cost, always the same."""
    import torch

    from glaciertime.segment.architectures.folding import build_network

    torch.manual_seed(0)
    return build_network(SPEC.model, in_channels=1, classes=2, fold=SPEC.fold).eval()


def write_images(folder: Path, rows: dict[dt.date, int], *, crs: str = "EPSG:32622") -> Path:
    """Write an image of each date."""
    folder.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 1, "dtype": "uint8", "crs": crs}
    for date, row in rows.items():
        with rasterio.open(folder / f"LC08_{date:%Y%m%d}.tif", "w", transform=TRANSFORM, **profile) as file:
            file.write(picture(row, seed=date.toordinal()), 1)
    return folder


def front(row: float, *, first: int = 4, last: int = 36) -> shapely.LineString:
    """Return a front along a row, in the coordinates of the images."""
    return shapely.LineString([TRANSFORM @ (column, row) for column in range(first, last + 1, 4)])


def write_fronts(path: Path, rows: list[tuple[dt.date, str, shapely.Geometry]], *, crs: str = "EPSG:4326") -> Path:
    """Write traced fronts with their dates and glaciers, in another coordinate system than the images."""
    table = gpd.GeoDataFrame(
        {"Date": [str(date) for date, _, _ in rows], "Glacier": [name for _, name, _ in rows]},
        geometry=[line for _, _, line in rows],
        crs="EPSG:32622",
    )
    table.to_crs(crs).to_file(path)
    return path


def write_masks(folder: Path, rows: dict[dt.date, int]) -> Path:
    """Write a mask of each date in the codes of CaFFe, with rock at the sides."""
    folder.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 1, "dtype": "uint8", "crs": "EPSG:32622"}
    for date, row in rows.items():
        zones = np.where(np.arange(HEIGHT)[:, None] < row, 254, 127).repeat(WIDTH, axis=1).astype(np.uint8)
        zones[:, :4] = 64
        with rasterio.open(folder / f"mask_{date:%Y%m%d}.tif", "w", transform=TRANSFORM, **profile) as file:
            file.write(zones, 1)
    return folder
