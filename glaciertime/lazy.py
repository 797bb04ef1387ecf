"""Names of a package that are imported on first use, so that a command pays only for what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["names_on_first_use"]


def names_on_first_use(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose names lie in its modules.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    homes : mapping of str to sequence of str
        Module, below the package or from the root of glaciertime, and the names that it holds.

    Examples
    --------
    >>> find, names = names_on_first_use("glaciertime", {"units": ("decimal_year",)})
    >>> find("decimal_year").__module__, "decimal_year" in names()
    ('glaciertime.units', True)
    """
    root = package.split(".")[0] + "."
    home_of = {
        name: module if module.startswith(root) else f"{package}.{module}"
        for module, names in homes.items()
        for name in names
    }

    def find(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return find, names
