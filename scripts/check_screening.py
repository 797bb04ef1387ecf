"""Print how many single spikes screening finds, and how many true values it flags, with standard errors.

Spikes are drawn uniformly from 5 to 10 sigma, either way, anywhere but at the ends of a record; series of 15 to 120
values that are steady, still, accelerating or (monthly) seasonal, with their sigmas stated or unknown::

    python scripts/check_screening.py --series 100
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from glaciertime.track.record.spikes import LEAST_KNOWN, suspects

SIGMA_M = 10.0
COUNTS = (15, 30, 60, 120)
KINDS = (
    ("steady", 365), ("still", 365), ("accelerating", 365), ("steady", 30), ("still", 30), ("accelerating", 30),
    ("seasonal", 30),
)  # fmt: skip


def true_values_m(kind: str, days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the front lies."""
    years = days / 365.25
    moved = {
        "steady": -200 * years,
        "still": 0 * years,
        "accelerating": -20 * years - 4 * years**2,
        "seasonal": -80 * years + 250 * np.sin(2 * np.pi * years),
    }
    return moved[kind]


def check(kind: str, every_days: int, count: int, *, known: bool, series: int, seed: int) -> tuple[float, ...]:
    """Return the share of spikes found and its standard error, and the share of true values flagged and its."""
    rng = np.random.default_rng(seed)
    days = np.arange(count) * float(every_days)
    sigmas = np.full(count, SIGMA_M if known else np.nan)
    found, wrong = np.zeros(series), np.zeros((series, 2))
    for k in range(series):
        values = true_values_m(kind, days) + rng.normal(0, SIGMA_M, count)
        wrong[k, 0] = sum(each.is_confirmed for each in suspects(days, values, sigmas)) / count
        at = int(rng.integers(1, count - 1))
        values[at] += SIGMA_M * rng.uniform(5, 10) * rng.choice([-1, 1])
        confirmed = {each.index for each in suspects(days, values, sigmas) if each.is_confirmed}
        found[k] = at in confirmed
        wrong[k, 1] = len(confirmed - {at}) / (count - 1)
    means = wrong.mean(axis=0)
    errors = wrong.std(axis=0, ddof=1) / np.sqrt(series)
    rate = found.mean()
    return float(rate), float(np.sqrt(rate * (1 - rate) / series)), means[0], errors[0], means[1], errors[1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100, help="series of each kind and length")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help=f"values, at least {LEAST_KNOWN}")
    given = parser.parse_args()
    print("kind          every  values  sigmas   found %        flagged %: no spike  beside one")
    for known in (True, False):
        for kind, every_days in KINDS:
            for count in given.counts:
                out = check(kind, every_days, count, known=known, series=given.series, seed=given.seed)
                print(
                    f"{kind:<13}{every_days:>6}{count:>8}  {'stated' if known else 'unknown'}  "
                    f"{100 * out[0]:6.1f} +- {100 * out[1]:4.1f}  {100 * out[2]:6.2f} +- {100 * out[3]:4.2f}  "
                    f"{100 * out[4]:6.2f} +- {100 * out[5]:4.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
