"""The comparison of tracked and traced series: what it subtracts, and what it tells a model."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M
from glaciertime.segment.description import read_spec, weights_path
from glaciertime.segment.predict.engine import load_engine


@pytest.fixture(scope="module")
def chain() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "chain_landsat.py"
    if not path.is_file():
        pytest.skip(f"no {path.name}: the scripts are not part of the installed package")
    spec = importlib.util.spec_from_file_location("chain_landsat", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def series(values: list[float], *, sigma: float = np.nan) -> pd.DataFrame:
    blocks = ["9011", "8011", "9011"]
    return pd.DataFrame(
        {
            "image_id": ["a", "b", "c"],
            "date": pd.to_datetime(["2000-01-01", "2000-02-01", "2000-03-01"]),
            "sensor": "Landsat 7",
            "method": "centreline",
            "value": values,
            "sigma": sigma,
            "quality": [f"unregistered: path/row {block}" for block in blocks],
        }
    )


def test_changes_are_taken_within_a_path_row_only(chain: ModuleType) -> None:
    traced = series([1000.0, 5000.0, 1300.0])
    tracked = series([1000.0 + RESOLUTION_M, 5000.0, 1300.0 + 3 * RESOLUTION_M], sigma=50.0)
    table = chain.compare("Jakobshavn", tracked, traced)
    assert table["error_px"].tolist() == pytest.approx([1.0, 0.0, 3.0])
    assert table["since"].isna().tolist() == [True, True, False]
    assert table["since"][2] == "2000-01-01"
    assert table["traced_change_m"][2] == pytest.approx(300.0)
    assert table["change_error_m"][2] == pytest.approx(2 * RESOLUTION_M)
    assert table["sigma_m"].tolist() == [50.0] * 3
    assert table["flags"].tolist() == [""] * 3


def test_an_image_without_a_tracked_front_stays_in_the_table(chain: ModuleType) -> None:
    table = chain.compare("Jakobshavn", series([1.0, 2.0, 3.0]).iloc[:2], series([1.0, 2.0, 3.0]))
    assert len(table) == 3
    assert np.isnan(table["error_m"][2])
    assert table["flags"][2] == "failed"


def test_the_sigma_is_the_distance_that_two_thirds_keep_to(chain: ModuleType) -> None:
    errors = np.random.default_rng(0).normal(scale=1.7, size=20_000)
    errors[:100] = 500
    table = pd.DataFrame({"method": "centreline", "error_px": errors})
    assert chain.sigma_px(table) == pytest.approx(1.7, rel=0.03)


@pytest.mark.parametrize(("ending", "engine"), [(".onnx", "onnx"), (".safetensors", "torch")])
def test_a_model_that_is_told_its_sigma_predicts_as_before(
    chain: ModuleType, tmp_path: Path, ending: str, engine: str
) -> None:
    if engine == "torch":
        pytest.importorskip("torch")
    path = tmp_path / f"model{ending}"
    shutil.copy(weights_path("landsat-fronts", suffix=ending), path)
    spec = read_spec(path)
    image = np.random.default_rng(1).normal(size=(1, spec.channels, 64, 64)).astype(np.float32)
    before = load_engine(path, engine=engine)[0](image)
    chain.stamp(path, 1.234)
    assert read_spec(path).front_sigma_px == 1.23
    assert np.array_equal(load_engine(path, engine=engine)[0](image), before)


def test_a_card_is_told_once_and_keeps_the_rest(chain: ModuleType, tmp_path: Path) -> None:
    card = tmp_path / "m.md"
    card.write_text("# m\n\n## Scores\n\n- iou: 0.5\n\nMore.\n")
    for sigma in (2.0, 1.5):
        chain.tell_card(card, sigma)
    told = "- front_sigma_px: 1.50 (`python scripts/chain_landsat.py`)"
    assert card.read_text() == f"# m\n\n## Scores\n\n- iou: 0.5\n{told}\n\nMore.\n"


def test_flagged_dates_count_neither_themselves_nor_in_changes(chain: ModuleType) -> None:
    traced = series([1000.0, 5000.0, 1300.0])
    tracked = series([1000.0, 9000.0, 1300.0])
    tracked["quality"] += ["", ";unclear-front: 9 pixels", ""]
    table = chain.compare("Jakobshavn", tracked, traced)
    assert table["flags"].tolist() == ["", "unclear-front", ""]
    assert "mean |error| 0.00 px" in chain.unflagged(table[table["flags"] == ""])
    assert "correlation of 1 changes" in chain.unflagged(table[table["flags"] == ""])
