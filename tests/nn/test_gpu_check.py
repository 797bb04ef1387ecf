"""The script for a machine with a GPU, tried on one without: the paths through it, not the card."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_check.py"


def run(*given: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    environment.pop("GLACIERTIME_SCAN", None)
    command = [sys.executable, "-W", "ignore", str(SCRIPT), "--device", "cpu", *given]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    out = tmp_path_factory.mktemp("gpu") / "gpu.csv"
    done = run("--quick", "--parts", "equality,scan,ssd,segment,forecast", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    return list(csv.DictReader(out.open()))


def test_every_row_names_card_date_and_versions(rows: list[dict[str, str]]) -> None:
    assert {row["part"] for row in rows} == {"equality", "scan", "ssd", "segment", "forecast"}
    for row in rows:
        assert all(row[name] for name in ("date", "card", "torch", "triton", "cuda", "case", "quantity", "value"))


def test_ratios_are_those_of_the_times_beside_them(rows: list[dict[str, str]]) -> None:
    for part in ("scan", "ssd"):
        figures = {(row["case"], row["quantity"]): row["value"] for row in rows if row["part"] == part}
        ratios = [(case, float(value)) for (case, name), value in figures.items() if name == "chunked torch / ours"]
        assert len(ratios) == 2
        for case, ratio in ratios:
            expected = float(figures[case, "chunked torch"]) / float(figures[case, "ours"])
            assert ratio == pytest.approx(expected, rel=2e-3)


def test_a_part_that_is_not_known_is_refused() -> None:
    done = run("--parts", "equalty")
    assert done.returncode == 2
    assert "part equalty given, some of equality, scan" in done.stderr


def test_without_a_gpu_it_says_so() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    command = [sys.executable, str(SCRIPT)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no GPU that torch can use here" in done.stderr
