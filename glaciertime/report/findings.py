"""What a report says of the observations beside the plots: rates, breaks, the seasonal cycle, quality."""

from __future__ import annotations

from html import escape
from typing import Any

import geopandas as gpd
import pandas as pd

from glaciertime.catalog import Glacier
from glaciertime.errors import InputError
from glaciertime.report.html import html_table, interval, plus_minus
from glaciertime.report.products import series_product
from glaciertime.tables import OUTLIER_FLAGS, QUALITY_FLAGS, VARIABLES, flags_of
from glaciertime.track.record.screening import screening_notes
from glaciertime.units import number_text

__all__ = ["flag_table", "rates_and_breaks", "seasonal"]


def rates_and_breaks(observations: pd.DataFrame) -> str:
    """Return the rate of every series over its whole span, and the dates at which its level broke."""
    parts, apart = [], observations["dataset"].nunique() > 1
    rates = _product("rates", observations)
    if len(rates):
        rows = [
            [
                _series(row, apart=apart), f"{row.start_date:%Y-%m-%d}", f"{row.end_date:%Y-%m-%d}",
                f"{row.n} {row.of}",
                _rate(row.rate_per_year, row.low, row.high),
                _rate(row.robust_rate_per_year, row.robust_low, row.robust_high),
                f"{row.unit} per year", row.qualifier,
            ]
            for row in rates.itertuples()
        ]  # fmt: skip
        heads = ["series", "from", "to", "of", "weighted rate", "Theil-Sen rate", "unit", ""]
        parts.append("<h3>Rates, with 95 % intervals</h3>" + html_table(heads, rows, numbers={3, 4, 5}))
    changes = _product("changes", observations)
    if len(changes):
        rows = [
            [
                _series(row, apart=apart), f"{row.after:%Y-%m-%d}", f"{row.before:%Y-%m-%d}",
                f"{row.qualifier} {number_text(row.step, sign=True)}{plus_minus(row.sigma)} {row.unit}".strip(),
                f"{row.p_value:.3f}",
            ]
            for row in changes.itertuples()
        ]  # fmt: skip
        heads = ["series", "last date before", "first date after", "step of the mean", "p"]
        parts.append("<h3>Breaks</h3>" + html_table(heads, rows, numbers={3, 4}))
    return "\n".join(parts)


def _product(name: str, observations: pd.DataFrame) -> pd.DataFrame:
    """Return what ``glaciertime series --product`` prints: a page says nothing else."""

    def glacier() -> Glacier:
        raise InputError(f"{name} needs no glacier")

    return series_product(name, observations=observations, fronts=gpd.GeoDataFrame(), glacier=glacier).table


def _series(row: Any, *, apart: bool) -> str:
    """Return the name of a series; that of its data set only where there are several."""
    known = VARIABLES.get(row.variable)
    parts = (
        known.label if known else row.variable,
        row.method,
        row.footprint,
        row.front_of,
        row.dataset if apart else "",
    )
    return ", ".join(filter(None, parts))


def _method(row: Any, *, apart: bool) -> str:
    return ", ".join(filter(None, (row.method, row.front_of, row.dataset if apart else "")))


def _rate(rate: float, low: float, high: float) -> str:
    bounds = f" [{number_text(low)}, {number_text(high)}]" if pd.notna(low) and pd.notna(high) else ""
    return number_text(rate) + bounds


def seasonal(observations: pd.DataFrame) -> str:
    """Return the seasonal cycle of the front position, year by year, where images are dense enough."""
    rows = observations[observations["variable"] == "front_position_m"]
    cycle = _product("cycle", rows) if len(rows) else pd.DataFrame()
    if cycle.empty:
        return ""
    apart = rows["dataset"].nunique() > 1
    yearly = _product("annual-rates", rows)
    body = [
        [
            _method(row, apart=apart), str(row.year), str(row.months), f"{row.minimum:,.0f} ({row.minimum_date:%d %b})",
            f"{row.maximum:,.0f} ({row.maximum_date:%d %b})", f"{row.amplitude:,.0f}{plus_minus(row.amplitude_sigma)}",
        ]
        for row in cycle.itertuples()
    ]  # fmt: skip
    heads = ["method", "year", "months", "minimum (m)", "maximum (m)", "amplitude, peak to peak (m)"]
    html = "<h3>Seasonal cycle of the front position</h3>" + html_table(heads, body, numbers={1, 2, 3, 4, 5})
    if yearly.empty:
        return html
    rates = [
        [
            _method(row, apart=apart),
            str(row.year),
            str(row.months),
            f"{row.rate_per_year:+,.0f}{interval(row.low, row.high)}",
        ]
        for row in yearly.itertuples()
    ]
    heads = ["method", "year against the year before", "months in both", "m per year"]
    return (
        html
        + "<h3>Annual rates, month against the same month, with 95 % intervals</h3>"
        + html_table(heads, rates, numbers={1, 2, 3})
    )


def flag_table(observations: pd.DataFrame) -> str:
    """Return how many observations bear which flag and why, and which series nobody could screen."""
    counts: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for quality in observations["quality"]:
        for flag, reason in flags_of(quality).items():
            counts[flag] = counts.get(flag, 0) + 1
            reasons.setdefault(flag, reason)
    unseen = "".join(f'<p class="note">{escape(text.capitalize())}.</p>' for text in screening_notes(observations))
    if set(counts) <= {"ok"}:
        return unseen
    rows = [
        [flag, str(count), QUALITY_FLAGS[flag], reasons[flag]]
        for flag, count in sorted(counts.items(), key=lambda pair: -pair[1])
    ]
    return (
        "<h3>Quality of the observations</h3>"
        + html_table(["flag", "rows", "meaning", "reason given (first)"], rows, numbers={1})
        + _flagged_fronts(observations)
        + unseen
    )


def _flagged_fronts(observations: pd.DataFrame) -> str:
    """Return which fronts were flagged as outliers or unclear, and why."""
    rows: dict[tuple[str, str, str], str] = {}
    for row in observations[observations["variable"] == "front_position_m"].sort_values("date").itertuples():
        for flag, reason in flags_of(row.quality).items():
            if flag in (*OUTLIER_FLAGS, "unclear-front"):
                rows.setdefault((f"{row.date:%Y-%m-%d}", row.image_id, flag), reason)
    if not rows:
        return ""
    return "<h3>Flagged fronts</h3>" + html_table(
        ["date", "image", "flag", "reason"], [[*key, reason] for key, reason in rows.items()], numbers=set()
    )
