"""What a command says of inputs that failed: one line for each kind, with how many and the first, and its exit code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["by_kind", "exit_code", "option_that_helps"]

_FILE = re.compile(r"[^\s,;:'\"()]+\.[A-Za-z][A-Za-z0-9]{1,7}\b")
_NUMBER = re.compile(r"[-+]?\d[\d.,]*(e[-+]?\d+)?")
_QUOTED = re.compile(r"'[^']*'")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
#: Options of other programs that a message may name, and the one that only raises what a machine may be asked for.
_OF_OTHERS = {"--config", "--overwrite", "--limit"}


def exit_code(*, stored: bool, failed: bool, strict: bool = False) -> int:
    """Return 0 where all went well, 3 where something was stored and something failed, 1 where nothing was stored.

    With ``--strict`` a failure is 1 in any case.

    Examples
    --------
    >>> exit_code(stored=True, failed=False), exit_code(stored=True, failed=True), exit_code(stored=False, failed=True)
    (0, 3, 1)
    """
    if not failed:
        return 0
    return 1 if strict or not stored else 3


def _kind(problem: str, names: Sequence[str]) -> str:
    """Return what a sentence says of any file: without names, numbers and dates."""
    for name in names:
        problem = problem.replace(name, "*")
    return _NUMBER.sub("#", _QUOTED.sub("'*'", _FILE.sub("*", problem)))


def by_kind(problems: Iterable[str], *, names: Iterable[str] = ()) -> list[tuple[int, str]]:
    """Return how many sentences there are of each kind, and the first of them, the most frequent kind first.

    Sentences are of one kind if they differ only in names of files, numbers, dates and quoted words.

    Parameters
    ----------
    problems : iterable of str
    names : iterable of str
        Names of images that may stand in them.

    Examples
    --------
    >>> by_kind(["a.tif has 60 x 60 pixels", "x.png is empty", "b.tif has 80 x 80 pixels"])
    [(2, 'a.tif has 60 x 60 pixels'), (1, 'x.png is empty')]
    """
    longest_first = sorted({name for name in names if name}, key=len, reverse=True)
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(_kind(problem, longest_first), []).append(problem)
    return sorted(((len(held), held[0]) for held in kinds.values()), key=lambda pair: -pair[0])


def option_that_helps(kinds: Sequence[tuple[int, str]]) -> str:
    """Return the option that the most frequent kind of failure that has one names; empty where none does.

    Examples
    --------
    >>> option_that_helps([(2, "lies elsewhere; give --common-footprint to measure them"), (1, "give --dates FILE")])
    '--common-footprint'
    """
    for _, problem in kinds:
        named = [option for option in _OPTION.findall(problem) if option not in _OF_OTHERS]
        if named:
            return str(named[-1])
    return ""
