"""Masks of one's own images: what their values or colours mean, and their labels on the grid of an image."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.io import DatasetReader
from rasterio.warp import reproject

from glaciertime.errors import GlacierTimeError, InputError, UsageError
from glaciertime.scenes.acquisition import GLACIER, OCEAN, ROCK
from glaciertime.scenes.classes import zone_of_word
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.scenes.legends import class_names
from glaciertime.scenes.raster_files import check_pixels, open_raster, reading

__all__ = ["MaskLegend", "legend_of_masks", "parse_legend", "read_labels"]

EXAMPLE = "--reader legend=0=background,1=glacier,255=ignore"
_MOST_VALUES = 64
# Names of what nobody labelled or nothing showed; clouds and shadows may be classes.
_IGNORED = (
    "ignore", "ignored", "unlabelled", "unlabeled", "not labelled", "not labeled", "no data", "nodata", "unobserved",
    "not observed", "fill", "missing",
)  # fmt: skip
_CAFFE = {0.0: "no data", 64.0: "rock", 127.0: "glacier", 254.0: "ocean"}
# Grids whose corners lie closer are one; without a coordinate system numbers may be those of the middle of a pixel.
_SAME_GRID_PX, _ONE_GRID_PX = 1e-3, 0.75
_COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class MaskLegend:
    """What the pixels of masks mean.

    Attributes
    ----------
    classes, codes : tuple
    values : mapping of value, or of a colour as ``0xrrggbb``, to the index of its class, or :data:`IGNORE`
    colours : bool
        Whether masks are pictures of three bands.
    told : str
    """

    classes: tuple[str, ...]
    codes: tuple[int, ...]
    values: Mapping[float, int]
    colours: bool = False
    told: str = ""


def parse_legend(text: str) -> dict[float | str, str]:
    """Return names by value or colour from ``0=background,1=glacier,255=ignore`` or ``#00ffff=glacier,...``.

    Raises
    ------
    UsageError
        For a pair that is none, or a value given twice.
    """
    found: dict[float | str, str] = {}
    for pair in text.split(","):
        what, equals, name = (part.strip() for part in pair.partition("="))
        key: float | str
        try:
            key = what.casefold() if _COLOUR.fullmatch(what.casefold()) else float(what)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise UsageError(f"legend '{text}': '{pair.strip()}' is not VALUE=NAME; give for example {EXAMPLE}")
        if key in found:
            raise UsageError(f"legend '{text}': {what} is given twice; give each value one class")
        found[key] = name
    if len({isinstance(key, str) for key in found}) > 1:
        raise UsageError(f"legend '{text}': values and colours are mixed; masks have the one or the other")
    if all(_is_ignored(name) for name in found.values()):
        raise UsageError(f"legend '{text}': no class is named; give for example {EXAMPLE}")
    return found


def _is_ignored(name: str) -> bool:
    return _plain_name(name) in _IGNORED


def _plain_name(name: str) -> str:
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())


def legend_of_masks(paths: Sequence[Path], told: str) -> tuple[MaskLegend, dict[Path, str]]:
    """Return what the values of masks mean: as was told, as the files say, or where they leave no choice.

    Every mask is read: a value that one of a hundred holds is a class as well.

    Returns
    -------
    MaskLegend, and a sentence for each mask that cannot be used

    Raises
    ------
    InputError
        If values could mean anything, or none of the masks can be used.
    """
    found: dict[Path, set[float]] = {}
    problems: dict[Path, str] = {}
    named: dict[float, str] = {}
    kinds: dict[bool, Path] = {}
    shown: dict[tuple[int, ...], tuple[float, Path]] = {}
    unseen: dict[Path, float] = {}
    two_numbers = ""
    for path in paths:
        try:
            with open_raster(path, what="a mask") as raster, reading(path):
                check_pixels(raster, bytes_per_pixel=8, step="read as a mask")
                values, colours = _stored(path, raster)
                seen = _values(path, values)
                kinds.setdefault(colours, path)
                two_numbers = two_numbers or _other_palette(path, raster, seen, shown)
                found[path] = seen
                if raster.nodata is not None and not colours and not np.isfinite(values).all():
                    unseen[path] = float(raster.nodata)
                for value, name in class_names(path, raster).items():
                    if named.setdefault(value, name) != name:
                        raise InputError(f"{path.name} calls {value:g} {name}, others call it {named[value]}")
        except GlacierTimeError as error:
            problems[path] = str(error)
    if not found:
        raise InputError(f"no mask can be read: {next(iter(problems.values()))}")
    if two_numbers:
        # Which of the orders is meant nobody can say, so none of the masks is of use.
        raise InputError(two_numbers)
    if len(kinds) > 1:
        raise InputError(
            f"{kinds[True].name} is a picture of three bands and {kinds[False].name} has one: give masks of one kind"
        )
    colours = True in kinds
    union = set().union(*found.values())
    if told:
        legend = _told(parse_legend(told), colours, union)
    elif colours:
        raise InputError(f"masks in colours ({_shown(union, colours=True)}): say what each means, for example "
                         f"--reader legend={_shown(union, colours=True, example=True)}")  # fmt: skip
    elif named and union - {float(IGNORE)} <= set(named):
        legend = _named({value: named[value] for value in sorted(named)}, "as the files name them")
    else:
        legend = _plain(union)
        _check_one_convention(found)
    for path, value in unseen.items():
        if (place := legend.values.get(value, IGNORE)) != IGNORE:
            problems[path] = (
                f"{path.name} says in its header that {value:g} was not observed, and {value:g} is "
                f"{legend.classes[place]}; if that is right take it out of the header: gdal_edit.py -unsetnodata "
                f"{path.name}; if not, say {value:g}=ignore in --reader legend="
            )
    return legend, problems


def _other_palette(
    path: Path, raster: DatasetReader, values: set[float], shown: dict[tuple[int, ...], tuple[float, Path]]
) -> str:
    """Return what is to be said where a colour has another number than in masks before: no number means one class."""
    if raster.colorinterp[0] != ColorInterp.palette:
        return ""
    palette = raster.colormap(1)
    colours = Counter(palette[int(value)][:3] for value in values if int(value) in palette)
    for value in sorted(values):
        colour = palette.get(int(value), ())[:3]
        if colours[colour] != 1:
            continue
        before, first = shown.setdefault(colour, (value, path))
        if before != value:
            return (
                f"#{bytes(colour).hex()} is number {before:g} in the palette of {first.name} and {value:g} in that of "
                f"{path.name}: write all masks with one palette (gdal_translate -expand rgb MASK.png OUT.png, then "
                "--reader legend= with colours)"
            )
    return ""


def _check_one_convention(found: Mapping[Path, set[float]]) -> None:
    """Refuse masks of 0 and 1 beside masks of 0 and 255: in these 255 may be glacier, or what is not labelled."""
    ones = [path for path, values in found.items() if 1.0 in values]
    others = [path for path, values in found.items() if float(IGNORE) in values]
    if ones and others and not set(ones) & set(others):
        raise InputError(
            f"{ones[0].name} holds 1 and {others[0].name} holds 255, and no mask both: 255 may be glacier as well, or "
            "not labelled; say which: --reader legend=0=background,1=glacier,255=glacier or 255=ignore"
        )


def _told(given: Mapping[float | str, str], colours: bool, union: set[float]) -> MaskLegend:
    if any(isinstance(key, str) for key in given) != colours:
        kind = "colours" if colours else "values"
        raise UsageError(f"legend: the masks hold {kind} ({_shown(union, colours=colours)}); name those")
    names = {float(int(key[1:], 16)) if isinstance(key, str) else key: name for key, name in given.items()}
    if unknown := union - set(names):
        raise InputError(
            f"masks hold {_shown(unknown, colours=colours)} too, which the legend does not name; add it, as a class or "
            "with =ignore"
        )
    return _named(names, "", colours=colours)


def _plain(union: set[float]) -> MaskLegend:
    """Return the meaning of values that nobody named, where there is but one."""
    values = union - {float(IGNORE)}
    if union <= {0.0, 255.0} and 255.0 in union:
        return _named({0.0: "background", 255.0: "glacier"}, "0 is taken for background, 255 for glacier")
    if values <= {0.0, 1.0} and 1.0 in values:
        told = "0 is taken for background, 1 for glacier" + (", 255 for not labelled" if 255.0 in union else "")
        return _named({0.0: "background", 1.0: "glacier", 255.0: "ignore"}, told)
    if union <= set(_CAFFE) and 127.0 in union and len(union) > 1:
        return _named({**_CAFFE, 0.0: "ignore"}, "zones of CaFFe: 64 rock, 127 glacier, 254 ocean, 0 not labelled")
    raise InputError(
        f"masks hold the values {_shown(union)}, and nothing says what they mean; give for example {EXAMPLE}"
    )


def _named(names: Mapping[float, str], told: str, *, colours: bool = False) -> MaskLegend:
    classes = list(dict.fromkeys(name for name in names.values() if not _is_ignored(name)))
    alike: dict[str, str] = {}
    for name in classes:
        if alike.setdefault(_plain_name(name), name) != name:
            raise InputError(f"masks: {alike[_plain_name(name)]} and {name} differ in spelling alone; write them alike")
    codes: list[int] = []
    # The code of a zone is for the class of that zone: snow of 127 beside ice of 1 would be taken for the glacier.
    zones = {GLACIER, OCEAN, ROCK}
    kept = {zone_of_word(name) for name in classes} & zones
    for name in classes:
        zone = zone_of_word(name)
        own = [int(value) for value, each in names.items() if each == name and not colours and 0 <= value < 255]
        others = [code for code in (*own, *range(1, 255)) if code not in (zones if zone in zones else kept)]
        codes.append(next(code for code in (*([zone] if zone in kept else []), *others) if code not in codes))
    values = {value: classes.index(name) if name in classes else IGNORE for value, name in names.items()}
    unlabelled = [name for name in names.values() if _is_ignored(name) and not name.casefold().startswith("ignore")]
    told = "; ".join((*([told] if told else []), *(f"{name} is not labelled" for name in dict.fromkeys(unlabelled))))
    if not colours and float(IGNORE) not in values:
        values[float(IGNORE)] = IGNORE
    return MaskLegend(tuple(classes), tuple(codes), values, colours, told)


def _shown(values: set[float], *, colours: bool = False, example: bool = False) -> str:
    ordered = sorted(values)[:8]
    texts = [f"#{int(value):06x}" if colours else f"{value:g}" for value in ordered]
    if example:
        return ",".join(
            f"{text}={name}" for text, name in zip(texts, ("background", "glacier", *"abcdef"), strict=False)
        )
    return ", ".join(texts) + (", ..." if len(values) > len(ordered) else "")


def _stored(path: Path, raster: DatasetReader) -> tuple[NDArray[Any], bool]:
    """Return the values of a mask, NaN where it says that nothing was observed, and whether they are colours."""
    bands = [b for b, meaning in zip(raster.indexes, raster.colorinterp, strict=True) if meaning != ColorInterp.alpha]
    if any("complex" in dtype for dtype in raster.dtypes) or len(bands) not in (1, 3):
        raise InputError(f"{path.name} has {len(bands)} bands: a mask has one of classes, or three of colours")
    if path.suffix.lower() in (".jpg", ".jpeg"):
        raise InputError(f"{path.name} is a JPEG, which blurs classes at their edges; give the mask as PNG or GeoTIFF")
    stored = raster.read(bands)
    hidden = raster.dataset_mask() == 0 if len(bands) < raster.count else np.zeros(stored.shape[1:], dtype=bool)
    nodata = raster.nodatavals[bands[0] - 1]
    if len(bands) == 3 and (stored != stored[:1]).any():
        if any(dtype != "uint8" for dtype in raster.dtypes[:3]):
            raise InputError(f"{path.name}: three bands of {raster.dtypes[0]} are no colours; give one band of classes")
        values = stored.astype(np.float64)
        return np.where(hidden, np.nan, values[0] * 65536 + values[1] * 256 + values[2]), True
    values = stored[0].astype(np.float64)
    hidden |= ~np.isfinite(values)
    if nodata is not None and np.isfinite(nodata):
        # A header often calls 0 nodata where 0 is the background: then all of the class would be gone.
        held = {float(value) for value in np.unique(values[~hidden])}
        if nodata == 0 and 0.0 in held and held <= {0.0, 1.0, 255.0} and len(held) > 1:
            raise InputError(
                f"{path.name} says in its header that 0 was not observed, and 0 is all that is beside its class; if 0 "
                f"is background take it out: gdal_edit.py -unsetnodata {path.name}"
            )
        hidden |= values == nodata
    return np.where(hidden, np.nan, values), False


def _values(path: Path, values: NDArray[Any]) -> set[float]:
    """Return the values that a mask holds."""
    held = np.unique(values[np.isfinite(values)])
    if (held != np.round(held)).any():
        share = "as probabilities do" if held.min() >= 0 and held.max() <= 1 else "as measured values do"
        raise InputError(f"{path.name} holds numbers with fractions, {share}; a mask has one whole number per class")
    if len(held) > _MOST_VALUES:
        raise InputError(
            f"{path.name} holds {len(held)} different values, as an image does and no mask; was it saved with a "
            "compression that blurs classes?"
        )
    return {float(value) for value in held}


def _apart_px(own: Affine, transform: Affine, shape: tuple[int, int]) -> float:
    """Return how far the corners of two grids of one shape lie apart at most, in pixels of the second."""
    rows, columns = shape
    corners = [(0, 0), (columns, 0), (0, rows), (columns, rows)]
    moved = [~transform @ (own @ corner) for corner in corners]
    return max(math.dist(one, other) for one, other in zip(moved, corners, strict=True))


def read_labels(
    path: Path,
    legend: MaskLegend,
    *,
    shape: tuple[int, int],
    place: tuple[Affine, pyproj.CRS | None] | None,
) -> tuple[NDArray[np.uint8], bool]:
    """Return the labels of a mask on the grid of its image, and whether it had to be moved onto it.

    Parameters
    ----------
    path : Path
    legend : MaskLegend
    shape : height and width of the image, pixels
    place : transform and CRS of the image; None where it has none.

    Returns
    -------
    (H, W) uint8
        Class indices, or :data:`IGNORE`, also where the mask does not reach.

    Raises
    ------
    InputError
        If the mask has another size and it is not known where both lie.
    """
    with open_raster(path, what="a mask") as raster, reading(path):
        values, _ = _stored(path, raster)
        own, own_crs = raster.transform, raster.crs
        placed = own_crs is not None and not own.is_identity
    labels: NDArray[np.uint8] = np.full(values.shape, IGNORE, dtype=np.uint8)
    known = ~np.isfinite(values)
    for value, index in legend.values.items():
        here = values == value
        labels[here] = index
        known |= here
    if not known.all():
        raise InputError(f"{path.name} holds values that it did not hold before; do not change masks meanwhile")
    if place is None or place[1] is None or not placed:
        # Numbers without a coordinate system still say whether both begin at one corner.
        apart = 0.0 if place is None or own.is_identity else _apart_px(own, place[0], shape)
        if labels.shape == shape and apart >= _ONE_GRID_PX:
            raise InputError(
                f"{path.name} and its image lie {apart:.1f} pixels apart by their corners, and not both name a "
                f"coordinate system; name it (gdal_edit.py -a_srs EPSG:CODE {path.name}), or give both one corner"
            )
        if labels.shape != shape:
            raise InputError(
                f"{path.name}: mask of {labels.shape[0]} x {labels.shape[1]}, image of {shape[0]} x {shape[1]} pixels; "
                "they must cover the same pixels, or both be georeferenced"
            )
        return labels, False
    transform, crs = place
    assert crs is not None
    same = crs.equals(pyproj.CRS.from_wkt(own_crs.to_wkt()), ignore_axis_order=True)
    if same and labels.shape == shape and _apart_px(own, transform, shape) < _SAME_GRID_PX:
        return labels, False
    moved = np.full(shape, IGNORE, dtype=np.uint8)
    reproject(
        labels, moved, src_transform=own, src_crs=own_crs, src_nodata=IGNORE, dst_transform=transform,
        dst_crs=crs.to_wkt(), dst_nodata=IGNORE, resampling=Resampling.nearest,
    )  # fmt: skip
    if (moved == IGNORE).all():
        raise InputError(f"{path.name} and its image lie nowhere on the same ground; check their coordinate systems")
    return moved, True
