"""What a region says: for each kind of measurement the total, how much of the region it is of, and who changed most.

A total is of one variable, method, footprint, data set, kind of front and source: different ones are never mixed, and
what is simulated is never added to what was observed. Nothing is counted twice: of glaciers whose polygons, or whose
values, are the same one counts; those that share a part of their ground are left out of that total, since what of a
change lies in the part is not known. Changes over different periods are no one change: then only their rates are added.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from glaciertime.errors import InputError
from glaciertime.naming import counted
from glaciertime.region.changes import Changes
from glaciertime.region.overlap import Shared, shared_ground
from glaciertime.region.totals import CORRELATION, Total, check_correlation, total_of
from glaciertime.sentences import sentence
from glaciertime.track.record.difference import is_length

__all__ = ["Completeness", "KindReading", "RegionReading", "read_region_changes"]

_KIND = ("source", "variable", "method", "footprint", "dataset", "front_of", "unit")
#: Units of what can be added over glaciers; lengths are averaged, and altitudes and the like too.
_SUMMED = ("km2", "km3", "Gt")


@dataclass(frozen=True)
class Completeness:
    """How much of a region something is of."""

    n: int
    of: int
    #: Of those whose area is known, by these; NaN where none is.
    area_km2: float
    of_area_km2: float
    #: How many have no known area.
    without_area: int

    @property
    def share(self) -> float:
        """By area, 0 to 1; NaN where no area is known."""
        return self.area_km2 / self.of_area_km2 if self.of_area_km2 > 0 else math.nan


@dataclass(frozen=True)
class KindReading:
    """What glaciers did by one kind of measurement.

    Attributes
    ----------
    kind : mapping
        ``source, variable, method, footprint, dataset, front_of, unit``.
    table : DataFrame
        Its glaciers that are counted, the fastest shrinking first; columns of ``changes.CHANGE_COLUMNS``.
    left_out : mapping of glacier to reason
    start, end, change : Total or None
        The sums at the start, at the end, and of the change; None where the periods differ, or nothing can be added.
    rate : Total or None
        The sum of the changes per year; of lengths and the like None, and where one is over less than eleven months.
    mean_rate : Total or None
        The mean change per year.
    percent_per_year : Total or None
        The sum of the rates, of the sum at the start of each glacier's own period.
    """

    kind: Mapping[str, str]
    table: pd.DataFrame
    left_out: Mapping[str, str]
    completeness: Completeness
    start: Total | None
    end: Total | None
    change: Total | None
    rate: Total | None
    mean_rate: Total | None
    percent_per_year: Total | None
    is_one_period: bool
    notes: tuple[str, ...]

    @property
    def years(self) -> tuple[float, float]:
        """The shortest and the longest period, in years."""
        return float(self.table["years"].min()), float(self.table["years"].max())


@dataclass(frozen=True)
class RegionReading:
    """What a region says, kind by kind, the one of most glaciers first, observed ones before simulated ones."""

    label: str
    kinds: tuple[KindReading, ...]
    correlation: float
    #: Glaciers of which nothing is known, with the reason; and those that are known and not held.
    failed: Mapping[str, str]
    missing: tuple[str, ...]
    glaciers: tuple[str, ...]
    shared: tuple[tuple[str, Shared], ...]
    points: Mapping[str, tuple[float, float]]

    @property
    def of(self) -> int:
        """How many glaciers the region has, as far as is known."""
        return len(self.glaciers) + len(self.missing)


def read_region_changes(
    changes: Changes,
    *,
    label: str,
    correlation: float = CORRELATION,
    same_period_days: float = 180,
    missing: Sequence[str] = (),
    areas_km2: Mapping[str, float] | None = None,
) -> RegionReading:
    """Return what the changes of glaciers say of their region.

    Parameters
    ----------
    changes : Changes
    label : str
        What the region is called.
    correlation : float
        Between the errors of any two glaciers, 0 to 1.
    same_period_days : float
        Starts, and ends, that lie no farther apart are those of one period.
    missing : sequence of str
        Glaciers of the region of which the archive holds nothing.
    areas_km2 : mapping of glacier to area, optional
        For the completeness by area; default the latest area that was measured.

    Raises
    ------
    InputError
        Where nothing is known of any glacier.
    """
    check_correlation(correlation)
    if not changes.rows:
        reason = next(iter(changes.failed.values()), "it has no glaciers")
        raise InputError(
            f"{label}: nothing can be said of any of its {counted(len(changes.glaciers), 'glaciers')} ({reason})"
        )
    shared = _SharedGround(changes)
    areas = dict(areas_km2 or {}) or changes.areas_km2
    every = [*changes.glaciers, *missing]
    kinds = []
    for key, rows in changes.table.groupby(list(_KIND), sort=False):
        kind = dict(zip(_KIND, map(str, key), strict=True))
        kinds.append(
            _reading(kind, rows, shared, areas, every, correlation=correlation, same_period_days=same_period_days)
        )
    kinds.sort(key=_rank)
    told = tuple((f"{footprint} of {dataset}", pair) for dataset, footprint, pair in shared.told())
    return RegionReading(
        label, tuple(kinds), correlation, changes.failed, tuple(missing), tuple(changes.glaciers), told, changes.points
    )  # fmt: skip


class _SharedGround:
    """Which glaciers share ground, by data set, footprint and method; looked for where it is asked for, and once."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._found: dict[tuple[str, str, bool], list[Shared]] = {}

    def within(self, kind: Mapping[str, str], footprint: str) -> list[Shared]:
        """Return the pairs that share ground in a footprint: the ice of outlines, of masks all that it holds."""
        is_mask = kind["method"] == "mask"
        key = (kind["dataset"], footprint, is_mask)
        if key not in self._found:
            polygons = self._changes.footprints if is_mask else self._changes.grounds
            self._found[key] = shared_ground(polygons.get(key[:2], {}))
        return self._found[key]

    def anywhere(self, kind: Mapping[str, str]) -> list[Shared]:
        """Return the pairs that share ground in any footprint of a kind's data set."""
        names = [footprint for dataset, footprint in self._changes.footprints if dataset == kind["dataset"]]
        return [pair for name in names for pair in self.within(kind, name)]

    def told(self) -> list[tuple[str, str, Shared]]:
        """Return what was found, each pair of a footprint once."""
        pairs = {
            (dataset, footprint, pair.one, pair.other): pair
            for (dataset, footprint, _), found in self._found.items()
            for pair in found
        }
        return [(dataset, footprint, pair) for (dataset, footprint, *_), pair in pairs.items()]


def _rank(one: KindReading) -> tuple[Any, ...]:
    """Return what stands first: observed areas, then lengths, each of the most glaciers first, widths last."""
    variable = one.kind["variable"]
    place = 0 if variable == "area_km2" else 3 if variable == "front_width_m" else 1 if is_length(variable) else 2
    return one.kind["source"] != "observed", place, variable if place == 2 else "", -len(one.table), *one.kind.values()


def _reading(
    kind: Mapping[str, str],
    rows: pd.DataFrame,
    shared: _SharedGround,
    areas: Mapping[str, float],
    every: Sequence[str],
    *,
    correlation: float,
    same_period_days: float,
) -> KindReading:
    left_out: dict[str, str] = {}
    one_date = rows["years"] <= 0
    for name in rows.loc[one_date, "glacier"]:
        left_out[name] = sentence("one-date")
    for row in rows[~one_date & rows["change"].isna()].itertuples():
        left_out[row.glacier] = row.note or sentence("change-unknown")
    rows = rows[~rows["glacier"].isin(left_out)]
    if not _is_one_period(rows, same_period_days):
        # Only rates are added then.
        left_out |= dict.fromkeys(rows.loc[rows["per_year"].isna(), "glacier"], sentence("short-span"))
        rows = rows[~rows["glacier"].isin(left_out)]
    _leave_same(rows, shared.anywhere(kind), left_out)
    rows = rows[~rows["glacier"].isin(left_out)]
    if kind["unit"] in _SUMMED:
        _leave_shared(rows, shared.within(kind, kind["footprint"]), left_out)
        rows = rows[~rows["glacier"].isin(left_out)]
    table = rows.sort_values(["per_year", "change", "glacier"]).reset_index(drop=True)
    known = [name for name in every if name in areas]
    inside = set(table["glacier"])
    completeness = Completeness(
        len(inside), len(every), math.fsum(areas[name] for name in known if name in inside) if known else math.nan,
        math.fsum(areas[name] for name in known) if known else math.nan, len(every) - len(known),
    )  # fmt: skip
    return _summed(kind, table, left_out, completeness, correlation, same_period_days)


def _is_one_period(table: pd.DataFrame, same_period_days: float) -> bool:
    spans = [(table[name].max() - table[name].min()).days for name in ("start_date", "end_date")]
    return len(table) > 0 and max(spans) <= same_period_days


def _leave_same(rows: pd.DataFrame, pairs: Sequence[Shared], left_out: dict[str, str]) -> None:
    """Leave out all but one of glaciers that are one: by their polygons, or by every value of their series."""
    dates = dict(zip(rows["glacier"], rows["dates"], strict=True))

    def keep_one(names: Sequence[str], code: str, **values: str) -> None:
        there = sorted((name for name in names if name in dates and name not in left_out), key=lambda n: (-dates[n], n))
        for name in there[1:]:
            left_out[name] = sentence(code, other=there[0], **values)

    for series, same in rows.groupby("series"):
        if series and len(same) > 1:
            keep_one(list(same["glacier"]), "same-series")
    for pair in pairs:
        if pair.is_same:
            keep_one((pair.one, pair.other), "same-polygons", share=f"{100 * pair.share_of_both:.0f}")


def _leave_shared(rows: pd.DataFrame, pairs: Sequence[Shared], left_out: dict[str, str]) -> None:
    """Leave out glaciers that share a part of their ground with another that is counted."""
    there = set(rows["glacier"])
    for pair in pairs:
        if pair.one in there and pair.other in there:
            for name, other in ((pair.one, pair.other), (pair.other, pair.one)):
                reason = sentence("shares-ground", area=f"{pair.area_km2:,.4g}", other=other)
                left_out[name] = f"{left_out[name]}; {reason}" if name in left_out else reason


def _summed(
    kind: Mapping[str, str],
    table: pd.DataFrame,
    left_out: Mapping[str, str],
    completeness: Completeness,
    correlation: float,
    same_period_days: float,
) -> KindReading:
    start = end = change = rate = mean = percent = None
    notes: list[str] = []
    one_period = False
    if len(table):
        one_period = _is_one_period(table, same_period_days)
        qualifiers = table["qualifier"]

        def total(name: str, sigma: str, sides: Any = ()) -> Total:
            return total_of(table[name], table[sigma], correlation=correlation, qualifiers=sides)

        without = int(table["per_year"].isna().sum())
        per_year = None if without else total("per_year", "per_year_sigma", qualifiers)
        mean = None if per_year is None else per_year.times(1 / len(table))
        can_add = kind["unit"] in _SUMMED
        if one_period and (can_add or is_length(kind["variable"])):
            change = total("change", "change_sigma", qualifiers)
        if can_add:
            rate = per_year
            if "change" not in kind["variable"]:
                if one_period:
                    start, end = total("start_value", "start_sigma"), total("end_value", "end_sigma")
                first = float(table["start_value"].sum())
                percent = per_year.times(100 / first) if per_year is not None and first > 0 else None
        unknown = int(table["change_sigma"].isna().sum())
        if unknown:
            notes.append(sentence("some-without-sigma", n=unknown, of=len(table)))
        if not one_period:
            ends = {
                f"{end}_{side}": f"{date:%Y-%m-%d}"
                for end in ("start", "end")
                for side, date in (("from", table[f"{end}_date"].min()), ("to", table[f"{end}_date"].max()))
            }
            notes.append(sentence("periods-differ", **ends))
        if without:
            notes.append(sentence("short-spans", n=without, of=len(table)))
        if math.isnan(total("change", "change_sigma", qualifiers).value):
            notes.append(sentence("bounds-both-ways"))
    return KindReading(
        kind, table, left_out, completeness, start, end, change, rate, mean, percent, one_period, tuple(notes)
    )  # fmt: skip
