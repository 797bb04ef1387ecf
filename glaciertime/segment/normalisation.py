"""How pixel values are brought to the scale a network was trained on; saved with its weights.

All that stands between a raw pixel and the input of a network is here and nowhere else: training, prediction and
explanation call it, readers of data sets hand out what the files hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import LOG_FLOOR, BandScaling

__all__ = ["ImageStatistics", "Normalisation", "band_statistics", "known_spread", "limits_of_image"]

KINDS = ("fixed", "image")
#: A spread below this share of the values themselves is rounding, whatever their unit.
_RELATIVE = 1e-6


class ImageStatistics(NamedTuple):
    """What is known of the bands of a whole image, each (C,).

    ``mean`` and ``std`` are those of the values after :meth:`Normalisation.prepare`; ``low`` and ``high`` the points
    of the raw values that ``percentiles`` asks for, None where it asks for none.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    low: NDArray[np.float32] | None = None
    high: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Normalisation:
    """Shift and scale each band to zero mean and unit standard deviation.

    Attributes
    ----------
    kind : str
        ``fixed``: with the ``mean`` and ``std`` kept here, those of the training data. ``image``: with those of the
        observed pixels of the image at hand (of the whole raster, also when it is processed in pieces).
    mean, std : tuple of float
        One per band for ``fixed``; empty for ``image``.
    log : bool
        Take ``log10(max(value, 0) + floor)`` of every band first, for radar intensity.
    low, high : tuple of float
        ``(value - low) / (high - low)`` first, one of each per band; empty for none.
    log_bands : tuple of bool
        Bands of which the logarithm is taken, after ``low`` and ``high``; empty for what ``log`` says.
    floor : float
        What is added before a logarithm is taken, in the unit of the values.
    percentiles : tuple of float
        Two points of the image's own values, in percent, that become 0 and 1; what lies beyond is cut off. Empty for
        none.
    mask_bands : bool
        Append to the bands one more each that is 1 where observed and 0 where not, so that a network can tell a
        missing modality from an average one.
    row_band : bool
        Append, last, the row counted from the top of the image, ``row / 128 - 1``: for images that all have the ocean
        up, where a front is not equally likely at every height.

    Examples
    --------
    >>> rule = Normalisation(kind="fixed", mean=(10.0,), std=(5.0,), mask_bands=True)
    >>> rule.apply(np.array([[[0.0, 20.0, np.nan]]], np.float32))
    array([[[-2.,  2.,  0.]],
    <BLANKLINE>
           [[ 1.,  1.,  0.]]], dtype=float32)
    """

    kind: str = "image"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    log: bool = False
    mask_bands: bool = False
    row_band: bool = False
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    log_bands: tuple[bool, ...] = ()
    floor: float = LOG_FLOOR
    percentiles: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"normalisation '{self.kind}' given, one of {list(KINDS)} expected")
        if self.kind == "fixed" and (not self.mean or len(self.mean) != len(self.std) or min(self.std) <= 0):
            raise InputError(f"mean {self.mean} and std {self.std} given, one of each per band and std > 0 expected")
        if len(self.low) != len(self.high) or any(low >= high for low, high in zip(self.low, self.high, strict=True)):
            raise InputError(f"low {self.low} and high {self.high} given, one of each per band and low < high expected")
        if self.percentiles and (
            len(self.percentiles) != 2 or not 0 <= self.percentiles[0] < self.percentiles[1] <= 100
        ):
            raise InputError(f"percentiles {self.percentiles} given, two rising ones from 0 to 100 expected")
        if not self.floor > 0:
            raise InputError(f"floor {self.floor} given, a positive number expected")

    def scaled_as(self, scaling: BandScaling | None) -> Normalisation:
        """Return the rule with the scaling that a data set was published with before it."""
        if scaling is None:
            return self
        return replace(
            self,
            low=scaling.low,
            high=scaling.high,
            log_bands=scaling.log,
            floor=scaling.floor,
            percentiles=scaling.percentiles,
        )

    @property
    def needs_statistics(self) -> bool:
        """Return whether the whole image has to be known before a piece of it is normalised."""
        return self.kind == "image" or bool(self.percentiles)

    def channels(self, bands: int) -> int:
        """Return the channels a network gets for that many bands."""
        return (2 * bands if self.mask_bands else bands) + self.row_band

    def prepare(
        self,
        image: NDArray[Any],
        *,
        limits: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    ) -> NDArray[np.float32]:
        """Return the bands (C, H, W) in the unit that mean and spread are taken of, float32.

        Parameters
        ----------
        image : (C, H, W)
            Raw values, NaN where not observed.
        limits : (low, high), each (C,), optional
            The points of the whole image that ``percentiles`` asks for; by default those of the image given.

        Raises
        ------
        InputError
            If the number of bands is not that of ``low`` or ``log_bands``.
        """
        values = np.asarray(image, dtype=np.float32)
        for given in (self.low, self.log_bands):
            if given and len(given) != len(values):
                raise InputError(f"image with {len(values)} bands given, {len(given)} expected; select the bands")
        if self.percentiles:
            low, high = limits_of_image(values, self.percentiles) if limits is None else limits
            values = np.clip(_between(values, low, high), 0, 1)
        if self.low:
            low, high = np.asarray(self.low, dtype=np.float32), np.asarray(self.high, dtype=np.float32)
            values = _between(values, low, high)
        logged = self.log_bands or (self.log,) * len(values)
        if not any(logged):
            return values
        out = values.copy()
        for number in np.flatnonzero(logged):
            out[number] = np.log10(np.maximum(values[number], 0) + np.float32(self.floor))
        return out

    def statistics(self, image: NDArray[Any]) -> ImageStatistics:
        """Return what this rule needs to know of a whole image, (C, H, W) of raw values."""
        values = np.asarray(image, dtype=np.float32)
        limits = limits_of_image(values, self.percentiles) if self.percentiles else None
        return ImageStatistics(*band_statistics(self.prepare(values, limits=limits)), *(limits or (None, None)))

    def apply(
        self,
        image: NDArray[Any],
        *,
        statistics: ImageStatistics | None = None,
        top: int = 0,
    ) -> NDArray[np.float32]:
        """Normalise an image; what was not observed becomes 0, the mean, and says so in its mask band.

        Parameters
        ----------
        image : (C, H, W)
            NaN where not observed.
        statistics : ImageStatistics, optional
            Of the whole raster, where :attr:`needs_statistics` and the image is only a piece of it.
        top : int
            Row of the whole raster that the image begins at.

        Returns
        -------
        (C, H, W) float32, or (2C, H, W) with ``mask_bands``, and one band more with ``row_band``

        Raises
        ------
        InputError
            If the number of bands is not that of ``mean``.
        """
        scaled = self.scale(image, statistics=statistics)
        observed = np.isfinite(scaled)
        np.copyto(scaled, np.float32(0), where=~observed)
        return self.append(scaled, observed, top=top)

    def scale(self, image: NDArray[Any], *, statistics: ImageStatistics | None = None) -> NDArray[np.float32]:
        """Return the bands at the scale of the network, (C, H, W) float32, still NaN where not observed.

        Parameters and errors are those of :meth:`apply`.
        """
        known = self.statistics(image) if statistics is None and self.needs_statistics else statistics
        limits = None if known is None or known.low is None or known.high is None else (known.low, known.high)
        values = self.prepare(image, limits=limits)
        if self.kind == "fixed" or known is None:
            if len(self.mean) != len(values):
                raise InputError(f"image with {len(values)} bands given, {len(self.mean)} expected; select the bands")
            mean, std = np.asarray(self.mean, dtype=np.float32), np.asarray(self.std, dtype=np.float32)
        else:
            mean, std = known.mean, known.std
        scaled = np.subtract(values, mean[:, None, None], dtype=np.float32)
        scaled /= std[:, None, None]
        return scaled

    def append(
        self,
        scaled: NDArray[np.float32],
        observed: NDArray[np.bool_],
        *,
        top: int = 0,
        rows: NDArray[np.floating] | None = None,
    ) -> NDArray[np.float32]:
        """Return the scaled bands (C, H, W) with what ``mask_bands`` and ``row_band`` add to them.

        Parameters
        ----------
        scaled : (C, H, W) float32
        observed : (C, H, W) bool
        top : int
            Row of the whole image that the bands begin at.
        rows : (H, W), optional
            Row of the whole image that each pixel shows, where it is turned or magnified; in place of ``top``.
        """
        parts = [scaled]
        if self.mask_bands:
            parts.append(observed.astype(np.float32))
        if self.row_band:
            shown = np.arange(top, top + scaled.shape[1], dtype=np.float32)[:, None] if rows is None else rows
            parts.append(np.broadcast_to(np.float32(shown) / 128 - 1, (1, *scaled.shape[1:])))
        return np.concatenate(parts) if len(parts) > 1 else scaled

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Normalisation:
        """Return the rule written by :meth:`to_dict`."""
        try:
            plain = dict(values)
            for key in ("mean", "std", "low", "high", "percentiles"):
                plain[key] = tuple(float(value) for value in plain.get(key, ()))
            plain["log_bands"] = tuple(bool(value) for value in plain.get("log_bands", ()))
            return cls(**plain)
        except (TypeError, ValueError) as error:
            raise InputError(f"normalisation {values} given, the keys of {cls.__name__} expected") from error


def band_statistics(image: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of the observed pixels of each band.

    A band without an observed pixel, or with one value only, gets mean 0 or that value, and standard deviation 1. A
    spread is none where it is below a millionth of the values, in whatever unit these are.

    Examples
    --------
    >>> mean, std = band_statistics(np.array([[[1.0, 3.0, np.nan]], [[np.nan] * 3]]))
    >>> mean.tolist(), std.tolist()
    ([2.0, 0.0], [1.0, 1.0])
    """
    means, stds = [], []
    for band in image:
        seen = band[np.isfinite(band)].astype(np.float64)
        means.append(seen.mean() if seen.size else 0.0)
        stds.append(seen.std() if seen.size else 1.0)
    mean = np.asarray(means)
    return mean.astype(np.float32), known_spread(mean, np.asarray(stds)).astype(np.float32)


def known_spread(mean: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standard deviations with 1 in place of those that are nothing beside the mean.

    Examples
    --------
    >>> known_spread(np.array([1e-9, 1e9]), np.array([1e-9, 1.0])).tolist()
    [1e-09, 1.0]
    """
    return np.where(std > _RELATIVE * np.abs(mean), std, 1.0)


def limits_of_image(
    image: NDArray[np.floating], percentiles: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two points of the values of each band, (C,) each, in percent; 0 and 1 of a band without a pixel.

    Examples
    --------
    >>> low, high = limits_of_image(np.arange(101.0).reshape(1, 1, 101), (2, 98))
    >>> low.tolist(), high.tolist()
    ([2.0], [98.0])
    """
    points = []
    for band in image:
        seen = band[np.isfinite(band)]
        points.append(np.percentile(seen, percentiles) if seen.size else np.array([0.0, 1.0]))
    low, high = np.asarray(points, dtype=np.float32).T
    return low, high


def _between(values: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values as a share of the way from low to high, each (C,)."""
    width = known_spread(low.astype(np.float64), (high - low).astype(np.float64)).astype(np.float32)
    return np.asarray((values - low[:, None, None]) / width[:, None, None], dtype=np.float32)
