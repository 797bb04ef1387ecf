"""Simulated glaciers whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from glaciertime.forecast.example import make_series
from glaciertime.forecast.series import Series


def simulate(
    name: str, *, seed: int, count: int = 36, variable: str = "length_change_m", first_year: int = 1950
) -> Series:
    """A record with a slowly changing rate, yearly with a few gaps."""
    rng = np.random.default_rng(seed)
    rate = np.cumsum(rng.normal(0, 2.0, count)) - 5.0
    values = np.cumsum(rate + rng.normal(0, 3.0, count)) + 1000.0
    if variable == "area_km2":
        values = np.maximum(values, 0.0)
    years = first_year + np.arange(count)
    keep = np.ones(count, dtype=bool)
    keep[rng.choice(np.arange(2, count - 2), 3, replace=False)] = False
    dates = np.array([f"{year}-01-01" for year in years[keep]], dtype="datetime64[D]")
    unit = "km2" if variable == "area_km2" else "m"
    return make_series(dates, values[keep], glacier=name, variable=variable, unit=unit)


@pytest.fixture(scope="session")
def glaciers() -> list[Series]:
    """Ten glaciers observed over the same years."""
    return [simulate(f"Glacier {number}", seed=number) for number in range(10)]
