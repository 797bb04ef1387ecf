from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from glaciertime.errors import InputError
from glaciertime.nn import Mamba2Block, MambaBlock, from_mamba_ssm, to_mamba_ssm

# Names and shapes as mamba-ssm 2 writes them, for d_model 8.
MAMBA = {
    "A_log": (16, 16),
    "D": (16,),
    "in_proj.weight": (32, 8),
    "conv1d.weight": (16, 1, 4),
    "conv1d.bias": (16,),
    "x_proj.weight": (33, 16),
    "dt_proj.weight": (16, 1),
    "dt_proj.bias": (16,),
    "out_proj.weight": (8, 16),
}
MAMBA2 = {
    "dt_bias": (4,),
    "A_log": (4,),
    "D": (4,),
    "in_proj.weight": (2 * 16 + 2 * 5 + 4, 8),
    "conv1d.weight": (26, 1, 4),
    "conv1d.bias": (26,),
    "norm.weight": (16,),
    "out_proj.weight": (8, 16),
}


@pytest.mark.parametrize(
    ("block", "names"),
    [(MambaBlock(8), MAMBA), (Mamba2Block(8, d_state=5, headdim=4), MAMBA2)],
    ids=["mamba", "mamba2"],
)
def test_names_and_shapes_are_theirs_and_come_back(block: MambaBlock, names: dict[str, tuple[int, ...]]) -> None:
    theirs = to_mamba_ssm(block.state_dict())
    assert {name: tuple(tensor.shape) for name, tensor in theirs.items()} == names
    back = from_mamba_ssm(theirs, norm=block.norm.weight)
    assert back.keys() == block.state_dict().keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in block.state_dict().items())


def test_weights_of_theirs_give_their_result() -> None:
    # Mamba's forward pass as its paper writes it, number by number from the weights alone.
    torch.manual_seed(0)
    weights = {name: torch.randn(*shape, dtype=torch.float64) * 0.3 for name, shape in MAMBA.items()}
    block = MambaBlock(8).double()
    block.load_state_dict(from_mamba_ssm(weights))
    x = torch.randn(1, 6, 8, dtype=torch.float64)
    u, z = (x @ weights["in_proj.weight"].T).chunk(2, dim=-1)
    padded = torch.cat([torch.zeros(1, 3, 16, dtype=torch.float64), u], dim=1)
    taps = weights["conv1d.weight"][:, 0]
    u = functional.silu(sum(padded[:, k : k + 6] * taps[:, k] for k in range(4)) + weights["conv1d.bias"])
    rank, B, C = (u @ weights["x_proj.weight"].T).split([1, 16, 16], dim=-1)
    step = functional.softplus(rank @ weights["dt_proj.weight"].T + weights["dt_proj.bias"])
    A = -weights["A_log"].exp()
    h = torch.zeros(16, 16, dtype=torch.float64)
    rows = []
    for t in range(6):
        h = (step[0, t, :, None] * A).exp() * h + (step[0, t] * u[0, t])[:, None] * B[0, t]
        rows.append(h @ C[0, t] + weights["D"] * u[0, t])
    expected = (torch.stack(rows)[None] * functional.silu(z)) @ weights["out_proj.weight"].T
    torch.testing.assert_close(block.mixer(x), expected)


def test_rates_start_at_whole_numbers_and_steps_in_their_range() -> None:
    mixer = MambaBlock(8).mixer
    torch.testing.assert_close(mixer.A_log.exp(), torch.arange(1.0, 17.0).expand(16, 16))
    steps = functional.softplus(mixer.dt_proj.bias)
    assert steps.min() > 0.00099
    assert steps.max() < 0.101
    assert math.isclose(mixer.D.sum().item(), 16)


def test_other_state_dicts_are_refused() -> None:
    with pytest.raises(InputError, match=r"does not fit Mamba of one direction: missing \['D'\]"):
        from_mamba_ssm({name: torch.zeros(shape) for name, shape in MAMBA.items() if name != "D"})
    with pytest.raises(InputError, match=r"does not fit Mamba2 .*not expected \['extra'\]"):
        from_mamba_ssm({name: torch.zeros(shape) for name, shape in (MAMBA2 | {"extra": (1,)}).items()})
    with pytest.raises(InputError, match="does not fit Mamba of one direction"):
        to_mamba_ssm(MambaBlock(8, bidirectional=True).state_dict())
