"""Virtual rasters: what they are made of must be files of this machine, and each of them a raster itself.

A VRT is a text that names other files. GDAL opens whatever it names: an address on the web, a driver with a service
behind it, the bytes of any file as pixels. So its text is read before its pixels are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree as ET  # nosec B405 - without entities

from glaciertime import limits
from glaciertime.errors import InputError
from glaciertime.walls import readable_text, wall

__all__ = ["check_virtual"]

_REMEDY = "make it a GeoTIFF of its own: gdal_translate IN.vrt out.tif"
_MOST_LEVELS = 8
#: A page of a TIFF, which is a file with something before its name.
_PAGE = re.compile(r"GTIFF_DIR:(?:off:)?\d+:(?=.)", re.I)
_SERVICE = re.compile(r"""^\s*["']?(?:\w{2,}:|[<{])""")
_ELSEWHERE = re.compile(r"/vsi|\w://", re.I)


class OpenSource(Protocol):
    """Opens a file that a virtual raster names, as a raster within the limits."""

    def __call__(self, path: Path, above: tuple[Path, ...], seen: set[Path]) -> None: ...


def check_virtual(path: Path, open_source: OpenSource, *, above: tuple[Path, ...] = (), seen: set[Path]) -> None:
    """Refuse a virtual raster that leads to anything but rasters on this machine.

    Parameters
    ----------
    path : Path
        The VRT.
    open_source : OpenSource
    above : tuple of Path
        The virtual rasters that lead to this one.
    seen : set of Path
        What was looked at already; what is looked at here is added.

    Raises
    ------
    InputError
        For a source that is an address, a service or the inside of another file, that is no raster, or that is raw
        bytes outside the folder of the VRT; for one that leads to itself, or more than eight inside
        each other.
    DataNotFoundError
        For a source that is not there.
    """
    here = path.resolve()
    if here in above:
        raise InputError(f"{path.name} is a virtual raster that is made of itself; {_REMEDY}")
    if len(above) >= _MOST_LEVELS:
        raise InputError(f"{path.name}: more than {_MOST_LEVELS} virtual rasters inside each other; {_REMEDY}")
    limits.check("document-mb", path.stat().st_size / 1e6, path.name)
    with wall(f"{path.name} is no virtual raster that can be read", _REMEDY):
        text = path.read_bytes()
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise InputError(f"{path.name} defines entities, which no virtual raster needs; {_REMEDY}")
        root = ET.fromstring(text)  # nosec B314 - without entities
    for source, raw in sorted(set(_sources(root, path))):
        with wall(f"{path.name}: '{readable_text(source)}' is no name of a file", _REMEDY):
            there = source.resolve()
        if raw and not there.is_relative_to(here.parent):
            raise InputError(f"{path.name} takes raw bytes of {source}, a file outside its folder; {_REMEDY}")
        if not raw and (there not in seen or there in (*above, here)):
            seen.add(there)
            limits.check("files", len(seen), path.name)
            open_source(source, (*above, here), seen)


def _sources(root: ET.Element, path: Path) -> Iterator[tuple[Path, bool]]:
    """Give the files that are named, and whether their bytes are taken as they are."""
    raw = {
        element
        for band in root.iter()
        if any("raw" in value.casefold() for name, value in band.attrib.items() if name.casefold() == "subclass")
        for element in band
    }
    for element in root.iter():
        tag, texts = element.tag.casefold(), [element.text or "", *element.attrib.values()]
        if tag in ("sourcefilename", "sourcedataset"):
            name = _PAGE.sub("", (element.text or "").strip())
            if _SERVICE.search(name) or _ELSEWHERE.search(name):
                raise InputError(
                    f"{path.name} leads to '{readable_text(name)[:200]}'; only files of this machine are read through "
                    f"a virtual raster; {_REMEDY}"
                )
            relative = next((value for key, value in element.attrib.items() if key.casefold() == "relativetovrt"), "0")
            # GDAL takes a name that is not said to be relative from the folder where the program runs.
            yield (path.parent / name if relative.strip() not in ("", "0") else Path(name)), element in raw
        elif any("/vsi" in text.casefold() for text in texts):
            raise InputError(f"{path.name} leads to another place than a file of this machine; {_REMEDY}")
