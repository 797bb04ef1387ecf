"""What a single series is worth: figures for no value, two values of one day, changes summed, references that moved."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.naming import counted
from glaciertime.scenes.series.numbers import sentinels
from glaciertime.scenes.series.told import FIGURE, Told
from glaciertime.tables import variable_named

__all__ = ["Judged", "are_per_period", "counts_changes", "judged_series", "resets_of", "summed_runs"]

#: Survey and reference of neighbouring periods may differ so much and still be one.
_ONE_SURVEY_DAYS = 31
#: A difference that so many sigmas do not explain is a contradiction.
_CONTRADICTION_SIGMAS = 4.0
_FEWEST_FOR_A_CLAIM = 8


@dataclass(frozen=True)
class Judged:
    """The rows of one series that stand, or the reason why none does."""

    rows: pd.DataFrame
    refused: str = ""


def counts_changes(variable: str) -> bool:
    """Return whether the values of a variable are changes, counted from a reference or from each other."""
    return "change" in variable.split("_") or variable in ("mass_gt", "mass_balance_mwe")


def judged_series(rows: pd.DataFrame, told: Told) -> Judged:
    """Return one series in order of date without figures for no value and without what contradicts itself.

    Parameters
    ----------
    rows : DataFrame
        Of :func:`~glaciertime.scenes.series.rows.rows_of_form`, of one series.
    told : Told
        Takes what is left out.
    """
    variable = variable_named(rows["variable"].iloc[0])
    rows = rows.sort_values(["date", "line"], kind="stable").reset_index(drop=True)
    absent = sentinels(rows["value"].to_numpy(dtype=float), never_negative=variable.ratio_scale)
    told.missing(FIGURE, int(absent.sum()))
    rows = rows[~absent].reset_index(drop=True)
    if rows.empty:
        return Judged(rows, "holds no value")
    if variable.ratio_scale:
        negative = rows["value"] < 0
        if negative.sum() > max(1, 0.2 * len(rows)):
            return Judged(
                rows.iloc[:0],
                f"{int(negative.sum())} of {counted(len(rows), 'values')} of {variable.name} are negative, which "
                "cannot be; "
                "changes are told with --variable, such as area_change_km2 or length_change_m",
            )
        for row in rows[negative].itertuples():
            told.failed("the value cannot be", f"{variable.name} of {row.value:g} {row.unit} is negative", row.line)
        rows = rows[~negative].reset_index(drop=True)
    return Judged(_one_value_a_day(rows, told))


def _one_value_a_day(rows: pd.DataFrame, told: Told) -> pd.DataFrame:
    """Count equal rows once; leave out values of one day that contradict each other."""
    same = ["date", "value", "bound", "image_id"] + (["start"] if rows["start"].notna().any() else [])
    equal = rows.duplicated(same)
    told.missing("a value that stands in the table twice", int(equal.sum()))
    rows = rows[~equal].reset_index(drop=True)
    day = ["date"] + (["start"] if rows["start"].notna().any() else [])
    several = rows.duplicated(day, keep=False)
    if not several.any():
        return rows
    means = rows.groupby("date", sort=True)["value"].mean()
    sure = means.drop(rows.loc[several, "date"].unique())
    steps = np.abs(np.diff(sure if len(sure) > 2 else means))
    step = float(np.median(steps)) if len(steps) else 0.0
    bad: list[int] = []
    for _, group in rows[several].groupby(day, sort=True, dropna=False):
        if (group["image_id"] != "").all() and group["image_id"].is_unique:
            continue  # two scenes of a day, each with a name
        spread = float(group["value"].max() - group["value"].min())
        sigma = group["sigma"].to_numpy(dtype=float)
        allowed = _CONTRADICTION_SIGMAS * float(np.sqrt((sigma**2).sum())) if np.isfinite(sigma).all() else step
        if spread > allowed or group["name"].nunique() > 1:  # Rhone and RHONE of one day may be two glaciers
            values = " and ".join(f"{value:g}" for value in group["value"])
            first = group.iloc[0]
            for row in group.itertuples():
                told.failed(
                    "values of one day contradict each other",
                    f"{first.glacier} {first.date}: {values} {first.unit}; keep one", row.line,
                )  # fmt: skip
            bad += list(group.index)
    return rows.drop(index=bad).reset_index(drop=True)


def are_per_period(values: NDArray[np.float64]) -> bool | None:
    """Return whether the values of a series look like changes from one date to the next, not like their sum.

    Changes scatter about a mean that is not zero, each independent of the one before; sums wander away.

    Parameters
    ----------
    values : (N,) float64
        In order of date.

    Returns
    -------
    bool or None
        None where there are too few to tell.

    Examples
    --------
    >>> changes = np.array([-9.0, -12.0, -8.0, -11.0, -10.0, -9.5, -13.0, -7.0, -10.0])
    >>> are_per_period(changes), are_per_period(np.cumsum(changes))
    (True, False)
    """
    if len(values) < _FEWEST_FOR_A_CLAIM:
        return None
    spread = float(values.std(ddof=1))
    if spread == 0:
        return False
    # Von Neumann's ratio is 2 for independent values and near 0 for sums of them.
    ratio = float(np.mean(np.diff(values) ** 2)) / spread**2
    away = abs(float(values.mean())) / (spread / np.sqrt(len(values)))
    return bool((ratio > 1.2 and away > 4.0) or (ratio > 1.5 and away > 3.0))


def resets_of(days: NDArray[np.datetime64], values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return where a cumulative series begins anew: it jumps back to near zero and goes on as before.

    Parameters
    ----------
    days : (N,) datetime64[D]
    values : (N,) float64

    Returns
    -------
    (K,) int
        The first value of each new count.

    Examples
    --------
    >>> years = np.arange("2000", "2012", dtype="M8[Y]").astype("M8[D]")
    >>> resets_of(years, np.array([-10.0, -20, -31, -40, -52, -60, -9, -20, -31, -39, -50, -61]))
    array([6])
    """
    if len(values) < 5:
        return np.array([], dtype=int)
    years = np.diff(days).astype("timedelta64[D]").astype(float) / 365.25
    steps = np.diff(values)
    rates = steps / np.maximum(years, 1 / 365.25)
    found = []
    for index in range(1, len(values)):
        others = np.delete(np.abs(rates), index - 1)
        usual = float(np.median(others)) * max(years[index - 1], 1.0)
        usual = max(usual, 1e-9)
        before, after, jump = values[index - 1], values[index], steps[index - 1]
        back = abs(before) > 4 * usual and abs(jump) > 4 * usual and abs(after) < min(2.5 * usual, 0.35 * abs(before))
        if not back or np.sign(jump) == np.sign(before):
            continue
        # A surge undoes a retreat too, but does not end at the reference itself and leave the old course unchanged.
        course = np.sign(np.median(np.delete(rates, index - 1)))
        if np.sign(before) == course and (index == len(values) - 1 or np.sign(values[-1] - after) == course):
            found.append(index)
    return np.array(found, dtype=int)


def joined(values: NDArray[np.float64], resets: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return a series whose new counts go on from the last value before them."""
    out = values.copy()
    for index in resets:
        out[index:] += values[index - 1]
    return out


def summed_runs(rows: pd.DataFrame) -> tuple[list[pd.DataFrame], str]:
    """Return the sums of changes per period, one table for each run without a gap, or why they cannot be summed.

    A change counts from its ``start``, or, in a table without starts, from the date before; a change that is not
    known ends a run. The sigmas are taken as independent.

    Parameters
    ----------
    rows : DataFrame
        One series in order of date, with ``date, start, value, sigma, bound``; in a table without starts a period that
        is missing from an otherwise regular table ends a run too.
    """
    if rows["start"].notna().any():
        return _runs_with_starts(rows.sort_values(["date", "start"], kind="stable"))
    days = rows["date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    gaps = np.diff(days)
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    regular = len(gaps) > 2 and float(np.mean(np.abs(gaps - usual) <= 0.25 * usual)) >= 0.7
    breaks = [index + 1 for index, gap in enumerate(gaps) if regular and gap > 1.6 * usual]
    runs = np.split(np.arange(len(rows)), breaks)
    return [_sum(rows.iloc[run], None) for run in runs], ""


def _runs_with_starts(rows: pd.DataFrame) -> tuple[list[pd.DataFrame], str]:
    runs: list[list[int]] = []
    last: dt.date | None = None
    for place, row in enumerate(rows.itertuples()):
        if row.start is None or pd.isna(row.start):
            return (
                [],
                f"line {row.line} does not say from when its change counts; fill the column, or leave the row out",
            )
        if row.start >= row.date:
            same_year = row.start.year == row.date.year and "year-only" in {**row.flags, **row.start_flags}
            if not same_year:
                return [], f"the period on line {row.line} ends before it begins ({row.start} to {row.date})"
        if last is None or _days_apart(row, last) > _ONE_SURVEY_DAYS:
            runs.append([])
        elif _days_apart(row, last) < -_ONE_SURVEY_DAYS:
            return [], f"periods overlap: that on line {row.line} begins {row.start}, the one before ends {last}"
        runs[-1].append(place)
        last = row.date
    out = []
    for run in runs:
        table = rows.iloc[run]
        out.append(_sum(table, table["start"].iloc[0]))
    return out, ""


def _days_apart(row: object, last: dt.date) -> int:
    """Return the days from the end of a period to the start of the next; none within a year that alone is known."""
    start = row.start  # type: ignore[attr-defined]
    if "year-only" in {**row.flags, **row.start_flags} and start.year == last.year:  # type: ignore[attr-defined]
        return 0
    return int((start - last).days)


def _sum(rows: pd.DataFrame, start: dt.date | None) -> pd.DataFrame:
    """Return the sums of one run, with the reference itself as its first value where its date is known."""
    table = rows.copy()
    table["value"] = np.cumsum(rows["value"].to_numpy(dtype=float))
    table["sigma"] = np.sqrt(np.cumsum(rows["sigma"].to_numpy(dtype=float) ** 2))
    held = ""
    bounds: list[str | None] = []
    for bound in rows["bound"]:
        held = _added(held, bound) if held is not None else None  # type: ignore[assignment]
        bounds.append(held)
    keep = np.array([bound is not None for bound in bounds])
    table["bound"] = [bound or "" for bound in bounds]
    table = table[keep]
    if start is not None and start < table["date"].iloc[0]:
        first = table.iloc[[0]].copy()
        first["date"], first["value"], first["bound"] = start, 0.0, ""
        first["sigma"] = 0.0 if np.isfinite(table["sigma"].iloc[0]) else np.nan
        first["flags"] = [rows["start_flags"].iloc[0]]
        table = pd.concat([first, table], ignore_index=True)
    return table.reset_index(drop=True)


def _added(held: str, bound: str) -> str | None:
    """Return what bound a sum is when a change is added to it; None where nothing can be said."""
    if not bound or not held:
        return held or bound
    return held if held == bound else None
