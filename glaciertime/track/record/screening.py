"""Screening in time: what speaks against a front, as flags with reasons. Nothing is deleted.

The limits are those of the field: a front much shorter, longer or more winding than its neighbours in time, a retreat
undone, or an advance, faster than the ice flows. A retreat has no limit: calving is sudden.

References
----------
Zhang, E., et al. (2023), AutoTerm, doi:10.5194/tc-17-3485-2023; Greene, C. A., et al. (2024),
doi:10.1038/s41586-023-06863-2.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from glaciertime.errors import InputError
from glaciertime.tables import QUALITY_FLAGS, SERIES_KEY, flags_of, join_flags
from glaciertime.track.measurement import front_width_m
from glaciertime.track.settings import ScreeningSettings
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["advance_limit_m_per_year", "keep", "screen", "screen_fronts", "too_fast"]

# What says nothing against a value that was measured.
_HARMLESS = frozenset({"ok", "manual", "nominal-date", "sensor-offset"})

# The interquartile range is taken to be at least this share of the median.
_LEAST_SPREAD = 0.1


def _fences(
    days: NDArray[np.float64], values: NDArray[np.float64], settings: ScreeningSettings, fence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and the upper limit of each value from the quartiles of its neighbours in time."""
    low, high = np.empty_like(values), np.empty_like(values)
    order = np.argsort(days, kind="stable")
    day, value = days[order], values[order]
    count = len(day)
    starts = np.searchsorted(day, day - settings.shape_window_days, side="left")
    stops = np.searchsorted(day, day + settings.shape_window_days, side="right")
    for k in range(count):
        start, stop = starts[k], stops[k]
        while stop - start <= settings.least_neighbours and stop - start < count:
            before = day[k] - day[start - 1] if start > 0 else np.inf
            after = day[stop] - day[k] if stop < count else np.inf
            start, stop = (start - 1, stop) if before <= after else (start, stop + 1)
        first, middle, third = np.quantile(value[start:stop], [0.25, 0.5, 0.75])
        # Fronts that are all alike would make an outlier of the smallest difference.
        spread = max(third - first, _LEAST_SPREAD * middle)
        low[order[k]], high[order[k]] = first - fence * spread, third + fence * spread
    return low, high


def screen_fronts(fronts: gpd.GeoDataFrame, *, settings: ScreeningSettings | None = None) -> gpd.GeoDataFrame:
    """Flag fronts whose length or complexity lies beyond those of their neighbours in time.

    Complexity is the length of the front over the distance between its ends. Fewer than five fronts of a glacier are
    not screened.

    Parameters
    ----------
    fronts : GeoDataFrame
        The table ``fronts``.
    settings : ScreeningSettings, optional

    Returns
    -------
    GeoDataFrame
        The same rows in the same order; ``QualFlag`` holds ``outlier-length`` and ``outlier-complexity`` with reasons.
    """
    settings = settings or ScreeningSettings()
    out = fronts.copy()
    flags = [flags_of(text) for text in out["QualFlag"]]
    plane = _in_metres(out)
    lengths = plane.length.to_numpy()
    widths = np.array([front_width_m(line) for line in plane])
    with np.errstate(divide="ignore"):
        complexity = np.where(widths > 0, lengths / np.where(widths > 0, widths, 1.0), np.inf)
    days = (pd.to_datetime(out["Date"]) - pd.Timestamp("1970-01-01")).dt.days.to_numpy(dtype=float)
    for index in out.groupby("GlacierID", sort=False).indices.values():
        if len(index) < 5:
            continue
        low, high = _fences(days[index], lengths[index], settings, settings.length_fence)
        _, winding = _fences(days[index], complexity[index], settings, settings.complexity_fence)
        for k, i in enumerate(index):
            if not low[k] <= lengths[i] <= high[k]:
                flags[i]["outlier-length"] = (
                    f"{lengths[i]:.0f} m, of its neighbours expected {max(0.0, low[k]):.0f} to {high[k]:.0f} m"
                )
            if complexity[i] > winding[k]:
                flags[i]["outlier-complexity"] = (
                    f"{complexity[i]:.2f} times as long as wide, of its neighbours expected up to {winding[k]:.2f}"
                )
    out["QualFlag"] = [join_flags(each) for each in flags]
    return out


def _in_metres(fronts: gpd.GeoDataFrame) -> gpd.GeoSeries:
    if fronts.empty:
        return fronts.geometry.set_crs(None, allow_override=True)
    if fronts.crs is None or not fronts.crs.is_geographic:
        return fronts.geometry
    x_min, y_min, x_max, y_max = fronts.total_bounds
    plane = f"+proj=laea +lat_0={(y_min + y_max) / 2} +lon_0={(x_min + x_max) / 2} +ellps=WGS84 +units=m"
    return fronts.geometry.to_crs(plane)


def advance_limit_m_per_year(
    days: ArrayLike, positions_m: ArrayLike, sigmas_m: ArrayLike, *, window_days: float = 120.0
) -> float:
    """Return how fast a front has credibly advanced, from its own series; NaN where it tells nothing.

    The upper fence, third quartile plus 1.5 interquartile ranges, of the rates of advance between consecutive dates,
    each less one sigma of the difference.

    Parameters
    ----------
    days, positions_m, sigmas_m : array_like, (N,)
        In order of time; unknown sigmas count as zero.
    window_days : float
        Consecutive dates farther apart tell nothing.
    """
    day, position, sigma = (np.asarray(values, dtype=float) for values in (days, positions_m, sigmas_m))
    sigma = np.nan_to_num(sigma)
    step = np.diff(day)
    usable = (step > 0) & (step <= window_days)
    if not usable.any():
        return float("nan")
    advance = np.diff(position)[usable] - np.hypot(sigma[1:], sigma[:-1])[usable]
    rates = advance[advance > 0] / step[usable][advance > 0] * DAYS_PER_YEAR
    if len(rates) < 4:
        return float("nan")
    first, third = np.quantile(rates, [0.25, 0.75])
    return float(third + 1.5 * (third - first))


def too_fast(
    days: ArrayLike,
    positions_m: ArrayLike,
    sigmas_m: ArrayLike,
    *,
    limit_m_per_year: float,
    window_days: float = 120.0,
    sigmas: float = 2.0,
) -> dict[int, tuple[str, str]]:
    """Return which positions the ice could not have reached, with flag and reason.

    Every pair of dates within the window in which the front advances by more than ``limit * time + sigmas * sigma`` is
    a contradiction. The position in most contradictions is taken out until none is left: where it is the later one of
    most of its pairs, it lies too far out (``outlier-advance``); where the earlier one, it lies too far inland, and
    the retreat to it was undone faster than ice can flow (``outlier-jump``).

    Parameters
    ----------
    days, positions_m, sigmas_m : array_like, (N,)
        In order of time; unknown sigmas count as zero.
    limit_m_per_year : float
        How fast the ice flows.

    Returns
    -------
    dict
        Flag and reason by index.

    Examples
    --------
    >>> too_fast([0, 10, 20, 30], [0.0, 1.0, -500.0, 2.0], [1.0] * 4, limit_m_per_year=3650)[2][0]
    'outlier-jump'
    >>> too_fast([0, 10, 20, 30], [0.0, 1.0, 500.0, 2.0], [1.0] * 4, limit_m_per_year=3650)[2][0]
    'outlier-advance'
    """
    day, position, sigma = (np.asarray(values, dtype=float) for values in (days, positions_m, sigmas_m))
    sigma = np.nan_to_num(sigma)
    earlier, later = [], []
    for i in range(len(day)):
        stop = int(np.searchsorted(day, day[i] + window_days, side="right"))
        j = np.arange(i + 1, stop)
        allowed = limit_m_per_year * (day[j] - day[i]) / DAYS_PER_YEAR + sigmas * np.hypot(sigma[j], sigma[i])
        # Of one day neither is the earlier: two authors that disagree are not a flow.
        found = j[(position[j] - position[i] > allowed) & (day[j] > day[i])]
        earlier += [i] * len(found)
        later += found.tolist()
    a, b = np.array(earlier, dtype=int), np.array(later, dtype=int)
    apart_from_others = np.zeros(len(day))
    for i in np.union1d(a, b):
        near = slice(*np.searchsorted(day, [day[i] - window_days, day[i] + window_days]))
        apart_from_others[i] = abs(position[i] - np.median(position[near]))
    out: dict[int, tuple[str, str]] = {}
    while len(a):
        as_earlier, as_later = np.bincount(a, minlength=len(day)), np.bincount(b, minlength=len(day))
        # Among equals the one that lies farther from its neighbours goes first.
        worst = int(np.lexsort((apart_from_others, as_earlier + as_later))[-1])
        if as_later[worst] >= as_earlier[worst]:
            k = a[b == worst][np.argmax(position[worst] - position[a[b == worst]])]
            flag, verb = "outlier-advance", "advanced"
        else:
            k = b[a == worst][np.argmin(day[b[a == worst]])]
            flag, verb = "outlier-jump", "undone, advancing"
        change, apart = abs(position[worst] - position[k]), abs(day[worst] - day[k])
        out[worst] = (flag, f"{verb} {change:.0f} m in {apart:.0f} days, the ice flows {limit_m_per_year:.0f} m a year")
        left = (a != worst) & (b != worst)
        a, b = a[left], b[left]
    return out


def screen(
    observations: pd.DataFrame,
    *,
    fronts: gpd.GeoDataFrame | None = None,
    settings: ScreeningSettings | None = None,
) -> pd.DataFrame:
    """Flag front positions that do not fit their series, and all observations of fronts that do not.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``.
    fronts : GeoDataFrame, optional
        Of :func:`screen_fronts`: its flags go to the front positions and widths of the same image.
    settings : ScreeningSettings, optional

    Returns
    -------
    DataFrame
        The same rows in the same order, ``quality`` with the flags found and their reasons.
    """
    settings = settings or ScreeningSettings()
    out = observations.reset_index(drop=True).copy()
    flags = [flags_of(text) for text in out["quality"]]
    if fronts is not None:
        _flags_from_fronts(out, flags, fronts)
    usable = (out["variable"] == "front_position_m") & out["value"].notna()
    usable &= ~pd.Series([bool({"failed", "year-only"} & each.keys()) for each in flags], dtype=bool)
    for _, series in out[usable].groupby(list(SERIES_KEY), sort=False):
        series = series.sort_values(["date", "image_id"])
        days = (series["date"] - pd.Timestamp("1970-01-01")).dt.days.to_numpy(dtype=float)
        values, sigmas = series["value"].to_numpy(), series["sigma"].to_numpy()
        limit = settings.ice_speed_m_per_year
        if limit is None:
            limit = advance_limit_m_per_year(days, values, sigmas, window_days=settings.flow_window_days)
        if not np.isfinite(limit):
            continue
        found = too_fast(
            days, values, sigmas, limit_m_per_year=limit, window_days=settings.flow_window_days, sigmas=settings.sigmas
        )
        origin = "" if settings.ice_speed_m_per_year is not None else " by its own series"
        for k, (flag, reason) in found.items():
            flags[series.index[k]][flag] = reason + origin
    out["quality"] = [join_flags(each) for each in flags]
    return out


def _flags_from_fronts(out: pd.DataFrame, flags: list[dict[str, str]], fronts: gpd.GeoDataFrame) -> None:
    by_image: dict[tuple[Hashable, ...], dict[str, str]] = {}
    for glacier, date, image, text in zip(
        fronts["GlacierID"], fronts["Date"], fronts["ImageID"], fronts["QualFlag"], strict=True
    ):
        found = {key: reason for key, reason in flags_of(text).items() if key.startswith("outlier-")}
        if found:
            by_image[(glacier, date, image)] = found
    if not by_image:
        return
    rows = zip(out["variable"], out["glacier"], out["date"], out["image_id"], flags, strict=True)
    for variable, glacier, date, image, row_flags in rows:
        if variable in ("front_position_m", "front_width_m"):
            row_flags.update(by_image.get((glacier, date, image), {}))


def keep(observations: pd.DataFrame, *, allow: Collection[str] = ()) -> pd.DataFrame:
    """Return the observations that nothing speaks against, and those whose flags are all allowed.

    Always kept are rows with no flag but ``manual``, ``nominal-date`` and ``sensor-offset``; never rows without a
    value.

    Parameters
    ----------
    observations : DataFrame
    allow : collection of str
        Further flags to let pass, such as ``partial-coverage``; ``all`` lets every flag pass.

    Raises
    ------
    InputError
        For an unknown flag.
    """
    unknown = set(allow) - set(QUALITY_FLAGS) - {"all"}
    if unknown:
        raise InputError(f"unknown flag '{sorted(unknown)[0]}'; known are all, {', '.join(QUALITY_FLAGS)}")
    passing = set(QUALITY_FLAGS) if "all" in allow else _HARMLESS | set(allow)
    good = observations["quality"].map(lambda text: flags_of(text).keys() <= passing).astype(bool)
    return observations[good & observations["value"].notna()].reset_index(drop=True)
