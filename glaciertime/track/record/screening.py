"""Screening in time: what speaks against a front, as flags with reasons. Nothing is deleted.

A front much shorter, longer or more winding than its neighbours in time; a position off its neighbours on both sides;
and, where the speed of the ice is known, a retreat undone, or an advance, faster than the ice flows. A change that
stays is never flagged: calving is sudden, and so are surges. Nor is a front whose own image shows it clearly, by its
shape or its series alone: then it is unconfirmed, which speaks against nothing. What is unreliable by itself judges no
other.

References
----------
Zhang, E., et al. (2023), AutoTerm, doi:10.5194/tc-17-3485-2023; Greene, C. A., et al. (2024),
doi:10.1038/s41586-023-06863-2.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
from numpy.typing import ArrayLike, NDArray

from glaciertime.errors import InputError
from glaciertime.sentences import sentence
from glaciertime.tables import QUALITY_FLAGS, SERIES_KEY, UNRELIABLE, by_series, flags_of, has_flag, join_flags
from glaciertime.track.measurement import front_ends
from glaciertime.track.record.spikes import LEAST_KNOWN, LEAST_UNKNOWN, Suspect, suspects
from glaciertime.track.settings import ScreeningSettings
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["keep", "not_screened", "screen", "screen_fronts", "screen_record", "screening_notes", "too_fast"]

# What says nothing against a value that was measured.
_HARMLESS = frozenset(
    {"ok", "manual", "nominal-date", "sensor-offset", "coregistered", "source-flag", "unconfirmed", "seen-clearly"}
)

_WGS84 = pyproj.Geod(ellps="WGS84")

# What the reasons of flags made here hold; those that a data set came with stay when a record is screened again.
_REASONS = {
    "outlier-length": ("of its neighbours expected",),
    "outlier-complexity": ("of its neighbours expected",),
    "outlier-jump": ("by its own series", "the ice flows"),
    "outlier-advance": ("the ice flows",),
    "unconfirmed": (
        "where the values on one side of it lead",
        "the ice flows",
        "the only one of its season",
        "in its image",
    ),
}

# Values of one season lie within so many days of the year, and one of another season so far from all of them.
_SEASON_DAYS, _OFF_SEASON_DAYS = 120.0, 45.0
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

    Complexity is the length of the front over the distance between its ends. Fewer than five fronts of a glacier,
    data set and kind are not screened.

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
    lengths, widths = _lengths_m(out)
    with np.errstate(divide="ignore"):
        complexity = np.where(widths > 0, lengths / np.where(widths > 0, widths, 1.0), np.inf)
    days = (pd.to_datetime(out["Date"]) - pd.Timestamp("1970-01-01")).dt.days.to_numpy(dtype=float)
    keys = [name for name in ("GlacierID", "dataset", "front_of") if name in out]
    for index in out.groupby(keys, sort=False, dropna=False).indices.values():
        if len(index) < 5:
            continue
        low, high = _fences(days[index], lengths[index], settings, settings.length_fence)
        _, winding = _fences(days[index], complexity[index], settings, settings.complexity_fence)
        for k, i in enumerate(index):
            if not low[k] <= lengths[i] <= high[k]:
                _add(
                    flags[i], "outlier-length",
                    sentence("odd-length", length=f"{lengths[i]:.0f}", low=f"{max(0.0, low[k]):.0f}",
                             high=f"{high[k]:.0f}"),
                )  # fmt: skip
            if complexity[i] > winding[k]:
                _add(
                    flags[i], "outlier-complexity",
                    sentence("odd-shape", times=f"{complexity[i]:.2f}", most=f"{winding[k]:.2f}"),
                )  # fmt: skip
    out["QualFlag"] = [join_flags(each) for each in flags]
    return out


def _add(flags: dict[str, str], flag: str, reason: str) -> None:
    """Add an outlier to flags: unconfirmed where its image shows the front clearly, for a season is no error."""
    if "seen-clearly" not in flags:
        flags[flag] = reason
    else:
        flags["unconfirmed"] = sentence("clear-in-image", why=reason)


def _lengths_m(fronts: gpd.GeoDataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lengths of fronts and the distances between their ends: on the ellipsoid, each by itself."""
    ends = np.array([front_ends(line).ravel() for line in fronts.geometry]).reshape(-1, 4)
    if fronts.crs is None or not fronts.crs.is_geographic:
        return fronts.geometry.length.to_numpy(), np.hypot(ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1])
    lengths = np.array([_WGS84.geometry_length(line) for line in fronts.geometry])
    return lengths, np.asarray(_WGS84.inv(*ends.T)[2], dtype=float) if len(ends) else np.zeros(0)


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
            flag, code = "outlier-advance", "advanced-too-fast"
        else:
            k = b[a == worst][np.argmin(day[b[a == worst]])]
            flag, code = "outlier-jump", "undone-too-fast"
        change, apart = abs(position[worst] - position[k]), abs(day[worst] - day[k])
        numbers = {"change": f"{change:.0f}", "days": f"{apart:.0f}", "limit": f"{limit_m_per_year:.0f}"}
        out[worst] = (flag, sentence(code, **numbers))
        left = (a != worst) & (b != worst)
        a, b = a[left], b[left]
    return out


def screen(
    observations: pd.DataFrame,
    *,
    fronts: pd.DataFrame | None = None,
    settings: ScreeningSettings | None = None,
) -> pd.DataFrame:
    """Flag front positions that do not fit their series, and all observations of fronts that do not.

    A position that lies off its neighbours on both sides is ``outlier-jump``; at an end of the record, where no other
    side tells, and where it is the only one of its season, it is ``unconfirmed``, which speaks against nothing. Where
    the speed of the ice is known, so is an advance faster than it (``outlier-advance``) and a retreat undone faster. A
    change that later values do not reverse is never flagged, and none of a glacier that surges unless it is undone
    within ``flow_window_days``. Of a front that its image shows clearly (``seen-clearly``) what lies off its series is
    ``unconfirmed``. Values that are ``unclear-front`` or ``unlike-training`` are judged by all, and judge no other.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``.
    fronts : DataFrame, optional
        Of :func:`screen_fronts`: its flags go to the front positions and widths of the same image and data set.
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
    for _, series in _screenable(out):
        days, values, sigmas = _arrays(series)
        found: dict[int, tuple[str, str]] = {}
        if settings.ice_speed_m_per_year is not None:
            contradictions = too_fast(
                days, values, sigmas, limit_m_per_year=settings.ice_speed_m_per_year,
                window_days=settings.flow_window_days, sigmas=settings.sigmas,
            )  # fmt: skip
            found = _undone(contradictions, values)
        for suspect in _suspects(series, days, values, sigmas):
            if settings.surging and not _undone_at_once(suspect.index, days, settings.flow_window_days):
                continue
            if suspect.index not in found:
                alone = suspect.is_confirmed and _is_alone_in_season(suspect.index, days)
                flag, reason = _said(suspect, is_alone_in_season=alone)
                own = flags[series.index[suspect.index]]
                if flag == "outlier-jump":
                    _add(own, flag, reason)
                else:
                    own[flag] = reason
        for k, (flag, reason) in found.items():
            flags[series.index[k]][flag] = reason
    out["quality"] = [join_flags(each) for each in flags]
    return out


def screen_record(
    fronts: Sequence[gpd.GeoDataFrame], observations: pd.DataFrame, *, settings: ScreeningSettings
) -> tuple[list[gpd.GeoDataFrame], pd.DataFrame]:
    """Screen a whole record anew: flags that an earlier screening left are taken back first, others stay.

    However a record grew, its flags are then those of one screening of all of it.

    Parameters
    ----------
    fronts : sequence of GeoDataFrame
        Tables ``fronts``, each screened by itself: one in longitude and latitude, one of local frames.
    observations : DataFrame
        The table ``observations``.
    settings : ScreeningSettings

    Returns
    -------
    list of GeoDataFrame, DataFrame
        The same rows in the same order.
    """
    screened = []
    for table in fronts:
        # Of one day the order in which fronts were stored says nothing.
        bare = table.assign(QualFlag=[_without_screening(text) for text in table["QualFlag"]])
        ordered = bare.sort_values([name for name in ("Date", "ImageID", "front_of") if name in bare], kind="stable")
        screened.append(screen_fronts(ordered, settings=settings).loc[table.index])
    bare = observations.assign(quality=[_without_screening(text) for text in observations["quality"]])
    told = pd.concat([pd.DataFrame(table.drop(columns="geometry")) for table in screened], ignore_index=True)
    out = screen(bare, fronts=told, settings=settings)
    return screened, out.set_index(observations.index)


def _without_screening(quality: str) -> str:
    flags = flags_of(quality)
    made_here = [flag for flag, parts in _REASONS.items() if any(part in flags.get(flag, "") for part in parts)]
    return join_flags({flag: reason for flag, reason in flags.items() if flag not in made_here})


#: What lies along a glacier and can be screened by its place.
_PLACES = ("front_position_m", "length_m", "length_change_m")


def _screenable(observations: pd.DataFrame) -> list[tuple[tuple[Hashable, ...], pd.DataFrame]]:
    """Return the series of positions in order of time, without failed values and bounds."""
    usable = observations["variable"].isin(_PLACES) & observations["value"].notna()
    usable &= ~observations["quality"].map(lambda text: bool({"failed", "censored"} & flags_of(text).keys()))
    return [
        (key, series.sort_values(["date", "image_id"]))
        for key, series in by_series(observations[usable.astype(bool)], sort=False)
    ]


def _arrays(series: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    days = (series["date"] - pd.Timestamp("1970-01-01")).dt.days.to_numpy(dtype=float)
    return days, series["value"].to_numpy(dtype=float), series["sigma"].to_numpy(dtype=float)


def _suspects(
    series: pd.DataFrame, days: NDArray[np.float64], values: NDArray[np.float64], sigmas: NDArray[np.float64]
) -> list[Suspect]:
    """Return what lies off its series. A value that is unreliable by itself is judged by all, and judges no other.

    Unless too few others are left to judge by.
    """
    unreliable = np.any([has_flag(series["quality"], flag) for flag in UNRELIABLE], axis=0)
    kept = np.flatnonzero(~unreliable)
    if not unreliable.any() or len(kept) < LEAST_UNKNOWN:
        return suspects(days, values, sigmas)
    found = suspects(days[kept], values[kept], sigmas[kept])
    reliable = [replace(each, index=int(kept[each.index])) for each in found]
    others = [each for each in suspects(days, values, sigmas) if unreliable[each.index]]
    return sorted([*reliable, *others], key=lambda each: each.index)


def _undone(found: dict[int, tuple[str, str]], values: NDArray[np.float64]) -> dict[int, tuple[str, str]]:
    """Return what of contradictions later values reverse; the last value alone is unconfirmed."""
    out = {}
    kept = [k for k in range(len(values)) if k not in found]
    for k, (flag, reason) in found.items():
        before = [i for i in kept if i < k]
        after = [i for i in kept if i > k]
        if not after and k == len(values) - 1 and k - 1 in kept:
            out[k] = ("unconfirmed", reason)
        elif before and after:
            left = abs(values[k] - values[before[-1]])
            if abs(values[after[0]] - values[before[-1]]) < left / 2:
                out[k] = (flag, reason)
    return out


def _undone_at_once(index: int, days: NDArray[np.float64], within_days: float) -> bool:
    """Return whether values before and after lie so near that a surge cannot have come and gone between them."""
    inner = 0 < index < len(days) - 1
    return bool(inner and days[index + 1] - days[index - 1] <= within_days)


def _is_alone_in_season(index: int, days: NDArray[np.float64]) -> bool:
    """Return whether all other values are of one season and this one is of another: what it does is not known."""
    of_year = np.sort(np.delete(days, index) % DAYS_PER_YEAR)
    between = np.diff(np.append(of_year, of_year[0] + DAYS_PER_YEAR))
    apart = np.abs((of_year - days[index] % DAYS_PER_YEAR + DAYS_PER_YEAR / 2) % DAYS_PER_YEAR - DAYS_PER_YEAR / 2)
    return bool(DAYS_PER_YEAR - between.max() <= _SEASON_DAYS and apart.min() > _OFF_SEASON_DAYS)


def _said(suspect: Suspect, *, is_alone_in_season: bool) -> tuple[str, str]:
    side, off = "ahead" if suspect.off > 0 else "behind", f"{abs(suspect.off):.0f}"
    if is_alone_in_season:
        return "unconfirmed", sentence(f"alone-{side}", off=off)
    if not suspect.is_confirmed:
        return "unconfirmed", sentence(f"side-{side}", off=off)
    return "outlier-jump", sentence(f"jump-{side}", off=off)


def not_screened(observations: pd.DataFrame, *, settings: ScreeningSettings | None = None) -> pd.DataFrame:
    """Return the series of positions that cannot be screened, and why.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations``.
    settings : ScreeningSettings, optional

    Returns
    -------
    DataFrame
        Columns of :data:`glaciertime.tables.SERIES_KEY` and ``reason``.

    Examples
    --------
    >>> row = dict(
    ...     glacier="Toy", date=pd.Timestamp("2000-01-01"), variable="front_position_m", method="centreline",
    ...     footprint="centreline", dataset="toy", image_id="a", value=1.0, sigma=1.0, quality="ok",
    ... )
    >>> not_screened(pd.DataFrame([row]))["reason"].tolist()
    ['1 value, 5 are needed']
    """
    settings = settings or ScreeningSettings()
    rows = []
    for key, series in _screenable(observations):
        days, values, sigmas = _arrays(series)
        needed = LEAST_KNOWN if (np.isfinite(sigmas) & (sigmas > 0)).any() else LEAST_UNKNOWN
        if len(values) < needed:
            reason = sentence("few-values", n=len(values), needed=needed)
        elif settings.surging and not any(
            _undone_at_once(k, days, settings.flow_window_days) for k in range(len(days))
        ):
            reason = sentence("surging", days=f"{settings.flow_window_days:.0f}")
        else:
            continue
        rows.append({**dict(zip(SERIES_KEY, key, strict=True)), "reason": reason})
    return pd.DataFrame(rows, columns=[*SERIES_KEY, "reason"])


def screening_notes(observations: pd.DataFrame, *, settings: ScreeningSettings | None = None) -> list[str]:
    """Return, one sentence per reason, which series of positions were not screened: nobody looked for wrong values.

    Examples
    --------
    >>> screening_notes(pd.DataFrame(columns=[*SERIES_KEY, "date", "image_id", "value", "sigma", "quality"]))
    []
    """
    missing = not_screened(observations, settings=settings)
    notes = []
    for reason, rows in missing.groupby("reason", sort=False):
        names = list(dict.fromkeys(f"{row.variable} by {row.method}" for row in rows.itertuples()))
        notes.append(sentence("not-screened", series=", ".join(names), why=reason))
    return notes


def _flags_from_fronts(out: pd.DataFrame, flags: list[dict[str, str]], fronts: pd.DataFrame) -> None:
    datasets = fronts["dataset"] if "dataset" in fronts else fronts.get("Author", pd.Series("", index=fronts.index))
    known = set(out["dataset"])
    by_image: dict[tuple[Hashable, ...], dict[str, str]] = {}
    for glacier, date, image, dataset, text in zip(
        fronts["GlacierID"], fronts["Date"], fronts["ImageID"], datasets, fronts["QualFlag"], strict=True
    ):
        found = {
            key: reason for key, reason in flags_of(text).items()
            if key.startswith("outlier-") or (key == "unconfirmed" and "in its image" in reason)
        }  # fmt: skip
        if found:
            # Tables without data sets, of which there is one, say so by naming none that is known.
            by_image[(glacier, date, image, dataset if dataset in known else next(iter(known), ""))] = found
    if not by_image:
        return
    rows = zip(out["variable"], out["glacier"], out["date"], out["image_id"], out["dataset"], flags, strict=True)
    for variable, glacier, date, image, dataset, row_flags in rows:
        if variable in ("front_position_m", "front_width_m"):
            row_flags.update(by_image.get((glacier, date, image, dataset), {}))


def keep(observations: pd.DataFrame, *, allow: Collection[str] = ()) -> pd.DataFrame:
    """Return the observations that nothing speaks against, and those whose flags are all allowed.

    Always kept are rows with no flag but ``manual``, ``nominal-date``, ``sensor-offset``, ``coregistered``,
    ``source-flag`` and ``unconfirmed``; never rows without a value.

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
