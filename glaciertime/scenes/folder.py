"""A folder of dated masks: every raster in it as a scene, or the reason why not."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyproj
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds

from glaciertime.dates import Dated, DateReading
from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError
from glaciertime.scenes.acquisition import NO_DATA, Acquisition, MaskScene, UnreadableScene
from glaciertime.scenes.classes import CAFFE, Classes
from glaciertime.scenes.listing import entries, unwritable
from glaciertime.scenes.mosaics import bounds_of, join
from glaciertime.scenes.names import DATE_FORMS, date_in_name, dated_folders, sensor_in_name
from glaciertime.scenes.passes import Pass, pass_in_name
from glaciertime.scenes.rasters import mask_scene
from glaciertime.walls import readable_text

__all__ = ["RASTER_ENDINGS", "MaskReading", "mask_files", "masks_in_folder", "named_with_date", "rasters_in"]

RASTER_ENDINGS = (".tif", ".tiff", ".png", ".gif", ".bmp", ".jp2", ".vrt", ".img", ".asc", ".bil")


# Two masks of one glacier that are alike in no more of their pixels show each other's classes.
_TURNED = 0.1


@dataclass(frozen=True, kw_only=True)
class MaskReading:
    """How the masks of a folder are to be read: what the command line says of them."""

    classes: Classes = CAFFE
    crs: pyproj.CRS | None = None
    local_resolution_m: float | None = None
    dates: Mapping[str, Dated | str] = field(default_factory=dict)
    #: What was told about how file names write dates.
    date_reading: DateReading = field(default_factory=DateReading)
    #: Whether images without georeference that differ in size share their lower left corner.
    common_footprint: bool = False
    #: Whether rasters are images to be segmented; None: as their values say.
    are_images: bool | None = None
    #: Of images: the bands that the model gets, factor and offset of their values.
    image_bands: tuple[int, ...] | None = None
    scale: tuple[float, float] = (1.0, 0.0)
    #: Where the cloud layers of images are, see :mod:`glaciertime.scenes.cloud_layers`.
    clouds: str = "auto"
    #: Resolution of the images that the masks were drawn on, where their pixels are finer or coarser.
    image_resolution_m: float | None = None
    #: What is known against all of them.
    flags: Mapping[str, str] = field(default_factory=dict)
    #: Whether the glacier ends on land, so that no boundary of its ice is a calving front.
    on_land: bool = False
    delineation_sigma_m: float = float("nan")
    georeferencing_sigma_m: float = float("nan")


def mask_files(folder: Path) -> list[Path]:
    """Return the rasters of a folder, sorted by name, or the one file given.

    Of a folder without any, those of its sub-folders, where these only sort by date.
    """
    if folder.is_file():
        return [folder]
    found = rasters_in(folder) or [file for inner in dated_folders(folder) for file in rasters_in(inner)]
    return found or _one_of_each_product(folder)


def _one_of_each_product(folder: Path) -> list[Path]:
    """Return the only raster of each sub-folder, where all of these that hold one bear a date, as products do."""
    inner = [rasters_in(path) for path in entries(folder) if path.is_dir() and not path.name.startswith(".")]
    files = [found[0] for found in inner if len(found) == 1]
    several = any(len(found) > 1 for found in inner)
    return [] if several or any(named_with_date(path) == path.name for path in files) else files


def rasters_in(folder: Path) -> list[Path]:
    """Return the rasters of a folder itself, sorted by name."""
    return sorted(
        path
        for path in entries(folder)
        if path.suffix.lower() in RASTER_ENDINGS and not path.name.startswith(".") and path.is_file()
    )


def named_with_date(path: Path) -> str:
    """Return the name of a raster, led by that of its folder where this alone bears the date and holds nothing else."""
    is_dated_by_it = path.parent.name and not _bears_date(path.name) and _bears_date(path.parent.name)
    return f"{path.parent.name}_{path.name}" if is_dated_by_it and len(rasters_in(path.parent)) == 1 else path.name


def _bears_date(name: str) -> bool:
    try:
        return date_in_name(name) is not None
    except InputError:
        return True


def masks_in_folder(
    folder: Path, *, glacier: str, dataset: str, reading: MaskReading
) -> Iterator[MaskScene | UnreadableScene]:
    """Yield every mask of a folder in order of date; a file that cannot be one yields its reason.

    Masks may differ in coordinate system, resolution and extent: where they show different ground, areas are compared
    inside the footprint that they share. Tiles of one date and pass are joined. Refused are masks that share no ground
    with most of the others, that contradict another one of their date, and images without a georeference that differ
    in size, unless ``reading.common_footprint`` says that their lower left corners are the same.

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
        if why := unwritable(path):
            yield UnreadableScene(input=readable_text(path), reason=why)
            continue
        name = named_with_date(path)
        dated = reading.dates.get(path.name) or date_in_name(name, reading=reading.date_reading)
        if not isinstance(dated, Dated):
            reason = dated or (
                f"{path.name} names no date; rename it (known forms: {DATE_FORMS}), or give --dates FILE.csv with the "
                "columns file and date"
            )
            yield UnreadableScene(input=str(path), reason=reason)
            continue
        date = dated.date
        try:
            scene = mask_scene(
                path,
                glacier=glacier,
                date=date,
                dataset=dataset,
                sensor=sensor_in_name(name),
                classes=reading.classes,
                crs=reading.crs,
                local_resolution_m=reading.local_resolution_m,
                image_resolution_m=reading.image_resolution_m,
                flags={**reading.flags, **dated.flags},
                on_land=reading.on_land,
                delineation_sigma_m=reading.delineation_sigma_m,
                georeferencing_sigma_m=reading.georeferencing_sigma_m,
            )
            scenes.append(replace(scene, acquisition=replace(scene.acquisition, image_id=Path(name).stem)))
        except GlacierTimeError as error:
            acquisition = Acquisition(
                glacier=glacier, date=date, dataset=dataset, image_id=Path(name).stem, source="observed",
                input=str(path.resolve()),
            )  # fmt: skip
            yield UnreadableScene(input=str(path), reason=str(error), date=date, acquisition=acquisition)
    scenes.sort(key=_order)
    strays = _strays(scenes, common_footprint=reading.common_footprint) | _opposites(scenes, reading.classes)
    strays |= _recoloured(scenes)
    for index, why in strays.items():
        yield _refusal(scenes[index], f"{Path(scenes[index].acquisition.input).name} {why}")
    scenes = [scene for index, scene in enumerate(scenes) if index not in strays]
    joined, refused = _joined(scenes, local_frames=any(scene.acquisition.crs is None for scene in scenes))
    yield from refused
    yield from joined


def _joined(scenes: list[MaskScene], *, local_frames: bool) -> tuple[list[MaskScene], list[UnreadableScene]]:
    """Join the tiles of each pass; split off masks that contradict one of their date, so that none is guessed."""
    groups: list[list[MaskScene]] = []
    for scene in scenes:
        mine = scene.acquisition
        for group in groups:
            theirs = group[0].acquisition
            same = (mine.date, mine.sensor) == (theirs.date, theirs.sensor)
            if same and not any(_pass(scene).is_other(_pass(held)) for held in group):
                group.append(scene)
                break
        else:
            groups.append([scene])
    kept: list[MaskScene] = []
    refused: list[UnreadableScene] = []
    for group in groups:
        if len(group) == 1:
            kept += group
            continue
        readable: list[MaskScene] = []
        for scene in group:
            try:
                scene.read()
                readable.append(scene)
            except GlacierTimeError:
                # Its reason is told when it is measured.
                kept.append(scene)
        if not readable:
            continue
        try:
            if local_frames and len({scene.shape for scene in readable}) > 1:
                raise InputError(f"{readable[1].acquisition.image_id} has no georeference to join it to its neighbours")
            scene, others = join(readable)
        except InputError as error:
            scene, others = readable[0], []
            refused += [_refusal(each, str(error)) for each in readable[1:]]
        kept.append(scene)
        for other, share in others:
            first = Path(readable[0].acquisition.input).name
            refused.append(
                _refusal(
                    other,
                    f"{Path(other.acquisition.input).name} has the same date, {other.acquisition.date}, as {first}, "
                    f"and shows {share:.1%} of the same ground otherwise; keep one, or put the name of the sensor into "
                    "both names",
                )
            )
    return sorted(kept, key=_order), refused


def _pass(scene: MaskScene) -> Pass:
    return pass_in_name(named_with_date(Path(scene.acquisition.input)))


def _order(scene: MaskScene) -> tuple[dt.date, str]:
    return scene.acquisition.date, scene.acquisition.image_id


def _refusal(scene: MaskScene, reason: str) -> UnreadableScene:
    acquisition = scene.acquisition
    return UnreadableScene(
        input=acquisition.input, reason=reason, date=acquisition.date, acquisition=acquisition
    )  # fmt: skip


def _strays(scenes: list[MaskScene], *, common_footprint: bool) -> dict[int, str]:
    """Return why some masks cannot be compared with most of their neighbours, by their index."""
    local = [index for index, scene in enumerate(scenes) if scene.acquisition.crs is None]
    placed = [index for index, scene in enumerate(scenes) if scene.acquisition.crs is not None]
    if local and placed:
        why = "has no coordinate system, its neighbours have one; georeference it, or measure it on its own"
        far = _far_away([scenes[index] for index in placed])
        return {**dict.fromkeys(local, why), **{placed[index]: reason for index, reason in far.items()}}
    if local:
        usual = Counter(scenes[index].shape for index in local).most_common(1)[0][0]
        return {
            index: f"has {scenes[index].shape[0]} x {scenes[index].shape[1]} pixels, its neighbours have "
            f"{usual[0]} x {usual[1]}; without a georeference nobody can tell how they lie to each other: cut it "
            "as they are, or give --common-footprint if all share their lower left corner"
            for index in local
            if scenes[index].shape != usual and not common_footprint
        }
    return _far_away(scenes)


def _opposites(scenes: list[MaskScene], classes: Classes) -> dict[int, str]:
    """Return which masks of two classes show each where most show the other: their values mean something else.

    Of as many one way as the other nobody can tell which are right: all are named.
    """
    if len(classes.zones - {NO_DATA}) != 2:
        return {}
    alike: dict[object, list[int]] = {}
    for index, scene in enumerate(scenes):
        alike.setdefault((scene.shape, scene.transform, scene.acquisition.crs), []).append(index)
    out: dict[int, str] = {}
    for group in alike.values():
        shown = {
            index: zones for index in group if len(group) > 1 and (zones := _some_pixels(scenes[index])) is not None
        }
        first = next(iter(shown.values()), None)
        turned = {index for index, zones in shown.items() if first is not None and _share_alike(zones, first) < _TURNED}
        others = set(shown) - turned
        if turned and others:
            wrong = turned if len(turned) < len(others) else others if len(others) < len(turned) else set(shown)
            why = (
                "shows each class where others show the other: in some masks the values mean something else; give "
                "those of one kind by themselves, each with its --classes"
            )
            out |= dict.fromkeys(sorted(wrong), why)
    return out


def _recoloured(scenes: list[MaskScene]) -> dict[int, str]:
    """Return which masks show a zone in the colour that another zone has in most: their numbers mean something else."""
    meant: dict[tuple[int, ...], dict[int, list[int]]] = {}
    for index, scene in enumerate(scenes):
        for colour, zone in scene.palette.items():
            meant.setdefault(colour, {}).setdefault(zone, []).append(index)
    out: dict[int, str] = {}
    for colour, by_zone in meant.items():
        most = max(map(len, by_zone.values()))
        usual = [zone for zone, indices in by_zone.items() if len(indices) == most]
        wrong = [index for zone, indices in by_zone.items() if len(usual) > 1 or zone not in usual for index in indices]
        why = (
            f"shows another zone in #{bytes(colour).hex()} than other masks do: in some the numbers of the palette "
            "mean something else; name the zones by colours (--classes '#rrggbb=glacier,...'), or where the numbers "
            "are right take the palettes away (gdal_edit.py -colorinterp_1 gray MASK)"
        )
        if len(by_zone) > 1:
            out |= dict.fromkeys(wrong, why)
    return out


def _some_pixels(scene: MaskScene) -> NDArray[np.uint8] | None:
    try:
        zones = scene.read()
    except GlacierTimeError:  # told where the scene is measured
        return None
    return zones[:: max(1, zones.shape[0] // 64), :: max(1, zones.shape[1] // 64)]


def _share_alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    both = (one != NO_DATA) & (other != NO_DATA)
    return float(np.mean(one[both] == other[both])) if both.any() else 1.0


def _far_away(scenes: list[MaskScene]) -> dict[int, str]:
    """Return which masks share no ground with the one that most share some with."""
    if len(scenes) < 2:
        return {}
    crs = scenes[0].acquisition.crs
    x_min, y_min, x_max, y_max = bounds_of(scenes[0])
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform((x_min + x_max) / 2, (y_min + y_max) / 2)
    plane = f"+proj=aeqd +lat_0={latitude} +lon_0={longitude} +ellps=WGS84 +units=m"
    boxes = np.array([_bounds_on(plane, scene) for scene in scenes])
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    meets = (low < high).all(axis=2)
    usual = int(np.argmax(meets.sum(axis=1)))
    middle = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    away_km = np.hypot(*(middle - middle[usual]).T) / 1000
    return {
        index: f"lies {away_km[index]:,.0f} km from most of its neighbours and shares no ground with them; check its "
        "CRS, or leave it out"
        if math.isfinite(away_km[index])
        else "has coordinates that its CRS does not have; check its CRS"
        for index in np.flatnonzero(~meets[usual]).tolist()
    }


def _bounds_on(plane: str, scene: MaskScene) -> tuple[float, float, float, float]:
    """Return the bounds of a mask on a plane; not finite where its coordinates have no place there."""
    crs = scene.acquisition.crs
    try:
        return transform_bounds("" if crs is None else crs.to_wkt(), plane, *bounds_of(scene), densify_pts=21)  # type: ignore[no-any-return]
    except RasterioError:
        return (math.inf,) * 4
