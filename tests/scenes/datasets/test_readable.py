"""Samples that cannot be read are told one by one, and the others are used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import io

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.readable import readable_part
from glaciertime.scenes.datasets.readers import open_training_data

NAMES = (
    "Crane_2002-11-09_ERS_20_2_061",
    "Crane_2003-13-09_ERS_20_2_061",
    "DBE_2003-11-09_ERS_0_2_061",
    "JAC_2004-11-09_TSX_7_1_049",
)


@pytest.fixture
def caffe(tmp_path: Path) -> Path:
    """Four images: a good one, one of an impossible month, one without a resolution, and one that is cut short."""
    for part, ending in (("sar_images", ""), ("zones", "_zones")):
        folder = tmp_path / part / "train"
        folder.mkdir(parents=True)
        for name in NAMES:
            io.imsave(folder / f"{name}{ending}.png", np.full((8, 8), 127, dtype=np.uint8), check_contrast=False)
    cut = tmp_path / "sar_images" / "train" / f"{NAMES[3]}.png"
    cut.write_bytes(cut.read_bytes()[:50])
    return tmp_path


def test_the_good_ones_are_used_and_the_others_told(caffe: Path) -> None:
    data = readable_part(open_training_data("caffe", root=caffe))
    assert [info.name for info in data.infos] == [NAMES[0]]
    assert len(data) == len(list(data)) == 1
    assert data.codes == (0, 64, 127, 254)
    told = data.problems  # type: ignore[attr-defined]
    assert len(told) == 3
    assert "there is no day 9 in month 13" in told[0]
    assert "a resolution of 0 m" in told[1]
    assert NAMES[3] in told[2]


def test_a_data_set_without_faults_is_itself(caffe: Path) -> None:
    for name in NAMES[1:]:
        (caffe / "sar_images" / "train" / f"{name}.png").unlink()
    data = open_training_data("caffe", root=caffe)
    assert readable_part(data) is data


def test_nothing_to_read_is_an_error(caffe: Path) -> None:
    (caffe / "sar_images" / "train" / f"{NAMES[0]}.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="none of 2 samples can be read"):
        readable_part(open_training_data("caffe", root=caffe))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("Toy,2003-13-09,LT05,1,a.png,a.png", "there is no day 9 in month 13"),
        ("Toy,2003-10-09,LT05,1,../../a.png,a.png", "is no file of the folder"),
        ("Toy,2003-10-09,LT05,1,,a.png", "is no file of the folder"),
        ("Toy,,LT05,1,a.png,a.png", "date"),
    ],
)
def test_rows_of_an_index_that_cannot_be_are_told(tmp_path: Path, row: str, why: str) -> None:
    head = "glacier,date,sensor,pathrow,image,front\n"
    (tmp_path / "index.csv").write_text(f"{head}{row}\nToy,2003-10-09,LT05,1,a.png,a.png\n")
    data = open_training_data("landsat-fronts", root=tmp_path)
    assert [info.name for info in data.infos] == ["a"]
    (told,) = data.problems  # type: ignore[attr-defined]
    assert why in told


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"a,b\n1,2\n", b'glacier,date\n"', b"\x00" * 50])
def test_an_index_that_is_none_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "index.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"index\.csv"):
        len(open_training_data("landsat-fronts", root=tmp_path))
