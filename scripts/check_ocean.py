"""How often `--ocean auto` finds the ocean in a single image of a glacier that the model has not seen.

The traced Landsat images are turned to one of eight directions and placed on Earth at 30 m, as by ``chain_scenes.py``;
the model that was trained without their glacier looks for the ocean. What is kept per image is how far the direction is
from the right one, and the doubt that ``segment`` and ``track`` tell. The table is that of
``glaciertime.segment.predict.orientation.CHANCES``.

    python scripts/check_ocean.py --weights-folder fronts/left_out
    python scripts/check_ocean.py --table
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import chain_landsat
import chain_scenes

RESULTS = Path(__file__).parent / "results" / "ocean_auto.csv"
#: A direction that is less off than this still has the ocean up.
RIGHT_DEG = 45.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/landsat_fronts"))
    parser.add_argument("--weights-folder", type=Path, help="holds without-<Glacier>.onnx or .safetensors")
    parser.add_argument("--images", type=int, default=12, help="of each glacier, evenly over its record")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    return parser.parse_args()


def looked_at(data, index: int, angle_deg: float, run, spec) -> dict[str, object]:
    """Return what is found in an image that is turned to an azimuth."""
    import pyproj

    from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M
    from glaciertime.segment.predict.framed import FramedScene, directions
    from glaciertime.segment.predict.orientation import best_of

    image = data.read_image(index)
    grey, transform = chain_scenes.make_scene(
        image, chain_scenes.frame_to_map(image.shape, angle_deg, RESOLUTION_M), 30.0
    )
    pixels = np.where(grey == 0, np.nan, grey).astype(np.float32)[None]
    scene = FramedScene(
        read=lambda row, column, height, width: pixels[:, row : row + height, column : column + width],
        shape=grey.shape, transform=transform, crs=pyproj.CRS(chain_scenes.CRS),
    )  # fmt: skip
    found = best_of([directions(scene, run=run, spec=spec)])
    off = (found.ocean_deg - angle_deg + 180) % 360 - 180
    return {
        "glacier": data.infos[index].glacier, "image": data.infos[index].name, "angle_deg": angle_deg,
        "off_deg": round(off, 1), "doubt": round(found.doubt, 3),
    }  # fmt: skip


def table(rows: pd.DataFrame) -> str:
    """Return how many directions are right, by the doubt about them."""
    from glaciertime.segment.predict.orientation import CHANCES

    right, lines, low = rows["off_deg"].abs() < RIGHT_DEG, [], 0.0
    for high, _, _ in CHANCES:
        here = (rows["doubt"] > low) & (rows["doubt"] <= high)
        lines.append(f"doubt {low:.2f} to {high:.2f}: right in {int((right & here).sum())} of {int(here.sum())}")
        low = high
    return "\n".join([*lines, f"all: right in {int(right.sum())} of {len(rows)}"])


def main() -> None:
    options = arguments()
    if not options.table:
        from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
        from glaciertime.segment.predict.engine import load_engine

        if options.weights_folder is None:
            sys.exit("--weights-folder DIR with without-<Glacier>.onnx or .safetensors is needed; or --table")
        data, rng, rows = LandsatFronts(options.data), np.random.default_rng(5), []
        with tempfile.TemporaryDirectory() as scratch:
            for glacier in chain_landsat.GLACIERS:
                weights = chain_landsat.weights_of(glacier, options.weights_folder, Path(scratch))
                run, spec = load_engine(weights, threads=1)
                for index in chain_scenes.chosen(data, glacier, options.images):
                    rows.append(looked_at(data, index, 45.0 * int(rng.integers(8)), run, spec))
                    print(rows[-1], file=sys.stderr, flush=True)
        pd.DataFrame(rows).to_csv(RESULTS, index=False, lineterminator="\n")
    print(table(pd.read_csv(RESULTS)))


if __name__ == "__main__":
    main()
