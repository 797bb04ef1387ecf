"""The tables of four documents as they were published; beside them, in columns of their own, what was found here."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from glaciertime.errors import UsageError, nearest_names
from glaciertime.report.trainings_content import Section

__all__ = ["DOCUMENTS", "PublishedTable", "published_table", "section_of", "table_names", "tables_named"]

#: The documents; the tables of the first need no name before their number.
DOCUMENTS = ("thesis", "glacierhack", "sentinel2", "boundary")


@dataclass(frozen=True)
class PublishedTable:
    """One table of a document.

    Attributes
    ----------
    name : str
        Such as ``5.3`` or ``boundary:3``.
    document, title : str
    head : tuple of str
    rows : tuple of tuple of str
        As printed, empty where nothing is.
    wheres : tuple of dict or None
        Of each row what our runs of it are; None where nothing of ours can stand there.
    of : dict
        The same for the whole table.
    ours : dict of str to dict
        The same for each column that ours are beside.
    notes : tuple of str
    """

    name: str
    document: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wheres: tuple[dict[str, Any] | None, ...]
    of: dict[str, Any] = field(default_factory=dict)
    ours: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def selector(self, row: int, column: str) -> dict[str, Any] | None:
        """Return which of our runs stands in a cell, and which score; None where none can."""
        where = self.wheres[row]
        if where is None or column not in self.ours:
            return None
        return {**self.of, **where, **self.ours[column]}


@lru_cache(maxsize=len(DOCUMENTS))
def _tables(document: str) -> dict[str, PublishedTable]:
    text = importlib.resources.files("glaciertime.report").joinpath(f"published/{document}.yaml").read_text("utf-8")
    held = yaml.safe_load(text)
    found = {}
    for number, one in held["tables"].items():
        name = number if document == DOCUMENTS[0] else f"{document}:{number}"
        cells, wheres = [], []
        for row in one["rows"]:
            cells.append(tuple(cell.strip() for cell in str(row[0]).split("|")))
            wheres.append(row[1] if len(row) > 1 else None)
        found[name] = PublishedTable(
            name=name, document=held["document"], title=one["title"],
            head=tuple(cell.strip() for cell in one["head"].split("|")), rows=tuple(cells), wheres=tuple(wheres),
            of=one.get("of", {}), ours=one.get("ours", {}), notes=tuple(one.get("notes", ())),
        )  # fmt: skip
    return found


def table_names() -> list[str]:
    """Return the names of all published tables, in the order of the documents.

    Examples
    --------
    >>> names = table_names()
    >>> len(names), names[0], names[-1]
    (33, '5.1', 'boundary:3')
    """
    return [name for document in DOCUMENTS for name in _tables(document)]


def published_table(name: str) -> PublishedTable:
    """Return a published table by its name.

    Raises
    ------
    UsageError
        If there is none of that name; the message gives the nearest.

    Examples
    --------
    >>> published_table("5.7").rows[0][1], published_table("thesis:5.7").title
    ('0.9574', 'Ablation of the layers (S stage, D depth)')
    """
    plain = name.strip().removeprefix(f"{DOCUMENTS[0]}:")
    for document in DOCUMENTS:
        if plain in (held := _tables(document)):
            return held[plain]
    near = nearest_names(plain, table_names()) or table_names()
    raise UsageError(f"no published table '{name}' is held; nearest: {', '.join(near)}")


def tables_named(names: tuple[str, ...]) -> list[PublishedTable]:
    """Return tables by their names, or all of a document by its own; each once.

    Examples
    --------
    >>> [one.name for one in tables_named(("boundary", "5.3", "boundary:1"))]
    ['boundary:1', 'boundary:2', 'boundary:3', '5.3']
    """
    found: dict[str, PublishedTable] = {}
    for name in names:
        held = list(_tables(name).values()) if name in DOCUMENTS else [published_table(name)]
        found |= {one.name: one for one in held if one.name not in found}
    return list(found.values())


def section_of(
    table: PublishedTable, ours: Mapping[tuple[int, str], str] | None = None, *, told: tuple[str, ...] = ()
) -> Section:
    """Return a table laid out: beside each column that ours can stand in, one of ours, empty where nothing was run.

    Parameters
    ----------
    table : PublishedTable
    ours : mapping of (row, column) to str, optional
    told : tuple of str
        What is to be said of ours.
    """
    held = ours or {}
    head: list[str] = []
    for name in table.head:
        head += [f"{name}, published", f"{name}, ours"] if name in table.ours else [name]
    rows = []
    for at, cells in enumerate(table.rows):
        row: list[str] = []
        for name, cell in zip(table.head, cells, strict=True):
            row += [cell, held.get((at, name), "")] if name in table.ours else [cell]
        rows.append(row)
    notes = [f"Published: {table.document}, table {table.name.rpartition(':')[2]}.", *table.notes, *told]
    if table.ours and not held:
        notes.append("Nothing of it was run here: the columns of ours are empty.")
    return Section(f"Table {table.name}. {table.title}", head=head, rows=rows, notes=notes)
