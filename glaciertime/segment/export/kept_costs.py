"""What architectures cost, counted once and kept: the same for the same code, whoever asks again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from glaciertime.errors import GlacierTimeError
from glaciertime.segment.architectures.registry import get_architecture, model_names
from glaciertime.writing import write_bytes

__all__ = ["kept_costs"]

_NAME = "model_costs.json"
_LARGEST_BYTES = 10_000_000


def kept_costs(
    names: Iterable[str] | None = None,
    *,
    in_channels: int,
    classes: int,
    size_px: int,
    progress: Callable[[str], None] = lambda name: None,
) -> list[dict[str, Any]]:
    """Return the rows of :func:`.models_table.model_table`, counting only what was not counted before.

    What was counted is kept in the user's cache (``XDG_CACHE_HOME``), under a checksum of the code of the architectures
    and of the sequence core; where it cannot be kept or read, it is counted again. torch is needed only to count.

    Parameters are those of :func:`.models_table.model_table`.

    Returns
    -------
    list of dict
        The fields of a ``ModelRow``; ``latency_ms`` is None.
    """
    chosen = [get_architecture(name).name for name in (model_names() if names is None else names)]
    asked = f"{_code_digest()}:{in_channels}:{classes}:{size_px}"
    held = _read()
    missing = [name for name in chosen if not _is_row(held.get(f"{asked}:{name}"))]
    if missing:
        from glaciertime.segment.export.models_table import model_table

        for row in model_table(
            missing, in_channels=in_channels, classes=classes, size_px=size_px, progress=progress
        ):  # fmt: skip
            held[f"{asked}:{row.name}"] = asdict(row)
        # Rows of another version of the code are of no more use.
        _keep({key: row for key, row in held.items() if key.startswith(_code_digest())})
    return [held[f"{asked}:{name}"] for name in chosen]


def _place() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "glaciertime" / _NAME


def _read() -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, RecursionError, RuntimeError):
        if _place().stat().st_size < _LARGEST_BYTES:
            found = json.loads(_place().read_bytes())
            return found if isinstance(found, dict) else {}
    return {}


def _keep(held: dict[str, Any]) -> None:
    with contextlib.suppress(OSError, GlacierTimeError, RuntimeError):
        _place().parent.mkdir(parents=True, exist_ok=True)
        write_bytes(_place(), json.dumps(held, sort_keys=True).encode(), option="", overwrite=True)


_NUMBERS = ("parameters", "gflops", "scan_gflops", "size_mb", "in_channels", "classes", "size_px")
_TEXTS = ("name", "reference", "note")


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and set(row) == {*_NUMBERS, *_TEXTS, "latency_ms"}
        and all(isinstance(row[name], int | float) for name in _NUMBERS)
        and all(isinstance(row[name], str) for name in _TEXTS)
    )


def _code_digest() -> str:
    """Return a checksum of the code that decides what is counted."""
    total = hashlib.sha256()
    for package in ("glaciertime.segment.architectures", "glaciertime.segment.export", "glaciertime.nn"):
        for file in sorted(_files(resources.files(package)), key=lambda each: each.name):
            total.update(file.name.encode() + file.read_bytes())
    return total.hexdigest()[:16]


def _files(folder: Any) -> Iterable[Any]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry)
        elif entry.name.endswith(".py"):
            yield entry
