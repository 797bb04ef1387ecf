"""What masks of one's own mean: headers against legends, two conventions in one folder, what nobody labelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import IGNORE
from tests.scenes.datasets.test_own_images import PLACE, UTM, N, halves, image, opened, write

FLAGS = {"flag_values": "0, 127, 254", "flag_meanings": "not_observed glacier ocean"}


@pytest.mark.parametrize("nodata", [0, 2])
def test_a_class_that_the_header_calls_nodata_is_not_silently_lost(tmp_path: Path, nodata: int) -> None:
    write(tmp_path / "images" / "a.tif", image())
    write(tmp_path / "masks" / "a.tif", halves(0, 1, 2), nodata=nodata)
    with pytest.raises(InputError, match=rf"says in its header that {nodata} was not observed.*-unsetnodata a.tif"):
        opened(tmp_path, legend="0=background,1=glacier,2=rock")
    rest = ",".join(f"{value}=c{value}" for value in (0, 1, 2) if value != nodata)
    found = opened(tmp_path, legend=f"{nodata}=ignore,{rest}")
    assert found.counts.sum(axis=0).tolist() == [48, 48]


def test_zero_and_one_beside_zero_and_255_is_asked_for(tmp_path: Path) -> None:
    for name, high in (("a", 1), ("b", 255)):
        write(tmp_path / "images" / f"{name}.tif", image(high))
        write(tmp_path / "masks" / f"{name}.tif", halves(0, high))
    with pytest.raises(InputError, match=r"a\.tif holds 1 and b\.tif holds 255"):
        opened(tmp_path)
    assert opened(tmp_path, legend="0=background,1=glacier,255=glacier").counts.sum(axis=0).tolist() == [144, 144]
    assert opened(tmp_path, legend="0=background,1=glacier,255=ignore").counts.sum(axis=0).tolist() == [144, 72]


def test_what_a_mask_calls_not_observed_is_no_class(tmp_path: Path) -> None:
    """A mask that ``segment`` wrote, corrected by hand and learned from again."""
    write(tmp_path / "images" / "a.tif", image())
    mask = write(tmp_path / "masks" / "a.tif", halves(0, 127, 254))
    with rasterio.open(mask, "r+") as raster:
        raster.update_tags(1, **FLAGS)
    found = opened(tmp_path)
    assert (found.classes, found.codes) == (("glacier", "ocean"), (127, 254))
    assert set(found[0].labels[:4].ravel()) == {IGNORE}
    assert found.counts.sum(axis=0).tolist() == [48, 48]
    assert any("not observed is not labelled" in sentence for sentence in found.told)


def test_names_that_differ_in_spelling_alone_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "images" / "a.tif", image())
    write(tmp_path / "masks" / "a.tif", np.asarray(halves(0, 1, 2)))
    with pytest.raises(InputError, match="clean-ice and Clean ice differ in spelling alone"):
        opened(tmp_path, legend="0=rock,1=clean-ice,2=Clean ice")


@pytest.mark.parametrize(
    ("legend", "codes"),
    [
        ("127=snow,1=glacier,64=rock", (1, 127, 64)),
        ("127=glacier,1=snow,64=ocean", (127, 1, 254)),
        ("1=snow,127=melange,64=sea", (1, 254, 2)),
        ("127=Gletscher,1=Schnee,64=Fels", (127, 1, 64)),
    ],
)
def test_the_code_of_the_glacier_is_not_that_of_another_class(
    tmp_path: Path, legend: str, codes: tuple[int, ...]
) -> None:
    write(tmp_path / "images" / "a.tif", image())
    write(tmp_path / "masks" / "a.tif", halves(127, 1, 64))
    assert opened(tmp_path, legend=legend).codes == codes


def test_palettes_in_another_order_are_refused_and_other_shades_are_not(tmp_path: Path) -> None:
    black, cyan, blue = (0, 0, 0, 255), (0, 255, 255, 255), (0, 0, 255, 255)

    def folder(name: str, *palettes: dict[int, tuple[int, ...]]) -> Path:
        for number, palette in enumerate(palettes):
            write(tmp_path / name / "images" / f"a{number}.tif", image(number))
            write(tmp_path / name / "masks" / f"a{number}.tif", halves(0, 1), colormap=palette)
        return tmp_path / name

    with pytest.raises(InputError, match=r"#00ffff is number 1 in the palette of a0.tif and 0 in that of a1.tif"):
        opened(folder("turned", {0: black, 1: cyan}, {0: cyan, 1: black}))
    assert len(opened(folder("shades", {0: black, 1: cyan}, {0: black, 1: blue}))) == 2
    # A palette that gives one colour to all says nothing.
    assert len(opened(folder("blank", {0: black, 1: black}, {0: cyan, 1: black}))) == 2


def test_a_mask_with_other_corners_and_without_a_coordinate_system_is_refused(tmp_path: Path) -> None:
    """Its numbers say that it lies ten pixels off: taken pixel by pixel its labels would."""
    moved = PLACE @ Affine.translation(10, 0)
    for name, crs in (("none", {"image": None, "mask": None}), ("half", {"image": UTM, "mask": None})):
        write(tmp_path / name / "images" / "a.tif", image(), crs=crs["image"])
        write(tmp_path / name / "masks" / "a.tif", halves(0, 1), crs=crs["mask"], transform=moved)
        with pytest.raises(InputError, match=r"lie 10.0 pixels apart by their corners, and not both name"):
            opened(tmp_path / name)[0]
        write(tmp_path / name / "masks" / "a.tif", halves(0, 1), crs=crs["mask"], transform=PLACE)
        assert (opened(tmp_path / name)[0].labels == np.repeat([[0], [1]], N // 2, axis=0)).all()


def test_pixels_of_nearly_one_size_drift_apart(tmp_path: Path) -> None:
    """Of 0.08 % smaller pixels the last of 4,000 lies three pixels off; the ice ends at 3,897."""
    ice = np.zeros((2, 4000), np.uint8)
    ice[:, :3900] = 1
    write(tmp_path / "images" / "a.tif", np.where(ice == 1, 180, 60).astype(np.uint8))
    write(tmp_path / "masks" / "a.tif", ice, transform=PLACE @ Affine.scale(0.9992, 1))
    labels = opened(tmp_path)[0].labels
    assert (labels[0] == 1).sum() == 3897
    assert (labels[0] == IGNORE).sum() == 3
