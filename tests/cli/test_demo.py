"""The demo shows commands that are there, and begins in an empty folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.main import get_command

from glaciertime.cli import app
from glaciertime.cli.demo import STEPS

from .conftest import Command


def test_its_steps_are_commands_with_options_that_they_have() -> None:
    known = get_command(app).commands  # type: ignore[attr-defined]
    for _, (name, *rest) in STEPS:
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, name


def test_it_prints_what_it_types_and_ends_with_the_folder(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (("the glaciers", ("catalog",)), ("the data", ("data", "list")))
    monkeypatch.setattr(sys.modules["glaciertime.cli.demo"], "STEPS", steps)
    result = command("demo", "--out", "shown")
    assert result.code == 0
    assert "$ glaciertime catalog" in result.err
    assert "[2/2] the data" in result.err
    assert result.out.splitlines()[-1] == "shown"
    assert Path("shown").is_dir()
    assert Path.cwd().name != "shown"


def test_a_step_that_fails_ends_it_with_its_code(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (("nothing", ("table", "--archive", "none.gpkg")),)
    monkeypatch.setattr(sys.modules["glaciertime.cli.demo"], "STEPS", steps)
    before = Path.cwd()
    result = command("demo", "--out", "shown")
    assert result.code == 1
    assert "there is no archive" in result.err
    assert Path.cwd() == before


def test_a_folder_with_files_is_refused(command: Command) -> None:
    Path("mine").mkdir()
    Path("mine/a.txt").write_text("mine")
    result = command("demo", "--out", "mine")
    assert result.code == 2
    assert "not empty" in result.err
