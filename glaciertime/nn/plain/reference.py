"""The plain selective scan: one step after the other, in ordinary torch operations.

It is what the fast paths are tested against, and what runs where none of them does.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["selective_scan_reference"]


def selective_scan_reference(
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
    dt: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence of :func:`glaciertime.nn.selective_scan` step by step, without checks.

    Parameters
    ----------
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, h0, dt
        As in :func:`glaciertime.nn.selective_scan`.

    Returns
    -------
    y : (B, D, L)
    last_state : (B, D, N)

    Examples
    --------
    >>> ones = torch.ones(1, 1, 2)
    >>> y, h = selective_scan_reference(ones, ones, torch.zeros(1, 1), ones, ones)
    >>> y.flatten().tolist(), h.item()
    ([1.0, 2.0], 2.0)
    """
    batch, channels, _ = u.shape
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = functional.softplus(delta)
    decay_time = delta if dt is None else delta * dt[:, None, :]
    drive = delta * u
    state = u.new_zeros(batch, channels, A.shape[1]) if h0 is None else h0
    columns = []
    for decay_t, drive_t, B_t, C_t in zip(
        decay_time.unbind(-1), drive.unbind(-1), _steps(B, u), _steps(C, u), strict=True
    ):
        state = torch.exp(decay_t[..., None] * A) * state + drive_t[..., None] * B_t
        columns.append((state * C_t).sum(-1))
    y = torch.stack(columns, dim=-1)
    if D is not None:
        y = y + D[:, None] * u
    if z is not None:
        y = y * functional.silu(z)
    return y, state


def _steps(matrix: Tensor, u: Tensor) -> list[Tensor]:
    """Return per time step what broadcasts against a (B, D, N) state."""
    if matrix.ndim == 2:
        return [matrix] * u.shape[-1]
    if matrix.ndim == 3:
        return [step[:, None, :] for step in matrix.unbind(-1)]
    repeats = u.shape[1] // matrix.shape[1]
    return [step.repeat_interleave(repeats, dim=1) for step in matrix.unbind(-1)]
