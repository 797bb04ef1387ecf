"""Masks of equal names in several sub-folders: an image gets its own or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.pairing import pair_by_name


def laid(root: Path, *files: str) -> tuple[Path, Path]:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root / "images", root / "masks"


def test_an_image_without_a_mask_does_not_get_that_of_another_folder(tmp_path: Path) -> None:
    folders = laid(tmp_path, "images/Amundsen/2006.tif", "images/Crane/2006.tif", "masks/Crane/2006.tif")
    found = pair_by_name(*folders)
    assert found.pairs == ((folders[0] / "Crane/2006.tif", folders[1] / "Crane/2006.tif"),)
    assert found.told == ("1 of 2 images have no mask (2006.tif) and are left out",)


def test_a_mask_that_could_be_of_two_images_is_of_none(tmp_path: Path) -> None:
    folders = laid(
        tmp_path, "images/Amundsen/x.tif", "images/Crane/x.tif", "images/y.tif", "masks/x.tif", "masks/y.tif"
    )
    found = pair_by_name(*folders)
    assert found.pairs == ((folders[0] / "y.tif", folders[1] / "y.tif"),)
    assert found.problems == (
        "Amundsen/x.tif and Crane/x.tif: x.tif bears the name of 2 images; give each image its own mask",
    )


@pytest.mark.parametrize("mask", ["masks/x.tif", "masks/train/x.tif"])
def test_one_of_the_two_may_have_no_sub_folders(tmp_path: Path, mask: str) -> None:
    folders = laid(tmp_path, "images/train/x.tif", mask)
    assert pair_by_name(*folders).pairs == ((folders[0] / "train/x.tif", tmp_path / mask),)


def test_another_sub_folder_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image has a mask of its name"):
        pair_by_name(*laid(tmp_path, "images/Amundsen/x.tif", "masks/Crane/x.tif"))
