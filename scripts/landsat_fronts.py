"""Fronts in Landsat images of a glacier that was left out of training, for several architectures.

Each architecture is trained in stages: on simulated optical scenes alone; then, for each seed and glacier, on the
images of the other glaciers and simulated scenes, half and half; then on one simulated scene in five, with much larger
random changes and the oceans of different images exchanged. Every image of the glacier left out is predicted, and the
distance of the predicted front to the traced one is measured in pixels: mean over images of the symmetric mean nearest
distance within the columns of the trace.

The number of steps is fixed beforehand and the last (averaged) weights are used. All architectures get the same steps;
``unet-small`` is trained for longer as well; what is shipped is trained by ``train_fronts_gpu.py``. What the last stage
does was found by trials with ``unet-small`` on these three glaciers: the figures are optimistic to that extent.

A run that was killed goes on where it stopped; what is finished is in ``scripts/results/landsat_fronts.csv``, one row
per image, and is not repeated.

    python scripts/landsat_fronts.py --data ../shared/data/landsat_fronts --work /tmp/fronts
    python scripts/landsat_fronts.py --table
    python scripts/landsat_fronts.py --score landsat-fronts    # shipped or other weights, on every image of --data
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results" / "landsat_fronts.csv"
KEYS = ["model", "training", "seed", "glacier", "image"]
PUBLISHED_PX, MANUAL_PX = 1.97, 1.89


@dataclass(frozen=True)
class Stage:
    """A part of a training.

    ``share`` of the patches is simulated; ``factor`` is that of the learning rate; ``draws`` patches make an epoch, in
    batches of 8.
    """

    name: str
    share: float
    factor: float = 0.5
    draws: int = 320
    patch: tuple[int, int] = (256, 192)
    augmentation: dict[str, object] = field(default_factory=lambda: {"shift_px": [45.0, 35.0]})


VARIED_CHANGES = {
    "rotation_deg": 15.0,
    "shift_px": [45.0, 35.0],
    "stretch": 0.1,
    "elastic_px": 3.0,
    "bend_px": 6.0,
    "contrast": 0.4,
    "gamma_log": 0.5,
    "illumination": 0.3,
    "noise": 0.1,
    "tone_step": 0.25,
    "class_tone": 0.3,
    "veil": 0.2,
    "saturation": 0.15,
    "gaps": 0.05,
    "scene_edge": 0.1,
    "transplant": 0.25,
}
SIMULATED_EPOCHS = 4
SIMULATED = Stage("simulated", share=1.0, factor=1.0)
REAL = Stage("real", share=0.5)
VARIED = Stage("varied", share=0.2, draws=200, patch=(288, 192), augmentation=VARIED_CHANGES)
SAME_STEPS = ((REAL, 4), (VARIED, 14))


@dataclass(frozen=True)
class Plan:
    """What one architecture is trained with, on blocks of 2 x 2 pixels."""

    model: str
    learning_rate: float
    precision: str
    stages: tuple[tuple[Stage, int], ...] = SAME_STEPS
    """The stages with real images, each with its epochs."""
    seeds: tuple[int, ...] = (0,)

    @property
    def label(self) -> str:
        """Return the name in the results."""
        return f"{self.model}, blocks of 2"

    @property
    def training(self) -> str:
        """Return what the results call the training with real images: its stages with their epochs."""
        stages = ((SIMULATED, SIMULATED_EPOCHS), *self.stages)
        return ", ".join(f"{stage.name} {epochs}" for stage, epochs in stages)


PLANS = (
    Plan("unet-small", 2e-3, "bf16-mixed", ((REAL, 20), (VARIED, 100))),
    Plan("unet-small", 2e-3, "bf16-mixed"),
    Plan("glacier-seg-fast", 2e-3, "32-true", seeds=(0, 1, 2)),
    Plan("unet", 1e-3, "bf16-mixed"),
    Plan("segformer-b0", 1e-3, "bf16-mixed"),
    Plan("glacier-seg", 2e-3, "32-true"),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/landsat_fronts"))
    parser.add_argument("--work", type=Path, default=Path("fronts"), help="where weights and states are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--models", default=",".join(dict.fromkeys(plan.model for plan in PLANS)))
    parser.add_argument("--glaciers", default="Jakobshavn,Kangerlussuaq,Sverdrup")
    parser.add_argument("--seeds", help="in place of the planned ones, comma-separated")
    parser.add_argument("--epochs", type=int, help="of every stage, in place of the planned ones; for a trial")
    parser.add_argument("--simulated", type=int, default=400, help="number of simulated scenes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="only print what there is")
    parser.add_argument("--score", help="only measure these weights, a shipped name or a file, on every image")
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


def folder(plan: Plan, stage: Stage, epochs: int, *, seed: int, glacier: str, work: Path) -> Path:
    """Return where the weights and the state of a stage are kept."""
    return work / "_".join(part for part in (plan.model, str(seed), glacier, f"{stage.name}-{epochs}") if part)


def train_stage(
    stage: Stage,
    epochs: int,
    plan: Plan,
    *,
    seed: int,
    glacier: str,
    options: argparse.Namespace,
    initial: Path | None,
) -> Path:
    """Return the weights that a stage ends with; nothing of the glacier is seen, of no glacier where it is ''."""
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.scenes.datasets.mixture import Mixture
    from glaciertime.scenes.datasets.splits import Split
    from glaciertime.segment.teach.config import TrainConfig
    from glaciertime.segment.teach.sampling import group_weights
    from glaciertime.segment.teach.training import train

    real = LandsatFronts(options.data)
    data = Mixture((real, simulated_scenes(options.simulated, options.work)), (1 - stage.share, stage.share))
    known = [info.glacier != glacier and bool(glacier) for info in real.infos] + [stage.share > 0] * options.simulated
    chosen = [index for index, used in enumerate(known) if used]
    config = TrainConfig(
        data="landsat-fronts",
        root=options.data,
        model=plan.model,
        fold=2,
        loss="front",
        metric="front",
        test=(glacier,) if glacier else (),
        validation_fraction=0.0,
        patch=stage.patch,
        epochs=options.epochs or epochs,
        draws=stage.draws,
        batch=8,
        learning_rate=plan.learning_rate * stage.factor,
        average=0.98,
        precision=plan.precision,
        seed=seed,
        zones="line",
        augmentation=stage.augmentation,
    )
    within = group_weights([data.infos[i] for i in chosen], power=0.5)
    trained = train(
        data,
        config,
        out=folder(plan, stage, epochs, seed=seed, glacier=glacier, work=options.work),
        name=f"{plan.model}-without-{glacier}" if glacier else f"{plan.model}-simulated",
        initial=initial,
        split=Split(train=tuple(chosen), validation=(), test=()),
        draw_weights=list(data.draw_weights(chosen, within=within)),
        progress=False,
    )
    return trained.weights


def train_on_simulated(plan: Plan, options: argparse.Namespace) -> Path:
    """Return the weights of a model that saw simulated scenes alone."""
    return train_stage(SIMULATED, SIMULATED_EPOCHS, plan, seed=0, glacier="", options=options, initial=None)


def measure(
    weights: Path | str, glacier: str, options: argparse.Namespace, *, engine: str = "torch"
) -> list[dict[str, object]]:
    """Return one row per image of the glacier (of all, for ''): its deviation, NaN without a front."""
    from glaciertime.scenes.datasets.landsat_fronts import LandsatFronts
    from glaciertime.segment.predict.engine import load_engine
    from glaciertime.segment.predict.front_line import front_deviation_px, front_pixels
    from glaciertime.segment.predict.prediction import predict_image, zones_from_probability
    from glaciertime.segment.predict.uncertainty import varied

    run, spec = load_engine(weights, engine=engine)
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
    from glaciertime.segment.predict.front_line import front_deviation_px

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
    """Return what the results file holds as lines, with what was published."""
    if not results.is_file():
        return "no results yet"
    published = f"published on a fourth glacier: {PUBLISHED_PX} px; manual tracing errs by {MANUAL_PX} px"
    return f"{lines_of(pd.read_csv(results))}\n{published}"


def lines_of(rows: pd.DataFrame) -> str:
    """Return measured images as lines: per model over all seeds, and per glacier."""
    head = "seeds images  mean (90 % interval)   median  beyond 10 px  without front"
    lines = [f"{'model':29} {'training':36} {'glacier':13} {head}"]
    for (model, training), group in rows.groupby(["model", "training"], sort=False):
        for glacier, part in [*group.groupby("glacier"), ("all", group)]:
            per_image = part.groupby("image")["deviation_px"].mean()
            known = per_image.dropna().to_numpy()
            low, high = bootstrap(known) if len(known) else (math.nan, math.nan)
            lines.append(
                f"{model:29} {training:36} {glacier:13} {part['seed'].nunique():5} {len(per_image):6} "
                f"{known.mean():6.2f} ({low:5.2f} to {high:5.2f}) {np.median(known):8.2f} {int((known > 10).sum()):13} "
                f"{int(part['deviation_px'].isna().sum()):14}"
            )
    return "\n".join(lines)


def append(results: Path, rows: list[dict[str, object]]) -> None:
    frame = pd.DataFrame(rows)[[*KEYS, "deviation_px"]]
    results.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(results, mode="a", header=not results.is_file(), index=False)


def main() -> None:
    options = arguments()
    if options.score:
        rows = pd.DataFrame(measure(options.score, "", options, engine="onnx"))
        print(lines_of(rows.assign(model=options.score, training="as it is", seed=0)))
        return
    if not options.table:
        import torch

        torch.set_num_threads(options.threads)
        done = pd.read_csv(options.results) if options.results.is_file() else pd.DataFrame(columns=KEYS)
        if "level line" not in set(done["model"]):
            common = {"model": "level line", "training": "no image", "seed": 0}
            append(options.results, [{**common, **row} for row in without_an_image(options)])
        for plan in (plan for name in options.models.split(",") for plan in PLANS if plan.model == name):
            initial = train_on_simulated(plan, options)
            keep(plan, 0, "", "simulated alone", lambda weights=initial: weights, options)
            for seed in plan.seeds if options.seeds is None else [int(text) for text in options.seeds.split(",")]:
                for glacier in options.glaciers.split(","):

                    def trained(plan=plan, seed=seed, glacier=glacier, weights=initial) -> Path:
                        for stage, epochs in plan.stages:
                            weights = train_stage(
                                stage, epochs, plan, seed=seed, glacier=glacier, options=options, initial=weights
                            )
                        return weights

                    keep(plan, seed, glacier, plan.training, trained, options)
    print(table(options.results))


def keep(
    plan: Plan, seed: int, glacier: str, training: str, trained: Callable[[], Path], options: argparse.Namespace
) -> None:
    """Train and measure unless the results hold it already."""
    done = pd.read_csv(options.results) if options.results.is_file() else pd.DataFrame(columns=KEYS)
    same = (done["model"] == plan.label) & (done["training"] == training) & (done["seed"] == seed)
    if glacier:
        same &= done["glacier"] == glacier
    if same.any():
        return
    rows = measure(trained(), glacier, options)
    append(options.results, [{"model": plan.label, "training": training, "seed": seed, **row} for row in rows])
    mean = np.nanmean([float(row["deviation_px"]) for row in rows])
    print(f"{plan.label} seed {seed} {training} without {glacier or 'any'}: {mean:.2f} px", flush=True)


if __name__ == "__main__":
    from glaciertime.errors import GlacierTimeError

    try:
        main()
    except GlacierTimeError as error:
        sys.exit(str(error))
