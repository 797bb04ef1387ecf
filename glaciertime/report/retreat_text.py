"""The retreat table as a person reads it: text, CSV, Markdown or LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import geopandas as gpd
import pandas as pd

from glaciertime.cells import quote_formulas
from glaciertime.errors import InputError, UsageError
from glaciertime.track import sum_row
from glaciertime.units import number_text

__all__ = ["FORMATS", "check_form", "retreat_rows", "retreat_text", "text_in_form", "text_table"]

FORMATS = ("text", "csv", "markdown", "latex")


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
                "Start area (km2)": _fixed(row.start_area_km2, 2),
                "End area (km2)": _fixed(row.end_area_km2, 2),
                "Loss (km2)": _bounded(bound, row.loss_km2, row.loss_sigma_km2, 2),
                "Loss (%)": _bounded(bound, row.loss_percent, row.loss_percent_sigma, 2),
                "Loss per year (km2)": _bounded(bound, row.loss_per_year_km2, math.nan, 3),
                "Footprint": row.footprint,
                "Footprint (km2)": "" if pd.isna(row.footprint_area_km2) else f"{row.footprint_area_km2:.1f}",
                "Source": f"{row.source}: {row.dataset}",
                "Note": row.note,
            }
        )
    return pd.DataFrame(rows)


def _fixed(value: float, digits: int) -> str:
    """Return a number with so many digits behind the point, without ``-0.00``; unknown is empty."""
    return "" if pd.isna(value) else f"{value:z.{digits}f}"


def _sigma(value: float, digits: int) -> str:
    return "" if pd.isna(value) else f" ± {value:.{digits}f}"


def _bounded(bound: str, value: float, sigma: float, digits: int) -> str:
    return "" if pd.isna(value) else f"{bound}{_fixed(value, digits)}{_sigma(sigma, digits)}"


def retreat_text(
    table: pd.DataFrame,
    *,
    form: str,
    footprints: gpd.GeoDataFrame | None = None,
    fjords: pd.DataFrame | None = None,
) -> str:
    """Return the retreat table in one of :data:`FORMATS`.

    CSV has plain numbers; the others have values with their one-sigma uncertainty. Below a text table of several
    glaciers stands their sum; where their footprints overlap it is taken over the fjords, which do not.

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
    text = text_in_form(table, retreat_rows, form=form)
    if form != "text":
        return text
    caption = "Positive loss: less ice. One standard deviation. Loss (%) is of the ice in the footprint at the start."
    lines = [text.rstrip("\n"), "", caption]
    if len(table) > 1 and footprints is not None:
        lines += _sum(table, footprints, fjords)
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


def _sum(table: pd.DataFrame, footprints: gpd.GeoDataFrame, fjords: pd.DataFrame | None) -> list[str]:
    try:
        return [f"Sum: {_total(sum_row(table, footprints=footprints))}"]
    except InputError as error:
        overlap = str(error)
    if fjords is None or set(fjords["glacier"]) != set(table["glacier"]):
        return [f"No sum: {overlap}."]
    try:
        total = sum_row(fjords, footprints=footprints)
    except InputError as error:
        return [f"No sum: {error}."]
    return [f"Sum over the fjords: {_total(total)} (not over the boxes: {overlap.split(', which')[0]})"]


def _total(total: pd.Series) -> str:
    if pd.isna(total["loss_km2"]):
        return "unknown, since that of a glacier is, or some losses are at least and others at most so much"
    bound = f"{total['qualifier']} " if total["qualifier"] else ""
    share = _bounded(bound, total["loss_percent"], total["loss_percent_sigma"], 2)
    return f"loss {_bounded(bound, total['loss_km2'], total['loss_sigma_km2'], 2)} km2" + (share and f" = {share} %")


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
        return text.replace("±", r"$\pm$").replace("km2", r"km$^2$")

    lines = [r"\begin{tabular}{" + "l" * len(rows.columns) + "}", r"\hline"]
    lines.append(" & ".join(escaped(column) for column in rows.columns) + r" \\ \hline")
    lines += [" & ".join(escaped(text) for text in row) + r" \\" for row in rows.itertuples(index=False)]
    return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"
