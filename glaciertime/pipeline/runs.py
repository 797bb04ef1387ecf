"""What is kept of a run with its results: the files and rows it read, its rulers and models, what it said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from glaciertime.provenance import Digest, Run, RunRecord, table_digest
from glaciertime.segment.description import read_spec, weights_path
from glaciertime.sentences import sentence
from glaciertime.tables import SERIES_KEY
from glaciertime.track.place import Ruler

if TYPE_CHECKING:
    from glaciertime.forecast import Series
    from glaciertime.record import GlacierRecord

__all__ = [
    "SeriesRead",
    "card_of",
    "rows_of_series",
    "ruler_digests",
    "ruler_lines",
    "run_of_tables",
    "run_of_tracking",
    "series_read",
    "tables_read",
]


def ruler_lines(rulers: Sequence[Ruler]) -> list[str]:
    """Return with what a glacier was measured and where that comes from, a line each."""
    lines = []
    for ruler in rulers:
        whence = f"{ruler.origin} ({ruler.drawn_from})" if ruler.drawn_from else ruler.origin
        if ruler.kind == "plane":
            if ruler.crs is None:
                lines.append(sentence("local-plane"))
                continue
            known = ruler.crs.to_authority()
            plane = ":".join(known) if known else "an equal-area plane around it"
            of = sentence("plane-of-manifest" if ruler.origin == "manifest" else "plane-of-scene", crs=plane)
            lines.append(f"{of}; {sentence('true-lengths')}")
        else:
            lines.append(f"{ruler.kind}: {whence}, {ruler.made_at[:10]}")
    return lines


def run_of_tracking(
    run: Run,
    *,
    glacier: str,
    origin: str,
    rulers: Sequence[Ruler],
    read: Iterable[tuple[str, str, str, str]],
    files: Mapping[str, Path],
    weights: Iterable[str],
    notes: Sequence[str],
    refused: Sequence[str],
    digests: Mapping[str, list[Digest]] | None = None,
    tables: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> RunRecord:
    """Return a run as it is kept with what it measured of a glacier.

    Parameters
    ----------
    run : Run
    glacier, origin : str
        Whose, and where the scenes were found.
    rulers : sequence of Ruler
        With what it was measured.
    read : iterable of (glacier, dataset, image_id, input)
        Every file that an image was made of.
    files : mapping of role to path
        Other files that were read.
    weights : iterable of str
        Models that segmented images, names or files.
    notes, refused : sequence of str
        What was said of the inputs, and of those that could not be used.
    digests : mapping of path to list of Digest, optional
        Of the files, by who has read them.
    tables : mapping of name to SHA-256, optional
        What else decided the numbers.
    settings : mapping, optional
        What else is kept of the run.
    """
    cards = {name: card_of(weights_path(name)) for name in weights}
    models = {f"weights {name}": weights_path(name) for name in cards}
    return run.record(
        glacier=glacier,
        images=read,
        files={**files, **models},
        tables={**ruler_digests(rulers), **(tables or {})},
        digests=digests,
        settings={
            "input": origin,
            "ruler": ruler_lines(rulers),
            "models": cards,
            "notes": list(notes),
            "refused": list(refused),
            **(settings or {}),
        },
        libraries=("onnxruntime",) if cards else (),
    )


def ruler_digests(rulers: Iterable[Ruler]) -> dict[str, str]:
    """Return the SHA-256 of what each ruler measures with, by the name that a run calls it."""
    return {f"ruler: {ruler.kind}, {ruler.origin}": _ruler_digest(ruler) for ruler in rulers}


def _ruler_digest(ruler: Ruler) -> str:
    """Return the SHA-256 of what a ruler measures with, whenever it was drawn."""
    crs = "" if ruler.crs is None else ruler.crs.to_wkt()
    shape = "" if ruler.geometry is None else ruler.geometry.wkb_hex
    return hashlib.sha256("\n".join([ruler.kind, crs, shape]).encode()).hexdigest()


def card_of(path: Path) -> dict[str, Any]:
    """Return what a model's file says of it: what it was trained on, its licence, its scores."""
    held = json.loads(read_spec(path).to_json())
    return {name: held[name] for name in ("name", "model", "trained_on", "licence", "note", "scores") if held[name]}


def rows_of_series(observations: pd.DataFrame, key: Sequence[str], *, source: str) -> pd.DataFrame:
    """Return the observations of one series: of one :data:`glaciertime.tables.SERIES_KEY` and one source."""
    held = observations[list(SERIES_KEY)].fillna("") == list(key)
    return observations[held.all(axis=1) & (observations["source"] == source)]


@dataclass(frozen=True)
class SeriesRead:
    """What was read of an archive, by digests: what a run keeps of it needs no row again."""

    tables: Mapping[str, str]
    told: tuple[Mapping[str, Any], ...] = ()

    def run(
        self, run: Run, *, glacier: str, files: Mapping[str, Path | None] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> RunRecord:  # fmt: skip
        """Return a run as it is kept with what was made of it."""
        told = {"series": [dict(one) for one in self.told]} if self.told else {}
        return run.record(glacier=glacier, files=files, tables=self.tables, settings={**told, **(settings or {})})


def series_read(record: GlacierRecord, *, series: Iterable[Series], others: Iterable[Series] = ()) -> SeriesRead:
    """Return what was read where series of a glacier were forecast, or scored.

    Parameters
    ----------
    record : GlacierRecord
    series : iterable of Series
        What was looked at.
    others : iterable of Series
        Of other glaciers, that forecasters learned from.
    """
    tables, told = {}, []
    for one in series:
        rows = rows_of_series(record.observations, one.key, source=one.source)
        digest = table_digest(rows)
        tables[f"observations: {', '.join(part for part in (*one.key, one.source) if part)}"] = digest
        told.append(
            {**dict(zip(SERIES_KEY, one.key, strict=True)), "source": one.source, "rows": len(rows),
             "sha256": digest, "notes": list(one.notes)}
        )  # fmt: skip
    learned = hashlib.sha256()
    count = 0
    for other in others:
        count += 1
        learned.update(_series_digest(other))
    if count:
        tables[f"{count} series of other glaciers"] = learned.hexdigest()
    return SeriesRead(tables, tuple(told))


@lru_cache(maxsize=20_000)
def _series_digest(series: Series) -> bytes:
    """Return the SHA-256 of a series: of one object once, since each glacier of an archive learns from the same."""
    made = hashlib.sha256("\x1f".join((*series.key, series.source)).encode())
    for values in (series.dates, series.values, series.sigma):
        made.update(values.tobytes())
    return made.digest()


def tables_read(record: GlacierRecord, tables: Sequence[str]) -> SeriesRead:
    """Return what was read where some tables of a glacier were."""
    held = {name: getattr(record, name) for name in tables}
    return SeriesRead({f"{name}: {len(rows)} rows": table_digest(rows) for name, rows in held.items() if len(rows)})


def run_of_tables(
    run: Run, record: GlacierRecord, tables: Sequence[str], *, settings: Mapping[str, Any] | None = None
) -> RunRecord:
    """Return a run as it is kept of a file that was written of some tables of a glacier."""
    return tables_read(record, tables).run(run, glacier=record.glacier, settings=settings)
