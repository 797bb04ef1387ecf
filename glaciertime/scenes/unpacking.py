"""Archives of downloads, unpacked within limits and inside their folder."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from glaciertime import limits
from glaciertime.errors import InputError
from glaciertime.writing import write_bytes
from glaciertime.writing.folders import folder_draft

__all__ = ["unpack"]

_CHUNK_BYTES = 1 << 20
_SPACE, _DELETE = 32, 127


def unpack(path: Path) -> None:
    """Unpack a zip archive into its own folder, once.

    Raises
    ------
    InputError
        Where it is no zip archive, is damaged, holds more than the limits (``files``, ``unpacked-gb``,
        ``unpacked-ratio``) allow, or a member that is a link or lies outside the folder.
    WritingError
        Where a file could not be written, or another file of its name is there; nothing is unpacked then.
    """
    done = path.with_name(f"{path.name}.unpacked")
    if done.is_file():
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked(path, archive)
            with folder_draft(path.parent, path.name) as draft:
                for member in members:
                    _extract(archive, member, draft)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError) as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{path.name} cannot be unpacked ({reason}); delete it and fetch it again") from error
    write_bytes(done, f"{len(members)} files\n".encode(), option="", overwrite=True)


def _checked(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files of an archive whose names and sizes are allowed."""
    members = [member for member in archive.infolist() if not member.filename.endswith("/")]
    limits.check("files", len(members), f"{path.name} was not unpacked")
    names: set[str] = set()
    for member in members:
        name = member.filename
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name:
            raise InputError(f"{path.name} holds '{name}', which lies outside its folder; it was not unpacked")
        if any(ord(letter) < _SPACE or ord(letter) == _DELETE for letter in name):
            raise InputError(f"{path.name} holds {name!r}, a name with control characters; it was not unpacked")
        if any(part.startswith(".") and part.endswith((".draft", ".ready")) for part in parts):
            raise InputError(f"{path.name} holds '{name}', a name kept for drafts; it was not unpacked")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{path.name} holds '{name}', which is a link; it was not unpacked")
        if name in names:
            raise InputError(f"{path.name} holds '{name}' twice; it was not unpacked")
        names.add(name)
    size = sum(member.file_size for member in members)
    limits.unpacked_bytes(size, packed=path.stat().st_size, what=f"{path.name} was not unpacked: it")
    return members


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, draft: Path) -> None:
    target = draft / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(draft / member.filename, "xb") as stream:
        for content in _content(archive, member):
            stream.write(content)


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Give the bytes of a member; what goes wrong in reading is told apart from what goes wrong in writing."""
    left = member.file_size
    try:
        with archive.open(member) as source:
            while content := source.read(_CHUNK_BYTES):
                left -= len(content)
                if left < 0:
                    raise zipfile.BadZipFile(f"'{member.filename}' is longer than it says")
                yield content
    except OSError as error:
        raise zipfile.BadZipFile(f"'{member.filename}': {error.strerror or error}") from error
