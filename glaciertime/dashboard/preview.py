"""``python -m glaciertime.dashboard.preview``: a small picture of a raster, made in a process of its own.

A file that somebody brings is opened here and not in the process that serves the page: what a broken one does to a
reader ends this process alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import GlacierTimeError, InputError, one_line

__all__ = ["main", "picture"]

_SIDE_PX = 900
_STRETCH = (2.0, 98.0)


def picture(path: Path, *, bands: tuple[int, ...] = (), side_px: int = _SIDE_PX) -> tuple[NDArray[np.uint8], dict]:
    """Return a raster as red, green, blue and opacity, and what its header says.

    Parameters
    ----------
    path : Path
    bands : tuple of int
        One or three, from 1; default the colours of a palette, else the first three or the first.
    side_px : int
        The longer side is thinned to that.

    Returns
    -------
    ((H, W, 4) uint8, dict)
        Bands are stretched between their 2nd and 98th percentile: colours show where, not how bright.

    Raises
    ------
    InputError
        For a file that is no raster, is too large, or has no such band.
    """
    from rasterio.enums import ColorInterp, Resampling

    from glaciertime import limits
    from glaciertime.scenes.raster_files import open_raster, reading

    with open_raster(path, what="an image") as source, reading(path):
        limits.raster_bytes(
            pixels=source.width * source.height, bytes_per_pixel=1, file_bytes=path.stat().st_size, what=path.name,
            advice="cut it to the glacier",
        )  # fmt: skip
        limits.check("bands", source.count, path.name)
        has_palette = source.colorinterp[0] == ColorInterp.palette and not bands
        chosen = bands or ((1, 2, 3) if source.count >= 3 else (1,))
        if any(not 1 <= band <= source.count for band in chosen):
            raise InputError(f"{path.name} has {source.count} bands; give one or three numbers from 1")
        thinned = max(1.0, max(source.width, source.height) / side_px)
        shape = (max(1, round(source.height / thinned)), max(1, round(source.width / thinned)))
        how = Resampling.nearest if has_palette else Resampling.average
        pixels = source.read(
            (1,) if has_palette else chosen, out_shape=(1 if has_palette else len(chosen), *shape), resampling=how,
            masked=True,
        )  # fmt: skip
        told = _header(source)
        rgba = _of_palette(pixels[0], source.colormap(1)) if has_palette else _stretched(pixels)
    return rgba, {**told, "shown": [] if has_palette else list(chosen)}


def _header(source: Any) -> dict[str, Any]:
    crs = source.crs
    return {
        "width": source.width, "height": source.height, "count": source.count, "dtype": source.dtypes[0],
        "bands": [text or "" for text in source.descriptions], "crs": None if crs is None else crs.to_string(),
        "bounds": list(source.bounds), "nodata": None if source.nodata is None else str(source.nodata),
    }  # fmt: skip


def _of_palette(codes: Any, colours: dict[int, tuple[int, int, int, int]]) -> NDArray[np.uint8]:
    table = np.zeros((256, 4), np.uint8)
    for code, colour in colours.items():
        if 0 <= code < 256:
            table[code] = colour
    rgba = table[np.ma.getdata(codes).astype(np.uint8)]
    rgba[np.ma.getmaskarray(codes)] = 0
    return rgba


def _stretched(pixels: Any) -> NDArray[np.uint8]:
    values = np.ma.masked_invalid(pixels.astype(np.float64))
    rgba = np.zeros((*values.shape[1:], 4), np.uint8)
    for place in range(3):
        band = values[min(place, len(values) - 1)]
        known = band.compressed()
        low, high = np.percentile(known, _STRETCH) if known.size else (0.0, 1.0)
        width = high - low if high > low else 1.0
        rgba[..., place] = np.clip((band.filled(low) - low) / width * 255, 0, 255).astype(np.uint8)
    rgba[..., 3] = np.where(np.ma.getmaskarray(values).all(axis=0), 0, 255)
    return rgba


def main(arguments: list[str] | None = None) -> int:
    """Write the picture as .npy and print what the header says as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raster", type=Path)
    parser.add_argument("--bands", default="")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    try:
        try:
            bands = tuple(int(part) for part in args.bands.split(",") if part.strip())
        except ValueError:
            bands = (0,)
        if len(bands) not in (0, 1, 3) or 0 in bands:
            raise InputError(f"bands to show '{args.bands}': give one or three numbers from 1, for example 3,2,1")
        rgba, told = picture(args.raster, bands=bands)
    except GlacierTimeError as error:
        print(one_line(str(error)), file=sys.stderr)
        return 1
    np.save(args.out, rgba, allow_pickle=False)
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
