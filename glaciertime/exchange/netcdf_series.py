"""Series as CF NetCDF: a ragged array of time series, each value with its sigma, its flags and the day it stands for.

One sample dimension ``obs`` holds the values of all series, one after the other; each quantity is a variable of its
own, with its unit, and is missing where the row is of another. Conventions: https://cfconventions.org, chapter 9
(discrete sampling geometries), H.2.4 (contiguous ragged array).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from glaciertime.errors import MissingExtraError, UsageError
from glaciertime.tables import BOUNDS, QUALITY_FLAGS, SERIES_KEY, SOURCES, by_series, flags_of, variable_named
from glaciertime.writing.netcdf import netcdf_told

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CONVENTIONS", "FLAGS", "rows_in", "series_dataset", "write_series"]

CONVENTIONS = "CF-1.10"
#: The flags of a row as bits; nothing against it is 0.
FLAGS = {flag: 1 << place for place, flag in enumerate(flag for flag in QUALITY_FLAGS if flag != "ok")}
#: Units as UDUNITS writes them.
_UNITS = {"m w.e.": "m", "%": "percent", "degC": "degree_Celsius"}
#: Names of other variables of the file.
_TAKEN = (
    "time", "time_bounds", "quality", "quality_text", "bound", "image_id", "sensor", "coverage", "row_size",
    "series_id", "series_source", *(f"series_{column}" for column in SERIES_KEY),
)  # fmt: skip
_WATER = "metres of water equivalent"


def series_dataset(observations: pd.DataFrame, *, licences: tuple[str, ...] = (), generator: str = "") -> xr.Dataset:
    """Return observations as a dataset of the CF conventions.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``; rows without a value stay, as missing ones with their flags.
    licences : tuple of str
        What is said of the data they were made of.
    generator : str
        What made it.

    Raises
    ------
    UsageError
        For another table.
    MissingExtraError
        Without xarray.
    """
    lacking = {*SERIES_KEY, "date", "value", "sigma", "unit", "quality"} - set(observations.columns)
    if lacking:
        raise UsageError(
            "netcdf holds series of dated values: --table observations; other tables go to gpkg or parquet"
        )
    try:
        import xarray as xr
    except ImportError as error:
        raise MissingExtraError("series as NetCDF", "netcdf") from error
    groups = list(by_series(observations, sort=False))
    rows = pd.concat([part.sort_values("date", kind="stable") for _, part in groups], ignore_index=True)
    variables: dict[str, Any] = {}
    for name in dict.fromkeys(rows["variable"]):
        variables |= _quantity(name, rows, taken=variables.keys())
    sources = [str(part["source"].iloc[0]) for _, part in groups]
    variables["quality"] = (
        "obs", _bits(rows["quality"]),
        {"long_name": "what speaks against the value", "flag_masks": np.array([*FLAGS.values()], dtype=np.int32),
         "flag_meanings": " ".join(FLAGS)},
    )  # fmt: skip
    variables["quality_text"] = ("obs", _texts(rows["quality"]), {"long_name": "the flags, with their reasons"})
    bounds = rows.get("bound", pd.Series("", index=rows.index))
    variables["bound"] = (
        "obs", np.array([BOUNDS.index(one) if one in BOUNDS else 0 for one in bounds], dtype=np.int8),
        {"long_name": "whether the value is a bound of the true one", "flag_values": np.arange(3, dtype=np.int8),
         "flag_meanings": "value at_least at_most"},
    )  # fmt: skip
    variables["image_id"] = ("obs", _texts(rows.get("image_id", "")), {"long_name": "image that was measured"})
    variables["sensor"] = ("obs", _texts(rows.get("sensor", "")), {"long_name": "sensor of the image"})
    if "coverage" in rows:
        variables["coverage"] = (
            "obs", rows["coverage"].to_numpy(float), {"long_name": "share of the footprint imaged", "units": "1"},
        )  # fmt: skip
    starts, ends = _days(rows)
    time_units = {"units": "days since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian"}
    variables["time_bounds"] = (("obs", "bnds"), np.column_stack([starts, ends]))
    variables["row_size"] = (
        "series", np.array([len(part) for _, part in groups], dtype=np.int32),
        {"long_name": "number of values of the series", "sample_dimension": "obs"},
    )  # fmt: skip
    names = [" | ".join(str(part) for part in key) for key, _ in groups]
    variables["series_id"] = ("series", _texts(names), {"cf_role": "timeseries_id", "long_name": "name of the series"})
    for place, column in enumerate(SERIES_KEY):
        variables[f"series_{column}"] = (
            "series",
            _texts([key[place] for key, _ in groups]),
            {"long_name": _SAID[column]},
        )
    variables["series_source"] = (
        "series", np.array([SOURCES.index(one) for one in sources], dtype=np.int8),
        {"long_name": "whether it was observed or simulated", "flag_values": np.arange(2, dtype=np.int8),
         "flag_meanings": " ".join(SOURCES)},
    )  # fmt: skip
    time = ("obs", (starts + ends) / 2, {"standard_name": "time", "long_name": "day of acquisition (UTC)", "axis": "T",
            "bounds": "time_bounds", **time_units})  # fmt: skip
    return xr.Dataset(
        variables, coords={"time": time},
        attrs={
            "Conventions": CONVENTIONS, "featureType": "timeSeries", "title": "Series of glaciers",
            "source": " and ".join(sorted(set(sources))) + " scenes", "generator": generator,
            "references": "https://cfconventions.org",
            "comment": "sigma is one standard deviation; areas and lengths are true ones on the WGS84 ellipsoid",
            **({"license": "; ".join(licences)} if licences else {}),
        },
    )  # fmt: skip


_SAID = {
    "glacier": "name of the glacier",
    "variable": "what was measured",
    "method": "how it was measured",
    "footprint": "where it was measured",
    "dataset": "whose scenes it was measured on",
    "front_of": "what the front is made of",
}


def _quantity(name: str, rows: pd.DataFrame, *, taken: Collection[str]) -> dict[str, Any]:
    """Return a quantity and its sigma, missing in the rows of others."""
    own = (rows["variable"] == name).to_numpy()
    known = variable_named(name)
    unit = str(rows.loc[own, "unit"].iloc[0]) or known.unit or "1"
    told: dict[str, Any] = {"units": _UNITS.get(unit, unit)}
    if unit == "m w.e.":
        told["comment"] = _WATER
    value, sigma = (np.where(own, rows[column].to_numpy(float), np.nan) for column in ("value", "sigma"))
    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    name = name if name[:1].isalpha() and name not in _TAKEN else f"value_{name}"
    # Letters that no name of the conventions has may be all that tells two quantities apart.
    while {name, f"{name}_sigma"} & {*taken}:
        name += "_"
    return {
        name: ("obs", value, {"long_name": known.label, "ancillary_variables": f"{name}_sigma quality bound", **told}),
        f"{name}_sigma": ("obs", sigma, {"long_name": f"standard deviation of {known.label}", **told}),
    }


def _bits(quality: pd.Series) -> np.ndarray:
    return np.array([sum(FLAGS[flag] for flag in flags_of(text) if flag != "ok") for text in quality], dtype=np.int32)


def _texts(values: Any) -> np.ndarray:
    return np.array(["" if one is None or one != one else str(one) for one in values], dtype=object)


def _days(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last instant that each date stands for, in days: a day, or where no more is known, a year."""
    day = pd.to_datetime(rows["date"]).to_numpy().astype("datetime64[D]")
    flags = [flags_of(text) for text in rows["quality"]]
    is_year = np.array(["year-only" in one for one in flags], dtype=bool)
    is_month = np.array(["month-only" in one for one in flags], dtype=bool) & ~is_year
    month = day.astype("datetime64[M]")
    first = day == day.astype("datetime64[Y]")
    start, end = day.copy(), day + 1
    # What is written as 1 January stands for the year that begins; a hydrological year is dated by its end.
    end[is_year & first] = (month + 12).astype("datetime64[D]")[is_year & first]
    year_before = (month - 12).astype("datetime64[D]") + (day - month)
    start[is_year & ~first] = year_before[is_year & ~first]
    end[is_month] = (month + 1).astype("datetime64[D]")[is_month]
    return start.astype(np.int64).astype(float), end.astype(np.int64).astype(float)


def write_series(observations: pd.DataFrame, draft: Path, *, mark: str, licences: tuple[str, ...] = ()) -> None:
    """Write observations as CF NetCDF to a draft."""
    dataset = series_dataset(observations, licences=licences, generator=mark)
    plain: dict[Any, dict[str, Any]] = {name: {"_FillValue": None} for name in dataset.variables}
    for name, held in dataset.variables.items():
        if held.dtype.kind == "f" and name not in ("time", "time_bounds"):
            plain[name] = {"_FillValue": np.nan}
    with netcdf_told(draft):
        dataset.to_netcdf(draft, engine="netcdf4", format="NETCDF4", encoding=plain)


def rows_in(path: Path) -> int:
    """Return how many values a file of series holds."""
    import netCDF4

    with netCDF4.Dataset(path) as held:
        return int(held["row_size"][:].sum())
