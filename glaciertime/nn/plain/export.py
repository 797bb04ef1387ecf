"""The selective scan as one operator in an exported graph, for any batch and length."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["selective_scan_export"]


def selective_scan_export(
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
    h0: Tensor | None,
    dt: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Run :func:`glaciertime.nn.selective_scan` without checks, as the scan operator of ONNX."""
    # A private name of torch; imported only where a graph is exported.
    from torch._higher_order_ops.scan import scan

    step = delta if delta_bias is None else delta + delta_bias[:, None]
    if delta_softplus:
        step = functional.softplus(step)
    decay = step if dt is None else step * dt[:, None, :]
    drive = step * u

    def advance(state: Tensor, sample: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        decay_t, drive_t, B_t, C_t = sample
        state = torch.exp(decay_t[..., None] * A) * state + drive_t[..., None] * B_t
        # The scan operator wants carried and stacked outputs that are not the same tensor.
        return state, (state * C_t).sum(-1)

    state = u.new_zeros(u.shape[0], u.shape[1], A.shape[1]) if h0 is None else h0
    samples = (decay.permute(2, 0, 1), drive.permute(2, 0, 1), _over_time(B, u), _over_time(C, u))
    last, y = scan(advance, state, samples, dim=0)
    y = y.permute(1, 2, 0)
    if D is not None:
        y = y + D[:, None] * u
    if z is not None:
        y = y * functional.silu(z)
    return y, last


def _over_time(matrix: Tensor, u: Tensor) -> Tensor:
    """Return (L, B, 1 or D, N)."""
    if matrix.ndim == 2:
        return matrix[None, None].expand(u.shape[2], u.shape[0], -1, -1)
    if matrix.ndim == 3:
        return matrix.permute(2, 0, 1)[:, :, None, :]
    return matrix.permute(3, 0, 1, 2).repeat_interleave(u.shape[1] // matrix.shape[1], dim=2)
