"""Which of the three kinds of archive a place is of: the one door to them."""

from __future__ import annotations

from glaciertime.archive.file import GeoPackageFile
from glaciertime.archive.places import Place, Server, is_folder
from glaciertime.archive.reading import Tell
from glaciertime.archive.storage import Storage

__all__ = ["storage_at"]


def storage_at(place: Place, *, tell: Tell, wait_seconds: float) -> Storage:
    """Return what keeps the archive at a place: what is there tells, else the name (see ``places.is_folder``).

    Raises
    ------
    MissingExtraError
        For a server where its client is not installed.
    """
    if isinstance(place, Server):
        from glaciertime.archive.server.storage import PostGISServer

        return PostGISServer(place, tell=tell, wait_seconds=wait_seconds)
    if is_folder(place):
        from glaciertime.archive.folder.storage import ParquetFolder

        return ParquetFolder(place, tell=tell, wait_seconds=wait_seconds)
    return GeoPackageFile(place, tell=tell, wait_seconds=wait_seconds)
