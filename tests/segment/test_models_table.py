"""The table counts what it says it counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from glaciertime.errors import InputError, UsageError
from glaciertime.segment.export.models_table import count_arithmetic, measure_latency, model_table


def test_a_convolution_is_two_operations_per_weight_and_pixel() -> None:
    conv = torch.nn.Conv2d(3, 8, 3, padding=1)
    counted = count_arithmetic(conv, in_channels=3, size_px=100)
    assert counted.gflops == pytest.approx(2 * 3 * 8 * 9 * 100**2 / 1e9)
    assert counted.parameters == 3 * 8 * 9 + 8


def test_a_scan_is_counted_beside_the_products() -> None:
    (row,) = model_table(["glacier-seg"], size_px=64)
    # Nine operations for each of 16 states, 2 inner channels per channel, at strides 2, 4, 8 and 16.
    states = sum(2 * width * 16 * (64 // stride) ** 2 for width, stride in ((16, 2), (32, 4), (64, 8), (128, 16)))
    assert row.scan_gflops == pytest.approx(9 * states / 1e9, abs=5e-5)


def test_a_row_says_what_it_was_counted_for() -> None:
    (row,) = model_table(["segformer-b0"], in_channels=3, classes=4, size_px=64)
    assert (row.name, row.in_channels, row.classes, row.size_px) == ("segformer-b0", 3, 4, 64)
    assert row.size_mb == pytest.approx(row.parameters * 4e-6, abs=1e-3)
    assert row.latency_ms is None


def test_segformer_has_the_arithmetic_the_thesis_states() -> None:
    (row,) = model_table(["segformer-b0"], in_channels=3)
    assert row.gflops == pytest.approx(3.48, rel=0.03)


def test_glacier_seg_has_the_arithmetic_the_thesis_states() -> None:
    # The counter used there left out the Mamba blocks, about 0.3 GFLOPs.
    (row,) = model_table(["glacier-seg"])
    assert row.gflops == pytest.approx(7.52, rel=0.05)


def test_bad_input_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nearest: segformer-b0"):
        model_table(["segformer"])
    with pytest.raises(InputError, match="repeats=0 given"):
        measure_latency({"none": tmp_path / "none.onnx"}, repeats=0)
