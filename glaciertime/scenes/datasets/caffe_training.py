"""CaFFe as training data: radar images with their four zones (Gourmelon et al. 2022, doi:10.1594/PANGAEA.940950)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.caffe import CaffeName, caffe_root, parse_caffe_name
from glaciertime.scenes.datasets.pictures import read_picture
from glaciertime.scenes.datasets.sample import SampleInfo, TrainingSample, remap_labels

__all__ = ["CaffeTraining", "official_validation"]

_CODES = (0, 64, 127, 254)


@dataclass(frozen=True)
class CaffeTraining:
    """Images of ``sar_images`` with ``zones``; the data set's own split is train and test, by glacier.

    Its validation part is :func:`official_validation`, drawn by image from the training glaciers.

    Parameters
    ----------
    root : Path
        The folder that holds ``data_raw``, or itself holds ``sar_images`` and ``zones``.
    """

    root: Path
    bands: tuple[str, ...] = field(default=("amplitude",), init=False)
    classes: tuple[str, ...] = field(default=("no data", "rock", "glacier", "ocean"), init=False)
    codes: tuple[int, ...] = field(default=_CODES, init=False)

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each image whose name says nothing that can be."""
        return tuple(told for *_, told in self._found if isinstance(told, str))

    @cached_property
    def _paths(self) -> tuple[tuple[Path, Path, str, CaffeName], ...]:
        return tuple(
            (image, zones, split, name) for image, zones, split, name in self._found if not isinstance(name, str)
        )

    @cached_property
    def _found(self) -> tuple[tuple[Path, Path, str, CaffeName | str], ...]:
        top = caffe_root(Path(self.root))
        if top is None or not (top / "sar_images").is_dir():
            raise DataNotFoundError(
                f"{self.root} holds no data_raw/sar_images and data_raw/zones; give the folder CaFFe was unzipped in"
            )
        found = []
        for split in ("train", "test"):
            for image in sorted((top / "sar_images" / split).glob("*.png")):
                name: CaffeName | str
                try:
                    name = parse_caffe_name(image.name)
                except InputError as error:
                    name = str(error)
                found.append((image, top / "zones" / split / f"{image.stem}_zones.png", split, name))
        if not found:
            raise DataNotFoundError(f"{top}/sar_images holds no PNG in train or test; unzip CaFFe again")
        return tuple(found)

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return what the file names say; all of a glacier show one place, whatever their orbit."""
        infos = []
        in_training = [image.stem for image, _, split, _ in self._found if split == "train"]
        drawn = official_validation(len(in_training)) if len(in_training) > 1 else []
        validation = {in_training[place] for place in drawn}
        for image, _, part, name in self._paths:
            split = "val" if part == "train" and image.stem in validation else part
            infos.append(
                SampleInfo(
                    name=name.stem,
                    glacier=name.glacier,
                    date=name.date,
                    sensor=name.sensor,
                    resolution_m=name.resolution_m,
                    split=split,
                )
            )
        return tuple(infos)

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        image_path, zones_path, *_ = self._paths[index]
        if not zones_path.is_file():
            raise DataNotFoundError(f"{zones_path} does not exist; {image_path.name} has no zones")
        image, zones = read_picture(image_path), read_picture(zones_path)
        if image.ndim != 2 or image.shape != zones.shape:
            raise InputError(
                f"{image_path.name}: image {image.shape} and zones {zones.shape}, equal grey ones expected"
            )
        labels = remap_labels(zones, {code: place for place, code in enumerate(_CODES)}, name=zones_path.name)
        values = image.astype(np.float32)
        # Outside the swath nothing was observed, but the class "no data" is to be learned there: 0 stays 0.
        return TrainingSample(values[None], labels, np.ones(1, dtype=bool), self.infos[index])


def official_validation(count: int) -> list[int]:
    """Return the places, among the sorted training names, of the official validation set.

    ``train_test_split(arange(count), test_size=0.1, random_state=1)`` of scikit-learn, 559 names in full. It is drawn
    by image, so that a glacier is on both sides: use it to compare with others, not to choose a checkpoint.

    Examples
    --------
    >>> len(official_validation(559))
    56
    """
    from sklearn.model_selection import train_test_split

    _, validation = train_test_split(np.arange(count), test_size=0.1, random_state=1)
    return sorted(int(place) for place in validation)
