"""The script for a machine with a GPU, tried on one without: the paths through it, not the card."""

from __future__ import annotations

import csv
import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_check.py"


def run(*given: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    environment.pop("GLACIERTIME_SCAN", None)
    command = [sys.executable, "-W", "ignore", str(SCRIPT), "--device", "cpu", *given]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module("gpu_check")


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


def test_what_no_time_is_left_for_is_told(tmp_path: Path) -> None:
    out = tmp_path / "gpu.csv"
    done = run("--quick", "--parts", "segment,tests", "--seconds", "0", "--out", str(out))
    assert done.returncode == 1
    left_out = [row for row in csv.DictReader(out.open()) if row["quantity"] == "failed"]
    assert [row["part"] for row in left_out] == ["segment", "tests"]
    assert all(row["value"] == "left out: the time for it was used up (--seconds)" for row in left_out)


def test_no_part_takes_the_time_that_is_kept_for_later_ones(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(check.time, "perf_counter", lambda: now[0])
    began = []

    def slow_case(report: object, **_: object) -> None:
        began.append(report.part)
        while report.has_time("case"):
            now[0] += 10.0

    for name in ("check_equality", "train_networks", "run_tests"):
        monkeypatch.setattr(check, name, slow_case)
    given = ["", "--device", "cpu", "--parts", "equality,training,tests", "--seconds", "100"]
    monkeypatch.setattr(sys, "argv", [*given, "--out", str(tmp_path / "gpu.csv")])
    assert check.main() == 1
    assert began == ["equality", "training", "tests"]
    assert now[0] < 111


def test_a_backend_is_chosen_outside_of_what_is_timed(check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_SCAN", "reference")
    seen = []
    calls = {name: (name, lambda: seen.append(os.environ["GLACIERTIME_SCAN"])) for name in ("compiled", "chunked")}
    before = []
    monkeypatch.setattr(
        check, "milliseconds_of", lambda call, device: (before.append(os.environ["GLACIERTIME_SCAN"]), call(), 1.0)[2]
    )
    assert check.milliseconds(calls, "cpu", 2) == {"compiled": 1.0, "chunked": 1.0}
    assert before == seen
    # Two runs that do not count and two that do, and the turns forwards and backwards.
    assert [name for place, name in enumerate(seen) if place % 4 == 0] == [
        "compiled", "chunked", "chunked", "compiled", "compiled", "chunked",
    ]  # fmt: skip
    assert os.environ["GLACIERTIME_SCAN"] == "reference"


@pytest.mark.parametrize(
    ("device", "told", "status", "fails"),
    [
        ("cuda", "3 passed in 1 s", 0, False),
        ("cuda", "1 failed, 2 passed in 1 s", 1, True),
        # A card on which nothing was tried is no card that was checked.
        ("cuda", "3 skipped in 1 s", 0, True),
        ("cuda", "1 skipped in 1 s", 5, True),
        ("cpu", "3 skipped in 1 s", 0, False),
        ("cpu", "1 skipped in 1 s", 5, False),
        ("cpu", "1 error in 1 s", 2, True),
    ],
)
def test_what_was_not_tried_on_a_card_has_not_passed(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, told: str, status: int, fails: bool
) -> None:
    done = subprocess.CompletedProcess([], status, stdout=f"===== {told} =====\n", stderr="")
    monkeypatch.setattr(check.subprocess, "run", lambda *_, **__: done)
    report = check.Report(tmp_path / "gpu.csv", "cpu", seconds=100)
    report.device = device
    check.run_tests(report)
    assert bool(report.failed) == fails


def test_without_a_gpu_it_says_so() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    command = [sys.executable, str(SCRIPT)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no GPU that torch can use here" in done.stderr
