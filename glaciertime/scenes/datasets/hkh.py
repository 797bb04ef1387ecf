"""Hindu Kush Himalaya glaciers from Landsat 7, in the two forms they were published in.

Baraka et al. 2020 (arXiv:2012.05013): slices of 15 channels with binary masks. Aryal et al. 2023
(arXiv:2301.11454): slices with one mask of three classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.datasets.sample import SampleInfo, TrainingSample, remap_labels
from glaciertime.scenes.packed import read_array

__all__ = ["HkhAryal", "HkhBaraka"]

_RESOLUTION_M = 30.0
_LANDSAT = ("B1", "B2", "B3", "B4", "B5", "B6_VCID1", "B6_VCID2", "B7")
_BARAKA_BANDS = (*_LANDSAT, "B8", "BQA", "NDWI", "NDSI", "NDVI", "elevation", "slope")


@dataclass(frozen=True)
class HkhBaraka:
    """Slices ``<base>_img_NNN.npy`` (512, 512, 15) with ``<base>_mask_NNN.npy`` (512, 512, K), K binary masks.

    Parameters
    ----------
    root : Path
    binary : bool
        One class for all ice instead of clean and debris-covered. The first mask says where any glacier is; where it
        does and neither of the other two, the kind is unknown and the pixel is ignored.
    """

    root: Path
    binary: bool = False
    bands: tuple[str, ...] = field(default=_BARAKA_BANDS, init=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the labels."""
        return ("background", "glacier") if self.binary else ("background", "clean ice", "debris-covered ice")

    @property
    def codes(self) -> tuple[int, ...]:
        """Return the value of each class in a mask."""
        return (64, 127) if self.binary else (64, 127, 128)

    @cached_property
    def _paths(self) -> tuple[Path, ...]:
        paths = tuple(sorted(Path(self.root).rglob("*_img_*.npy")))
        if not paths:
            raise DataNotFoundError(f"{self.root} holds no *_img_NNN.npy; give the folder of the slices")
        return paths

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return the Landsat scene (as the glacier: slices of one scene are neighbours) of each slice."""
        return tuple(
            SampleInfo(
                name=path.stem,
                glacier=path.stem.rpartition("_img_")[0],
                sensor="Landsat 7",
                resolution_m=_RESOLUTION_M,
                split=_split(path, Path(self.root)),
            )
            for path in self._paths
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        path = self._paths[index]
        base, _, number = path.stem.rpartition("_img_")
        mask_path = path.with_name(f"{base}_mask_{number}.npy")
        if not mask_path.is_file():
            raise DataNotFoundError(f"{mask_path} does not exist; {path.name} has no mask")
        image, mask = read_array(path), read_array(mask_path)
        _check_bands(path, image, len(self.bands))
        if mask.ndim != 3 or mask.shape[2] < (1 if self.binary else 3) or mask.shape[:2] != image.shape[:2]:
            raise InputError(f"{mask_path.name} of shape {mask.shape}, (H, W, K) binary masks of the image expected")
        remap_labels(np.nan_to_num(mask, nan=-1).astype(int), {0: 0, 1: 1}, name=mask_path.name)
        labels = mask[..., 0].astype(np.uint8)
        if not self.binary:
            is_glacier, is_clean, is_debris = (mask[..., channel].astype(bool) for channel in range(3))
            labels = np.where(is_glacier, 255, 0).astype(np.uint8)
            labels[is_clean] = 1
            labels[is_debris] = 2
        return _sample(image, labels, self.infos[index])


@dataclass(frozen=True)
class HkhAryal:
    """Slices ``tiff_I_slice_N.npy`` (512, 512, C) with ``mask_I_slice_N.npy``: 0 background, 1 clean, 2 debris.

    Parameters
    ----------
    root : Path
    channels : int
        How many of the slice's channels to use, from the first; the first eight are Landsat 7's.
    """

    #: What masks of yes and no come out as: 0 and 1, or 0 and 255, which is ignored here.
    yes_or_no: ClassVar[tuple[tuple[int, ...], ...]] = ((0, 1), (0,))

    root: Path
    channels: int = 8
    classes: tuple[str, ...] = field(default=("background", "clean ice", "debris-covered ice"), init=False)
    codes: tuple[int, ...] = field(default=(64, 127, 128), init=False)

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the names of the channels; those past the eighth have none of their own."""
        return tuple(_LANDSAT[place] if place < 8 else f"channel {place}" for place in range(self.channels))

    @cached_property
    def _paths(self) -> tuple[Path, ...]:
        paths = sorted(Path(self.root).rglob("tiff_*_slice_*.npy"), key=lambda path: [_numbers(path), str(path)])
        if not paths:
            raise DataNotFoundError(f"{self.root} holds no tiff_I_slice_N.npy; give the folder of the slices")
        return tuple(paths)

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return the scene's number (as the glacier) of each slice."""
        return tuple(
            SampleInfo(
                name=path.stem,
                glacier=f"tiff_{_numbers(path)[0]}",
                sensor="Landsat 7",
                resolution_m=_RESOLUTION_M,
                split=_split(path, Path(self.root)),
            )
            for path in self._paths
        )

    def statistics(self) -> dict[str, NDArray[np.float64]]:
        """Return mean, std, min and max of each channel from ``normalize_train.npy``, where it lies in the root."""
        path = Path(self.root) / "normalize_train.npy"
        if not path.is_file():
            raise DataNotFoundError(f"{path} does not exist; use the statistics of the training part instead")
        rows = np.asarray(read_array(path), dtype=np.float64)
        if rows.ndim != 2 or len(rows) < 4:
            raise InputError(f"{path} of shape {rows.shape}, rows mean, std, min, max expected")
        return dict(zip(("mean", "std", "min", "max"), rows[:4, : self.channels], strict=True))

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        path = self._paths[index]
        mask_path = path.with_name(path.name.replace("tiff_", "mask_", 1))
        if not mask_path.is_file():
            raise DataNotFoundError(f"{mask_path} does not exist; {path.name} has no mask")
        image, mask = read_array(path), read_array(mask_path)
        if image.ndim != 3 or image.shape[2] < self.channels:
            raise InputError(f"{path.name} of shape {image.shape}, at least {self.channels} channels expected")
        # Slices at the edge of a scene were padded, which turned their masks into float64.
        labels = remap_labels(
            np.nan_to_num(mask, nan=255).astype(int), {0: 0, 1: 1, 2: 2, 255: 255}, name=mask_path.name
        )
        return _sample(image[..., : self.channels], labels, self.infos[index])


def _sample(image: NDArray[np.generic], labels: NDArray[np.uint8], info: SampleInfo) -> TrainingSample:
    values = np.moveaxis(image, -1, 0).astype(np.float32)
    return TrainingSample(values, labels, np.asarray(np.isfinite(values).any(axis=(1, 2))), info)


def _check_bands(path: Path, image: NDArray[np.generic], bands: int) -> None:
    if image.ndim != 3 or image.shape[2] != bands:
        raise InputError(f"{path.name} of shape {image.shape}, (H, W, {bands}) expected")


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", path.stem))


def _split(path: Path, root: Path) -> str:
    first = path.relative_to(root).parts[0] if path.is_relative_to(root) else ""
    return first if first in ("train", "val", "validation", "test") else ""
