"""Series whose future values are given: a temperature or melt scenario, or the season, which is known anyway.

A forecast that uses them is conditional on them: it says what follows if the given future comes, and nothing of how
likely that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.errors import InputError, UsageError
from glaciertime.forecast.series import as_days, as_years
from glaciertime.naming import counted

__all__ = ["EFFECTS", "SEASON", "Covariates", "check_one_past", "covariates_from_table", "is_conditional"]

#: How the season is called behind the name of a model.
SEASON = "season"
#: Whether the value itself goes with the covariate, or its rate of change does.
EFFECTS = ("level", "rate")
#: A gap longer than so many typical steps is not bridged.
_GAP_STEPS = 5.0


@dataclass(frozen=True, eq=False)
class Covariates:
    """Dated values of one or more covariates, straight between their dates.

    Attributes
    ----------
    names : tuple of str
    dates : tuple of (M,) datetime64[D]
        Of each covariate, strictly increasing.
    values : tuple of (M,) float64
    effect : {"level", "rate"}
        ``level``: the observed value goes with the covariate. ``rate``: its change per year does, so that the value
        goes with the covariate summed over time, as length does with melt.
    season : bool
        Whether a cosine and a sine of the year are added, always as a level.
    future : str
        What the given future is called where several are told.
    """

    names: tuple[str, ...] = ()
    dates: tuple[NDArray[np.datetime64], ...] = ()
    values: tuple[NDArray[np.float64], ...] = ()
    effect: str = "level"
    season: bool = False
    future: str = ""

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise UsageError(f"there is no covariate effect {self.effect!r}; give one of {', '.join(EFFECTS)}")
        if not self.names and not self.season:
            raise InputError("no covariate was given; give a table of date, name, value, or season=True")

    @property
    def label(self) -> str:
        """The names, to be put behind the name of a model."""
        names = "+".join([*self.names, *((SEASON,) if self.season else ())])
        return f"{names}:{self.future}" if self.future else names

    def check(self, label: str, first: Any, last: Any, *, earlier: str = "an earlier --until") -> None:
        """Refuse covariates that do not cover the dates from the first observation to the last target.

        Parameters
        ----------
        label : str
            What is forecast.
        first, last : date
        earlier : str
            What else than more values would help where they end too early.

        Raises
        ------
        InputError
            With what is missing, and what would work.
        """
        start, end = as_days([first])[0], as_days([last])[0]
        for name, dates in zip(self.names, self.dates, strict=True):
            if dates[0] > start:
                raise InputError(f"{label}: covariate {name} begins on {dates[0]}, after the first value, {start}; "
                                 "give its earlier values, or leave the earlier observations out")  # fmt: skip
            if dates[-1] < end:
                raise InputError(f"{label}: covariate {name} ends on {dates[-1]}, before the last target date, {end}; "
                                 f"give its values up to there, or {earlier}")  # fmt: skip
            step = np.diff(dates[: int(np.searchsorted(dates, end)) + 1].astype(np.int64))
            if len(step) and step.max() > _GAP_STEPS * np.median(step):
                at = dates[int(np.argmax(step))]
                raise InputError(f"{label}: covariate {name} has no value in the {counted(step.max(), 'days')} "
                                 f"after {at}, its "
                                 f"typical step is {np.median(step):.0f} days; fill the gap")  # fmt: skip

    def at(self, years: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the columns (N, C) at dates in years since 1970; the checks are those of :meth:`check`.

        Examples
        --------
        >>> made = Covariates(("melt",), (as_days(["2000-01-01", "2002-01-01"]),), (np.array([1.0, 3.0]),))
        >>> made.at(as_years(as_days(["2001-01-01"]))).round(2)
        array([[2.]])
        """
        columns = []
        for dates, values in zip(self.dates, self.values, strict=True):
            known = as_years(dates)
            if self.effect == "level":
                columns.append(np.interp(years, known, values))
                continue
            total = np.concatenate([[0.0], np.cumsum(np.diff(known) * (values[1:] + values[:-1]) / 2)])
            place = np.clip(np.searchsorted(known, years, side="right") - 1, 0, len(known) - 2)
            there = np.interp(years, known, values)
            columns.append(total[place] + (years - known[place]) * (values[place] + there) / 2)
        if self.season:
            columns += [np.cos(2 * np.pi * years), np.sin(2 * np.pi * years)]
        return np.column_stack(columns)


def is_conditional(model: str) -> bool:
    """Return whether the forecasts of a model follow from the future of a covariate, by the name that they have.

    The season is known beforehand: a forecast that rests on it alone is one like any other.

    Examples
    --------
    >>> is_conditional("gbm+melt"), is_conditional("kalman+season"), is_conditional("gbm")
    (True, False, False)
    """
    given = model.partition("+")[2]
    return given not in ("", SEASON)


def check_one_past(futures: Sequence[Covariates], *, label: str, until: Any) -> None:
    """Refuse covariates that are told as several futures and differ in the past, or in what they are.

    Parameters
    ----------
    futures : sequence of Covariates
    label : str
        What is forecast.
    until : date
        The last date that is the past.

    Raises
    ------
    InputError
        With the first date on which two of them differ.
    """
    for other in futures[1:]:
        one = futures[0]
        if one.names != other.names:
            raise InputError(
                f"{label}: {one.future} gives {', '.join(one.names)} and {other.future} {', '.join(other.names)}; "
                "several futures are told of the same covariates"
            )
        end = as_days([until])[0]
        for k, name in enumerate(one.names):
            both = [
                dict(zip(held.dates[k].tolist(), held.values[k].tolist(), strict=True)) for held in (one, other)
            ]  # fmt: skip
            for day in sorted({*both[0], *both[1]}):
                first, second = (held.get(day) for held in both)
                if np.datetime64(day) <= end and first != second:
                    told = " and ".join("no value" if value is None else f"{value:g}" for value in (first, second))
                    raise InputError(
                        f"{label}: {one.future} and {other.future} differ on {day} ({name}: {told}), and what came up "
                        f"to {end} is no future; give both the same past"
                    )


def covariates_from_table(
    table: pd.DataFrame, *, effect: str = "level", season: bool = False, future: str = ""
) -> Covariates:
    """Return covariates from a table of ``date, name, value``, rows in any order.

    Raises
    ------
    InputError
        If a column is missing, a value is not finite, a date is given twice, or a covariate has fewer than two
        values.
    UsageError
        If the effect is not known.

    Examples
    --------
    >>> covariates_from_table(pd.DataFrame({"date": ["2000-01-01", "2001-01-01"], "name": "t", "value": [1, 2]})).names
    ('t',)
    """
    missing = [column for column in ("date", "name", "value") if column not in table]
    if missing:
        raise InputError(f"covariates: column {', '.join(missing)} is missing; expected date, name, value")
    if table.empty:
        raise InputError("covariates: the table has no rows; expected date, name, value")
    names, dates, values = [], [], []
    for name, rows in table.groupby(table["name"].astype(str), sort=True):
        if name.strip() in ("", SEASON):
            raise InputError(f"covariate {name!r} is no name of its own ({SEASON} is that of --season); rename it")
        days = as_days(rows["date"].astype(str).str.strip().to_list())
        order = np.argsort(days, kind="stable")
        numbers = pd.to_numeric(rows["value"], errors="coerce").to_numpy(dtype=float)
        if not np.isfinite(numbers).all():
            raise InputError(f"covariate {name}: {counted(int((~np.isfinite(numbers)).sum()), 'values', 'are')} not "
                             "finite numbers; "
                             "correct or drop those rows")  # fmt: skip
        days, numbers = days[order], numbers[order]
        if len(days) < 2:
            raise InputError(f"covariate {name}: {len(days)} value, at least two are needed")
        twice = days[1:][np.diff(days) == np.timedelta64(0, "D")]
        if len(twice):
            raise InputError(f"covariate {name}: two values on {twice[0]}; keep one")
        names.append(str(name))
        dates.append(days)
        values.append(numbers)
    return Covariates(tuple(names), tuple(dates), tuple(values), effect, season, future)
