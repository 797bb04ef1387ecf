"""What the kernels' modules share: Triton where it is installed, and what a launch needs to know.

Without Triton the modules still import (their docstrings are read, their launchers refuse); nothing runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from glaciertime.nn.gpu import is_interpreted

__all__ = [
    "HAS_TRITON",
    "INTERPRETED",
    "Launch",
    "jit",
    "kinds_of",
    "launch",
    "on_device_of",
    "padded",
    "strides_of",
    "tl",
]

_driver: Any = None
_knobs: Any = None

try:
    import triton.language as tl
    from triton import jit
    from triton.runtime import driver

    HAS_TRITON, _driver = True, driver
except (ImportError, OSError, RuntimeError):
    HAS_TRITON = False
    tl = None

    def jit(function: Callable[..., Any] | None = None, **_: Any) -> Any:  # type: ignore[no-redef]
        """Return the function as it is: there is no Triton to compile it."""
        return function or jit


if HAS_TRITON:
    with contextlib.suppress(ImportError):
        from triton import knobs

        _knobs = knobs

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


def _has_hooks() -> bool:
    """Return whether somebody, such as a profiler, wants to be called beside every launch; True where Triton is old."""
    if _knobs is None:
        return True
    runtime = _knobs.runtime
    enter, leave = runtime.launch_enter_hook, runtime.launch_exit_hook
    # A chain of functions, or in other releases a function or None.
    return bool(getattr(enter, "calls", enter) or getattr(leave, "calls", leave))


class Launch:
    """A kernel with everything it is told but the tensors.

    Triton looks at every argument of every call to find what it has compiled, some 40 microseconds for the kernels
    here. A launch is only used again for tensors of the same kinds (see :func:`kinds_of`), so it looks once.

    Parameters
    ----------
    kernel : made by ``jit``; the tensors are its first arguments.
    grid : how many programs there are along each axis, at least 1.
    rest : all arguments behind the tensors, in order.
    options : ``num_warps`` and others of Triton's.
    """

    def __init__(self, kernel: Any, grid: tuple[int, ...], *rest: Any, **options: int) -> None:
        self._kernel = kernel
        self._grid = (*grid, 1, 1)[:3]
        self._rest = rest
        self._options = options
        self._compiled: Any = None

    def __call__(self, *tensors: Tensor | None) -> None:
        """Run it on these tensors, None where one is not given."""
        compiled = self._compiled
        if compiled is None:
            self._compiled = self._kernel[self._grid](*tensors, *self._rest, **self._options)
            return
        # By address: asked for them itself, Triton asks the driver about each.
        addresses = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
        if _has_hooks():
            compiled[self._grid](*addresses, *self._rest)
            return
        # What that does, without the words for hooks that are not there: a third of what a launch costs.
        active = _driver.active
        stream = active.get_current_stream(active.get_current_device())
        compiled.run(
            *self._grid, stream, compiled.function, compiled.packed_metadata, None, None, None, *addresses, *self._rest
        )


def kinds_of(tensors: Iterable[Tensor | None]) -> tuple[Any, ...]:
    """Return all that a launch depends on: of every tensor dtype, shape, strides, alignment and device.

    Examples
    --------
    >>> kinds_of([torch.zeros(2), None])[1] is None
    True
    """
    return tuple(
        [None if t is None else (t.dtype, t.shape, t.stride(), t.data_ptr() & 15, t.get_device()) for t in tensors]
    )


# Launches remembered by :func:`launch`, and how many at most.
_launches: dict[Any, Launch] = {}
_MOST_LAUNCHES = 4096


def launch(
    kernel: Any, grid: tuple[int, ...], tensors: tuple[Tensor | None, ...], rest: tuple[Any, ...], **options: int
) -> None:
    """Run a kernel where its first tensor is, by the launch that its like had before.

    What is not among the arguments behind the tensors, a kernel knows of them by dtype and alignment alone.
    """
    first = tensors[0]
    assert first is not None
    alike = tuple([None if tensor is None else (tensor.dtype, tensor.data_ptr() & 15) for tensor in tensors])
    key = (id(kernel), grid, alike, rest, first.get_device())
    found = _launches.get(key)
    if found is None:
        if len(_launches) >= _MOST_LAUNCHES:
            _launches.clear()
        found = _launches[key] = Launch(kernel, grid, *rest, **options)
    with on_device_of(first):
        found(*tensors)
