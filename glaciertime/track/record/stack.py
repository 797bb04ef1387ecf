"""A stack of masks on one grid as an xarray data set that follows the CF conventions, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyproj
from affine import Affine
from numpy.typing import NDArray

from glaciertime.errors import InputError, MissingExtraError
from glaciertime.scenes.acquisition import ZONES, Acquisition, MaskScene
from glaciertime.units import as_date, resolution_m

__all__ = ["mask_stack", "scenes_of_stack"]


def mask_stack(scenes: Iterable[MaskScene]) -> Any:
    """Return dated masks on one grid as an xarray Dataset after CF-1.11.

    Parameters
    ----------
    scenes : iterable of MaskScene
        Of one glacier, on one grid that is not rotated; all are held in memory, one byte a pixel.

    Returns
    -------
    xarray.Dataset
        ``zone`` (time, y, x) uint8 with ``flag_values`` and ``flag_meanings``, coordinates of pixel centres, the CRS as
        grid mapping, and per date ``image_id`` and ``sensor``; ``to_netcdf`` writes it.

    Raises
    ------
    InputError
        Without a scene, or where grids differ.
    MissingExtraError
        Without xarray.
    """
    try:
        import xarray
    except ImportError as error:
        raise MissingExtraError("a stack of masks as NetCDF", "netcdf") from error
    held = sorted(scenes, key=lambda scene: (scene.acquisition.date, scene.acquisition.image_id))
    if not held:
        raise InputError("no masks to stack")
    first = held[0]
    for scene in held[1:]:
        same = scene.shape == first.shape and scene.transform.almost_equals(first.transform)
        if not same or scene.acquisition.crs != first.acquisition.crs:
            raise InputError(
                f"{scene.acquisition.image_id} lies on another grid than {first.acquisition.image_id}; a stack needs "
                "one: warp the masks, for example with gdalwarp -tr -te"
            )
    t, (height, width) = first.transform, first.shape
    if t.b or t.d:
        raise InputError("the masks' geotransform is rotated; warp them to a grid along x and y")
    crs = first.acquisition.crs
    is_geographic = crs is not None and crs.is_geographic
    x_name, y_name = ("lon", "lat") if is_geographic else ("x", "y")
    x, y = t.c + (np.arange(width) + 0.5) * t.a, t.f + (np.arange(height) + 0.5) * t.e
    units = ("degrees_east", "degrees_north") if is_geographic else ("m", "m")
    standard = ("longitude", "latitude") if is_geographic else ("projection_x_coordinate", "projection_y_coordinate")
    zone = {
        "long_name": "zone of the surface",
        "flag_values": np.array(list(ZONES.values()), dtype=np.uint8),
        "flag_meanings": " ".join(ZONES),
    }
    variables: dict[str, Any] = {}
    if crs is not None:
        zone["grid_mapping"] = "crs"
        variables["crs"] = ((), np.int32(0), crs.to_cf())
    variables["zone"] = (("time", y_name, x_name), np.stack([scene.read() for scene in held]), zone)
    variables["image_id"] = (("time",), np.array([scene.acquisition.image_id for scene in held], dtype=object))
    variables["sensor"] = (("time",), np.array([scene.acquisition.sensor for scene in held], dtype=object))
    return xarray.Dataset(
        variables,
        coords={
            "time": ("time", pd.to_datetime([scene.acquisition.date for scene in held]).to_numpy("datetime64[ns]")),
            y_name: (y_name, y, {"units": units[1], "standard_name": standard[1], "axis": "Y"}),
            x_name: (x_name, x, {"units": units[0], "standard_name": standard[0], "axis": "X"}),
        },
        attrs={
            "Conventions": "CF-1.11",
            "title": f"Masks of {first.acquisition.glacier}",
            "glacier": first.acquisition.glacier,
            "references": first.acquisition.dataset,
            "source": first.acquisition.source,
        },
    )


def scenes_of_stack(stack: Any, *, input: str = "stack") -> Iterator[MaskScene]:
    """Yield the masks of a stack as scenes; pixels are read from it when a scene is measured.

    Parameters
    ----------
    stack : xarray.Dataset
        As :func:`mask_stack` makes it, or opened from NetCDF.
    input : str
        The file it came from.
    """
    if "zone" not in stack:
        raise InputError(f"the stack has no variable 'zone'; it has {', '.join(map(str, stack.data_vars))}")
    _, y_name, x_name = stack["zone"].dims
    x, y = stack[x_name].to_numpy(), stack[y_name].to_numpy()
    if len(x) < 2 or len(y) < 2:
        raise InputError("the stack is less than two pixels wide or high; its grid is unknown")
    step_x, step_y = (x[-1] - x[0]) / (len(x) - 1), (y[-1] - y[0]) / (len(y) - 1)
    transform = Affine(step_x, 0, x[0] - step_x / 2, 0, step_y, y[0] - step_y / 2)
    crs = pyproj.CRS.from_cf(dict(stack["crs"].attrs)) if "crs" in stack else None
    shape = (len(y), len(x))
    resolution = resolution_m(transform, shape=shape, crs=crs)
    for index, time in enumerate(stack["time"].to_numpy()):
        acquisition = Acquisition(
            glacier=str(stack.attrs.get("glacier", "unknown")),
            date=as_date(time),
            dataset=str(stack.attrs.get("references", "stack")),
            image_id=str(stack["image_id"].to_numpy()[index]),
            source=str(stack.attrs.get("source", "observed")),
            input=input,
            sensor=str(stack["sensor"].to_numpy()[index]),
            crs=crs,
            resolution_m=resolution,
        )
        yield MaskScene(acquisition=acquisition, shape=shape, transform=transform, read=partial(_read, stack, index))


def _read(stack: Any, index: int) -> NDArray[np.uint8]:
    return np.asarray(stack["zone"].isel(time=index).to_numpy(), dtype=np.uint8)
