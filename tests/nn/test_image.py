from __future__ import annotations

import pytest
import torch

from glaciertime.errors import InputError
from glaciertime.nn import SS2DBlock
from glaciertime.nn.image import _fold, _unfold

CORES = ("mamba", "mamba2")


@pytest.fixture(params=CORES)
def block(request: pytest.FixtureRequest) -> SS2DBlock:
    torch.manual_seed(0)
    return SS2DBlock(6, core=request.param, d_state=3, headdim=4).double()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3)])
def test_keeps_the_shape_of_any_image(block: SS2DBlock, size: tuple[int, int]) -> None:
    assert block(torch.randn(2, 6, *size, dtype=torch.float64)).shape == (2, 6, *size)


def test_every_pixel_sees_every_pixel(block: SS2DBlock) -> None:
    x = torch.randn(1, 6, 9, 8, dtype=torch.float64, requires_grad=True)
    block(x)[0, :, 4, 3].sum().backward()
    assert (x.grad.abs().sum(dim=(0, 1)) > 0).all()


def test_four_directions_visit_rows_and_columns_both_ways() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert _unfold(image)[0, :, 0].tolist() == [
        [0, 1, 2, 3, 4, 5],
        [0, 3, 1, 4, 2, 5],
        [5, 4, 3, 2, 1, 0],
        [5, 2, 4, 1, 3, 0],
    ]
    assert torch.equal(_fold(_unfold(image), 2, 3), 4 * image)


def test_transposing_the_image_swaps_the_directions(block: SS2DBlock) -> None:
    # Rows and columns change places, so that with their weights exchanged nothing else changes.
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    expected = block(x)
    swap = [1, 0, 3, 2]
    with torch.no_grad():
        for name in ("x_proj_weight", "dt_proj_weight", "A_log", "dt_bias", "D"):
            parameter = getattr(block, name, None)
            if parameter is not None:
                whole = parameter.reshape(4, -1)
                parameter.copy_(whole[swap].reshape(parameter.shape))
        block.conv2d.weight.copy_(block.conv2d.weight.mT.clone())
    torch.testing.assert_close(block(x.mT).mT, expected)


def test_gradients_are_those_of_finite_differences(block: SS2DBlock) -> None:
    x = torch.randn(1, 6, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x,), fast_mode=True)


def test_every_parameter_gets_a_gradient(block: SS2DBlock) -> None:
    block(torch.randn(2, 6, 5, 5, dtype=torch.float64)).square().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_backends_agree(block: SS2DBlock, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(2, 6, 9, 8, dtype=torch.float64)
    results = []
    for backend in ("compiled", "chunked"):
        monkeypatch.setenv("GLACIERTIME_SCAN", backend)
        results.append(block(x))
    torch.testing.assert_close(*results)


def test_autocast_runs_forward_and_backward(block: SS2DBlock) -> None:
    block.float()
    x = torch.randn(1, 6, 5, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(x)
        y.sum().backward()
    assert (y - block(x)).norm() / (y - x).norm() < 0.05


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(InputError, match='core is \'mamba3\', expected "mamba" or "mamba2"'):
        SS2DBlock(4, core="mamba3")
    with pytest.raises(InputError, match="d_conv is 2, expected an odd number"):
        SS2DBlock(4, d_conv=2)
    with pytest.raises(InputError, match="headdim is 3, expected a divisor of expand \\* d_model = 8"):
        SS2DBlock(4, headdim=3)
    with pytest.raises(InputError, match=r"x has shape \(1, 3, 5, 5\), expected \(B, d_model=4, H, W\)"):
        SS2DBlock(4, headdim=4)(torch.zeros(1, 3, 5, 5))
