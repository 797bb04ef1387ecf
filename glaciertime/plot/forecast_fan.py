"""A forecast with its intervals behind what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from glaciertime.errors import DataNotFoundError
from glaciertime.forecast.judged.verdict import verdicts
from glaciertime.forecast.scenario import PREFIX
from glaciertime.known_dates import known_date
from glaciertime.plot.canvas import ENGLISH, PlotWords, axis_label, date_axis, new_axes, one_source, plain, stamp
from glaciertime.plot.choosing import chosen_series, named, series_name
from glaciertime.plot.points import FanPoints, Point, bars_of, fan_points, of_kind
from glaciertime.plot.time_series import dates_and_values, draw_flagged
from glaciertime.tables import SERIES_KEY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.record import GlacierRecord

__all__ = ["draw_fan", "fan"]

_BLUE, _DARK = "#0072b2", "#333333"


def fan(
    record: GlacierRecord,
    *,
    model: str | None = None,
    variable: str | None = None,
    method: str | None = None,
    footprint: str | None = None,
    dataset: str | None = None,
    front_of: str | None = None,
    ax: Axes | None = None,
    source: str = "",
    legend: bool = True,
) -> Axes:
    """Draw one forecast: median and intervals of 50, 80 and 95 %, where they are, behind the series it was made from.

    Parameters
    ----------
    record : GlacierRecord
    model : str, optional
        Default the one that the backtest says to use, else the first that was stored; a scenario only if named.
    variable, method, footprint, dataset, front_of : str, optional
        Of which series; default the front position, else the area.
    ax : Axes, optional
    source : str
        ``observed`` or ``simulated``; default what was observed, where there is some.
    legend : bool

    Returns
    -------
    Axes
        The caller's, or new ones. x: dates (UTC days); y: the variable in the unit that its label names. The title
        names the model, the series and the last date that the forecast knew.

    Raises
    ------
    DataNotFoundError, UsageError
        Where there is no forecast, or none of that name.
    """
    part, source = one_source(record, source)
    rows = part.forecasts[part.forecasts["status"] == "ok"] if len(part.forecasts) else part.forecasts
    if rows.empty:
        raise DataNotFoundError(
            f"the archive holds no forecast of {record.glacier} ({source}); run glaciertime forecast --glacier "
            f"{record.glacier} --until YEAR first"
        )
    rows = chosen_series(
        rows, glacier=record.glacier, variable=variable, method=method, footprint=footprint, dataset=dataset,
        front_of=front_of, single=True,
    )  # fmt: skip
    if model is None:
        model = _model(rows[rows["cutoff"] == rows["cutoff"].max()], part.scores)
    rows = named(rows, "model", model, record.glacier)
    rows = rows[rows["cutoff"] == rows["cutoff"].max()]
    key = rows[list(SERIES_KEY)].iloc[0].fillna("")
    seen = part.observations[(part.observations[list(SERIES_KEY)].fillna("") == key).all(axis=1)]
    if seen["value"].notna().sum() == 0:
        raise DataNotFoundError(
            f"the series that {model} forecast is no longer in the archive; run glaciertime forecast --glacier "
            f"{record.glacier} again"
        )
    ax = new_axes(ax, size=(6.4, 4.0))
    draw_fan(ax, fan_points(seen, rows)[model])
    ax.set_ylabel(axis_label(str(rows["variable"].iloc[0])))
    if legend:
        ax.legend(fontsize=9, loc="best")
    assumed = "SCENARIO, no forecast: " if model.startswith(PREFIX) else ""
    cutoff = known_date(seen, rows["cutoff"].iloc[0]).isoformat()
    ax.set_title(
        plain(f"{assumed}{model}, {series_name(rows.iloc[0])}, from values up to {cutoff}"),
        fontsize=10, loc="left", wrap=True,
    )  # fmt: skip
    stamp(ax, source)
    return ax


def _model(rows: pd.DataFrame, scores: pd.DataFrame) -> str:
    """Return the model that the backtest of a series says to use, where it was stored, else the first that is there."""
    held = [str(name) for name in dict.fromkeys(rows["model"])]
    plain_ones = [name for name in held if not name.startswith(PREFIX)] or held
    if len(scores):
        key = rows[list(SERIES_KEY)].iloc[0].fillna("")
        own = scores[(scores[list(SERIES_KEY)].fillna("") == key).all(axis=1)]
        for use in verdicts(own)["use"] if len(own) else ():
            if use in plain_ones:
                return str(use)
    return plain_ones[0]


def draw_fan(ax: Axes, points: FanPoints, *, words: PlotWords = ENGLISH) -> None:
    """Draw one model's forecast behind what was observed; what draws a fan anywhere draws it here.

    Parameters
    ----------
    ax : Axes
        Its y axis and its legend are the caller's to label.
    points : FanPoints
        Intervals of 50, 80 and 95 % are drawn where they are.
    words : PlotWords
    """
    if good := of_kind(points.seen, "ok"):
        ax.plot(*dates_and_values(good), color=_DARK, linewidth=0.8)
        ax.errorbar(
            *dates_and_values(good), **bars_of([point.sigma for point in good]), fmt="o", markersize=2.5, color=_DARK,
            elinewidth=0.8, label=words.series,
        )  # fmt: skip
    # An interval of one date alone is no area: it opens from what the forecast starts from.
    opens = [points.last] if len(points.dates) == 1 and points.last is not None else []
    dates: Any = [*(point.date for point in opens), *points.dates]
    for level, alpha in ((0.95, 0.15), (0.8, 0.22), (0.5, 0.32)):
        low, high = (points.quantiles.get(round((1 + side * level) / 2, 4)) for side in (-1, 1))
        if low and high:
            share = f"{100 * level:.0f}\u202f%"
            low, high = ([*(point.value for point in opens), *end] for end in (low, high))
            ax.fill_between(dates, low, high, color=_BLUE, alpha=alpha, linewidth=0, label=share)
    if middle := points.quantiles.get(0.5):
        start = [] if points.last is None else [points.last]
        line = [*start, *(Point(date=date, value=value) for date, value in zip(points.dates, middle, strict=True))]
        ax.plot(*dates_and_values(line), color=_BLUE, linewidth=1.4, label=words.median)
    if flagged := of_kind(points.seen, "flagged"):
        draw_flagged(ax, flagged, _DARK, words.flagged)
    date_axis(ax, words)
