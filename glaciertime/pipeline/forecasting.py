"""Forecasts of what an archive holds: which series of a glacier, which others to learn from, the front itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import geopandas as gpd
import pandas as pd

from glaciertime.errors import InputError
from glaciertime.forecast.models import model_names
from glaciertime.forecast.predict import target_dates_until
from glaciertime.forecast.series import Series, series_from_observations
from glaciertime.record import GlacierRecord
from glaciertime.tables import SERIES_KEY
from glaciertime.units import true_plane

__all__ = ["choose_series", "default_models", "front_of_contours", "predict_contours"]


def choose_series(
    record: GlacierRecord,
    *,
    variable: str | None = None,
    method: str | None = None,
    footprint: str | None = None,
    dataset: str | None = None,
    front_of: str | None = None,
) -> list[Series]:
    """Return the series of a glacier that are to be forecast.

    Of a record whose fronts were of several kinds one after the other, the present one is taken where ``front_of``
    names none.

    Where no more is said: the area in the box and the front position along the centreline, or what there is instead;
    observed series, and simulated ones only where nothing was observed.

    Raises
    ------
    InputError
        Where nothing matches; the message names what there is.
    """
    series = series_from_observations(
        record.observations, glacier=record.glacier, variable=variable, method=method, footprint=footprint,
        dataset=dataset, front_of=front_of,
    )  # fmt: skip
    if dataset is None and any(one.source == "observed" for one in series):
        series = [one for one in series if one.source == "observed"]
    if footprint is None:
        series = _latest_runs(series)
    series = _present_fronts(series, record.observations, is_told=front_of is not None)
    if variable is not None:
        return series
    chosen: list[Series] = []
    for name, first in (("area_km2", ("box", "fjord")), ("front_position_m", ("centreline", "curvilinear-box"))):
        of_variable = [one for one in series if one.variable == name]
        ranked = sorted(of_variable, key=lambda one: _rank(one, first))
        best = _rank(ranked[0], first) if ranked else None
        chosen += [one for one in ranked if _rank(one, first) == best]
    if chosen:
        return chosen
    return [one for one in series if one.variable == series[0].variable]


def _latest_runs(series: list[Series]) -> list[Series]:
    """Return the series without the runs of changes that ended before a gap, behind which another begins."""
    runs: dict[tuple[str, ...], list[Series]] = {}
    for one in series:
        if one.footprint.startswith("since "):
            runs.setdefault((one.variable, one.method, one.dataset), []).append(one)
    last = {key: max(held, key=lambda one: one.dates[-1]) for key, held in runs.items()}
    kept = []
    for one in series:
        key = (one.variable, one.method, one.dataset)
        if not one.footprint.startswith("since ") or len(runs[key]) == 1:
            kept.append(one)
        elif one is last[key]:
            told = f"{len(runs[key]) - 1} earlier left out, which a gap parts from it; --footprint names one"
            kept.append(replace(one, notes=(*one.notes, told)))
    return kept


def _present_fronts(series: list[Series], rows: pd.DataFrame, *, is_told: bool) -> list[Series]:
    """Return the series without those of a kind of front that another has followed, and say of each what it is not."""
    kept = []
    for one in series:
        same = [other for other in series if other.key[:-1] == one.key[:-1] and other.source == one.source]
        latest = max(same, key=lambda other: other.dates[-1])
        if one is not latest:
            continue
        told = []
        gone = [f"{other.front_of or 'unknown'} (to {other.dates[-1]})" for other in same if other is not one]
        if gone:
            told.append(
                f"of {one.front_of or 'unknown'}; {', '.join(gone)} left out, another front: --front-of names one"
            )
        name = dict(zip(SERIES_KEY[:-1], one.key[:-1], strict=True))
        here = rows[(rows[list(name)] == pd.Series(name)).all(axis=1) & (rows["source"] == one.source)]
        after = here[(here["front_of"] != one.front_of) & (here["date"] > pd.Timestamp(one.dates[-1]))]
        if len(after) and not is_told:
            now = after.sort_values("date")["front_of"].iloc[-1] or "unknown"
            told.append(
                f"of {one.front_of or 'unknown'}, which it is no longer: from {after['date'].min():%Y-%m-%d} on it is "
                f"of {now}, without a value to forecast from"
            )
        kept.append(replace(one, notes=(*one.notes, *told)) if told else one)
    return kept


def default_models() -> list[str]:
    """Return the forecasters that are run where none is named: the simple ones to compare with, and the best."""
    return [name for name in ("last", "drift", "arima", "auto") if name in model_names()]


def _rank(series: Series, first: Sequence[str]) -> int:
    named = [name for name in first if name in (series.footprint, series.method)]
    return first.index(named[0]) if named else len(first)


def predict_contours(
    record: GlacierRecord,
    *,
    until: str,
    model: str,
    cutoff: str | None = None,
    source: str | None = None,
    front_of: str | None = None,
) -> gpd.GeoDataFrame:
    """Return the fronts predicted for a glacier up to a date, with their bands; see ``forecast.forecast_contour``.

    Fronts of one kind: ``front_of``, else that of the latest one.

    Raises
    ------
    InputError
        Where the archive holds no front of the glacier, or no centreline to carry it along.
    """
    glacier = record.glacier
    sources = sorted(record.fronts["source"].unique())
    if not sources:
        raise InputError(
            f"{glacier}: the archive holds no calving front with a place on Earth; there is none to predict"
        )
    part = record.of(source or sources[0])
    if part.centrelines.empty:
        raise InputError(f"{glacier}: no centreline to carry its front along; draw one in a manifest and track again")
    lines = part.centrelines
    crs = true_plane(lines.geometry.iloc[0], crs=lines.crs)
    kind, _ = front_of_contours(part, front_of=front_of)
    positions = part.observations[part.observations["variable"] == "front_position_m"]
    series = series_from_observations(positions, glacier=glacier, front_of=kind)[0]
    if cutoff is not None:
        series = series.until(cutoff)
    from glaciertime.forecast.front.contour import forecast_contour

    return forecast_contour(
        part.fronts[part.fronts["front_of"] == kind],
        centreline=lines.to_crs(crs).geometry.iloc[0],
        crs=crs,
        target_dates=target_dates_until(series, until),
        model=model,
        cutoff=cutoff,
    )


def front_of_contours(record: GlacierRecord, *, front_of: str | None = None) -> tuple[str, str]:
    """Return the kind of front that is to be predicted, and what is left out for it as a text.

    Raises
    ------
    InputError
        Where the record holds no front of the kind that is asked for.
    """
    fronts = record.fronts
    last = fronts.groupby("front_of")["Date"].max()
    if front_of is not None and front_of not in last:
        known = ", ".join(kind or "unknown" for kind in last.index) or "none"
        raise InputError(f"{record.glacier}: no front of {front_of or 'unknown'}; there are some of {known}")
    kind = front_of if front_of is not None else str(last.idxmax()) if len(last) else ""
    gone = [f"{other or 'unknown'} (to {day:%Y-%m-%d})" for other, day in last.items() if other != kind]
    if front_of is not None or not gone:
        return kind, ""
    return kind, f"of {kind or 'unknown'}; {', '.join(gone)} left out, another front: --front-of names one"
