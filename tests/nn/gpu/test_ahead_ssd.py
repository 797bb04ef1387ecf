"""The kernels of Mamba-2's scan, compiled for cards that are not here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from glaciertime.nn.gpu.launch import HAS_TRITON


@pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed: nothing to compile")
def test_every_kernel_compiles_for_cards_that_are_not_here(tmp_path: Path) -> None:
    """In every dtype (float64 for one card), in less shared memory than the smallest of such cards has."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-m", "tests.nn.gpu.ahead_of_time", "ssd"]
    done = subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    kernels = {"add_to_states", "pass_states", "mix_chunk", "gradient_of_values", "gradient_of_matrices"}
    compiled = {(row["kernel"], row["capability"], row["dtype"]) for row in rows}
    kinds = [(card, kind) for card in (80, 90) for kind in ("float16", "bfloat16", "float32")] + [(90, "float64")]
    assert compiled == {(name, *kind) for name in kernels for kind in kinds}
    assert all(row["cubin_bytes"] > 0 for row in rows)
    assert max(row["shared_bytes"] for row in rows) <= 99 * 1024
