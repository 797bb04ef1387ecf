"""Time the forecasters against their peers, interleaved in one process, in seconds of the processor.

For each length, simulated local linear trends are fitted and forecast five steps ahead by both, in turn. Printed are
the medians, the median of the ratios, and how often the log-likelihood is equal or better, within 0.001: of both, it is
that of all values given the first two, with nothing assumed of level and slope (exact diffuse initialisation). With
``--data`` the statistical models together are timed against pmdarima on the same origins, ``arima``
against AutoARIMA of statsforecast, and ``auto`` against ``last``: by the command in an archive of the lengths that was
forecast before, and the second equal call in one process. ``--coastlines`` times ``backtest`` of Crane, the second run.

    python scripts/bench_forecast.py
    python scripts/bench_forecast.py --lengths "" --data benchmark.csv --coastlines coastlines
    python scripts/bench_forecast.py --rounds 20 --lengths 30,240 --data benchmark.csv
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from glaciertime.forecast import (
    flag_interpolated,
    forecast_series,
    observations_from_table,
    series_from_observations,
)
from glaciertime.forecast.example import make_series
from glaciertime.forecast.local.kalman import Kalman
from glaciertime.forecast.models import MODELS


def compare(count: int, rounds: int) -> None:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    rng = np.random.default_rng(count)
    # Even to the day: the other model knows steps only.
    dates = np.datetime64("1700-01-01") + np.timedelta64(365, "D") * np.arange(count)
    ahead = dates[-1] + np.timedelta64(365, "D") * np.arange(1, 6)
    times, likelihoods = [], []
    for number in range(rounds + 1):
        rate = np.cumsum(rng.normal(0, 0.5, count)) - 5
        values = np.cumsum(rate + rng.normal(0, 4, count)) + rng.normal(0, 3, count)
        series = make_series(dates, values)
        start = time.perf_counter()
        fitted = Kalman().fit(series)
        fitted.predict(ahead)
        middle = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = UnobservedComponents(values, "lltrend").fit(disp=False)
            result.get_forecast(5).conf_int()
        end = time.perf_counter()
        if number:
            times.append((middle - start, end - middle))
            plain = Kalman(robust=False).fit(series)
            exact = UnobservedComponents(values, "lltrend", use_exact_diffuse=True)
            likelihoods.append((plain.log_likelihood, float(exact.loglikeobs(result.params)[2:].sum())))
    ours, theirs = np.array(times).T
    gain = np.subtract(*np.array(likelihoods).T)
    print(f"{count} values: kalman {1e3 * np.median(ours):.2f} ms, lltrend {1e3 * np.median(theirs):.2f} ms, "
          f"ratio {np.median(theirs / ours):.1f}; log-likelihood gain median {np.median(gain):+.2f}, "
          f"least {gain.min():+.4f}, equal or better in {np.mean(gain > -1e-3):.0%} of {rounds}")  # fmt: skip


def against_pmdarima(path: str, limit: int) -> None:
    """All local statistical models but ARIMA, together, against pmdarima on origins of the benchmark, interleaved."""
    import pmdarima
    from benchmark_forecast import origins_of

    series_list = [flag_interpolated(series) for series in series_from_observations(_lengths_and_areas(path))]
    origins = [(series, origin) for series in series_list for origin in origins_of(series).indices(series)]
    names = [name for name, model in MODELS.items() if not model.is_global and name not in ("arima", "auto-arima")]
    drawn = np.random.default_rng(0).permutation(len(origins))[: limit + 1]
    times = []
    for place in drawn:
        series, origin = origins[place]
        history, targets = series.take(slice(0, origin + 1)), series.dates[origin + 1 : origin + 6]
        start = time.process_time()
        forecast_series(history, models=names, target_dates=targets)
        middle = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pmdarima.auto_arima(history.values, suppress_warnings=True, error_action="ignore").predict(
                5, return_conf_int=True)  # fmt: skip
        times.append((middle - start, time.process_time() - middle))
    # The first one compiles and imports.
    ours, theirs = np.array(times[1:]).sum(axis=0)
    print(f"{len(times) - 1} of {len(origins)} origins, CPU time: {', '.join(names)} together {ours:.2f} s, pmdarima "
          f"{theirs:.2f} s, ratio {ours / theirs:.3f}")  # fmt: skip


def against_autoarima(path: str, limit: int) -> None:
    """Time ``arima`` against AutoARIMA of statsforecast, which takes dates for even, on origins of the benchmark."""
    from benchmark_forecast import origins_of
    from statsforecast.models import AutoARIMA

    from glaciertime.forecast.local.arima import Arima

    series_list = [flag_interpolated(series) for series in series_from_observations(_lengths_and_areas(path))]
    origins = [(series, origin) for series in series_list for origin in origins_of(series).indices(series)]
    times = []
    for place in np.random.default_rng(0).permutation(len(origins))[: limit + 1]:
        series, origin = origins[place]
        history, targets = series.take(slice(0, origin + 1)), series.dates[origin + 1 : origin + 6]
        start = time.process_time()
        Arima().fit(history).predict(targets)
        middle = time.process_time()
        AutoARIMA(season_length=1).fit(history.values).predict(5, level=[90])
        times.append((middle - start, time.process_time() - middle))
    ours, theirs = np.array(times[1:]).sum(axis=0)
    print(f"{len(times) - 1} origins, CPU time: arima {ours:.2f} s, AutoARIMA of statsforecast {theirs:.2f} s, "
          f"ratio {ours / theirs:.2f}")  # fmt: skip


def _lengths_and_areas(path: str) -> pd.DataFrame:
    return observations_from_table(pd.read_csv(path))


def second_call(path: str) -> None:
    """Time the second equal call of ``forecast_series`` with other glaciers, by ``auto`` and by ``last``."""
    table = _lengths_and_areas(path)
    lengths = table[table["variable"] == "length_change_m"]
    series, *others = [flag_interpolated(one) for one in series_from_observations(lengths)][:20]
    targets = series.dates[-1] + np.timedelta64(365, "D") * np.arange(1, 6)
    took = {}
    for model in ("last", "auto"):
        for _ in range(2):
            start = time.process_time()
            forecast_series(series, models=[model], target_dates=targets, training=others)
            took[model] = time.process_time() - start
    print(f"second equal call beside 19 others, CPU time: auto {took['auto']:.3f} s, last {took['last']:.3f} s")


def _command(*arguments: str, folder: Path) -> float:
    """Run glaciertime in a folder; return its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLACIERTIME_DOWNLOADS": str(folder / "downloads")}
    subprocess.run([sys.executable, "-m", "glaciertime", *arguments], cwd=folder, env=environment, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def known_archive(path: str, rounds: int) -> None:
    """Time ``forecast`` of a glacier by ``auto`` and by ``last`` in an archive of the lengths, forecast before."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = pd.read_csv(path)
        table[table["variable"] == "length_change_m"].to_csv(folder / "lengths.csv", index=False)
        _command("import", "lengths.csv", folder=folder)
        glacier = str(table.loc[table["variable"] == "length_change_m", "glacier"].iloc[0])
        asked = ("forecast", "--glacier", glacier, "--until", "2030", "--model")
        first = _command(*asked, "auto", folder=folder)
        took = [[_command(*asked, model, folder=folder) for model in ("last", "auto")] for _ in range(rounds)]
    last, auto = np.median(np.array(took), axis=0)
    print(f"forecast of one of 99 lengths, CPU time, median of {rounds}: last {last:.1f} s, auto {auto:.1f} s, "
          f"the first time {first:.0f} s")  # fmt: skip


def crane(coastlines: str, rounds: int) -> None:
    """Time ``backtest`` of Crane from the coastlines, whatever was compiled or kept before."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _command("track", "--glacier", "Crane", "--data", str(Path(coastlines).resolve()), folder=folder)
        took = [_command("backtest", "--glacier", "Crane", folder=folder) for _ in range(rounds + 1)][1:]
    print(f"backtest of Crane, CPU time, median of {rounds}: {np.median(took):.1f} s")


def many(path: str, sizes: list[int], jobs: int) -> None:
    """Time ``forecast --all --model auto`` in archives of so many copies of the lengths, under names of their own."""
    table = pd.read_csv(path)
    lengths = table[table["variable"] == "length_change_m"]
    names = lengths["glacier"].unique()
    for size in sizes:
        parts = []
        for number in range(size):
            one = lengths[lengths["glacier"] == names[number % len(names)]]
            # Each copy is another record: stretched, so that no two are the same.
            parts.append(one.assign(glacier=f"G{number:04d}", value=one["value"] * (1 + 0.01 * (number // len(names)))))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            pd.concat(parts).to_csv(folder / "lengths.csv", index=False)
            _command("import", "lengths.csv", folder=folder)
            start = time.perf_counter()
            took = _command("forecast", "--all", "--until", "2030", "--model", "auto", "--jobs", str(jobs),
                            folder=folder)  # fmt: skip
            clock = time.perf_counter() - start
        print(f"auto of {size} series, {jobs} jobs: {took:.0f} CPU s, {1e3 * took / size:.0f} ms a series, "
              f"{clock / 60:.1f} minutes on the clock", flush=True)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", default="30,240")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--data", help="CSV of real series, for the comparison with pmdarima")
    parser.add_argument("--origins", type=int, default=60)
    parser.add_argument("--coastlines", help="folder of the coastlines, for the backtest of Crane")
    parser.add_argument("--series", default="", help="so many series by auto each, as 60,250,1000; with --data")
    parser.add_argument("--jobs", type=int, default=2, help="of --series")
    options = parser.parse_args()
    for count in [int(count) for count in options.lengths.split(",") if count]:
        compare(count, options.rounds)
    if options.coastlines:
        crane(options.coastlines, 3)
    if options.data and options.series:
        many(options.data, [int(size) for size in options.series.split(",")], options.jobs)
    elif options.data:
        against_autoarima(options.data, options.origins)
        second_call(options.data)
        known_archive(options.data, 3)
        against_pmdarima(options.data, options.origins)
    return 0


if __name__ == "__main__":
    sys.exit(main())
