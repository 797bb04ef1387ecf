"""Files that come in: which are taken, under which name, and how they reach the disk without passing through memory."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from tornado.web import RequestHandler, stream_request_body

from glaciertime.dashboard.workplace import Workplace, at_key
from glaciertime.errors import InputError

__all__ = ["IMAGES", "KINDS", "SERIES", "VECTORS", "UploadHandler", "check_content", "checked_name"]

IMAGES = (".tif", ".tiff", ".png", ".jp2", ".jpg", ".jpeg")
VECTORS = (".gpkg", ".geojson", ".kml")
SERIES = (".csv", ".txt", ".xlsx", ".parquet")
#: What each kind of upload takes.
KINDS = {"images": IMAGES, "explained": IMAGES, "scenes": (*IMAGES, *VECTORS), "vectors": VECTORS, "series": SERIES}
_LONGEST = 120
#: Of a name, with what is added to it for the files that are made of it; a file system takes 255.
_LONGEST_BYTES = 200
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PICTURES = (*_TIFF, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_HEAD_BYTES = 4096
_PART = ".part"
#: Bytes of a file too large, not kept, that are read to answer its sender; beyond them the line is cut.
_READ_AND_DROPPED = 20_000_000_000


def checked_name(name: str, *, kind: str) -> str:
    """Return the name under which a file is kept, its letters composed as most systems write them.

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
    name = unicodedata.normalize("NFC", name)
    shown = name[:_LONGEST]
    if name != PurePosixPath(name).name or name != PureWindowsPath(name).name or name.startswith("."):
        raise InputError(f"'{shown}' names a folder; bring the file under its own name")
    if len(name) > _LONGEST or len(name.encode()) > _LONGEST_BYTES:
        raise InputError(f"'{shown}' is too long for the name of a file; rename it")
    if re.search(r"[^\w .,()+=@-]", name):
        raise InputError(f"'{shown}' has characters that are not taken in the name of a file; rename it")
    if Path(name).suffix.lower() not in KINDS[kind]:
        raise InputError(f"'{shown}' is not taken here; bring {', '.join(KINDS[kind])}")
    return name


def check_content(path: Path, name: str) -> None:
    """Refuse a file whose content is not of the kind that its name says.

    GDAL goes by the content: a text that names other files of the server, or addresses, would be read as an image or
    as outlines whatever the file is called.

    Raises
    ------
    InputError
        For an image that is no TIFF, PNG, JPEG or JPEG 2000, and outlines that are no GeoPackage, GeoJSON or KML.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    suffix = Path(name).suffix.lower()
    if suffix in IMAGES and not head.startswith(_PICTURES):
        raise InputError(f"{name} is no raster that can be read; bring a GeoTIFF, a PNG, a JPEG or a JPEG 2000")
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    is_vector = {
        ".gpkg": head.startswith(b"SQLite format 3\0"),
        ".geojson": text.startswith(("{", "[")),
        ".kml": "<kml" in text and "<OGRVRT" not in text,
    }
    if not is_vector.get(suffix, True):
        raise InputError(f"{name} is no {suffix[1:]} by its content; bring a GeoPackage, a GeoJSON or a KML")


@stream_request_body
class UploadHandler(RequestHandler):
    """Takes one file by POST ``/upload?key=...&kind=...&name=...``, and answers with its name or one sentence."""

    def initialize(self) -> None:
        self.target: Path | None = None
        self.file: Any = None
        self.received = 0
        self.room_bytes = 0.0
        self.refusal = ""
        self.place: Workplace | None = None

    def _request_summary(self) -> str:
        """Return what the log says of it: not its key."""
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

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
        self.room_bytes = place.room_mb() * 1e6
        # What does not say how large it is has to be read to its end, or its sender never hears why it was refused.
        self.request.connection.set_max_body_size(_READ_AND_DROPPED)  # type: ignore[union-attr]
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
        if self.received > self.room_bytes and self.place is not None and self.target is not None:
            self._drop()
            try:
                self.place.check_room(self.target.name, self.received / 1e6)
                self.refusal = f"{self.target.name}: there was no room for it; bring it again"
            except InputError as error:
                self.refusal = str(error)
            return
        self.file.write(chunk)

    def post(self) -> None:
        """Give the whole file its name."""
        if self.refusal:
            self._refuse(413, self.refusal)
            return
        if self.file is None or self.target is None:
            return
        self.file.close()
        told = self.request.headers.get("Content-Length")
        if told is not None and int(told) != self.received:
            self._drop()
            self._refuse(400, f"{self.target.name} did not arrive whole; bring it again")
            return
        part = Path(f"{self.target}{_PART}")
        try:
            check_content(part, self.target.name)
        except InputError as error:
            part.unlink()
            self.file = None
            self._refuse(415, str(error))
            return
        part.replace(self.target)
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
