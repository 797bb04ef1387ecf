"""Masks from scenes: architectures, losses, metrics, training, prediction and export.

Names are resolved on first use, so that importing this package imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glaciertime.lazy import names_on_first_use

if TYPE_CHECKING:
    from glaciertime.segment.architectures.registry import build_model, model_names
    from glaciertime.segment.export.models_table import model_table
    from glaciertime.segment.export.onnx import check_onnx, export_onnx, run_onnx
    from glaciertime.segment.export.quantise import quantise_onnx
    from glaciertime.segment.judge.front_error import front_distances, mean_front_error
    from glaciertime.segment.judge.metrics import SegmentationMetrics, confusion_matrix, scores_from_confusion
    from glaciertime.segment.losses.registry import build_loss, loss_names

__all__ = [
    "SegmentationMetrics",
    "build_loss",
    "build_model",
    "check_onnx",
    "confusion_matrix",
    "export_onnx",
    "front_distances",
    "loss_names",
    "mean_front_error",
    "model_names",
    "model_table",
    "quantise_onnx",
    "run_onnx",
    "scores_from_confusion",
]

__getattr__, __dir__ = names_on_first_use(
    __name__,
    {
        "architectures.registry": ("build_model", "model_names"),
        "export.onnx": ("check_onnx", "export_onnx", "run_onnx"),
        "judge.front_error": ("front_distances", "mean_front_error"),
        "losses.registry": ("build_loss", "loss_names"),
        "judge.metrics": ("SegmentationMetrics", "confusion_matrix", "scores_from_confusion"),
        "export.models_table": ("model_table",),
        "export.quantise": ("quantise_onnx",),
    },
)
