"""Landsat subsets of Greenland's outlet glaciers with a traced front each.

Mohajerani et al. 2019, doi:10.3390/rs11010074, data doi:10.5281/zenodo.4044770.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime import limits
from glaciertime.dates import as_date
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.datasets.pictures import read_picture
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingSample, remap_labels
from glaciertime.scenes.datasets.traced_zones import zones_from_trace
from glaciertime.walls import readable_text, wall

__all__ = ["RESOLUTION_M", "LandsatFronts"]

# The published mean deviation is 96.3 m and 1.97 pixels.
RESOLUTION_M = 96.3 / 1.97

_COLUMNS = ("glacier", "date", "sensor", "pathrow", "image", "front")


@dataclass(frozen=True)
class LandsatFronts:
    """Read images, traces and the two zones that a trace separates.

    Parameters
    ----------
    root : Path
        Folder with ``index.csv``, ``images`` and ``fronts``.

    Examples
    --------
    >>> LandsatFronts(Path("nowhere")).infos  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    glaciertime.errors.DataNotFoundError: nowhere/index.csv does not exist; give the folder that holds index.csv, ...
    """

    root: Path
    bands: tuple[str, ...] = field(default=("grey",), init=False)
    classes: tuple[str, ...] = field(default=("glacier", "ocean"), init=False)
    codes: tuple[int, ...] = field(default=(127, 254), init=False)

    @property
    def index(self) -> pd.DataFrame:
        """Return the rows of ``index.csv`` that can be used, one per image, by glacier, date and image name."""
        return self._rows[0]

    @property
    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each row of ``index.csv`` that cannot be used."""
        return self._rows[1]

    @cached_property
    def _rows(self) -> tuple[pd.DataFrame, tuple[str, ...]]:
        path = Path(self.root) / "index.csv"
        if not path.is_file():
            raise DataNotFoundError(
                f"{path} does not exist; give the folder that holds index.csv, images/ and fronts/ of landsat_fronts"
            )
        limits.check("table-mb", path.stat().st_size / 1e6, path.name)
        with wall(f"{path} is not a CSV table in UTF-8", "fetch it again"):
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        missing = [column for column in _COLUMNS if column not in table]
        if missing:
            raise InputError(f"{path}: columns {missing} are missing, {list(_COLUMNS)} expected")
        table = table.sort_values(["glacier", "date", "image"], ignore_index=True)
        reasons = {at: why for at, row in enumerate(table.itertuples()) if (why := _why_not(row))}
        problems = tuple(f"index.csv, {readable_text(table['image'][at])}: {why}" for at, why in reasons.items())
        return table.drop(index=list(reasons)).reset_index(drop=True), problems

    @cached_property
    def infos(self) -> Sequence[SampleInfo]:
        """Return glacier, date and sensor of each image; path and row are no place: all show the same front."""
        return tuple(
            SampleInfo(
                name=Path(row.image).stem,
                glacier=row.glacier,
                date=as_date(row.date),
                sensor=row.sensor,
                resolution_m=RESOLUTION_M,
            )
            for row in self.index.itertuples()
        )

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[TrainingSample]:
        return (self[position] for position in range(len(self)))

    def read_image(self, index: int) -> NDArray[np.uint8]:
        """Return the grey image, (H, W) uint8."""
        return _grey(Path(self.root) / "images" / self.index["image"][index])

    def read_trace(self, index: int) -> NDArray[np.bool_]:
        """Return the traced front, (H, W) bool."""
        return _grey(Path(self.root) / "fronts" / self.index["front"][index]) == 0

    def __getitem__(self, index: int) -> TrainingSample:
        image, trace = self.read_image(index), self.read_trace(index)
        if image.shape != trace.shape:
            raise InputError(
                f"{self.infos[index].name}: image {image.shape} and front {trace.shape} differ in size; "
                "they must cover the same pixels"
            )
        zones = zones_from_trace(trace)
        labels = remap_labels(zones, {0: IGNORE, 127: 0, 254: 1}, name=self.infos[index].name)
        return TrainingSample(
            image=image[None].astype(np.float32),
            labels=labels,
            present=np.ones(1, dtype=bool),
            info=self.infos[index],
        )


def _why_not(row: Any) -> str:
    """Return why a row cannot be used; empty where it can."""
    try:
        as_date(row.date)
    except InputError as error:
        return str(error)
    outside = [
        name for name in (row.image, row.front) if not name or Path(name).is_absolute() or ".." in Path(name).parts
    ]
    return f"'{readable_text(outside[0])}' is no file of the folder; correct the table" if outside else ""


def _grey(path: Path) -> NDArray[np.uint8]:
    picture = read_picture(path)
    return picture if picture.ndim == 2 else picture[..., 0]
