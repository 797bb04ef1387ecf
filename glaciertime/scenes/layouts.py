"""How a mask file holds its zones: classes in one band, in colours, or one band per zone; told by its header alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import NO_DATA, OCEAN
from glaciertime.scenes.classes import CAFFE, EXAMPLE, Classes, check_agreement, zone_of_word
from glaciertime.scenes.legends import class_names

__all__ = ["Layout", "layout_of"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a mask file holds its zones.

    Parameters
    ----------
    kind : str
        ``values`` (one band of classes, or the probability of one), ``colours`` (three bands) or ``bands`` (one per
        zone).
    bands : tuple of int
        Their numbers, from 1.
    codes : tuple of int
        The zone of each band, of kind ``bands``.
    table : mapping of value to zone code
        Of kind ``values``, and of colours that turn out to be greys.
    nodata : tuple of float, or None
        The value of each band that stands for what was not observed.
    has_ocean : bool
        Whether ocean is among the classes.
    may_be_probability : bool
    palette : mapping of (red, green, blue) to zone code
        Of kind ``values``, where each colour of the file's palette stands for one zone.
    """

    kind: str
    bands: tuple[int, ...]
    codes: tuple[int, ...] = ()
    table: Mapping[float, int]
    nodata: tuple[float, ...] | None
    has_ocean: bool
    may_be_probability: bool = False
    palette: Mapping[tuple[int, ...], int] = field(default_factory=dict)


def layout_of(path: Path, raster: DatasetReader, classes: Classes) -> Layout:
    """Return how a file holds its zones, from its header alone.

    Raises
    ------
    InputError
        Where its bands can be no mask, or its header and what was said of it contradict each other.
    """
    if any("complex" in dtype for dtype in raster.dtypes):
        raise InputError(f"{path.name} holds complex numbers; a mask has one class per pixel")
    bands = [
        band
        for band, meaning in zip(raster.indexes, raster.colorinterp, strict=True)
        if meaning != ColorInterp.alpha and not _is_uncertainty(raster.descriptions[band - 1])
    ]
    nodata = _nodata(raster, bands, classes)
    if len(bands) == 1:
        return _one_band(path, raster, classes, bands[0], nodata)
    codes = [_zone_of_band(raster.descriptions[band - 1], band, classes) for band in bands]
    if bands and all(code is not None for code in codes):
        found = tuple(code for code in codes if code is not None)
        return Layout(
            kind="bands", bands=tuple(bands), codes=found, table={}, nodata=nodata, has_ocean=OCEAN in found,
            may_be_probability=raster.dtypes[bands[0] - 1].startswith("float"),
        )  # fmt: skip
    if len(bands) == 3 and all(dtype == "uint8" for dtype in raster.dtypes[:3]):
        if nodata is not None and classes.colours:
            key = "#" + "".join(f"{int(value):02x}" for value in nodata)
            zone = classes.colours.get(key, NO_DATA)
            if zone != NO_DATA:
                check_agreement(path.name, {nodata[0]: zone}, unobserved=[nodata[0]], names={}, classes=classes)
        zones = classes.zones if classes.text else {OCEAN}
        return Layout(
            kind="colours", bands=tuple(bands), table=dict(classes.values), nodata=nodata, has_ocean=OCEAN in zones
        )
    raise InputError(
        f"{path.name} has {len(bands)} bands; a mask has one band of classes, three of colour, or one per zone that "
        f"bears its name: choose one with gdal_translate -b 1 {path.name} one_band.tif, or say what each is, for "
        "example --classes 'band 1=ocean,band 2=glacier'"
    )


def _is_uncertainty(description: str | None) -> bool:
    return (description or "").casefold().startswith(("uncertainty", "entropy"))


def _nodata(raster: DatasetReader, bands: list[int], classes: Classes) -> tuple[float, ...] | None:
    if classes.nodata == "none":
        return None
    if isinstance(classes.nodata, float):
        return (classes.nodata,) * len(bands)
    values = [raster.nodatavals[band - 1] for band in bands]
    return None if any(value is None for value in values) else tuple(float(value) for value in values)


def _zone_of_band(description: str | None, band: int, classes: Classes) -> int | None:
    for name in (f"band {band}", f"band{band}", (description or "").casefold()):
        if name in classes.names:
            return classes.names[name]
    words = re.sub(r"\b(probability|prob|p|class|of)\b|[()]", " ", (description or "").replace("_", " ").casefold())
    return zone_of_word(words)


def _one_band(
    path: Path, raster: DatasetReader, classes: Classes, band: int, nodata: tuple[float, ...] | None
) -> Layout:
    names = class_names(path, raster)
    table = _table(path, raster, classes, band, names)
    clear: list[float] = []
    if classes.nodata is None:
        clear = [] if nodata is None else [nodata[0]]
        if raster.colorinterp[band - 1] == ColorInterp.palette:
            clear += [float(value) for value, entry in raster.colormap(band).items() if entry[3] == 0]
    coloured = _palette(raster, band, table)
    check_agreement(path.name, table, unobserved=clear, names=names, classes=classes)
    table.update(dict.fromkeys(clear, NO_DATA))
    zones = set(table.values())
    return Layout(
        kind="values", bands=(band,), table=table, nodata=nodata, has_ocean=OCEAN in zones,
        may_be_probability=raster.dtypes[band - 1].startswith("float") or raster.scales[band - 1] != 1,
        palette=coloured,
    )  # fmt: skip


def _palette(raster: DatasetReader, band: int, table: Mapping[float, int]) -> dict[tuple[int, ...], int]:
    if raster.colorinterp[band - 1] != ColorInterp.palette:
        return {}
    zones: dict[tuple[int, ...], set[int]] = {}
    for value, entry in raster.colormap(band).items():
        if value in table:
            zones.setdefault(tuple(entry[:3]), set()).add(table[value])
    return {colour: meant.pop() for colour, meant in zones.items() if len(meant) == 1}


def _table(
    path: Path, raster: DatasetReader, classes: Classes, band: int, names: Mapping[float, str]
) -> dict[float, int]:
    """Return the zone of every value that was named: by its value, its colour, or its name in the file."""
    if not classes.text:
        known = {value: zone_of_word(name) for value, name in names.items()}
        if names and all(zone is not None for zone in known.values()):
            return {value: zone for value, zone in known.items() if zone is not None}
        return dict(CAFFE.values)
    table = dict(classes.values)
    if classes.names:
        by_name = {name.casefold(): value for value, name in names.items()}
        if not by_name:
            raise InputError(
                f"{path.name} names no classes, so {', '.join(classes.names)} cannot be found in it; give values, for "
                f"example {EXAMPLE}"
            )
        missing = [name for name in classes.names if name not in by_name]
        if len(missing) == len(classes.names):
            raise InputError(
                f"{path.name} has the classes {', '.join(names.values())}, not {', '.join(missing)}; name those"
            )
        for name, zone in classes.names.items():
            if name in by_name:
                _put(path, table, by_name[name], zone)
    if classes.colours:
        is_palette = raster.colorinterp[band - 1] == ColorInterp.palette
        palette = raster.colormap(band) if is_palette else {}
        for colour, zone in classes.colours.items():
            rgba = tuple(int(colour[at : at + 2], 16) for at in range(1, len(colour), 2))
            if is_palette:
                for value, entry in palette.items():
                    if tuple(entry[: len(rgba)]) == rgba:
                        _put(path, table, float(value), zone)
            elif raster.dtypes[band - 1] == "uint8" and rgba[0] == rgba[1] == rgba[2]:
                _put(path, table, float(rgba[0]), zone)
            else:
                raise InputError(
                    f"{path.name} has one band of values and no colours, so {colour} cannot be in it; give values, for "
                    f"example {EXAMPLE}"
                )
    return table


def _put(path: Path, table: dict[float, int], value: float, zone: int) -> None:
    if table.setdefault(value, zone) != zone:
        raise InputError(f"--classes gives the value {value:g} of {path.name} two zones; give it one")
