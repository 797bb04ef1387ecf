"""Forecast the calving front itself: a line at a date, and the band that the front will lie in.

The last front is carried along its flowlines. How far is forecast by a model of one series: of the mean position
over all flowlines, beside which the shape may return to its recent mean (``joint``), or of every flowline by itself.
How wide the bands are is learned from how far forecasts from earlier dates of the same glacier lay from the fronts
that came, at a similar lead; nothing after the cutoff is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from glaciertime.errors import GlacierTimeError, InputError, SeriesTooShortError, UsageError
from glaciertime.forecast.front.contour_record import FrontRecord, front_record
from glaciertime.forecast.learned.conformal import weighted_quantile
from glaciertime.forecast.models import Model, get_model
from glaciertime.forecast.regime import present_regime
from glaciertime.forecast.series import Series, as_days, as_years

__all__ = ["CONTOUR_COLUMNS", "ContourForecaster", "forecast_contour"]

#: The columns of what :func:`forecast_contour` returns, by kind, as in :data:`glaciertime.tables.SCHEMAS`.
CONTOUR_COLUMNS = {
    "glacier": "text", "cutoff": "date", "target_date": "date", "horizon_days": "number", "model": "text",
    "kind": "text", "level": "number", "half_width_m": "number", "n_calibration": "number", "status": "text",
    "source": "text", "geometry": "geometry",
}  # fmt: skip
#: What is chosen from on earlier dates: how much of the model's movement is believed, and over how many years the
#: shape is averaged. The first leaves the last front where it is; the second is the model as it stands.
_CHOICES = ((0.0, 0.0), (1.0, 0.0), (0.5, 0.0), (0.0, 0.4), (1.0, 0.4))
_CALIBRATION_ORIGINS = 60
_LEAD_FACTOR = 1.6
_MIN_PAIRS = 12
_AGE_HALF_LIFE_YEARS = 4.0
#: Moving the front must have paid: so many standard errors of what it gained, of blocks of so many years of targets, or
#: of the lead where that is longer: forecasts that overlap err together.
_SURE, _BLOCK_YEARS = 1.645, 0.25
#: Of fewer blocks nothing is sure: so long a lead is judged by the longest shorter one that has as many.
_MIN_BLOCKS = 3
#: Nearer than this in years, as many: what a front moves by then is hardly more than two images of it differ.
_NEAR_YEARS, _SURE_NEAR = 0.25, 3.0

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bands:
    """Half widths of the bands around a predicted front, per level: for the share, and for the whole front."""

    share_m: Array
    whole_m: Array
    pairs: int


@dataclass(eq=False)
class _Origin:
    """What is forecast from one date, for any later date and each choice."""

    record: FrontRecord
    model: Model
    joint: bool
    lines: NDArray[np.int64] = field(init=False)
    common: Series = field(init=False)
    rest: Array = field(init=False)
    fitted: list[Any] = field(init=False)
    moves: dict[np.datetime64, tuple[Array, Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lines = self.record.active()
        self.common, self.rest = self.record.common_mode(self.lines)
        needed = max(self.model.min_observations, 2)
        if len(self.common) < needed:
            raise SeriesTooShortError(
                f"{self.record.glacier}, fronts", len(self.common), self.model.name, needed,
                'use model "last", or a later cutoff',
            )  # fmt: skip
        self.fitted = [self.model.make().fit(present_regime(series).own_sigmas) for series in self._series()]

    def _series(self) -> list[Series]:
        if self.joint:
            return [self.common]
        found = []
        for line in range(len(self.lines)):
            seen = np.isfinite(self.rest[:, line])
            value = np.where(seen, self.common.values + self.rest[:, line], np.nan)
            if seen.sum() < max(self.model.min_observations, 2):
                return [self.common]
            kept = self.common.take(seen)
            found.append(Series(kept.glacier, kept.variable, kept.method, f"flowline {line}", "-", "m", kept.source,
                                kept.dates, value[seen], kept.sigma, kept.quality))  # fmt: skip
        return found

    def move(self, date: np.datetime64) -> tuple[Array, Array]:
        """Return how far each flowline's front moves, (M, J) per choice, and half the model's 90 % interval, (J,)."""
        if date not in self.moves:
            dates = np.array([date], dtype="datetime64[D]")
            found = [fit.predict(dates, levels=(0.9,)) for fit in self.fitted]
            median = np.array([prediction.median[0] for prediction in found])
            half = np.array([(prediction.values[0, -1] - prediction.values[0, 0]) / 2 for prediction in found])
            still = self._shape(0.0)
            if len(found) == 1:
                by = median[0] - self.common.values[-1]
                move = np.array([share * by + self._shape(memory) - still for share, memory in _CHOICES])
            else:
                by_line = median - self.common.values[-1] - still
                move = np.array([share * by_line for share, _ in _CHOICES])
            self.moves[date] = move, np.broadcast_to(half, move.shape[1:])
        return self.moves[date]

    def _shape(self, memory: float) -> Array:
        """Return what each line adds to the mean, weighted towards the latest dates."""
        seen = np.isfinite(self.rest)
        age = self.common.years[-1] - self.common.years
        if memory == 0:
            latest = seen.shape[0] - 1 - np.argmax(seen[::-1], axis=0)
            return np.where(seen.any(axis=0), self.rest[latest, np.arange(seen.shape[1])], 0.0)
        weight = np.where(seen, np.maximum(np.exp(-age / memory), 1e-12)[:, None], 0.0)
        return (weight * np.where(seen, self.rest, 0.0)).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)

    @property
    def template(self) -> Array:
        """The front that is carried along, (P, 3): the longest of the last date."""
        last = np.flatnonzero(self.record.dates == self.record.dates[-1])
        return max((self.record.points[index] for index in last), key=lambda curve: float(curve[:, 2].sum()))

    @property
    def edges(self) -> tuple[float, float]:
        """Metres across, between which the front is forecast."""
        across = self.record.across_m[self.lines]
        return float(across[0]), float(across[-1])

    def predicted(self, date: np.datetime64, choice: int) -> Array:
        """Return the predicted front between the edges, (P, 2) in fjord coordinates."""
        move = self.move(date)[0][choice]
        curve = clip(self.template, self.edges)
        step = np.interp(curve[:, 1], self.record.across_m[self.lines], move)
        return np.column_stack([curve[:, 0] + step, curve[:, 1]])


def clip(curve: Array, edges: tuple[float, float]) -> Array:
    """Return the longest run of a curve's points (P, 3) between two distances across; all of it if it has none."""
    inside = (curve[:, 1] >= edges[0]) & (curve[:, 1] <= edges[1])
    if inside.sum() < 2:
        return curve
    run = np.cumsum(np.append(True, inside[1:] != inside[:-1]))
    length = np.bincount(run, weights=np.where(inside, curve[:, 2], 0.0))
    # A front that leaves the corridor and comes back is one front still.
    long = np.flatnonzero(np.isin(run, np.flatnonzero(length > 0)))
    return curve[long[0] : long[-1] + 1]


class ContourForecaster:
    """Forecasts of one glacier's front from any of its dates, each computed once.

    Parameters
    ----------
    record : FrontRecord
    model : str
        Name of a model of one series.
    joint : bool
    """

    def __init__(self, record: FrontRecord, *, model: str, joint: bool = True) -> None:
        chosen = get_model(model)
        if chosen.is_global:
            raise UsageError(f"model {model!r} learns from other glaciers' series; a contour needs a model of one "
                             'series, such as "kalman", "drift" or "last"')  # fmt: skip
        self.record, self.model, self.joint = record, chosen, joint
        self._origins: dict[np.datetime64, _Origin] = {}
        self._distances: dict[tuple[np.datetime64, np.datetime64], list[tuple[Array, Array]]] = {}

    def origin(self, date: np.datetime64) -> _Origin:
        """Return what is forecast from a date, with the fronts up to it."""
        if date not in self._origins:
            self._origins[date] = _Origin(self.record.until(date), self.model, self.joint)
        return self._origins[date]

    def line(self, curve: Array) -> shapely.LineString:
        """Return a curve in fjord coordinates as a line in the plane."""
        return shapely.LineString(self.record.frame.to_plane(curve[:, 0], curve[:, 1]))

    def distances(self, origin: np.datetime64, target: np.datetime64) -> list[tuple[Array, Array]]:
        """Return, per choice, how far each point of the fronts of a date lay from the forecast, and its weight."""
        key = (origin, target)
        if key not in self._distances:
            made = self.origin(origin)
            found = np.flatnonzero(self.record.dates == target)
            true = np.concatenate([clip(self.record.points[index], made.edges) for index in found])
            points = shapely.points(self.record.frame.to_plane(true[:, 0], true[:, 1]))
            distance = []
            for choice in range(len(_CHOICES)):
                line = self.line(made.predicted(target, choice))
                shapely.prepare(line)
                distance.append((shapely.distance(points, line), true[:, 2]))
            self._distances[key] = distance
        return self._distances[key]

    def pairs(self, cutoff: np.datetime64, lead_years: float) -> list[tuple[np.datetime64, np.datetime64, float]]:
        """Return earlier origins with a target no later than the cutoff at a similar lead, and by what to scale."""
        days = np.unique(self.record.dates[self.record.dates <= cutoff])
        years = as_years(days)
        stride = 1
        while len(days) / stride > _CALIBRATION_ORIGINS:
            stride *= 2
        near: list[tuple[np.datetime64, np.datetime64, float]] = []
        far: list[tuple[np.datetime64, np.datetime64, float]] = []
        for index in range(max(self.model.min_observations, 4) - 1, len(days) - 1, stride):
            ahead = years[index + 1 :] - years[index]
            place = int(np.argmin(np.abs(np.log(ahead / lead_years))))
            ratio = ahead[place] / lead_years
            group = near if 1 / _LEAD_FACTOR <= ratio <= _LEAD_FACTOR else far
            group.append((days[index], days[index + 1 + place], float(np.sqrt(1 / ratio))))
        return near if len(near) >= _MIN_PAIRS else near + far

    def judged_years(self, cutoff: np.datetime64, lead_years: float) -> float:
        """Return the lead at which earlier dates tell whether moving the front pays: a shorter one if few tell."""
        years = as_years(np.unique(self.record.dates[self.record.dates <= cutoff]))
        lead = lead_years
        while lead > float(np.diff(years).min(initial=np.inf)):
            ages = years[-1] - as_years(np.array([end for _, end, _ in self.pairs(cutoff, lead)], dtype="M8[D]"))
            if len(np.unique(np.floor(ages / max(_BLOCK_YEARS, lead)))) >= _MIN_BLOCKS:
                return lead
            lead *= 0.8
        return lead_years

    def compared(
        self, cutoff: np.datetime64, lead_years: float
    ) -> tuple[list[list[tuple[Array, Array]]], Array, Array]:  # fmt: skip
        """Return the distances of earlier forecasts per choice, by what to scale each, and years since its target."""
        curves: list[list[tuple[Array, Array]]] = []
        scales, ages = [], []
        last = self.origin(cutoff).common.years[-1]
        for start, end, scale in self.pairs(cutoff, lead_years):
            try:
                curves.append(self.distances(start, end))
            except (GlacierTimeError, ArithmeticError, ValueError, np.linalg.LinAlgError):
                continue
            scales.append(scale)
            ages.append(float(last - as_years(np.array([end]))[0]))
        return curves, np.array(scales), np.array(ages)

    def choice(self, cutoff: np.datetime64, lead_years: float) -> int:
        """Return the choice that served best from earlier dates: 0, the last front, where none surely did."""
        curves, scales, ages = self.compared(cutoff, lead_years)
        if not curves:
            return 0
        error = np.array([[scale * np.average(curve[choice][0], weights=curve[choice][1])
                           for curve, scale in zip(curves, scales, strict=True)]
                          for choice in range(len(_CHOICES))])  # fmt: skip
        sure = _SURE_NEAR if lead_years < _NEAR_YEARS else _SURE
        recency = 0.5 ** (ages / _AGE_HALF_LIFE_YEARS)
        return _paying(error, recency, ages, sure=sure, block_years=max(_BLOCK_YEARS, lead_years))

    def bands(self, cutoff: np.datetime64, target: np.datetime64, levels: Sequence[float]) -> tuple[int, Bands]:
        """Return the choice that served best, and the bands' half widths per level."""
        made = self.origin(cutoff)
        lead = float(as_years(np.array([target]))[0] - made.common.years[-1])
        curves, scales, ages = self.compared(cutoff, lead)
        count = len(curves)
        wanted = np.array(levels, dtype=float)
        if count < 3:
            half = float(np.mean(made.move(target)[1]))
            return 1, Bands(*_native(half, wanted, len(made.lines)), count)
        recency = 0.5 ** (ages / _AGE_HALF_LIFE_YEARS)
        best = self.choice(cutoff, self.judged_years(cutoff, lead))
        distance = np.concatenate([curves[k][best][0] * scales[k] for k in range(count)])
        weight = np.concatenate([recency[k] * curves[k][best][1] / curves[k][best][1].sum() for k in range(count)])
        farthest = np.array([curves[k][best][0].max() * scales[k] for k in range(count)])
        effective = recency.sum() ** 2 / (recency**2).sum()
        # Points of one front err together: what they add to the count of fronts is what fronts do not explain.
        means = np.array([np.average(curves[k][best][0] * scales[k], weights=curves[k][best][1]) for k in range(count)])
        spread = float(np.average((distance - np.average(distance, weights=weight)) ** 2, weights=weight))
        between = float(np.average((means - np.average(means, weights=recency)) ** 2, weights=recency))
        alike = min(max(between / spread, 0.02), 1.0) if spread > 0 else 1.0
        share = weighted_quantile(distance, weight, _outward(wanted, effective / alike))
        whole = weighted_quantile(farthest, recency, _outward(wanted, effective))
        return best, Bands(share, np.maximum(whole, share), count)


def _paying(error: Array, recency: Array, ages: Array, *, sure: float, block_years: float) -> int:
    """Return the choice that served best, 0 where none has served better than the front left where it was for sure.

    Parameters
    ----------
    error : (C, K)
        Mean distances of each choice.
    recency, ages : (K,)
        Weights, and years since the targets.
    sure : float
        Standard errors that a gain is at least.
    block_years : float
        Targets within it tell as much as one.
    """
    block = np.unique(np.floor(ages / block_years), return_inverse=True)[1]
    weight = np.bincount(block, recency)
    best, found = 0, 0.0
    for choice in range(1, len(error)):
        gain = np.bincount(block, recency * (error[0] - error[choice])) / weight
        mean = float(np.average(gain, weights=weight))
        share = weight / weight.sum()
        spread = float(np.sqrt(np.sum(share**2 * (gain - mean) ** 2) * len(gain) / max(len(gain) - 1, 1)))
        if len(gain) >= _MIN_BLOCKS and mean > max(found, sure * spread, 0.0):
            best, found = choice, mean
    return best


def _outward(levels: Array, count: float) -> Array:
    """Return the quantiles of past errors that cover with the levels, for so many exchangeable fronts."""
    return np.minimum(levels * (count + 1) / count, 1.0)


def _native(half: float, levels: Array, lines: int) -> tuple[Array, Array]:
    """Return half widths from the model's own 90 % interval, where too little is known of past errors."""
    from scipy import special

    unit = half / special.ndtri(0.95)
    # Bonferroni over the lines: never too narrow for the whole front.
    return unit * special.ndtri((1 + levels) / 2), unit * special.ndtri(1 - (1 - levels) / (2 * lines))


def forecast_contour(
    fronts: gpd.GeoDataFrame,
    *,
    centreline: shapely.LineString,
    crs: Any,
    target_dates: Any,
    model: str = "kalman",
    levels: Sequence[float] = (0.5, 0.9),
    flowlines: int = 41,
    joint: bool = True,
    cutoff: Any = None,
) -> gpd.GeoDataFrame:
    """Return the calving front predicted at dates, and the bands that it will lie in.

    The last front is carried along its flowlines by the forecast change of their positions. With ``joint``, the
    change is that of the mean position over the flowlines, beside which the shape may return to its mean over recent
    dates; otherwise every flowline is forecast by itself. How much of the change is believed (all, half or none of
    it) is chosen by what served best from earlier dates of the same glacier: where nothing surely did (by 1.645
    standard errors, within 90 days by three), the last front is the forecast, at the dates ``attrs["stayed"]``. A lead
    of which too few earlier dates tell is judged by the longest shorter one of which enough do. A break
    of the positions that lies behind the last front is taken out of what came before it.

    A band holds every place within a distance of the predicted front. Two distances are given per level: one such
    that a share ``level`` of the front's length will lie inside (kind ``band-share``), and one such that the whole
    front will with probability ``level`` (kind ``band-whole``). They are quantiles of the distances between earlier
    forecasts and the fronts that came, at a lead within a factor of 1.6 (or any lead, scaled by the square root of
    time, where fewer than 12 are known), recent ones weighing more (half after 4 years). With fewer than three,
    they stem from the model's own interval.

    Parameters
    ----------
    fronts : GeoDataFrame
        The corridor's table ``fronts``, of one glacier and one source, in any coordinate system.
    centreline : LineString
        In ``crs``, from the ice towards the sea; may bend.
    crs : anything pyproj reads, or None for a local metric frame
        Projected, in metres.
    target_dates : (D,) dates
        After the cutoff.
    model : str
        A model of one series, see :func:`glaciertime.forecast.model_names`.
    levels : sequence of float in (0, 1)
    flowlines : int
        How many across the widest front, at least 2.
    joint : bool
        Whether the mean over the flowlines is forecast, or every flowline by itself.
    cutoff : date, optional
        Fronts after it are not seen; the last front by default. Fronts flagged as outliers are left out only
        without a cutoff, because the flags are made from the whole record.

    Returns
    -------
    GeoDataFrame
        Columns of :data:`CONTOUR_COLUMNS`, in ``crs``. Per target date one row of kind ``front`` (a LineString) and
        two per level (Polygon or MultiPolygon) with ``half_width_m``. The front ends where the outermost flowlines
        run that at least half of the last eight fronts cross. A model that failed has one row ``front`` per date
        without geometry and the reason in ``status``.

    Raises
    ------
    InputError
        If there is no usable front, a target date does not lie after the cutoff, a level lies outside (0, 1), or
        ``crs`` is not in metres.
    UsageError
        If the model is not known, or learns from other glaciers.

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_fronts
    >>> made = forecast_contour(straight_fronts(rate_m_per_year=-100.0), centreline=shapely.LineString([(0, 0),
    ...     (20_000, 0)]), crs=None, target_dates=["2011-01-01"], model="drift", levels=[0.9])
    >>> made["kind"].tolist(), round(made.geometry.iloc[0].centroid.x)
    (['front', 'band-share', 'band-whole'], 8900)
    """
    bad = [level for level in levels if not 0 < level < 1]
    if bad:
        raise InputError(f"level {bad[0]} is not a coverage between 0 and 1; give 0.9 for 90 %")
    known = fronts
    if cutoff is not None:
        limit = as_days([cutoff])[0]
        known = fronts[pd.to_datetime(fronts["Date"]).to_numpy().astype("datetime64[D]") <= limit]
        if len(known) == 0:
            raise InputError(f"no front up to {limit}; give a later cutoff")
    record = front_record(known, centreline=centreline, crs=crs, flowlines=flowlines, drop_outliers=cutoff is None)
    last = record.dates[-1]
    limit = last if cutoff is None else as_days([cutoff])[0]
    dates = np.unique(as_days(target_dates))
    if len(dates) == 0 or dates[0] <= limit:
        given = "none" if len(dates) == 0 else str(dates[0])
        raise InputError(f"{record.glacier}: target date {given} does not lie after {limit}; give a later date, or an "
                         "earlier cutoff")  # fmt: skip
    maker = ContourForecaster(record, model=model, joint=joint)
    rows: list[dict[str, Any]] = []
    stayed: list[np.datetime64] = []
    for date in dates:
        common = {"glacier": record.glacier, "cutoff": pd.Timestamp(limit), "target_date": pd.Timestamp(date),
                  "horizon_days": float((date - limit) / np.timedelta64(1, "D")), "model": model,
                  "source": record.source}  # fmt: skip
        try:
            choice, found = maker.bands(last, date, levels)
            line = maker.line(maker.origin(last).predicted(date, choice))
            if _CHOICES[choice] == (0.0, 0.0):
                stayed.append(date)
        except (GlacierTimeError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            rows.append({**common, "kind": "front", "level": np.nan, "half_width_m": np.nan, "n_calibration": np.nan,
                         "status": str(error), "geometry": None})  # fmt: skip
            continue
        common |= {"n_calibration": float(found.pairs), "status": "ok"}
        rows.append({**common, "kind": "front", "level": np.nan, "half_width_m": np.nan, "geometry": line})
        for kind, widths in (("band-share", found.share_m), ("band-whole", found.whole_m)):
            for level, width in zip(levels, widths, strict=True):
                rows.append({**common, "kind": kind, "level": float(level), "half_width_m": float(width),
                             "geometry": line.buffer(float(width))})  # fmt: skip
    found_all = gpd.GeoDataFrame(rows, columns=list(CONTOUR_COLUMNS), geometry="geometry", crs=crs)
    found_all.attrs["stayed"] = stayed
    return found_all
