"""Images that no one has segmented yet, as dated scenes: Landsat subsets, and the SAR images of CaFFe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from glob import escape
from pathlib import Path

import shapely
from affine import Affine

from glaciertime.catalog import Glacier, Line
from glaciertime.errors import DataNotFoundError, GlacierTimeError
from glaciertime.scenes.acquisition import Acquisition, ImageScene, UnreadableScene
from glaciertime.scenes.caffe import bounding_box, caffe_root, parse_caffe_name
from glaciertime.scenes.datasets.landsat_fronts import RESOLUTION_M, LandsatFronts
from glaciertime.scenes.imagery import Imagery
from glaciertime.scenes.listing import below

__all__ = ["caffe_images", "landsat_front_images", "upright_glacier"]

_SENSORS = {"LT05": "Landsat 5", "LE07": "Landsat 7", "LC08": "Landsat 8"}


def landsat_front_images(
    folder: Path, *, glacier: str, code: str, dataset: str
) -> Iterator[ImageScene | UnreadableScene]:
    """Yield the Landsat subsets of a glacier in order of date, each in a local metric frame with the ocean on top.

    The subsets have no georeference and are not known to be registered to each other: every observation made from
    them is flagged ``unregistered``.

    Parameters
    ----------
    folder : Path
        With ``index.csv`` and ``images``.
    glacier : str
        Name in the tables.
    code : str
        Name in the index.

    Raises
    ------
    DataNotFoundError
        Where the index names no image of the glacier.
    """
    reader = LandsatFronts(folder)
    chosen = [
        (info.date, info, name, path_row)
        for info, name, path_row in zip(reader.infos, reader.index["image"], reader.index["pathrow"], strict=True)
        if info.glacier.casefold() == code.casefold() and info.date is not None
    ]
    if not chosen:
        known = ", ".join(sorted({info.glacier for info in reader.infos}))
        raise DataNotFoundError(f"{folder}/index.csv names no image of {code}; it names {known}")
    yield from (UnreadableScene(input=str(folder / "index.csv"), reason=reason) for reason in reader.problems)
    for date, info, name, path_row in sorted(chosen, key=lambda row: (row[0], row[1].name)):
        acquisition = Acquisition(
            glacier=glacier,
            date=date,
            dataset=dataset,
            image_id=info.name,
            source="observed",
            input=str((folder / "images" / name).resolve()),
            sensor=_SENSORS.get(info.sensor, info.sensor),
            author=dataset,
            resolution_m=RESOLUTION_M,
            flags={"unregistered": f"path/row {path_row}"},
        )
        yield _image_scene(folder / "images" / name, acquisition, weights="landsat-fronts")


def upright_glacier(glacier: Glacier, *, width_px: int, height_px: int) -> Glacier:
    """Return the glacier with a centreline that runs up the middle of such images, in their local metric frame."""
    middle = width_px * RESOLUTION_M / 2
    line = Line(
        coordinates=[(middle, 0.0), (middle, height_px * RESOLUTION_M)],
        drawn_by="glaciertime: the middle column of the image, which has the ocean on top",
    )
    return glacier.model_copy(update={"crs": None, "box": None, "fjord": None, "centreline": line})


def caffe_images(folder: Path, *, glacier: str, code: str, dataset: str) -> Iterator[ImageScene | UnreadableScene]:
    """Yield the SAR images of a CaFFe tree in order of date; see :mod:`glaciertime.scenes.caffe` for the frame.

    Raises
    ------
    DataNotFoundError
        Where the tree holds no image of the glacier.
    """
    root = caffe_root(folder)
    files = [] if root is None else below(root / "sar_images", f"{escape(code)}_*.png")
    if not files:
        raise DataNotFoundError(f"{folder} holds no SAR images of {code}; expected sar_images/train/{code}_*.png")
    for path in files:
        try:
            name = parse_caffe_name(path.name)
            acquisition = Acquisition(
                glacier=glacier, date=name.date, dataset=dataset, image_id=name.stem, source="observed",
                input=str(path.resolve()), sensor=name.sensor, author=dataset, resolution_m=name.resolution_m,
            )  # fmt: skip
            scene = _image_scene(path, acquisition, weights="")
            box_file = (root or folder) / "bounding_boxes" / f"{name.stem}_front_extent_coord.txt"
            if isinstance(scene, ImageScene) and box_file.is_file():
                x_min, y_min, x_max, y_max = bounding_box(box_file)
                size = name.resolution_m
                scene = replace(
                    scene,
                    transform=Affine(size, 0, -x_min * size, 0, -size, y_max * size),
                    box=shapely.box(0, 0, (x_max - x_min) * size, (y_max - y_min) * size),
                )
            yield scene
        except GlacierTimeError as error:
            yield UnreadableScene(input=str(path), reason=str(error))


def _image_scene(path: Path, acquisition: Acquisition, *, weights: str) -> ImageScene | UnreadableScene:
    try:
        with Imagery(path) as pixels:
            shape = (pixels.height, pixels.width)
    except GlacierTimeError as error:
        return UnreadableScene(
            input=str(path), reason=str(error), date=acquisition.date, acquisition=acquisition
        )  # fmt: skip
    size = acquisition.resolution_m
    transform = Affine(size, 0, 0, 0, -size, shape[0] * size)
    return ImageScene(acquisition=acquisition, path=path, shape=shape, transform=transform, weights=weights)
