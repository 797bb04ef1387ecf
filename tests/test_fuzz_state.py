"""The counts of the fuzzer: none twice, none lost when it is stopped, those of another machine added once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
if not (SCRIPTS / "fuzzing").is_dir():
    pytest.skip("no scripts/fuzzing: the scripts are not part of the installed package", allow_module_level=True)
sys.path.insert(0, str(SCRIPTS))

import fuzzing.batches  # noqa: E402
from fuzz import batches, goals  # noqa: E402
from fuzzing.batches import Batch, run_batches  # noqa: E402
from fuzzing.running import Finding  # noqa: E402
from fuzzing.state import State  # noqa: E402


def test_what_was_read_is_read_once(tmp_path: Path) -> None:
    state = State(tmp_path / "a.json", done={"png": 10}, following={"png": 10})
    given = list(batches(state, {"png": 1200, "json": 600}))
    assert [each for batch in given if batch.name == "png" for each in batch.numbers] == list(range(10, 1200))
    assert sorted(each for batch in given if batch.name == "json" for each in batch.numbers) == list(range(600))
    # A second run begins after what the first gave out, though it was stopped before it had read it.
    assert next(batches(state, {"png": 1200})).numbers == range(1200, 1700)


def test_a_tenth_of_the_slow_formats() -> None:
    assert goals(["png", "onnx"], per_format=20_000, until=0) == {"png": 20_000, "onnx": 2_000}
    assert goals(["png", "onnx"], per_format=1, until=1_100) == {"png": 1_000, "onnx": 100}


def test_another_state_is_taken_in_once(tmp_path: Path) -> None:
    other = State(tmp_path / "b.json", seed=2, done={"png": 7})
    other.note(Finding("png", 3, "mask", "KeyError: a", "x.py:f"))
    other.save()
    state = State(tmp_path / "a.json", done={"png": 5, "csv": 1})
    assert state.take_in(other.path) == 7
    assert (state.total("png"), state.total("csv"), state.done["png"]) == (12, 1, 5)
    assert state.findings["png mask: KeyError at x.py:f"][0]["seed"] == 2
    state.save()
    again = State.load(state.path, seed=1)
    assert again.total("png") == 12
    with pytest.raises(SystemExit, match="counts inputs that"):
        again.take_in(other.path)
    with pytest.raises(SystemExit, match="counts inputs of seed 1, --seed 2 given"):
        State.load(state.path, seed=2)


def test_the_same_seed_is_not_taken_in(tmp_path: Path) -> None:
    State(tmp_path / "b.json", seed=1, done={"png": 7}).save()
    with pytest.raises(SystemExit, match="counts inputs that"):
        State(tmp_path / "a.json").take_in(tmp_path / "b.json")


def test_workers_that_die_and_hang_are_told_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def inputs(name: str, numbers: range, seeds: object, folder: Path, *, seed: int):
        for number in numbers:
            if number == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            if number == 6:
                time.sleep(60)
            yield number, []

    monkeypatch.setattr(fuzzing.batches, "run_inputs", inputs)
    monkeypatch.setattr(fuzzing.batches, "warm_up", lambda: None)
    monkeypatch.setattr(fuzzing.batches, "_HUNG_SECONDS", 1.0)
    told: list[tuple[str, int, list[str]]] = []
    given = iter([Batch("png", range(5)), Batch("csv", range(5, 9))])
    run_batches(
        given, lambda _: [], tmp_path, seed=1, workers=2, until=time.monotonic() + 50,
        tell=lambda name, at, found: told.append((name, at, [each.what for each in found])),
    )  # fmt: skip
    assert sorted((name, at) for name, at, _ in told) == [("csv", n) for n in range(5, 9)] + [
        ("png", n) for n in range(5)
    ]
    assert [each for each in told if each[2]] == [
        ("png", 3, ["died with -9"]), ("csv", 6, ["hung for more than 1 s"])
    ]  # fmt: skip


def test_it_counts_on_after_it_was_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    State(path, done={"json": 15}, following={"json": 20}).save()
    command = [sys.executable, str(SCRIPTS / "fuzz.py"), "--state", str(path), "--only", "json", "--per-format", "30"]
    subprocess.run(command, check=True, capture_output=True)
    state = State.load(path, seed=1)
    assert (state.done, state.following) == ({"json": 30}, {"json": 35})


def test_a_worker_that_others_keep_from_the_processor_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    process = fuzzing.batches._FORK.Process(target=time.sleep, args=(0,))
    long_ago = time.monotonic() - 10 * fuzzing.batches._HUNG_SECONDS
    worker = fuzzing.batches._Running(Batch("png", range(5)), process, None, 0, long_ago, 100.0)  # type: ignore[arg-type]
    for state, cpu_s, hangs in (("R", 105.0, False), ("R", 185.0, True), ("S", 105.0, True)):
        monkeypatch.setattr(fuzzing.batches, "_state_of", lambda _, told=(state, cpu_s): told)
        assert worker.hangs() is hangs
    worker.heard = time.monotonic()
    assert not worker.hangs()


def test_the_state_of_a_process_is_told() -> None:
    before = fuzzing.batches._state_of(os.getpid())
    sum(range(3_000_000))
    after = fuzzing.batches._state_of(os.getpid())
    assert before[0] == after[0] == "R"
    assert before[1] < after[1] <= time.process_time() + 0.05
