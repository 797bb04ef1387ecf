"""Sentences that pass from room to room: a code and what stands in its gaps, written in English, read back as it was.

A reason beside a flag, a note beside a change: each is kept as a text, in the archive and in exports. Its template
stands here once; :func:`sentence` writes by it and :func:`read_sentence` reads by it, so that a report in another
language says the code and the values, not the text. What no template reads is somebody else's text, and is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from glaciertime.errors import InputError

__all__ = ["SENTENCES", "names_in", "read_sentence", "sentence", "sentences_in"]

#: Templates by code. A gap is a number (``{n}``), a text (``{name:text}``) that may be a sentence itself, or a name
#: (``{crs:name}``), which every language says as it is.
SENTENCES: Mapping[str, str] = {
    "both-bounds": "both values are bounds: nothing can be said of the change",
    "both-areas-bounds": "both areas are bounds: nothing can be said of the loss",
    "same-observation": "both dates have the same nearest observation",
    "all-doubtful": "every value is flagged as an outlier or unclear",
    "start-year": "only the year of the start is known",
    "end-year": "only the year of the end is known",
    "both-years": "only the year of the start and the end is known",
    "start-month": "only the month of the start is known",
    "end-month": "only the month of the end is known",
    "both-months": "only the month of the start and the end is known",
    "seaward-assumed": "which way the sea lies is assumed, by a retreat: it may be an advance",
    "other-seasons": "the dates fall in different seasons",
    "short-span": "the dates lie less than eleven months apart: no rate per year",
    "short-spans": "of {n} of {of} the dates lie less than eleven months apart: no rate per year of the sum",
    "start-imaged": "{share}% of the footprint imaged at the start",
    "end-imaged": "{share}% of the footprint imaged at the end",
    "start-image": "the image at the start {why:text}",
    "end-image": "the image at the end {why:text}",
    "start-unclear": "the front is unclear at the start",
    "end-unclear": "the front is unclear at the end",
    "not-registered": "the images are not known to be registered to each other: no measured retreat",
    "odd-length": "{length} m, of its neighbours expected {low} to {high} m",
    "odd-shape": "{times} times as long as wide, of its neighbours expected up to {most}",
    "clear-in-image": "{why:text}, but clear in its image",
    "advanced-too-fast": "advanced {change} m in {days} days, the ice flows {limit} m a year",
    "undone-too-fast": "undone, advancing {change} m in {days} days, the ice flows {limit} m a year",
    "alone-ahead": "{off} m ahead of the others, the only one of its season",
    "alone-behind": "{off} m behind the others, the only one of its season",
    "side-ahead": "{off} m ahead of where the values on one side of it lead",
    "side-behind": "{off} m behind where the values on one side of it lead",
    "jump-ahead": "{off} m ahead of the values before and after it, by its own series",
    "jump-behind": "{off} m behind the values before and after it, by its own series",
    "few-values": "{n} values, {needed} are needed",
    "surging": "the glacier surges and its dates lie more than {days} days apart",
    "imaged": "{share}% of the {name:text} imaged",
    "front-seen": "{share}% of the front seen",
    "seen": "{share}% of the {name:text} seen",
    "no-boundary": "no boundary between ice and ocean",
    "ice-no-boundary": "the ice has no boundary there",
    "other-extent": "shows another extent than most masks, compare inside the common footprint",
    "drawn-retreating": "the line was drawn so that the fronts retreat",
    "crossed": "an outline that crossed itself",
    "ocean-up": "no georeference, taken to have the ocean up",
    "strip": "strip {width} m",
    "rectangle": "rectangle {width} m",
    "lines": "{n} lines over {width} m",
    "ice-fills": "the ice fills the {name:text}",
    "ice-fills-land": (
        "the ice fills the {name:text}, no ocean is left (if the glacier ends on land, say terminus_type: land in its "
        "manifest)"
    ),
    "no-ice": "no ice in the {name:text}",
    "one-date": "one date only",
    "change-unknown": "the change is not known",
    "too-short": "{series:name}: {n} observations, {model:name} needs {needed}",
    "use-last": 'use model "last"',
    "use-last-or-later": 'use model "last", or a later cutoff',
    "since-gap": "count since the last gap",
    "use-kalman": "use kalman, which takes any dates",
    "some-without-sigma": "of {n} of {of} no sigma is known, so that of the sum is not known",
    "periods-differ": (
        "the periods differ ({start_from:name} to {start_to:name} at the start, {end_from:name} to "
        "{end_to:name} at the end): changes are not added, only what each was per year of its own period"
    ),
    "bounds-both-ways": "some changes are at least so much and others at most: their sum is not known",
    "same-series": "counted as {other:name}: every date and value of the two is the same",
    "same-polygons": "counted as {other:name}: their polygons are {share}% the same",
    "shares-ground": "shares {area} km2 with {other:name}, which would be counted twice",
    "all-held": "all {n} glaciers of {archive:name}",
    "one-reference": "{name:name} is taken as counted from one reference",
    "give-per-period": "give --per-period if each value counts from the date before",
    "areas-only": "outlines do not tell ocean from rock, and no line is drawn from them: areas only",
    "give-centreline": "for front positions give the line to measure along with --centreline FILE",
    "not-screened": "not screened for single wrong values: {series:name} ({why:text})",
    "mosaic-of-weeks": "the coastline is drawn from a mosaic of several weeks",
    "of-scenes": "{n} scenes: {names:name}",
    "plane-around-manifest": "plane: an equal-area plane around it, the manifest's",
    "plane-around-scene": "plane: an equal-area plane around it, that of the first scene",
    "plane-of-manifest": "plane: {crs:name}, the manifest's",
    "plane-of-scene": "plane: {crs:name}, that of the first scene",
    "true-lengths": "lengths in true metres on the ellipsoid",
    "local-plane": "measured in the metres of a local frame, without a place on Earth",
    "ruler-manifest": "{name:text}: manifest, {date:name}",
    "ruler-manifest-by": "{name:text}: manifest ({who:text}), {date:name}",
    "ruler-drawn": "{name:text}: drawn, {date:name}",
    "ruler-drawn-by": "{name:text}: drawn ({who:text}), {date:name}",
    "ruler-file": "{name:text}: file ({who:text}), {date:name}",
}
_NUMBER = r"(-?[\d,]+(?:\.\d+)?)"
#: What is counted is named in the plural in a template, and said in the singular of one.
_COUNTED = "days|observations|values|glaciers|lines|scenes"
_GAP = re.compile(rf"\{{(\w+)(:text|:name)?\}}( (?:{_COUNTED})\b)?")


def sentence(code: str, **values: object) -> str:
    """Return a sentence in English.

    Parameters
    ----------
    code : str
        A key of :data:`SENTENCES`.
    **values
        What stands in its gaps; numbers as texts, rounded as they are to be said.

    Raises
    ------
    InputError
        For an unknown code.

    Examples
    --------
    >>> sentence("few-values", n=3, needed=8)
    '3 values, 8 are needed'
    """
    if code not in SENTENCES:
        raise InputError(f"no sentence has the code '{code}'")

    def filled(gap: re.Match[str]) -> str:
        what, things = str(values[gap[1]]), gap[3] or ""
        return what + (things.removesuffix("s") if what == "1" else things)

    return _GAP.sub(filled, SENTENCES[code])


@lru_cache(maxsize=1)
def _readers() -> tuple[tuple[str, re.Pattern[str], tuple[tuple[str, bool], ...]], ...]:
    """Return how each code is read; those with the fewest free texts first, and of these the longest, so that the
    plainest reading counts."""
    found = []
    for code, template in SENTENCES.items():
        gaps = [(gap[1], bool(gap[2])) for gap in _GAP.finditer(template)]
        parts = [re.escape(part) for part in re.split(r"\{\w+(?::text|:name)?\}", template)]
        pattern = parts[0]
        for (_, is_text), part in zip(gaps, parts[1:], strict=True):
            pattern += ("(.+?)" if is_text else _NUMBER) + part
        pattern = re.sub(rf"\)\\ ({_COUNTED})", r")\\ \1?", pattern)
        found.append((code, re.compile(pattern, re.DOTALL), tuple(gaps)))
    return tuple(sorted(found, key=lambda one: (sum(is_text for _, is_text in one[2]), -len(SENTENCES[one[0]]))))


def read_sentence(text: str) -> tuple[str, dict[str, float | str]] | None:
    """Return the code and the values of a sentence; None for a text that is none.

    Examples
    --------
    >>> read_sentence("3 values, 8 are needed")
    ('few-values', {'n': 3.0, 'needed': 8.0})
    >>> read_sentence("cloudy, says Ada") is None
    True
    """
    for code, reader, gaps in _readers():
        held = reader.fullmatch(text)
        if held is not None:
            values = {
                name: part if is_text else float(part.replace(",", ""))
                for (name, is_text), part in zip(gaps, held.groups(), strict=True)
            }
            return code, values
    return None


def names_in(code: str) -> frozenset[str]:
    """Return the gaps of a sentence that are names.

    Examples
    --------
    >>> sorted(names_in("too-short"))
    ['model', 'series']
    """
    return frozenset(gap[1] for gap in _GAP.finditer(SENTENCES[code]) if gap[2] == ":name")


def sentences_in(text: str) -> list[str]:
    """Return the sentences of a note, in which they stand behind each other.

    Examples
    --------
    >>> sentences_in("the dates fall in different seasons; cloudy")
    ['the dates fall in different seasons', 'cloudy']
    """
    return [part for part in (one.strip() for one in text.split(";")) if part]
