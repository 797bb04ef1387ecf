"""One file of settings: the environment stands above it, what is typed above both; what it says wrong is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Command


@pytest.fixture
def settled(command: Command, masks: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """An archive in another folder, and a file of settings that names it."""
    for name in ("GLACIERTIME_ARCHIVE", "GLACIERTIME_FORECASTERS", "GLACIERTIME_UNITS", "GLACIERTIME_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", "no-settings")
    Path("kept").mkdir()
    Path("glaciertime.toml").write_text('archive = "kept/mine.gpkg"\ndata = "masks"\nmodels = ["last"]\n')
    assert command("track", "--glacier", "Toy", "--manifest", manifest).code == 0
    return command


def test_the_archive_and_the_data_are_those_of_the_file(settled: Command) -> None:
    assert Path("kept/mine.gpkg").is_file()
    assert not Path("glaciertime.gpkg").exists()
    told = settled("export", "--glacier", "Toy", "--out", "a.csv")
    assert told.code == 0
    assert f"archive: {Path('kept/mine.gpkg').resolve()}, as set by" in told.err
    assert "GLACIERTIME_ARCHIVE" not in os.environ, "what a command sets ends with it"


def test_the_environment_is_above_the_file_and_what_is_typed_above_both(
    settled: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLACIERTIME_ARCHIVE", "other.gpkg")
    absent = settled("export", "--glacier", "Toy", "--out", "a.csv")
    assert (absent.code, "other.gpkg" in absent.err) == (1, True)
    typed = settled("export", "--glacier", "Toy", "--out", "a.csv", "--archive", "kept/mine.gpkg")
    assert typed.code == 0
    assert "as set by" not in typed.err


def test_the_forecasters_are_those_of_the_file(settled: Command) -> None:
    result = settled("forecast", "--glacier", "Toy", "--until", "2005", "--json", "--variable", "front_position_m")
    assert result.code == 0, result.err
    assert {row["model"] for row in result.json} == {"last"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("archve = 'a.gpkg'", "unknown key 'archve', did you mean archive?; known are archive, data, models, units"),
        ("archive = 3", "archive is a path"),
        ("models = []", "models are names of forecasters"),
        ("units = 'km'", "units are a table"),
        ("[units]\nlength = 'mile'", "the unit 'mile' of length is not known; known are m, km"),
        ("[units]\nmass = 'Gt'", "units of 'mass' are not known; known are length, area"),
        ("archive = ", "is no file of settings in TOML"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_and_doctor_says_why(settled: Command, text: str, said: str) -> None:
    Path("glaciertime.toml").write_text(text)
    result = settled("catalog")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert said in result.err
    assert settled("--version").code == 0
    doctor = settled("doctor", "--json")
    assert said in doctor.json["settings"][0]["value"]
    assert doctor.code == 1


def test_doctor_says_which_file_was_read(settled: Command) -> None:
    told = str(settled("doctor", "--json").json["settings"])
    assert str(Path("glaciertime.toml").resolve()) in told
    Path("glaciertime.toml").unlink()
    assert "none" in str(settled("doctor", "--json").json["settings"])


def test_a_named_file_that_is_not_there_is_refused(settled: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_CONFIG", "nowhere.toml")
    assert "names nowhere.toml, which is no file" in settled("catalog").err


def test_plots_are_drawn_in_the_units_of_the_file(settled: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes

    labels: list[str] = []
    real = Axes.set_ylabel

    def noted(self: Axes, text: str, *given: object, **named: object) -> object:
        labels.append(text)
        return real(self, text, *given, **named)

    monkeypatch.setattr(Axes, "set_ylabel", noted)
    Path("glaciertime.toml").write_text("archive = 'kept/mine.gpkg'\n[units]\nlength = 'km'\narea = 'ha'\n")
    assert settled("plot", "series", "--glacier", "Toy", "--out", "a.svg").code == 0
    assert labels[-1] == "front position (towards the sea) (km)"
    assert settled("plot", "series", "--glacier", "Toy", "--variable", "area_km2", "--out", "b.svg").code == 0
    assert labels[-1] == "area (ha)"


def test_numbers_whose_columns_name_their_units_say_that_they_keep_them(
    settled: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "the units that are set are those of reports and plots; table keeps m and km2"
    assert said not in settled("table", "--glacier", "Toy").err
    monkeypatch.setenv("GLACIERTIME_UNITS", "length=km,area=ha")
    assert said in settled("table", "--glacier", "Toy").err
    assert said not in settled("table", "--glacier", "Toy", "--quiet").err


def test_quiet_says_the_result_alone_and_that_something_failed(settled: Command, masks: Path, manifest: Path) -> None:
    loud = settled("export", "--glacier", "Toy", "--out", "a.csv")
    quiet = settled("export", "--glacier", "Toy", "--out", "a.csv", "--quiet")
    assert (quiet.code, quiet.err, quiet.out) == (0, "", loud.out)
    assert loud.err
    (masks / "toy_2009-03-15.tif").write_bytes(b"no raster")
    failed = settled("track", "--glacier", "Toy", "--manifest", manifest, "--quiet")
    assert failed.code == 3
    assert "something failed" in failed.err
    refused = settled("export", "--glacier", "Joy", "--out", "a.csv", "--quiet")
    assert refused.code != 0
    assert "Toy" in refused.err


def test_quiet_is_no_part_of_what_is_kept_of_a_run(settled: Command) -> None:
    assert settled("export", "--glacier", "Toy", "--out", "a.csv").code == 0
    first = Path("a.csv.run.json").read_text()
    assert settled("export", "--glacier", "Toy", "--out", "a.csv", "--quiet").code == 0
    assert Path("a.csv.run.json").read_text() == first


def test_completion_can_be_installed(command: Command) -> None:
    help_text = command("--help").out
    assert "--install-completion" in help_text
    assert "--show-completion" in help_text
