"""What the kernels' modules share: Triton where it is installed, and what a launch needs to know.

Without Triton the modules still import (their docstrings are read, their launchers refuse); nothing runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from glaciertime.nn.gpu import is_interpreted

__all__ = ["HAS_TRITON", "INTERPRETED", "jit", "on_device_of", "padded", "strides_of", "tl"]

try:
    import triton.language as tl
    from triton import jit

    HAS_TRITON = True
except (ImportError, OSError, RuntimeError):
    HAS_TRITON = False
    tl = None

    def jit(function: Callable[..., Any] | None = None, **_: Any) -> Any:  # type: ignore[no-redef]
        """Return the function as it is: there is no Triton to compile it."""
        return function or jit


# Fixed when Triton is imported: a process either interprets all kernels or compiles all.
INTERPRETED = HAS_TRITON and is_interpreted()


def padded(size: int) -> int:
    """Return the next power of two, the size that a block of Triton must have.

    Examples
    --------
    >>> padded(1), padded(5), padded(16)
    (1, 8, 16)
    """
    return 1 << (size - 1).bit_length()


def strides_of(tensor: Tensor | None, axes: int) -> tuple[int, ...]:
    """Return a tensor's strides, zeros where it is not given.

    Examples
    --------
    >>> strides_of(torch.zeros(2, 3), 2), strides_of(None, 2)
    ((3, 1), (0, 0))
    """
    return (0,) * axes if tensor is None else tensor.stride()


def on_device_of(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context in which kernels are launched where the tensor is: Triton takes the current device.

    Examples
    --------
    >>> with on_device_of(torch.zeros(1)):
    ...     pass
    """
    if tensor.device.type != "cuda" or tensor.device.index == torch.cuda.current_device():
        return nullcontext()
    return torch.cuda.device(tensor.device)
