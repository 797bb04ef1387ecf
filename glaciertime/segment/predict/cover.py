"""What speaks against a front that a model draws: clouds, their shadows, ground that was not observed, and doubt.

The edge of a cloud, or of its shadow, looks like a front to a network that has seen few of them, and it is as sure of
it as of any other. What gives these away is what lies beside the line: a cloud is bright and without texture where ice
has crevasses and melange has floes; the edge of a shadow is a larger step in brightness than that from ice to water;
and before a line that is none, the model still sees ice here and there. None of these tells a wrong front by itself;
their weighted sum does.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "LIMIT",
    "Evidence",
    "evidence_of",
    "log_odds",
    "share_smooth",
    "share_unobserved",
    "why_unclear",
]

#: Local spread over the brightness above the darkest of the image, below which a surface has no texture.
_SMOOTH = 0.015
#: Darker than this share of the image, a smooth surface is water or shadow.
_BRIGHT = 0.5
_NEIGHBOURHOOD_PX = 5
#: Interpolation takes texture away: an image is blurred by more than that before it is looked at.
_BLUR_PX = 1.0
#: Rows beside the front, to either side, that are looked at.
_BESIDE_PX = (3.0, 11.0)
_SIDE_PX = range(4, 13)
#: Share of the columns of a frame along which nothing may have been observed beside the front.
_MOST_UNOBSERVED = 0.25
#: Nor may a model leave open where it lies over more than this share of the frame,
_MOST_OPEN = 0.1
#: nor a cloud lie along more of it than this, however sure the model is; 0.62 at most without one.
_MOST_SMOOTH = 0.65
#: Brightness is counted from so much below the darkest of an image, as a share of its range.
_FLOOR = 0.03
#: Keeps logarithms of shares finite.
_LEAST = 1e-3
#: A shadow leaves a quarter to a half of the light.
_MOST_STEP = 1.0
_USUAL_SIGMA_PX = 1.5


@dataclass(frozen=True)
class Evidence:
    """What an image and the probabilities of a model show beside a front.

    Attributes
    ----------
    spread : float
        Logarithm of what the model leaves open of its place, over the error that it usually shows; at least that.
    smooth : float
        Logarithm of the share of its length along which a bright surface without texture lies.
    step : float
        Mean size of the change of the logarithm of brightness across it; at most 1, for open water makes larger ones.
    brighter : float
        Mean change of the logarithm of brightness from the sea to the ice, within 1 either way.
    sea_texture : float
        Local spread over brightness before it.
    ice_before : float
        Logarithm of the mean probability of ice before it, over the whole frame.
    """

    spread: float
    smooth: float
    step: float
    brighter: float
    sea_texture: float
    ice_before: float


#: Logistic regression on fronts of 123 images without and with drawn clouds, by models that had not seen their glacier:
#: ``python scripts/check_clouds.py``. The limit leaves five of the 123 without clouds above it.
_WEIGHTS = Evidence(0.718, 0.297, 4.251, 1.835, -17.672, 3.095)
_INTERCEPT = 9.61
LIMIT = -0.8
#: Of fronts that are right: the median.
_USUAL = Evidence(0.001, -2.882, 0.587, -0.081, 0.122, -3.98)
_SAID = {
    "spread": "the model leaves open where it lies",
    "smooth": "a bright surface without texture lies beside it, as of a cloud",
    "step": "the brightness changes across it as at the edge of a shadow",
    "brighter": "the brightness changes across it as at the edge of a shadow",
    "sea_texture": "what lies before it has no texture, as under a cloud or a shadow",
    "ice_before": "the model sees ice before it",
}


def why_unclear(
    image: NDArray[np.floating],
    rows: NDArray[np.floating],
    *,
    found: Evidence,
    sigma_px: float,
    usual_px: float = _USUAL_SIGMA_PX,
) -> str:
    """Return why a front is not to be relied on, or ``""``.

    Parameters
    ----------
    image : (C, h, w)
        In the frame of the model, NaN where not observed.
    rows : (w,)
        Row of the front in each column.
    found : Evidence
        See :func:`evidence_of`.
    sigma_px : float
        What the model leaves open of the front's place.
    usual_px : float
        The error that it showed on glaciers that it had not seen; NaN where unknown.
    """
    unobserved = share_unobserved(image, rows)
    if unobserved > _MOST_UNOBSERVED:
        return f"along {unobserved:.0%} of it the image was not observed"
    if sigma_px > _MOST_OPEN * max(image.shape[1:]):
        return f"one sigma of {sigma_px:.0f} pixels, {_usual(usual_px):.1f} usually"
    smooth = share_smooth(_softened(image[0]), rows)
    if smooth > _MOST_SMOOTH:
        return f"along {smooth:.0%} of it lies a bright surface without texture, as of a cloud"
    if log_odds(found) <= LIMIT:
        return ""
    weighed = np.array(astuple(_WEIGHTS)) * (np.array(astuple(found)) - np.array(astuple(_USUAL)))
    return _SAID[fields(Evidence)[int(weighed.argmax())].name]


def _usual(sigma_px: float) -> float:
    return sigma_px if math.isfinite(sigma_px) and sigma_px > 0 else _USUAL_SIGMA_PX


def log_odds(evidence: Evidence) -> float:
    """Return the logarithm of the odds that a front is off by more than 490 m, where half of all are."""
    return _INTERCEPT + float(np.dot(astuple(_WEIGHTS), astuple(evidence)))


def evidence_of(
    band: NDArray[np.floating],
    rows: NDArray[np.floating],
    *,
    ocean: NDArray[np.floating],
    sigma_px: float,
    usual_px: float = _USUAL_SIGMA_PX,
) -> Evidence:
    """Return what lies beside a front, whatever the unit of the image; see :func:`why_unclear`.

    Parameters
    ----------
    band : (h, w)
        In the frame of the model, NaN where not observed.
    rows : (w,)
        Row of the front in each column.
    ocean : (h, w)
        Probability of the ocean, NaN where not observed.
    sigma_px, usual_px : float
        As of :func:`why_unclear`.

    Examples
    --------
    >>> band = np.where(np.arange(60)[:, None] < 30, 1.0, 2.0) * np.ones((1, 20))
    >>> ocean = (band == 1).astype(float)
    >>> found = evidence_of(band, np.full(20, 30.0), ocean=ocean, sigma_px=3.0)
    >>> round(found.spread, 3), found.step == found.brighter
    (0.694, True)
    """
    seen = np.isfinite(band)
    if not seen.any():
        return _USUAL
    soft = _softened(band)
    values = soft
    if not seen.all():
        nearest = ndimage.distance_transform_edt(~seen, return_distances=False, return_indices=True)
        values = soft[nearest[0], nearest[1]]
    dark, bright = np.percentile(values[seen], [0.5, 99.5])
    height = np.maximum(values - dark, 0) + _FLOOR * max(bright - dark, np.finfo(np.float64).tiny)
    mean = ndimage.uniform_filter(height, _NEIGHBOURHOOD_PX)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(height**2, _NEIGHBOURHOOD_PX) - mean**2, 0))
    edge = max(_SIDE_PX) + 2
    at = np.clip(np.asarray(rows, dtype=np.float64), edge, max(edge, len(values) - edge - 1))
    sea, ice = (_beside(np.log(height), at, side) for side in (-1, 1))
    step = (ice - sea).mean(axis=0)
    before = np.arange(len(values))[:, None] < np.asarray(rows)[None] - _BESIDE_PX[0]
    known = np.isfinite(ocean)
    return Evidence(
        spread=math.log(max(sigma_px / _usual(usual_px), 1.0) + _LEAST),
        smooth=math.log(share_smooth(soft, rows) + _LEAST),
        step=min(float(np.abs(step).mean()), _MOST_STEP),
        brighter=float(np.clip(step.mean(), -_MOST_STEP, _MOST_STEP)),
        sea_texture=float(_beside(spread / mean, at, -1).mean()),
        ice_before=math.log(float(np.where(before & known, 1 - ocean, 0).sum()) / max(1, int(known.sum())) + _LEAST),
    )


def _softened(band: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a band blurred by a pixel, so that one that was resampled has the texture of one that was not.

    What was not observed stays so, and blurs into nothing.

    Examples
    --------
    >>> _softened(np.array([[1.0, np.nan, 3.0]])).round(2).tolist()
    [[1.18, nan, 2.82]]
    """
    seen = np.isfinite(band)
    weight = ndimage.gaussian_filter(seen.astype(np.float64), _BLUR_PX)
    total = ndimage.gaussian_filter(np.where(seen, band, 0).astype(np.float64), _BLUR_PX)
    return np.where(seen, total / np.maximum(weight, 1e-9), np.nan)


def _beside(field: NDArray[np.float64], rows: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return a field beside a line, towards the sea (-1) or the ice (1), a row for each distance."""
    columns = np.arange(field.shape[1])
    return np.stack([ndimage.map_coordinates(field, [rows + side * step, columns], order=1) for step in _SIDE_PX])


def share_unobserved(image: NDArray[np.floating], rows: NDArray[np.floating]) -> float:
    """Return the share of the columns, of those that show anything, in which pixels beside the front are missing.

    Examples
    --------
    >>> image = np.ones((1, 40, 4)); image[0, 18:22, 0] = np.nan
    >>> share_unobserved(image, np.full(4, 20.0))
    0.25
    """
    seen = np.isfinite(image).any(axis=0)
    shown = seen.any(axis=0)
    if not shown.any():
        return 1.0
    below = np.arange(len(seen))[:, None] + 0.5 - np.asarray(rows)[None]
    hidden = (~seen & (np.abs(below) <= _BESIDE_PX[0])).any(axis=0)
    return float(hidden[shown].mean())


def share_smooth(band: NDArray[np.floating], rows: NDArray[np.floating]) -> float:
    """Return the share of the columns in which the image is bright and smooth beside a front, on its worse side.

    Smooth is where the spread over five pixels is below 1.5 % of the brightness above the darkest of the image, bright
    what is no darker than its median: whatever the unit of the values.

    Parameters
    ----------
    band : (h, w)
        NaN where not observed.
    rows : (w,)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ice = rng.uniform(20, 100, (60, 30))
    >>> cloud = np.where(np.arange(60)[:, None] < 30, 90.0, ice)
    >>> share_smooth(ice, np.full(30, 30.0)), share_smooth(cloud, np.full(30, 30.0))
    (0.0, 1.0)
    """
    seen = np.isfinite(band)
    if not seen.any():
        return 0.0
    values = np.where(seen, band, 0).astype(np.float64)
    count = np.maximum(ndimage.uniform_filter(seen.astype(np.float64), _NEIGHBOURHOOD_PX), 1e-9)
    mean = ndimage.uniform_filter(values, _NEIGHBOURHOOD_PX) / count
    square = ndimage.uniform_filter(values**2, _NEIGHBOURHOOD_PX) / count
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    dark, middle = np.percentile(values[seen], [0.5, 100 * _BRIGHT])
    smooth = seen & (spread < _SMOOTH * (mean - dark)) & (mean - dark > 0.98 * (middle - dark))
    below = np.arange(len(band))[:, None] + 0.5 - np.asarray(rows)[None]
    shares = []
    for near, far in (_BESIDE_PX, (-_BESIDE_PX[1], -_BESIDE_PX[0])):
        beside = (below >= near) & (below <= far) & seen
        known = beside.sum(axis=0)
        shares.append(
            float(((smooth & beside).sum(axis=0) > 0.6 * np.maximum(known, 3)).sum() / seen.any(axis=0).sum())
        )
    return max(shares)
