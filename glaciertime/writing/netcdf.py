"""What the library of NetCDF says where a file cannot be written."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

__all__ = ["netcdf_told"]


@contextlib.contextmanager
def netcdf_told(draft: Path) -> Iterator[None]:
    """Let a failed write be one of the system: of a full disk the library says "HDF error" or "Permission denied".

    Raises
    ------
    OSError
        With the file and no claim of a reason, which is then asked of the disk.
    """
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise OSError(errno.EIO, str(error), str(draft)) from error
