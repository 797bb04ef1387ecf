"""What became of the glaciers between two inventories, as a person reads it."""

from __future__ import annotations

import math

import pandas as pd

from glaciertime.naming import counted
from glaciertime.region.inventories import Comparison
from glaciertime.report.region_text import total_text
from glaciertime.units import number_text

__all__ = ["comparison_rows", "comparison_text", "comparison_totals"]

_TOTALS = (
    ("start", "area at the start", "km2"), ("end", "area at the end", "km2"), ("change", "sum of the changes", "km2"),
    ("rate", "sum of the changes per year", "km2 per year"),
    ("percent_rate", "of the area at the start", "% per year"),
)  # fmt: skip


def comparison_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the glaciers as short texts, one row each."""
    rows = [
        {
            "Glacier": f"{row.name_} ({row.glacier})" if row.name_ else row.glacier,
            "Became": row.status,
            "From": "" if pd.isna(row.start_date) else f"{row.start_date:%Y-%m-%d}",
            "To": "" if pd.isna(row.end_date) else f"{row.end_date:%Y-%m-%d}",
            "Start (km2)": f"{row.start_km2:.3f}",
            "End (km2)": f"{row.end_km2:.3f}",
            "Change (km2)": f"{row.change_km2:+.3f}{_sigma(row.change_sigma_km2)}",
            "%": "" if math.isnan(row.percent) else f"{row.percent:+.1f}",
            "% per year": "" if math.isnan(row.percent_per_year) else f"{row.percent_per_year:+.2f}",
            "Note": row.note,
        }
        for row in table.rename(columns={"name": "name_"}).itertuples()
    ]
    return pd.DataFrame(rows)


def _sigma(sigma: float) -> str:
    return "" if math.isnan(sigma) else f" ± {number_text(sigma, digits=2)}"


def comparison_text(found: Comparison) -> str:
    """Return what the glaciers are together, for a terminal."""
    counts = found.counts
    lines = [
        f"{counted(counts['compared'], 'glaciers')} compared: {counts['shrunk']} smaller, {counts['grown']} larger; "
        f"{counts['vanished']} vanished, {counts['split']} split, {counts['merged']} merged, {counts['new']} new"
    ]
    for key, label, unit in _TOTALS:
        if key in found.totals:
            text = total_text(found.totals[key], unit, correlation=found.correlation)
            lines.append(f"  {label:<28}{text.removeprefix('+') if key in ('start', 'end') else text}")
    return "\n".join(lines) + "\n"


def comparison_totals(found: Comparison) -> pd.DataFrame:
    """Return the sums as plain numbers, one row each."""
    rows = []
    for key, _, unit in _TOTALS:
        if key in found.totals:
            total = found.totals[key]
            rows.append(
                {"what": key, "value": total.value, "sigma": total.sigma, "sigma_0": total.sigma_independent,
                 "sigma_1": total.sigma_full, "unit": unit, "glaciers": total.n, "correlation": found.correlation,
                 **found.counts}
            )  # fmt: skip
    return pd.DataFrame(rows)
