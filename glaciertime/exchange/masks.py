"""The ice of masks as outlines in longitude and latitude."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import GLACIER, MaskScene

__all__ = ["outlines_of"]


def outlines_of(scenes: Iterable[MaskScene]) -> gpd.GeoDataFrame:
    """Return the ice of each mask along the edges of its pixels, with holes where rock or water looks out.

    Parameters
    ----------
    scenes : iterable of MaskScene
        Masks without ice are left out.

    Returns
    -------
    GeoDataFrame
        ``glacier, date, image_id, sigma_m, source, dataset`` and polygons in EPSG:4326.

    Raises
    ------
    InputError
        Where a mask has no coordinate system, or none has ice.
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
        outline = gpd.GeoSeries([shapely.unary_union(found)], crs=what.crs).to_crs("EPSG:4326").make_valid().iloc[0]
        parts.append(outline)
        rows.append((what.glacier, pd.Timestamp(what.date), what.image_id, what.delineation_sigma_m, what.source,
                     what.dataset))  # fmt: skip
    if not rows:
        raise InputError("no mask shows ice")
    table = pd.DataFrame(rows, columns=["glacier", "date", "image_id", "sigma_m", "source", "dataset"])
    return gpd.GeoDataFrame(table, geometry=parts, crs="EPSG:4326")
