"""Scenes as they come: the traced Landsat images turned, resampled and placed on Earth, and their fronts by `track`.

Every image is a frame with the ocean up and pixels of 49 m, the frame of the model. Turned to an angle, resampled to
10, 30 or 60 m and given an invented georeference it is a scene with north up, whose corners were not observed. The
fronts that ``glaciertime track`` stores for these scenes are brought back into the frame and compared with the trace:
the mean of the distances from the trace to the front and, within the columns of the trace, from the front to the trace.
What counts is this error over that of the same image left as it is, and whether a front that is lost is flagged.

With ``--weights-folder`` each glacier is tracked by a model that has not seen it (one ``without-<Glacier>.onnx`` or
``.safetensors`` per glacier); without it by the shipped one, which has. ``--auto`` gives no centreline: the direction
of the ocean is then found by the model. A run that was killed goes on where it stopped.

    python scripts/chain_scenes.py --weights-folder fronts/left_out
    python scripts/chain_scenes.py --full
    python scripts/chain_scenes.py --table
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import chain_landsat

RESULTS = Path(__file__).parent / "results" / "chain_scenes.csv"
GLACIERS = chain_landsat.GLACIERS
SIZES_M = (10.0, 30.0, 60.0)
LOST_M = 490.0
CRS, EAST, NORTH = "EPSG:32622", 500_000.0, 7_600_000.0
UNTOUCHED = (0.0, 0.0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/landsat_fronts"))
    parser.add_argument("--weights-folder", type=Path, help="holds without-<Glacier>.onnx or .safetensors")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--images", type=int, default=12, help="of each glacier, evenly over its record")
    parser.add_argument("--full", action="store_true", help="all images, every 15 degrees")
    parser.add_argument("--auto", action="store_true", help="give no centreline")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    return parser.parse_args()


def frame_to_map(shape: tuple[int, int], angle_deg: float, size_m: float):
    """Return what takes columns and rows of an image to the map, with the image's top towards an azimuth."""
    from affine import Affine

    angle = math.radians(angle_deg)
    turned = Affine(
        size_m * math.cos(angle), -size_m * math.sin(angle), 0, -size_m * math.sin(angle), -size_m * math.cos(angle), 0
    )
    x, y = turned @ (shape[1] / 2, shape[0] / 2)
    return Affine.translation(EAST - x, NORTH - y) @ turned


def make_scene(image: np.ndarray, to_map, size_m: float):
    """Return a scene with north up (0 where not observed) and its transform: means over pixels of the scene."""
    from affine import Affine
    from scipy import ndimage

    height, width = image.shape
    corners = np.array([to_map @ corner for corner in ((0, 0), (width, 0), (0, height), (width, height))])
    low, high = np.floor(corners.min(axis=0) / size_m) * size_m, np.ceil(corners.max(axis=0) / size_m) * size_m
    columns, rows = np.round((high - low) / size_m).astype(int)
    transform = Affine(size_m, 0, low[0], 0, -size_m, high[1])
    back = ~to_map @ transform
    row, column = np.mgrid[0:rows, 0:columns]
    total, weight = np.zeros(rows * columns), np.zeros(rows * columns)
    steps = (np.arange(3) + 0.5) / 3
    for down in steps:
        for right in steps:
            at = column.ravel() + right, row.ravel() + down
            x, y = back.a * at[0] + back.b * at[1] + back.c, back.d * at[0] + back.e * at[1] + back.f
            inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
            total += inside * ndimage.map_coordinates(image.astype(float), [y - 0.5, x - 0.5], order=1, mode="nearest")
            weight += inside
    with np.errstate(invalid="ignore", divide="ignore"):
        scene = np.where(weight >= 5, np.clip(np.round(total / weight), 1, 255), 0)
    return scene.reshape(rows, columns).astype(np.uint8), transform


def chosen(data, glacier: str, count: int | None) -> list[int]:
    """Return the indices of images of a glacier, evenly over its record."""
    known = [index for index, info in enumerate(data.infos) if info.glacier == glacier]
    if count is None or count >= len(known):
        return known
    return [known[place] for place in np.linspace(0, len(known) - 1, count).round().astype(int)]


def tracked(glacier: str, indices: list[int], angle_deg: float, size_m: float, *, data, weights: str, auto: bool):
    """Return one row per image: the error of its front in metres (NaN without one) and what is known against it."""
    import geopandas as gpd
    import rasterio

    from glaciertime.__main__ import run
    from glaciertime.archive import Archive
    from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M

    untouched = (angle_deg, size_m) == UNTOUCHED
    pixel_m = RESOLUTION_M if untouched else size_m
    maps, rows = {}, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "scenes").mkdir()
        for index in indices:
            image = data.read_image(index)
            to_map = maps[index] = frame_to_map(image.shape, angle_deg, RESOLUTION_M)
            scene, transform = (image.clip(1, 255), to_map) if untouched else make_scene(image, to_map, pixel_m)
            profile = {"driver": "GTiff", "height": scene.shape[0], "width": scene.shape[1], "count": 1, "nodata": 0}
            path = folder / "scenes" / f"image{index:03d}_{data.infos[index].date}.tif"
            with rasterio.open(path, "w", **profile, dtype="uint8", crs=CRS, transform=transform) as target:
                target.write(scene, 1)
        height, width = data.read_image(indices[0]).shape
        ends = [maps[indices[0]] @ (width / 2, height), maps[indices[0]] @ (width / 2, 0)]
        line = f"crs: {CRS}\ncentreline:\n  drawn_by: the middle column\n  coordinates: {[list(end) for end in ends]}\n"
        (folder / "g.yaml").write_text("name: Turned\n" + ("" if auto else line))
        given = ["track", "--glacier", "Turned", "--manifest", folder / "g.yaml", "--data", folder / "scenes"]
        given += ["--archive", folder / "a.gpkg", "--images", "--weights", weights]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            code = run([str(part) for part in given])
        if code not in (0, 3):
            sys.exit(f"track ended with {code}: {said.getvalue()}")
        archive = Archive(folder / "a.gpkg")
        fronts = gpd.GeoDataFrame(archive.read("fronts")).to_crs(CRS).set_index("ImageID").geometry
        observed = archive.read("observations")
    observed = observed[observed["variable"] == "front_position_m"]
    for index in indices:
        info = data.infos[index]
        image_id = f"image{index:03d}_{info.date}"
        quality = " ".join(observed.loc[observed["image_id"] == image_id, "quality"])
        error = math.nan
        if image_id in fronts.index:
            error = RESOLUTION_M * distance_px(fronts[image_id], ~maps[index], data.read_trace(index))
        rows.append({
            "glacier": glacier, "angle": angle_deg, "size_m": size_m, "image": info.name, "error_m": round(error, 2),
            "flags": chain_landsat.doubts(quality or "failed"),
        })  # fmt: skip
    return rows


def models_told(folder: Path, images: dict[str, list[int]], *, data, scratch: Path) -> dict[str, str]:
    """Return the model of each glacier, told the error of a front that the other two show on untouched images."""
    from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M

    models = {glacier: chain_landsat.weights_of(glacier, folder, scratch) for glacier in GLACIERS}
    errors = {
        glacier: [
            row["error_m"] / RESOLUTION_M
            for row in tracked(glacier, images[glacier], *UNTOUCHED, data=data, weights=str(path), auto=False)
        ]
        for glacier, path in models.items()
    }
    told = {}
    for glacier, path in models.items():
        others = np.concatenate([values for name, values in errors.items() if name != glacier])
        sigma_px = float(np.nanquantile(others, 0.6827))
        told[glacier] = str(chain_landsat.stamp(path, sigma_px, out=scratch / f"told-{glacier}.onnx"))
    return told


def distance_px(front, to_frame, trace: np.ndarray) -> float:
    """Return how far a front on the map lies from a trace in the frame, in pixels of the frame."""
    import shapely
    from scipy.spatial import cKDTree

    def back(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(
            [to_frame.a * xy[:, 0] + to_frame.b * xy[:, 1] + to_frame.c,
             to_frame.d * xy[:, 0] + to_frame.e * xy[:, 1] + to_frame.f]
        )  # fmt: skip

    found = shapely.get_coordinates(shapely.segmentize(shapely.transform(front, back), 0.25))
    traced = np.argwhere(trace)[:, ::-1] + 0.5
    within = found[(found[:, 0] >= traced[:, 0].min()) & (found[:, 0] <= traced[:, 0].max())]
    if not len(within):
        return math.nan
    return float((cKDTree(within).query(traced)[0].mean() + cKDTree(traced).query(within)[0].mean()) / 2)


def summary(table: pd.DataFrame) -> str:
    """Return the errors over those of the untouched frame, and how many lost fronts are flagged."""
    known = table[(table["angle"] == 0) & (table["size_m"] == 0)].set_index("image")["error_m"]
    turned = table[table["size_m"] > 0].copy()
    turned["ratio"] = turned["error_m"] / turned["image"].map(known)
    lines = [
        f"{known.size} images; untouched: median {known.median():.0f} m, mean {known.mean():.0f} m",
        "error over that of the untouched frame, median over images (rows: angle, columns: pixel in metres)",
        turned.pivot_table(index="angle", columns="size_m", values="ratio", aggfunc="median").round(3).to_string(),
        f"without a front: {int(turned['error_m'].isna().sum())} of {len(turned)}",
    ]
    for name, rows in (("untouched", table[table["size_m"] == 0]), ("turned", turned)):
        lost = (rows["error_m"] > LOST_M) | rows["error_m"].isna()
        flagged = rows["flags"].fillna("") != ""
        share = f"{(lost & flagged).sum() / lost.sum():.1%}" if lost.any() else "-"
        lines.append(
            f"{name}: {int(lost.sum())} of {len(rows)} off by more than {LOST_M:.0f} m, {share} of them flagged; "
            f"flagged in all: {flagged.mean():.1%}"
        )
    return "\n".join(lines)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the error of every turned scene over that of the untouched frame, by angle."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from glaciertime.plot.canvas import COLOURS, STYLE

    known = table[table["size_m"] == 0].set_index("image")["error_m"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        axes = figure.subplots()
        for place, (size_m, rows) in enumerate(table[table["size_m"] > 0].groupby("size_m")):
            ratio = rows["error_m"] / rows["image"].map(known)
            axes.plot(rows["angle"] + 4 * (place - 1), ratio, ".", color=COLOURS[place], alpha=0.35)
            median = ratio.groupby(rows["angle"]).median()
            axes.plot(median.index, median, "-o", color=COLOURS[place], label=f"{size_m:.0f} m")
        axes.axhline(1.15, color="#888888", linewidth=1)
        axes.set(yscale="log", xlabel="azimuth of the ocean, degrees", ylabel="error / error of the untouched frame")
        axes.legend(title="pixel")
        figure.savefig(path, dpi=110)


def main() -> None:
    options = arguments()
    if not options.table:
        from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts

        data = LandsatFronts(options.data)
        if options.weights_folder is None:
            print("weights: the shipped landsat-fronts, which has seen all three glaciers", file=sys.stderr)
        done = pd.read_csv(options.results) if options.results.is_file() else pd.DataFrame()
        held = set(zip(done["glacier"], done["angle"], done["size_m"], strict=True)) if len(done) else set()
        angles = np.arange(0.0, 360.0, 15.0 if options.full else 45.0)
        wanted = [UNTOUCHED, *((angle, size) for size in SIZES_M for angle in angles.tolist())]
        images = {glacier: chosen(data, glacier, None if options.full else options.images) for glacier in GLACIERS}
        with tempfile.TemporaryDirectory() as scratch:
            models = dict.fromkeys(GLACIERS, "landsat-fronts")
            if options.weights_folder is not None:
                models = models_told(options.weights_folder, images, data=data, scratch=Path(scratch))
            for angle, size in wanted:
                for glacier in GLACIERS:
                    if (glacier, angle, size) in held:
                        continue
                    rows = tracked(
                        glacier, images[glacier], angle, size, data=data, weights=models[glacier], auto=options.auto
                    )
                    options.results.parent.mkdir(parents=True, exist_ok=True)
                    header = not options.results.is_file()
                    pd.DataFrame(rows).to_csv(options.results, mode="a", header=header, index=False)
    table = pd.read_csv(options.results)
    draw(table, options.results.with_suffix(".png"))
    print(summary(table))


if __name__ == "__main__":
    main()
