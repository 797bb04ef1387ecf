"""How pixel values are brought to the scale a network was trained on; saved with its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["Normalisation", "band_statistics"]

KINDS = ("fixed", "image")


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
        Take ``log10(value + 1e-6)`` first, for radar intensity.
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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"normalisation '{self.kind}' given, one of {list(KINDS)} expected")
        if self.kind == "fixed" and (not self.mean or len(self.mean) != len(self.std) or min(self.std) <= 0):
            raise InputError(f"mean {self.mean} and std {self.std} given, one of each per band and std > 0 expected")

    def channels(self, bands: int) -> int:
        """Return the channels a network gets for that many bands."""
        return (2 * bands if self.mask_bands else bands) + self.row_band

    def prepare(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Return float32, in decades where ``log`` asks for it."""
        values = np.asarray(image, dtype=np.float32)
        return np.log10(np.maximum(values, 0) + np.float32(1e-6)) if self.log else values

    def apply(
        self,
        image: NDArray[Any],
        *,
        statistics: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
        top: int = 0,
    ) -> NDArray[np.float32]:
        """Normalise an image; what was not observed becomes 0, the mean, and says so in its mask band.

        Parameters
        ----------
        image : (C, H, W)
            NaN where not observed.
        statistics : (mean, std), each (C,), optional
            Of the whole raster, for ``kind="image"`` and an image that is only a piece of it.
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

    def scale(
        self, image: NDArray[Any], *, statistics: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    ) -> NDArray[np.float32]:
        """Return the bands at the scale of the network, (C, H, W) float32, still NaN where not observed.

        Parameters and errors are those of :meth:`apply`.
        """
        values = self.prepare(image)
        if self.kind == "fixed":
            if len(self.mean) != len(values):
                raise InputError(f"image with {len(values)} bands given, {len(self.mean)} expected; select the bands")
            mean, std = np.asarray(self.mean, dtype=np.float32), np.asarray(self.std, dtype=np.float32)
        else:
            mean, std = band_statistics(values) if statistics is None else statistics
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
            for key in ("mean", "std"):
                plain[key] = tuple(float(value) for value in plain.get(key, ()))
            return cls(**plain)
        except (TypeError, ValueError) as error:
            raise InputError(f"normalisation {values} given, the keys of {cls.__name__} expected") from error


def band_statistics(image: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of the observed pixels of each band.

    A band without an observed pixel, or with one value only, gets mean 0 or that value, and standard deviation 1.

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
        spread = seen.std() if seen.size else 1.0
        stds.append(spread if spread > 1e-6 else 1.0)
    return np.asarray(means, dtype=np.float32), np.asarray(stds, dtype=np.float32)
