"""Which series an archive holds of a glacier, as choices of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from glaciertime.tables import SERIES_KEY

__all__ = ["choose", "series_choices", "series_rows", "shown_unit"]

_KEY = [name for name in SERIES_KEY if name not in ("glacier",)]
_FIRST = ("area_km2", "front_position_m")


def series_choices(observations: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the key of each series by how a list shows it; areas and positions first, the longest first."""
    counts = observations.groupby(_KEY, sort=False, dropna=False).size().sort_values(ascending=False, kind="stable")
    ranked = sorted(counts.index, key=lambda key: _FIRST.index(key[0]) if key[0] in _FIRST else len(_FIRST))
    return {f"{', '.join(str(part) for part in key if part)} ({counts[key]})": tuple(key) for key in ranked}


def series_rows(observations: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of one series."""
    wanted = pd.Series(True, index=observations.index)
    for name, value in zip(_KEY, key, strict=True):
        wanted &= observations[name] == value
    return observations[wanted]


def choose(select: Any, choices: Mapping[str, Any]) -> None:
    """Offer other choices; what was chosen stays so where it can, else it is the first."""
    before = select.value
    select.options = dict(choices)
    if before not in choices.values():
        select.value = next(iter(choices.values()), None)


def shown_unit(unit: str) -> str:
    """Return a unit as people write it.

    Examples
    --------
    >>> shown_unit("km2"), shown_unit("m")
    ('km²', 'm')
    """
    return unit.replace("km2", "km²").replace("km3", "km³")
