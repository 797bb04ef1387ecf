"""Compiling kernels once per machine: numba's cache on disk, where there is a place for it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

__all__ = ["compile_cached", "source_stamp"]


def compile_cached(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function at its first call, keeping the result on disk if any cache folder can be written.

    Examples
    --------
    >>> compile_cached(lambda x: x + 1)(1)
    2
    """
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache can be written.
        return njit(nogil=True)(function)


def source_stamp(*files: str) -> int:
    """Return a number other than 0 that changes with the contents of the files.

    Examples
    --------
    >>> source_stamp("no such file")
    1
    """
    stamp = 0
    for file in files:
        path = Path(file)
        if path.is_file():
            stamp = zlib.crc32(path.read_bytes(), stamp)
    return stamp or 1
