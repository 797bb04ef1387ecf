"""Train the forecasters over many glaciers that the package ships, and write them with their cards.

For every network and training cutoff, one set of weights per group of glaciers, which has not seen that group, so that
a glacier is never forecast by weights that were trained on it. Series of a collection that may not be passed on take
no part. A set that exists with the same settings is kept: a run that was stopped goes on where it ended.

    python scripts/train_forecast_weights.py --data benchmark.csv --out glaciertime/forecast/shipped
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from glaciertime.forecast import observations_from_table, series_from_observations
from glaciertime.forecast.learned.networks import QUANTILES, ChangeNetwork
from glaciertime.forecast.learned.neural_training import export_network, graph_of, train_network
from glaciertime.forecast.learned.sequences import CONTEXT, LENGTH, STEP, build_examples
from glaciertime.forecast.series import as_days, as_years

#: Folds of glaciers that a set of weights has not seen; together, all of them.
GROUPS = {"a": (0, 2, 4), "b": (1, 3)}
SOURCES = {
    "Leclercq et al. 2014": "lengths of glaciers, doi:10.5194/tc-8-659-2014",
    "Greene et al. 2022": "areas of ice shelves, doi:10.1038/s41586-022-05037-w, MIT",
}


def kept_graph(network: ChangeNetwork, name: str, folder: Path | None) -> object:
    """Return the network's graph without weights, from the folder if it is there."""
    import onnx

    path = None if folder is None else folder / f"graph-{name}.onnx"
    if path is not None and path.is_file():
        return onnx.load(path)
    graph = graph_of(network)
    if path is not None:
        path.write_bytes(graph.SerializeToString())
    return graph


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="CSV: source, glacier, date, variable, value, unit")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", default="lstm,mamba")
    parser.add_argument("--until", default="1990-01-01,2010-01-01", help="training cutoffs")
    parser.add_argument("--steps", type=int, default=80, help="optimiser steps of each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--groups", default="a,b", help="groups to leave out, to share the work between processes")
    parser.add_argument("--graphs", type=Path, help="folder that keeps the exported graphs without weights")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    plain = pd.read_csv(arguments.data)
    known_source = plain["source"].map(lambda text: next((name for name in SOURCES if text.startswith(name)), ""))
    plain = plain[known_source != ""]
    digest = hashlib.sha256(pd.util.hash_pandas_object(plain, index=False).to_numpy().tobytes()).hexdigest()[:16]
    series = series_from_observations(observations_from_table(plain))
    examples = build_examples(series)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.models.split(","):
        graph = None
        for until in arguments.until.split(","):
            year = float(as_years(as_days([until]))[0])
            known = examples.known_at(year)
            learned = np.unique(examples.series[known.any(axis=1)])
            settings = {
                "model": name, "trained_until": until, "optimiser_steps": arguments.steps, "seed": arguments.seed,
                "data": digest, "steps": LENGTH, "channels": list(STEP), "context": list(CONTEXT),
                "quantiles": list(QUANTILES),
            }  # fmt: skip
            for group in arguments.groups.split(","):
                left_out = np.isin(examples.fold, GROUPS[group])
                path = arguments.out / f"{name}-{until}-{group}.onnx"
                card_path = path.with_suffix(".json")
                card = {**settings, "left_out_folds": list(GROUPS[group])}
                if path.is_file() and card_path.is_file():
                    held = json.loads(card_path.read_text())
                    if all(held.get(key) == value for key, value in card.items()):
                        print(f"{path.name}: kept")
                        continue
                start = time.perf_counter()
                network = train_network(
                    name,
                    examples,
                    train=~left_out,
                    known=known,
                    seed=arguments.seed,
                    steps=arguments.steps,
                )
                card |= {
                    "series": len(np.setdiff1d(learned, examples.series[left_out])),
                    "origins": int((known.any(axis=1) & ~left_out).sum()),
                    "parameters": sum(value.numel() for value in network.parameters()),
                    "trained_on": SOURCES,
                    "left_out": "glaciers whose name falls into left_out_folds, see glaciertime.forecast.learned.bank",
                    "licence": "MIT; made from the series named under trained_on",
                }
                graph = kept_graph(network, name, arguments.graphs) if graph is None else graph
                size = export_network(network, path, graph=graph, card=card, overwrite=True)
                card_path.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
                print(f"{path.name}: {size} bytes, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
