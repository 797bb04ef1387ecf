"""What has been lost since the first date: retreat in metres, or area."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from glaciertime.combining import are_bounds, one_per_day
from glaciertime.errors import DataNotFoundError
from glaciertime.known_dates import known_date
from glaciertime.plot.canvas import axis_label, colours, date_axis, new_axes, one_source, plain, stamp
from glaciertime.plot.choosing import ORDER, chosen_series, series_name
from glaciertime.plot.points import bars_of
from glaciertime.tables import by_series
from glaciertime.track.record.passing import PASSING
from glaciertime.track.record.screening import keep
from glaciertime.track.ruler.sensors import remove_sensor_offsets

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from glaciertime.record import GlacierRecord

__all__ = ["retreat"]

_WORDS = {"front_position_m": "retreat", "length_m": "retreat", "length_change_m": "retreat", "area_km2": "area lost"}


def retreat(
    record: GlacierRecord,
    *,
    variable: str | None = None,
    method: str | None = None,
    footprint: str | None = None,
    dataset: str | None = None,
    front_of: str | None = None,
    ax: Axes | None = None,
    source: str = "",
    legend: bool = True,
) -> Axes:
    """Draw what a glacier lost since the first date of each series, with one standard deviation; less ice is up.

    The loss at a date is the value at the first date less that at the date, its sigma ``sqrt(s_0^2 + s_t^2)``: the two
    err independently. Values that are flagged or bounds are left out, and the legend says how many; offsets between
    sensors are removed, as they are in the products.

    Parameters
    ----------
    record : GlacierRecord
    variable : str, optional
        Default the front position, else the area, else the length.
    method, footprint, dataset, front_of : str, optional
        Of which series; areas are drawn of one footprint, by default the box.
    ax : Axes, optional
    source : str
        ``observed`` or ``simulated``; default what was observed, where there is some.
    legend : bool

    Returns
    -------
    Axes
        The caller's, or new ones. x: dates (UTC days); y: what was lost since the first date in the unit that its label
        names (``m``, ``km²``), 0 at the first date, positive for less ice.

    Raises
    ------
    DataNotFoundError, UsageError
        Where no series has two values, or none is of that name.
    """
    part, source = one_source(record, source)
    told = part.observations[part.observations["value"].notna()]
    told = chosen_series(
        told, glacier=record.glacier, variable=variable, method=method, footprint=footprint, dataset=dataset,
        front_of=front_of, prefer=ORDER,
    )  # fmt: skip
    kept = keep(told, allow=PASSING)
    kept = remove_sensor_offsets(kept[~are_bounds(kept)]) if len(kept) else kept
    ax = new_axes(ax, size=(9.0, 3.6))
    counts = {key: len(rows) for key, rows in by_series(told, sort=False)}
    apart, drawn = told["dataset"].nunique() > 1, 0
    for colour, (key, rows) in zip(colours(), by_series(kept, sort=False), strict=False):
        days = one_per_day(rows).sort_values("date")
        if len(days) < 2:
            continue
        left_out = counts[key] - len(rows)
        _draw(ax, days, colour, _label(rows, apart=apart, left_out=left_out, since=days["date"].iloc[0]))
        drawn += 1
    if not drawn:
        raise DataNotFoundError(f"{record.glacier} has no series of two dates that nothing speaks against")
    name = str(told["variable"].iloc[0])
    ax.axhline(0, color="#999999", linewidth=0.8)
    ax.set_ylabel(axis_label(name, what=_WORDS.get(name, "first value less the value")))
    date_axis(ax)
    if legend:
        ax.legend(fontsize=9, loc="best")
    stamp(ax, source)
    return ax


def _label(rows: pd.DataFrame, *, apart: bool, left_out: int, since: pd.Timestamp) -> str:
    name = ", ".join(filter(None, (series_name(rows.iloc[0]), str(rows["dataset"].iloc[0]) if apart else "")))
    out = f" ({left_out} flagged or bounds left out)" if left_out else ""
    return plain(f"{name or 'values'}, since {known_date(rows, since).isoformat()}{out}")


def _draw(ax: Axes, days: pd.DataFrame, colour: str, label: str) -> None:
    loss = days["value"].iloc[0] - days["value"].to_numpy()
    sigma = np.hypot(days["sigma"].iloc[0], days["sigma"].to_numpy())
    sigma[0] = 0.0  # the first date against itself
    ax.plot(days["date"], loss, color=colour, linewidth=0.8, alpha=0.6)
    ax.errorbar(
        days["date"], loss, **bars_of(sigma), fmt="o", markersize=3, color=colour, elinewidth=1, capsize=2, label=label,
    )  # fmt: skip
