"""Numbers are said to the digits that are sure, and every language has every sentence."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

import pytest

from glaciertime.errors import UsageError
from glaciertime.report.content.parts import Content, Number, Section, count, say
from glaciertime.report.content.series import series_label
from glaciertime.report.views.markdown_view import markdown_view
from glaciertime.report.wording import language_named, languages, wording_of
from glaciertime.tables import FRONT_OF, QUALITY_FLAGS, VARIABLES

REPORT = Path(__file__).parents[2] / "glaciertime" / "report"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number(654.0834, unit="km2", sigma=0.7512), "654.08 ± 0.75 km²"),
        (Number(85.0, unit="km2", sigma=0.2), "85.00 ± 0.20 km²"),
        (Number(8250.4, unit="m", sigma=20.0), "8,250 ± 20 m"),
        (Number(8251.0, unit="m", sigma=1234.0), "8,300 ± 1,200 m"),
        (Number(1.0, sigma=0.0996), "1.00 ± 0.10"),
        (Number(-31.127, unit="km2 a-1", is_change=True), "−31.13 km² per year"),
        (
            Number(0.571830, unit="m a-1", low=0.149507, high=0.949514, is_change=True),
            "+0.57 [+0.15, +0.95] m per year",
        ),
        (Number(4834.0, unit="m", low=2012.0, high=7656.0), "4,830 [2,010, 7,660] m"),
        (Number(-0.0001, sigma=0.1, is_change=True), "0.00 ± 0.10"),
        (Number(126.1, unit="km2", sigma=0.94, bound="at least"), "at least 126.10 ± 0.94 km²"),
        (Number(-41.19, unit="km2", sigma=0.73, bound="at most", is_change=True), "−41.19 ± 0.73 km² or less"),
        (Number(math.nan, unit="km2"), "not known"),
        (Number(12.0, sigma=math.inf), "12"),
        (count(1234567), "1,234,567"),
        (Number(1e-12), "0"),
    ],
)
def test_numbers_are_said_to_the_digits_that_are_sure(number: Number, text: str) -> None:
    assert wording_of("en").text(number).replace("\u00a0", " ") == text


def test_german_has_its_own_marks() -> None:
    assert (
        wording_of("de").text(Number(-8250.44, unit="m a-1", sigma=0.25))
        == "−8\u202f250,44\u00a0±\u00a00,25\u00a0m pro Jahr"
    )


def gaps(sentence: object) -> list[set[str]]:
    texts = list(sentence.values()) if isinstance(sentence, dict) else [sentence]
    return [set(re.findall(r"\{(\w+)\}", str(text))) for text in texts]


def test_every_language_has_every_sentence_with_the_same_gaps() -> None:
    assert set(languages()) >= {"en", "de"}
    english = wording_of("en")
    for name in languages():
        other = wording_of(name)
        assert set(other.sentences) == set(english.sentences), name
        assert set(other.units) >= set(english.units) - {"a"}, name
        assert set(other.numbers) == set(english.numbers), name
        for key, sentence in english.sentences.items():
            assert isinstance(sentence, dict) == isinstance(other.sentences[key], dict), key
            every = set.union(*gaps(sentence))
            assert set.union(*gaps(other.sentences[key])) == every, (name, key)
            assert all(
                isinstance(text, str) for text in (sentence.values() if isinstance(sentence, dict) else [sentence])
            )


def keys_said() -> set[str]:
    """Return the keys that the code names; those made from names are followed to their prefix."""
    found = set()
    for path in REPORT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("say", "said", "_view"):
                first = node.args[0] if node.args else None
                before = {"said": "region.", "_view": "view."}.get(node.func.id, "")  # type: ignore[attr-defined]
                if isinstance(first, ast.Constant):
                    found.add(before + first.value)
    return found


def test_every_sentence_that_is_said_is_there() -> None:
    known = set(wording_of("en").sentences)
    assert keys_said() - known == set()
    assert {f"flag.{flag}" for flag in QUALITY_FLAGS} <= known
    assert {f"variable.{name}" for name in VARIABLES} <= known
    assert {f"front.{kind}" for kind in FRONT_OF if kind} <= known


def test_no_view_speaks_a_language_of_its_own() -> None:
    """Texts of views are tags, attributes and names of styles: no two words stand in one."""
    for path in [*(REPORT / "views").glob("*.py"), REPORT / "forms.py"]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = {
            id(node.body[0].value) for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and isinstance(node.body[0], ast.Expr)
        }  # fmt: skip
        raised = {id(part) for node in ast.walk(tree) if isinstance(node, ast.Raise) for part in ast.walk(node)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            if id(node) in documented | raised or node.value == "outside lower center":
                continue
            said = re.sub(r"<[^>]*>?|[\w-]+=\"[^\"]*\"?|[\w-]+:[^;]*;?", " ", node.value)
            assert not re.search(r"[A-Za-z]{3,}[ ,][a-z]{3,}[ ,.][a-z]", said), (path.name, node.lineno, node.value)


def test_units_are_called_by_name() -> None:
    for text in wording_of("en").units.values():
        assert "km2" not in text


@pytest.mark.parametrize(
    ("number", "shown", "text"),
    [
        (Number(628.60308, unit="km2", low=595.63996, high=661.56619), {"area": "m2"},
         "629,000,000 [596,000,000, 662,000,000] m²"),
        (Number(4834.16, unit="m", low=1834.8, high=7833.53), {"length": "km"}, "4.83 [1.83, 7.83] km"),
        (Number(10624.27, unit="m"), {"length": "km"}, "10.624 km"),
        (Number(300.0, unit="m"), {"length": "km"}, "0.3 km"),
        (Number(754.71163, unit="km2"), {"area": "m2"}, "754,700,000 m²"),
        (Number(-0.571, unit="km2 a-1", sigma=0.04, is_change=True), {"area": "ha"}, "−57.1 ± 4.0 ha per year"),
        (Number(628.6, unit="km2", sigma=0.94), {"area": "m2"}, "628,600,000 ± 940,000 m²"),
    ],
)  # fmt: skip
def test_a_number_is_as_exact_in_one_unit_as_in_another(number: Number, shown: dict[str, str], text: str) -> None:
    said = wording_of("en").in_units(shown).text(number)
    assert said.replace("\u00a0", " ") == text


def test_a_sentence_is_chosen_by_its_number() -> None:
    words = wording_of("en")
    assert words.text(say("headline.with_breaks", n=count(1))).startswith("That spans a break")
    assert words.text(say("headline.with_breaks", n=count(3))).startswith("That spans 3 breaks")


def test_an_unknown_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="'klingon' is not known; known are de, en"):
        language_named("klingon")


def test_kinds_of_fronts_are_said_in_the_language_of_the_page() -> None:
    key = ("Crane", "front_position_m", "centreline", "centreline", "toy", "calving front")
    label = series_label(key, apart=False)
    assert wording_of("en").text(label) == "front position, centreline, calving front"
    assert wording_of("de").text(label) == "Lage der Front, Mittellinie, Kalbungsfront"


@pytest.mark.parametrize(
    ("language", "heading"), [("en", "## Forecast (simulated)"), ("de", "## Vorhersage (simuliert)")]
)
def test_markdown_tells_what_is_simulated_in_its_language(language: str, heading: str) -> None:
    section = Section(key="forecast", title=say("forecast.title"), blocks=(), source="simulated")
    content = Content(kind="glacier", title="Crane", sections=(section,))
    assert heading in markdown_view(content, wording=wording_of(language), mark="glaciertime").splitlines()
