"""The commands around architectures, in process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glaciertime import segment
from glaciertime.__main__ import run


def test_models_prints_json_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--model", "pspnet,glacier-seg", "--size", "64", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["pspnet", "glacier-seg"]
    assert rows[1]["parameters"] == 677_206
    assert rows[1]["gflops"] > 0
    assert rows[1]["latency_ms"] is None


def test_models_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--model", "pspnet", "--size", "64"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["model", "parameters"]
    assert line.split()[0] == "pspnet"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["models", "--model", "segfromer-b0"], "nearest: segformer-b0"),
        (["export-model", "segfromer-b0", "--out", "m.onnx"], "nearest: segformer-b0"),
        (["export-model", "pspnet", "--out", "m.onnx", "--int8", "q.onnx"], "--int8 given without --image"),
        (["export-model", "pspnet", "--out", "nowhere/m.onnx"], "nowhere does not exist; create it first"),
        (["export-model", "pspnet", "--out", "m.onnx", "--weights", "w.pth"], "can run code when it is loaded"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_every_public_name_resolves() -> None:
    for name in segment.__all__:
        assert getattr(segment, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = segment.nothing
