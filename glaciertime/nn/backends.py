"""Which code runs a scan: chosen by where the tensors are and what is installed, said once in the log."""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from glaciertime.errors import InputError, nearest_names
from glaciertime.nn.checks import is_exporting, is_tracing
from glaciertime.nn.gpu import reason_against

__all__ = [
    "BACKENDS",
    "choose_backend",
    "choose_ssd_backend",
    "full_precision",
    "is_left_to_triton",
    "run_backend",
    "stays_in_graph",
]

BACKENDS = ("compiled", "chunked", "reference", "triton", "mamba_ssm")
_VARIABLE = "GLACIERTIME_SCAN"
_log = logging.getLogger(__name__)


def choose_backend(u: Tensor, B: Tensor, C: Tensor, *, plain: bool) -> str:
    """Return the name of what should run a selective scan.

    ========== =============================================================================================
    compiled   numba, on the CPU, where B and C have a time axis
    triton     kernels that Triton compiles, on CUDA, where B and C have a time axis
    mamba_ssm  its CUDA kernel, on CUDA where it imports and Triton does not, from zero and without real time
    chunked    torch operations, parallel over chunks: everywhere else
    export     torch's scan operator, while a graph is exported
    reference  a plain loop: only when asked for
    ========== =============================================================================================

    The environment variable GLACIERTIME_SCAN overrides the choice.

    Parameters
    ----------
    u, B, C : as in :func:`glaciertime.nn.selective_scan`.
    plain : whether neither ``h0`` nor ``dt`` is given.

    Raises
    ------
    InputError
        If GLACIERTIME_SCAN is unknown, or names what cannot run these tensors.

    Examples
    --------
    >>> choose_backend(torch.zeros(1, 2, 3), torch.zeros(1, 4, 3), torch.zeros(1, 4, 3), plain=True)
    'compiled'
    """
    if is_tracing():
        return "triton" if stays_in_graph(u, B, C) else "export"
    if u.is_cuda and B.ndim > 2 and C.ndim > 2 and not os.environ.get(_VARIABLE) and not reason_against(u):
        return _told("selective scan", "triton", "cuda")
    fixed = B.ndim == 2 or C.ndim == 2
    allowed = {
        "compiled": "needs B and C with a time axis, (B, N, L) or (B, G, N, L)" if fixed else _only_on("cpu", u),
        "triton": "needs B and C with a time axis, (B, N, L) or (B, G, N, L)" if fixed else reason_against(u),
        "mamba_ssm": "needs B and C with a time axis, and neither h0 nor dt"
        if fixed or not plain
        else _only_on("cuda", u),
    }
    return _forced("selective scan", allowed, u) or _automatic("selective scan", allowed, u.device.type)


def is_left_to_triton() -> bool:
    """Return whether no graph is traced and nobody asked for another backend than the kernels of a GPU.

    Examples
    --------
    >>> is_left_to_triton()
    True
    """
    return os.environ.get(_VARIABLE, "") in ("", "triton") and not is_tracing()


def stays_in_graph(u: Tensor, B: Tensor, C: Tensor) -> bool:
    """Return whether a graph that torch compiles (not exports) goes on through the scan, as an operator of Triton's.

    Everything else runs eagerly faster than what could be traced.

    Examples
    --------
    >>> stays_in_graph(torch.zeros(1, 2, 3), torch.zeros(1, 4, 3), torch.zeros(1, 4, 3))
    False
    """
    if not torch.compiler.is_compiling() or is_exporting() or B.ndim == 2 or C.ndim == 2:
        return False
    asked = os.environ.get(_VARIABLE, "")
    return not reason_against(u) and (asked == "triton" or (not asked and u.device.type == "cuda"))


def choose_ssd_backend(x: Tensor, *, plain: bool) -> str:
    """Return the name of what should run the scan of Mamba-2: "compiled", "triton", "chunked" or "mamba_ssm".

    Parameters
    ----------
    x : as in :func:`glaciertime.nn.ssd_scan`.
    plain : whether ``dt`` is not given.

    Raises
    ------
    InputError
        As for :func:`choose_backend`. "reference" means "chunked" here.

    Examples
    --------
    >>> choose_ssd_backend(torch.zeros(1, 2, 3, 4), plain=True)
    'compiled'
    """
    if is_tracing():
        return "triton" if stays_in_graph(x, x, x) else "chunked"
    allowed = {
        "compiled": _only_on("cpu", x),
        "triton": reason_against(x),
        "mamba_ssm": _only_on("cuda", x) if plain else "takes no dt",
    }
    return _forced("Mamba-2 scan", allowed, x) or _automatic("Mamba-2 scan", allowed, x.device.type)


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context without autocast, which would take the states to half precision.

    Examples
    --------
    >>> with full_precision(torch.zeros(1)):
    ...     pass
    """
    device = tensor.device.type
    if is_tracing() or not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def _only_on(device: str, tensor: Tensor) -> str:
    if tensor.device.type == device:
        return ""
    return f"runs on {device}, the input of shape {tuple(tensor.shape)} is on {tensor.device}"


def _forced(scan: str, allowed: dict[str, str], tensor: Tensor) -> str:
    asked = os.environ.get(_VARIABLE, "")
    if not asked:
        return ""
    if asked not in BACKENDS:
        near = nearest_names(asked, BACKENDS)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise InputError(f'{_VARIABLE} is "{asked}", expected one of {", ".join(BACKENDS)}{hint}')
    if allowed.get(asked):
        raise InputError(f'{_VARIABLE} is "{asked}", which {allowed[asked]}; unset it or choose "chunked"')
    return _told(scan, asked, f"{tensor.device.type}, as {_VARIABLE} says")


def _automatic(scan: str, allowed: dict[str, str], device: str) -> str:
    if not allowed["compiled"]:
        return _told(scan, "compiled", device)
    if not allowed["triton"]:
        return _told(scan, "triton", device)
    if not allowed["mamba_ssm"] and _has_mamba_ssm():
        return _told(scan, "mamba_ssm", device)
    return _told(scan, "chunked", device)


@functools.cache
def _told(scan: str, backend: str, where: str) -> str:
    _log.info("%s: %s on %s", scan, backend, where)
    return backend


@functools.cache
def _has_mamba_ssm() -> bool:
    if importlib.util.find_spec("mamba_ssm") is None:
        return False
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn  # noqa: F401
    except (ImportError, OSError) as error:
        _log.warning("selective scan: mamba-ssm is installed but does not import (%s); using chunked", error)
        return False
    return True


def run_backend(backend: str, *tensors: Any, delta_softplus: bool, h0: Tensor | None, dt: Tensor | None) -> Any:
    """Run a backend by name on the positional arguments of the scan; return y and the last state."""
    scan: Callable[..., Any]
    if backend == "compiled":
        from glaciertime.nn.cpu.compiled import selective_scan_compiled as scan
    elif backend == "chunked":
        from glaciertime.nn.plain.chunked import selective_scan_chunked as scan
    elif backend == "export":
        from glaciertime.nn.plain.export import selective_scan_export as scan
    elif backend == "mamba_ssm":
        return _mamba_ssm(*tensors, delta_softplus=delta_softplus)
    else:
        from glaciertime.nn.plain.reference import selective_scan_reference as scan
    return scan(*tensors, delta_softplus=delta_softplus, h0=h0, dt=dt)


def _mamba_ssm(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    *,
    delta_softplus: bool,
) -> tuple[Tensor, Tensor]:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    # Its kernel takes the parameters in float32 whatever the data are.
    single = [None if given is None else given.float() for given in (D, delta_bias)]
    return selective_scan_fn(
        u,
        delta,
        A.float(),
        B,
        C,
        single[0],
        z=z,
        delta_bias=single[1],
        delta_softplus=delta_softplus,
        return_last_state=True,
    )
