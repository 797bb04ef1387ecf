"""One request for a file, or for the rest of one: what the server answers is checked before a byte counts.

Only http and https are spoken, whatever a server redirects to. The rest of a file is taken only from the same version
of it: the strong ``ETag`` of before, or a checksum to come, and a ``Content-Range`` that says just the bytes asked for.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.parse import urlsplit

from glaciertime.errors import DataNotFoundError, InputError

__all__ = ["Answer", "BrokenOffError", "Reply", "StartOverError", "ask", "check_url", "request"]

#: Answers that may be another one a moment later.
_PASSING = (408, 425, 429)
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_LENGTH = re.compile(r"\d{1,18}")
#: The head of an answer, and one step of its body, may take so many times as long as a silent server is waited for.
_PATIENCE = 2.0
_LOOK_S = 0.25
#: A connection that brings less in a minute is taken for dead.
_SLOWEST_S, _LEAST_BYTES = 60.0, 1 << 14


class BrokenOffError(Exception):
    """The connection failed; asked again, it may not. ``wait_s``: how long the server wants to be left alone first."""

    def __init__(self, reason: str, *, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class StartOverError(Exception):
    """The server gave something else than the rest of what is there; the file has to be fetched from its start."""


def check_url(url: str) -> str:
    """Return a URL that a file may be fetched from.

    Raises
    ------
    InputError
        Where it is not one of http or https with a host.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if fine and parts.username is not None:
        raise InputError(
            f"url of {parts.hostname}: a name and a password stand in it, which would get into logs; leave them out"
        )
    if not fine or not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(f"url '{url[:200]}': an address that begins with https:// or http:// expected")
    return url


class _Watch:
    """Ends a connection on which one step takes too long, though bytes trickle in: no time-out of a socket sees that.

    An answer's head that never ends, endless trailers behind its last chunk, a byte a second.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._due = math.inf
        self._is_over = threading.Event()
        self.has_ended_it = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while not self._is_over.wait(_LOOK_S):
            if time.monotonic() > self._due:
                self.has_ended_it = True
                with contextlib.suppress(OSError, ValueError):
                    self._connection.shutdown(socket.SHUT_RDWR)
                return

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Allow the block so long."""
        self._due = time.monotonic() + seconds
        try:
            yield
        finally:
            self._due = math.inf

    def end(self) -> None:
        self._is_over.set()


class _Watched(http.client.HTTPConnection):
    """A connection whose answer has to begin in time."""

    def getresponse(self) -> HTTPResponse:
        watch = _Watch(self.sock)
        try:
            with watch.at_most(_PATIENCE * (self.timeout or _LOOK_S)):
                response = super().getresponse()
        except BaseException:
            watch.end()
            raise
        response.watch = watch  # type: ignore[attr-defined]
        return response


class _WatchedSafely(_Watched, http.client.HTTPSConnection):
    """The same, encrypted."""


class _Handler(urllib.request.AbstractHTTPHandler):
    """Opens http and https."""

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Watched, req)  # type: ignore[arg-type, return-value]

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        secure = ssl.create_default_context()
        return self.do_open(_WatchedSafely, req, context=secure)  # type: ignore[arg-type, return-value]


class _Unread:
    """The body of an answer that only leads elsewhere: it may have no end, and nobody wants it."""

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body

    def read(self) -> bytes:
        return b""

    def close(self) -> None:
        _end(self._body)


def _end(response: Any) -> None:
    """Close an answer, with what watches it."""
    watch = getattr(response, "watch", None)
    if watch is not None:
        watch.end()
    response.close()


class _Redirects(urllib.request.HTTPRedirectHandler):
    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> Any:
        return super().http_error_302(req, _Unread(fp), code, msg, headers)  # type: ignore[arg-type]

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_url(newurl)
        except InputError as error:
            raise InputError(
                f"{req.full_url}: the server sends elsewhere, to {newurl[:200]!r}, which is no https"
            ) from error
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise InputError(
                f"{req.full_url}: the server sends to {newurl[:200]}, which is not encrypted; not followed"
            )
        if req.data is not None and code != 303:
            # Without its body a search would be answered with everything there is.
            return urllib.request.Request(newurl, data=req.data, headers=dict(req.headers), method=req.get_method())
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows http and https, no file, ftp or data."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        _Handler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
        _Redirects,
    ):
        opener.add_handler(handler())
    return opener


@dataclass(frozen=True)
class Answer:
    """What a server gives of a file.

    Attributes
    ----------
    start : int
        The first byte that comes.
    total : int or None
        Bytes of the whole file, where the server tells.
    etag : str
        What tells versions of the file apart; empty where the server does not tell for sure.
    ends_surely : bool
        Whether the end of the bytes can be told from a connection that broke.
    patience_s : float
        How long one step of reading may take.
    """

    start: int
    total: int | None
    etag: str
    ends_surely: bool
    patience_s: float
    _response: HTTPResponse

    def chunks(self, size_bytes: int) -> Iterator[bytes]:
        """Give the bytes as they come.

        Raises
        ------
        BrokenOffError
            Where the connection fails.
        """
        watch: _Watch = self._response.watch  # type: ignore[attr-defined]
        while True:
            with _as_broken_off(), watch.at_most(self.patience_s):
                chunk = self._response.read1(size_bytes)
            if watch.has_ended_it:  # what ended then looks like an end
                raise BrokenOffError("the answer has no end")
            if not chunk:
                return
            yield chunk


@dataclass(frozen=True)
class Reply:
    """A short answer that came whole: its status, its headers (names in small letters), its bytes."""

    status: int
    headers: dict[str, str]
    content: bytes


def ask(
    url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None, most_bytes: int, timeout_s: float
) -> Reply:
    """Ask once for a short answer, and take the whole of it.

    Parameters
    ----------
    url : str
    body : bytes, optional
        What is sent along; with it the request is a POST, and stays one where the server sends elsewhere.
    headers : dict, optional
    most_bytes : int
        An answer that is longer is refused.
    timeout_s : float
        How long a silent server is waited for.

    Raises
    ------
    DataNotFoundError
        Where the server refuses.
    InputError
        Where the answer is too long, or leads elsewhere.
    BrokenOffError
        Where the connection fails, the answer is cut short, or the server has no time.
    """
    sent = {"Accept-Encoding": "identity", "User-Agent": "glaciertime", **(headers or {})}
    asked = urllib.request.Request(check_url(url), data=body, headers=sent, method="GET" if body is None else "POST")
    response = _open(asked, timeout_s, have=0)
    assert response is not None  # only the rest of a file can be nothing
    try:
        found = {name.lower(): value.strip() for name, value in response.headers.items()}
        if (coding := found.get("content-encoding", "identity").lower()) != "identity":
            raise InputError(f"{url}: the server sends it packed as {coding[:40]!r}, which was not asked for")
        _check_one_length(url, response)
        given = found.get("content-length")
        if given is not None and not _LENGTH.fullmatch(given):
            raise InputError(f"{url}: the server announces {given[:40]!r} bytes; a number expected")
        if given is None and not getattr(response, "chunked", False):
            raise BrokenOffError("the server tells no length, so that nobody can tell where its answer ends")
        if given is not None and int(given) > most_bytes:
            raise InputError(f"{url}: the server announces {int(given)} bytes, at most {most_bytes} expected")
        answer = Answer(
            start=0, total=None, etag="", ends_surely=True, patience_s=_PATIENCE * timeout_s, _response=response
        )
        content = bytearray()
        since, before = time.monotonic(), 0
        for chunk in answer.chunks(1 << 16):
            content += chunk
            if time.monotonic() - since > _SLOWEST_S:
                if len(content) - before < _LEAST_BYTES:
                    raise BrokenOffError(f"the server sent {len(content) - before} bytes in {_SLOWEST_S:.0f} s")
                since, before = time.monotonic(), len(content)
            if len(content) > most_bytes:
                raise InputError(f"{url}: the server sends more than {most_bytes} bytes; that many at most expected")
        if given is not None and len(content) != int(given):
            raise BrokenOffError(f"the connection broke off after {len(content)} of {given} bytes")
        return Reply(response.status, found, bytes(content))
    finally:
        _end(response)


def _check_one_length(url: str, response: HTTPResponse) -> None:
    """Refuse an answer that announces several lengths: whoever believes one of them may keep a part for the whole."""
    lengths = {text.strip() for given in response.headers.get_all("Content-Length", []) for text in given.split(",")}
    if len(lengths) > 1:
        raise InputError(
            f"{url}: the server announces several lengths ({', '.join(sorted(lengths))[:80]}); one expected"
        )


def _wait_s(told: str | None) -> float:
    """Return how long a server asks to be left alone, in seconds; 0 where it does not say so in a number."""
    return float(told) if told is not None and re.fullmatch(r"\d{1,6}", told.strip()) else 0.0


@contextmanager
def _as_broken_off() -> Iterator[None]:
    try:
        yield
    except (HTTPException, OSError, EOFError, ValueError) as error:
        raise BrokenOffError(_reason(error)) from error


@contextmanager
def request(url: str, *, have: int, etag: str, timeout_s: float) -> Iterator[Answer | None]:
    """Ask for a file from byte ``have`` on.

    Parameters
    ----------
    url : str
    have : int
        Bytes that are there.
    etag : str
        The version that they are of; empty where unknown.
    timeout_s : float
        How long a silent server is waited for.

    Yields
    ------
    Answer, or None where nothing is missing any more

    Raises
    ------
    DataNotFoundError
        Where the server refuses.
    InputError
        Where the answer cannot be used, or leads elsewhere.
    BrokenOffError
    StartOverError
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": "glaciertime"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if etag:
            headers["If-Range"] = etag
    response = _open(urllib.request.Request(check_url(url), headers=headers), timeout_s, have=have)
    if response is None:
        yield None
        return
    try:
        yield _checked(url, response, have=have, etag=etag, patience_s=_PATIENCE * timeout_s)
    finally:
        _end(response)


def _open(asked: urllib.request.Request, timeout_s: float, *, have: int) -> HTTPResponse | None:
    url = asked.full_url
    try:
        response: Any = _opener().open(asked, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with contextlib.closing(_Unread(error.fp)):
            if error.code == 416 and have:
                told = re.fullmatch(r"bytes \*/(\d{1,18})", error.headers.get("Content-Range", ""))
                if told and int(told[1]) == have:
                    return None
                raise StartOverError("the server has no bytes after those that are there") from error
            if error.code >= 500 or error.code in _PASSING:
                wait_s = _wait_s(error.headers.get("Retry-After"))
                raise BrokenOffError(f"the server answers {error.code} {error.reason}", wait_s=wait_s) from error
            raise DataNotFoundError(f"{url}: the server answers {error.code} {error.reason}") from error
    except UnicodeError as error:
        raise InputError(f"{url}: the server's answer cannot be read ({error})") from error
    except InputError:
        raise
    except (HTTPException, OSError, ValueError) as error:
        raise BrokenOffError(_reason(error)) from error
    if response is None:
        raise InputError(f"url '{url}': an address that begins with https:// or http:// expected")
    return response  # type: ignore[no-any-return]


def _reason(error: Exception) -> str:
    text = str(getattr(error, "reason", error)) or type(error).__name__
    return " ".join(text.split())[:200]


def _checked(url: str, response: HTTPResponse, *, have: int, etag: str, patience_s: float) -> Answer:
    """Return an answer whose headers say what was asked for."""
    if (coding := response.headers.get("Content-Encoding", "identity").strip().lower()) != "identity":
        raise InputError(f"{url}: the server sends the file packed as {coding[:40]!r}, which was not asked for")
    given = response.headers.get("Content-Length")
    if given is not None and not _LENGTH.fullmatch(given.strip()):
        raise InputError(f"{url}: the server announces {given[:40]!r} bytes; a number expected")
    _check_one_length(url, response)
    length = None if given is None else int(given)
    found = response.headers.get("ETag", "").strip()
    found = found if re.fullmatch(r'"[\x21\x23-\x7e]{1,500}"', found) else ""
    surely = length is not None or bool(getattr(response, "chunked", False))
    if response.status == 200:
        return Answer(start=0, total=length, etag=found, ends_surely=surely, patience_s=patience_s, _response=response)
    if response.status != 206 or not have:
        raise InputError(f"{url}: the server answers {response.status} where a whole file was asked for")
    told = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if told is None or int(told[1]) != have:
        raise StartOverError("the server gives other bytes than those asked for")
    last, total = int(told[2]), None if told[3] == "*" else int(told[3])
    if last < have or (length is not None and length != last - have + 1) or (total is not None and last >= total):
        raise StartOverError("the server gives another number of bytes than it says")
    if etag and found != etag:
        raise StartOverError("the file on the server is another one by now")
    whole = last + 1 if total is None else total
    return Answer(start=have, total=whole, etag=found, ends_surely=True, patience_s=patience_s, _response=response)
