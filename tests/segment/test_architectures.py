"""Every architecture runs, learns, and has the size it should."""

from __future__ import annotations

import pytest
import torch

from glaciertime.errors import InputError, UsageError
from glaciertime.segment import build_model, model_names
from glaciertime.segment.architectures.glacier_seg import Involution
from glaciertime.segment.architectures.ma_resunet import ChannelAttention, LinearAttention
from glaciertime.segment.architectures.smp import AdaptiveMean
from glaciertime.segment.architectures.wavemix import haar

ASKED_FOR = {
    *("unet", "resnet50-unet", "efficientnet-b3-unet", "vgg19-unet", "deeplabv3", "segformer-b0", "vim-seg"),
    *("glacier-seg", "glacier-seg-fast", "unet-ps1", "resnet34-unet", "ma-resunet", "unetplusplus", "manet"),
    *("wavemix", "linknet", "fpn", "pspnet", "pan", "deeplabv3plus", "boundary-unet", "glavitu"),
}
# At 11 bands and 2 classes; what a publication states, in its precision, or the count of the same network elsewhere.
PARAMETERS = {
    "glacier-seg": 677_206,
    "glacier-seg-conv": 682_498,
    "glacier-seg-involution": 597_016,
    "segformer-b0": 3_727_202,
}


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def count(name: str, *, in_channels: int = 11, classes: int = 2) -> int:
    model = build_model(name, in_channels=in_channels, classes=classes)
    return sum(parameter.numel() for parameter in model.parameters())


def test_every_architecture_asked_for_has_a_name() -> None:
    assert set(model_names()) >= ASKED_FOR


@pytest.mark.parametrize("name", model_names())
def test_one_training_step_changes_the_loss(name: str) -> None:
    model = build_model(name, in_channels=5, classes=3)
    image = torch.randn(2, 5, 21, 34)
    labels = torch.randint(3, (2, 21, 34))
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-2)
    logits = model(image)
    assert logits.shape == (2, 3, 21, 34)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimiser.step()
    assert torch.isfinite(loss)
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("name", ["glacier-seg-fast", "pspnet", "unet-ps1"])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 40)])
def test_any_size_is_answered_at_that_size(name: str, size: tuple[int, int]) -> None:
    model = build_model(name, in_channels=1, classes=1).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 1, *size)).shape == (1, 1, *size)


@pytest.mark.parametrize("name", ["glacier-seg-fast", "glacier-seg", "linknet"])
def test_padding_does_not_change_an_aligned_image(name: str) -> None:
    model = build_model(name, in_channels=2, classes=2).eval()
    image = torch.randn(1, 2, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(image), model.core(image))


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_parameters_are_those_published(name: str, parameters: int) -> None:
    assert count(name) == parameters


def test_the_thesis_states_sizes_within_three_percent() -> None:
    assert count("glacier-seg") == pytest.approx(0.68e6, rel=0.03)
    assert count("glacier-seg-text") == pytest.approx(0.68e6, rel=0.03)
    assert count("glacier-seg-s12") == pytest.approx(0.62e6, rel=0.03)
    assert count("vim-seg") == pytest.approx(7.50e6, rel=0.03)
    assert count("unet-classic", in_channels=3) == pytest.approx(31.0e6, rel=0.01)
    assert 6.5e6 < count("unet-ps1", in_channels=5, classes=1) < 8e6


def test_the_thesis_counted_its_ablations_without_the_mamba_blocks() -> None:
    from glaciertime.nn import Mamba

    for name, stated in (
        ("glacier-seg-involution", 0.434e6),
        ("glacier-seg-conv", 0.520e6),
        ("glacier-seg-involution-deep", 0.609e6),
        ("glacier-seg-involution-wider", 1.026e6),
        ("glacier-seg-conv-wider", 1.366e6),
    ):
        model = build_model(name, in_channels=11, classes=2)
        mixers = [module for module in model.modules() if isinstance(module, Mamba)]
        inside = sum(parameter.numel() for mixer in mixers for parameter in mixer.parameters())
        outside = sum(parameter.numel() for parameter in model.parameters()) - inside
        assert outside == pytest.approx(stated, rel=0.003)


def test_the_fast_one_stays_within_its_bounds() -> None:
    from glaciertime.segment.export.models_table import count_arithmetic

    counted = count_arithmetic(build_model("glacier-seg-fast", in_channels=11, classes=2), in_channels=11)
    assert counted.parameters <= 680_000
    assert counted.gflops + counted.scan_gflops <= 1.0


def test_the_fast_one_sees_the_whole_image_from_every_corner() -> None:
    model = build_model("glacier-seg-fast", in_channels=1, classes=1).eval()
    image = torch.randn(1, 1, 96, 96, requires_grad=True)
    for row, column in ((0, 0), (0, 95), (95, 0), (95, 95)):
        (gradient,) = torch.autograd.grad(model(image)[0, 0, row, column], image)
        assert gradient[0, 0, 95 - row, 95 - column] != 0


def test_involution_is_an_unfolded_product() -> None:
    layer = Involution(6, stride=2)
    image = torch.randn(2, 6, 8, 10)
    kernel = layer.span(torch.relu(layer.reduce(torch.nn.functional.avg_pool2d(image, 2))))
    patches = torch.nn.functional.unfold(image, 3, padding=1, stride=2).reshape(2, 6, 9, 4, 5)
    torch.testing.assert_close(layer(image), (patches * kernel[:, None]).sum(dim=2))


@pytest.mark.parametrize("bins", [1, 2, 3, 6])
def test_adaptive_mean_is_torchs(bins: int) -> None:
    image = torch.randn(2, 3, 11, 16)
    torch.testing.assert_close(AdaptiveMean(bins)(image), torch.nn.functional.adaptive_avg_pool2d(image, bins))


def test_haar_keeps_the_energy() -> None:
    image = torch.randn(1, 2, 8, 8)
    low, bands = haar(image)
    torch.testing.assert_close(bands.square().sum(), image.square().sum())
    torch.testing.assert_close(low, 2 * torch.nn.functional.avg_pool2d(image, 2))


def test_attention_that_starts_at_zero_changes_nothing() -> None:
    image = torch.randn(1, 16, 5, 7)
    torch.testing.assert_close(LinearAttention(16)(image), image)
    torch.testing.assert_close(ChannelAttention()(image), image)


def test_linear_attention_to_equal_keys_is_the_mean() -> None:
    attention = LinearAttention(32)
    with torch.no_grad():
        attention.weight.fill_(1.0)
        attention.key.weight.zero_()
        attention.key.bias.fill_(1.0)
    image = torch.randn(1, 32, 4, 6)
    values = attention.value(image).mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(attention(image) - image, values.expand_as(image), rtol=1e-4, atol=1e-5)


def test_a_mistyped_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="nearest: glacier-seg"):
        build_model("glacierseg", in_channels=3, classes=2)


@pytest.mark.parametrize(("in_channels", "classes"), [(0, 2), (3, 0), (3, -1), (True, 2), (2.0, 2)])
def test_counts_must_be_positive_integers(in_channels: int, classes: int) -> None:
    with pytest.raises(InputError, match="positive integer expected"):
        build_model("pspnet", in_channels=in_channels, classes=classes)


def test_a_wrong_number_of_bands_is_told() -> None:
    model = build_model("pspnet", in_channels=3, classes=2)
    with pytest.raises(InputError, match=r"pspnet: input of shape \(1, 4, 32, 32\) given, \(batch, 3"):
        model(torch.zeros(1, 4, 32, 32))
