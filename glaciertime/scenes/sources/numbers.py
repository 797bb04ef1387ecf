"""What makes the stored numbers of a product reflectances or backscatter: scale, offset, what stands for nothing.

Sentinel-2: ``reflectance = number x 0.0001``, since processing baseline 04.00 (25 January 2022) ``- 0.1``; catalogues
have scenes from which the 0.1 was taken already, and say so. Landsat Collection 2: level 2 ``x 0.0000275 - 0.2``,
level 1 of OLI ``(x 0.00002 - 0.1) / sin(height of the sun)``. Sentinel-1: numbers of GRD are amplitudes that nobody
calibrated, those of RTC are gamma nought.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.scenes.sources.products import Product
from glaciertime.scenes.sources.search import StacItem

__all__ = ["Numbers", "check_factors", "check_numbers", "numbers_of"]

_BASELINE = re.compile(r"_N(\d\d)(\d\d)_")
#: Reflectances: of snow on slopes that face a low sun more than 1, of dark water after correction less than 0.
_POSSIBLE = (-0.3, 3.0)
_STRANGE_SHARE = 0.02
#: Numbers of a scene with 1000 added lie above this but for noise; of one without, those of water and shade below.
_BELOW = 600
_BELOW_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """How the numbers of one file are read: ``value = (number x scale + offset)``, then out of decibels.

    ``nodata`` stands for what was not observed, beside what the file says. ``unit`` is "reflectance", "gamma0" or
    "amplitude"; ``why`` says in words where scale and offset come from; ``adds_1000`` whether the numbers are those of
    Sentinel-2 with 1000 in them.
    """

    scale: float = 1.0
    offset: float = 0.0
    decibels: bool = False
    nodata: tuple[float, ...] = (0.0,)
    unit: str = "reflectance"
    why: str = ""
    adds_1000: bool = False

    def values(self, stored: NDArray[Any], *, missing: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return measured values of stored ones, (H, W) float32, NaN where nothing was observed."""
        out = stored.astype(np.float64) * self.scale + self.offset
        if self.decibels:
            out = np.power(10.0, out / 10)
        hidden = missing | ~np.isfinite(out)
        for value in self.nodata:
            hidden |= stored == value
        out[hidden] = np.nan
        return out.astype(np.float32)


def numbers_of(item: StacItem, product: Product, asset: Mapping[str, Any]) -> Numbers:
    """Return how the numbers of a file are read.

    Parameters
    ----------
    item : StacItem
    product : Product
    asset : mapping
        Its entry in the item.

    Raises
    ------
    InputError
        Where it cannot be told.
    """
    if product.family == "sentinel-2":
        return _sentinel_2(item, asset)
    if product.family == "landsat":
        return _landsat(item, product, asset)
    return _sentinel_1(product, asset)


def _declared(asset: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """Return scale, offset and unit that a catalogue names for a file, None where it names none."""
    bands = asset.get("raster:bands") or asset.get("bands") or [{}]
    first = bands[0] if isinstance(bands, list) and bands and isinstance(bands[0], dict) else {}
    found = {}
    for name in ("scale", "offset"):
        told = [place[key] for place, key in ((first, name), (first, f"raster:{name}"), (asset, f"raster:{name}"))
                if place.get(key) is not None]  # fmt: skip
        value = told[0] if told else None
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
        ):
            raise InputError(f"the catalogue says {str(value)[:40]!r} is the {name} of its numbers; a number expected")
        found[name] = None if value is None else float(value)
    if found["scale"] == 0:
        raise InputError("the catalogue says that the scale of its numbers is 0")
    return found["scale"], found["offset"], str(first.get("unit") or "")


def baseline_of(item: StacItem) -> float | None:
    """Return the processing baseline of a Sentinel-2 scene, such as 4.0; None where it is not told."""
    told = item.text("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
    if re.fullmatch(r"\d{1,2}\.\d{1,2}", told):
        return _of_an_agency(float(told))
    for text in (item.text("s2:product_uri", "sentinel:product_id"), f"{item.id}_"):
        if named := _BASELINE.search(text):
            return _of_an_agency(float(f"{named[1]}.{named[2]}"))
    return None


def _of_an_agency(baseline: float) -> float | None:
    """Return a baseline, None for 99.99: whoever processes by himself writes that, with an offset or without."""
    return baseline if baseline < 99 else None


def _is_applied(item: StacItem) -> bool:
    """Return whether a catalogue says that it has taken the offset out of the numbers already."""
    told = item.text("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied").casefold()
    if told not in ("true", "false", ""):
        raise InputError(
            f"{item.id}: the catalogue says {told[:40]!r} of whether the offset was applied; true or false expected"
        )
    return told == "true"


def _sentinel_2(item: StacItem, asset: Mapping[str, Any]) -> Numbers:
    scale, offset, _ = _declared(asset)
    baseline = baseline_of(item)
    scale = 0.0001 if scale is None else scale
    if _is_applied(item):
        return Numbers(scale=scale, offset=0.0, why="the catalogue has taken the offset of 1000 out already")
    if baseline is not None and baseline < 4:
        # Earth Search names the offset of later scenes for earlier ones too; the agency never added it to these.
        unused = f"; the {offset:g} that the catalogue names is not used" if offset else ""
        return Numbers(scale=scale, offset=0.0, why=f"processing baseline {baseline:05.2f} has no offset{unused}")
    if offset is not None:
        return Numbers(scale=scale, offset=offset, why="as the catalogue says", adds_1000=offset <= -500 * scale)
    if baseline is None:
        raise InputError(
            f"{item.id}: neither its processing baseline nor an offset is told, so that it is not certain whether 1000 "
            "was added to its numbers; take a catalogue that tells"
        )
    why = f"processing baseline {baseline:05.2f} adds 1000"
    return Numbers(scale=scale, offset=-1000 * scale, why=why, adds_1000=True)


def check_factors(scale: float, offset: float, numbers: Numbers, *, product: Product, name: str) -> None:
    """Refuse a file that names other factors for itself than the catalogue does; most name none.

    Raises
    ------
    InputError
    """
    if (scale, offset) == (1.0, 0.0) or product.level == "L1":
        return
    if not math.isclose(scale, numbers.scale, rel_tol=1e-6) or abs(offset - numbers.offset) > 1e-6:
        raise InputError(
            f"{name}: the file itself says x {scale:g} + {offset:g}, and by the catalogue it is x {numbers.scale:g} + "
            f"{numbers.offset:g} ({numbers.why}); take this scene from another catalogue"
        )


def check_numbers(stored: NDArray[Any], values: NDArray[np.float32], numbers: Numbers, *, name: str) -> None:
    """Refuse numbers that show that they are not what the catalogue says of them: catalogues err.

    Parameters
    ----------
    stored : array
        Numbers of a file.
    values : array of float32
        What ``numbers`` makes of them, NaN where nothing was observed.
    numbers : Numbers
    name : str
        Of the file.

    Raises
    ------
    InputError
    """
    seen = np.isfinite(values)
    if not seen.any():
        return
    measured = values[seen]
    if numbers.adds_1000:
        below = float((stored[seen] < _BELOW).mean())
        if below > _BELOW_SHARE:
            raise InputError(
                f"{name}: {below:.0%} of its numbers lie below {_BELOW}, so the 1000 that the catalogue wants taken "
                "out is not in them; take this scene from another catalogue"
            )
    low, high = _POSSIBLE if numbers.unit == "reflectance" else (0.0, math.inf)
    strange = float(((measured < low) | (measured > high)).mean())
    if strange > _STRANGE_SHARE:
        what = (
            "are they decibels?" if numbers.unit != "reflectance" else "the catalogue names other factors than its own?"
        )
        raise InputError(
            f"{name}: with x {numbers.scale:g} + {numbers.offset:g} {strange:.0%} of it is no {numbers.unit} (values "
            f"from {measured.min():g} to {measured.max():g}): {what}"
        )


def _landsat(item: StacItem, product: Product, asset: Mapping[str, Any]) -> Numbers:
    scale, offset, _ = _declared(asset)
    if product.level == "L2":
        if (scale is not None and not math.isclose(scale, 0.0000275)) or (offset is not None and offset != -0.2):
            raise InputError(
                f"{item.id}: Collection 2 level 2 has the factors 0.0000275 and -0.2, and the catalogue names {scale} "
                f"and {offset}; it is of something else"
            )
        return Numbers(scale=0.0000275, offset=-0.2, why="as Collection 2 level 2 is distributed")
    if product.sensor not in ("Landsat 8", "Landsat 9"):
        raise InputError(
            f"{item.id}: what makes level 1 of {product.sensor} reflectances differs from scene to scene and stands "
            "in its MTL file; take level 2"
        )
    if (scale is not None and not math.isclose(scale, 0.00002)) or (offset is not None and offset != -0.1):
        raise InputError(
            f"{item.id}: level 1 has the factors 0.00002 and -0.1 of reflectance, and the catalogue names {scale} and "
            f"{offset}; take level 2"
        )
    height = item.number("view:sun_elevation")
    if height is None or not 0 < height <= 90:
        told = "not told" if height is None else f"{height:g} degrees"
        raise InputError(f"{item.id}: the height of the sun, which level 1 needs, is {told}; take level 2")
    sine = math.sin(math.radians(height))
    return Numbers(scale=0.00002 / sine, offset=-0.1 / sine, why=f"level 1 with the sun at {height:g} degrees")


def _sentinel_1(product: Product, asset: Mapping[str, Any]) -> Numbers:
    scale, offset, unit = _declared(asset)
    decibels = unit.strip().casefold() in ("db", "decibel", "decibels")
    kind = "gamma0" if product.level == "RTC" else "amplitude"
    why = "decibels, made linear" if decibels else "linear"
    nodata = (0.0, -32768.0, -9999.0)
    return Numbers(
        scale=1.0 if scale is None else scale, offset=offset or 0.0, decibels=decibels,
        nodata=nodata[1:] if decibels else nodata, unit=kind, why=why,
    )  # fmt: skip
