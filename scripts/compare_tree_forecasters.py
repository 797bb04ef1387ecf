"""Learning curve of the boosted trees against the number of glaciers, and what the real gaps between dates add.

Trained on targets up to one date of the glaciers of some folds, and scored on later origins (one to five values
ahead) of the glaciers of the other folds, as in ``compare_neural_forecasters.py``. The relative error of a series is
its mean absolute error over that of its last value; given is the geometric mean over series. "Without gaps" hides the
time ahead, the last gap and the length of the record from the trees and from the straight line under them; the rates
they see are still per year. Tests are paired by series, the mean over seeds taken first.

    python scripts/compare_tree_forecasters.py --data benchmark.csv --out scripts/results
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from glaciertime.forecast import observations_from_table, series_from_observations
from glaciertime.forecast.learned.bank import build_bank, fold_of
from glaciertime.forecast.learned.gbm import MIN_ROWS, GlobalTrees
from glaciertime.forecast.learned.past import OriginRow, describe_origin
from glaciertime.forecast.screening import on_straight_line
from glaciertime.forecast.series import Series, as_days, as_years

TEST_FOLDS = (0, 1)
MIN_HISTORY = 8
AHEAD = 5


def questions_of(series_list: list[Series], year: float) -> tuple[list[OriginRow], list[str], list[np.ndarray]]:
    """Return every origin after the training date of the glaciers not learned from, and what came after each."""
    rows, names, targets = [], [], []
    for series in series_list:
        straight = on_straight_line(series)
        for origin in range(MIN_HISTORY - 1, len(series) - 1):
            if series.years[origin] < year:
                continue
            after = slice(origin + 1, origin + 1 + AHEAD)
            history = series.take(slice(0, origin + 1))
            row = describe_origin(history, series.dates[after])
            change = (series.values[after] - row.last) / row.scale
            change[straight[after]] = np.nan
            rows.append(row)
            names.append(series.glacier)
            targets.append(change)
    return rows, names, targets


def relative_errors(
    rows: list[OriginRow], names: list[str], targets: list[np.ndarray], answers: dict[str, list[np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return the relative error per series of every kind of answer."""
    keys = sorted(set(names))
    sums = {kind: dict.fromkeys(keys, 0.0) for kind in (*answers, "last")}
    for place, (row, name, target) in enumerate(zip(rows, names, targets, strict=True)):
        sums["last"][name] += float(np.nansum(np.abs(target)) * row.scale)
        for kind, given in answers.items():
            # An answer that is missing would count as no error, and the last value in full.
            if np.isnan(given[place][np.isfinite(target)]).any():
                raise SystemExit(f"{kind} gave no answer for {name}; train on more glaciers, or from a later year")
            sums[kind][name] += float(np.nansum(np.abs(target - given[place])) * row.scale)
    moved = [name for name in keys if sums["last"][name] > 0]
    return {kind: np.array([sums[kind][name] / sums["last"][name] for name in moved]) for kind in answers}


def geometric(values: np.ndarray) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.log(np.clip(values, 1e-3, 1e3)).mean()))


def paired(first: list[np.ndarray], second: list[np.ndarray]) -> dict[str, float]:
    """Return the ratio of geometric means, its 90 % interval over series, and Wilcoxon's p."""
    gap = np.mean([np.log(np.clip(run, 1e-3, 1e3)) for run in first], axis=0)
    gap = gap - np.mean([np.log(np.clip(run, 1e-3, 1e3)) for run in second], axis=0)
    drawn = gap[np.random.default_rng(0).integers(0, len(gap), (4000, len(gap)))].mean(axis=1)
    low, high = np.exp(np.quantile(drawn, [0.05, 0.95]))
    return {"ratio": float(np.exp(gap.mean())), "low": float(low), "high": float(high),
            "p": float(stats.wilcoxon(gap).pvalue), "series": len(gap)}  # fmt: skip


def main() -> None:
    """Train, score and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--collection", default="Leclercq", help="start of the source that is learned from and scored")
    parser.add_argument("--until", default="1990-01-01")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--curve", default="8,16,32", help="numbers of glaciers, besides all")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    plain = pd.read_csv(arguments.data)
    plain = plain[plain["source"].str.startswith(arguments.collection)]
    series = series_from_observations(observations_from_table(plain))
    year = float(as_years(as_days([arguments.until]))[0])
    tested = [one for one in series if fold_of(one.glacier) in TEST_FOLDS]
    learned = [one for one in series if fold_of(one.glacier) not in TEST_FOLDS]
    rows, names, targets = questions_of(tested, year)
    cutoffs = np.full(len(rows), year)
    runs, kept = [], {}
    sizes = [int(text) for text in arguments.curve.split(",") if text]
    for seed in range(arguments.seeds):
        for count in (*sizes, 0):
            mixed = np.random.default_rng(seed).permutation(len(learned))
            some = [learned[k] for k in (mixed[:count] if count else mixed)]
            bank = build_bank(some, jobs=arguments.jobs)
            for use_gaps in (True, False) if count == 0 else (True,):
                trees = GlobalTrees(bank, seed=seed, use_gaps=use_gaps)
                changes, counts = trees.forecast(rows, names, cutoffs, jobs=arguments.jobs)
                if min(counts) < MIN_ROWS:
                    continue
                found = {"linear": [line for line, _ in changes], "gbm": [grown for _, grown in changes]}
                errors = relative_errors(rows, names, targets, found)
                for model, values in errors.items():
                    runs.append({"model": model, "gaps": use_gaps, "seed": seed, "glaciers": len(some),
                                 "rows": min(counts), "relative": geometric(values)})  # fmt: skip
                    print(runs[-1], flush=True)
                    if count == 0:
                        kept.setdefault((model, use_gaps), []).append(values)
    tests = {f"{model} with gaps over without": paired(kept[model, True], kept[model, False])
             for model in ("gbm", "linear")}  # fmt: skip
    result = {"collection": arguments.collection, "trained_until": arguments.until, "test_series": len(set(names)),
              "test_origins": len(rows), "runs": runs, "tests": tests}  # fmt: skip
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "tree_forecasters.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(tests, indent=1))


if __name__ == "__main__":
    main()
