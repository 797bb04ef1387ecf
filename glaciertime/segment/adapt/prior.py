"""Where a front can be by the other images of its place: a prior that sharpens an image that leaves it open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError
from glaciertime.segment.predict.front_line import front_deviation_px, front_pixels, front_rows, zones_from_ocean

__all__ = ["FAR_PX", "Sharpened", "prior_odds", "sharpen"]

#: Two fronts of one image that lie further apart are both to be looked at.
FAR_PX = 10.0
_NEAR_YEARS = 3.0
#: An unclear image says this much of another one, a clear one 1.
_UNCLEAR_SHARE = 0.1
_BLUR_PX = 6.0
#: Log-odds that the other images, and an unclear image itself, can reach at a pixel. Found at Jakobshavn.
_PRIOR_LIMIT, _IMAGE_LIMIT = 2.0, 2.0
_NONE_SHARE = 0.1


@dataclass(frozen=True)
class Sharpened:
    """The front of one image by itself and with what the other images say.

    Attributes
    ----------
    alone, both : (w,) float64
        Row of the front in each column, see :func:`.predict.front_line.front_rows`.
    apart_px : float
        Distance of the two, see :func:`.predict.front_line.front_deviation_px`; NaN where they share no column.
    """

    alone: NDArray[np.float64]
    both: NDArray[np.float64]
    apart_px: float

    @property
    def is_far(self) -> bool:
        """Return whether the two have to be looked at: the image may show a real jump."""
        return not self.apart_px <= FAR_PX


def prior_odds(
    ocean: NDArray[np.floating], *, years: Sequence[float], clear: Sequence[bool], at: int
) -> NDArray[np.float64]:
    """Return the log-odds of ocean at every pixel of one image by the others of the stack, between -2 and 2.

    ``log((sum w p + a m / 2) / (sum w (1 - p) + a m / 2))`` with the probabilities p of the others, blurred along the
    flow by 6 pixels, weights w = exp(-|years apart| / 3), a tenth of it for unclear images, m their sum and a = 0.1.

    Parameters
    ----------
    ocean : (N, h, w)
        Probability of ocean of every image on the same pixels; NaN where not observed, which counts as one half.
    years : (N,)
        Decimal years.
    clear : (N,) bool
        Whether a model is sure of an image.
    at : int
        The image; it says nothing of itself.

    Raises
    ------
    InputError
        If there is no other image.
    """
    apart = np.abs(np.asarray(years, dtype=np.float64) - years[at])
    weights = np.exp(-apart / _NEAR_YEARS) * np.where(np.asarray(clear, dtype=bool), 1.0, _UNCLEAR_SHARE)
    weights[at] = 0.0
    total = float(weights.sum())
    if not total > 0:
        raise InputError("one image given: no other one says where its front can be")
    mean = np.zeros(ocean.shape[1:])
    for layer, weight in zip(ocean, weights, strict=True):
        if weight:
            mean += weight * np.nan_to_num(np.asarray(layer, dtype=np.float64), nan=0.5)
    mean = ndimage.gaussian_filter1d(mean, _BLUR_PX, axis=0, mode="nearest")
    half = 0.5 * _NONE_SHARE * total
    return np.asarray(np.clip(np.log((mean + half) / (total - mean + half)), -_PRIOR_LIMIT, _PRIOR_LIMIT))


def sharpen(ocean: NDArray[np.floating], odds: NDArray[np.floating]) -> Sharpened:
    """Return the front of an unclear image by itself and with a prior: both, for the prior does not know a jump.

    Parameters
    ----------
    ocean : (h, w)
        Probability of ocean; NaN where not observed: there the prior alone speaks.
    odds : (h, w)
        See :func:`prior_odds`.
    """
    probability = np.clip(np.nan_to_num(np.asarray(ocean, dtype=np.float64), nan=0.5), 1e-6, 1 - 1e-6)
    own = np.clip(np.log(probability / (1 - probability)), -_IMAGE_LIMIT, _IMAGE_LIMIT)
    joint = 1 / (1 + np.exp(-(own + odds)))
    alone_zones, zones = zones_from_ocean(ocean), zones_from_ocean(joint)
    alone, both = front_rows(ocean, alone_zones), front_rows(joint, zones)
    apart = front_deviation_px(front_pixels(zones), front_pixels(alone_zones))
    return Sharpened(alone, both, apart)
