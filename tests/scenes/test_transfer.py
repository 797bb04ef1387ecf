"""Servers that mean harm, or are broken: nothing is written outside, glued together, endless, or a traceback."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glaciertime import limits
from glaciertime.__main__ import run
from glaciertime.catalog import DataFile
from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError, WritingError
from glaciertime.scenes.download import fetch_file
from glaciertime.scenes.transfer import check_url
from glaciertime.writing.parts import Part

OLD = bytes(range(256)) * 400
NEW = bytes(reversed(range(256))) * 400
#: Gives the bytes of an answer, in pieces, for the text of a request.
Script = Callable[[str], Iterator[bytes]]


class Server:
    """Answers each connection with what the script says, byte for byte."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[str] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/file"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    text = b""
                    while b"\r\n\r\n" not in text:
                        text += connection.recv(65536) or b"\r\n\r\n"
                    self.asked.append(text.decode())
                    for piece in self.script(text.decode()):
                        connection.sendall(piece)
                except OSError:
                    pass

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Server]]:
    servers: list[Server] = []

    def start(script: Script) -> Server:
        servers.append(Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def get(url: str, folder: Path, **given: object) -> Path:
    fields = {key: given.pop(key) for key in ("sha256", "size_bytes") if key in given}
    file = DataFile(url=url, path="set/file.bin", **fields)
    return fetch_file(file, folder=folder, tries=2, wait_s=0.0, timeout_s=2.0, **given)  # type: ignore[arg-type]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "set").iterdir())


def start_of(request: str) -> int:
    lines = [line for line in request.splitlines() if line.lower().startswith("range:")]
    return int(lines[0].partition("=")[2].rstrip("-")) if lines else 0


def broken_then(rest: Callable[[str], bytes], etag: str) -> Script:
    """Give a third of the old file and break off; then whatever ``rest`` says."""
    seen: list[str] = []

    def script(request: str) -> Iterator[bytes]:
        seen.append(request)
        yield (answer(OLD[: len(OLD) // 3], f"ETag: {etag}", length=len(OLD)) if len(seen) == 1 else rest(request))

    return script


def ranged(content: bytes, start: int, *headers: str, told: int | None = None) -> bytes:
    told = start if told is None else told
    given = f"Content-Range: bytes {told}-{len(content) - 1}/{len(content)}"
    return answer(content[start:], given, *headers, status="206 Partial Content")


def test_the_rest_of_the_same_version_is_taken(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    server = serve(broken_then(lambda request: ranged(OLD, start_of(request), 'ETag: "1"'), '"1"'))
    assert get(server.url, tmp_path).read_bytes() == OLD
    assert f"Range: bytes={len(OLD) // 3}-" in server.asked[1]
    assert 'If-Range: "1"' in server.asked[1]


REST = {
    "another version, whole": lambda _: answer(NEW, 'ETag: "2"'),
    "another version, ranged": lambda request: ranged(NEW, start_of(request), 'ETag: "2"'),
    "no version told": lambda request: ranged(NEW, start_of(request)),
    "another start": lambda request: (
        ranged(OLD, start_of(request), 'ETag: "1"', told=7) if start_of(request) else answer(NEW, 'ETag: "2"')
    ),
    "no Content-Range": lambda request: (
        answer(NEW[start_of(request) :], 'ETag: "1"', status="206 Partial Content")
        if start_of(request)
        else answer(NEW)
    ),
    "another length": lambda request: (
        answer(NEW[:9], f"Content-Range: bytes {start_of(request)}-99/{len(NEW)}", status="206 Partial Content")
        if start_of(request)
        else answer(NEW)
    ),
}


@pytest.mark.parametrize("rest", REST)
def test_parts_of_two_files_are_never_glued_together(serve, tmp_path: Path, rest: str) -> None:  # type: ignore[no-untyped-def]
    server = serve(broken_then(REST[rest], '"1"'))
    try:
        found = get(server.url, tmp_path).read_bytes()
    except GlacierTimeError:
        assert not (tmp_path / "set" / "file.bin").exists()
    else:
        assert found in (OLD, NEW)


@pytest.mark.parametrize("etag", ["", 'W/"1"', "unquoted"])
def test_without_a_sure_version_a_broken_download_begins_anew(serve, tmp_path: Path, etag: str) -> None:  # type: ignore[no-untyped-def]
    server = serve(broken_then(lambda _: answer(NEW), etag))
    assert get(server.url, tmp_path).read_bytes() == NEW
    assert "Range:" not in server.asked[1]


def test_a_part_from_elsewhere_is_no_beginning(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.bin.part").write_bytes(OLD[:1000])
    server = serve(lambda _: iter([answer(NEW, 'ETag: "1"')]))
    assert get(server.url, tmp_path).read_bytes() == NEW
    with Part(tmp_path / "set" / "other.bin") as part:
        part.append(OLD[:1000])
        part.tell({"url": "http://another/file", "etag": '"1"'})
    file = DataFile(url=server.url, path="set/other.bin")
    assert fetch_file(file, folder=tmp_path, wait_s=0.0).read_bytes() == NEW


def test_an_endless_answer_ends_at_the_limit(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def endless(_: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"186a0\r\n" + bytes(100_000) + b"\r\n"

    server = serve(endless)
    told = (
        r"tells no size and was discarded: 0.00\d+ GB .*at most 0.001 taken.*--limit download-gb=N or GLACIERTIME_MAX_"
    )
    with limits.given({"download-gb": 0.001}), pytest.raises(InputError, match=told):
        get(server.url, tmp_path)
    assert left(tmp_path) == []
    with pytest.raises(InputError, match=r"sends more than the 500000 bytes"):
        get(server.url, tmp_path, size_bytes=500_000)
    assert left(tmp_path) == []


def test_an_end_that_may_be_a_broken_connection_is_refused(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    server = serve(lambda _: iter([b"HTTP/1.1 200 OK\r\n\r\n" + OLD]))
    with pytest.raises(InputError, match="tells no size, so that a broken connection"):
        get(server.url, tmp_path)
    assert left(tmp_path) == []
    assert get(server.url, tmp_path, size_bytes=len(OLD)).read_bytes() == OLD


def test_what_is_announced_too_large_is_not_begun(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    server = serve(lambda _: iter([answer(b"x", length=10**17)]))
    with pytest.raises(InputError, match=r"announces 100,000,000,000,000,000 bytes: 1e\+08 GB .* at most 50"):
        get(server.url, tmp_path)
    with limits.given({"download-gb": 1e9}), pytest.raises(WritingError, match="free; free some space"):
        get(server.url, tmp_path)
    with pytest.raises(InputError, match=r"100000000000000000 bytes, expected 5"):
        get(server.url, tmp_path, size_bytes=5)
    assert left(tmp_path) == []


MALFORMED = {
    "nothing": b"",
    "no http": b"\x00\x01\x02\r\n\r\n",
    "status": b"HTTP/1.1 abc OK\r\n\r\nx",
    "no range asked": answer(b"x", "Content-Range: bytes 0-0/1", status="206 Partial Content"),
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: x1\r\n\r\nx",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n",
    "headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"a%d: b\r\n" % count for count in range(300)) + b"\r\nx",
    "long header": b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\nx",
    "packed": answer(b"x", "Content-Encoding: gzip"),
    "redirect nowhere": answer(b"", "Location: http://[::1", status="302 Found"),
    "redirect port": answer(b"", "Location: http://a:b/", status="302 Found"),
    "redirect without": answer(b"", status="302 Found"),
    "redirect to a file": answer(b"", "Location: file:///etc/passwd", status="302 Found"),
    "redirect to ftp": answer(b"", "Location: ftp://127.0.0.1/x", status="302 Found"),
    "redirect to data": answer(b"", "Location: data:text/plain,x", status="302 Found"),
    "redirect with a line": answer(b"", "Location: http://127.0.0.1/a b\tc", status="302 Found"),
    "not found": answer(b"", status="404 Not\x00Found"),
    "server error": answer(b"", status="503 Busy"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_answer_is_one_sentence(serve, tmp_path: Path, kind: str) -> None:  # type: ignore[no-untyped-def]
    server = serve(lambda _: iter([MALFORMED[kind]]))
    with pytest.raises((InputError, DataNotFoundError)):
        get(server.url, tmp_path)
    assert left(tmp_path) == []


def forever(first: bytes, piece: bytes) -> Script:
    """Begin an answer and never end it."""

    def script(_: str) -> Iterator[bytes]:
        yield first
        while True:
            yield piece
            time.sleep(0.001)

    return script


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /file\r\n"
ENDLESS = {
    "status lines": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trickling head": (b"HTTP/1.1 200 OK\r\nA: ", b"a"),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"a: b\r\n"),
    "length of a chunk": (CHUNKED, b"0"),
    "extension of a chunk": (CHUNKED + b"1;", b"x"),
    "empty body of a redirect": (MOVED + b"\r\n", b"x" * 65536),
    "chunks of a redirect": (MOVED + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "body of an error": (b"HTTP/1.1 404 Not Found\r\n\r\n", b"x" * 65536),
    "body of a server error": (b"HTTP/1.1 503 Busy\r\n\r\n", b"x" * 65536),
    "body of no rest": (b"HTTP/1.1 416 No\r\n\r\n", b"x" * 65536),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_has_no_end_is_ended(serve, tmp_path: Path, kind: str) -> None:  # type: ignore[no-untyped-def]
    server = serve(forever(*ENDLESS[kind]))
    file = DataFile(url=server.url, path="set/file.bin")
    with pytest.raises((InputError, DataNotFoundError)):
        fetch_file(file, folder=tmp_path, tries=1, wait_s=0.0, timeout_s=0.3)
    assert [name for name in left(tmp_path) if not name.startswith("file.bin.part")] == []


def test_a_large_body_of_a_redirect_is_not_read(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    given: list[int] = []

    def script(request: str) -> Iterator[bytes]:
        if "/file" not in request:
            yield answer(NEW)
            return
        yield b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 100000000\r\n\r\n"
        for _ in range(1000):
            given.append(100_000)
            yield bytes(100_000)

    server = serve(script)
    assert get(server.url, tmp_path).read_bytes() == NEW
    assert sum(given) < 50_000_000


SHORTER = {
    "no bytes after those": lambda _: (
        b"HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n" % (len(OLD) // 3)
    ),
    "a rest that ends early": lambda request: answer(
        OLD[start_of(request) : start_of(request) + 9],
        f"Content-Range: bytes {start_of(request)}-{start_of(request) + 8}/*", 'ETag: "1"',
        status="206 Partial Content",
    ),
    "a shorter file": lambda request: ranged(OLD[: len(OLD) // 2], start_of(request), 'ETag: "1"'),
    "a longer file": lambda request: ranged(OLD + OLD, start_of(request), 'ETag: "1"'),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHORTER)
def test_a_file_is_as_long_as_was_promised_at_first(serve, tmp_path: Path, kind: str) -> None:  # type: ignore[no-untyped-def]
    server = serve(broken_then(lambda request: SHORTER[kind](request) if start_of(request) else answer(OLD), '"1"'))
    assert get(server.url, tmp_path).read_bytes() == OLD


def test_a_file_that_is_there_is_compared_too(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    server = serve(lambda _: iter([answer(OLD)]))
    path = get(server.url, tmp_path)
    path.write_bytes(NEW)
    with pytest.raises(InputError, match=r"expected [0-9a-f]{64}: it was changed or damaged since; delete it"):
        get(server.url, tmp_path)
    with pytest.raises(InputError, match="changed or damaged"):
        get(server.url, tmp_path, sha256=hashlib.sha256(OLD).hexdigest())
    assert get(server.url, tmp_path, sha256=hashlib.sha256(NEW).hexdigest()) == path
    assert len(server.asked) == 1


def test_no_password_in_an_address(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a name and a password stand in it") as told:
        check_url("https://anna:geheim@example.org/x")
    assert "geheim" not in str(told.value)


def test_what_a_server_says_does_not_steer_the_terminal(  # type: ignore[no-untyped-def]
    serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(lambda _: iter([answer(b"", status="404 \x1b[2J\x1b]0;owned\x07")]))
    manifest = tmp_path / "x.yaml"
    manifest.write_text(MANIFEST.format(url=server.url, path="a.bin"))
    assert run(["data", "fetch", "X", "--manifest", str(manifest), "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "404" in said
    assert said.replace("\n", "").isprintable()


def test_what_was_downloaded_says_where_from(  # type: ignore[no-untyped-def]
    serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(lambda _: iter([answer(NEW)]))
    manifest = tmp_path / "x.yaml"
    manifest.write_text(MANIFEST.format(url=f"{server.url}?token=geheim", path="set/a.bin"))
    given = ["data", "fetch", "X", "--manifest", str(manifest), "--folder", str(tmp_path)]
    assert run(given) == 0
    note = tmp_path / "set" / "a.bin.run.json"
    before = note.read_bytes()
    capsys.readouterr()
    assert run(["why", str(tmp_path / "set" / "a.bin"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[0]
    assert told["sha256"] == hashlib.sha256(NEW).hexdigest()
    assert f"a.bin from {server.url}" in told["run"]["decided"]
    assert "geheim" not in note.read_text()
    assert run(given) == 0
    assert (note.read_bytes(), len(server.asked)) == (before, 1)
    (tmp_path / "set" / "a.bin").unlink()
    (tmp_path / "set" / "a.bin.sha256").unlink()
    note.write_text("mine")
    assert run(given) == 2
    assert (note.read_text(), len(server.asked)) == ("mine", 1)


@pytest.mark.parametrize("headers", [("Content-Length: 10",), ("Content-Length: 102400, 10",)])
def test_several_lengths_are_none(serve, tmp_path: Path, headers: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    def script(_: str) -> Iterator[bytes]:
        yield b"\r\n".join([b"HTTP/1.1 200 OK", headers[0].encode(), b"Content-Length: 102400", b"", b""]) + OLD

    with pytest.raises(InputError, match=r"several lengths|a number expected"):
        get(serve(script).url, tmp_path)
    assert left(tmp_path) == []


def test_an_empty_file_is_none(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="empty file"):
        get(serve(lambda _: iter([answer(b"")])).url, tmp_path)
    assert left(tmp_path) == []


def test_a_redirect_loop_ends(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    server = serve(lambda _: iter([answer(b"", "Location: /file", status="302 Found")]))
    with pytest.raises(DataNotFoundError, match="302"):
        get(server.url, tmp_path)


def test_without_a_checksum_the_first_download_counts(serve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    content = [OLD]
    server = serve(lambda _: iter([answer(content[0])]))
    path = get(server.url, tmp_path)
    noted = path.with_name("file.bin.sha256")
    assert noted.read_text() == f"{hashlib.sha256(OLD).hexdigest()}  file.bin\n"
    path.unlink()
    assert get(server.url, tmp_path).read_bytes() == OLD
    path.unlink()
    content[0] = NEW
    with pytest.raises(InputError, match=r"not the one of before .*delete file.bin.sha256 to accept it"):
        get(server.url, tmp_path)
    assert left(tmp_path) == ["file.bin.sha256"]
    noted.unlink()
    assert get(server.url, tmp_path).read_bytes() == NEW


def test_two_processes_do_not_write_one_part(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with Part(tmp_path / "a"), pytest.raises(WritingError, match="by another process"), Part(tmp_path / "a"):
        pass


def test_a_part_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "a.part").symlink_to(tmp_path / "mine")
    with pytest.raises(WritingError, match="cannot be written"), Part(tmp_path / "a"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "data:text/plain,x", "ftp://a/b", "/etc/passwd", "http://", "http://a b/", "http://[", ""],
)
def test_only_web_addresses(url: str) -> None:
    with pytest.raises(InputError, match="http"):
        check_url(url)


MANIFEST = "kind: dataset\nname: X\ntitle: x\ncitation: x\nlicence: x\nfiles:\n  - url: {url}\n    path: {path}\n"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///etc/passwd", "a.bin"),
        ("FILE:///etc/passwd", "a.bin"),
        ('"data:text/plain,x"', "a.bin"),
        ("http://127.0.0.1:1/x", "../../x"),
        ("http://127.0.0.1:1/x", "/tmp/x"),
        ("http://127.0.0.1:1/x", "a/../../x"),
        ("http://127.0.0.1:1/x", "'..\\x'"),
        ("http://127.0.0.1:1/x", "'C:/x'"),
        ("http://127.0.0.1:1/x", '"a\\0b"'),
        ("http://127.0.0.1:1/x", "''"),
    ],
)
def test_a_manifest_names_web_addresses_and_places_inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, path: str
) -> None:
    (tmp_path / "in").mkdir()
    manifest = tmp_path / "x.yaml"
    manifest.write_text(MANIFEST.format(url=url, path=path))
    code = run(["data", "fetch", "X", "--manifest", str(manifest), "--folder", str(tmp_path / "in")])
    said = capsys.readouterr().err
    assert code == 1
    assert "field files.0." in said
    assert said.count("\n") == 1
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["in", "x.yaml"]
