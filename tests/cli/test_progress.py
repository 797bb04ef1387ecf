"""What takes longer than two seconds says on a terminal what is being done; --quiet says nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Command
from .test_examples import inventory

COMMANDS = {
    "reading masks": ["export-masks", "masks", "--glacier", "Toy", "--out", "toy.nc"],
    "reading": ["table", "--all"],
    "looking at every row": ["archive", "check", "glaciertime.gpkg"],
    "copying every row": ["archive", "convert", "glaciertime.gpkg", "folder"],
    "cutting both along the divides": ["inventories", "a.gpkg", "b.gpkg"],
    "writing the report": ["report", "--glacier", "Toy", "--out", "toy.md"],
}


def test_a_terminal_is_told_what_is_being_done(
    command: Command, masks: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Toy", "Two"):
        place = manifest.with_name(f"{name}.yaml")
        place.write_text(manifest.read_text().replace("Toy", name))
        assert command("track", "--glacier", name, "--data", masks, "--manifest", place).code == 0
    inventory(1970, 0.0).to_file("a.gpkg")
    inventory(2015, 0.01).to_file("b.gpkg")
    for said, typed in COMMANDS.items():
        result = command(*typed)
        assert (result.code, said in result.err) == (0, False), result.err
    monkeypatch.setenv("FORCE_COLOR", "1")  # what a terminal is to rich
    Path("folder").rename("before")
    for said, typed in COMMANDS.items():
        more = ["--overwrite"] if "--out" in typed else []
        assert said in command(*typed, *more).err
        assert said not in command(*typed, *more, "--quiet").err
