"""A dashboard on a free port of this machine, and a real browser without a window."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

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
def address(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard on that archive, and its folder of sessions."""
    pytest.importorskip("panel", reason="the extra 'dashboard' is not installed")
    folder = tmp_path_factory.mktemp("sessions")
    server = subprocess.Popen(
        [sys.executable, "-m", "glaciertime", "dashboard", "--port", "0", "--archive", str(archive), "--limit",
         "upload-mb=50"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    try:
        assert server.stderr is not None
        found = None
        while found is None:
            line = server.stderr.readline()
            assert line, "the server ended before it said where it is"
            found = re.search(r"http://\S+/", line)
        yield found[0]
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="session")
def sessions_folder(address: str) -> Path:
    """Where the sessions of that dashboard keep their files."""
    return Path(tempfile.gettempdir())


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


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page of the dashboard in a session of its own; errors of the page's scripts fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.set_default_timeout(240_000)
    opened.goto(address)
    opened.get_by_role("button", name="Look", exact=True).wait_for()
    yield opened
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of 1024 x 1024 pixels of 10 m, ice below dark water, dated by its name."""
    path = tmp_path_factory.mktemp("scene") / "scene_2020-08-01.tif"
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:1024, :1024]
    pixels = np.where(row < 500 + 60 * np.sin(column / 100), 30, 170) + rng.normal(0, 12, (1024, 1024))
    with rasterio.open(
        path, "w", driver="GTiff", width=1024, height=1024, count=1, dtype="uint8", crs="EPSG:3413",
        transform=Affine(10, 0, -200000, 0, -10, -2200000), compress="deflate",
    ) as raster:  # fmt: skip
        raster.write(np.clip(pixels, 1, 255).astype("uint8"), 1)
    return path
