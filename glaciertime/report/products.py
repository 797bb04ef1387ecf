"""Products of the series: means per period, cycles, rates, breaks, and how far methods disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import pandas as pd

from glaciertime.breaks import change_table, segment_table
from glaciertime.catalog import Glacier
from glaciertime.errors import UsageError, nearest_names
from glaciertime.provenance.rows import with_names
from glaciertime.tables import SERIES_KEY, by_series
from glaciertime.track.record.comparison import compare_methods
from glaciertime.track.record.passing import PASSING, PASSING_BOUNDS, PASSING_MONTHS
from glaciertime.track.record.periods import annual_rates, period_means, seasonal_cycle
from glaciertime.track.record.screening import keep
from glaciertime.track.record.trends import rate_table
from glaciertime.track.ruler.flowlines import flowline_retreat
from glaciertime.track.ruler.sensors import remove_sensor_offsets, sensor_offsets

__all__ = ["Product", "series_product"]


@dataclass(frozen=True)
class Product:
    """A product of series, and how many observations were left out of it."""

    table: pd.DataFrame
    left_out: int


def series_product(
    name: str,
    *,
    observations: pd.DataFrame,
    fronts: Callable[[], gpd.GeoDataFrame],
    glacier: Callable[[], Glacier],
    allow: Sequence[str] = (),
) -> Product:
    """Return a product of the series of one glacier.

    Parameters
    ----------
    name : str
        ``raw``, ``monthly``, ``seasonal``, ``annual``, ``cycle``, ``rates``, ``annual-rates``, ``changes``,
        ``segments``, ``methods``, ``offsets`` or ``flowlines``.
    observations : DataFrame
        Rows of the table ``observations``.
    fronts : callable
        Returns rows of the table ``fronts``, for ``flowlines``.
    glacier : callable
        Returns the glacier with its centreline, for ``flowlines``.
    allow : sequence of str
        Quality flags that pass besides the harmless ones, or ``all``.

    Raises
    ------
    UsageError
        For an unknown product.
    """
    periods: dict[str, Literal["month", "season", "year"]] = {
        "monthly": "month", "seasonal": "season", "annual": "year",
    }  # fmt: skip
    bounds: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
        "changes": change_table,
        "segments": segment_table,
        "rates": rate_table,
    }
    by_month = ("monthly", "seasonal", "cycle", "annual-rates")
    passing = (*(PASSING_BOUNDS if name in bounds else PASSING_MONTHS if name in by_month else PASSING), *allow)
    kept = keep(observations, allow=passing)
    left_out = len(observations) - len(kept)
    if name == "raw":
        return Product(with_names(kept, "observations"), left_out)
    if name in (*periods, "cycle", "annual-rates", *bounds):
        # A new sensor is no retreat: what is made of several dates is made without the sensors' offsets.
        kept = remove_sensor_offsets(kept)
    if name in periods:
        return Product(period_means(kept, period=periods[name]), left_out)
    if name == "cycle":
        return Product(seasonal_cycle(kept), left_out)
    if name == "annual-rates":
        return Product(annual_rates(kept), left_out)
    if name in bounds:
        return Product(bounds[name](kept), left_out)
    if name == "methods":
        return Product(compare_methods(kept, reference=_reference(kept)), left_out)
    if name == "offsets":
        groups = by_series(kept, sort=False)
        parts = [sensor_offsets(rows).assign(**dict(zip(SERIES_KEY, key, strict=True))) for key, rows in groups]
        return Product(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(), left_out)
    if name == "flowlines":
        lines = flowline_retreat(fronts(), glacier=glacier())
        return Product(pd.DataFrame(lines.drop(columns="geometry")), 0)
    known = ["raw", *periods, "cycle", "annual-rates", *bounds, "methods", "offsets", "flowlines", "hazard"]
    near = nearest_names(name, known)
    hint = f", did you mean {near[0]}?" if near else ""
    raise UsageError(f"unknown product '{name}'{hint}; known are {', '.join(known)}")


def _reference(observations: pd.DataFrame) -> str:
    """Return the method that the others are compared with: the curvilinear box where there is one."""
    held = list(dict.fromkeys(observations.loc[observations["variable"] == "front_position_m", "method"]))
    return "curvilinear-box" if "curvilinear-box" in held or not held else str(held[0])
