"""Two inventories of one region compared as the field does (Paul et al. 2011, doi:10.3189/172756411799096295; 2013,
doi:10.3189/2013AoG63A296): on common divides, above a minimum area, each glacier's change by its own years.

The divides are those of a file, else the outlines of the earlier inventory: later ice inside an outline is of that
glacier whoever the later inventory says it is of; a little later ice outside all of them is of the glacier that it
borders on most, and more, or what borders on none, is new: it may not have been drawn before. So a divide that was
drawn anew is no change of a glacier, and neither is what one of the two does not cover.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import shapely

from glaciertime.dates import DateReading, read_dates
from glaciertime.errors import InputError
from glaciertime.naming import DATE_COLUMNS, columns_among, counted
from glaciertime.region.totals import CORRELATION, Total, check_correlation, total_of
from glaciertime.scenes.inventory import Inventory
from glaciertime.units import DAYS_PER_YEAR, LEAST_RATE_DAYS, true_plane, years_between

__all__ = ["COMPARED_COLUMNS", "MIN_AREA_KM2", "Comparison", "compare_inventories"]

#: Below this a glacier is none (Paul et al. 2009, doi:10.3189/172756410790595778).
MIN_AREA_KM2 = 0.01
COMPARED_COLUMNS = (
    "glacier", "name", "status", "start_date", "end_date", "start_km2", "start_sigma_km2", "end_km2",
    "end_sigma_km2", "change_km2", "change_sigma_km2", "percent", "years", "per_year_km2",
    "per_year_sigma_km2", "percent_per_year", "parts", "later", "note",
)  # fmt: skip
_EDGE_DEGREES = 0.005
_SHOWN = 5
# Two outlines that are drawn apart by less border on each other.
_BORDER_M = 1.0
# Later ice beside a glacier is taken for its advance up to this share of it: a neighbour that was not drawn is more.
_ADVANCE_SHARE = 0.1
# A glacier of which nothing is left has vanished if it was smaller; else the later inventory may not cover it.
_VANISHING_KM2 = 1.0


@dataclass(frozen=True)
class Comparison:
    """What two inventories say of a region.

    Attributes
    ----------
    table : DataFrame
        Columns :data:`COMPARED_COLUMNS`, one row a glacier of the earlier inventory, and one each that is new.
    totals : mapping of name to Total
        ``start``, ``end``, ``change`` in km2; ``rate`` in km2 and ``percent_rate`` in % per year, where dated.
    notes : tuple of str
        What was assumed and left out.
    """

    table: pd.DataFrame
    totals: Mapping[str, Total]
    counts: Mapping[str, int]
    is_one_period: bool
    notes: tuple[str, ...]
    correlation: float


def compare_inventories(
    earlier: Inventory,
    later: Inventory,
    *,
    divides: Inventory | None = None,
    min_area_km2: float = MIN_AREA_KM2,
    boundary_sigma_m: float | None = None,
    correlation: float = CORRELATION,
    earlier_date: dt.date | None = None,
    later_date: dt.date | None = None,
    same_period_days: float = 1096,
    is_complete: bool = False,
    reading: DateReading | None = None,
) -> Comparison:
    """Return what became of each glacier between two inventories.

    Parameters
    ----------
    earlier, later : Inventory
    divides : Inventory, optional
        Basins that both are cut along; default the outlines of the earlier one.
    min_area_km2 : float
        Glaciers below it are in neither; one that falls below it has vanished.
    boundary_sigma_m : float, optional
        One sigma of the place of an outline. The area of a glacier then errs by it times its perimeter, as of an
        outline that lies all in or all out (Granshaw and Fountain 2006, doi:10.3189/172756506781828665); the two
        inventories err independently. Unknown without.
    correlation : float
        Of the errors of two glaciers, 0 to 1.
    earlier_date, later_date : date, optional
        Of outlines whose row has none.
    same_period_days : float
        Dates of one inventory that lie no farther apart are one period, over which changes are added.
    is_complete : bool
        Whether the later inventory covers all glaciers of the earlier one: then what it lacks has vanished. Else only
        glaciers below 1 km2 amid its outlines are said to have; others without later ice are in no sum.

    reading : DateReading, optional
        What is told of how the dates of outlines are written.

    Raises
    ------
    InputError
        Where a date may be two, the two share no ground, or the later one is the earlier.
    """
    check_correlation(correlation)
    reading = reading or DateReading()
    notes: list[str] = []
    moved = _on_one_plane([earlier, later, *([divides] if divides else [])])
    old, new = moved[0], moved[1]
    old, told = _without_overlaps(old, f"of {earlier.path.name}")
    notes += told
    _, told = _without_overlaps(new, f"of {later.path.name}")
    notes += told
    dates_old, dates_new = (_dates(one, day, reading) for one, day in ((earlier, earlier_date), (later, later_date)))
    for option, given, inventory in (("--from", earlier_date, earlier), ("--to", later_date, later)):
        if given is not None and all(_dates(inventory, None, reading).values()):
            notes.append(f"{option} {given} is not used: every outline of {inventory.path.name} has a date of its own")
    before = {name: {name: shape.area} for name, shape in old.items()}
    if divides is not None:
        basins, told = _without_overlaps(moved[2], f"of {divides.path.name}")
        notes += [*told, f"divides: those of {divides.path.name}; they count in the perimeter that an error goes by"]
        cut = _pieces(basins, old)
        before = {name: {key: piece.area for key, piece in pieces.items()} for name, pieces in cut.items()}
        old = {name: shapely.union_all(list(pieces.values())) for name, pieces in cut.items()}
    else:
        basins = old
        notes.append(f"divides: the outlines of {earlier.path.name}; later ice outside them goes to whom it borders on")
    small = {name for name, shape in old.items() if shape.area < 1e6 * min_area_km2}
    if small:
        area = math.fsum(old[name].area for name in small) / 1e6
        notes.append(
            f"{counted(len(small), 'glaciers')} below {min_area_km2:g} km2 at the start ({area:.3g} km2) are left out"
        )
    ends, sources, fresh = _later_ice(basins, new, small, min_area_km2, notes)
    if not any(shape.area > 0 for shape in ends.values()):
        raise InputError(
            f"{earlier.path.name} and {later.path.name} share no ground; check that they are of one region, and their "
            "coordinate systems"
        )
    merged = _merged(old, new, min_area_km2)
    amid = shapely.union_all(list(new.values())).convex_hull
    rows: list[dict[str, Any]] = []
    uncovered: dict[str, float] = {}
    for name in old:
        if name in small:
            continue
        is_gone = is_complete or (old[name].area < 1e6 * _VANISHING_KM2 and amid.intersects(old[name]))
        if ends[name].area == 0 and not is_gone:
            uncovered[name] = old[name].area / 1e6
            continue
        rows.append(
            _row(name, earlier, old[name], ends[name], before[name], sources[name], dates_old, dates_new, merged,
                 min_area_km2,
                 boundary_sigma_m)
        )  # fmt: skip
    rows += [_new_row(name, later, shape, dates_new, boundary_sigma_m) for name, shape in fresh.items()]
    if uncovered:
        shown = ", ".join(list(uncovered)[:_SHOWN]) + (", ..." if len(uncovered) > _SHOWN else "")
        notes.append(
            f"{later.path.name} shows nothing of {counted(len(uncovered), 'glaciers')} ({shown}; "
            f"{math.fsum(uncovered.values()):.3g} km2), which it may not cover: they are in no sum; if it "
            "covers them and they are gone, give --complete"
        )
    table = pd.DataFrame(rows, columns=list(COMPARED_COLUMNS))
    _check_order(table, earlier, later)
    if boundary_sigma_m is None:
        notes.append("no error of the outlines was told (--boundary-sigma METRES): no sigma is known")
    return _together(table, notes, correlation, same_period_days)


def _on_one_plane(inventories: Sequence[Inventory]) -> list[dict[str, shapely.Geometry]]:
    """Return outlines on one equal-area plane: an area on it is the true one, wherever it lies."""
    boxes = [shapely.box(*outline.geometry.bounds) for one in inventories for outline in one.outlines.values()]
    plane = true_plane(shapely.GeometryCollection(boxes), crs="EPSG:4326")
    assert plane is not None
    transformer = pyproj.Transformer.from_crs("EPSG:4326", plane, always_xy=True)

    def move(shape: shapely.Geometry) -> shapely.Geometry:
        dense = shapely.segmentize(shape, _EDGE_DEGREES)
        there = shapely.transform(dense, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
        return there if there.is_valid else _polygons(shapely.make_valid(there))

    return [{name: move(one.geometry) for name, one in each.outlines.items()} for each in inventories]


def _polygons(shape: shapely.Geometry) -> shapely.Geometry:
    """Return the polygons of a geometry, without the lines and points that cutting leaves."""
    parts = [
        part for part in shapely.get_parts(shape) if part.geom_type in ("Polygon", "MultiPolygon") and part.area > 0
    ]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def _without_overlaps(
    shapes: Mapping[str, shapely.Geometry], where: str
) -> tuple[dict[str, shapely.Geometry], list[str]]:
    """Return outlines of which no two share ground: what two share is of the larger one; and what was taken off."""
    names = list(shapes)
    laid = [shapes[name] for name in names]
    out = dict(shapes)
    taken, pairs = 0.0, 0
    left, right = shapely.STRtree(laid).query(laid, predicate="intersects")
    for i, j in sorted({(min(i, j), max(i, j)) for i, j in zip(left.tolist(), right.tolist(), strict=True) if i != j}):
        larger, smaller = sorted((names[i], names[j]), key=lambda name: (-shapes[name].area, name))
        common = out[smaller].intersection(out[larger])
        if common.area <= 0:
            continue
        out[smaller] = _polygons(out[smaller].difference(out[larger]))
        taken += common.area / 1e6
        pairs += common.area > 1e4
    if taken < 0.01:
        return out, []
    return out, [f"outlines {where} overlap: {taken:.3g} km2, in {pairs} pairs of more than 0.01 km2, counted once"]


def _pieces(
    basins: Mapping[str, shapely.Geometry], shapes: Mapping[str, shapely.Geometry]
) -> dict[str, dict[str, shapely.Geometry]]:
    """Return, basin by basin, what lies in it of each outline."""
    names, laid = list(shapes), list(shapes.values())
    tree = shapely.STRtree(laid)
    found: dict[str, dict[str, shapely.Geometry]] = {}
    for basin, ground in basins.items():
        parts = found[basin] = {}
        for number in sorted(tree.query(ground, predicate="intersects").tolist()):
            common = _polygons(laid[number].intersection(ground))
            if common.area > 0:
                parts[names[number]] = common
    return found


def _later_ice(
    basins: Mapping[str, shapely.Geometry],
    new: Mapping[str, shapely.Geometry],
    small: set[str],
    min_area_km2: float,
    notes: list[str],
) -> tuple[dict[str, shapely.Geometry], dict[str, dict[str, float]], dict[str, shapely.Geometry]]:
    """Return the later ice of each basin, how much of it is of which later outline, and what is in none."""
    inside = _pieces(basins, new)
    parts = {name: list(pieces.values()) for name, pieces in inside.items()}
    sources = {name: {key: piece.area for key, piece in pieces.items()} for name, pieces in inside.items()}
    names, grounds = list(basins), list(basins.values())
    tree = shapely.STRtree(grounds)
    fresh: dict[str, list[shapely.Geometry]] = {}
    given = 0.0
    for key, shape in new.items():
        near = tree.query(shape, predicate="dwithin", distance=_BORDER_M).tolist()
        rest = _polygons(shape.difference(shapely.union_all([grounds[number] for number in near]))) if near else shape
        for part in shapely.get_parts(rest):
            borders = {
                names[number]: part.exterior.intersection(grounds[number].buffer(_BORDER_M)).length
                for number in tree.query(part, predicate="dwithin", distance=_BORDER_M).tolist()
            }
            owner = max(borders, key=lambda name: (borders[name], name), default="")
            room = _ADVANCE_SHARE * grounds[names.index(owner)].area if owner else 0.0
            if owner and borders[owner] > 0 and part.area <= room:
                parts[owner].append(part)
                sources[owner][key] = sources[owner].get(key, 0.0) + part.area
                given += part.area / 1e6
            else:
                fresh.setdefault(key, []).append(part)
    if given >= min_area_km2:
        notes.append(f"{given:.3g} km2 of later ice outside the divides was given to the glacier that it borders on")
    ends = {name: shapely.union_all(pieces) if pieces else shapely.Polygon() for name, pieces in parts.items()}
    kept = {key: shapely.union_all(pieces) for key, pieces in fresh.items()}
    tiny = [key for key, shape in kept.items() if shape.area < 1e6 * min_area_km2]
    if tiny:
        area = math.fsum(kept[key].area for key in tiny) / 1e6
        notes.append(
            f"{len(tiny)} later outlines below {min_area_km2:g} km2 outside all others ({area:.3g} km2) are left out"
        )
    return ends, sources, {key: shape for key, shape in kept.items() if key not in tiny}


def _merged(
    old: Mapping[str, shapely.Geometry], new: Mapping[str, shapely.Geometry], min_area_km2: float
) -> dict[str, tuple[str, list[str]]]:
    """Return the glaciers most of whose later ice lies in one later outline that holds most of others' too."""
    most: dict[str, list[str]] = {}
    for name, pieces in _pieces(old, new).items():
        areas = {key: piece.area for key, piece in pieces.items()}
        if sum(areas.values()) >= 1e6 * min_area_km2:
            key = max(areas, key=lambda one: (areas[one], one))
            if areas[key] > 0.5 * sum(areas.values()):
                most.setdefault(key, []).append(name)
    return {name: (key, names) for key, names in most.items() if len(names) > 1 for name in names}


def _dates(inventory: Inventory, given: dt.date | None, reading: DateReading) -> dict[str, dt.date | None]:
    """Return the date of each outline by its attributes, else as it was told; None where neither says it."""
    rows = [outline.attributes for outline in inventory.outlines.values()]
    columns = columns_among(rows[0], DATE_COLUMNS) if rows else []
    found: list[dt.date | None] = [None] * len(rows)
    if columns:
        read = read_dates([row[columns[0]] for row in rows], reading=reading, where=inventory.path.name).rows
        found = [None if isinstance(one, str) else one.date for one in read]
    return {name: day or given for name, day in zip(inventory.outlines, found, strict=True)}


def _mean_date(areas: Mapping[str, float], dates: Mapping[str, dt.date | None]) -> tuple[dt.date | None, str]:
    """Return the date of ice by that of its outlines, weighted by area, and what is to be said of it."""
    known = {key: day for key in areas if (day := dates.get(key)) is not None and areas[key] > 0}
    total = sum(areas[key] for key in known)
    if not known or total <= 0:
        return None, ""
    days = sum(areas[key] * day.toordinal() for key, day in known.items()) / total
    first, last = min(known.values()), max(known.values())
    spread = f"its outlines are of {first} to {last}" if (last - first).days > 366 else ""
    return dt.date.fromordinal(round(days)), spread


def _row(
    name: str,
    earlier: Inventory,
    start: shapely.Geometry,
    end: shapely.Geometry,
    before_by: Mapping[str, float],
    sources: Mapping[str, float],
    dates_old: Mapping[str, dt.date | None],
    dates_new: Mapping[str, dt.date | None],
    merged: Mapping[str, tuple[str, list[str]]],
    min_area_km2: float,
    boundary_sigma_m: float | None,
) -> dict[str, Any]:
    before, after = start.area / 1e6, end.area / 1e6
    notes = []
    status = "compared"
    parts = sum(part.area >= 1e6 * min_area_km2 for part in shapely.get_parts(end))
    own = [key for key, area in sources.items() if area >= 1e6 * min_area_km2]
    if after < min_area_km2:
        if after > 0:
            notes.append(f"{after:.3g} km2 are left, below the minimum, and count as none")
        status, after, parts = "vanished", 0.0, 0
    elif parts > max(1, sum(part.area >= 1e6 * min_area_km2 for part in shapely.get_parts(start))):
        status = "split"
        notes.append(f"in {parts} parts")
    if name in merged and status != "vanished":
        key, others = merged[name]
        status = "merged" if status == "compared" else f"{status}, merged"
        beside = [one for one in others if one != name]
        more = f" and {len(beside) - 3} more" if len(beside) > 3 else ""
        notes.append(f"in {key} together with {', '.join(beside[:3])}{more}")
    first, early = _mean_date(before_by, dates_old)
    last, spread = _mean_date(sources, dates_new)
    if last is None and status == "vanished":
        known = sorted(day for day in dates_new.values() if day is not None)
        last = known[len(known) // 2] if known else None
        notes.append("its end is dated by the middle of the later inventory" if last else "")
    notes += [early and f"at the start {early}", spread and f"at the end {spread}"]
    sigmas = [math.nan if boundary_sigma_m is None else boundary_sigma_m * shape.length / 1e6 for shape in (start, end)]
    outline = earlier.outlines.get(name)
    return _filled(
        {
            "glacier": name, "name": "" if outline is None else outline.name, "status": status, "start_date": first,
            "end_date": last, "start_km2": before, "end_km2": after, "start_sigma_km2": sigmas[0],
            "end_sigma_km2": sigmas[1], "change_sigma_km2": math.hypot(*sigmas), "parts": parts,
            "later": ", ".join(own), "note": "; ".join(filter(None, notes)),
        }
    )  # fmt: skip


def _new_row(
    name: str,
    later: Inventory,
    shape: shapely.Geometry,
    dates: Mapping[str, dt.date | None],
    boundary_sigma_m: float | None,
) -> dict[str, Any]:
    sigma = math.nan if boundary_sigma_m is None else boundary_sigma_m * shape.length / 1e6
    return _filled(
        {
            "glacier": name, "name": later.outlines[name].name, "status": "new", "start_date": None,
            "end_date": dates[name], "start_km2": 0.0, "end_km2": shape.area / 1e6, "start_sigma_km2": 0.0,
            "end_sigma_km2": sigma, "change_sigma_km2": sigma, "parts": len(shapely.get_parts(shape)), "later": name,
            "note": "outside the earlier outlines by more than an advance: new, or not drawn before",
        }
    )  # fmt: skip


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    change = row["end_km2"] - row["start_km2"]
    years = years_between(row["start_date"], row["end_date"]) if row["start_date"] and row["end_date"] else math.nan
    percent = 100 * change / row["start_km2"] if row["start_km2"] > 0 else math.nan
    is_dated = years * DAYS_PER_YEAR >= LEAST_RATE_DAYS
    return {
        **row, "start_date": pd.Timestamp(row["start_date"]) if row["start_date"] else pd.NaT,
        "end_date": pd.Timestamp(row["end_date"]) if row["end_date"] else pd.NaT, "change_km2": change,
        "percent": percent, "years": years, "per_year_km2": change / years if is_dated else math.nan,
        "per_year_sigma_km2": row["change_sigma_km2"] / years if is_dated else math.nan,
        "percent_per_year": percent / years if is_dated else math.nan,
    }  # fmt: skip


def _check_order(table: pd.DataFrame, earlier: Inventory, later: Inventory) -> None:
    years = table["years"].dropna()
    if len(years) and (years <= 0).mean() > 0.5:
        raise InputError(
            f"most outlines of {earlier.path.name} are no earlier than those of {later.path.name}; give the earlier "
            "one first"
        )


def _together(
    table: pd.DataFrame, notes: list[str], correlation: float, same_period_days: float
) -> Comparison:  # fmt: skip
    held = table[table["status"] != "new"]
    counts = {
        "compared": len(held), "vanished": int((held["status"] == "vanished").sum()),
        "split": int(held["status"].str.contains("split").sum()),
        "merged": int(held["status"].str.contains("merged").sum()), "new": int((table["status"] == "new").sum()),
        "grown": int((held["change_km2"] > 0).sum()), "shrunk": int((held["change_km2"] < 0).sum()),
    }  # fmt: skip
    dated = held[held["years"] * DAYS_PER_YEAR >= LEAST_RATE_DAYS]
    spans = [(dated[name].max() - dated[name].min()).days for name in ("start_date", "end_date")] if len(dated) else []
    one_period = len(dated) == len(held) and bool(spans) and max(spans) <= same_period_days
    totals: dict[str, Total] = {}
    if len(held):
        for name in ("start", "end"):
            totals[name] = total_of(held[f"{name}_km2"], held[f"{name}_sigma_km2"], correlation=correlation)
        if one_period or dated.empty:
            totals["change"] = total_of(held["change_km2"], held["change_sigma_km2"], correlation=correlation)
    if len(dated):
        totals["rate"] = total_of(dated["per_year_km2"], dated["per_year_sigma_km2"], correlation=correlation)
        totals["percent_rate"] = totals["rate"].times(100 / float(dated["start_km2"].sum()))
        if len(dated) < len(held):
            without = counted(len(held) - len(dated), "glaciers")
            notes.append(
                f"of {without} a date is not known, or the two are less than eleven months apart: in no rate (--from, "
                "--to)"
            )
        if not one_period:
            notes.append(
                f"the dates differ ({dated['start_date'].min():%Y-%m-%d} to {dated['start_date'].max():%Y-%m-%d}, then "
                f"{dated['end_date'].min():%Y-%m-%d} to {dated['end_date'].max():%Y-%m-%d}): changes are not added, "
                "only what each was per year of its own years"
            )
    else:
        notes.append("no dates are known that lie eleven months apart: no rate (--from DATE, --to DATE)")
    if counts["new"]:
        area = float(table.loc[table["status"] == "new", "end_km2"].sum())
        notes.append(
            f"{counts['new']} later outlines have ice beyond the earlier ones ({area:.3g} km2): it is in no sum"
        )
    table = table.sort_values(["per_year_km2", "change_km2", "glacier"], na_position="last").reset_index(drop=True)
    return Comparison(table, totals, counts, one_period, tuple(notes), correlation)
