"""``stack.glaciertime``: what is asked of a stack of masks, for xarray.

``import glaciertime.exchange.accessor`` registers it; a stack is what :func:`glaciertime.track.record.stack.mask_stack`
makes or ``export-masks --format netcdf`` writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from glaciertime.errors import InputError, nearest_names
from glaciertime.scenes.acquisition import ZONES, MaskScene
from glaciertime.track.record.stack import scenes_of_stack
from glaciertime.track.scene.rasterarea import zone_areas_km2
from glaciertime.track.scene.runs import encode
from glaciertime.units import as_date

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["StackAccessor"]


class StackAccessor:
    """What is asked of a stack of masks.

    Parameters
    ----------
    stack : xarray.Dataset
        With ``zone`` (time, y, x).
    """

    def __init__(self, stack: xr.Dataset) -> None:
        self._stack = stack

    def scenes(self) -> Iterator[MaskScene]:
        """Yield its masks as scenes, which ``track_scenes`` measures."""
        return scenes_of_stack(self._stack)

    @property
    def crs(self) -> Any:
        """Its coordinate system, a ``pyproj.CRS``; None in a local frame."""
        return next(self.scenes()).acquisition.crs

    def zone(self, name: str) -> xr.DataArray:
        """Return where a zone is, (time, y, x) bool.

        Raises
        ------
        InputError
            For an unknown zone.
        """
        return self._stack["zone"] == _code(name)

    def at(self, date: Any) -> xr.Dataset:
        """Return the mask of the date nearest to one.

        Parameters
        ----------
        date : date or text
        """
        return self._stack.sel(time=np.datetime64(as_date(date), "ns"), method="nearest")

    def area_km2(self, name: str = "glacier") -> pd.Series:
        """Return the area of a zone by date, in true km2 on the WGS84 ellipsoid, (time,)."""
        code = _code(name)
        found = {}
        for scene in self.scenes():
            areas = zone_areas_km2(
                encode(scene.read()), None, transform=scene.transform, crs=scene.acquisition.crs
            )  # fmt: skip
            found[pd.Timestamp(scene.acquisition.date)] = float(areas[code])
        return pd.Series(found, name=f"{name}_area_km2")


def _code(name: str) -> int:
    if name not in ZONES:
        near = nearest_names(name, ZONES)
        hint = f", did you mean {near[0]}?" if near else ""
        raise InputError(f"no zone '{name}'{hint}; there are {', '.join(ZONES)}")
    return ZONES[name]


def _register() -> None:
    """Give the accessor to xarray, where it is installed."""
    try:
        import xarray
    except ImportError:
        return
    xarray.register_dataset_accessor("glaciertime")(StackAccessor)


_register()
