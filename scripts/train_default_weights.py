"""Make the weights that come with the package: ONNX for use, safetensors for fine-tuning, and a card for each.

``landsat-fronts``: what ``train_fronts_gpu.py`` trained on all three glaciers; the scores and the temperature in the
card are those of its models without a glacier, so score them first. ``sar-zones``: simulated radar scenes alone,
seeded, and resumed where a killed run stopped.

    python scripts/train_default_weights.py --models landsat-fronts --trained trained
    python scripts/train_default_weights.py --models sar-zones --work radar
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import landsat_fronts as fronts
import train_fronts_gpu as gpu

SHIPPED = Path(__file__).parents[1] / "glaciertime" / "segment" / "shipped"
LIMIT_BYTES = 3_000_000
ABOUT = (
    "The scores without a glacier are those of models trained like this one, but without that glacier; this one saw "
    "all three. A mean far above its median comes of a few images on which the front was lost, in haze or in the "
    "shadow of a cloud: there the model leaves it open over many pixels, which `track` stores as its error, with the "
    "flag `unclear-front`. Most of the other distance lies at the ends of a front, along the sides of its fjord."
)
SAR_ARCHITECTURE = "unet-small"
SAR_SIZE = (256, 256)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/landsat_fronts"))
    parser.add_argument("--work", type=Path, default=Path("fronts"))
    parser.add_argument("--trained", type=Path, help="folder that train_fronts_gpu.py train wrote")
    parser.add_argument("--models", default="landsat-fronts,sar-zones")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sar-epochs", type=int, default=40)
    parser.add_argument("--sar-scenes", type=int, default=400)
    parser.add_argument("--results", type=Path, default=fronts.RESULTS)
    return parser.parse_args()


def train_landsat_fronts(options: argparse.Namespace) -> tuple[Path, dict[str, object]]:
    temperature = leave_one_out_temperature(options)
    return options.trained / "all.safetensors", {
        "name": "landsat-fronts",
        # The one fitted is told in the card, not applied: scores, sigma and flags are those of the logits as they are.
        "temperature": 1.0,
        "augmented": True,
        "trained_on": "landsat_fronts (Jakobshavn, Kangerlussuaq, Sverdrup; 123 images) and simulated optical scenes",
        "licence": "weights MIT; training images CC-BY-4.0, Mohajerani et al. 2019, doi:10.3390/rs11010074",
        "note": "ocean up in the image, one front across it; one grey band, about 49 m pixels",
        "scores": leave_one_out_scores(options.results),
        "card": {"about": ABOUT, "table": fronts.table(options.results), "temperature": temperature},
    }


def leave_one_out_scores(results: Path) -> dict[str, float]:
    import pandas as pd

    if not results.is_file():
        return {}
    rows = pd.read_csv(results)
    rows = rows[(rows["model"] == gpu.LABEL) & (rows["training"] == gpu.TRAINING)]
    per_glacier = rows.groupby("glacier")["deviation_px"].mean().round(3)
    return {f"front_deviation_px_without_{glacier}": float(value) for glacier, value in per_glacier.items()}


def leave_one_out_temperature(options: argparse.Namespace) -> dict[str, float]:
    """Return the temperature fitted on the images that the leave-one-glacier-out models had not seen."""
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.segment.judge.calibration import fit_temperature
    from glaciertime.segment.predict.engine import load_engine

    data = LandsatFronts(options.data)
    pairs = []
    for glacier in gpu.GLACIERS:
        run, spec = load_engine(options.trained / f"without-{glacier}.safetensors", engine="torch")
        for sample in data:
            if sample.info.glacier == glacier:
                probability = run(spec.normalisation.apply(sample.image)[None])[0]
                pairs.append((np.log(np.clip(probability, 1e-7, 1)), sample.labels))
    fitted = fit_temperature(pairs)
    return {key: value if math.isfinite(value) else 0.0 for key, value in vars(fitted).items()}


def train_sar_zones(options: argparse.Namespace) -> tuple[Path, dict[str, object]]:
    from glaciertime.scenes.datasets.mixture import InMemory
    from glaciertime.scenes.datasets.splits import split_by_block
    from glaciertime.scenes.simulate_images import SimulatedFronts
    from glaciertime.segment.teach.config import TrainConfig
    from glaciertime.segment.teach.training import train

    source = SimulatedFronts(count=options.sar_scenes, kind="sar", size=SAR_SIZE, seed=11, scenes_per_fjord=2)
    data = InMemory(tuple(source), bands=source.bands, classes=source.classes, codes=source.codes)
    config = TrainConfig(
        data="simulated",
        root=Path("."),
        model=SAR_ARCHITECTURE,
        fold=2,
        loss="front",
        metric="iou",
        validation_fraction=0.1,
        balance=0.0,
        class_balance=0.0,
        patch=SAR_SIZE,
        epochs=options.sar_epochs,
        draws=320,
        batch=8,
        learning_rate=2e-3,
        average=0.98,
        precision="bf16-mixed",
        seed=0,
        augmentation={
            "rotation_deg": 180.0,
            "flip_rows": True,
            "shift_px": [20.0, 20.0],
            "gamma_log": 0.3,
            "gaps": 0.0,
            "tone_step": 0.05,
        },
    )
    split = split_by_block(data.infos, test_fraction=0.1, validation_fraction=0.1, seed=0)
    trained = train(data, config, out=options.work / "sar-zones", name="sar-zones", split=split, progress=False)
    scores = score_zones(trained.weights, data, split.test)
    return trained.weights, {
        "name": "sar-zones",
        "augmented": False,
        "trained_on": f"{options.sar_scenes} simulated radar scenes; no real image",
        "licence": "MIT",
        "note": "amplitude, any orientation; scored on simulated fjords that were held out: not on real radar images",
        "scores": scores,
        "card": {},
    }


def score_zones(weights: Path, data, indices) -> dict[str, float]:
    from glaciertime.segment.judge.scoring import ConfusionScore
    from glaciertime.segment.predict.engine import load_engine

    run, spec = load_engine(weights, engine="torch")
    score = ConfusionScore("iou", classes=len(spec.classes))
    for index in indices:
        sample = data[index]
        score.update(run(spec.normalisation.apply(sample.image)[None]), sample.labels[None])
    return {"iou_simulated_held_out": round(score.value(), 4), "images": float(len(indices))}


def ship(weights: Path, facts: dict[str, object], out: Path) -> None:
    from glaciertime.segment.export.folded_export import export_model
    from glaciertime.segment.predict.engine import load_engine
    from glaciertime.segment.predict.weights import load_model, save_model

    network, spec = load_model(weights)
    card = facts.pop("card")
    spec = replace(spec, **facts)
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{spec.name}.safetensors"
    save_model(network, spec, target, overwrite=True)
    export_model(network, spec, target.with_suffix(".onnx"), overwrite=True)
    size = target.with_suffix(".onnx").stat().st_size
    for path in (target, target.with_suffix(".onnx")):
        if path.stat().st_size > LIMIT_BYTES:
            raise SystemExit(f"{path} has {path.stat().st_size} bytes, at most {LIMIT_BYTES} expected")
    batch = np.random.default_rng(0).normal(size=(1, spec.channels, 150, 101)).astype(np.float32)
    difference = np.abs(
        load_engine(target, engine="torch")[0](batch) - load_engine(target.with_suffix(".onnx"))[0](batch)
    )
    if difference.max() > 1e-3:
        raise SystemExit(f"{spec.name}: ONNX and torch differ by {difference.max()} in probability")
    lines = [
        f"# {spec.name}",
        "",
        f"- architecture: {spec.model}, on blocks of {spec.fold} x {spec.fold} pixels; ONNX {size} bytes",
        f"- input: {', '.join(spec.bands)}, normalised by the mean and spread of the image itself",
        f"- output: {', '.join(f'{code} {name}' for code, name in zip(spec.codes, spec.classes, strict=True))}",
        f"- trained on: {spec.trained_on}",
        f"- licence: {spec.licence}",
        f"- limits: {spec.note}",
        f"- temperature: {spec.temperature:.3f}",
        f"- largest difference of a probability between ONNX and torch: {difference.max():.1e}",
        "",
        "## Scores",
        "",
        *(f"- {name}: {value}" for name, value in spec.scores.items()),
    ]
    if "about" in card:
        lines += ["", card["about"]]
    if "table" in card:
        lines += [
            "",
            "Leave one glacier out (`python scripts/landsat_fronts.py --table`):",
            "",
            "```",
            card["table"],
            "```",
        ]
    if "temperature" in card:
        lines += ["", f"Calibration on glaciers left out: `{json.dumps(card['temperature'])}`"]
    (out / f"{spec.name}.md").write_text("\n".join(lines) + "\n")
    print(f"{spec.name}: {size} bytes, {spec.scores}")


def main() -> None:
    import torch

    options = arguments()
    torch.set_num_threads(options.threads)
    makers = {"landsat-fronts": train_landsat_fronts, "sar-zones": train_sar_zones}
    for name in options.models.split(","):
        weights, facts = makers[name](options)
        ship(weights, facts, options.out)


if __name__ == "__main__":
    main()
