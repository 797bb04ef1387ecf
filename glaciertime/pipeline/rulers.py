"""With what a glacier is measured: kept in the archive, given in files, and never changed between two dates of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyproj
import shapely

import glaciertime
from glaciertime.catalog import Glacier
from glaciertime.errors import InputError
from glaciertime.pipeline.held import Held
from glaciertime.scenes.vectors import read_layer
from glaciertime.tables import has_flag
from glaciertime.track.place import Ruler, reproject
from glaciertime.units import as_date

__all__ = ["check_positions_compare", "given_in_files", "have_same_rulers", "rulers_in", "rulers_table"]

# A ruler that was written out and read again is the same within this.
_SAME_M = 1.0
_IN_WORDS = {"box": "box", "fjord": "fjord", "centreline": "line to measure along"}


def given_in_files(glacier: Glacier, *, centreline: Path | None, box: Path | None) -> tuple[Glacier, tuple[Ruler, ...]]:
    """Return a glacier without what a vector file holds instead: the line to measure along, the box; and these.

    Raises
    ------
    InputError
        Where a file does not hold exactly one line, or one polygon, of the glacier.
    """
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    rulers = []
    for path, kind, types in (
        (centreline, "centreline", ("LineString", "MultiLineString")),
        (box, "box", ("Polygon", "MultiPolygon")),
    ):
        if path is None:
            continue
        geometry, crs = _only_one(path, glacier, kind=kind, types=types)
        rulers.append(
            Ruler(kind=kind, origin="file", drawn_from=path.name, made_at=now, crs=crs, geometry=geometry)
        )  # fmt: skip
        glacier = glacier.model_copy(update={kind: None})
    return glacier, tuple(rulers)


def _only_one(
    path: Path, glacier: Glacier, *, kind: str, types: tuple[str, ...]
) -> tuple[shapely.Geometry, pyproj.CRS]:
    table = read_layer(path)
    rows = table[table.geometry.notna() & table.geom_type.isin(types)]
    if len(rows) > 1:
        names = {name.casefold() for name in (glacier.name, *glacier.aliases)}
        named = [column for column in rows.columns if column != rows.geometry.name]
        of_it = rows[named].astype(str).apply(lambda column: column.str.casefold().isin(names)).any(axis=1)
        rows = rows[of_it]
    parts = shapely.get_parts(rows.geometry.iloc[0]) if len(rows) == 1 else []
    if len(parts) != 1:
        wanted = "one line from inland to the sea" if kind == "centreline" else "one polygon"
        raise InputError(
            f"--{kind} {path.name}: expected {wanted} of {glacier.name}, found "
            f"{len(parts) if len(rows) == 1 else len(rows)}"
        )
    return shapely.force_2d(parts[0]), pyproj.CRS(table.crs)


def rulers_in(held: Held | None, *, glacier: str, dataset: str, source: str) -> tuple[Ruler, ...]:
    """Return with what an archive's glacier was measured, of the data set first, else of another one of it on Earth."""
    if held is None:
        return ()
    table = held.rulers
    table = table[(table["glacier"] == glacier) & (table["source"] == source)]
    found: dict[str, Ruler] = {}
    own = table["dataset"] == dataset
    for rows, is_own in ((table[own], True), (table[~own].sort_values("made_at"), False)):
        for row in rows.itertuples():
            ruler = _ruler(row)
            if row.kind not in found and (ruler.crs is not None or is_own):
                found[row.kind] = ruler
    return tuple(found.values())


def _ruler(row: Any) -> Ruler:
    return Ruler(
        kind=row.kind, origin=row.origin, drawn_from=_text(row.drawn_from), made_at=row.made_at,
        crs=pyproj.CRS(row.crs) if _text(row.crs) else None,
        geometry=shapely.from_wkt(row.wkt) if _text(row.wkt) else None,
    )  # fmt: skip


def have_same_rulers(rulers: pd.DataFrame, one: str, other: str) -> bool:
    """Return whether two data sets of a glacier were measured in one box, one fjord and along one line.

    Values that were not do not compare.

    Parameters
    ----------
    rulers : DataFrame
        Of one glacier, as :func:`rulers_table` returns it.
    one, other : str
        Names of the data sets.
    """
    sources = [set(rulers.loc[rulers["dataset"] == name, "source"]) for name in (one, other)]
    if sources[0] != sources[1] or len(sources[0]) != 1:
        return False
    mine, theirs = ([_ruler(row) for row in rulers[rulers["dataset"] == name].itertuples()] for name in (one, other))
    # In metres of a map, or of a picture without a place, which no line on the Earth compares with.
    kinds = [{(each.kind, each.crs is None) for each in part if each.kind in _IN_WORDS and each.geometry is not None}
             for part in (mine, theirs)]  # fmt: skip
    return kinds[0] == kinds[1] and not any(_differs(each, theirs) for each in mine if each.kind in _IN_WORDS)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def rulers_table(rulers: Sequence[Ruler], *, glacier: str, dataset: str, source: str) -> gpd.GeoDataFrame:
    """Return rulers as the archive's table: ``wkt`` exact in ``crs``, the geometry for maps."""
    rows = [
        {
            "glacier": glacier,
            "dataset": dataset,
            "kind": ruler.kind,
            "origin": ruler.origin,
            "drawn_from": ruler.drawn_from,
            "made_at": ruler.made_at,
            "crs": "" if ruler.crs is None else ruler.crs.to_wkt(),
            "wkt": "" if ruler.geometry is None else shapely.to_wkt(ruler.geometry, rounding_precision=-1),
            "version": glaciertime.__version__,
            "source": source,
        }
        for ruler in rulers
    ]
    shown = [
        None
        if ruler.geometry is None or ruler.crs is None
        else reproject(ruler.geometry, source=ruler.crs, target=pyproj.CRS(4326))
        for ruler in rulers
    ]
    return gpd.GeoDataFrame(rows, geometry=shown, crs="EPSG:4326")


def check_positions_compare(
    held: Held | None,
    rulers: Sequence[Ruler],
    *,
    known: Sequence[Ruler],
    glacier: str,
    dataset: str,
    source: str,
    observations: pd.DataFrame,
    redraw: bool,
) -> tuple[str, ...]:
    """Refuse a ruler that is not that of values already stored, unless these are all measured again in this run.

    Returns
    -------
    tuple of str
        Sentences: which other data sets of the glacier keep the ruler of before.

    Raises
    ------
    InputError
        Where another box, fjord or line was used before, or one that the archive does not hold; and where ``redraw``
        leaves values of images that this run does not see, or cannot measure.
    """
    if held is None:
        return ()
    changed = {ruler.kind for ruler in rulers if ruler.kind in _IN_WORDS and _differs(ruler, known)}
    every = held.observations
    every = every[every["value"].notna() & (every["source"] == source)]
    every = every[(every["variable"] == "front_position_m") | (every["footprint"] == "box")]
    stored = every[every["dataset"] == dataset]
    lacks = not known and stored["variable"].eq("front_position_m").any()
    others = sorted(set(every["dataset"]) - {dataset})
    told = (
        f"{', '.join(others)} of {glacier} in the archive were measured with the ruler of before and do not compare "
        "with what is measured now; give --redraw with their scenes, too"
    )
    notes = (told,) if redraw and others else ()
    if stored.empty or not (changed or lacks or redraw):
        return notes
    if not (redraw or lacks):
        named = " and ".join(_IN_WORDS[kind] for kind in _IN_WORDS if kind in changed)
        raise InputError(
            f"{glacier}: its {named} is not that of the positions and areas in the archive, which would not compare; "
            "give --redraw with all scenes to measure all again, or another file with --archive"
        )
    measured = set(observations.loc[~has_flag(observations["quality"], "failed"), "image_id"])
    left = stored[~stored["image_id"].isin(measured)]
    if left.empty:
        return notes
    failed = sorted(set(left["image_id"]) & set(observations["image_id"]))
    dates = sorted(as_date(date).isoformat() for date in left["date"])
    raise InputError(
        f"{glacier}: the archive holds positions of {left['image_id'].nunique()} images ({dates[0]} to {dates[-1]}) "
        + ("measured along another line" if redraw else "of an earlier version, in metres of the map")
        + f", which this run {'cannot measure' if failed else 'does not see'}"
        + (f" ({', '.join(failed[:3])}); mend them, take them out with glaciertime forget, or " if failed else "; ")
        + "give all of them with --data, or another file with --archive"
    )


def _differs(ruler: Ruler, known: Sequence[Ruler]) -> bool:
    before = next((each for each in known if each.kind == ruler.kind), None)
    if before is None or before.geometry is None or ruler.geometry is None or before is ruler:
        return False
    if (before.crs is None) != (ruler.crs is None):
        return False
    now, then = ruler.geometry, before.geometry
    if before.crs is not None and ruler.crs is not None:
        # Files in longitude and latitude: a metre is a metre on a plane around the ruler alone.
        middle = shapely.get_coordinates(reproject(then, source=before.crs, target=pyproj.CRS(4326)))[0]
        around = pyproj.CRS.from_dict({"proj": "aeqd", "lon_0": middle[0], "lat_0": middle[1], "datum": "WGS84"})
        now = reproject(now, source=ruler.crs, target=around)
        then = reproject(then, source=before.crs, target=around)
    return bool(shapely.hausdorff_distance(now, then, densify=0.1) > _SAME_M)
