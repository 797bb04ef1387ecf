"""Scans for CUDA, written in Triton, which torch's CUDA builds bring along: nothing to install, no nvcc.

The kernels' modules are imported only when a scan takes them. With ``TRITON_INTERPRET=1`` in the environment before
Triton is imported, they run in Triton's interpreter on the CPU: slowly, for tests.
"""

from __future__ import annotations

import importlib.util
import logging
import os

import torch
from torch import Tensor

__all__ = ["is_interpreted", "reason_against"]

# bfloat16 and the matrix products of the kernels begin with this compute capability.
_OLDEST = (8, 0)
_log = logging.getLogger(__name__)
_known: dict[tuple[str, int], str] = {}


def is_interpreted() -> bool:
    """Return whether Triton's interpreter is asked for, which runs the kernels on the CPU."""
    return os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "yes", "on", "y")


def reason_against(tensor: Tensor) -> str:
    """Return why the Triton kernels cannot take a tensor, in words that follow "which"; empty where they can.

    Examples
    --------
    >>> reason_against(torch.zeros(2, device="meta"))
    'runs on cuda, the input of shape (2,) is on meta'
    """
    if tensor.device.type != ("cpu" if is_interpreted() else "cuda"):
        return f"runs on cuda, the input of shape {tuple(tensor.shape)} is on {tensor.device}"
    device = (tensor.device.type, tensor.device.index or 0)
    # No functools.cache: torch.compile traces through it with a warning.
    if device not in _known:
        _known[device] = _why_no_triton() or ("" if device[0] == "cpu" else _why_not_this_card(device[1]))
    return _known[device]


def _why_no_triton() -> str:
    if importlib.util.find_spec("triton") is None:
        return "needs Triton, which is not installed (it comes with torch's CUDA builds)"
    try:
        import triton  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        _log.warning("Triton is installed but does not import (%s): its kernels are not used", error)
        return f"needs Triton, which does not import ({error})"
    return ""


def _why_not_this_card(index: int) -> str:
    if torch.version.hip is not None:
        return "runs on cuda, and this torch was built for ROCm"
    found = torch.cuda.get_device_capability(index)
    if found < _OLDEST:
        return f"needs compute capability {_OLDEST[0]}.{_OLDEST[1]}, this card has {found[0]}.{found[1]}"
    return ""
