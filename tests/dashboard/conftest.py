"""A dashboard on a free port of this machine, and a real browser without a window."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard_server import draw_scene, served

WIDE_PX = 1280
SCENE_PX = 512
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a simulated Crane."""
    path = tmp_path_factory.mktemp("dashboard") / "crane.gpkg"
    environment = {name: value for name, value in os.environ.items() if name != "GLACIERTIME_DATA"}
    subprocess.run(
        [sys.executable, "-m", "glaciertime", "track", "--glacier", "Crane", "--archive", str(path)],
        check=True, capture_output=True, env=environment, cwd=path.parent,
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
def sessions_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sessions of that dashboard keep their files."""
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="session")
def address(archive: Path, sessions_folder: Path) -> Iterator[str]:
    """The address of a dashboard on that archive."""
    pytest.importorskip("panel", reason="the extra 'dashboard' is not installed")
    with served(sessions_folder, "--archive", str(archive), "--limit", "upload-mb=50") as (found, _):
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser, or a skip that says what is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def session(browser: Any, address: str) -> Iterator[tuple[Any, list[str]]]:
    """A page of the dashboard that the tests of a module share, and what went wrong in its scripts."""
    context = browser.new_context(viewport={"width": WIDE_PX, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.set_default_timeout(120_000)
    opened.goto(address)
    opened.get_by_role("button", name="Look", exact=True).wait_for()
    yield opened, errors
    context.close()


@pytest.fixture
def page(session: tuple[Any, list[str]]) -> Iterator[Any]:
    """That page, wide; errors of its scripts fail the test."""
    opened, errors = session
    yield opened
    opened.set_viewport_size({"width": WIDE_PX, "height": 900})
    assert errors == []


@pytest.fixture(scope="session")
def axe() -> Path:
    """The script of axe-core, which looks at what is read aloud and at contrasts, or a skip that says how to get it."""
    path = Path(os.environ.get("GLACIERTIME_AXE", "axe.min.js"))
    if not path.is_file():
        pytest.skip("axe-core is no part of this: npm install axe-core, and name its axe.min.js in GLACIERTIME_AXE")
    return path


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of 512 x 512 pixels of 10 m, ice below dark water, dated by its name."""
    path = tmp_path_factory.mktemp("scene") / "scene_2020-08-01.tif"
    draw_scene(path, side=SCENE_PX, number=5)
    return path
