"""The fronts of one glacier as a forecaster of contours sees them: curves in fjord coordinates, and positions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.forecast.front.fjord import FjordFrame, fjord_frame
from glaciertime.forecast.series import Series, as_years
from glaciertime.naming import counted
from glaciertime.tables import OUTLIER_FLAGS, has_flag, validate

__all__ = ["FrontRecord", "front_record"]

#: Fronts that say which flowlines are active: those that at least half of them cross.
_RECENT = 8
_UNUSABLE = ("failed", "no-front", "unknown-flag")

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrontRecord:
    """Fronts of one glacier in order of date.

    Attributes
    ----------
    glacier, source : str
    frame : FjordFrame
    across_m : (J,) float64
        Where the flowlines run: metres across the axis, evenly spaced.
    dates : (N,) datetime64[D]
        One per front; several fronts of one day follow one another.
    points : tuple of (P, 3) float64
        Along, across and the metres of front that each point stands for, per front.
    positions : (N, J) float64
        Where each front crosses each flowline, metres along the axis; NaN where it does not. Where a front crosses
        one several times, the place nearest to the sea counts.
    sigma_m : (N,) float64
    """

    glacier: str
    source: str
    frame: FjordFrame
    across_m: Array
    dates: NDArray[np.datetime64]
    points: tuple[Array, ...]
    positions: Array
    sigma_m: Array

    def __len__(self) -> int:
        return len(self.dates)

    def until(self, cutoff: np.datetime64) -> FrontRecord:
        """Return the fronts up to and including a date."""
        count = int(np.searchsorted(self.dates, cutoff, side="right"))
        return replace(self, dates=self.dates[:count], points=self.points[:count],
                       positions=self.positions[:count], sigma_m=self.sigma_m[:count])  # fmt: skip

    def active(self) -> NDArray[np.int64]:
        """Return the flowlines that at least half of the last eight fronts cross; never none."""
        crossed = np.isfinite(self.positions[-_RECENT:])
        share = crossed.mean(axis=0)
        return np.flatnonzero(share >= min(0.5, share.max()))

    def common_mode(self, lines: NDArray[np.int64]) -> tuple[Series, Array]:
        """Return the mean position over flowlines as a series, and what is left per date and line, (D, J).

        A front that misses some lines is compared on those it crosses: the mean is that of an additive model of
        date and line, fitted by alternating least squares.
        """
        days, where = np.unique(self.dates, return_inverse=True)
        table = np.full((len(days), len(lines)), np.nan)
        sigma = np.full(len(days), np.nan)
        for day in range(len(days)):
            rows = self.positions[where == day][:, lines]
            seen = np.isfinite(rows)
            table[day] = np.divide(np.where(seen, rows, 0).sum(axis=0), seen.sum(axis=0),
                                   out=np.full(len(lines), np.nan), where=seen.any(axis=0))  # fmt: skip
            sigma[day] = np.mean(self.sigma_m[where == day])
        told = np.isfinite(table).any(axis=1)
        days, table, sigma = days[told], table[told], sigma[told]
        seen = np.isfinite(table)
        filled, weight = np.where(seen, table, 0.0), seen.astype(float)
        line = np.zeros(len(lines))
        for _ in range(20):
            mean = (weight * (filled - line)).sum(axis=1) / weight.sum(axis=1)
            line = (weight * (filled - mean[:, None])).sum(axis=0) / np.maximum(weight.sum(axis=0), 1)
            line -= line.mean()
        series = Series(self.glacier, "front_position_m", "flowlines", "common mode", "-", "m", self.source, days, mean,
                        sigma, np.full(len(days), "ok", dtype=object))  # fmt: skip
        return series, table - mean[:, None]

    @property
    def years(self) -> Array:
        """Dates in years since 1970, (N,)."""
        return as_years(self.dates)


def positions_of(points: Array, across_m: Array) -> Array:
    """Return where a curve (P, 3) crosses flowlines (J,), nearest to the sea; NaN where it does not.

    Examples
    --------
    >>> curve = np.array([[100.0, -10.0, 1.0], [120.0, 10.0, 1.0]])
    >>> positions_of(curve, np.array([0.0, 50.0]))
    array([110.,  nan])
    """
    along, across = points[:, 0], points[:, 1]
    out = np.full(len(across_m), np.nan)
    before, after = across[:-1, None] - across_m, across[1:, None] - across_m
    step, line = np.nonzero((before * after <= 0) & (before != after))
    fraction = before[step, line] / (before[step, line] - after[step, line])
    found = along[step] + fraction * (along[step + 1] - along[step])
    np.fmax.at(out, line, found)
    return out


def front_record(
    fronts: gpd.GeoDataFrame,
    *,
    centreline: shapely.LineString,
    crs: Any,
    flowlines: int,
    frame_until: np.datetime64 | None = None,
    drop_outliers: bool = False,
    spacing_m: float = 50.0,
) -> FrontRecord:
    """Return the fronts of a glacier in fjord coordinates.

    Parameters
    ----------
    fronts : GeoDataFrame
        The corridor's table ``fronts``, of one glacier and one source.
    centreline : LineString
        In ``crs``, from the ice towards the sea.
    crs : anything pyproj reads, or None for a local metric frame
        Plane coordinates in metres.
    flowlines : int
        How many across the widest front.
    frame_until : date, optional
        Only fronts up to it lay out the flowlines.
    drop_outliers : bool
        Whether to leave out fronts that screening flagged; such flags are made from the whole record.
    spacing_m : float
        Between the points of a front.

    Raises
    ------
    InputError
        If there is no front, several glaciers or sources, coordinates that are not metres, or fewer than two
        flowlines.
    """
    if not isinstance(flowlines, int) or flowlines < 2:
        raise InputError(f"{flowlines!r} flowlines were asked for; give at least 2")
    table = validate(fronts, "fronts")
    for column in ("GlacierID", "source", "front_of"):
        names = sorted(name or "unknown" for name in table[column].unique())
        if len(names) > 1:
            raise InputError(f"fronts of several kinds were given ({column}: {', '.join(names[:4])}); give those of "
                             "one")  # fmt: skip
    shape = table.geometry
    usable = shape.notna() & ~shape.is_empty & (shape.count_coordinates() > 1)
    for flag in _UNUSABLE + (OUTLIER_FLAGS if drop_outliers else ()):
        usable &= ~has_flag(table["QualFlag"], flag)
    table = table[usable]
    if len(table) == 0:
        raise InputError(
            f"none of {counted(len(usable), 'fronts')} has a line that can be used; look at the column QualFlag"
        )
    glacier, source = str(table["GlacierID"].iloc[0]), str(table["source"].iloc[0])
    table = _in_metres(table, crs, glacier)
    # A fixed order of the fronts of one day, so that the order of the rows does not matter.
    table = table.assign(_text=table.geometry.to_wkb(hex=True))
    table = table.sort_values(["Date", "ImageID", "Author", "_text"])
    dates = table["Date"].to_numpy().astype("datetime64[D]")
    lines = list(table.geometry)
    laid = (
        lines if frame_until is None else [line for line, day in zip(lines, dates, strict=True) if day <= frame_until]
    )
    frame = fjord_frame(centreline, laid)
    points = tuple(frame.points_of(line, spacing_m=spacing_m) for line in lines)
    edge = max(float(np.abs(np.ptp(curve[:, 1]))) for curve in points[: len(laid)])
    # The flowlines lie on a fixed lattice around the axis; its mesh is set by the fronts that lay it out.
    mesh = max(edge, 1.0) / flowlines
    outermost = np.abs(np.concatenate([curve[:, 1] for curve in points])).max()
    count = int(outermost / mesh) + 1
    across = np.asarray(np.arange(-count, count + 1) * mesh, dtype=np.float64)
    positions = np.array([positions_of(curve, across) for curve in points])
    return FrontRecord(glacier, source, frame, across, dates, points, positions, table["sigma_m"].to_numpy())


def _in_metres(table: gpd.GeoDataFrame, crs: Any, glacier: str) -> gpd.GeoDataFrame:
    if crs is None:
        if table.crs is not None and not table.crs.is_projected:
            raise InputError(f"{glacier}: fronts are in {table.crs.name} and no crs was given; give one in metres")
        return table
    target = pyproj.CRS.from_user_input(crs)
    if not target.is_projected:
        raise InputError(f"{glacier}: {target.name} is not in metres; give a projected crs, such as EPSG:3413")
    return table if table.crs is None else table.to_crs(target)
