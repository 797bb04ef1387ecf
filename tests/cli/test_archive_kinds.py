"""Every command takes an archive of every kind, gives the same numbers, and tells no password."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.postgis_server import LocalServer

from .conftest import Command, Result

PASSWORD = "ge%40heim"


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest, command: Command) -> str:
    """Where a new archive of a kind is."""
    if request.param == "folder":
        return "store"
    server: LocalServer = request.getfixturevalue("postgis")
    return server.new_database().replace("@", f":{PASSWORD}@")


@pytest.fixture
def track(command: Command, masks: Path, manifest: Path) -> Callable[..., Result]:
    def call(*more: object) -> Result:
        return command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks, *more)

    return call


def test_crane_is_the_same_in_every_kind(command: Command, shared_data: Path, place: str) -> None:
    if not (shared_data / "coastlines").is_dir():
        pytest.skip(f"no coastlines in {shared_data}")
    assert command("track", "--glacier", "Crane", "--data", shared_data).code == 0
    assert command("archive", "convert", "glaciertime.gpkg", place).code == 0
    dates = ("--from", "2002-03-15", "--to", "2010-03-15", "--json")
    asked = [("table", "--glacier", "Crane", *dates), ("series", "--glacier", "Crane", "--json"),
             ("forecast", "--glacier", "Crane", "--until", "2030", "--model", "drift", "--json")]  # fmt: skip
    for one in asked:
        assert command(*one, "--archive", place).out == command(*one).out != ""
    row = command(*asked[0], "--archive", place).json[0]
    assert row["start_area_km2"] == pytest.approx(654.08, abs=0.02)
    assert row["end_area_km2"] == pytest.approx(622.95, abs=0.02)
    assert row["loss_km2"] == pytest.approx(31.13, abs=0.02)
    pages = []
    for given in (place, "glaciertime.gpkg"):
        assert command("report", "--glacier", "Crane", "--out", "crane.html", "--archive", given).code == 0
        page = Path("crane.html").read_text()
        assert "heim" not in page
        # The run tells the archive, and the pictures tell the run.
        page = re.sub(r'<meta name="GLACIERTIME_RUN"[^>]*>|data:image/[^"]*|run [0-9a-f]{16}', "", page)
        pages.append(page)
    assert pages[0] == pages[1]


def test_every_command_takes_it_and_no_password_is_told(
    track: Callable[..., Result], command: Command, place: str
) -> None:
    at = ("--archive", place, "--log-file", "all.log", "--log-level", "debug")
    said = []

    def ask(*arguments: object, code: int = 0) -> Result:
        result = command(*arguments)
        assert result.code == code, result.err
        said.append(result.out + result.err)
        return result

    first = track(*at)
    assert first.code == 0, first.err
    said.append(first.out + first.err)
    assert "heim" not in track("--prune", "--dry-run", *at).err
    rows = ask("table", "--glacier", "Toy", "--json", *at).json
    ask("why", rows[0]["start_row"], *at)
    ask("export", "--glacier", "Toy", "--table", "fronts", "--format", "geojson", "--out", "f.geojson", *at)
    ask("archive", "check", place)
    for one in ("backup", "repair"):
        assert "is for a GeoPackage file" in ask("archive", one, place, code=2).err
    ask("archive", "merge", "new.gpkg", place)
    ask("archive", "merge", place, "new.gpkg")
    ask("forget", "--glacier", "Toy", "--dry-run", *at)
    ask("forget", "--glacier", "Toy", *at)
    ask("forget", "--glacier", "Toy", *at, code=2)
    assert "holds something already" in ask("archive", "convert", "new.gpkg", place, code=2).err
    kept = Path("all.log").read_text() + Path("f.geojson.run.json").read_text()
    assert "heim" not in "".join(said) + kept
    held = Path("new.gpkg").read_bytes()
    assert b"heim" not in held
    assert b"track" in held


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("mysql://anna:geheim@host/db", "is no place of an archive"),
        ("postgresql://anna:ge/heim@host:x/db", "the address of the server cannot be read"),
        ("postgresql://anna:geheim@127.0.0.1:1/db", "no server answers there"),
    ],
)
def test_a_place_that_is_none_is_one_sentence(command: Command, place: str, message: str) -> None:
    for arguments in (("table", "--archive", place), ("archive", "check", place)):
        result = command(*arguments)
        assert result.code in (1, 2)
        assert message in re.sub(r"[\s│]+", " ", result.err)
        assert "heim" not in result.err + result.out
