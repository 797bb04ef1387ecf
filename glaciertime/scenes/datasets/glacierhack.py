"""GlacierHack 2025: tiles of five bands, each its own TIFF, with four classes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError
from glaciertime.scenes.datasets.pictures import read_picture
from glaciertime.scenes.datasets.sample import BandScaling, SampleInfo, TrainingSample, remap_labels

__all__ = ["GlacierHack"]

_LABELS = {0: 0, 85: 1, 170: 2, 255: 3}
_ANY_ICE = {0: 0, 85: 1, 170: 1, 255: 0}
_YES_OR_NO = {0: 0, 1: 1, 255: 1}


@dataclass(frozen=True)
class GlacierHack:
    """Read ``Band1`` to ``Band5`` and ``labels``, one ``imgNNN.tif`` each.

    Parameters
    ----------
    root : Path
        The folder that holds ``Band1``, or ``train`` with it.
    stretch : bool
        Have each band of a tile scaled from its 2 % to its 98 % point to 0 .. 1, as entrants did.
    binary : bool
        Ice of either kind against all else; masks of 0 and 1, or of 0 and 255, are read so too, and only so: of four
        classes 255 is water.

    Notes
    -----
    The tiles say nothing about where they lie: each is its own block, and neighbours can fall on both sides of a
    split. A score on them is not one for an unseen region.
    """

    root: Path
    stretch: bool = True
    binary: bool = False
    bands: tuple[str, ...] = field(default=("Band1", "Band2", "Band3", "Band4", "Band5"), init=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the labels."""
        return ("background", "glacier") if self.binary else ("background", "clean ice", "debris-covered ice", "water")

    @property
    def codes(self) -> tuple[int, ...]:
        """Return the value of each class in a mask."""
        return (64, 127) if self.binary else (64, 85, 170, 255)

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
    def _mapping(self) -> dict[int, int]:
        """Return the class of each value of a mask.

        Raises
        ------
        InputError
            If all masks say no more than yes or no, where four classes are expected.
        """
        held: set[int] = set()
        for name in self._names:
            with contextlib.suppress(GlacierTimeError):  # told when the tile is read
                held |= set(np.unique(_plane(self._folder / "labels" / name)).tolist())
        says_yes_or_no = held in ({0, 1}, {0, 255})
        if says_yes_or_no and not self.binary:
            raise InputError(
                f"{self._folder / 'labels'}: all masks hold 0 and {max(held)} only, as masks of yes and no do, where "
                "0 background, 85 clean ice, 170 debris-covered ice and 255 water are expected; give --binary for "
                "glacier or none (in Python binary=True)"
            )
        return _YES_OR_NO if says_yes_or_no else _ANY_ICE if self.binary else _LABELS

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return one entry per tile; masks that are not what they are taken for are refused."""
        _ = self._mapping
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
            remap_labels(labels.astype(int), self._mapping, name=f"labels/{name}"),
            np.array(present),
            self.infos[index],
        )


def _plane(path: Path) -> NDArray[np.generic]:
    array = read_picture(path)
    return array[..., 0] if array.ndim == 3 else array
