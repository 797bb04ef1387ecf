"""What rooms say to each other is read back as it was written, and every language has words for it."""

from __future__ import annotations

import re

import pyproj
import pytest

from glaciertime.errors import InputError, SeriesTooShortError
from glaciertime.pipeline.runs import ruler_lines
from glaciertime.report.content.told import called, told, told_whole
from glaciertime.report.wording import languages, wording_of
from glaciertime.sentences import SENTENCES, read_sentence, sentence
from glaciertime.track.place import Ruler
from glaciertime.track.record.difference import notes_on_ends
from glaciertime.track.record.screening import not_screened

from .track.test_screening import series


def values_of(code: str) -> dict[str, object]:
    """Return a value for each gap: a number, a text, or a name."""
    gaps = re.findall(r"\{(\w+)(:\w+)?\}", SENTENCES[code])
    return {name: 12.5 if not kind else "cloudy" if kind == ":text" else f"the {name}" for name, kind in gaps}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_read_by_its_own_code_with_its_values(code: str) -> None:
    values = values_of(code)
    assert read_sentence(sentence(code, **values)) == (code, values)


@pytest.mark.parametrize("code", SENTENCES)
def test_every_language_says_each_sentence_with_all_of_its_gaps(code: str) -> None:
    gaps = {re.split("[:}]", part)[0] for part in SENTENCES[code].split("{")[1:]}
    for language in languages():
        said = wording_of(language).sentences[f"told.{code}"]
        assert {part.partition("}")[0] for part in said.split("{")[1:]} == gaps, language
    assert wording_of("en").sentences[f"told.{code}"].replace(" %", "%") == re.sub(":text|:name", "", SENTENCES[code])


def test_what_a_room_really_says_is_german_in_german_and_what_nobody_knows_is_quoted() -> None:
    german = wording_of("de")
    (note,) = notes_on_ends("year-only", "year-only")
    assert german.text(told(note)) == "von Anfang und Ende ist nur das Jahr bekannt"
    (reason,) = not_screened(series([1.0, 2.0]).assign(sigma=1.0))["reason"]
    assert german.text(told(reason)) == "2 Werte, 5 sind nötig"
    both = told("1,234 m behind the values before and after it, by its own series, but clear in its image; says Ada")
    assert german.text(both) == (
        "1\u202f234 m hinter den Werten davor und danach, nach der eigenen Reihe, in seinem Bild aber deutlich, "
        "„says Ada“"
    )
    assert wording_of("en").text(told("says Ada")) == "says Ada"


def test_failures_titles_and_rulers_are_german_in_german() -> None:
    german, english = wording_of("de"), wording_of("en")
    failed = str(SeriesTooShortError("Vier, area_km2", 4, "arima", 8, 'use model "last", or a later cutoff'))
    assert german.text(told_whole(failed)) == (
        "Vier, area_km2: 4 Beobachtungen, arima braucht 8, das Modell „last“ verwenden oder einen späteren Stichtag"
    )
    rulers = [
        Ruler(kind=kind, origin=origin, drawn_from=by, made_at="2026-11-27T10:00:00", crs=pyproj.CRS("EPSG:3031"))
        for kind, origin, by in (
            ("plane", "manifest", ""), ("box", "manifest", ""), ("centreline", "drawn", "3 scenes: a"),
        )
    ]  # fmt: skip
    lines = ruler_lines(rulers)
    assert [german.text(told_whole(line)) for line in lines] == [
        "Ebene: EPSG:3031, die des Manifests, Längen in wahren Metern auf dem Ellipsoid",
        "Ausschnitt: Manifest, 2026-11-27", "Mittellinie: gezeichnet („3 scenes: a“), 2026-11-27",
    ]  # fmt: skip
    assert [english.text(told_whole(line)) for line in lines] == [lines[0].replace(";", ","), *lines[1:]]
    assert german.title(called("all 20 glaciers of a.gpkg")) == "Alle 20 Gletscher von a.gpkg"
    assert german.title(called("Alps")) == "Alps"


def test_a_code_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no sentence has the code 'odd'"):
        sentence("odd")
