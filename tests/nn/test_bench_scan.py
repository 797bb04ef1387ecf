"""The benchmark's own judgement, without timing anything."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.nn.cases import relative_error


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "bench_scan.py"
    spec = importlib.util.spec_from_file_location("bench_scan", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(ratio: float, noise: float = 0.1, error: float = 1e-7, mode: str = "forward") -> dict[str, object]:
    return {
        "batch": 1,
        "length": 64,
        "mode": mode,
        "best": "unbind",
        "ratio": ratio,
        "noise": noise,
        "error": error,
    }


def test_check_fails_only_below_the_floor_by_more_than_the_noise(
    bench: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.check([row(2.6), row(2.4), row(3.9, mode="forward+backward")]) == 0
    assert bench.check([row(2.2), row(3.7, mode="forward+backward")]) == 2
    assert "2.20 times faster than unbind, expected 2.5" in capsys.readouterr().err
    assert bench.check([row(2.2, noise=0.2)]) == 0


def test_check_fails_on_an_inexact_scan(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.check([row(9.0, error=2e-5)]) == 1
    assert "relative error 2.0e-05, expected at most 1e-05" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mambapy", "unbind", "index"])
def test_every_contender_computes_the_same_scan(bench: ModuleType, name: str) -> None:
    if name == "mambapy":
        pytest.importorskip("mambapy", reason="mambapy is an extra for the benchmark")
    expected = bench.ours(*bench.make_inputs(2, 20, "cpu")).detach()
    found = bench.CONTENDERS[name](*bench.make_inputs(2, 20, "cpu", name=name))
    found = found.mT if name == "mambapy" else found
    assert relative_error(found, expected) < 1e-5


def test_every_contender_is_timed_in_every_round_unless_it_cannot_win(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    durations = {"ours": 1.0, "quick": 2.0, "slow": 1e6}
    monkeypatch.setattr(bench, "seconds", lambda call, clock, device: durations[call()])
    contenders = {name: lambda name=name: (calls.append(name), name)[1] for name in durations}
    times = bench.time_in_turn(contenders, 7, "wall", "cpu")
    assert times == {"ours": [1.0] * 7, "quick": [2.0] * 7, "slow": [1e6]}
    assert calls.count("slow") == 1


def test_a_contender_too_slow_for_more_than_one_run_can_still_be_the_best(bench: ModuleType) -> None:
    assert bench.spread_of_ratio([6.0], [1.0] * 7) == 0
    assert bench.spread_of_ratio([6.0], [1.0, 2.0, 3.0]) == bench.spread_of_median([6.0, 3.0, 2.0])


def test_noise_is_the_spread_of_the_median(bench: ModuleType) -> None:
    assert bench.spread_of_median([3.0] * 9) == 0
    values = torch.randn(2001, generator=torch.Generator().manual_seed(0)).tolist()
    assert bench.spread_of_median(values) == pytest.approx(1.2533 / 2001**0.5, rel=0.1)
