"""Cityscapes and CDW-Seg: streets and building rubble, only to compare architectures off the ice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from glaciertime import limits
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.datasets.pictures import read_picture
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample, remap_labels
from glaciertime.walls import wall

__all__ = ["CdwSeg", "Cityscapes"]

# Label ids of the 19 classes that the benchmark scores, in its order (Cordts et al. 2016, arXiv:1604.01685).
_CITY_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
# What the benchmark groups them into, by the same source.
_CITY_GROUPS = {
    "flat": ("road", "sidewalk"), "construction": ("building", "wall", "fence"),
    "object": ("pole", "traffic light", "traffic sign"), "nature": ("vegetation", "terrain"), "sky": ("sky",),
    "human": ("person", "rider"), "vehicle": ("car", "truck", "bus", "train", "motorcycle", "bicycle"),
}  # fmt: skip
_CITY_NAMES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip


@dataclass(frozen=True)
class Cityscapes:
    """Read ``leftImg8bit/{split}/{city}/*_leftImg8bit.png`` with ``gtFine/.../*_gtFine_labelIds.png``.

    Classes that the benchmark does not score are ignored. A city plays the part of the glacier.

    Parameters
    ----------
    root : Path
    categories : bool
        The benchmark's seven groups of classes instead of its 19 classes.
    """

    root: Path
    categories: bool = False
    bands: tuple[str, ...] = field(default=("red", "green", "blue"), init=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the labels."""
        return tuple(_CITY_GROUPS) if self.categories else _CITY_NAMES

    @property
    def codes(self) -> tuple[int, ...]:
        """Return the label id of each class; of a group that of its first class."""
        if not self.categories:
            return _CITY_IDS
        return tuple(_CITY_IDS[_CITY_NAMES.index(names[0])] for names in _CITY_GROUPS.values())

    @cached_property
    def _paths(self) -> tuple[Path, ...]:
        paths = tuple(sorted((Path(self.root) / "leftImg8bit").glob("*/*/*_leftImg8bit.png")))
        if not paths:
            raise DataNotFoundError(f"{self.root} holds no leftImg8bit/SPLIT/CITY/*_leftImg8bit.png")
        return paths

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return split and city of each picture."""
        return tuple(
            SampleInfo(
                name=path.name.removesuffix("_leftImg8bit.png"), glacier=path.parent.name, split=path.parent.parent.name
            )
            for path in self._paths
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        path, info = self._paths[index], self.infos[index]
        label_path = Path(self.root) / "gtFine" / info.split / info.glacier / f"{info.name}_gtFine_labelIds.png"
        if not label_path.is_file():
            raise DataNotFoundError(f"{label_path} does not exist; {path.name} has no labels")
        mapping = {value: IGNORE for value in range(-1, 256)}
        group_of = {name: place for place, names in enumerate(_CITY_GROUPS.values()) for name in names}
        for place, value in enumerate(_CITY_IDS):
            mapping[value] = group_of[_CITY_NAMES[place]] if self.categories else place
        return _picture(path, label_path, mapping, info)


@dataclass(frozen=True)
class CdwSeg:
    """Read CDW-Seg in Pascal-VOC folders: ``JPEGImages``, ``SegmentationClass``, ``ImageSets/Segmentation/*.txt``.

    Labels 0 to 9, 255 is ignored; the lists name the split.
    """

    #: What masks of yes and no come out as.
    yes_or_no: ClassVar[tuple[tuple[int, ...], ...]] = ((0, 1), (0,))

    root: Path
    bands: tuple[str, ...] = field(default=("red", "green", "blue"), init=False)
    classes: tuple[str, ...] = field(default=tuple(f"class {number}" for number in range(10)), init=False)
    codes: tuple[int, ...] = field(default=tuple(range(10)), init=False)

    @cached_property
    def _names(self) -> tuple[tuple[str, str], ...]:
        lists = Path(self.root) / "ImageSets" / "Segmentation"
        names = [
            (line.strip(), split)
            for split in ("train", "val", "test")
            if (lists / f"{split}.txt").is_file()
            for line in _lines(lists / f"{split}.txt")
            if line.strip()
        ]
        if not names:
            raise DataNotFoundError(f"{lists} names no picture in train.txt, val.txt or test.txt")
        return tuple(names)

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return the split of each picture; each is its own block."""
        return tuple(SampleInfo(name=name, glacier="", block=name, split=split) for name, split in self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        name = self._names[index][0]
        found = [Path(self.root) / "JPEGImages" / f"{name}{suffix}" for suffix in (".jpg", ".JPG", ".jpeg", ".png")]
        path = next((path for path in found if path.is_file()), None)
        label_path = Path(self.root) / "SegmentationClass" / f"{name}.png"
        if path is None or not label_path.is_file():
            raise DataNotFoundError(f"{found[0]} or {label_path} does not exist; complete the folder")
        mapping = {**{value: value for value in range(10)}, IGNORE: IGNORE}
        return _picture(path, label_path, mapping, self.infos[index])


def _lines(path: Path) -> list[str]:
    limits.check("table-mb", path.stat().st_size / 1e6, path.name)
    with wall(f"{path} is no list of names", "fetch it again"):
        return path.read_text(encoding="utf-8").splitlines()


def _picture(path: Path, label_path: Path, mapping: dict[int, int], info: SampleInfo) -> TrainingSample:
    picture, labels = read_picture(path), read_picture(label_path)
    if picture.ndim != 3 or picture.shape[:2] != labels.shape:
        raise InputError(f"{path.name} {picture.shape} and {label_path.name} {labels.shape}: equal sizes expected")
    image = np.moveaxis(picture[..., :3], -1, 0).astype(np.float32)
    return TrainingSample(image, remap_labels(labels, mapping, name=label_path.name), np.ones(3, dtype=bool), info)
