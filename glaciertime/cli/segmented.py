"""What came of each image that ``glaciertime segment`` was given: rows for people, for machines and for a table."""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glaciertime.errors import one_line

if TYPE_CHECKING:
    from glaciertime.pipeline.zone_areas import ZoneArea

__all__ = ["COLUMNS", "Outcome", "csv_of", "print_outcomes"]

COLUMNS = (
    "image", "date", "status", "class", "code", "area_km2", "share", "pixels", "model", "mask", "flags", "reason",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one image.

    Attributes
    ----------
    image : str
        As it was given.
    date : date or None
    model : str
        Or the method.
    mask : Path or None
        None where the image failed.
    vector, probabilities : Path or None
        What else was written.
    clouds : Path or None
        The cloud layer beside it that was read.
    size : (int, int)
        Height and width, pixels.
    areas : tuple of ZoneArea
    flags : dict of str to str
        What is known against it, with its reason.
    reason : str
        Why it failed; empty where it did not.
    """

    image: str
    date: dt.date | None = None
    model: str = ""
    mask: Path | None = None
    vector: Path | None = None
    probabilities: Path | None = None
    clouds: Path | None = None
    size: tuple[int, int] = (0, 0)
    areas: tuple[ZoneArea, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def status(self) -> str:
        """Return ``ok`` or ``failed``."""
        return "failed" if self.reason else "ok"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it; an unknown area is null."""
        return {
            "image": self.image, "date": None if self.date is None else self.date.isoformat(), "status": self.status,
            "reason": self.reason, "model": self.model,
            **{name: None if path is None else str(path)
               for name, path in (("mask", self.mask), ("vector", self.vector), ("probabilities", self.probabilities))},
            "height": self.size[0], "width": self.size[1], "flags": dict(self.flags),
            "classes": [
                {"class": area.name, "code": area.code, "area_km2": _known(area.area_km2), "share": area.share,
                 "pixels": area.pixels}
                for area in self.areas
            ],
        }  # fmt: skip


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def csv_of(outcomes: Sequence[Outcome]) -> bytes:
    """Return a row for each class of each image, and one for each image that failed, as CSV."""
    import pandas as pd

    from glaciertime.cells import quote_formulas

    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        shared: dict[str, Any] = {
            "image": outcome.image, "date": "" if outcome.date is None else outcome.date.isoformat(),
            "status": outcome.status, "model": outcome.model, "mask": "" if outcome.mask is None else str(outcome.mask),
            "flags": "; ".join(f"{name}: {why}" for name, why in outcome.flags.items()), "reason": outcome.reason,
        }  # fmt: skip
        rows += [
            {**shared, "class": area.name, "code": area.code, "area_km2": area.area_km2, "share": area.share,
             "pixels": area.pixels}
            for area in outcome.areas
        ] or [shared]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"code": "Int64", "pixels": "Int64"})
    out = io.StringIO()
    quote_formulas(table).to_csv(out, index=False, lineterminator="\n")
    return out.getvalue().encode()


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Print a line for each class of each image to stdout, and one for each image that failed."""
    from glaciertime.units import number_text

    lines = [("image", "date", "class", "km2", "share")]
    notes = [""]
    for outcome in outcomes:
        date = "" if outcome.date is None else outcome.date.isoformat()
        if outcome.reason:
            lines.append((outcome.image, date, "failed", "", ""))
            notes.append(one_line(outcome.reason))
        for place, area in enumerate(outcome.areas):
            km2 = number_text(area.area_km2, digits=5) or "not known"
            lines.append((outcome.image, date, area.name, km2, f"{area.share:.1%}"))
            notes.append(", ".join(sorted(outcome.flags)) if place == 0 else "")
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    for line, note in zip(lines, notes, strict=True):
        cells = [
            one_line(text).ljust(width) if column < 3 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        typer.echo("  ".join([*cells, note]).rstrip())
