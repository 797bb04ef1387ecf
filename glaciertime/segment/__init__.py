"""Masks from scenes: architectures, losses, metrics, training, prediction and export.

Names are resolved on first use, so that importing this package imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glaciertime.segment.architectures.registry import build_model, model_names

_HOMES = {
    "build_model": "glaciertime.segment.architectures.registry",
    "model_names": "glaciertime.segment.architectures.registry",
}

__all__ = ["build_model", "model_names"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
