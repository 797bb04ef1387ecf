"""Compare the LSTM and the Mamba forecaster at equal size: seeds, the use of real gaps, and the number of glaciers.

Both are trained until one date on the glaciers of some folds, and scored on later targets (one to five values ahead)
of the glaciers of the other folds: forward in time, and never on a glacier that was learned from. The relative error
of a series is its mean absolute error over that of its last value; given is the geometric mean over series. Tests
are paired by series: Wilcoxon's signed rank of the log ratio, the mean over seeds taken first, and a bootstrap over
series. Finished runs are kept in a folder, and not repeated.

    python scripts/compare_neural_forecasters.py --data benchmark.csv --out scripts/results --cache runs
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats

from glaciertime.forecast import observations_from_table, series_from_observations
from glaciertime.forecast.learned.networks import QUANTILES, make_network
from glaciertime.forecast.learned.neural_training import predict_examples, train_network
from glaciertime.forecast.learned.sequences import Examples, build_examples
from glaciertime.forecast.series import Series, as_days, as_years

TEST_FOLDS = (0, 1)
LEADS = slice(0, 5)


def one_run(
    cache: Path, name: str, examples: Examples, *, use_gaps: bool, seed: int, glaciers: int, year: float, steps: int
) -> dict[str, np.ndarray]:
    """Return per-series relative error and coverage of one trained network, from the folder if it is there."""
    path = cache / f"{name}-{'dt' if use_gaps else 'steps'}-{seed}-{glaciers}.npz"
    if path.is_file():
        return dict(np.load(path))
    known = examples.known_at(year)
    mine = ~np.isin(examples.fold, TEST_FOLDS)
    pool = np.unique(examples.series[mine & known.any(axis=1)])
    if glaciers:
        pool = np.random.default_rng(seed).permutation(pool)[:glaciers]
    train = mine & np.isin(examples.series, pool)
    network = train_network(name, examples, train=train, known=known, seed=seed, steps=steps, use_gaps=use_gaps)
    index, told = test_rows(examples, year)
    answer = predict_examples(network, examples, index)[:, LEADS]
    target = examples.target[index][:, LEADS].astype(float)
    ahead = np.sqrt(examples.ahead[index][:, LEADS]) * examples.scale[index][:, None]
    error = np.abs(target - answer[..., QUANTILES.index(0.5)]) * ahead
    inside = (target >= answer[..., QUANTILES.index(0.05)]) & (target <= answer[..., QUANTILES.index(0.95)])
    owner = np.broadcast_to(examples.series[index][:, None], told.shape)
    found = {
        "series": np.unique(owner[told]),
        "relative": np.array(
            [error[told & (owner == k)].sum() / (np.abs(target) * ahead)[told & (owner == k)].sum()
             for k in np.unique(owner[told])]
        ),
        "coverage": np.array([inside[told].mean()]),
        "targets": np.array([told.sum()]),
        "learned": np.array([len(pool)]),
    }  # fmt: skip
    np.savez(path, **found)
    return found


def test_rows(examples: Examples, year: float) -> tuple[np.ndarray, np.ndarray]:
    """Return origins after the training date of glaciers not learned from, and which of their targets are scored."""
    scored = np.isfinite(examples.target) & np.isinf(examples.dropped_from)
    late = examples.origin_year >= year
    index = np.flatnonzero(np.isin(examples.fold, TEST_FOLDS) & late & scored[:, LEADS].any(axis=1))
    moved = np.bincount(
        examples.series[index], weights=np.nansum(np.abs(np.where(scored, examples.target, 0))[index], axis=1),
        minlength=int(examples.series.max()) + 1,
    )  # fmt: skip
    index = index[moved[examples.series[index]] > 0]
    return index, scored[index][:, LEADS]


def compare(first: np.ndarray, second: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """Return the ratio of geometric means of relative errors (S,), its 90 % interval, and Wilcoxon's p."""
    gap = np.log(first) - np.log(second)
    drawn = gap[np.random.default_rng(seed).integers(0, len(gap), (4000, len(gap)))].mean(axis=1)
    low, high = np.exp(np.quantile(drawn, [0.05, 0.95]))
    p = float(stats.wilcoxon(gap).pvalue)
    return {"ratio": float(np.exp(gap.mean())), "low": float(low), "high": float(high), "p": p, "series": len(gap)}


def geometric(values: np.ndarray) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.log(np.clip(values, 1e-3, 1e3)).mean()))


def row_of(found: dict[str, np.ndarray], *, model: str, use_gaps: bool, seed: int) -> dict[str, object]:
    """Return one line of the table of runs."""
    return {
        "model": model, "gaps": use_gaps, "seed": seed, "glaciers": int(found["learned"][0]),
        "relative": geometric(found["relative"]), "coverage90": float(found["coverage"][0]),
    }  # fmt: skip


def main() -> None:
    """Train what is missing, compare, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--collection", default="Leclercq", help="start of the source that is learned from and scored")
    parser.add_argument("--until", default="1990-01-01")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=80, help="optimiser steps of every run")
    parser.add_argument("--curve", default="8,16,32", help="numbers of glaciers of the learning curve, besides all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    plain = pd.read_csv(arguments.data)
    plain = plain[plain["source"].str.startswith(arguments.collection)]
    series: list[Series] = series_from_observations(observations_from_table(plain))
    year = float(as_years(as_days([arguments.until]))[0])
    sets = {True: build_examples(series), False: build_examples(series, use_gaps=False)}
    common = {"year": year, "steps": arguments.steps}
    kept: dict[tuple[str, bool], list[dict[str, np.ndarray]]] = {}
    index, told = test_rows(sets[True], year)
    rows = []
    for seed in range(arguments.seeds):
        for name in ("lstm", "mamba"):
            for use_gaps in (True, False):
                found = one_run(
                    arguments.cache, name, sets[use_gaps], use_gaps=use_gaps, seed=seed, glaciers=0, **common
                )
                kept.setdefault((name, use_gaps), []).append(found)
                rows.append(row_of(found, model=name, use_gaps=use_gaps, seed=seed))
                print(rows[-1], flush=True)
    for count in [int(text) for text in arguments.curve.split(",") if text]:
        for name in ("lstm", "mamba"):
            found = one_run(arguments.cache, name, sets[True], use_gaps=True, seed=0, glaciers=count, **common)
            rows.append(row_of(found, model=name, use_gaps=True, seed=0))
            print(rows[-1], flush=True)
    mean = {key: np.exp(np.mean([np.log(np.clip(run["relative"], 1e-3, 1e3)) for run in runs], axis=0))
            for key, runs in kept.items()}  # fmt: skip
    tests = {
        "mamba over lstm, with gaps": compare(mean["mamba", True], mean["lstm", True]),
        "mamba over lstm, without gaps": compare(mean["mamba", False], mean["lstm", False]),
        "lstm with gaps over without": compare(mean["lstm", True], mean["lstm", False]),
        "mamba with gaps over without": compare(mean["mamba", True], mean["mamba", False]),
    }
    sizes = {name: sum(p.numel() for p in make_network(name).parameters()) for name in ("lstm", "mamba")}
    result = {
        "collection": arguments.collection, "trained_until": arguments.until, "steps": arguments.steps,
        "parameters": sizes, "test_origins": len(index), "test_targets": int(told.sum()), "runs": rows, "tests": tests,
    }  # fmt: skip
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "neural_forecasters.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(tests, indent=1))


if __name__ == "__main__":
    main()
