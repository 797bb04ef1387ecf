"""The long tables of forecasting libraries, in and out: ``unique_id, ds, y`` of statsforecast and darts.

Their libraries take one value a row and a regular frequency; a series of ours has irregular dates, and a sigma and
flags of its own. What goes out is one value a day; what comes in has no sigma, no method and no unit of its own.

References
----------
statsforecast: https://nixtlaverse.nixtla.io/statsforecast; darts: ``TimeSeries.from_group_dataframe``.
"""

from __future__ import annotations

import pandas as pd

from glaciertime.combining import are_bounds, one_per_day
from glaciertime.errors import InputError
from glaciertime.tables import SERIES_KEY, by_series, variable_named

__all__ = ["LAYOUTS", "LONG_COLUMNS", "from_long", "to_long"]

#: The columns of a series in each library's table: its name, its date, its value.
LAYOUTS = {"statsforecast": ("unique_id", "ds", "y"), "darts": ("series", "time", "value")}
_ALSO = ("sigma", "variable", "unit", "source")
#: The columns of the tables that are written.
LONG_COLUMNS = tuple((*names, *_ALSO) for names in LAYOUTS.values())
#: What stands between the parts of a series' name; none of them may hold it.
_BETWEEN = " | "


def to_long(observations: pd.DataFrame, *, layout: str = "statsforecast") -> pd.DataFrame:
    """Return observations as a forecasting library wants them: one value a day and series, no bounds.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``, screened as wished: rows without a value and bounds are left out, several values of
        a day are their weighted mean.
    layout : str
        A key of :data:`LAYOUTS`.

    Returns
    -------
    DataFrame
        The three columns of the layout, ``sigma``, and the static columns ``variable``, ``unit`` and ``source``.
        A series is named by its glacier, variable, method, footprint, data set and kind of front.

    Raises
    ------
    InputError
        For an unknown layout, or a name that holds the separator.

    Examples
    --------
    >>> rows = pd.DataFrame({"glacier": "Toy", "variable": "area_km2", "method": "mask", "footprint": "box",
    ...     "dataset": "toy", "front_of": "", "date": pd.to_datetime(["2001-01-01", "2002-01-01"]),
    ...     "value": [9.0, 8.0], "sigma": [0.1, 0.1], "quality": "ok", "unit": "km2", "source": "observed"})
    >>> to_long(rows)[["unique_id", "y"]].values.tolist()
    [['Toy | area_km2 | mask | box | toy | ', 9.0], ['Toy | area_km2 | mask | box | toy | ', 8.0]]
    """
    name, date, value = _layout(layout)
    parts = []
    for key, rows in by_series(observations[observations["value"].notna()], sort=False):
        texts = [str(part) for part in key]
        if any(_BETWEEN.strip() in text for text in texts):
            raise InputError(
                f"a name of the series {', '.join(texts)} holds '{_BETWEEN.strip()}', which parts its names"
            )
        good = rows[~are_bounds(rows)]
        if good.empty:
            continue
        days = one_per_day(good).sort_values("date")
        parts.append(
            pd.DataFrame(
                {name: _BETWEEN.join(texts), date: pd.to_datetime(days["date"]).to_numpy(),
                 value: days["value"].to_numpy(), "sigma": days["sigma"].to_numpy(), "variable": texts[1],
                 "unit": rows["unit"].iloc[0], "source": rows["source"].iloc[0]}
            )
        )  # fmt: skip
    columns = [name, date, value, *_ALSO]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def from_long(table: pd.DataFrame, *, layout: str = "statsforecast", variable: str = "", source: str = "observed") -> (
    pd.DataFrame
):  # fmt: skip
    """Return a library's long table as rows of the table ``observations``.

    Parameters
    ----------
    table : DataFrame
        With the three columns of the layout; ``sigma``, ``variable`` and ``source`` are read where they are.
    layout : str
        A key of :data:`LAYOUTS`.
    variable : str
        What the values are, with its unit, such as ``area_km2``: needed where neither the table nor the series' names
        say so.
    source : str
        ``observed`` or ``simulated``, where the table does not say.

    Raises
    ------
    InputError
        Where a column is missing, or nothing tells the variable.

    Examples
    --------
    >>> frame = pd.DataFrame({"unique_id": "Toy", "ds": ["2001-01-01"], "y": [9.0]})
    >>> from_long(frame, variable="area_km2")[["glacier", "variable", "value", "unit"]].values.tolist()
    [['Toy', 'area_km2', 9.0, 'km2']]
    """
    columns = _layout(layout)
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(f"a table of {layout} has the columns {', '.join(columns)}; {', '.join(missing)} missing")
    name, date, value = columns
    held = [str(one).split(_BETWEEN) for one in table[name]]
    whole = all(len(parts) == len(SERIES_KEY) for parts in held)
    if not whole and not variable and "variable" not in table:
        raise InputError("nothing says what the values are: give the variable with its unit, such as area_km2")
    if whole:
        out = pd.DataFrame(held, columns=list(SERIES_KEY), index=table.index)
    else:
        out = pd.DataFrame({"glacier": table[name].astype(str)}, index=table.index)
        out["variable"] = table["variable"].astype(str) if "variable" in table else variable
        out["method"], out["footprint"], out["dataset"], out["front_of"] = "-", "-", layout, ""
    unit = {one: variable_named(one).unit for one in out["variable"].unique()}
    lacking = [one for one, known in unit.items() if not known]
    if lacking:
        raise InputError(f"'{lacking[0]}' names no unit: a variable ends in it, such as area_km2 or length_m")
    dates = pd.to_datetime(table[date])
    return out.assign(
        date=dates.to_numpy(), value=table[value].astype(float).to_numpy(),
        sigma=table["sigma"].astype(float).to_numpy() if "sigma" in table else float("nan"),
        unit=out["variable"].map(unit), sensor="", image_id=[f"{layout}-{one:%Y-%m-%d}" for one in dates],
        coverage=float("nan"), quality="ok", bound="",
        source=table["source"].to_numpy() if "source" in table else source,
    ).reset_index(drop=True)  # fmt: skip


def _layout(layout: str) -> tuple[str, str, str]:
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout '{layout}'; known are {', '.join(LAYOUTS)}")
    return LAYOUTS[layout]
