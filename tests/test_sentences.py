"""What rooms say to each other is read back as it was written, and every language has words for it."""

from __future__ import annotations

import pytest

from glaciertime.errors import InputError
from glaciertime.report.content.told import told
from glaciertime.report.wording import languages, wording_of
from glaciertime.sentences import SENTENCES, read_sentence, sentence
from glaciertime.track.record.difference import notes_on_ends
from glaciertime.track.record.screening import not_screened

from .track.test_screening import series

VALUES = {"why": "cloudy", "name": "fjord"}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_read_by_its_own_code_with_its_values(code: str) -> None:
    values: dict[str, object] = {name: "12.5" for name in ("share", "length", "low", "high", "times", "most", "change",
                                 "days", "limit", "off", "needed", "n", "width")}  # fmt: skip
    text = sentence(code, **values, **VALUES)
    found = read_sentence(text)
    assert found is not None
    assert found[0] == code
    assert all(value == VALUES.get(name, 12.5) for name, value in found[1].items())


@pytest.mark.parametrize("code", SENTENCES)
def test_every_language_says_each_sentence_with_all_of_its_gaps(code: str) -> None:
    gaps = {part.partition("}")[0].removesuffix(":text") for part in SENTENCES[code].split("{")[1:]}
    for language in languages():
        said = wording_of(language).sentences[f"told.{code}"]
        assert {part.partition("}")[0] for part in said.split("{")[1:]} == gaps, language
    assert wording_of("en").sentences[f"told.{code}"].replace(" %", "%") == SENTENCES[code].replace(":text", "")


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


def test_a_code_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no sentence has the code 'odd'"):
        sentence("odd")
