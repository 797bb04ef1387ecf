"""Whole pictures of a training data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from glaciertime.errors import DataNotFoundError, InputError

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
    if not path.is_file():
        raise DataNotFoundError(f"{path} does not exist; complete the folder")
    # Imported here: every track looks whether there are pictures, few read one.
    from skimage import io

    try:
        picture: NDArray[Any] = io.imread(path)
    except (OSError, ValueError, SyntaxError) as error:
        # Pillow calls a damaged PNG a syntax error.
        raise InputError(f"{path} cannot be read as an image; is it cut short? Fetch it again") from error
    return picture
