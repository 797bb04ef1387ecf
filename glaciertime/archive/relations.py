"""Rows of an archive that belong together, and whether they do."""

from __future__ import annotations

from glaciertime.archive.schema import TABLES, quoted
from glaciertime.archive.storage import Database
from glaciertime.naming import agreeing, counted

__all__ = ["relations"]


def _count(database: Database, rest: str) -> int:
    return int(database.execute(f"SELECT count(*) {rest}").fetchone()[0])


def relations(database: Database) -> tuple[list[str], list[str]]:
    """Return what is wrong, and what is worth knowing, of rows that belong together."""
    problems: list[str] = []
    for table in TABLES.values():
        key = [name for name in table.schema.key if name in table.columns]
        if table.schema.name == "fronts":
            key.append("dataset")
        if not key or table.name in ("contours", "inputs", "run_inputs"):
            continue
        names = ", ".join(map(quoted, key))
        facts = f"SELECT 1 FROM {quoted(table.name)} GROUP BY {names} HAVING count(*) > 1"  # nosec B608
        twice = _count(database, f"FROM ({facts}) AS facts")
        if twice:
            problems.append(f"table {table.name}: {twice} facts are there twice")
    notes = []
    image = "i.glacier = o.glacier AND i.dataset = o.dataset AND i.image_id = o.image_id"
    images = "SELECT DISTINCT glacier, dataset, image_id FROM observations"
    named = f"SELECT 1 FROM inputs AS i WHERE {image}"  # nosec B608
    lost = _count(database, f"FROM ({images}) AS o WHERE NOT EXISTS ({named})")
    if lost:
        notes.append(f"{counted(lost, 'images', 'name')} no file that they came from")
    of_front = 'o.glacier = f."GlacierID" AND o.dataset = f.dataset AND o.image_id = f."ImageID"'
    for layer in ("fronts", "fronts_local"):
        seen = f"SELECT 1 FROM observations AS o WHERE {of_front}"  # nosec B608
        alone = _count(database, f"FROM {layer} AS f WHERE NOT EXISTS ({seen})")
        if alone:
            notes.append(f"{counted(alone, 'rows')} of {layer} {agreeing(alone, 'belong')} to no observation")
    series = " AND ".join(f"o.{name} = f.{name}" for name in ("glacier", "variable", "method", "footprint", "dataset"))
    for name in ("forecasts", "scores", "verdicts"):
        seen = f"SELECT 1 FROM observations AS o WHERE {series}"  # nosec B608
        alone = _count(database, f"FROM {name} AS f WHERE NOT EXISTS ({seen})")
        if alone:
            notes.append(
                f"{counted(alone, 'rows')} of {name} {agreeing(alone, 'belong')} to a series without observations"
            )
    return problems, notes
