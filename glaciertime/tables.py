"""The corridor: the tidy tables that pass between rooms, their schemas and their checks.

``fronts`` (a geopandas table), ``observations``, ``forecasts`` and ``scores`` (pandas tables) carry the same
column names in memory, in the archive and in CSV; three more geopandas tables hold
the ``footprints`` that areas were measured in, the ``centrelines`` that positions were measured along, and the
``contours`` that fronts are predicted to take. ``verdicts`` say which model a backtest speaks for, ``hazards`` how
often glaciers of a kind lose much at once. ``rulers`` say with what a glacier is measured and where that comes
from; ``inputs``, ``runs`` and ``run_inputs`` say from which files, and by which command, a number came.
:func:`validate` is the only door: what leaves a room has passed it.

Conventions
-----------
- ``front_position_m`` grows towards the sea; ``length_change_m`` grows as the glacier lengthens; retreat is
  positive inland and is only ever derived.
- ``sigma`` is one standard deviation in the unit of the value; unknown is NaN, not 0.
- ``date`` is the day of acquisition in UTC, ``datetime64[s]`` at midnight (nanoseconds end in 1677); in text it is
  ``YYYY-MM-DD``. A number is no date.
- ``source`` is ``observed`` or ``simulated`` and is never empty.
- ``quality`` is ``ok`` or flags of :data:`QUALITY_FLAGS` joined by ``;``, each optionally followed by ``: reason``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from glaciertime.dates import as_date
from glaciertime.errors import InputError

__all__ = [
    "BOUNDS",
    "FRONT_OF",
    "FRONT_VARIABLES",
    "IN_FAVOUR",
    "MEASURED_ICE",
    "OUTLIER_FLAGS",
    "QUALITY_FLAGS",
    "RULER_KINDS",
    "RULER_ORIGINS",
    "SCHEMAS",
    "SERIES_KEY",
    "SOURCES",
    "UNRELIABLE",
    "VARIABLES",
    "Schema",
    "Variable",
    "by_series",
    "empty",
    "flags_of",
    "has_flag",
    "join_flags",
    "side_of_bound",
    "validate",
    "variable_named",
]

SOURCES = ("observed", "simulated")

#: What a front is made of; empty where that is not known.
FRONT_OF = ("", "calving front", "tongue", "mélange edge", "shelf")
#: What is measured of a front; the others, such as areas, are of no kind of front.
FRONT_VARIABLES = ("front_position_m", "front_width_m", "length_m", "length_change_m")
#: Whether a value is a bound of the true one; empty where it is the value itself.
BOUNDS = ("", "at-least", "at-most")
#: What a ruler can be, and who made it.
RULER_KINDS = ("plane", "box", "fjord", "centreline")
RULER_ORIGINS = ("manifest", "file", "drawn")

#: The footprint that is the ice itself: all that outlines of any date showed of a glacier, where it was measured.
MEASURED_ICE = "measured ice"

#: A series is one glacier, variable, method, footprint, dataset and kind of front; different ones are never joined.
SERIES_KEY = ("glacier", "variable", "method", "footprint", "dataset", "front_of")

#: The flags a ``quality`` or ``QualFlag`` may hold, and what each says of the observation.
QUALITY_FLAGS = {
    "ok": "nothing is known against the observation",
    "censored": "the value is a bound: the ice reaches, or has left, the edge of what was imaged",
    "no-front": "the scene shows no boundary between ice and ocean inside the fjord",
    "year-only": "only the year is known; the date is written as 1 January, of a hydrological year as its end",
    "month-only": "only the month is known; the date is written as its first day",
    "nominal-date": "the date stands for a mosaic of several acquisitions",
    "partial-coverage": "the image does not cover the whole footprint",
    "interpolated": "the value lies on an exact straight line through its neighbours",
    "outlier-length": "the front is too short or too long for this glacier",
    "outlier-complexity": "the front is too winding for this glacier",
    "outlier-jump": "the value lies off its neighbours in time on both sides: a change that was undone at once",
    "outlier-advance": "the front advanced faster than the ice flows",
    "unconfirmed": "the value lies off others, and may be right: a jump at the end, a season of its own, a clear image",
    "source-flag": "the data set itself says something against the observation",
    "unclear-front": "the model saw no sharp front in the image: its error is several times the usual one",
    "seen-clearly": "the image shows the front clearly, on the ground and in the place that other dates show",
    "unlike-training": "the image is unlike those that its model was trained on: its front is not to be relied on",
    "assumed-seaward": "nothing tells which end of the line lies to the sea: advance and retreat may be exchanged",
    "sensor-offset": "an offset estimated for the sensor was removed",
    "unregistered": "the image is not known to be registered to its neighbours: differences count, the series does not",
    "coregistered": "the scene was moved onto the stable rock of the others",
    "mended": "the outline crossed itself; what it encloses was measured",
    "manual": "traced by hand",
    "failed": "the measurement failed for the reason given",
    "unknown-flag": "the archive holds a flag that this version does not know: nothing is to rest on the value",
}
#: What speaks for an observation, or of nothing at all.
IN_FAVOUR = ("ok", "seen-clearly")
#: What is known against the image itself: its value is wrong more often than not, and judges no other.
UNRELIABLE = ("unclear-front", "unlike-training")
#: What the screening of a whole series may say against an observation.
OUTLIER_FLAGS = tuple(flag for flag in QUALITY_FLAGS if flag.startswith("outlier-"))


@dataclass(frozen=True)
class Variable:
    """What can be measured of a glacier, and what its number means."""

    name: str
    unit: str
    label: str
    #: Whether zero means "none": only then is a relative error such as MAPE defined.
    ratio_scale: bool


VARIABLES = {
    variable.name: variable
    for variable in (
        Variable("area_km2", "km2", "area", True),
        Variable("length_m", "m", "length", True),
        Variable("front_width_m", "m", "front width", True),
        Variable("front_position_m", "m", "front position (towards the sea)", False),
        Variable("length_change_m", "m", "length change", False),
        Variable("area_change_km2", "km2", "area change", False),
        Variable("lake_area_km2", "km2", "lake area", True),
        Variable("debris_area_km2", "km2", "debris-covered area", True),
        Variable("snowline_m", "m", "snowline altitude", False),
        Variable("ela_m", "m", "equilibrium line altitude", False),
        Variable("volume_km3", "km3", "volume", True),
        Variable("volume_change_km3", "km3", "volume change", False),
        Variable("elevation_change_m", "m", "elevation change", False),
        Variable("mass_gt", "Gt", "mass change", False),
        Variable("mass_balance_mwe", "m w.e.", "mass balance", False),
    )
}

#: Methods whose positions are distances along a line from its inland end, so that none lies below zero.
ALONG_A_LINE = ("centreline", "multi-centreline", "rectilinear-box", "curvilinear-box", "extrapolated-centreline",
                "mean-trace", "area-change")  # fmt: skip

_UNIT_SUFFIXES = {
    "_km2": "km2", "_km3": "km3", "_gt": "Gt", "_mwe": "m w.e.", "_percent": "%", "_degc": "degC", "_m": "m",
}  # fmt: skip
_NEVER_NEGATIVE = {"area", "extent", "length", "width", "volume", "thickness"}


def variable_named(name: str) -> Variable:
    """Return what a variable is; of one that is not known here, what the words and the unit of its name tell.

    Examples
    --------
    >>> variable_named("debris_cover_percent").unit, variable_named("supraglacial_lake_area_km2").ratio_scale
    ('%', True)
    """
    if name in VARIABLES:
        return VARIABLES[name]
    suffix = next((suffix for suffix in _UNIT_SUFFIXES if name.endswith(suffix)), "")
    words = name.removesuffix(suffix).split("_")
    is_change = {"change", "anomaly", "difference", "balance", "loss", "gain"} & set(words)
    return Variable(
        name, _UNIT_SUFFIXES.get(suffix, ""), " ".join(words), bool(_NEVER_NEGATIVE & set(words)) and not is_change
    )


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in order, by kind."""

    name: str
    columns: dict[str, str]
    #: Columns in which a missing value is allowed.
    nullable: frozenset[str]
    #: Rows equal in these columns are one and the same fact.
    key: tuple[str, ...]


SCHEMAS = {
    schema.name: schema
    for schema in (
        Schema(
            "fronts",
            {
                "GlacierID": "text", "Date": "date", "DecDate": "number", "QualFlag": "text", "Satellite": "text",
                "ImageID": "text", "Author": "text", "sigma_m": "number", "coverage": "number",
                "resolution_m": "number", "model": "text", "source": "text", "dataset": "text", "front_of": "text",
                "geometry": "geometry",
            },
            frozenset({"Satellite", "sigma_m", "coverage", "resolution_m", "model", "dataset", "front_of"}),
            ("GlacierID", "Date", "ImageID", "Author", "model"),
        ),
        Schema(
            "observations",
            {
                "glacier": "text", "date": "date", "variable": "text", "value": "number", "sigma": "number",
                "unit": "text", "method": "text", "footprint": "text", "dataset": "text", "sensor": "text",
                "image_id": "text", "coverage": "number", "quality": "text", "source": "text", "front_of": "text",
                "bound": "text",
            },
            frozenset({"value", "sigma", "sensor", "coverage", "front_of", "bound"}),
            (*SERIES_KEY, "date", "image_id"),
        ),
        Schema(
            "footprints",
            {
                "glacier": "text",
                "footprint": "text",
                "dataset": "text",
                "area_km2": "number",
                "source": "text",
                "geometry": "geometry",
            },
            frozenset({"geometry"}),
            ("glacier", "footprint", "dataset"),
        ),
        Schema(
            "centrelines",
            {"glacier": "text", "dataset": "text", "drawn_by": "text", "source": "text", "geometry": "geometry"},
            frozenset({"geometry"}),
            ("glacier", "dataset"),
        ),
        Schema(
            "contours",
            {
                "glacier": "text", "cutoff": "date", "target_date": "date", "horizon_days": "number", "model": "text",
                "kind": "text", "level": "number", "half_width_m": "number", "n_calibration": "number",
                "status": "text", "source": "text", "geometry": "geometry",
            },
            frozenset({"level", "half_width_m", "n_calibration", "geometry"}),
            ("glacier", "source", "cutoff", "target_date", "model", "kind", "level"),
        ),
        Schema(
            "forecasts",
            {
                "glacier": "text", "variable": "text", "method": "text", "footprint": "text", "dataset": "text",
                "front_of": "text", "model": "text", "cutoff": "date", "target_date": "date", "horizon_days": "number",
                "quantile": "number", "value": "number", "unit": "text", "status": "text", "source": "text",
            },
            frozenset({"front_of", "target_date", "horizon_days", "quantile", "value"}),
            (*SERIES_KEY, "model", "cutoff", "target_date", "quantile"),
        ),
        Schema(
            "scores",
            {
                "glacier": "text", "variable": "text", "method": "text", "footprint": "text", "dataset": "text",
                "front_of": "text", "model": "text", "horizon": "text", "metric": "text", "value": "number",
                "n": "integer", "n_failed": "integer", "source": "text",
            },
            frozenset({"front_of", "value"}),
            (*SERIES_KEY, "model", "horizon", "metric"),
        ),
        Schema(
            "verdicts",
            {
                "glacier": "text", "variable": "text", "method": "text", "footprint": "text", "dataset": "text",
                "front_of": "text", "horizon": "text", "use": "text", "best": "text", "error_ratio": "number",
                "p_value": "number", "n": "integer", "verdict": "text", "source": "text",
            },
            frozenset({"front_of", "error_ratio", "p_value"}),
            (*SERIES_KEY, "horizon"),
        ),
        Schema(
            "hazards",
            {
                "glacier": "text", "terminus": "text", "variable": "text", "cutoff": "date", "glaciers": "integer",
                "exposure_years": "number", "losses": "integer", "rate_per_year": "number", "low": "number",
                "high": "number", "reading": "text", "source": "text",
            },
            frozenset({"rate_per_year", "low", "high"}),
            ("glacier", "variable", "source", "cutoff"),
        ),
        Schema(
            "rulers",
            {
                "glacier": "text", "dataset": "text", "kind": "text", "origin": "text", "drawn_from": "text",
                "made_at": "text", "crs": "text", "wkt": "text", "version": "text", "source": "text",
                "geometry": "geometry",
            },
            frozenset({"dataset", "drawn_from", "crs", "wkt", "version", "geometry"}),
            ("glacier", "dataset", "source", "kind"),
        ),
        Schema(
            "inputs",
            {"glacier": "text", "dataset": "text", "image_id": "text", "input": "text"},
            frozenset({"dataset", "image_id", "input"}),
            ("glacier", "dataset", "image_id"),
        ),
        Schema(
            "runs",
            {
                "run": "text", "command": "text", "version": "text", "started": "text", "finished": "text",
                "settings": "text",
            },
            frozenset({"finished", "settings"}),
            ("run",),
        ),
        Schema(
            "run_inputs",
            {
                "run": "text", "glacier": "text", "dataset": "text", "image_id": "text", "input": "text",
                "sha256": "text", "size_bytes": "number", "modified": "text",
            },
            frozenset({"glacier", "dataset", "image_id", "sha256", "size_bytes", "modified"}),
            ("run", "glacier", "dataset", "image_id", "input"),
        ),
    )
}  # fmt: skip


def empty(name: str) -> pd.DataFrame:
    """Return a table without rows, its columns in order and typed.

    Examples
    --------
    >>> list(empty("scores").columns)[:3]
    ['glacier', 'variable', 'method']
    """
    kinds = {"text": "object", "number": "float64", "integer": "int64", "date": "datetime64[s]", "geometry": "object"}
    columns = {column: pd.Series(dtype=kinds[kind]) for column, kind in SCHEMAS[name].columns.items()}
    frame = pd.DataFrame(columns)
    return gpd.GeoDataFrame(frame, geometry="geometry") if "geometry" in columns else frame


def validate(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the table with its columns in order and typed, or say what is wrong with it.

    Parameters
    ----------
    table : DataFrame
        Rows in any order; missing nullable columns are added as unknown, other columns are dropped.
    name : str
        A key of :data:`SCHEMAS`.

    Returns
    -------
    DataFrame
        A copy with a fresh index; a GeoDataFrame that keeps its CRS for ``fronts``.

    Raises
    ------
    InputError
        On a missing or empty required column, a value of the wrong type, an unknown source or flag, a negative
        sigma, or a unit that is not that of its variable.
    """
    schema = SCHEMAS[name]
    missing = [column for column in schema.columns if column not in table.columns and column not in schema.nullable]
    if missing:
        raise InputError(f"table {name}: column {', '.join(missing)} is missing; it has {', '.join(map(str, table))}")
    out: dict[str, Any] = {}
    for column, kind in schema.columns.items():
        values = table[column] if column in table else pd.Series([None] * len(table), index=table.index)
        out[column] = _typed(values, kind, f"table {name}, column {column}")
        if column not in schema.nullable and len(table) and kind != "geometry":
            unknown = out[column] == "" if kind == "text" else out[column].isna()
            if unknown.any():
                raise InputError(f"table {name}: column {column} is empty in {int(unknown.sum())} of {len(table)} rows")
    crs = table.crs if isinstance(table, gpd.GeoDataFrame) else None
    frame = pd.DataFrame(out).reset_index(drop=True)
    _check_values(frame, name)
    return gpd.GeoDataFrame(frame, geometry="geometry", crs=crs) if "geometry" in schema.columns else frame


def _typed(values: pd.Series, kind: str, where: str) -> pd.Series:
    try:
        if kind == "number":
            return values if values.dtype == "float64" else pd.to_numeric(values).astype("float64")
        if kind == "integer":
            return pd.to_numeric(values).astype("int64")
        if kind == "date":
            return _days(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: {error}; expected a {kind}") from error
    if kind == "text":
        # Of objects under every pandas: from 3 on it makes a type of its own of texts, but not of none.
        known = zip(values.to_numpy(dtype=object), values.notna(), strict=True)
        return pd.Series([str(value) if held else "" for value, held in known], index=values.index, dtype=object)
    return values


def _days(values: pd.Series) -> pd.Series:
    """Return dates at midnight; texts are read by the one reader, numbers are refused."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        zone = getattr(values.dtype, "tz", None)
        plain = values if zone is None else values.dt.tz_convert("UTC").dt.tz_localize(None)
        return plain.astype("datetime64[s]").dt.normalize()
    known = values.notna()
    if not known.any() and values.dtype == float:
        return values.astype("datetime64[s]")
    if pd.api.types.is_numeric_dtype(values.dtype):
        raise InputError("a number is no date")
    days = {value: np.datetime64(as_date(value), "s") for value in values[known].unique()}
    return values.where(known, None).map(days).astype("datetime64[s]")


_ALLOWED = {
    "source": SOURCES, "front_of": FRONT_OF, "bound": BOUNDS, "origin": RULER_ORIGINS,
}  # fmt: skip


def _check_values(frame: pd.DataFrame, name: str) -> None:
    for column, allowed in {**_ALLOWED, **({"kind": RULER_KINDS} if name == "rulers" else {})}.items():
        unknown = sorted(set(frame[column]) - set(allowed)) if column in frame else []
        if unknown:
            expected = ", ".join(filter(None, allowed))
            raise InputError(f"table {name}: {column} is {unknown[0]!r}, expected one of {expected}")
    for column in {"sigma", "sigma_m"} & set(frame.columns):
        if ((frame[column] < 0) | np.isinf(frame[column])).any():
            raise InputError(
                f"table {name}: sigma is negative or infinite; one standard deviation is expected, NaN if unknown"
            )
    if "unit" in frame:
        for variable, unit in frame[["variable", "unit"]].drop_duplicates().itertuples(index=False):
            if variable in VARIABLES and unit != VARIABLES[variable].unit:
                raise InputError(
                    f"table {name}: {variable} is given in {unit!r}, expected {VARIABLES[variable].unit!r}; "
                    "convert it first"
                )
    for column in {"quality", "QualFlag"} & set(frame.columns):
        for text in frame[column].unique():
            flags_of(text)


def by_series(table: pd.DataFrame, *more: str, sort: bool = True) -> Any:
    """Return rows grouped by :data:`SERIES_KEY` and ``more`` columns, none of them lost where a front is of no kind.

    Examples
    --------
    >>> table = pd.DataFrame({name: ["A", "A"] for name in SERIES_KEY}).assign(front_of=[None, "shelf"])
    >>> [key[-1] for key, _ in by_series(table)]
    ['', 'shelf']
    """
    kinds = table["front_of"].fillna("") if "front_of" in table else ""
    return table.assign(front_of=kinds).groupby([*SERIES_KEY, *more], sort=sort)


def flags_of(quality: str) -> dict[str, str]:
    """Return the flags of a quality text with their reasons.

    Examples
    --------
    >>> flags_of("censored: the ice fills the box;year-only")
    {'censored': 'the ice fills the box', 'year-only': ''}
    """
    flags: dict[str, str] = {}
    for part in quality.split(";"):
        flag, _, reason = part.strip().partition(":")
        if flag not in QUALITY_FLAGS:
            raise InputError(f"quality flag {flag!r} is not known; known are {', '.join(QUALITY_FLAGS)}")
        flags[flag] = reason.strip()
    return flags


def join_flags(flags: dict[str, str]) -> str:
    """Return flags with their reasons as one quality text; no flag gives ``ok``.

    Examples
    --------
    >>> join_flags({"no-front": "the ice fills the box", "year-only": ""})
    'no-front: the ice fills the box;year-only'
    """
    real = {flag: reason.replace(";", ",") for flag, reason in flags.items() if flag != "ok"}
    text = ";".join(f"{flag}: {reason}" if reason else flag for flag, reason in real.items()) or "ok"
    flags_of(text)
    return text


def side_of_bound(quality: str, bound: object = "") -> str:
    """Return of which side a value is a bound: ``at-least`` or ``at-most``, empty where it is the value itself.

    A censored value of a table that does not say so is a lower bound, since more ice lies beyond an edge that it
    fills; where there is none left it is an upper one.

    Examples
    --------
    >>> side_of_bound("censored: the ice fills the box"), side_of_bound("censored: no ice in the box")
    ('at-least', 'at-most')
    >>> side_of_bound("ok", "at-most"), side_of_bound("manual")
    ('at-most', '')
    """
    flags = flags_of(quality)
    if bound in BOUNDS[1:] or "censored" not in flags:
        return str(bound) if bound in BOUNDS else ""
    return "at-most" if flags["censored"].startswith("no ice") else "at-least"


def has_flag(quality: pd.Series, flag: str) -> pd.Series:
    """Return, row by row, whether a quality text holds the flag."""
    if flag not in QUALITY_FLAGS:
        raise InputError(f"quality flag {flag!r} is not known; known are {', '.join(QUALITY_FLAGS)}")
    return quality.map(lambda text: flag in flags_of(text)).astype(bool)
