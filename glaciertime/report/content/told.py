"""What other rooms said, as phrases of the report: a reason or a note by its code; what has none is quoted."""

from __future__ import annotations

from collections.abc import Mapping

from glaciertime.report.content.parts import Item, Number, Phrase, count, say
from glaciertime.report.content.series import footprint_label
from glaciertime.sentences import names_in, read_sentence, sentences_in

__all__ = ["called", "left_out_lines", "quoted", "told", "told_whole"]

#: So many glaciers are named for a reason, and so many reasons.
_OF_A_REASON, _REASONS = 5, 10


def told(text: str) -> Item:
    """Return a text of sentences that stand behind each other, each by its code; empty for none.

    Examples
    --------
    >>> told("the dates fall in different seasons").key
    'told.other-seasons'
    """
    found = tuple(_one(part) for part in sentences_in(text))
    return "" if not found else found[0] if len(found) == 1 else found


def told_whole(text: str) -> Item:
    """Return a text by its sentences where all of it is known, else quoted as it stands.

    Examples
    --------
    >>> told_whole("plane: EPSG:3031, the manifest's; drawn by hand").key
    'told.quoted'
    """
    return told(text) if all(read_sentence(part) for part in sentences_in(text)) else quoted(text)


def called(text: str) -> Item:
    """Return what something is called: by its sentence where it is one, else as it stands, as a name.

    Examples
    --------
    >>> called("all 20 glaciers of a.gpkg").key, called("Alps")
    ('told.all-held', 'Alps')
    """
    return text if read_sentence(text) is None else _one(text)


def quoted(text: str) -> Phrase:
    """Return somebody else's text as such: a language that is not its own sets it in marks."""
    return say("told.quoted", text=text)


def _one(text: str) -> Phrase:
    read = read_sentence(text)
    if read is None:
        return quoted(text)
    code, values = read
    gaps: dict[str, Item] = {
        name: footprint_label(str(value)) if name == "name" else str(value) if name in names_in(code)
        else told(value) if isinstance(value, str)
        else Number(value, digits=6)
        for name, value in values.items()
    }  # fmt: skip
    return say(f"told.{code}", **gaps)


def left_out_lines(left_out: Mapping[str, str]) -> list[Item]:
    """Return who is not counted, a line for each reason, with the first names and how many more."""
    by_reason: dict[str, list[str]] = {}
    for name, why in left_out.items():
        by_reason.setdefault(why, []).append(name)
    found: list[Item] = []
    for why, names in list(by_reason.items())[:_REASONS]:
        more = len(names) - _OF_A_REASON
        told_of = say("region.of_reason_more", names=tuple(names[:_OF_A_REASON]), n=count(more), why=told(why))
        found.append(told_of if more > 0 else say("region.of_reason", names=tuple(names), why=told(why)))
    if len(by_reason) > _REASONS:
        found.append(say("region.in_all", n=count(len(left_out))))
    return found
