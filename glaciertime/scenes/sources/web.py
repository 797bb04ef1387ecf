"""Requests to catalogues and to the files that they name: confined, tried again, counted, never endless."""

from __future__ import annotations

import ipaddress
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urljoin, urlsplit

from glaciertime.documents import parse_json
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.transfer import BrokenOffError, Reply, ask, check_url

__all__ = ["PLANETARY_COMPUTER", "Ranges", "Signer", "Web", "asset_address", "shown"]

#: Where tokens for the files of the Planetary Computer are had; ``{collection}`` stands for that of the scene.
PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/sas/v1/token/{collection}"

#: Before the second try.
WAIT_S = 1.0
#: What a server that wants to be left alone is waited for at most.
_LONGEST_WAIT_S = 60.0
_BLOCK_BYTES = 1 << 16
#: A server that knows no ranges gives the whole file: one of this size is taken.
_WHOLE_BYTES = 64_000_000
#: The most that one request asks for.
_MOST_BYTES = 64 * _BLOCK_BYTES
#: A token of the Planetary Computer holds for an hour.
_TOKEN_S = 1200.0
_TOKEN_BYTES = 100_000
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


@dataclass
class Web:
    """How servers are asked, and what it has cost so far.

    Attributes
    ----------
    timeout_s : float
        How long a silent server is waited for.
    tries : int
        How often one thing is asked for before it counts as not to be had.
    wait_s : float
        Before the second try; longer before each further one, and as long as the server says where it does.
    requests, bytes_read : int
        So far.
    """

    timeout_s: float = 30.0
    tries: int = 5
    wait_s: float = field(default_factory=lambda: WAIT_S)
    sleep: Callable[[float], None] = time.sleep
    #: Tokens by the address that they were had from, and when.
    tokens: dict[str, tuple[float, str]] = field(default_factory=dict, init=False, repr=False)
    requests: int = field(default=0, init=False)
    bytes_read: int = field(default=0, init=False)

    def get(
        self, url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None, most_bytes: int
    ) -> Reply:
        """Return an answer, asked for again where the connection broke off or the server had no time.

        Raises
        ------
        DataNotFoundError
            Where the server refuses, or does not answer in so many tries.
        InputError
            Where its answer cannot be used.
        """
        reason = ""
        for failures in range(1, self.tries + 1):
            self.requests += 1
            try:
                reply = ask(url, body=body, headers=headers, most_bytes=most_bytes, timeout_s=self.timeout_s)
            except BrokenOffError as error:
                reason = str(error)
                if error.wait_s > _LONGEST_WAIT_S:
                    raise DataNotFoundError(
                        f"{shown(url)}: {reason} and wants to be left alone for {error.wait_s:.0f} s; "
                        "run this again then"
                    ) from error
                if failures < self.tries:
                    self.sleep(max(error.wait_s, self.wait_s * failures))
                continue
            except (DataNotFoundError, InputError) as error:
                # What follows the path may be a token: no message, log or archive shows it.
                raise type(error)(str(error).replace(url, shown(url))) from None
            self.bytes_read += len(reply.content)
            return reply
        raise DataNotFoundError(f"{shown(url)}: {reason}, {self.tries} times; run this again later")


def shown(url: str) -> str:
    """Return an address without what follows its path: that may be a token.

    Examples
    --------
    >>> shown("https://a.org/b.tif?sig=secret")
    'https://a.org/b.tif'
    """
    return url.partition("?")[0]


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def asset_address(href: object, *, base: str) -> str:
    """Return the address of a file that a catalogue names, if it is one that a catalogue may name.

    Parameters
    ----------
    href : str
        As the catalogue has it; a relative one counts from ``base``.
    base : str
        Where the item was found.

    Raises
    ------
    InputError
        Where it is no http or https, is less safe than the catalogue's own, or leads from the open network to a
        machine behind the wall.

    Examples
    --------
    >>> asset_address("./B03.tif", base="https://a.org/items/1")
    'https://a.org/items/B03.tif'
    """
    if not isinstance(href, str) or not href.strip():
        raise InputError("it names no address of the file")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)", href)
    if scheme and scheme[0].lower() not in ("http", "https"):
        kind = scheme[0].lower()
        remedy = "take a catalogue whose files have https addresses" if kind in ("s3", "gs") else "nothing else is read"
        raise InputError(f"its address begins with {kind}:, not with https: or http:; {remedy}")
    if "\\" in href or href.startswith("/vsi"):
        raise InputError(f"its address {href[:100]!r} is none of a file on the web")
    try:
        address = urljoin(base, href)
    except ValueError as error:
        raise InputError(f"its address {href[:100]!r} is none of a file on the web") from error
    there, here = urlsplit(check_url(address)), urlsplit(base)
    if here.scheme == "https" and there.scheme != "https":
        raise InputError(f"its address {shown(address)} is not encrypted, and that of the catalogue is; not followed")
    if _is_private(there.hostname or "") and not _is_private(here.hostname or ""):
        raise InputError(f"its address {shown(address)} leads into a private network; not followed")
    return address


class Signer:
    """Tokens that a catalogue wants behind the addresses of its files, one for each collection, kept a while.

    Parameters
    ----------
    address : str
        ``planetary-computer``, or where a token is had: it answers ``{"token": "..."}``. ``{collection}`` in it stands
        for the collection of a scene.
    web : Web
    """

    def __init__(self, address: str, *, web: Web) -> None:
        self._address = PLANETARY_COMPUTER if address == "planetary-computer" else address
        self._web = web

    def signed(self, address: str, collection: str) -> str:
        """Return the address of a file with its token, which no file and no message shows.

        Raises
        ------
        DataNotFoundError, InputError
            Where there is none to be had.
        """
        where = self._address.replace("{collection}", quote(collection, safe=""))
        had, token = self._web.tokens.get(where, (-math.inf, ""))
        if time.monotonic() - had > _TOKEN_S:
            answer = self._web.get(where, most_bytes=_TOKEN_BYTES).content
            told = parse_json(answer, what=f"the answer of {shown(where)}", remedy="does it give tokens? See --sign")
            token = told.get("token", "") if isinstance(told, dict) else ""
            if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
                raise InputError(f"the answer of {shown(where)} holds no token; see --sign")
            self._web.tokens[where] = (time.monotonic(), token)
        return f"{address}{'&' if '?' in address else '?'}{token}"


class Ranges:
    """A file on a server, read in pieces: what GDAL asks for is fetched in blocks, and each block once.

    Parameters
    ----------
    url : str
    web : Web

    Attributes
    ----------
    size : int
        Bytes of the whole file.
    etag : str
        What tells versions of it apart; empty where the server does not tell.

    Raises
    ------
    DataNotFoundError, InputError
        Where it cannot be had, or changes while it is read.
    """

    def __init__(self, url: str, *, web: Web) -> None:
        self.url = url
        self._web = web
        self._blocks: dict[int, bytes] = {}
        self._at = 0
        self.size = -1
        self.etag = ""
        self.modified = ""
        self._fetch(0, 1)

    def _fetch(self, first: int, count: int) -> None:
        """Fetch blocks ``first`` to ``first + count - 1``."""
        start, stop = first * _BLOCK_BYTES, (first + count) * _BLOCK_BYTES
        if self.size >= 0:
            stop = min(stop, self.size)
        headers = {"Range": f"bytes={start}-{stop - 1}"}
        most = max(stop - start, _WHOLE_BYTES if self.size < 0 else 0)
        reply = self._web.get(self.url, headers=headers, most_bytes=most)
        etag, modified = reply.headers.get("etag", ""), reply.headers.get("last-modified", "")
        if reply.status == 200:
            start, total = 0, len(reply.content)
        else:
            told = _CONTENT_RANGE.fullmatch(reply.headers.get("content-range", ""))
            if reply.status != 206 or told is None or int(told[1]) != start:
                raise InputError(f"{shown(self.url)}: the server gives other bytes than those asked for")
            total = int(told[3])
            if len(reply.content) != int(told[2]) + 1 - start or int(told[2]) + 1 != min(stop, total):
                raise InputError(f"{shown(self.url)}: the server gives another number of bytes than asked for")
        if self.size >= 0 and (total, etag) != (self.size, self.etag):
            raise InputError(f"{shown(self.url)}: the file on the server changed while it was read; run this again")
        if total == 0:
            raise InputError(f"{shown(self.url)} is empty (0 bytes)")
        self.size, self.etag, self.modified = total, etag, modified
        for offset in range(0, len(reply.content), _BLOCK_BYTES):
            self._blocks[(start + offset) // _BLOCK_BYTES] = reply.content[offset : offset + _BLOCK_BYTES]

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes, fewer at the end."""
        stop = self.size if count is None or count < 0 else min(self._at + count, self.size)
        if stop <= self._at:
            return b""
        first, last = self._at // _BLOCK_BYTES, (stop - 1) // _BLOCK_BYTES
        missing = [block for block in range(first, last + 1) if block not in self._blocks]
        while missing:
            run = [block for place, block in enumerate(missing) if block == missing[0] + place]
            run = run[: _MOST_BYTES // _BLOCK_BYTES]
            self._fetch(run[0], len(run))
            missing = [block for block in missing if block not in self._blocks]
        content = b"".join(self._blocks[block] for block in range(first, last + 1))
        begin = self._at - first * _BLOCK_BYTES
        content = content[begin : begin + stop - self._at]
        self._at = stop
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in the file."""
        self._at = offset + {0: 0, 1: self._at, 2: self.size}[whence]
        return self._at

    def tell(self) -> int:
        """Return the place in the file."""
        return self._at

    def close(self) -> None:
        """Forget the place; what was fetched is kept for the next reader of the same file."""
        self._at = 0

    def __enter__(self) -> Ranges:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
