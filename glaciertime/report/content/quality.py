"""What is known against observations, and what is said of a whole record before anything else."""

from __future__ import annotations

import pandas as pd

from glaciertime.record import GlacierRecord
from glaciertime.report.content.parts import Block, Column, Heading, Item, Paragraph, Section, Table, count, day, say
from glaciertime.report.content.series import measured_in, variable_label
from glaciertime.report.content.told import told
from glaciertime.tables import OUTLIER_FLAGS, flags_of, has_flag
from glaciertime.track.record.screening import not_screened

__all__ = ["quality_section", "warnings_of"]

#: So many flagged fronts are shown at once.
_SHOWN = 20


def warnings_of(record: GlacierRecord) -> tuple[Paragraph, ...]:
    """Return what is said before anything else: that nothing was observed, that images are not registered."""
    found = []
    if record.source == "simulated":
        found.append(Paragraph(sentences=(say("warning.simulated"),), tone="simulated"))
    if has_flag(record.observations["quality"], "unregistered").any():
        found.append(Paragraph(sentences=(say("warning.unregistered"),), tone="caution"))
    return tuple(found)


def quality_section(record: GlacierRecord) -> Section | None:
    """Return how many observations bear which flag and why, which fronts, and which series nobody could screen."""
    observations = record.observations
    counts: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for quality in observations["quality"]:
        for flag, reason in flags_of(quality).items():
            counts[flag] = counts.get(flag, 0) + 1
            reasons.setdefault(flag, reason)
    blocks: list[Block] = []
    if not set(counts) <= {"ok"}:
        rows = tuple(
            (flag, count(held), say(f"flag.{flag}"), told(reasons[flag]))
            for flag, held in sorted(counts.items(), key=lambda pair: -pair[1])
        )
        columns = (
            Column(head=say("quality.flag")), Column(head=say("quality.rows"), kind="number"),
            Column(head=say("quality.meaning")), Column(head=say("quality.reason")),
        )  # fmt: skip
        blocks.append(Table(name="flags", columns=columns, rows=rows))
        blocks += _flagged_fronts(observations)
    unseen = not_screened(observations)
    if len(unseen):
        sentences: list[Item] = []
        for reason, held in unseen.groupby("reason", sort=False):
            names = dict.fromkeys((str(row.variable), str(row.method)) for row in held.itertuples())
            series = tuple(
                (variable_label(variable), *measured_in(("", variable, method, "", "", ""), apart=False))
                for variable, method in names
            )
            sentences.append(say("quality.unscreened", series=series, reason=told(str(reason))))
        blocks.append(Paragraph(sentences=tuple(sentences), tone="note"))
    return Section(key="quality", title=say("quality.title"), blocks=tuple(blocks)) if blocks else None


def _flagged_fronts(observations: pd.DataFrame) -> list[Block]:
    """Return which fronts were flagged as outliers or unclear, and why."""
    rows: dict[tuple[Item, ...], str] = {}
    for row in observations[observations["variable"] == "front_position_m"].sort_values("date").itertuples():
        for flag, reason in flags_of(row.quality).items():
            if flag in (*OUTLIER_FLAGS, "unclear-front"):
                rows.setdefault((day(row.date), str(row.image_id), flag), reason)
    if not rows:
        return []
    columns = (
        Column(head=say("quality.date"), kind="date"), Column(head=say("quality.image")),
        Column(head=say("quality.flag")), Column(head=say("quality.reason")),
    )  # fmt: skip
    body = tuple((*key, told(reason)) for key, reason in rows.items())
    return [Heading(text=say("quality.fronts")), Table(name="flagged", columns=columns, rows=body, shown=_SHOWN)]
