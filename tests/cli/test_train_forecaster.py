"""``glaciertime train-forecaster``, and its network in ``forecast`` and ``backtest``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from glaciertime.__main__ import run

from .conftest import Command

pytest.importorskip("torch", reason="the extra 'train' is not installed")


@pytest.fixture(scope="module")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve glaciers, a value a year from 1950 to 2009."""
    rng = np.random.default_rng(0)
    rows = ["glacier,date,variable,value,unit"]
    for number in range(12):
        values = 5000 + np.cumsum(rng.normal(-12, 9, 60))
        rows += [f"Glacier {number},{1950 + k}-01-01,length_m,{value:.1f},m" for k, value in enumerate(values)]
    path = tmp_path_factory.mktemp("series") / "lengths.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def network(lengths: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little network taught until 1990."""
    path = tmp_path_factory.mktemp("network") / "a.onnx"
    told = ["--model", "lstm", "--until", "1990-01-01", "--steps", "6", "--out", str(path)]
    assert run(["train-forecaster", "--data", str(lengths), *told]) == 0
    return path


def taught(command: Command, lengths: Path, *more: object) -> dict:
    """Teach a little network and return what is said of it."""
    done = command("train-forecaster", "--data", lengths, "--steps", "6", "--json", *more)
    assert done.code == 0, done.err
    (row,) = done.json
    return row


def test_equal_runs_give_equal_weights_and_nothing_of_the_future_is_learned(
    command: Command, lengths: Path, network: Path, tmp_path: Path
) -> None:
    later = tmp_path / "other" / "lengths.csv"
    later.parent.mkdir()
    parts = [line.split(",") for line in lengths.read_text().splitlines()]
    for k, part in enumerate(parts[1:]):
        if part[1] > "1990-01-01":
            part[3] = str(100.0 + 7 * (k % 11))
    later.write_text("\n".join(",".join(part) for part in parts) + "\n")
    row = taught(command, later, "--model", "lstm", "--until", "1990-01-01", "--out", "b.onnx")
    assert (row["glaciers"], row["later_targets"] > 0) == (12, True)
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (network, Path("b.onnx")))
    assert first == second
    assert "1990-01-01" in command("why", "b.onnx").out


def test_a_network_is_used_from_its_date_on_and_refused_before(command: Command, lengths: Path, network: Path) -> None:
    assert command("import", lengths).code == 0
    asked = ["forecast", "--glacier", "Glacier 3", "--until", "2015", "--model", "lstm", "--json"]
    own, shipped = command(*asked, "--weights", network), command(*asked)
    assert own.code == shipped.code == 0
    medians = [[row["value"] for row in done.json if row["quantile"] == 0.5] for done in (own, shipped)]
    assert medians[0] != medians[1]
    early = command(*asked, "--cutoff", "1985-01-01", "--weights", network)
    assert early.code == 1
    assert "trained until 1990-01-01" in early.err
    scores = command("backtest", "--glacier", "Glacier 3", "--model", "lstm", "--weights", network, "--json")
    assert scores.code == 0
    assert {row["n_failed"] > 0 for row in scores.json} == {True}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--weights", "nowhere.onnx", "--model", "lstm"], "does not exist"),
        (["--weights", "a.onnx", "--model", "mamba"], "--model lstm"),
        (["--weights", "junk.onnx", "--model", "lstm"], "is no forecaster"),
        (["--weights", "a.onnx", "--model", "lstm", "--contour"], "leave one of them out"),
    ],
)
def test_weights_that_would_not_be_used_are_refused(
    command: Command, lengths: Path, network: Path, arguments: list[str], told: str
) -> None:
    Path("a.onnx").write_bytes(network.read_bytes())
    Path("junk.onnx").write_bytes(b"junk")
    command("import", lengths)
    done = command("forecast", "--glacier", "Glacier 3", "--until", "2015", *arguments)
    assert done.code in (1, 2)
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "gru", "--until", "1990"], "lstm or mamba"),
        (["--model", "lstm", "--until", "1940"], "no origin has a target"),
        (["--model", "lstm", "--until", "soon"], "soon"),
        (["--model", "lstm", "--until", "1990", "--archive", "other.gpkg"], "leave one out"),
        (["--model", "lstm", "--until", "1990", "--variable", "area_km2"], "there are length_m"),
        (["--model", "lstm", "--until", "1990", "--steps", "1"], "steps"),
        (["--model", "lstm", "--until", "1990", "--until", "2000", "--out", "a.onnx"], "name a folder"),
    ],
)
def test_what_cannot_be_learned_is_refused(command: Command, lengths: Path, arguments: list[str], told: str) -> None:
    done = command("train-forecaster", "--data", lengths, *arguments)
    assert done.code in (1, 2)
    assert told in done.err
    assert not list(Path().glob("*.onnx"))


def test_simulated_series_are_not_learned_from_unless_asked(command: Command, lengths: Path, tmp_path: Path) -> None:
    simulated = tmp_path / "simulated.csv"
    lines = lengths.read_text().splitlines()
    simulated.write_text("\n".join([lines[0] + ",source", *(f"{line},simulated" for line in lines[1:])]) + "\n")
    done = command("train-forecaster", "--data", simulated, "--model", "lstm", "--until", "1990")
    assert done.code == 1
    assert "--simulated" in done.err
    row = taught(command, simulated, "--model", "lstm", "--until", "1990", "--simulated", "--out", "s.onnx")
    assert json.loads(Path("s.onnx.run.json").read_text())
    assert row["trained_until"] == "1990-12-31"
