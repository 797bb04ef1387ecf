"""``glaciertime dashboard``: the page in the browser."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from glaciertime.cli.common import ArchiveOption, LimitOption, note
from glaciertime.errors import MissingExtraError

__all__ = ["dashboard"]


def dashboard(
    port: Annotated[int, typer.Option(min=0, max=65535, help="To listen on; 0 for any that is free.")] = 5006,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs the token that is printed.")
    ] = "127.0.0.1",
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    limit: LimitOption = None,
) -> None:
    """Serve a page to look at glaciers, segment images, track, draw, forecast and explain, until Ctrl-C.

    Every session has a folder and an archive of its own, which go when it is left; the archive given is read and not
    written. Each button shows the command that it ran.

    Examples:

    glaciertime dashboard

    glaciertime dashboard --port 5010 --archive glaciertime.gpkg
    """
    try:
        from glaciertime.dashboard.server import LOCAL, serve
    except ImportError as error:
        raise MissingExtraError("glaciertime dashboard", extra="dashboard") from error
    from glaciertime.archive import Archive

    given = archive if Archive(archive).exists() else None
    if given is None:
        note(f"there is no archive {archive}: the page begins with nothing to look at")
    token = "" if host in LOCAL else secrets.token_urlsafe(16)
    place = None if given is None else _absolute(given)
    serve(host=host, port=port, archive=place, token=token, tell=lambda at: note(f"{at} shows it; Ctrl-C stops it"))


def _absolute(place: Path) -> Path:
    return place.resolve() if isinstance(place, Path) else place
