"""NIRD tiles: optical, DEM, radar, interferometric radar and thermal, as far as a tile has them.

Layout of the tiles of Maslov et al. (GlaViTU), doi:10.1038/s41467-024-54956-x.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from glaciertime.errors import DataNotFoundError, InputError, MissingExtraError
from glaciertime.scenes.datasets.sample import BandScaling, SampleInfo, TrainingSample
from glaciertime.walls import wall

__all__ = ["MODALITIES", "REGIONS", "Nird"]

REGIONS = ("ALP", "AN", "AWA", "CA", "GR", "HMA", "LL", "NZ", "SA", "SC", "SVAL")

#: Array of a tile -> its bands.
MODALITIES: dict[str, tuple[str, ...]] = {
    "optical": ("blue", "green", "red", "nir", "swir1", "swir2"),
    "dem": ("elevation", "slope"),
    "co_pol_sar": ("co-pol ascending", "co-pol descending"),
    "cross_pol_sar": ("cross-pol ascending", "cross-pol descending"),
    "in_sar": ("coherence ascending", "coherence descending"),
    "thermal": ("thermal",),
}

# The scaling the tiles were published with, as (value - low) / (high - low).
_LOW = {
    "optical": (-0.0037, -0.02, -0.0186, -0.027, -0.0255, -0.0245),
    "dem": (-103.3, 0.0),
}
_HIGH = {
    "optical": (2.0468, 2.1253, 2.2303, 2.6781, 2.1246, 2.1602),
    "dem": (8349.4, 88.98),
}
_SAR = ("co_pol_sar", "cross_pol_sar")


@dataclass(frozen=True)
class Nird:
    """Read tiles out of HDF5 files.

    Parameters
    ----------
    root : Path
        One ``.h5``/``.hdf5`` file or a folder of them; the file's stem names its split where it is train, val or test.
    modalities : tuple of str
        Which arrays become bands, out of :data:`MODALITIES`, in that order. What a tile lacks is NaN and not
        present.
    """

    root: Path
    modalities: tuple[str, ...] = ("optical", "dem", "co_pol_sar")
    classes: tuple[str, ...] = field(default=("background", "glacier"), init=False)
    codes: tuple[int, ...] = field(default=(64, 127), init=False)

    def __post_init__(self) -> None:
        unknown = [name for name in self.modalities if name not in MODALITIES]
        if unknown or not self.modalities:
            raise InputError(f"modalities {list(self.modalities)} given, some of {list(MODALITIES)} expected")

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the bands of the modalities asked for."""
        return tuple(band for name in self.modalities for band in MODALITIES[name])

    @property
    def scaling(self) -> BandScaling:
        """Return the scaling the tiles were published with; radar as log10 of its intensity."""

        def of_each(table: dict[str, tuple[float, ...]], otherwise: float) -> tuple[float, ...]:
            return tuple(
                value for name in self.modalities for value in table.get(name, (otherwise,) * len(MODALITIES[name]))
            )

        is_log = tuple(name in _SAR for name in self.modalities for _ in MODALITIES[name])
        return BandScaling(low=of_each(_LOW, 0.0), high=of_each(_HIGH, 1.0), log=is_log)

    @cached_property
    def _tiles(self) -> tuple[tuple[Path, str], ...]:
        root = Path(self.root)
        files = [root] if root.is_file() else sorted([*root.glob("*.h5"), *root.glob("*.hdf5")])
        if not files:
            raise DataNotFoundError(f"{root} is no HDF5 file and holds none; give the NIRD tiles")
        tiles = []
        for path in files:
            with _open(path) as stored:
                tiles += [(path, name) for name in sorted(stored)]
        return tuple(tiles)

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return region (as the glacier) and subregion (as the block) of each tile."""
        infos = []
        for path, name in self._tiles:
            with _open(path) as stored:
                attributes = dict(stored[name].attrs)
            split = path.stem if path.stem in ("train", "val", "validation", "test") else ""
            infos.append(
                SampleInfo(
                    name=f"{path.stem}/{name}",
                    glacier=str(attributes.get("region", "")),
                    block=str(attributes.get("subregion", "")),
                    region=str(attributes.get("region", "")),
                    split=split,
                )
            )
        return tuple(infos)

    def __len__(self) -> int:
        return len(self._tiles)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> TrainingSample:
        path, name = self._tiles[index]
        with _open(path) as stored:
            tile = stored[name]
            if "outlines" not in tile:
                raise InputError(f"{path.name}/{name} has no outlines; leave the tile out or complete the file")
            labels = (np.asarray(tile["outlines"])[..., -1] > 0.5).astype(np.uint8)
            parts, present = [], []
            for modality in self.modalities:
                count = len(MODALITIES[modality])
                array = np.asarray(tile[modality], dtype=np.float32) if modality in tile else None
                if array is None:
                    parts.append(np.full((count, *labels.shape), np.nan, dtype=np.float32))
                else:
                    if array.shape != (*labels.shape, count):
                        raise InputError(
                            f"{path.name}/{name}: {modality} of shape {array.shape}, {(*labels.shape, count)} expected"
                        )
                    parts.append(np.moveaxis(array, -1, 0))
                present += [array is not None] * count
        return TrainingSample(np.concatenate(parts), labels, np.array(present), self.infos[index])


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a file of tiles; whatever HDF5 finds damaged in it, then or later, is one sentence."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading NIRD tiles", "train") from error
    with wall(f"{path} cannot be read as HDF5", "fetch it again"), h5py.File(path, "r") as stored:
        yield stored
