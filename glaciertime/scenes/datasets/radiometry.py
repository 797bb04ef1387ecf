"""Speckle and gain of radar images, as physics has them and as a thesis printed them.

A thesis that this package compares itself with (its equations 4.1 and 4.2) prints two augmentations under each
other's names: under *speckle*, one factor in decibels for the whole image; under *gain*, a gamma-distributed factor
with unit mean. Physics has them the other way round: speckle of L looks multiplies every pixel by its own draw of a
gamma distribution of shape L and mean 1; a change of the sensor's gain multiplies the whole image by one factor,
normal in decibels. :func:`add_speckle` and :func:`shift_gain` are the physical ones, :func:`speckle_as_printed` and
:func:`gain_as_printed` do what is printed, for those who compare.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["Seed", "add_speckle", "gain_as_printed", "shift_gain", "speckle_as_printed"]

Seed = int | np.random.Generator


def add_speckle(intensity: NDArray[np.floating], *, looks: float, seed: Seed) -> NDArray[np.float32]:
    """Multiply every pixel by its own draw of Gamma(L, 1/L): fully developed speckle of L looks.

    ``I' = I g``, ``E[g] = 1``, ``Var[g] = 1/L``. Source: Goodman 1976, doi:10.1364/JOSA.66.001145.

    Parameters
    ----------
    intensity : array
        Backscattered intensity, linear, not decibels.
    looks : float
        Number of looks L, positive.
    seed : int or Generator

    Returns
    -------
    array of float32, same shape

    Raises
    ------
    InputError
        If ``looks`` is not positive.

    Examples
    --------
    >>> noisy = add_speckle(np.ones((200, 200)), looks=4, seed=0)
    >>> round(float(noisy.mean()), 2), round(float(noisy.var()), 2)
    (1.0, 0.25)
    """
    _check_looks(looks)
    draw = np.random.default_rng(seed).gamma(looks, 1.0 / looks, size=np.shape(intensity))
    return (np.asarray(intensity) * draw).astype(np.float32)


def shift_gain(intensity: NDArray[np.floating], *, sigma_db: float, seed: Seed) -> NDArray[np.float32]:
    """Multiply the whole image by one factor ``10^(d / 10)``, d normal with zero mean, in decibels.

    Parameters
    ----------
    intensity : array
        Linear intensity.
    sigma_db : float
        Standard deviation of the gain, dB.
    seed : int or Generator

    Examples
    --------
    >>> shifted = shift_gain(np.array([1.0, 2.0]), sigma_db=1.0, seed=0)
    >>> round(float(shifted[1] / shifted[0]), 6)
    2.0
    """
    gain_db = np.random.default_rng(seed).normal(0.0, sigma_db)
    return (np.asarray(intensity) * 10.0 ** (gain_db / 10.0)).astype(np.float32)


def speckle_as_printed(intensity: NDArray[np.floating], *, sigma_db: float, seed: Seed) -> NDArray[np.float32]:
    """Return the thesis's equation 4.1, printed as speckle: a factor ``10^(d / 10)``, d normal in dB, for each pixel.

    Its mean is ``exp((ln 10 / 10 * sigma_db)^2 / 2)``, not 1: it brightens the image. Drawn once for an image it is
    :func:`shift_gain`.

    Examples
    --------
    >>> noisy = speckle_as_printed(np.ones((300, 300)), sigma_db=3.0, seed=0)
    >>> round(float(noisy.mean()), 2), round(float(np.exp((np.log(10) / 10 * 3.0) ** 2 / 2)), 2)
    (1.27, 1.27)
    """
    gain_db = np.random.default_rng(seed).normal(0.0, sigma_db, size=np.shape(intensity))
    return (np.asarray(intensity) * 10.0 ** (gain_db / 10.0)).astype(np.float32)


def gain_as_printed(intensity: NDArray[np.floating], *, looks: float, seed: Seed) -> NDArray[np.float32]:
    """Return the thesis's equation 4.2, printed as gain: one draw of Gamma(L, 1/L) for the whole image.

    Drawn for each pixel it is :func:`add_speckle`.

    Examples
    --------
    >>> scaled = gain_as_printed(np.array([1.0, 3.0]), looks=4, seed=0)
    >>> round(float(scaled[1] / scaled[0]), 6)
    3.0
    """
    _check_looks(looks)
    factor = np.random.default_rng(seed).gamma(looks, 1.0 / looks)
    return (np.asarray(intensity) * factor).astype(np.float32)


def _check_looks(looks: float) -> None:
    if not looks > 0:
        raise InputError(f"{looks} looks given, a positive number expected")
