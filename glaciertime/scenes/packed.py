"""What files that are packed unpack to, told before they are: zips, workbooks, Parquet, arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime import limits
from glaciertime.errors import InputError
from glaciertime.walls import wall

__all__ = ["check_layer_zip", "check_parquet", "check_shapefile", "check_zip", "read_array"]


def check_zip(path: Path, *, what: str) -> None:
    """Refuse a zip, or a workbook, whose members together are larger than a table may be.

    Raises
    ------
    InputError
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    limits.check("files", len(members), what)
    limits.check("table-mb", sum(member.file_size for member in members) / 1e6, what)


def check_layer_zip(path: Path, *, what: str) -> None:
    """Refuse a zip of vector files that unpacks to much more than such files do.

    Raises
    ------
    InputError
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    limits.check("files", len(members), what)
    size = sum(member.file_size for member in members)
    limits.unpacked_bytes(size, packed=path.stat().st_size, what=what)


def check_parquet(source: Any, *, what: str) -> None:
    """Refuse a Parquet file of more cells than a table may have, by its footer.

    Raises
    ------
    InputError
    """
    from pyarrow import parquet

    footer = parquet.read_metadata(source)
    limits.check("cells", footer.num_rows * max(1, footer.num_columns), what)
    size = sum(footer.row_group(index).total_byte_size for index in range(footer.num_row_groups))
    limits.check("table-mb", size / 1e6, what)
    with wall(f"{what} cannot be read as Parquet", "is it damaged?"):
        # Texts that are no UTF-8 are found here: some versions of pandas find them where they are used.
        parquet.read_table(source).validate(full=True)
    if hasattr(source, "seek"):
        source.seek(0)


def check_shapefile(path: Path) -> None:
    """Refuse a shapefile whose parts do not hold equally many rows: what one of them lacks would be lost unsaid.

    Raises
    ------
    InputError
    """
    counts: dict[str, int] = {}
    for other in path.parent.iterdir():
        ending = other.suffix.lower()
        if other.stem != path.stem or ending not in (".shx", ".dbf"):
            continue
        with other.open("rb") as stream:
            head = stream.read(8)
        if len(head) < 8:
            raise InputError(f"{other.name} is cut short; copy all parts of {path.name} again")
        counts[ending] = int.from_bytes(head[4:], "little") if ending == ".dbf" else (other.stat().st_size - 100) // 8
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} in {path.stem}{ending}" for ending, count in sorted(counts.items()))
        raise InputError(f"{path.name}: its parts hold different numbers of rows ({told}); copy all of them again")


def read_array(path: Path) -> NDArray[np.generic]:
    """Return the array of an ``.npy`` file of numbers; what its header claims must be there.

    Raises
    ------
    InputError
        Where it is no such file, is cut short, or holds objects: these would run code.
    """
    with wall(f"{path} is not a plain array", "fetch it again"):
        size = path.stat().st_size
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in readers:
                raise InputError(f"{path} is of version {version} of the format, 1.0 or 2.0 expected; save it again")
            shape, _, dtype = readers[version](stream)
            if dtype.kind not in "biuf":
                raise InputError(f"{path} is not a plain array (it holds {dtype}); save it as an array of numbers")
            claimed = float(np.prod([float(each) for each in shape])) * dtype.itemsize
            if min(shape, default=0) < 0 or claimed > size - stream.tell():
                raise InputError(f"{path} claims {shape} values of {dtype} and is shorter; fetch it again")
        limits.check("raster-gb", claimed * (1 + 4 / dtype.itemsize) / 1e9, path.name)
        # allow_pickle=False: an array of objects would run code.
        array: NDArray[np.generic] = np.load(path, allow_pickle=False)
    return array
