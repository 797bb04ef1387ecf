"""What a region says, in words and rows: the same on the terminal, in a table and on a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from glaciertime.naming import counted
from glaciertime.region.reading import Completeness, KindReading, RegionReading
from glaciertime.region.totals import Total
from glaciertime.tables import variable_named
from glaciertime.units import number_text

__all__ = [
    "bound_text",
    "completeness_text",
    "kind_title",
    "left_out_text",
    "region_text",
    "total_rows",
    "total_text",
    "totals_table",
]

_SHOWN = 5


def kind_title(kind: Mapping[str, str]) -> str:
    """Return what was measured, how, on what, and whether it was observed."""
    variable = variable_named(kind["variable"])
    how = ", ".join(part for part in (kind["method"], kind["footprint"], kind["front_of"]) if part not in ("", "-"))
    return f"{variable.label}{f' ({how})' if how else ''}; {kind['dataset']}, {kind['source']}"


def total_text(total: Total | None, unit: str, *, correlation: float, digits: int = 4) -> str:
    """Return a total with its sigma by the correlation asked for, and by none and a full one beside.

    Examples
    --------
    >>> total_text(Total(-12.0, 6.0828, 5.0, 7.0, 2), "km2", correlation=0.5)
    '-12 ± 6.1 km2 (errors correlated 0.5; ± 5 by 0, ± 7 by 1)'
    """
    if total is None or math.isnan(total.value):
        return "not known"
    bound = bound_text(total.qualifier)
    value = number_text(total.value, digits=digits, sign=True)
    if math.isnan(total.sigma):
        return f"{value} {unit}{bound}, sigma not known"
    sigma = number_text(total.sigma, digits=2)
    text = f"{value} ± {sigma} {unit}{bound}"
    if total.n < 2:
        return text
    low, high = (number_text(one, digits=2) for one in (total.sigma_independent, total.sigma_full))
    return f"{text} (errors correlated {correlation:g}; ± {low} by 0, ± {high} by 1)"


def bound_text(qualifier: str) -> str:
    """Return what is set behind a change that is a bound: of a negative one "at most" reads like its opposite.

    Examples
    --------
    >>> bound_text("at most"), bound_text("")
    (' or less', '')
    """
    return {"at most": " or less", "at least": " or more"}.get(qualifier, "")


def completeness_text(found: Completeness) -> str:
    """Return how much of a region is counted, by number and by area.

    Examples
    --------
    >>> completeness_text(Completeness(2, 3, 8.0, 10.0, 0))
    '2 of 3 glaciers, 80 % by area (8 of 10 km2)'
    """
    text = f"{found.n} of {counted(found.of, 'glaciers')}"
    if math.isnan(found.share):
        return f"{text}; no areas are known to weigh them by"
    text += (
        f", {100 * found.share:.3g} % by area ({number_text(found.area_km2)} of {number_text(found.of_area_km2)} km2"
    )
    return text + (f"; {found.without_area} of unknown area)" if found.without_area else ")")


def total_rows(reading: KindReading, *, correlation: float) -> list[tuple[str, str]]:
    """Return what the glaciers of one kind say together: label and text, unknown ones left out."""
    unit, rows = reading.kind["unit"], [("counted", completeness_text(reading.completeness))]
    table = reading.table
    if table.empty:
        return rows
    low, high = reading.years
    span = f"{table['start_date'].min():%Y-%m-%d} to {table['end_date'].max():%Y-%m-%d}"
    rows.append(("period", span if reading.is_one_period else f"{span}, of {low:.1f} to {high:.1f} years each"))
    for label, total, of in (
        ("sum at the start", reading.start, unit), ("sum at the end", reading.end, unit),
        ("sum of the changes", reading.change, unit), ("sum of the changes per year", reading.rate, f"{unit} per year"),
        ("of the sum at the start", reading.percent_per_year, "% per year"),
        ("mean change per year", reading.mean_rate, f"{unit} per year"),
    ):  # fmt: skip
        if total is not None and not (len(table) == 1 and label.startswith("mean")):
            text = total_text(total, of, correlation=correlation)
            rows.append((label, text.removeprefix("+") if label.startswith("sum at") else text))
    if len(table) > 1 and table["per_year"].notna().all():
        middle = table["per_year"].median()
        rows.append(("median change per year", f"{number_text(middle, sign=True)} {unit} per year"))
    shrinking = int((table["change"] < 0).sum())
    rows.append(("smaller at the end", f"{shrinking} of {len(table)}"))
    return rows


def region_text(reading: RegionReading) -> str:
    """Return what a region says, for a terminal."""
    lines = [f"{reading.label}: held are {len(reading.glaciers)} of {counted(reading.of, 'glaciers')}"]
    for one in reading.kinds:
        lines += ["", kind_title(one.kind)]
        rows = total_rows(one, correlation=reading.correlation)
        width = max(len(label) for label, _ in rows)
        lines += [f"  {label:<{width}}  {text}" for label, text in rows]
        lines += [f"  {note}" for note in one.notes]
        lines += [f"  not counted: {text}" for text in left_out_text(one.left_out)]
    if reading.failed:
        lines += ["", *(f"nothing of {name}: {why}" for name, why in list(reading.failed.items())[:_SHOWN])]
        if len(reading.failed) > _SHOWN:
            lines.append(f"and of {len(reading.failed) - _SHOWN} more")
    return "\n".join(lines) + "\n"


def left_out_text(left_out: Mapping[str, str]) -> list[str]:
    """Return who is not counted and why: a line a reason, with the first names and how many more."""
    by_reason: dict[str, list[str]] = {}
    for name, why in left_out.items():
        by_reason.setdefault(why, []).append(name)
    lines = []
    for why, names in by_reason.items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        lines.append(f"{', '.join(names[:_SHOWN])}{more} ({why})")
    if len(lines) > 2 * _SHOWN:
        lines = [*lines[: 2 * _SHOWN], f"and {counted(sum(map(len, by_reason.values())), 'glaciers')} in all"]
    return lines


def totals_table(reading: RegionReading) -> pd.DataFrame:
    """Return the totals as plain numbers, one row a kind: for machines, and for CSV."""
    rows = []
    for one in reading.kinds:
        row: dict[str, Any] = {"region": reading.label, **one.kind}
        done = one.completeness
        row |= {"glaciers": done.n, "of": done.of, "area_share": done.share, "is_one_period": one.is_one_period}
        row |= {"correlation": reading.correlation}
        if len(one.table):
            row |= {"first_date": one.table["start_date"].min(), "last_date": one.table["end_date"].max()}
        for name in ("start", "end", "change", "rate", "percent_per_year", "mean_rate"):
            total: Total | None = getattr(one, name)
            row[name] = math.nan if total is None else total.value
            row[f"{name}_sigma"] = math.nan if total is None else total.sigma
            row[f"{name}_sigma_0"] = math.nan if total is None else total.sigma_independent
            row[f"{name}_sigma_1"] = math.nan if total is None else total.sigma_full
        told = one.change or one.rate or one.mean_rate
        row["qualifier"] = "" if told is None else told.qualifier
        row["note"] = "; ".join([*one.notes, *(f"not counted: {text}" for text in left_out_text(one.left_out))])
        rows.append(row)
    return pd.DataFrame(rows)
