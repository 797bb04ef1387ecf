"""The one reader of names: what glaciers and the columns of tables are called, in the spellings that there are.

Two names are one where they differ in case, in spaces, in how Unicode composes a letter, or as ``103`` and ``103.0``
do. Columns are known by what the inventories and archives of the field call them (RGI 5 to 7, GLIMS, CGI, SGI,
TermPicks, CALFIN, MEaSUREs, IceLines), in any case and with any punctuation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from glaciertime.errors import InputError, nearest_names

__all__ = [
    "AUTHOR_COLUMNS",
    "DATE_COLUMNS",
    "DAY_COLUMNS",
    "DECIMAL_YEAR_COLUMNS",
    "END_DATE_COLUMNS",
    "IDENTIFIER_COLUMNS",
    "IMAGE_COLUMNS",
    "LINE_TYPE_COLUMNS",
    "MONTH_COLUMNS",
    "NAME_COLUMNS",
    "NOTE_COLUMNS",
    "SENSOR_COLUMNS",
    "YEAR_COLUMNS",
    "agreeing",
    "clean_name",
    "column_called",
    "column_key",
    "columns_among",
    "counted",
    "first_column",
    "fold_name",
    "other_spellings",
    "whole_identifier",
]

NAME_COLUMNS = (
    "glacier", "glaciername", "glaciernam", "glaciern", "glacname", "glcname", "officialn", "officialname", "official",
    "grnlndcn", "grnlndcnam", "grnlndcname", "greenlandicname", "greenlandn", "refname", "altname", "altnames",
    "iceshelf", "shelf", "shelfname", "name", "names", "gletscher", "gletschername", "gletschern", "glaciar",
    "nombre", "nom", "nome", "bre", "brenavn", "navn", "jokull", "nafn", "label",
)  # fmt: skip
IDENTIFIER_COLUMNS = (
    "rgiid", "glacierid", "glacid", "sgiid", "sgi", "fcgiid", "cgiid", "glimsid", "wgmsid", "localid", "breid",
    "gletscherid", "glacierno", "glaciernr", "termpicksid",
)  # fmt: skip
DATE_COLUMNS = (
    "date", "dates", "acqdate", "acqday", "acqtime", "aqctime", "acquisitiondate", "acquisition", "dateacquired",
    "imagedate", "imgdate", "imagerydate", "scenedate", "sourcedate", "sourcedat", "srcdate", "bgndate", "begindate",
    "startdate", "begin", "repdate", "obsdate", "observationdate", "surveydate", "datetime", "timestamp", "time",
    "datum", "fecha", "dato", "dagsetning", "aufnahmedatum",
)  # fmt: skip
END_DATE_COLUMNS = ("enddate", "end", "stopdate")
DECIMAL_YEAR_COLUMNS = ("decdate", "decimaldate", "decyear", "decimalyear", "decimalyr")
YEAR_COLUMNS = ("year", "yr", "jahr", "anno", "annee", "ano", "ar", "aar", "yearacq", "acqyear", "sourceyear")
MONTH_COLUMNS = ("month", "monat", "mes", "mois", "maned")
DAY_COLUMNS = ("day", "tag", "dia", "jour", "dag")
IMAGE_COLUMNS = ("imageid", "imgid", "sceneid", "origid", "primimage", "productid", "granule", "imagename")
SENSOR_COLUMNS = ("satellite", "sensor", "platform", "instname", "spacecraft", "sat")
AUTHOR_COLUMNS = ("author", "authors", "dataset", "source", "compiler", "anlstsurn")
LINE_TYPE_COLUMNS = ("linetype",)
# RGI 5 and 6, RGI 7
SURGE_COLUMNS = ("surging", "surgetype")
#: What else a column of text may hold that names no glacier.
NOTE_COLUMNS = (
    "imagetile", "tile", "qualityfl", "qualflag", "quality", "qualityflag", "qaflag", "flag", "flags", "comment",
    "comments", "note", "notes", "remark", "remarks", "description", "observer", "operator", "digitizer", "digitiser",
    "analyst", "user", "method", "type", "class", "status", "season", "file", "filename", "path", "location", "layer",
    "url", "doi", "citation", "reference", "id", "fid", "gid", "objectid", "uuid", "region", "version", "track",
    "orbit", "pathrow", "model", "month", "day", "sigmam", "coverage", "altitudemode", "icon", "snippet",
)  # fmt: skip

_NO_NAMES = {"", "none", "nan", "nat", "null", "<na>", "na", "n/a", "-", "--", "?", "unknown", "unnamed", "no name"}
# A text field of fixed width that was shortened shows one character of what stood there before.
_RESIDUE = re.compile(r"(\S)\s{3,}\S$")


def clean_name(value: Any) -> str:
    """Return a name as a person would write it; empty where a value names nothing.

    Examples
    --------
    >>> clean_name("  Glacier  de  Corbassie\\u0300re "), clean_name(103.0), clean_name(float("nan"))
    ('Glacier de Corbassière', '103', '')
    """
    text = unicodedata.normalize("NFC", str(value))
    text = " ".join(_RESIDUE.sub(r"\1", text.rstrip()).split())
    text = re.sub(r"^(\d+)\.0+$", r"\1", text)
    return "" if text.casefold() in _NO_NAMES else text


def fold_name(value: Any) -> str:
    """Return what two spellings of one name share.

    Examples
    --------
    >>> fold_name("HINTEREISFERNER") == fold_name(" Hintereisferner ")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", clean_name(value)).casefold())


# Letters that some write as others, or without their marks; what stands first is taken off first.
_WRITTEN_AS = (
    ("ä", "a"), ("æ", "a"), ("å", "a"), ("ö", "o"), ("ø", "o"), ("œ", "o"), ("ü", "u"), ("þ", "th"), ("ð", "d"),
    ("đ", "d"), ("ł", "l"), ("ae", "a"), ("aa", "a"), ("oe", "o"), ("ue", "u"),
)  # fmt: skip


def other_spellings(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that may be a name in another way of writing: to be offered, never taken to be the same.

    Examples
    --------
    >>> other_spellings("Jakobshavn Isbrae", ["Jakobshavn Isbræ", "Breiðamerkurjökull"])
    ['Jakobshavn Isbræ']
    >>> other_spellings("Aaserud", ["Åserud"]), other_spellings("Oetztal", ["Ötztal"])
    (['Åserud'], ['Ötztal'])
    """
    wanted = _as_written_plainly(name)
    return [each for each in known if _as_written_plainly(each) == wanted]


def _as_written_plainly(name: str) -> str:
    text = fold_name(name)
    for letter, plain in _WRITTEN_AS:
        text = text.replace(letter, plain)
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return re.sub(r"[^\w]", "", plain)


def whole_identifier(value: Any) -> str:
    """Return the folded identifier of a glacier, the number of a part that a divide makes left out.

    Examples
    --------
    >>> whole_identifier("RGI50-11.00719_d01")
    'rgi50-11.00719'
    """
    return re.sub(r"_d\d+$", "", fold_name(value))


def column_key(column: Any) -> str:
    """Return what the spellings of a column's name share.

    Examples
    --------
    >>> column_key("Glac_Name"), column_key("RGIId"), column_key("YEAR_")
    ('glacname', 'rgiid', 'year')
    """
    plain = "".join(
        letter for letter in unicodedata.normalize("NFKD", str(column).casefold()) if not unicodedata.combining(letter)
    )
    return re.sub(r"[^a-z0-9]", "", plain)


def columns_among(columns: Iterable[Any], keys: tuple[str, ...]) -> list[str]:
    """Return the columns that bear one of the names, in the order of the names."""
    held = [(column_key(column), str(column)) for column in columns]
    return [column for key in keys for found, column in held if found == key or _is_cut(column, found, key)]


def _is_cut(column: str, found: str, key: str) -> bool:
    """Return whether a name of ten letters, the most that shapefiles have, is the beginning of another."""
    return len(column) == 10 and len(found) > 7 and len(key) > len(found) and key.startswith(found)


def first_column(columns: Iterable[Any], keys: tuple[str, ...]) -> str | None:
    """Return the first of :func:`columns_among`, or None."""
    return next(iter(columns_among(columns, keys)), None)


def column_called(columns: Iterable[Any], given: str, *, option: str, where: str) -> str:
    """Return the column that an option names.

    Raises
    ------
    InputError
        Where there is none such; the columns are listed.
    """
    held = [str(column) for column in columns]
    folded = fold_name(given)
    found = [column for column in held if column == given] or [column for column in held if fold_name(column) == folded]
    if not found:
        near = nearest_names(given, held)
        hint = f", did you mean {near[0]}?" if near else ";"
        raise InputError(f"{option} {given}: {where} has no such column{hint} it has {', '.join(held) or 'none'}")
    return found[0]


_SINGULAR = {"are": "is", "were": "was", "have": "has", "do": "does"}


def agreeing(count: int, verb: str) -> str:
    """Return a verb as it stands behind so many, given as behind several.

    Examples
    --------
    >>> [agreeing(number, verb) for verb in ("are", "lie") for number in (1, 2)]
    ['is', 'are', 'lies', 'lie']
    """
    return _SINGULAR.get(verb, f"{verb}s") if count == 1 else verb


def counted(count: int, things: str, verb: str = "") -> str:
    """Return how many there are of what is named in the plural, thousands parted, and what they do.

    Examples
    --------
    >>> [counted(number, "calving fronts") for number in (0, 1, 1200)], counted(1, "series")
    (['0 calving fronts', '1 calving front', '1,200 calving fronts'], '1 series')
    >>> counted(1, "images", "have"), counted(2, "images", "have")
    ('1 image has', '2 images have')
    """
    one = things if things.endswith("series") else things.removesuffix("s")
    does = f" {agreeing(count, verb)}" if verb else ""
    return f"{count:,} {one if count == 1 else things}{does}"
