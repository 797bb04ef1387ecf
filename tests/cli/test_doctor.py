"""The doctor tells what works, and what is missing with how to get it."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from .conftest import Command


def found(command: Command, *arguments: str, code: int = 0) -> dict[str, Any]:
    result = command("doctor", "--json", *arguments)
    assert result.code == code, result
    return result.json


def named(findings: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(finding for finding in findings if finding["name"].startswith(name))


def test_versions_are_those_installed(command: Command) -> None:
    import rasterio

    told = found(command)
    assert told["works"] is True
    assert named(told["libraries"], "numpy")["value"] == metadata.version("numpy")
    assert named(told["GDAL"], "GDAL of rasterio")["value"] == rasterio.__gdal_version__
    assert "GTiff" in named(told["GDAL"], "drivers")["value"]


def test_a_missing_library_is_told_with_how_to_get_it(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = metadata.version

    def version(name: str) -> str:
        if name in ("numba", "openpyxl"):
            raise metadata.PackageNotFoundError(name)
        return "1.26.4" if name == "numpy" else usual(name)

    monkeypatch.setattr(metadata, "version", version)
    told = found(command, code=1)
    assert told["works"] is False
    assert named(told["libraries"], "numba")["remedy"].startswith("pip install 'numba>=")
    assert named(told["libraries"], "numpy")["state"] == "wrong", "too old"
    assert named(told["extras"], "openpyxl") == {
        "name": "openpyxl", "value": "for spreadsheets (.xlsx)", "state": "missing",
        "remedy": "pip install 'glaciertime[excel]'",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "state", "text"),
    [(None, "ok", "not there yet"), (b"no archive at all", "wrong", "damaged or is no GeoPackage")],
)
def test_the_archive_is_looked_at(command: Command, content: bytes | None, state: str, text: str) -> None:
    if content is not None:
        Path("glaciertime.gpkg").write_bytes(content)
    (told,) = found(command, code=0 if state == "ok" else 1)["archive"]
    assert (told["state"], text in told["value"]) == (state, True)


def test_folders_and_variables_are_told_without_secrets(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "a.zip").write_bytes(bytes(2_500_000))
    monkeypatch.setenv("GLACIERTIME_DOWNLOADS", str(cache))
    monkeypatch.setenv("GLACIERTIME_DATA", str(tmp_path / "gone"))
    monkeypatch.setenv("GLACIERTIME_MIRROR", "https://anna:geheim@example.org")
    result = command("doctor", "--json")
    folders = result.json["folders"]
    assert "1 file, 2.5 MB" in named(folders, "downloads")["value"]
    assert named(folders, "data")["state"] == "wrong"
    assert "geheim" not in result.out


def test_the_text_says_what_does_not_work(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("doctor").out.endswith("works\n")
    monkeypatch.setattr(sys.modules["glaciertime.cli.doctor"], "_gdal", lambda: 1 / 0)
    result = command("doctor")
    assert result.code == 1
    assert "WRONG: ZeroDivisionError: division by zero" in result.out


def test_limits_are_told_as_they_hold(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_MAX_VERTICES", "1234")
    told = named(found(command)["limits"], "vertices (GLACIERTIME_MAX_VERTICES)")
    assert told["value"].startswith("1,234 ")
    monkeypatch.setenv("GLACIERTIME_MAX_VERTICES", "many")
    assert found(command, code=1)["limits"][0]["state"] == "wrong"
