"""Forecasts of what an archive holds: which series of a glacier, which others to learn from, the front itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import geopandas as gpd

from glaciertime.errors import InputError
from glaciertime.forecast.models import get_models, model_names
from glaciertime.forecast.predict import target_dates_until
from glaciertime.forecast.series import Series, series_from_observations
from glaciertime.record import GlacierRecord
from glaciertime.units import true_plane

__all__ = ["choose_series", "default_models", "other_glaciers", "predict_contours"]


def choose_series(
    record: GlacierRecord,
    *,
    variable: str | None = None,
    method: str | None = None,
    footprint: str | None = None,
    dataset: str | None = None,
) -> list[Series]:
    """Return the series of a glacier that are to be forecast.

    Where no more is said: the area in the box and the front position along the centreline, or what there is instead;
    observed series, and simulated ones only where nothing was observed.

    Raises
    ------
    InputError
        Where nothing matches; the message names what there is.
    """
    series = series_from_observations(
        record.observations, glacier=record.glacier, variable=variable, method=method, footprint=footprint,
        dataset=dataset,
    )  # fmt: skip
    if dataset is None and any(one.source == "observed" for one in series):
        series = [one for one in series if one.source == "observed"]
    if footprint is None:
        series = _latest_runs(series)
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


def default_models() -> list[str]:
    """Return the forecasters that are run where none is named: the simple ones to compare with, and the best."""
    return [name for name in ("last", "drift", "arima", "auto") if name in model_names()]


def _rank(series: Series, first: Sequence[str]) -> int:
    named = [name for name in first if name in (series.footprint, series.method)]
    return first.index(named[0]) if named else len(first)


def other_glaciers(record: GlacierRecord, series: Series, *, models: Sequence[str]) -> list[Series]:
    """Return the series of the same variable of other glaciers; none where no model learns from them.

    Parameters
    ----------
    record : GlacierRecord
        Of the glacier whose series is forecast; the others are those of its archive.
    series : Series
    models : sequence of str
    """
    if not any(model.is_global for model in get_models(models)):
        return []
    rows = record.archive.read("observations", variable=series.variable, source=series.source)
    rows = rows[rows["glacier"] != series.glacier]
    return series_from_observations(rows) if rows["value"].notna().any() else []


def predict_contours(
    record: GlacierRecord, *, until: str, model: str, cutoff: str | None = None, source: str | None = None
) -> gpd.GeoDataFrame:
    """Return the fronts predicted for a glacier up to a date, with their bands; see ``forecast.forecast_contour``.

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
    positions = part.observations[part.observations["variable"] == "front_position_m"]
    series = series_from_observations(positions, glacier=glacier)[0]
    if cutoff is not None:
        series = series.until(cutoff)
    from glaciertime.forecast.front.contour import forecast_contour

    return forecast_contour(
        part.fronts,
        centreline=lines.to_crs(crs).geometry.iloc[0],
        crs=crs,
        target_dates=target_dates_until(series, until),
        model=model,
        cutoff=cutoff,
    )
