"""A front beside those of other dates on the same pixels: ground that never changes, and where a front can be.

Rock, and what else stays in its place, has the same fine detail in every image of a place; water and moving ice have
not. Where an image shows that detail beside its front, no cloud hides it, and its pixels are those of the others. And
where the fronts of other dates lie, a front can be. Neither moves a front.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Beside", "fixed_detail", "outside_px", "share_recognised"]

_SOFT_PX, _COARSE_PX, _CONTRAST_PX = 1.0, 8.0, 16.0
_MOST_DETAIL = 3.0
#: Rows beside a front, to either side, in which the ground is looked for, and the share of the frame that is fixed.
_BESIDE_PX = 25
_FIXED_SHARE = 0.2
#: Clear images of so many other dates say what is fixed, and where a front can be.
_LEAST_OTHERS = 4
#: Chosen at Jakobshavn and Kangerlussuaq under drawn clouds, of whose lost fronts none is then confirmed; at Sverdrup
#: one of 9 that nothing else flags was, at odds of one in seven: they were made one in ten.
_RECOGNISED, _OUTSIDE_PX, _ODDS = 0.6, 2.0, math.log(0.1)


@dataclass(frozen=True)
class Beside:
    """A front beside those of other dates.

    Attributes
    ----------
    odds : float
        Logarithm of the odds that it is wrong by its own image, see :func:`.cover.log_odds`.
    recognised : float
        See :func:`share_recognised`.
    outside_px : float
        See :func:`outside_px`.
    others : int
        Of how many other dates there are clear images.
    """

    odds: float
    recognised: float
    outside_px: float
    others: int

    @property
    def is_confirmed(self) -> bool:
        """Return whether the image and the other dates agree that this is the front.

        Its odds by itself are below one in ten, the ground beside it is that of the others (a correlation of at least
        0.6), and it lies where theirs do, on average within two pixels.
        """
        return (
            self.others >= _LEAST_OTHERS
            and self.odds <= _ODDS
            and self.recognised >= _RECOGNISED
            and self.outside_px <= _OUTSIDE_PX
        )


def fixed_detail(band: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the fine detail of an image, whatever its light: what is between 1 and 8 pixels wide, over its spread.

    Parameters
    ----------
    band : (h, w)
        NaN where not observed; there is no detail there.

    Examples
    --------
    >>> image = np.random.default_rng(0).uniform(50, 90, (40, 30))
    >>> bool(np.allclose(fixed_detail(image), fixed_detail(2 * image + 7), atol=1e-5))
    True
    """
    seen = np.isfinite(band)
    if not seen.any():
        return np.zeros(band.shape, dtype=np.float32)
    weight = seen.astype(np.float64)
    filled = np.where(seen, band, 0).astype(np.float64)

    def blurred(field: NDArray[np.float64], width_px: float) -> NDArray[np.float64]:
        known = ndimage.gaussian_filter(weight, width_px)
        return np.asarray(ndimage.gaussian_filter(field, width_px) / np.maximum(known, 1e-9))

    detail = np.where(seen, blurred(filled, _SOFT_PX) - blurred(filled, _COARSE_PX), 0)
    contrast = np.sqrt(blurred(detail**2, _CONTRAST_PX))
    least = 0.25 * float(np.median(contrast[seen]))
    # What is left of one brightness is rounding.
    if not least > 1e-9 * float(np.abs(filled).max()):
        return np.zeros(band.shape, dtype=np.float32)
    return np.clip(detail / np.maximum(contrast, least), -_MOST_DETAIL, _MOST_DETAIL).astype(np.float32)


def share_recognised(detail: NDArray[np.floating], others: NDArray[np.floating], rows: NDArray[np.floating]) -> float:
    """Return the correlation of fine detail beside a front with that of the other dates, where these agree most.

    Parameters
    ----------
    detail : (h, w)
        See :func:`fixed_detail`.
    others : (h, w)
        The mean of those of the other dates: what moves averages out.
    rows : (w,)
        Row of the front in each column.

    Examples
    --------
    >>> ground = np.random.default_rng(0).normal(size=(60, 40))
    >>> round(share_recognised(ground, ground, np.full(40, 30.0)), 3)
    1.0
    """
    size = np.abs(others)
    fixed = size > np.quantile(size, 1 - _FIXED_SHARE)
    below = np.arange(len(detail))[:, None] + 0.5 - np.asarray(rows)[None]
    there = fixed & (np.abs(below) <= _BESIDE_PX)
    one, other = (np.asarray(field, dtype=np.float64)[there] for field in (detail, others))
    norm = math.sqrt(float((one**2).sum()) * float((other**2).sum()))
    return float((one * other).sum()) / norm if norm > 0 else 0.0


def outside_px(rows: NDArray[np.floating], others: Sequence[NDArray[np.floating]]) -> float:
    """Return how far a front lies outside the place where those of other dates lie, mean over its columns.

    Examples
    --------
    >>> outside_px(np.array([10.0, 18.0]), [np.array([9.0, 9.0]), np.array([12.0, 12.0])])
    3.0
    """
    low, high = np.min(others, axis=0), np.max(others, axis=0)
    return float(np.maximum(np.maximum(low - rows, rows - high), 0).mean())
