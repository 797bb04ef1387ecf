"""Front variations as the World Glacier Monitoring Service takes them, and what a table breaks of its form.

Attributes and their limits are those of the table FRONT_VARIATION of the database Fluctuations of Glaciers
(https://wgms.ch/data-exploration): variations in metres between a reference date and a survey date, an advance
positive; a day or month that is not known is written 99.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.combining import are_bounds, one_per_day
from glaciertime.errors import DataNotFoundError, UsageError
from glaciertime.exchange.simulation import simulation_problem
from glaciertime.exchange.submitter import Submitter
from glaciertime.naming import counted
from glaciertime.tables import by_series, flags_of
from glaciertime.track.record.screening import keep

__all__ = ["WGMS_COLUMNS", "to_wgms", "wgms_problems"]

WGMS_COLUMNS = (
    "POLITICAL_UNIT", "NAME", "WGMS_ID", "YEAR", "SURVEY_DATE", "REFERENCE_DATE", "FRONT_VARIATION", "FRONT_VAR_UNC",
    "QUALITATIVE_VARIATION", "SURVEY_PLATFORM_METHOD", "INVESTIGATOR", "SPONS_AGENCY", "REFERENCE", "REMARKS",
)  # fmt: skip
_REQUIRED = ("POLITICAL_UNIT", "NAME", "WGMS_ID", "YEAR")
_VARIABLES = ("front_position_m", "length_m", "length_change_m")
_METHODS = ("centreline", "curvilinear-box", "multi-centreline", "rectilinear-box", "area-change")
_DATE = re.compile(r"(1[0-9]{3}|20[0-9]{2})(0[1-9]|1[0-2]|99)(0[1-9]|[12][0-9]|3[01]|99)")
_TEXT = re.compile(r"\S+( \S+)*")
_PLATFORMS, _WAYS = "tascx", "RMGPLZCX"
_QUALITATIVE = ("+X", "-X", "ST")
_HIGHEST_ID = 999_999
_FARTHEST_M = 100_000.0


def to_wgms(
    observations: pd.DataFrame, submitter: Submitter, *, tell: Callable[[str], None] | None = None
) -> pd.DataFrame:  # fmt: skip
    """Return the front variations of one glacier from value to value.

    Of several methods one is taken, named in the remarks; flagged values and bounds are left out. Both values err
    independently: ``FRONT_VAR_UNC = sqrt(s_1^2 + s_2^2)``.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations`` of one glacier.
    submitter : Submitter
    tell : callable, optional
        Is told how many values of the front are left out, and why.

    Raises
    ------
    DataNotFoundError
        Where there are no two values of a front.
    UsageError
        Where the values are simulated, or the submitter is incomplete.
    """
    glacier = str(observations["glacier"].iloc[0])
    fronts = observations[observations["variable"].isin(_VARIABLES) & observations["value"].notna()]
    if len(fronts) and (fronts["source"] == "simulated").all():
        raise UsageError(
            f"{glacier}: its fronts are simulated: nothing of them is submitted to an archive of observations"
        )
    held = len(fronts)
    fronts = fronts[fronts["source"] == "observed"]
    seen = len(fronts)
    kept = keep(fronts, allow=("year-only", "month-only"))
    kept = kept[~are_bounds(kept)] if len(kept) else kept
    found = [(_order(key), key, rows) for key, rows in by_series(kept, sort=False) if rows["date"].nunique() > 1]
    if not found:
        raise DataNotFoundError(f"{glacier} has no two values of a front that nothing speaks against")
    _, key, rows = min(found, key=lambda one: one[0])
    if tell is not None and len(rows) < held:
        others = {"simulated": held - seen, "flagged or bounds": seen - len(kept),
                  "of other methods or data sets": len(kept) - len(rows)}  # fmt: skip
        why = ", ".join(f"{n} {name}" for name, n in others.items() if n)
        tell(f"{glacier}: {held - len(rows)} of {counted(held, 'values')} of its front left out ({why})")
    if not re.fullmatch(r"[A-Z]{2}", submitter.country):
        raise UsageError("--submitter: country expected, two letters such as GL (ISO 3166)")
    number = submitter.id_of(glacier)
    days = one_per_day(rows).sort_values("date").reset_index(drop=True)
    before, after = days.iloc[:-1].reset_index(drop=True), days.iloc[1:].reset_index(drop=True)
    platform = "tX" if str(key[1]) != "front_position_m" and str(key[2]) == "-" else "sP"
    dates = [(_date(one), _date(other)) for one, other in zip(before.itertuples(), after.itertuples(), strict=True)]
    said = f"{key[2]} along the flow, data set {key[4]}" if str(key[2]) != "-" else f"data set {key[4]}"
    unknown = [" date known to the year or month only" if "99" in f"{a[4:]} {b[4:]}" else "" for a, b in dates]
    return pd.DataFrame(
        {
            "POLITICAL_UNIT": submitter.country, "NAME": glacier.upper(), "WGMS_ID": number,
            "YEAR": [int(later[:4]) for _, later in dates], "SURVEY_DATE": [later for _, later in dates],
            "REFERENCE_DATE": [earlier for earlier, _ in dates],
            "FRONT_VARIATION": (after["value"] - before["value"]).round(2),
            "FRONT_VAR_UNC": np.hypot(after["sigma"], before["sigma"]).round(2),
            "QUALITATIVE_VARIATION": "", "SURVEY_PLATFORM_METHOD": platform, "INVESTIGATOR": submitter.investigator,
            "SPONS_AGENCY": submitter.agency, "REFERENCE": submitter.reference,
            "REMARKS": [f"{said};{more}" if more else said for more in unknown],
        },
        columns=list(WGMS_COLUMNS),
    )  # fmt: skip


def _order(key: tuple[Any, ...]) -> tuple[int, int]:
    variable, method = str(key[1]), str(key[2])
    return _VARIABLES.index(variable), _METHODS.index(method) if method in _METHODS else len(_METHODS)


def _date(row: Any) -> str:
    flags = flags_of(row.quality)
    if "year-only" in flags:
        return f"{row.date:%Y}9999"
    return f"{row.date:%Y%m}99" if "month-only" in flags else f"{row.date:%Y%m%d}"


def wgms_problems(table: pd.DataFrame) -> list[str]:
    """Return what a table breaks of the form of front variations, a sentence each.

    Parameters
    ----------
    table : DataFrame
        As read from CSV; cells are texts, empty where nothing is known.
    """
    missing = [name for name in WGMS_COLUMNS if name not in table]
    if missing:
        return [f"the columns {', '.join(missing)} are missing"]
    if table.empty:
        return ["it has no row"]
    found = [f"the column {name} is none of the form" for name in table if name not in WGMS_COLUMNS]
    rows = table.fillna("").astype(str)
    for place, row in enumerate(rows.to_dict("records"), start=1):
        told = [*_of_row(row), *simulation_problem({str(name): text for name, text in row.items()})]
        found += [f"row {place}: {said}" for said in told]
    twice = rows.duplicated(["WGMS_ID", "REFERENCE_DATE", "SURVEY_DATE"])
    found += [f"row {place + 1}: the same glacier and dates as an earlier one" for place in np.flatnonzero(twice)]
    names = rows.groupby("WGMS_ID")["NAME"].nunique()
    return found + [f"WGMS_ID {number} has {count} names" for number, count in names.items() if count > 1]


def _of_row(row: dict[str, str]) -> list[str]:
    found = [f"{name} is empty" for name in _REQUIRED if not row[name]]
    if row["POLITICAL_UNIT"] and not re.fullmatch(r"[A-Z]{2}", row["POLITICAL_UNIT"]):
        found.append(f"POLITICAL_UNIT '{row['POLITICAL_UNIT']}' is no code of two letters")
    if row["WGMS_ID"] and not (row["WGMS_ID"].isdecimal() and int(row["WGMS_ID"]) <= _HIGHEST_ID):
        found.append(f"WGMS_ID '{row['WGMS_ID']}' is no number from 0 to {_HIGHEST_ID}")
    found += [said for name in ("SURVEY_DATE", "REFERENCE_DATE") for said in _bad_date(name, row[name])]
    earlier, later = row["REFERENCE_DATE"], row["SURVEY_DATE"]
    if _DATE.fullmatch(earlier) and _DATE.fullmatch(later) and earlier.replace("99", "00") >= later:
        found.append(f"the reference date {earlier} is not before the survey date {later}")
    if row["YEAR"] and not re.fullmatch(r"\d{4}", row["YEAR"]):
        found.append(f"YEAR '{row['YEAR']}' is no year")
    elif _DATE.fullmatch(later) and row["YEAR"] and row["YEAR"] != later[:4]:
        found.append(f"YEAR {row['YEAR']} is not that of the survey date {later}")
    change, error = _number(row["FRONT_VARIATION"]), _number(row["FRONT_VAR_UNC"])
    if change is None or (change == change and abs(change) > _FARTHEST_M):
        found.append(f"FRONT_VARIATION '{row['FRONT_VARIATION']}' is no length in metres")
    if error is None or (error == error and error < 0):
        found.append(f"FRONT_VAR_UNC '{row['FRONT_VAR_UNC']}' is no positive length in metres")
    if not row["FRONT_VARIATION"] and row["QUALITATIVE_VARIATION"] not in _QUALITATIVE:
        found.append("neither FRONT_VARIATION nor a QUALITATIVE_VARIATION of +X, -X or ST is given")
    if row["QUALITATIVE_VARIATION"] and row["QUALITATIVE_VARIATION"] not in _QUALITATIVE:
        found.append(f"QUALITATIVE_VARIATION '{row['QUALITATIVE_VARIATION']}' is none of +X, -X, ST")
    way = row["SURVEY_PLATFORM_METHOD"]
    if way and not (len(way) == 2 and way[0] in _PLATFORMS and way[1] in _WAYS):
        found.append(f"SURVEY_PLATFORM_METHOD '{way}' is none, such as sP")
    for name in ("INVESTIGATOR", "SPONS_AGENCY", "REFERENCE", "REMARKS"):
        if row[name] and not _TEXT.fullmatch(row[name]):
            found.append(f"{name} begins or ends with a space, or has two in a row")
    return found


def _bad_date(name: str, text: str) -> list[str]:
    if not text:
        return []
    if not _DATE.fullmatch(text):
        return [f"{name} '{text}' is not YYYYMMDD, unknown parts 99"]
    month, day = text[4:6], text[6:]
    if month == "99" and day != "99":
        return [f"{name} '{text}' knows the day and not the month"]
    if "99" not in (month, day):
        try:
            date = dt.date(int(text[:4]), int(month), int(day))
        except ValueError:
            return [f"{name} '{text}' is no date"]
        if date > dt.date.today():
            return [f"{name} '{text}' lies in the future"]
    return []


def _number(text: str) -> float | None:
    if not text:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
