"""Files that come in: which are taken, under which name, and how they reach the disk without passing through memory."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from tornado.web import RequestHandler, stream_request_body

from glaciertime import limits
from glaciertime.dashboard.workplace import Workplace, at_key
from glaciertime.errors import InputError

__all__ = ["IMAGES", "KINDS", "SERIES", "VECTORS", "UploadHandler", "checked_name"]

IMAGES = (".tif", ".tiff", ".png", ".jp2", ".jpg", ".jpeg")
VECTORS = (".gpkg", ".geojson", ".kml")
SERIES = (".csv", ".txt", ".xlsx", ".parquet")
#: What each kind of upload takes.
KINDS = {"images": IMAGES, "scenes": (*IMAGES, *VECTORS), "vectors": VECTORS, "series": SERIES}
_LONGEST = 120
_PART = ".part"


def checked_name(name: str, *, kind: str) -> str:
    """Return the name under which a file is kept.

    Parameters
    ----------
    name : str
        As the browser gives it.
    kind : str
        One of :data:`KINDS`.

    Raises
    ------
    InputError
        For a name with a folder in it, with characters that no file of a scene has, or with another suffix.

    Examples
    --------
    >>> checked_name("LC08_20200801.tif", kind="images")
    'LC08_20200801.tif'
    """
    shown = name[:_LONGEST]
    if name != PurePosixPath(name).name or name != PureWindowsPath(name).name or name.startswith("."):
        raise InputError(f"'{shown}' names a folder; bring the file under its own name")
    if len(name) > _LONGEST or re.search(r"[^\w .,()+=@-]", name):
        raise InputError(f"'{shown}' has characters that are not taken in the name of a file; rename it")
    if Path(name).suffix.lower() not in KINDS[kind]:
        raise InputError(f"'{shown}' is not taken here; bring {', '.join(KINDS[kind])}")
    return name


@stream_request_body
class UploadHandler(RequestHandler):
    """Takes one file by POST ``/upload?key=...&kind=...&name=...``, and answers with its name or one sentence."""

    def initialize(self) -> None:
        self.target: Path | None = None
        self.file: Any = None
        self.received = 0
        self.place: Workplace | None = None

    def prepare(self) -> None:
        """Refuse before the body is read what can be refused."""
        place = at_key(self.get_query_argument("key", ""))
        kind = self.get_query_argument("kind", "")
        if place is None or kind not in KINDS:
            self._refuse(403, "this page has ended; load it again")
            return
        self.place = place
        try:
            name = checked_name(self.get_query_argument("name", ""), kind=kind)
            size_mb = float(self.request.headers.get("Content-Length") or 0) / 1e6
            place.check_room(name, size_mb)
        except (InputError, ValueError) as error:
            self._refuse(413, str(error))
            return
        self.request.connection.set_max_body_size(int(limits.limit("upload-mb") * 1e6) + 1)  # type: ignore[union-attr]
        folder = place.folder / kind
        folder.mkdir(exist_ok=True)
        self.target = folder / name
        self.file = (folder / f"{name}{_PART}").open("wb")

    def _refuse(self, status: int, sentence: str) -> None:
        self.set_status(status)
        self.set_header("Connection", "close")
        self.finish({"refused": sentence})

    def data_received(self, chunk: bytes) -> None:
        """Keep a piece of it."""
        if self.file is None:
            return
        self.received += len(chunk)
        self.file.write(chunk)

    def post(self) -> None:
        """Give the whole file its name."""
        if self.file is None or self.target is None:
            return
        self.file.close()
        told = self.request.headers.get("Content-Length")
        if told is not None and int(told) != self.received:
            self._drop()
            self._refuse(400, f"{self.target.name} did not arrive whole; bring it again")
            return
        Path(f"{self.target}{_PART}").replace(self.target)
        self.file = None
        self.finish({"name": self.target.name})

    def on_connection_close(self) -> None:
        """Leave nothing behind of a file that did not arrive."""
        self._drop()

    def _drop(self) -> None:
        if self.file is not None and self.target is not None:
            self.file.close()
            self.file = None
            with contextlib.suppress(OSError):
                Path(f"{self.target}{_PART}").unlink()
