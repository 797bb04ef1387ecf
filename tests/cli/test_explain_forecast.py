"""``glaciertime explain-forecast`` in process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from glaciertime.__main__ import run


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """One glacier that loses 2 m a year, and 30 m less in its last one."""
    monkeypatch.chdir(tmp_path)
    rows = [f"Toy,{2000 + k}-01-01,length_m,{1000 - 2 * k - 30 * (k == 11)},m" for k in range(12)]
    Path("toy.csv").write_text("glacier,date,variable,value,unit\n" + "\n".join(rows) + "\n")
    assert run(["import", "toy.csv", "--archive", "toy.gpkg"]) == 0
    capsys.readouterr()
    return tmp_path / "toy.gpkg"


def test_the_observation_that_the_forecast_hangs_on_is_told_and_drawn(archive, capsys) -> None:
    given = ["explain-forecast", "--glacier", "Toy", "--until", "2015", "--archive", "toy.gpkg", "--model", "last"]
    assert run([*given, "--out", "why.png", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    moved = {row["date"]: row["moves_median"] for row in found["observations"]}
    assert moved.pop("2011-01-01") == pytest.approx(-32.0)
    assert set(moved.values()) == {0.0}
    assert Image.open("why.png").size[0] > 500
    assert run(["why", "why.png"]) == 0
    assert "length_m" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--out", "why.pdf"], ".png expected"),
        (["--model", "lasst"], "last"),
        (["--glacier", "Tay"], "Toy"),
        (["--out", "toy.csv.png", "--until", "1999"], "does not lie after"),
        (["--weights", "n.onnx"], "n.onnx"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(archive, capsys, given, told) -> None:
    base = ["explain-forecast", "--glacier", "Toy", "--until", "2015", "--archive", "toy.gpkg", "--out", "why.png",
            "--model", "last"]  # fmt: skip
    assert run([*base, *given]) in (1, 2)
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not Path("why.png").exists()
