#!/usr/bin/env python
"""Throughput of `train` beside a plain PyTorch loop of the same network, batches, augmentation, loss and optimiser.

    python scripts/bench_training.py --rounds 3 --epochs 2 --steps 20

Contenders take turns in one process, the first of a round alternating; each round builds its network anew, and `train`
writes its weights, history and state after every epoch as it always does. Both begin after the compiled scans have run
once. Nothing is held out in either: a plain loop would have to score the validation part, too. Seconds of the CPU are
compared as well as seconds of the clock, which other programs on the machine lengthen.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from glaciertime.scenes.datasets.mixture import InMemory
from glaciertime.scenes.simulate_images import SimulatedFronts
from glaciertime.segment.architectures.folding import build_network
from glaciertime.segment.losses.registry import build_loss
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.loading import data_loaders
from glaciertime.segment.teach.training import make_split, train

NETWORKS = ("unet-small", "glacier-seg-fast", "glacier-seg")


def plain(data: InMemory, config: TrainConfig) -> None:
    """Train as a script would: network, batches, loss, AdamW under a cosine, the weights saved after every epoch."""
    from glaciertime.segment.normalisation import Normalisation

    torch.manual_seed(config.seed)
    network = build_network(config.model, in_channels=1, classes=2).train()
    loss = build_loss(config.loss)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    batches, _ = data_loaders(data, config, make_split(data, config), Normalisation(), None)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.epochs * len(batches))
    with tempfile.TemporaryDirectory() as folder:
        for epoch in range(config.epochs):
            batches.sampler.set_epoch(epoch)
            total = 0.0
            for image, labels in batches:
                value = loss(network(image), labels.long())
                value.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad()
                schedule.step()
                total += float(value.detach())
            torch.save({"weights": network.state_dict(), "state": optimiser.state_dict()}, Path(folder) / "last.pt")


def ours(data: InMemory, config: TrainConfig) -> None:
    """Train by the package."""
    with tempfile.TemporaryDirectory() as folder:
        train(data, config, out=Path(folder) / "out", progress=False)


def timed(run: Callable[[InMemory, TrainConfig], None], data: InMemory, config: TrainConfig) -> tuple[float, float]:
    """Return seconds of the CPU and of the clock."""
    start = time.process_time(), time.perf_counter()
    run(data, config)
    return time.process_time() - start[0], time.perf_counter() - start[1]


def main() -> None:
    """Time the networks, print a line each and write all rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20, help="an epoch")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, nargs=2, default=[128, 96])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="CSV of all rounds")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(given.threads)
    size = (2 * given.patch[0], 2 * given.patch[1])
    simulated = SimulatedFronts(count=12, size=size, scenes_per_fjord=1)
    data = InMemory(tuple(simulated), bands=simulated.bands, classes=simulated.classes, codes=simulated.codes)
    rows: list[dict[str, object]] = []
    for name in given.networks:
        config = TrainConfig(
            data="simulated", root=Path("."), model=name, epochs=given.epochs, draws=given.batch * given.steps,
            batch=given.batch, patch=tuple(given.patch), validation_fraction=0.0, devices=1, augmentation="default",
        )  # fmt: skip
        brief = config.model_copy(update={"epochs": 1, "draws": 2, "batch": 2})
        plain(data, brief)
        ours(data, brief)
        images = given.epochs * given.batch * given.steps
        for turn in range(given.rounds):
            contenders = [("plain", plain), ("glaciertime", ours)]
            for label, run in contenders if turn % 2 == 0 else contenders[::-1]:
                cpu, clock = timed(run, data, config)
                rows.append(
                    {"network": name, "round": turn, "contender": label, "images": images,
                     "cpu_s": round(cpu, 3), "clock_s": round(clock, 3)}
                )  # fmt: skip
        line = f"{name}: {images} images a turn, {given.rounds} turns each"
        for unit in ("cpu_s", "clock_s"):
            mine, other = (
                np.array([row[unit] for row in rows if (row["network"], row["contender"]) == (name, label)], float)
                for label in ("glaciertime", "plain")
            )
            ratios = mine / other
            line += (
                f"; {unit} {np.median(mine):.1f} against {np.median(other):.1f}, ratio {np.median(ratios):.3f} "
                f"({ratios.min():.3f} to {ratios.max():.3f})"
            )
        print(line, flush=True)
    if given.out:
        with given.out.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
