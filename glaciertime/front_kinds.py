"""What a front is made of: the words of the field for it, read in one place."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from glaciertime.errors import InputError
from glaciertime.tables import FRONT_OF

__all__ = ["front_kind", "front_kind_told", "one_front_kind"]

# Accents, letter case and what is no letter aside. "Floating" alone may be a tongue or a shelf: it is not here.
_WORDS = {
    "calving front": (
        "calving", "calving front", "calving face", "calving margin", "calving terminus", "calving glacier",
        "grounded", "grounded front", "grounded ice", "grounded terminus", "grounded calving front", "ice cliff",
        "tidewater", "tidewater glacier", "tidewater terminus", "marine", "marine terminating", "lake",
        "lake terminating",
    ),
    "tongue": ("tongue", "ice tongue", "floating tongue", "floating ice tongue", "tongue front"),
    "mélange edge": (
        "mélange edge", "mélange", "ice mélange", "ice mélange edge", "mélange front", "fast ice", "fast ice edge",
        "landfast ice", "land fast ice", "landfast ice edge", "landfast sea ice", "sikussak",
    ),
    "shelf": (
        "shelf", "ice shelf", "shelf front", "shelf edge", "ice shelf front", "ice shelf edge",
        "ice shelf calving front",
    ),
    "": (
        "", "none", "nan", "null", "na", "n a", "unknown", "unspecified", "not assigned", "not available", "other",
        "land", "land terminating", "dry calving", "regenerated", "shelf terminating",
    ),
}  # fmt: skip
# RGI's codes of the terminus: 1 marine- and 2 lake-terminating; the others are no calving front, or none that is sure.
_CODES = {"0": "", "1": "calving front", "2": "calving front", "3": "", "4": "", "5": "", "9": ""}
_OWN_COLUMNS = ("frontof",)
_WORD_COLUMNS = ("fronttype", "frontkind", "calvingfronttype")
_CODE_COLUMNS = ("termtype", "terminustype")


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


_KINDS = {_letters(word): kind for kind, words in _WORDS.items() for word in words}


def front_kind(word: object) -> str:
    """Return a word for what a front is made of as one of :data:`glaciertime.tables.FRONT_OF`; empty for no word.

    Raises
    ------
    InputError
        For a word that is not known.

    Examples
    --------
    >>> [front_kind(word) for word in ("Calving_Front", "ice melange", "Ice Shelf", "floating ice tongue", None)]
    ['calving front', 'mélange edge', 'shelf', 'tongue', '']
    """
    text = "" if word is None or pd.isna(word) else str(word)
    kind = _KINDS.get(_letters(text))
    if kind is None:
        raise InputError(
            f"what the front is made of is given as '{text}'; known are {', '.join(filter(None, FRONT_OF))}"
        )
    return kind


def front_kind_told(row: Mapping[Any, Any], columns: Iterable[Any]) -> str:
    """Return what a row of a data set says that its front is made of, in ``front_of``, ``FrontType`` or ``TermType``.

    The numbers of ``TermType`` are RGI's.

    Raises
    ------
    InputError
        For a word that is not known, or where two columns differ.

    Examples
    --------
    >>> front_kind_told({"FrontType": "Ice shelf"}, ["FrontType"]), front_kind_told({"TermType": 1}, ["TermType"])
    ('shelf', 'calving front')
    """
    told: dict[str, str] = {}
    for column in columns:
        name, value = _letters(str(column)), row[column]
        if name not in (*_OWN_COLUMNS, *_WORD_COLUMNS, *_CODE_COLUMNS):
            continue
        text = "" if value is None or pd.isna(value) else str(value).strip().removesuffix(".0")
        try:
            kind = _CODES[text] if name in _CODE_COLUMNS and text in _CODES else front_kind(text)
        except InputError as error:
            raise InputError(
                f"column {column}: {error}; write one of these, or call the column something else"
            ) from error
        if kind:
            told[str(column)] = kind
    if len(set(told.values())) > 1:
        said = ", ".join(f"{column} {kind}" for column, kind in told.items())
        raise InputError(f"columns differ in what the front is made of ({said}); correct one")
    return next(iter(told.values()), "")


def one_front_kind(*, data: str, manifest: str, user: str, date: dt.date) -> str:
    """Return what a front is made of, of what the data, the manifest and the user say of it.

    What the data say of a row wins over what a manifest says of dates.

    Raises
    ------
    InputError
        Where the user says otherwise than the data or the manifest.

    Examples
    --------
    >>> one_front_kind(data="", manifest="shelf", user="", date=dt.date(1990, 1, 1))
    'shelf'
    """
    known = data or manifest
    if user and known and user != known:
        whose = "the data" if data else "the manifest"
        raise InputError(
            f"{date}: the front is one of a {user} by --front-of, and {whose} say{'' if data else 's'} {known}; leave "
            "--front-of out, or correct what is wrong"
        )
    return known or user
