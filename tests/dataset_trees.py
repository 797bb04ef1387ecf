"""A small tree in the layout of every data set that a reader takes; each function returns its first raw pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from skimage import io

from glaciertime.scenes.datasets.readers import open_training_data

__all__ = ["HEIGHT", "SIMULATED", "TREES", "WIDTH"]

HEIGHT, WIDTH = 72, 64
#: Where the raw pixels of the first sample lie: a file as it is, or bands that are written as one.
Raw = Path | NDArray[np.generic]


def noise(seed: int, bands: int = 1, *, low: float = 20, high: float = 200) -> NDArray[np.float64]:
    """Smooth patches with grain, (bands, H, W)."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.uniform(low, high, (bands, HEIGHT // 8, WIDTH // 8)), np.ones((8, 8)))
    return np.asarray(np.clip(coarse + rng.normal(0, 0.05 * (high - low), coarse.shape), low, high))


def picture(path: Path, array: NDArray[np.generic], **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    io.imsave(path, array, check_contrast=False, **options)
    return path


def labels(*values: int) -> NDArray[np.uint8]:
    """Stripes of the values."""
    return np.array(values, np.uint8)[np.arange(HEIGHT) * len(values) // HEIGHT][:, None] + np.zeros(WIDTH, np.uint8)


def caffe(root: Path) -> Raw:
    found = []
    for number, stem in enumerate(("Crane_2002-11-09_ERS_20_2_061", "DBE_2003-11-09_ERS_20_2_061")):
        image = noise(number)[0].astype(np.uint8)
        # Outside the swath there is 0, and that is a class of its own here.
        image[:12] = 0
        found.append(picture(root / "data_raw" / "sar_images" / "train" / f"{stem}.png", image))
        picture(root / "data_raw" / "zones" / "train" / f"{stem}_zones.png", labels(0, 64, 127, 254))
    return found[0]


def folder(root: Path) -> Raw:
    for number in range(2):
        image = np.moveaxis(noise(number, 3), 0, -1).astype(np.uint8)
        picture(root / "images" / f"toy_200{number}-08-01.png", image)
        picture(root / "masks" / f"toy_200{number}-08-01_mask.png", labels(0, 255))
    return root / "images" / "toy_2000-08-01.png"


def landsat_fronts(root: Path) -> Raw:
    rows = ["glacier,date,sensor,pathrow,image,front"]
    for number in range(2):
        picture(root / "images" / f"i{number}.png", noise(number)[0].astype(np.uint8))
        trace = np.full((HEIGHT, WIDTH), 255, np.uint8)
        trace[30 + number] = 0
        picture(root / "fronts" / f"f{number}.png", trace)
        rows.append(f"Helheim,200{number}-08-01,Landsat 7,1-2,i{number}.png,f{number}.png")
    (root / "index.csv").write_text("\n".join(rows) + "\n")
    return root / "images" / "i0.png"


def cityscapes(root: Path) -> Raw:
    for number in range(2):
        colours = np.moveaxis(noise(number, 3), 0, -1).astype(np.uint8)
        picture(root / "leftImg8bit/train/ulm" / f"a{number}_leftImg8bit.png", colours)
        picture(root / "gtFine/train/ulm" / f"a{number}_gtFine_labelIds.png", labels(7, 8, 11))
    return root / "leftImg8bit/train/ulm/a0_leftImg8bit.png"


def cdw_seg(root: Path) -> Raw:
    for number in range(2):
        colours = np.moveaxis(noise(number, 3), 0, -1).astype(np.uint8)
        picture(root / "JPEGImages" / f"a{number}.jpg", colours, quality=80)
        # As in Pascal-VOC: numbers of classes with a palette.
        path = root / "SegmentationClass" / f"a{number}.png"
        path.parent.mkdir(exist_ok=True)
        profile = {"driver": "PNG", "height": HEIGHT, "width": WIDTH, "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", **profile) as target:
            target.write(labels(0, 3, 9), 1)
            target.write_colormap(1, {value: (value, 128, 255 - value, 255) for value in range(256)})
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a0\na1\n")
    return root / "JPEGImages" / "a0.jpg"


def glacierhack(root: Path) -> Raw:
    for number in range(2):
        bands = noise(number, 5, low=5, high=3000).astype(np.uint16)
        for band, values in enumerate(bands, start=1):
            picture(root / "train" / f"Band{band}" / f"img{number}.tif", values)
        picture(root / "train" / "labels" / f"img{number}.tif", labels(0, 85, 170, 255))
    return np.stack([io.imread(root / "train" / f"Band{band}" / "img0.tif") for band in range(1, 6)])


def hkh_aryal(root: Path) -> Raw:
    for number in range(2):
        np.save(root / f"tiff_{number}_slice_0.npy", np.moveaxis(noise(number, 8), 0, -1).astype(np.float32))
        np.save(root / f"mask_{number}_slice_0.npy", labels(0, 1, 2))
    return np.moveaxis(np.load(root / "tiff_0_slice_0.npy"), -1, 0)


def hkh_baraka(root: Path) -> Raw:
    for number in range(2):
        bands = noise(number, 15)
        bands[9] = 672  # a band of quality that is the same all over
        bands[10:13] = bands[10:13] / 100 - 1
        bands[13:] = noise(number, 2, low=3000, high=6000)
        mask = labels(0, 1, 2)
        np.save(root / f"LE07_{number}_img_000.npy", np.moveaxis(bands, 0, -1).astype(np.float32))
        np.save(root / f"LE07_{number}_mask_000.npy", np.stack([mask > 0, mask == 1, mask == 2], axis=-1).astype(float))
    return np.moveaxis(np.load(root / "LE07_0_img_000.npy"), -1, 0)


def nird(root: Path) -> Raw:
    h5py = pytest.importorskip("h5py")
    with h5py.File(root / "train.h5", "w") as stored:
        for number, region in enumerate(("HMA", "ALP")):
            tile = stored.create_group(f"tile{number}")
            optical = noise(number, 6, low=0.02, high=0.9).astype(np.float32)
            optical[:, :6, :9] = np.nan
            tile["optical"] = np.moveaxis(optical, 0, -1)
            tile["dem"] = np.moveaxis(noise(number, 2, low=1, high=80), 0, -1).astype(np.float32)
            if number == 1:
                tile["co_pol_sar"] = np.moveaxis(noise(9, 2, low=0.01, high=0.3), 0, -1).astype(np.float32)
            tile["outlines"] = np.stack([labels(0, 1)] * 2, axis=-1)
            tile.attrs["region"], tile.attrs["subregion"] = region, "east"
    with h5py.File(root / "train.h5") as stored:
        tile = stored["tile0"]
        parts = [np.moveaxis(np.asarray(tile[name]), -1, 0) for name in ("optical", "dem")]
    return np.concatenate([*parts, np.full((2, HEIGHT, WIDTH), np.nan, np.float32)])


def simulated(root: Path) -> Raw:
    return np.asarray(open_training_data("simulated", root=root, options=SIMULATED)[0].image)


SIMULATED = {"count": 4, "size": (HEIGHT, WIDTH)}
TREES: dict[str, Callable[[Path], Raw]] = {
    "caffe": caffe, "cdw-seg": cdw_seg, "cityscapes": cityscapes, "folder": folder, "glacierhack": glacierhack,
    "hkh-aryal": hkh_aryal, "hkh-baraka": hkh_baraka, "landsat-fronts": landsat_fronts, "nird": nird,
    "simulated": simulated,
}  # fmt: skip
