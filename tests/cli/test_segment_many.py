"""``glaciertime segment`` on many images: folders, patterns, lists, addresses; what it writes and what it prints."""

from __future__ import annotations

import csv
import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.control import GroundControlPoint

from glaciertime.units import mask_area_km2

from .conftest import Command, write_mask, zones

UTM = Affine(49, 0, 500_000, 0, -49, 7_700_000)
NORTH = ("--ocean", "north")


def picture(height: int = 96, width: int = 80, front: int = 40, seed: int = 0) -> np.ndarray:
    """Dark water above bright ice."""
    grey = np.where(np.arange(height)[:, None] < front, 60, 150)
    return (grey + np.random.default_rng(seed).normal(0, 6, (height, width))).clip(1, 255).astype(np.uint8)


def write(path: Path, image: np.ndarray | None = None, **profile: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    given = {"crs": "EPSG:32622", "transform": UTM, **profile}
    return write_mask(path, picture() if image is None else image, **given)  # type: ignore[arg-type]


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as raster:
        return raster.read(1)


def test_a_folder_becomes_a_folder_of_masks_and_what_fails_is_a_row(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a 2001-08-01.tif")
    write(tmp_path / "in" / "gröt" / "b_2002-08-02.tif")
    write(tmp_path / "in" / "m.tif", zones(30))
    (tmp_path / "in" / "broken.tif").write_bytes(b"II*\x00")
    result = command("segment", "in", "--out", "masks", *NORTH, "--json", "--table", "areas.csv")
    assert result.code == 3
    rows = {Path(row["image"]).name: row for row in result.json}
    assert {name: row["status"] for name, row in rows.items()} == {
        "a 2001-08-01.tif": "ok", "b_2002-08-02.tif": "ok", "m.tif": "failed", "broken.tif": "failed",
    }  # fmt: skip
    assert rows["a 2001-08-01.tif"]["date"] == "2001-08-01"
    assert "looks like a mask among images" in rows["m.tif"]["reason"]
    assert rows["broken.tif"]["reason"]
    masks = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "masks").rglob("*.tif"))
    assert masks == ["masks/a 2001-08-01_zones.tif", "masks/gröt/b_2002-08-02_zones.tif"]
    with rasterio.open(masks[0]) as raster:
        mask = raster.read(1)
    km2 = {one["class"]: one["area_km2"] for one in rows["a 2001-08-01.tif"]["classes"]}
    for name, code in (("glacier", 127), ("ocean", 254)):
        assert km2[name] == pytest.approx(mask_area_km2(mask == code, transform=UTM, crs="EPSG:32622"))
    # On the central meridian UTM is 0.04 % short a way.
    assert sum(km2.values()) == pytest.approx(96 * 80 * 0.049**2 * 1.0008, rel=1e-4)
    with open("areas.csv", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [row["status"] for row in table].count("failed") == 2
    assert {row["class"] for row in table} == {"glacier", "ocean", ""}
    again = command("segment", "in", "--out", "masks", *NORTH, "--strict")
    assert again.code == 1
    assert "b_2002-08-02.tif" in again.out
    assert "failed" in again.out


def test_an_error_is_told_once_and_metres_that_are_assumed_are_said(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.tif", crs=None)
    (tmp_path / "in" / "broken.tif").write_bytes(b"II*\x00")
    result = command("segment", "in", "--out", "m", "--ocean", "up", "--json")
    assert result.code == 3
    assert result.err.count("broken.tif cannot be opened") == 1
    assert "a.tif names no coordinate system: its coordinates are taken for metres" in result.err
    assert sum(one["area_km2"] for one in result.json[0]["classes"]) == pytest.approx(96 * 80 * 0.049**2)


def test_outputs_inside_the_input_folder_are_no_input(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.tif")
    for out in ("in/masks", "in"):
        for _ in range(2):
            result = command("segment", "in", "--out", out, *NORTH, "--json")
            assert result.code == 0, result.err
            assert [Path(row["image"]).name for row in result.json] == ["a.tif"]
    assert sorted(path.name for path in (tmp_path / "in").rglob("*.tif")) == ["a.tif", "a_zones.tif", "a_zones.tif"]


@pytest.mark.parametrize(
    ("layer", "clouds"), [("a_QA_PIXEL.tif", "auto"), ("a_SCL.tif", "none"), ("veil_a_2001-08-01.tif", "veil_*.tif")]
)
@pytest.mark.parametrize("given", ["in", "in/*.tif"])
def test_cloud_layers_in_a_folder_are_no_images_that_fail(
    command: Command, tmp_path: Path, layer: str, clouds: str, given: str
) -> None:
    write(tmp_path / "in" / ("a_2001-08-01.tif" if "veil" in layer else "a.tif"))
    write(tmp_path / "in" / layer, np.where(np.indices((96, 80))[0] < 5, 8, 0).astype(np.uint8))
    result = command("segment", given, "--out", "masks", *NORTH, "--clouds", clouds, "--strict", "--json")
    assert result.code == 0, result.err
    assert len(result.json) == 1
    assert "1 cloud layers lie among the images" in result.err


def test_files_of_one_name_do_not_meet_and_one_named_twice_is_one(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.tif")
    write(tmp_path / "y" / "a.tif", picture(front=60))
    write(tmp_path / "y" / "A.png", driver="PNG", crs=None, transform=None)
    result = command("segment", "x/a.tif", "y/a.tif", "./x/a.tif", "y/A.png", "--out", "m", *NORTH, "--json")
    assert result.code == 0, result.err
    assert "1 image is named more than once" in result.err
    names = ["m/x/a_zones.tif", "m/y/a_tif_zones.tif", "m/y/A_png_zones.tif"]
    assert [row["mask"] for row in result.json] == names
    ice = [(read(Path(name)) == 127).sum() for name in names]
    assert ice[0] > ice[1] + 1000


def test_a_pattern_and_a_list_with_dates(command: Command, tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif", "c.tif"):
        write(tmp_path / "in" / name)
    result = command("segment", "in/[ab].tif", "--out", "m", *NORTH, "--json")
    assert [row["image"] for row in result.json] == ["in/a.tif", "in/b.tif"]
    (tmp_path / "in" / "list.csv").write_text("file;date\nc.tif;2010-03-04\nnone.tif;\n", encoding="utf-8")
    result = command("segment", "in/list.csv", "--out", "m", *NORTH, "--json")
    assert result.code == 3
    assert [(row["date"], row["status"]) for row in result.json] == [("2010-03-04", "ok"), (None, "failed")]
    assert "there is no such file" in result.json[1]["reason"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("a.tif", "b.tif", "--out", "z.tif"), "of several images each has its own file"),
        (("in", "--out", "m", "--vector", "v.gpkg"), "of several images each has its own file"),
        (("in", "--out", "no/such/m"), "create it first"),
        (("empty", "--out", "m"), "no image is found there"),
        (("none*.tif", "--out", "m"), "no image is found there"),
        (("ftp://127.0.0.1/a.tif", "--out", "z.tif"), "begins with https://"),
        (("/vsizip/a.zip/a.tif", "--out", "z.tif"), "begins with https://"),
        (("a.tif", "--out", "z.tif", "--method", "ndsi", "--weights", "landsat-fronts"), "leave --weights out"),
        (("a.tif", "--out", "z.tif", "--method", "ndsi", "--engine", "torch"), "leave --engine out"),
        (("a.tif", "--out", "z.tif", "--method", "ndsi", "--smoothness", "0.1"), "leave --smoothness out"),
        (("a.tif", "--out", "z.tif", "--sensor", "landsat-8"), "--sensor: no band of landsat-fronts"),
        (("a.tif", "--out", "z.tif", "--table", "z.txt"), ".csv expected"),
        (("a.tif", "--out", "z.tif", "--vector", "z.shp"), ".gpkg or .geojson"),
        (("a.tif", "--out", "z.tif", "--vector", "a.tif"), "--vector a.tif"),
        (("flat.tif", "--out", "z.tif", "--min-area", "1"), "has no georeference"),
    ],
)
def test_what_cannot_be_meant_is_refused(command: Command, tmp_path: Path, given: tuple[str, ...], said: str) -> None:
    write(tmp_path / "a.tif")
    write(tmp_path / "b.tif")
    write(tmp_path / "in" / "a.tif")
    write(tmp_path / "flat.tif", crs=None, transform=None)
    (tmp_path / "empty").mkdir()
    result = command("segment", *given)
    assert result.code in (1, 2)
    assert said in result.err
    assert not Path("z.tif").exists()


def test_a_mask_of_this_command_is_not_taken_for_an_image(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.tif")
    assert command("segment", "a.tif", "--out", "z.tif", *NORTH).code == 0
    result = command("segment", "z.tif", "--out", "zz.tif", *NORTH)
    assert result.code == 1
    assert "is a mask that this command made" in result.err


def test_a_mask_says_what_it_is(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.tif")
    for more in ((), ("--cog",)):
        assert command("segment", "a.tif", "--out", "z.tif", *NORTH, *more).code == 0
        with rasterio.open("z.tif") as raster:
            tags, colours = raster.tags(), raster.colormap(1)
            assert raster.nodata == 0
            assert raster.descriptions == ("zones: 0 not observed, 127 glacier, 254 ocean",)
        assert json.loads(tags["GLACIERTIME_CLASSES"]) == {"0": "not observed", "127": "glacier", "254": "ocean"}
        assert tags["GLACIERTIME_MODEL"] == "landsat-fronts"
        assert tags["GLACIERTIME_MODEL_VERSION"]
        assert len(tags["GLACIERTIME_WEIGHTS_SHA256"]) == 64
        assert colours[254][2] > colours[254][0]
        assert colours[127] != colours[64]


def test_ground_control_points_go_along_and_place_the_areas(command: Command, tmp_path: Path) -> None:
    points = [
        GroundControlPoint(row=row, col=column, x=500_000 + 49 * column, y=7_700_000 - 49 * row)
        for row in (0, 96) for column in (0, 80)
    ]  # fmt: skip
    with rasterio.open(
        "g.tif", "w", driver="GTiff", height=96, width=80, count=1, dtype="uint8", gcps=points, crs="EPSG:32622"
    ) as target:
        target.write(picture(), 1)
    for out in ("z.tif", "z.png"):
        result = command("segment", "g.tif", "--out", out, *NORTH, "--json", "--overwrite")
        assert result.code == 0, result.err
        with rasterio.open(out) as raster:
            found, crs = raster.gcps
        assert [(p.row, p.col, p.x, p.y) for p in found] == [(p.row, p.col, p.x, p.y) for p in points]
        assert crs == "EPSG:32622"
        km2 = sum(one["area_km2"] for one in result.json[0]["classes"])
        assert km2 == pytest.approx(96 * 80 * 0.049**2 * 1.0008, rel=1e-4)


def test_a_png_has_a_world_file_that_moves_with_it(command: Command, tmp_path: Path) -> None:
    turned = UTM @ Affine.rotation(20)
    write(tmp_path / "a.tif", transform=turned)
    assert command("segment", "a.tif", "--out", "z.png", *NORTH).code == 0
    numbers = [float(line) for line in Path("z.pgw").read_text().split()]
    x, y = turned @ (0.5, 0.5)
    assert numbers == pytest.approx([turned.a, turned.d, turned.b, turned.e, x, y])
    with rasterio.open("z.png") as raster:
        assert raster.transform.almost_equals(turned, 1e-6)
        assert raster.crs == "EPSG:32622"
        assert raster.nodata == 0
    write(tmp_path / "flat.png", driver="PNG", crs=None, transform=None)
    assert command("segment", "flat.png", "--out", "z.png").code == 0
    assert not Path("z.pgw").exists()
    with rasterio.open("z.png") as raster:
        assert raster.crs is None


@pytest.mark.parametrize("kind", ["plane", "degrees", "turned"])
@pytest.mark.parametrize("ending", ["gpkg", "geojson"])
def test_polygons_cover_what_the_mask_does_and_the_front_lies_on_its_edge(
    command: Command, tmp_path: Path, kind: str, ending: str
) -> None:
    crs, transform = "EPSG:32622", UTM
    if kind == "degrees":
        crs, transform = "EPSG:4326", Affine(0.00118, 0, -51.0, 0, -0.00044, 69.4)
    if kind == "turned":
        transform = UTM @ Affine.rotation(-35)
    write(tmp_path / "a_2003-08-01.tif", crs=crs, transform=transform)
    result = command(
        "segment", "a_2003-08-01.tif", "--out", "z.tif", "--vector", f"z.{ending}", "--ocean", "up", "--json"
    )
    assert result.code == 0, result.err
    km2 = {one["class"]: one["area_km2"] for one in result.json[0]["classes"]}
    if ending == "gpkg":
        polygons, fronts = (gpd.read_file("z.gpkg", layer=layer) for layer in ("zones", "fronts"))
        assert polygons.crs == crs
    else:
        both = gpd.read_file("z.geojson")
        assert both.crs == "EPSG:4326"
        polygons, fronts = both[both["class"] != "front"], both[both["class"] == "front"]
    assert set(polygons["class"]) == {"glacier", "ocean"}
    assert set(polygons["image"]) == {"a_2003-08-01.tif"}
    assert set(polygons["model"]) == {"landsat-fronts"}
    assert [str(date)[:10] for date in fronts["date"]] == ["2003-08-01"]
    assert polygons.groupby("class")["area_km2"].sum().to_dict() == pytest.approx(km2, rel=1e-5)
    geod = pyproj.Geod(ellps="WGS84")
    on_earth = polygons.to_crs("EPSG:4326")
    drawn = {name: sum(abs(geod.geometry_area_perimeter(shape)[0]) for shape in part) / 1e6
             for name, part in on_earth.groupby("class").geometry}  # fmt: skip
    assert drawn == pytest.approx(km2, rel=2e-3)
    # GeoJSON keeps seven decimals of a degree, 1 cm: along a front of 4 km that is some millimetres.
    assert fronts["length_km"].iloc[0] == pytest.approx(
        geod.geometry_length(fronts.to_crs(4326).geometry.iloc[0]) / 1e3, rel=1e-5
    )
    # The front, made below the pixel, is nowhere further from the water's edge than the step of a pixel.
    assert polygons.union_all().buffer(1e-9).contains(fronts.union_all()) or ending == "geojson"
    metres = polygons.estimate_utm_crs()
    water = polygons[polygons["class"] == "ocean"].to_crs(metres).union_all()
    line = fronts.to_crs(metres).geometry.iloc[0]
    assert shapely.hausdorff_distance(line, shapely.intersection(line, water.boundary.buffer(80))) < 1


def test_small_parts_join_what_is_around_them(command: Command, tmp_path: Path) -> None:
    names = ("green", "nir", "swir1")
    snow, rock = (0.6, 0.5, 0.02), (0.13, 0.19, 0.23)
    scene = np.array(rock)[:, None, None] * np.ones((3, 60, 60))
    for rows, columns in ((slice(5, 10), slice(5, 10)), (slice(20, 50), slice(20, 50))):
        scene[:, rows, columns] = np.array(snow)[:, None, None]
    scene[:, 30:34, 30:34] = np.array(rock)[:, None, None]
    profile = {"driver": "GTiff", "height": 60, "width": 60, "count": 3, "dtype": "float32"}
    with rasterio.open("s.tif", "w", **profile, crs="EPSG:32632", transform=Affine(30, 0, 5e5, 0, -30, 5e6)) as target:
        target.write(scene.astype(np.float32))
        for number, name in enumerate(names, start=1):
            target.set_band_description(number, name)
    result = command("segment", "s.tif", "--method", "ndsi", "--out", "z.tif", "--vector", "z.gpkg", "--json")
    assert result.code == 0, result.err
    # 900 + 25 - 16 pixels, of which a median takes the corners: four each, and puts four back inside the hole.
    assert len(gpd.read_file("z.gpkg", layer="zones")) == 4
    result = command(
        "segment", "s.tif", "--method", "ndsi", "--out", "z.tif", "--vector", "z.gpkg", "--min-area", "0.03", "--json"
    )
    zones_left = read(Path("z.tif"))
    assert zones_left[7, 7] == 64
    assert zones_left[31, 31] == 127
    km2 = {one["class"]: one["area_km2"] for one in result.json[0]["classes"]}
    assert km2["ice and snow"] == pytest.approx((900 - 4) * 0.0009 * 1.0008, rel=1e-3)
    assert len(gpd.read_file("z.gpkg", layer="zones")) == 2


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Gives parts of files, as servers of scenes do."""

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        held, given = path.read_bytes(), self.headers.get("Range")
        first, last = 0, len(held) - 1
        if given:
            start, _, stop = given.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(stop or last), last)
        self.send_response(206 if given else 200)
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Accept-Ranges", "bytes")
        if given:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(held)}")
        self.end_headers()
        self.wfile.write(held[first : last + 1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    handler = functools.partial(_Ranges, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


def test_images_behind_an_address_are_those_of_the_file(command: Command, tmp_path: Path, server: str) -> None:
    write(tmp_path / "served" / "a_2004-08-01.tif")
    (tmp_path / "served" / "text.tif").write_text("no image")
    (tmp_path / "served" / "v.vrt").write_text("<VRTDataset rasterXSize='9' rasterYSize='9'></VRTDataset>")
    assert command("segment", tmp_path / "served" / "a_2004-08-01.tif", "--out", "here.tif", *NORTH).code == 0
    there = f"{server}/a_2004-08-01.tif?token=geheim"
    result = command("segment", there, "--out", "there.tif", *NORTH, "--json")
    assert result.code == 0, result.err
    assert result.json[0]["date"] == "2004-08-01"
    assert (read(Path("here.tif")) == read(Path("there.tif"))).all()
    assert b"geheim" not in Path("there.tif").read_bytes()
    many = [f"/vsicurl/{server}/{name}" for name in ("a_2004-08-01.tif", "text.tif", "v.vrt", "none.tif")]
    result = command("segment", *many, "--out", "m", *NORTH, "--json")
    assert result.code == 3
    assert [row["status"] for row in result.json] == ["ok", "failed", "failed", "failed"]


@pytest.mark.parametrize(
    ("name", "classes", "codes", "ice"),
    [
        ("nird", ("background", "glacier"), (64, 127), (127,)),
        ("hkh", ("background", "clean ice", "debris-covered ice"), (64, 127, 128), (127, 128)),
        ("glacierhack", ("background", "clean ice", "debris-covered ice", "water"), (64, 85, 170, 255), (85, 170)),
        ("caffe", ("no data", "rock", "glacier", "ocean"), (0, 64, 127, 254), (127,)),
    ],
)
def test_track_knows_the_classes_of_every_mask_and_what_was_not_observed(
    command: Command, tmp_path: Path, name: str, classes: tuple[str, ...], codes: tuple[int, ...], ice: tuple[int, ...]
) -> None:
    from glaciertime.archive import Archive
    from glaciertime.cli.segment_files import Maker, mask_file
    from glaciertime.scenes.imagery import Imagery
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.legend import legend_of_model

    spec = ModelSpec(name=name, model="unet", bands=("b",), classes=classes, codes=codes)
    assert spec.unobserved not in codes
    row, column = np.mgrid[0:60, 0:60]
    mask = np.array(codes, np.uint8)[(column // 8) % len(codes)]
    mask[:10] = spec.unobserved
    write(tmp_path / "image.tif", np.zeros((60, 60), np.uint8))
    (tmp_path / "masks").mkdir()
    for year in (2001, 2002):
        made = tmp_path / "masks" / f"g_{year}-08-01.tif"
        with (
            Imagery(tmp_path / "image.tif") as pixels,
            mask_file(
                made, pixels, legend=legend_of_model(spec), maker=Maker(name, "1", None, "{}"), cog=False
            ) as target,
        ):
            target.write(mask[None])
    (tmp_path / "g.yaml").write_text("name: Testbreen\n")
    result = command("track", "--glacier", "Testbreen", "--manifest", "g.yaml", "--data", "masks")
    assert result.code == 0, result.err
    rows = Archive(Path("glaciertime.gpkg")).read("observations")
    areas = rows[(rows["variable"] == "area_km2") & rows["value"].notna()]["value"].tolist()
    right = mask_area_km2(np.isin(mask, ice), transform=UTM, crs="EPSG:32622")
    assert areas == pytest.approx([right] * len(areas), rel=1e-4)
    assert len(areas) >= 2
    assert row.shape == mask.shape


def test_a_mask_names_the_cloud_layer_that_it_was_made_with(command: Command, tmp_path: Path) -> None:
    write(tmp_path / "a.tif")
    write(tmp_path / "a_QA_PIXEL.tif", np.where(np.indices((96, 80))[0] < 5, 8, 0).astype(np.uint8))
    assert command("segment", "a.tif", "--out", "z.tif", *NORTH).code == 0
    with rasterio.open("z.tif") as mask:
        told = json.loads(mask.tags()["GLACIERTIME_RUN"])
    assert "a_QA_PIXEL.tif" in {one["input"] for one in told["inputs"]}


def test_a_cloud_band_is_found_by_its_name_where_no_file_is_called_so(command: Command, tmp_path: Path) -> None:
    both = np.stack([picture(), np.where(np.indices((96, 80))[0] < 5, 1, 0).astype(np.uint8)])
    profile = {"driver": "GTiff", "height": 96, "width": 80, "count": 2, "dtype": "uint8", "crs": "EPSG:32622"}
    with rasterio.open("a.tif", "w", **profile, transform=UTM) as target:
        target.write(both)
        target.set_band_description(2, "veil")
    result = command("segment", "a.tif", "--out", "z.tif", *NORTH, "--clouds", "veil", "--bands", "1")
    assert result.code == 0, result.err
    assert "is cloud or its shadow by its band 2" in result.err
