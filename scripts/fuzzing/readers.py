"""What the package does with each format: every reader of it, each on its own, errors of the package allowed."""

from __future__ import annotations

import datetime as dt
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyproj
from affine import Affine

from glaciertime.archive import Archive
from glaciertime.archive.maintenance import check, repair
from glaciertime.catalog import Glacier, Source, read_manifest
from glaciertime.cells import unquote_formulas
from glaciertime.documents import read_json
from glaciertime.pipeline.tracking import TrackRequest, track_glacier
from glaciertime.scenes.acquisition import Acquisition, MaskScene
from glaciertime.scenes.classes import parse_classes
from glaciertime.scenes.datasets.pictures import read_picture
from glaciertime.scenes.datasets.readers import open_training_data
from glaciertime.scenes.folder import MaskReading
from glaciertime.scenes.imagery import Imagery
from glaciertime.scenes.layers import layers_of, read_layer
from glaciertime.scenes.locate import locate
from glaciertime.scenes.names import dates_of_files
from glaciertime.scenes.rasters import mask_scene, parse_crs
from glaciertime.scenes.series import read_series
from glaciertime.scenes.unpacking import unpack
from glaciertime.segment.description import ModelSpec, read_spec
from glaciertime.segment.teach.config import read_config
from glaciertime.track import track_scenes

__all__ = ["readers_of", "warm_up"]

_TOY = Glacier(name="Toy")
Reader = Callable[[], object]


def readers_of(name: str, folder: Path, case: list[str]) -> Iterator[tuple[str, Reader]]:
    """Yield what reads a case of a format, by name."""
    files = [folder / each for each in case]
    yield from _READERS[name](folder, files)


def warm_up() -> None:
    """Measure a scene once: what is compiled or imported then belongs to no input."""
    for entry in (_TOY, Glacier(name="Toy", crs="EPSG:3413")):
        track_scenes([_toy_scene(entry, parse_crs("EPSG:3413"))], glacier=entry)


def _raster(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    path = files[0]
    local = None if path.suffix in (".tif", ".jp2") else 20.0
    yield "mask", partial(_mask, path, local, "")
    if path.suffix == ".tif":
        yield "probability", partial(_mask, path, local, "0=ocean,1=glacier")
    yield "imagery", partial(_imagery, path)
    if path.suffix in (".tif", ".png"):
        yield "picture", partial(read_picture, path)
    yield "folder", partial(_track, folder, local)


#: To measure costs a hundred times what reading does: one in so many is.
_MEASURED = 20


def _mask(path: Path, local: float | None, classes: str) -> None:
    scene = mask_scene(
        path, glacier="Toy", date=dt.date(2001, 3, 15), dataset="toy", classes=parse_classes(classes),
        local_resolution_m=local,
    )  # fmt: skip
    scene.read()
    if scene.probability is not None:
        scene.probability()


def _imagery(path: Path) -> None:
    with Imagery(path) as image:
        image.read(0, 0, min(16, image.height), min(16, image.width))


def _track(folder: Path, local: float | None = None, glacier: Glacier = _TOY) -> None:
    """Track what a folder holds; the run goes on over a bad input, so only an error of the package may end it."""
    located = locate(glacier, data=folder, reading=MaskReading(local_resolution_m=local))
    scenes = list(located.scenes)
    content = b"".join(sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file()))
    if zlib.crc32(content) % _MEASURED == 0:
        track_scenes(scenes, glacier=located.glacier)


def _series(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    yield "series", partial(read_series, files[0])
    if files[0].suffix == ".csv":
        yield "dates", partial(dates_of_files, files[0])
        yield "covariates", partial(_csv, files[0])


def _csv(path: Path) -> None:
    from glaciertime.cli.forecasting import read_table

    unquote_formulas(read_table(path))


def _vectors(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    yield "layers", partial(_layers, files[0])
    yield "file", partial(_track_file, files[0])
    yield "line", partial(_given, files[0])


def _track_file(path: Path) -> None:
    if zlib.crc32(path.read_bytes()) % _MEASURED == 0:
        track_glacier(TrackRequest(glacier="Toy", data=path))
        return
    located = locate(_TOY, data=path)
    list(located.scenes)


def _layers(path: Path) -> None:
    for layer in layers_of(path):
        read_layer(layer, crs="EPSG:3413")


def _given(path: Path) -> None:
    from glaciertime.pipeline.rulers import given_in_files

    given_in_files(Glacier(name="Toy", crs="EPSG:3413"), centreline=path, box=None)


def _parquet(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    yield from _series(folder, files)
    yield from _vectors(folder, files)


def _training(kind: str, root: Path, **options: object) -> None:
    data = open_training_data(kind, root=root, options=dict(options))
    for index in range(min(len(data), 4)):
        data[index]
    list(data.infos)


def _npy(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    kind = "hkh-baraka" if any("_img_" in path.name for path in files) else "hkh-aryal"
    yield kind, partial(_training, kind, folder)


def _hdf5(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    yield "nird", partial(_training, "nird", folder, modalities=("optical", "dem"))


def _netcdf(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    yield "stack", partial(_stack, files[0])


def _stack(path: Path) -> None:
    import xarray

    from glaciertime.track.record.stack import scenes_of_stack

    try:
        stack = xarray.open_dataset(path, engine="scipy")
    except Exception:  # opening it is the user's part, and what xarray makes of a damaged file is xarray's
        return
    with stack:
        track_scenes(scenes_of_stack(stack), glacier=_TOY)


def _yaml(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    if files[0].name == "config.yaml":
        yield "config", partial(read_config, files[0])
    else:
        yield "manifest", partial(_manifest, files[0])


def _manifest(path: Path) -> None:
    """Read a manifest, and measure a mask with what it says."""
    entry = read_manifest(path)
    if isinstance(entry, Glacier):
        scene = _toy_scene(entry, entry.projection or parse_crs("EPSG:3413"))
        # What a manifest says reaches every step, so more are measured than of the other formats.
        if zlib.crc32(path.read_bytes()) % (_MEASURED // 4) == 0:
            track_scenes([scene], glacier=entry)


def _toy_scene(glacier: Glacier, crs: pyproj.CRS) -> MaskScene:
    zones = np.full((32, 32), 127, dtype=np.uint8)
    zones[:, :12] = 254
    what = Acquisition(
        glacier=glacier.name, date=dt.date(2001, 3, 15), dataset="toy", image_id="a", source="observed", input="a",
        crs=crs, resolution_m=20.0,
    )  # fmt: skip
    transform = Affine(20, 0, -200000, 0, -20, -2282360)
    return MaskScene(acquisition=what, shape=zones.shape, transform=transform, read=lambda: zones)


def _json(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    if files[0].name == "spec.json":
        yield "spec", partial(_spec, files[0])
    yield "json", partial(read_json, files[0], what=files[0].name, remedy="write it again")


def _spec(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    spec = ModelSpec.from_json(text, path=path)
    # What says what a model expects is shown and written.
    spec.to_json()
    _ = (spec.channels, spec.unobserved, spec.front_sigma_px, hash(spec.name), repr(spec))


def _safetensors(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    from glaciertime.segment.predict.weights import load_model
    from glaciertime.segment.teach.resume import read_state

    if files[0].name.startswith("state"):
        yield "state", partial(read_state, files[0])
    else:
        yield "spec", partial(read_spec, files[0])
        yield "weights", partial(load_model, files[0])


def _onnx(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    yield "spec", partial(read_spec, files[0])
    yield "engine", partial(_engine, files[0])


def _engine(path: Path) -> None:
    from glaciertime.segment.predict.engine import load_engine

    run, spec = load_engine(path, threads=1)
    if spec.channels < 16 and spec.multiple <= 64:
        run(np.zeros((1, spec.channels, 16, 16), np.float32))


def _zip(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    yield from _vectors(folder, files)
    yield "unpack", partial(unpack, files[0])


def _caffe(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    glacier = Glacier(name="Toy", sources=(Source(dataset="CaFFe", format="caffe"),))
    yield "zones", partial(_track, folder, None, glacier)
    yield "training", partial(_training, "caffe", folder)


def _index(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    yield "training", partial(_training, "landsat-fronts", folder)
    yield "images", partial(_images, folder)


def _images(folder: Path) -> None:
    glacier = Glacier(name="Toy", sources=(Source(dataset="x", format="landsat-fronts", path=".", code="Toy"),))
    list(locate(glacier, data=folder).scenes)


def _archive(folder: Path, files: list[Path]) -> Iterator[tuple[str, Reader]]:
    path = files[0]
    yield "check", partial(check, path, wait_seconds=0.5)
    yield "read", partial(_read_archive, path)
    yield "export", partial(_exported, path)
    yield "repair", partial(_repaired, path, folder / "repaired.gpkg")
    yield "merge", partial(_merged, path, folder / "merged.gpkg")


def _exported(path: Path) -> None:
    archive = _opened(path)
    for table in ("fronts", "observations", "footprints"):
        archive.read_for_export(table)


def _opened(path: Path) -> Archive:
    return Archive(path, tell=lambda text: text.encode(), wait_seconds=0.5)


def _read_archive(path: Path) -> None:
    archive = _opened(path)
    if archive.exists():
        for name in archive.glaciers():
            archive.read("observations", glacier=name)
        for table in ("fronts", "footprints", "centrelines", "rulers", "inputs", "forecasts", "scores"):
            archive.read(table)


def _repaired(path: Path, out: Path) -> None:
    repair(path, out, wait_seconds=0.5)


def _merged(path: Path, out: Path) -> None:
    _opened(out).take_in(_opened(path))


_READERS: dict[str, Callable[[Path, list[Path]], Iterator[tuple[str, Reader]]]] = {
    "geotiff": _raster,
    "png": _raster,
    "jpeg2000": _raster,
    "csv": _series,
    "excel": _series,
    "geopackage": _vectors,
    "geojson": _vectors,
    "shapefile": _vectors,
    "flatgeobuf": _vectors,
    "parquet": _parquet,
    "npy": _npy,
    "hdf5": _hdf5,
    "netcdf": _netcdf,
    "yaml": _yaml,
    "json": _json,
    "safetensors": _safetensors,
    "onnx": _onnx,
    "zip": _zip,
    "caffe": _caffe,
    "index": _index,
    "archive": _archive,
}
warnings.simplefilter("ignore")
