"""How a file says which run made it: a tag in rasters and pages, a note beside tables.

What a file carries is the JSON of :meth:`glaciertime.provenance.RunRecord.tag`. A table's note ``NAME.run.json`` holds
the table's SHA-256 too: beside another version of the file it says nothing.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glaciertime.provenance.digests import digest_of

__all__ = ["TAG", "has_tag", "html_tag", "read_tag", "sidecar", "sidecar_text", "svg_tag", "told_safely"]

#: The name of the tag in rasters, and of the meta element in pages.
TAG = "GLACIERTIME_RUN"
_HEAD_BYTES = 1 << 20
_LONGEST_BYTES = 20_000_000
#: What of a run is a sentence or several, a text for each of some names, or one text.
_SENTENCES = ("ruler", "decided", "notes", "refused", "failed")
_MAPPINGS = ("versions", "environment", "files", "written")
_TEXTS = ("run", "command", "version", "started", "finished", "folder")
_META = re.compile(rf'<meta name="{TAG}" content="([^"]*)">')
_COMMENT = re.compile(rf"<!--{TAG} ([0-9a-f]+)-->")


def sidecar(path: Path) -> Path:
    """Return the note beside a table.

    Examples
    --------
    >>> sidecar(Path("crane.csv")).name
    'crane.csv.run.json'
    """
    return path.with_name(f"{path.name}.run.json")


def sidecar_text(tag: str, path: Path) -> str:
    """Return the note of a table that has been written: its run, with the SHA-256 of the table."""
    held = {"written": {one.path.rpartition("/")[2]: one.sha256 for one in digest_of(path)}, **json.loads(tag)}
    return json.dumps(held, sort_keys=True, ensure_ascii=False, indent=1) + "\n"


def html_tag(tag: str) -> str:
    """Return the element that a page carries in its head."""
    return f'<meta name="{TAG}" content="{html.escape(tag, quote=True)}">'


def svg_tag(run: str) -> str:
    """Return the comment by which a figure names its run: its name alone, the archive knows the rest."""
    return f"<!--{TAG} {run}-->"


def has_tag(path: Path) -> bool:
    """Return whether a file is the note of a run beside a table: one that may be replaced with it."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if path.stat().st_size < _LONGEST_BYTES:
            held = json.loads(path.read_bytes())
            return isinstance(held, dict) and {"run", "command", "inputs", "written"} <= held.keys()
    return False


def told_safely(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return of what a file or an archive tells of a run only what has the shape that a run has.

    Anybody may have written it: what is of another kind is left out, whatever it was to do to its reader.

    Examples
    --------
    >>> told_safely({"run": "a1", "versions": 5, "notes": ["x", {}], "inputs": ["y", {"input": "a.tif", "bytes": "z"}]})
    {'run': 'a1', 'notes': ['x'], 'inputs': [{'input': 'a.tif', 'image': '', 'sha256': '', 'bytes': None}]}
    """
    out: dict[str, Any] = {}
    for name, value in held.items():
        if name == "inputs":
            out[name] = [_file(one) for one in value if isinstance(one, dict)] if isinstance(value, list) else []
        elif name in _MAPPINGS:
            if isinstance(value, dict):
                out[name] = {str(key): text for key, text in value.items() if isinstance(text, str)}
        elif name == "models" and isinstance(value, dict):
            out[name] = {str(key): card for key, card in value.items() if isinstance(card, dict)}
        elif name == "series":
            out[name] = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
        elif isinstance(value, list):
            out[name] = [one for one in value if isinstance(one, str | int | float)]
            if name in _SENTENCES:
                out[name] = [one for one in out[name] if isinstance(one, str)]
        elif name not in _SENTENCES and (value is None or isinstance(value, str | int | float)):
            out[name] = value if name not in _TEXTS else str(value)
    return out


def _file(one: dict[str, Any]) -> dict[str, Any]:
    size = one.get("bytes")
    texts = {name: str(one.get(name) or "") for name in ("input", "image", "sha256")}
    return {**texts, "bytes": size if isinstance(size, int) else None}


def read_tag(path: Path) -> dict[str, Any] | None:
    """Return what a file, or the note beside it, says of the run that made it; None where it says nothing.

    ``is_other`` is true in it where the note beside is of another content of the file.
    """
    text = ""
    with contextlib.suppress(OSError, ValueError, IndexError, struct.error, zlib.error):
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        if head.startswith(b"\x89PNG"):
            text = _png(path)
        elif head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            text = _tiff(path)
        elif found := _META.search(head.decode(errors="replace")):
            text = html.unescape(found[1])
        elif found := _COMMENT.search(head.decode(errors="replace")):
            text = json.dumps({"run": found[1]})
    if text:
        return _parsed(text)
    beside = sidecar(path)
    if beside.is_file() and beside.stat().st_size < _LONGEST_BYTES:
        held = _parsed(beside.read_text(encoding="utf-8", errors="replace"))
        if held is not None:
            now = {one.path.rpartition("/")[2]: one.sha256 for one in digest_of(path)}
            held["is_other"] = held.get("written") != now
        return held
    return None


def _parsed(text: str) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError, RecursionError):
        held = json.loads(text)
        if isinstance(held, dict) and isinstance(held.get("run"), str):
            return told_safely(held)
    return None


def _tiff(path: Path) -> str:
    import warnings

    import rasterio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with rasterio.open(path) as raster:
                return str(raster.tags().get(TAG, ""))
        except rasterio.errors.RasterioError:
            return ""


def _png(path: Path) -> str:
    """Return the text chunk of a PNG, plain, packed or international."""
    with path.open("rb") as stream:
        stream.seek(8)
        while len(start := stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", start)
            if kind == b"IEND" or length > _LONGEST_BYTES:
                break
            if kind not in (b"tEXt", b"zTXt", b"iTXt"):
                stream.seek(length + 4, 1)
                continue
            name, _, content = stream.read(length).partition(b"\0")
            stream.seek(4, 1)
            if name != TAG.encode():
                continue
            if kind == b"tEXt":
                return content.decode("latin-1")
            if kind == b"zTXt":
                return zlib.decompressobj().decompress(content[1:], _HEAD_BYTES).decode("latin-1")
            packed, content = content[:1] == b"\1", content[2:].split(b"\0", 2)[2]
            return (zlib.decompressobj().decompress(content, _HEAD_BYTES) if packed else content).decode()
    return ""
