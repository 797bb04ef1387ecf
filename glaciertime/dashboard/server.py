"""Serves the page: to this machine, or with a token to others."""

from __future__ import annotations

import contextlib
import errno
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import panel as pn

from glaciertime.dashboard.page import page
from glaciertime.dashboard.session import Session
from glaciertime.dashboard.uploads import UploadHandler
from glaciertime.dashboard.workers import warm
from glaciertime.errors import UsageError
from glaciertime.writing.replacement import signals_as_exceptions

if TYPE_CHECKING:
    from glaciertime.archive import Place

__all__ = ["LOCAL", "serve"]

LOCAL = ("127.0.0.1", "localhost", "::1")
_UNUSED_MS = 15_000
_LOOK_MS = 5_000


def serve(
    *, host: str, port: int, archive: Place | None = None, token: str = "", tell: Callable[[str], None] = print
) -> None:
    """Serve the dashboard until it is stopped.

    Parameters
    ----------
    host : str
        Address to listen on.
    port : int
        0 for a free one.
    archive : path or address, optional
        Which every session reads and none writes.
    token : str
        What the address has to hold as ``?token=``; empty for none, on this machine only.
    tell : callable
        Is told the address once it answers.

    Raises
    ------
    UsageError
        Where the port is taken, or the host is none of this machine.
    """
    pn.extension(notifications=False)
    sessions: list[Session] = []

    def session_page() -> Any:
        if token and not hmac.compare_digest(_given_token().encode(), token.encode()):
            return pn.pane.HTML("<p>This address needs its token: open the one that was printed.</p>")
        session = Session(archive)
        sessions.append(session)

        def leave(_: object) -> None:
            session.close()
            with contextlib.suppress(ValueError):
                sessions.remove(session)

        pn.state.on_session_destroyed(leave)
        return page(session)

    try:
        server = pn.serve(
            {"/": session_page}, address=host, port=port, show=False, start=False, title="glaciertime", verbose=False,
            websocket_origin=None if host in LOCAL else "*", extra_patterns=[("/upload", UploadHandler)],
            unused_session_lifetime_milliseconds=_UNUSED_MS, check_unused_sessions_milliseconds=_LOOK_MS,
        )  # fmt: skip
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"--port {port} is taken; give another, or 0 for one that is free") from error
        raise UsageError(f"--host {host}: {error.strerror or error}; give an address of this machine") from error
    warm()
    shown = f"[{host}]" if ":" in host else host
    tell(f"http://{shown}:{server.port}/" + (f"?token={token}" if token else ""))
    try:
        with signals_as_exceptions():
            server.start()
            server.io_loop.start()
    finally:
        for session in list(sessions):
            session.close()


def _given_token() -> str:
    given = pn.state.session_args.get("token", [b""])[0]
    return given.decode(errors="replace")
