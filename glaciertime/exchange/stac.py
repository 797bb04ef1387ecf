"""Masks as items of a SpatioTemporal Asset Catalog, and what a file breaks of its specification.

https://github.com/radiantearth/stac-spec, version 1.1.0, with the extensions projection and classification.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from glaciertime.documents import read_json
from glaciertime.errors import InputError
from glaciertime.exchange.licences import DataSource
from glaciertime.scenes.acquisition import ZONES, MaskScene
from glaciertime.scenes.raster_files import open_raster

__all__ = ["VERSION", "mask_collection", "mask_item", "stac_problems"]

VERSION = "1.1.0"
_PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
_CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
_TYPES = {"GTiff": "image/tiff; application=geotiff", "PNG": "image/png", "JPEG": "image/jpeg"}
_ZONE_OF = {code: name for name, code in ZONES.items()}
#: A file of more values than that holds no classes.
_MOST_CLASSES = 256
_SPDX = re.compile(r"[A-Za-z0-9.+-]+")
_WIDEST_SIDE = 20


def mask_item(scene: MaskScene, *, href: str, collection: str) -> dict[str, Any]:
    """Return a mask as an item.

    Parameters
    ----------
    scene : MaskScene
    href : str
        Where the file is, as seen from the item.
    collection : str
        The collection that it is of.

    Raises
    ------
    InputError
        Where the mask has no place on Earth.
    """
    what = scene.acquisition
    if what.crs is None:
        raise InputError(f"{what.image_id} has no coordinate system, so no place on Earth: no item of a catalog")
    outline = _outline(scene)
    asset = _asset(scene)
    extensions = [_PROJECTION, *([_CLASSIFICATION] if "classification:classes" in asset else [])]
    t, date = scene.transform, f"{what.date.isoformat()}T00:00:00Z"
    code = what.crs.to_authority()
    projection: dict[str, Any] = {"proj:code": ":".join(code)} if code else {"proj:wkt2": what.crs.to_wkt()}
    sigma = (
        {} if math.isnan(what.delineation_sigma_m) else {"glaciertime:delineation_sigma_m": what.delineation_sigma_m}
    )
    return {
        "type": "Feature", "stac_version": VERSION, "stac_extensions": extensions, "id": what.image_id,
        "geometry": shapely.geometry.mapping(outline), "bbox": [round(side, 7) for side in outline.bounds],
        "collection": collection,
        "properties": {
            "datetime": date, "start_datetime": date, "end_datetime": f"{what.date.isoformat()}T23:59:59Z",
            "title": f"{what.glacier}, {what.date.isoformat()}", "glaciertime:glacier": what.glacier,
            "glaciertime:source": what.source, **({"platform": what.sensor} if what.sensor else {}), **sigma,
            **({"gsd": round(what.resolution_m, 3)} if math.isfinite(what.resolution_m) else {}),
            **projection, "proj:shape": list(scene.shape), "proj:transform": [t.a, t.b, t.c, t.d, t.e, t.f],
        },
        "assets": {
            "mask": {"href": href, "roles": ["data"], "title": "zones of the surface", **asset}
        },
        "links": [
            {"rel": "collection", "href": "collection.json", "type": "application/json"},
            {"rel": "parent", "href": "collection.json", "type": "application/json"},
        ],
    }  # fmt: skip


def _asset(scene: MaskScene) -> dict[str, Any]:
    """Return what the file itself is: its type, and what the values mean that stand in it, whichever those are.

    A colour image, a probability or a file of several bands has no values that mean a zone each: nothing is said.
    """
    with open_raster(Path(scene.acquisition.input)) as raster:
        media = _TYPES.get(raster.driver)
        told: dict[str, Any] = {"type": media} if media else {}
        if raster.count != 1 or raster.shape != scene.shape:
            return told
        values = np.asarray(raster.read(1))
    found = np.unique(values[np.isfinite(values)])
    if found.size > _MOST_CLASSES or not np.array_equal(found, np.round(found)):
        return told
    zones, classes = scene.read(), []
    for value in found:
        meant = np.unique(zones[values == value])
        if meant.size != 1:
            return told
        name = _ZONE_OF[int(meant[0])]
        classes.append({"value": int(value), "name": name, "description": name})
    return {**told, "classification:classes": classes}


def _outline(scene: MaskScene) -> shapely.Polygon:
    """Return the ground of an image in longitude and latitude, with points along its sides: they are curved there."""
    import pyproj

    height, width = scene.shape
    corners = [scene.transform @ corner for corner in ((0, 0), (0, height), (width, height), (width, 0))]
    around = shapely.Polygon(corners)
    dense = shapely.segmentize(around, around.length / (4 * _WIDEST_SIDE))
    to_earth = pyproj.Transformer.from_crs(scene.acquisition.crs, "EPSG:4326", always_xy=True)
    placed = shapely.transform(dense, lambda points: np.column_stack(to_earth.transform(*points.T)))
    if not np.isfinite(shapely.get_coordinates(placed)).all():
        raise InputError(f"{scene.acquisition.image_id}: its corners have no longitude and latitude")
    west, _, east, _ = placed.bounds
    if east - west > 180:
        raise InputError(
            f"{scene.acquisition.image_id} lies across the 180th meridian, which items are not made of here"
        )
    rounded = shapely.set_precision(placed, 1e-7)
    return shapely.orient_polygons(rounded if rounded.geom_type == "Polygon" else placed)


def mask_collection(
    items: Sequence[dict[str, Any]], *, name: str, glacier: str, sources: Sequence[DataSource], hrefs: Sequence[str]
) -> dict[str, Any]:
    """Return the collection of items: their extent, and the licences of the data that they were made of.

    Parameters
    ----------
    items : sequence of dict
    name, glacier : str
    sources : sequence of DataSource
    hrefs : sequence of str
        Where the items are, as seen from the collection.
    """
    boxes = np.array([item["bbox"] for item in items])
    times = [item["properties"]["datetime"] for item in items]
    licences = {one.licence for one in sources}
    only = licences.pop() if len(licences) == 1 else ""
    return {
        "type": "Collection", "stac_version": VERSION, "stac_extensions": [], "id": name,
        "title": f"Masks of {glacier}", "description": "; ".join(one.text for one in sources) or f"Masks of {glacier}",
        "license": only if _SPDX.fullmatch(only) else "other",
        "providers": [_provider(one) for one in sources],
        "extent": {
            "spatial": {"bbox": [[*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]]},
            "temporal": {"interval": [[min(times), max(times)]]},
        },
        "links": [{"rel": "item", "href": href, "type": "application/geo+json"} for href in hrefs],
    }  # fmt: skip


def _provider(source: DataSource) -> dict[str, Any]:
    url = {"url": f"https://doi.org/{source.doi}"} if source.doi else {}
    return {"name": source.name, "roles": ["producer"], **url}


def stac_problems(path: Path) -> list[str]:
    """Return what an item or a collection breaks of the specification, a sentence each.

    Where pystac is installed, its schemas of the core are asked too; nothing is fetched.
    """
    held = read_json(path, what=f"{path.name}", remedy="write it again")
    if not isinstance(held, dict):
        return ["it is no object"]
    kind = held.get("type")
    if kind not in ("Feature", "Collection"):
        return [f"type '{kind}' is neither Feature nor Collection"]
    found = [f"{name} is missing" for name in ("stac_version", "id", "links") if name not in held]
    if not str(held.get("stac_version", "1.")).startswith("1."):
        found.append(f"stac_version '{held.get('stac_version')}' is none of 1.x")
    found += _of_item(held, path) if kind == "Feature" else _of_collection(held)
    links = held.get("links") or []
    if not isinstance(links, list):
        return [*found, "links is no list"]
    for link in links:
        if not isinstance(link, dict) or not {"rel", "href"} <= link.keys():
            found.append("a link has no rel or no href")
    return found or _by_schema(held)


def _of_item(held: dict[str, Any], path: Path) -> list[str]:
    found = [f"{name} is missing" for name in ("geometry", "bbox", "properties", "assets") if name not in held]
    if found:
        return found
    said = held["properties"]
    if not isinstance(said, dict):
        return ["properties is no object"]
    # Of a span of time datetime is null, and both of its ends are given.
    span = ("start_datetime", "end_datetime") if said.get("datetime", "") is None else ()
    times = [_time(said.get(name)) for name in span or ("datetime",)]
    date = times[0]
    if None in times or date is None:
        found.append(f"datetime '{said.get('datetime')}' is no time of RFC 3339")
    elif date > dt.datetime.now(dt.UTC):
        found.append("datetime lies in the future")
    try:
        shape = shapely.geometry.shape(held["geometry"])
        box = [float(side) for side in held["bbox"]]
    except Exception:  # whatever is no geometry
        return [*found, "geometry or bbox is none"]
    if len(box) != 4 or not np.allclose(box, shape.bounds, atol=1e-5):
        found.append("bbox is not that of the geometry")
    if not shape.is_valid or shape.is_empty:
        found.append("geometry crosses itself, or is empty")
    west, south, east, north = shape.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        found.append("geometry has no longitude and latitude")
    assets = held["assets"]
    if not isinstance(assets, dict) or not assets:
        return [*found, "it has no asset"]
    for name, asset in assets.items():
        href = asset.get("href") if isinstance(asset, dict) else None
        if not href or not isinstance(href, str):
            found.append(f"the asset {name} has no href")
        elif "://" not in href and not (path.parent / href).is_file():
            found.append(f"the asset {name} is {href}, which is not there")
    return found


def _of_collection(held: dict[str, Any]) -> list[str]:
    found = [f"{name} is missing" for name in ("description", "license", "extent") if name not in held]
    try:
        box = held["extent"]["spatial"]["bbox"][0]
        times = held["extent"]["temporal"]["interval"][0]
    except (KeyError, IndexError, TypeError):
        return [*found, "its extent has no bbox or no interval"]
    if not isinstance(box, list) or len(box) not in (4, 6):
        found.append("the bbox of its extent has neither 4 nor 6 numbers")
    if not isinstance(times, list) or any(time is not None and _time(time) is None for time in times):
        found.append("a time of its extent is none")
    return found


def _time(text: Any) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _by_schema(held: dict[str, Any]) -> list[str]:
    try:
        import pystac
        from pystac.validation.stac_validator import JsonSchemaSTACValidator
    except ImportError:
        return []
    if held["stac_version"] != VERSION:  # other schemas are not at hand, and nothing is fetched
        return []
    kind = pystac.STACObjectType.ITEM if held["type"] == "Feature" else pystac.STACObjectType.COLLECTION
    try:
        JsonSchemaSTACValidator().validate_core(held, kind, held["stac_version"])
    except Exception as error:  # of pystac and of jsonschema
        return [f"pystac: {str(error).splitlines()[0]}"]
    return []
