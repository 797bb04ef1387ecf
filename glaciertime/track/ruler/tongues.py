"""Which ice a line is drawn through where a mask shows several glaciers, and where the end of its tongue is."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from glaciertime.track.measurement import front_ends

__all__ = ["end_of_tongue", "longest_tongue", "of_the_tongue", "reach_of"]

_EIGHT = np.ones((3, 3), bool)
#: Ice whose boundary with the ocean has this share of the longest one's length is a glacier too.
_SHARE = 0.25
#: A front that reaches farther from its chord than this share of it runs along the sides of a tongue, too.
_DEEP = 0.5
#: The end of such a tongue is what lies this near to the farthest, as a share.
_END = 0.9


def longest_tongue(
    ice: NDArray[np.bool_], ocean: NDArray[np.bool_], *, seen: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the ice that meets the ocean along the longest boundary, and other glaciers.

    A glacier comes from beyond the edge of what was seen; other ice is an iceberg, and in neither.

    Parameters
    ----------
    ice, ocean, seen : (H, W) bool

    Returns
    -------
    (tongue, others) : (H, W) bool each

    Examples
    --------
    >>> ice = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]], bool)
    >>> ocean = np.array([[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]], bool)
    >>> [zone.sum(axis=1).tolist() for zone in longest_tongue(ice, ocean, seen=np.ones((3, 4), bool))]
    [[2, 0, 0], [0, 0, 3]]
    """
    labels, count = ndimage.label(ice, structure=_EIGHT)
    if count < 2:
        return ice, np.zeros_like(ice)
    numbers = np.arange(1, count + 1)
    met = ndimage.sum_labels(ndimage.binary_dilation(ocean), labels, index=numbers)
    edge = ndimage.binary_dilation(np.pad(~seen, 1, constant_values=True), structure=_EIGHT)[1:-1, 1:-1]
    enters = ndimage.maximum(edge, labels, index=numbers).astype(bool)
    main = int(numbers[np.argmax(np.where(enters, met, 0) if (met[enters] > 0).any() else met)])
    others = numbers[enters & (numbers != main) & (met >= _SHARE * met[main - 1]) & (met > 0)]
    return labels == main, np.isin(labels, others)


def reach_of(others: NDArray[np.bool_], tongue: NDArray[np.bool_], ice: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return how far other glaciers reach in any of several scenes.

    Parameters
    ----------
    others, tongue : (H, W) bool
    ice : (N, H, W) bool
        Of each scene; what hangs together there with both is of the tongue.
    """
    reach = others.copy()
    for scene in ice:
        labels, _ = ndimage.label(scene, structure=_EIGHT)
        theirs = np.setdiff1d(labels[others & scene], labels[tongue & scene])
        reach |= np.isin(labels, theirs[theirs > 0])
    return reach


def of_the_tongue(
    front: shapely.Geometry, tongue: NDArray[np.bool_], others: NDArray[np.bool_]
) -> shapely.Geometry | None:
    """Return the pieces of a front (column, row) that lie nearer to a tongue than to other glaciers; None without."""
    if not others.any():
        return front
    pieces = shapely.get_parts(front)
    middles = shapely.get_coordinates(shapely.line_interpolate_point(pieces, 0.5, normalized=True))
    near, far = (KDTree(np.argwhere(zone)[:, ::-1]).query(middles)[0] for zone in (tongue, others))
    kept = list(pieces[near <= far])
    return None if not kept else kept[0] if len(kept) == 1 else shapely.MultiLineString(kept)


def end_of_tongue(front: shapely.Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middle of a front and its chord as a vector.

    The middle is that of the chord; of a front that runs along both sides of a tongue, as where rock and ocean are one
    class, that of the tongue's end.

    Examples
    --------
    >>> sides = shapely.LineString([(0, 0), (50, 0), (50, 10), (0, 10)])
    >>> end_of_tongue(sides)[0].round(1).tolist()
    [48.6, 5.0]
    """
    first, last = front_ends(front)
    chord = last - first
    length = float(np.hypot(*chord))
    if length == 0:
        return first, chord
    points = shapely.get_coordinates(shapely.segmentize(front, 0.1 * length))
    depth = np.abs((points - first) @ np.array([-chord[1], chord[0]])) / length
    if depth.max() <= _DEEP * length:
        return (first + last) / 2, chord
    return points[depth >= _END * depth.max()].mean(axis=0), chord
