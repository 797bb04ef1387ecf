"""Time the Kalman forecaster against the local linear trend of statsmodels, interleaved in one process.

For each length, simulated local linear trends are fitted and forecast five steps ahead by both, in turn. Printed are
the medians, the median of the ratios, and how often the log-likelihood is equal or better, within 0.001: of both, it is
that of all values given the first two, with nothing assumed of level and slope (exact diffuse initialisation). With
``--data`` the statistical models together are timed against pmdarima on the same origins.

    python scripts/bench_forecast.py
    python scripts/bench_forecast.py --rounds 20 --lengths 30,240 --data benchmark.csv
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

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
    """All local statistical models but arima, together, against pmdarima on origins of the benchmark, interleaved."""
    import pmdarima
    from benchmark_forecast import origins_of

    observations = observations_from_table(pd.read_csv(path))
    series_list = [flag_interpolated(series) for series in series_from_observations(observations)]
    origins = [(series, origin) for series in series_list for origin in origins_of(series).indices(series)]
    names = [name for name, model in MODELS.items() if not model.is_global and name != "arima"]
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", default="30,240")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--data", help="CSV of real series, for the comparison with pmdarima")
    parser.add_argument("--origins", type=int, default=60)
    options = parser.parse_args()
    for count in map(int, options.lengths.split(",")):
        compare(count, options.rounds)
    if options.data:
        against_pmdarima(options.data, options.origins)
    return 0


if __name__ == "__main__":
    sys.exit(main())
