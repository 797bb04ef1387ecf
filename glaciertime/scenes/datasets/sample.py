"""What every training reader hands out: an image, its labels, and where and when it was taken."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = [
    "IGNORE",
    "LOG_FLOOR",
    "SIMULATED",
    "BandScaling",
    "SampleInfo",
    "TrainingData",
    "TrainingSample",
    "possible_days",
    "remap_labels",
]

IGNORE = 255
"""Label of a pixel that no loss and no metric looks at."""


SIMULATED = "simulated-"
"""How the name of a simulated glacier begins."""

LOG_FLOOR = 1e-6
"""What is added to a backscattered intensity before its logarithm is taken."""


@dataclass(frozen=True)
class BandScaling:
    """The scaling that a data set was published with: told to the model, which applies it; never by a reader.

    Attributes
    ----------
    low, high : tuple of float
        ``(value - low) / (high - low)``, one of each per band; empty for none.
    log : tuple of bool
        Whether ``log10(max(value, 0) + floor)`` is taken of a band; empty for none.
    floor : float
    percentiles : tuple of float
        Two points of an image's own values, in percent, that become 0 and 1; empty for none.
    """

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    log: tuple[bool, ...] = ()
    floor: float = LOG_FLOOR
    percentiles: tuple[float, ...] = ()


@dataclass(frozen=True)
class SampleInfo:
    """Where and when a sample was taken; known without reading its pixels.

    Attributes
    ----------
    name : str
        Unique within a data set.
    glacier : str
        Glacier, region or city: the unit that is never split between training and test.
    block : str
        Spatial block within the glacier, such as the scene a tile was cut from.
    date : datetime.date or None
        Day of acquisition (UTC).
    sensor : str
        Empty where unknown.
    resolution_m : float
        Side of a pixel, metres; NaN where unknown.
    sides_m : tuple of float
        Width and height of a pixel on the ground, metres, where it is not square; else empty.
    split : str
        The data set's own split, empty where it has none.
    region : str
        Larger than a glacier; empty where unknown.
    scene : str
        The image that a tile was cut from; empty where the sample is a whole image.
    date_flag : str
        ``year-only`` or ``month-only`` where no more than that is known of the date.
    ground : str
        What the places of samples are told in: two of the same ``ground`` may overlap; empty where no place is known.
    bounds : tuple of float
        West, south, east, north of the sample in the coordinates of its ``ground``; empty where no place is known.
    """

    name: str
    glacier: str
    block: str = ""
    date: dt.date | None = None
    sensor: str = ""
    resolution_m: float = float("nan")
    split: str = ""
    region: str = ""
    scene: str = ""
    date_flag: str = ""
    ground: str = ""
    bounds: tuple[float, ...] = ()
    sides_m: tuple[float, ...] = ()


def possible_days(date: dt.date, flag: str) -> tuple[dt.date, dt.date]:
    """Return the first and the last day that a date can be, of which no more than its year or month may be known.

    Examples
    --------
    >>> [day.isoformat() for day in possible_days(dt.date(2004, 2, 1), "month-only")]
    ['2004-02-01', '2004-02-29']
    """
    if flag == "year-only":
        return date.replace(month=1, day=1), date.replace(month=12, day=31)
    if flag == "month-only":
        first = date.replace(day=1)
        return first, (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    return date, date


@dataclass(frozen=True)
class TrainingSample:
    """One image with its labels.

    Attributes
    ----------
    image : (C, H, W) float32
        Bands in the unit of the files; NaN where a pixel was not observed.
    labels : (H, W) uint8
        Class indices 0 .. K-1, or :data:`IGNORE`.
    present : (C,) bool
        False for a band whose modality is missing; such a band is all NaN, never zero-filled.
    info : SampleInfo
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    present: NDArray[np.bool_]
    info: SampleInfo


@runtime_checkable
class TrainingData(Protocol):
    """A data set as the training loop sees it.

    ``bands`` names the channels of every image, ``classes`` the labels 0 .. K-1, ``codes`` the value that
    stands for each class in a mask on disk. Images hold raw values, as the files do; a data set that was published
    with a scaling names it as ``scaling``, a :class:`BandScaling`.
    """

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the names of the channels."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the labels."""
        ...

    @property
    def codes(self) -> tuple[int, ...]:
        """Return the value of each class in a mask."""
        ...

    @property
    def infos(self) -> Sequence[SampleInfo]:
        """Return what is known of each sample, in the order of the indices."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> TrainingSample: ...

    def __iter__(self) -> Iterator[TrainingSample]: ...


def remap_labels(labels: NDArray[np.integer], mapping: Mapping[int, int], *, name: str = "mask") -> NDArray[np.uint8]:
    """Replace the values of a mask by class indices.

    Parameters
    ----------
    labels : (H, W) integer
        Values as stored.
    mapping : dict
        Stored value -> class index, or :data:`IGNORE`.
    name : str
        Named in the message.

    Returns
    -------
    (H, W) uint8

    Raises
    ------
    InputError
        If the mask holds a value that ``mapping`` does not name.

    Examples
    --------
    >>> remap_labels(np.array([[0, 254], [127, 254]]), {0: IGNORE, 127: 0, 254: 1})
    array([[255,   1],
           [  0,   1]], dtype=uint8)
    """
    values = np.unique(labels)
    unknown = [int(value) for value in values if int(value) not in mapping]
    if unknown:
        raise InputError(
            f"{name}: labels {unknown[:8]} given, only {sorted(mapping)} expected; "
            "map the others to a class or to the ignore label"
        )
    out = np.empty(labels.shape, dtype=np.uint8)
    for value in values:
        out[labels == value] = mapping[int(value)]
    return out
