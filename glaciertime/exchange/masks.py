"""The ice of masks as outlines in longitude and latitude."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from glaciertime.errors import InputError
from glaciertime.meridian import cut_at_180, joined_at_180
from glaciertime.scenes.acquisition import GLACIER, MaskScene

__all__ = ["outlines_of"]

#: Long straight sides get a corner every so many pixels: what is straight in a plane is not in longitude and latitude.
_SIDE_PIXELS = 10


def outlines_of(scenes: Iterable[MaskScene]) -> gpd.GeoDataFrame:
    """Return the ice of each mask along the edges of its pixels, with holes where rock or water looks out.

    Parameters
    ----------
    scenes : iterable of MaskScene
        Masks without ice are left out.

    Returns
    -------
    GeoDataFrame
        ``glacier, date, image_id, sigma_m, source, dataset`` and polygons in EPSG:4326, cut in two at the 180th
        meridian.

    Raises
    ------
    InputError
        Where a mask has no coordinate system, or none has ice, or ice lies around a pole.
    """
    from rasterio.features import shapes

    rows, parts = [], []
    for scene in scenes:
        what = scene.acquisition
        if what.crs is None:
            raise InputError(f"{what.image_id} has no coordinate system, so no place on Earth")
        ice = (scene.read() == GLACIER).astype(np.uint8)
        found = [shapely.geometry.shape(one) for one, _ in shapes(ice, mask=ice == 1, transform=scene.transform)]
        if not found:
            continue
        step = _SIDE_PIXELS * max(np.hypot(scene.transform.a, scene.transform.d), 1e-9)
        whole = shapely.segmentize(shapely.unary_union(found), step)
        placed = gpd.GeoSeries([whole], crs=what.crs).to_crs("EPSG:4326").iloc[0]
        parts.append(_outline(placed, what.image_id))
        rows.append((what.glacier, pd.Timestamp(what.date), what.image_id, what.delineation_sigma_m, what.source,
                     what.dataset))  # fmt: skip
    if not rows:
        raise InputError("no mask shows ice")
    table = pd.DataFrame(rows, columns=["glacier", "date", "image_id", "sigma_m", "source", "dataset"])
    return gpd.GeoDataFrame(table, geometry=parts, crs="EPSG:4326")


def _outline(placed: shapely.Geometry, image_id: str) -> shapely.Geometry:
    """Return an outline whose longitudes lie from -180 to 180 and nowhere jump from one to the other."""
    west, _, east, _ = joined_at_180(placed).bounds
    if east - west > 180:
        raise InputError(f"{image_id} lies around a pole: its outline has no sides in longitude and latitude")
    return cut_at_180(shapely.make_valid(joined_at_180(placed)))
