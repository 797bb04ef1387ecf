"""A STAC API on localhost with small files behind it, and what can be wrong with either."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pyproj
import rasterio
import shapely
from affine import Affine

CRS = "EPSG:32622"
WEST, NORTH = 500_000.0, 7_602_000.0
BASELINE = "s2:processing_baseline"


def tiff(
    values: np.ndarray, *, size_m: float, west: float = WEST, north: float = NORTH, crs: str = CRS, **more: Any
) -> bytes:
    """Return a tiled GeoTIFF of one band."""
    profile = {"driver": "GTiff", "count": 1, "height": values.shape[0], "width": values.shape[1], "tiled": True,
               "blockxsize": 64, "blockysize": 64, "compress": "deflate", "dtype": values.dtype.name, "crs": crs,
               "transform": Affine(size_m, 0, west, 0, -size_m, north), **more}  # fmt: skip
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(values, 1)
        return memory.read()


@dataclass
class Catalogue:
    """What the server gives: items by id, files by path, and what is to go wrong with a path."""

    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    #: Called with the handler for a path in place of the answer; returns whether it has answered.
    faults: dict[str, Callable[[Handler], bool]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    page_items: int = 100
    methods: tuple[str, ...] = ("POST", "GET")
    has_ranges: bool = True
    url: str = ""

    def add(
        self,
        name: str,
        date: str,
        bands: dict[str, bytes],
        *,
        collection: str = "sentinel-2-l2a",
        platform: str = "sentinel-2a",
        footprint: dict[str, Any] | None = None,
        declared: dict[str, Any] | None = None,
        **properties: Any,
    ) -> dict[str, Any]:
        """Add an item with a file for each band; ``declared`` is what ``raster:bands`` says of each."""
        with rasterio.MemoryFile(next(iter(bands.values()))) as memory, memory.open() as raster:
            to_degrees = pyproj.Transformer.from_crs(raster.crs, 4326, always_xy=True)
            outline = shapely.box(*raster.bounds).segmentize(1000)
            ring = shapely.transform(outline, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])))
        for band, content in bands.items():
            self.files[f"/files/{name}/{band}.tif"] = content
        assets = {
            band: {
                "href": f"{self.url}/files/{name}/{band}.tif",
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                **({"raster:bands": [declared]} if declared and band not in ("scl", "qa_pixel") else {}),
            }
            for band in bands
        }
        self.items[name] = {
            "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection,
            "geometry": footprint or shapely.geometry.mapping(ring), "bbox": list(ring.bounds),
            "properties": {"datetime": date, "platform": platform, **properties}, "assets": assets,
            "links": [{"rel": "self", "href": f"{self.url}/collections/{collection}/items/{name}"}],
        }  # fmt: skip
        return self.items[name]

    def found(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        since, until = (text[:10] for text in asked["datetime"].split("/"))
        box = shapely.box(*[float(each) for each in asked["bbox"]])
        collections = asked.get("collections")
        return [
            item
            for item in self.items.values()
            if (not collections or item["collection"] in collections)
            and since <= str(item["properties"].get("datetime") or since)[:10] <= until
            and (item["geometry"] is None or shapely.geometry.shape(item["geometry"]).intersects(box))
        ]


class Handler(BaseHTTPRequestHandler):
    """Answers for a catalogue."""

    protocol_version = "HTTP/1.1"

    @property
    def catalogue(self) -> Catalogue:
        return self.server.catalogue  # type: ignore[attr-defined, no-any-return]

    def send(self, body: bytes, status: int = 200, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, told: Any, status: int = 200) -> None:
        self.send(json.dumps(told).encode(), status, Content_Type="application/geo+json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(json.loads(body or b"{}"))

    def do_GET(self) -> None:
        self.answer(None)

    def answer(self, body: dict[str, Any] | None) -> None:
        path, _, query = self.path.partition("?")
        catalogue = self.catalogue
        catalogue.asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
        fault = catalogue.faults.get(path)
        if fault is not None and fault(self):
            return
        if path in ("", "/"):
            links = [
                {"rel": "search", "href": f"{catalogue.url}/search", "type": "application/geo+json", "method": method}
                for method in catalogue.methods
            ]
            self.send_json(
                {"type": "Catalog", "stac_version": "1.0.0", "id": "test", "description": "a test", "links": links,
                 "conformsTo": ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]}
            )  # fmt: skip
        elif path == "/search":
            self.search(body, query)
        elif path in catalogue.files:
            self.send_file(catalogue.files[path])
        else:
            self.send_json({"code": "NotFound"}, 404)

    def search(self, body: dict[str, Any] | None, query: str) -> None:
        from urllib.parse import parse_qsl, urlencode

        if self.command not in self.catalogue.methods:
            self.send_json({}, 405)
            return
        asked = dict(parse_qsl(query)) if body is None else body
        if body is None:
            asked["bbox"] = asked["bbox"].split(",")
            asked["collections"] = asked["collections"].split(",") if "collections" in asked else None
        found = self.catalogue.found(asked)
        start, count = int(asked.get("token", 0)), self.catalogue.page_items
        links = []
        if start + count < len(found):
            if body is None:
                more = urlencode({**dict(parse_qsl(query)), "token": start + count})
                links = [{"rel": "next", "href": f"{self.catalogue.url}/search?{more}", "method": "GET"}]
            else:
                links = [{"rel": "next", "href": f"{self.catalogue.url}/search", "method": "POST",
                          "body": {**body, "token": start + count}}]  # fmt: skip
        self.send_json({"type": "FeatureCollection", "features": found[start : start + count], "links": links})

    def send_file(self, content: bytes, *, etag: str | None = None) -> None:
        given = self.headers.get("Range", "")
        tag = etag or f'"{hash(content) & 0xFFFFFFFF:x}"'
        if not given or not self.catalogue.has_ranges:
            self.send(content, ETag=tag)
            return
        first, last = given.removeprefix("bytes=").split("-")
        start, stop = int(first), min(int(last) + 1, len(content))
        told = f"bytes {start}-{stop - 1}/{len(content)}"
        self.send(content[start:stop], 206, Content_Range=told, ETag=tag)

    def log_message(self, *_: object) -> None:
        """Keep the test output quiet."""


@contextmanager
def catalogue_served() -> Iterator[Catalogue]:
    """Serve an empty catalogue."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    catalogue = Catalogue(url=f"http://127.0.0.1:{server.server_port}")
    server.catalogue = catalogue  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield catalogue
    finally:
        server.shutdown()
        server.server_close()


def times(count: int, fault: Callable[[Handler], None]) -> Callable[[Handler], bool]:
    """Return a fault that happens so many times, then no more."""
    left = [count]

    def one(handler: Handler) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return False
        fault(handler)
        return True

    return one


def slowly(seconds: float) -> Callable[[Handler], None]:
    return lambda _handler: time.sleep(seconds)


def numbers(value: float, *, shape: tuple[int, int] = (200, 200), dtype: str = "uint16") -> np.ndarray:
    """Return a band of one stored number."""
    return np.full(shape, value, dtype=dtype)
