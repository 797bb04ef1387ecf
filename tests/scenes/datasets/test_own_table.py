"""``images.csv``: a row speaks of its own image, whatever others are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.datasets.own_images import OwnImages
from tests.scenes.datasets.test_own_images import halves, image, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, glacier in enumerate(("Amundsen", "Crane")):
        write(tmp_path / "images" / glacier / "a.tif", image(seed))
        write(tmp_path / "masks" / glacier / "a.tif", halves(0, 1))
    return tmp_path


def test_a_row_with_a_folder_is_of_that_folder(root: Path) -> None:
    (root / "images.csv").write_text("file,date,region\nCrane/a.tif,2006-01-02,P\n")
    assert [(info.name, str(info.date), info.region) for info in OwnImages(root).infos] == [
        ("Amundsen/a", "None", ""), ("Crane/a", "2006-01-02", "P"),
    ]  # fmt: skip
    (root / "images.csv").write_text("file,date\nimages/Crane/a.tif,2006-01-02\n.\\Amundsen\\a.tif,2007-01-02\n")
    assert [str(info.date) for info in OwnImages(root).infos] == ["2007-01-02", "2006-01-02"]


def test_a_row_of_two_images_is_refused(root: Path) -> None:
    (root / "images.csv").write_text("file,date\na.tif,2006-01-02\n")
    with pytest.raises(InputError, match=r"2 images are called a.tif; name their folders.*such as Amundsen/a.tif"):
        OwnImages(root).infos  # noqa: B018


def test_a_row_of_no_image_is_told(root: Path) -> None:
    (root / "images.csv").write_text("file,date\nJorum/a.tif,2006-01-02\n")
    assert OwnImages(root).problems == ("images.csv: 1 file is not among the images (Jorum/a.tif)",)


def test_days_to_an_outline_go_with_outlines(root: Path) -> None:
    with pytest.raises(UsageError, match="max_gap_days speak of outlines"):
        OwnImages(root, max_gap_days=365)
