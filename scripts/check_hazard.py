"""Score hazards and intervals on simulated glaciers of which the truth is known.

Hazards: collections of glaciers that lose 25 to 80 % of their area at a known rate, watched every year for 45 years
on a slow trend with scatter. Of each collection the rate and its 95 % interval are taken from the first 45 years; the
share of intervals that hold the true rate is counted, and so are the losses of the next 15 years against those that
the rate expects. Where there were fewer than ten losses nothing is claimed, which is counted too.

Coverage: random walks on a trend of 30 yearly areas, without a break or with one that takes 25 to 60 % at once and
has at least five values on either side; trend and scatter are then in proportion to what is left (``smaller``) or as
before (``same``). The walks of the three kinds are the same but for that. Each is forecast from its last value for
five years in which no other break comes. That one may come is told by the hazard and is no part of an interval.

``python scripts/check_hazard.py [--count 500] [--records 1500]`` prints and writes ``scripts/results/hazard.csv`` and
``scripts/results/break_coverage.csv``; what stands there is not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.breaks.hazard import Watch, hazard_table, losses
from glaciertime.forecast import forecast_series
from glaciertime.forecast.example import make_series

_RESULTS = Path(__file__).parent / "results"
_WATCHED_YEARS, _NEXT_YEARS = 45, 15
_RATES = (0.005, 0.02, 0.05)
#: Losses that a collection has on average: few, and enough.
_EXPECTED = (8, 15, 30)
_MODELS = ("last", "drift", "kalman", "auto")
_VALUES, _LEADS, _LEAST = 30, (1, 3, 5), 5
_BLOCK = 50
#: None; one behind which trend and scatter are in proportion to what is left; one behind which they are as before.
_BREAKS = ("none", "smaller", "same")


def areas(years: int, rate: float, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the areas of a glacier year by year, and in which years it lost much at once."""
    lost = rng.random(years) < 1 - np.exp(-rate)
    share = np.where(lost, 1 - rng.uniform(0.25, 0.8, years), 1.0)
    trend = np.cumprod(share * (1 - 0.003)) * 100
    return trend * (1 + rng.normal(0, 0.01, years)), lost


def hazards(rate: float, expected: int, *, count: int) -> dict[str, object]:
    """Return how well the rates hold that are claimed of so many collections."""
    # Of the last five years nobody knows yet whether a loss is regained.
    number = max(1, round(expected / rate / (_WATCHED_YEARS - 6)))
    dates = np.array([f"{1960 + k}-03-01" for k in range(_WATCHED_YEARS)], dtype="M8[D]")
    # Losses of one year and the next are one that goes on.
    yearly = 1 - np.exp(-rate)
    right = yearly * (1 - yearly)
    told = held = low = came = 0
    foreseen = claimed = 0.0
    for collection in range(count):
        rng = np.random.default_rng([collection, round(1e4 * rate), expected])
        watches, later = [], 0
        for k in range(number):
            values, lost = areas(_WATCHED_YEARS + _NEXT_YEARS, rate, rng)
            name = f"{k:05d}"
            spans, found = losses(dates, values[:_WATCHED_YEARS], glacier=name)
            watches.append(Watch(glacier=name, terminus="shelf", variable="area_km2", spans=spans, losses=found,
                                 source="simulated"))  # fmt: skip
            later += int((lost[_WATCHED_YEARS:] & ~lost[_WATCHED_YEARS - 1 : -1]).sum())
        (row,) = hazard_table(watches).itertuples()
        if np.isnan(row.rate_per_year):
            continue
        told += 1
        held += row.low <= right <= row.high
        low += row.high < right
        claimed += row.rate_per_year
        foreseen += row.rate_per_year * number * _NEXT_YEARS
        came += later
    return {
        "rate_per_year": rate, "begun_per_year": right, "losses_expected": expected, "glaciers": number,
        "collections": count,
        "told_share": told / count, "held_share": held / max(told, 1), "too_low_share": low / max(told, 1),
        "claimed_per_year": claimed / max(told, 1), "came_over_foreseen": came / foreseen if foreseen else np.nan,
    }  # fmt: skip


def record(number: int, *, breaks: str) -> NDArray[np.float64]:
    """Return areas of 30 years and of the five after them."""
    # The same walk of each kind, so that what a break costs is told apart from chance.
    rng = np.random.default_rng([number, 1])
    total = _VALUES + max(_LEADS)
    steps = rng.normal(-rng.uniform(0, 8), rng.uniform(2, 8), total)
    if breaks != "none":
        at = int(rng.integers(_LEAST, _VALUES - _LEAST + 1))
        before = 1000 + steps[:at].sum()
        lost = rng.uniform(0.25, 0.6)
        if breaks == "smaller":
            steps[at:] *= 1 - lost
        steps[at] -= before * lost
    return np.maximum(1000 + np.cumsum(steps), 1.0)


def coverage(model: str, first: int, *, breaks: str) -> dict[str, object]:
    """Return how many of a block of records were within, below and above the 90 % interval of a model, by lead."""
    dates = [f"{1980 + k}-03-01" for k in range(_VALUES + max(_LEADS))]
    row: dict[str, object] = {"breaks": breaks, "model": model, "first": first, "records": _BLOCK}
    counts = {f"{where}_{lead}": 0 for lead in _LEADS for where in ("below", "above")}
    width = dict.fromkeys((f"width_{lead}" for lead in _LEADS), 0.0)
    for number in range(first, first + _BLOCK):
        values = record(number, breaks=breaks)
        series = make_series(dates[:_VALUES], values[:_VALUES], variable="area_km2", unit="km2")
        targets = [dates[_VALUES - 1 + lead] for lead in _LEADS]
        rows = forecast_series(series, models=[model], target_dates=targets, levels=[0.9])
        wide = rows.pivot_table(index="target_date", columns="quantile", values="value").to_numpy()
        for lead, (low, _, high) in zip(_LEADS, wide, strict=True):
            truth = values[_VALUES - 1 + lead]
            counts[f"below_{lead}"] += int(truth < low)
            counts[f"above_{lead}"] += int(truth > high)
            width[f"width_{lead}"] += float(high - low)
    return {**row, **counts, **width}


def _kept(path: Path, key: list[str], key_values: tuple[object, ...]) -> bool:
    if not path.exists():
        return False
    held = pd.read_csv(path)
    return bool(np.logical_and.reduce([held[name] == value for name, value in zip(key, key_values, strict=True)]).any())


def _add(path: Path, row: dict[str, object]) -> None:
    pd.DataFrame([row]).to_csv(path, mode="a", header=not path.exists(), index=False)


def coverage_table(path: Path) -> pd.DataFrame:
    """Return the shares by breaks, model and lead."""
    total = pd.read_csv(path).groupby(["breaks", "model"], sort=False).sum(numeric_only=True)
    rows = []
    for key, row in total.iterrows():
        breaks, model = key  # type: ignore[misc]
        for lead in _LEADS:
            below, above = row[f"below_{lead}"] / row["records"], row[f"above_{lead}"] / row["records"]
            rows.append((breaks, model, lead, int(row["records"]), 1 - below - above, below, above,
                         row[f"width_{lead}"] / row["records"]))  # fmt: skip
    return pd.DataFrame(rows, columns=["breaks", "model", "lead", "records", "coverage", "below", "above", "width"])


def main() -> None:
    """Score, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="collections of each kind")
    parser.add_argument("--records", type=int, default=1500, help="records of each kind, in blocks of 50")
    parser.add_argument("--models", default=",".join(_MODELS))
    given = parser.parse_args()
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / "hazard.csv"
    for rate in _RATES:
        for expected in _EXPECTED:
            if not _kept(path, ["rate_per_year", "losses_expected", "collections"], (rate, expected, given.count)):
                _add(path, hazards(rate, expected, count=given.count))
    print(pd.read_csv(path).round(4).to_string(index=False))
    path = _RESULTS / "break_coverage.csv"
    for model in given.models.split(","):
        for breaks in _BREAKS:
            for first in range(0, given.records, _BLOCK):
                if not _kept(path, ["breaks", "model", "first"], (breaks, model, first)):
                    _add(path, coverage(model, first, breaks=breaks))
    print(coverage_table(path).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
