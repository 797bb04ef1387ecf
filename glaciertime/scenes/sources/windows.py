"""Windows of products: only the box of a glacier is read, on one grid for all bands, clouds as not observed."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader
from rasterio.warp import Resampling, reproject
from rasterio.windows import Window

from glaciertime import limits
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.sources.clouds import cloudy, unseen
from glaciertime.scenes.sources.disk import LocalFile, is_on_disk, place_on_disk
from glaciertime.scenes.sources.numbers import Numbers, check_factors, check_numbers, numbers_of
from glaciertime.scenes.sources.place import Place
from glaciertime.scenes.sources.products import Product, asset_of, cloud_asset
from glaciertime.scenes.sources.search import StacItem
from glaciertime.scenes.sources.web import Ranges, Web, asset_address, shown
from glaciertime.walls import wall

__all__ = ["Files", "Grid", "Part", "PassWindow", "Sky", "read_sky", "read_window"]

_DRIVERS = {b"II*\0": "GTiff", b"MM\0*": "GTiff", b"II+\0": "GTiff", b"MM\0+": "GTiff"}
_JPEG_2000 = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
#: Half a thousandth of a pixel is no pixel.
_ALIGNED = 5e-4


@dataclass(frozen=True)
class Grid:
    """The pixels of a window: (H, W), where they lie."""

    transform: Affine
    shape: tuple[int, int]
    crs: pyproj.CRS


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file that a window was read from."""

    item: str
    band: str
    address: str
    etag: str
    size: int
    modified: str
    numbers: Numbers | None = None


@dataclass(frozen=True, kw_only=True)
class Sky:
    """What of a box a pass saw: ``seen`` of the box, ``clouds`` of what it saw; NaN where its products do not tell."""

    seen: float
    clouds: float

    @property
    def clear(self) -> float:
        """The share of the box that was seen without clouds; what is not told of clouds counts as clear."""
        return self.seen * (1 - (0.0 if np.isnan(self.clouds) else self.clouds))


@dataclass(frozen=True, kw_only=True)
class PassWindow:
    """Bands of a pass over a box: (C, H, W) float32, NaN where not observed or under clouds."""

    values: NDArray[np.float32]
    grid: Grid
    sky: Sky
    parts: tuple[Part, ...]
    unit: str
    notes: tuple[str, ...] = field(default=())


class _Pieces:
    """A file as GDAL reads it: no exception of ours may reach its code, which would print it and go on.

    What could not be had is an early end there, and ``failure`` tells afterwards why: Ctrl-C too.
    """

    def __init__(self, held: Ranges | LocalFile) -> None:
        self._held = held
        self.failure: BaseException | None = None

    def read(self, count: int = -1) -> bytes:
        try:
            return b"" if self.failure is not None else self._held.read(count)
        except BaseException as error:
            self.failure = error
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._held.seek(offset, whence)

    def tell(self) -> int:
        return self._held.tell()

    def close(self) -> None:
        self._held.close()

    def __enter__(self) -> _Pieces:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _opened(ranges: Ranges | LocalFile, *, name: str) -> Iterator[DatasetReader]:
    """Open a file of a server as what its first bytes say it is, and as nothing else."""
    head = ranges.read(12)
    ranges.seek(0)
    driver = _DRIVERS.get(head[:4]) or ("JP2OpenJPEG" if head.startswith(_JPEG_2000) else "")
    if not driver:
        raise InputError(f"{name}: {shown(ranges.url)} is neither a GeoTIFF nor JPEG 2000")

    pieces = _Pieces(ranges)

    def opener(path: str, mode: str = "rb", **_: Any) -> _Pieces:
        if mode not in ("r", "rb"):
            raise OSError("nothing is written there")
        pieces.seek(0)
        return pieces

    with (
        wall(f"{name}: {shown(ranges.url)} cannot be read", "is it truncated? Try again, or leave the scene out"),
        warnings.catch_warnings(),
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.open(f"window-{id(ranges)}/file", opener=opener, driver=driver, sharing=False) as raster:
                yield raster
        finally:
            if pieces.failure is not None:
                raise pieces.failure


def href_of(asset: Mapping[str, Any]) -> object:
    """Return where a file is: on the web, where the catalogue names such a place beside another one."""
    places = asset.get("alternate")
    others = (
        [place.get("href") for place in places.values() if isinstance(place, dict)] if isinstance(places, dict) else []
    )
    on_the_web = [href for href in (asset.get("href"), *others) if re.match("https?:", str(href), re.IGNORECASE)]
    return on_the_web[0] if on_the_web else asset.get("href")


def _address_of(item: StacItem, asset: Mapping[str, Any]) -> str:
    if item.root:
        return place_on_disk(asset.get("href"), base=item.base, root=Path(item.root))
    return asset_address(href_of(asset), base=item.base)


class Files:
    """The files of items, each asked for once while a window is read."""

    def __init__(self, web: Web, sign: Callable[[str, str], str] | None = None) -> None:
        self._web = web
        self._sign = sign or (lambda address, _collection: address)
        self._open: dict[str, Ranges | LocalFile] = {}

    def ranges(self, item: StacItem, asset: Mapping[str, Any], *, band: str) -> tuple[str, Ranges | LocalFile]:
        """Return the address of a file as the catalogue has it, and the file."""
        try:
            address = _address_of(item, asset)
        except InputError as error:
            raise InputError(f"{item.id}, {band}: {error}") from error
        if address not in self._open and is_on_disk(address):
            self._open[address] = LocalFile(Path(address))
        if address not in self._open:
            try:
                self._open[address] = Ranges(self._sign(address, item.collection), web=self._web)
            except DataNotFoundError as error:
                if re.search(r"answers (401|403|409) ", str(error)):
                    raise DataNotFoundError(f"{error}; where the catalogue wants tokens, say --sign") from error
                raise
        return address, self._open[address]


def _place_on(raster: DatasetReader, *, name: str) -> tuple[Affine, pyproj.CRS]:
    if raster.crs is None or raster.transform.is_identity:
        why = "only ground control points" if raster.gcps[0] else "no georeference"
        raise InputError(f"{name} has {why}: take a product on a map grid, such as sentinel-1-rtc")
    transform = raster.transform
    if transform.b or transform.d:
        raise InputError(f"{name} is turned against its coordinate system; a product on a map grid expected")
    return transform, pyproj.CRS.from_wkt(raster.crs.to_wkt())


def _grid_over(place: Place, transform: Affine, crs: pyproj.CRS, *, name: str) -> Grid:
    """Return the pixels of a raster's grid that hold a box, whether the raster reaches so far or not."""
    x_min, y_min, x_max, y_max = place.on(crs).bounds
    if not np.isfinite([x_min, y_min, x_max, y_max]).all():
        raise InputError(f"{place.what} has no place in {crs.name}, the coordinates of {name}")
    columns, rows = zip(*(~transform @ corner for corner in ((x_min, y_max), (x_max, y_min))), strict=True)
    left, top = (int(np.floor(min(each) + _ALIGNED)) for each in (columns, rows))
    right, bottom = (int(np.ceil(max(each) - _ALIGNED)) for each in (columns, rows))
    shape = (bottom - top, right - left)
    if min(shape) < 2:
        raise InputError(f"{place.what} is smaller than two pixels of {name}")
    limits.raster_bytes(
        pixels=shape[0] * shape[1], bytes_per_pixel=40, file_bytes=None, what=f"{place.what} in {name}",
        advice="give a smaller box with --box FILE",
    )  # fmt: skip
    return Grid(transform @ Affine.translation(left, top), shape, crs)


def _on_grid(raster: DatasetReader, grid: Grid, *, name: str) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
    """Return stored numbers of the first band on a grid and where there are none, or None where it does not reach.

    Pixels of the same grid are taken as they are; others are brought onto it by the nearest, so that every number is
    one that was stored.
    """
    if raster.count != 1:
        raise InputError(f"{name} has {raster.count} bands, one expected")
    transform, crs = _place_on(raster, name=name)
    height, width = grid.shape
    x = np.linspace(grid.transform.c, grid.transform.c + width * grid.transform.a, 22)
    y = np.linspace(grid.transform.f, grid.transform.f + height * grid.transform.e, 22)
    xs, ys = np.concatenate([x, x, x * 0 + x[0], x * 0 + x[-1]]), np.concatenate([y * 0 + y[0], y * 0 + y[-1], y, y])
    if not crs.equals(grid.crs):
        xs, ys = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(xs, ys)
    columns, rows = (xs - transform.c) / transform.a, (ys - transform.f) / transform.e
    if not np.isfinite(columns).all() or not np.isfinite(rows).all():
        return None
    margin = 0 if crs.equals(grid.crs) else 2
    left, top = (max(0, int(np.floor(each.min() + _ALIGNED)) - margin) for each in (columns, rows))
    right = min(raster.width, int(np.ceil(columns.max() - _ALIGNED)) + margin)
    bottom = min(raster.height, int(np.ceil(rows.max() - _ALIGNED)) + margin)
    if right <= left or bottom <= top:
        return None
    window = Window(left, top, right - left, bottom - top)
    stored = raster.read(1, window=window)
    missing = raster.read_masks(1, window=window) == 0
    if np.iscomplexobj(stored):
        raise InputError(f"{name} holds complex numbers, no amplitudes")
    out = np.zeros(grid.shape, dtype=stored.dtype)
    absent = np.ones(grid.shape, dtype=np.uint8)
    for source, target in ((stored, out), (missing.astype(np.uint8), absent)):
        reproject(
            source, target, src_transform=transform @ Affine.translation(left, top), src_crs=crs.to_wkt(),
            dst_transform=grid.transform, dst_crs=grid.crs.to_wkt(), resampling=Resampling.nearest,
            init_dest_nodata=False,
        )  # fmt: skip
    return out, absent.astype(bool)


def _weather(
    item: StacItem, product: Product, *, grid: Grid, files: Files, parts: list[Part]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Return where a scene saw anything, and where clouds or their shadows, by its own layer; None without one."""
    layer = cloud_asset(item, product)
    if layer is None:
        return None
    key, asset, kind = layer
    address, ranges = files.ranges(item, asset, band=key)
    name = f"{item.id}, {key}"
    with _opened(ranges, name=name) as raster:
        found = _on_grid(raster, grid, name=name)
    parts.append(_part(item, key, address, ranges))
    if found is None:
        return np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)
    codes, missing = found
    if codes.dtype.kind not in "iu":
        raise InputError(f"{name} holds {codes.dtype}, no codes")
    seen = ~missing & ~unseen(codes, kind)
    return seen, seen & cloudy(codes, kind)


def read_sky(items: Sequence[tuple[StacItem, Product]], *, place: Place, files: Files) -> Sky:
    """Return what of a box a pass saw, by the cloud layers of its products; NaN where one of them has none.

    Raises
    ------
    DataNotFoundError, InputError
        Where a layer cannot be read.
    """
    first = cloud_asset(*items[0])
    if first is None:
        return Sky(seen=math.nan, clouds=math.nan)
    grid = _finest_grid(items[0][0], {first[0]: first[1]}, place=place, files=files)
    seen, clouds = np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)
    for item, product in items:
        weather = _weather(item, product, grid=grid, files=files, parts=[])
        if weather is None:
            return Sky(seen=math.nan, clouds=math.nan)
        clouds |= weather[1] & ~seen
        seen |= weather[0]
    return _sky(seen, clouds, place=place, grid=grid)


def _sky(seen: NDArray[np.bool_], clouds: NDArray[np.bool_], *, place: Place, grid: Grid) -> Sky:
    inside = place.inside(grid.transform, grid.shape, grid.crs)
    total, known = int(inside.sum()), int((seen & inside).sum())
    share = float((clouds & inside).sum() / known) if known else math.nan
    return Sky(seen=known / max(1, total), clouds=share)


def read_window(
    items: Sequence[tuple[StacItem, Product]], *, bands: Sequence[str], place: Place, files: Files
) -> PassWindow:
    """Return bands of a pass over a box; where its tiles overlap the first one's pixels count.

    Raises
    ------
    DataNotFoundError, InputError
        Where a band is missing, cannot be read, or nobody can tell what its numbers mean.
    """
    parts: list[Part] = []
    notes: dict[str, None] = {}
    grid = _finest_grid(
        items[0][0], dict(asset_of(*items[0], band) for band in bands), place=place, files=files
    )  # fmt: skip
    filled = np.full((len(bands), *grid.shape), np.nan, dtype=np.float32)
    seen, clouds, is_told = np.zeros(grid.shape, bool), np.zeros(grid.shape, bool), True
    for item, product in items:
        # One tile's bands, and its clouds, are taken together: of two tiles each pixel is one tile's.
        values = np.full_like(filled, np.nan)
        for number, band in enumerate(bands):
            key, asset = asset_of(item, product, band)
            address, ranges = files.ranges(item, asset, band=key)
            name = f"{item.id}, {key}"
            numbers = numbers_of(item, product, asset)
            with _opened(ranges, name=name) as raster:
                check_factors(raster.scales[0], raster.offsets[0], numbers, product=product, name=name)
                found = _on_grid(raster, grid, name=name)
            parts.append(_part(item, key, address, ranges, numbers=numbers))
            if found is None:
                continue
            stored, missing = found
            values[number] = numbers.values(stored, missing=missing)
            check_numbers(stored, values[number], numbers, name=name)
            rule = f"{numbers.unit} = number x {numbers.scale:.10g} + {numbers.offset:.10g}"
            notes[f"{item.collection}: {rule} ({numbers.why})"] = None
        new = np.isfinite(values).all(axis=0) & ~seen
        weather = _weather(item, product, grid=grid, files=files, parts=parts)
        if weather is not None:
            new &= weather[0]
            clouds |= new & weather[1]
        else:
            is_told = False
            if not product.is_radar:
                notes[f"{item.collection}: no cloud layer; clouds are not left out"] = None
        filled[:, new] = values[:, new]
        seen |= new
    filled[:, clouds] = np.nan
    sky = _sky(seen, clouds, place=place, grid=grid)
    units = {part.numbers.unit for part in parts if part.numbers is not None}
    return PassWindow(
        values=filled, grid=grid, sky=sky if is_told else replace(sky, clouds=math.nan), parts=tuple(parts),
        unit=" and ".join(sorted(units)), notes=tuple(notes),
    )  # fmt: skip


def _finest_grid(item: StacItem, assets: Mapping[str, Mapping[str, Any]], *, place: Place, files: Files) -> Grid:
    """Return the grid of the finest of some files of an item, over the whole box."""
    best: tuple[float, Affine, pyproj.CRS, str] | None = None
    for key, asset in assets.items():
        name = f"{item.id}, {key}"
        _, ranges = files.ranges(item, asset, band=key)
        with _opened(ranges, name=name) as raster:
            transform, crs = _place_on(raster, name=name)
        size = abs(transform.determinant)
        if best is None or size < best[0] * 0.99:
            best = (size, transform, crs, name)
    assert best is not None
    return _grid_over(place, best[1], best[2], name=best[3])


def _part(
    item: StacItem, band: str, address: str, ranges: Ranges | LocalFile, *, numbers: Numbers | None = None
) -> Part:
    return Part(
        item=item.id, band=band, address=shown(address), etag=ranges.etag, size=ranges.size, modified=ranges.modified,
        numbers=numbers,
    )  # fmt: skip
