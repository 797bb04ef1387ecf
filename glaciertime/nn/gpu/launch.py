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

__all__ = ["HAS_TRITON", "INTERPRETED", "Launch", "jit", "on_device_of", "padded", "strides_of", "tl"]

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


class Launch:
    """A kernel with everything it is told but the tensors.

    Triton looks at every argument of every call to find what it has compiled, some 40 microseconds for the kernels
    here. A launch is only used again for tensors of the same dtypes, strides and alignment, so it looks once.

    Parameters
    ----------
    kernel : made by ``jit``; the tensors are its first arguments.
    programs : how many there are, at least 1.
    rest : all arguments behind the tensors, in order.
    warps : warps of a program.
    """

    def __init__(self, kernel: Any, programs: int, *rest: Any, warps: int = 1) -> None:
        self._kernel = kernel
        self._grid = (programs, 1, 1)
        self._rest = rest
        self._warps = warps
        self._run: Callable[..., Any] | None = None

    def __call__(self, *tensors: Tensor | None) -> None:
        """Run it on these tensors, None where one is not given."""
        if self._run is not None:
            # By address: asked for them itself, Triton asks the driver about each.
            self._run(*[None if tensor is None else tensor.data_ptr() for tensor in tensors], *self._rest)
            return
        compiled = self._kernel[self._grid](*tensors, *self._rest, num_warps=self._warps)
        if compiled is not None:
            self._run = compiled[self._grid]
