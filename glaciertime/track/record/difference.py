"""What any variable of a glacier did between two dates: lengths, positions, masses, snowlines, lakes."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from glaciertime.combining import of_its_day, rows_of_day
from glaciertime.errors import InputError, nearest_names
from glaciertime.naming import counted
from glaciertime.provenance.rows import names_of_rows
from glaciertime.sentences import sentence
from glaciertime.tables import OUTLIER_FLAGS, SERIES_KEY, by_series, flags_of, has_flag, side_of_bound, variable_named
from glaciertime.units import as_date, rate_years

__all__ = ["DIFFERENCE_COLUMNS", "difference_bound", "difference_table", "is_length", "notes_on_ends"]

DIFFERENCE_COLUMNS = (
    *SERIES_KEY, "start_date", "end_date", "start_value", "end_value", "change", "change_sigma", "change_per_year",
    "unit", "qualifier", "note", "source", "start_row", "end_row",
)  # fmt: skip

#: Flags of rows that say nothing of the value itself.
_NO_VALUE = ("failed", "partial-coverage", "unknown-flag")
#: Flags of values that a difference begins or ends at only where a series holds no others.
_DOUBTFUL = (*OUTLIER_FLAGS, "unclear-front")


def is_length(variable: str) -> bool:
    """Return whether a smaller value of the variable is a retreat."""
    return variable in ("length_m", "length_change_m", "front_position_m")


def difference_bound(start: str, end: str) -> str | None:
    """Return what is known of end minus start where either is a bound.

    Returns
    -------
    str or None
        ``at most`` or ``at least``; empty where neither is a bound; None where nothing can be said.

    Examples
    --------
    >>> difference_bound("", "at-most"), difference_bound("at-most", ""), difference_bound("at-least", "at-least")
    ('at most', 'at least', None)
    """
    turned = {"": "", "at-least": "at-most", "at-most": "at-least"}[start]
    sides = {side for side in (turned, end) if side}
    return None if len(sides) > 1 else sides.pop().replace("-", " ") if sides else ""


def notes_on_ends(start: str, end: str) -> list[str]:
    """Return, as notes, what the flags of two values say of a difference between them.

    Examples
    --------
    >>> notes_on_ends("year-only", "ok")
    ['only the year of the start is known']
    """
    flags = [flags_of(start), flags_of(end)]
    notes = []
    for flag, known in (("year-only", "year"), ("month-only", "month")):
        ends = [name for name, held in zip(("start", "end"), flags, strict=True) if flag in held]
        if ends:
            notes.append(sentence(f"both-{known}s" if len(ends) > 1 else f"{ends[0]}-{known}"))
    if any("assumed-seaward" in held for held in flags):
        notes.append(sentence("seaward-assumed"))
    return notes


def difference_table(
    observations: pd.DataFrame,
    *,
    date_from: Any = None,
    date_to: Any = None,
    max_gap_days: float = 180,
    variable: str | None = None,
) -> pd.DataFrame:
    """Return what each series did between two dates.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``; values flagged as outliers or unclear are passed over where there are others.
    date_from, date_to : date or text, optional
        The nearest observation is taken and its true date given; by default the first and the last.
    max_gap_days : float
        A series without an observation so near to a date asked for is refused.
    variable : str, optional
        Only this one; else all that are there but areas, which :func:`~glaciertime.track.retreat_table` compares, where
        there is anything else.

    Returns
    -------
    DataFrame
        Columns :data:`DIFFERENCE_COLUMNS`, one row per series: the value at the end minus that at the start, in the
        unit of the variable, negative where a length, an area or a mass has shrunk. Sigmas are taken as independent;
        NaN where unknown. ``qualifier`` is ``at most`` or ``at least`` where one of the two is a bound; the change is
        NaN where both are and nothing can be said, and where both are of one date; ``change_per_year`` is NaN too where
        the dates lie less than eleven months apart.

    Raises
    ------
    InputError
        Where nothing was observed, or nothing near enough to a date.
    """
    rows = observations[observations["value"].notna()]
    for flag in _NO_VALUE:
        rows = rows[~has_flag(rows["quality"], flag)] if len(rows) else rows
    known = sorted(rows["variable"].unique())
    if variable is not None:
        if variable not in known:
            near = nearest_names(variable, known) or known
            raise InputError(f"no observation of {variable}; there are {', '.join(near) or 'none'}")
        rows = rows[rows["variable"] == variable]
    elif set(known) - {"area_km2"}:
        rows = rows[rows["variable"] != "area_km2"]
    if rows.empty:
        raise InputError("the archive holds no value to compare")
    kinds: dict[tuple[str, ...], dict[tuple[str, ...], pd.DataFrame]] = {}
    for key, series in by_series(rows):
        name = tuple(map(str, key))
        kinds.setdefault(name[:-1], {})[name] = series
    table = []
    for of_kind in kinds.values():
        table += _differences(of_kind, date_from, date_to, max_gap_days)
    return pd.DataFrame(table, columns=list(DIFFERENCE_COLUMNS))


def _differences(
    of_kind: dict[tuple[str, ...], pd.DataFrame], date_from: Any, date_to: Any, max_gap_days: float
) -> list[dict[str, Any]]:
    """Return the changes of one front, each while it was of one kind; a kind of other dates than asked for has none."""
    found, refused = [], []
    for key, series in of_kind.items():
        try:
            found.append(_difference(key, series, date_from, date_to, max_gap_days))
        except InputError as error:
            refused.append(error)
    if found or len(refused) == 1:
        if not found:
            raise refused[0]
        return found
    glacier, variable = next(iter(of_kind))[:2]
    spans = ", ".join(
        f"{key[-1] or 'unknown'} {series['date'].min():%Y-%m-%d} to {series['date'].max():%Y-%m-%d}"
        for key, series in of_kind.items()
    )
    raise InputError(
        f"{glacier}, {variable_named(variable).label}: the front is not of one kind on both dates ({spans}), and from "
        "one kind to another nothing advances or retreats; give two dates of one of them"
    )


def _difference(
    key: tuple[str, ...], series: pd.DataFrame, date_from: Any, date_to: Any, max_gap_days: float
) -> dict[str, Any]:
    doubtful = pd.concat([has_flag(series["quality"], flag) for flag in _DOUBTFUL], axis=1).any(axis=1)
    series = series if doubtful.all() else series[~doubtful]
    series = series.sort_values(["date", "image_id"]).reset_index(drop=True)
    start = of_its_day(_nearest(series, date_from, key, max_gap_days, place=0), series)
    end = of_its_day(_nearest(series, date_to, key, max_gap_days, place=-1), series)
    side = difference_bound(*(side_of_bound(str(row["quality"]), row.get("bound", "")) for row in (start, end)))
    # Of one date nothing is known of a change: it is no 0.
    is_one = start["date"] == end["date"]
    change = math.nan if side is None or is_one else float(end["value"] - start["value"])
    years = rate_years(start["date"], end["date"])
    notes = [] if side is not None else [sentence("both-bounds")]
    if is_one:
        notes.append(sentence("same-observation"))
    if math.isnan(years) and not math.isnan(change):
        notes.append(sentence("short-span"))
    if doubtful.all():
        notes.append(sentence("all-doubtful"))
    notes += notes_on_ends(str(start["quality"]), str(end["quality"]))
    return {
        **dict(zip(SERIES_KEY, key, strict=True)),
        "start_date": start["date"],
        "end_date": end["date"],
        "start_value": float(start["value"]),
        "end_value": float(end["value"]),
        "change": change,
        "change_sigma": math.nan if is_one else math.hypot(start["sigma"], end["sigma"]),
        "change_per_year": change / years,
        "unit": start["unit"],
        "qualifier": side or "",
        "note": "; ".join(notes),
        "source": start["source"],
        "start_row": " ".join(names_of_rows(rows_of_day(start, series), "observations")),
        "end_row": " ".join(names_of_rows(rows_of_day(end, series), "observations")),
    }


def _nearest(series: pd.DataFrame, date: Any, key: tuple[str, ...], max_gap_days: float, *, place: int) -> pd.Series:
    if date is None:
        return series.iloc[place]
    wanted = pd.Timestamp(as_date(date))
    gaps = (series["date"] - wanted).abs()
    row = series.iloc[int(gaps.to_numpy().argmin())]
    gap_days = int(gaps.min().days)
    if gap_days > max_gap_days:
        raise InputError(
            f"{key[0]}, {variable_named(key[1]).label}: the observation nearest to {wanted.date()} is of "
            f"{row['date'].date()}, {counted(gap_days, 'days')} away; allowed are {max_gap_days:g}; give a nearer "
            "date or "
            f"--max-gap {gap_days}"
        )
    return row
