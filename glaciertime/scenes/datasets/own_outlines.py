"""Outlines as labels of one's own images: matched by place and nearest date, drawn on the grid of the image."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from glaciertime import naming
from glaciertime.dates import Dated, DateReading, read_dates
from glaciertime.errors import AmbiguousDateError, GlacierTimeError, InputError
from glaciertime.meridian import joined_at_180
from glaciertime.naming import agreeing, clean_name, counted, first_column
from glaciertime.scenes.datasets.sample import IGNORE, possible_days
from glaciertime.scenes.dated_rows import days_of_rows
from glaciertime.scenes.geometries import check_geometry
from glaciertime.scenes.glacier_rows import VectorReading
from glaciertime.scenes.layers import Layer, layers_of, read_layer
from glaciertime.scenes.parts import kind_of_line_type, polygons_of

__all__ = ["Outlines", "Painted", "read_outlines", "told_of_outlines"]

CLASSES, CODES = ("background", "glacier"), (64, 127)
# Outlines of one glacier at two dates share more than this of the smaller; those of neighbours overlap at their divide.
_SAME_GLACIER = 0.5
# Two that share less than this of the smaller were drawn by different hands.
_ALIKE = 0.98
_SEGMENT = {True: 0.005, False: 500.0}


@dataclass(frozen=True)
class Painted:
    """The outlines of an image.

    Attributes
    ----------
    shapes : tuple of geometry
        Ice, in the coordinates of the image.
    rock : tuple of geometry
        In it.
    unsure : tuple of geometry
        Ice of a date too far off, of none beside outlines that have one, or most of which the outlines of the
        nearest date leave out: not labelled.
    gap_days : int or None
        The largest time between the image and an outline that is used; None where none has a date.
    undated : int
        How many of the outlines used have no date.
    name : str
        Of the glacier that more than half of the ice is of; empty where there is none, or none is named.
    twice : int
        Outlines that another one of the same glacier and day does not agree with.
    """

    shapes: tuple[shapely.Geometry, ...]
    rock: tuple[shapely.Geometry, ...] = ()
    unsure: tuple[shapely.Geometry, ...] = ()
    gap_days: int | None = None
    undated: int = 0
    name: str = ""
    twice: int = 0

    def labels(
        self, shape: tuple[int, int], transform: Affine, *, margin: tuple[float, float] = (0.0, 0.0)
    ) -> NDArray[np.uint8]:
        """Return 1 where a pixel's middle lies in the ice, 0 elsewhere, :data:`IGNORE` where nobody knows.

        Parameters
        ----------
        shape : height and width, pixels
        transform : Affine
        margin : (float, float)
            What lies farther than that from all ice is not labelled, along both coordinates and in their units; 0 for
            no such limit.
        """
        near = [_buffered(shapely.union_all(self.shapes), margin)] if any(margin) else []
        drawn: list[tuple[Any, int]] = [(geometry, 0) for geometry in near]
        drawn += [(geometry, IGNORE) for geometry in self.unsure]
        drawn += [(geometry, 1) for geometry in self.shapes]
        drawn += [(geometry, 0) for geometry in self.rock]
        return np.asarray(
            rasterize(drawn, out_shape=shape, transform=transform, fill=IGNORE if any(margin) else 0, dtype="uint8")
        )


@dataclass
class Outlines:
    """Outlines of glaciers with what is known of each.

    Attributes
    ----------
    tables : list of GeoDataFrame
        Of each layer its polygons, with the columns ``first`` and ``last`` (days, None where not known), ``kind``
        (ice or rock) and ``glacier``.
    told : list of str
    """

    tables: list[gpd.GeoDataFrame]
    told: list[str] = field(default_factory=list)
    touched: set[tuple[int, Any]] = field(default_factory=set)

    @property
    def count(self) -> int:
        """Return how many outlines there are."""
        return sum(len(table) for table in self.tables)

    def on(
        self, bounds: tuple[float, float, float, float], crs: pyproj.CRS, date: tuple[dt.date, dt.date] | None, *,
        max_gap_days: int,
    ) -> Painted | None:  # fmt: skip
        """Return the outlines of an image; None where none lies on it.

        Of the outlines of one glacier those of the date nearest to the image's are taken, and those before it where
        two are as near; without a date of the image or of the outlines, place alone decides.

        Raises
        ------
        InputError
            If the image has no date, and a glacier has outlines of several.

        Parameters
        ----------
        bounds : west, south, east, north of the image, in its CRS
        crs : of the image
        date : first and last day that the image can be of; None where it has no date
        max_gap_days : int
            Ice whose outlines are all farther off is not labelled.
        """
        met = [self._met(number, bounds, crs) for number in range(len(self.tables))]
        found = [table for table in met if not table.empty]
        if not any((table["kind"] == "ice").any() for table in found):
            return None
        rows = pd.concat(found, ignore_index=True)
        ice, rock = rows[rows["kind"] == "ice"].reset_index(drop=True), rows[rows["kind"] == "rock"]
        chosen: list[int] = []
        unsure: list[int] = []
        gaps: list[int] = []
        days: set[Any] = set()
        twice = 0
        for members in _glaciers(list(ice.geometry)):
            gap_of = {place: _gap(date, ice["first"][place], ice["last"][place]) for place in members}
            known = {place: gap for place, gap in gap_of.items() if gap is not None}
            dates = sorted({ice["first"][place] for place in members} - {None})
            if not known and len(dates) > 1:
                raise InputError(
                    f"it has no date, and outlines of one glacier from {dates[0]} to {dates[-1]} lie on it; put its "
                    "date into its name, or into images.csv (columns file and date)"
                )
            if not known:
                chosen += members
                continue
            nearest = min(known.values(), key=lambda gap: (abs(gap), gap))
            if abs(nearest) > max_gap_days:
                undated = [place for place in members if place not in known]
                chosen += undated
                unsure += [place for place in members if place in known]
                continue
            mine = [place for place, gap in known.items() if gap == nearest]
            chosen += mine
            twice += _contradicted([ice.geometry[place] for place in mine])
            unsure += _left_out(ice, mine, [place for place in known if place not in mine])
            # Of another day that nobody knows: what lies beyond those of the nearest may be ice or none.
            unsure += [place for place in members if place not in known]
            gaps.append(abs(nearest))
            days |= {ice["first"][place] for place in mine}
        of_those = np.array([day is None or day in days or not days for day in rock["first"]], dtype=bool)
        rock = rock.loc[of_those]
        names: Counter[str] = Counter()
        for place in chosen:
            names[ice["glacier"][place]] += ice.geometry[place].area
        return Painted(
            shapes=tuple(ice.geometry[place] for place in chosen), rock=tuple(rock.geometry),
            unsure=tuple(ice.geometry[place] for place in unsure), gap_days=max(gaps, default=None),
            undated=sum(ice["first"][place] is None for place in chosen),
            name=_most(names), twice=twice,
        )  # fmt: skip

    def _met(self, number: int, bounds: tuple[float, float, float, float], crs: pyproj.CRS) -> gpd.GeoDataFrame:
        """Return the rows of a layer that lie on an image, in its coordinates."""
        table = self.tables[number]
        image = shapely.segmentize(shapely.box(*bounds), max(bounds[2] - bounds[0], bounds[3] - bounds[1]) / 20)
        there = gpd.GeoSeries([image], crs=crs).to_crs(table.crs)
        if not np.isfinite(there.total_bounds).all():
            return table.iloc[:0]
        around = there.iloc[0]
        if table.crs.is_geographic:
            around = joined_at_180(around)
        near = table.iloc[table.sindex.query(shapely.box(*around.bounds))]
        if near.empty:
            return near
        dense = shapely.segmentize(near.geometry.to_numpy(), _SEGMENT[table.crs.is_geographic])
        moved = near.set_geometry(gpd.GeoSeries(dense, index=near.index, crs=table.crs).to_crs(crs))
        kept = moved[moved.intersects(shapely.box(*bounds))]
        self.touched |= {(number, index) for index in kept.index}
        return kept


def _buffered(shape: shapely.Geometry, margin: tuple[float, float]) -> shapely.Geometry:
    """Return a shape with a rim whose width is another along x than along y."""
    scaled = shapely.transform(shape, lambda points: points / margin)
    return shapely.transform(shapely.buffer(scaled, 1.0), lambda points: points * margin)


def _most(areas: Counter[str]) -> str:
    name, area = areas.most_common(1)[0] if areas else ("", 0)
    return name if 2 * area > sum(areas.values()) else ""


def _left_out(ice: gpd.GeoDataFrame, chosen: list[int], others: list[int]) -> list[int]:
    """Return outlines of other dates most of which those that were chosen leave out, though they were not drawn again.

    A glacier that bears the same name in both was: what it lost is gone.
    """
    drawn = shapely.union_all([ice.geometry[place] for place in chosen])
    again = {ice["glacier"][place] for place in chosen} - {""}
    return [
        place
        for place in others
        if ice["glacier"][place] not in again
        and shapely.area(shapely.intersection(ice.geometry[place], drawn)) < _SAME_GLACIER * ice.geometry[place].area
    ]


def _contradicted(shapes: list[shapely.Geometry]) -> int:
    """Return how many shapes another one covers most of, and differs from: drawn twice, and not alike.

    One inside of another, as a glacier in its complex, is drawn in parts.
    """
    found = set()
    for one, other in itertools.combinations(range(len(shapes)), 2):
        both = shapely.area(shapely.intersection(shapes[one], shapes[other]))
        smaller, larger = sorted((shapes[one].area, shapes[other].area))
        if _SAME_GLACIER * larger < both < _ALIKE * smaller:
            found |= {one, other}
    return len(found)


def _gap(date: tuple[dt.date, dt.date] | None, first: dt.date | None, last: dt.date | None) -> int | None:
    """Return the days from an image to an outline, negative where this is earlier, 0 where they can be of one day."""
    if date is None or first is None or last is None:
        return None
    if last < date[0]:
        return (last - date[0]).days
    return max(0, (first - date[1]).days)


def _glaciers(shapes: list[shapely.Geometry]) -> list[list[int]]:
    """Return which outlines are of one glacier at several dates: those that share ground."""
    tree = shapely.STRtree(shapes)
    group = list(range(len(shapes)))

    def root(place: int) -> int:
        while group[place] != place:
            group[place] = group[group[place]]
            place = group[place]
        return place

    for one, other in zip(*tree.query(shapes, predicate="intersects"), strict=True):
        if one < other and root(one) != root(other):
            shared = shapely.area(shapely.intersection(shapes[one], shapes[other]))
            if shared > _SAME_GLACIER * min(shapes[one].area, shapes[other].area):
                group[root(other)] = root(one)
    found: dict[int, list[int]] = {}
    for place in range(len(shapes)):
        found.setdefault(root(place), []).append(place)
    return list(found.values())


def read_outlines(path: Path, *, crs: Any = None, dates: DateReading | None = None, date_column: str = "") -> Outlines:
    """Read the polygons of a vector file, a zip or a folder of them, with their dates where they have any.

    Parameters
    ----------
    path : Path
    crs : optional
        The coordinate system of layers that name none.
    dates : DateReading, optional
        What was told about how dates are written.
    date_column : str
        By default the one that bears a usual name.

    Raises
    ------
    InputError
        If there is no polygon, a layer has no coordinate system, or dates can mean several days.
    """
    layers = layers_of(path) or [Layer(path)]
    found = Outlines([])
    for layer in layers:
        try:
            table = read_layer(layer, crs=crs)
        except InputError as error:
            if "has no coordinate system" in str(error):
                raise InputError(
                    f"outlines {layer.label} have no coordinate system: say which it is, --reader crs=EPSG:CODE"
                ) from error
            raise
        if (rows := _rows(layer, table, found.told, dates or DateReading(), date_column)) is not None:
            found.tables.append(rows)
    if not found.tables:
        raise InputError(f"{path} holds no polygon; outlines are polygons of ice")
    return found


def _rows(
    layer: Layer, table: gpd.GeoDataFrame, told: list[str], dates: DateReading, date_column: str
) -> gpd.GeoDataFrame | None:
    line_type = first_column(table.columns, naming.LINE_TYPE_COLUMNS)
    kinds = [
        kind_of_line_type(clean_name(value)) if line_type else "ice" for value in table.get(line_type, table.index)
    ]
    shapes: list[shapely.Geometry | None] = []
    bad = mended = 0
    for geometry, kind in zip(table.geometry, kinds, strict=True):
        try:
            check_geometry(geometry, crs=table.crs)
            polygons, was_mended = polygons_of(geometry)
        except GlacierTimeError:
            bad += 1
            shapes.append(None)
            continue
        mended += was_mended and bool(kind)
        shape = None if polygons.is_empty or not kind else polygons
        shapes.append(joined_at_180(shape) if shape is not None and table.crs.is_geographic else shape)
    if all(shape is None for shape in shapes):
        return None
    try:
        days, _ = days_of_rows(table, layer, VectorReading(dates=dates, date_column=date_column), dates, {})
    except AmbiguousDateError as error:
        raise InputError(
            f"{error} (here --reader date_order=day-first, --reader date_order=month-first or --reader date_form=...)"
        ) from error
    except InputError:
        if date_column:
            raise
        days = ("",) * len(table)
    ends = first_column(table.columns, naming.END_DATE_COLUMNS)
    last_days: Sequence[Dated | str] = ("",) * len(table)
    if ends is not None:
        # Where the end cannot be read the outline is of its first day.
        with contextlib.suppress(InputError):
            last_days = read_dates(table[ends], reading=dates, where=f"{layer.label}, column {ends}").rows
    spans = [_period(day, end) for day, end in zip(days, last_days, strict=True)]
    rows = gpd.GeoDataFrame(
        {
            "first": pd.Series([span[0] for span in spans], dtype=object),
            "last": pd.Series([span[1] for span in spans], dtype=object),
            "kind": ["rock" if kind == "rock" else "ice" for kind in kinds],
            "glacier": _names(table),
        },
        geometry=gpd.GeoSeries(shapes, crs=table.crs), crs=table.crs,
    )  # fmt: skip
    rows = rows[rows.geometry.notna()]
    undated = int(sum(first is None for first in rows["first"]))
    if undated == len(rows):
        told.append(f"{layer.label}: no dates, outlines are matched by place alone")
    elif undated:
        told.append(
            f"{layer.label}: {undated} of {counted(len(rows), 'outlines', 'have')} no date, they are matched by "
            "place alone"
        )
    if bad:
        told.append(f"{layer.label}: {counted(bad, 'outlines')} cannot be used and {agreeing(bad, 'are')} left out")
    if mended:
        told.append(f"{layer.label}: {counted(mended, 'outlines')} that cross themselves were mended")
    return rows


def _names(table: gpd.GeoDataFrame) -> list[str]:
    """Return what each outline is called: its name, or where it has none its identifier."""
    names = [""] * len(table)
    for keys in (naming.NAME_COLUMNS, naming.IDENTIFIER_COLUMNS):
        if column := first_column(table.columns, keys):
            names = [name or clean_name(value) for name, value in zip(names, table[column], strict=True)]
    return names


def _period(day: Dated | str, end: Dated | str) -> tuple[dt.date | None, dt.date | None]:
    """Return the first and the last day of the images that an outline was drawn on."""
    first, last = _span(day)
    _, end_of = _span(end)
    return first, last if first is None or end_of is None else max(last or end_of, end_of)


def _span(day: Dated | str) -> tuple[dt.date | None, dt.date | None]:
    """Return the first and the last day that an outline can be of."""
    return (None, None) if isinstance(day, str) else possible_days(day.date, day.flag)


def told_of_outlines(
    outlines: Outlines, painted: Sequence[Painted], elsewhere: int, max_gap_days: int, *, margin_m: float
) -> list[str]:
    """Return in sentences how images and outlines met."""
    told = list(outlines.told)
    if elsewhere:
        told.append(
            f"{counted(elsewhere, 'images', 'lie')} where no outline is, and {agreeing(elsewhere, 'are')} left out"
        )
    if missed := outlines.count - len(outlines.touched):
        told.append(f"{missed} of {counted(outlines.count, 'outlines', 'lie')} on no image")
    gaps = [one.gap_days for one in painted if one.gap_days is not None]
    if gaps:
        told.append(
            f"outlines are up to {counted(max(gaps), 'days')} from their image, {max_gap_days} allowed (--reader "
            "max_gap_days=N)"
        )
    if by_place := sum(one.gap_days is None for one in painted):
        told.append(f"{counted(by_place, 'images', 'are')} matched with outlines by place alone")
    if twice := sum(one.twice > 0 for one in painted):
        told.append(
            f"on {counted(twice, 'images')} outlines of one glacier and day differ: all that any of them holds is "
            "taught as ice; "
            "keep the better one"
        )
    if unsure := sum(bool(one.unsure) for one in painted):
        told.append(
            f"on {counted(unsure, 'images')} some ice is not labelled: its outlines are all farther off, or have no "
            "date where "
            "others have one, or those nearest in time leave most of it out"
        )
    told.append(
        f"what is farther than {margin_m:g} m from outlined ice is not labelled" if margin_m
        else "all that lies outside of outlines is background: ice that nobody outlined is taught as none (--reader "
        "margin_m=500 leaves what is farther off without a label)"
    )  # fmt: skip
    return told
