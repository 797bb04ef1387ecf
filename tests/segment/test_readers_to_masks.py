"""Every reader end to end: a model trained through it says of the raw file what it says of the reader's sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from glaciertime.__main__ import run
from glaciertime.scenes.datasets.readers import open_training_data, reader_names
from tests.dataset_trees import HEIGHT, SIMULATED, TREES, WIDTH

pytest.importorskip("lightning")


def test_no_reader_is_left_out() -> None:
    assert sorted(TREES) == reader_names()


@pytest.mark.parametrize("name", TREES)
def test_the_raw_file_has_the_mask_of_the_sample(name: str, tmp_path: Path) -> None:
    from glaciertime.scenes.datasets.splits import Split
    from glaciertime.segment.export.folded_export import export_model
    from glaciertime.segment.predict.engine import torch_engine
    from glaciertime.segment.predict.prediction import predict_image, zones_from_probability
    from glaciertime.segment.predict.weights import load_model
    from glaciertime.segment.teach.config import TrainConfig
    from glaciertime.segment.teach.training import train

    raw = TREES[name](tmp_path)
    data = open_training_data(name, root=tmp_path, options=SIMULATED if name == "simulated" else None)
    fixed = name in ("caffe", "nird", "hkh-aryal")
    config = TrainConfig(
        data=name, root=tmp_path, model="unet-small", fold=2, loss="focal", epochs=1, draws=2, batch=2, patch=(32, 32),
        normalisation="fixed" if fixed else "image", mask_bands=name == "nird", validation_fraction=0, workers=0,
    )  # fmt: skip
    everything = Split(train=tuple(range(len(data))), validation=(), test=())
    trained = train(data, config, out=tmp_path / "run", split=everything, progress=False)
    network, spec = load_model(trained.weights)
    export_model(network, spec, tmp_path / "run" / "model.onnx", mark="glaciertime train")

    sample = data[0]
    if not isinstance(raw, Path):
        with rasterio.open(
            tmp_path / "raw.tif", "w", driver="GTiff", height=HEIGHT, width=WIDTH, count=len(raw), dtype=raw.dtype
        ) as target:
            target.write(raw)
        raw = tmp_path / "raw.tif"
    engine, spec = torch_engine(trained.weights)
    right = zones_from_probability(predict_image(sample.image, run=engine, spec=spec), spec=spec)
    assert len(np.unique(right)) > 1
    for kind, weights in (("torch", trained.weights), ("onnx", tmp_path / "run" / "model.onnx")):
        out = tmp_path / f"{kind}.tif"
        given = ["segment", raw, "--weights", weights, "--engine", kind, "--out", out]
        assert run([str(part) for part in given]) == 0
        with rasterio.open(out) as mask:
            assert (mask.read(1) != right).sum() == 0, kind
            assert mask.nodata == spec.unobserved
            assert mask.nodata not in spec.codes
