"""Retreat along each of many parallel flowlines: the matrix of dates and positions, and the map of the losses."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import shapely.ops
from numpy.typing import NDArray

from glaciertime.catalog import Glacier
from glaciertime.errors import InputError
from glaciertime.track.place import place_of, published
from glaciertime.track.ruler.ruler import FrontRuler
from glaciertime.track.settings import TrackSettings
from glaciertime.units import as_date, rate_years

__all__ = ["flowline_positions", "flowline_retreat"]


def _ruler(fronts: gpd.GeoDataFrame, glacier: Glacier, settings: TrackSettings | None) -> FrontRuler:
    place = place_of(glacier, scene_crs=fronts.crs)
    if place.centreline is None or place.crs is None:
        raise InputError(f"{glacier.name}: flowlines need a centreline on Earth; give one in a manifest")
    return FrontRuler(place=place.on_true_plane(), settings=settings or TrackSettings())


def flowline_positions(
    fronts: gpd.GeoDataFrame, *, glacier: Glacier, settings: TrackSettings | None = None
) -> pd.DataFrame:
    """Return where every front crosses every offset line of the centreline.

    Parameters
    ----------
    fronts : GeoDataFrame
        The table ``fronts``.
    glacier : Glacier
        With a centreline.
    settings : TrackSettings, optional
        ``box_width_m`` and ``centreline_count`` lay the lines.

    Returns
    -------
    DataFrame
        One row per front, indexed by ``Date`` and ``ImageID``; one column per line, named by its offset in metres
        (positive to the left of the way to the sea); distances along the centreline in metres, NaN where a front does
        not cross a line.
    """
    ruler = _ruler(fronts, glacier, settings)
    offsets, _ = ruler.offset_lines
    lines = fronts.geometry.to_crs(ruler.place.crs)
    matrix: NDArray[np.float64] = np.array([ruler.offset_positions(line) for line in lines])
    index = pd.MultiIndex.from_arrays([fronts["Date"], fronts["ImageID"]])
    columns = pd.Index(np.round(offsets, 3), name="offset_m")
    return pd.DataFrame(matrix.reshape(len(fronts), len(offsets)), index=index, columns=columns).sort_index()


def flowline_retreat(
    fronts: gpd.GeoDataFrame,
    *,
    glacier: Glacier,
    date_from: Any = None,
    date_to: Any = None,
    settings: TrackSettings | None = None,
) -> gpd.GeoDataFrame:
    """Return how far the front retreated along each offset line, as a map.

    Parameters
    ----------
    fronts : GeoDataFrame
        The table ``fronts``.
    glacier : Glacier
    date_from, date_to : date or text, optional
        The nearest front is taken; by default the first and the last.
    settings : TrackSettings, optional

    Returns
    -------
    GeoDataFrame
        One row per kind of front and line that both fronts cross: ``front_of, offset_m, start_date, end_date,
        retreat_m`` (positive inland), ``retreat_m_per_year`` (NaN over less than eleven months), and the piece of the
        line between the two fronts, in EPSG:4326. From a front of one kind to one of another nothing retreats.
    """
    if fronts.empty:
        raise InputError(f"{glacier.name}: no fronts to map")
    kinds = fronts["front_of"].fillna("") if "front_of" in fronts else pd.Series("", index=fronts.index)
    rows = []
    for kind in dict.fromkeys(kinds):
        same = fronts[(kinds == kind).to_numpy()]
        if len(same) > 1 or len(same) == len(fronts):
            rows += _retreat_of_kind(same, kind, glacier, date_from, date_to, settings)
    columns = [
        "glacier", "front_of", "offset_m", "start_date", "end_date", "retreat_m", "retreat_m_per_year", "geometry",
    ]  # fmt: skip
    return gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs="EPSG:4326")


def _retreat_of_kind(
    fronts: gpd.GeoDataFrame, kind: str, glacier: Glacier, date_from: Any, date_to: Any, settings: TrackSettings | None
) -> list[dict[str, Any]]:
    ruler = _ruler(fronts, glacier, settings)
    matrix = flowline_positions(fronts, glacier=glacier, settings=settings)
    dates = matrix.index.get_level_values(0)
    rows = []
    picked = []
    for wanted, default in ((date_from, 0), (date_to, len(dates) - 1)):
        at = default
        if wanted is not None:
            at = int(np.argmin(np.abs((dates - pd.Timestamp(as_date(wanted))).days)))
        picked.append(at)
    start, end = picked
    years = rate_years(dates[start], dates[end])
    offsets, lines = ruler.offset_lines
    for k, (offset, line) in enumerate(zip(offsets, lines, strict=True)):
        before, after = matrix.iloc[start, k], matrix.iloc[end, k]
        if np.isnan(before) or np.isnan(after):
            continue
        # Positions are feet on the centreline; the piece of the offset line lies between the same feet.
        feet = [
            shapely.line_locate_point(line, shapely.line_interpolate_point(ruler.centreline, along))
            for along in (after, before)
        ]
        piece = shapely.ops.substring(line, min(feet), max(feet))
        rows.append(
            {
                "glacier": glacier.name,
                "front_of": kind,
                "offset_m": float(offset),
                "start_date": dates[start],
                "end_date": dates[end],
                "retreat_m": before - after,
                "retreat_m_per_year": (before - after) / years,
                "geometry": published(piece, ruler.place.crs),
            }
        )
    return rows
