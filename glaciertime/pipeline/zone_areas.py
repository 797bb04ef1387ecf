"""How much of a mask each class covers, on the true ellipsoid; small components of a mask left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import sieve

from glaciertime.segment.legend import Legend
from glaciertime.units import M2_PER_KM2, mask_area_km2, resolution_m

__all__ = ["AreaSum", "ZoneArea", "without_small_parts"]


@dataclass(frozen=True)
class ZoneArea:
    """What one class covers of an image.

    Attributes
    ----------
    code : int
    name : str
    pixels : int
    share : float
        Of all pixels, 0 to 1.
    area_km2 : float
        On the WGS84 ellipsoid; NaN for an image without a place.
    """

    code: int
    name: str
    pixels: int
    share: float
    area_km2: float


@dataclass
class AreaSum:
    """Areas of the classes of a mask that comes in pieces.

    Parameters
    ----------
    legend : Legend
    place : (Affine, CRS or None) or None
        Columns and rows to coordinates; None for an image without a place.

    Examples
    --------
    >>> total = AreaSum(Legend({127: "glacier"}, unobserved=0), (Affine.scale(100, -100), None))
    >>> total.add(np.array([[127, 127, 0]], np.uint8))
    >>> [(area.name, area.pixels, round(area.area_km2, 6)) for area in total.areas()]
    [('glacier', 2, 0.02), ('not observed', 1, 0.01)]
    """

    legend: Legend
    place: tuple[Affine, Any] | None
    _pixels: dict[int, int] = field(default_factory=dict)
    _km2: dict[int, float] = field(default_factory=dict)

    def add(self, zones: NDArray[np.uint8], *, row: int = 0, column: int = 0) -> None:
        """Add a piece whose first pixel lies at a row and a column of the whole."""
        counts = np.bincount(zones.ravel(), minlength=256)
        for code in self.legend.all_names:
            if not counts[code]:
                continue
            self._pixels[code] = self._pixels.get(code, 0) + int(counts[code])
            if self.place is not None:
                moved = self.place[0] @ Affine.translation(column, row)
                area = mask_area_km2(zones == code, transform=moved, crs=self.place[1])
                self._km2[code] = self._km2.get(code, 0.0) + area

    def areas(self) -> tuple[ZoneArea, ...]:
        """Return what each class covers, those of the legend first, then what was not observed where any was not."""
        total = sum(self._pixels.values())
        shown = [*self.legend.names.items()]
        if self._pixels.get(self.legend.unobserved):
            shown.append((self.legend.unobserved, self.legend.all_names[self.legend.unobserved]))
        return tuple(
            ZoneArea(
                code=code, name=name, pixels=self._pixels.get(code, 0),
                share=self._pixels.get(code, 0) / total if total else 0.0,
                area_km2=math.nan if self.place is None else self._km2.get(code, 0.0),
            )
            for code, name in shown
        )  # fmt: skip


def without_small_parts(
    zones: NDArray[np.uint8], *, legend: Legend, least_km2: float, transform: Affine, crs: Any
) -> NDArray[np.uint8]:
    """Return a mask whose parts of less than an area have become part of what is largest around them.

    Parts are joined along sides of pixels. What was not observed stays, and takes nothing in.

    Parameters
    ----------
    zones : (H, W) uint8
    legend : Legend
    least_km2 : float
        On the ellipsoid, by the size of a pixel in the middle of the image.
    transform : Affine
    crs : anything pyproj reads, or None for a local metric frame

    Examples
    --------
    >>> zones = np.array([[127, 127, 127], [127, 254, 127], [127, 127, 127]], np.uint8)
    >>> legend = Legend({127: "glacier", 254: "ocean"}, unobserved=0)
    >>> without_small_parts(zones, legend=legend, least_km2=2, transform=Affine.scale(1000, -1000), crs=None).tolist()
    [[127, 127, 127], [127, 127, 127], [127, 127, 127]]
    """
    size_m = resolution_m(transform, shape=(zones.shape[0], zones.shape[1]), crs=crs)
    least_px = math.ceil(least_km2 * M2_PER_KM2 / size_m**2 - 1e-9)
    if least_px <= 1:
        return zones
    seen = zones != legend.unobserved
    joined = sieve(zones, size=min(least_px, 2**31 - 1), connectivity=4, mask=seen)
    return np.where(seen, joined, zones).astype(np.uint8)
