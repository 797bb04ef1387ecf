"""What a report says as one HTML page that needs nothing from outside; the PDF is printed from it."""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from pathlib import Path

from glaciertime.known_dates import KnownDate
from glaciertime.provenance import RunRecord
from glaciertime.provenance.tags import html_tag, svg_tag
from glaciertime.report.content.parts import (
    Block,
    Cards,
    Column,
    Content,
    FanPlot,
    Heading,
    Item,
    Link,
    Listing,
    MapPlot,
    Number,
    Paragraph,
    RegionMap,
    Section,
    SeriesPlot,
    Table,
    count,
    say,
)
from glaciertime.report.views.charts import NARROW_IN, WIDE_IN, chart
from glaciertime.report.views.map_svg import map_svg
from glaciertime.report.wording import Piece, Wording

__all__ = ["SVG_DATA", "html_view"]

_LONGEST_WORD = 20
_OPTION = re.compile(r"--[a-z][a-z-]*")
#: How a page holds a picture.
SVG_DATA = "data:image/svg+xml;base64,"


@lru_cache(maxsize=2)
def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def html_view(
    content: Content, *, wording: Wording, mark: str, run: RunRecord | None = None, is_print: bool = False
) -> str:
    """Return what a report says as a page.

    Parameters
    ----------
    content : Content
    wording : Wording
    mark : str
        What made it: told in its head.
    run : RunRecord, optional
        The run that made it: told in its head, and in each picture, so that one saved from it can still be asked.
    is_print : bool
        Whether it is printed: without the second width of each picture, and without what moves the map.
    """
    title = escape(wording.title(content.title))
    page = _Page(wording, "" if run is None else run.run, is_print)
    body = "\n".join(page.section(section) for section in content.sections)
    told = "" if run is None else f"{html_tag(run.tag())}\n"
    has_map = any(isinstance(block, MapPlot) for section in content.sections for block in section.blocks)
    script = "" if is_print or not has_map else f"<script>{_beside('map.js')}</script>\n"
    return (
        f'<!DOCTYPE html>\n<html lang="{wording.language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="{mark}">\n{told}<title>{title}</title>\n'
        f"<style>\n{_beside('page.css')}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}\n{script}"
        "</body>\n</html>\n"
    )


class _Page:
    """The blocks of a page in one language."""

    def __init__(self, wording: Wording, run: str, is_print: bool) -> None:
        self._wording, self._run, self._is_print = wording, run, is_print

    def section(self, section: Section) -> str:
        """Return a section with its heading."""
        head = "" if section.title is None else f"<h2>{self._line(section.title)}</h2>\n"
        blocks = "\n".join(text for block in section.blocks for text in self._block(block))
        source = f' data-source="{section.source}"' if section.source else ""
        return f'<section class="{section.key}"{source}>\n{head}{blocks}\n</section>'

    def _piece(self, piece: Piece) -> str:
        text = escape(piece.text)
        if isinstance(piece.of, Number):
            return f"<data{_attributes(piece.of)}>{text}</data>"
        if isinstance(piece.of, dt.date | KnownDate):
            return f'<time datetime="{piece.of.isoformat()}">{text}</time>'
        if isinstance(piece.of, Link):
            return f'<a href="{escape(piece.of.address, quote=True)}">{text}</a>'
        # An option is not broken behind its dashes.
        return _OPTION.sub(r'<span class="option">\g<0></span>', text)

    def _line(self, item: Item) -> str:
        return "".join(map(self._piece, self._wording.sentence(item)))

    def _cell(self, item: Item, *, unit: bool = True) -> str:
        return "".join(map(self._piece, self._wording.pieces(item, unit=unit)))

    def _block(self, block: Block) -> Iterator[str]:
        if isinstance(block, Heading):
            yield f"<h3>{self._line(block.text)}</h3>"
        elif isinstance(block, Paragraph):
            kind = "" if block.tone == "plain" else f' class="{block.tone}"'
            yield f"<p{kind}>{' '.join(map(self._line, block.sentences))}</p>"
        elif isinstance(block, Listing):
            yield f'<ul class="points">{"".join(f"<li>{self._line(item)}</li>" for item in block.items)}</ul>'
        elif isinstance(block, Cards):
            yield f'<div class="cards">{"".join(self._cards(block))}</div>'
        elif isinstance(block, Table):
            yield self._table(block)
        elif isinstance(block, MapPlot):
            yield self._figure(block, map_svg(block, wording=self._wording, is_print=self._is_print), kind="map")
        else:
            yield self._figure(block, self._picture(block), kind="plot")

    def _cards(self, block: Cards) -> Iterator[str]:
        for card in block.cards:
            yield (
                f'<div class="card"><span>{self._line(card.label)}</span><b>{self._cell(card.number)}</b>'
                f"<span>{self._cell(card.note)}</span></div>"
            )

    def _figure(self, plot: SeriesPlot | FanPlot | MapPlot | RegionMap, drawn: str, *, kind: str) -> str:
        caption = " ".join(map(self._line, plot.caption))
        return f'<figure class="{kind}">{drawn}<figcaption>{caption}</figcaption></figure>'

    def _picture(self, plot: SeriesPlot | FanPlot | RegionMap) -> str:
        title = escape(self._wording.title(plot.title), quote=True)
        wide = f'<img alt="{title}" src="{self._data(plot, WIDE_IN)}">'
        if self._is_print:
            return wide
        narrow = f'<source media="(max-width: 40rem)" srcset="{self._data(plot, NARROW_IN)}">'
        return f"<picture>{narrow}{wide}</picture>"

    def _data(self, plot: SeriesPlot | FanPlot | RegionMap, width_in: float) -> str:
        svg = chart(plot, wording=self._wording, width_in=width_in)
        if self._run:
            svg = svg.replace("<svg", f"{svg_tag(self._run)}<svg", 1)
        return f"{SVG_DATA}{base64.b64encode(svg.encode()).decode()}"

    def _table(self, table: Table) -> str:
        heads = [self._head(column) for column in table.columns]
        named = "".join(
            f'<th class="{column.kind}">{self._head(column, is_marked=True)}</th>' for column in table.columns
        )
        again = "".join(
            f'<th class="{column.kind}">{head}</th>' for column, head in zip(table.columns, heads, strict=True)
        )
        rows = [self._row(table, heads, row) for row in table.rows]
        # One row more is no reason to fold.
        shown = table.shown if table.shown and len(rows) > table.shown + 2 else len(rows)

        # So few columns stand side by side on a telephone too.
        slim = " slim" if len(table.columns) <= 3 else ""

        def whole(part: list[str], cells: str = named) -> str:
            return (
                f'<div class="wide"><table class="{table.name}{slim}"><thead><tr>{cells}</tr></thead>'
                f"<tbody>{''.join(part)}</tbody></table></div>"
            )

        if self._is_print or shown == len(rows):
            return whole(rows)
        more = self._wording.text(say("view.more", n=count(len(rows) - shown)))
        return f"{whole(rows[:shown])}<details><summary>{escape(more)}</summary>{whole(rows[shown:], again)}</details>"

    def _head(self, column: Column, *, is_marked: bool = False) -> str:
        unit = f" ({self._wording.unit(column.unit)})" if column.unit else ""
        return (self._cell(column.head) if is_marked else escape(self._wording.text(column.head))) + escape(unit)

    def _in_cell(self, cell: Item, column: Column) -> str:
        text = self._cell(cell, unit=not column.unit)
        if self._is_print:
            # On paper nine columns have no room for a value and its error side by side.
            text = text.replace("\u00a0±", " ±")
        return f"<span>{text}</span>" if text else ""

    def _kind(self, cell: Item, column: Column) -> str:
        """Return what a cell is; a word that no column is wide enough for may be cut anywhere."""
        longest = max(map(len, self._wording.text(cell).split()), default=0) if column.kind == "text" else 0
        return f"{column.kind} long" if longest > _LONGEST_WORD else column.kind

    def _row(self, table: Table, heads: list[str], row: tuple[Item, ...]) -> str:
        cells = "".join(
            f'<td class="{self._kind(cell, column)}" data-head="{head}">{self._in_cell(cell, column)}</td>'
            for column, head, cell in zip(table.columns, heads, row, strict=True)
        )
        return f"<tr>{cells}</tr>"


def _attributes(number: Number) -> str:
    """Return a number and what is known of it as attributes: as JSON has it, unrounded."""
    parts = [f' value="{float(number.value)!r}"' if math.isfinite(number.value) else ""]
    for name in ("sigma", "low", "high", "level"):
        value = getattr(number, name)
        if math.isfinite(value):
            parts.append(f' data-{name}="{float(value)!r}"')
    parts += [f' data-unit="{escape(number.unit)}"' if number.unit else ""]
    parts += [f' data-bound="{number.bound}"' if number.bound else ""]
    return "".join(parts)
