"""The pixels of a mask file as zones: classes by value, colour or name, probabilities, and what was not observed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import NO_DATA, ZONES
from glaciertime.scenes.classes import CAFFE, EXAMPLE, Classes, apply_table
from glaciertime.scenes.layouts import Layout, layout_of
from glaciertime.scenes.legends import class_names
from glaciertime.scenes.raster_files import open_raster, reading

__all__ = ["read_probability", "read_zones"]

_COLOUR_EXAMPLE = "--classes '#00ffff=glacier,#0000ff=ocean'"
# The probabilities of a pixel add up to one to this much: they may be stored in a byte.
_SUM_TOLERANCE = 0.02


def read_zones(path: Path, classes: Classes = CAFFE) -> NDArray[np.uint8]:
    """Read a mask as (H, W) uint8 of zone codes.

    Not observed are pixels with the header's nodata value, NaN, and those that an alpha band or a mask band hides.

    Raises
    ------
    InputError
        Where the file is truncated, or holds a value or a colour that no class names.
    """
    return _read(path, classes)[0]


def read_probability(path: Path, classes: Classes = CAFFE) -> tuple[NDArray[np.float32], tuple[int, ...]] | None:
    """Read the probabilities of a mask file, (K, H, W) with NaN where not observed, and the zone of each of the K.

    None where the file holds classes, not probabilities.
    """
    return _read(path, classes)[1]


_Probability = tuple[NDArray[np.float32], tuple[int, ...]]


def _read(path: Path, classes: Classes) -> tuple[NDArray[np.uint8], _Probability | None]:
    with open_raster(path) as raster, reading(path):
        layout = layout_of(path, raster, classes)
        pixels = raster.read(list(layout.bands))
        observed = _observed(raster, layout, pixels, classes)
        opacity = _opacity(raster) if any(len(colour) == 9 for colour in classes.colours) else None
        scale, offset = raster.scales[layout.bands[0] - 1], raster.offsets[layout.bands[0] - 1]
        bare = not layout.nodata and _is_all_valid(raster) and raster.colorinterp[0] != ColorInterp.palette
        bare = bare and not class_names(path, raster)
    if layout.kind == "bands":
        return _of_bands(path, pixels, observed, layout)
    if layout.kind == "colours":
        if (pixels == pixels[:1]).all() and layout.table and not classes.colours:
            return _of_values(path, pixels[0], observed, layout, classes), None
        return _of_colours(path, pixels, observed, opacity, classes), None
    values = pixels[0]
    if (scale, offset) != (1.0, 0.0):
        values = (values * scale + offset).astype(np.float32)
    if bare:
        _refuse_house_codes(path, values, layout.table, classes)
    if layout.may_be_probability and _is_probability(values, observed, layout.table):
        return _of_probability(values, observed, layout.table)
    return _of_values(path, values, observed, layout, classes), None


def _is_all_valid(raster: DatasetReader) -> bool:
    return all(flags == [MaskFlags.all_valid] for flags in raster.mask_flag_enums)


def _opacity(raster: DatasetReader) -> NDArray[Any] | None:
    alpha = [band for band, kind in zip(raster.indexes, raster.colorinterp, strict=True) if kind == ColorInterp.alpha]
    return raster.read(alpha[0]) if alpha else None


def _observed(raster: DatasetReader, layout: Layout, pixels: NDArray[Any], classes: Classes) -> NDArray[np.bool_]:
    """Return where the file shows something: not its nodata value, not NaN, not hidden by an alpha or a mask band."""
    observed = np.ones(pixels.shape[1:], dtype=bool)
    if layout.nodata is not None:
        missing = np.ones_like(observed)
        for band, value in zip(pixels, layout.nodata, strict=True):
            if math.isnan(value):
                missing &= np.isnan(band) if band.dtype.kind == "f" else False
            else:
                with np.errstate(over="ignore", invalid="ignore"):
                    missing &= band == (band.dtype.type(value) if band.dtype.kind == "f" else value)
        observed &= ~missing
    if pixels.dtype.kind == "f":
        observed &= ~np.isnan(pixels).any(axis=0)
    flags = raster.mask_flag_enums[layout.bands[0] - 1]
    shows_all = classes.nodata == "none" and MaskFlags.alpha not in flags and MaskFlags.nodata in flags
    if MaskFlags.per_dataset in flags and not shows_all:
        observed &= raster.read_masks(layout.bands[0]) > 0
    return observed


def _refuse_house_codes(path: Path, values: NDArray[Any], table: Mapping[float, int], classes: Classes) -> None:
    """Refuse a mask in the codes of CaFFe of which it was said that 0, there not observed, is a class."""
    if not classes.text or classes.nodata is not None or table.get(0.0, NO_DATA) == NO_DATA:
        return
    others = {code for code in ZONES.values() if code != NO_DATA}
    if any(table.get(float(code), code) != code for code in others):
        return
    present = set(np.unique(values).tolist()) - {0}
    if present and present <= others and 0 in values:
        zone = next(name for name, code in ZONES.items() if code == table[0.0])
        raise InputError(
            f"{path.name} holds {', '.join(f'{code:g}' for code in (0, *sorted(present)))}: where these are the codes "
            f"of CaFFe, as glaciertime segment writes them, 0 was not observed, but --classes says it is {zone}; give "
            f"0=nodata in --classes, or if every 0 is {zone} --nodata none"
        )


def _is_probability(values: NDArray[Any], observed: NDArray[np.bool_], table: Mapping[float, int]) -> bool:
    """Return whether values lie between two classes called 0 and 1: the probability of the latter."""
    if values.dtype.kind != "f" or table.get(0.0) == table.get(1.0) or 0.0 not in table or 1.0 not in table:
        return False
    seen = values[observed]
    return bool(len(seen) and seen.min() >= 0 and seen.max() <= 1 and ((seen > 0) & (seen < 1)).any())


def _of_probability(
    values: NDArray[Any], observed: NDArray[np.bool_], table: Mapping[float, int]
) -> tuple[NDArray[np.uint8], _Probability]:
    of_one = np.where(observed, values, np.nan).astype(np.float32)
    codes = (table[0.0], table[1.0])
    zones = np.where(of_one > 0.5, np.uint8(codes[1]), np.uint8(codes[0]))
    zones[~observed] = NO_DATA
    return zones, (np.stack([1 - of_one, of_one]), codes)


def _of_bands(
    path: Path, pixels: NDArray[Any], observed: NDArray[np.bool_], layout: Layout
) -> tuple[NDArray[np.uint8], _Probability | None]:
    shares = pixels.astype(np.float32)
    if pixels.dtype.kind in "iu" and pixels.max() > 1:
        # Of bytes, and of percentages.
        shares /= 100 if pixels.max() <= 100 else np.float32(np.iinfo(pixels.dtype).max)
    total = shares.sum(axis=0)
    if observed.any() and np.abs(total[observed] - 1).max() > _SUM_TOLERANCE:
        raise InputError(
            f"{path.name}: its bands do not add up to one in every pixel (they reach from {total[observed].min():.2f} "
            f"to {total[observed].max():.2f}); one band per zone holds the probability of it"
        )
    codes: list[int] = []
    merged: list[NDArray[np.float32]] = []
    for code, share in zip(layout.codes, shares, strict=True):
        if code in codes:
            merged[codes.index(code)] = merged[codes.index(code)] + share
        else:
            codes.append(code)
            merged.append(share)
    stack = np.stack(merged)
    zones = np.array(codes, dtype=np.uint8)[np.argmax(np.nan_to_num(stack), axis=0)]
    zones[~observed] = NO_DATA
    if not layout.may_be_probability:
        return zones, None
    stack[:, ~observed] = np.nan
    return zones, (stack, tuple(codes))


def _of_values(
    path: Path, values: NDArray[Any], observed: NDArray[np.bool_], layout: Layout, classes: Classes
) -> NDArray[np.uint8]:
    zones, unknown = apply_table(values, layout.table, observed=observed)
    if unknown.any():
        present = np.unique(values[observed])
        raise InputError(_unknown_values(path, np.unique(values[unknown]), present, classes))
    return zones


def _unknown_values(path: Path, unknown: NDArray[Any], present: NDArray[Any], classes: Classes) -> str:
    def listed(values: NDArray[Any]) -> str:
        return ", ".join(f"{value:g}" for value in values[:6].tolist()) + (", ..." if len(values) > 6 else "")

    text = (
        f"{path.name} holds the values {listed(present)}, of which {listed(unknown)} name no zone; say what each "
        f"means, for example {EXAMPLE} (zones: ocean, glacier, rock, nodata)"
    )
    if unknown.dtype.kind == "f" and unknown.min() >= 0 and unknown.max() <= 1:
        text += (
            "; a probability from 0 to 1 is read as that of the class called 1; if it is an image, of reflectance, say "
            "--images"
        )
    return text


def _of_colours(
    path: Path, pixels: NDArray[Any], observed: NDArray[np.bool_], opacity: NDArray[Any] | None, classes: Classes
) -> NDArray[np.uint8]:
    red, green, blue = pixels.astype(np.uint32)
    colour = (red << 16) | (green << 8) | blue
    zones = np.full(colour.shape, NO_DATA, dtype=np.uint8)
    unknown = observed.copy()
    found: set[str] = set()
    # Colours with an opacity last: they are more particular than those without.
    for text, zone in sorted(classes.colours.items(), key=lambda pair: len(pair[0])):
        here = colour == int(text[1:7], 16)
        if len(text) == 9 and opacity is not None:
            here &= opacity == int(text[7:], 16)
        else:
            here &= observed
        if here.any():
            found.add(text)
        zones[here] = zone
        unknown &= ~here
    if unknown.any() or not classes.colours:
        count = int(unknown.sum()) if classes.colours else int(observed.sum())
        codes, counts = np.unique(colour[unknown if classes.colours else observed], return_counts=True)
        most = ", ".join(f"#{codes[at]:06x}" for at in np.argsort(-counts)[:4].tolist())
        many = f" and {len(codes) - 4} more" if len(codes) > 4 else ""
        advice = (
            "they look like those of a picture that was compressed or drawn with soft edges, whose classes nobody can "
            "tell: export the mask again without losses, as PNG or GeoTIFF"
            if len(codes) > 16
            else f"say what each means, for example {_COLOUR_EXAMPLE}"
        )
        share = count / observed.size
        raise InputError(f"{path.name}: {share:.1%} of its pixels have colours of no class ({most}{many}); {advice}")
    hidden = [
        text
        for text, zone in classes.colours.items()
        if zone != NO_DATA
        and text not in found
        and len(text) == 7
        and ((colour == int(text[1:], 16)) & ~observed).any()
    ]
    if hidden:
        raise InputError(
            f"{path.name}: every pixel of {', '.join(hidden)} is transparent, so not observed; if it is a class all "
            f"the same give its opacity too: {hidden[0]}00=..."
        )
    return zones
