"""A forecast with its intervals behind what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from glaciertime.errors import DataNotFoundError
from glaciertime.forecast.judged.verdict import verdicts
from glaciertime.forecast.scenario import PREFIX
from glaciertime.forecast.series import Series, series_from_observations
from glaciertime.known_dates import known_date
from glaciertime.plot.canvas import axis_label, date_axis, doubtful, new_axes, one_source, plain, stamp
from glaciertime.plot.choosing import chosen_series, named, series_name
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
        The title names the model, the series and the last date that the forecast knew.

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
    draw_fan(ax, seen, rows, legend=legend)
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


def draw_fan(ax: Axes, observations: pd.DataFrame, rows: pd.DataFrame, *, legend: bool = True) -> None:
    """Draw what was observed of one series and one model's forecast of it.

    Parameters
    ----------
    ax : Axes
    observations : DataFrame
        Rows of one series.
    rows : DataFrame
        Rows of the table ``forecasts`` of that series, of one model and cutoff; intervals of 50, 80 and 95 % are drawn
        where they are.
    legend : bool
    """
    # The series as a forecast sees it: one value a day, no bounds and no parts of a footprint.
    seen = _points(series_from_observations(observations)[0])
    doubted = doubtful(seen["quality"])
    cutoff = rows["cutoff"].max()
    span = rows["target_date"].max() - cutoff
    recent = seen["date"] >= cutoff - max(5 * span, pd.Timedelta(days=3653))
    shown, aside = seen[recent & ~doubted], seen[recent & doubted]
    # A fan starts where the series that it was made from ends: what the screening set aside was no part of it.
    used = _points(series_from_observations(observations)[0].screened())
    last = used[used["date"] <= cutoff].iloc[-1:]
    ax.plot(shown["date"], shown["value"], color=_DARK, linewidth=0.8)
    ax.errorbar(
        shown["date"], shown["value"], yerr=shown["sigma"].fillna(0.0), fmt="o", markersize=2.5, color=_DARK,
        elinewidth=0.8, label="series",
    )  # fmt: skip
    if len(aside):
        ax.plot(
            aside["date"], aside["value"], "o", markersize=4, markerfacecolor="none", color=_DARK, alpha=0.7,
            label="flagged",
        )  # fmt: skip
    wide = rows.assign(quantile=rows["quantile"].round(4)).pivot_table(
        index="target_date", columns="quantile", values="value"
    )
    dates = wide.index
    for level, alpha in ((0.95, 0.15), (0.8, 0.22), (0.5, 0.32)):
        low, high = round((1 - level) / 2, 4), round((1 + level) / 2, 4)
        if low in wide and high in wide:
            ax.fill_between(dates, wide[low], wide[high], color=_BLUE, alpha=alpha, linewidth=0, label=f"{level:.0%}")
    middle = pd.concat([last.set_index("date")["value"], wide[0.5]])
    ax.plot(middle.index, middle, color=_BLUE, linewidth=1.4, label="median")
    ax.set_ylabel(axis_label(str(rows["variable"].iloc[0])))
    date_axis(ax)
    if legend:
        ax.legend(fontsize=9, loc="best")


def _points(series: Series) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "date": series.dates.astype("M8[s]"), "value": series.values, "sigma": series.sigma,
            "quality": series.quality,
        }
    )  # fmt: skip
