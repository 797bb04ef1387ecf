"""Whether a command says nothing beside its result: no notes, no progress. What failed is always said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["be_quiet", "is_quiet", "progress_console", "told_along", "working"]

_One = TypeVar("_One")
_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)


def be_quiet(quiet: bool) -> None:
    """Say from here on nothing beside the result, or say it again."""
    _QUIET.set(quiet)


def is_quiet() -> bool:
    """Return whether nothing is to be said beside the result."""
    return _QUIET.get()


def progress_console() -> Console:
    """Return what progress is drawn on: stderr, or nothing."""
    from rich.console import Console

    return Console(stderr=True, quiet=is_quiet())


def told_along(each: Iterable[_One], what: str, *, total: int) -> Iterator[_One]:
    """Yield one after the other, with a bar on a terminal that says how far it is; of one alone there is none."""
    console = progress_console()
    if total < 2 or not console.is_terminal:  # elsewhere a bar would leave empty lines
        yield from each
        return
    from rich.progress import track

    yield from track(each, what, total=total, console=console, transient=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on a terminal what is being done, and for how long, where nobody knows how far it is."""
    console = progress_console()
    if not console.is_terminal:
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        shown.add_task(what, total=None)
        yield
