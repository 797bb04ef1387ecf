"""From a form to rows of single values: numbers in the package's units, days, and the glacier each belongs to."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.dates import Dated, read_dates
from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.front_kinds import front_kind
from glaciertime.scenes.series.columns import Quantity, are_sides, folded, quantity_of, sigma_factor, unit_of_column
from glaciertime.scenes.series.forms import Form, SeriesOptions, Values
from glaciertime.scenes.series.numbers import decimal_mark, is_missing, read_numbers
from glaciertime.scenes.series.reading import RawTable
from glaciertime.scenes.series.told import FIGURE, NO_VALUE, Told
from glaciertime.tables import FRONT_VARIABLES, SOURCES, VARIABLES, flags_of, variable_named
from glaciertime.units import Unit, unit_named

__all__ = ["rows_of_form"]

_BOUND_WORDS = {
    "": "", "=": "", "exact": "", "none": "", "no": "", "false": "", "0": "", "value": "", "uncensored": "",
    "<": "at-most", "<=": "at-most", "≤": "at-most", "at-most": "at-most", "at most": "at-most", "upper": "at-most",
    "max": "at-most", "maximum": "at-most", "upper bound": "at-most", "less than": "at-most", "left": "at-most",
    ">": "at-least", ">=": "at-least", "≥": "at-least", "at-least": "at-least", "at least": "at-least",
    "lower": "at-least", "min": "at-least", "minimum": "at-least", "lower bound": "at-least", "more than": "at-least",
    "right": "at-least",
}  # fmt: skip
#: Those that stand for nothing else, in whatever column.
_SURE_BOUNDS = {"<", "<=", "≤", ">", ">=", "≥", "at-most", "at most", "at-least", "at least"}
#: Round the Earth; its surface; more than all its ice.
_MOST_ON_EARTH = {"m": 4.1e7, "km2": 5.2e8, "Gt": 1e8, "km3": 1e8, "m w.e.": 1e5}
_OTHER_WAY = {"": "", "at-least": "at-most", "at-most": "at-least"}
_RATE = re.compile(r"(/|\bper\s*|\bpr\.?\s*)(yr|year|a|ar|år|jahr|an|d|day|month)\b|\s(a|yr)[-−^]*1\b", re.IGNORECASE)


def rows_of_form(table: RawTable, form: Form, options: SeriesOptions, told: Told) -> pd.DataFrame:
    """Return one row a value; what could not be read is told, not returned.

    Returns
    -------
    DataFrame
        ``line, column, glacier, variable, unit, date, flags, start, value, sigma, bound, is_cumulative, asks`` and what
        the table passes through.

    Raises
    ------
    InputError
        Where a unit, a variable or a glacier is not told, or dates or decimals could mean several things.
    """
    for line, reason in table.ragged:
        told.failed("cannot be read", reason, line)
    _refuse_unread_bounds(table, form)
    marks = _proven_mark(table, form)
    parts = []
    dated: dict[bool, Any] = {}
    for values in form.values:
        if bool(values.year) or True not in dated:
            days = _days(table, form, values, options)
            if not values.year:
                dated[True] = days
        else:
            days = dated[True]
        parts.append(_column(table, form, values, options, told, marks, days))
    rows = pd.concat(parts, ignore_index=True)
    rows["glacier"] = _glaciers(rows, table, options)
    if options.glacier:
        rows = rows[_meant(rows, options.glacier, form, table)]
    rows = _good_rows(rows, told)
    return rows.drop(columns=["id", "reason"]).reset_index(drop=True)


def _refuse_unread_bounds(table: RawTable, form: Form) -> None:
    """Refuse a column that says of values that they are bounds, and is not read as that."""
    for column in set(table.cells) - {*form.roles.values(), *(values.column for values in form.values)}:
        for cell in table.cells[column]:
            if isinstance(cell, str) and cell.strip().casefold().replace("_", "-") in _SURE_BOUNDS:
                raise InputError(
                    f"{table.name}: column {column} holds '{cell.strip()}', which says that a value is a bound; give "
                    f"--columns bound={column}, or leave the column out"
                )


def _proven_mark(table: RawTable, form: Form) -> str | None:
    """Return the decimal mark that any column of values or uncertainties of the table proves."""
    columns = {name for values in form.values for name in (values.column, *values.sigma_columns)}
    if table.delimiter == ";":
        columns |= {column for column in table.cells if column not in form.roles.values()}
    return decimal_mark(cell for column in columns for cell in table.cells[column] if isinstance(cell, str))


def _days(table: RawTable, form: Form, values: Values, options: SeriesOptions) -> tuple[list[Any], list[Any]]:
    ends, starts = form.dates(table, values)
    reading = replace(options.dates, form=form.date_form)
    name = form.roles.get("date", "")
    where = f"column {name} of {table.name}" if name else table.name
    plain = [_as_read(cell) for cell in ends]
    end_rows = list(read_dates(plain, reading=reading, where=where).rows)
    if all(is_missing(start) for start in starts):
        return end_rows, [None] * len(end_rows)
    where = f"column {form.roles['start']} of {table.name}" if "start" in form.roles else where
    held = [index for index, start in enumerate(starts) if not is_missing(start)]
    found = read_dates([_as_read(starts[index]) for index in held], reading=reading, where=where).rows
    start_rows: list[Any] = [None] * len(starts)
    for index, row in zip(held, found, strict=True):
        start_rows[index] = row
    return end_rows, start_rows


def _as_read(cell: Any) -> Any:
    """Return a cell as the reader of dates takes it: a whole number is no text with a point."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell


def _column(
    table: RawTable,
    form: Form,
    values: Values,
    options: SeriesOptions,
    told: Told,
    mark: str | None,
    days: tuple[list[Any], list[Any]],
) -> pd.DataFrame:
    cells = list(table.cells[values.column])
    count = len(cells)
    usual = table.delimiter == ";"
    decimal = options.decimal or None
    numbers = read_numbers(cells, what=f"{table.name}, column {values.column}", decimal=decimal, proven=mark,
                           commas_usual=usual)  # fmt: skip
    sigmas, sigma_reasons = _sigmas(table, values, numbers.values, decimal, mark, usual, told)
    _refuse_negative_losses(table, values, variables=_variables(table, form, values, options), numbers=numbers.values)
    variables = _variables(table, form, values, options)
    units = form.texts(table, "unit", values)
    bounds, bound_reasons = _bounds(form.texts(table, "bound", values), numbers.bounds)
    kinds, kind_reasons = _front_kinds(form.texts(table, "front_of", values))
    ends, starts = days
    said_position = "variable" in form.roles or values.column == "front_position_m"
    out: dict[str, list[Any]] = defaultdict(list)
    found_values, in_cells = numbers.values.tolist(), numbers.sigmas.tolist()
    converted: dict[tuple[int, str], tuple[str, str, float]] = {}
    for index in range(count):
        quantity = variables[index]
        written = numbers.units[index] or units[index]
        try:
            if (id(quantity), written) not in converted:
                converted[id(quantity), written] = _converted(quantity, written, options, table, values)
            variable, unit, factor = converted[id(quantity), written]
            misfit = ""
        except UsageError:
            raise
        except InputError as error:
            if not written or len({*units, *numbers.units} - {""}) < 2:
                raise
            variable, unit, factor, misfit = quantity.variable, "", np.nan, str(error).split(": ", 1)[-1]
        day, start = ends[index], starts[index]
        reason = numbers.reasons[index] or bound_reasons[index] or kind_reasons[index]
        kind = "the value cannot be read" if reason else ""
        if not kind and math.isnan(found_values[index]):
            kind = FIGURE if numbers.absent[index] else NO_VALUE
        if misfit and not kind:
            reason, kind = misfit, "the unit does not fit"
        if not kind and abs(found_values[index] * factor) > _MOST_ON_EARTH.get(unit, math.inf):
            reason = f"'{cells[index]}' is {abs(found_values[index] * factor):.3g} {unit}, more than there is on Earth"
            kind = "the value cannot be read"
        if kind not in (FIGURE, NO_VALUE) and not isinstance(day, Dated):
            reason, kind = str(day), "the date cannot be read"
        elif not kind and isinstance(start, str):
            reason, kind = start, "the date cannot be read"
        elif not kind and sigma_reasons[index]:
            reason, kind = sigma_reasons[index], "the uncertainty cannot be read"
        if variable == "front_position_m" and not options.variable and not said_position:
            told.note(
                "front positions are taken as growing towards the sea; where they grow inland give --variable retreat_m"
            )
        bound = bounds[index]
        if variable == "retreat_m":
            variable, quantity = "length_change_m", replace(quantity, sign=-1)
        if quantity.sign < 0:
            factor, bound = -factor, _OTHER_WAY[bound]
            told.note(f"losses in column {values.column} are turned round: a negative {variable} is a loss")
        out["line"].append(table.lines[index])
        out["variable"].append(variable)
        out["unit"].append(unit)
        out["date"].append(day.date if isinstance(day, Dated) else None)
        out["flags"].append(day.flags if isinstance(day, Dated) else {})
        out["start"].append(start.date if isinstance(start, Dated) else None)
        out["start_flags"].append(start.flags if isinstance(start, Dated) else {})
        value = found_values[index] * factor + 0.0
        out["value"].append(value)
        own = [
            _sigma_in(unit, sizes[index], of, factor=factor, value=value, where=where) for sizes, of, where in sigmas
        ]
        sigma = in_cells[index] * abs(factor)
        if own and math.isnan(sigma):
            sigma = float(np.fmax.reduce([math.nan, *own]))
        out["sigma"].append(sigma)
        out["bound"].append(bound)
        out["front_of"].append("" if variable in VARIABLES and variable not in FRONT_VARIABLES else kinds[index])
        out["is_cumulative"].append(quantity.is_cumulative)
        out["asks"].append(quantity.asks)
        out["reason"].append((kind, reason))
    frame = pd.DataFrame(dict(out))
    frame["column"] = values.column
    frame["name"] = form.texts(table, "glacier", values)
    frame["id"] = form.texts(table, "id", values)
    for role in ("dataset", "method", "footprint", "sensor", "image_id", "quality"):
        frame[role] = form.texts(table, role, values)
    return _passed_through(frame, table, options, told)


def _refuse_negative_losses(table: RawTable, values: Values, *, variables: list[Quantity], numbers: np.ndarray) -> None:
    """Refuse a column that is named for losses and holds negative numbers: nobody can tell which way they count."""
    known = numbers[np.isfinite(numbers) & (numbers != 0)]
    by_name = any(quantity.sign < 0 for quantity in variables)
    if by_name and len(known) and float(np.mean(known < 0)) > 0.5:
        variable = variables[0].variable
        raise InputError(
            f"{table.name}: column {values.column} is named for losses and most of its numbers are negative; give "
            f"--variable {variable} if a negative number is a loss"
            + (", or --variable retreat_m if it is an advance" if variable == "length_change_m" else "")
        )


def _sigmas(
    table: RawTable, values: Values, numbers: np.ndarray, decimal: str | None, mark: str | None, usual: bool, told: Told
) -> tuple[list[tuple[np.ndarray, Unit | None, str]], list[str]]:
    """Return, per column of uncertainties, its numbers as one standard deviation, its own unit and what it is."""
    sizes: dict[str, np.ndarray] = {}
    reasons = [""] * len(table.cells)
    for column in values.sigma_columns:
        where = f"{table.name}, column {column}"
        read = read_numbers(list(table.cells[column]), what=where, decimal=decimal, proven=mark, commas_usual=usual)
        sizes[column] = read.values
        reasons = [reason or new for reason, new in zip(reasons, read.reasons, strict=True)]
    if len(sizes) == 2:
        lower, upper = sizes if are_sides(*sizes) else [*sizes][::-1]
        known = np.isfinite(numbers) & np.isfinite(sizes[lower]) & np.isfinite(sizes[upper])
        # The ends of an interval lie around every value; how far it reaches to both sides does not.
        around = known & (sizes[lower] <= numbers) & (numbers <= sizes[upper])
        if known.any() and (around == known).all():
            if ((sizes[lower] <= 0) & (sizes[upper] >= 0))[known].all():
                raise InputError(
                    f"{table.name}: columns {lower} and {upper} may be the ends of an interval, or how far it reaches "
                    "to both sides; name one column of uncertainties with --columns sigma=COLUMN"
                )
            sizes = {lower: numbers - sizes[lower], upper: sizes[upper] - numbers}
        else:
            sizes = {column: np.abs(size) for column, size in sizes.items()}
    # An uncertainty below zero stands for an unknown one; of two sides the larger counts.
    for column, size in sizes.items():
        if below := int((size < 0).sum()):
            told.note(f"{below} of {len(size)} uncertainties in column {column} are below zero and taken as unknown")
    return [
        (np.where(size >= 0, size, np.nan) * sigma_factor(column),
         unit_of_column(column, below=table.units.get(column, ""), where=table.name), f"{table.name}, column {column}")
        for column, size in sizes.items()
    ], reasons  # fmt: skip


def _sigma_in(unit: str, size: float, own: Unit | None, *, factor: float, value: float, where: str) -> float:
    """Return an uncertainty in the unit of its value: its own unit counts, else that in which the value is written."""
    if own is None or np.isnan(size) or np.isnan(factor):
        return size * abs(factor)
    wanted = unit_named(unit)
    if wanted is not None and wanted.quantity == own.quantity:
        return size * own.factor / wanted.factor
    if own.quantity == "share":
        return size / 100 * abs(value)
    raise InputError(f"{where}: uncertainties in {own.name} of values in {unit}; name another column of them with "
                     "--columns sigma=COLUMN")  # fmt: skip


def _variables(table: RawTable, form: Form, values: Values, options: SeriesOptions) -> list[Quantity]:
    """Return what every row of a column holds: as the user says, else its own column, else the column's name."""
    count = len(table.cells)
    by_name = values.quantity
    if options.variable:
        name = options.variable.strip()
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise UsageError(f"--variable '{name}': write it as area_km2, length_change_m, lake_area_km2, mass_gt, ...")
        unit = by_name.unit if by_name else ""
        cumulative = by_name.is_cumulative if by_name and by_name.variable == name else None
        return [Quantity(name, unit, cumulative)] * count
    if "variable" in form.roles:
        known: dict[str, Quantity] = {}
        out = []
        for text in form.texts(table, "variable", values):
            if text not in known:
                known[text] = _quantity_in_cell(text, table)
            out.append(known[text])
        return out
    if by_name is None or not by_name.variable:
        raise InputError(
            f"{table.name}: what column {values.column} holds is not known by its name; give --variable, such as "
            "length_change_m, area_km2, lake_area_km2, snowline_m or mass_gt"
        )
    return [by_name] * count


def _quantity_in_cell(text: str, table: RawTable) -> Quantity:
    if text in VARIABLES:
        return Quantity(text, VARIABLES[text].unit, None)
    if re.fullmatch(r"[a-z][a-z0-9_]*", text) and variable_named(text).unit:
        return Quantity(text, variable_named(text).unit, None)
    found = quantity_of(text)
    if found is not None:
        return found
    name = folded(text).replace(" ", "_")
    if not name:
        raise InputError(f"{table.name}: the column of variables is empty in a row; fill it, or give --variable")
    return Quantity(name, "", None)


def _converted(
    quantity: Quantity, written: str, options: SeriesOptions, table: RawTable, values: Values
) -> tuple[str, str, float]:
    """Return the variable, its unit in the package, and what a number is multiplied by to be in it."""
    variable = quantity.variable
    target = "m" if variable == "retreat_m" else variable_named(variable).unit
    given = written or quantity.unit
    if options.unit:
        one, other = unit_named(options.unit), unit_named(given) if given else None
        if one is None:
            raise UsageError(f"--unit '{options.unit}' is not known; known are m, km, km2, ha, km3, Gt, m w.e., ...")
        if other is not None and other != one and not _is_own(quantity, given):
            raise InputError(f"{table.name}: --unit {options.unit}, but the table says {given}; leave --unit away")
        given = options.unit
    if not given and _says_its_unit(quantity, options):
        given = target
    if not given:
        raise InputError(
            f"{table.name}: the unit of column {values.column} is not told; give --unit, such as {target or 'm'}"
        )
    unit = unit_named(given)
    if unit is None:
        if _RATE.search(given):
            raise InputError(
                f"{table.name}: {given} is a rate, not a value at a date; give the column of values with --columns "
                "value=COLUMN"
            )
        if target:
            raise InputError(
                f"{table.name}: unit '{given}' of {variable} is not known; known are m, km, km2, ha, Gt, ..."
            )
        return variable, given, 1.0
    if not target:
        return variable, unit.name, 1.0
    wanted = unit_named(target)
    if wanted is None:
        return variable, target, 1.0
    if wanted.quantity != unit.quantity:
        raise InputError(f"{table.name}: {variable} cannot be in {given}; give --variable or --unit as it is")
    return variable, target, unit.factor / wanted.factor


def _is_own(quantity: Quantity, given: str) -> bool:
    """Return whether a unit is only that of the package's own name, which says how a value is kept, not written."""
    return quantity.variable in VARIABLES and given == VARIABLES[quantity.variable].unit


def _says_its_unit(quantity: Quantity, options: SeriesOptions) -> bool:
    return bool(options.variable) and bool(variable_named(quantity.variable).unit)


def _bounds(written: list[str], in_cells: list[str]) -> tuple[list[str], list[str]]:
    bounds, reasons = [], []
    for text, own in zip(written, in_cells, strict=True):
        bound = _BOUND_WORDS.get(text.casefold().replace("_", "-"), _BOUND_WORDS.get(text.casefold()))
        if bound is None:
            bounds.append(own)
            reasons.append(f"'{text}' says that the value is a bound, but not of which side; write at-least or at-most")
        elif bound and own and bound != own:
            bounds.append("")
            reasons.append(f"the value says {own} and its bound {bound}")
        else:
            bounds.append(bound or own)
            reasons.append("")
    return bounds, reasons


def _front_kinds(written: list[str]) -> tuple[list[str], list[str]]:
    kinds, reasons = [], []
    for text in written:
        try:
            kinds.append(front_kind(text))
            reasons.append("")
        except InputError as error:
            kinds.append("")
            reasons.append(str(error))
    return kinds, reasons


def _passed_through(frame: pd.DataFrame, table: RawTable, options: SeriesOptions, told: Told) -> pd.DataFrame:
    """Settle what a table says of its own data set, source and quality."""
    is_source = frame["dataset"].isin(SOURCES)
    frame["source"] = frame["dataset"].where(is_source, "observed")
    name = options.dataset or table.name
    frame["dataset"] = frame["dataset"].where(~is_source & (frame["dataset"] != ""), name)
    if options.dataset:
        frame["dataset"] = options.dataset
    for column in ("method", "footprint"):
        frame[column] = frame[column].where(frame[column] != "", "-")
    for text in frame["quality"].unique():
        if text and not _are_flags(text):
            told.note(f"the column of quality is not used: '{text}' is no flag that is known here")
            frame["quality"] = ""
            break
    return frame


def _are_flags(text: str) -> bool:
    try:
        flags_of(text)
    except InputError:
        return False
    return True


def _glaciers(rows: pd.DataFrame, table: RawTable, options: SeriesOptions) -> list[str]:
    """Return the glacier of every row: its name, with the identifier where one name has several."""
    names = [unicodedata.normalize("NFC", name) for name in rows["name"]]
    if not any(names) and not any(rows["id"]):
        if not options.glacier:
            raise InputError(f"{table.name} does not say of which glacier it is; give --glacier NAME")
        return [options.glacier] * len(rows)
    first: dict[str, str] = {}
    spelled = [first.setdefault(name.casefold(), name) for name in names]
    ids: dict[str, set[str]] = defaultdict(set)
    for name, number in zip(spelled, rows["id"], strict=True):
        if name and number:
            ids[name].add(number)
    out = []
    for name, number in zip(spelled, rows["id"], strict=True):
        several = len(ids[name]) > 1
        out.append(f"{name} [{number}]" if name and several and number else name if name and not several else
                   "" if name else number)  # fmt: skip
    return out


def _meant(rows: pd.DataFrame, glacier: str, form: Form, table: RawTable) -> pd.Series:
    """Return which rows are of the glacier asked for, by its name or its identifier."""
    wanted = folded(glacier)
    if not any(rows["name"]) and not any(rows["id"]):
        return pd.Series(True, index=rows.index)
    if "glacier" not in form.roles and "id" not in form.roles and not any(value.glacier for value in form.values):
        rows["glacier"] = glacier  # the name stands above the table only
        return pd.Series(True, index=rows.index)
    found = rows["glacier"].map(folded) == wanted
    by_id = rows["id"].map(folded) == wanted
    if not (found | by_id).any():
        found = rows["name"].map(folded) == wanted
        labels = sorted(set(rows.loc[found, "glacier"]))
        if len(labels) > 1:
            raise InputError(
                f"{table.name} holds several glaciers named {glacier}: {', '.join(labels)}; give one of them"
            )
    keep = found | by_id
    if not keep.any():
        known = sorted(set(rows["glacier"]) - {""})
        near = nearest_names(glacier, known) or known[:8]
        raise InputError(f"{table.name} holds no glacier '{glacier}'; it holds {', '.join(near)}")
    return keep


def _good_rows(rows: pd.DataFrame, told: Told) -> pd.DataFrame:
    today = dt.date.today()
    keep = []
    for row in rows.itertuples():
        kind, reason = row.reason
        if not kind and not row.glacier:
            kind, reason = "the glacier is not named", "no glacier, or a name that several identifiers bear"
        if not kind and row.date > today:
            kind, reason = "the date cannot be read", f"{row.date} lies in the future"
        if kind in (FIGURE, NO_VALUE):
            told.missing(kind, 1)
        elif kind:
            told.failed(kind, reason, row.line)
        keep.append(not kind)
    return rows[np.array(keep, dtype=bool)] if len(rows) else rows
