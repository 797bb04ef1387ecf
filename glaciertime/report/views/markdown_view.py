"""What a report says as Markdown: sentences, lists and tables; plots are named, and are in the HTML and the PDF."""

from __future__ import annotations

import re
from collections.abc import Iterator

from glaciertime.report.content.parts import (
    Block,
    Cards,
    Content,
    FanPlot,
    Heading,
    Item,
    Link,
    Listing,
    MapPlot,
    Paragraph,
    RegionMap,
    SeriesPlot,
    Table,
    say,
)
from glaciertime.report.wording import Piece, Wording

__all__ = ["markdown_view"]

_STRONG = ("simulated", "caution")


def markdown_view(content: Content, *, wording: Wording, mark: str) -> str:
    """Return what a report says as Markdown.

    Parameters
    ----------
    content : Content
    wording : Wording
    mark : str
        What made it: in a comment that no reader sees.
    """
    parts = [f'<!-- <meta name="generator" content="{mark}"> -->', f"# {escaped(wording.title(content.title))}"]
    for section in content.sections:
        if section.title is not None:
            apart = f" ({escaped(wording.text(say('data.is_simulated')))})" if section.source == "simulated" else ""
            parts.append(f"## {escaped(wording.title(section.title))}{apart}")
        for block in section.blocks:
            parts += _block(block, wording)
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return a text of Markdown that shows itself: no cell, no line, no link, no HTML of its own."""
    return re.sub(r"([\\|<>\[\]`*_#])", r"\\\1", " ".join(text.split(" ")).replace("\n", " ").replace("\r", " "))


def _piece(piece: Piece) -> str:
    if isinstance(piece.of, Link):
        return f"[{escaped(piece.text)}]({piece.of.address.replace(')', '%29').replace('(', '%28')})"
    return escaped(piece.text)


def _line(item: Item, wording: Wording) -> str:
    return "".join(map(_piece, wording.sentence(item)))


def _block(block: Block, wording: Wording) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"### {_line(block.text, wording)}"
    elif isinstance(block, Paragraph):
        text = " ".join(_line(one, wording) for one in block.sentences)
        yield f"**{text}**" if block.tone in _STRONG else text
    elif isinstance(block, Listing):
        yield "\n".join(f"- {_line(one, wording)}" for one in block.items)
    elif isinstance(block, Cards):
        for card in block.cards:
            number, note = escaped(wording.text(card.number)), escaped(wording.text(card.note))
            yield f"- {_line(card.label, wording)}: **{number}** ({note})"
    elif isinstance(block, Table):
        yield _table(block, wording)
    elif isinstance(block, SeriesPlot | FanPlot | MapPlot | RegionMap):
        yield f"*{_line(block.title, wording)}.* {' '.join(_line(one, wording) for one in block.caption)}"


def _table(table: Table, wording: Wording) -> str:
    heads = []
    for column in table.columns:
        unit = f" ({wording.unit(column.unit)})" if column.unit else ""
        heads.append(escaped(wording.text(column.head) + unit))
    rules = ["---:" if column.kind == "number" else "---" for column in table.columns]
    lines = [heads, rules]
    for row in table.rows:
        lines.append(
            [
                "".join(map(_piece, wording.pieces(cell, unit=not column.unit)))
                for column, cell in zip(table.columns, row, strict=True)
            ]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
