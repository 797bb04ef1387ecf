"""How a file says which command made it, so that the command may replace it without being asked.

Read from the content, not from the name: the tag Software of TIFF, a text chunk of PNG, the title of an SVG, the
creator of a PDF, a comment of a KML, the generator of a page, a Markdown or a NetCDF, the description of a GeoPackage's
layer or a JSON, the metadata of Parquet and safetensors, the producer of an ONNX graph. CSV and shapefiles have no
place for a mark: for them the names of the columns have to do.
"""

from __future__ import annotations

import contextlib
import json
import re
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["PNG_OPTIONS", "has_columns", "made_by", "read_mark"]

#: Options of GDAL that make it write a PNG's mark.
PNG_OPTIONS = {"WRITE_METADATA_AS_TEXT": "YES"}

_HEAD_BYTES = 4096
_SHAPEFILE = struct.pack(">i", 9994)
_LONGEST_JSON_BYTES = 100_000_000
_GENERATOR = re.compile(rb'<meta name="generator" content="([^"]*)">')
_CREATOR = re.compile(rb"/Creator \(([^()]*)\)")
_COMMENT = re.compile(rb"<!--(glaciertime [^<]*?)-->")
_TITLE = re.compile(rb"<dc:title>([^<]*)</dc:title>")
_DESCRIPTION = re.compile(rb'"description": ?"([^"]*)"')


def made_by(mark: str, *, columns: Iterable[Iterable[str]] = ()) -> Callable[[Path], bool]:
    """Return what says of a file whether a command made it.

    Parameters
    ----------
    mark : str
        Such as ``glaciertime segment``.
    columns : iterable of iterables of str
        Names of columns that a CSV or a shapefile of the command has.
    """
    kinds = {tuple(names) for names in columns}

    def own(path: Path) -> bool:
        with contextlib.suppress(Exception):  # what cannot be read is not ours
            return read_mark(path) == mark or (bool(kinds) and has_columns(path, kinds))
        return False

    return own


def read_mark(path: Path) -> str:
    """Return the command that a file says it was made by; an empty text where it says none."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if head.startswith(b"\x89PNG"):
        return _png(path)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(path)
    if head.startswith(b"SQLite format 3"):
        return _geopackage(path)
    if head.startswith(b"PAR1"):
        return _parquet(path)
    if head.startswith(b"\x89HDF"):
        return _netcdf(path)
    if head[8:9] == b"{":
        return _safetensors(path)
    if head.startswith(b"%PDF"):
        return _text(_CREATOR, path.read_bytes()) if path.stat().st_size < _LONGEST_JSON_BYTES else ""
    if head.startswith(b"<?xml"):
        return _text(_TITLE if b"<svg" in head else _COMMENT, head)
    if head.lstrip()[:9].lower() == b"<!doctype" or head.startswith(b"<!-- <meta"):
        return _text(_GENERATOR, head)
    if head.lstrip()[:1] == b"{":
        return _text(_DESCRIPTION, head)
    return _onnx(head)


def _text(pattern: re.Pattern[bytes], head: bytes) -> str:
    found = pattern.search(head)
    return found[1].decode(errors="replace") if found else ""


def _png(path: Path) -> str:
    with path.open("rb") as stream:
        stream.seek(8)
        while len(start := stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", start)
            if kind in (b"IDAT", b"IEND"):
                break
            content = stream.read(length)
            stream.seek(4, 1)
            if kind == b"tEXt" and content.startswith(b"Software\0"):
                return content[9:].decode("latin-1")
    return ""


def _tiff(path: Path) -> str:
    import warnings

    import rasterio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path) as raster:
            return str(raster.tags().get("TIFFTAG_SOFTWARE", ""))


def _geopackage(path: Path) -> str:
    import sqlite3

    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        found = {row[0] for row in database.execute("SELECT description FROM gpkg_contents")}
    return found.pop() or "" if len(found) == 1 else ""


def _parquet(path: Path) -> str:
    from pyarrow import parquet

    return (parquet.read_schema(path).metadata or {}).get(b"generator", b"").decode(errors="replace")


def _netcdf(path: Path) -> str:
    import netCDF4

    with netCDF4.Dataset(path) as held:
        return str(getattr(held, "generator", ""))


def _safetensors(path: Path) -> str:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > _LONGEST_JSON_BYTES:
            return ""
        metadata = json.loads(stream.read(length)).get("__metadata__", {})
    return str(metadata.get("generator", ""))


def _onnx(head: bytes) -> str:
    """Return the producer of a model: its second field, after the version of the format."""
    if head[:1] != b"\x08" or head[2:3] != b"\x12":
        return ""
    return head[4 : 4 + head[3]].decode(errors="replace")


def has_columns(path: Path, kinds: set[tuple[str, ...]]) -> bool:
    """Return whether a CSV or the table of a shapefile has just the columns of one of the kinds."""
    if path.suffix.lower() == ".shp":
        with path.open("rb") as stream:
            if stream.read(4) != _SHAPEFILE:
                return False
        return tuple(_dbf_columns(path.with_suffix(".dbf"))) in {_without_geometry(names) for names in kinds}
    with path.open("rb") as stream:
        line = stream.readline(_HEAD_BYTES)
    return tuple(line.decode("utf-8-sig").strip().split(",")) in kinds


def _without_geometry(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name[:10] for name in names if name != "geometry")


def _dbf_columns(path: Path) -> list[str]:
    with path.open("rb") as stream:
        head = stream.read(32)
        fields = stream.read(struct.unpack("<H", head[8:10])[0] - 33)
    return [fields[at : at + 11].partition(b"\0")[0].decode("ascii") for at in range(0, len(fields), 32)]
