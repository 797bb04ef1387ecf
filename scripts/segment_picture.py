"""The README's picture of ``glaciertime segment``: a simulated scene, turned, with its mask, polygons and front.

    python scripts/segment_picture.py --out docs/segmented_scene.png

Any other scene with a georeference is shown by ``--image scene.tif --ocean WHERE``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import geopandas as gpd
import matplotlib
import numpy as np
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject

from glaciertime.__main__ import run
from glaciertime.scenes.datasets.readers import open_training_data

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = {"glacier": "#4fb3d9", "ocean": "#1e5096"}
ANGLE = 35.0


def write_scene(path: Path) -> str:
    """Write a simulated scene of 49 m, turned from north up; return where its ocean lies."""
    sample = open_training_data("simulated", root=Path(), options={"count": 8, "size": (300, 200), "seed": 3})[5]
    size_m, (height, width) = 49.0, sample.labels.shape
    seen = Affine.translation(500_000, 7_700_000) @ Affine.rotation(-ANGLE) @ Affine.scale(size_m, -size_m)
    side = 340
    middle = seen @ (width / 2, height / 2)
    grid = Affine(size_m, 0, middle[0] - side * size_m / 2, 0, -size_m, middle[1] + side * size_m / 2)
    turned = np.zeros((side, side), np.float32)
    grey = sample.image[0] - np.nanmin(sample.image[0]) + 1
    place = {"src_transform": seen, "dst_transform": grid, "src_crs": "EPSG:32622", "dst_crs": "EPSG:32622"}
    reproject(grey.astype(np.float32), turned, **place, resampling=Resampling.bilinear, src_nodata=0, dst_nodata=0)
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "float32", "nodata": 0}
    with rasterio.open(path, "w", **profile, crs="EPSG:32622", transform=grid) as target:
        target.write(turned, 1)
    return f"{ANGLE:g}"


def draw(image: Path, ocean: str, out: Path) -> None:
    """Segment a scene and draw what came of it over it."""
    with tempfile.TemporaryDirectory() as folder:
        mask, vector = Path(folder) / "zones.tif", Path(folder) / "zones.gpkg"
        given = ["segment", image, "--ocean", ocean, "--out", mask, "--vector", vector]
        if code := run([str(part) for part in given]):
            raise SystemExit(code)
        with rasterio.open(image) as scene, rasterio.open(mask) as zones:
            grey = scene.read(1, masked=True)
            a = scene.transform
            box = (a.c, a.c + a.a * scene.width, a.f + a.e * scene.height, a.f)
            colours = zones.colormap(1)
            painted = np.array([colours[value] for value in range(256)], np.uint8)[zones.read(1)]
        polygons, fronts = (gpd.read_file(vector, layer=layer) for layer in ("zones", "fronts"))
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
    for place, (axis, title) in enumerate(zip(axes, ("scene", "mask over it", "polygons and front"), strict=True)):
        axis.imshow(grey, cmap="gray", extent=box)
        if place == 1:
            axis.imshow(painted, extent=box, alpha=0.55)
        if place == 2:
            for name, part in polygons.groupby("class"):
                part.boundary.plot(ax=axis, color=COLOURS.get(str(name), "#e69f00"), linewidth=1.5)
                middle = part.union_all().representative_point()
                axis.annotate(f"{name}\n{part['area_km2'].sum():.1f} km2", (middle.x, middle.y), color="w", ha="center")
            fronts.plot(ax=axis, color="#d55e00", linewidth=2)
        axis.set_title(title)
        axis.set_axis_off()
    figure.savefig(out, dpi=110)


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/segmented_scene.png"))
    parser.add_argument("--image", type=Path)
    parser.add_argument("--ocean", default="auto")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image, ocean = given.image, given.ocean
        if image is None:
            image = Path(folder) / "scene_2001-08-01.tif"
            ocean = write_scene(image)
        draw(image, ocean, given.out)


if __name__ == "__main__":
    main()
