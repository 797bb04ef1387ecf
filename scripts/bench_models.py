"""Latency, size and faithfulness of the exported architectures, beside the thesis's Table 6.9.

All models are exported at 11 bands and 2 classes and then take turns in
onnxruntime, one image of 256 x 256 at a time, in one process. Times depend on the
machine and on what else it does: compare the ratios, taken turn by turn against
SegFormer-B0. Weights are random; they change neither time nor size.

    python scripts/bench_models.py
    python scripts/bench_models.py --model glacier-seg-fast,segformer-b0 --check --keep onnx_models
    python scripts/bench_models.py --all --check --no-latency

What a check found is appended to ``scripts/results/onnx_checks.csv`` as it is found; a model that is in there is not
checked again.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from glaciertime.errors import GlacierTimeError
from glaciertime.segment.architectures.registry import build_model, model_names
from glaciertime.segment.export.models_table import measure_latency
from glaciertime.segment.export.onnx import check_onnx, export_onnx

# Thesis, Table 6.9: milliseconds on a Ryzen 9 5950X, parameters (M), size (MB); None where it could not be exported.
PUBLISHED: dict[str, tuple[float | None, float, float]] = {
    "deeplabv3": (59.49, 28.23, 107.89),
    "efficientnet-b3-unet": (18.73, 12.18, 46.80),
    "resnet50-unet": (75.39, 59.43, 226.93),
    "vim-seg": (None, 7.50, 28.60),
    "segformer-b0": (21.82, 3.80, 14.28),
    "glacier-seg": (14.91, 2.59, 10.68),
}
REFERENCE = "segformer-b0"
RECORD = Path(__file__).parent / "results" / "onnx_checks.csv"
COLUMNS = ["name", "parameters", "size_mb", "relative_error", "sizes_checked"]
# Rounding of float32, added up over a network.
LARGEST_ERROR = 1e-4
DEFAULT = [*PUBLISHED, "glacier-seg-s12", "glacier-seg-fast"]


def main() -> int:
    """Run the benchmark; return 1 if a check failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="comma-separated architectures; those of the thesis's table by default")
    parser.add_argument("--all", action="store_true", help="every architecture")
    parser.add_argument("--check", action="store_true", help="compare each export with torch at several sizes")
    parser.add_argument("--record", type=Path, default=RECORD, help="table of what --check found")
    parser.add_argument("--no-latency", action="store_true", help="export, and check if asked, only")
    parser.add_argument("--keep", type=Path, help="folder for the exported files; those already there are used again")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: on a machine that is busy")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--in-channels", type=int, default=11)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    names = model_names() if options.all else options.model.split(",") if options.model else DEFAULT
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.check and options.no_latency:
            return _check_all(names, folder, options)
        rows = {name: _export(name, folder, options) for name in names}
        if not options.no_latency:
            _time(rows, options)
    if options.as_json:
        print(json.dumps(list(rows.values()), indent=2))
    else:
        _print(rows)
    return int(any(float(str(row.get("relative_error", 0.0))) > LARGEST_ERROR for row in rows.values()))


def _check_all(names: list[str], folder: Path, options: argparse.Namespace) -> int:
    """Check one after the other what the record does not hold yet, print the record, return 1 if one of it failed."""
    for name in names:
        if name in {row["name"] for row in _recorded(options.record)}:
            continue
        try:
            row = _export(name, folder, options)
        except GlacierTimeError as error:
            row = {"name": name, "relative_error": "nan", "sizes_checked": f"not exported: {error}"}
            print(f"{name}: {error}", file=sys.stderr, flush=True)
        is_new = not options.record.is_file()
        with options.record.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        if not options.keep:
            Path(str(row.get("file", folder / "none"))).unlink(missing_ok=True)
    rows = [row for row in _recorded(options.record) if row["name"] in names]
    for row in rows:
        print(f"{row['name']:<30} {row['size_mb']:>9} MB   {row['relative_error']:>8}   {row['sizes_checked']}")
    return int(any(not float(row["relative_error"]) <= LARGEST_ERROR for row in rows))


def _recorded(record: Path) -> list[dict[str, str]]:
    if not record.is_file():
        return []
    with record.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _export(name: str, folder: Path, options: argparse.Namespace) -> dict[str, object]:
    import torch

    torch.manual_seed(0)
    model = build_model(name, in_channels=options.in_channels, classes=2).eval()
    path = folder / f"{name}_{options.in_channels}.onnx"
    start = time.perf_counter()
    if not path.is_file():
        export_onnx(model, path, in_channels=options.in_channels)
    row: dict[str, object] = {
        "name": name,
        "file": str(path),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "size_mb": round(path.stat().st_size / 1e6, 3),
        "export_s": round(time.perf_counter() - start, 1),
    }
    if options.check:
        done = check_onnx(path, model, in_channels=options.in_channels)
        row["relative_error"] = float(f"{done.relative_error:.2g}")
        row["sizes_checked"] = " ".join("x".join(str(number) for number in shape) for shape in done.shapes)
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _time(rows: dict[str, dict[str, object]], options: argparse.Namespace) -> None:
    times = measure_latency(
        {name: Path(str(row["file"])) for name, row in rows.items()},
        in_channels=options.in_channels,
        size_px=options.size,
        threads=options.threads,
        repeats=options.repeats,
        cpu_time=options.clock == "cpu",
    )
    for name, row in rows.items():
        row["latency_ms"] = round(float(np.median(times[name])), 2)
        if REFERENCE in times:
            row["ratio"] = round(float(np.median(np.divide(times[name], times[REFERENCE]))), 3)


def _print(rows: dict[str, dict[str, object]]) -> None:
    base = PUBLISHED[REFERENCE][0]
    print(f"{'model':<24} {'ms':>8} {'/ B0':>6} {'M':>7} {'MB':>7}   thesis: {'ms':>6} {'/ B0':>6} {'M':>6} {'MB':>7}")
    for name, row in rows.items():
        ms, ratio = row.get("latency_ms", ""), row.get("ratio", "")
        line = f"{name:<24} {ms:>8} {ratio:>6} {int(str(row['parameters'])) / 1e6:>7.2f} {row['size_mb']:>7}"
        if name in PUBLISHED:
            time_ms, parameters, size = PUBLISHED[name]
            relative = f"{time_ms / base:.2f}" if time_ms and base else "n/a"
            line += f"           {time_ms or 'n/a':>6} {relative:>6} {parameters:>6} {size:>7}"
        if "relative_error" in row:
            line += f"   differs from torch by {row['relative_error']:.0e}"
        print(line)


if __name__ == "__main__":
    sys.exit(main())
