"""Rows that are one observation: parts of a glacier on one day, rock that is taken off, what is there twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyproj
import shapely

from glaciertime import limits
from glaciertime.errors import InputError
from glaciertime.meridian import joined_at_180
from glaciertime.naming import column_key, counted
from glaciertime.scenes.dated_rows import DatedRow
from glaciertime.sentences import sentence
from glaciertime.walls import wall

__all__ = [
    "Observed",
    "is_of_glacier",
    "kind_of_line_type",
    "lines_of",
    "merged_outlines",
    "merged_traces",
    "polygons_of",
]

_ROCK = ("intrnlrock", "internalrock", "rock", "nunatak", "rockoutcrop")
_DEBRIS = ("debriscov", "debriscover", "debris")
_ICE = ("", "glacbound", "glacierbound", "glacier", "ice")
#: Of two outlines of a day, the share of the smaller inside the other from which they are two opinions, not two parts.
_SAME_ICE = 0.5
#: Of two traces of a day, the share of the shorter beside the other from which they are two opinions, not two pieces.
_SAME_FRONT = 0.2


@dataclass(frozen=True)
class Observed:
    """The geometry of one observation, the rows it was made of, and what was done to them."""

    rows: tuple[DatedRow, ...]
    geometry: shapely.Geometry
    flags: dict[str, str] = field(default_factory=dict)
    #: Rows that were left out because an equal one is there.
    twice: int = 0
    #: Rows of rock that were taken off.
    rock: int = 0


def polygons_of(geometry: shapely.Geometry | None) -> tuple[shapely.MultiPolygon, bool]:
    """Return the valid polygons of a geometry, and whether they had to be mended.

    A ring that crosses itself is taken apart at the crossing; what it encloses, in whatever sense, is inside.
    """
    if geometry is None or geometry.is_empty:
        return shapely.MultiPolygon(), False
    flat = shapely.force_2d(geometry)
    mended = not flat.is_valid
    if mended:
        flat = shapely.make_valid(flat, method="structure", keep_collapsed=False)
    parts = [part for part in _simple_parts(flat) if part.geom_type == "Polygon" and part.area > 0]
    return shapely.MultiPolygon(parts), mended


def lines_of(geometry: shapely.Geometry | None) -> list[shapely.LineString]:
    """Return the lines of a geometry."""
    if geometry is None or geometry.is_empty:
        return []
    parts = _simple_parts(shapely.force_2d(geometry))
    return [
        shapely.LineString(part.coords)
        for part in parts
        if part.geom_type in ("LineString", "LinearRing") and part.length > 0
    ]


def _simple_parts(geometry: shapely.Geometry) -> list[shapely.Geometry]:
    parts = list(shapely.get_parts(geometry))
    nested = any(part.geom_type.startswith(("Multi", "GeometryCollection")) for part in parts)
    return [piece for part in parts for piece in _simple_parts(part)] if nested else parts


def by_observation(rows: Sequence[DatedRow], *, is_of_lines: bool = False) -> list[list[DatedRow]]:
    """Return rows by day, author and image, lines by what they are the front of too: parts of one observation."""
    groups: dict[tuple[object, ...], list[DatedRow]] = {}
    for row in rows:
        kind = row.front_of if is_of_lines else ""
        groups.setdefault((row.dated, row.author, row.image_id, kind), []).append(row)
    return list(groups.values())


def merged_outlines(rows: Sequence[DatedRow]) -> Iterator[Observed | tuple[DatedRow, str]]:
    """Yield the ice of every observation: parts added, rock taken off, what is there twice counted once.

    Yields
    ------
    Observed, or a row with the reason why it could not be used
    """
    for group in _with_their_rock(by_observation(rows)):
        yield from _used(group, _outline_of)


def _used(
    group: Sequence[DatedRow], merge: Callable[[Sequence[DatedRow]], Iterator[Observed | tuple[DatedRow, str]]]
) -> list[Observed | tuple[DatedRow, str]]:
    """Return the parts of one observation merged, or every row with the reason why its geometry cannot be used."""
    try:
        with (
            limits.timed(f"{counted(len(group), 'rows')} of one day"),
            wall("its geometry cannot be used", "draw it again"),
        ):
            return list(merge(group))
    except InputError as error:
        return [(row, str(error)) for row in group]


def _outline_of(group: Sequence[DatedRow]) -> Iterator[Observed | tuple[DatedRow, str]]:
    held: dict[str, list[tuple[DatedRow, shapely.Geometry]]] = {"ice": [], "debris": [], "rock": []}
    mended = False
    for row in group:
        what = kind_of_line_type(row.line_type)
        if not what:
            continue
        polygons, was_mended = polygons_of(row.geometry)
        if polygons.is_empty:
            yield row, "the row has no geometry" if row.geometry is None else "the row holds no polygon"
            continue
        mended |= was_mended
        held[what].append((row, _on_plane_of(polygons, row.crs, group[0].crs)))
    if held["rock"] and not held["ice"] and not held["debris"]:
        yield held["rock"][0][0], "the row is rock inside an outline, and there is no outline of that day"
    debris, rock = (shapely.union_all([geometry for _, geometry in held[what]]) for what in ("debris", "rock"))
    ice = held["ice"] or held["debris"]
    wholes, twice, islands = _opinions(ice, rock)
    for members, geometry in wholes:
        whole = geometry.union(debris).difference(rock)
        if len(wholes) == 1:
            whole = whole.union(shapely.union_all([island for _, island in islands]))
            members = [*members, *(row for row, _ in islands)]
        if group[0].crs.is_geographic:
            whole = joined_at_180(whole)
        flags = {"mended": sentence("crossed")} if mended else {}
        yield Observed(tuple(members), polygons_of(whole)[0], flags, twice, len(held["rock"]))
        twice = 0


def kind_of_line_type(line_type: str) -> str:
    """Return whether a row is ice, debris on it or rock in it, by what GLIMS calls it; empty for anything else."""
    key = column_key(line_type)
    kinds = {"ice": _ICE, "debris": _DEBRIS, "rock": _ROCK}
    return next((kind for kind, keys in kinds.items() if key in keys), "")


def _with_their_rock(groups: list[list[DatedRow]]) -> list[list[DatedRow]]:
    """Return groups with rows of rock that bear another author or image than the one outline of their day put to it."""
    alone = [group for group in groups if all(kind_of_line_type(row.line_type) in ("rock", "") for row in group)]
    kept = [group for group in groups if group not in alone]
    for group in alone:
        same_day = [held for held in kept if held[0].dated == group[0].dated]
        if len(same_day) == 1:
            same_day[0].extend(group)
        else:
            kept.append(group)
    return kept


def _opinions(
    parts: list[tuple[DatedRow, shapely.Geometry]], rock: shapely.Geometry
) -> tuple[list[tuple[list[DatedRow], shapely.Geometry]], int, list[tuple[DatedRow, shapely.Geometry]]]:
    """Return parts joined to wholes, how many are there twice, and ice that lies on the rock inside a whole.

    What overlaps most of a whole is another opinion of it: a whole of its own.
    """
    wholes: list[tuple[list[DatedRow], shapely.Geometry]] = []
    different: list[shapely.Geometry] = []
    islands: list[tuple[DatedRow, shapely.Geometry]] = []
    twice = 0
    for row, part in sorted(parts, key=lambda pair: -pair[1].area):
        if any(part.equals(other) for other in different):
            twice += 1
            continue
        different.append(part)
        if wholes and part.intersection(rock).area > _SAME_ICE * part.area:
            islands.append((row, part))
            continue
        for index, (members, whole) in enumerate(wholes):
            if part.intersection(whole).area < _SAME_ICE * part.area:
                wholes[index] = ([*members, row], whole.union(part))
                break
        else:
            wholes.append(([row], part))
    return wholes, twice, islands


def is_of_glacier(line_type: str) -> bool:
    """Return whether what GLIMS calls a row is ice, debris on it or rock in it."""
    return column_key(line_type) in (*_ICE, *_DEBRIS, *_ROCK)


def merged_traces(rows: Sequence[DatedRow]) -> Iterator[Observed | tuple[DatedRow, str]]:
    """Yield the front of every observation: pieces added, what is there twice counted once.

    Yields
    ------
    Observed, or a row with the reason why it could not be used
    """
    for group in by_observation(rows, is_of_lines=True):
        yield from _used(group, _front_of)


def _front_of(group: Sequence[DatedRow]) -> Iterator[Observed | tuple[DatedRow, str]]:
    fronts: list[tuple[list[DatedRow], list[shapely.LineString]]] = []
    seen: set[bytes] = set()
    twice = 0
    for row in group:
        lines = [_on_plane_of(line, row.crs, group[0].crs) for line in lines_of(row.geometry)]
        if not lines:
            yield row, "the row has no geometry" if row.geometry is None else "the row holds no line"
            continue
        lines = [line for line in lines if line.normalize().wkb not in seen]
        seen |= {line.normalize().wkb for line in lines}
        if not lines:
            twice += 1
            continue
        for members, pieces in fronts:
            if not _run_side_by_side(lines, pieces):
                members.append(row)
                pieces.extend(lines)
                break
        else:
            fronts.append(([row], lines))
    for members, pieces in fronts:
        geometry = pieces[0] if len(pieces) == 1 else shapely.MultiLineString(pieces)
        if group[0].crs.is_geographic:
            geometry = joined_at_180(geometry)
        yield Observed(tuple(members), geometry, twice=twice)
        twice = 0


def _run_side_by_side(ours: list[shapely.LineString], theirs: list[shapely.LineString]) -> bool:
    """Return whether two sets of lines cover the same stretch of the axis that both together run along."""
    xy = [shapely.get_coordinates(shapely.segmentize(line, line.length / 50)) for line in (*ours, *theirs)]
    together = np.concatenate(xy)
    centred = together - together.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    stretches = [(float((part @ axis).min()), float((part @ axis).max())) for part in xy]
    shared = sum(
        max(0.0, min(high, other_high) - max(low, other_low))
        for low, high in stretches[: len(ours)]
        for other_low, other_high in stretches[len(ours) :]
    )
    lengths = [sum(high - low for low, high in part) for part in (stretches[: len(ours)], stretches[len(ours) :])]
    return shared > _SAME_FRONT * min(lengths)


def _on_plane_of(geometry: shapely.Geometry, source: pyproj.CRS, target: pyproj.CRS) -> shapely.Geometry:
    if source == target:
        return geometry
    transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    return shapely.transform(geometry, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
