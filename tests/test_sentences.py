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
        texts = [said["one"], said["other"]] if isinstance(said, dict) else [said]
        assert {part.partition("}")[0] for text in texts for part in text.split("{")[1:]} == gaps, language
    english = wording_of("en").sentences[f"told.{code}"]
    several = english["other"] if isinstance(english, dict) else english
    assert several.replace(" %", "%") == re.sub(":text|:name", "", SENTENCES[code])


def test_what_a_run_assumed_is_german_in_german() -> None:
    notes = (
        "length_change_m is taken as counted from one reference; give --per-period if each value counts from the date "
        "before",
        "outlines do not tell ocean from rock, and no line is drawn from them: areas only; for front positions give "
        "the line to measure along with --centreline FILE",
        "not screened for single wrong values: front_position_m by centreline (4 values, 5 are needed)",
        "centreline: drawn (5 scenes: m_2001, m_2002, m_2003, m_2004, m_2005), 2026-11-27",
        "plane: an equal-area plane around it, the manifest's; lengths in true metres on the ellipsoid",
    )
    for note in notes:
        german = wording_of("de").text(told_whole(note))
        assert "„" not in german, german
        assert not re.search(r"\b(the|is|are|drawn|scenes|give)\b", german), german


def test_one_is_said_in_the_singular_and_read_back() -> None:
    failed = str(SeriesTooShortError("Vier, area_km2", 1, "kalman", 10, 'use model "last"'))
    assert failed.startswith("Vier, area_km2: 1 observation, kalman needs 10")
    assert wording_of("de").text(told_whole(failed)).startswith("Vier, area_km2: 1 Beobachtung, kalman braucht 10")
    fast = sentence("advanced-too-fast", change=500, days=1, limit=30)
    assert fast == "advanced 500 m in 1 day, the ice flows 30 m a year"
    assert [wording_of(language).text(told(fast)) for language in ("en", "de")] == [
        fast, "Vorstoß um 500 m in 1 Tag, das Eis fließt 30 m im Jahr",
    ]  # fmt: skip
    assert "in 21 days" in sentence("advanced-too-fast", change=500, days=21, limit=30)


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
        "Ausschnitt: Manifest, 2026-11-27", "Mittellinie: gezeichnet (3 Szenen: a), 2026-11-27",
    ]  # fmt: skip
    assert [english.text(told_whole(line)) for line in lines] == [lines[0].replace(";", ","), *lines[1:]]
    assert german.title(called("all 20 glaciers of a.gpkg")) == "Alle 20 Gletscher von a.gpkg"
    assert german.title(called("Alps")) == "Alps"


def test_a_code_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no sentence has the code 'odd'"):
        sentence("odd")


def test_a_name_that_counts_stays_as_it_is() -> None:
    """Of an archive "v1 glaciers.gpkg" reports told as of "v1 glacier.gpkg"."""
    assert sentence("all-held", n=3, archive="v1 glaciers.gpkg") == "all 3 glaciers of v1 glaciers.gpkg"
    assert sentence("of-scenes", n=1, names="day 1 scenes") == "1 scene: day 1 scenes"
    assert read_sentence("1 scene: day 1 scenes") == ("of-scenes", {"n": 1.0, "names": "day 1 scenes"})
