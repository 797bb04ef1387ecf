"""Small made-up series for docstrings, tests and first steps; they say that they are simulated."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike

from glaciertime.forecast.series import Series, as_days, as_years

__all__ = ["make_series", "straight_fronts", "straight_series"]


def make_series(
    dates: ArrayLike,
    values: ArrayLike,
    *,
    sigma: ArrayLike | float = np.nan,
    glacier: str = "Example",
    variable: str = "front_position_m",
    unit: str = "m",
) -> Series:
    """Return a simulated series of the given dates and values.

    Examples
    --------
    >>> len(make_series(["2001-01-01", "2002-01-01"], [1.0, 2.0]))
    2
    """
    days, numbers = as_days(dates), np.asarray(values, dtype=float)
    spread = np.broadcast_to(np.asarray(sigma, dtype=float), numbers.shape)
    return Series(glacier, variable, "-", "-", "-", unit, "simulated", days, numbers, spread,
                  np.full(len(days), "ok", dtype=object))  # fmt: skip


def straight_series(*, rate_per_year: float, count: int = 11, start: float = 100.0, first_year: int = 2000) -> Series:
    """Return yearly values on a straight line, on 1 January of each year.

    Examples
    --------
    >>> straight_series(rate_per_year=-2.0).values[[0, -1]].round(1)
    array([100.,  80.])
    """
    dates = np.array([f"{first_year + step:04d}-01-01" for step in range(count)], dtype="datetime64[D]")
    return make_series(dates, start + rate_per_year * np.arange(count))


def straight_fronts(
    *, rate_m_per_year: float, count: int = 11, first_year: int = 2000, noise_m: float = 0.0, seed: int = 0
) -> gpd.GeoDataFrame:
    """Return simulated fronts across a fjord that runs along x: straight lines 2 km wide, one on each 1 January.

    The first front lies at x = 10 km and each later one ``rate_m_per_year`` farther towards the sea; every vertex,
    100 m apart, has Gaussian noise of ``noise_m``.

    Examples
    --------
    >>> fronts = straight_fronts(rate_m_per_year=-100.0)
    >>> [line.centroid.x for line in fronts.geometry[:2]]
    [10000.0, 9900.0]
    """
    rng = np.random.default_rng(seed)
    dates = pd.to_datetime([f"{first_year + step:04d}-01-01" for step in range(count)])
    years = as_years(dates.to_numpy().astype("datetime64[D]"))
    across = np.arange(-1000.0, 1001.0, 100.0)
    lines = []
    for step in years - years[0]:
        along = 10_000.0 + rate_m_per_year * round(float(step), 2) + noise_m * rng.standard_normal(len(across))
        lines.append(shapely.LineString(np.column_stack([along, across])))
    table = {
        "GlacierID": "Example", "Date": dates, "DecDate": 1970.0 + years, "QualFlag": "ok", "Satellite": "-",
        "ImageID": [f"{day:%Y%m%d}" for day in dates], "Author": "-", "sigma_m": np.nan, "coverage": 1.0,
        "resolution_m": np.nan, "model": "", "source": "simulated",
    }  # fmt: skip
    return gpd.GeoDataFrame(table, geometry=lines)
