"""What a report says of the observations beside the plots: rates, breaks, the seasonal cycle, quality."""

from __future__ import annotations

import pandas as pd

from glaciertime.breaks import change_table
from glaciertime.report.html import html_table, interval, plus_minus
from glaciertime.report.products import PASSING, PASSING_BOUNDS, thinned
from glaciertime.tables import OUTLIER_FLAGS, QUALITY_FLAGS, VARIABLES, flags_of
from glaciertime.track.record.periods import annual_rates, seasonal_cycle
from glaciertime.track.record.screening import keep
from glaciertime.track.record.trends import rate_table

__all__ = ["flag_table", "rates_and_breaks", "seasonal"]


def rates_and_breaks(observations: pd.DataFrame) -> str:
    """Return the rate of every series over its whole span, and the dates at which its level broke."""
    kept = keep(observations, allow=PASSING_BOUNDS)
    if kept.empty:
        return ""
    parts = []
    even = thinned(kept)
    rates = rate_table(even)
    if len(rates):
        rows = [
            [
                f"{VARIABLES[row.variable].label}, {row.method}, {row.footprint}", f"{row.start_date:%Y-%m-%d}",
                f"{row.end_date:%Y-%m-%d}", str(row.n), f"{row.rate_per_year:,.2f} [{row.low:,.2f}, {row.high:,.2f}]",
                f"{row.robust_rate_per_year:,.2f} [{row.robust_low:,.2f}, {row.robust_high:,.2f}]",
                f"{row.unit} per year", row.qualifier,
            ]
            for row in rates.itertuples()
        ]  # fmt: skip
        heads = ["series", "from", "to", "dates", "weighted rate", "Theil-Sen rate", "unit", ""]
        text = "" if len(even) == len(kept) else ", of annual means"
        parts.append(f"<h3>Rates{text}, with 95 % intervals</h3>" + html_table(heads, rows, numbers={3, 4, 5}))
    changes = change_table(even)
    if len(changes):
        rows = [
            [
                f"{VARIABLES[row.variable].label}, {row.method}, {row.footprint}",
                f"{row.after:%Y-%m-%d}", f"{row.before:%Y-%m-%d}",
                f"{row.qualifier} {row.step:+,.4g}{plus_minus(row.sigma)} {row.unit}".strip(), f"{row.p_value:.3f}",
            ]
            for row in changes.itertuples()
        ]  # fmt: skip
        heads = ["series", "last date before", "first date after", "step of the mean", "p"]
        parts.append("<h3>Breaks</h3>" + html_table(heads, rows, numbers={3, 4}))
    return "\n".join(parts)


def seasonal(observations: pd.DataFrame) -> str:
    """Return the seasonal cycle of the front position, year by year, where images are dense enough."""
    rows = observations[observations["variable"] == "front_position_m"]
    kept = keep(rows, allow=PASSING)
    cycle = seasonal_cycle(kept) if len(kept) else pd.DataFrame()
    if cycle.empty:
        return ""
    yearly = annual_rates(kept)
    body = [
        [
            row.method, str(row.year), str(row.n), f"{row.minimum:,.0f} ({row.minimum_date:%d %b})",
            f"{row.maximum:,.0f} ({row.maximum_date:%d %b})", f"{row.amplitude:,.0f}{plus_minus(row.amplitude_sigma)}",
        ]
        for row in cycle.itertuples()
    ]  # fmt: skip
    heads = ["method", "year", "months", "minimum (m)", "maximum (m)", "amplitude, peak to peak (m)"]
    html = "<h3>Seasonal cycle of the front position</h3>" + html_table(heads, body, numbers={1, 2, 3, 4, 5})
    if yearly.empty:
        return html
    rates = [
        [row.method, str(row.year), str(row.months), f"{row.rate_per_year:+,.0f}{interval(row.low, row.high)}"]
        for row in yearly.itertuples()
    ]
    heads = ["method", "year against the year before", "months in both", "m per year"]
    return (
        html
        + "<h3>Annual rates, month against the same month, with 95 % intervals</h3>"
        + html_table(heads, rates, numbers={1, 2, 3})
    )


def flag_table(observations: pd.DataFrame) -> str:
    counts: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for quality in observations["quality"]:
        for flag, reason in flags_of(quality).items():
            counts[flag] = counts.get(flag, 0) + 1
            reasons.setdefault(flag, reason)
    if set(counts) <= {"ok"}:
        return ""
    rows = [
        [flag, str(count), QUALITY_FLAGS[flag], reasons[flag]]
        for flag, count in sorted(counts.items(), key=lambda pair: -pair[1])
    ]
    return (
        "<h3>Quality of the observations</h3>"
        + html_table(["flag", "rows", "meaning", "reason given (first)"], rows, numbers={1})
        + _flagged_fronts(observations)
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
