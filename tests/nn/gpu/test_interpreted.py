"""Runs the files in ``interpreted`` in a process in which Triton interprets its kernels on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not installed: its kernels are not interpreted")

FOLDER = Path(__file__).parent / "interpreted"


def test_in_the_interpreter() -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GLACIERTIME_SCAN"))}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER)],
        env=kept | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    # Nothing collected is an error too.
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
