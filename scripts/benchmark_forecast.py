"""Score every forecaster on collections of real series, beside the statistical baselines of statsforecast.

Protocol: at least 20 values up to an origin, up to six origins five observations apart, counted back from the end;
the next five observations are scored at their true dates, interpolated ones never. A series shorter than 26 has at
least 12 values before an origin and four origins two apart. The relative error is a series' mean absolute error
over that of the last value on the same targets, the ratio clipped to 0.001..1000, and its geometric mean over series.

The baselines (names in ``statsforecast-*``) see the values in order as if they were evenly spaced, which is how that
package takes them. The judged model is ``auto``: its mixes and trees are of the other glaciers, up to each cutoff. How
fast past errors are forgotten, how much wider intervals are for the years' common weather, and what an error's size on
either side is learned from, was set on the lengths without their last 30 values (``--without-last 30``, with more
origins), so before the scored targets; the form was tried out on the areas.

    python scripts/benchmark_forecast.py --data benchmark.csv --json scores.json
    python scripts/benchmark_forecast.py --data benchmark.csv --json scores.json --models last,drift,auto --jobs 2
    python scripts/benchmark_forecast.py --data benchmark.csv --json scores.json --models all
    python scripts/benchmark_forecast.py --data benchmark.csv --models auto --no-baselines --without-last 30
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from glaciertime.errors import GlacierTimeError
from glaciertime.forecast import (
    DEFAULT_LEVELS,
    Backtest,
    Origins,
    flag_interpolated,
    model_names,
    observations_from_table,
    run_backtest,
    series_from_observations,
)
from glaciertime.forecast.judged.metrics import covered, interval_score, relative_error
from glaciertime.forecast.prediction import quantiles_of
from glaciertime.tables import SERIES_KEY

LONG = Origins(min_train=20, step=5, limit=6, ahead=5)
SHORT = Origins(min_train=12, step=2, limit=4, ahead=5)
LEADS = (1, 2, 3, 4, 5)
BASELINES = ("last", "statsforecast-drift", "statsforecast-theta", "statsforecast-ets", "statsforecast-arima")
# Its state-space fits alone take longer than all others together; statsforecast has its own among the baselines.
SLOW = ("arima",)
MEDIAN = "statsforecast-median"
# What auto is mixed from.
PARTS = ("last", "drift", "kalman", "linear", "gbm")


def origins_of(series):
    return LONG if len(series) >= 26 else SHORT


def baseline_quantiles(values: np.ndarray) -> dict[str, np.ndarray]:
    """Quantiles (5, Q) of each baseline, the values taken as evenly spaced."""
    from statsforecast.models import AutoARIMA, AutoETS, RandomWalkWithDrift, Theta

    makers = {
        "statsforecast-drift": lambda: RandomWalkWithDrift(),
        "statsforecast-theta": lambda: Theta(season_length=1),
        "statsforecast-ets": lambda: AutoETS(season_length=1),
        "statsforecast-arima": lambda: AutoARIMA(season_length=1),
    }
    quantiles = quantiles_of(DEFAULT_LEVELS)
    found = {}
    for name, make in makers.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                got = make().forecast(y=values.astype(float), h=5, level=[100 * level for level in DEFAULT_LEVELS])
            columns = []
            for q in quantiles:
                level = 100 * abs(1 - 2 * q)
                key = "mean" if abs(q - 0.5) < 1e-9 else f"{'lo' if q < 0.5 else 'hi'}-{level:.6g}"
                key = (
                    key if key in got else next(k for k in got if k[:2] == key[:2] and abs(float(k[3:]) - level) < 1e-6)
                )
                columns.append(np.asarray(got[key], dtype=float))
            found[name] = np.sort(np.column_stack(columns), axis=1)
        except Exception as error:
            print(f"{name} failed: {type(error).__name__}: {error}", file=sys.stderr)
            found[name] = np.full((5, len(quantiles)), np.nan)
    return found


def add_baselines(result: Backtest, series_list, jobs: int) -> Backtest:
    """The backtest with the baselines' forecasts of the same origins and targets added."""
    by_key = {series.key: series for series in series_list}
    template = result.rows[result.rows["model"] == result.rows["model"].iloc[0]]
    tasks = template.drop_duplicates([*SERIES_KEY, "cutoff"])
    histories = {}
    for row in tasks.itertuples():
        series = by_key[tuple(getattr(row, name) for name in SERIES_KEY)]
        histories[(series.key, row.cutoff)] = series.until(row.cutoff).values
    with ProcessPoolExecutor(jobs) as pool:
        answers = dict(zip(histories, pool.map(baseline_quantiles, histories.values(), chunksize=8), strict=True))
    is_last = (result.rows["model"] == "last").to_numpy()
    values_of_last = result.values[is_last]
    rows, values = [result.rows], [result.values]
    names = [name for name in BASELINES if name != "last"]
    stacked = {}
    for name in [*names, MEDIAN]:
        matrix = np.empty((len(template), len(result.quantiles)))
        for i, row in enumerate(template.itertuples()):
            key = tuple(getattr(row, name) for name in SERIES_KEY)
            if name == MEDIAN:
                matrix[i] = np.median([stacked[each][i] for each in names], axis=0)
            else:
                matrix[i] = answers[(key, row.cutoff)][name][int(row.horizon.split()[1]) - 1]
        if len(values_of_last) and template["variable"].eq("area_km2").all():
            matrix = np.maximum(matrix, 0.0)
        stacked[name] = matrix
        failed = ~np.isfinite(matrix).all(axis=1)
        rows.append(template.assign(model=name, forecast=matrix[:, len(result.quantiles) // 2],
                                    status=np.where(failed, "failed", "ok")))  # fmt: skip
        values.append(matrix)
    return Backtest(pd.concat(rows, ignore_index=True), result.quantiles, np.concatenate(values))


def without_last(series_list, count: int):
    """The series without their last values, those that are left with too few for an origin and its targets left out."""
    short = [series.take(slice(0, max(len(series) - count, 0))) for series in series_list]
    return [series for series in short if len(series) and origins_of(series).indices(series)]


def run_all(series_list, models, jobs, progress) -> Backtest:
    if not any(origins_of(series).indices(series) for series in series_list):
        raise SystemExit("no series is long enough: at least 17 values are needed (12 before an origin, five after)")
    return run_backtest(series_list, models=models, horizons=LEADS, origins=origins_of, jobs=jobs, progress=progress)


def scored(result: Backtest) -> pd.DataFrame:
    """The rows with error, interval score and cover; beside them those of the last value at the same target."""
    lower, upper = result.bounds(0.9)
    rows = result.rows
    observed, failed = rows["observed"].to_numpy(), (rows["status"] != "ok").to_numpy()
    rows = rows.assign(
        error=np.where(failed, np.nan, np.abs(rows["forecast"] - rows["observed"])),
        inside=np.where(failed, np.nan, covered(observed, lower, upper)),
        score=np.where(failed, np.nan, interval_score(observed, lower, upper, level=0.9)),
        lead=rows["horizon"].str.split().str[1], failed=failed.astype(int),
    )  # fmt: skip
    target = [*SERIES_KEY, "horizon", "cutoff", "target_date"]
    last = rows[rows["model"] == "last"].set_index(target)[["error", "score"]].add_suffix("_last")
    out = rows.join(last, on=target)
    # A model that failed is compared on the targets that it has, not with the last value on all.
    out.loc[failed, ["error_last", "score_last"]] = np.nan
    return out


def per_series(result: Backtest) -> pd.DataFrame:
    """One row per series, model and lead (and 'all'): mae, that of last on the same targets, coverage, counts."""
    rows = scored(result)
    both = pd.concat([rows, rows.assign(lead="all")])
    keys = ["dataset", "variable", "glacier", "model", "lead"]
    return both.groupby(keys, sort=False).agg(
        mae=("error", "mean"), mae_last=("error_last", "mean"), inside_sum=("inside", "sum"),
        inside_n=("inside", "count"), score=("score", "mean"), score_last=("score_last", "mean"),
        n_origins=("cutoff", "nunique"), n_failed=("failed", "sum"),
    ).reset_index()  # fmt: skip


def with_ratio(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        ratio=relative_error(table["mae"], table["mae_last"]),
        score_ratio=relative_error(table["score"], table["score_last"]),
    )


def log_ratios(result: Backtest, model: str, reference: str) -> np.ndarray:
    """Log errors of a model over those of another, per series, on the targets that both forecast, (S,)."""
    rows = scored(result)
    keys = ["glacier", "method", "footprint", "horizon", "cutoff", "target_date"]
    mine, other = (rows[rows["model"] == name].set_index(keys)["error"] for name in (model, reference))
    both = pd.concat({"mine": mine, "other": other}, axis=1).dropna()
    sums = both.groupby(["glacier", "method", "footprint"], sort=False).mean()
    return np.log(relative_error(sums["mine"], sums["other"]))


def summarise(table: pd.DataFrame) -> list[dict]:
    found = []
    for (dataset, variable, lead, model), rows in table.groupby(["dataset", "variable", "lead", "model"], sort=False):
        ratio = rows["ratio"].dropna()
        n = rows["inside_n"].sum()
        found.append({
            "dataset": dataset, "variable": variable, "lead": int(lead) if lead != "all" else "all", "model": model,
            "rel_mae": round(float(np.exp(np.log(ratio).mean())), 6) if len(ratio) else None,
            "coverage90": round(float(rows["inside_sum"].sum() / n), 6) if n else None,
            "n_series": len(ratio), "n_origins": int(rows["n_origins"].sum()),
            "n_failed": int(rows["n_failed"].sum()),
        })  # fmt: skip
    return found


def bootstrap(logs: np.ndarray, *, count: int = 2000, seed: int = 0) -> np.ndarray:
    """Means of resampled series, (count,)."""
    draws = np.random.default_rng(seed).integers(0, len(logs), (count, len(logs)))
    return logs[draws].mean(axis=1)


def print_collection(result: Backtest, table: pd.DataFrame, dataset: str, variable: str) -> None:
    part = table[(table["dataset"] == dataset) & (table["variable"] == variable)]
    print(f"\n{dataset}, {variable}: {part['glacier'].nunique()} series")
    whole = part[part["lead"] == "all"]
    best = min((name for name in (*BASELINES, MEDIAN) if name in set(whole["model"])),
               key=lambda name: np.log(whole.loc[whole["model"] == name, "ratio"]).mean())  # fmt: skip
    ours = (result.rows["dataset"] == dataset) & (result.rows["variable"] == variable)
    here = Backtest(result.rows[ours], result.quantiles, result.values[ours])
    print(f"{'model':24s} {'lead 1':>7s} {'lead 2':>7s} {'lead 5':>7s} {'all':>7s} {'95 % interval':>15s} "
          f"{'cover':>6s} {'IS/last':>8s} {'worse':>6s} {'failed':>6s}  against {best}")  # fmt: skip
    for model in dict.fromkeys(whole["model"]):
        mine = part[part["model"] == model]
        cells = []
        for lead in ("1", "2", "5", "all"):
            cells.append(np.exp(np.log(mine.loc[mine["lead"] == lead, "ratio"].dropna()).mean()))
        rows = mine[mine["lead"] == "all"].set_index("glacier")
        logs = np.log(rows["ratio"].dropna())
        if len(logs) == 0:
            print(f"{model:24s} no forecast: {int(rows['n_failed'].sum())} failed")
            continue
        low, high = np.exp(np.quantile(bootstrap(logs.to_numpy()), [0.025, 0.975]))
        cover = rows["inside_sum"].sum() / max(rows["inside_n"].sum(), 1)
        score = np.exp(np.log(rows["score_ratio"].dropna()).mean())
        difference = log_ratios(here, model, best)
        p = float((bootstrap(difference) >= np.log(1.0)).mean())
        print(f"{model:24s} " + " ".join(f"{cell:7.3f}" for cell in cells)
              + f"   {low:.3f}..{high:.3f} {cover:6.3f} {score:8.3f} {(difference > 0).mean():6.2f} "
              + f"{int(rows['n_failed'].sum()):6d}  {np.exp(difference.mean()):.3f} (p {p:.3f})")  # fmt: skip


def by_target(result: Backtest, dataset: str, variable: str) -> dict[str, np.ndarray] | None:
    """Sums of absolute errors per model, (series, target dates); None where a model without failures is missing."""
    rows = result.rows[(result.rows["dataset"] == dataset) & (result.rows["variable"] == variable)]
    good = rows.groupby("model")["status"].agg(lambda status: (status == "ok").all())
    rows = rows[rows["model"].map(good)].assign(error=lambda table: np.abs(table["forecast"] - table["observed"]))
    if "last" not in set(rows["model"]):
        return None
    grid = rows.pivot_table(index=["model", "glacier"], columns="target_date", values="error", aggfunc="sum")
    return {model: grid.loc[model].to_numpy() for model in dict.fromkeys(rows["model"])}


def mean_logs(errors: np.ndarray, last: np.ndarray, counts: np.ndarray, draws: np.ndarray | None) -> np.ndarray:
    """Means over series of log relative errors, (B,), with target dates counted (B, dates) and series drawn (B, S)."""
    sums, base = np.nan_to_num(errors) @ counts.T, np.nan_to_num(last) @ counts.T
    logs = np.log(relative_error(sums, base)).T
    return (logs if draws is None else np.take_along_axis(logs, draws, axis=1)).mean(axis=1)


def print_dates_drawn(result: Backtest, dataset: str, variable: str, *, count: int = 2000, seed: int = 0) -> None:
    """Intervals with dates drawn too: blocks of five of them for one glacier, epochs where all series share them."""
    found = by_target(result, dataset, variable)
    if found is None:
        return
    last = found["last"]
    n_series, n_dates = last.shape
    rng = np.random.default_rng(seed)
    if n_series == 1:
        length = min(5, n_dates)
        starts = rng.integers(0, n_dates - length + 1, (count, -(-n_dates // length)))
        picks = (starts[..., None] + np.arange(length)).reshape(count, -1)[:, :n_dates]
        series, what = None, f"{length} successive target dates drawn as a block, of {n_dates}"
    elif np.isfinite(last).all():
        picks = rng.integers(0, n_dates, (count, n_dates))
        series, what = rng.integers(0, n_series, (count, n_series)), f"{n_dates} target dates drawn, and series"
    else:
        return
    counts = np.zeros((count, n_dates))
    np.add.at(counts, (np.arange(count)[:, None], picks), 1.0)
    drawn = {model: mean_logs(errors, last, counts, series) for model, errors in found.items()}
    everything = np.ones((1, n_dates))
    whole = {model: float(mean_logs(errors, last, everything, None)[0]) for model, errors in found.items()}
    names = [name for name in (*BASELINES, MEDIAN) if name in whole]
    best = min(names, key=whole.__getitem__)
    print(f"  with {what}: relative error, 95 % interval, p of being no better than {best}")
    for model, means in drawn.items():
        low, high = np.exp(np.quantile(means, [0.025, 0.975]))
        worse = "" if model == best else f"  p {np.mean(means >= drawn[best]):.3f}"
        print(f"    {model:24s} {np.exp(whole[model]):.3f}  {low:.3f}..{high:.3f}{worse}")


def drawn_shares(
    hits: np.ndarray, years: np.ndarray, glaciers: np.ndarray, *, count: int = 2000, seed: int = 0
) -> np.ndarray:
    """Shares of hits (N, K) where target years and glaciers are both drawn again, (count, K)."""
    rng = np.random.default_rng(seed)
    _, year = np.unique(years, return_inverse=True)
    _, glacier = np.unique(glaciers, return_inverse=True)
    n_years, n_glaciers = year.max() + 1, glacier.max() + 1
    cells = np.zeros((n_years, n_glaciers, hits.shape[1] + 1))
    np.add.at(cells, (year, glacier), np.column_stack([hits, np.ones(len(hits))]))
    of_years = rng.multinomial(n_years, np.full(n_years, 1 / n_years), count)
    of_glaciers = rng.multinomial(n_glaciers, np.full(n_glaciers, 1 / n_glaciers), count)
    totals = np.einsum("by,ygk,bg->bk", of_years, cells, of_glaciers, optimize=True)
    return totals[:, :-1] / np.maximum(totals[:, -1:], 1e-12)


def print_coverage(result: Backtest, model: str) -> None:
    """Print how many observations lie inside, below and above the 90 % interval, by lead and by decade of the origin.

    A star marks a share of at least 400 forecasts whose 95 % interval, target years and glaciers drawn again together,
    excludes 0.90, or 0.05 of a tail.
    """
    lower, upper = result.bounds(0.9)
    rows = result.rows
    observed = rows["observed"].to_numpy()
    rows = rows.assign(inside=covered(observed, lower, upper), below=observed < lower, above=observed > upper)
    rows = rows[(rows["model"] == model) & (rows["status"] == "ok")]
    wanted = {"inside": 0.9, "below": 0.05, "above": 0.05}
    for (dataset, variable), part in rows.groupby(["dataset", "variable"], sort=False):
        print(f"\n90 % interval of {model}: {dataset}, {variable}; [95 %: target years and glaciers drawn again]")
        decade = (part["cutoff"].dt.year // 10 * 10).astype(str) + "s"
        groups = [("all", part), *part.groupby(part["horizon"].str.replace(" ", "_")), *part.groupby(decade)]
        print(f"  {'':10s} {'n':>6s}  " + "  ".join(f"{name:>22s}" for name in wanted))
        for label, group in groups:
            hits = group[list(wanted)].to_numpy(dtype=float)
            low, high = np.quantile(
                drawn_shares(hits, group["target_date"].dt.year.to_numpy(), group["glacier"].to_numpy()),
                [0.025, 0.975], axis=0,
            )  # fmt: skip
            cells = []
            for k, nominal in enumerate(wanted.values()):
                star = "*" if len(group) >= 400 and not low[k] <= nominal <= high[k] else " "
                cells.append(f"{hits[:, k].mean():.3f} [{low[k]:.3f}, {high[k]:.3f}]{star}")
            print(f"  {label:10s} {len(group):6d}  " + "  ".join(f"{cell:>22s}" for cell in cells))


def print_against_parts(result: Backtest, model: str, parts: tuple[str, ...]) -> None:
    """Print the error of a model over that of each of its parts, with the upper 95 % bound of the paired ratio."""
    for dataset, variable in dict.fromkeys(zip(result.rows["dataset"], result.rows["variable"], strict=True)):
        here = (result.rows["dataset"] == dataset) & (result.rows["variable"] == variable)
        some = Backtest(result.rows[here], result.quantiles, result.values[here])
        good = some.rows[some.rows["status"] == "ok"]
        told = []
        for name in parts:
            if name not in set(good["model"]) or name == model:
                continue
            logs = log_ratios(some, model, name)
            told.append(f"{name} {np.exp(logs.mean()):.3f} (at most {np.exp(np.quantile(bootstrap(logs), 0.95)):.3f})")
        if told:
            print(f"\n{model} over its parts, {dataset}, {variable}: " + ", ".join(told))


def chosen_models(text: str | None) -> list[str]:
    """Return the models named; by default all but the slow ones, with ``all`` those as well."""
    if text is None:
        return [name for name in model_names() if name not in SLOW]
    return model_names() if text == "all" else text.split(",")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="CSV: source, glacier, date, variable, value, unit")
    parser.add_argument("--json", help="write the scores here")
    parser.add_argument("--rows", help="write every forecast beside its observation here, CSV")
    names = f"comma-separated, from {', '.join(model_names())}, or all; by default all but {', '.join(SLOW)}"
    parser.add_argument("--models", help=names)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--without-last", type=int, default=0, metavar="N",
                        help="leave out the last N values of each series; of 30, all targets lie before those that "
                             "are scored else")  # fmt: skip
    parser.add_argument("--no-baselines", action="store_true", help="leave the statsforecast baselines out")
    options = parser.parse_args()
    if options.without_last < 0:
        parser.error(f"--without-last {options.without_last}: give a number of values, 0 or more")
    try:
        observations = observations_from_table(pd.read_csv(options.data))
        series_list = [flag_interpolated(series) for series in series_from_observations(observations)]
        series_list = without_last(series_list, options.without_last)
        models = chosen_models(options.models)
        models = list(dict.fromkeys(["last", *models]))
        start = time.perf_counter()

        def progress(done: int, total: int) -> None:
            if done % 200 == 0 or done == total:
                print(f"\r{done}/{total}", end="", file=sys.stderr, flush=True)

        result = run_all(series_list, models, options.jobs, progress)
        print(f"\n{time.perf_counter() - start:.0f} s", file=sys.stderr)
    except (GlacierTimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    if not options.no_baselines:
        result = add_baselines(result, series_list, options.jobs)
    table = with_ratio(per_series(result))
    for dataset, variable in dict.fromkeys(zip(table["dataset"], table["variable"], strict=True)):
        print_collection(result, table, dataset, variable)
        print_dates_drawn(result, dataset, variable)
    for model in ("auto",):
        if model in models:
            print_coverage(result, model)
            print_against_parts(result, model, PARTS)
    print(f"\n{time.perf_counter() - start:.0f} s in all")
    if options.json:
        Path(options.json).write_text(json.dumps(summarise(table), indent=1), encoding="utf-8")
    if options.rows:
        lower, upper = result.bounds(0.9)
        result.rows.assign(lower90=lower, upper90=upper).to_csv(options.rows, index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
