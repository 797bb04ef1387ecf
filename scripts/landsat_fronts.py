"""Fronts in Landsat images of a glacier that was left out of training, for several architectures.

For each architecture, seed and glacier: train on the images of the other glaciers mixed with simulated ones, predict
every image of the glacier left out, and measure how far the predicted front lies from the traced one, in pixels: mean
over images of the symmetric mean nearest distance within the columns of the trace. The recipe is one and the same for
all architectures, the number of steps is fixed and the last (averaged) weights are used. The recipe itself was found by
trials on Jakobshavn and Kangerlussuaq: their figures are optimistic to that extent, those of Sverdrup are not.

``--simulated-alone`` trains on simulated scenes and nothing else, and predicts all three glaciers.

A run that was killed goes on where it stopped; what is finished is in ``scripts/results/landsat_fronts.csv``, one row
per image, and is not repeated.

    python scripts/landsat_fronts.py --data ../shared/data/landsat_fronts --work /tmp/fronts
    python scripts/landsat_fronts.py --table
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results" / "landsat_fronts.csv"
KEYS = ["model", "training", "seed", "glacier", "image"]
PUBLISHED_PX, MANUAL_PX = 1.97, 1.89


@dataclass(frozen=True)
class Plan:
    """An architecture, and how it is trained; the data, their changes and the loss are the same for all.

    ``fold`` is the side of the blocks of pixels that the network sees as channels, ``epochs`` are of 25 batches of 8
    patches.
    """

    model: str
    learning_rate: float
    fold: int = 2
    epochs: int = 10
    seeds: tuple[int, ...] = (0,)

    @property
    def label(self) -> str:
        """Return the name in the results."""
        return f"{self.model}, blocks of {self.fold}" if self.fold > 1 else self.model


PLANS = (
    Plan("unet-small", 2e-3, epochs=20),
    Plan("glacier-seg-fast", 2e-3, fold=1, seeds=(0, 1, 2)),
    Plan("unet", 1e-3),
    Plan("segformer-b0", 1e-3),
    Plan("glacier-seg", 2e-3),
)
DRAWS = 200
# Rows above the ends of a trace from which on the columns beside it are ocean.
BESIDE_PX = 30
AUGMENTATION = {
    "rotation_deg": 20.0,
    "shift_px": [45.0, 35.0],
    "stretch": 0.15,
    "elastic_px": 4.0,
    "bend_px": 10.0,
    "contrast": 0.5,
    "gamma_log": 0.6,
    "illumination": 0.4,
    "noise": 0.1,
    "tone_step": 0.35,
    "class_tone": 0.5,
    "veil": 0.25,
    "saturation": 0.2,
    "gaps": 0.05,
    "transplant": 0.3,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/landsat_fronts"))
    parser.add_argument("--work", type=Path, default=Path("fronts"), help="where weights and states are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--models", default=",".join(dict.fromkeys(plan.model for plan in PLANS)))
    parser.add_argument("--glaciers", default="Jakobshavn,Kangerlussuaq,Sverdrup")
    parser.add_argument("--seeds", help="in place of the planned ones, comma-separated")
    parser.add_argument("--epochs", type=int, help="in place of the planned ones, for a trial")
    parser.add_argument("--simulated-alone", action="store_true")
    parser.add_argument("--simulated", type=int, default=400, help="number of simulated scenes")
    parser.add_argument("--share", type=float, default=0.4, help="of the patches that are simulated")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="only print what there is")
    return parser.parse_args()


def simulated_scenes(count: int, cache: Path):
    """Return the simulated scenes as data in memory; drawn once, kept in a file."""
    from glaciertime.scenes.datasets.mixture import InMemory
    from glaciertime.scenes.datasets.sample import TrainingSample
    from glaciertime.scenes.simulate_images import SimulatedFronts

    source = SimulatedFronts(count=count, kind="optical", seed=7, scenes_per_fjord=2)
    path = cache / f"simulated_{count}.npz"
    if not path.is_file():
        samples = list(source)
        cache.mkdir(parents=True, exist_ok=True)
        partial = cache / f"simulated_{count}.{np.random.default_rng().integers(1 << 30)}.npz"
        np.savez_compressed(
            partial,
            image=np.stack([sample.image.astype(np.uint8) for sample in samples]),
            labels=np.stack([sample.labels for sample in samples]),
        )
        partial.replace(path)
    with np.load(path) as stored:
        images, labels = stored["image"], stored["labels"]
    samples = tuple(
        TrainingSample(image=image.astype(np.float32), labels=label, present=np.ones(1, bool), info=info)
        for image, label, info in zip(images, labels, source.infos, strict=True)
    )
    return InMemory(samples, bands=source.bands, classes=source.classes, codes=source.codes)


def folder(plan: Plan, seed: int, glacier: str, options: argparse.Namespace) -> Path:
    """Return where a training keeps its state and its weights."""
    return options.work / f"{plan.model}_{plan.fold}_{seed}_{glacier or 'simulated'}"


def train_without(glacier: str, plan: Plan, seed: int, options: argparse.Namespace) -> Path:
    """Return the weights of a model that saw every glacier but one; of one that saw simulated scenes alone, for ''."""
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.scenes.datasets.mixture import Mixture
    from glaciertime.scenes.datasets.splits import Split
    from glaciertime.segment.config import TrainConfig
    from glaciertime.segment.sampling import group_weights
    from glaciertime.segment.training import train

    real = LandsatFronts(options.data, beside_px=BESIDE_PX)
    share = options.share if glacier else 1.0
    data = Mixture((real, simulated_scenes(options.simulated, options.work)), (1 - share, share))
    known = [info.glacier != glacier and bool(glacier) for info in real.infos] + [share > 0] * options.simulated
    chosen = [index for index, used in enumerate(known) if used]
    config = TrainConfig(
        data="landsat-fronts",
        root=options.data,
        model=plan.model,
        fold=plan.fold,
        loss="line",
        metric="front",
        row_band=True,
        test=(glacier,) if glacier else (),
        validation_fraction=0.0,
        patch=(288, 192),
        epochs=options.epochs or plan.epochs,
        draws=DRAWS,
        batch=8,
        learning_rate=plan.learning_rate,
        average=0.98,
        precision="bf16-mixed",
        seed=seed,
        zones="line",
        augmentation=AUGMENTATION,
    )
    out = folder(plan, seed, glacier, options)
    within = group_weights([data.infos[i] for i in chosen], power=0.5)
    trained = train(
        data,
        config,
        out=out,
        name=f"{plan.model}-without-{glacier}" if glacier else f"{plan.model}-simulated",
        split=Split(train=tuple(chosen), validation=(), test=()),
        draw_weights=list(data.draw_weights(chosen, within=within)),
        progress=False,
    )
    return trained.weights


def measure(weights: Path, glacier: str, options: argparse.Namespace) -> list[dict[str, object]]:
    """Return one row per image of the glacier (of all, for ''): its deviation, NaN without a front."""
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.segment.engine import load_engine
    from glaciertime.segment.front_line import front_deviation_px, front_pixels
    from glaciertime.segment.prediction import predict_image, zones_from_probability
    from glaciertime.segment.uncertainty import varied

    run, spec = load_engine(weights, engine="torch")
    data = LandsatFronts(options.data)
    rows = []
    for index, info in enumerate(data.infos):
        if glacier not in (info.glacier, ""):
            continue
        image = data.read_image(index)[None].astype(np.float32)
        zones = zones_from_probability(predict_image(image, run=varied(run), spec=spec), spec=spec)
        deviation = front_deviation_px(front_pixels(zones), data.read_trace(index))
        rows.append({"glacier": info.glacier, "image": info.name, "deviation_px": round(deviation, 4)})
    return rows


def without_an_image(options: argparse.Namespace) -> list[dict[str, object]]:
    """Return what chance gives: a level line at the mean row of the fronts of the other glaciers."""
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.segment.front_line import front_deviation_px

    data = LandsatFronts(options.data)
    traces = [data.read_trace(index) for index in range(len(data))]
    means = np.array([np.argwhere(trace)[:, 0].mean() for trace in traces])
    glaciers = np.array([info.glacier for info in data.infos])
    rows = []
    for info, trace in zip(data.infos, traces, strict=True):
        level = np.zeros(trace.shape, dtype=bool)
        level[round(float(means[glaciers != info.glacier].mean()))] = True
        deviation = front_deviation_px(level, trace)
        rows.append({"glacier": info.glacier, "image": info.name, "deviation_px": round(deviation, 4)})
    return rows


def bootstrap(values: np.ndarray, *, seed: int = 0, draws: int = 5000) -> tuple[float, float]:
    """Return the 5 and 95 % points of the mean over images drawn with replacement."""
    rng = np.random.default_rng(seed)
    means = rng.choice(values, size=(draws, len(values))).mean(axis=1)
    return float(np.quantile(means, 0.05)), float(np.quantile(means, 0.95))


def table(results: Path) -> str:
    """Return what the results file holds as lines: per model over all seeds, and per glacier."""
    if not results.is_file():
        return "no results yet"
    rows = pd.read_csv(results)
    lines = [f"{'model':18} {'training':22} {'left out':14} seeds images  mean (90 % interval)   median  without front"]
    for (model, training), group in rows.groupby(["model", "training"], sort=False):
        for glacier, part in [*group.groupby("glacier"), ("all", group)]:
            per_image = part.groupby("image")["deviation_px"].mean()
            known = per_image.dropna().to_numpy()
            low, high = bootstrap(known) if len(known) else (math.nan, math.nan)
            lines.append(
                f"{model:18} {training:22} {glacier:14} {part['seed'].nunique():5} {len(per_image):6} "
                f"{known.mean():6.2f} ({low:5.2f} to {high:5.2f}) {np.median(known):8.2f} "
                f"{int(part['deviation_px'].isna().sum()):6}"
            )
    lines.append(f"published on a fourth glacier: {PUBLISHED_PX} px; manual tracing errs by {MANUAL_PX} px")
    return "\n".join(lines)


def append(results: Path, rows: list[dict[str, object]]) -> None:
    frame = pd.DataFrame(rows)[[*KEYS, "deviation_px"]]
    results.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(results, mode="a", header=not results.is_file(), index=False)


def main() -> None:
    options = arguments()
    if not options.table:
        import torch

        torch.set_num_threads(options.threads)
        done = pd.read_csv(options.results) if options.results.is_file() else pd.DataFrame(columns=KEYS)
        if "level line" not in set(done["model"]):
            common = {"model": "level line", "training": "no image", "seed": 0}
            append(options.results, [{**common, **row} for row in without_an_image(options)])
        for plan in (plan for name in options.models.split(",") for plan in PLANS if plan.model == name):
            seeds = plan.seeds if options.seeds is None else tuple(int(seed) for seed in options.seeds.split(","))
            for seed in seeds:
                for glacier in [""] if options.simulated_alone else options.glaciers.split(","):
                    run(plan, seed, glacier, options)
    print(table(options.results))


def run(plan: Plan, seed: int, glacier: str, options: argparse.Namespace) -> None:
    """Train and measure unless the results hold it already."""
    training = "real and simulated" if glacier else "simulated alone"
    done = pd.read_csv(options.results) if options.results.is_file() else pd.DataFrame(columns=KEYS)
    same = (done["model"] == plan.label) & (done["training"] == training) & (done["seed"] == seed)
    if glacier:
        same &= done["glacier"] == glacier
    if same.any():
        return
    rows = measure(train_without(glacier, plan, seed, options), glacier, options)
    append(options.results, [{"model": plan.label, "training": training, "seed": seed, **row} for row in rows])
    mean = np.nanmean([float(row["deviation_px"]) for row in rows])
    print(f"{plan.label} seed {seed} {training} without {glacier or 'any'}: {mean:.2f} px", flush=True)


if __name__ == "__main__":
    main()
