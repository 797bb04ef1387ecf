"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, or a skip that says where it was looked for."""
    folder = Path(os.environ.get("GLACIERTIME_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (folder / "README.md").is_file():
        pytest.skip(f"no real data at {folder}; set GLACIERTIME_DATA to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def shared_cases(shared_data: Path) -> Path:
    """The folder of small inputs with known right values, or a skip that says where it was looked for."""
    folder = shared_data.parent / "cases"
    if not (folder / "README.md").is_file():
        pytest.skip(f"no cases at {folder}")
    return folder
