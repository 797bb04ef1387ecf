"""``glaciertime plot`` writes a picture that says what made it, and refuses what it does not use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glaciertime.writing.marks import read_mark

from .conftest import Command


@pytest.fixture
def tracked(command: Command, masks: Path, manifest: Path) -> Command:
    assert command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks).code == 0
    return command


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_picture_names_its_run_and_is_replaced_by_the_same_command(tracked: Command, suffix: str) -> None:
    out = f"a.{suffix}"
    assert tracked("plot", "fronts", "--glacier", "toy", "--out", out).code == 0
    assert read_mark(Path(out)) == "glaciertime plot"
    first = Path(out).read_bytes()
    assert tracked("plot", "fronts", "--glacier", "toy", "--out", out).code == 0
    assert Path(out).read_bytes() == first
    told = tracked("why", out, "--json").json[0]
    assert told["run"]["command"] == f"glaciertime plot fronts --glacier toy --out {out}"
    Path(out).write_bytes(b"mine")
    refused = tracked("plot", "fronts", "--glacier", "toy", "--out", out)
    assert (refused.code, refused.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("frnts", "--glacier", "Toy"), "no plot 'frnts', did you mean fronts?"),
        (("fronts", "--glacier", "Toy", "--model", "last"), "--model: the plot fronts does not use it"),
        (("fronts", "--glacier", "Toy", "--variable", "area_km2"), "--variable: the plot fronts does not use it"),
        (("series", "--glacier", "Toy", "--model", "last"), "--model: the plot series does not use it"),
        (("series", "--glacier", "Toy", "--evaluation", "e.json"), "--evaluation: the plot series does not use it"),
        (("series", "--glacier", "Toy", "--source", "seen"), "--source 'seen' is not known"),
        (("series", "--glacier", "Toy", "--footprint", "imag"), "no footprint 'imag', did you mean image?"),
        (("series",), "give --glacier NAME"),
        (("confusion", "--glacier", "Toy", "--evaluation", "e.json"), "--glacier: the plot confusion does not use it"),
        (("confusion",), "give --evaluation FILE.json"),
        (("confusion", "--evaluation", "none.json"), "none.json"),
        (("seasonal", "--glacier", "Toy"), "there is no cycle to draw"),
        (("fan", "--glacier", "Toy"), "run glaciertime forecast --glacier Toy"),
        (("series", "--glacier", "Joy"), "Toy"),
    ],
)  # fmt: skip
def test_what_is_not_used_or_not_there_is_refused(tracked: Command, given: tuple[str, ...], said: str) -> None:
    Path("e.json").write_text("{}")
    result = tracked("plot", *given, "--out", "a.svg")
    assert result.code in (1, 2)
    assert said in result.err
    assert result.err.count("\n") == 1
    assert not Path("a.svg").exists()


@pytest.mark.parametrize("out", ["a.jpg", "a", "a.html"])
def test_another_suffix_is_refused(tracked: Command, out: str) -> None:
    result = tracked("plot", "fronts", "--glacier", "Toy", "--out", out)
    assert result.code == 2
    assert "ends in .svg, .png, .pdf" in result.err


def test_confusion_is_drawn_of_a_file(command: Command) -> None:
    held = {"confusion": {"labels_by_row": ["ice", "sea"], "pixels": [[3, 1], [0, 4]]}}
    Path("e.json").write_text(json.dumps(held))
    assert command("plot", "confusion", "--evaluation", "e.json", "--out", "c.svg").code == 0
    assert "<!-- 75.0% -->" in Path("c.svg").read_text()
    assert command("plot", "confusion", "--evaluation", "e.json", "--out", "e.json").code == 2
