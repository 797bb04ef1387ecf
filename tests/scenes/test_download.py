"""Downloads against a server on localhost that breaks off, is slow, or serves the wrong bytes."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from glaciertime.catalog import DataFile, DataSet
from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.scenes.download import fetch, fetch_file

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; the path says what goes wrong."""

    requests: list[str]

    def do_GET(self) -> None:
        given = self.headers.get("Range", "")
        self.server.requests.append(given)  # type: ignore[attr-defined]
        start = int(given.removeprefix("bytes=").rstrip("-")) if given else 0
        content = CONTENT
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/wrong":
            content = CONTENT[:-1] + b"x"
        if self.path == "/no-ranges":
            start, given = 0, ""
        if start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if given else 200)
        self.send_header("Content-Length", str(len(body)))
        if given:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.path == "/breaks":
            body = body[:300_000]
        if self.path == "/silent":
            self.wfile.write(body[:1000])
            self.wfile.flush()
            time.sleep(1.0)
            return
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test output quiet."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    instance = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    instance.requests = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=instance.serve_forever, daemon=True)
    thread.start()
    yield instance
    instance.shutdown()
    instance.server_close()


def file_at(server: ThreadingHTTPServer, path: str, **fields: object) -> DataFile:
    host, port = server.server_address[:2]
    return DataFile(url=f"http://{host!s}:{port}{path}", path="set/file.bin", **fields)


def test_a_whole_file_arrives_and_is_not_fetched_twice(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    file = file_at(server, "/good", sha256=DIGEST)
    path = fetch_file(file, folder=tmp_path, progress=lambda have, total: seen.append((have, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    fetch_file(file, folder=tmp_path)
    assert len(server.requests) == 1  # type: ignore[attr-defined]


def test_a_connection_that_breaks_is_taken_up_where_it_stopped(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    path = fetch_file(file_at(server, "/breaks", sha256=DIGEST), folder=tmp_path, wait_s=0.0)
    assert path.read_bytes() == CONTENT
    assert server.requests[:2] == ["", "bytes=300000-"]  # type: ignore[attr-defined]


def test_a_partial_file_of_an_earlier_run_is_continued(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.bin.part").write_bytes(CONTENT[:1000])
    path = fetch_file(file_at(server, "/good", sha256=DIGEST), folder=tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-"]  # type: ignore[attr-defined]


def test_a_wrong_partial_file_is_fetched_anew(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.bin.part").write_bytes(b"something else")
    assert fetch_file(file_at(server, "/good", sha256=DIGEST), folder=tmp_path).read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.bin.part").write_bytes(CONTENT[:1000])
    assert fetch_file(file_at(server, "/no-ranges", sha256=DIGEST), folder=tmp_path).read_bytes() == CONTENT


def test_wrong_bytes_never_get_the_name(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not the one the manifest describes \(sha256 .*discarded"):
        fetch_file(file_at(server, "/wrong", sha256=DIGEST), folder=tmp_path)
    assert list((tmp_path / "set").iterdir()) == []


def test_a_wrong_size_is_named(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1048576 bytes, expected 7"):
        fetch_file(file_at(server, "/good", size_bytes=7), folder=tmp_path)


def test_a_silent_server_is_given_up_and_the_bytes_kept(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="bytes are kept, run this again"):
        fetch_file(file_at(server, "/silent"), folder=tmp_path, timeout_s=0.1, tries=1, wait_s=0.0)
    assert (tmp_path / "set" / "file.bin.part").stat().st_size == 1000


def test_a_missing_file_names_the_answer(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="the server answers 404"):
        fetch_file(file_at(server, "/missing"), folder=tmp_path)


def test_a_data_set_without_files_says_what_to_do_by_hand(tmp_path: Path) -> None:
    dataset = DataSet(kind="dataset", name="X", title="x", citation="x", licence="x", by_hand="Ask the authors.")
    with pytest.raises(DataNotFoundError, match="cannot be downloaded by itself"):
        fetch(dataset, folder=tmp_path)
