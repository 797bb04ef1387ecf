"""The one place that words numbers, units, dates and sentences, in the language of a file.

``languages/NAME.yaml`` holds how a language writes numbers, what it calls units, and every sentence under a key, with
gaps in braces. A sentence with ``one`` and ``other`` is chosen by its gap ``n``, or by the one that ``by`` names.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.known_dates import KnownDate
from glaciertime.report.content.parts import Item, Link, Number, Phrase, Unit
from glaciertime.units import shown_in

__all__ = ["Piece", "Wording", "language_named", "languages", "wording_of"]

_FOLDER = Path(__file__).parent / "languages"
_GAP = re.compile(r"\{(\w+)\}")
_NARROW, _NO_BREAK, _MINUS = "\u202f", "\u00a0", "\u2212"


@dataclass(frozen=True)
class Piece:
    """A piece of a text: its words, and what it is where it is more than words.

    ``kind`` is ``words`` of the language, ``number``, ``date``, ``link``, or ``name``: a text of the data.
    """

    text: str
    kind: str
    of: Number | dt.date | KnownDate | Link | None = None


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """Return the languages that there are sentences in.

    Examples
    --------
    >>> "en" in languages()
    True
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def language_named(name: str) -> str:
    """Return a language by its name, or refuse one that there is no file of."""
    low = name.strip().lower()
    if low in languages():
        return low
    near = nearest_names(low, list(languages()))
    hint = f", did you mean {near[0]}?" if near else ""
    raise UsageError(f"--language '{name}' is not known{hint}; known are {', '.join(languages())}")


@lru_cache(maxsize=8)
def wording_of(language: str = "en") -> Wording:
    """Return how a language words things, in the units that the archive holds."""
    import yaml

    held = yaml.safe_load((_FOLDER / f"{language_named(language)}.yaml").read_text(encoding="utf-8"))
    return Wording(language, held["numbers"], held["units"], _flat(held["sentences"]))


def _flat(held: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested keys as one, joined by points; a sentence with ``one`` and ``other`` is kept together."""
    found: dict[str, Any] = {}
    for name, value in held.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and not {"one", "other"} <= set(value):
            found |= _flat(value, f"{key}.")
        else:
            found[key] = value
    return found


@dataclass(frozen=True, eq=False)
class Wording:
    """Numbers, units and sentences of one language.

    ``shown`` holds the unit in which each quantity is said, by its name (``{"area": "ha"}``): numbers keep their own,
    and are converted where they are worded, and only there.
    """

    language: str
    numbers: Mapping[str, str]
    units: Mapping[str, str]
    sentences: Mapping[str, Any]
    shown: Mapping[str, str] = field(default_factory=dict)

    def in_units(self, shown: Mapping[str, str]) -> Wording:
        """Return the same language in other units, by quantity."""
        return replace(self, shown=dict(shown))

    def text(self, item: Item) -> str:
        """Return an item as plain text."""
        return "".join(piece.text for piece in self.pieces(item))

    def sentence(self, item: Item) -> Iterator[Piece]:
        """Yield the pieces of an item that begins a line: where it begins with words, with a capital."""
        for index, piece in enumerate(self.pieces(item)):
            is_first = index == 0 and piece.kind == "words"
            yield replace(piece, text=piece.text[:1].upper() + piece.text[1:]) if is_first else piece

    def title(self, item: Item) -> str:
        """Return an item that begins a line as plain text."""
        return "".join(piece.text for piece in self.sentence(item))

    def pieces(self, item: Item, *, unit: bool = True) -> Iterator[Piece]:
        """Yield the pieces of an item; ``unit``: whether a number bears its own."""
        if isinstance(item, Number):
            yield Piece(self.number(item, unit=unit), "number", item)
        elif isinstance(item, dt.date | KnownDate):
            yield Piece(item.isoformat(), "date", item)
        elif isinstance(item, Link):
            yield Piece(item.text, "link", item)
        elif isinstance(item, Unit):
            yield Piece(self.unit(item.name), "words")
        elif isinstance(item, str):
            yield Piece(item, "name")
        elif isinstance(item, tuple):
            for index, one in enumerate(item):
                if index:
                    yield Piece(", ", "words")
                yield from self.pieces(one, unit=unit)
        else:
            yield from self._phrase(item)

    def gaps(self, phrase: Phrase) -> frozenset[str]:
        """Return which of the values of a phrase its sentence says."""
        return frozenset(_GAP.findall(self._template(phrase)))

    def _template(self, phrase: Phrase) -> str:
        template = self.sentences.get(phrase.key)
        if template is None:
            raise InputError(f"language {self.language}: there is no sentence '{phrase.key}'")
        if isinstance(template, Mapping):
            how_many = phrase.values[template.get("by", "n")]
            template = template["one" if isinstance(how_many, Number) and how_many.value == 1 else "other"]
        return str(template)

    def _phrase(self, phrase: Phrase) -> Iterator[Piece]:
        template = self._template(phrase)
        at = 0
        for gap in _GAP.finditer(template):
            if gap.start() > at:
                yield Piece(template[at : gap.start()], "words")
            yield from self.pieces(phrase.values[gap[1]])
            at = gap.end()
        if at < len(template):
            yield Piece(template[at:], "words")

    def has(self, key: str) -> bool:
        """Return whether there is a sentence under a key."""
        return key in self.sentences

    def unit(self, name: str) -> str:
        """Return what a unit is called, or the one that is shown in its place, between sign and word."""
        name, _ = shown_in(name, self.shown)
        return self.units.get(name, name)

    def number(self, number: Number, *, unit: bool = True) -> str:
        """Return a number with its sigma or interval, to the digits that these leave sure, and its unit."""
        named = self.unit(number.unit) if unit and number.unit else ""
        if math.isnan(number.value):
            return self.sentences["number.unknown"]
        number, decimals = self._converted(number)
        text = self._plain(number.value, decimals, sign=number.is_change)
        if math.isfinite(number.sigma):
            text += f"{_NO_BREAK}±{_NO_BREAK}{self._plain(number.sigma, decimals)}"
        if math.isfinite(number.low) and math.isfinite(number.high):
            # A minus of one end is told from the dash between them by brackets and a comma.
            ends = [self._plain(end, decimals, sign=number.is_change) for end in (number.low, number.high)]
            text += f" [{ends[0]}{self.numbers['between']}{ends[1]}]"
        if named:
            text += f"{_NO_BREAK}{named}"
        if number.bound:
            # Of a negative change "at most" reads like its opposite.
            is_negative = number.is_change and number.value < 0
            key = {"at most": "or-less", "at least": "or-more"}[number.bound] if is_negative else number.bound
            text = self.sentences[f"number.{key.replace(' ', '-')}"].replace("{number}", text)
        return text

    def _converted(self, number: Number) -> tuple[Number, int]:
        """Return a number in the unit that is shown in the place of its own, and its digits behind the point.

        How exact a number is said to be does not hang on the unit: its digits are those that its own unit leaves it.
        """
        _, factor = shown_in(number.unit, self.shown)
        if factor == 1.0:
            return number, _decimals(number)
        scaled = {name: getattr(number, name) * factor for name in ("value", "sigma", "low", "high")}
        shown = replace(number, **scaled)
        decimals = _decimals(number) - round(math.log10(factor))
        return shown, decimals if _has_width(number) else _without_zeros(shown.value, decimals)

    def plain(self, value: float, *, unit: str = "") -> str:
        """Return a number of a unit as a tick of an axis says it: as it is, to twelve digits at most."""
        _, factor = shown_in(unit, self.shown)
        return self._plain(value * factor, _decimals(Number(value * factor, digits=12)))

    def _plain(self, value: float, decimals: int, *, sign: bool = False) -> str:
        if not math.isfinite(value):
            return ("" if value > 0 else _MINUS) + "∞"
        rounded = round(value, decimals)
        text = f"{rounded:{'+' if sign and rounded else ''},.{max(0, decimals)}f}"
        if not rounded:
            text = text.replace("-", "")
        swapped = {",": self.numbers["thousands"], ".": self.numbers["decimal"], "-": _MINUS}
        return "".join(swapped.get(letter, letter) for letter in text)


def _decimals(number: Number) -> int:
    """Return how many digits behind the point are said: two of a sigma, or of half an interval, count."""
    wide, fewest = number.sigma, -9
    if not math.isfinite(wide) and math.isfinite(number.low) and math.isfinite(number.high):
        # An end of an interval is no error: it is said to the ten at least.
        wide, fewest = (number.high - number.low) / 2, -1
    if math.isfinite(wide) and wide > 0:
        digits = 1 - math.floor(math.log10(wide))
        # 0.0996 to two digits is 0.10.
        if round(wide, digits) >= 10 ** (2 - digits):
            digits -= 1
        return min(9, max(fewest, digits))
    if number.value == 0 or not math.isfinite(number.value):
        return 0
    decimals = min(9, max(0, number.digits - 1 - math.floor(math.log10(abs(number.value)))))
    return _without_zeros(number.value, decimals)


def _has_width(number: Number) -> bool:
    return math.isfinite(number.sigma) or (math.isfinite(number.low) and math.isfinite(number.high))


def _without_zeros(value: float, decimals: int) -> int:
    """Return how many digits behind the point are left of so many where zeros at the end are not said."""
    while decimals > 0 and round(value, decimals) == round(value, decimals - 1):
        decimals -= 1
    return decimals
