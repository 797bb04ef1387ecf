from __future__ import annotations

import pytest
import torch

from glaciertime.nn.plain.chunked import linear_recurrence, selective_scan_chunked
from glaciertime.nn.plain.reference import selective_scan_reference
from tests.nn.cases import scan_inputs


@pytest.mark.parametrize("length", [1, 2, 9, 11])
def test_recurrence_and_its_gradients(length: int) -> None:
    factors, added, first = (
        torch.rand(*shape, dtype=torch.float64, requires_grad=True) for shape in ((length, 2), (length, 2), (2,))
    )
    states = linear_recurrence(factors, added, first)
    h = first
    for t in range(length):
        h = factors[t] * h + added[t]
        torch.testing.assert_close(states[t], h)
    assert torch.autograd.gradcheck(linear_recurrence, (factors, added, first))


@pytest.mark.parametrize("segment", [1, 7, 16, 40])
def test_segments_change_neither_result_nor_gradients(segment: int) -> None:
    given = {name: tensor.requires_grad_() for name, tensor in scan_inputs(2, 3, 40, 2).items()}
    positional = [given[name] for name in ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")]
    options = {"delta_softplus": True, "h0": given["h0"], "dt": given["dt"]}
    outcomes = []
    for y, last in (
        selective_scan_chunked(*positional, segment=segment, **options),
        selective_scan_reference(*positional, **options),
    ):
        loss = y.square().sum() + last.sum()
        outcomes.append([y, last, *torch.autograd.grad(loss, list(given.values()))])
    for mine, theirs in zip(*outcomes, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_what_is_kept_does_not_grow_with_the_states_of_all_samples() -> None:
    given = scan_inputs(1, 16, 512, 16, dtype=torch.float32)
    positional = [given[name].requires_grad_() for name in ("u", "delta", "A", "B", "C")]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (kept.append(tensor.numel()), tensor)[1], lambda t: t):
        selective_scan_chunked(*positional, None, None, None, delta_softplus=False, h0=None, dt=None, segment=64)
    assert sum(kept) < 512 * 16 * 16
