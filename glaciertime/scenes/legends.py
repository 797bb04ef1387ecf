"""What a raster says of its own values: the names of its classes, wherever a tool may have put them."""

from __future__ import annotations

# Expat itself refuses texts whose entities grow without bound; files past a size are not read (below).
import xml.etree.ElementTree as ET  # nosec B405
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rasterio.io import DatasetReader

__all__ = ["class_names"]

_VALUE_COLUMNS = ("value", "class_value", "pixel_value", "pixelvalue", "code")
_NAME_COLUMNS = ("class_name", "classname", "class_names", "class", "name", "label", "category", "description")
# Side files larger than this hold statistics of something else.
_LARGEST_BYTES = 4_000_000


def class_names(path: Path, raster: DatasetReader) -> dict[float, str]:
    """Return the names of the values of a raster's first band; empty where it gives none.

    Read are the category names and attribute tables of GDAL (``FILE.aux.xml``, and within a VRT), the attribute
    tables of ArcGIS (``FILE.vat.dbf``), and the ``flag_values`` and ``flag_meanings`` of CF.
    """
    for found in (_of_flags(raster.tags(1)), _of_xml(path), _of_dbf(path)):
        if found:
            return found
    return {}


def _of_flags(tags: Mapping[str, str]) -> dict[float, str]:
    values = tags.get("flag_values", "").replace(",", " ").strip("{} ").split()
    names = tags.get("flag_meanings", "").split()
    if not values or len(values) != len(names):
        return {}
    try:
        return {
            float(value.rstrip("bBuUsS")): name.replace("_", " ") for value, name in zip(values, names, strict=True)
        }
    except ValueError:
        return {}


def _of_xml(path: Path) -> dict[float, str]:
    for file in (path.with_name(path.name + ".aux.xml"), path):
        if file == path and path.suffix.lower() != ".vrt":
            continue
        try:
            if file.stat().st_size > _LARGEST_BYTES:
                continue
            root = ET.parse(file).getroot()  # nosec B314
        except (OSError, ET.ParseError):
            continue
        bands = [element for element in root.iter() if element.tag in ("PAMRasterBand", "VRTRasterBand")]
        band = next((element for element in bands if element.get("band", "1") == "1"), None)
        if band is None:
            continue
        categories = band.find("CategoryNames")
        if categories is not None:
            named = {
                float(index): (each.text or "").strip() for index, each in enumerate(categories.findall("Category"))
            }
            named = {value: name for value, name in named.items() if name}
            if named:
                return named
        table = band.find("GDALRasterAttributeTable")
        if table is not None:
            columns = [
                ((each.findtext("Name") or "").strip().casefold(), (each.findtext("Usage") or "").strip())
                for each in table.findall("FieldDefn")
            ]
            rows = [[(cell.text or "").strip() for cell in row.findall("F")] for row in table.findall("Row")]
            if found := _of_table(columns, rows):
                return found
    return {}


def _of_dbf(path: Path) -> dict[float, str]:
    file = path.with_name(path.name + ".vat.dbf")
    if not file.is_file():
        return {}
    import pyogrio

    try:
        table = pyogrio.read_dataframe(file, read_geometry=False)
    except (OSError, ValueError, pyogrio.errors.DataSourceError):
        return {}
    columns = [(str(name).casefold(), "") for name in table.columns]
    return _of_table(columns, [[str(cell) for cell in row] for row in table.itertuples(index=False)])


def _of_table(columns: list[tuple[str, str]], rows: list[list[Any]]) -> dict[float, str]:
    """Return names by value from a table whose columns are known by their name or by GDAL's usage (2 name, 5 value)."""

    def column(names: tuple[str, ...], usage: str) -> int | None:
        by_usage = [index for index, (_, of) in enumerate(columns) if of == usage]
        by_name = [index for name in names for index, (held, _) in enumerate(columns) if held == name]
        return next(iter(by_name + by_usage), None)

    value, name = column(_VALUE_COLUMNS, "5"), column(_NAME_COLUMNS, "2")
    if name is None:
        return {}
    found: dict[float, str] = {}
    for index, row in enumerate(rows):
        try:
            key = float(index) if value is None else float(row[value])
            text = str(row[name]).strip()
        except (ValueError, IndexError):
            continue
        if text:
            found[key] = text
    return found
