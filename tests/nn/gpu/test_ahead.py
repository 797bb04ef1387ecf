"""The kernels of both scans, compiled for cards that are not here; needs Triton, no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from glaciertime.nn.gpu.launch import HAS_TRITON

KERNELS = {
    "scan": {"chunk_ends", "outputs", "carry", "chunk_starts", "gradients", "totals"},
    "ssd": {"add_to_states", "pass_states", "mix_chunk", "gradient_of_values", "gradient_of_matrices"},
}
KINDS = [(card, kind) for card in (80, 90) for kind in ("float16", "bfloat16", "float32")] + [(90, "float64")]
FORMS = {
    "scan": {(80, "bare"), (80, "channels last"), (90, "every argument"), (90, "bare")},
    "ssd": {(80, "small"), (80, "usual"), (90, "small")},
}


@pytest.fixture(scope="module")
def every_row(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    if not HAS_TRITON:
        pytest.skip("Triton is not installed: nothing to compile")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton")), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.nn.gpu.ahead"],
        env=environment, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("scan", ["scan", "ssd"])
def test_every_kernel_compiles_for_cards_that_are_not_here(scan: str, every_row: list[dict[str, object]]) -> None:
    """In every dtype (float64 for one card), in less shared memory than the smallest of such cards has."""
    rows = [row for row in every_row if row["scan"] == scan]
    compiled = {(row["kernel"], row["capability"], row["dtype"]) for row in rows}
    assert compiled == {(name, *kind) for name in KERNELS[scan] for kind in KINDS}
    for form in FORMS[scan]:
        assert {row["kernel"] for row in rows if (row["capability"], row["form"]) == form} == KERNELS[scan]
    assert all(row["cubin_bytes"] > 1000 for row in rows)
    assert max(row["shared_bytes"] for row in rows) <= 99 * 1024
