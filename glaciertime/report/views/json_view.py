"""What a report says as JSON: every number with its unit and sigma, every sentence with its key and its numbers."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from glaciertime import __version__
from glaciertime.known_dates import KnownDate
from glaciertime.report.content.parts import Content, Link, Number, Paragraph, Phrase, Point, Section, Table, Unit
from glaciertime.report.wording import Wording

__all__ = ["json_view"]


def json_view(content: Content, *, wording: Wording, mark: str, run: Mapping[str, Any] | None = None) -> str:
    """Return what a report says as JSON; unknown numbers are null.

    Parameters
    ----------
    content : Content
    wording : Wording
        The language of the texts beside the numbers.
    mark : str
        What made it: stands first.
    run : mapping, optional
        The run that made it.
    """
    held = {
        "description": mark, "version": __version__, "language": wording.language, "kind": content.kind,
        "title": wording.title(content.title), **({"run": run} if run else {}),
        "warnings": [_item(one, wording) for one in content.warnings],
        "sections": [_section(section, wording) for section in content.sections],
    }  # fmt: skip
    return json.dumps(held, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _section(section: Section, wording: Wording) -> dict[str, Any]:
    return {
        "key": section.key, "title": None if section.title is None else wording.title(section.title),
        "source": section.source or None, "blocks": [_item(block, wording) for block in section.blocks],
    }  # fmt: skip


def _item(item: object, wording: Wording) -> Any:
    if isinstance(item, Number):
        return _number(item, wording)
    if isinstance(item, Phrase):
        said = wording.gaps(item)
        held = {name: _item(value, wording) for name, value in item.values.items() if name in said}
        return {"key": item.key, "text": wording.text(item), **({"values": held} if held else {})}
    if isinstance(item, Point):
        return _without_unknown(
            {"date": item.date.isoformat(), "value": item.value, "sigma": item.sigma, "kind": item.kind}
        )
    if isinstance(item, Table):
        return _table(item, wording)
    if isinstance(item, Paragraph):
        sentences = [_item(one, wording) for one in item.sentences]
        return {"block": "paragraph", "tone": item.tone, "sentences": sentences}
    if isinstance(item, Link):
        return {"text": item.text, "address": item.address}
    if isinstance(item, Unit):
        return item.name
    if isinstance(item, dt.date | KnownDate):
        return item.isoformat()
    if isinstance(item, float):
        return item if math.isfinite(item) else None
    if isinstance(item, Mapping):
        return {str(name): _item(value, wording) for name, value in item.items()}
    if isinstance(item, tuple | list):
        return [_item(one, wording) for one in item]
    if is_dataclass(item):
        held = {field.name: _item(getattr(item, field.name), wording) for field in fields(item)}
        return {"block": _name(item), **held}
    return item


def _name(item: object) -> str:
    """Return what kind of part it is, in small letters parted by a dash."""
    name = type(item).__name__
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


def _number(number: Number, wording: Wording) -> dict[str, Any]:
    held = {
        "value": number.value if math.isfinite(number.value) else None, "unit": number.unit, "sigma": number.sigma,
        "low": number.low, "high": number.high, "level": number.level, "bound": number.bound or None,
        "text": wording.number(number),
    }  # fmt: skip
    return {"value": held.pop("value"), **_without_unknown(held)}


def _without_unknown(held: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in held.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }  # fmt: skip


def _table(table: Table, wording: Wording) -> dict[str, Any]:
    columns = [
        {"head": _item(column.head, wording), "kind": column.kind,
         **({"unit": column.unit} if column.unit else {})}
        for column in table.columns
    ]  # fmt: skip
    rows = [[_item(cell, wording) for cell in row] for row in table.rows]
    return {"block": "table", "name": table.name, "columns": columns, "rows": rows}
