"""The front between ocean and glacier in a probability map with the ocean up, and how far it lies from a traced one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError

__all__ = ["front_deviation_px", "front_pixels", "front_rows", "front_spread_px", "zones_from_ocean"]

GLACIER, OCEAN = 127, 254
SMOOTHNESS = 0.1
"""Cost of a step of one row: small, for a front often ends along the side of its fjord; 0.5 cut those ends off."""

ONE_SIGMA = (0.1587, 0.8413)
"""Standard normal probabilities of lying below -1 and below +1."""


def zones_from_ocean(
    ocean: NDArray[np.floating], *, smoothness: float = SMOOTHNESS, clip_logit: float = 4.0
) -> NDArray[np.uint8]:
    """Part an image into ocean above and glacier below, along the most probable line from left to right.

    In every column one row parts ocean from glacier. The rows y(x) minimise

    ``sum_x [ sum_{y < y(x)} -log p(y, x) + sum_{y >= y(x)} -log(1 - p(y, x)) ] + smoothness sum_x |y(x+1) - y(x)|``

    exactly, by dynamic programming. The result has one front, whatever the probabilities: islands of either class
    cannot occur, and at least the first row is ocean and the last one glacier.

    Parameters
    ----------
    ocean : (H, W)
        Probability of ocean, 0 to 1; NaN counts as one half.
    smoothness : float
        Cost of a step of one row between neighbouring columns, nats.
    clip_logit : float
        Log-odds are limited to plus and minus this, so that no single pixel decides.

    Returns
    -------
    (H, W) uint8
        127 glacier, 254 ocean.

    Raises
    ------
    InputError
        If the map has fewer than two rows.

    Examples
    --------
    >>> ocean = np.array([[0.9, 0.9, 0.8], [0.9, 0.2, 0.9], [0.1, 0.1, 0.1]])
    >>> zones_from_ocean(ocean, smoothness=0.0)
    array([[254, 254, 254],
           [254, 127, 254],
           [127, 127, 127]], dtype=uint8)
    """
    if ocean.ndim != 2 or ocean.shape[0] < 2:
        raise InputError(f"probability map of shape {ocean.shape} given, at least two rows expected")
    height, width = ocean.shape
    probability = np.clip(np.nan_to_num(np.asarray(ocean, dtype=np.float64), nan=0.5), 1e-6, 1 - 1e-6)
    logit = np.clip(np.log(probability / (1 - probability)), -clip_logit, clip_logit)
    # Cost of parting at row r relative to parting at row 0: every ocean pixel above saves its log-odds.
    cost = np.ascontiguousarray(-np.cumsum(logit, axis=0)[:-1].T)
    climb = smoothness * np.arange(height - 1)
    # The least cost up to each column, for every row of the front in it.
    best = np.empty_like(cost)
    best[0] = cost[0]
    for column in range(1, width):
        before = best[column - 1]
        down = np.minimum.accumulate(before - climb) + climb
        up = np.minimum.accumulate((before + climb)[::-1])[::-1] - climb
        best[column] = np.minimum(down, up) + cost[column]
    row = int(np.argmin(best[-1]))
    zones = np.empty(ocean.shape, dtype=np.uint8)
    for column in range(width - 1, -1, -1):
        zones[: row + 1, column] = OCEAN
        zones[row + 1 :, column] = GLACIER
        row = _came_from(best[column - 1], row, climb=climb) if column else row
    return zones


def _came_from(best: NDArray[np.float64], row: int, *, climb: NDArray[np.float64]) -> int:
    """Return the row of the column before from which ``row`` is reached for the least cost."""
    down, up = best[: row + 1] - climb[: row + 1], (best[row:] + climb[row:])[::-1]
    above, below = int(np.argmin(down)), len(best) - 1 - int(np.argmin(up))
    is_above = down[above] + climb[row] <= best[below] + climb[below] - climb[row]
    return above if is_above else below


def front_pixels(zones: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the ocean pixels (254) with a glacier pixel (127) among their four neighbours.

    Examples
    --------
    >>> front_pixels(np.array([[254, 254], [254, 127], [127, 127]], np.uint8)).astype(int)
    array([[0, 1],
           [1, 0],
           [0, 0]])
    """
    glacier = np.pad(zones == GLACIER, 1)
    beside = glacier[:-2, 1:-1] | glacier[2:, 1:-1] | glacier[1:-1, :-2] | glacier[1:-1, 2:]
    return (zones == OCEAN) & beside


def front_rows(ocean: NDArray[np.floating], zones: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the row at which the front crosses the middle of each column, counted from the top edge of the image.

    Between the last ocean pixel and the first glacier pixel of a column it lies where the log-odds, interpolated
    between their centres, are zero; halfway where they do not change sign there.

    Parameters
    ----------
    ocean : (H, W)
        Probability of ocean, NaN where not observed.
    zones : (H, W) uint8
        As :func:`zones_from_ocean` draws them.

    Returns
    -------
    (W,) float64

    Examples
    --------
    >>> ocean = np.array([[0.98], [0.9], [0.25], [0.02]])
    >>> front_rows(ocean, zones_from_ocean(ocean)).round(3).tolist()
    [2.167]
    """
    last = (zones == OCEAN).sum(axis=0) - 1
    columns = np.arange(zones.shape[1])
    probability = np.clip(np.nan_to_num(np.asarray(ocean, dtype=np.float64), nan=0.5), 1e-4, 1 - 1e-4)
    logit = np.log(probability / (1 - probability))
    above, below = logit[last, columns], logit[np.minimum(last + 1, len(zones) - 1), columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where((above > 0) & (below < 0), above / (above - below), 0.5)
    return np.asarray(last + 0.5 + share, dtype=np.float64)


def front_spread_px(ocean: NDArray[np.floating]) -> float:
    """Return one standard deviation of where the probabilities leave the front of an image with the ocean up.

    Down a column, the probability of ocean is that of the front lying further down. Half the rows in which it is
    between those of one standard deviation either way, 0.159 and 0.841, are the column's spread. Beyond the sides of
    a fjord no front is to be seen on any image: the spread of the image is the lower quartile of those of its columns.
    Columns of which nothing was observed do not count; rows that were not observed, between the last that is ocean for
    sure and the first that is glacier for sure, may hide the front and count as those in between.

    Parameters
    ----------
    ocean : (H, W)
        Probability of ocean, 0 to 1; NaN where not observed.

    Returns
    -------
    float
        Pixels, at least 0; NaN where nothing was observed.

    Examples
    --------
    >>> ocean = np.array([0.99, 0.95, 0.8, 0.6, 0.4, 0.2, 0.05, 0.01])
    >>> front_spread_px(np.tile(ocean[:, None], 5)), front_spread_px(np.tile(ocean[::3, None], 5))
    (2.0, 0.5)
    """
    lower, upper = ONE_SIGMA
    missing = np.isnan(ocean)
    columns = ~missing.all(axis=0)
    if not columns.any():
        return float("nan")
    ocean, missing = ocean[:, columns], missing[:, columns]
    rows = np.arange(len(ocean))[:, None]
    last_ocean = np.where(ocean >= upper, rows, -1).max(axis=0)
    first_glacier = np.where(ocean <= lower, rows, len(ocean)).min(axis=0)
    hidden = missing & (rows > last_ocean) & (rows < first_glacier)
    return float(np.quantile((((ocean > lower) & (ocean < upper)) | hidden).sum(axis=0) / 2, 0.25))


def front_deviation_px(front: NDArray[np.bool_], traced: NDArray[np.bool_]) -> float:
    """Return the symmetric mean nearest distance between two fronts, within the columns of the traced one.

    ``(mean_p d(p, traced) + mean_t d(t, front)) / 2`` over the pixels p of the front in those columns and the pixels
    t of the trace.

    Parameters
    ----------
    front, traced : (H, W) bool

    Returns
    -------
    float
        Pixels, at least 0; NaN where the front has no pixel in those columns.

    Raises
    ------
    InputError
        If the sizes differ or nothing is traced.

    Examples
    --------
    >>> traced = np.zeros((9, 5), bool); traced[2, 1:4] = True
    >>> front = np.zeros((9, 5), bool); front[4] = True
    >>> front_deviation_px(front, traced)
    2.0
    """
    if front.shape != traced.shape or not traced.any():
        raise InputError(f"front {front.shape} and trace {traced.shape} given; equal sizes and a traced pixel expected")
    inside = front & traced.any(axis=0, keepdims=True)
    if not inside.any():
        return float("nan")
    to_traced = ndimage.distance_transform_edt(~traced)[inside].mean()
    to_front = ndimage.distance_transform_edt(~inside)[traced].mean()
    return float((to_traced + to_front) / 2)
