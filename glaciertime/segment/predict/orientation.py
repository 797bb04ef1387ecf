"""Where the ocean lies in a scene: told by a word or an angle, or found by trying which way up a model is surest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import UsageError
from glaciertime.segment.predict.uncertainty import entropy

__all__ = ["AUTO", "CHANCES", "SIDES_DEG", "Found", "best_of", "doubt_about", "other_side", "parse_ocean", "search"]

AUTO = "auto"
_WORDS = {
    "north": 0.0, "northeast": 45.0, "east": 90.0, "southeast": 135.0, "south": 180.0, "southwest": 225.0,
    "west": 270.0, "northwest": 315.0,
}  # fmt: skip
_COARSE_DEG, _FINE_DEG = 30.0, (15.0, 7.5)
#: A turn is another direction where it is more than this from the best one.
_APART_DEG = 50.0
#: Share of a frame that either zone has at least where a front is in it.
_LEAST_SHARE = 0.03
#: Entropy of the best direction over that of the next best: what is above is not sure. A single image of a glacier that
#: the model had not seen was taken from the side at 0.55.
_SURE = 0.5
_CHANCE = 0.1
#: Up to which doubt how many of how many single images had the ocean within 45 degrees of the direction found: Landsat
#: images of glaciers left out of training, turned (``scripts/check_ocean.py``).
CHANCES: tuple[tuple[float, int, int], ...] = ((0.5, 6, 6), (0.75, 17, 19), (1.0, 4, 11))
#: Turns from the side that was told: itself first.
SIDES_DEG = (0.0, 90.0, 180.0, 270.0)
#: The doubt of a side that was told over that of the best other one, above which it is told of: of several images in
#: the mean, and of one. Of glaciers left out of training the right side has 1.0 at most, a wrong one that no image by
#: itself is flagged for 1.9 at least.
_OTHER_SIDE, _OTHER_SIDE_OF_ONE = 1.5, 2.0
_SEVERAL = 4


@dataclass(frozen=True)
class Found:
    """The direction of the ocean that was found.

    Attributes
    ----------
    ocean_deg : float
        Azimuth, degrees clockwise from true north.
    doubt : float
        Mean entropy of the best direction over that of the best other one: 0 sure, 1 no idea.
    """

    ocean_deg: float
    doubt: float

    @property
    def is_sure(self) -> bool:
        """Return whether another direction is clearly worse."""
        return self.doubt <= _SURE

    @property
    def chance(self) -> str:
        """Return in a sentence how often a direction found in one image was right where the doubt was like this one.

        Examples
        --------
        >>> Found(ocean_deg=0.0, doubt=0.6).chance[:47]
        'of 19 single images with such a doubt, of glaci'
        """
        right, count = next((right, count) for most, right, count in CHANCES if self.doubt <= most)
        return f"of {count} single images with such a doubt, of glaciers not seen in training, it was right in {right}"


def parse_ocean(text: str) -> float | str:
    """Return the azimuth that ``--ocean`` names, degrees clockwise from north; ``auto`` and ``up`` as they are.

    Raises
    ------
    UsageError
        For anything else.

    Examples
    --------
    >>> parse_ocean("west"), parse_ocean("-30"), parse_ocean("auto")
    (270.0, 330.0, 'auto')
    """
    word = text.strip().casefold()
    if word in (AUTO, "up"):
        return word
    if word.replace("-", "") in _WORDS:
        return _WORDS[word.replace("-", "")]
    try:
        angle = float(word)
    except ValueError:
        angle = math.nan
    if not math.isfinite(angle):
        raise UsageError(
            f"--ocean '{text}': north, east, south, west, up (the image's own), auto, or an angle in degrees clockwise "
            "from north expected"
        )
    return angle % 360


def doubt_about(probability: NDArray[np.float32], zones: NDArray[np.uint8], *, ocean: int) -> float:
    """Return how unsure a model is of a frame: the mean entropy of its pixels, 0 to 1, more where one zone is all.

    Parameters
    ----------
    probability : (K, h, w)
        NaN where not observed.
    zones : (h, w)
    ocean : int
        Code of the ocean.
    """
    seen = np.isfinite(probability).all(axis=0)
    if not seen.any():
        return 1.0
    share = float((zones[seen] == ocean).mean())
    lacking = max(0.0, 1 - min(share, 1 - share) / _LEAST_SHARE)
    return float(entropy(probability[:, seen]).mean()) + lacking


def search(doubt_at: Callable[[float], float], *, first_deg: float = 0.0, at_once: int = 1) -> dict[float, float]:
    """Return the doubt at every direction that was tried: all around in steps of 30 degrees, finer about the best.

    Parameters
    ----------
    doubt_at : callable
        Of an azimuth in degrees.
    first_deg : float
        The direction to start from: that which is up in the scene.
    at_once : int
        So many directions are tried at a time, each in a thread; what comes of it is the same.
    """
    coarse = [(first_deg + step) % 360 for step in np.arange(0, 360, _COARSE_DEG).tolist()]
    with ThreadPoolExecutor(at_once) as pool:
        tried = dict(zip(coarse, pool.map(doubt_at, coarse), strict=True))
        for step in _FINE_DEG:
            best = min(tried, key=lambda angle: tried[angle])
            beside = [(best - step) % 360, (best + step) % 360]
            for angle, doubt in zip(beside, pool.map(doubt_at, beside), strict=True):
                # A little less doubt is chance: the rounder direction is kept.
                tried.setdefault(angle, doubt / (1 - _CHANCE))
    return tried


def other_side(doubts: NDArray[np.floating], *, told_deg: float, zero: str = "north") -> str:
    """Return that the ocean seems to lie on another side than it was taken to, or ``""``.

    Parameters
    ----------
    doubts : (N, 4)
        Of N images, see :func:`doubt_about`, at the turns :data:`SIDES_DEG` from the side that was told.
    told_deg : float
        Degrees clockwise from ``zero``.
    zero : str

    Examples
    --------
    >>> other_side(np.array([[0.1, 0.3, 0.4, 0.3]]), told_deg=90)
    ''
    >>> other_side(np.array([[0.4, 0.3, 0.1, 0.3]]), told_deg=90)[:48]
    'the ocean seems to lie towards 270 degrees from '
    """
    if not len(doubts):
        return ""
    told, *others = np.asarray(doubts, dtype=np.float64).mean(axis=0)
    best = int(np.argmin(others))
    ratio = told / max(others[best], 1e-3)
    if not ratio > (_OTHER_SIDE if len(doubts) >= _SEVERAL else _OTHER_SIDE_OF_ONE):
        return ""
    seems_deg = (told_deg + SIDES_DEG[1 + best]) % 360
    return (
        f"the ocean seems to lie towards {seems_deg:.0f} degrees from {zero}, not {told_deg % 360:.0f}: there the "
        f"model is {ratio:.1f} times as sure"
    )


def best_of(searches: Sequence[dict[float, float]]) -> Found:
    """Return the direction that scenes of one place agree on best.

    The doubts of all scenes are averaged over the directions that every one of them tried; about the best of these,
    each scene's own best direction is taken, their median.

    Examples
    --------
    >>> one, two = {0.0: 0.1, 90.0: 0.3, 180.0: 0.2}, {0.0: 0.2, 90.0: 0.4, 180.0: 0.15}
    >>> found = best_of([one, two])
    >>> found.ocean_deg, round(found.doubt, 3)
    (0.0, 0.857)
    """
    shared = sorted(set.intersection(*(set(each) for each in searches)))
    mean = {angle: float(np.mean([each[angle] for each in searches])) for angle in shared}
    best = min(mean, key=lambda angle: mean[angle])
    others = [value for angle, value in mean.items() if _apart(angle, best) > _APART_DEG]
    finest = [
        min((angle for angle in each if _apart(angle, best) <= _APART_DEG), key=lambda angle: each[angle])
        for each in searches
    ]
    turned = [(angle - best + 180) % 360 - 180 for angle in finest]
    doubt = mean[best] / min(others) if others and min(others) > 0 else 1.0
    return Found(ocean_deg=(best + float(np.median(turned))) % 360, doubt=min(1.0, doubt))


def _apart(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)
