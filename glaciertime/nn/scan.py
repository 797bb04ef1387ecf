"""The selective scan of Mamba: the one entry, its checks, and the choice of what runs it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from glaciertime.errors import InputError
from glaciertime.nn.backends import choose_backend, full_precision, is_left_to_triton, run_backend, stays_in_graph
from glaciertime.nn.checks import check_finite, check_gaps, check_one_kind, check_shape, is_exporting

__all__ = ["selective_scan"]

_NAME = "selective_scan"


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    *,
    delta_softplus: bool = False,
    h0: Tensor | None = None,
    return_last_state: bool = False,
    dt: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Run a linear recurrence whose coefficients depend on the input, over a sequence.

    For every channel d and state n, with s = softplus if ``delta_softplus`` else the identity::

        e[t]   = s(delta[t] + delta_bias)
        h[t]   = exp(e[t] dt[t] A) h[t-1] + e[t] B[t] u[t]
        y[t]   = (sum over n of C[t] h[t] + D u[t]) silu(z[t])

    ``dt`` is the gap in real time between a sample and the one before. It scales the decay only: an observation
    is an impulse of weight e, and what was remembered fades for as long as nothing was seen. So a sample at twice
    the gap decays twice as far, and a gap split in two by a sample with zero input changes nothing.

    Parameters
    ----------
    u : (B, D, L) float; the input, any strides, L at least 1.
    delta : (B, D, L); the step, positive after the bias and the softplus.
    A : (D, N); the rates, negative for a state that fades.
    B, C : (B, N, L), (D, N) or (B, G, N, L) with D a multiple of G; what enters and what is read.
    D : (D,); weight of the input passed straight through.
    z : (B, D, L); the gate.
    delta_bias : (D,)
    delta_softplus : whether the step passes through log(1 + exp(.)).
    h0 : (B, D, N); the state before the first sample, zero if not given.
    return_last_state : whether the state after the last sample is returned too.
    dt : (B, L); gaps of at least 0, in one unit throughout (years here); 1 everywhere if not given.

    Returns
    -------
    y : (B, D, L)
    last_state : (B, D, N), only if ``return_last_state``.

    Raises
    ------
    InputError
        If a shape does not fit, dtypes or devices are mixed, a gap is negative, or a value on the CPU is not finite.

    References
    ----------
    Gu and Dao 2023, doi:10.48550/arXiv.2312.00752.

    Examples
    --------
    A state that halves with every unit of time, driven once, read after gaps of 1 and 2:

    >>> import torch
    >>> u = torch.tensor([[[1.0, 0.0, 0.0]]])
    >>> ones = torch.ones(1, 1, 3)
    >>> A = torch.tensor([[-0.6931472]])
    >>> selective_scan(u, ones, A, ones, ones, dt=torch.tensor([[1.0, 1.0, 2.0]]))
    tensor([[[1.0000, 0.5000, 0.1250]]])
    """
    if isinstance(u, Tensor) and u.is_cuda and is_left_to_triton():
        from glaciertime.nn.gpu.scan import scan_again

        given = (u, delta, A, B, C, D, z, delta_bias, h0, dt)
        again = scan_again(given, delta_softplus=delta_softplus, wants_last=return_last_state)
        if again is not None:
            return again if return_last_state else again[0]
    _check(u, delta, A, B, C, D, z, delta_bias, h0, dt)
    run = _run
    if torch.compiler.is_compiling() and not is_exporting() and not stays_in_graph(u, B, C):
        # A compiled graph is interrupted here: what runs eagerly is faster than what could be traced.
        run = torch.compiler.disable(_run)
    y, last_state = run(u, delta, A, B, C, D, z, delta_bias, h0, dt, delta_softplus, return_last_state)
    return (y, last_state) if return_last_state else y


def _run(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    dt: Tensor | None,
    delta_softplus: bool,
    wants_last: bool,
) -> tuple[Tensor, Any]:
    kind = u.dtype
    given: tuple[Tensor | None, ...] = (u, delta, A, B, C, D, z, delta_bias)
    backend = choose_backend(u, B, C, plain=h0 is None and dt is None)
    if backend == "triton":
        from glaciertime.nn.gpu.scan import selective_scan_triton

        # Reads every dtype, computes in float32 at least, and knows no autocast.
        return selective_scan_triton((*given, h0, dt), delta_softplus=delta_softplus, wants_last=wants_last)
    if kind in (torch.float16, torch.bfloat16) and backend != "mamba_ssm":
        # The decays of a long sequence are lost in half precision.
        given = tuple(None if tensor is None else tensor.float() for tensor in given)
        h0, dt = (None if tensor is None else tensor.float() for tensor in (h0, dt))
    with full_precision(u):
        y, last_state = run_backend(backend, *given, delta_softplus=delta_softplus, h0=h0, dt=dt)
    return y.to(kind), last_state.to(kind)


def _check(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    dt: Tensor | None,
) -> None:
    check_shape(_NAME, "u", u, {"B": None, "D": None, "L": None})
    batch, channels, length = u.shape
    check_shape(_NAME, "delta", delta, {"B": batch, "D": channels, "L": length})
    check_shape(_NAME, "A", A, {"D": channels, "N": None})
    states = A.shape[1]
    if length == 0 or channels == 0 or states == 0:
        raise InputError(
            f"{_NAME}: u has shape {tuple(u.shape)} and A {tuple(A.shape)}, expected at least one channel, one state "
            "and one sample"
        )
    for name, matrix in (("B", B), ("C", C)):
        if isinstance(matrix, Tensor) and matrix.ndim == 2:
            check_shape(_NAME, name, matrix, {"D": channels, "N": states})
        elif isinstance(matrix, Tensor) and matrix.ndim == 4:
            check_shape(_NAME, name, matrix, {"B": batch, "G": None, "N": states, "L": length})
            if matrix.shape[1] == 0 or channels % matrix.shape[1] != 0:
                raise InputError(
                    f"{_NAME}: {name} has shape {tuple(matrix.shape)} with {matrix.shape[1]} groups, expected a number "
                    f"of groups that divides D={channels}"
                )
        else:
            check_shape(_NAME, name, matrix, {"B": batch, "N": states, "L": length})
    if D is not None:
        check_shape(_NAME, "D", D, {"D": channels})
    if z is not None:
        check_shape(_NAME, "z", z, {"B": batch, "D": channels, "L": length})
    if delta_bias is not None:
        check_shape(_NAME, "delta_bias", delta_bias, {"D": channels})
    if h0 is not None:
        check_shape(_NAME, "h0", h0, {"B": batch, "D": channels, "N": states})
    everything = {
        "u": u,
        "delta": delta,
        "A": A,
        "B": B,
        "C": C,
        "D": D,
        "z": z,
        "delta_bias": delta_bias,
        "h0": h0,
    }
    check_one_kind(_NAME, everything | {"dt": dt}, parameters=("A", "D", "delta_bias", "h0", "dt"))
    check_gaps(_NAME, dt, batch, length)
    check_finite(_NAME, everything)
