"""YAML and JSON within limits: their size, their depth, and how much their references stand for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from glaciertime import limits
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.walls import first_line, readable_text, wall

__all__ = ["parse_json", "read_json", "read_yaml"]

_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(r"[\[\]{}]")
#: Two such escapes make a character, one makes a text that nothing can print or store.
_HALF_CHARACTERS = re.compile(r"\\u[dD][89a-fA-F]")


def read_yaml(path: Path, *, what: str, remedy: str) -> Any:
    """Return what a YAML file holds.

    Parameters
    ----------
    path : Path
    what : str
        What it is called in a message, with its name.
    remedy : str
        What to do about a damaged one.

    Raises
    ------
    DataNotFoundError
        Where there is no such file.
    InputError
        Where it is no YAML in UTF-8, or beyond a limit; values are plain ones, and every key is a text.
    """
    text = _text(path, what, remedy)
    with wall(f"{what} is not YAML", remedy):
        _check_depth(yaml.parse(text, Loader=yaml.SafeLoader), what)
        try:
            found = yaml.load(text, Loader=_Loader)  # nosec B506 - a safe one
        except yaml.YAMLError:
            raise
        except InputError as error:
            raise InputError(f"{what}: {error}") from error
        except ValueError as error:
            raise InputError(
                f"{what} holds a date or a number that there is not ({first_line(error)}); write 2002-03-15"
            ) from error
    _check_items(found, what)
    _check_texts(found, what)
    return found


def read_json(path: Path, *, what: str, remedy: str) -> Any:
    """Return what a JSON file holds; raises as :func:`read_yaml` does."""
    return parse_json(_text(path, what, remedy), what=what, remedy=remedy)


def parse_json(text: str | bytes, *, what: str, remedy: str) -> Any:
    """Return what a text of JSON holds.

    Raises
    ------
    InputError
        Where it is no JSON in UTF-8, or beyond a limit.

    Examples
    --------
    >>> parse_json(b'{"a": 1}', what="the header", remedy="fetch it again")
    {'a': 1}
    """
    limits.check("document-mb", len(text) / 1e6, what)
    with wall(f"{what} is not JSON", remedy):
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        depth = deepest = 0
        # A bracket in a text counts for nothing.
        for bracket in _BRACKETS.finditer(_TEXTS.sub("", text)):
            depth += 1 if bracket[0] in "[{" else -1
            deepest = max(deepest, depth)
        limits.check("document-depth", deepest, what)
        found = json.loads(text)
    if _HALF_CHARACTERS.search(text):
        _check_texts(found, what)
    return found


class _Loader(yaml.SafeLoader):
    """Takes no name twice in one mapping: the second value would silently take the place of the first."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    line = key.start_mark.line + 1
                    raise InputError(
                        f"'{readable_text(key.value)[:40]}' is there twice (line {line}); keep one of them"
                    )
                seen.add((key.tag, key.value))
        return node


def _text(path: Path, what: str, remedy: str) -> str:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{what} is no file, but a folder, a pipe or a device; {remedy}")
        limits.check("document-mb", path.stat().st_size / 1e6, what)
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataNotFoundError(f"{what} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not text in UTF-8 ({first_line(error)}); {remedy}") from error


def _check_texts(found: Any, what: str) -> None:
    """Refuse half characters in texts and names, however they came in: no page, file or database takes them."""
    waiting, seen = [found], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"{what} holds half a character in {readable_text(value[:40])!r}; correct it"
                ) from error
        elif isinstance(value, (dict, list, tuple, set)) and id(value) not in seen:
            seen.add(id(value))
            waiting += [*value, *value.values()] if isinstance(value, dict) else list(value)


def _check_depth(events: Any, what: str) -> None:
    """Refuse YAML that nests too deep, as its events come: nothing is built of it before."""
    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            limits.check("document-depth", depth, what)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_items(found: Any, what: str) -> None:
    """Refuse values that hold themselves, that stand for too many by their references, or that have keys of no text."""
    sizes: dict[int, int] = {}
    open_now: set[int] = set()

    def size(value: Any) -> int:
        if not isinstance(value, (dict, list, tuple, set)):
            return 1
        key = id(value)
        if key in open_now:
            raise InputError(f"{what} holds a part that holds itself (a reference in a circle); write it out")
        if key not in sizes:
            open_now.add(key)
            if isinstance(value, dict):
                strange = next((each for each in value if not isinstance(each, str)), None)
                if strange is not None:
                    raise InputError(
                        f"{what}: the name of a field is text, {readable_text(strange)} given; put it in quotes"
                    )
            inner = value.values() if isinstance(value, dict) else value
            sizes[key] = 1 + sum(map(size, inner))
            open_now.remove(key)
            limits.check("document-items", sizes[key], what)
        return sizes[key]

    size(found)
