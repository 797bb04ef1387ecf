"""Count false and found breaks on simulated records of which the truth is known.

A record is a random walk on a trend: changes of -3 a year with a standard deviation of one in a year. Half of the
records lose between 5 and 15 of those standard deviations at once, at least three values before the end. A break is
false where there is none, found where one of that sign lies over the date. Dense records (monthly, every 12 days, in
summer only, nine days a year by chance) have an annual cycle of two standard deviations and a last year cut at
random.

``python scripts/check_breaks.py [--count 500]`` prints and writes ``scripts/results/breaks.csv``; about two minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.breaks import record_breaks

_RESULT = Path(__file__).parent / "results" / "breaks.csv"
_LEAST_BEHIND = 3
_RATE = -3.0


def sparse(kind: str, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the dates of a sparse record, decimal years (N,)."""
    gaps = np.ones(count) if kind == "yearly" else rng.choice([0.5, 1, 1, 2, 3, 6], size=count)
    return np.cumsum(gaps)


def dense(kind: str, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the dates of a dense record of so many years, decimal years (N,)."""
    days = np.arange(int((count - 1 + rng.uniform(0.1, 1)) * 365.25))
    if kind == "monthly":
        days = days[::30]
    elif kind == "every 12 days":
        days = days[::12]
    elif kind == "summers":
        days = days[(days % 365.25 > 90) & (days % 365.25 < 270)][::16]
    else:
        days = np.sort(rng.choice(days, size=9 * count, replace=False))
    return 2000 + days / 365.25


def record(years: NDArray[np.float64], rng: np.random.Generator, *, cycle: float) -> NDArray[np.float64]:
    """Return the values of a record without a break, (N,)."""
    gaps = np.diff(years, prepend=years[0] - 1)
    walk = np.cumsum(_RATE * gaps + rng.normal(0, 1, len(years)) * np.sqrt(gaps))
    return walk + cycle * np.cos(2 * np.pi * years)


def counts(kind: str, length: int, *, count: int, is_dense: bool) -> dict[str, object]:
    """Return the shares of false and of found breaks among so many records each."""
    false = found = more = 0
    for number in range(count):
        rng = np.random.default_rng([number, length])
        years = (dense if is_dense else sparse)(kind, length, rng)
        values = record(years, rng, cycle=2.0 if is_dense else 0.0)
        false += bool(record_breaks(years, values))
        least = int(np.searchsorted(years, years[0] + 2.5)) if is_dense else _LEAST_BEHIND
        last = int(np.searchsorted(years, years[-1] - 1.5)) if is_dense else len(years) - _LEAST_BEHIND
        at = int(rng.integers(least, last + 1))
        values[at:] -= rng.uniform(5, 15)
        breaks = record_breaks(years, values)
        # Of a dense record the day is where it moves most within the years on both sides.
        slack = 1.0 if is_dense else 0.0
        found += any(one.step < 0 and years[one.start] - slack < years[at] <= years[one.end] + slack for one in breaks)
        more += len(breaks) > 1
    return {"dates": kind, "years": length, "records": count, "false_share": false / count,
            "found_share": found / count, "more_than_one_share": more / count}  # fmt: skip


def main() -> None:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="records of each kind, without and with a break")
    count = parser.parse_args().count
    rows = [counts(kind, n, count=count, is_dense=False) for kind in ("yearly", "uneven") for n in (10, 15, 24, 40)]
    rows += [counts(kind, n, count=max(count // 5, 1), is_dense=True)
             for kind in ("monthly", "every 12 days", "summers", "by chance") for n in (10, 20)]  # fmt: skip
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    _RESULT.parent.mkdir(exist_ok=True)
    table.to_csv(_RESULT, index=False)


if __name__ == "__main__":
    main()
