"""The short causal convolution along a sequence that precedes every scan."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from glaciertime.errors import InputError
from glaciertime.nn.checks import check_one_kind, check_shape

__all__ = ["causal_conv1d"]


def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    activation: Literal["silu"] | None = None,
    initial_state: Tensor | None = None,
    return_last_state: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Convolve every channel with its own short filter, looking back only.

    y[t] = bias + sum over k of weight[k] x[t - K + 1 + k], then the activation.

    Parameters
    ----------
    x : (B, D, L) float
    weight : (D, K); may be float32 beside data of half precision, as may bias and initial_state.
    bias : (D,)
    activation : "silu" or None.
    initial_state : (B, D, K-1); the samples before the first one, zero if not given.
    return_last_state : whether the last K-1 samples are returned too, for the next call.

    Returns
    -------
    y : (B, D, L)
    last_state : (B, D, K-1), only if ``return_last_state``.

    Raises
    ------
    InputError
        If a shape does not fit, dtypes or devices are mixed, or the activation is unknown.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[1.0, 2.0, 3.0]]])
    >>> causal_conv1d(x, torch.tensor([[10.0, 1.0]]))
    tensor([[[ 1., 12., 23.]]])
    """
    name = "causal_conv1d"
    check_shape(name, "x", x, {"B": None, "D": None, "L": None})
    batch, channels, _ = x.shape
    check_shape(name, "weight", weight, {"D": channels, "K": None})
    taps = weight.shape[1]
    if bias is not None:
        check_shape(name, "bias", bias, {"D": channels})
    if initial_state is not None:
        check_shape(name, "initial_state", initial_state, {"B": batch, "D": channels, "K-1": taps - 1})
    tensors = {"x": x, "weight": weight, "bias": bias, "initial_state": initial_state}
    check_one_kind(name, tensors, parameters=("weight", "bias", "initial_state"))
    weight = weight.to(x.dtype)
    bias, initial_state = (None if given is None else given.to(x.dtype) for given in (bias, initial_state))
    if activation not in (None, "silu"):
        raise InputError(f'{name}: activation is {activation!r}, expected "silu" or None')
    padded = functional.pad(x, (taps - 1, 0)) if initial_state is None else torch.cat([initial_state, x], dim=-1)
    y = functional.conv1d(padded, weight[:, None, :], bias, groups=channels)
    if activation == "silu":
        y = functional.silu(y)
    # A slice from the end would keep all of an empty tail when K is 1.
    return (y, padded[..., padded.shape[-1] - (taps - 1) :]) if return_last_state else y
