"""Sums over glaciers whose errors are correlated.

The errors of neighbours on the same images, by the same hand or model, share a part. With one coefficient ``rho``
between any two glaciers the variance of a sum of ``w_i x_i`` is

    (1 - rho) sum((w_i s_i)^2) + rho (sum |w_i| s_i)^2

which is 0 independent errors, 1 fully shared ones (as Paul et al. 2017, doi:10.1016/j.rse.2017.08.038, and the RGI
bound totals). What it is for a region is rarely known: 0.5 is a convention, and a total is shown with 0 and 1 beside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from glaciertime.errors import UsageError

__all__ = ["CORRELATION", "Total", "check_correlation", "sum_sigma", "total_of"]

#: Between the errors of two glaciers, unless given.
CORRELATION = 0.5


@dataclass(frozen=True)
class Total:
    """A sum, or a mean, with one sigma by the correlation asked for, by none, and by a full one; unknown is NaN."""

    value: float
    sigma: float
    sigma_independent: float
    sigma_full: float
    n: int
    #: ``at least`` or ``at most``, where that of a part is; the value is NaN where parts are bounds on both sides.
    qualifier: str = ""

    def times(self, factor: float) -> Total:
        """Return it in another unit, or divided by how many it is of."""
        turned = {"at least": "at most", "at most": "at least", "": ""}
        return Total(
            self.value * factor, self.sigma * abs(factor), self.sigma_independent * abs(factor),
            self.sigma_full * abs(factor), self.n, turned[self.qualifier] if factor < 0 else self.qualifier,
        )  # fmt: skip


def check_correlation(correlation: float) -> float:
    """Return a coefficient that is one.

    Raises
    ------
    UsageError
        Where it does not lie between 0 and 1: errors that cancel are nothing to rely on.
    """
    if not 0 <= correlation <= 1:
        raise UsageError(f"--correlation {correlation:g}: between 0 (independent errors) and 1 (shared) expected")
    return correlation


def sum_sigma(sigmas: ArrayLike, *, correlation: float) -> float:
    """Return the one sigma of a sum of values whose errors are all correlated alike; NaN where one is unknown.

    Examples
    --------
    >>> [round(sum_sigma([3.0, 4.0], correlation=rho), 3) for rho in (0, 0.5, 1)]
    [5.0, 6.083, 7.0]
    """
    sigma = np.abs(np.asarray(sigmas, dtype=float))
    if not len(sigma):
        return math.nan
    variance = (1 - correlation) * float(np.sum(sigma**2)) + correlation * float(np.sum(sigma)) ** 2
    return math.sqrt(variance)


def total_of(
    values: ArrayLike, sigmas: ArrayLike, *, correlation: float = CORRELATION, qualifiers: ArrayLike = ()
) -> Total:
    """Return the sum of values whose errors are correlated alike.

    Parameters
    ----------
    values : (N,) float
        Known ones.
    sigmas : (N,) float
        One sigma each, in the unit of the values; NaN unknown, which makes that of the sum unknown.
    correlation : float
        Between the errors of any two, 0 to 1.
    qualifiers : (N,) text, optional
        ``at least``, ``at most`` or empty.
    """
    value = np.asarray(values, dtype=float)
    sides = {str(side) for side in np.asarray(qualifiers, dtype=object)} - {""}
    bounded = len(sides) > 1
    return Total(
        math.nan if bounded or not len(value) else float(value.sum()),
        sum_sigma(sigmas, correlation=check_correlation(correlation)),
        sum_sigma(sigmas, correlation=0.0),
        sum_sigma(sigmas, correlation=1.0),
        len(value),
        sides.pop() if len(sides) == 1 else "",
    )
