"""The names of months in the languages that tables and file names of the field bear."""

from __future__ import annotations

import unicodedata

__all__ = ["MONTH_NAMES", "month_of", "plain_letters"]

# English; German and Austrian; French; Spanish; Norwegian and Danish; Swedish; Icelandic; Italian; Portuguese; Dutch.
# Only words that are no common word of a file name: Italian "set" and "gen", English "decem" and their like are not.
_WORDS = (
    "jan january januar jaenner jänner janvier janv ene enero januari janúar gennaio janeiro jän",
    "feb february februar feber février févr fév febrero februari febrúar febbraio fevereiro fev",
    "mar march mär märz maerz mars marzo março maart mrz mrt",
    "apr april avril avr abr abril apríl aprile",
    "may mai mayo maj maí maggio maio mei",
    "jun june juni juin junio júní giugno junho jún",
    "jul july juli juillet juil julio júlí luglio julho júl",
    "aug august août aou aoû ago agosto augusti ágúst ágú augustus",
    "sep sept september septembre septiembre settembre setembro",
    "oct october okt oktober octobre octubre október ottobre outubro",
    "nov november novembre noviembre nóvember novembro nóv",
    "dec december dez dezember décembre déc dic diciembre des desember dicembre dezembro",
)


def plain_letters(text: str) -> str:
    """Return a text in lower case, its letters without accents.

    Examples
    --------
    >>> plain_letters("AOÛT"), plain_letters("Ágúst")
    ('aout', 'agust')
    """
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


#: Month by name or abbreviation, in lower case and without accents.
MONTH_NAMES = {plain_letters(word): month for month, words in enumerate(_WORDS, start=1) for word in words.split()}


def month_of(word: str) -> int | None:
    """Return the month that a whole word names, or None.

    Examples
    --------
    >>> month_of("Jänner"), month_of("ago"), month_of("marked")
    (1, 8, None)
    """
    return MONTH_NAMES.get(plain_letters(word))
