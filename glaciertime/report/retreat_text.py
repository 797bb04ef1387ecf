"""The retreat table as a person reads it: text, CSV, Markdown or LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import geopandas as gpd
import pandas as pd

from glaciertime.cells import quote_formulas
from glaciertime.errors import InputError, UsageError
from glaciertime.region.totals import CORRELATION, sum_sigma
from glaciertime.track import sum_row
from glaciertime.units import number_text

__all__ = ["FORMATS", "check_form", "retreat_rows", "retreat_text", "text_in_form", "text_table"]

FORMATS = ("text", "csv", "markdown", "latex")
#: Dates farther apart than this are of different periods: as in a region.
_SAME_PERIOD_DAYS = 180
_LOSS, _SHARE = "Loss (km²)", "Loss (%)"


def retreat_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the retreat table with values and one-sigma uncertainties as short texts, one row per glacier.

    Parameters
    ----------
    table : DataFrame
        From :func:`glaciertime.track.retreat_table`.
    """
    rows = []
    for row in table.itertuples():
        bound = f"{row.qualifier} " if row.qualifier else ""
        rows.append(
            {
                "Glacier": row.glacier,
                "Start": f"{row.start_date:%Y-%m-%d}",
                "End": f"{row.end_date:%Y-%m-%d}",
                "Start area (km²)": _fixed(row.start_area_km2, _digits(row.start_area_km2, row.start_sigma_km2, 2)),
                "End area (km²)": _fixed(row.end_area_km2, _digits(row.end_area_km2, row.end_sigma_km2, 2)),
                _LOSS: _bounded(bound, row.loss_km2, row.loss_sigma_km2, 2),
                _SHARE: _bounded(bound, row.loss_percent, row.loss_percent_sigma, 2),
                "Loss per year (km²)": _bounded(bound, row.loss_per_year_km2, row.loss_per_year_sigma_km2, 3),
                "Retreat (m)": _bounded("", row.retreat_m, row.retreat_sigma_m, 0),
                "Retreat by": row.retreat_method,
                "Footprint": row.footprint,
                "Footprint (km²)": "" if pd.isna(row.footprint_area_km2) else f"{row.footprint_area_km2:.1f}",
                "Source": f"{row.source}: {row.dataset}",
                "Note": row.note,
            }
        )
    return pd.DataFrame(rows)


def _fixed(value: float, digits: int) -> str:
    """Return a number with so many digits behind the point, without ``-0.00``; unknown is empty."""
    return "" if pd.isna(value) else f"{value:z.{digits}f}"


def _digits(value: float, sigma: float, fewest: int) -> int:
    """Return how many digits behind the point are written: a sigma that is not 0 never reads 0, nor does a value."""
    least = sigma if pd.notna(sigma) and sigma > 0 else abs(value) / 10
    if not math.isfinite(least) or least == 0:
        return fewest
    return min(12, max(fewest, -math.floor(math.log10(least))))


def _bounded(bound: str, value: float, sigma: float, fewest: int) -> str:
    if pd.isna(value):
        return ""
    digits = _digits(value, sigma, fewest)
    # Of a bound that is exact, by ice that fills its footprint and leaves it, there is no sigma.
    is_known = pd.notna(sigma) and not (bound and sigma == 0)
    return f"{bound}{_fixed(value, digits)}{f' ± {sigma:.{digits}f}' if is_known else ''}"


def retreat_text(
    table: pd.DataFrame,
    *,
    form: str,
    footprints: gpd.GeoDataFrame | None = None,
    fjords: pd.DataFrame | None = None,
) -> str:
    """Return the retreat table in one of :data:`FORMATS`.

    CSV has plain numbers; the others have values with their one-sigma uncertainty. Below a table of several glaciers
    stands their sum, with the correlation that the errors of two glaciers are taken to have; where their footprints
    overlap it is taken over the fjords, which do not.

    Parameters
    ----------
    table : DataFrame
        From :func:`glaciertime.track.retreat_table`.
    form : str
    footprints : GeoDataFrame, optional
        The polygons that areas were measured in; no sum without them.
    fjords : DataFrame, optional
        The same table inside the footprint ``fjord``.

    Raises
    ------
    UsageError
        For an unknown format.
    """
    total = _sum(table, footprints, fjords) if len(table) > 1 and footprints is not None else None
    if form in ("markdown", "latex"):
        return text_in_form(table, lambda plain: _with_sum(retreat_rows(plain), total), form=form)
    text = text_in_form(table, retreat_rows, form=form)
    if form != "text":
        return text
    # An area of somebody else's table is of no footprint.
    of = "area" if len(table) and (table["footprint"] == "-").all() else "ice in the footprint"
    caption = f"Positive loss: less ice. One standard deviation. Loss (%) is of the {of} at the start."
    lines = [text.rstrip("\n"), "", caption]
    if total is not None:
        lines.append(f"{total.what}: {total.text}" if total.loss else f"{total.what}: {total.note}.")
    if (table["source"] == "simulated").any():
        lines.append("Rows marked simulated are no observations.")
    return "\n".join(lines) + "\n"


def check_form(form: str) -> None:
    """Refuse a format that is none of :data:`FORMATS`, before the work."""
    if form not in FORMATS:
        raise UsageError(f"--format '{form}' is not known; known are {', '.join(FORMATS)}")


def text_in_form(table: pd.DataFrame, rows: Callable[[pd.DataFrame], pd.DataFrame], *, form: str) -> str:
    """Return a table in one of :data:`FORMATS`: CSV of its plain numbers, the others of its rows as short texts.

    Raises
    ------
    UsageError
        For an unknown format.
    """
    check_form(form)
    if form == "csv":
        return str(quote_formulas(table).to_csv(index=False, date_format="%Y-%m-%d"))
    shown = rows(table)
    if form == "latex":
        return _latex(shown)
    return _markdown(shown) if form == "markdown" else _text(shown) + "\n"


@dataclass(frozen=True)
class _Sum:
    """The sum of a table: what it is of, its loss and share as texts, and what is to be known of it."""

    what: str
    loss: str = ""
    share: str = ""
    note: str = ""

    @property
    def text(self) -> str:
        """The sum as a sentence."""
        return f"loss {self.loss} km²{f' = {self.share} %' if self.share else ''} ({self.note})"


def _sum(table: pd.DataFrame, footprints: gpd.GeoDataFrame, fjords: pd.DataFrame | None) -> _Sum:
    try:
        return _total(table, footprints, "Sum", "")
    except InputError as error:
        overlap = str(error)
    if fjords is None or set(fjords["glacier"]) != set(table["glacier"]):
        return _Sum("No sum", note=overlap)
    try:
        return _total(fjords, footprints, "Sum over the fjords", f"not over the boxes: {overlap.split(', which')[0]}")
    except InputError as error:
        return _Sum("No sum", note=str(error))


def _total(table: pd.DataFrame, footprints: gpd.GeoDataFrame, what: str, note: str) -> _Sum:
    """Return the sum of the losses; the errors of two glaciers on the same images share a part."""
    total = sum_row(table, footprints=footprints)
    if pd.isna(total["loss_km2"]):
        why = "it is unknown, since that of a glacier is, or some losses are at least and others at most so much"
        return _Sum("No sum", note=why)
    bound = f"{total['qualifier']} " if total["qualifier"] else ""
    losses = {rho: sum_sigma(table["loss_sigma_km2"], correlation=rho) for rho in (CORRELATION, 0.0, 1.0)}
    start, end = total["start_area_km2"], total["end_area_km2"]
    of_start, of_end = (
        sum_sigma(table[name], correlation=CORRELATION) for name in ("start_sigma_km2", "end_sigma_km2")
    )
    percent = 100 * math.hypot(of_end / start, end * of_start / start**2) if start > 0 else math.nan
    shared = f"errors correlated {CORRELATION:g}"
    if not math.isnan(losses[CORRELATION]):
        digits = _digits(total["loss_km2"], losses[0.0], 2)
        shared += f"; ± {losses[0.0]:.{digits}f} by 0, ± {losses[1.0]:.{digits}f} by 1"
    else:
        shared = "its sigma is not known, since that of a glacier is not"
    return _Sum(
        what,
        _bounded(bound, total["loss_km2"], losses[CORRELATION], 2),
        _bounded(bound, total["loss_percent"], percent, 2),
        "; ".join(filter(None, (shared, _periods(table), note))),
    )


def _periods(table: pd.DataFrame) -> str:
    """Return that the losses of a sum are not of one period, where they are not."""
    first, last = table["start_date"], table["end_date"]
    if max((ends.max() - ends.min()).days for ends in (first, last)) <= _SAME_PERIOD_DAYS:
        return ""
    ends = [f"{one.min():%Y-%m-%d} to {one.max():%Y-%m-%d}" for one in (first, last)]
    return f"the periods differ, {ends[0]} at the start and {ends[1]} at the end: it is the loss of no one period"


def _with_sum(rows: pd.DataFrame, total: _Sum | None) -> pd.DataFrame:
    """Return the rows of a table with their sum as the last one, or with why there is none."""
    if total is None:
        return rows
    last = dict.fromkeys(rows.columns, "") | {"Glacier": total.what, _LOSS: total.loss, _SHARE: total.share}
    return pd.concat([rows, pd.DataFrame([{**last, "Note": total.note}])], ignore_index=True)


def _text(rows: pd.DataFrame) -> str:
    shown = rows.loc[:, (rows != "").any(axis=0)]
    widths = {column: max(len(column), *shown[column].map(len)) for column in shown}
    head = "  ".join(f"{column:<{width}}" for column, width in widths.items()).rstrip()
    body = ["  ".join(f"{row[column]:<{widths[column]}}" for column in shown).rstrip() for _, row in shown.iterrows()]
    return "\n".join([head, "-" * len(head), *body])


def text_table(table: pd.DataFrame) -> str:
    """Return any table as text in aligned columns: days as YYYY-MM-DD, numbers to four digits, unknown as nothing.

    Columns that hold the same value in every row stand once, above the table.
    """
    rows = pd.DataFrame({str(column): table[column].map(_cell) for column in table.columns})
    constant = [column for column in rows if len(rows) > 1 and rows[column].nunique() == 1]
    head = ", ".join(f"{column} {rows[column].iloc[0]}" for column in constant if rows[column].iloc[0])
    if rows.empty:
        return ""
    varying = rows.drop(columns=constant)
    return "\n".join(part for part in (head, _text(varying)) if part) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else number_text(value)
    return "" if value is None else str(value)


def _markdown(rows: pd.DataFrame) -> str:
    head = "| " + " | ".join(rows.columns) + " |"
    rule = "|" + "---|" * len(rows.columns)
    body = ["| " + " | ".join(map(_escaped, row)) + " |" for row in rows.itertuples(index=False)]
    return "\n".join([head, rule, *body]) + "\n"


def _escaped(text: str) -> str:
    """Return a cell of Markdown that shows its text: no cell of its own, no line, no link, no HTML."""
    return re.sub(r"([\\|<\[`*])", r"\\\1", " ".join(text.split()))


_LATEX = {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    **{letter: "\\" + letter for letter in "&%_#{}$"},
}  # fmt: skip


def _latex(rows: pd.DataFrame) -> str:
    def escaped(text: str) -> str:
        text = " ".join(text.split())
        text = "".join(_LATEX.get(letter, letter) for letter in text)
        return text.replace("±", r"$\pm$").replace("km²", r"km$^2$").replace("km2", r"km$^2$")

    lines = [r"\begin{tabular}{" + "l" * len(rows.columns) + "}", r"\hline"]
    lines.append(" & ".join(escaped(column) for column in rows.columns) + r" \\ \hline")
    lines += [" & ".join(escaped(text) for text in row) + r" \\" for row in rows.itertuples(index=False)]
    return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"
