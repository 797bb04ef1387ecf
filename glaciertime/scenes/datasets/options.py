"""What ``--reader NAME=VALUE`` and the settings ``data_options`` say, as the types that a reader's options have."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from glaciertime.errors import UsageError, nearest_names
from glaciertime.naming import counted

__all__ = ["as_type", "option_fields", "read_options"]


def option_fields(reader: Any) -> list[str]:
    """Return the names of the options that a reader, a dataclass, takes besides its root."""
    return [field.name for field in dataclasses.fields(reader) if field.init and field.name != "root"]


def read_options(reader: Any, given: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return options of a reader as the types that it declares: a text with commas is several values.

    Parameters
    ----------
    reader : class
        A dataclass.
    given : mapping
    name : str
        What the reader is called.

    Raises
    ------
    UsageError
        If it has no such option, one is of another type, or one that it needs is missing.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class Toy:
    ...     size: tuple[int, int] = (1, 1)
    ...     parts: tuple[str, ...] = ()
    >>> read_options(Toy, {"size": "72,64", "parts": "dem"}, name="toy")
    {'size': (72, 64), 'parts': ('dem',)}
    """
    known, kinds = option_fields(reader), typing.get_type_hints(reader)
    for option in given:
        if option not in known:
            near = nearest_names(option, known) or known
            told = f"nearest: {', '.join(near)}" if near else "it takes none"
            raise UsageError(f"reader '{name}': options {sorted(given)} given, no option is called {option}; {told}")
    missing = [
        field.name
        for field in dataclasses.fields(reader)
        if field.name in known
        and field.name not in given
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UsageError(f"reader '{name}': option {missing[0]} is missing; give --reader {missing[0]}=VALUE")
    return {option: as_type(kinds[option], value, name=f"{name}: {option}") for option, value in given.items()}


def as_type(kind: Any, value: Any, *, name: str) -> Any:
    """Return a value as the type of an option.

    Raises
    ------
    UsageError
        If it is of another.

    Examples
    --------
    >>> as_type(int | None, 3.0, name="stride"), as_type(str, 3413, name="crs")
    (3, '3413')
    """
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        (kind,) = (each for each in typing.get_args(kind) if each is not type(None))
    if typing.get_origin(kind) is tuple:
        return _several(kind, value, name=name)
    if kind is str:
        # A number on the command line may be a text here: bands_used=1, crs=3413.
        return value if isinstance(value, str) else ",".join(map(str, value if isinstance(value, tuple) else (value,)))
    if kind is bool:
        if not isinstance(value, bool):
            raise UsageError(f"{name} {value}: yes or no expected")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"{name} {value}: a number expected")
    if kind is int and value != int(value):
        raise UsageError(f"{name} {value:g}: a whole number expected")
    return kind(value)


def _several(kind: Any, value: Any, *, name: str) -> tuple[Any, ...]:
    """Return several values: a list, or a text with commas."""
    if isinstance(value, str):
        parts: tuple[Any, ...] = tuple(part.strip() for part in value.split(",") if part.strip())
    else:
        parts = tuple(value) if isinstance(value, tuple | list) else (value,)
    each, *more = typing.get_args(kind)
    if Ellipsis not in more and len(parts) != 1 + len(more):
        raise UsageError(f"{name} {value}: {counted(1 + len(more), 'values')} expected, comma-separated")
    if not parts:
        raise UsageError(f"{name} is empty; give one value or more, comma-separated")
    return tuple(as_type(each, _number(part) if each in (int, float) else part, name=name) for part in parts)


def _number(part: Any) -> Any:
    try:
        return float(part)
    except (TypeError, ValueError):
        return part
