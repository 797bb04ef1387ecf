"""One request for a file, or for the rest of one: what the server answers is checked before a byte counts.

Only http and https are spoken, whatever a server redirects to. The rest of a file is taken only from the same version
of it: the strong ``ETag`` of before, or a checksum to come, and a ``Content-Range`` that says just the bytes asked for.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.parse import urlsplit

from glaciertime.errors import DataNotFoundError, InputError

__all__ = ["Answer", "BrokenOffError", "StartOverError", "check_url", "request"]

#: Answers that may be another one a moment later.
_PASSING = (408, 425, 429)
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_LENGTH = re.compile(r"\d{1,18}")


class BrokenOffError(Exception):
    """The connection failed; asked again, it may not."""


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
    if not fine or not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(f"url '{url[:200]}': an address that begins with https:// or http:// expected")
    return url


class _Redirects(urllib.request.HTTPRedirectHandler):
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
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows http and https, no file, ftp or data."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
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
    """

    start: int
    total: int | None
    etag: str
    ends_surely: bool
    _response: HTTPResponse

    def chunks(self, size_bytes: int) -> Iterator[bytes]:
        """Give the bytes as they come.

        Raises
        ------
        BrokenOffError
            Where the connection fails.
        """
        with _as_broken_off():
            while chunk := self._response.read1(size_bytes):
                yield chunk


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
    with response:
        yield _checked(url, response, have=have, etag=etag)


def _open(asked: urllib.request.Request, timeout_s: float, *, have: int) -> HTTPResponse | None:
    url = asked.full_url
    try:
        response: Any = _opener().open(asked, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:
                told = re.fullmatch(r"bytes \*/(\d{1,18})", error.headers.get("Content-Range", ""))
                if told and int(told[1]) == have:
                    return None
                raise StartOverError("the server has no bytes after those that are there") from error
            if error.code >= 500 or error.code in _PASSING:
                raise BrokenOffError(f"the server answers {error.code} {error.reason}") from error
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


def _checked(url: str, response: HTTPResponse, *, have: int, etag: str) -> Answer:
    """Return an answer whose headers say what was asked for."""
    if (coding := response.headers.get("Content-Encoding", "identity").strip().lower()) != "identity":
        raise InputError(f"{url}: the server sends the file packed as {coding[:40]!r}, which was not asked for")
    given = response.headers.get("Content-Length")
    if given is not None and not _LENGTH.fullmatch(given.strip()):
        raise InputError(f"{url}: the server announces {given[:40]!r} bytes; a number expected")
    length = None if given is None else int(given)
    found = response.headers.get("ETag", "").strip()
    found = found if re.fullmatch(r'"[\x21\x23-\x7e]{1,500}"', found) else ""
    surely = length is not None or bool(getattr(response, "chunked", False))
    if response.status == 200:
        return Answer(start=0, total=length, etag=found, ends_surely=surely, _response=response)
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
    return Answer(start=have, total=whole, etag=found, ends_surely=True, _response=response)
