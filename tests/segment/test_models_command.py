"""The commands around architectures, in process."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from glaciertime import segment
from glaciertime.__main__ import run
from glaciertime.segment.architectures.registry import ARCHITECTURES
from glaciertime.segment.description import weights_path


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def test_the_list_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys\nfor name in ('torch', 'numpy', 'onnxruntime'): sys.modules[name] = None\n"
        "from glaciertime.__main__ import run\nsys.exit(run(['models']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(ARCHITECTURES)
    assert "segformer-b0" in done.stdout


def test_costs_are_counted_once_and_anew_for_other_images(
    capsys: pytest.CaptureFixture[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glaciertime.segment.export import models_table

    counted = []
    count = models_table.model_table

    def counting(names: list[str], **given: object) -> object:
        counted.append((list(names), given["size_px"]))
        return count(names, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(models_table, "model_table", counting)
    told = []
    for more in (["pspnet"], ["pspnet", "--size", "64"], ["pspnet,fpn", "--size", "64"], ["pspnet"]):
        assert run(["models", "--costs", "--json", "--model", *more]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert counted == [(["pspnet"], 256), (["pspnet"], 64), (["fpn"], 64)]
    assert told[0] == told[3]
    assert told[1] == told[2][:1]
    assert told[0][0]["gflops"] > 10 * told[1][0]["gflops"]
    (kept,) = cache.rglob("model_costs.json")
    for broken in (b"", b"[]", b"{", kept.read_bytes().replace(b"gflops", b"x")):
        kept.write_bytes(broken)
        assert run(["models", "--costs", "--json", "--model", "pspnet"]) == 0
        assert json.loads(capsys.readouterr().out) == told[0]


def test_models_prints_json_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--model", "pspnet,glacier-seg", "--costs", "--size", "64", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["pspnet", "glacier-seg"]
    assert rows[1]["parameters"] == 677_206
    assert rows[1]["gflops"] > 0
    assert rows[1]["latency_ms"] is None


def test_models_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "--model", "pspnet", "--costs", "--size", "64"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["model", "parameters"]
    assert line.split()[0] == "pspnet"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["models", "--model", "segfromer-b0"], "nearest: segformer-b0"),
        (["models", "--size", "64"], "--size: what the costs are counted for; add --costs"),
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


def test_an_exported_model_says_where_it_comes_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)
    assert run(["export-model", "landsat-fronts", "--out", "m.onnx", "--no-check"]) == 0
    capsys.readouterr()
    assert run(["why", "m.onnx", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[0]
    shipped = weights_path("landsat-fronts", suffix=".safetensors")
    assert [(one["input"], one["sha256"]) for one in told["files"]] == [
        (shipped.name, hashlib.sha256(shipped.read_bytes()).hexdigest())
    ]
    assert "landsat-fronts" in told["run"]["models"]
    Path("m.onnx").write_bytes(b"another")
    assert run(["why", "m.onnx"]) == 0
    assert "it has been changed since" in capsys.readouterr().out


def test_a_note_replaces_no_file_of_somebody_else(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.onnx.run.json").write_text("mine")
    assert run(["export-model", "pspnet", "--out", "m.onnx", "--no-check"]) == 2
    assert "m.onnx.run.json" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("m.onnx.run.json", "mine")]
