"""From a table to observations: read, told, judged series by series, and ready for the archive."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.series.forms import SeriesOptions, form_of
from glaciertime.scenes.series.judging import (
    are_per_period,
    counts_changes,
    joined,
    judged_series,
    resets_of,
    summed_runs,
)
from glaciertime.scenes.series.reading import RawTable, raw_table_from_file, raw_table_from_frame
from glaciertime.scenes.series.rows import rows_of_form
from glaciertime.scenes.series.told import Told
from glaciertime.sentences import sentence
from glaciertime.tables import SERIES_KEY, by_series, empty, flags_of, join_flags, validate

__all__ = ["SeriesTable", "read_series", "series_of_table"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeriesTable:
    """What a table gave.

    Attributes
    ----------
    observations : DataFrame
        The corridor's table, in order of series and date.
    columns : tuple of str
        The columns that the values stood in.
    told : Told
        What was left out, and what was assumed.
    """

    observations: pd.DataFrame
    columns: tuple[str, ...]
    told: Told


def series_of_table(table: RawTable, options: SeriesOptions | None = None) -> SeriesTable:
    """Return the series of a table as observations.

    Raises
    ------
    InputError
        Where nothing of it can be read with certainty; the message says what to give.
    UsageError
        Where an option names what there is not, or two of them contradict each other.
    """
    options = options or SeriesOptions()
    if options.per_period and options.cumulative:
        raise UsageError("--per-period and --cumulative contradict each other; give one")
    told = Told()
    form = form_of(table, options)
    for note in form.notes:
        told.note(note)
    rows = rows_of_form(table, form, options, told)
    if options.per_period:
        states = sorted({name for name in rows["variable"] if not counts_changes(name)})
        if states:
            raise UsageError(
                f"--per-period sums changes, and {states[0]} is none; give --variable length_change_m, area_change_km2 "
                "or mass_gt if the values are changes"
            )
    parts = [_standing(rows, options, table, told)] if len(rows) else []
    observations = _observations(parts, table)
    return SeriesTable(observations, tuple(dict.fromkeys(value.column for value in form.values)), told)


def _standing(rows: pd.DataFrame, options: SeriesOptions, table: RawTable, told: Told) -> pd.DataFrame:
    judged = {}
    for key, series in by_series(rows):
        found = judged_series(series, told)
        if found.refused:
            told.refuse(_label(key), found.refused)
        elif len(found.rows):
            judged[key] = found.rows
    from_each_other = _starts_differ(judged)
    sums = {key: _is_summed(series, options, from_each_other) for key, series in judged.items()}
    _refuse_unsaid(judged, sums, options, table, told)
    parts = []
    for key, series in judged.items():
        if sums[key]:
            parts += _summed(key, series, told)
        elif counts_changes(str(key[1])):
            parts += _counted(key, series, options, told)
        else:
            parts.append(series)
    return pd.concat(parts, ignore_index=True) if parts else rows.iloc[:0]


def _label(key: Any) -> str:
    return f"{key[0]}, {key[1]}"


def _starts_differ(judged: dict[Any, pd.DataFrame]) -> bool:
    """Return whether the dates that changes are counted from differ within most series, as those of periods do."""
    counts = [series["start"].dropna().nunique() for series in judged.values() if len(series) > 1]
    return sum(count > 1 for count in counts) >= sum(count == 1 for count in counts)


def _is_summed(series: pd.DataFrame, options: SeriesOptions, from_each_other: bool) -> bool:
    """Return whether the values are changes that are to be summed."""
    variable = str(series["variable"].iloc[0])
    if not counts_changes(variable) or options.cumulative:
        return False
    if options.per_period:
        return True
    said = series["is_cumulative"].iloc[0]
    if said is not None and not pd.isna(said):
        return not said and variable != "mass_balance_mwe"
    return bool(series["start"].notna().any()) and from_each_other


def _refuse_unsaid(
    judged: dict[Any, pd.DataFrame], sums: dict[Any, bool], options: SeriesOptions, table: RawTable, told: Told
) -> None:
    """Refuse changes of which neither the table nor the user says what they count from."""
    if options.per_period or options.cumulative:
        return
    unsaid = {
        key: series for key, series in judged.items()
        if counts_changes(str(key[1])) and key[1] != "mass_balance_mwe" and not sums[key]
        and (series["is_cumulative"].iloc[0] is None or pd.isna(series["is_cumulative"].iloc[0]))
        and series["start"].isna().all()
    }  # fmt: skip
    asking = [key for key, series in unsaid.items() if bool(series["asks"].iloc[0])]
    claims = {key: are_per_period(series["value"].to_numpy(dtype=float)) for key, series in unsaid.items()}
    judgements = [claim for claim in claims.values() if claim is not None]
    if asking:
        key, why = asking[0], f"column {unsaid[asking[0]]['column'].iloc[0]} may be of either kind"
    elif judgements and sum(judgements) > len(judgements) / 2:
        key = next(key for key, claim in claims.items() if claim)
        why = "the values scatter about one mean, as changes do, and do not add up"
    else:
        if unsaid:
            told.note(f"{sentence('one-reference', name=next(iter(unsaid))[1])}; {sentence('give-per-period')}")
        return
    raise InputError(
        f"{table.name}, {_label(key)}: it is not said whether each change counts from the date before or all from one "
        f"reference, and {why}; give --per-period (they are summed) or --cumulative"
    )


def _summed(key: Any, series: pd.DataFrame, told: Told) -> list[pd.DataFrame]:
    runs, reason = summed_runs(series)
    if reason:
        told.refuse(_label(key), reason)
        return []
    has_starts = bool(series["start"].notna().any())
    told.note("changes per period summed" + ("" if has_starts else ", each counted from the date before"))
    if len(runs) > 1:
        told.note(
            f"{_label(key)}: no change is given between {runs[-2]['date'].iloc[-1]} and {runs[-1]['date'].iloc[0]}; "
            f"what lies behind a gap is a series of its own ({len(runs)} series)"
        )
        runs = [run.assign(footprint=f"since {run['date'].iloc[0]}") for run in runs]
    return runs


def _counted(key: Any, series: pd.DataFrame, options: SeriesOptions, told: Told) -> list[pd.DataFrame]:
    """Return a cumulative series, joined where it begins anew and that was asked for."""
    values = series["value"].to_numpy(dtype=float)
    days = series["date"].to_numpy().astype("datetime64[D]")
    resets = resets_of(days, values) if options.resets != "keep" else np.array([], dtype=int)
    if not len(resets):
        return [series]
    first = int(resets[0])
    where = (
        f"from {values[first - 1]:,.4g} ({days[first - 1]}) to {values[first]:,.4g} ({days[first]}) "
        f"{series['unit'].iloc[0]}"
    )
    if options.resets != "join":
        told.refuse(_label(key), f"its reference seems to move: it jumps {where}; give --resets join to count on from "
                                 "the value before, or --resets keep if the glacier did that")  # fmt: skip
        return []
    told.note(f"{_label(key)}: counted on where its reference moved, {where}")
    return [series.assign(value=joined(values, resets))]


def _observations(parts: list[pd.DataFrame], table: RawTable) -> pd.DataFrame:
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if rows.empty:
        return empty("observations")
    rows["image_id"] = rows["image_id"].where(rows["image_id"] != "", table.name)
    # Two values of a day that agree stay two: the second takes a name of its own.
    turn = by_series(rows, "date", "image_id").cumcount()
    rows["image_id"] = rows["image_id"].where(turn == 0, rows["image_id"] + " (" + (turn + 1).astype(str) + ")")
    rows["quality"] = [
        _quality(quality, flags, bound)
        for quality, flags, bound in zip(rows["quality"], rows["flags"], rows["bound"], strict=True)
    ]
    rows["date"] = rows["date"].to_numpy().astype("datetime64[s]")
    rows["coverage"] = np.nan
    observations = validate(rows, "observations")
    return observations.sort_values([*SERIES_KEY, "date", "image_id"], kind="stable").reset_index(drop=True)


def _quality(quality: str, flags: dict[str, str], bound: str) -> str:
    own = flags_of(quality) if quality else {}
    return join_flags({**own, **flags, **({"censored": bound.replace("-", " ")} if bound else {})})


def read_series(path_or_frame: Path | str | pd.DataFrame, *, options: SeriesOptions | None = None, **told: Any) -> Any:
    """Return the dated series of a table as observations.

    Parameters
    ----------
    path_or_frame : Path, str or DataFrame
        A CSV, text, Excel or Parquet file, or a table: the tidy form (``glacier, date, variable, value, unit``, with
        ``sigma, bound, dataset`` where known), the forms of WGMS, GLAMOS, NVE, Leclercq and of mascon masses, columns
        side by side, a column per glacier or per year.
    options : SeriesOptions, optional
        What the table does not say itself.
    **told
        Fields of :class:`SeriesOptions`, instead.

    Returns
    -------
    DataFrame
        The corridor's ``observations``. ``attrs["problems"]`` holds a sentence for each kind of row that was left out,
        ``attrs["notes"]`` what was assumed; problems are logged as warnings too.

    Raises
    ------
    InputError
        Where nothing of it can be read with certainty; the message says what to give.

    Examples
    --------
    >>> table = pd.DataFrame({"glacier": "A", "year": [1990, 1991], "area (ha)": [250, 240]})
    >>> read_series(table)[["variable", "value", "unit", "quality"]].astype(str).iloc[0].tolist()
    ['area_km2', '2.5', 'km2', 'year-only']
    """
    chosen = replace(options or SeriesOptions(), **told)
    if isinstance(path_or_frame, pd.DataFrame):
        table = raw_table_from_frame(path_or_frame)
    else:
        table = raw_table_from_file(Path(path_or_frame), sheet=chosen.sheet)
    found = series_of_table(table, chosen)
    problems = found.told.problems()
    if found.observations.empty:
        raise InputError(f"{table.name}: nothing could be read. {' '.join(problems or found.told.remarks())}".strip())
    for problem in problems:
        _log.warning("%s: %s", table.name, problem)
    found.observations.attrs.update(problems=problems, notes=found.told.remarks())
    return found.observations
