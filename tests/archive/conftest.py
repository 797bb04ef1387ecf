"""Archives of every kind: a GeoPackage file, a folder of GeoParquet, tables on a PostGIS server."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from glaciertime.archive import Archive

KINDS = ("file", "folder", "server")


@pytest.fixture
def new_archive(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], Archive]:
    """Make archives of the kinds that are named, each another."""
    numbers = count()

    def make(kind: str) -> Archive:
        name = f"archive{next(numbers)}"
        if kind == "server":
            return Archive(request.getfixturevalue("postgis").new_database())
        if kind == "folder":
            pytest.importorskip("duckdb", reason="duckdb is not installed here: pip install 'glaciertime[folder]'")
        return Archive(tmp_path / (f"{name}.gpkg" if kind == "file" else name))

    return make


@pytest.fixture(params=KINDS)
def archive(request: pytest.FixtureRequest, new_archive: Callable[[str], Archive]) -> Archive:
    """An archive of each kind that holds nothing yet."""
    return new_archive(request.param)
