"""Every conversion in one place: pixels, metres, true areas on the ellipsoid, dates and years.

Conventions of the whole package
--------------------------------
- An area is the true area on the WGS84 ellipsoid, never the area on the plane of a map projection: in polar
  stereographic the two differ by several percent away from the standard parallel.
- A length (a position, a width, a rate) is a true one too: it is measured on the plane of :func:`true_plane`, never on
  that of a map, where it is off by half as many percent as an area.
- A year of a rate or of a horizon has 365.25 days. A decimal year divides by the days that its own year has.
- A coordinate system of ``None`` is a local metric frame: plane coordinates in metres without a place on Earth.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import ArrayLike, NDArray

from glaciertime.dates import as_date
from glaciertime.errors import InputError
from glaciertime.meridian import densified
from glaciertime.walls import wall

__all__ = [
    "DAYS_PER_YEAR",
    "LEAST_RATE_DAYS",
    "M2_PER_KM2",
    "SHOWN_UNITS",
    "Unit",
    "as_date",
    "column_decimals",
    "crs_on_earth",
    "decimal_year",
    "last_digit",
    "mask_area_km2",
    "number_text",
    "pixel_area_m2",
    "polygon_area_km2",
    "rate_years",
    "resolution_m",
    "shown_in",
    "true_plane",
    "unit_named",
    "years_between",
]

DAYS_PER_YEAR = 365.25
#: Eleven months: over less a change is that of a season, or of an error, and no rate per year is told from it.
LEAST_RATE_DAYS = 330
M2_PER_KM2 = 1.0e6

# Edges are densified to this length before they leave a map plane, on which they are straight.
_EDGE_M = 2_000.0
_EDGE_DEGREES = 0.02
# Pixels of one block share one area, taken at the centroid of the block's counted pixels.
_BLOCK_PIXELS = 32
# So many digits of a number are its own; sums and changes of unit leave the others.
_SURE_DIGITS = 12


@dataclass(frozen=True)
class Unit:
    """A unit of what is measured: of which quantity, and how many of the quantity's first unit it is."""

    name: str
    quantity: str
    factor: float


_UNITS = {
    unit.name: unit
    for unit in (
        Unit("m", "length", 1.0), Unit("km", "length", 1e3), Unit("cm", "length", 1e-2), Unit("mm", "length", 1e-3),
        Unit("ft", "length", 0.3048), Unit("mi", "length", 1609.344),
        Unit("km2", "area", 1e6), Unit("m2", "area", 1.0), Unit("ha", "area", 1e4), Unit("mi2", "area", 2589988.110336),
        Unit("Gt", "mass", 1.0), Unit("Mt", "mass", 1e-3), Unit("kg", "mass", 1e-12), Unit("t", "mass", 1e-9),
        Unit("km3", "volume", 1.0), Unit("m3", "volume", 1e-9),
        Unit("m w.e.", "water equivalent", 1.0), Unit("mm w.e.", "water equivalent", 1e-3),
        Unit("%", "share", 1.0), Unit("degC", "temperature", 1.0),
    )
}  # fmt: skip
_OTHER_NAMES = {
    "metre": "m", "metres": "m", "meter": "m", "meters": "m", "metern": "m", "metros": "m", "metri": "m", "masl": "m",
    "m asl": "m", "m a.s.l.": "m", "m a.s.l": "m", "m.a.s.l.": "m", "m ü.m.": "m", "moh": "m", "m o.h.": "m",
    "kilometre": "km", "kilometres": "km", "kilometer": "km", "kilometers": "km", "feet": "ft", "foot": "ft",
    "miles": "mi", "sqkm": "km2", "sq km": "km2", "sq. km": "km2", "km^2": "km2", "km**2": "km2", "qkm": "km2",
    "square kilometres": "km2", "square kilometers": "km2", "m^2": "m2", "m**2": "m2", "sqm": "m2", "sq m": "m2",
    "square metres": "m2", "square meters": "m2", "hectare": "ha", "hectares": "ha", "hektar": "ha", "mi^2": "mi2",
    "sq mi": "mi2", "gigatonnes": "Gt", "gigatonne": "Gt", "gigatons": "Gt", "gigaton": "Gt", "gt": "Gt",
    "megatonnes": "Mt", "mt": "Mt", "tonnes": "t", "km^3": "km3", "km**3": "km3", "cubic kilometres": "km3",
    "cubic kilometers": "km3", "m^3": "m3", "mwe": "m w.e.", "m we": "m w.e.", "m w.e": "m w.e.", "mw.e.": "m w.e.",
    "mmwe": "mm w.e.", "mm we": "mm w.e.", "mm w.e": "mm w.e.", "percent": "%", "°c": "degC",
}  # fmt: skip
_MULTIPLE = re.compile(
    r"[x×*·]?\s*10(?:\^|\*\*)?(?P<power>(?<=[\^*])\d+|[⁰¹²³⁴⁵⁶⁷⁸⁹]+)\s*[x×*·]?\s*(?P<unit>[^\d\s].*)"
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def unit_named(name: str) -> Unit | None:
    """Return a unit by any of its names, or None for what is none; ``10^6 m3`` is a million of one.

    Examples
    --------
    >>> unit_named("km²").name, unit_named("Hectares").factor, unit_named("Gt/yr") is None, unit_named("10⁶ m³").factor
    ('km2', 10000.0, True, 0.001)
    """
    text = " ".join(name.split()).strip("[]() ")
    if (many := _MULTIPLE.fullmatch(text)) and (one := unit_named(many["unit"])):
        return Unit(text, one.quantity, one.factor * 10.0 ** min(int(many["power"].translate(_RAISED)), 30))
    text = text.replace("²", "2").replace("³", "3")
    if text in _UNITS:
        return _UNITS[text]
    low = text.casefold()
    return _UNITS.get(_OTHER_NAMES.get(low, "")) or _UNITS.get(low)


#: The units in which a reader may have each quantity shown; the first is the one that the archive holds.
SHOWN_UNITS = {"length": ("m", "km"), "area": ("km2", "ha", "m2")}


def shown_in(unit: str, chosen: Mapping[str, str]) -> tuple[str, float]:
    """Return the unit in which a number is shown, and how many of it one of its own is.

    Parameters
    ----------
    unit : str
        Of the number, such as ``km2`` or ``m a-1``.
    chosen : mapping of ``length`` or ``area`` to one of :data:`SHOWN_UNITS`

    Examples
    --------
    >>> shown_in("km2 a-1", {"area": "ha"}), shown_in("m w.e.", {"length": "km"})
    (('ha a-1', 100.0), ('m w.e.', 1.0))
    """
    name, _, per = unit.partition(" ")
    for quantity, wanted in chosen.items():
        if name == SHOWN_UNITS[quantity][0] and per in ("", "a-1"):
            ours, theirs = _UNITS[name].factor, _UNITS[wanted].factor
            return f"{wanted} {per}".strip(), ours / theirs
    return unit, 1.0


def decimal_year(value: Any) -> float:
    """Return a date as a decimal year; the denominator knows leap years.

    Examples
    --------
    >>> decimal_year("2004-01-01"), round(decimal_year("2004-12-31"), 6)
    (2004.0, 2004.997268)
    """
    day = as_date(value)
    days_in_year = 366 if calendar.isleap(day.year) else 365
    return day.year + (day.timetuple().tm_yday - 1) / days_in_year


def years_between(start: Any, end: Any) -> float:
    """Return the time from start to end in years of 365.25 days; negative where end is earlier.

    Examples
    --------
    >>> years_between("2001-01-01", "2005-01-01")
    4.0
    """
    return (as_date(end) - as_date(start)).days / DAYS_PER_YEAR


def rate_years(start: Any, end: Any) -> float:
    """Return the years that a change is divided by for a rate; NaN where the two days lie too near to each other.

    A rate per year of two days a week apart is fifty times the change, and fifty times its error: below
    :data:`LEAST_RATE_DAYS` there is none.

    Examples
    --------
    >>> rate_years("2001-01-01", "2005-01-01"), rate_years("2001-01-01", "2001-01-02")
    (4.0, nan)
    """
    years = years_between(start, end)
    return years if abs(years) * DAYS_PER_YEAR >= LEAST_RATE_DAYS else math.nan


@lru_cache(maxsize=512)
def _to_equal_area(crs_text: str, longitude: float, latitude: float) -> pyproj.Transformer:
    equal_area = f"+proj=laea +lat_0={latitude} +lon_0={longitude} +datum=WGS84 +units=m +no_defs"
    return pyproj.Transformer.from_crs(crs_text, equal_area, always_xy=True)


def _equal_area_transformer(crs: Any, x: float, y: float) -> pyproj.Transformer:
    """Return the transformer to a Lambert azimuthal equal-area plane centred near (x, y)."""
    text = pyproj.CRS.from_user_input(crs).to_wkt()
    longitude, latitude = _to_geographic(text).transform(x, y)
    if not (np.isfinite(longitude) and np.isfinite(latitude)):
        raise InputError(f"coordinates ({x:.6g}, {y:.6g}) do not lie in the domain of {_crs_name(crs)}; check the CRS")
    return _to_equal_area(text, round(float(longitude)), round(float(latitude)))


@lru_cache(maxsize=128)
def _to_geographic(crs_text: str) -> pyproj.Transformer:
    with wall("coordinates cannot be brought to WGS84", "check the CRS"):
        return pyproj.Transformer.from_crs(crs_text, "EPSG:4326", always_xy=True)


def _crs_name(crs: Any) -> str:
    return pyproj.CRS.from_user_input(crs).name


@lru_cache(maxsize=64)
def crs_on_earth(crs: Any, *, what: str) -> pyproj.CRS:
    """Return a coordinate system in which something can be measured: one from which there is a way to WGS84.

    Parameters
    ----------
    crs : anything pyproj reads
    what : str
        What names it, as the subject of the sentence.

    Raises
    ------
    InputError
        Where it is none, or one of heights, of time, or of a building site.

    Examples
    --------
    >>> crs_on_earth("EPSG:3413", what="--crs").is_projected
    True
    """
    with wall(f"{what} is not a coordinate system", "give an EPSG code such as EPSG:3031"):
        found = pyproj.CRS.from_user_input(crs)
        horizontal = found.sub_crs_list[0] if found.is_compound and found.sub_crs_list else found
        if not (horizontal.is_geographic or horizontal.is_projected or horizontal.is_derived):
            raise InputError(
                f"{what} is {found.name}, which does not say where on Earth it lies; give an EPSG code such as "
                "EPSG:3031"
            )
        pyproj.Transformer.from_crs(found, "EPSG:4326", always_xy=True)
        # Written down and read again, it must be one still: that is how it is stored, and handed to every library.
        pyproj.CRS.from_wkt(found.to_wkt())
        pyproj.CRS.from_user_input(found.srs)
    return found


def polygon_area_km2(geometry: shapely.Geometry, *, crs: Any) -> float:
    """Return the true area of polygons on the WGS84 ellipsoid.

    The outline is densified in its own coordinate system, transformed to a Lambert azimuthal equal-area plane
    centred on it, and measured there. Lines and points have no area.

    Parameters
    ----------
    geometry : polygon or multi-polygon, with or without holes, in ``crs``
    crs : anything pyproj reads, or None for a local metric frame (then the plane area is returned)

    Returns
    -------
    float
        km2, never negative.

    Examples
    --------
    One degree by one degree at the equator:

    >>> round(polygon_area_km2(shapely.box(0, 0, 1, 1), crs="EPSG:4326"), 1)
    12308.5
    """
    if geometry.is_empty:
        return 0.0
    if crs is None:
        return float(geometry.area) / M2_PER_KM2
    is_geographic = pyproj.CRS.from_user_input(crs).is_geographic
    x_min, y_min, x_max, y_max = geometry.bounds
    if is_geographic and x_max - x_min > 180:
        # What lies on both sides of the 180th meridian would have its middle on the other side of the Earth.
        eastern = shapely.get_coordinates(geometry)[:, 0] % 360.0
        if 0 < np.ptp(eastern) <= 180:
            x_min, x_max = eastern.min(), eastern.max()
    transformer = _equal_area_transformer(crs, (x_min + x_max) / 2, (y_min + y_max) / 2)
    dense = densified(geometry, _EDGE_DEGREES) if is_geographic else shapely.segmentize(geometry, _EDGE_M)
    plane = shapely.transform(dense, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
    return float(plane.area) / M2_PER_KM2


def true_plane(geometry: shapely.Geometry, *, crs: Any) -> pyproj.CRS | None:
    """Return the plane around a geometry on which lengths and areas are those on the WGS84 ellipsoid.

    A Lambert azimuthal equal-area plane centred on the geometry, to a tenth of a degree. At a distance ``d`` from its
    centre its lengths err by ``d^2 / (8 R^2)``: 1 part in 100,000 at 55 km, 1 in 10,000 at 180 km. Whatever map a
    glacier is drawn on, lengths that are measured here are the same.

    Parameters
    ----------
    geometry : anything with coordinates, in ``crs``
    crs : anything pyproj reads, or None for a local metric frame, whose metres are taken as they are

    Returns
    -------
    CRS or None

    Raises
    ------
    InputError
        Where the coordinates do not lie in the domain of the coordinate system.

    Examples
    --------
    >>> plane = true_plane(shapely.Point(-2_400_000, 1_250_000), crs="EPSG:3031")
    >>> plane.coordinate_operation.method_name
    'Lambert Azimuthal Equal Area'
    """
    if crs is None:
        return None
    source = pyproj.CRS.from_user_input(crs)
    coordinates = shapely.get_coordinates(geometry)
    longitude, latitude = _to_geographic(source.to_wkt()).transform(coordinates[:, 0], coordinates[:, 1])
    if not len(coordinates) or not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        raise InputError(f"coordinates do not lie in the domain of {source.name}; check the CRS")
    # The mean of directions from the Earth's centre knows no meridian at which longitudes jump.
    lon, lat = np.radians(longitude), np.radians(latitude)
    corners = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    x, y, z = (corners.min(axis=0) + corners.max(axis=0)) / 2
    centre = np.degrees([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))])
    return _plane_at(round(float(centre[0]), 1) + 0.0, round(float(centre[1]), 1) + 0.0)


@lru_cache(maxsize=512)
def _plane_at(longitude: float, latitude: float) -> pyproj.CRS:
    return pyproj.CRS.from_proj4(
        f"+proj=laea +lat_0={latitude:.1f} +lon_0={longitude:.1f} +datum=WGS84 +units=m +no_defs"
    )


def pixel_area_m2(rows: ArrayLike, columns: ArrayLike, *, transform: Affine, crs: Any) -> NDArray[np.float64]:
    """Return the true area on the ellipsoid of pixels given by their row and column.

    The area is the Jacobian determinant of (column, row) -> equal-area plane, by central differences over one
    pixel, at the (fractional) pixel centre ``(column + 0.5, row + 0.5)``.

    Parameters
    ----------
    rows, columns : array_like, (N,)
        Pixel indices, fractions allowed.
    transform : Affine
        Geotransform of the raster; may be rotated.
    crs : anything pyproj reads, or None for a local metric frame

    Returns
    -------
    (N,) float64
        m2 per pixel.
    """
    row = np.atleast_1d(np.asarray(rows, dtype=float)) + 0.5
    column = np.atleast_1d(np.asarray(columns, dtype=float)) + 0.5
    if crs is None:
        return np.full(row.shape, abs(transform.determinant))
    if row.size == 0:
        return np.empty(0)
    x_middle, y_middle = transform @ (float(column.mean()), float(row.mean()))
    transformer = _equal_area_transformer(crs, x_middle, y_middle)

    def plane(d_column: float, d_row: float) -> NDArray[np.float64]:
        u, v = column + d_column, row + d_row
        x, y = transform.a * u + transform.b * v + transform.c, transform.d * u + transform.e * v + transform.f
        return np.stack(transformer.transform(x, y))

    along_column = plane(0.5, 0.0) - plane(-0.5, 0.0)
    along_row = plane(0.0, 0.5) - plane(0.0, -0.5)
    return np.abs(along_column[0] * along_row[1] - along_column[1] * along_row[0])


def mask_area_km2(mask: NDArray[np.bool_], *, transform: Affine, crs: Any) -> float:
    """Return the true area on the ellipsoid that the true pixels of a mask cover.

    Pixels are counted in blocks; a block's count is multiplied by the true area of a pixel at the centroid of
    its counted pixels, which is exact to first order in the change of scale across the block.

    Parameters
    ----------
    mask : (H, W) bool
    transform : Affine
    crs : anything pyproj reads, or None for a local metric frame

    Returns
    -------
    float
        km2.
    """
    if crs is None:
        return int(np.count_nonzero(mask)) * abs(transform.determinant) / M2_PER_KM2
    height, width = mask.shape
    row_starts = np.arange(0, height, _BLOCK_PIXELS)
    column_starts = np.arange(0, width, _BLOCK_PIXELS)
    # Per block row: the sums along rows give the column moments, the sums along columns the row moments.
    counts = np.add.reduceat(
        np.add.reduceat(mask.astype(np.int32), row_starts, axis=0, dtype=np.int32), column_starts, axis=1
    ).astype(float)
    per_column = np.add.reduceat(mask, row_starts, axis=0, dtype=np.int32)
    column_moment = np.add.reduceat(per_column * np.arange(width), column_starts, axis=1)
    per_row = np.add.reduceat(mask, column_starts, axis=1, dtype=np.int32)
    row_moment = np.add.reduceat(per_row * np.arange(height)[:, None], row_starts, axis=0)
    filled = counts > 0
    counts = counts[filled]
    areas = pixel_area_m2(row_moment[filled] / counts, column_moment[filled] / counts, transform=transform, crs=crs)
    return float(np.sum(counts * areas)) / M2_PER_KM2


def resolution_m(transform: Affine, *, shape: tuple[int, int], crs: Any) -> float:
    """Return the ground size of a pixel: the square root of its true area at the middle of the raster.

    Examples
    --------
    >>> resolution_m(Affine.scale(20, -20), shape=(10, 10), crs=None)
    20.0
    """
    area = pixel_area_m2([(shape[0] - 1) / 2], [(shape[1] - 1) / 2], transform=transform, crs=crs)
    return float(np.sqrt(area[0]))


def pixel_sides_m(transform: Affine, *, shape: tuple[int, int], crs: Any) -> tuple[float, float]:
    """Return the width and the height of a pixel on the ground, at the middle of the raster, metres.

    Examples
    --------
    >>> [round(side, 1) for side in pixel_sides_m(Affine(3e-4, 0, 10, 0, -3e-4, 60), shape=(2, 2), crs="EPSG:4326")]
    [16.7, 33.4]
    """
    row, column = shape[0] / 2, shape[1] / 2
    ends = [
        transform @ end for end in ((column - 0.5, row), (column + 0.5, row), (column, row - 0.5), (column, row + 0.5))
    ]
    plane = _equal_area_transformer(crs, *(transform @ (column, row)))
    x, y = plane.transform([end[0] for end in ends], [end[1] for end in ends])
    return float(np.hypot(x[1] - x[0], y[1] - y[0])), float(np.hypot(x[3] - x[2], y[3] - y[2]))


def last_digit(values: ArrayLike) -> NDArray[np.float64]:
    """Return the unit of the last digit of numbers that is no zero, (N,); 0 of a zero and of what is not finite.

    Digits from the thirteenth on are what rounding left. A thousandth of a number has a thousandth of its unit.

    Examples
    --------
    >>> last_digit([1200.0, 1203.0, -0.25, 0.1 + 0.2, 0.0]).round(9).tolist()
    [100.0, 1.0, 0.01, 0.1, 0.0]
    """
    size = np.abs(np.atleast_1d(np.asarray(values, dtype=float)))
    size = np.where(np.isfinite(size), size, 0.0)
    first = np.floor(np.log10(np.where(size > 0, size, 1.0)))
    unit = np.zeros_like(size)
    for digit in range(_SURE_DIGITS, -2, -1):
        step = 10.0 ** (first - digit)
        unit = np.where(np.abs(np.rint(size / step) * step - size) <= 10.0**-_SURE_DIGITS * size, step, unit)
    return np.where(size > 0, unit, 0.0)


def column_decimals(widths: ArrayLike, *, fewest: int = 2) -> int:
    """Return how many digits behind the point a column of numbers is said with, at least ``fewest``, at most 9.

    Two digits of the median of what tells how exact they are - half intervals, errors - count; of none, ``fewest``.

    Examples
    --------
    >>> column_decimals([21.4, 35.0]), column_decimals([0.00012, 0.0003])
    (2, 5)
    """
    told = np.abs(np.asarray(widths, dtype=float))
    told = told[np.isfinite(told) & (told > 0)]
    return fewest if len(told) == 0 else int(np.clip(1 - np.floor(np.log10(np.median(told))), fewest, 9))


def number_text(value: float, *, digits: int = 4, sign: bool = False) -> str:
    """Return a number to so many significant digits as a reader expects it: no exponent, no ``-0``, thousands parted.

    Digits before the point are all given; unknown is empty.

    Examples
    --------
    >>> number_text(-14010.4, sign=True), number_text(0.0412), number_text(-0.0), number_text(float("nan"))
    ('-14,010', '0.0412', '0', '')
    """
    if not np.isfinite(value):
        return "" if np.isnan(value) else str(value)
    if value == 0:
        return "0"
    decimals = min(12, max(0, digits - 1 - int(np.floor(np.log10(abs(value))))))
    text = f"{value:{'+' if sign else ''},.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if decimals else text
    return "0" if text in ("-0", "+0") else text
