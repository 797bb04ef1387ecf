"""What eight bits cost on images of glaciers that the model has not seen, in pixels of the front.

For each glacier of the Landsat fronts: the model trained without it is exported and quantised, its ranges taken from 24
images of the other glaciers, and both versions predict every image of the glacier left out, averaged over mirror images
and magnifications. The deviation of each from the traced front, and the share of pixels that get the same zone from
both, is kept per image.

    python scripts/quantise_landsat.py --weights-folder fronts/left_out
    python scripts/quantise_landsat.py --table

The folder is that of ``scripts/chain_landsat.py``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from chain_landsat import GLACIERS, bootstrap, weights_of

RESULTS = Path(__file__).parent / "results" / "quantise_landsat.csv"
CALIBRATION_IMAGES = 24


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/landsat_fronts"))
    parser.add_argument("--weights-folder", type=Path, help="holds without-<Glacier>.onnx or .safetensors")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print what there is")
    return parser.parse_args()


def measure(glacier: str, weights: Path, data, scratch: Path) -> pd.DataFrame:
    """Return one row per image of a glacier: the deviation with 32 and with 8 bits, and how far the masks agree."""
    from glaciertime.segment.export.quantise import quantise_onnx
    from glaciertime.segment.predict.engine import load_engine
    from glaciertime.segment.predict.front_line import front_deviation_px, front_pixels
    from glaciertime.segment.predict.prediction import predict_image, zones_from_probability
    from glaciertime.segment.predict.uncertainty import varied

    run, spec = load_engine(weights, threads=1)
    small = scratch / f"{glacier}-int8.onnx"
    others = [index for index, info in enumerate(data.infos) if info.glacier != glacier]
    chosen = np.random.default_rng(0).choice(others, size=CALIBRATION_IMAGES, replace=False)
    quantise_onnx(weights, small, images=[_aligned(data.read_image(index), spec) for index in chosen])
    run_small, _ = load_engine(small, threads=1)
    rows = []
    for index, info in enumerate(data.infos):
        if info.glacier != glacier:
            continue
        image, trace = data.read_image(index)[None].astype(np.float32), data.read_trace(index)
        zones = [
            zones_from_probability(predict_image(image, run=varied(engine), spec=spec), spec=spec)
            for engine in (run, run_small)
        ]
        deviations = [front_deviation_px(front_pixels(mask), trace) for mask in zones]
        rows.append([glacier, spec.name, info.name, *deviations, float((zones[0] == zones[1]).mean())])
    table = pd.DataFrame(rows, columns=["glacier", "weights", "image", "float32_px", "int8_px", "agreement"])
    return table.assign(float32_mb=weights.stat().st_size / 1e6, int8_mb=small.stat().st_size / 1e6)


def _aligned(image: np.ndarray, spec) -> np.ndarray:
    scaled = spec.normalisation.apply(image[None].astype(np.float32))
    around = [(0, 0), *((0, -side % spec.multiple) for side in scaled.shape[1:])]
    return np.pad(scaled, around, mode="edge")[None]


def summary(table: pd.DataFrame) -> str:
    lines = ["In brackets: 90 % interval of the mean, images drawn with replacement."]
    mean = lambda values: values.mean(axis=-1)  # noqa: E731
    for glacier, rows in [*table.groupby("glacier"), ("all three", table)]:
        known = rows.dropna(subset=["float32_px", "int8_px"])
        change = (known["int8_px"] - known["float32_px"]).to_numpy()
        lines.append(
            f"{glacier:14} {len(rows):4} images  float32 {known['float32_px'].mean():6.2f} px, int8 "
            f"{known['int8_px'].mean():6.2f} px, change {bootstrap(change, mean)} px, median of its amount "
            f"{np.median(np.abs(change)):.3f} px; same zone {rows['agreement'].mean():.2%}; "
            f"{rows['float32_mb'].mean():.2f} -> {rows['int8_mb'].mean():.2f} MB; without a front "
            f"{int(rows['float32_px'].isna().sum())} -> {int(rows['int8_px'].isna().sum())}"
        )
    return "\n".join(lines)


def main() -> None:
    options = arguments()
    if not options.table:
        from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts

        if options.weights_folder is None:
            sys.exit("--weights-folder DIR with without-<Glacier>.onnx or .safetensors is needed; or --table")
        data = LandsatFronts(options.data)
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            parts = [
                measure(glacier, weights_of(glacier, options.weights_folder, scratch), data, scratch)
                for glacier in GLACIERS
            ]
        options.results.parent.mkdir(parents=True, exist_ok=True)
        pd.concat(parts).to_csv(options.results, index=False, float_format="%.4f", lineterminator="\n")
    print(summary(pd.read_csv(options.results)))


if __name__ == "__main__":
    main()
