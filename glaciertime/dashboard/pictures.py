"""Pictures of rasters for the page, made by a process of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.dashboard.session import Session

__all__ = ["picture_of"]


async def picture_of(
    session: Session, path: str | Path, *, bands: str = "", hear: Callable[[str], None] = lambda _: None
) -> tuple[NDArray[np.uint8], dict[str, Any]] | None:
    """Return a raster as red, green, blue and opacity with what its header says, or None where it is told why not."""
    out = session.workplace.new_folder("picture") / "picture.npy"
    ended = await session.viewer.run(
        [str(path), "--out", str(out), *(["--bands", bands] if bands else [])], hear=hear,
        module="glaciertime.dashboard.preview",
    )  # fmt: skip
    if ended.code != 0:
        return None
    rgba = np.load(out, allow_pickle=False)
    out.unlink()
    out.parent.rmdir()
    return rgba, json.loads(ended.out)
