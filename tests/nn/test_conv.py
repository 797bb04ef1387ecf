from __future__ import annotations

import numpy as np
import pytest
import torch

from glaciertime.errors import InputError
from glaciertime.nn import causal_conv1d


@pytest.mark.parametrize("taps", [1, 2, 4])
@pytest.mark.parametrize("length", [1, 3, 20])
def test_equals_numpys_convolution(taps: int, length: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, length, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, taps, generator=generator, dtype=torch.float64)
    bias = torch.randn(3, generator=generator, dtype=torch.float64)
    y = causal_conv1d(x, weight, bias)
    for b, d in np.ndindex(2, 3):
        expected = np.convolve(x[b, d].numpy(), weight[d].flip(0).numpy())[:length] + bias[d].item()
        np.testing.assert_allclose(y[b, d].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("taps", [1, 4])
def test_in_two_calls_equals_one(taps: int) -> None:
    x, weight = torch.randn(1, 2, 9), torch.randn(2, taps)
    whole = causal_conv1d(x, weight, activation="silu")
    head, state = causal_conv1d(x[..., :2], weight, activation="silu", return_last_state=True)
    tail = causal_conv1d(x[..., 2:], weight, activation="silu", initial_state=state)
    torch.testing.assert_close(torch.cat([head, tail], dim=-1), whole)


def test_gradients_are_those_of_finite_differences() -> None:
    x, weight, bias, state = (
        torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 3, 6), (3, 4), (3,), (2, 3, 3))
    )

    def convolve(*given: torch.Tensor) -> torch.Tensor:
        return causal_conv1d(*given[:3], activation="silu", initial_state=given[3])

    assert torch.autograd.gradcheck(convolve, (x, weight, bias, state))


def test_weights_in_float32_serve_data_of_half_precision() -> None:
    x, weight, bias = torch.randn(1, 2, 9), torch.randn(2, 4), torch.randn(2)
    y = causal_conv1d(x.bfloat16(), weight, bias)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), causal_conv1d(x, weight, bias), rtol=0.05, atol=0.05)


def test_wrong_arguments_are_named() -> None:
    x, weight = torch.zeros(1, 2, 3), torch.zeros(2, 4)
    with pytest.raises(InputError, match=r"weight has shape \(3, 4\), expected \(D=2, K\)"):
        causal_conv1d(x, torch.zeros(3, 4))
    with pytest.raises(InputError, match=r"initial_state has shape \(1, 2, 4\), expected \(B=1, D=2, K-1=3\)"):
        causal_conv1d(x, weight, initial_state=torch.zeros(1, 2, 4))
    with pytest.raises(InputError, match=r"activation is 'relu', expected \"silu\" or None"):
        causal_conv1d(x, weight, activation="relu")
