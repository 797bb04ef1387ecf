"""A stack of masks on one grid as an xarray data set that follows the CF conventions, and back."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyproj
import shapely
from affine import Affine
from numpy.typing import NDArray

from glaciertime import limits
from glaciertime.errors import InputError, MissingExtraError
from glaciertime.scenes.acquisition import ZONES, Acquisition, MaskScene
from glaciertime.tables import flags_of, join_flags
from glaciertime.units import as_date, crs_on_earth, resolution_m
from glaciertime.walls import wall

__all__ = ["mask_stack", "scenes_of_stack"]

# What a stack carries of each acquisition beside its pixels.
_SAID = {
    "image_id": "image that the mask is of", "sensor": "sensor of the image", "author": "who drew the boundary",
    "model": "model that drew the boundary", "quality": "what is known against the image",
}  # fmt: skip
_TEXTS: dict[str, Callable[[Acquisition], str]] = {
    "image_id": lambda acquisition: acquisition.image_id,
    "sensor": lambda acquisition: acquisition.sensor,
    "author": lambda acquisition: acquisition.author,
    "model": lambda acquisition: acquisition.model,
    "quality": lambda acquisition: join_flags(dict(acquisition.flags)),
}
_LENGTHS = {
    "delineation_sigma_m": "one standard deviation of the position of the boundary",
    "georeferencing_sigma_m": "one standard deviation of the position of the image",
    "resolution_m": "ground size of a pixel of the image",
}


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
        grid mapping, and per date what its acquisition says: image, sensor, author, model, quality flags and the sigmas
        of delineation and georeferencing; ``to_netcdf`` writes it.

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
    units = ("degrees_east", "degrees_north") if is_geographic else (_length_unit(crs),) * 2
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
    acquisitions = [scene.acquisition for scene in held]
    for name, of_scene in _TEXTS.items():
        variables[name] = (("time",), np.array([of_scene(what) for what in acquisitions], dtype=object),
                           {"long_name": _SAID[name]})  # fmt: skip
    for name, meaning in _LENGTHS.items():
        values = np.array([getattr(what, name) for what in acquisitions], dtype=float)
        variables[name] = (("time",), values, {"units": "m", "long_name": meaning})
    variables["has_ocean"] = (
        ("time",), np.array([scene.has_ocean for scene in held], dtype=np.uint8),
        {"long_name": "whether there is any ocean to end in", "flag_values": np.array([0, 1], dtype=np.uint8),
         "flag_meanings": "no yes"},
    )  # fmt: skip
    days = _times([scene.acquisition.date for scene in held])
    variables["time_bounds"] = (("time", "bnds"), np.column_stack([days, days + np.timedelta64(1, "D")]))
    if any(scene.box is not None for scene in held):
        boxes = ["" if scene.box is None else shapely.to_wkt(scene.box, rounding_precision=-1) for scene in held]
        variables["box"] = (("time",), np.array(boxes, dtype=object), {"long_name": "where it is measured, as WKT"})
    stack = xarray.Dataset(
        variables,
        coords={
            "time": (
                "time",
                days,
                {
                    "standard_name": "time",
                    "long_name": "day of acquisition (UTC)",
                    "axis": "T",
                    "bounds": "time_bounds",
                },
            ),
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
    # Counted alike, or a reader could take one for the other.
    stack["time"].encoding["units"] = stack["time_bounds"].encoding["units"] = "days since 1970-01-01"
    return stack


def _length_unit(crs: pyproj.CRS | None) -> str:
    """Return the unit of a plane's coordinates as UDUNITS writes it: planes in feet are on Earth too."""
    metres = 1.0 if crs is None or not crs.axis_info else crs.axis_info[0].unit_conversion_factor
    return {1.0: "m", 1000.0: "km"}.get(metres, f"{metres!r} m")


def _times(dates: list[dt.date]) -> NDArray[np.datetime64]:
    """Return days as the times of a NetCDF file, which are counted in nanoseconds."""
    early = [date for date in dates if date.year < 1678]
    if early:
        raise InputError(f"{min(early)} is before 1678, which a NetCDF file of times cannot hold; leave it out")
    return np.array(dates, dtype="datetime64[ns]")


def scenes_of_stack(stack: Any, *, input: str = "stack") -> Iterator[MaskScene]:
    """Yield the masks of a stack as scenes; pixels are read from it when a scene is measured.

    Parameters
    ----------
    stack : xarray.Dataset
        As :func:`mask_stack` makes it, or opened from NetCDF.
    input : str
        The file it came from.
    """
    with wall(f"{input} cannot be read as a stack of masks", "write it again with mask_stack"):
        scenes = _scenes(stack, input)
    yield from scenes


def _scenes(stack: Any, input: str) -> list[MaskScene]:
    if "zone" not in stack:
        raise InputError(f"the stack has no variable 'zone'; it has {', '.join(map(str, stack.data_vars))}")
    _, y_name, x_name = stack["zone"].dims
    x, y = stack[x_name].to_numpy(), stack[y_name].to_numpy()
    if len(x) < 2 or len(y) < 2:
        raise InputError("the stack is less than two pixels wide or high; its grid is unknown")
    step_x, step_y = (x[-1] - x[0]) / (len(x) - 1), (y[-1] - y[0]) / (len(y) - 1)
    transform = Affine(step_x, 0, x[0] - step_x / 2, 0, step_y, y[0] - step_y / 2)
    crs = crs_on_earth(pyproj.CRS.from_cf(dict(stack["crs"].attrs)), what="its mapping") if "crs" in stack else None
    if not all(math.isfinite(each) for each in transform[:6]) or not (step_x and step_y):
        raise InputError(f"{input}: its coordinates x and y make no grid; write it again")
    limits.raster_bytes(
        pixels=len(x) * len(y), bytes_per_pixel=9, file_bytes=None, what=input, advice="cut it to the glacier"
    )
    scenes = []
    shape = (len(y), len(x))
    pixel_m = resolution_m(transform, shape=shape, crs=crs)

    def text(name: str, index: int) -> str:
        return str(stack[name].to_numpy()[index]) if name in stack else ""

    def length(name: str, index: int) -> float:
        return float(stack[name].to_numpy()[index]) if name in stack else math.nan

    for index, time in enumerate(stack["time"].to_numpy()):
        acquisition = Acquisition(
            glacier=str(stack.attrs.get("glacier", "unknown")),
            date=as_date(time),
            dataset=str(stack.attrs.get("references", "stack")),
            image_id=text("image_id", index),
            source=str(stack.attrs.get("source", "observed")),
            input=input,
            sensor=text("sensor", index),
            author=text("author", index),
            model=text("model", index),
            crs=crs,
            resolution_m=length("resolution_m", index) if "resolution_m" in stack else pixel_m,
            delineation_sigma_m=length("delineation_sigma_m", index),
            georeferencing_sigma_m=length("georeferencing_sigma_m", index),
            flags={flag: why for flag, why in flags_of(text("quality", index) or "ok").items() if flag != "ok"},
        )
        scenes.append(
            MaskScene(
                acquisition=acquisition,
                shape=shape,
                transform=transform,
                read=partial(_read, stack, index, input),
                box=shapely.from_wkt(text("box", index)) if text("box", index) else None,
                has_ocean=bool(stack["has_ocean"].to_numpy()[index]) if "has_ocean" in stack else True,
            )
        )
    return scenes


def _read(stack: Any, index: int, input: str) -> NDArray[np.uint8]:
    with wall(f"{input} cannot be read to its end", "write it again with mask_stack"):
        values = np.asarray(stack["zone"].isel(time=index).to_numpy())
        strange = set(np.unique(values).tolist()) - set(ZONES.values())
        if strange:
            raise InputError(f"{input} holds the values {sorted(strange)[:6]}, which are no zones; expected {ZONES}")
        return values.astype(np.uint8)
