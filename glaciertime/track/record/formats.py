"""The attribute names of the field's front archives: fronts of ours under theirs, and theirs under ours.

Only columns are renamed and derived here; no file is read or written.

References
----------
TermPicks: Goliber, S., et al. (2022), doi:10.5194/tc-16-3215-2022. MEaSUREs: Joughin, I., et al. (2021),
doi:10.5067/ESFWE11AVFKW. CALFIN: Cheng, D., et al. (2021), doi:10.5194/tc-15-1663-2021.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.tables import IN_FAVOUR, flags_of, join_flags, validate
from glaciertime.units import as_date, decimal_year

__all__ = ["ARCHIVES", "from_archive_columns", "to_archive_columns"]

#: Archives by name, with the columns that a front has there, in order.
ARCHIVES = {
    "termpicks": (
        "GlacierID", "Date", "Year", "Month", "Day", "DecDate", "QualFlag", "Satellite", "ImageID", "Author",
        "Center_X", "Center_Y", "geometry",
    ),
    "measures": ("GlacierID", "Image_ID", "Sensor", "Quality_Fl", "SourceDate", "Official_n", "geometry"),
    "calfin": (
        "GlacierID", "Center_X", "Center_Y", "Latitude", "Longitude", "QualFlag", "Satellite", "Date", "ImageID",
        "GrnlndcN", "OfficialN", "AltName", "RefName", "Author", "geometry",
    ),
}  # fmt: skip

# Our column for each of theirs; what is not named here is derived.
_THEIRS_TO_OURS = {
    "Image_ID": "ImageID",
    "Sensor": "Satellite",
    "Quality_Fl": "QualFlag",
    "SourceDate": "Date",
    "Source_Date": "Date",
    "Glacier_ID": "GlacierID",
    "DATE": "Date",
    "ImgSource": "Satellite",
    "Official_n": "GlacierID",
    "OfficialN": "GlacierID",
    "Dataset": "Author",
}


def _known(archive: str) -> str:
    name = archive.casefold()
    if name not in ARCHIVES:
        near = nearest_names(archive, ARCHIVES)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown archive '{archive}'{hint}; known are {', '.join(ARCHIVES)}")
    return name


def to_archive_columns(fronts: gpd.GeoDataFrame, *, archive: str) -> gpd.GeoDataFrame:
    """Return fronts with the columns of a front archive.

    Parameters
    ----------
    fronts : GeoDataFrame
        The table ``fronts``.
    archive : str
        One of :data:`ARCHIVES`.

    Returns
    -------
    GeoDataFrame
        Rows and CRS as given. Dates are texts ``YYYY-MM-DD``. The archives number their flags, each in its own way:
        here 0 means that nothing speaks against the front and 1 that something does, and ``QualText`` says what.

    Raises
    ------
    UsageError
        For an unknown archive.
    """
    name = _known(archive)
    table = validate(fronts, "fronts")
    dates = pd.to_datetime(table["Date"])
    crs = fronts.crs
    longest = [max(shapely.get_parts(line), key=lambda piece: piece.length) for line in table.geometry]
    centre = gpd.GeoSeries(shapely.line_interpolate_point(longest, 0.5, normalized=True), crs=crs, index=table.index)
    if crs is not None and crs.is_geographic:
        # Lines across the 180th meridian are held with longitudes that go on behind it.
        centre = gpd.GeoSeries(shapely.points((centre.x + 180) % 360 - 180, centre.y), crs=crs, index=table.index)
    lonlat = centre if crs is None or crs.is_geographic else centre.to_crs("EPSG:4326")
    is_flagged = table["QualFlag"].map(lambda text: int(bool(flags_of(text).keys() - {*IN_FAVOUR})))
    columns = {
        "GlacierID": table["GlacierID"],
        "Date": dates.dt.strftime("%Y-%m-%d"),
        "SourceDate": dates.dt.strftime("%Y-%m-%d"),
        "Year": dates.dt.year,
        "Month": dates.dt.month,
        "Day": dates.dt.day,
        "DecDate": table["DecDate"],
        "QualFlag": is_flagged,
        "Quality_Fl": is_flagged,
        "Satellite": table["Satellite"],
        "Sensor": table["Satellite"],
        "ImageID": table["ImageID"],
        "Image_ID": table["ImageID"],
        "Author": table["Author"],
        "Center_X": centre.x,
        "Center_Y": centre.y,
        "Longitude": lonlat.x,
        "Latitude": lonlat.y,
        "Official_n": table["GlacierID"],
        "OfficialN": table["GlacierID"],
        "RefName": table["GlacierID"],
        "GrnlndcN": "",
        "AltName": "",
    }
    out = pd.DataFrame({column: columns[column] for column in ARCHIVES[name] if column != "geometry"})
    out["QualText"] = table["QualFlag"]
    out["source"] = table["source"]
    return gpd.GeoDataFrame(out, geometry=table.geometry.to_numpy(), crs=crs)


def from_archive_columns(
    table: gpd.GeoDataFrame, *, glacier: str = "", author: str = "", source: str = "observed"
) -> gpd.GeoDataFrame:
    """Return the fronts of an archive, whichever it is, as the table ``fronts``.

    Parameters
    ----------
    table : GeoDataFrame
        With the columns of TermPicks, MEaSUREs, CALFIN or one of their kin.
    glacier, author : str
        For tables that name none.
    source : str
        ``observed`` or ``simulated``, unless the table has a column of that name.

    Returns
    -------
    GeoDataFrame
        Archive flags are numbers whose meaning differs: ``QualFlag`` is the text of ``QualText`` where the table has
        it, else ``ok`` for 0 and none, and ``manual: flag N of the archive`` for others, numbers or words.

    Raises
    ------
    InputError
        Where no column holds dates or glaciers.
    """
    out = pd.DataFrame(index=table.index)
    for column in table.columns:
        ours = _THEIRS_TO_OURS.get(column, column)
        if column != table.geometry.name and (ours not in out or column == ours):
            out[ours] = table[column]
    if glacier or "GlacierID" not in out:
        out["GlacierID"] = glacier
    if "Date" not in out:
        raise InputError(f"no column of dates among {', '.join(map(str, table.columns))}; expected Date or SourceDate")
    if not out["GlacierID"].astype(str).str.len().all():
        raise InputError("the table names no glacier; give its name")
    out["Date"] = np.array([as_date(value) for value in out["Date"]], dtype="datetime64[s]")
    out["DecDate"] = [decimal_year(date) for date in out["Date"]]
    out["QualFlag"] = out["QualText"] if "QualText" in out else _flags(out.get("QualFlag"), len(out))
    if "ImageID" not in out:
        out["ImageID"] = ""
    unnamed = out["ImageID"].isna() | (out["ImageID"].astype(str) == "")
    names = [f"row {k} of {date:%Y-%m-%d}" for k, date in enumerate(out["Date"])]
    out["ImageID"] = np.where(unnamed, names, out["ImageID"].astype(str))
    if author or "Author" not in out:
        out["Author"] = author or "unknown"
    if "source" not in out:
        out["source"] = source
    frame = gpd.GeoDataFrame(out, geometry=table.geometry.to_numpy(), crs=table.crs)
    return gpd.GeoDataFrame(validate(frame, "fronts"))


def _flags(values: pd.Series | None, count: int) -> list[str]:
    if values is None:
        return ["ok"] * count
    numbers = pd.to_numeric(values, errors="coerce")
    texts = [f"{number:g}" if np.isfinite(number) else str(text) for number, text in zip(numbers, values, strict=True)]
    silent = numbers.eq(0) | values.isna() | values.astype(str).str.strip().isin(["", "ok"])
    return [
        "ok" if nothing else join_flags({"manual": f"flag {text} of the archive"})
        for nothing, text in zip(silent, texts, strict=True)
    ]
