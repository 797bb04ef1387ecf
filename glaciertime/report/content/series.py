"""Which series of a glacier a report speaks of first, and what series and variables are called."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pandas as pd

from glaciertime.known_dates import KnownDate, known_date
from glaciertime.report.content.parts import Item, count, say
from glaciertime.sentences import read_sentence
from glaciertime.tables import FRONT_OF, SERIES_KEY, VARIABLES, by_series, has_flag, variable_named

__all__ = [
    "ORDER",
    "SaidDates",
    "first_series",
    "footprint_label",
    "front_label",
    "measured_in",
    "method_label",
    "per_year",
    "rows_of",
    "series_label",
    "terminus_label",
    "variable_label",
]

#: What a reader looks for first stands first.
ORDER = ("front_position_m", "area_km2", "length_m", "length_change_m", "front_width_m")
_FIRST = ("area_km2", "front_position_m", "length_m", "length_change_m")
_FOOTPRINTS = ("box", "common", "image", "fjord")
_METHODS = ("centreline", "curvilinear-box", "multi-centreline", "rectilinear-box")
#: Those that languages have words for; others go by their names.
_NAMED_METHODS = (*_METHODS, "extrapolated-centreline", "area-change", "end-to-end", "mask", "polygon")
_NAMED_FOOTPRINTS = (*_FOOTPRINTS, "centreline", "drawn centreline", "measured ice", "trace", "front", "whole front")
_NAMED_TERMINI = ("ice shelf", "tidewater", "land", "not known")
#: Said in sentences are so many kinds of measurement; the others are in the tables.
_SAID = 3


def variable_label(variable: str) -> Item:
    """Return what a variable is called; of one that is not known here, the words of its name."""
    return say(f"variable.{variable}") if variable in VARIABLES else variable_named(variable).label


def front_label(kind: str) -> Item:
    """Return what a kind of front is called; of one that is not known here, its own name."""
    return say(f"front.{kind}") if kind and kind in FRONT_OF else kind


def terminus_label(terminus: str) -> Item:
    """Return in what a glacier ends: the kind of its front, or of its terminus in the catalog."""
    return say(f"terminus.{terminus}") if terminus in _NAMED_TERMINI else front_label(terminus)


def method_label(method: str) -> Item:
    """Return what a method is called; of one that is not known here, its own name."""
    return say(f"method.{method}") if method in _NAMED_METHODS else method


def footprint_label(footprint: str) -> Item:
    """Return what a footprint is called; of one that is not known here, its own name."""
    if footprint in _NAMED_FOOTPRINTS:
        return say(f"footprint.{footprint}")
    read = read_sentence(footprint)
    if read is None:
        return footprint
    code, values = read
    gaps: dict[str, Item] = {name: one if isinstance(one, str) else count(one) for name, one in values.items()}
    return say(f"told.{code}", **gaps)


def measured_in(key: Sequence[Any], *, apart: bool) -> tuple[Item, ...]:
    """Return how a series was measured: method, footprint, kind of front; its data set where there are several."""
    _, _, method, footprint, dataset, front_of = map(str, key)
    parts = [part for part in (method, footprint) if part not in ("", "-")]
    # A position along a line is measured in what it is measured along.
    parts = list(dict.fromkeys(parts))
    named = [method_label(part) if part == method else footprint_label(part) for part in parts]
    return tuple(part for part in (*named, front_label(front_of), dataset if apart else "") if part)


def series_label(key: Sequence[Any], *, apart: bool) -> Item:
    """Return the name of a series: variable, and how it was measured."""
    return (variable_label(str(key[1])), *measured_in(key, apart=apart))


def per_year(unit: str) -> str:
    """Return the name of a unit per year.

    Examples
    --------
    >>> per_year("km2")
    'km2 a-1'
    """
    return f"{unit} a-1" if unit else "a-1"


def rows_of(observations: pd.DataFrame, key: Sequence[Any]) -> pd.DataFrame:
    """Return the rows of one series."""
    return observations[(observations[list(SERIES_KEY)] == list(key)).all(axis=1)]


class SaidDates:
    """Dates of a record as they may be said: to the day, or to the month or the year that is known of them.

    Parameters
    ----------
    observations : DataFrame
    """

    def __init__(self, observations: pd.DataFrame) -> None:
        quality = observations["quality"]
        is_vague = bool((has_flag(quality, "year-only") | has_flag(quality, "month-only")).any())
        self._all = observations if is_vague else observations.iloc[:0]
        self._rows = {_key(key): rows for key, rows in by_series(self._all, sort=False)}

    def on(self, key: Sequence[Any], date: object) -> dt.date | KnownDate:
        """Return a date of a series."""
        return known_date(self._rows.get(_key(key), self._all.iloc[:0]), date)

    def of_any(self, date: object) -> dt.date | KnownDate:
        """Return a date that one of all series has."""
        return known_date(self._all, date)


def _key(key: Sequence[Any]) -> tuple[str, ...]:
    return tuple("" if pd.isna(part) else str(part) for part in key)


def first_series(observations: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the series that stand for a glacier, one of each kind of measurement, what is looked for first first.

    Of areas that in the box, else in what all images show; of positions that along the centreline, else one in a box;
    of several data sets, or kinds of front, the one that reaches to the latest date, and of those the longest. A
    glacier that only other things are known of is told by these.
    """
    best: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {}
    for key, rows in by_series(observations[observations["value"].notna()], sort=False):
        name = tuple(map(str, key))
        variable, method, footprint = name[1:4]
        rank = (
            -_place(footprint, _FOOTPRINTS) if variable == "area_km2" else -_place(method, _METHODS),
            rows["date"].max(),
            len(rows),
        )
        if variable not in best or rank > best[variable][0]:
            best[variable] = (rank, name)
    known = [variable for variable in _FIRST if variable in best]
    others = sorted(set(best) - set(known) - {"front_width_m"})
    return [best[variable][1] for variable in (known or others or sorted(best))[:_SAID]]


def _place(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)
