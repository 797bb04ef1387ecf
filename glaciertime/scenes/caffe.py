"""The CaFFe data set (Gourmelon et al. 2022, doi:10.1594/PANGAEA.940950): zones of SAR images with their boxes.

The images have no georeference. A scene lies in a local metric frame whose origin is the lower left corner of the
image's bounding box, with y upwards: the boxes register the images of one glacier onto each other.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import shapely
from affine import Affine

from glaciertime import limits
from glaciertime.dates import read_date
from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError
from glaciertime.scenes.acquisition import MaskScene, UnreadableScene
from glaciertime.scenes.listing import below
from glaciertime.scenes.rasters import mask_scene
from glaciertime.walls import wall

__all__ = ["CaffeName", "bounding_box", "caffe_has_zones", "caffe_root", "caffe_scenes", "parse_caffe_name"]

SENSORS = {
    "ERS": "ERS",
    "ENVISAT": "ENVISAT",
    "RSAT": "RADARSAT",
    "PALSAR": "PALSAR",
    "TSX": "TerraSAR-X",
    "TDX": "TanDEM-X",
    "S1": "Sentinel-1",
}

_NAME = re.compile(
    r"(?P<glacier>[^_]+)_(?P<date>\d{4}-\d\d-\d\d)_(?P<sensor>[^_]+)_(?P<res>\d+)_(?P<q>\d)_(?P<orbit>\d+)"
)

# A pixel of a kilometre shows no front; no image is a million pixels wide.
_COARSEST_M = 1000
_MOST_PIXELS = 1_000_000


@dataclass(frozen=True)
class CaffeName:
    """What the name of a CaFFe image says."""

    glacier: str
    date: dt.date
    sensor: str
    resolution_m: float
    #: 1 (best) to 6.
    quality: int
    #: Zero-padded, so a text.
    orbit: str
    stem: str


def parse_caffe_name(name: str) -> CaffeName:
    """Return what a file name says.

    Examples
    --------
    >>> parsed = parse_caffe_name("Crane_2002-11-09_ERS_20_2_061_zones.png")
    >>> parsed.glacier, parsed.date.isoformat(), parsed.resolution_m, parsed.orbit
    ('Crane', '2002-11-09', 20.0, '061')
    """
    match = _NAME.match(name)
    if match is None:
        raise InputError(
            f"{name} is no CaFFe name; expected Glacier_YYYY-MM-DD_Sensor_Resolution_Quality_Orbit, "
            "for example Crane_2002-11-09_ERS_20_2_061_zones.png"
        )
    resolution_m = float(match["res"])
    if not 0 < resolution_m <= _COARSEST_M:
        raise InputError(f"{name} says a resolution of {resolution_m:g} m, 1 to {_COARSEST_M} expected; rename it")
    return CaffeName(
        glacier=match["glacier"],
        date=read_date(match["date"]).date,
        sensor=SENSORS.get(match["sensor"], match["sensor"]),
        resolution_m=resolution_m,
        quality=int(match["q"]),
        orbit=match["orbit"],
        stem=match[0],
    )


def caffe_has_zones(folder: Path, code: str) -> bool:
    """Return whether a CaFFe tree holds zones of a glacier; if not, its images have to be segmented."""
    root = caffe_root(folder)
    return root is not None and next((root / "zones").rglob(f"{escape(code)}_*_zones.png"), None) is not None


def caffe_root(folder: Path) -> Path | None:
    """Return the folder that holds ``zones`` or ``sar_images``, or None where there is no CaFFe tree."""
    return next((root for root in (folder, folder / "data_raw", folder / "caffe" / "data_raw", folder / "caffe")
                 if (root / "zones").is_dir() or (root / "sar_images").is_dir()), None)  # fmt: skip


def bounding_box(path: Path) -> tuple[float, float, float, float]:
    """Read a bounding box: (x_min, y_min, x_max, y_max) in pixels, y downwards.

    The file has the header ``x,y`` and the four corners.
    """
    limits.check("document-mb", path.stat().st_size / 1e6, path.name)
    with wall(f"{path.name} is no bounding box", "expected the header x,y and four corners"), catch_warnings():
        simplefilter("ignore")  # an empty file is told below
        corners = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        raise InputError(f"{path.name} holds {corners.shape[0]} corners; expected the header x,y and four corners")
    if np.abs(corners).max() > _MOST_PIXELS or not (np.ptp(corners, axis=0) > 0).all():
        raise InputError(f"{path.name} holds corners that span no image ({corners.tolist()}); fetch it again")
    (x_min, y_min), (x_max, y_max) = corners.min(axis=0), corners.max(axis=0)
    return float(x_min), float(y_min), float(x_max), float(y_max)


def caffe_scenes(folder: Path, *, glacier: str, code: str, dataset: str) -> Iterator[MaskScene | UnreadableScene]:
    """Yield the zones of a glacier, of the training and the test part, in order of date.

    Parameters
    ----------
    folder : Path
        A CaFFe tree, or a folder that holds one.
    glacier : str
        Name in the tables.
    code : str
        Name in the files: Crane, DBE, JAC, Jorum, SI, COL or Mapple.
    """
    root = caffe_root(folder)
    files = [] if root is None else below(root / "zones", f"{escape(code)}_*_zones.png")
    if not files:
        raise DataNotFoundError(f"{folder} holds no CaFFe zones of {code}; expected zones/train/{code}_*_zones.png")
    scenes: list[MaskScene] = []
    for path in files:
        try:
            scenes.append(_scene(path, root or folder, glacier, dataset))
        except GlacierTimeError as error:
            yield UnreadableScene(input=str(path), reason=str(error))
    yield from sorted(scenes, key=lambda scene: (scene.acquisition.date, scene.acquisition.image_id))


def _scene(path: Path, root: Path, glacier: str, dataset: str) -> MaskScene:
    name = parse_caffe_name(path.name)
    scene = mask_scene(
        path,
        glacier=glacier,
        date=name.date,
        dataset=dataset,
        sensor=name.sensor,
        local_resolution_m=name.resolution_m,
        flags={} if name.quality < 6 else {"manual": "image quality 6 of 6 (worst)"},
    )
    scene = replace(scene, acquisition=replace(scene.acquisition, image_id=name.stem))
    box_file = root / "bounding_boxes" / f"{name.stem}_front_extent_coord.txt"
    if not box_file.is_file():
        return scene
    x_min, y_min, x_max, y_max = bounding_box(box_file)
    size = name.resolution_m
    return replace(
        scene,
        transform=Affine(size, 0, -x_min * size, 0, -size, y_max * size),
        box=shapely.box(0, 0, (x_max - x_min) * size, (y_max - y_min) * size),
    )
