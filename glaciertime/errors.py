"""The exceptions that glaciertime raises, all under one root.

A message says what was given, what was expected and what to do next. The
command line prints the message of a :class:`GlacierTimeError` as one line and
exits with :attr:`GlacierTimeError.exit_code`; anything else is a defect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AmbiguousDateError",
    "ArchiveError",
    "DataNotFoundError",
    "FitError",
    "GlacierTimeError",
    "InputError",
    "MissingExtraError",
    "SeriesTooShortError",
    "UsageError",
    "WritingError",
    "nearest_names",
    "one_line",
]


class GlacierTimeError(Exception):
    """Root of every error that glaciertime raises on purpose."""

    exit_code = 1


class InputError(GlacierTimeError, ValueError):
    """Something given does not have the form, the range or the unit expected."""


class AmbiguousDateError(InputError):
    """Dates can mean several days, and which is meant was not told."""


class UsageError(InputError):
    """A name or an option on the command line is not one that exists."""

    exit_code = 2


class DataNotFoundError(GlacierTimeError, FileNotFoundError):
    """Input that was asked for is not where it was looked for."""


class ArchiveError(GlacierTimeError, OSError):
    """The archive cannot be read or written; what it held is unchanged."""


class WritingError(GlacierTimeError, OSError):
    """A file could not be written whole; what was there before is unchanged."""


class SeriesTooShortError(InputError):
    """A series has fewer observations than a model or a measure needs."""

    def __init__(self, series: str, given: int, model: str, needed: int, remedy: str) -> None:
        have = f"{given} observation{'' if given == 1 else 's'}"
        super().__init__(f"{series}: {have}, {model} needs {needed}; {remedy}")


class FitError(GlacierTimeError):
    """A model could not be fitted to a series."""


class MissingExtraError(GlacierTimeError, ImportError):
    """A command needs packages that only an extra installs."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages of the extra '{extra}': pip install 'glaciertime[{extra}]'")


def nearest_names(given: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """Return the known names nearest to a mistyped one, best first.

    Examples
    --------
    >>> nearest_names("cran", ["Crane", "Jorum"])
    ['Crane']
    """
    by_fold = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(given.casefold(), by_fold, n=count, cutoff=0.5)
    return [by_fold[match] for match in matches]


def one_line(text: str) -> str:
    """Return a text as one line that a terminal shows and does not obey: names and answers may hold anything.

    Examples
    --------
    >>> one_line("a\\x1b[2J\\n  b")
    'a\\\\x1b[2J b'
    """
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
