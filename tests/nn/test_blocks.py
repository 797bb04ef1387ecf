from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import nn

from glaciertime.errors import InputError
from glaciertime.nn import DropPath, Mamba, Mamba2, Mamba2Block, MambaBlock, MambaStack

BUILDERS: dict[str, Callable[..., MambaBlock | Mamba2Block]] = {
    "mamba": lambda **options: MambaBlock(6, d_state=4, **options),
    "mamba2": lambda **options: Mamba2Block(6, d_state=4, headdim=4, **options),
    "mamba2-grouped": lambda **options: Mamba2Block(8, d_state=4, headdim=4, ngroups=2, **options),
}


@pytest.fixture(params=list(BUILDERS))
def build(request: pytest.FixtureRequest) -> Callable[..., MambaBlock | Mamba2Block]:
    torch.manual_seed(0)
    return BUILDERS[request.param]


def sample(block: MambaBlock | Mamba2Block, length: int = 11) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, length, block.mixer.d_model, generator=generator)
    return x, torch.rand(2, length, generator=generator)


@pytest.mark.parametrize("with_gaps", [False, True])
def test_steps_equal_the_full_pass(build: Callable[..., MambaBlock], with_gaps: bool) -> None:
    block = build()
    x, dt = sample(block)
    whole = block(x, dt=dt if with_gaps else None)
    state, steps = None, []
    for t in range(x.shape[1]):
        y, state = block.step(x[:, t], state, dt=dt[:, t] if with_gaps else None)
        steps.append(y)
    torch.testing.assert_close(torch.stack(steps, dim=1), whole, rtol=1e-5, atol=1e-6)


def test_a_sequence_may_go_on_from_a_state(build: Callable[..., MambaBlock]) -> None:
    mixer = build().mixer
    x = torch.randn(2, 9, mixer.d_model)
    dt = torch.rand(2, 9)
    whole = mixer(x, dt=dt)
    head, state = mixer(x[:, :4], dt=dt[:, :4], return_state=True)
    tail = mixer(x[:, 4:], dt=dt[:, 4:], state=state)
    torch.testing.assert_close(torch.cat([head, tail], dim=1), whole, rtol=1e-5, atol=1e-6)


def test_one_direction_sees_only_the_past(build: Callable[..., MambaBlock]) -> None:
    block = build()
    x, _ = sample(block)
    later = x.clone()
    later[:, 6:] += 1
    assert torch.equal(block(x)[:, :6], block(later)[:, :6])


def test_both_directions_see_everything(build: Callable[..., MambaBlock]) -> None:
    block = build(bidirectional=True)
    x, _ = sample(block)
    x.requires_grad_()
    block(x)[:, 5].sum().backward()
    assert (x.grad.abs().sum(dim=(0, 2)) > 0).all()


def test_backwards_the_gaps_are_those_that_follow(build: Callable[..., MambaBlock]) -> None:
    block = build(bidirectional=True)
    x, dt = sample(block)
    mirrored = copy.deepcopy(block)
    mirrored.mixer, mirrored.mixer_reverse = mirrored.mixer_reverse, mirrored.mixer
    # Seen from the end, the gap before sample k is the one before k + 1; the one before the first says nothing.
    back = torch.cat([torch.ones(2, 1), dt[:, 1:].flip(1)], dim=1)
    torch.testing.assert_close(mirrored(x.flip(1), dt=back), block(x, dt=dt).flip(1), rtol=1e-5, atol=1e-6)


def test_wider_gaps_change_the_result(build: Callable[..., MambaBlock]) -> None:
    block = build()
    x, dt = sample(block)
    assert not torch.allclose(block(x, dt=dt), block(x, dt=3 * dt), atol=1e-7)


def test_gaps_may_be_in_double_precision(build: Callable[..., MambaBlock]) -> None:
    block = build()
    x, dt = sample(block)
    assert block(x, dt=dt.double()).dtype == torch.float32


def test_every_parameter_gets_a_gradient(build: Callable[..., MambaBlock]) -> None:
    block = build(bidirectional=True)
    x, dt = sample(block)
    block(x, dt=dt).square().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_block_learns_to_remember(build: Callable[..., MambaBlock]) -> None:
    # The sign of the first sample, six samples ago: more than two taps of the convolution reach.
    torch.manual_seed(0)
    block = build(d_conv=2)
    width = block.mixer.d_model
    read = nn.Linear(width, 1)
    optimiser = torch.optim.Adam([*block.parameters(), *read.parameters()], lr=2e-2)
    losses = []
    for _ in range(150):
        x = 0.3 * torch.randn(64, 6, width)
        sign = torch.randn(64).sign()
        x[:, :, 0] = 0
        x[:, 0, 0] = 2 * sign
        loss = (read(block(x)[:, -1]).squeeze(-1) - sign).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[:10]) > 8
    assert sum(losses[-10:]) < 4


def test_autocast_runs_forward_and_backward(build: Callable[..., MambaBlock]) -> None:
    block = build()
    x, dt = sample(block)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(x, dt=dt)
        y.sum().backward()
    error = (y - block(x, dt=dt)).norm() / (y - x).norm()
    assert error < 0.05


def test_blocks_copy_and_pickle(build: Callable[..., MambaBlock]) -> None:
    block = build()
    x, _ = sample(block)
    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert torch.equal(twin(x), block(x))


def test_a_stack_is_its_blocks_in_turn(build: Callable[..., MambaBlock]) -> None:
    first, second = build(), build()
    stack = MambaStack([first, second])
    x, dt = sample(first)
    assert torch.equal(stack(x, dt=dt), second(first(x, dt=dt), dt=dt))
    states, steps = None, []
    for t in range(x.shape[1]):
        y, states = stack.step(x[:, t], states, dt=dt[:, t])
        steps.append(y)
    torch.testing.assert_close(torch.stack(steps, dim=1), stack(x, dt=dt), rtol=1e-5, atol=1e-6)


def test_drop_path_keeps_the_mean_and_drops_whole_samples() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25).train()
    out = drop(torch.ones(4000, 3))
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (out.std(dim=1) == 0).all()
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(drop.eval()(torch.ones(5, 3)), torch.ones(5, 3))


def test_drop_path_leaves_the_input_itself() -> None:
    block = MambaBlock(4, drop_path=0.999).train()
    x = torch.randn(6, 3, 4)
    torch.manual_seed(0)
    assert torch.equal(block(x), x)


def test_wrong_arguments_are_named() -> None:
    block = MambaBlock(4)
    with pytest.raises(InputError, match=r"MambaBlock: x has shape \(2, 3, 5\), expected \(B, L, d_model=4\)"):
        block(torch.zeros(2, 3, 5))
    with pytest.raises(InputError, match=r"MambaBlock: dt has shape \(2, 4\), expected \(B=2, L=3\)"):
        block(torch.zeros(2, 3, 4), dt=torch.zeros(2, 4))
    with pytest.raises(InputError, match="negative gap"):
        block(torch.zeros(1, 3, 4), dt=torch.tensor([[0.0, -1.0, 1.0]]))
    with pytest.raises(InputError, match=r"step\(\) of a bidirectional block would need samples not yet seen"):
        MambaBlock(4, bidirectional=True).step(torch.zeros(2, 4))
    with pytest.raises(InputError, match="headdim is 5, expected a divisor of expand \\* d_model = 8"):
        Mamba2(4, headdim=5)
    with pytest.raises(InputError, match="ngroups is 3, expected a divisor of the 2 heads"):
        Mamba2(4, headdim=4, ngroups=3)
    with pytest.raises(InputError, match="d_state is 0, expected a whole number of at least 1"):
        Mamba(4, d_state=0)
    with pytest.raises(InputError, match="probability is 1, expected at least 0 and below 1"):
        DropPath(1)
    with pytest.raises(InputError, match="no block given"):
        MambaStack([])
    with pytest.raises(InputError, match=r"dt_min=0, dt_max=0\.1, expected 0 < dt_min"):
        Mamba(4, dt_min=0)
