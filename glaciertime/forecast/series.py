"""A dated series as a forecaster sees it: values at exact dates, with their uncertainties, of one thing only.

A series is one glacier, variable, method, footprint, dataset and kind of front; rows that differ in any of these, or
in their source, are never joined.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.cells import unquote_formulas
from glaciertime.combining import days_of_each
from glaciertime.errors import InputError, nearest_names
from glaciertime.naming import counted
from glaciertime.tables import (
    OUTLIER_FLAGS,
    SERIES_KEY,
    by_series,
    flags_of,
    has_flag,
    join_flags,
    validate,
    variable_named,
)
from glaciertime.units import DAYS_PER_YEAR, as_date

__all__ = ["Series", "as_days", "observations_from_table", "series_from_observations"]

_log = logging.getLogger(__name__)

#: How many of the latest observations tell how well the next ones will be measured.
_RECENT = 9
#: A row with one of these holds no value of the thing itself: a bound, a part, or nothing.
_NOT_A_VALUE = ("failed", "censored", "no-front", "partial-coverage", "unknown-flag")


@dataclass(frozen=True, eq=False)
class Series:
    """Observations of one quantity of one glacier, in order of date.

    Attributes
    ----------
    glacier, variable, method, footprint, dataset, front_of, unit, source : str
        The key of the series, its unit, and ``observed`` or ``simulated``.
    dates : (N,) datetime64[D]
        Strictly increasing.
    values : (N,) float64
        Finite, in ``unit``.
    sigma : (N,) float64
        One standard deviation in ``unit``; NaN where unknown.
    quality : (N,) object
        Flags of :data:`glaciertime.tables.QUALITY_FLAGS`.
    notes : tuple of str
        What was dropped or combined on the way from the table.
    """

    glacier: str
    variable: str
    method: str
    footprint: str
    dataset: str
    unit: str
    source: str
    dates: NDArray[np.datetime64]
    values: NDArray[np.float64]
    sigma: NDArray[np.float64]
    quality: NDArray[np.object_]
    notes: tuple[str, ...] = field(default=())
    front_of: str = ""

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "dates", as_days(self.dates))
        set_(self, "values", np.asarray(self.values, dtype=float))
        set_(self, "sigma", np.asarray(self.sigma, dtype=float))
        set_(self, "quality", np.asarray(self.quality, dtype=object))
        lengths = {array.shape for array in (self.dates, self.values, self.sigma, self.quality)}
        if lengths != {(len(self.dates),)}:
            raise InputError(f"{self.label}: dates, values, sigma and quality differ in length: {sorted(lengths)}")
        if not np.isfinite(self.values).all():
            count = int((~np.isfinite(self.values)).sum())
            raise InputError(f"{self.label}: {counted(count, 'values', 'are')} not finite; drop those rows first")
        if (np.diff(self.dates) <= np.timedelta64(0, "D")).any():
            raise InputError(f"{self.label}: dates must increase; sort the rows and combine those of one day")
        if (self.sigma < 0).any() or np.isinf(self.sigma).any():
            raise InputError(f"{self.label}: sigma must be zero or positive and finite, or NaN where unknown")
        if self.is_ratio_scale and (self.values < 0).any():
            raise InputError(f"{self.label}: {self.variable} is negative ({self.values.min():g} {self.unit}); "
                             "an area, length or width cannot be: correct or drop those rows")  # fmt: skip

    def __len__(self) -> int:
        return len(self.dates)

    @property
    def key(self) -> tuple[str, str, str, str, str, str]:
        """The six values of :data:`glaciertime.tables.SERIES_KEY`."""
        return (self.glacier, self.variable, self.method, self.footprint, self.dataset, self.front_of)

    @property
    def label(self) -> str:
        """Glacier and variable, for messages."""
        return f"{self.glacier}, {self.variable}"

    @property
    def is_ratio_scale(self) -> bool:
        """Whether zero means "none", so that values are never negative and percentages mean something."""
        return variable_named(self.variable).ratio_scale

    @property
    def years(self) -> NDArray[np.float64]:
        """Dates as years of 365.25 days since 1970-01-01, (N,)."""
        return as_years(self.dates)

    @property
    def recent_sigma(self) -> float:
        """Typical known sigma of the latest observations, in the unit of the values; 0 where it is mostly unknown.

        The median of the last nine, an unknown one counting as 0: one value with a huge sigma does not set it, nor
        do the sensors of decades ago.
        """
        return float(np.median(np.nan_to_num(self.sigma[-_RECENT:])))

    def has_flag(self, *flags: str) -> NDArray[np.bool_]:
        """Return, per observation, whether its quality holds one of the flags."""
        return np.array([bool(set(flags) & set(flags_of(text))) for text in self.quality], dtype=bool)

    def until(self, cutoff: Any) -> Series:
        """Return the observations up to and including the cutoff."""
        return self.take(self.dates <= as_days([cutoff])[0])

    def take(self, keep: NDArray[Any] | slice) -> Series:
        """Return the observations that a mask or a slice of indices keeps."""
        return replace(self, dates=self.dates[keep], values=self.values[keep], sigma=self.sigma[keep],
                       quality=self.quality[keep])  # fmt: skip

    def screened(self) -> Series:
        """Return the series without the observations that screening flagged as outliers.

        Such flags are made from the whole record: they may be used at its end, not at an earlier cutoff.
        """
        bad = self.has_flag(*OUTLIER_FLAGS)
        if not bad.any():
            return self
        return replace(self.take(~bad), notes=(*self.notes, f"{int(bad.sum())} dropped: flagged as outliers"))


def as_days(dates: Any) -> NDArray[np.datetime64]:
    """Return dates as (N,) datetime64[D].

    Raises
    ------
    InputError
        If one of them is not a date.

    Examples
    --------
    >>> as_days(["2002-03-15"])
    array(['2002-03-15'], dtype='datetime64[D]')
    """
    array = np.asarray(dates)
    if array.dtype.kind != "M":
        array = np.array([as_date(value) for value in np.atleast_1d(np.asarray(dates, dtype=object))],
                         dtype="datetime64[D]")  # fmt: skip
    array = np.atleast_1d(array).astype("datetime64[D]")
    if np.isnat(array).any():
        raise InputError("a date is missing; give it as YYYY-MM-DD")
    return array


def as_years(dates: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return days as years of 365.25 days since 1970-01-01."""
    return dates.astype("datetime64[D]").astype(np.int64) / DAYS_PER_YEAR


def series_from_observations(
    observations: pd.DataFrame,
    *,
    glacier: str | Iterable[str] | None = None,
    variable: str | None = None,
    method: str | None = None,
    footprint: str | None = None,
    dataset: str | None = None,
    front_of: str | None = None,
) -> list[Series]:
    """Return the series that a table of observations holds, one per key, in order of key.

    Rows without a value, and rows flagged ``failed``, ``censored``, ``no-front`` or ``partial-coverage``, are
    dropped and counted in ``notes`` and the log: a bound is not a value. Rows flagged as outliers stay, flagged:
    whether they may be left out depends on the cutoff (:meth:`Series.screened`). Several rows of one day become
    one as they do in every product (:func:`glaciertime.combining.one_per_day`).

    Parameters
    ----------
    observations : DataFrame
        The corridor's table, rows in any order.
    glacier, variable, method, footprint, dataset, front_of : str, optional
        Keep only the rows that bear this name; several glaciers may be given.

    Returns
    -------
    list of Series
        Never empty; each with at least one observation.

    Raises
    ------
    InputError
        If nothing matches or nothing is left, or a series mixes units or sources, or holds a value that is not
        finite or a negative area.

    Examples
    --------
    >>> table = pd.DataFrame({"glacier": "Crane", "date": ["2003-03-15", "2002-03-15"], "variable": "area_km2",
    ...     "value": [630.0, 654.1], "unit": "km2", "method": "polygon", "footprint": "box", "dataset": "Greene",
    ...     "image_id": "-", "quality": "ok", "source": "observed"})
    >>> series_from_observations(table)[0].values
    array([654.1, 630. ])
    """
    infinite = np.isinf(pd.to_numeric(observations.get("value", pd.Series(dtype=float)), errors="coerce"))
    if infinite.any():
        raise InputError(
            f"observations: {counted(int(infinite.sum()), 'values', 'are')} infinite; correct or drop those rows"
        )
    _refuse_mixed(observations)
    table = validate(observations, "observations")
    wanted = {"glacier": glacier, "variable": variable, "method": method, "footprint": footprint, "dataset": dataset}
    for column, names in wanted.items():
        if names is not None:
            table = _select(table, column, [names] if isinstance(names, str) else list(names))
    if front_of is not None:
        table = _select_front(table, front_of)
    found = _series_of(table)
    if not found:
        raise InputError(f"observations: none of {counted(len(table), 'rows')} holds a value that can be forecast "
                         "from; "
                         "look at the quality column")  # fmt: skip
    return found


def _refuse_mixed(table: pd.DataFrame) -> None:
    if not ({*SERIES_KEY, "unit", "source"} - {"front_of"}) <= set(table.columns):
        return
    keys = [name for name in SERIES_KEY if name in table]
    for column in ("unit", "source"):
        kinds = table[[*keys, column]].drop_duplicates()
        mixed = kinds[kinds.duplicated(keys, keep=False)]
        if len(mixed):
            key, rows = next(iter(mixed.groupby(keys, dropna=False)))
            names = ", ".join(sorted(map(str, rows[column])))
            raise InputError(f"{key[0]}, {key[1]}: one series mixes {column}s {names}; "
                             f"bring the rows to one {column}, or give them different datasets")  # fmt: skip


def _select(table: pd.DataFrame, column: str, names: list[str]) -> pd.DataFrame:
    known = sorted(table[column].unique())
    for name in names:
        if name not in known:
            near = nearest_names(name, known) or known[:5]
            raise InputError(f"no observations with {column} {name!r}; there are {', '.join(near) or 'none'}")
    return table[table[column].isin(names)]


def _select_front(table: pd.DataFrame, front_of: str) -> pd.DataFrame:
    """Return the rows of one kind of front, and those of what has no kind, such as areas."""
    has_kinds = table["variable"].isin(set(table.loc[table["front_of"] != "", "variable"]))
    if has_kinds.any() or front_of:
        known = sorted(table.loc[has_kinds, "front_of"].unique())
        if front_of not in known:
            there = ", ".join(kind or "unknown" for kind in known) or "none of a known kind"
            raise InputError(f"no observations of a front of {front_of or 'unknown'}; there are {there}")
    return table[~has_kinds | (table["front_of"] == front_of)]


def _series_of(table: pd.DataFrame) -> list[Series]:
    """Return the series of a checked table in order of key: all rows at once, since there may be thousands of both."""
    grouped = by_series(table)
    which = grouped.ngroup().to_numpy()
    notes: list[list[str]] = [[] for _ in range(grouped.ngroups)]

    def tell(rows: NDArray[np.bool_], why: str) -> None:
        counts = np.bincount(which[rows], minlength=len(notes))
        for place in np.flatnonzero(counts):
            notes[place].append(why.format(counts[place]))

    held = {text: frozenset(flags_of(text)) for text in table["quality"].unique()}
    is_empty = table["value"].isna().to_numpy()
    bound = (table["bound"] != "").to_numpy() & ~is_empty
    tell(bound, "{} dropped: a bound, not a value")
    no_value = is_empty | bound
    for flag in _NOT_A_VALUE:
        flagged = table["quality"].isin([text for text, flags in held.items() if flag in flags]).to_numpy()
        tell(flagged & ~no_value, f"{{}} dropped: {flag}")
        no_value |= flagged
    tell(is_empty, "{} dropped: no value")
    daily, of_day = days_of_each(table[~no_value], which[~no_value])
    rows_of, days_of = (np.bincount(part, minlength=len(notes)) for part in (which[~no_value], of_day))
    assumed = has_flag(table["quality"], "assumed-seaward").to_numpy() & ~no_value
    is_assumed = np.bincount(which[assumed], minlength=len(notes)) > 0
    columns = [daily[name].to_numpy() for name in ("date", "value", "sigma", "quality")]
    ends = np.cumsum(days_of)
    # What is said once of a series, its name, unit and source, its first row says.
    first = np.zeros(len(notes), dtype=np.int64)
    first[which[::-1]] = np.arange(len(which))[::-1]
    names = table.iloc[first][[*SERIES_KEY, "unit", "source"]].to_dict("records")
    found = []
    for place, (told, its) in enumerate(zip(notes, names, strict=True)):
        if days_of[place] < rows_of[place]:
            told.append(f"{rows_of[place]} rows on {days_of[place]} days: rows of one day combined")
        if is_assumed[place]:
            told.append("which way the sea lies is assumed, by a retreat: what is a retreat may be an advance")
        for note in told:
            _log.info("%s, %s: %s", its["glacier"], its["variable"], note)
        if days_of[place]:
            here = slice(ends[place] - days_of[place], ends[place])
            date, value, sigma, quality = (column[here] for column in columns)
            found.append(Series(**its, dates=date, values=value, sigma=sigma, quality=quality, notes=tuple(told)))
    return found


def observations_from_table(table: pd.DataFrame, *, source: str = "observed") -> pd.DataFrame:
    """Return an observations table from a plain table of dated values.

    Columns ``glacier, date, variable, value, unit`` are needed, and text that an export quoted
    (:mod:`glaciertime.cells`) is read as it was; a ``source`` column that holds a citation is
    read as ``dataset``. A date that is a bare year becomes 1 January, flagged ``year-only``.

    Parameters
    ----------
    table : DataFrame
        One row per value.
    source : {"observed", "simulated"}
        What the values are.

    Examples
    --------
    >>> plain = pd.DataFrame({"glacier": ["A"], "date": [1950], "variable": ["length_change_m"], "value": [-3.0],
    ...                       "unit": ["m"], "source": ["WGMS"]})
    >>> observations_from_table(plain)[["date", "dataset", "quality", "source"]].iloc[0].tolist()
    [Timestamp('1950-01-01 00:00:00'), 'WGMS', 'year-only', 'observed']
    """
    needed = ("glacier", "date", "variable", "value", "unit")
    missing = [column for column in needed if column not in table]
    if missing:
        raise InputError(f"table of values: column {', '.join(missing)} is missing; expected {', '.join(needed)}")
    out = unquote_formulas(table)
    if "source" in out and not set(out["source"].dropna().unique()) <= {"observed", "simulated"}:
        out = out.rename(columns={"source": "dataset"}) if "dataset" not in out else out.drop(columns="source")
    text = out["date"].astype(str).str.strip().str.replace(r"\.0$", "", regex=True)
    year_only = text.str.fullmatch(r"\d{4}")
    out["date"] = text.where(~year_only, text + "-01-01")
    defaults = {"method": "-", "footprint": "-", "dataset": "-", "image_id": "-", "source": source}
    for column, value in defaults.items():
        out[column] = out[column].fillna(value) if column in out else value
    quality = out["quality"].fillna("ok") if "quality" in out else pd.Series("ok", index=out.index)
    out["quality"] = [
        join_flags({**flags_of(given), "year-only": ""}) if bare else given
        for given, bare in zip(quality, year_only, strict=True)
    ]
    return validate(out, "observations")
