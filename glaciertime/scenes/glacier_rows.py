"""Which rows of a layer are of one glacier; a layer that holds others too never becomes one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd

from glaciertime import naming
from glaciertime.catalog import Glacier
from glaciertime.dates import DateReading
from glaciertime.errors import AmbiguousDateError, DataNotFoundError, InputError, nearest_names
from glaciertime.naming import (
    clean_name,
    column_called,
    columns_among,
    fold_name,
    other_spellings,
    whole_identifier,
)
from glaciertime.scenes.names import date_in_name

__all__ = ["ALL_ROWS", "GlacierRows", "VectorReading", "rows_of_glacier", "wanted_names"]

#: What ``--name-column`` takes where no column names the glacier and all rows are of it.
ALL_ROWS = "none"
_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class VectorReading:
    """What was told of vector layers: how dates are written, and which columns hold what."""

    dates: DateReading = field(default_factory=DateReading)
    name_column: str = ""
    date_column: str = ""
    id_column: str = ""


@dataclass(frozen=True)
class GlacierRows:
    """The rows of a glacier, and what the layer calls it."""

    table: gpd.GeoDataFrame
    name: str
    #: Whether a column told, and not only the lack of others.
    is_named: bool
    #: Rows of no glacier: all columns that name or number one are empty there.
    unnamed: gpd.GeoDataFrame


def wanted_names(glacier: Glacier, code: str = "") -> set[str]:
    """Return the folded names that a glacier may bear in a layer."""
    return {fold_name(name) for name in (code or glacier.name, glacier.name, *glacier.aliases) if fold_name(name)}


def rows_of_glacier(
    table: gpd.GeoDataFrame, glacier: Glacier, *, code: str = "", reading: VectorReading, where: str
) -> GlacierRows:
    """Return the rows of a layer that belong to a glacier.

    Raises
    ------
    DataNotFoundError
        Where its columns name others only.
    InputError
        Where no column tells the glacier from others, or several glaciers bear its name.
    """
    wanted = wanted_names(glacier, code)
    names, identifiers = _columns(table, reading, where)
    if not names and not identifiers:
        if reading.name_column.casefold() == ALL_ROWS:
            return GlacierRows(table, "", False, table.iloc[:0])
        names = _column_that_names(table, wanted, reading, where)
        if not names:
            return GlacierRows(table, "", False, table.iloc[:0])
    found = {column: _matches(table[column], wanted, column in identifiers) for column in [*names, *identifiers]}
    if not any(matches.any() for matches in found.values()):
        raise DataNotFoundError(_nothing_of(table, glacier, names or identifiers, where))
    any_of = _by_the_first(table, found)
    rows = table[any_of]
    if not any(found[column].any() for column in identifiers):
        _check_one_glacier(rows, glacier, identifiers, where)
    column = next(column for column in found if found[column].any())  # the one that names it
    spelled = rows.loc[found[column][any_of], column].map(clean_name)
    exact = [name for name in spelled.unique() if fold_name(name) in wanted]
    empty = [table[one].map({value: not clean_name(value) for value in table[one].unique()}.get) for one in found]
    unnamed = table[np.logical_and.reduce(empty)] if empty else table.iloc[:0]
    return GlacierRows(rows, exact[0] if exact else glacier.name, True, unnamed)


def _by_the_first(table: gpd.GeoDataFrame, found: dict[str, pd.Series]) -> pd.Series:
    """Return the rows that the first column with the glacier in it names so; later ones tell where it is empty."""
    any_of = pd.Series(False, index=table.index)
    open_rows = pd.Series(True, index=table.index)
    for column, matches in found.items():
        if matches.any():
            any_of |= matches & open_rows
            open_rows &= table[column].map({value: not clean_name(value) for value in table[column].unique()}.get)
    return any_of


def _columns(table: gpd.GeoDataFrame, reading: VectorReading, where: str) -> tuple[list[str], list[str]]:
    """Return the columns that name glaciers, and those that number them."""
    columns = [column for column in table.columns if column != table.geometry.name]
    if reading.name_column.casefold() == ALL_ROWS:
        return [], []
    if reading.id_column:
        identifiers = [column_called(columns, reading.id_column, option="--id-column", where=where)]
    else:
        identifiers = [one for one in columns_among(columns, naming.IDENTIFIER_COLUMNS) if _is_filled(table[one])]
    if reading.name_column:
        names = [column_called(columns, reading.name_column, option="--name-column", where=where)]
    elif reading.id_column:
        names = []
    else:
        known = columns_among(columns, naming.NAME_COLUMNS)
        names = [one for one in known if _is_filled(table[one]) and not _holds_dates(table[one])]
    return names, [column for column in identifiers if column not in names]


def _is_filled(values: pd.Series) -> bool:
    return any(clean_name(value) for value in values.unique())


def _holds_dates(values: pd.Series) -> bool:
    """Return whether a column called "name" holds dates, as the names of placemarks do."""
    known = [str(value) for value in values.dropna().unique()]
    try:
        # The first that is no date settles it: a layer of all glaciers is not read through for each of them.
        return bool(known) and all((dated := date_in_name(text)) is not None and not dated.flag for text in known)
    except AmbiguousDateError:
        return True


def _matches(values: pd.Series, wanted: set[str], is_identifier: bool) -> pd.Series:
    matches = values.map({value: fold_name(value) in wanted for value in values.unique()}.get)
    if is_identifier and not matches.any():
        matches = values.map({value: whole_identifier(value) in wanted for value in values.unique()}.get)
    return matches.fillna(False).astype(bool)


def _nothing_of(table: gpd.GeoDataFrame, glacier: Glacier, columns: list[str], where: str) -> str:
    known = sorted({clean_name(value) for value in table[columns[0]].unique()} - {""})
    if not known and len(columns) > 1:
        return _nothing_of(table, glacier, columns[1:], where)
    shown = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
    near = other_spellings(glacier.name, known) or nearest_names(glacier.name, known)
    hint = f"; did you mean --glacier '{near[0]}'?" if near else ""
    if len(known) == 1:
        hint += f"; give --glacier '{known[0]}', or --name-column {ALL_ROWS} if all its rows are of {glacier.name}"
    return f"{where} holds nothing of {glacier.name}; its column {columns[0]} names {shown or 'none'}{hint}"


def _check_one_glacier(rows: gpd.GeoDataFrame, glacier: Glacier, identifiers: list[str], where: str) -> None:
    """Refuse rows of one name that every column of identifiers says to be of several glaciers."""
    several: dict[str, list[str]] = {}
    for column in identifiers:
        held: dict[str, str] = {}
        for value in rows[column].unique():
            if clean_name(value):
                held.setdefault(whole_identifier(value), clean_name(value))
        if len(held) == 1:
            return
        if held:
            several[column] = sorted(held.values())
    if several:
        column, held_names = next(iter(several.items()))
        shown = ", ".join(held_names[:_SHOWN]) + (", ..." if len(held_names) > _SHOWN else "")
        raise InputError(
            f"{where}: {len(held_names)} glaciers are called {glacier.name}; name one by its {column}: {shown}"
        )


def _column_that_names(table: gpd.GeoDataFrame, wanted: set[str], reading: VectorReading, where: str) -> list[str]:
    """Return the one unknown column that holds the glacier's name, or none where no column could name glaciers.

    Raises
    ------
    InputError
        Where columns could, but none of them holds the name, or the rows of one date can be of several glaciers.
    """
    known = (
        *naming.DATE_COLUMNS, *naming.END_DATE_COLUMNS, *naming.DECIMAL_YEAR_COLUMNS, *naming.YEAR_COLUMNS,
        *naming.IMAGE_COLUMNS, *naming.SENSOR_COLUMNS, *naming.AUTHOR_COLUMNS, *naming.LINE_TYPE_COLUMNS,
        *naming.NOTE_COLUMNS,
    )  # fmt: skip
    used = {reading.date_column, table.geometry.name}
    unknown = [column for column in table.columns if column not in used and naming.column_key(column) not in known]
    texts = [column for column in unknown if _is_text(table[column]) and not _holds_dates(table[column])]
    holding = [column for column in texts if _matches(table[column], wanted, False).any()]
    if len(holding) == 1:
        return holding
    several = [column for column in texts if table[column].map(clean_name).nunique() > 1]
    if holding or several:
        raise InputError(
            f"{where}: no known column names the glaciers; its columns are {_listed(table)}. Give --name-column or "
            f"--id-column, or --name-column {ALL_ROWS} where all rows are of one glacier"
        )
    return []


def _is_text(values: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_datetime64_any_dtype(values.dtype)


def _listed(table: gpd.GeoDataFrame) -> str:
    columns: Iterable[str] = (str(column) for column in table.columns if column != table.geometry.name)
    return ", ".join(columns)
