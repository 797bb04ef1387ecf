"""Virtual rasters: made of rasters on this machine, and of nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from glaciertime.errors import GlacierTimeError
from glaciertime.scenes.raster_files import open_raster, reading

SIZE = 4


def write_raster(path: Path) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=SIZE, width=SIZE, count=1, dtype="uint8", crs="EPSG:3031",
        transform=Affine(100, 0, 0, 0, -100, 0),
    ) as target:  # fmt: skip
        target.write(np.full((SIZE, SIZE), 127, dtype=np.uint8), 1)
    return path


def write_virtual(path: Path, source: str, *, relative: int = 0, band: str = "", raw: bool = False) -> Path:
    name = f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
    inside = name if raw else f"<SimpleSource>{name}<SourceBand>1</SourceBand></SimpleSource>"
    path.write_text(
        f'<VRTDataset rasterXSize="{SIZE}" rasterYSize="{SIZE}"><SRS>EPSG:3031</SRS>'
        "<GeoTransform>0,100,0,0,0,-100</GeoTransform>"
        f'<VRTRasterBand dataType="Byte" band="1" {band}>{inside}</VRTRasterBand></VRTDataset>'
    )
    return path


def read(path: Path) -> np.ndarray:
    with open_raster(path) as raster, reading(path):
        return raster.read(1)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a raster; return its address and what was asked for."""
    asked: list[str] = []
    content = write_raster(tmp_path / "served.tif").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/a.tif", asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("relative", [0, 1])
@pytest.mark.parametrize("form", ["{}", "/vsicurl/{}", "/vsicurl_streaming/{}", "vrt://{}", "/vsigzip//vsicurl/{}"])
def test_no_address_is_asked(tmp_path: Path, served: tuple[str, list[str]], form: str, relative: int) -> None:
    path = write_virtual(tmp_path / "a.vrt", form.format(served[0]), relative=relative)
    with (
        pytest.raises(GlacierTimeError, match="only files of this machine"),
        open_raster(path) as raster,
        reading(path),
    ):
        raster.read(1)
    assert served[1] == []


@pytest.mark.parametrize("inner", ["inner.vrt", "inner.tif"])
def test_no_address_is_asked_by_one_inside_another(tmp_path: Path, served: tuple[str, list[str]], inner: str) -> None:
    write_virtual(tmp_path / inner, served[0])
    path = write_virtual(tmp_path / "a.vrt", inner, relative=1)
    with (
        pytest.raises(GlacierTimeError, match="only files of this machine"),
        open_raster(path) as raster,
        reading(path),
    ):
        raster.read(1)
    assert served[1] == []


def test_a_service_described_in_a_file_is_no_raster(tmp_path: Path, served: tuple[str, list[str]]) -> None:
    (tmp_path / "service.xml").write_text(
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{served[0]}</ServerUrl></Service><DataWindow><UpperLeftX>0'
        "</UpperLeftX><UpperLeftY>0</UpperLeftY><LowerRightX>400</LowerRightX><LowerRightY>-400</LowerRightY>"
        f"<SizeX>{SIZE}</SizeX><SizeY>{SIZE}</SizeY></DataWindow><BandsCount>1</BandsCount></GDAL_WMS>"
    )
    path = write_virtual(tmp_path / "a.vrt", "service.xml", relative=1)
    with pytest.raises(GlacierTimeError, match=r"service\.xml cannot be opened"):
        open_raster(path)
    assert served[1] == []


@pytest.mark.parametrize("how", ["sources", "raw", "missing", "itself"])
def test_what_is_no_raster_beside_it_is_told(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    secret = tmp_path / "secret.txt"
    secret.write_bytes(bytes(range(16)) * 4)
    source = {"missing": "gone.tif", "itself": str(folder / "a.vrt")}.get(how, str(secret))
    band = 'subClass="VRTRawRasterBand"' if how == "raw" else ""
    path = write_virtual(folder / "a.vrt", source, band=band, raw=how == "raw")
    why = {"raw": "raw bytes", "missing": "there is no such file", "itself": "made of itself"}.get(how, "opened")
    with pytest.raises(GlacierTimeError, match=why):
        read(path)


def test_virtual_rasters_of_each_other_end(tmp_path: Path) -> None:
    """Each of twelve that is made of all later ones is looked at once; more than eight in a row are refused."""
    plain = write_raster(tmp_path / "plain.tif")
    for count, why in ((8, ""), (12, "inside each other")):
        folder = tmp_path / str(count)
        folder.mkdir()
        for index in range(count):
            later = [folder / f"{each}.vrt" for each in range(index + 1, count)] or [plain]
            path = write_virtual(folder / f"{index}.vrt", "@")
            one = path.read_text().partition("<SimpleSource>")[2].partition("</SimpleSource>")[0]
            many = "</SimpleSource><SimpleSource>".join(one.replace("@", str(each)) for each in later)
            path.write_text(path.read_text().replace(one, many))
        if why:
            with pytest.raises(GlacierTimeError, match=why):
                open_raster(folder / "0.vrt")
        else:
            open_raster(folder / "0.vrt").close()


def test_entities_are_refused(tmp_path: Path) -> None:
    path = write_virtual(tmp_path / "a.vrt", str(write_raster(tmp_path / "a.tif")))
    path.write_text('<!DOCTYPE x [<!ENTITY a "b">]>' + path.read_text())
    with pytest.raises(GlacierTimeError, match="entities, which no"):
        open_raster(path)


@pytest.mark.parametrize("form", ["relative", "absolute", "page", "nested", "raw"])
def test_rasters_on_this_machine_are_read(tmp_path: Path, form: str) -> None:
    plain = write_raster(tmp_path / "plain.tif")
    (tmp_path / "plain.bin").write_bytes(bytes([127]) * SIZE * SIZE)
    source = {"relative": "plain.tif", "page": f"GTIFF_DIR:1:{plain}", "nested": "inner.vrt", "raw": "plain.bin"}
    write_virtual(tmp_path / "inner.vrt", str(plain))
    path = write_virtual(
        tmp_path / "a.vrt", source.get(form, str(plain)), relative=int(form in ("relative", "nested", "raw")),
        band='subClass="VRTRawRasterBand"' if form == "raw" else "", raw=form == "raw",
    )  # fmt: skip
    assert (read(path) == 127).all()
