"""What the glaciers of a region are forecast to be together, of those that its reading counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.forecast.scenario import PREFIX
from glaciertime.forecast.totals import CORRELATION, can_be_added, shared_weather, total_forecasts
from glaciertime.record import GlacierRecord
from glaciertime.region.reading import KindReading, RegionReading
from glaciertime.region.totals import check_correlation
from glaciertime.tables import SERIES_KEY
from glaciertime.track.record.passing import PASSING
from glaciertime.track.record.screening import keep

__all__ = ["ForecastsHeld", "ModelTotal", "SumForecast", "sum_forecasts"]

_KIND = ("source", "variable", "method", "footprint", "dataset", "front_of", "unit")
#: Changes from year to year of a glacier that has fewer say nothing of what glaciers share.
_LEAST_CHANGES = 5
_ASSUMED_YEARS = 8
#: A forecast that ends so much before most others would end them all.
_ENDS_EARLY_DAYS = 366


@dataclass(frozen=True, kw_only=True)
class ModelTotal:
    """The sum of what one model forecasts, in the table ``forecasts``.

    Attributes
    ----------
    rows, independent, shared : DataFrame
        By the correlation asked for, by none and by a full one.
    glaciers : tuple of str
        Whose forecasts are added.
    missing : mapping of glacier to reason
        Those that the reading counts and the sum lacks.
    """

    model: str
    rows: pd.DataFrame
    independent: pd.DataFrame
    shared: pd.DataFrame
    glaciers: tuple[str, ...]
    missing: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class SumForecast:
    """What is forecast of the sum over one kind of measurement, the model of most glaciers first.

    Attributes
    ----------
    kind : mapping
        As that of the reading.
    of : int
        Glaciers that the reading counts.
    correlation : float
        Of the errors of any two glaciers.
    years : int
        Of how many years' changes it was learned; 0 where it was given or assumed.
    cutoffs : (date, date)
        The earliest and the latest last date that a forecast of a glacier saw.
    later : tuple of str
        Glaciers of which values are known after that date.
    last : float
        The sum of the last values of the glaciers of the first total, up to their cutoffs.
    reason : str
        Why there is no total, where there is none.
    left_out : mapping of glacier to reason
        Those that the reading does not count, or knows nothing of.
    """

    kind: Mapping[str, str]
    totals: tuple[ModelTotal, ...]
    of: int
    correlation: float
    years: int
    cutoffs: tuple[pd.Timestamp, pd.Timestamp]
    later: tuple[str, ...]
    last: float
    reason: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)


class ForecastsHeld:
    """The latest forecasts of glaciers, and what their values tell beside them, glacier after glacier."""

    def __init__(self) -> None:
        self._rows: list[pd.DataFrame] = []
        self._values: list[pd.DataFrame] = []
        self._variables: dict[str, set[str]] = {}
        #: Variables that were forecast and have no sum.
        self.without_sum: dict[str, None] = {}

    def take(self, record: GlacierRecord) -> None:
        """Take what a record holds: its forecasts, and the values that they go on from."""
        self.add(record.forecasts)
        self.watch(record)

    def add(self, rows: pd.DataFrame) -> None:
        """Take forecasts of a glacier; scenarios are none."""
        rows = rows[~rows["model"].str.startswith(PREFIX)]
        there = rows["variable"].unique()
        self.without_sum.update(dict.fromkeys(name for name in there if not can_be_added(str(name))))
        rows = rows[~rows["variable"].isin(list(self.without_sum))]
        if rows.empty:
            return
        key = [*SERIES_KEY, "source", "unit"]
        rows = rows.assign(front_of=rows["front_of"].fillna(""))
        if rows["cutoff"].nunique() > 1:
            rows = rows[rows["cutoff"] == rows.groupby(key)["cutoff"].transform("max")]
        self._rows.append(rows)
        self._variables[str(rows["glacier"].iloc[0])] = set(rows["variable"])

    def watch(self, record: GlacierRecord) -> None:
        """Take the values of a glacier whose forecasts were taken."""
        seen = record.observations
        seen = seen[seen["variable"].isin(self._variables.get(record.glacier, ()))]
        if len(seen):
            seen = keep(seen, allow=PASSING)
            columns = [*SERIES_KEY, "source", "unit", "date", "value"]
            self._values.append(seen[columns].assign(front_of=seen["front_of"].fillna("")).dropna(subset=["value"]))

    @property
    def is_empty(self) -> bool:
        """Whether there is no forecast of anything that has a sum."""
        return not self._rows

    def of(self, kind: Mapping[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the forecasts and the values of one kind of measurement."""
        return _of_kind(self._rows, kind), _of_kind(self._values, kind)


def _of_kind(tables: list[pd.DataFrame], kind: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of a kind, of tables that are made one by it."""
    if not tables:
        return pd.DataFrame({"glacier": [], "date": pd.DatetimeIndex([]), "value": []})
    if len(tables) > 1:
        tables[:] = [pd.concat(tables, ignore_index=True)]
    is_kind = np.ones(len(tables[0]), dtype=bool)
    for name in _KIND:
        is_kind &= (tables[0][name] == kind[name]).to_numpy(dtype=bool)
    return tables[0][is_kind].reset_index(drop=True)


def sum_forecasts(
    reading: RegionReading, held: ForecastsHeld, *, correlation: float | None = None
) -> tuple[SumForecast, ...]:
    """Return what is forecast of the glaciers that a reading counts, for each kind that has a forecast and a sum.

    Nothing is counted twice: who is not counted in the sum of what was observed is not in that of what is expected.
    Only forecasts by one model are added.

    Parameters
    ----------
    reading : RegionReading
    held : ForecastsHeld
    correlation : float, optional
        Of the errors of any two glaciers, 0 to 1. Default that of their changes from year to year, in at least eight
        years, drawn towards 0.5; else 0.5.

    Raises
    ------
    UsageError
        If the correlation lies outside 0 to 1.
    """
    if correlation is not None:
        check_correlation(correlation)
    found = []
    for one in reading.kinds:
        rows, values = held.of(one.kind)
        if len(rows):
            made = _sum_of(one, reading.label, rows, values, correlation)
            made = replace(made, left_out={**one.left_out, **reading.failed})
            found.append(made if made.totals else replace(made, reason=made.reason + _elsewhere(one, reading)))
    return tuple(found)


def _sum_of(
    one: KindReading, label: str, rows: pd.DataFrame, values: pd.DataFrame, correlation: float | None
) -> SumForecast:
    counted = list(one.table["glacier"])
    rows, values = rows[rows["glacier"].isin(counted)], values[values["glacier"].isin(counted)]
    # What came after the cutoff of a forecast it did not know, nor does its sum.
    limit = values["glacier"].map(rows.groupby("glacier")["cutoff"].max())
    rho, years = (correlation, 0) if correlation is not None else _shared(values[values["date"] <= limit])
    by_model = {str(model): part for model, part in rows.groupby("model", sort=False)}
    chosen = {model: _usable(part, counted, model) for model, part in by_model.items()}
    order = sorted(chosen, key=lambda model: (-len(chosen[model][0]), model != "auto"))
    totals: list[ModelTotal] = []
    for model in order:
        names, missing = chosen[model]
        if len(names) < 2:
            continue
        part = by_model[model][by_model[model]["glacier"].isin(names)]
        if totals:  # what the others say at the end is enough
            ends = part.groupby("glacier")["target_date"].transform("max")
            part = part[part["target_date"] >= ends - pd.Timedelta(days=2 * _ENDS_EARLY_DAYS)]
        by_rho = {each: total_forecasts(part, label=label, correlation=each) for each in dict.fromkeys((rho, 0.0, 1.0))}
        if len(by_rho[rho]):
            total, independent, shared = (by_rho[each] for each in (rho, 0.0, 1.0))
            totals.append(
                ModelTotal(model=model, rows=total, independent=independent, shared=shared, glaciers=tuple(names),
                           missing=missing)
            )  # fmt: skip
    reason = "" if totals else _why_none(one, rows, chosen)
    cutoffs = rows.drop_duplicates("glacier").set_index("glacier")["cutoff"]
    if totals:
        cutoffs = cutoffs[list(totals[0].glaciers)]
    last, later = _last_values(values, cutoffs)
    nothing = pd.Timestamp("NaT")
    return SumForecast(
        kind=one.kind, totals=tuple(totals), of=len(counted), correlation=rho, years=years,
        cutoffs=(cutoffs.min(), cutoffs.max()) if len(cutoffs) else (nothing, nothing),  # type: ignore[arg-type]
        later=later, last=last, reason=reason,
    )  # fmt: skip


def _elsewhere(one: KindReading, reading: RegionReading) -> str:
    """Return in which other footprint more glaciers are counted, so that their forecasts would have a sum."""
    same = ("source", "variable", "method", "dataset", "front_of")
    others = [
        other for other in reading.kinds
        if len(other.table) > max(1, len(one.table)) and all(other.kind[name] == one.kind[name] for name in same)
    ]  # fmt: skip
    if not others:
        return ""
    most = max(others, key=lambda other: len(other.table))
    footprint = most.kind["footprint"]
    return f"; in the footprint {footprint} {len(most.table)} are counted: glaciertime forecast --footprint {footprint}"


def _usable(rows: pd.DataFrame, counted: Sequence[str], model: str) -> tuple[list[str], dict[str, str]]:
    """Return whose forecasts by a model can be added, and why those of others that are counted cannot."""
    good = rows[(rows["status"] == "ok") & rows["value"].notna()]
    ends = good.groupby("glacier")["target_date"].max()
    usual = ends.sort_values().iloc[len(ends) // 2] if len(ends) else pd.NaT
    failed = rows[rows["status"] != "ok"].drop_duplicates("glacier").set_index("glacier")["status"]
    names, missing = [], {}
    for name in counted:
        if name not in ends:
            missing[name] = str(failed[name]) if name in failed else f"no forecast by {model}"
        elif ends[name] < usual - pd.Timedelta(days=_ENDS_EARLY_DAYS):
            missing[name] = f"its forecast ends on {ends[name]:%Y-%m-%d}, those of most on {usual:%Y-%m-%d}"
        else:
            names.append(name)
    return names, missing


def _why_none(one: KindReading, rows: pd.DataFrame, chosen: Mapping[str, tuple[list[str], Any]]) -> str:
    if rows.empty:
        return "of the glaciers that are counted none has a forecast"
    most = max((len(names) for names, _ in chosen.values()), default=0)
    if most > 1:
        return "no date lies within the forecasts of all"
    if most == 1 and len(one.table) == 1:
        return "one glacier alone is counted"
    return "no model has forecasts of two of the glaciers that are counted"


def _shared(values: pd.DataFrame) -> tuple[float, int]:
    """Return the correlation of the glaciers' changes from year to year, and in how many years; else what is assumed.

    A forecast errs by what the years bring that it could not know: what glaciers share of that, their changes show.
    A few years say little: the correlation is drawn towards what is assumed, which counts as eight years.
    """
    parts = []
    for name, rows in values.groupby("glacier"):
        yearly = rows.groupby(rows["date"].dt.year)["value"].mean()
        change = yearly.diff()[np.diff(yearly.index.to_numpy(), prepend=-9999) == 1].dropna()
        spread = change.std()
        if len(change) >= _LEAST_CHANGES and spread > 0:
            z = (change - change.mean()) / spread
            parts.append(pd.DataFrame({"glacier": name, "target_date": z.index, "z": z.to_numpy()}))
    if not parts:
        return CORRELATION, 0
    table = pd.concat(parts, ignore_index=True)
    rho = shared_weather(table)
    if math.isnan(rho):
        return CORRELATION, 0
    years = int((table.groupby("target_date").size() > 1).sum())
    return round((years * rho + _ASSUMED_YEARS * CORRELATION) / (years + _ASSUMED_YEARS), 2), years


def _last_values(values: pd.DataFrame, cutoffs: pd.Series) -> tuple[float, tuple[str, ...]]:
    """Return the sum of the last values up to each glacier's cutoff, NaN where one has none; and who has later ones."""
    limit = values["glacier"].map(cutoffs)
    known = values[limit.notna()]
    limit = limit[limit.notna()]
    later = tuple(sorted(known.loc[known["date"] > limit, "glacier"].unique()))
    before = known[known["date"] <= limit].sort_values("date").groupby("glacier")["value"].last()
    return (float(before.sum()) if len(before) == len(cutoffs) else math.nan), later
