"""A piece of work that needs nothing of any other, what came of it, and where work is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Result", "Task", "Where"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A piece of work: done twice, it gives the same; it writes nothing.

    Attributes
    ----------
    name : str
        Whose it is, for a person: a glacier, a series.
    call : callable
        A function of a module, so that a worker on another machine has it too.
    given : object
        Its one argument.
    """

    name: str
    call: Callable[[Any], Any]
    given: Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a task: a value, or in ``lost`` why there is none."""

    task: Task
    value: Any = None
    lost: str = ""


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where work is done: by so many processes of this machine, or by the workers of a Dask cluster.

    Attributes
    ----------
    jobs : int
        Processes; 1 stays in this one.
    scheduler : str
        Address of a Dask scheduler, ``tcp://host:port``; empty for this machine.
    paths : tuple of Path
        Files and folders that every worker has to see under the same name.
    """

    jobs: int = 1
    scheduler: str = ""
    paths: tuple[Path, ...] = ()
