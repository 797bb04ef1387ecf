"""From a raw table to rows of single values: tidy tables, columns side by side, a column per glacier or per year."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from glaciertime.dates import DateReading, month_of, read_dates
from glaciertime.errors import InputError
from glaciertime.scenes.series.columns import (
    Quantity,
    are_sides,
    chosen_columns,
    column_roles,
    folded,
    is_passed_over,
    is_sigma,
    quantity_of,
    split_unit,
)
from glaciertime.scenes.series.numbers import is_missing, read_numbers
from glaciertime.scenes.series.reading import RawTable
from glaciertime.tables import VARIABLES
from glaciertime.units import unit_named

__all__ = ["Form", "SeriesOptions", "Values", "form_of"]

_RANGE_OF_YEARS = re.compile(r"^\s*(\d{4})\s*[-–—/]\s*(\d{4})\s*$")
_YEAR_IN_NAME = re.compile(r"(?<!\d)((?:1[5-9]|20)\d\d)(?:\.0)?(?!\d)")
_GLACIER_ABOVE = re.compile(
    r"^(?:glacier(?: name)?|gletscher|brenavn|bre|name|ice sheet)\s*[:=;]\s*(\S.*)$", re.IGNORECASE
)
_UNNAMED = re.compile(r"column \d+|Unnamed: \d+")
_YEAR_NAMES = ("year", "yr", "jahr", "ar", "annee", "ano", "anno", "survey year", "end year")
#: In a tidy table these belong to what a series is; in tables of the field they tell how single values came about.
_TIDY_ONLY = ("method", "footprint", "image_id", "quality", "sensor")
_RATE = re.compile(
    r"[\[(][^\])]*(/|per |pr\.? ?)\s*(yr|year|a|ar|år|jahr|an|d|day|month)[\])]|[\[(][^\])]*\s(a|yr)[-−^]*1[\])]", re.I
)
#: Tables that say by their columns what they are, and never say the unit.
_FOG_COLUMNS = {"front variation": "m", "length change": "m"}


@dataclass(frozen=True, kw_only=True)
class SeriesOptions:
    """What was told about a table; what was not told is empty.

    Attributes
    ----------
    glacier : str
        Which glacier of the table is meant, or whose table it is where it does not say.
    columns : str
        ``date=...,value=...``: see :func:`~glaciertime.scenes.series.columns.chosen_columns`.
    variable, unit : str
        What the values are, where the table does not say.
    per_period, cumulative : bool
        Whether each value counts from the date before, or all from one reference.
    resets : {"", "join", "keep"}
        What is done where a cumulative series begins anew: refused, joined to what was before, or kept as it is.
    decimal : {"", ".", ","}
        The decimal mark.
    dates : DateReading
        How dates are written.
    dataset : str
        Name of the data set; by default the table's own, else the file's name.
    sheet : str or None
        Of an Excel file.
    """

    glacier: str = ""
    columns: str = ""
    variable: str = ""
    unit: str = ""
    per_period: bool = False
    cumulative: bool = False
    resets: str = ""
    decimal: str = ""
    dates: DateReading = field(default_factory=DateReading)
    dataset: str = ""
    sheet: str | None = None


@dataclass(frozen=True)
class Values:
    """One column of values: what it holds by its name, and what stands beside it."""

    column: str
    quantity: Quantity | None
    sigma_columns: tuple[str, ...] = ()
    #: Where the column's name is a glacier's, or a year.
    glacier: str = ""
    year: str = ""


@dataclass(frozen=True)
class Form:
    """How a table is to be read: the columns of each role, and the columns of values."""

    roles: Mapping[str, str]
    fallback_years: str
    values: tuple[Values, ...]
    glacier: str
    notes: tuple[str, ...]
    #: How dates are written, by the name of their column.
    date_form: str

    def dates(self, table: RawTable, chosen: Values) -> tuple[list[Any], list[Any]]:
        """Return the cells of the dates, and of the dates that changes are counted from."""
        count = len(table.cells)
        if chosen.year:
            return [chosen.year] * count, [None] * count
        ends = list(table.cells[self.roles["date"]])
        if "month" in self.roles:
            ends = _with_months(table.cells, self.roles)
        elif self.fallback_years:
            years = list(table.cells[self.fallback_years])
            ends = [year if is_missing(end) else end for end, year in zip(ends, years, strict=True)]
        starts = list(table.cells[self.roles["start"]]) if "start" in self.roles else [None] * count
        ranges = [_RANGE_OF_YEARS.match(end) if isinstance(end, str) else None for end in ends]
        # 2002/2003 alone is a hydrological year; beside 1990-1995 it is a period as well.
        if any(match and int(match[2]) > int(match[1]) + 1 for match in ranges):
            for index, match in enumerate(ranges):
                if match and int(match[2]) > int(match[1]):
                    starts[index], ends[index] = match[1], match[2]
        return ends, starts

    def texts(self, table: RawTable, role: str, chosen: Values) -> list[str]:
        """Return the cells of a role as text; those that a column per glacier tells by its name."""
        if role == "glacier" and chosen.glacier:
            return [chosen.glacier] * len(table.cells)
        if role not in self.roles:
            return [self.glacier if role == "glacier" else ""] * len(table.cells)
        return ["" if is_missing(cell) else _text(cell) for cell in table.cells[self.roles[role]]]


def _text(cell: Any) -> str:
    """Return a name or a number that names something as text: 103.0 is 103."""
    text = " ".join(str(cell).split())
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def _with_months(cells: pd.DataFrame, roles: Mapping[str, str]) -> list[Any]:
    out: list[Any] = []
    days = list(cells[roles["day of month"]]) if "day of month" in roles else [None] * len(cells)
    for year, month, day in zip(cells[roles["date"]], cells[roles["month"]], days, strict=True):
        if is_missing(year) or is_missing(month):
            out.append(year)
            continue
        text = _text(month)
        number = int(text) if text.isdigit() else month_of(text)
        text = f"{_text(year)}-{number:02d}" if number else f"{_text(year)} {text}"
        out.append(text if is_missing(day) else f"{text}-{_text(day).zfill(2)}")
    return out


def form_of(table: RawTable, options: SeriesOptions) -> Form:
    """Return how a table is to be read.

    Raises
    ------
    InputError
        Where no column of dates or values can be told; the message lists the columns.
    UsageError
        Where ``--columns`` names what there is not.
    """
    columns = list(table.cells.columns)
    taken = chosen_columns(options.columns, columns, has_head=table.has_head) if options.columns else {}
    found = column_roles(columns, taken=taken)
    notes: list[str] = []
    roles = {role: names[0] for role, names in found.items() if names}
    if "date" not in roles and (unnamed := _unnamed_dates(table, options)):
        roles["date"] = unnamed
    by_year = _year_columns(columns, set(taken.values())) if "value" not in taken and "date" not in taken else ()
    if by_year:
        roles.pop("date", None)
    elif "date" not in roles:
        raise InputError(
            f"{table.name}: no column of dates is known among {_listed(columns)}; give --columns "
            "date=COLUMN,value=COLUMN"
        )
    if "date" in roles:
        _settle_dates(table, roles, found)
    fallback = next(
        (name for name in found["date"] if folded(name) in _YEAR_NAMES and name != roles.get("date")), ""
    ) if "month" not in roles else ""  # fmt: skip
    is_tidy = "variable" in roles and "value" in roles
    for role in _TIDY_ONLY:
        if not is_tidy and role not in taken:
            roles.pop(role, None)
    if not is_tidy and "dataset" in roles and "dataset" not in taken and _varies(table, roles):
        notes.append(f"column {roles['dataset']} differs within a glacier and is not taken for data sets; "
                     f"--columns dataset={roles['dataset']} would do so")  # fmt: skip
        roles.pop("dataset")
    glacier = _glacier_above(table)
    values = by_year or _value_columns(table, roles, taken, options, notes)
    if roles.get("id") and roles["id"] == roles.get("glacier"):
        roles.pop("id")
    for role in ("start",):
        if role in roles and roles[role] == roles.get("date"):
            roles.pop(role)
    used = {*roles.values(), *(column for value in values for column in value.sigma_columns)}
    if left := [name for name in columns if is_sigma(name) and name not in used and not _is_beside_sigma(name)]:
        notes.append(f"uncertainties of {_listed(left)} are not used; --columns sigma=COLUMN names those of the values")
    form = Form(roles, fallback, values, glacier, tuple(notes), _date_form(roles.get("date", ""), options))
    _refuse_units_of_uncertainties(table, form)
    return form


def _refuse_units_of_uncertainties(table: RawTable, form: Form) -> None:
    """Refuse a column of the units of uncertainties where they are not those of the values."""
    own = form.texts(table, "unit", form.values[0])
    for column in table.cells:
        if column not in form.roles.values() and is_sigma(column) and re.search(r"\bunits?\b", folded(column)):
            for cell, unit in zip(table.cells[column], own, strict=True):
                if not is_missing(cell) and unit_named(str(cell)) != unit_named(unit):
                    raise InputError(
                        f"{table.name}: column {column} holds '{cell}', the unit of an uncertainty, of a value in "
                        f"'{unit}'; bring both to one unit, or leave the column out"
                    )


def _is_beside_sigma(column: str) -> bool:
    """Return whether a column named for uncertainties holds those of dates, or their unit."""
    return bool(re.search(r"\b(date|units?)\b", folded(column)))


def _unnamed_dates(table: RawTable, options: SeriesOptions) -> str:
    """Return the column without a name that holds nothing but dates, as the index of a written data frame does."""
    for column in table.cells:
        if not _UNNAMED.fullmatch(column):
            continue
        cells = [cell for cell in table.cells[column] if not is_missing(cell)]
        if cells and not any(isinstance(row, str) for row in read_dates(cells, reading=options.dates).rows):
            return str(column)
    return ""


def _varies(table: RawTable, roles: Mapping[str, str]) -> bool:
    """Return whether the column of data sets holds several within one glacier."""
    keys = [roles[role] for role in ("glacier", "id") if role in roles]
    cells = table.cells[[*keys, roles["dataset"]]].astype(str)
    if not keys:
        return bool(cells[roles["dataset"]].nunique() > 1)
    return bool((cells.groupby(keys)[roles["dataset"]].nunique() > 1).any())


def _listed(columns: list[str]) -> str:
    shown = [str(column) for column in columns[:12]]
    return ", ".join(shown) + (", ..." if len(columns) > 12 else "")


def _settle_dates(table: RawTable, roles: dict[str, str], found: Mapping[str, list[str]]) -> None:
    """Keep a column of months only beside one of years."""
    is_year = folded(roles["date"]) in _YEAR_NAMES
    if "month" not in roles or not (is_year or any(folded(name) in _YEAR_NAMES for name in found["date"])):
        roles.pop("month", None)
        roles.pop("day of month", None)
    elif not is_year:
        whole = folded(roles["date"]) not in ("day", "time", "t")
        if whole:
            roles.pop("month")
            roles.pop("day of month", None)
        else:
            roles["date"] = next(name for name in found["date"] if folded(name) in _YEAR_NAMES)
    else:
        roles["day of month"] = roles.get("day of month", "")
        if not roles["day of month"]:
            roles.pop("day of month")


def _date_form(column: str, options: SeriesOptions) -> str:
    if options.dates.form:
        return options.dates.form
    words = folded(column)
    if re.search(r"\b(decimal|decyear|dec year|decdate|dec date|yeardec)\b", words):
        return "decimal-year"
    if re.search(r"\b(hydro\w*|balance|glaciological) year\b", words):
        return "hydrological-year"
    return ""


def _glacier_above(table: RawTable) -> str:
    found = {match[1].strip() for line in table.preamble if (match := _GLACIER_ABOVE.match(line.strip()))}
    return found.pop() if len(found) == 1 else ""


def _year_columns(columns: list[str], taken: set[str]) -> tuple[Values, ...]:
    """Return the columns of a table with a column per year: ``1990``, ``area 1990 (km2)``."""
    groups: dict[str, list[Values]] = {}
    for column in columns:
        years = _YEAR_IN_NAME.findall(column)
        rest = " ".join(_YEAR_IN_NAME.sub(" ", column).split()).strip("_- ")
        if (
            column in taken
            or len(years) != 1
            or is_sigma(column)
            or (rest and quantity_of(_tidied(rest)) is None and not _bare_unit(rest))
        ):
            continue
        groups.setdefault(rest, []).append(Values(column, quantity_of(_tidied(rest)), year=years[0]))
    groups = {rest: held for rest, held in groups.items() if len(held) >= 2}
    found = [values for held in groups.values() for values in held]
    if not found:
        return ()
    out = []
    for values in found:
        beside = [
            other for other in columns
            if other != values.column and is_sigma(other) and _YEAR_IN_NAME.findall(other) == [values.year]
            and _may_be_of(quantity_of(_tidied(_YEAR_IN_NAME.sub(" ", other))), values.quantity)
        ]  # fmt: skip
        out.append(Values(values.column, values.quantity, tuple(beside[:1]), year=values.year))
    return tuple(out)


def _may_be_of(sigma: Quantity | None, values: Quantity | None) -> bool:
    """Return whether uncertainties that name a quantity, or none, may be those of values."""
    return sigma is None or values is None or sigma.variable == values.variable


def _tidied(name: str) -> str:
    return re.sub(r"\s+", " ", name.replace("_", " ")).strip()


def _bare_unit(text: str) -> bool:
    return unit_named(text.strip("()[] ")) is not None


def _value_columns(
    table: RawTable, roles: dict[str, str], taken: Mapping[str, str], options: SeriesOptions, notes: list[str]
) -> tuple[Values, ...]:
    columns = list(table.cells.columns)
    sigmas = [column for column in columns if is_sigma(column) and column not in taken.values()]
    told_sigma = (taken["sigma"],) if "sigma" in taken else ()
    used = {*roles.values(), *sigmas, *told_sigma}
    if "value" in roles:
        value = roles["value"]
        # A column of values without a name of its own holds what the table, or the user, says it holds.
        quantity = _named(table, value)
        return (Values(value, quantity, told_sigma or _sigmas_of(value, [value], sigmas, columns)),)
    rates = [column for column in columns if column not in used and _RATE.search(column)]
    named = [(column, quantity) for column in columns if column not in used and column not in rates
             and (quantity := _named(table, column)) is not None
             and (column in VARIABLES or _is_numeric(table, column))]  # fmt: skip
    if named:
        kept = _one_of_each(table, named, notes)
        names = [column for column, _ in kept]
        found = tuple(
            Values(column, quantity, told_sigma or _sigmas_of(column, names, sigmas, columns))
            for column, quantity in kept
        )
        notes += [
            f"{one.sigma_columns[0]} is taken for the uncertainty of {one.column}, which it stands beside; --columns "
            "sigma=COLUMN names another"
            for one in found
            if len(found) > 1 and not told_sigma and one.sigma_columns
            and not folded(one.sigma_columns[0]).startswith(folded(split_unit(one.column)[0]))
        ]  # fmt: skip
        return found
    if rates:
        raise InputError(
            f"{table.name}: {rates[0]} is a rate, not a value at a date; give the column of values with --columns "
            "value=COLUMN"
        )
    used |= {column for column in columns if _UNNAMED.fullmatch(column)}
    others = [
        column for column in columns if column not in used and _is_numeric(table, column) and not _is_known(column)
    ]
    if not others:
        raise InputError(
            f"{table.name}: no column of values is known among {_listed(columns)}; give --columns "
            "date=COLUMN,value=COLUMN"
        )
    if len(others) == 1 and ("glacier" in roles or options.glacier or not table.has_head):
        return (Values(others[0], _above(table), told_sigma or _sigmas_of(others[0], others, sigmas, columns)),)
    if not table.has_head:
        raise InputError(
            f"{table.name} has no names of columns; give --columns date=1,value=2,sigma=3 by their numbers"
        )
    if "glacier" in roles:
        raise InputError(f"{table.name}: which of {_listed(others)} holds the values? give --columns value=COLUMN")
    notes.append(f"one column a glacier: {_listed([split_unit(column)[0] for column in others])}")
    out = []
    for column in others:
        name, unit = split_unit(column)
        above = _above(table)
        quantity = Quantity("", unit, None) if unit and above is None else above
        out.append(Values(column, quantity, _sigmas_of(column, others, sigmas, columns), glacier=name))
    return tuple(out)


def _named(table: RawTable, column: str) -> Quantity | None:
    """Return what a column holds by its name, the unit from the row of units where the name has none."""
    name = split_unit(column)[0]
    own = next((known for known in VARIABLES if folded(known) in (folded(column), folded(name))), None)
    quantity = Quantity(own, VARIABLES[own].unit, None) if own else quantity_of(column)
    if quantity is None:
        return None
    unit = quantity.unit
    if not unit:
        below = table.units.get(column, "")
        ends = [word.end() for word in re.finditer(r"[^\s\[\]()]+", below)]
        unit = (
            below if unit_named(below) else next(filter(None, (split_unit(f"( {below[:end]}")[1] for end in ends)), "")
        )
    if not unit and _is_fog(table):
        unit = _FOG_COLUMNS.get(folded(name), "")
    return replace(quantity, unit=unit)


def _is_fog(table: RawTable) -> bool:
    """Return whether a table has the columns of front variations in the Fluctuations of Glaciers of the WGMS."""
    words = {folded(column) for column in table.cells}
    old = {"survey date", "reference date"} <= words or "reference year" in words
    new = {"begin date", "end date", "glacier id"} <= words
    return bool(words & set(_FOG_COLUMNS)) and (old or new or "wgms id" in words)


def _above(table: RawTable) -> Quantity | None:
    """Return what the text above a table says that it holds, where it says one thing only."""
    found = {quantity for line in table.preamble if (quantity := quantity_of(line)) is not None and quantity.unit}
    return found.pop() if len({quantity.variable for quantity in found}) == 1 else None


def _is_known(column: str) -> bool:
    return is_passed_over(folded(split_unit(column)[0]))


def _is_numeric(table: RawTable, column: str) -> bool:
    """Return whether most filled cells of a column are numbers; an empty column counts as one."""
    cells = [cell for cell in table.cells[column].head(200) if not is_missing(cell)]
    if not cells:
        return True
    found = read_numbers(cells, what=column, decimal=".")
    as_comma = read_numbers(cells, what=column, decimal=",")
    good = min(sum(map(bool, found.reasons)), sum(map(bool, as_comma.reasons)))
    return good <= len(cells) / 2


def _sigmas_of(column: str, values: list[str], sigmas: list[str], columns: list[str]) -> tuple[str, ...]:
    """Return the uncertainties of a column of values: those of its name, else the next that is not of another."""
    if not sigmas:
        return ()
    name = folded(split_unit(column)[0])
    named = [sigma for sigma in sigmas if name and folded(sigma).startswith(name + " ")]
    longer = [other for other in values if other != column and folded(other).startswith(name + " ")]
    named = [s for s in named if not any(folded(s).startswith(folded(split_unit(o)[0]) + " ") for o in longer)]
    if named:
        return tuple(named[:2]) if len(named) > 1 and _are_sides(named[:2]) else (named[0],)
    others = [folded(split_unit(other)[0]) + " " for other in columns if other != column and other not in sigmas]
    sigmas = [sigma for sigma in sigmas if not _is_beside_sigma(sigma)]
    free = [sigma for sigma in sigmas if not any(folded(sigma).startswith(other) for other in others)]
    if len(values) == 1:
        return tuple(free[:2]) if _are_sides(free[:2]) else tuple(free[:1])
    place = columns.index(column)
    return (columns[place + 1],) if place + 1 < len(columns) and columns[place + 1] in free else ()


def _are_sides(sigmas: list[str]) -> bool:
    return len(sigmas) == 2 and (are_sides(*sigmas) or are_sides(*sigmas[::-1]))


def _one_of_each(table: RawTable, named: list[tuple[str, Quantity]], notes: list[str]) -> list[tuple[str, Quantity]]:
    """Return one column for each variable: the cumulative one where there is one."""
    kept: list[tuple[str, Quantity]] = []
    for variable in dict.fromkeys(quantity.variable for _, quantity in named):
        held = [(column, quantity) for column, quantity in named if quantity.variable == variable]
        if len(held) > 1:
            cumulative = [pair for pair in held if pair[1].is_cumulative]
            if len(cumulative) != 1:
                raise InputError(
                    f"{table.name}: the columns {_listed([column for column, _ in held])} may all hold {variable}; say "
                    "which with --columns value=COLUMN"
                )
            notes.append(f"of {_listed([column for column, _ in held])} the cumulative one is read, {cumulative[0][0]}")
            held = cumulative
        kept += held
    return kept
