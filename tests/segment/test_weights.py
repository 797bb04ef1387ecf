import json
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from glaciertime.errors import DataNotFoundError, InputError, UsageError  # noqa: E402
from glaciertime.segment.architectures.folding import build_network  # noqa: E402
from glaciertime.segment.description import ModelSpec, read_spec, weights_path  # noqa: E402
from glaciertime.segment.normalisation import Normalisation  # noqa: E402
from glaciertime.segment.predict.weights import load_model, save_model  # noqa: E402

SPEC = ModelSpec(
    name="tiny",
    model="pspnet",
    bands=("a", "b"),
    classes=("glacier", "ocean"),
    codes=(127, 254),
    normalisation=Normalisation(kind="fixed", mean=(1.0, 2.0), std=(3.0, 4.0), mask_bands=True),
    fold=2,
    temperature=1.5,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    torch.manual_seed(0)
    network = build_network("pspnet", in_channels=4, classes=2, fold=2)
    return save_model(network, SPEC, path), network.eval()


def test_what_was_saved_comes_back(saved):
    path, network = saved
    loaded, spec = load_model(path)
    assert spec.to_json() == SPEC.to_json()
    assert spec.channels == 4
    image = torch.randn(1, 4, 37, 41)
    with torch.inference_mode():
        assert torch.equal(loaded(image), network(image))


def test_another_architecture_is_refused(saved):
    with pytest.raises(InputError, match="holds weights of 'pspnet', 'unet' asked for"):
        load_model(saved[0], model="unet")


def test_tensors_of_another_architecture_are_refused(tmp_path, saved):
    from safetensors.torch import load_file, save_file

    path = tmp_path / "wrong.safetensors"
    spec = json.loads(SPEC.to_json())
    spec["fold"] = 1
    save_file(load_file(saved[0]), path, metadata={"glaciertime": json.dumps(spec)})
    with pytest.raises(InputError, match="another architecture or version"):
        load_model(path)


class Planted:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".pkl"])
def test_a_pickle_is_never_opened(tmp_path, suffix):
    trap, path = tmp_path / "trap", tmp_path / f"weights{suffix}"
    path.write_bytes(pickle.dumps(Planted(str(trap))))
    trap.unlink(missing_ok=True)
    with pytest.raises(InputError, match="never opened"):
        weights_path(path)
    assert not trap.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_a_pickle_under_another_name_is_not_run(tmp_path, suffix):
    from glaciertime.segment.predict.engine import load_engine

    trap, path = tmp_path / "trap", tmp_path / f"weights{suffix}"
    path.write_bytes(pickle.dumps(Planted(str(trap))) * 10)
    trap.unlink(missing_ok=True)
    with pytest.raises(InputError, match="is not a"):
        load_engine(path, engine="torch" if suffix == ".safetensors" else "onnx")
    with pytest.raises(InputError, match="is not"):
        read_spec(path)
    assert not trap.exists()


def test_weights_that_say_nothing_are_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "plain.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="does not say what it expects"):
        read_spec(path)


def test_a_mistyped_name_gets_the_nearest_one():
    with pytest.raises(UsageError, match="landsat-fronts"):
        weights_path("landsat-front")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"none.onnx does not exist"):
        weights_path(tmp_path / "none.onnx")


def test_unknown_resolution_survives_json():
    assert np.isnan(ModelSpec.from_json(SPEC.to_json()).resolution_m)


def test_a_file_that_was_cut_short_is_one_sentence(saved, tmp_path):
    path = tmp_path / "cut.safetensors"
    stored = saved[0].read_bytes()
    path.write_bytes(stored[: len(stored) // 2])
    with pytest.raises(InputError, match=r"cut\.safetensors is damaged or cut short"):
        load_model(path)


def test_a_damaged_description_is_one_sentence():
    with pytest.raises(InputError, match="damaged"):
        ModelSpec.from_json("{")


PARTS = {"name": "a", "model": "unet-small", "bands": ["b"], "classes": ["g", "o"], "codes": [127, 254]}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"patch_px": 2**31}, "patch_px"),
        ({"fold": 0}, "fold"),
        ({"multiple": "many"}, "multiple"),
        ({"temperature": float("inf")}, "temperature"),
        ({"codes": [127, 10**400]}, "codes"),
        ({"bands": []}, "bands"),
        ({"bands": 3}, "bands"),
        ({"scores": {"front_sigma_px": "x"}}, "scores"),
        ({"normalisation": {"kind": "fixed", "mean": ["x"], "std": [1]}}, "mean"),
        ({"normalisation": 5}, "normalisation"),
        ({"whatever": 1}, "whatever is no field"),
        ({"name": [[[[1]]]]}, "name"),
    ],
)
def test_a_description_that_cannot_be_is_one_sentence(change, why):
    with pytest.raises(InputError, match=why):
        ModelSpec.from_json(json.dumps({**PARTS, **change}))


def test_a_model_that_cannot_be_run_or_read_is_one_sentence(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    from glaciertime.segment.predict.engine import load_engine

    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
    made = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["logits"])], "toy", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"glaciertime": json.dumps(PARTS)})
    path = tmp_path / "odd.onnx"
    path.write_bytes(model.SerializeToString())
    run, _ = load_engine(path, threads=1)
    with pytest.raises(InputError, match=r"odd\.onnx cannot be run on an image"):
        run(np.zeros((1, 1, 16, 16), np.float32))
    path.write_bytes(path.read_bytes().replace(b'"unet-small"', b'"unet-\xff\x80all"'))
    with pytest.raises(InputError, match=r"odd\.onnx"):
        read_spec(path)
    assert onnx
