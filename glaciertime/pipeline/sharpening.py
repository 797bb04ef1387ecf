"""Unclear images of a place beside what its other images say: two fronts of each, and never one for the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.naming import counted
from glaciertime.pipeline.frames import groups_of_pixels
from glaciertime.pipeline.place_images import PlacedImage
from glaciertime.pipeline.place_stack import PlaceStack
from glaciertime.units import decimal_year

__all__ = ["COLUMNS", "ImageFronts", "fronts_geojson", "fronts_of_stack"]

COLUMNS = ("date", "image", "sensor", "alone_m", "with_stack_m", "apart_m", "unclear", "said")
_LEAST_IMAGES = 3


@dataclass(frozen=True, kw_only=True)
class ImageFronts:
    """The front of one image by itself, and with what the other images say.

    Attributes
    ----------
    image : PlacedImage
    alone, with_stack : (w,) float64
        Rows of the front in each column; the latter of images that the model is sure of is what they would be drawn to,
        and is not written.
    alone_m, with_stack_m : float
        Mean distance of each, in the columns that were observed, from the middle of all clear images: positive towards
        the ocean.
    apart_m : float
        Mean nearest distance of the two.
    is_far : bool
        Whether that is more than ten pixels.
    """

    image: PlacedImage
    alone: NDArray[np.float64]
    with_stack: NDArray[np.float64]
    alone_m: float
    with_stack_m: float
    apart_m: float
    is_far: bool

    @property
    def said(self) -> str:
        """Return what is to be thought of the two."""
        if not self.image.unclear:
            return "clear, though far from its neighbours: kept as the image shows it" if self.is_far else "clear"
        if self.is_far:
            return "unclear, and the others would move it far: it may be a real jump, look at the image"
        return "unclear, sharpened by the others"

    def row(self) -> dict[str, object]:
        """Return the row of a table with :data:`COLUMNS`."""
        info = self.image.info
        return {
            "date": str(info.date), "image": info.name, "sensor": info.sensor, "alone_m": round(self.alone_m, 1),
            "with_stack_m": round(self.with_stack_m, 1) if self.image.unclear else None,
            "apart_m": round(self.apart_m, 1) if self.image.unclear or self.is_far else None,
            "unclear": self.image.unclear, "said": self.said,
        }  # fmt: skip


def fronts_of_stack(stack: PlaceStack) -> tuple[list[ImageFronts], list[str]]:
    """Return the two fronts of every image on the pixels that most share, and what is said of the others.

    Raises
    ------
    InputError
        If fewer than three images share their pixels, or the model is sure of none.
    """
    from glaciertime.segment.adapt.prior import prior_odds, sharpen

    groups = groups_of_pixels(stack.images)
    group = max(groups, key=len)
    said = [f"{one.scene.path.name} is of other pixels than most images, and left out" for one in stack.images
            if not any(one is kept for kept in group)]  # fmt: skip
    clear = [not one.unclear for one in group]
    if len(group) < _LEAST_IMAGES or not any(clear):
        raise InputError(
            f"{counted(len(group), 'images')} share their pixels and the model is sure of {sum(clear)}: at least "
            f"{_LEAST_IMAGES}, "
            "one of them clear, are needed to say where a front can be"
        )
    if group[0].scene.acquisition.crs is None:
        said.append("images without a georeference are taken to show the same pixels, for they have the same size")
    ocean = np.stack([one.ocean for one in group])
    years = [decimal_year(one.scene.acquisition.date) for one in group]
    pairs = [
        sharpen(ocean[at], prior_odds(ocean, years=years, clear=clear, at=at)) for at in range(len(group))
    ]  # fmt: skip
    middle = np.median([pair.alone for pair, is_clear in zip(pairs, clear, strict=True) if is_clear], axis=0)
    found = []
    for one, pair in zip(group, pairs, strict=True):
        seen = np.isfinite(one.ocean).any(axis=0)
        alone_m, both_m = (
            float((middle - rows)[seen].mean()) * one.framing.pixel_m if seen.any() else float("nan")
            for rows in (pair.alone, pair.both)
        )
        found.append(
            ImageFronts(
                image=one, alone=pair.alone, with_stack=pair.both, alone_m=alone_m, with_stack_m=both_m,
                apart_m=pair.apart_px * one.framing.pixel_m, is_far=pair.is_far,
            )
        )  # fmt: skip
    return found, said


def fronts_geojson(fronts: Sequence[ImageFronts], *, mark: str) -> bytes | None:
    """Return both fronts of every image as GeoJSON, in longitude and latitude; None without a georeference."""
    crs = fronts[0].image.scene.acquisition.crs
    if crs is None:
        return None
    rows: list[dict[str, object]] = []
    for one in fronts:
        kinds = [("image alone", one.alone)] + ([("with the stack", one.with_stack)] if one.image.unclear else [])
        for kind, line in kinds:
            rows.append({"date": str(one.image.info.date), "image": one.image.info.name, "front": kind,
                         "said": one.said, "geometry": _line(one.image, line)})  # fmt: skip
    table = gpd.GeoDataFrame(rows, geometry="geometry", crs=crs).to_crs("EPSG:4326")
    return json.dumps({"description": mark, **json.loads(table.to_json())}, ensure_ascii=False).encode()


def _line(image: PlacedImage, rows: NDArray[np.float64]) -> shapely.LineString:
    seen = np.flatnonzero(np.isfinite(image.ocean).any(axis=0))
    return shapely.LineString([image.to_ground @ (column + 0.5, rows[column]) for column in seen])
