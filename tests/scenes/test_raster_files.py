"""Rasters opened: what a header claims is judged before any pixel is unpacked."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glaciertime.dashboard.preview import picture
from glaciertime.errors import InputError
from glaciertime.scenes.imagery import Imagery
from glaciertime.scenes.raster_files import open_raster

SIDE = 40_000


def png_header(path: Path, *, colours: int = 0, interlaced: bool = False) -> Path:
    """Write the header of a PNG of 40,000 x 40,000 pixels, with bytes enough to bear it out, and no pixel."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, colours, 0, 0, interlaced)),
        (b"tEXt", b"padding\0" + b"a" * 2_000_000),
        (b"IDAT", b"not packed"),
        (b"IEND", b""),
    )
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )
    )
    return path


@pytest.mark.parametrize(("colours", "megabytes"), [(0, "1,600"), (2, "4,800"), (6, "6,400")])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_picture_is_judged_by_its_header(colours: int, megabytes: str, interlaced: bool, tmp_path: Path) -> None:
    path = png_header(tmp_path / "a_20200801.png", colours=colours, interlaced=interlaced)
    why = rf"a_20200801\.png \(40,000 x 40,000 pixels\): {megabytes} MB that one read of a raster unpacks, at most 600"
    for opened in (open_raster, picture, Imagery):
        with pytest.raises(InputError, match=why) as caught:
            opened(path)
        assert "--limit unpacked-mb=N or GLACIERTIME_MAX_UNPACKED_MB" in str(caught.value)


@pytest.mark.parametrize("driver", ["PNG", "JPEG", "GIF", "WEBP"])
def test_formats_that_are_unpacked_whole_count_every_pixel(
    driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 1 if driver == "GIF" else 3
    path = tmp_path / f"a.{driver.lower()}"
    with rasterio.open(path, "w", driver=driver, width=200, height=100, count=count, dtype="uint8") as target:
        target.write(np.full((count, 100, 200), 9, np.uint8))
    monkeypatch.setenv("GLACIERTIME_MAX_UNPACKED_MB", "0.019")
    with pytest.raises(InputError, match=rf"a\.{driver.lower()} \(200 x 100 pixels\): {0.02 * count:g} MB"):
        open_raster(path)
    monkeypatch.setenv("GLACIERTIME_MAX_UNPACKED_MB", "0.061")
    open_raster(path).close()


@pytest.mark.parametrize(
    ("interleave", "how", "megabytes"),
    [
        ("pixel", {"blockysize": 512}, 0.512 * 512 * 3 * 2 / 1000),
        ("band", {"blockysize": 512}, 0.512 * 512 * 2 / 1000),
        ("pixel", {"tiled": True, "blockxsize": 64, "blockysize": 64}, 64 * 64 * 3 * 2 / 1e6),
    ],
)
def test_of_a_geotiff_a_strip_or_a_tile_counts(
    interleave: str, how: dict, megabytes: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=512, height=512, count=3, dtype="uint16", compress="deflate",
        interleave=interleave, **how,
    ) as target:  # fmt: skip
        target.write(np.full((3, 512, 512), 9, np.uint16))
    monkeypatch.setenv("GLACIERTIME_MAX_UNPACKED_MB", f"{megabytes * 0.99}")
    with pytest.raises(InputError, match="MB that one read of a raster unpacks"):
        open_raster(path)
    monkeypatch.setenv("GLACIERTIME_MAX_UNPACKED_MB", f"{megabytes * 1.01}")
    open_raster(path).close()
