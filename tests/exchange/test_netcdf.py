"""Series as CF NetCDF: what is written is what is held, and the validator finds each breach by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

netCDF4 = pytest.importorskip("netCDF4", reason="NetCDF needs the extra netcdf")
xr = pytest.importorskip("xarray", reason="NetCDF needs the extra netcdf")

from glaciertime.errors import UsageError  # noqa: E402
from glaciertime.exchange.cf import cf_problems  # noqa: E402
from glaciertime.exchange.netcdf_series import FLAGS, rows_in, series_dataset, write_series  # noqa: E402

from .test_forms import observations  # noqa: E402


def two_series() -> pd.DataFrame:
    area = observations(variable="area_km2", unit="km2", method="mask", footprint="box", value=[9.0, 8.5, np.nan, 8.0])
    area["quality"] = ["censored: the ice fills the box", "ok", "failed: no ice", "month-only"]
    area["bound"] = ["at-least", "", "", ""]
    return pd.concat([observations().iloc[::-1], area], ignore_index=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cf") / "a.nc"
    write_series(two_series(), path, mark="glaciertime export", licences=("toy; licence: none",))
    return path


def test_what_is_written_keeps_the_conventions(written: Path) -> None:
    assert cf_problems(written) == []
    assert rows_in(written) == 8


def test_xarray_reads_each_value_with_its_date_sigma_and_flags(written: Path) -> None:
    with xr.open_dataset(written) as held:
        assert held["row_size"].to_numpy().tolist() == [4, 4]
        assert held["series_variable"].to_numpy().tolist() == ["front_position_m", "area_km2"]
        first = held.isel(obs=slice(0, 4))
        assert first["front_position_m"].to_numpy().tolist() == [1000.0, 940.0, 955.5, 900.0]
        assert np.isnan(first["area_km2"]).all()
        assert first["time_bounds"].to_numpy()[0].astype("datetime64[D]").astype(str).tolist() == [
            "2001-07-01", "2001-07-02",
        ]  # fmt: skip
        assert first["time_bounds"].to_numpy()[2].astype("datetime64[D]").astype(str).tolist() == [
            "2003-01-01", "2004-01-01",
        ], "of a date whose year alone is known"  # fmt: skip
        second = held.isel(obs=slice(4, 8))
        assert second["bound"].to_numpy().tolist() == [1, 0, 0, 0]
        assert second["quality"].to_numpy().tolist() == [FLAGS["censored"], 0, FLAGS["failed"], FLAGS["month-only"]]
        assert (held["area_km2"].attrs["units"], held.attrs["license"]) == ("km2", "toy; licence: none")


def test_dates_of_any_century_and_of_hydrological_years(tmp_path: Path) -> None:
    dates = ["1590-01-01", "1600-07-01", "2000-10-01", "2001-02-01"]
    rows = observations(
        date=np.array(dates, dtype="datetime64[s]"), quality=["year-only", "ok", "year-only", "month-only"]
    )
    write_series(rows, tmp_path / "a.nc", mark="")
    assert cf_problems(tmp_path / "a.nc") == []
    with netCDF4.Dataset(tmp_path / "a.nc") as held:
        days = np.asarray(held["time_bounds"][:]).astype("datetime64[D]").astype(str).tolist()
    assert days == [["1590-01-01", "1591-01-01"], ["1600-07-01", "1600-07-02"], ["1999-10-01", "2000-10-02"],
                    ["2001-02-01", "2001-03-01"]]  # fmt: skip


def test_another_table_is_refused() -> None:
    with pytest.raises(UsageError, match="--table observations"):
        series_dataset(pd.DataFrame({"glacier": ["Toy"]}))


def attribute(variable: str, name: str, value: Any) -> Callable[[Any], None]:
    def change(held: Any) -> None:
        target = held[variable] if variable else held
        if value is None:
            target.delncattr(name)
        else:
            target.setncattr(name, value)

    return change


def sample(held: Any) -> None:
    held["row_size"][0] = 3


def outside(held: Any) -> None:
    held["time"][0] = 0.0


def a_name(held: Any) -> None:
    held.renameVariable("sensor", "1sensor")


BROKEN = {
    "Conventions is 'COARDS'": attribute("", "Conventions", "COARDS"),
    "featureType 'series' is none": attribute("", "featureType", "series"),
    "area_km2: it has no units": attribute("area_km2", "units", None),
    "its units are empty": attribute("area_km2", "units", " "),
    "units 'years' do not go with": attribute("time", "units", "years"),
    "a time has a calendar": attribute("time", "calendar", None),
    "flag_masks for": attribute("quality", "flag_meanings", "one two"),
    "flag_values are int64, the variable int8": attribute("bound", "flag_values", np.arange(3)),
    "values that no flag stands for: [1]": lambda held: (
        attribute("bound", "flag_values", np.array([0, 2], dtype=np.int8))(held),
        attribute("bound", "flag_meanings", "value at_most")(held),
    ),
    "ancillary_variables names area_error": attribute("area_km2", "ancillary_variables", "area_error"),
    "bounds names edges": attribute("time", "bounds", "edges"),
    "lies outside of its bounds": outside,
    "its counts add up to 7": sample,
    "standard_name 'ice_area' is not known": attribute("area_km2", "standard_name", "ice_area"),
    "a name begins with a letter": a_name,
    "0 variables have a cf_role": attribute("series_id", "cf_role", None),
    "neither a standard_name nor a long_name": attribute("coverage", "long_name", None),
}  # fmt: skip


@pytest.mark.parametrize("said", BROKEN)
def test_a_breach_of_the_conventions_is_found(written: Path, tmp_path: Path, said: str) -> None:
    path = Path(shutil.copy(written, tmp_path / "b.nc"))
    with netCDF4.Dataset(path, "a") as held:
        BROKEN[said](held)
    found = cf_problems(path)
    assert any(said in one for one in found), found


def test_quantities_whose_names_differ_in_other_letters_alone_are_both_written() -> None:
    rows = pd.concat([observations(variable="größe_m"), observations(variable="grüße_m", value=[1.0, 2.0, 3.0, 4.0]),
                      observations(variable="series_id", unit="m")])  # fmt: skip
    found = series_dataset(rows)
    held = [name for name in found.data_vars if f"{name}_sigma" in found.data_vars]
    assert len(held) == 3
    assert sorted(np.nansum(found[name]) for name in held)[0] == 10.0
    assert found["series_id"].attrs["cf_role"] == "timeseries_id"
