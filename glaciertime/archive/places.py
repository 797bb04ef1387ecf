"""Where an archive is: a file, a folder or a server, told from what was typed after ``--archive``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from glaciertime.errors import UsageError

__all__ = ["MARK", "Place", "Server", "is_folder", "is_same_place", "place_of"]

#: One slash is what is left of two where an address was taken for the path of a file.
_SERVER = re.compile(r"(?i)^postgres(?:ql)?:/+")
_OTHER_ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/{1,2}(?=[^/])")
#: The file that makes a folder an archive.
MARK = "glaciertime.json"
_PLACES = "a GeoPackage FILE, a FOLDER, or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True)
class Server:
    """A database on a server. As text it is the address without its password: that is never shown nor stored.

    Attributes
    ----------
    address : str
        As libpq takes it; it may hold a password.
    shown : str
        For people, logs and rows.
    """

    address: str = field(repr=False)
    shown: str

    def __str__(self) -> str:
        return self.shown

    def without_password(self, text: str) -> str:
        """Return a text in which the password of the address, should it be there, is ``***``."""
        parts = urlsplit(self.address)
        query = parse_qs(parts.query)
        secrets = {parts.password or "", *query.get("password", ()), *query.get("sslpassword", ())} - {""}
        for secret in secrets | {unquote(secret) for secret in secrets}:
            text = text.replace(secret, "***")
        return text


Place = Path | Server


def place_of(given: str | Path | Server) -> Place:
    """Return where an archive is.

    Raises
    ------
    UsageError
        For an address that is none of a PostgreSQL server.

    Examples
    --------
    >>> str(place_of("postgresql://anna:geheim@ice.example.org/glaciers"))
    'postgresql://anna@ice.example.org/glaciers'
    >>> place_of("results.gpkg").name
    'results.gpkg'
    """
    if isinstance(given, Server):
        return given
    text = str(given)
    if _SERVER.match(text):
        return _server(_SERVER.sub("postgresql://", text))
    if _OTHER_ADDRESS.match(text) and not Path(text).parent.exists():
        scheme = text.partition(":")[0]
        raise UsageError(f"--archive {scheme}://... is no place of an archive; give {_PLACES}")
    return Path(text)


def _server(address: str) -> Server:
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
        host = parts.hostname or ""
        query = parse_qs(parts.query)
    except ValueError as error:
        raise UsageError(
            "--archive: the address of the server cannot be read (are special characters of the password written "
            "with %, as in p%40ss?); give postgresql://USER@HOST/DATABASE"
        ) from error
    user = f"{parts.username}@" if parts.username else ""
    shown = {name: query[name][0] for name in ("service", "host", "port", "dbname", "user") if name in query}
    rest = "?" + "&".join(f"{name}={value}" for name, value in shown.items()) if shown else ""
    return Server(address, f"postgresql://{user}{f'[{host}]' if ':' in host else host}{port}{parts.path}{rest}")


def is_same_place(one: Place, other: Place) -> bool:
    """Return whether two names are one place."""
    if isinstance(one, Path) and isinstance(other, Path):
        return os.path.realpath(one) == os.path.realpath(other)
    return one == other


def is_folder(path: Path) -> bool:
    """Return whether an archive at a path is one of a folder: there is one, or nothing and the name has no suffix.

    A folder that is called as a file is one where it is marked as an archive.
    """
    if path.is_dir():
        return path.suffix.lower() != ".gpkg" or (path / MARK).exists()
    return not path.suffix and not os.path.lexists(path)
