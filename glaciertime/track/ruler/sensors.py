"""Offsets between sensors: estimated from images taken close in time, and removed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from glaciertime.tables import SERIES_KEY, flags_of, join_flags

__all__ = ["OFFSET_COLUMNS", "remove_sensor_offsets", "sensor_offsets"]

OFFSET_COLUMNS = ("sensor", "offset", "sigma", "n_pairs", "reference")

# Iterations and tuning constant of the robust fit; 1.345 keeps 95 % efficiency for normal errors.
_ITERATIONS = 30
_HUBER = 1.345


def sensor_offsets(series: pd.DataFrame, *, pair_days: float = 12.0, least_pairs: int = 5) -> pd.DataFrame:
    """Return how far each sensor's values lie above those of the most frequent sensor.

    Every two values of different sensors within ``pair_days`` give a difference; the offsets are the robust (Huber)
    least-squares solution of all of them.

    Parameters
    ----------
    series : DataFrame
        Rows of one series of the table ``observations``.
    pair_days : float
        Longer apart, the front itself has moved.
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
    rows = series[series["value"].notna() & (series["sensor"] != "")].sort_values("date")
    if rows.empty:
        return pd.DataFrame(columns=list(OFFSET_COLUMNS))
    reference = rows["sensor"].value_counts(sort=True).sort_index(kind="stable").idxmax()
    day = (rows["date"] - pd.Timestamp("1970-01-01")).dt.days.to_numpy(dtype=float)
    value, sensor = rows["value"].to_numpy(), rows["sensor"].to_numpy()
    first, second = [], []
    for i in range(len(rows)):
        stop = int(np.searchsorted(day, day[i] + pair_days, side="right"))
        for j in range(i + 1, stop):
            if sensor[i] != sensor[j]:
                first.append(i)
                second.append(j)
    a, b = np.array(first, dtype=int), np.array(second, dtype=int)
    counts = pd.Series(np.concatenate([sensor[a], sensor[b]])).value_counts() if len(a) else pd.Series(dtype=int)
    names = sorted(name for name in counts.index if name != reference and counts[name] >= least_pairs)
    solvable = np.isin(sensor[a], [*names, reference]) & np.isin(sensor[b], [*names, reference])
    a, b = a[solvable], b[solvable]
    if not names or not len(a):
        return pd.DataFrame(columns=list(OFFSET_COLUMNS))
    design = np.zeros((len(a), len(names)))
    for column, name in enumerate(names):
        design[:, column] = (sensor[b] == name).astype(float) - (sensor[a] == name)
    difference = value[b] - value[a]
    weight = np.ones(len(a))
    for _ in range(_ITERATIONS):
        offsets = np.linalg.lstsq(design * weight[:, None] ** 0.5, difference * weight**0.5, rcond=None)[0]
        rest = difference - design @ offsets
        scale = 1.4826 * np.median(np.abs(rest - np.median(rest)))
        if scale == 0:
            break
        weight = np.minimum(1.0, _HUBER * scale / np.maximum(np.abs(rest), 1e-12))
    # A value enters several pairs: the number of independent differences is that of values, not of pairs.
    independent = max(1.0, len(np.unique(np.concatenate([a, b]))) / 2)
    inverse = np.linalg.pinv(design.T @ (design * weight[:, None]))
    sigma = np.sqrt(np.diag(inverse) * rest.var() * len(a) / independent)
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
    uncertainty is added to sigma.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``.
    """
    out = observations.reset_index(drop=True).copy()
    for _, series in out.groupby(list(SERIES_KEY), sort=False):
        for offset in sensor_offsets(series, pair_days=pair_days).itertuples():
            if abs(offset.offset) <= sigmas * offset.sigma:
                continue
            index = series.index[series["sensor"] == offset.sensor]
            out.loc[index, "value"] -= offset.offset
            out.loc[index, "sigma"] = np.hypot(out.loc[index, "sigma"], offset.sigma)
            text = f"{offset.offset:.1f} of {offset.sensor} against {offset.reference} removed"
            for i in index:
                out.loc[i, "quality"] = join_flags({**flags_of(str(out.loc[i, "quality"])), "sensor-offset": text})
    return out
