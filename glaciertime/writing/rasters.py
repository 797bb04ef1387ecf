"""Rasters whose every pixel is read back before the file counts.

GDAL keeps blocks in memory and writes them late: a full disk can show only when the file is closed, or not at all, and
a block that was never written reads as zeros. So what goes in is remembered by its checksum, and compared.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from glaciertime.writing.marks import PNG_OPTIONS
from glaciertime.writing.targets import WORLD_FILE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rasterio.windows import Window

__all__ = ["RasterDraft"]


class RasterDraft:
    """A raster that is being written, to be used as a context.

    When the context ends well, the file is closed, opened again, and compared with what was written.

    Parameters
    ----------
    path : Path
        A draft of :func:`glaciertime.writing.drafts`.
    mark : str
        The command that makes it, kept in the file.
    cog : bool
        Turn it into a Cloud-Optimized GeoTIFF at the end.
    tags : mapping of str to str, optional
        What else the file is to say of itself.
    colours : mapping of int to (red, green, blue, opacity), optional
        In which its values are shown.
    **profile
        As of ``rasterio.open``: driver, height, width, count, dtype, crs, ... A PNG with a ``transform`` gets a world
        file beside it.

    Raises
    ------
    OSError
        Where it reads back differently, or not at all.
    """

    def __init__(
        self,
        path: Path,
        *,
        mark: str,
        cog: bool = False,
        tags: Mapping[str, str] | None = None,
        colours: Mapping[int, tuple[int, int, int, int]] | None = None,
        **profile: Any,
    ) -> None:
        import rasterio

        self.path = path
        self._world = profile.get("transform") if profile["driver"] == "PNG" else None
        self._cog = cog
        self._sums: dict[tuple[int, int, int, int], int] = {}
        if profile["driver"] == "PNG":
            profile = {**profile, **PNG_OPTIONS}
        # What GDAL says of a failed write is told in one sentence, by whoever opened the draft.
        self._log = logging.getLogger("rasterio")
        self._was = self._log.level
        self._log.setLevel(logging.CRITICAL)
        with _quiet():
            self._raster = rasterio.open(path, "w", **profile)
        software = "Software" if profile["driver"] == "PNG" else "TIFFTAG_SOFTWARE"
        self._raster.update_tags(**{software: mark, **(tags or {})})
        if colours is not None:
            self._raster.write_colormap(1, dict(colours))

    def describe(self, names: tuple[str, ...], *, tags: Mapping[str, str] | None = None) -> None:
        """Name the bands, from the first; ``tags`` are what the first says beside."""
        if tags:
            self._raster.update_tags(1, **tags)
        for number, name in enumerate(names, start=1):
            self._raster.set_band_description(number, name)

    def write(self, values: NDArray[np.generic], *, window: Window | None = None) -> None:
        """Write all bands of a window, by default of the whole raster.

        Parameters
        ----------
        values : (B, H, W) array
            Of the raster's type.
        window : Window, optional
            None is written twice.
        """
        with _no_lines_of_libraries():
            self._raster.write(values, window=window)
        height, width = values.shape[1:]
        place = (0, 0, width, height)
        if window is not None:
            place = (int(window.col_off), int(window.row_off), int(window.width), int(window.height))
        self._sums[place] = zlib.crc32(values.tobytes())

    def _to_cog(self) -> None:
        from rasterio.shutil import copy

        plain = self.path.with_name(f"plain-{self.path.name}")
        self.path.replace(plain)
        with _no_lines_of_libraries(), _quiet():
            copy(str(plain), str(self.path), driver="COG", compress="deflate", overview_resampling="nearest")
        plain.unlink()

    def check(self) -> None:
        """Read everything back and compare it with what was written."""
        import rasterio
        from rasterio.windows import Window

        with _quiet(), rasterio.open(self.path) as found:
            for place, expected in self._sums.items():
                if zlib.crc32(found.read(window=Window(*place)).tobytes()) != expected:
                    raise OSError(errno.EIO, "what was written reads back differently", str(self.path))

    def __enter__(self) -> RasterDraft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            try:
                with _no_lines_of_libraries():
                    self._raster.close()
            except Exception:
                if error is None:
                    raise
            if error is None:
                if self._cog:
                    self._to_cog()
                if self._world is not None:
                    self.path.with_suffix(WORLD_FILE).write_text(_world_text(self._world), encoding="ascii")
                self.check()
        finally:
            self._log.setLevel(self._was)


def _world_text(transform: Any) -> str:
    """Return the six lines of a world file: the steps of a column and of a row, and the middle of the first pixel."""
    x, y = transform @ (0.5, 0.5)
    numbers = (transform.a, transform.d, transform.b, transform.e, x, y)
    return "".join(f"{number!r}\n" for number in map(float, numbers))


@contextlib.contextmanager
def _no_lines_of_libraries() -> Iterator[None]:
    """Leave out what libtiff and libpng print of a failed write: past Python, straight to the terminal."""
    try:
        kept = os.dup(2)
    except OSError:  # no terminal
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the warning that a raster has no georeference."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
