"""Whole pictures of a training data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import DataNotFoundError
from glaciertime.scenes.raster_files import check_pixels, open_raster, reading
from glaciertime.walls import wall

__all__ = ["read_picture"]


def read_picture(path: Path) -> NDArray[Any]:
    """Return the pixels of an image file, (H, W) or (H, W, C) in the file's own type.

    Raises
    ------
    DataNotFoundError
        If there is no such file.
    InputError
        If it is no image, or is cut short.

    Examples
    --------
    >>> read_picture(Path("nowhere.png"))
    Traceback (most recent call last):
    ...
    glaciertime.errors.DataNotFoundError: nowhere.png does not exist; complete the folder
    """
    with wall(f"{path} cannot be looked for", "give a name that a file can have"):
        if not path.is_file():
            raise DataNotFoundError(f"{path} does not exist; complete the folder")
    with open_raster(path, what="an image") as header:
        check_pixels(header, bytes_per_pixel=4 * header.count, step="read as a whole")
        # By the same library that an image to be segmented is read with: two do not unpack a JPEG alike, and the
        # numbers of classes in a palette stay numbers.
        with reading(path):
            bands: NDArray[Any] = header.read()
    return bands[0] if len(bands) == 1 else np.moveaxis(bands, 0, -1)
