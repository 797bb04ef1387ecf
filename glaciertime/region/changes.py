"""What each glacier of a region did between two dates: one row a series, glacier after glacier."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import shapely

from glaciertime.errors import GlacierTimeError
from glaciertime.known_dates import known_on
from glaciertime.record import GlacierRecord
from glaciertime.region.overlap import simple_outline
from glaciertime.tables import MEASURED_ICE, SERIES_KEY
from glaciertime.track.record.difference import difference_table
from glaciertime.track.record.ground import ground_in
from glaciertime.track.record.retreat import retreat_table
from glaciertime.units import rate_years, years_between

__all__ = ["CHANGE_COLUMNS", "Changes", "changes_of"]

CHANGE_COLUMNS = (
    *SERIES_KEY, "source", "unit", "start_date", "end_date", "start_value", "end_value", "start_sigma", "end_sigma",
    "change", "change_sigma", "years", "per_year", "per_year_sigma", "qualifier", "note", "dates", "series",
    "start_known", "end_known",
)  # fmt: skip
#: How the footprint of a run of changes begins: what lies before a gap is another run.
_RUN = "since "
#: So many values make two series the same by chance no more.
_SAME_VALUES = 4


@dataclass
class Changes:
    """The changes of the glaciers of a region, and what tells whether two of them are one."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    #: Why nothing is known of some: glacier -> reason.
    failed: dict[str, str] = field(default_factory=dict)
    #: Polygons of (dataset, footprint) -> glacier -> polygon in degrees.
    footprints: dict[tuple[str, str], dict[str, shapely.Geometry]] = field(default_factory=dict)
    #: The same, of the ice in them where outlines showed it.
    grounds: dict[tuple[str, str], dict[str, shapely.Geometry]] = field(default_factory=dict)
    #: The latest area of each glacier that has one, in the footprint that most others have too.
    areas_km2: dict[str, float] = field(default_factory=dict)
    #: A point (longitude, latitude) of each glacier that has a place.
    points: dict[str, tuple[float, float]] = field(default_factory=dict)
    glaciers: list[str] = field(default_factory=list)

    @property
    def table(self) -> pd.DataFrame:
        """All rows as a table of :data:`CHANGE_COLUMNS`."""
        return pd.DataFrame(self.rows, columns=list(CHANGE_COLUMNS))


def changes_of(
    records: Iterable[GlacierRecord], *, date_from: Any = None, date_to: Any = None, max_gap_days: float = 180,
    variable: str | None = None,
) -> Changes:  # fmt: skip
    """Return what each glacier did, from its first to its last value or between the nearest to two dates.

    Parameters
    ----------
    records : iterable of GlacierRecord
        Read one after the other; of each only its changes and a plain polygon are kept.
    date_from, date_to : date or text, optional
    max_gap_days : float
        How far the nearest observation may be from a date asked for.
    variable : str, optional
        Only this one.

    Returns
    -------
    Changes
        A change is the value at the end minus that at the start. A glacier of which nothing can be said is in
        ``failed`` with the reason.
    """
    found = Changes()
    for record in records:
        found.glaciers.append(record.glacier)
        try:
            rows = _rows(record, date_from, date_to, max_gap_days, variable)
        except GlacierTimeError as error:
            found.failed[record.glacier] = str(error)
            continue
        if not rows:
            found.failed[record.glacier] = "no value that can be compared"
            continue
        found.rows += rows
        _take_place(found, record, rows)
    return found


def _rows(
    record: GlacierRecord, date_from: Any, date_to: Any, max_gap_days: float, variable: str | None
) -> list[dict[str, Any]]:
    observations = record.observations
    known = observations[observations["value"].notna()]
    if variable is not None:
        known = known[known["variable"] == variable]
    rows: list[dict[str, Any]] = []
    refused: list[GlacierTimeError] = []
    options = {"date_from": date_from, "date_to": date_to, "max_gap_days": max_gap_days}
    for name, held in known.groupby("variable", sort=True):
        parts = held.groupby(["footprint", "method"], sort=True) if name == "area_km2" else [(("", ""), held)]
        for (footprint, method), part in parts:
            try:
                if name == "area_km2":
                    found = _areas(retreat_table(part, footprint=str(footprint), **options), method=str(method))
                else:
                    found = _differences(difference_table(part, variable=str(name), **options))
            except GlacierTimeError as error:
                refused.append(error)
                continue
            rows += [_whole(row, part) for row in found]
    if not rows and refused:
        raise refused[0]
    return _last_runs(rows)


def _areas(table: pd.DataFrame, *, method: str) -> list[dict[str, Any]]:
    turned = {"at least": "at most", "at most": "at least", "": ""}
    return [
        {
            "glacier": row.glacier, "variable": "area_km2", "method": method, "footprint": row.footprint,
            "dataset": row.dataset, "front_of": "", "source": row.source, "unit": "km2",
            "start_date": row.start_date, "end_date": row.end_date,
            "start_value": row.start_area_km2, "end_value": row.end_area_km2, "start_sigma": row.start_sigma_km2,
            "end_sigma": row.end_sigma_km2, "change": -row.loss_km2, "change_sigma": row.loss_sigma_km2,
            "qualifier": turned[row.qualifier], "note": row.note,
        }
        for row in table.itertuples()
    ]  # fmt: skip


def _differences(table: pd.DataFrame) -> list[dict[str, Any]]:
    kept = [name for name in CHANGE_COLUMNS if name in table]
    return [
        {**row, "start_sigma": math.nan, "end_sigma": math.nan} for row in table[kept].to_dict("records")
    ]  # fmt: skip


def _whole(row: dict[str, Any], held: pd.DataFrame) -> dict[str, Any]:
    """Return a row with its rate, and with what tells its series from others."""
    same = held[(held["dataset"] == row["dataset"]) & (held["source"] == row["source"])]
    for name in ("method", "footprint", "front_of"):
        same = same[same[name].fillna("") == row[name]]
    years, divisor = (between(row["start_date"], row["end_date"]) for between in (years_between, rate_years))
    has_two = years > 0 and not math.isnan(row["change"])
    values = same.sort_values("date")
    told = "|".join(f"{day:%Y%m%d}:{value!r}" for day, value in zip(values["date"], values["value"], strict=True))
    distinct = values["value"].nunique() >= _SAME_VALUES
    return {
        **row, "years": years, "change": row["change"] if years > 0 else math.nan,
        "per_year": row["change"] / divisor if has_two else math.nan,
        "per_year_sigma": row["change_sigma"] / divisor if has_two else math.nan,
        "dates": int(values["date"].nunique()),
        "start_known": known_on(values, row["start_date"]), "end_known": known_on(values, row["end_date"]),
        "series": hashlib.sha256(told.encode()).hexdigest()[:16] if distinct else "",
    }  # fmt: skip


def _last_runs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without the runs of changes that a gap parts from the last of their series."""
    last: dict[tuple[str, ...], Any] = {}
    for row in rows:
        key = (row["variable"], row["method"], row["dataset"], row["source"], row["front_of"])
        if row["footprint"].startswith(_RUN):
            last[key] = max(last.get(key, row["end_date"]), row["end_date"])
    kept = []
    for row in rows:
        key = (row["variable"], row["method"], row["dataset"], row["source"], row["front_of"])
        if not row["footprint"].startswith(_RUN):
            kept.append(row)
        elif row["end_date"] == last[key]:
            kept.append(
                {**row, "footprint": "since a gap", "note": "; ".join(filter(None, (row["note"], row["footprint"])))}
            )
    return kept


def _take_place(found: Changes, record: GlacierRecord, rows: list[dict[str, Any]]) -> None:
    areas = [row for row in rows if row["variable"] == "area_km2"]
    if areas:
        first = next(
            (row for name in ("outline", "fjord", "common") for row in areas if row["footprint"] == name), areas[0]
        )
        found.areas_km2[record.glacier] = float(first["end_value"])
    footprints = record.footprints
    if footprints.crs is not None:
        columns = (footprints[name] for name in ("dataset", "source", "footprint"))
        rows_held = [
            (*names, simple_outline(shape))
            for *names, shape in zip(*columns, footprints.geometry.to_numpy(), strict=True)
            if shape is not None and not shape.is_empty
        ]
        ice = {(dataset, source): shape for dataset, source, name, shape in rows_held if name == MEASURED_ICE}
        for dataset, source, name, shape in rows_held:
            if name == MEASURED_ICE:
                continue
            ground = ground_in(name, shape, ice.get((dataset, source)))
            for polygons, polygon in ((found.footprints, shape), (found.grounds, ground)):
                polygons.setdefault((dataset, name), {}).setdefault(record.glacier, polygon)
            if record.glacier not in found.points:
                point = shape.representative_point()
                found.points[record.glacier] = (point.x, point.y)
    if record.glacier not in found.points and len(record.fronts) and record.fronts.crs is not None:
        point = record.fronts.geometry.iloc[-1].centroid
        found.points[record.glacier] = (point.x, point.y)
