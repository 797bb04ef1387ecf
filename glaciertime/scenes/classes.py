"""What the pixels of a mask mean: by value, by colour, or by the name that the file gives them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK, ZONES

__all__ = ["CAFFE", "EXAMPLE", "WORDS", "Classes", "apply_table", "check_agreement", "parse_classes", "zone_of_word"]

EXAMPLE = "--classes 0=ocean,1=glacier"

#: Words that files and people use for a zone. Ice mélange counts as ocean; what has no certain zone is not here.
WORDS = {
    **{word: GLACIER for word in ("glacier", "glaciers", "ice", "glacier ice", "land ice", "ice sheet", "ice shelf",
                                  "grounded ice", "clean ice", "debris covered ice", "debris covered glacier")},
    **{word: OCEAN for word in ("ocean", "sea", "water", "open water", "sea ice", "melange", "mélange", "ice melange",
                                "ice mélange", "ocean and ice melange", "ocean and ice mélange", "iceberg",
                                "icebergs")},
    **{word: ROCK for word in ("rock", "land", "bedrock", "bare rock", "rock outcrop", "ground",
                               # Of maps of glaciers: all that is none.
                               "background")},
    **{word: NO_DATA for word in ("nodata", "no data", "unobserved", "not observed", "unclassified", "cloud", "clouds",
                                  "cloud shadow", "radar shadow", "fill", "missing")},
}  # fmt: skip

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_COLOUR = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)


def zone_of_word(word: str) -> int | None:
    """Return the zone that a word means, or None.

    Examples
    --------
    >>> zone_of_word("Ice_Melange"), zone_of_word("snow")
    (254, None)
    """
    return WORDS.get(" ".join(re.sub(r"[-_/]+", " ", word.casefold()).split()))


@dataclass(frozen=True, kw_only=True)
class Classes:
    """What was said of the pixels of masks.

    Parameters
    ----------
    values : mapping of value to zone code
    colours : mapping of ``#rrggbb`` or ``#rrggbbaa`` to zone code
    names : mapping of a class's name in the file, or ``band 1``, in lower case, to zone code
    text : str
        What was typed; empty where nothing was said, so that the codes of CaFFe are taken for granted.
    nodata : float, "none" or None
        The value that stands for what was not observed. None: what the file's header says; "none": no value does.
    """

    values: Mapping[float, int] = field(default_factory=dict)
    colours: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, int] = field(default_factory=dict)
    text: str = ""
    nodata: float | str | None = None

    @property
    def zones(self) -> set[int]:
        """The codes of the zones that were named."""
        return {*self.values.values(), *self.colours.values(), *self.names.values()}


#: The codes that are taken for granted where no classes are given.
CAFFE = Classes(values={float(code): code for code in ZONES.values()})


def parse_classes(text: str | None, *, nodata: str | None = None) -> Classes:
    """Return the meaning of a mask's pixels from ``what=zone`` pairs, separated by commas.

    What is a value, a colour (``#00ffff``; with ``#00ffff80`` its opacity too) or the name that the file gives to a
    class or a band (``band 1`` where it gives none). Several may mean the same zone. Zones are ocean, glacier, rock and
    nodata.

    Parameters
    ----------
    text : str, optional
        Without it the codes of CaFFe.
    nodata : str, optional
        A value that stands for what was not observed, or ``none``, whatever the file's header says.

    Raises
    ------
    UsageError
        For a pair that is none, a value given twice, or no glacier.

    Examples
    --------
    >>> parse_classes("0=ocean,1=glacier,2=glacier").values
    {0.0: 254, 1.0: 127, 2.0: 127}
    >>> parse_classes("#0FF=glacier,Bare rock=rock").colours
    {'#00ffff': 127}
    """
    missing = _nodata(nodata)
    if not text:
        return Classes(values=CAFFE.values, nodata=missing)
    values: dict[float, int] = {}
    colours: dict[str, int] = {}
    names: dict[str, int] = {}
    for pair in text.split(","):
        what, equals, word = (part.strip() for part in pair.rpartition("="))
        zone = ZONES.get(word.casefold())
        if not equals or not what or zone is None:
            raise UsageError(
                f"--classes '{text}': '{pair.strip()}' is not value=zone with a zone out of {', '.join(ZONES)}; "
                f"give for example {EXAMPLE}, or a colour: --classes '#00ffff=glacier,#0000ff=ocean'"
            )
        key: Any
        if _COLOUR.fullmatch(what):
            key, held = _colour(what), colours
        elif _NUMBER.fullmatch(what):
            key, held = float(what), values  # type: ignore[assignment]
        elif what.startswith("#"):
            raise UsageError(f"--classes '{text}': {what} is no colour; give six digits, for example #00ffff")
        else:
            key, held = what.casefold(), names
        if key in held:
            raise UsageError(f"--classes '{text}': {what} is given twice; give each value one zone")
        held[key] = zone
    classes = Classes(values=values, colours=colours, names=names, text=text, nodata=missing)
    if isinstance(missing, float) and values.get(missing, NO_DATA) != NO_DATA:
        raise UsageError(f"--nodata {missing:g}: --classes gives that value a zone; leave one of them away")
    if GLACIER not in classes.zones:
        raise UsageError(f"--classes '{text}': no value means glacier; give for example {EXAMPLE}")
    return classes


def _nodata(text: str | None) -> float | str | None:
    if text is None:
        return None
    if text.strip().casefold() == "none":
        return "none"
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"--nodata '{text}' is no value; give a number, or none where every pixel counts") from error


def _colour(text: str) -> str:
    digits = text[1:].lower()
    return "#" + ("".join(2 * digit for digit in digits) if len(digits) == 3 else digits)


def apply_table(
    values: NDArray[Any], table: Mapping[float, int], *, observed: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the zones of values and where a value is in no class.

    Parameters
    ----------
    values : (H, W) of any number
    table : mapping of value to zone code
    observed : (H, W) bool
        Elsewhere the zone is no data, whatever the value.
    """
    if values.dtype == np.uint8:
        zones_of, known = np.full(256, NO_DATA, dtype=np.uint8), np.zeros(256, dtype=bool)
        for value, zone in table.items():
            if 0 <= value <= 255 and value == int(value):
                zones_of[int(value)], known[int(value)] = zone, True
        zones, unknown = zones_of[values], ~known[values] & observed
    else:
        zones, unknown = np.full(values.shape, NO_DATA, dtype=np.uint8), observed.copy()
        for value, zone in table.items():
            if not _fits(value, values.dtype):
                continue
            here = values == values.dtype.type(value)
            zones[here] = zone
            unknown &= ~here
    zones[~observed] = NO_DATA
    return zones, unknown


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return True
    if dtype.kind == "b":
        return value in (0, 1)
    limits = np.iinfo(dtype)
    return math.isfinite(value) and value == int(value) and limits.min <= value <= limits.max


def check_agreement(
    path_name: str,
    table: Mapping[float, int],
    *,
    unobserved: Sequence[float],
    names: Mapping[float, str],
    classes: Classes,
) -> None:
    """Refuse a mask whose header and whose classes, as they were given, contradict each other.

    Raises
    ------
    InputError
        Where a value that the header calls unobserved (nodata, or transparent) has a class, or a name in the file means
        another zone than was said.
    """
    said = "--classes" if classes.text else "the codes of CaFFe"
    zone_names = {code: name for name, code in ZONES.items()}
    for value in unobserved:
        zone = zone_names[table.get(value, NO_DATA)]
        if zone != "nodata":
            raise InputError(
                f"{path_name} says in its header that {value:g} was not observed, {said} that it is {zone}; give "
                f"{value:g}=nodata in --classes, or if every {value:g} is {zone} --nodata none"
            )
    for value, name in names.items():
        meant = zone_of_word(name)
        if classes.text and value in table and meant is not None and meant != table[value]:
            raise InputError(
                f"{path_name} calls its value {value:g} '{name}', --classes says {zone_names[table[value]]}; correct "
                "one of them"
            )
