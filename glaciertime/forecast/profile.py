"""Fjord width, depth or cross-section along the centreline, as an optional covariate of a scenario.

A front that loses the same area (or volume) a year retreats faster where the fjord is narrower (or shallower). That is
all the physics there is here: no buoyancy, no sill that holds a front, no ice flow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.errors import InputError

__all__ = ["Profile", "profile_from_table"]

_PARTS = 2_000


@dataclass(frozen=True, eq=False)
class Profile:
    """A positive quantity along the centreline, straight between its points.

    Attributes
    ----------
    position_m : (M,) float64
        Strictly increasing, in the coordinate of the front positions.
    value : (M,) float64
        Width in m, depth in m or cross-section in m2.
    """

    position_m: NDArray[np.float64]
    value: NDArray[np.float64]

    def at(self, position_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value at positions, NaN outside the profile.

        Examples
        --------
        >>> Profile(np.array([0.0, 1000.0]), np.array([2000.0, 4000.0])).at(np.array([500.0, 1500.0]))
        array([3000.,   nan])
        """
        return np.interp(position_m, self.position_m, self.value, left=np.nan, right=np.nan)

    def carry(self, start_m: float, *, rate_m: float, years: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Return where a front goes whose rate times the profile stays what it is at the start, (D,).

        .. math:: \int_{s_0}^{s(t)} w(s)\, ds = r\, w(s_0)\, t

        Parameters
        ----------
        start_m : float
        rate_m : float
            Metres a year at the start, positive towards the sea.
        years : (D,) float64
            Years after the start.

        Raises
        ------
        InputError
            If the start or the way lies outside the profile.

        Examples
        --------
        >>> narrowing = Profile(np.array([0.0, 1000.0]), np.array([1000.0, 2000.0]))
        >>> narrowing.carry(1000.0, rate_m=-100.0, years=np.array([1.0, 5.0])).round(1)
        array([897.4, 414.2])
        """
        low, high = float(self.position_m[0]), float(self.position_m[-1])
        if not low <= start_m <= high:
            raise InputError(f"the profile runs from {low:,.0f} to {high:,.0f} m, the front is at {start_m:,.0f} m; "
                             "give a profile in the coordinate of the front positions")  # fmt: skip
        fine = np.union1d(np.linspace(low, high, _PARTS), self.position_m)
        value = np.interp(fine, self.position_m, self.value)
        total = np.concatenate([[0.0], np.cumsum(np.diff(fine) * (value[1:] + value[:-1]) / 2)])
        wanted = np.interp(start_m, fine, total) + rate_m * float(self.at(np.array([start_m]))[0]) * np.asarray(years)
        if wanted.min() < 0 or wanted.max() > total[-1]:
            raise InputError(f"the front would leave the profile, which runs from {low:,.0f} to {high:,.0f} m; "
                             "give a longer profile, or an earlier --until")  # fmt: skip
        return np.interp(wanted, total, fine)


def profile_from_table(table: pd.DataFrame) -> Profile:
    """Return a profile from a table of ``position_m, value``, rows in any order.

    Raises
    ------
    InputError
        If a column is missing, fewer than two positions are given, one twice, or a value is not positive.
    """
    missing = [column for column in ("position_m", "value") if column not in table]
    if missing:
        raise InputError(f"profile: column {', '.join(missing)} is missing; expected position_m, value")
    numbers = table[["position_m", "value"]].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    position, value = numbers[np.argsort(numbers[:, 0], kind="stable")].T
    if (
        len(position) < 2
        or not np.isfinite(numbers).all()
        or not (value > 0).all()
        or not (np.diff(position) > 0).all()
    ):
        raise InputError("profile: at least two positions are needed, each once, with positive finite values")
    return Profile(position, value)
