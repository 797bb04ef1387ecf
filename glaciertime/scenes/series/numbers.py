"""Numbers as people write them: decimal commas, thousands, bounds, and words and figures that say "no value"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.units import unit_named

__all__ = ["Numbers", "decimal_mark", "is_missing", "read_numbers", "sentinels"]

_MISSING = {
    "", "nan", "na", "n/a", "n.a.", "n.a", "-", "--", "---", "—", "–", "none", "null", "#n/a", "#na", "#div/0!",
    "#value!", "#ref!", "nodata", "no data", "no_data", "missing", ".", "..", "...", "<na>", "nd", "n.d.", "n.d", "nat",
    "no value", "keine daten", "k.a.", "mangler", "sin datos", "s/d",
}  # fmt: skip
#: Figures that mean "no value" wherever they stand.
_NEVER_A_VALUE = (-9999.0, -99999.0, -999999.0, -9999999.0, -32768.0, 9.96921e36, 1e20, 1e30, -1e30, -1e20)
#: Figures that mean "no value" where they are unlike what stands around them.
_SELDOM_A_VALUE = (-999.0, -99.0, -99.9, -99.99, -999.9, -999.99, 999.0, 9999.0, 99999.0, 999999.0, -1.0)
_BOUNDS = {
    "<": "at-most", "<=": "at-most", "≤": "at-most", "at most": "at-most", "max": "at-most", "max.": "at-most",
    "less than": "at-most", ">": "at-least", ">=": "at-least", "≥": "at-least", "at least": "at-least",
    "min": "at-least", "min.": "at-least", "more than": "at-least",
}  # fmt: skip
_CELL = re.compile(
    r"^(?P<bound><=|>=|[<>≤≥]|at most|at least|less than|more than|max\.?|min\.?)?\s*"
    r"(?P<number>[-+]?\d[\d.,'’ ]*(?:e[-+]?\d+)?|[-+]?[.,]\d+)"
    r"(?:\s*(?:±|\+/-|\+-)\s*(?P<sigma>\d[\d.,'’ ]*))?"
    r"\s*(?P<unit>[a-zµ%°²³0-9./^*² ]*)$",
    re.IGNORECASE,
)
#: As most cells are written; none of these is a figure that means "no value" wherever it stands.
_BARE = re.compile(r"(?:[-+]?[0-9]{1,3}|[0-9]{4,7})(?:\.[0-9]{1,12})?")
_GROUPED = {
    ",": re.compile(r"\d{1,3}(,\d{3})+"), ".": re.compile(r"\d{1,3}(\.\d{3})+"),
    " ": re.compile(r"\d{1,3}( \d{3})+([.,]\d*)?"), "'": re.compile(r"\d{1,3}('\d{3})+([.,]\d*)?"),
}  # fmt: skip


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes
    ----------
    values : (N,) float64
        NaN where there is no value.
    sigmas : (N,) float64
        What cells such as ``380 ± 20`` say themselves; NaN elsewhere.
    bounds : list of str
        ``at-least``, ``at-most`` or empty.
    units : list of str
        What stands behind the number in the cell.
    reasons : list of str
        Why a cell that holds something could not be read; empty elsewhere.
    absent : (N,) bool
        Cells that hold a figure which means "no value", such as -9999.
    """

    values: NDArray[np.float64]
    sigmas: NDArray[np.float64]
    bounds: list[str]
    units: list[str]
    reasons: list[str]
    absent: NDArray[np.bool_]


def is_missing(cell: Any) -> bool:
    """Return whether a cell says that there is no value."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return True
    return isinstance(cell, str) and _plain(cell).casefold() in _MISSING


def _plain(text: str) -> str:
    for blank in "\u00a0\u2007\u2009\u202f":
        text = text.replace(blank, " ")
    return text.replace("−", "-").replace("’", "'").replace("–", "-" if text.strip("– ") else "–").strip()


def decimal_mark(cells: Iterable[Any]) -> str | None:
    """Return the decimal mark that written numbers prove, or None where they prove none.

    Raises
    ------
    InputError
        Where some prove a comma and others a point.

    Examples
    --------
    >>> decimal_mark(["0,5", "1.234"]), decimal_mark(["1,234.5"]), decimal_mark(["1,234"])
    (',', '.', None)
    """
    proof: dict[str, str] = {}
    for cell in cells:
        if not isinstance(cell, str) or not ("," in cell or "." in cell):
            continue
        match = _CELL.match(_plain(cell))
        if match is None:
            continue
        for body in (match["number"], match["sigma"] or ""):
            mark = _proven(body.strip().lstrip("+-"))
            if mark:
                proof.setdefault(mark, cell.strip())
    if len(proof) > 1:
        raise InputError(
            f"numbers are written in two ways, '{proof['.']}' with a decimal point and '{proof[',']}' with a decimal "
            "comma; bring them to one"
        )
    return next(iter(proof), None)


def _proven(body: str) -> str:
    """Return the decimal mark that one number proves; empty where it could be either."""
    body = re.split("e", body, flags=re.IGNORECASE)[0].strip().replace(" ", "").replace("'", "")
    points, commas = body.count("."), body.count(",")
    if points and commas:
        return "." if body.rfind(".") > body.rfind(",") else ","
    if points + commas == 0:
        return ""
    mark = "." if points else ","
    if points + commas > 1:
        return "," if points else "."
    return "" if _GROUPED[mark].fullmatch(body) and not body.startswith("0") else mark


def read_numbers(
    cells: Sequence[Any],
    *,
    what: str,
    decimal: str | None = None,
    proven: str | None = None,
    commas_usual: bool = False,
) -> Numbers:
    """Read a column of numbers.

    Parameters
    ----------
    cells : sequence
        Text, numbers or nothing.
    what : str
        The column, for messages.
    decimal : {".", ","}, optional
        What the user says the decimal mark is.
    proven : {".", ","}, optional
        What the other columns of the file prove.
    commas_usual : bool
        Whether the file is of a kind that writes decimal commas (separated by semicolons): a lone ``1.234`` is then as
        unsure as a lone ``1,234``.

    Raises
    ------
    InputError
        Where ``1,234`` may be 1234 or 1.234 and nothing tells which.

    Examples
    --------
    >>> found = read_numbers(["0,5", ">1500", "n/a", "-9999", "12a"], what="value")
    >>> found.values.tolist(), found.bounds[1], found.reasons[4]
    ([0.5, 1500.0, nan, nan, nan], 'at-least', "'12a' is not a number")
    """
    mark = decimal or decimal_mark(cells) or proven
    count = len(cells)
    values, sigmas = np.full(count, np.nan), np.full(count, np.nan)
    bounds, units, reasons = [""] * count, [""] * count, [""] * count
    absent = np.zeros(count, dtype=bool)
    unsure: list[str] = []
    point = mark == "." or (mark is None and not commas_usual)
    for index, cell in enumerate(cells):
        if isinstance(cell, str) and _BARE.fullmatch(cell) and (point or "." not in cell):
            values[index] = float(cell) + 0.0  # so that -0 is 0
            continue
        if is_missing(cell):
            continue
        if isinstance(cell, bool):
            reasons[index] = f"'{cell}' is not a number"
            continue
        if isinstance(cell, int | float | np.integer | np.floating):
            number: float | None = float(cell)
        else:
            match = _CELL.match(_plain(str(cell)))
            if match is None or (match["unit"].strip() and unit_named(match["unit"]) is None):
                reasons[index] = f"'{str(cell).strip()}' is not a number"
                continue
            body = match["number"].strip()
            if mark is None and _is_unsure(body, commas_usual=commas_usual):
                unsure.append(str(cell).strip())
                continue
            number = _number(body, mark)
            bounds[index] = _BOUNDS.get((match["bound"] or "").casefold(), "")
            units[index] = match["unit"].strip()
            sigma = _number(match["sigma"], mark) if match["sigma"] else None
            sigmas[index] = np.nan if sigma is None else sigma
        if number is None or not np.isfinite(number):
            reasons[index] = f"'{str(cell).strip()}' is not a number"
            bounds[index] = ""
        elif _is_one_of(number, _NEVER_A_VALUE):
            absent[index] = True
            bounds[index] = ""
        else:
            values[index] = number + 0.0  # so that -0 is 0
    if unsure:
        raise InputError(
            f"{what}: '{unsure[0]}' may be with thousands or with decimals, and no other number tells "
            f"({len(unsure)} such); give --decimal comma or --decimal point"
        )
    return Numbers(values, sigmas, bounds, units, reasons, absent)


def _is_unsure(body: str, *, commas_usual: bool) -> bool:
    bare = body.lstrip("+-")
    if bare.startswith("0"):
        return False
    if _GROUPED[","].fullmatch(bare) and bare.count(",") == 1:
        return True
    return commas_usual and bool(_GROUPED["."].fullmatch(bare)) and bare.count(".") == 1


def _number(body: str, mark: str | None) -> float | None:
    """Return the number that a text means, given the decimal mark; a point where none is known."""
    mark = mark or "."
    other = "," if mark == "." else "."
    body = body.strip()
    sign, bare = (body[0], body[1:].strip()) if body[:1] in "+-" else ("", body)
    mantissa, _, exponent = bare.lower().partition("e")
    for group in (" ", "'"):
        if group in mantissa:
            if not _GROUPED[group].fullmatch(mantissa):
                return None
            mantissa = mantissa.replace(group, "")
    whole, _, fraction = mantissa.partition(mark)
    if other in fraction or mark in fraction:
        return None
    if other in whole:
        if not _GROUPED[other].fullmatch(whole):
            return None
        whole = whole.replace(other, "")
    try:
        return float(f"{sign}{whole or '0'}.{fraction or '0'}" + (f"e{exponent}" if exponent else ""))
    except ValueError:
        return None


def _is_one_of(number: float, figures: Sequence[float]) -> bool:
    return any(abs(number - figure) <= 1e-6 * abs(figure) for figure in figures)


def sentinels(values: NDArray[np.float64], *, never_negative: bool) -> NDArray[np.bool_]:
    """Return which values of one series are figures for "no value", such as -999: far outside all the others.

    Parameters
    ----------
    values : (N,) float64
        Of one series; NaN allowed.
    never_negative : bool
        Whether the quantity cannot be negative: then a negative figure of that kind is no value.

    Examples
    --------
    >>> sentinels(np.array([1.0, 2.0, -999.0, 3.0]), never_negative=False).tolist()
    [False, False, True, False]
    >>> sentinels(np.array([-900.0, -950.0, -999.0, -1040.0]), never_negative=False).any()
    np.False_
    """
    known = np.isfinite(values)
    suspects = np.zeros(len(values), dtype=bool)
    for figure in _SELDOM_A_VALUE:
        suspects |= known & (np.abs(values - figure) <= 1e-6 * abs(figure))
    if not suspects.any():
        return suspects
    rest = values[known & ~suspects]
    if len(rest) < 2:
        return suspects & (values < 0) if never_negative else np.zeros(len(values), dtype=bool)
    low, high = float(rest.min()), float(rest.max())
    reach = max(high - low, 1e-9) * 2
    # -1 is far too common a value to be judged by its distance.
    far = (values < low - reach) | (values > high + reach)
    far &= np.abs(values) > 50
    if never_negative and low >= 0:
        far |= values < 0
    return suspects & far
