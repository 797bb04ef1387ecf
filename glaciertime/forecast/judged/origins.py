"""Rolling origins: from which dates a series is forecast again, and which of its later values are the targets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glaciertime.errors import InputError
from glaciertime.forecast.series import Series
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["Horizon", "Origins", "parse_horizon", "targets_at"]

_DAYS = {"d": 1.0, "w": 7.0, "m": DAYS_PER_YEAR / 12, "y": DAYS_PER_YEAR}


@dataclass(frozen=True)
class Horizon:
    """How far ahead: a number of observations, or a time.

    Attributes
    ----------
    label : str
        As given: ``"lead 1"``, ``"5y"``, ``"30d"``.
    lead : int
        Observations ahead; 0 where it is a time.
    days : float
        Days ahead; 0 where it is a number of observations.
    """

    label: str
    lead: int = 0
    days: float = 0.0


def parse_horizon(text: str | int) -> Horizon:
    """Return a horizon from ``5`` (observations ahead), ``"30d"``, ``"6m"`` or ``"2y"``.

    Raises
    ------
    InputError
        If it has another form or is not positive.

    Examples
    --------
    >>> parse_horizon("2y").days, parse_horizon(3).label
    (730.5, 'lead 3')
    """
    match = re.fullmatch(r"(?:lead )?(\d+)|(\d+(?:\.\d+)?)\s*([dwmy])", str(text).strip().lower())
    if match is None or float(match[1] or match[2]) <= 0:
        raise InputError(f"horizon {text!r} is not known; give observations ahead (5) or a time (30d, 6m, 2y)")
    if match[1]:
        return Horizon(f"lead {int(match[1])}", lead=int(match[1]))
    return Horizon(f"{match[2]}{match[3]}", days=float(match[2]) * _DAYS[match[3]])


@dataclass(frozen=True)
class Origins:
    """Which observations serve as origins, counted back from the end.

    Attributes
    ----------
    min_train : int
        Observations up to and including the origin.
    step : int
        Observations between origins.
    limit : int, optional
        The latest so many only.
    ahead : int
        Observations that must follow the latest origin.
    first_date : str, optional
        No origin before it, YYYY-MM-DD.
    """

    min_train: int = 10
    step: int = 1
    limit: int | None = None
    ahead: int = 1
    first_date: str | None = None

    def indices(self, series: Series) -> list[int]:
        """Return the indices of the origins, latest first.

        Examples
        --------
        >>> from glaciertime.forecast.example import straight_series
        >>> Origins(min_train=3, step=2, ahead=1).indices(straight_series(rate_per_year=1.0, count=7))
        [5, 3]
        """
        found = list(range(len(series) - 1 - self.ahead, self.min_train - 2, -self.step))
        if self.first_date is not None:
            found = [index for index in found if series.dates[index] >= np.datetime64(self.first_date, "D")]
        return found[: self.limit]


def targets_at(
    series: Series, origin: int, horizons: Sequence[Horizon], *, tolerance: float = 0.25
) -> list[tuple[Horizon, int]]:
    """Return the observation that each horizon is scored on, as (horizon, index); none where there is none.

    A horizon in observations takes that observation. A horizon in time takes the observation nearest to it, if it
    lies within ``tolerance`` times the horizon; the forecast is made for its true date.
    """
    found = []
    for horizon in horizons:
        if horizon.lead:
            if origin + horizon.lead < len(series):
                found.append((horizon, origin + horizon.lead))
            continue
        ahead = (series.dates[origin + 1 :] - series.dates[origin]) / np.timedelta64(1, "D")
        if len(ahead):
            nearest = int(np.argmin(np.abs(ahead - horizon.days)))
            if abs(ahead[nearest] - horizon.days) <= tolerance * horizon.days:
                found.append((horizon, origin + 1 + nearest))
    return found
