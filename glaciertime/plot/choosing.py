"""Which of a glacier's series a plot shows: the ones named, or those that a reader looks for first."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from glaciertime.errors import DataNotFoundError, UsageError, nearest_names
from glaciertime.tables import variable_named

__all__ = ["ORDER", "chosen_series", "named", "series_name"]

#: What a reader looks for first stands first.
ORDER = ("front_position_m", "area_km2", "length_m", "length_change_m", "front_width_m")
_FOOTPRINTS = ("box", "common", "image", "measured ice", "fjord")
_METHODS = ("centreline", "curvilinear-box", "multi-centreline", "rectilinear-box", "area-change")


def chosen_series(
    rows: pd.DataFrame,
    *,
    glacier: str,
    variable: str | None = None,
    method: str | None = None,
    footprint: str | None = None,
    dataset: str | None = None,
    front_of: str | None = None,
    prefer: Sequence[str] = ORDER,
    single: bool = False,
) -> pd.DataFrame:
    """Return the rows of one variable, of areas in one footprint, and with ``single`` of one series.

    Parameters
    ----------
    rows : DataFrame
        With the columns of a series' key.
    glacier : str
        For messages.
    variable, method, footprint, dataset, front_of : str, optional
        What is asked for; what is not is chosen by the order in which a reader looks for it.
    prefer : sequence of str
        Variables, the first that is there is taken.
    single : bool
        Keep one series only.

    Raises
    ------
    DataNotFoundError
        Where there is nothing at all.
    UsageError
        For a name that is not there; the message lists those that are.
    """
    if rows.empty:
        raise DataNotFoundError(f"the archive holds no value of {glacier} that could be drawn")
    asked = {"method": method, "footprint": footprint, "dataset": dataset, "front_of": front_of}
    found = named(rows, "variable", variable, glacier) if variable else rows
    for column, wanted in asked.items():
        if wanted is not None:
            found = named(found, column, "" if wanted == "unknown" else wanted, glacier)
    if not variable:
        found = _first(found, "variable", prefer)
    if footprint is None and found["variable"].iloc[0] == "area_km2":
        # Areas of different footprints differ by their size, not by the ice.
        found = _first(found, "footprint", _FOOTPRINTS)
    if single:
        for column, order in (("method", _METHODS), ("footprint", _FOOTPRINTS)):
            found = _first(found, column, order)
        for column in ("dataset", "front_of"):  # the one with most values
            found = found[found[column].fillna("") == found[column].fillna("").value_counts().index[0]]
    return found


def named(rows: pd.DataFrame, column: str, wanted: str, glacier: str) -> pd.DataFrame:
    held = [str(name) for name in dict.fromkeys(rows[column].fillna(""))]
    if wanted not in held:
        near = nearest_names(wanted, held)
        hint = f", did you mean {near[0]}?" if near else ""
        word = column.replace("_", "-")
        listed = ", ".join(name or "unknown" for name in sorted(held))
        raise UsageError(f"{glacier} has no {word} '{wanted}'{hint}; there are {listed}")
    return rows[rows[column].fillna("") == wanted]


def _first(rows: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    held = list(dict.fromkeys(rows[column].fillna("")))
    name = next((name for name in order if name in held), held[0])
    return rows[rows[column].fillna("") == name]


def series_name(row: pd.Series, *, variable: bool = False) -> str:
    """Return what a series is called: its method, footprint and kind of front, and its variable if wanted."""
    said = [variable_named(str(row["variable"])).label] if variable else []
    said += [str(row[column]) for column in ("method", "footprint", "front_of") if str(row.get(column) or "")]
    return ", ".join(dict.fromkeys(part for part in said if part != "-"))
