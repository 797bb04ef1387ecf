"""What models cost, laid out: our own figures and published ones in columns of their own, and why they differ."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

__all__ = ["costs_text"]

_WIDTH = 118
_NONE = "-"
_GPU = (("gpu_latency_ms", 2), ("gpu_memory_mb", 0), ("gpu_training_per_s", 1), ("gpu_training_memory_mb", 0))


def costs_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of rows that have ``measured`` or ``published`` beside what was counted."""
    parts = []
    if any("published" in row for row in rows):
        parts.append(_beside(rows))
    if any("measured" in row for row in rows):
        parts.append(_measured(rows))
    return "\n\n".join(parts)


def _beside(rows: Sequence[dict[str, Any]]) -> str:
    pairs = ("M par.", "G mult-adds", "MB", "ms", "img/s")
    table = [["model", "published in", *(name for pair in pairs for name in (pair, "publ."))]]
    told = []
    for row in rows:
        measured = row.get("measured", {})
        latency = measured.get("latency_ms", {}).get(1)
        ours = (row["parameters"] / 1e6, row["gflops"] / 2, row["size_mb"], latency, measured.get("training_per_s"))
        for stated in row["published"] or [{}]:
            others = [_number(stated.get(key), 2) for key in ("parameters_m", "gmacs", "size_mb")]
            others += [stated.get(key) or _NONE for key in ("latency_ms", "training")]
            shown = [_number(value, places) for value, places in zip(ours, (3, 3, 2, 1, 2), strict=True)]
            both = [cell for pair in zip(shown, others, strict=True) for cell in pair]
            table.append([row["name"], stated.get("source", "nowhere"), *both])
            if stated.get("why"):
                where = f"{stated['name']} of {stated['source'].replace('thesis', 'the thesis')}"
                told.append(f"{row['name']}, {where}: {stated['why']}")
    first = rows[0]
    size = f"{first['size_px']} x {first['size_px']} pixels"
    how = (
        f"Ours: {first['in_channels']} bands, {first['classes']} classes, {size}; a multiply-add is one multiplication "
        "and one addition of a convolution, a matrix product or attention; norms, activations and the recurrence of "
        "selective scans are not in it. ms: one image on one CPU thread; img/s: training; both only with --measured. "
        "Published times are of machines that are not named."
    )
    return "\n".join([*_aligned(table), "", *_wrapped([how, *told])])


def _measured(rows: Sequence[dict[str, Any]]) -> str:
    counts = sorted({count for row in rows for count in row["measured"]["latency_ms"]})
    by_thread = [f"ms, {count} thread{'s' if count > 1 else ''}" for count in counts]
    on_gpu = ("GPU ms", "GPU MB", "GPU train img/s", "GPU train MB")
    table = [["model", *by_thread, "MB", "train img/s", "train MB", *on_gpu]]
    reasons = []
    for row in rows:
        cost = row["measured"]
        latency = [_number(cost["latency_ms"].get(count), 1) for count in counts]
        step = [_number(cost["training_per_s"], 2), _number(cost["training_memory_mb"], 0)]
        others = [_number(cost[key], places) for key, places in _GPU]
        table.append([row["name"], *latency, _number(cost["memory_mb"], 0), *step, *others])
        reasons += [f"{row['name']}: no {what}: {why}" for what, why in cost["reasons"].items() if what != "gpu"]
    said = [f"{rows[0]['measured']['how']}; training on {rows[0]['measured']['threads']} threads"]
    said += sorted({f"GPU: {row['measured']['gpu'] or row['measured']['reasons'].get('gpu', 'none')}" for row in rows})
    said += sorted({row["measured"]["busy"] for row in rows} - {""})
    return "\n".join([*_aligned(table), "", *_wrapped([*said, *reasons])])


def _number(value: float | None, places: int) -> str:
    return _NONE if value is None else f"{value:,.{places}f}"


def _wrapped(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in textwrap.wrap(text, _WIDTH, subsequent_indent="  ")]


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    columns = list(zip(*table, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numbers = [all(cell[:1].isdigit() or cell == _NONE for cell in column[1:]) for column in columns]
    return [
        "  ".join(
            f"{cell:>{width}}" if is_number else f"{cell:<{width}}"
            for cell, width, is_number in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in table
    ]
