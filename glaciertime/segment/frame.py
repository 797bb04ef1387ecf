"""The frame that a model sees its images in: which way is up, how large a pixel is, how much is shown."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from glaciertime.errors import InputError

__all__ = ["LANDSAT_FRONTS", "Frame"]

_UP = ("any", "ocean")


@dataclass(frozen=True)
class Frame:
    """What a model takes for granted of the images it gets.

    Attributes
    ----------
    up : str
        ``any``: up and down mean nothing to the model. ``ocean``: the glacier flows up the image, the ocean is on top.
    pixel_m : float
        Side of a pixel on the ground; NaN where the model was not told.
    tolerance : float
        Share by which pixels may be larger or smaller before an image is resampled.
    height_px, width_px : int
        Field of view: of a larger scene, that much around the front is shown; 0 for all of it.

    Examples
    --------
    >>> Frame(up="ocean", pixel_m=49.0).fits(30.0), Frame(up="ocean", pixel_m=49.0).fits(50.0), Frame().fits(10.0)
    (False, True, True)
    """

    up: str = "any"
    pixel_m: float = math.nan
    tolerance: float = 0.03
    height_px: int = 0
    width_px: int = 0

    def __post_init__(self) -> None:
        if self.up not in _UP:
            raise InputError(f"frame '{self.up}' up given, one of {list(_UP)} expected")
        if self.pixel_m <= 0 or self.tolerance < 0 or min(self.height_px, self.width_px) < 0:
            raise InputError(f"frame {self} given, positive sizes expected")

    def fits(self, pixel_m: float) -> bool:
        """Return whether pixels of that size can be shown as they are."""
        if math.isnan(self.pixel_m) or math.isnan(pixel_m):
            return True
        return abs(math.log(pixel_m / self.pixel_m)) <= math.log1p(self.tolerance)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; NaN is None."""
        return {key: None if value != value else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Frame:
        """Return the frame written by :meth:`to_dict`."""
        known: dict[str, Any] = {key: math.nan if value is None else value for key, value in values.items()}
        return cls(**known)


#: The frame of the traced Landsat subsets of Mohajerani et al. 2019: published errors are 96.3 m and 1.97 pixels.
LANDSAT_FRONTS = Frame(up="ocean", pixel_m=96.3 / 1.97, height_px=300, width_px=200)
