"""Fronts under clouds: what is wrong of them, and what of that is flagged.

Clouds, their shadows and haze are drawn over the traced Landsat images, each image is segmented by a model that has not
seen its glacier, and its front is compared with the trace. Flags are those of the image alone, without a cloud layer
and without the other dates of a series. The look at what lies beside a front (``glaciertime/segment/predict/cover.py``)
weighs six numbers; for this table their weights come from the other two glaciers, with and without clouds, and the
limit on their sum is that of the program, which leaves five of the 123 images without clouds above it. Which numbers
are looked at was chosen on all three. The last lines give the weights from all three glaciers: those of the program.

    python scripts/check_clouds.py --weights-folder fronts/left_out
    python scripts/check_clouds.py --table

The folder holds one ``without-<Glacier>.onnx`` or ``.safetensors`` for each glacier.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import chain_landsat
from chain_scenes import LOST_M

RESULTS = Path(__file__).parent / "results" / "clouds.csv"
EVIDENCE = ["spread", "smooth", "step", "brighter", "sea_texture", "ice_before"]
RIGHT_M = 250.0
KINDS = ("none", "band", "flat band", "stratus", "cumulus", "haze", "shadow")


def fractal(rng: np.random.Generator, shape: tuple[int, int], slope: float) -> np.ndarray:
    """Return a field of mean 0 and spread 1 whose spectrum falls with a power of the wave number."""
    wave = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    wave[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=shape)) * wave ** (-slope / 2), shape)
    return (field - field.mean()) / field.std()


def clouded(kind: str, image: np.ndarray, trace: np.ndarray, *, seed: int) -> np.ndarray:
    """Return an image, 0 to 255, with a cloud of a kind about its traced front."""
    rng = np.random.default_rng(seed)
    height, width = image.shape
    front = round(float(np.argwhere(trace)[:, 0].mean()))
    bright = min(255.0, float(np.percentile(image, 98)) * rng.uniform(0.85, 1.1))
    row, column = np.mgrid[:height, :width]
    half, off = rng.uniform(12, 40), rng.uniform(-0.7, 0.7)
    askew = row - front - off * half - np.tan(np.radians(rng.uniform(-20, 20))) * (column - width / 2)
    veil, cloud = np.zeros(image.shape), np.full(image.shape, bright)
    if kind == "none":
        return image
    if kind in ("band", "shadow"):
        veil = 1 / (1 + np.exp((np.abs(askew + 3 * fractal(rng, image.shape, 3.5)) - half) / 1.5))
        cloud = cloud * (1 + 0.03 * fractal(rng, image.shape, 3.0))
    if kind == "shadow":
        return np.clip(np.round(image * (1 - veil * rng.uniform(0.5, 0.75))), 0, 255)
    if kind == "flat band":
        veil = (np.abs(row - front - off * half) < half).astype(float)
    if kind == "stratus":
        field = fractal(rng, image.shape, 3.5) - 0.02 * np.abs(row - front)
        veil = 1 / (1 + np.exp((np.quantile(field, rng.uniform(0.5, 0.8)) - field) / 0.12))
        cloud = cloud * (1 + 0.06 * fractal(rng, image.shape, 2.8))
    if kind == "cumulus":
        field = fractal(rng, image.shape, 2.4)
        veil = 1 / (1 + np.exp((np.quantile(field, rng.uniform(0.5, 0.75)) - field) / 0.15))
        cloud = cloud * (1 + 0.08 * fractal(rng, image.shape, 2.4))
        image = image * (1 - 0.6 * np.roll(veil, (6, 9), (0, 1)))
    if kind == "haze":
        veil = rng.uniform(0.5, 0.8) / (1 + np.exp(rng.choice([-1, 1]) * (askew + rng.uniform(-60, 60)) / 15))
    return np.clip(np.round(image * (1 - veil) + cloud * veil + rng.normal(size=image.shape)), 0, 255)


def rows_of(data, indices: list[int], weights: Path) -> list[dict[str, object]]:
    """Return one row per image and kind of cloud."""
    from affine import Affine
    from chain_scenes import distance_px

    from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M
    from glaciertime.segment.predict.cover import evidence_of
    from glaciertime.segment.predict.engine import load_engine
    from glaciertime.segment.predict.framed import FramedScene, predict_scene
    from glaciertime.segment.predict.uncertainty import front_sigma_px, varied

    run, spec = load_engine(weights, threads=1)
    rows = []
    for kind in KINDS:
        for index in indices:
            trace = data.read_trace(index)
            image = clouded(kind, data.read_image(index).astype(float), trace, seed=1000 + index).astype(np.float32)
            scene = FramedScene(
                read=lambda top, left, h, w, image=image: image[None, top : top + h, left : left + w],
                shape=image.shape, crs=None,
                transform=Affine(RESOLUTION_M, 0, 0, 0, -RESOLUTION_M, image.shape[0] * RESOLUTION_M),
            )  # fmt: skip
            made = predict_scene(scene, run=varied(run), spec=spec, ocean_deg=0.0)
            error_px = distance_px(made.front_in(Affine.identity()), Affine.identity(), trace)
            assert made.rows is not None
            ocean = made.probability[spec.codes.index(254)]
            sigma_px = front_sigma_px(made.probability, spec=spec)
            found = evidence_of(image, made.rows, ocean=ocean, sigma_px=sigma_px, usual_px=spec.front_sigma_px)
            rows.append({
                "glacier": data.infos[index].glacier, "image": data.infos[index].name, "kind": kind,
                "error_m": round(error_px * RESOLUTION_M, 1), "sigma_m": round(made.sigma_px * RESOLUTION_M, 1),
                "flags": " ".join(
                    name for name, why in (("unlike-training", made.unlike), ("unclear-front", made.unclear)) if why
                ),
                **{name: round(value, 4) for name, value in asdict(found).items()},
            })  # fmt: skip
    return rows


def fitted(table: pd.DataFrame) -> np.ndarray:
    """Return the weights of what lies beside a front, and the intercept last: wrong against right fronts, both alike.

    Fronts that are off by 250 to 490 m are neither.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    clear = table[(table["error_m"] <= RIGHT_M) | ~(table["error_m"] <= LOST_M)]
    numbers = clear[EVIDENCE].to_numpy()
    scaler = StandardScaler().fit(numbers)
    model = LogisticRegression(class_weight="balanced").fit(scaler.transform(numbers), ~(clear["error_m"] <= LOST_M))
    weights = model.coef_[0] / scaler.scale_
    return np.append(weights, model.intercept_[0] - float(weights @ scaler.mean_))


def summary(table: pd.DataFrame) -> str:
    """Return, by kind of cloud, how many fronts are wrong, and how many of these and of the others are flagged."""
    from glaciertime.segment.predict.cover import LIMIT

    unclear = pd.Series(False, index=table.index)
    for glacier in table["glacier"].unique():
        of_it = table["glacier"] == glacier
        *weights, intercept = fitted(table[~of_it])
        unclear[of_it] = (table.loc[of_it, EVIDENCE].to_numpy() @ np.array(weights) + intercept > LIMIT).astype(bool)
    lines = ["kind         images   off by > 490 m   of these flagged   of the others"]
    for kind, rows in table.groupby("kind", sort=False):
        lost = ~(rows["error_m"] <= LOST_M)
        flagged = unclear[rows.index] | rows["flags"].fillna("").str.contains("unlike-training")
        lines.append(
            f"{kind:12} {len(rows):6}   {lost.sum():14}   {(lost & flagged).sum():16}   "
            f"{(~lost & flagged).sum():6} of {(~lost).sum()}"
        )
    names = [*EVIDENCE, "intercept"]
    shown = ", ".join(f"{name} {value:.3f}" for name, value in zip(names, fitted(table), strict=True))
    right = table[(table["kind"] == "none") & (table["error_m"] <= LOST_M)][EVIDENCE].median()
    usual = ", ".join(f"{name} {value:.3f}" for name, value in right.items())
    return "\n".join([*lines, f"weights from all three: {shown}", f"of right fronts without clouds, median: {usual}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/landsat_fronts"))
    parser.add_argument("--weights-folder", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print what there is")
    options = parser.parse_args()
    if not options.table:
        from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts

        if options.weights_folder is None:
            parser.error("--weights-folder: models that have not seen the glaciers are needed")
        data = LandsatFronts(options.data)
        rows = []
        with tempfile.TemporaryDirectory() as scratch:
            for glacier in chain_landsat.GLACIERS:
                weights = chain_landsat.weights_of(glacier, options.weights_folder, Path(scratch))
                told = chain_landsat.stamp(weights, 1.5, out=Path(scratch) / f"told-{glacier}.onnx")
                indices = [index for index, info in enumerate(data.infos) if info.glacier == glacier]
                rows += rows_of(data, indices, told)
                pd.DataFrame(rows).to_csv(options.results, index=False)
    print(summary(pd.read_csv(options.results)))


if __name__ == "__main__":
    main()
