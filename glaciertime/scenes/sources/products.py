"""What catalogues offer: which product a scene is, which of its files hold which band, and which its clouds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from glaciertime.errors import InputError
from glaciertime.scenes.sources.search import StacItem

__all__ = ["OPTICAL", "RADAR", "Product", "asset_of", "cloud_asset", "product_of"]

OPTICAL = ("blue", "green", "red", "nir", "swir1", "swir2")
RADAR = ("vv", "vh", "hh", "hv")

_SENTINEL_2: dict[str, tuple[str, ...]] = {
    "blue": ("blue", "B02", "B02_10m"),
    "green": ("green", "B03", "B03_10m"),
    "red": ("red", "B04", "B04_10m"),
    "nir": ("nir", "B08", "B08_10m"),
    "swir1": ("swir16", "B11", "B11_20m"),
    "swir2": ("swir22", "B12", "B12_20m"),
}
_LANDSAT: dict[str, tuple[str, ...]] = {
    "blue": ("blue",),
    "green": ("green",),
    "red": ("red",),
    "nir": ("nir08", "nir"),
    "swir1": ("swir16",),
    "swir2": ("swir22",),
}
_SENTINEL_1: dict[str, tuple[str, ...]] = {band: (band, band.upper()) for band in RADAR}
#: What the electro-optical extension calls these bands.
_COMMON = {
    "sentinel-2": {"blue": "blue", "green": "green", "red": "red", "nir": "nir", "swir1": "swir16", "swir2": "swir22"},
    "landsat": {"blue": "blue", "green": "green", "red": "red", "nir": "nir08", "swir1": "swir16", "swir2": "swir22"},
}
_LANDSAT_NAME = re.compile(r"(L[COTEM])0?(\d)_(L\d[A-Z]{2})_", re.IGNORECASE)
_PLATFORM = re.compile(r"landsat[-_ ]?0?(\d)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Product:
    """A kind of scene.

    Attributes
    ----------
    family : "sentinel-2", "landsat" or "sentinel-1"
    level : str
        L2A, L1C; L2, L1; GRD, RTC.
    sensor : str
        As tables name it.
    """

    family: Literal["sentinel-2", "landsat", "sentinel-1"]
    level: str
    sensor: str

    @property
    def bands(self) -> Mapping[str, tuple[str, ...]]:
        """For every band the names that its file may have."""
        return {"sentinel-2": _SENTINEL_2, "landsat": _LANDSAT, "sentinel-1": _SENTINEL_1}[self.family]

    @property
    def is_radar(self) -> bool:
        """Whether it sees through clouds."""
        return self.family == "sentinel-1"


def product_of(item: StacItem) -> Product:
    """Return which product an item is.

    Raises
    ------
    InputError
        Where it is none that is known, or its level is not told.
    """
    told = " ".join([item.collection, item.text("platform"), item.text("constellation"), item.id]).casefold()
    if re.search(r"sentinel[-_ ]?2|(^|\s)s2[a-d]_", told):
        level = _first_of(("L2A", "L1C"), item, told)
        return Product(family="sentinel-2", level=level, sensor="Sentinel-2")
    if re.search(r"sentinel[-_ ]?1|(^|\s)s1[a-d]_", told):
        # What was corrected for terrain keeps the name of the GRD that it was made of.
        level = "RTC" if "rtc" in told else _first_of(("GRD",), item, told)
        return Product(family="sentinel-1", level=level, sensor="Sentinel-1")
    if re.search(r"landsat|(^|\s)l[cotem]0\d_", told):
        return _landsat(item)
    raise InputError(
        f"{item.id} ({item.collection or 'no collection'}) is none of the products that are read: Sentinel-2 L2A and "
        "L1C, Landsat Collection 2, Sentinel-1 GRD and RTC"
    )


def _first_of(levels: tuple[str, ...], item: StacItem, told: str) -> str:
    found = [level for level in levels if level.casefold() in told]
    if len(found) != 1:
        which = " and ".join(found) if found else "nothing"
        raise InputError(f"{item.id}: whether it is {' or '.join(levels)} is not told ({which} found); left out")
    return found[0]


def _landsat(item: StacItem) -> Product:
    name = _LANDSAT_NAME.match(item.id)
    platform = _PLATFORM.search(item.text("platform"))
    number = platform[1] if platform else name[2] if name else ""
    if name and platform and name[2] != platform[1]:
        raise InputError(f"{item.id}: the catalogue calls it {item.text('platform')}; left out")
    level = name[3][:2].upper() if name else ""
    if not level:
        told = f"{item.collection} {item.text('processing:level', 'landsat:correction')}".casefold()
        found = [which for which in ("L2", "L1") if which.casefold() in told]
        level = found[0] if len(found) == 1 else ""
    edition = item.text("landsat:collection_number") or ("02" if "c2" in item.collection.casefold() else "")
    if not number or not level or edition.lstrip("0") != "2":
        raise InputError(
            f"{item.id}: a scene of Landsat Collection 2 expected; satellite {number or 'not told'}, level "
            f"{level or 'not told'}, collection {edition or 'not told'}; left out"
        )
    if number not in "45789":
        raise InputError(f"{item.id}: Landsat {number} has other bands than those that are read; left out")
    return Product(family="landsat", level=level, sensor=f"Landsat {number}")


def asset_of(item: StacItem, product: Product, band: str) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the entry of the file that holds a band.

    Raises
    ------
    InputError
        Where the item has no such file; the message names those it has.
    """
    for key in product.bands.get(band, ()):
        if key in item.assets:
            return key, item.assets[key]
    wanted = _COMMON.get(product.family, {}).get(band)
    found = [
        (key, asset) for key, asset in item.assets.items() if wanted and _common_names(asset) == [wanted]
    ]  # fmt: skip
    tiffs = [each for each in found if "tiff" in str(each[1].get("type", "")).casefold()] or found
    if len(tiffs) == 1:
        return tiffs[0]
    if len(tiffs) > 1:
        raise InputError(f"{item.id}: {' and '.join(key for key, _ in tiffs)} are both called {wanted}; left out")
    raise InputError(f"{item.id} has no band {band}; its files are {', '.join(sorted(item.assets)) or 'none'}")


def _common_names(asset: Mapping[str, Any]) -> list[str]:
    for field, name in (("eo:bands", "common_name"), ("bands", "eo:common_name")):
        bands = asset.get(field)
        if isinstance(bands, list) and bands:
            return [str(band.get(name)) for band in bands if isinstance(band, dict)]
    return []


def cloud_asset(item: StacItem, product: Product) -> tuple[str, Mapping[str, Any], Literal["scl", "qa"]] | None:
    """Return the file that says where a scene has clouds, and how it does; None where there is none."""
    kind: Literal["scl", "qa"] = "qa" if product.family == "landsat" else "scl"
    names = {"sentinel-2": ("scl", "SCL", "SCL_20m"), "landsat": ("qa_pixel", "pixel_qa", "QA_PIXEL")}
    for key in names.get(product.family, ()):
        if key in item.assets:
            return key, item.assets[key], kind
    return None
