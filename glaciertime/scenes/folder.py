"""A folder of dated masks: every raster in it as a scene, or the reason why not."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyproj

from glaciertime.errors import DataNotFoundError, GlacierTimeError
from glaciertime.scenes.acquisition import Acquisition, MaskScene, UnreadableScene
from glaciertime.scenes.names import DATE_FORMS, date_in_name, sensor_in_name
from glaciertime.scenes.rasters import mask_scene

__all__ = ["RASTER_ENDINGS", "MaskReading", "mask_files", "masks_in_folder"]

RASTER_ENDINGS = (".tif", ".tiff", ".png", ".jp2", ".vrt")


@dataclass(frozen=True, kw_only=True)
class MaskReading:
    """How the masks of a folder are to be read: what the command line says of them."""

    classes: Mapping[int, int] | None = None
    crs: pyproj.CRS | None = None
    local_resolution_m: float | None = None
    dates: Mapping[str, dt.date] = field(default_factory=dict)
    #: Whether masks on different grids are compared inside the area they share, instead of refused.
    common_footprint: bool = False
    delineation_sigma_m: float = float("nan")
    georeferencing_sigma_m: float = float("nan")


def mask_files(folder: Path) -> list[Path]:
    """Return the rasters of a folder, sorted by name; sub-folders are not searched."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in RASTER_ENDINGS and path.is_file())


def masks_in_folder(
    folder: Path, *, glacier: str, dataset: str, reading: MaskReading
) -> Iterator[MaskScene | UnreadableScene]:
    """Yield every mask of a folder in order of date; a file that cannot be one yields its reason.

    Masks that lie on another grid (coordinate system, size or place) than most of their neighbours are refused
    unless ``reading.common_footprint`` is set: an area inside one frame is no area inside another.

    Raises
    ------
    DataNotFoundError
        Where the folder holds no raster at all.
    """
    files = mask_files(folder)
    if not files:
        raise DataNotFoundError(f"{folder} holds no masks; expected files ending in {', '.join(RASTER_ENDINGS)}")
    scenes: list[MaskScene] = []
    for path in files:
        dated = (reading.dates[path.name], False) if path.name in reading.dates else date_in_name(path.name)
        if dated is None:
            yield UnreadableScene(
                input=str(path),
                reason=f"{path.name} names no date; rename it (known forms: {DATE_FORMS}), or give --dates FILE.csv "
                "with the columns file and date",
            )
            continue
        date, year_only = dated
        try:
            scenes.append(
                mask_scene(
                    path,
                    glacier=glacier,
                    date=date,
                    dataset=dataset,
                    sensor=sensor_in_name(path.name),
                    classes=reading.classes,
                    crs=reading.crs,
                    local_resolution_m=reading.local_resolution_m,
                    flags={"year-only": ""} if year_only else {},
                    delineation_sigma_m=reading.delineation_sigma_m,
                    georeferencing_sigma_m=reading.georeferencing_sigma_m,
                )
            )
        except GlacierTimeError as error:
            acquisition = Acquisition(
                glacier=glacier, date=date, dataset=dataset, image_id=path.stem, source="observed",
                input=str(path.resolve()),
            )  # fmt: skip
            yield UnreadableScene(input=str(path), reason=str(error), date=date, acquisition=acquisition)
    scenes.sort(key=lambda scene: (scene.acquisition.date, scene.acquisition.image_id))
    scenes, copies = _without_copies(scenes)
    yield from copies
    grids = [_grid(scene) for scene in scenes]
    usual = Counter(grids).most_common(1)[0][0] if grids else None
    for scene, grid in zip(scenes, grids, strict=True):
        difference = "" if reading.common_footprint or usual is None else _difference(grid, usual)
        if difference:
            yield UnreadableScene(
                input=scene.acquisition.input,
                reason=f"{Path(scene.acquisition.input).name} {difference}; put it on the grid of its neighbours "
                "(gdalwarp -tr -te), or give --common-footprint to measure all dates inside the area they share",
                date=scene.acquisition.date,
                acquisition=scene.acquisition,
            )
        else:
            yield scene


def _without_copies(scenes: list[MaskScene]) -> tuple[list[MaskScene], list[UnreadableScene]]:
    """Split off masks of a day and a sensor that already has one: nobody could tell which is meant."""
    kept: dict[tuple[dt.date, str], MaskScene] = {}
    copies: list[UnreadableScene] = []
    for scene in scenes:
        acquisition = scene.acquisition
        first = kept.setdefault((acquisition.date, acquisition.sensor), scene)
        if first is not scene:
            copies.append(
                UnreadableScene(
                    input=acquisition.input,
                    reason=f"{Path(acquisition.input).name} has the same date, {acquisition.date}, as "
                    f"{Path(first.acquisition.input).name}; keep one, or put the name of the sensor into both names",
                    date=acquisition.date,
                )
            )
    return list(kept.values()), copies


def _grid(scene: MaskScene) -> tuple[str, tuple[int, int], tuple[float, ...]]:
    crs = scene.acquisition.crs
    name = "a local metric frame" if crs is None else crs.name
    return name, scene.shape, tuple(round(value, 3) for value in scene.transform[:6])


def _difference(
    grid: tuple[str, tuple[int, int], tuple[float, ...]], usual: tuple[str, tuple[int, int], tuple[float, ...]]
) -> str:
    if grid[0] != usual[0]:
        return f"is in {grid[0]}, its neighbours are in {usual[0]}"
    if grid[1] != usual[1]:
        return f"has {grid[1][0]} x {grid[1][1]} pixels, its neighbours have {usual[1][0]} x {usual[1][1]}"
    if grid[2] != usual[2]:
        return f"lies elsewhere (geotransform {grid[2]}) than its neighbours ({usual[2]})"
    return ""
