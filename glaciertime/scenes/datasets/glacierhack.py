"""GlacierHack 2025: tiles of five bands, each its own TIFF, with four classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.datasets.pictures import read_picture
from glaciertime.scenes.datasets.sample import BandScaling, SampleInfo, TrainingSample, remap_labels

__all__ = ["GlacierHack"]

_LABELS = {0: 0, 85: 1, 170: 2, 255: 3}


@dataclass(frozen=True)
class GlacierHack:
    """Read ``Band1`` to ``Band5`` and ``labels``, one ``imgNNN.tif`` each.

    Parameters
    ----------
    root : Path
        The folder that holds ``Band1``, or ``train`` with it.
    stretch : bool
        Have each band of a tile scaled from its 2 % to its 98 % point to 0 .. 1, as entrants did.

    Notes
    -----
    The tiles say nothing about where they lie: each is its own block, and neighbours can fall on both sides of a
    split. A score on them is not one for an unseen region.
    """

    root: Path
    stretch: bool = True
    bands: tuple[str, ...] = ("Band1", "Band2", "Band3", "Band4", "Band5")
    classes: tuple[str, ...] = ("background", "clean ice", "debris-covered ice", "water")
    codes: tuple[int, ...] = (64, 85, 170, 255)

    @property
    def scaling(self) -> BandScaling | None:
        """Return the stretch of each band between two points of its own values."""
        return BandScaling(percentiles=(2.0, 98.0)) if self.stretch else None

    @cached_property
    def _folder(self) -> Path:
        root = Path(self.root)
        folder = root if (root / "Band1").is_dir() else root / "train"
        if not (folder / "Band1").is_dir() or not (folder / "labels").is_dir():
            raise DataNotFoundError(f"{root} holds no Band1 to Band5 and labels; give the folder GlacierHack lies in")
        return folder

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in (self._folder / "labels").glob("*.tif")))

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return one entry per tile."""
        return tuple(SampleInfo(name=name[:-4], glacier="", block=name[:-4]) for name in self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        name = self._names[index]
        labels = _plane(self._folder / "labels" / name)
        parts, present = [], []
        for band in self.bands:
            path = self._folder / band / name
            present.append(path.is_file())
            plane = _plane(path).astype(np.float32) if path.is_file() else np.full(labels.shape, np.nan, np.float32)
            if plane.shape != labels.shape:
                raise InputError(f"{band}/{name}: {plane.shape} given, {labels.shape} as of its labels expected")
            parts.append(plane)
        return TrainingSample(
            np.stack(parts),
            remap_labels(labels.astype(int), _LABELS, name=f"labels/{name}"),
            np.array(present),
            self.infos[index],
        )


def _plane(path: Path) -> NDArray[np.generic]:
    array = read_picture(path)
    return array[..., 0] if array.ndim == 3 else array
