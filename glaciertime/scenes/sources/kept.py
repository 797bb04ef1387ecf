"""Windows that were fetched are kept with their checksums, and what the catalogue and the servers said of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyproj
import rasterio
from affine import Affine

from glaciertime.documents import parse_json
from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.scenes.download import downloads_folder
from glaciertime.scenes.sources.choice import Pass
from glaciertime.scenes.sources.place import Place
from glaciertime.scenes.sources.products import asset_of, cloud_asset
from glaciertime.scenes.sources.web import shown
from glaciertime.scenes.sources.windows import Files, PassWindow, Sky, read_sky, read_window
from glaciertime.writing import draft, file_name, write_bytes
from glaciertime.writing.rasters import RasterDraft

__all__ = ["Kept", "kept_sky", "kept_window", "windows_folder", "write_window"]

#: Windows kept by an earlier version that reads products otherwise are not taken.
_VERSION = 2
_MARK = "glaciertime scenes"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A window on disk.

    ``notes`` are sentences about what was done; ``is_new`` says whether it was fetched just now.
    """

    path: Path
    sha256: str
    shape: tuple[int, int]
    transform: Affine
    crs: pyproj.CRS
    bands: tuple[str, ...]
    sky: Sky
    parts: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    is_new: bool


def windows_folder() -> Path:
    """Return where windows are kept: beside what is downloaded."""
    return downloads_folder() / "windows"


def _digest(*told: object) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _key(address: str, one: Pass, place: Place, bands: Sequence[str]) -> str:
    where = [place.polygon.normalize().wkb_hex, place.crs.to_wkt()]
    return _digest(_VERSION, shown(address), [item.id for item, _ in one.items], list(bands), where)[:20]


def _fingerprint(one: Pass, bands: Sequence[str]) -> str:
    """Return what changes where the catalogue says that a scene is another one by now."""
    told = []
    for item, product in one.items:
        chosen = [asset_of(item, product, band) for band in bands]
        layer = cloud_asset(item, product)
        chosen += [] if layer is None else [layer[:2]]
        files = {key: {**asset, "href": shown(str(asset.get("href")))} for key, asset in chosen}
        names = ("updated", "created", "s2:processing_baseline", "earthsearch:boa_offset_applied", "view:sun_elevation")
        told.append([item.id, files, {name: item.properties.get(name) for name in names}])
    return _digest(told)


def kept_sky(address: str, one: Pass, *, place: Place, files: Files, folder: Path, refresh: bool = False) -> Sky:
    """Return what of a box a pass saw, as kept, or by its cloud layers.

    Raises
    ------
    DataNotFoundError, InputError
        Where a layer cannot be read.
    """
    path = folder / _key(address, one, place, ()) / "sky.json"
    fingerprint = _fingerprint(one, ())
    told = _read(path)
    if told is not None and told.get("fingerprint") == fingerprint and not refresh:
        return Sky(seen=_number(told.get("seen")), clouds=_number(told.get("clouds")))
    sky = read_sky(one.items, place=place, files=files)
    _write_json(path, {"fingerprint": fingerprint, "seen": _plain(sky.seen), "clouds": _plain(sky.clouds)})
    return sky


def kept_window(
    address: str, one: Pass, *, bands: Sequence[str], place: Place, files: Files, folder: Path, refresh: bool = False
) -> Kept:
    """Return the window of a pass: the one that is kept where it is whole and the catalogue says the same, else anew.

    Parameters
    ----------
    address : str
        Of the catalogue.
    one : Pass
    bands : sequence of str
    place : Place
    files : Files
    folder : Path
        Where windows are kept.
    refresh : bool
        Whether the servers are asked if their files are still those.

    Raises
    ------
    DataNotFoundError, InputError
        Where it cannot be read.
    WritingError
        Where it cannot be kept.
    """
    room = folder / _key(address, one, place, bands)
    name = _name(one)
    path, described = room / name, room / f"{name}.json"
    fingerprint = _fingerprint(one, bands)
    notes: list[str] = []
    told = _read(described)
    if told is not None and path.is_file():
        why = ""
        if told.get("fingerprint") != fingerprint:
            why = "the catalogue describes it otherwise than when it was fetched"
        elif told.get("sha256") != _sha256(path):
            why = "the file that was kept is damaged"
        elif refresh:
            why = _changed(one, told, files)
        if not why:
            return _kept(path, told, notes=(), is_new=False)
        notes.append(f"{one.id}: {why}; fetched anew")
    window = read_window(one.items, bands=bands, place=place, files=files)
    made = {
        "fingerprint": fingerprint,
        "catalogue": shown(address),
        "items": [item.id for item, _ in one.items],
        "date": one.date.isoformat(),
        "sensor": one.product.sensor,
        "bands": list(bands),
        "seen": _plain(window.sky.seen),
        "clouds": _plain(window.sky.clouds),
        "parts": [asdict(part) for part in window.parts],
        "notes": list(window.notes),
    }
    room.mkdir(parents=True, exist_ok=True)
    write_window(path, window, bands=bands, told=made)
    made["sha256"] = _sha256(path)
    _write_json(described, made)
    return _kept(path, made, notes=tuple(notes), is_new=True)


def _changed(one: Pass, told: Mapping[str, Any], files: Files) -> str:
    """Return which file on a server is another one by now, as a reason; empty where none is."""
    known = {(part["item"], part["band"]): part for part in told.get("parts", ())}
    for item, _ in one.items:
        for key, asset in item.assets.items():
            part = known.get((item.id, key))
            if part is None:
                continue
            _, now = files.ranges(item, asset, band=key)
            if (now.size, now.etag, now.modified) != (part["size"], part["etag"], part["modified"]):
                return (
                    f"{key} on the server is another file by now ({part['size']} bytes, ETag {part['etag'] or 'none'}; "
                    f"now {now.size}, {now.etag or 'none'})"
                )
    return ""


def _name(one: Pass) -> str:
    more = f"+{len(one.items) - 1}" if len(one.items) > 1 else ""
    return file_name(f"{one.date.isoformat()}_{one.first.id[:120]}{more}", ".tif")


def write_window(path: Path, window: PassWindow, *, bands: Sequence[str], told: Mapping[str, Any]) -> None:
    """Write a window as a GeoTIFF of measured values, NaN where nothing was observed, with what it was made of."""
    tags = {"SCENE": json.dumps({**told, "parts": len(told["parts"])}), "VALUES": window.unit}
    with (
        draft(path, overwrite=True) as made,
        RasterDraft(
            made, mark=_MARK, tags=tags, driver="GTiff", height=window.grid.shape[0], width=window.grid.shape[1],
            count=len(bands), dtype="float32", nodata=math.nan, crs=window.grid.crs.to_wkt(),
            transform=window.grid.transform, compress="deflate", predictor=3, tiled=True, blockxsize=256,
            blockysize=256,
        ) as raster,
    ):  # fmt: skip
        raster.describe(tuple(bands))
        raster.write(window.values)


def _kept(path: Path, told: Mapping[str, Any], *, notes: tuple[str, ...], is_new: bool) -> Kept:
    with rasterio.open(path) as raster:
        shape, transform, crs = (raster.height, raster.width), raster.transform, raster.crs
    return Kept(
        path=path, sha256=str(told["sha256"]), shape=shape, transform=transform,
        crs=pyproj.CRS.from_wkt(crs.to_wkt()), bands=tuple(told["bands"]),
        sky=Sky(seen=_number(told["seen"]), clouds=_number(told["clouds"])), parts=tuple(told["parts"]),
        notes=(*told["notes"], *notes), is_new=is_new,
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any] | None:
    """Return what is kept in a file; None where it is not there or not whole."""
    try:
        found = parse_json(path.read_bytes(), what=path.name, remedy="")
    except (GlacierTimeError, OSError):
        return None
    return found if isinstance(found, dict) else None


def _write_json(path: Path, told: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"folder {path.parent} cannot be made ({error.strerror}); set GLACIERTIME_DOWNLOADS to one you can write"
        ) from error
    write_bytes(path, json.dumps(told, indent=1).encode(), overwrite=True)


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while content := stream.read(_CHUNK_BYTES):
            total.update(content)
    return total.hexdigest()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
