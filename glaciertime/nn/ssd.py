"""The state-space-duality form of the scan (Mamba-2), one decay per head: the entry, its checks, what runs it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from glaciertime.errors import InputError
from glaciertime.nn.backends import choose_ssd_backend, full_precision
from glaciertime.nn.checks import check_finite, check_gaps, check_one_kind, check_shape
from glaciertime.nn.plain.ssd_chunked import ssd_chunked

__all__ = ["ssd_scan"]

_NAME = "ssd_scan"


def ssd_scan(
    x: Tensor,
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
    chunk_size: int = 64,
) -> Tensor | tuple[Tensor, Tensor]:
    """Run the scan of Mamba-2, whose decay is one number per head and sample.

    With s = softplus if ``delta_softplus`` else the identity, for every head::

        e[t]   = s(delta[t] + delta_bias)
        h[t]   = exp(e[t] dt[t] A) h[t-1] + e[t] x[t] B[t]^T
        y[t]   = (h[t] C[t] + D x[t]) silu(z[t])

    On the CPU it runs compiled, on CUDA as Triton kernels, elsewhere and in an exported graph as matrix products over
    chunks. ``dt`` means what it means for :func:`glaciertime.nn.selective_scan`.

    Parameters
    ----------
    x : (B, L, H, P) float; H heads of P channels, L at least 1.
    delta : (B, L, H); the step, positive after the bias and the softplus.
    A : (H,); the rates, negative for a state that fades.
    B, C : (B, L, G, N) with H a multiple of G.
    D : (H,) or (H, P)
    z : (B, L, H, P); the gate.
    delta_bias : (H,)
    delta_softplus : whether the step passes through log(1 + exp(.)).
    h0 : (B, H, P, N); the state before the first sample, zero if not given.
    return_last_state : whether the state after the last sample is returned too.
    dt : (B, L); gaps of at least 0; 1 everywhere if not given.
    chunk_size : samples per chunk, at least 1; changes speed, not the result.

    Returns
    -------
    y : (B, L, H, P)
    last_state : (B, H, P, N), only if ``return_last_state``.

    Raises
    ------
    InputError
        If a shape does not fit, dtypes or devices are mixed, a gap is negative, or a value on the CPU is not finite.

    References
    ----------
    Dao and Gu 2024, doi:10.48550/arXiv.2405.21060.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    >>> ones = torch.ones(1, 3, 1)
    >>> y = ssd_scan(x, ones, torch.tensor([-0.6931472]), ones[..., None], ones[..., None])
    >>> y.flatten()
    tensor([1.0000, 0.5000, 0.2500])
    """
    _check(x, delta, A, B, C, D, z, delta_bias, h0, dt, chunk_size)
    backend = choose_ssd_backend(x, plain=dt is None)
    if backend == "mamba_ssm":
        y, last_state = _mamba_ssm(x, delta, A, B, C, D, z, delta_bias, h0, delta_softplus, chunk_size)
        return (y, last_state) if return_last_state else y
    kind = x.dtype
    if kind in (torch.float16, torch.bfloat16):
        # Steps and decays add up over a sequence, which half precision cannot.
        delta, A = delta.float(), A.float()
        D, delta_bias, h0, dt = (None if given is None else given.float() for given in (D, delta_bias, h0, dt))
        if backend == "compiled":
            x, B, C = x.float(), B.float(), C.float()
    step = delta if delta_bias is None else delta + delta_bias
    if delta_softplus:
        step = functional.softplus(step)
    log_decay = step * A if dt is None else step * dt[..., None] * A
    with full_precision(x):
        if backend == "triton":
            from glaciertime.nn.gpu.ssd import ssd_triton

            y, last_state = ssd_triton(x, step, log_decay, B, C, D, z, h0, chunk_size=chunk_size)
            return (y, last_state.to(kind)) if return_last_state else y
        if backend == "compiled":
            from glaciertime.nn.cpu.ssd_compiled import ssd_compiled

            y, last_state = ssd_compiled(x, step, log_decay, B, C, h0)
        else:
            y, last_state = ssd_chunked(x, step, log_decay, B, C, h0, chunk_size=chunk_size)
    if D is not None:
        y = torch.addcmul(y, x, (D[:, None] if D.ndim == 1 else D).to(y.dtype))
    y = y.to(kind)
    if z is not None:
        y = y * functional.silu(z)
    return (y, last_state.to(kind)) if return_last_state else y


def _mamba_ssm(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    delta_softplus: bool,
    chunk_size: int,
) -> tuple[Tensor, Tensor]:
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    return mamba_chunk_scan_combined(
        x,
        delta,
        A,
        B,
        C,
        chunk_size,
        D=D,
        z=z,
        dt_bias=delta_bias,
        initial_states=h0,
        dt_softplus=delta_softplus,
        return_final_states=True,
    )


def _check(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    h0: Tensor | None,
    dt: Tensor | None,
    chunk_size: int,
) -> None:
    check_shape(_NAME, "x", x, {"B": None, "L": None, "H": None, "P": None})
    batch, length, heads, width = x.shape
    check_shape(_NAME, "delta", delta, {"B": batch, "L": length, "H": heads})
    check_shape(_NAME, "A", A, {"H": heads})
    check_shape(_NAME, "B", B, {"B": batch, "L": length, "G": None, "N": None})
    groups, states = B.shape[2], B.shape[3]
    check_shape(_NAME, "C", C, {"B": batch, "L": length, "G": groups, "N": states})
    if length == 0 or heads == 0 or width == 0 or states == 0:
        raise InputError(
            f"{_NAME}: x has shape {tuple(x.shape)} and B {tuple(B.shape)}, expected at least one head, channel, "
            "state and sample"
        )
    if groups == 0 or heads % groups != 0:
        raise InputError(
            f"{_NAME}: B has shape {tuple(B.shape)} with {groups} groups, expected a number of groups that divides "
            f"H={heads}"
        )
    if D is not None:
        check_shape(_NAME, "D", D, {"H": heads} if D.ndim == 1 else {"H": heads, "P": width})
    if z is not None:
        check_shape(_NAME, "z", z, {"B": batch, "L": length, "H": heads, "P": width})
    if delta_bias is not None:
        check_shape(_NAME, "delta_bias", delta_bias, {"H": heads})
    if h0 is not None:
        check_shape(_NAME, "h0", h0, {"B": batch, "H": heads, "P": width, "N": states})
    if chunk_size < 1:
        raise InputError(f"{_NAME}: chunk_size is {chunk_size}, expected at least 1")
    everything = {
        "x": x,
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
