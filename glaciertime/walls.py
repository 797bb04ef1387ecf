"""Walls around the libraries that open files: whatever they raise about a damaged one becomes one sentence.

A reader stands behind one wall, at the one place where its format is opened. What the package itself raises passes
through; a defect of the package lies outside, and shows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError

__all__ = ["first_line", "readable_text", "wall"]

_LONGEST = 200


@contextmanager
def wall(what: str, remedy: str) -> Iterator[None]:
    """Turn what a library raises while it reads a file into an :class:`InputError`.

    Parameters
    ----------
    what : str
        The beginning of the sentence: what cannot be done with which file.
    remedy : str
        Its end: what to do.

    Examples
    --------
    >>> with wall("a.png cannot be read", "fetch it again"):
    ...     [][0]
    Traceback (most recent call last):
    ...
    glaciertime.errors.InputError: a.png cannot be read (list index out of range); fetch it again
    """
    try:
        yield
    except GlacierTimeError:
        raise
    except FileNotFoundError as error:
        raise DataNotFoundError(f"{what} ({first_line(error)}); {remedy}") from error
    except Exception as error:  # every library has its own kinds, and some of them none
        raise InputError(f"{what} ({first_line(error)}); {remedy}") from error


def first_line(error: BaseException) -> str:
    """Return what an error says, short and on one line.

    Examples
    --------
    >>> first_line(MemoryError())
    'out of memory'
    """
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, RecursionError):
        return f"deeper than {sys.getrecursionlimit()} levels"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = [line.strip() for line in readable_text(text).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def readable_text(value: Any) -> str:
    """Return a text that any output can show: half characters and control characters are written out.

    Examples
    --------
    >>> readable_text("a\\x00b")
    'a\\\\x00b'
    """
    text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(each if each.isprintable() or each in "\n\t" else f"\\x{ord(each):02x}" for each in text)
