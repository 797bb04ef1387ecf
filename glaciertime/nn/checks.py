"""Checks of what is given to a scan: shapes, dtypes, devices, gaps, missing values.

Every message names the argument, the shape it has and what was expected.
Shape checks cost microseconds and always run, also while a graph is traced.
Checks of values read the data once (one sum per tensor) and are skipped on
CUDA, where they would stall the stream, and while a graph is traced.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from glaciertime.errors import InputError

__all__ = ["check_finite", "check_gaps", "check_one_kind", "check_shape", "is_exporting", "is_tracing"]

_DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def is_tracing() -> bool:
    """Return whether torch is recording a graph (export, compile, ONNX, jit), when values cannot be looked at.

    Examples
    --------
    >>> is_tracing()
    False
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.onnx.is_in_onnx_export()


def is_exporting() -> bool:
    """Return whether torch is exporting a graph, not compiling one.

    The flag, not ``torch.compiler.is_exporting``, which torch 2.11 takes for true in a graph that it compiles.

    Examples
    --------
    >>> is_exporting()
    False
    """
    return torch.compiler._is_exporting_flag


def check_shape(function: str, name: str, tensor: Tensor, expected: Mapping[str, int | torch.SymInt | None]) -> None:
    """Raise unless a tensor has the axes given, in order; None stands for any size.

    Parameters
    ----------
    function, name : the function's and the argument's name, for the message.
    tensor : what was given.
    expected : size by axis name.

    Raises
    ------
    InputError
        If it is no tensor, has another number of axes, or another size.

    Examples
    --------
    >>> check_shape("selective_scan", "u", torch.zeros(2, 3), {"B": 2, "D": 3, "L": None})
    Traceback (most recent call last):
    glaciertime.errors.InputError: selective_scan: u has shape (2, 3), expected (B=2, D=3, L)
    """
    if not isinstance(tensor, Tensor):
        raise InputError(f"{function}: {name} is {type(tensor).__name__}, expected a torch.Tensor")
    sizes = list(expected.values())
    fits = tensor.ndim == len(sizes)
    if fits:
        for given, size in zip(tensor.shape, sizes, strict=True):
            if size is not None and given != size:
                fits = False
                break
    if not fits:
        wanted = ", ".join(axis if size is None else f"{axis}={size}" for axis, size in expected.items())
        raise InputError(f"{function}: {name} has shape {tuple(tensor.shape)}, expected ({wanted})")


def check_one_kind(function: str, tensors: Mapping[str, Tensor | None], *, parameters: Collection[str] = ()) -> None:
    """Raise unless all tensors share one floating dtype and one device; None entries are passed over.

    ``parameters`` names those that may be float32 beside data of half precision.

    Raises
    ------
    InputError
        If two dtypes or two devices are mixed, or the dtype is not floating.

    Examples
    --------
    >>> check_one_kind("selective_scan", {"u": torch.zeros(1), "A": torch.zeros(1, dtype=torch.float64)})
    Traceback (most recent call last):
    glaciertime.errors.InputError: selective_scan: A has dtype float64 and shape (1,), expected float32 like u;
    convert one of them with .to(...)
    """
    first_name, first = next((name, tensor) for name, tensor in tensors.items() if tensor is not None)
    if first.dtype not in _DTYPES:
        raise InputError(
            f"{function}: {first_name} has dtype {_short(first.dtype)} and shape {tuple(first.shape)}, "
            "expected float64, float32, bfloat16 or float16"
        )
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        kept_single = name in parameters and tensor.dtype == torch.float32 and first.dtype.itemsize == 2
        if tensor.dtype != first.dtype and not kept_single:
            raise InputError(
                f"{function}: {name} has dtype {_short(tensor.dtype)} and shape {tuple(tensor.shape)}, expected "
                f"{_short(first.dtype)} like {first_name}; convert one of them with .to(...)"
            )
        if tensor.device != first.device:
            raise InputError(
                f"{function}: {name} of shape {tuple(tensor.shape)} is on {tensor.device}, expected {first.device} "
                f"like {first_name}; move one of them with .to(...)"
            )


def check_finite(function: str, tensors: Mapping[str, Tensor | None]) -> None:
    """Raise if a CPU tensor holds NaN or an infinity; looks at nothing while a graph is traced.

    One sum per tensor finds both; only when it is not finite are the values counted.

    Raises
    ------
    InputError
        If a value is not finite.

    Examples
    --------
    >>> check_finite("selective_scan", {"u": torch.tensor([0.0, float("nan")])})
    Traceback (most recent call last):
    glaciertime.errors.InputError: selective_scan: u of shape (2,) holds 1 value that is NaN or infinite (first at
    index (1,)), expected finite numbers; drop or fill such samples first
    """
    if is_tracing():
        return
    for name, tensor in tensors.items():
        if tensor is None or tensor.device.type != "cpu" or tensor.numel() == 0:
            continue
        total = tensor.detach().sum().item()
        if total - total == 0:
            continue
        bad = ~torch.isfinite(tensor.detach())
        count = int(bad.sum())
        if count:
            where = tuple(bad.nonzero()[0].tolist())
            raise InputError(
                f"{function}: {name} of shape {tuple(tensor.shape)} holds {count} value{'s' * (count > 1)} that "
                f"{'are' if count > 1 else 'is'} NaN or infinite (first at index {where}), expected finite numbers; "
                "drop or fill such samples first"
            )


def check_gaps(function: str, dt: Tensor | None, batch: int | torch.SymInt, length: int | torch.SymInt) -> None:
    """Raise unless the gaps are (B, L), finite and not negative.

    Raises
    ------
    InputError
        If the shape is another, or a gap is negative, NaN or infinite.

    Examples
    --------
    >>> check_gaps("selective_scan", torch.tensor([[1.0, -0.5]]), 1, 2)
    Traceback (most recent call last):
    glaciertime.errors.InputError: selective_scan: dt of shape (1, 2) holds a negative gap (-0.5), expected gaps of at
    least 0 between one sample and the one before; sort the samples by date
    """
    if dt is None:
        return
    check_shape(function, "dt", dt, {"B": batch, "L": length})
    if is_tracing() or dt.device.type != "cpu" or dt.numel() == 0:
        return
    check_finite(function, {"dt": dt})
    smallest = dt.detach().min().item()
    if smallest < 0:
        raise InputError(
            f"{function}: dt of shape {tuple(dt.shape)} holds a negative gap ({smallest:g}), expected gaps of at "
            "least 0 between one sample and the one before; sort the samples by date"
        )


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
