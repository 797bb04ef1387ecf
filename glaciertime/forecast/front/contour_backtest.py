"""What a forecast of the front itself is worth: distances in metres, and whether the bands held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from glaciertime.errors import GlacierTimeError, InputError, SeriesTooShortError
from glaciertime.forecast.front.contour import ContourForecaster, clip
from glaciertime.forecast.front.contour_record import FrontRecord, front_record
from glaciertime.forecast.judged.origins import parse_horizon
from glaciertime.forecast.series import as_days, as_years
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["backtest_contour", "front_distance_m", "summarise_contours"]

#: A target counts for a horizon if its lead lies within this factor of it.
_NEAR = 1.25

Array = NDArray[np.float64]


def front_distance_m(first: shapely.LineString, second: shapely.LineString, *, spacing_m: float = 50.0) -> float:
    r"""Return the symmetric mean nearest distance between two lines in the plane, in their unit.

    .. math:: d = \frac12 \left( \frac{1}{|A|} \int_A d(a, B)\,da + \frac{1}{|B|} \int_B d(b, A)\,db \right)

    Examples
    --------
    >>> front_distance_m(shapely.LineString([(0, 0), (0, 10)]), shapely.LineString([(3, 0), (3, 10)]))
    3.0
    """
    total = 0.0
    for one, other in ((first, second), (second, first)):
        count = max(2, int(np.ceil(one.length / spacing_m)))
        middle = (np.arange(count) + 0.5) / count * one.length
        total += float(shapely.distance(shapely.line_interpolate_point(one, middle), other).mean())
    return total / 2


def backtest_contour(
    fronts: gpd.GeoDataFrame,
    *,
    centreline: shapely.LineString,
    crs: Any,
    models: Sequence[str] = ("last", "kalman"),
    horizons: Sequence[str] = ("30d", "90d", "1y"),
    first_origin: Any = None,
    every: int = 1,
    levels: Sequence[float] = (0.5, 0.9),
    flowlines: int = 41,
    joint: bool = True,
) -> pd.DataFrame:
    """Return every forecast of a rolling-origin backtest of the front itself, beside the front that came.

    Every origin is a date with a front. For each horizon, the first front whose lead lies within a factor of 1.25 of
    it is the target. Predicted and true front are compared between the outermost flowlines that were active at the
    origin; which share of the true front lies outside of them, and is not judged, is a column.

    Parameters
    ----------
    fronts, centreline, crs, levels, flowlines, joint
        As in :func:`glaciertime.forecast.front.contour.forecast_contour`. Fronts flagged as outliers take part.
    models : sequence of str
    horizons : sequence of str
        Times such as ``"30d"`` or ``"1y"``.
    first_origin : date, optional
        By default the date that half of the dated fronts precede. Only fronts up to it lay out the flowlines.
    every : int
        Every so many dates is an origin.

    Returns
    -------
    DataFrame
        One row per model, origin and horizon: ``glacier, model, horizon, cutoff, target_date, lead_days,
        distance_m`` (symmetric mean nearest distance), ``last_distance_m`` (that of the last front left where it
        was), ``outside_share``, per level ``inside_share_90`` (share of the true front's length in the band made for
        it), ``whole_90`` (whether all of it lies in the band made for that) and the half widths ``share_m_90`` and
        ``whole_m_90``, ``n_calibration, status, source``. A forecast that failed has NaN and the reason.

    Raises
    ------
    InputError
        If the fronts cannot be used, or a horizon is not a time.
    SeriesTooShortError
        If no origin has a target.

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_fronts
    >>> rows = backtest_contour(straight_fronts(rate_m_per_year=-100.0), centreline=shapely.LineString([(0, 0),
    ...     (20_000, 0)]), crs=None, models=["last", "drift"], horizons=["1y"])
    >>> rows.groupby("model")["distance_m"].mean().round().to_dict()
    {'drift': 0.0, 'last': 100.0}
    """
    asked = [(text, _horizon_years(text)) for text in horizons]
    if every < 1:
        raise InputError(f"every {every} dates an origin was asked for; give 1 or more")
    days = np.unique(as_days(fronts["Date"].to_numpy()))
    if len(days) < 3:
        raise SeriesTooShortError("fronts", len(days), "a backtest of contours", 3, "add dates")
    start = days[len(days) // 2] if first_origin is None else as_days([first_origin])[0]
    if start < days[0]:
        raise InputError(f"first origin {start} lies before the first front, {days[0]}; give a later one")
    record = front_record(fronts, centreline=centreline, crs=crs, flowlines=flowlines, frame_until=start)
    days = np.unique(record.dates)
    origins = days[days >= start][:-1][::every]
    plan = [(origin, label, target) for origin in origins for label, target in _targets(days, origin, asked)]
    if not plan:
        raise SeriesTooShortError(f"{record.glacier}, fronts", len(days), "a backtest of contours", len(days) + 1,
                                  "choose an earlier first origin or other horizons")  # fmt: skip
    rows = []
    for model in dict.fromkeys(models):
        maker = ContourForecaster(record, model=model, joint=joint)
        rows += [_score(maker, record, origin, label, target, tuple(levels)) for origin, label, target in plan]
    return pd.DataFrame(rows)


def _horizon_years(text: str) -> float:
    horizon = parse_horizon(text)
    if horizon.lead:
        raise InputError(f"horizon {text!r} counts observations; a contour is forecast at a date: give a time such "
                         'as "30d" or "1y"')  # fmt: skip
    return float(horizon.days) / DAYS_PER_YEAR


def _targets(
    days: NDArray[np.datetime64], origin: np.datetime64, asked: list[tuple[str, float]]
) -> list[tuple[str, np.datetime64]]:
    ahead = as_years(days) - float(as_years(np.array([origin]))[0])
    found = []
    for label, years in asked:
        near = np.flatnonzero((ahead >= years / _NEAR) & (ahead <= years * _NEAR))
        if len(near):
            found.append((label, days[near[int(np.argmin(np.abs(np.log(ahead[near] / years))))]]))
    return found


def _score(
    maker: ContourForecaster,
    record: FrontRecord,
    origin: np.datetime64,
    label: str,
    target: np.datetime64,
    levels: tuple[float, ...],
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "glacier": record.glacier, "model": maker.model.name, "horizon": label, "cutoff": pd.Timestamp(origin),
        "target_date": pd.Timestamp(target), "lead_days": float((target - origin) / np.timedelta64(1, "D")),
        "distance_m": np.nan, "last_distance_m": np.nan, "outside_share": np.nan,
    }  # fmt: skip
    names = [f"{100 * level:g}" for level in levels]
    row |= {f"{kind}_{name}": np.nan for name in names for kind in ("inside_share", "whole", "share_m", "whole_m")}
    row |= {"n_calibration": np.nan, "status": "ok", "source": record.source}
    try:
        made = maker.origin(origin)
        choice, bands = maker.bands(origin, target, levels)
        line = maker.line(made.predicted(target, choice))
    except (GlacierTimeError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        return row | {"status": str(error)}
    still = maker.line(clip(made.template, made.edges))
    # Several fronts of one day: each is a truth; their mean is scored.
    true = [clip(record.points[index], made.edges) for index in np.flatnonzero(record.dates == target)]
    lines = [maker.line(curve) for curve in true]
    row["distance_m"] = float(np.mean([front_distance_m(line, other) for other in lines]))
    row["last_distance_m"] = float(np.mean([front_distance_m(still, other) for other in lines]))
    whole = sum(float(record.points[index][:, 2].sum()) for index in np.flatnonzero(record.dates == target))
    row["outside_share"] = 1 - sum(float(curve[:, 2].sum()) for curve in true) / whole
    told = [_distances(line, maker, curve) for curve in true]
    distance, weight = (np.concatenate([part[k] for part in told]) for k in (0, 1))
    for name, share, all_of_it in zip(names, bands.share_m, bands.whole_m, strict=True):
        row |= {f"inside_share_{name}": float(np.average(distance <= share, weights=weight)),
                f"whole_{name}": float(distance.max() <= all_of_it),
                f"share_m_{name}": float(share), f"whole_m_{name}": float(all_of_it)}  # fmt: skip
    return row | {"n_calibration": float(bands.pairs)}


def _distances(line: shapely.LineString, maker: ContourForecaster, curve: Array) -> tuple[Array, Array]:
    points = shapely.points(maker.record.frame.to_plane(curve[:, 0], curve[:, 1]))
    return shapely.distance(points, line), curve[:, 2]


def summarise_contours(
    rows: pd.DataFrame, *, block_days: float = 90.0, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Return the means of a backtest of contours per glacier, model and horizon.

    ``skill`` is 1 - distance / distance of the last front left where it was; its 90 % interval resamples blocks of
    target dates, because the fronts of one season share their errors.

    Parameters
    ----------
    rows : DataFrame
        From :func:`backtest_contour`.
    block_days : float
        Length of a block.
    draws, seed : int
        Of the bootstrap.

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_fronts
    >>> rows = backtest_contour(straight_fronts(rate_m_per_year=-100.0), centreline=shapely.LineString([(0, 0),
    ...     (20_000, 0)]), crs=None, models=["last"], horizons=["1y"])
    >>> summarise_contours(rows)[["distance_m", "skill", "n"]].round(3).iloc[0].tolist()
    [100.0, 0.0, 5.0]
    """
    rng = np.random.default_rng(seed)
    out = []
    for (glacier, model, horizon), group in rows.groupby(["glacier", "model", "horizon"], sort=False):
        ok = group[group["status"] == "ok"]
        row: dict[str, Any] = {"glacier": glacier, "model": model, "horizon": horizon}
        starts = ("inside_", "whole_", "share_m", "outside", "distance", "last_distance")
        row |= {column: float(ok[column].mean()) for column in ok.columns if column.startswith(starts)}
        row |= {
            "skill": np.nan,
            "skill_low": np.nan,
            "skill_high": np.nan,
            "n": len(ok),
            "n_failed": len(group) - len(ok),
        }
        if len(ok):
            block = (ok["target_date"].to_numpy().astype("M8[D]").astype(float) // block_days).astype(int)
            sums = ok.groupby(block)[["distance_m", "last_distance_m"]].sum().to_numpy()
            row["skill"] = 1 - row["distance_m"] / row["last_distance_m"]
            drawn = sums[rng.integers(0, len(sums), (draws, len(sums)))].sum(axis=1)
            row["skill_low"], row["skill_high"] = np.quantile(1 - drawn[:, 0] / drawn[:, 1], [0.05, 0.95])
        out.append(row)
    return pd.DataFrame(out)
