"""A catalogue that is served, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import Catalogue, catalogue_served


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    """A catalogue on localhost without items; windows are kept in a folder of the test."""
    monkeypatch.setenv("GLACIERTIME_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.delenv("GLACIERTIME_STAC", raising=False)
    monkeypatch.setattr("glaciertime.scenes.sources.web.WAIT_S", 0.0)
    with catalogue_served() as served:
        yield served
