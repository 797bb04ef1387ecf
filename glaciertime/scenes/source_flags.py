"""What a data set says itself against one of its rows: its own flags, kept with the observation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from glaciertime.errors import InputError
from glaciertime.tables import flags_of

__all__ = ["flags_told"]

# TermPicks and CALFIN call it QualFlag, MEaSUREs and others by these; letters and case aside.
_FLAG_COLUMNS = ("qualflag", "qualityfl", "qualityflag", "qaflag", "quality", "qcflag")
_NOTHING = {"", "ok", "good", "none", "nan", "null", "<na>"}


def flags_told(row: Mapping[Any, Any], columns: Iterable[Any]) -> dict[str, str]:
    """Return the flags of a row of a data set.

    Texts in this package's own words, as ``export`` writes them, are those flags again. Anything else but zero and
    words for nothing becomes ``source-flag`` with the column and what it holds.

    Examples
    --------
    >>> flags_told({"QualFlag": "03"}, ["QualFlag"]), flags_told({"QualFlag": "00"}, ["QualFlag"])
    ({'source-flag': 'QualFlag 03'}, {})
    >>> flags_told({"quality": "outlier-length: 3 m"}, ["quality"])
    {'outlier-length': '3 m'}
    """
    flags: dict[str, str] = {}
    for column in columns:
        key = "".join(letter for letter in str(column).casefold() if letter.isalnum())
        value = row[column]
        if key not in _FLAG_COLUMNS or value is None or pd.isna(value):
            continue
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
        if text.casefold() in _NOTHING or not text.strip("0"):
            continue
        try:
            flags.update({flag: why for flag, why in flags_of(text).items() if flag != "ok"})
        except InputError:
            flags["source-flag"] = f"{column} {text}"
    return flags
