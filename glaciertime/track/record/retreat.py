"""The retreat table: what a glacier lost between two dates, with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import geopandas as gpd
import pandas as pd

from glaciertime.combining import of_its_day, rows_of_day
from glaciertime.errors import InputError
from glaciertime.naming import counted
from glaciertime.provenance.rows import names_of_rows
from glaciertime.sentences import sentence
from glaciertime.tables import OUTLIER_FLAGS, by_series, flags_of, has_flag, side_of_bound
from glaciertime.track.record.difference import difference_bound, notes_on_ends
from glaciertime.track.record.ground import common_area_km2, measured_ground, near_pairs
from glaciertime.units import as_date, decimal_year, number_text, polygon_area_km2, rate_years

__all__ = ["RETREAT_COLUMNS", "retreat_table", "sum_row"]

RETREAT_COLUMNS = (
    "glacier", "start_date", "end_date", "start_area_km2", "end_area_km2", "loss_km2", "loss_percent",
    "loss_sigma_km2", "loss_percent_sigma", "loss_per_year_km2", "loss_per_year_sigma_km2",
    "footprint", "footprint_area_km2", "qualifier",
    "note", "dataset", "source", "start_row", "end_row", "start_sigma_km2", "end_sigma_km2",
    "retreat_m", "retreat_sigma_m", "retreat_method",
)  # fmt: skip

#: Of several ways to measure a position the first that a glacier has is told beside its loss of area.
_METHODS = ("centreline", "curvilinear-box", "multi-centreline", "rectilinear-box")
#: Flags of positions that a retreat neither begins nor ends at.
_NO_POSITION = (*OUTLIER_FLAGS, "failed", "unknown-flag", "unregistered", "unclear-front", "partial-coverage")
# Day of the year more than this apart: the seasonal cycle of a front can pass for a change.
_SEASON_YEARS = 0.17


def retreat_table(
    observations: pd.DataFrame,
    *,
    date_from: Any = None,
    date_to: Any = None,
    max_gap_days: float = 180,
    footprint: str = "box",
    footprints: gpd.GeoDataFrame | None = None,
) -> pd.DataFrame:
    """Return what each glacier lost in area between two dates.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``; rows of other footprints are passed over, so are failed ones and,
        where there are others, those of images in which a model saw no clear front or that show part of the footprint.
    date_from, date_to : date or text, optional
        The nearest observation is taken and its true date given; by default the first and the last.
    max_gap_days : float
        An observation farther than this from the date asked for is refused.
    footprint : str
        Where the areas were measured.
    footprints : GeoDataFrame, optional
        ``Tracked.footprints``, for the column ``footprint_area_km2`` (NaN without).

    Returns
    -------
    DataFrame
        Columns :data:`RETREAT_COLUMNS`, one row per glacier and dataset. A loss is positive; ``loss_percent`` is of
        the ice in the footprint at the start; sigma is one standard deviation, NaN where unknown. ``qualifier`` is
        ``at least`` where the ice filled the footprint at the start, or had left it at the end, so that more may
        have been lost than was seen; ``at most`` where it filled it at the end, or had not reached it at the start. The
        loss is NaN where both areas are bounds and nothing can be said. ``retreat_m`` is how far the front retreated
        between the same two days, positive inland, by ``retreat_method``; NaN where a day has no position, or only
        one that is flagged as an outlier, unclear or of a part of the image. Of one date the loss is NaN, and that per
        year where the two lie less than eleven months apart.

    Raises
    ------
    InputError
        Where no area was observed, or none near enough to a date.

    Examples
    --------
    >>> def area(date, value):
    ...     return dict(
    ...         glacier="Toy", date=date, variable="area_km2", value=value, sigma=0.3, unit="km2", method="mask",
    ...         footprint="box", dataset="toy", sensor="", image_id=date, coverage=1.0, quality="ok", source="simulated"
    ...     )
    >>> table = retreat_table(pd.DataFrame([area("2000-01-01", 50.0), area("2010-01-01", 40.0)]))
    >>> table[["loss_km2", "loss_percent"]].values.tolist()
    [[10.0, 20.0]]
    """
    rows = observations[(observations["variable"] == "area_km2") & (observations["footprint"] == footprint)]
    rows = rows[rows["value"].notna()]
    if len(rows):
        rows = rows[~(has_flag(rows["quality"], "failed") | has_flag(rows["quality"], "unknown-flag"))]
    if rows.empty:
        known = sorted(observations.loc[observations["variable"] == "area_km2", "footprint"].unique())
        raise InputError(
            f"no areas inside the footprint '{footprint}'; areas were measured in {', '.join(known) or 'none'}"
        )
    rows = rows.assign(date=pd.to_datetime(rows["date"]))
    fronts = observations[(observations["variable"] == "front_position_m") & observations["value"].notna()]
    table = []
    for key, series in rows.groupby(["glacier", "dataset", "source", "method"], sort=True):
        row = _change(key, series, date_from, date_to, max_gap_days, footprints)
        table.append({**row, **_retreat(row, fronts)})
    return pd.DataFrame(table, columns=list(RETREAT_COLUMNS))


def _retreat(row: dict[str, Any], fronts: pd.DataFrame) -> dict[str, Any]:
    """Return how far the front retreated between the two days of a loss, where both have a position of one series."""
    unknown = {"retreat_m": math.nan, "retreat_sigma_m": math.nan, "retreat_method": ""}
    if fronts.empty or row["start_date"] == row["end_date"]:
        return unknown
    same = fronts[(fronts["glacier"] == row["glacier"]) & (fronts["dataset"] == row["dataset"])]
    same = same[same["source"] == row["source"]]
    for flag in _NO_POSITION:
        same = same[~has_flag(same["quality"], flag)] if len(same) else same
    if same.empty:
        return unknown
    same = same.assign(date=pd.to_datetime(same["date"]))
    found = []
    for key, series in by_series(same):
        days = [series[series["date"] == row[name]] for name in ("start_date", "end_date")]
        if all(len(day) for day in days):
            start, end = (of_its_day(day.iloc[0], series) for day in days)
            if not any(_side(one) for one in (start, end)):
                found.append((str(key[2]), start, end))
    if not found:
        return unknown
    method, start, end = min(found, key=lambda one: _METHODS.index(one[0]) if one[0] in _METHODS else len(_METHODS))
    return {
        "retreat_m": float(start["value"] - end["value"]),
        "retreat_sigma_m": math.hypot(start["sigma"], end["sigma"]),
        "retreat_method": method,
    }


def _nearest(series: pd.DataFrame, date: Any, glacier: str, max_gap_days: float, *, first: bool) -> pd.Series:
    if date is None:
        return series.iloc[0 if first else -1]
    wanted = pd.Timestamp(as_date(date))
    gaps = (series["date"] - wanted).abs()
    row = series.iloc[int(gaps.to_numpy().argmin())]
    gap_days = int(gaps.min().days)
    if gap_days > max_gap_days:
        raise InputError(
            f"{glacier}: the observation nearest to {wanted.date()} is of {row['date'].date()}, "
            f"{counted(gap_days, 'days')} away; "
            f"allowed are {max_gap_days:g}; give a nearer date or --max-gap {gap_days}"
        )
    return row


def _change(
    key: tuple[Hashable, ...],
    series: pd.DataFrame,
    date_from: Any,
    date_to: Any,
    max_gap_days: float,
    footprints: gpd.GeoDataFrame | None,
) -> dict[str, Any]:
    glacier, dataset, source = str(key[0]), str(key[1]), str(key[2])
    clear = series[~has_flag(series["quality"], "unclear-front")]
    series = clear if len(clear) else series
    # What an image does not show is no loss: whole ones are compared where there are two.
    whole = series[~has_flag(series["quality"], "partial-coverage")]
    series = (whole if len(whole) > 1 else series).sort_values(["date", "image_id"]).reset_index(drop=True)
    start = of_its_day(_nearest(series, date_from, glacier, max_gap_days, first=True), series)
    end = of_its_day(_nearest(series, date_to, glacier, max_gap_days, first=False), series)
    loss = start["value"] - end["value"]
    sigma = math.hypot(_sigma(start), _sigma(end))
    is_one = start["date"] == end["date"]
    years = rate_years(start["date"], end["date"])
    side = _loss_bound(start, end)
    if side is None or is_one:
        # Of one date nothing is lost and nothing kept: the change is not known, and no 0.
        side, loss, sigma = side if side is None else "", math.nan, math.nan
    footprint = str(start["footprint"])
    return {
        "glacier": glacier,
        "start_date": start["date"],
        "end_date": end["date"],
        "start_area_km2": start["value"],
        "end_area_km2": end["value"],
        "loss_km2": loss,
        "loss_percent": 100 * loss / start["value"] if start["value"] > 0 else math.nan,
        "loss_sigma_km2": sigma,
        "loss_percent_sigma": math.nan
        if is_one
        else _percent_sigma(start["value"], end["value"], _sigma(start), _sigma(end)),
        "loss_per_year_km2": loss / years,
        "loss_per_year_sigma_km2": sigma / years,
        "footprint": footprint,
        "footprint_area_km2": _footprint_area(footprints, glacier, footprint, dataset),
        "qualifier": side or "",
        "note": _note(start, end) if side is not None else sentence("both-areas-bounds"),
        "dataset": dataset,
        "source": source,
        "start_row": " ".join(names_of_rows(rows_of_day(start, series), "observations")),
        "end_row": " ".join(names_of_rows(rows_of_day(end, series), "observations")),
        "start_sigma_km2": _sigma(start),
        "end_sigma_km2": _sigma(end),
    }


def _percent_sigma(start: float, end: float, start_sigma: float, end_sigma: float) -> float:
    """Return the sigma of ``100 (1 - end / start)``, the two areas erring independently; NaN without ice at first."""
    return 100 * math.hypot(end_sigma / start, end * start_sigma / start**2) if start > 0 else math.nan


def _loss_bound(start: pd.Series, end: pd.Series) -> str | None:
    """Return what is known of a loss where an area is a bound: ``at least``, ``at most``; None where nothing is."""
    return difference_bound(_side(end), _side(start))


def _side(row: pd.Series) -> str:
    return side_of_bound(str(row["quality"]), row.get("bound", ""))


def _sigma(row: pd.Series) -> float:
    """Return the sigma of an area; ice that fills its footprint has no boundary that could be in error."""
    return 0.0 if "censored" in flags_of(str(row["quality"])) else float(row["sigma"])


def _footprint_area(footprints: gpd.GeoDataFrame | None, glacier: str, footprint: str, dataset: str) -> float:
    if footprints is None:
        return math.nan
    chosen = footprints[
        (footprints["glacier"] == glacier)
        & (footprints["footprint"] == footprint)
        & (footprints["dataset"] == dataset)
    ]  # fmt: skip
    return float(chosen["area_km2"].iloc[0]) if len(chosen) else math.nan


def _note(start: pd.Series, end: pd.Series) -> str:
    notes = []
    if start["date"] == end["date"]:
        notes.append(sentence("same-observation"))
    elif math.isnan(rate_years(start["date"], end["date"])):
        notes.append(sentence("short-span"))
    notes += notes_on_ends(str(start["quality"]), str(end["quality"]))
    apart = abs(decimal_year(start["date"]) % 1 - decimal_year(end["date"]) % 1)
    # Of a year alone the season is not known.
    is_nominal = any("year-only" in flags_of(row["quality"]) for row in (start, end))
    if min(apart, 1 - apart) > _SEASON_YEARS and not is_nominal:
        notes.append(sentence("other-seasons"))
    for name, row in (("start", start), ("end", end)):
        if row["coverage"] < 1:
            notes.append(sentence(f"{name}-imaged", share=f"{100 * row['coverage']:.1f}"))
        elif "partial-coverage" in flags_of(row["quality"]):
            notes.append(sentence(f"{name}-image", why=flags_of(row["quality"])["partial-coverage"]))
        if "unclear-front" in flags_of(row["quality"]):
            notes.append(sentence(f"{name}-unclear"))
    if any("unregistered" in flags_of(row["quality"]) for row in (start, end)):
        notes.append(sentence("not-registered"))
    return "; ".join(notes)


# Footprints that only touch share slivers of rounding: no more than this share of the smaller one, or this much.
_TOUCHING_SHARE = 1e-4
_TOUCHING_KM2 = 0.01


def sum_row(table: pd.DataFrame, *, footprints: gpd.GeoDataFrame) -> pd.Series:
    """Return the sum of a retreat table over glaciers that share no ground; they may touch.

    What they share is told by the ice, where outlines were measured, else by the footprints.

    ``qualifier`` is ``at least`` or ``at most`` where that of a row is. A sum with a loss that is unknown is unknown,
    and so is one of bounds on both sides.

    Raises
    ------
    InputError
        Where two footprints overlap or a glacier has several rows: what lies in both would be counted twice; where some
        are observed and some simulated.
    """
    if table["source"].nunique() > 1:
        raise InputError("some are observed and some simulated, and what is simulated is added to no observation")
    doubled = table["glacier"][table["glacier"].duplicated()]
    if len(doubled):
        datasets = table.loc[table["glacier"] == doubled.iloc[0], "dataset"].unique()
        raise InputError(
            f"{doubled.iloc[0]} has several rows ({', '.join(datasets)}), which a sum would count twice; keep one"
        )
    wanted = set(zip(table["glacier"], table["footprint"], table["dataset"], strict=True))
    shapes = {
        row.glacier: row.geometry
        for row in measured_ground(footprints).itertuples()
        if (row.glacier, row.footprint, row.dataset) in wanted
    }
    names = list(shapes)
    # Imported series have no ground: of them only the values are known.
    for first, second in near_pairs([shapes[name] for name in names], crs=footprints.crs):
        one, other = names[first], names[second]
        shared = common_area_km2(shapes[one], shapes[other], crs=footprints.crs)
        if shared <= 0:
            continue
        smaller = min(polygon_area_km2(shapes[name], crs=footprints.crs) for name in (one, other))
        if shared > max(_TOUCHING_KM2, _TOUCHING_SHARE * smaller):
            raise InputError(
                f"the footprints of {one} and {other} share {number_text(shared)} km2, which a sum would "
                "count twice; sum the footprint 'fjord' instead"
            )
    # Of numbers, and of the text that says of which side the sum is a bound.
    total = table.sum(numeric_only=True, skipna=False).astype(object)
    for name in ("loss_sigma_km2", "start_sigma_km2", "end_sigma_km2"):
        total[name] = math.sqrt(float((table[name] ** 2).sum(skipna=False)))
    share = total["start_area_km2"] if total["start_area_km2"] > 0 else math.nan
    total["loss_percent"] = 100 * total["loss_km2"] / share
    total["loss_percent_sigma"] = _percent_sigma(
        *total[["start_area_km2", "end_area_km2", "start_sigma_km2", "end_sigma_km2"]]
    )
    sides = set(table["qualifier"]) - {""}
    total["qualifier"] = sides.pop() if len(sides) == 1 else ""
    if sides:
        total[["loss_km2", "loss_percent", "loss_per_year_km2"]] = math.nan
    return total
