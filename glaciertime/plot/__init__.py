"""Plots of a glacier on the caller's matplotlib axes: fronts, series, forecasts, retreat, the seasonal cycle.

Every function takes a :class:`glaciertime.GlacierRecord` (``confusion`` an evaluation) and ``ax``; without one it makes
a figure. It draws, labels its axes with their units, marks what is simulated, and returns the axes. matplotlib is
imported by the first plot, not before.
"""

from __future__ import annotations

from glaciertime.lazy import names_on_first_use

__all__ = ["KINDS", "confusion", "fan", "fronts", "retreat", "seasonal", "series"]

#: The plots there are, and what each shows.
KINDS = {
    "fronts": "the calving fronts on a map, coloured by the rank of their date",
    "series": "a variable against its date, with one standard deviation",
    "fan": "a forecast with its intervals behind what was observed",
    "retreat": "what has been lost since the first date, with one standard deviation",
    "seasonal": "the mean cycle of a year, with its standard error",
    "confusion": "the confusion matrix of an evaluation",
}

__getattr__, __dir__ = names_on_first_use(
    __name__,
    {
        "confusion_matrix": ("confusion",),
        "forecast_fan": ("fan",),
        "front_map": ("fronts",),
        "retreat_curve": ("retreat",),
        "seasonal_cycle": ("seasonal",),
        "time_series": ("series",),
    },
)
