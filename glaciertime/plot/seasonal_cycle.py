"""The mean cycle of a year: how far a value lies from its year's mean, month by month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from glaciertime.combining import are_bounds
from glaciertime.errors import DataNotFoundError
from glaciertime.plot.canvas import axis_label, new_axes, one_source, plain, stamp
from glaciertime.plot.choosing import chosen_series, series_name
from glaciertime.plot.points import bars_of
from glaciertime.track.record.passing import PASSING_MONTHS
from glaciertime.track.record.periods import period_means, seasonal_cycle
from glaciertime.track.record.screening import keep
from glaciertime.track.ruler.sensors import remove_sensor_offsets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.record import GlacierRecord

__all__ = ["anomalies", "seasonal"]

_MONTHS = ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D")


def seasonal(
    record: GlacierRecord,
    *,
    variable: str | None = None,
    method: str | None = None,
    footprint: str | None = None,
    dataset: str | None = None,
    front_of: str | None = None,
    ax: Axes | None = None,
    source: str = "",
    bar: bool = True,
    legend: bool = True,
) -> Axes:
    """Draw the months' means less their year's mean, each year in its colour, and their mean with its standard error.

    Only years with observations in at least six calendar months, as in the product ``cycle``, and in every quarter
    count. What a year loses is in its cycle: a glacier in steady retreat falls through the year.

    Parameters
    ----------
    record : GlacierRecord
    variable : str, optional
        Default the front position, else the area.
    method, footprint, dataset, front_of : str, optional
        Of which series.
    ax : Axes, optional
    source : str
        ``observed`` or ``simulated``; default what was observed, where there is some.
    bar : bool
        Draw the colours of the years beside the axes.
    legend : bool

    Returns
    -------
    Axes
        The caller's, or new ones. x: months, 1 to 12; y: a month's mean less its year's mean, in the unit that its
        label names (``m``, ``km²``).

    Raises
    ------
    DataNotFoundError
        Where no year has observations in six calendar months and in every quarter.
    """
    part, source = one_source(record, source)
    rows = part.observations[part.observations["value"].notna()]
    rows = chosen_series(
        rows, glacier=record.glacier, variable=variable, method=method, footprint=footprint, dataset=dataset,
        front_of=front_of, single=True,
    )  # fmt: skip
    kept = keep(rows, allow=PASSING_MONTHS)
    kept = remove_sensor_offsets(kept[~are_bounds(kept)]) if len(kept) else kept
    found = anomalies(kept)
    if found.empty:
        raise DataNotFoundError(
            f"no year of {record.glacier} ({series_name(rows.iloc[0], variable=True)}) has dates in six calendar "
            "months and every quarter: there is no cycle to draw"
        )
    ax = new_axes(ax, size=(6.4, 4.0))
    years = sorted(found["year"].unique())
    ramp, norm = mpl.colormaps["viridis"], Normalize(years[0], max(years[-1], years[0] + 1))
    for year, one in found.groupby("year"):
        ax.plot(one["month"], one["value"], "o-", color=ramp(norm(year)), markersize=3, linewidth=0.7, alpha=0.7)
    mean = found.groupby("month")["value"].agg(["mean", "sem", "count"])
    ax.errorbar(
        mean.index, mean["mean"], **bars_of(mean["sem"].tolist()), fmt="s-", color="#000000", markersize=4.5,
        linewidth=1.6, capsize=3,
        label=f"mean of up to {len(years)} years ± standard error" if len(years) > 1 else "one year, no error known",
    )  # fmt: skip
    name = str(rows["variable"].iloc[0])
    ax.axhline(0, color="#999999", linewidth=0.8)
    ax.set_xticks(range(1, 13), _MONTHS)
    ax.set(xlim=(0.5, 12.5), xlabel="month")
    label = axis_label(name, what="off its year's mean")
    ax.set_ylabel(label)
    ax.set_title(plain(series_name(rows.iloc[0], variable=True)), fontsize=10, loc="left")
    if bar and len(years) > 1:
        drawn = ax.figure.colorbar(ScalarMappable(norm, ramp), ax=ax, shrink=0.8, pad=0.02)
        drawn.set_label("year")
        drawn.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    if legend:
        ax.legend(fontsize=9, loc="best")
    stamp(ax, source)
    return ax


def anomalies(kept: pd.DataFrame) -> pd.DataFrame:
    """Return the months' means of one series less the mean of their year's months.

    Years with fewer than six months, or none in a quarter, are left out: their mean would be that of a season.

    Parameters
    ----------
    kept : DataFrame
        Observations of one series that pass the screening.

    Returns
    -------
    DataFrame
        ``year, month`` (1 to 12) and ``value`` in the unit of the series, a row for each month with observations.
    """
    empty = pd.DataFrame({"year": [], "month": [], "value": []})
    if kept.empty:
        return empty
    whole = set(seasonal_cycle(kept)["year"])
    months = period_means(kept, period="month")
    if not whole or months.empty:
        return empty
    dates = months["start_date"].dt
    found = pd.DataFrame({"year": dates.year, "month": dates.month, "value": months["value"].astype(np.float64)})
    quarters = found.groupby("year")["month"].agg(lambda one: ((one - 1) // 3).nunique())
    found = found[found["year"].isin(whole & set(quarters.index[quarters == 4]))].copy()
    found["value"] -= found.groupby("year")["value"].transform("mean")
    return found.sort_values(["year", "month"], ignore_index=True)
