"""Whether explanations of networks show what decides, on a task whose answer is known: the front of simulated scenes.

A convolutional, an attention and a Mamba network are taught on simulated scenes (ocean and glacier; simulated, no
observation) in rounds, each of new scenes, and Grad-CAM of the front is drawn of each on scenes that it has not seen.
What decides where a front lies is along it: at least half of the map's mass should lie within 10 pixels of the front
that the network sees, and three times as much as with random weights; beside it stands the same of the front that was
simulated, which is less where the network is wrong. The scenes that are explained are larger than those that were
learned from, so that a strip of 10 pixels is a small part of them. Which maps Grad-CAM shows was chosen on five scenes
of seed 500. The three are then merged by mean, and by the same held-out scenes it is asked whether they disagree more
where they are wrong. Networks and rows that are there are not made again.

    python scripts/check_explanations.py --runs runs --out scripts/results
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from torch.nn import functional

from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.scenes.simulate_images import SimulatedFronts
from glaciertime.segment.architectures.folding import build_network
from glaciertime.segment.architectures.registry import model_names
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.explain.attribution import (
    grad_cam,
    integrated_gradients,
    occlusion,
    permutation,
    saliency,
)
from glaciertime.segment.explain.explanation import Explainer, mass_near_front, random_network
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.predict.engine import torch_engine
from glaciertime.segment.predict.front_line import front_pixels
from glaciertime.segment.predict.merging import merge_pixels, parse_merge, unite
from glaciertime.segment.predict.prediction import predict_image, zones_from_probability
from glaciertime.segment.predict.weights import load_model, save_model

NETWORKS = {"convolution": "unet-small", "attention": "segformer-b0", "Mamba": "glacier-seg-fast"}
SIZE, SHOWN_SIZE = (160, 160), (256, 256)
HELD_OUT_SEED = 1000


def teach(model: str, path: Path, *, before: Path | None, steps: int, scenes: int, seed: int) -> None:
    """Teach a network the zones of simulated scenes, from where another round left it, and write it."""
    torch.manual_seed(seed)
    spec = ModelSpec(
        name=f"simulated-{model}", model=model, bands=("grey",), classes=("glacier", "ocean"), codes=(127, 254),
        normalisation=Normalisation(kind="image", row_band=True), patch_px=512,
        trained_on=f"{scenes} simulated optical scenes; no real image",
    )  # fmt: skip
    network = load_model(before)[0] if before else build_network(model, in_channels=spec.channels, classes=2)
    network = network.train()
    data = SimulatedFronts(scenes, "optical", size=SIZE, seed=seed)
    held = [data[k] for k in range(scenes)]
    images = torch.from_numpy(np.stack([spec.normalisation.apply(one.image) for one in held]))
    labels = torch.from_numpy(np.stack([one.labels for one in held]).astype(np.int64))
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    rate = 2e-3 if before is None else 1e-3
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        chosen = torch.from_numpy(rng.integers(0, scenes, 4))
        batch, wanted = images[chosen], labels[chosen]
        if rng.random() < 0.5:
            batch, wanted = batch.flip(-1), wanted.flip(-1)
        loss = functional.cross_entropy(network(batch), wanted, ignore_index=255)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 25 == 0:
            print(f"{model}: step {step}, loss {loss.item():.3f}", flush=True)
    save_model(network.eval(), spec, path, overwrite=True)


def round_path(model: str, runs: Path, number: int) -> Path:
    """Return where a round of a network lies."""
    return runs / f"{model}-{number}.safetensors"


def last_round(model: str, runs: Path, rounds: int, *, steps: int, scenes: int) -> Path:
    """Return the network of the last round, teaching the rounds that are missing."""
    for number in range(rounds):
        path, before = round_path(model, runs, number), round_path(model, runs, number - 1)
        if not path.is_file():
            teach(model, path, before=before if number else None, steps=steps, scenes=scenes, seed=number)
    return path


def explain_one(path: Path, image: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return how much of Grad-CAM's mass lies along the front, with the weights learned and with random ones."""
    network, spec = load_model(path)
    run, _ = torch_engine(path)
    made = Explainer(spec, run, network).explain(image, method="grad-cam", target="front")
    random, _ = random_network(spec, seed=0)
    truth = np.where(labels == 0, 127, np.where(labels == 255, 0, 254)).astype(np.uint8)
    simulated = ndimage.distance_transform_edt(~front_pixels(truth)) <= 10
    shown = spec.normalisation.apply(image)
    of_random = grad_cam(random, shown, weights=made.target.weights, place_by_place=True)
    by_chance = mass_near_front(made, heat=np.ones_like(of_random))
    seen = labels != 255
    right = np.where(labels == 0, 127, 254)[seen] == made.zones[seen]
    return {
        "within_10_px": mass_near_front(made), "random_within_10_px": mass_near_front(made, heat=of_random),
        "within_10_px_of_simulated": float(made.heat[simulated].sum() / made.heat.sum()),
        "random_within_10_px_of_simulated": float(of_random[simulated].sum() / of_random.sum()),
        "area_within_10_px": by_chance, "rank_correlation": made.sanity.correlation, "accuracy": float(right.mean()),
    }  # fmt: skip


def check_architectures(side: int = 64) -> pd.DataFrame:
    """Return which method explains which architecture, of random weights: ``yes``, or why not."""
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (1, side, side)).astype(np.float32)
    rows = []
    for name in model_names():
        spec = ModelSpec(name=name, model=name, bands=("grey",), classes=("glacier", "ocean"), codes=(127, 254))
        row = {"model": name}
        try:
            network, run = random_network(spec, seed=0)
            weights = np.zeros((2, side, side), np.float32)
            weights[0, : side // 2], weights[1, side // 2 :] = 1 / side**2, 1 / side**2
        except GlacierTimeError as error:
            rows.append({**row, "grad-cam": str(error)})
            continue
        ways = {
            "grad-cam": lambda net, _, w: grad_cam(net, image, weights=w, place_by_place=True),
            "saliency": lambda net, _, w: saliency(net, image, weights=w),
            "integrated-gradients": lambda net, _, w: integrated_gradients(net, image, weights=w, steps=2),
            "occlusion": lambda _, engine, w: occlusion(image, run=engine, weights=w, patch_px=side // 2),
            "permutation": lambda _, engine, w: permutation(image, run=engine, weights=w, channels=1, draws=1),
        }
        for method, way in ways.items():
            try:
                found = way(network, run, weights)
            except GlacierTimeError as error:
                row[method] = str(error)
            else:
                row[method] = "yes" if np.isfinite(found).all() and np.ptp(found) >= 0 and found.any() else "nothing"
        print(row, flush=True)
        rows.append(row)
    return pd.DataFrame(rows)


def check_merging(paths: list[Path], held: SimulatedFronts) -> pd.DataFrame:
    """Return how much the networks disagree where their mean is right and where it is wrong, by held-out scene."""
    engines = [torch_engine(path) for path in paths]
    united = unite([spec for _, spec in engines], parse_merge("mean"))
    rows = []
    for sample in held:
        probabilities = [predict_image(sample.image, run=run, spec=spec) for run, spec in engines]
        masks = [zones_from_probability(p, spec=spec) for p, (_, spec) in zip(probabilities, engines, strict=True)]
        made = merge_pixels(united, probabilities, masks)
        seen = sample.labels != 255
        truth = np.where(sample.labels == 0, 127, 254)
        wrong, right = seen & (made.zones != truth), seen & (made.zones == truth)
        rows.append(
            {
                "image": sample.info.name, "wrong_share": wrong.sum() / seen.sum(),
                "disagreement_wrong": made.disagreement[wrong].mean() if wrong.any() else np.nan,
                "disagreement_right": made.disagreement[right].mean(),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    """Teach what is missing, explain what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the networks")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=2, help="of teaching")
    parser.add_argument("--steps", type=int, default=320, help="of a round")
    parser.add_argument("--scenes", type=int, default=120, help="of a round")
    parser.add_argument("--images", type=int, default=10, help="held-out scenes")
    parser.add_argument("--architectures", action="store_true", help="try every method on every architecture, and stop")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.runs.mkdir(parents=True, exist_ok=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.architectures:
        table = check_architectures()
        table.to_csv(arguments.out / "explained_architectures.csv", index=False, lineterminator="\n")
        return
    held = SimulatedFronts(arguments.images, "optical", size=SHOWN_SIZE, seed=HELD_OUT_SEED, scenes_per_fjord=1)
    table = arguments.runs / "explanations.csv"
    rows = pd.read_csv(table).to_dict("records") if table.is_file() else []
    done = {(row["network"], row["image"]) for row in rows}
    for kind, model in NETWORKS.items():
        path = last_round(model, arguments.runs, arguments.rounds, steps=arguments.steps, scenes=arguments.scenes)
        for sample in held:
            if (kind, sample.info.name) in done:
                continue
            try:
                found = explain_one(path, sample.image, sample.labels)
            except InputError as error:
                # The network sees no front there: the row stays, and says nothing of its explanation.
                print(f"{model}, {sample.info.name}: {error}", flush=True)
                found = {}
            rows.append({"network": kind, "model": model, "image": sample.info.name, **found})
            pd.DataFrame(rows).to_csv(table, index=False)
    explained = pd.DataFrame(rows).round(4)
    explained.to_csv(arguments.out / "explanations.csv", index=False, lineterminator="\n")
    means = explained.groupby("network", sort=False).mean(numeric_only=True)
    for front in ("", "_of_simulated"):
        means[f"times_random{front}"] = means[f"within_10_px{front}"] / means[f"random_within_10_px{front}"]
    print(means.round(3).to_string())
    paths = [round_path(model, arguments.runs, arguments.rounds - 1) for model in NETWORKS.values()]
    merged = check_merging(paths, held)
    merged.round(4).to_csv(arguments.out / "merged_disagreement.csv", index=False, lineterminator="\n")
    print(merged.mean(numeric_only=True).round(4).to_string())


if __name__ == "__main__":
    main()
