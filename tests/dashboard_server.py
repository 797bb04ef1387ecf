"""A dashboard of our own on a free port of this machine, for the time of a test or a measurement, and scenes for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

__all__ = ["draw_scene", "served"]

_GRACE_S = 30


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, int]]:
    """Start a dashboard that keeps its sessions in a folder; yield its address and its process, and end it.

    Parameters
    ----------
    folder : Path
    options : str
        Of ``glaciertime dashboard``.

    Raises
    ------
    RuntimeError
        Where it ends before it says where it is, with what it said.
    """
    log = folder / "server.log"
    with log.open("w") as said:
        server = subprocess.Popen(
            [sys.executable, "-m", "glaciertime", "dashboard", "--port", "0", *options],
            stderr=said, cwd=folder, env={**os.environ, "TMPDIR": str(folder)},
        )  # fmt: skip
    try:
        while (found := re.search(r"(http://\S+/\S*) ", log.read_text())) is None:
            if server.poll() is not None:
                raise RuntimeError(f"the server ended before it said where it is: {log.read_text()}")
            time.sleep(0.05)
        yield found[1], server.pid
    finally:
        server.terminate()
        server.wait(_GRACE_S)


def draw_scene(path: Path, *, side: int = 1024, number: int = 0) -> float:
    """Write a scene of 10 m pixels, ice below dark water, whose front lies at another row for every number.

    Returns
    -------
    float
        The share that is ice.
    """
    rng = np.random.default_rng(number)
    row, column = np.mgrid[:side, :side]
    front = side * (0.35 + 0.03 * (number % 10)) + 0.05 * side * np.sin(column / side * 10)
    pixels = np.where(row < front, 30, 170) + rng.normal(0, 12, (side, side))
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint8", crs="EPSG:3413",
        transform=Affine(10, 0, -200000, 0, -10, -2200000), compress="deflate",
    ) as raster:  # fmt: skip
        raster.write(np.clip(pixels, 1, 255).astype("uint8"), 1)
    return float((row >= front).mean())
