"""The forms in which archives take submissions, and what a file breaks of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from glaciertime.errors import DataNotFoundError, InputError, UsageError, nearest_names
from glaciertime.exchange.cf import cf_problems
from glaciertime.exchange.glims import glims_problems
from glaciertime.exchange.termpicks import termpicks_problems
from glaciertime.exchange.wgms import wgms_problems
from glaciertime.walls import wall

__all__ = ["FORMS", "problems_of"]

#: The forms there are, and what each takes.
FORMS = {
    "wgms": "front variations, CSV (World Glacier Monitoring Service)",
    "glims": "glacier outlines, polygons in longitude and latitude (GLIMS)",
    "termpicks": "calving fronts of Greenland (TermPicks)",
    "cf": "NetCDF that keeps the CF conventions",
    "stac": "items of a SpatioTemporal Asset Catalog, JSON",
}


def problems_of(path: Path, *, form: str) -> list[str]:
    """Return what a file breaks of a form, a sentence each; nothing where it keeps it.

    Raises
    ------
    UsageError
        For an unknown form.
    DataNotFoundError, InputError
        Where there is no such file, or it cannot be read at all.
    """
    if form not in FORMS:
        near = nearest_names(form, FORMS)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown form '{form}'{hint}; known are {', '.join(FORMS)}")
    if not path.is_file():
        raise DataNotFoundError(f"there is no file {path}")
    with wall(f"{path.name} cannot be judged by the form {form}", "a part of it is of another kind than the form's"):
        return _problems_of(path, form)


def _problems_of(path: Path, form: str) -> list[str]:
    if form == "cf":
        return cf_problems(path)
    if form == "stac":
        from glaciertime.exchange.stac import stac_problems

        return stac_problems(path)
    if form == "wgms":
        return wgms_problems(_table(path))
    judge: Callable[..., Sequence[str]] = glims_problems if form == "glims" else termpicks_problems
    return list(judge(_layer(path)))


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is no table in CSV") from error


def _layer(path: Path) -> pd.DataFrame:
    import geopandas as gpd

    try:
        return gpd.read_file(path)
    except Exception as error:  # of GDAL, or of what is no vector file
        raise InputError(f"{path.name} is no layer that GDAL reads") from error
