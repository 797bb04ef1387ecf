"""Predict a raster of 10,000 x 10,000 x 3 bytes: memory, speed beside the model's own, independence of the cut.

Speed is that of patches per second of CPU time, the raster's over the bare model's on a stack of the same patches;
pieces of the bare model are run before, between and after, in one process. Memory is the peak of the process above
what it had with the model loaded and one batch run.

    python scripts/bench_large_raster.py --size 10000
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from glaciertime.scenes.imagery import Imagery
from glaciertime.segment.predict.engine import load_engine
from glaciertime.segment.predict.prediction import predict_strips, zones_from_probability


def write_raster(path: Path, size: int) -> None:
    """Write smooth noise, tiled, a part of it nodata."""
    rng = np.random.default_rng(0)
    profile = {"driver": "GTiff", "height": size, "width": size, "count": 3, "dtype": "uint8", "nodata": 0}
    profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "zlevel": 1}
    with rasterio.open(path, "w", **profile, crs="EPSG:3413", transform=rasterio.Affine(10, 0, 0, 0, -10, 0)) as target:
        for row in range(0, size, 1024):
            height = min(1024, size - row)
            coarse = rng.integers(1, 255, size=(3, height // 32 + 1, size // 32 + 1), dtype=np.uint8)
            block = coarse.repeat(32, axis=1).repeat(32, axis=2)[:, :height, :size].copy()
            block[:, :, : size // 50] = 0
            target.write(block, window=Window(0, row, size, height))


def model(folder: Path, weights: str | None, patch: int):
    """Return an engine of three bands: the given weights, or the architecture of the shipped ones, untrained."""
    if weights:
        run, spec = load_engine(weights, threads=1)
        return run, spec
    import torch

    from glaciertime.segment.architectures.folding import build_network
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.export.folded_export import export_model

    torch.manual_seed(0)
    network = build_network("unet-small", in_channels=3, classes=4, fold=2)
    spec = ModelSpec(
        name="untrained",
        model="unet-small",
        bands=("red", "green", "blue"),
        classes=("no data", "rock", "glacier", "ocean"),
        codes=(0, 64, 127, 254),
        fold=2,
        patch_px=patch,
    )
    path = folder / "untrained.onnx"
    export_model(network.eval(), spec, path)
    return load_engine(path, threads=1)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bare(run, spec, count: int, batch: int) -> float:
    """Return the CPU seconds of a patch of the model alone."""
    patches = np.random.default_rng(1).normal(size=(batch, spec.channels, spec.patch_px, spec.patch_px))
    patches = patches.astype(np.float32)
    start = time.process_time()
    for _ in range(count // batch):
        run(patches)
    return (time.process_time() - start) / (count // batch * batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--patch", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--weights", help="three-band ONNX in place of untrained ones")
    parser.add_argument("--windows", default="1024,2560,4096", help="cut sizes compared, on a quarter of the side")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run, spec = model(folder, options.weights, options.patch)
        path, small = folder / "large.tif", folder / "small.tif"
        write_raster(path, options.size)
        write_raster(small, options.size // 4)
        before = [bare(run, spec, 12, options.batch)]
        loaded = peak_mib()
        counted = []

        def timed(batch):
            start = time.process_time()
            out = run(batch)
            counted.append((len(batch), time.process_time() - start))
            return out

        start, wall = time.process_time(), time.perf_counter()
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "tiled": True, "compress": "deflate"}
        profile |= {"blockxsize": 256, "blockysize": 256}
        with (
            Imagery(path, expected=3) as source,
            rasterio.open(
                folder / "mask.tif", "w", height=source.height, width=source.width, **profile, **source.georeference
            ) as mask,
        ):
            for strip in predict_strips(source, run=timed, spec=spec, window_px=16384, batch=options.batch):
                height, width = strip.observed.shape
                place = Window(strip.column, strip.row, width, height)
                mask.write(zones_from_probability(strip.probability, spec=spec), 1, window=place)
        spent, wall = time.process_time() - start, time.perf_counter() - wall
        patches, inside = sum(n for n, _ in counted), sum(seconds for _, seconds in counted)
        peak = peak_mib()
        before.append(bare(run, spec, 12, options.batch))
        alone = float(np.median(before))
        print(f"raster {options.size} x {options.size} x 3, {patches} patches of {spec.patch_px} px")
        print(f"CPU {spent:.0f} s, wall {wall:.0f} s; the model inside took {inside:.0f} s: {inside / spent:.3f} of it")
        print(f"the model alone {1000 * alone:.1f} ms a patch; throughput ratio {alone * patches / spent:.3f}")
        print(f"peak memory {peak:.0f} MiB, {peak - loaded:.0f} MiB above the loaded model")
        masks = {}
        for window in (int(part) for part in options.windows.split(",")):
            with Imagery(small, expected=3) as source:
                out = np.zeros((source.height, source.width), np.uint8)
                for strip in predict_strips(source, run=run, spec=replace(spec), window_px=window, batch=options.batch):
                    rows = slice(strip.row, strip.row + strip.observed.shape[0])
                    columns = slice(strip.column, strip.column + strip.observed.shape[1])
                    out[rows, columns] = zones_from_probability(strip.probability, spec=spec)
                masks[window] = out
        first = next(iter(masks.values()))
        for window, mask in masks.items():
            print(f"window {window}: {100 * (mask != first).mean():.4f} % of pixels differ")


if __name__ == "__main__":
    main()
