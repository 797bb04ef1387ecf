"""Offsets between sensors: estimated from images taken close in time, and removed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.combining import days_since_1970
from glaciertime.tables import by_series, flags_of, join_flags
from glaciertime.units import number_text

__all__ = ["OFFSET_COLUMNS", "remove_sensor_offsets", "sensor_offsets"]

OFFSET_COLUMNS = ("sensor", "offset", "sigma", "n_pairs", "reference")

# Iterations and tuning constant of the robust fit; 1.345 keeps 95 % efficiency for normal errors.
_ITERATIONS = 30
_HUBER = 1.345
# How fast the front itself moved between two images is told by values of one sensor within so many days, at least so
# many pairs of them.
_RATE_DAYS = 120.0
_LEAST_RATES = 3
# What is smaller than this share of the values is the rounding of their digits, not an offset.
_ROUNDING = 1e-9


def sensor_offsets(series: pd.DataFrame, *, pair_days: float = 12.0, least_pairs: int = 5) -> pd.DataFrame:
    """Return how far each sensor's values lie above those of a sensor they overlap with in time.

    Every two values of different sensors within ``pair_days`` give a difference. What the front itself moved in
    between is taken off: the days between them times the rate there, which is the median slope (weighted by the days
    apart) of pairs of one sensor within 120 days, since only those hold no offset. The offsets are the robust (Huber)
    least-squares solution of all differences. Sensors that no pairs join have no offset against each other: each group
    of joined sensors is set against its most frequent one.

    Parameters
    ----------
    series : DataFrame
        Rows of one series of the table ``observations``.
    pair_days : float
        Longer apart, the front itself has moved too far.
    least_pairs : int
        Sensors in fewer pairs get no offset.

    Returns
    -------
    DataFrame
        Columns :data:`OFFSET_COLUMNS`: offset and its sigma in the unit of the series.

    Examples
    --------
    >>> days = pd.Timestamp("2020-01-01") + pd.to_timedelta(range(0, 40, 2), unit="D")
    >>> rows = pd.DataFrame({"date": days, "sensor": ["A", "B"] * 10, "value": [100.0, 130.0] * 10})
    >>> sensor_offsets(rows)[["sensor", "offset"]].round(6).values.tolist()
    [['B', 30.0]]
    """
    rows = series[series["value"].notna() & (series["sensor"] != "")].sort_values(["date", "sensor"])
    none = pd.DataFrame(columns=list(OFFSET_COLUMNS))
    if rows["sensor"].nunique() < 2:
        return none
    day = days_since_1970(rows["date"]).to_numpy()
    value, sensor = rows["value"].to_numpy(dtype=float), rows["sensor"].to_numpy()
    a, b = _pairs(day, pair_days)
    differ = sensor[a] != sensor[b]
    a, b = a[differ], b[differ]
    rate = _rates_between(day, value, sensor, at=(day[a] + day[b]) / 2)
    moved = np.where(day[a] == day[b], 0.0, rate * (day[b] - day[a]))
    usable = np.isfinite(moved)
    a, b, difference = a[usable], b[usable], (value[b] - value[a] - moved)[usable]
    parts = [
        _solved(difference[chosen], sensor[a[chosen]], sensor[b[chosen]], np.column_stack([a, b])[chosen], reference)
        for chosen, reference in _joined(sensor, sensor[a], sensor[b], least_pairs)
    ]
    return pd.concat(parts, ignore_index=True).sort_values("sensor", ignore_index=True) if parts else none


def _pairs(day: NDArray[np.float64], within_days: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of all pairs of ascending days within so many of each other, the earlier one first."""
    stops = np.searchsorted(day, day + within_days, side="right")
    counts = stops - np.arange(len(day)) - 1
    first = np.repeat(np.arange(len(day)), counts)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first, second


def _rates_between(
    day: NDArray[np.float64], value: NDArray[np.float64], sensor: NDArray[np.object_], *, at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the rate per day around given days from pairs of one sensor; NaN where there are too few."""
    a, b = _pairs(day, _RATE_DAYS)
    same = (sensor[a] == sensor[b]) & (day[a] < day[b])
    a, b = a[same], b[same]
    middle, apart = (day[a] + day[b]) / 2, day[b] - day[a]
    slope = (value[b] - value[a]) / apart
    order = np.argsort(slope)
    middle, apart, slope = middle[order], apart[order], slope[order]
    out = np.full(len(at), np.nan)
    for k, when in enumerate(at):
        near = np.abs(middle - when) <= _RATE_DAYS / 2
        if near.sum() >= _LEAST_RATES:
            share = np.cumsum(apart[near])
            out[k] = slope[near][np.searchsorted(share, share[-1] / 2)]
    return out


def _joined(
    sensor: NDArray[np.object_], first: NDArray[np.object_], second: NDArray[np.object_], least_pairs: int
) -> list[tuple[NDArray[np.bool_], str]]:
    """Return, for each group of sensors that pairs join, which pairs are its own and its most frequent sensor."""
    counts = pd.Series(np.concatenate([first, second])).value_counts()
    usable = [name for name in sorted(counts.index) if counts[name] >= least_pairs]
    # A group's pairs are merged until no pair joins two groups.
    group = {name: name for name in usable}
    inside = np.isin(first, usable) & np.isin(second, usable)
    for one, other in {tuple(sorted(pair)) for pair in zip(first[inside], second[inside], strict=True)}:
        kept, gone = group[one], group[other]
        group = {name: kept if held == gone else held for name, held in group.items()}
    frequency = pd.Series(sensor).value_counts()
    out = []
    for held in sorted(set(group.values())):
        names = [name for name in usable if group[name] == held]
        if len(names) > 1:
            reference = max(names, key=lambda name: frequency[name])
            out.append((np.isin(first, names) & np.isin(second, names), str(reference)))
    return out


def _solved(
    difference: NDArray[np.float64],
    first: NDArray[np.object_],
    second: NDArray[np.object_],
    values: NDArray[np.int64],
    reference: str,
) -> pd.DataFrame:
    """Return the offsets of one group of sensors from the differences of its pairs."""
    names = sorted({*first, *second} - {reference})
    design = np.column_stack([(second == name).astype(float) - (first == name) for name in names])
    weight = np.ones(len(difference))
    for _ in range(_ITERATIONS):
        offsets = np.linalg.lstsq(design * weight[:, None] ** 0.5, difference * weight**0.5, rcond=None)[0]
        rest = difference - design @ offsets
        scale = 1.4826 * np.median(np.abs(rest - np.median(rest)))
        if scale == 0:
            break
        weight = np.minimum(1.0, _HUBER * scale / np.maximum(np.abs(rest), 1e-12))
    # A value enters several pairs: the number of independent differences is that of values, not of pairs.
    independent = max(1.0, len(np.unique(values)) / 2)
    inverse = np.linalg.pinv(design.T @ (design * weight[:, None]))
    sigma = np.sqrt(np.diag(inverse) * rest.var() * len(difference) / independent)
    counts = pd.Series(np.concatenate([first, second])).value_counts()
    return pd.DataFrame(
        {
            "sensor": names,
            "offset": offsets,
            "sigma": sigma,
            "n_pairs": [int(counts[name]) for name in names],
            "reference": reference,
        }
    )


def remove_sensor_offsets(observations: pd.DataFrame, *, pair_days: float = 12.0, sigmas: float = 2.0) -> pd.DataFrame:
    """Return observations less the offsets of their sensors, where these are more than ``sigmas`` from zero.

    The flag ``sensor-offset`` says how much was removed, so that the value measured can be had back; the offset's own
    uncertainty is added to sigma. Bounds (``censored``) tell nothing of an offset and keep their values.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``.
    """
    out = observations.reset_index(drop=True).copy()
    seen = out[~out["quality"].str.contains("censored").astype(bool)]
    for _, series in by_series(seen, sort=False):
        rounding = _ROUNDING * float(np.nanmax(np.abs(series["value"]), initial=0.0))
        for offset in sensor_offsets(series, pair_days=pair_days).itertuples():
            if abs(offset.offset) <= max(sigmas * offset.sigma, rounding):
                continue
            index = series.index[series["sensor"] == offset.sensor]
            out.loc[index, "value"] -= offset.offset
            out.loc[index, "sigma"] = np.hypot(out.loc[index, "sigma"], offset.sigma)
            text = f"{number_text(offset.offset)} of {offset.sensor} against {offset.reference} removed"
            for i in index:
                out.loc[i, "quality"] = join_flags({**flags_of(str(out.loc[i, "quality"])), "sensor-offset": text})
    return out
