"""Which code runs a scan: chosen by where the tensors are and what is installed, said once in the log."""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from glaciertime.errors import InputError, nearest_names
from glaciertime.nn.checks import is_tracing

__all__ = ["BACKENDS", "choose_backend", "run_backend"]

BACKENDS = ("compiled", "chunked", "reference", "mamba_ssm")
_VARIABLE = "GLACIERTIME_SCAN"
_log = logging.getLogger(__name__)


def choose_backend(u: Tensor, B: Tensor, C: Tensor, *, plain: bool) -> str:
    """Return the name of what should run a selective scan.

    ========== =============================================================================================
    compiled   numba, on the CPU, where B and C have a time axis
    mamba_ssm  its CUDA kernel, on CUDA where it imports, for a scan from zero and without real time
    chunked    torch operations, parallel over chunks: everywhere else, and while a graph is compiled
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
        return "export" if torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export() else "chunked"
    asked = os.environ.get(_VARIABLE, "")
    cuda = u.device.type == "cuda"
    fixed = B.ndim == 2 or C.ndim == 2
    if asked:
        return _forced(asked, u, cuda=cuda, fixed=fixed, plain=plain)
    if u.device.type == "cpu" and not fixed:
        return _told("compiled", "the CPU")
    if cuda and plain and not fixed and _has_mamba_ssm():
        return _told("mamba_ssm", "CUDA")
    return _told("chunked", "CUDA" if cuda else str(u.device.type))


def _forced(asked: str, u: Tensor, *, cuda: bool, fixed: bool, plain: bool) -> str:
    if asked not in BACKENDS:
        near = nearest_names(asked, BACKENDS)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise InputError(f'{_VARIABLE} is "{asked}", expected one of {", ".join(BACKENDS)}{hint}')
    problem = ""
    if asked == "compiled" and u.device.type != "cpu":
        problem = f"runs on the CPU, u of shape {tuple(u.shape)} is on {u.device}"
    elif asked == "mamba_ssm" and not cuda:
        problem = f"runs on CUDA, u of shape {tuple(u.shape)} is on {u.device}"
    elif asked == "mamba_ssm" and not plain:
        problem = "takes neither h0 nor dt"
    elif asked in ("compiled", "mamba_ssm") and fixed:
        problem = "needs B and C with a time axis, (B, N, L) or (B, G, N, L)"
    if problem:
        raise InputError(f'{_VARIABLE} is "{asked}", which {problem}; unset it or choose "chunked"')
    return _told(asked, f"all devices, as {_VARIABLE} says")


@functools.cache
def _told(backend: str, where: str) -> str:
    _log.info("selective scan: %s for %s", backend, where)
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
        from glaciertime.nn.compiled import selective_scan_compiled as scan
    elif backend == "chunked":
        from glaciertime.nn.chunked import selective_scan_chunked as scan
    elif backend == "export":
        from glaciertime.nn.export import selective_scan_export as scan
    elif backend == "mamba_ssm":
        return _mamba_ssm(*tensors, delta_softplus=delta_softplus)
    else:
        from glaciertime.nn.reference import selective_scan_reference as scan
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
