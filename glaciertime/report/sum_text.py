"""What glaciers are forecast to be together, for a terminal."""

from __future__ import annotations

import math

import pandas as pd

from glaciertime.region.forecasts import SumForecast
from glaciertime.report.region_text import kind_title, left_out_text
from glaciertime.units import number_text

__all__ = ["sum_text"]

_LOW, _MIDDLE, _HIGH = 0.05, 0.5, 0.95


def sum_text(found: SumForecast) -> str:
    """Return the forecast of a sum: by date the total, that of independent and that of shared errors beside."""
    unit, lines = found.kind["unit"], [f"sum of several glaciers: {kind_title(found.kind)}"]
    left_out = [f"  not counted: {text}" for text in left_out_text(found.left_out)]
    if not found.totals:
        return "\n".join([f"{lines[0]}: none, {found.reason}", *left_out]) + "\n"
    first, last = found.cutoffs
    seen = f"{first:%Y-%m-%d}" if first == last else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    now = "" if math.isnan(found.last) else f"; last values {number_text(found.last)} {unit} together"
    why = (
        f", as their changes in {found.years} years, drawn towards 0.5"
        if found.years
        else ", assumed or given (--correlation)"
    )
    lines.append(
        f"  {len(found.totals[0].glaciers)} of {found.of} counted glaciers; known up to {seen}{now}; median and 90 % "
        f"interval in {unit}; errors correlated {found.correlation:g}{why}"
    )
    lines.append(f"  date        {'model':<14}{'glaciers':>8}{'total':>34}{'if independent':>26}{'if shared':>26}")
    for place, total in enumerate(found.totals):
        tables = [_wide(rows) for rows in (total.rows, total.independent, total.shared)]
        for date in tables[0].index if place == 0 else tables[0].index[-1:]:
            whole, *beside = (table.loc[date] for table in tables)
            cells = [f"[{row[_LOW]:,.2f}, {row[_HIGH]:,.2f}]" for row in (whole, *beside)]
            lines.append(
                f"  {date:%Y-%m-%d}  {total.model:<14}{len(total.glaciers):>8}"
                f"{whole[_MIDDLE]:>12,.2f} {cells[0]:>21}{cells[1]:>26}{cells[2]:>26}"
            )
        lines += [f"  not in the sum by {total.model}: {text}" for text in left_out_text(total.missing)]
    lines += left_out
    if found.later:
        lines.append(f"  later values than these forecasts saw are known of {', '.join(found.later)}")
    return "\n".join(lines) + "\n"


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(quantile=rows["quantile"].round(4))
    return rows.pivot_table(index="target_date", columns="quantile", values="value")
