"""An inventory of outlines (RGI 5 to 7, or one like them): each glacier with its box, its plane and its line.

A glacier of an inventory is called by its identifier; its name is an alias where no other glacier bears it. The box is
the extent of the outline with a margin. The plane is the UTM zone of its middle, poleward of 84 north and 80 south the
polar stereographic one. A line is that of the RGI 7 product of centrelines where it lies beside the outlines, else the
middle line of the outline (:mod:`glaciertime.scenes.middle_line`) where an attribute tells the end of the tongue, else
none: the catalog says which in ``drawn_by`` and ``notes``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely

from glaciertime import limits, naming
from glaciertime.catalog import Glacier, Line, is_surging
from glaciertime.errors import InputError
from glaciertime.meridian import joined_at_180
from glaciertime.naming import agreeing, clean_name, column_called, counted, first_column, fold_name
from glaciertime.rgi_regions import region_code, region_in_words
from glaciertime.scenes.layers import Layer, geometry_kinds, is_one_file, layers_of, read_layer
from glaciertime.scenes.middle_line import Terminus, beyond_the_tongue, middle_line, terminus_by_attributes
from glaciertime.scenes.parts import polygons_of

__all__ = ["Inventory", "Outline", "read_inventory"]

_MARGIN_SHARE, _MARGIN_M = 0.1, 200.0
_SHOWN = 5
_NAMES = ("glacname", "glaciername", "name")
_FIRST, _SECOND = ("o1region", "region"), ("o2region",)
#: Marine is 1 in all; a shelf is 3 in RGI 7 and was 5 before, where 3 was dry calving. A lake is none of ours.
_NEW_TERMINI = {"0": "land", "1": "tidewater", "3": "ice shelf"}
_OLD_TERMINI = {"0": "land", "1": "tidewater", "5": "ice shelf"}


@dataclass(frozen=True)
class Outline:
    """One glacier of an inventory: its outline in longitude and latitude, and what its row says."""

    identifier: str
    name: str
    geometry: shapely.Geometry
    region: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Inventory:
    """The glaciers of a file of outlines, by identifier, in the order of the file."""

    path: Path
    outlines: Mapping[str, Outline]
    #: What could not be used, and what was assumed, in sentences.
    notes: tuple[str, ...] = ()
    #: Lines of the RGI 7 product of centrelines, in longitude and latitude, and the file they are of.
    lines: Mapping[str, shapely.LineString] = field(default_factory=dict)
    lines_from: str = ""

    @cached_property
    def shared_names(self) -> frozenset[str]:
        """Names that several of its glaciers bear, folded: in data, such a name is that of none of them."""
        counts = Counter(fold_name(outline.name) for outline in self.outlines.values() if outline.name)
        return frozenset(name for name, count in counts.items() if count > 1)

    def glacier_called(self, name: str) -> list[str]:
        """Return the identifiers of the glaciers of that name."""
        return [one.identifier for one in self.outlines.values() if one.name and fold_name(one.name) == fold_name(name)]

    def entry(self, identifier: str, *, with_line: bool = True) -> Glacier:
        """Return a glacier as the catalog knows one.

        Parameters
        ----------
        identifier : str
        with_line : bool
            Whether to draw a line where none lies beside the outlines: that takes some milliseconds.
        """
        return _entry(self, self.outlines[identifier], with_line=with_line)

    def entries(self) -> list[Glacier]:
        """Return all its glaciers, without lines that would have to be drawn."""
        return [self.entry(identifier, with_line=False) for identifier in self.outlines]


def read_inventory(path: Path, *, id_column: str = "", name_column: str = "") -> Inventory:
    """Return the glaciers of a file of outlines.

    Parameters
    ----------
    path : Path
        A vector file or a zip of one, in any coordinate system.
    id_column, name_column : str, optional
        Columns of the identifier and of the name, where they bear no name of the field's inventories.

    Raises
    ------
    DataNotFoundError
        Where there is no such file.
    InputError
        Where it holds no polygons, no coordinate system, no column of identifiers, or an identifier twice.
    """
    path = Path(path)
    layer = _layer_of_outlines(path)
    table = read_layer(layer)
    columns = [column for column in table.columns if column != table.geometry.name]
    if id_column:
        number = column_called(columns, id_column, option="--id-column", where=layer.label)
    else:
        number = first_column(columns, naming.IDENTIFIER_COLUMNS) or ""
    if not number:
        raise InputError(
            f"{layer.label} has no column that numbers glaciers (rgi_id, RGIId, ...); it has "
            f"{', '.join(map(str, columns)) or 'none'}; name it with --id-column"
        )
    named = (
        column_called(columns, name_column, option="--name-column", where=layer.label)
        if name_column
        else first_column(columns, _NAMES)
    )
    return _inventory(path, layer, table, number, named)


def _inventory(path: Path, layer: Layer, table: gpd.GeoDataFrame, number: str, named: str | None) -> Inventory:
    identifiers = [clean_name(value) for value in table[number]]
    names = [clean_name(value) for value in table[named]] if named else [""] * len(table)
    names = _without_residue(names)
    twice = [name for name, count in Counter(map(fold_name, identifiers)).items() if name and count > 1]
    if twice:
        held = [one for one in dict.fromkeys(identifiers) if fold_name(one) in twice]
        raise InputError(
            f"{layer.label}: {len(twice)} identifiers of column {number} stand in several rows "
            f"({', '.join(held[:_SHOWN])}{', ...' if len(held) > _SHOWN else ''}); an inventory has a row a glacier: "
            "keep one date, or name another column with --id-column"
        )
    first, second = first_column(table.columns, _FIRST), first_column(table.columns, _SECOND)
    geometries = _in_degrees(table, layer.label)
    attributes = table.drop(columns=table.geometry.name).to_dict("records")
    outlines: dict[str, Outline] = {}
    unnumbered, empty, mended = 0, [], []
    for identifier, name, geometry, row in zip(identifiers, names, geometries, attributes, strict=True):
        if not identifier:
            unnumbered += 1
            continue
        shape, was_mended = _whole(geometry, f"{layer.label}, {identifier}")
        if shape is None:
            empty.append(identifier)
            continue
        if was_mended:
            mended.append(identifier)
        region = region_code(row.get(first, ""), row.get(second, "")) if first else ""
        outlines[identifier] = Outline(identifier, name, shape, region, row)
    if not outlines:
        raise InputError(f"{layer.label} holds no outline with an identifier")
    notes = []
    if unnumbered:
        notes.append(
            f"{path.name}: {counted(unnumbered, 'rows', 'have')} no identifier and {agreeing(unnumbered, 'were')} "
            "left out"
        )
    for held, verb, what in ((empty, "have", "no polygon"), (mended, "were", "mended where sides cross")):
        if held:
            shown = ", ".join(held[:_SHOWN]) + (", ..." if len(held) > _SHOWN else "")
            out = f" and {agreeing(len(held), 'were')} left out" if held is empty else ""
            notes.append(f"{path.name}: {counted(len(held), 'outlines', verb)} {what}{out} ({shown})")
    lines, lines_from, told = _lines_beside(path)
    return Inventory(path, outlines, (*notes, *told), lines, lines_from)


def _layer_of_outlines(path: Path) -> Layer:
    """Return the layer with the polygons."""
    if not is_one_file(path):
        read_layer(path)  # raises what is wrong with it
    layers = layers_of(path)
    areal = [layer for layer in layers if next(geometry_kinds(read_layer(layer, crs="EPSG:4326")), "") == "outlines"]
    if not areal:
        raise InputError(f"{path.name} holds no polygons; give a file of glacier outlines")
    if len(areal) > 1:
        listed = ", ".join(layer.name or layer.member for layer in areal)
        raise InputError(
            f"{path.name} has {counted(len(areal), 'layers')} of polygons ({listed}); give a file with one"
        )
    return areal[0]


def _without_residue(names: list[str]) -> list[str]:
    """Return names without the one letter that a text field of fixed width shows in every row that has none."""
    short = Counter(name for name in names if len(name) == 1)
    residue = {letter for letter, count in short.items() if count > 1}
    return ["" if name in residue else name for name in names]


def _in_degrees(table: gpd.GeoDataFrame, where: str) -> np.ndarray[Any, Any]:
    """Return the outlines in longitude and latitude, with longitudes that do not jump."""
    shapes = shapely.force_2d(table.geometry.to_numpy())
    for shape in shapes:
        if shape is not None:
            limits.check("vertices", shapely.get_num_coordinates(shape), where)
    crs = pyproj.CRS.from_user_input(table.crs)
    known = np.array([shape is not None and not shape.is_empty for shape in shapes])
    if crs.is_geographic and known.any():
        bounds = shapely.bounds(shapes[known])
        if np.nanmax(np.abs(bounds[:, [1, 3]])) > 90 or np.nanmax(np.abs(bounds[:, [0, 2]])) > 360:
            raise InputError(
                f"{where}: coordinates beyond 90 degrees of latitude or 360 of longitude; its coordinate system is not "
                f"{crs.name}: assign the right one with ogr2ogr -a_srs"
            )
    turned = gpd.GeoSeries(shapes, crs=table.crs).to_crs("EPSG:4326").to_numpy()
    finite = [shape is None or np.isfinite(shapely.get_coordinates(shape)).all() for shape in turned]
    if not all(finite):
        raise InputError(
            f"{where}: {counted(finite.count(False), 'outlines', 'do')} not lie in the domain of {crs.name}"
        )
    return np.array([joined_at_180(shape) for shape in turned], dtype=object)


def _whole(geometry: shapely.Geometry | None, where: str) -> tuple[shapely.Geometry | None, bool]:
    """Return the polygons of an outline, mended where it crosses itself, and whether it was; None without any."""
    if geometry is not None and not geometry.is_valid:
        limits.check("crossings", shapely.get_num_coordinates(geometry) / 10, where)
    shape, mended = polygons_of(geometry)
    return (None if shape.is_empty else shape), mended


def _entry(inventory: Inventory, outline: Outline, *, with_line: bool) -> Glacier:
    crs = _plane_of(outline.geometry)
    shape = _on_plane(outline.geometry, crs)
    x_min, y_min, x_max, y_max = shape.bounds
    margin = max(_MARGIN_M, _MARGIN_SHARE * max(x_max - x_min, y_max - y_min))
    whose = f"{inventory.path.name}, {outline.identifier}"
    row = outline.attributes
    line, told = _line(inventory, outline, shape, crs, whose) if with_line else (None, "")
    if not with_line and outline.identifier in inventory.lines:
        line, told = _line(inventory, outline, shape, crs, whose)
    middle = outline.geometry.centroid
    surge = first_column(row, naming.SURGE_COLUMNS)
    is_alias = outline.name and fold_name(outline.name) not in {*inventory.shared_names, fold_name(outline.identifier)}
    x_min, y_min, x_max, y_max = (
        float(round(value)) for value in (x_min - margin, y_min - margin, x_max + margin, y_max + margin)
    )
    return Glacier(
        name=outline.identifier,
        aliases=(outline.name,) if is_alias else (),
        region=region_in_words(outline.region),
        rgi_region=outline.region,
        hemisphere="north" if middle.y >= 0 else "south",
        terminus_type=_terminus_type(row),
        surging=surge is not None and is_surging(row[surge]),
        crs=crs,
        box=(x_min, y_min, x_max, y_max),
        centreline=line,
        notes=f"box: the extent of the outline of {whose}, and {margin:.0f} m around it; {told or 'no line was drawn'}",
    )


def _terminus_type(row: Mapping[str, Any]) -> Any:
    """Return what a glacier ends in, by ``term_type`` (RGI 7), ``TermType`` (RGI 6) or ``GlacType`` (RGI 5)."""
    column = first_column(row, ("termtype",))
    if column is not None:
        return (_NEW_TERMINI if "_" in column else _OLD_TERMINI).get(clean_name(row[column]))
    column = first_column(row, ("glactype",))
    code = clean_name(row[column]) if column is not None else ""
    return _OLD_TERMINI.get(code[1]) if len(code) == 4 and code.isdigit() else None


def _plane_of(geometry: shapely.Geometry) -> str:
    """Return the plane of an outline in longitude and latitude: its UTM zone, or near a pole that pole's.

    Longitudes beyond 180 degrees are those of the other side.
    """
    middle = shapely.box(*geometry.bounds).centroid
    if not -80 <= middle.y <= 84:
        return "EPSG:3413" if middle.y > 0 else "EPSG:3031"
    zone = int((middle.x + 180) % 360 // 6) + 1
    return f"EPSG:{(32600 if middle.y >= 0 else 32700) + zone}"


@lru_cache(maxsize=130)
def _to_plane(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _on_plane(geometry: shapely.Geometry, crs: str) -> shapely.Geometry:
    transformer = _to_plane(crs)
    return shapely.transform(geometry, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))


def _line(
    inventory: Inventory, outline: Outline, shape: shapely.Geometry, crs: str, whose: str
) -> tuple[Line | None, str]:
    """Return the line of a glacier from inland to its end, and in words how it came about or why there is none."""
    terminus = terminus_by_attributes(outline.attributes)
    held = inventory.lines.get(outline.identifier)
    if held is not None:
        line = _on_plane(held, crs)
        if line.length == 0 or not np.isfinite(shapely.get_coordinates(line)).all():
            return None, f"no line: that of {inventory.lines_from} cannot be placed on {crs}"
        if terminus.point is not None:
            end = _on_plane(shapely.Point(terminus.point), crs)
            if end.distance(shapely.Point(line.coords[0])) < end.distance(shapely.Point(line.coords[-1])):
                line = line.reverse()
        by = f"RGI 7 centrelines, {inventory.lines_from}, drawn on beyond the tongue"
        return _as_line(beyond_the_tongue(line, shape), by), f"line: {by}"
    if terminus.point is None and terminus.aspect_deg is None:
        return None, "no line: nothing tells where the tongue ends"
    placed = terminus
    if terminus.point is not None:
        point = _on_plane(shapely.Point(terminus.point), crs)
        placed = Terminus(point=(point.x, point.y), aspect_deg=None)
    drawn = middle_line(shape, terminus=placed)
    if drawn is None:
        return None, "no line: the outline and its attributes do not tell where the tongue ends"
    how = "the terminus of its attributes" if terminus.point is not None else "its mean aspect"
    by = f"glaciertime, middle line of the outline of {whose}, downhill by {how}"
    return _as_line(beyond_the_tongue(drawn, shape), by), f"line: {by}"


def _as_line(line: shapely.LineString, by: str) -> Line:
    return Line(coordinates=[(round(x, 1), round(y, 1)) for x, y in line.coords], drawn_by=by)


def _lines_beside(path: Path) -> tuple[dict[str, shapely.LineString], str, list[str]]:
    """Return the lines of the RGI 7 product of centrelines that lies beside that of glaciers: the main one of each."""
    name = path.name.replace("-G-", "-L-")
    if name == path.name:
        return {}, "", []
    folder = path.parent
    places = (folder / name, folder.with_name(folder.name.replace("-G-", "-L-")) / name)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        return {}, "", []
    table = read_layer(found)
    number = first_column(table.columns, ("rgigid", "rgiid"))
    if number is None:
        return {}, "", [f"{found.name}: no column rgi_g_id says whose its lines are; they are left out"]
    main = first_column(table.columns, ("ismain",))
    if main is not None:
        table = table[table[main].map(lambda value: clean_name(value).casefold() in ("1", "true", "t"))]
    lines: dict[str, shapely.LineString] = {}
    for identifier, shape in zip(table[number], _in_degrees(table, found.name), strict=True):
        merged = None if shape is None else shapely.line_merge(shape)
        if merged is None or merged.geom_type != "LineString" or merged.is_empty:
            continue
        key = clean_name(identifier)
        if key not in lines or merged.length > lines[key].length:
            lines[key] = merged
    return lines, found.name, []
