"""Fixtures that several rooms share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.postgis_server import LocalServer, NoServerError, local_server

# A machine under load takes its time: no example of any test fails for that.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a disk of so many bytes; skips where that is not allowed."""
    mounted: list[Path] = []

    def mount(size_bytes: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        try:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no small disk can be mounted here ({getattr(error, 'stderr', error)})")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


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


@pytest.fixture(scope="session")
def postgis() -> Iterator[LocalServer]:
    """A server of our own, or a skip that says what is missing."""
    pytest.importorskip("psycopg", reason="psycopg is not installed here: pip install 'glaciertime[postgis]'")
    try:
        with local_server() as server:
            yield server
    except NoServerError as error:
        pytest.skip(str(error))
