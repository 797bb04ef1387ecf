"""One file of settings, ``glaciertime.toml``: the archive, the data, the forecasters, the units of reports and plots.

The environment stands above the file, and what is typed above both. A file is looked for in the current folder, then
among the user's settings; ``GLACIERTIME_CONFIG`` names another. What it says holds as if the environment said it, so
that it goes to other processes and into what is kept of a run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glaciertime.errors import UsageError, nearest_names

__all__ = ["FILE", "Configuration", "configured", "read_configuration", "shown_units"]

FILE = "glaciertime.toml"
_NAMED = "GLACIERTIME_CONFIG"
#: The variable that each key stands for.
_VARIABLES = {
    "archive": "GLACIERTIME_ARCHIVE",
    "data": "GLACIERTIME_DATA",
    "models": "GLACIERTIME_FORECASTERS",
    "units": "GLACIERTIME_UNITS",
}
_PLACES = ("archive", "data")


@dataclass(frozen=True)
class Configuration:
    """What a file says: the variables that it stands for, and the file; None where there is none."""

    path: Path | None = None
    variables: dict[str, str] = field(default_factory=dict)


def read_configuration() -> Configuration:
    """Return what the settings' file says.

    Raises
    ------
    UsageError
        For a file that is no TOML, an unknown key, or a value of another kind.
    """
    path = _file()
    if path is None:
        return Configuration()
    import tomllib

    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} is no file of settings in TOML ({error}); correct or remove it") from error
    for key in held:
        _check_known(path, key)
    return Configuration(path, {_VARIABLES[key]: _text(path, key, value) for key, value in held.items()})


def _file() -> Path | None:
    named = os.environ.get(_NAMED)
    if named:
        path = Path(named)
        if not path.is_file():
            raise UsageError(f"{_NAMED} names {named}, which is no file; correct or unset it")
        return path
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
    return next((path for path in (Path(FILE), home / "glaciertime" / FILE) if path.is_file()), None)


def _check_known(path: Path, key: str) -> None:
    if key not in _VARIABLES:
        near = nearest_names(key, _VARIABLES)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UsageError(f"{path}: unknown key '{key}'{hint}; known are {', '.join(_VARIABLES)}")


def _text(path: Path, key: str, value: Any) -> str:
    """Return a value as the environment has it; places are relative to the file's folder."""
    if key == "units":
        return _units(path, value)
    if key == "models":
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names or not all(isinstance(one, str) and one for one in names):
            raise UsageError(f'{path}: models are names of forecasters, such as models = ["last", "kalman"]')
        return ",".join(names)
    if not isinstance(value, str) or not value:
        raise UsageError(f'{path}: {key} is a path, such as {key} = "glacier_{key}"')
    if key in _PLACES and "://" not in value:
        return os.path.normpath(path.parent.resolve() / Path(value).expanduser())
    return value


def shown_units() -> dict[str, str]:
    """Return the units that reports and plots are to have, by kind of quantity.

    Raises
    ------
    UsageError
        Where the environment names one that is not known.
    """
    text = os.environ.get("GLACIERTIME_UNITS", "")
    found = dict(part.partition("=")[::2] for part in text.split(",") if part.strip())
    if found:
        _units(Path("GLACIERTIME_UNITS"), found)
    return found


def _units(path: Path, value: Any) -> str:
    from glaciertime.units import SHOWN_UNITS as UNITS

    if not isinstance(value, dict) or not value:
        raise UsageError(f'{path}: units are a table, such as [units] with length = "km" and area = "ha" below it')
    for kind, unit in value.items():
        if kind not in UNITS:
            raise UsageError(f"{path}: units of '{kind}' are not known; known are {', '.join(UNITS)}")
        if unit not in UNITS[kind]:
            raise UsageError(f"{path}: the unit '{unit}' of {kind} is not known; known are {', '.join(UNITS[kind])}")
    return ",".join(f"{kind}={unit}" for kind, unit in value.items())


@contextmanager
def configured(*, lenient: bool = False) -> Iterator[Configuration]:
    """Let a file of settings hold for what the environment leaves open, until the block ends.

    Parameters
    ----------
    lenient : bool
        A file that is wrong says nothing, for commands that tell what is wrong, and for help.

    Raises
    ------
    UsageError
        As :func:`read_configuration`.
    """
    try:
        found = read_configuration()
    except UsageError:
        if not lenient:
            raise
        found = Configuration()
    set_here = {name: value for name, value in found.variables.items() if name not in os.environ}
    os.environ.update(set_here)
    try:
        yield found
    finally:
        for name in set_here:
            os.environ.pop(name, None)
