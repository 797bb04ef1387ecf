"""Masks as they lie in people's folders: read right, or refused with what to say."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK, MaskScene, UnreadableScene
from glaciertime.scenes.classes import Classes, parse_classes
from glaciertime.scenes.folder import MaskReading, masks_in_folder
from glaciertime.scenes.rasters import mask_scene
from glaciertime.scenes.zones import read_probability, read_zones

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIZE = (40, 60)
PLACE = Affine(30, 0, -2_400_000, 0, -30, 1_300_000)
#: Ice left of column 30, rock in the upper ten rows, ocean elsewhere.
ZONES = np.full(SIZE, OCEAN, dtype=np.uint8)
ZONES[:, :30] = GLACIER
ZONES[:10] = ROCK
SAID = "0=ocean,1=glacier,2=rock"


def coded(ocean: float, glacier: float, rock: float, dtype: str = "uint8", *, zones: np.ndarray = ZONES) -> np.ndarray:
    out = np.zeros(zones.shape, dtype=dtype)
    for zone, value in ((OCEAN, ocean), (GLACIER, glacier), (ROCK, rock)):
        out[zones == zone] = value
    return out


PLAIN = coded(0, 1, 2)
HOLE = np.s_[20:30, 40:50]
WITH_HOLE = ZONES.copy()
WITH_HOLE[HOLE] = NO_DATA


def holed(value: float, dtype: str) -> np.ndarray:
    out = coded(0, 1, 2, dtype)
    out[HOLE] = value
    return out


def write(path: Path, bands: np.ndarray, **profile: Any) -> Path:
    if bands.ndim == 2:
        bands = bands[None]
    more = {
        key: profile.pop(key) for key in ("colormap", "colorinterp", "descriptions", "mask", "scales") if key in profile
    }
    options = {"driver": "GTiff", "crs": "EPSG:3031", "transform": PLACE, **profile}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype.name, **options
        ) as target,
    ):
        for key in ("colorinterp", "descriptions", "scales"):
            if key in more:
                setattr(target, key, more[key])
        if "colormap" in more:
            target.write_colormap(1, more["colormap"])
        target.write(bands)
        if "mask" in more:
            target.write_mask(more["mask"])
    return path


def read(path: Path, said: str = SAID, **more: Any) -> np.ndarray:
    return read_zones(path, parse_classes(said, **more))


@pytest.mark.parametrize(
    ("values", "profile", "said", "expected"),
    [
        (coded(0, 1, 2, "uint16"), {}, SAID, ZONES),
        (coded(0, 1000, 2000, "uint16"), {}, "0=ocean,1000=glacier,2000=rock", ZONES),
        (holed(-9999, "int16"), {"nodata": -9999}, SAID, WITH_HOLE),
        (holed(-9999, "int16"), {}, SAID + ",-9999=nodata", WITH_HOLE),
        (coded(-1, 1, 0, "int8"), {}, "-1=ocean,1=glacier,0=rock", ZONES),
        (coded(0, 1, 2, "float32"), {}, SAID, ZONES),
        (holed(np.nan, "float32"), {}, SAID, WITH_HOLE),
        (holed(-3.4e38, "float32"), {"nodata": -3.4e38}, SAID, WITH_HOLE),
        (coded(0, 1, 2, "int32"), {}, SAID, ZONES),
        (coded(0, 1, 2, "float64"), {}, SAID, ZONES),
        (PLAIN, {"BIGTIFF": "YES", "compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16}, SAID,
         ZONES),
        (coded(0, 255, 100), {}, "0=ocean,255=glacier,100=rock", ZONES),
    ],
    ids=["uint16", "large uint16", "int16 nodata", "int16 undeclared", "int8", "float32", "NaN", "float nodata",
         "int32", "float64", "BigTIFF", "0 and 255"],
)  # fmt: skip
def test_numbers_of_every_kind(tmp_path: Path, values, profile, said, expected) -> None:
    np.testing.assert_array_equal(read(write(tmp_path / "m.tif", values, **profile), said), expected)


def test_one_bit(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", coded(0, 1, 0), nbits=1)
    found = read(path, "0=ocean,1=glacier")
    np.testing.assert_array_equal(found == GLACIER, ZONES == GLACIER)


PALETTE = {0: (0, 0, 255, 255), 1: (0, 255, 255, 255), 2: (128, 128, 128, 255)}
COLOURS = "#0000ff=ocean,#00FFFF=glacier,#808080=rock"


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_a_palette_by_value_and_by_colour(tmp_path: Path, ending: str) -> None:
    driver = {"tif": "GTiff", "png": "PNG"}[ending]
    path = write(tmp_path / f"m.{ending}", PLAIN, driver=driver, colormap=PALETTE)
    np.testing.assert_array_equal(read(path), ZONES)
    np.testing.assert_array_equal(read(path, COLOURS), ZONES)
    with pytest.raises(InputError, match="holds the values 0, 1, 2, of which 2 name no zone"):
        read(path, "#00f=ocean,#0ff=glacier")


def test_a_transparent_entry_of_a_palette_is_not_observed(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    values = PLAIN.copy()
    values[HOLE] = 3
    image = pillow.fromarray(values, mode="P")
    image.putpalette([0, 0, 255, 0, 255, 255, 128, 128, 128, 9, 9, 9])
    for name, clear in (
        ("one.png", 3),
        ("list.png", bytes([255, 255, 255, 0])),
        ("two.png", bytes([255, 255, 255, 0, 0])),
    ):
        image.save(tmp_path / name, transparency=clear)
        np.testing.assert_array_equal(read(tmp_path / name), WITH_HOLE)
        with pytest.raises(InputError, match="says in its header that 3 was not observed, --classes that it is ocean"):
            read(tmp_path / name, SAID + ",3=ocean")


def rgb(zones: np.ndarray = ZONES, **colours: tuple[int, ...]) -> np.ndarray:
    names = {OCEAN: (0, 0, 255), GLACIER: (0, 255, 255), ROCK: (128, 128, 128), NO_DATA: (0, 0, 0)}
    out = np.zeros((*zones.shape, 3), dtype=np.uint8)
    for zone, colour in names.items():
        out[zones == zone] = colour
    return np.moveaxis(out, -1, 0)


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_colours(tmp_path: Path, ending: str) -> None:
    driver = {"tif": "GTiff", "png": "PNG"}[ending]
    path = write(tmp_path / f"m.{ending}", rgb(), driver=driver)
    np.testing.assert_array_equal(read(path, COLOURS), ZONES)
    with pytest.raises(InputError, match=r"25\.0% of its pixels have colours of no class \(#808080\)"):
        read(path, "#0000ff=ocean,#00ffff=glacier")
    with pytest.raises(InputError, match="--classes '#00ffff=glacier"):
        read(path, "255=glacier")
    with pytest.raises(InputError, match="colours of no class"):
        read_zones(path)


def test_a_transparent_pixel_is_not_observed_whatever_its_colour(tmp_path: Path) -> None:
    alpha = np.where(WITH_HOLE == NO_DATA, 0, 255).astype(np.uint8)
    path = write(tmp_path / "m.png", np.concatenate([rgb(), alpha[None]]), driver="PNG")
    np.testing.assert_array_equal(read(path, COLOURS), WITH_HOLE)
    # The picture of a glacier on nothing: all that is not ice is transparent.
    clear = np.where(ZONES == GLACIER, 255, 0).astype(np.uint8)
    black = rgb() * (clear > 0)
    path = write(tmp_path / "n.png", np.concatenate([black, clear[None]]), driver="PNG")
    with pytest.raises(InputError, match="every pixel of #000000 is transparent"):
        read(path, "#00ffff=glacier,#000000=rock")
    found = read(path, "#00ffff=glacier,#00000000=rock")
    np.testing.assert_array_equal(found, np.where(ZONES == GLACIER, GLACIER, ROCK))


def test_a_grey_picture_in_colour_is_one_of_values(tmp_path: Path) -> None:
    path = write(tmp_path / "m.png", np.stack([coded(0, 255, 100)] * 3), driver="PNG")
    np.testing.assert_array_equal(read(path, "0=ocean,255=glacier,100=rock"), ZONES)
    np.testing.assert_array_equal(read(path, "#000=ocean,#fff=glacier,#646464=rock"), ZONES)


def test_colours_compressed_with_losses_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    zones = np.where(rng.random(SIZE) < 0.5, GLACIER, OCEAN)
    path = write(tmp_path / "m.tif", rgb(zones), compress="jpeg", photometric="YCBCR")
    with pytest.raises(InputError, match="export the mask again without losses"):
        read(path, COLOURS)


def test_alpha_and_mask_bands_are_not_observed(tmp_path: Path) -> None:
    alpha = np.where(WITH_HOLE == NO_DATA, 0, 255).astype(np.uint8)
    path = write(
        tmp_path / "a.tif", np.stack([PLAIN, alpha]), colorinterp=(ColorInterp.gray, ColorInterp.alpha)
    )  # fmt: skip
    np.testing.assert_array_equal(read(path), WITH_HOLE)
    np.testing.assert_array_equal(read(write(tmp_path / "b.tif", PLAIN, mask=alpha)), WITH_HOLE)
    # With a palette too.
    both = write(
        tmp_path / "c.tif", np.stack([PLAIN, alpha]), colormap=PALETTE,
        colorinterp=(ColorInterp.palette, ColorInterp.alpha), photometric="palette",
    )  # fmt: skip
    np.testing.assert_array_equal(read(both, COLOURS), WITH_HOLE)


def test_what_is_said_and_the_header_contradict_each_other(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", PLAIN, nodata=0)
    with pytest.raises(InputError, match="give 0=nodata in --classes, or if every 0 is ocean --nodata none"):
        read(path)
    np.testing.assert_array_equal(read(path, nodata="none"), ZONES)
    hidden = read(path, "0=nodata,1=glacier,2=rock")
    np.testing.assert_array_equal(hidden, np.where(ZONES == OCEAN, NO_DATA, ZONES))
    np.testing.assert_array_equal(read(path, "1=glacier,2=rock"), hidden)
    clash = write(tmp_path / "n.tif", ZONES, nodata=127)
    with pytest.raises(InputError, match="127 was not observed, the codes of CaFFe that it is glacier"):
        read_zones(clash)
    coloured = write(tmp_path / "c.tif", rgb(), nodata=0)
    np.testing.assert_array_equal(read(coloured, COLOURS), ZONES)
    with pytest.raises(InputError, match="--nodata none"):
        read(coloured, "#000000=rock,#0000ff=ocean,#00ffff=glacier")


def test_an_undeclared_value_can_be_named_as_not_observed(tmp_path: Path) -> None:
    values = PLAIN.copy()
    values[HOLE] = 99
    path = write(tmp_path / "m.tif", values, nodata=0)
    np.testing.assert_array_equal(read(path, nodata="99"), WITH_HOLE)
    with pytest.raises(UsageError, match="--nodata 1: --classes gives that value a zone"):
        parse_classes(SAID, nodata="1")
    with pytest.raises(UsageError, match="--nodata 'never' is no value"):
        parse_classes(SAID, nodata="never")


def test_unobserved_in_the_codes_of_the_house_is_not_made_rock(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", np.where(ZONES == GLACIER, 127, 0).astype(np.uint8))
    with pytest.raises(InputError, match="0 was not observed, but --classes says it is rock"):
        read(path, "0=rock,127=glacier")
    assert (read(path, "0=rock,127=glacier", nodata="none") == ROCK).any()
    declared = write(tmp_path / "n.tif", np.where(ZONES == GLACIER, 127, 0).astype(np.uint8), nodata=255)
    assert (read(declared, "0=rock,127=glacier") == ROCK).any()


AUX = """<PAMDataset><PAMRasterBand band="1">{}</PAMRasterBand></PAMDataset>"""
CATEGORIES = AUX.format(
    "<CategoryNames><Category>Open water</Category><Category>Glacier</Category><Category>Bare rock</Category>"
    "</CategoryNames>"
)
TABLE = AUX.format(
    '<GDALRasterAttributeTable><FieldDefn index="0"><Name>Value</Name><Type>0</Type><Usage>5</Usage></FieldDefn>'
    '<FieldDefn index="1"><Name>Count</Name><Type>0</Type><Usage>1</Usage></FieldDefn>'
    '<FieldDefn index="2"><Name>Klasse</Name><Type>2</Type><Usage>2</Usage></FieldDefn>'
    '<Row index="0"><F>0</F><F>9</F><F>Open water</F></Row><Row index="1"><F>1</F><F>9</F><F>Glacier</F></Row>'
    '<Row index="2"><F>2</F><F>9</F><F>Bare rock</F></Row></GDALRasterAttributeTable>'
)


@pytest.mark.parametrize("text", [CATEGORIES, TABLE], ids=["category names", "attribute table"])
def test_names_in_the_file(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "m.tif", PLAIN)
    (tmp_path / "m.tif.aux.xml").write_text(text)
    np.testing.assert_array_equal(read_zones(path), ZONES)
    np.testing.assert_array_equal(read(path, "open water=ocean,GLACIER=glacier,2=rock"), ZONES)
    with pytest.raises(InputError, match="calls its value 0 'Open water', --classes says glacier"):
        read(path, "0=glacier,1=ocean,2=rock")
    with pytest.raises(InputError, match="has the classes Open water, Glacier, Bare rock, not ice"):
        read(path, "ice=glacier")


def test_names_of_a_netcdf_mask_and_of_a_virtual_raster(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", PLAIN)
    with rasterio.open(path, "r+") as target:
        target.update_tags(1, flag_values="0b, 1b, 2b", flag_meanings="ocean land_ice rock")
    np.testing.assert_array_equal(read_zones(path), ZONES)
    plain = write(tmp_path / "plain.tif", PLAIN)
    (tmp_path / "v.vrt").write_text(
        f'<VRTDataset rasterXSize="{SIZE[1]}" rasterYSize="{SIZE[0]}"><SRS>EPSG:3031</SRS>'
        "<GeoTransform>-2400000, 30, 0, 1300000, 0, -30</GeoTransform>"
        '<VRTRasterBand dataType="Byte" band="1"><CategoryNames><Category>ocean</Category><Category>ice</Category>'
        '<Category>rock</Category></CategoryNames><SimpleSource><SourceFilename relativeToVRT="1">plain.tif'
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    assert plain.is_file()
    np.testing.assert_array_equal(read_zones(tmp_path / "v.vrt"), ZONES)


def test_names_of_an_attribute_table_of_arcgis(tmp_path: Path) -> None:
    import geopandas as gpd
    import shapely

    path = write(tmp_path / "m.tif", PLAIN)
    table = {"VALUE": [0, 1, 2], "COUNT": [9, 9, 9], "CLASS_NAME": ["Water", "Glacier ice", "Rock"]}
    gpd.GeoDataFrame(table, geometry=[shapely.Point(0, 0)] * 3).to_file(tmp_path / "table.shp")
    (tmp_path / "table.dbf").rename(tmp_path / "m.tif.vat.dbf")
    np.testing.assert_array_equal(read_zones(path), ZONES)


def test_names_that_the_file_does_not_have(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", PLAIN)
    with pytest.raises(InputError, match=r"m\.tif names no classes, so ice cannot be found"):
        read(path, "ice=glacier")
    with pytest.raises(InputError, match="has one band of values and no colours"):
        read(path, "#00ffff=glacier")


def ramp(front: float = 30.3) -> np.ndarray:
    """The probability of ice, one half at a fractional column."""
    columns = np.arange(SIZE[1]) + 0.5
    return np.tile(1 / (1 + np.exp(2 * (columns - front))), (SIZE[0], 1)).astype(np.float32)


def test_a_probability_gives_zones_and_a_front_between_pixels(tmp_path: Path) -> None:
    path = write(tmp_path / "m_2010-01-01.tif", ramp())
    zones = read(path, "0=ocean,1=glacier")
    assert (zones[:, :30] == GLACIER).all()
    assert (zones[:, 30:] == OCEAN).all()
    (scene,) = masks_in_folder(
        tmp_path, glacier="G", dataset="d", reading=MaskReading(classes=parse_classes("0=ocean,1=glacier"))
    )
    from glaciertime.catalog import Glacier
    from glaciertime.track import track_scenes

    tracked = track_scenes([scene], glacier=Glacier(name="G"))
    x = tracked.fronts.to_crs(3031).get_coordinates()["x"]
    assert x.to_numpy() == pytest.approx(-2_400_000 + 30 * 30.3, abs=0.1)
    # A slope of two per pixel: a logistic curve of scale one half.
    true_m = scene.acquisition.resolution_m
    assert tracked.fronts.sigma_m.iloc[0] == pytest.approx(
        np.hypot(np.pi / np.sqrt(3) / 2, 12**-0.5) * true_m, rel=0.02
    )
    with pytest.raises(InputError, match="a probability from 0 to 1 is read as that of the class called 1"):
        read_zones(path)
    assert read_probability(write(tmp_path / "b.tif", PLAIN.astype("float32")), parse_classes(SAID)) is None


def test_a_probability_with_gaps_and_one_in_a_byte(tmp_path: Path) -> None:
    holed = ramp()
    holed[HOLE] = np.nan
    found = read(write(tmp_path / "m.tif", holed), "0=ocean,1=glacier")
    assert (found[HOLE] == NO_DATA).all()
    stored = np.round(ramp() * 250).astype(np.uint8)
    path = write(tmp_path / "byte.tif", stored, scales=(1 / 250,))
    assert (read(path, "0=ocean,1=glacier")[:, :30] == GLACIER).all()


def test_one_band_per_zone(tmp_path: Path) -> None:
    ice = ramp()
    noise = np.full(SIZE, 0.3, dtype=np.float32)
    stack = np.stack([1 - ice, ice, noise])
    path = write(tmp_path / "m.tif", stack, descriptions=("ocean", "P(glacier)", "uncertainty (entropy, 0 to 1)"))
    zones = read_zones(path)
    assert (zones[:, :30] == GLACIER).all()
    assert (zones[:, 30:] == OCEAN).all()
    probability, codes = read_probability(path)
    assert codes == (OCEAN, GLACIER)
    np.testing.assert_allclose(probability[1], ice)
    unnamed = write(tmp_path / "n.tif", stack[:2])
    np.testing.assert_array_equal(read(unnamed, "band 1=ocean,band 2=glacier"), zones)
    with pytest.raises(InputError, match="has 2 bands"):
        read(unnamed, "0=ocean,1=glacier")
    with pytest.raises(InputError, match="do not add up to one"):
        read(write(tmp_path / "o.tif", 2 * stack[:2]), "band 1=ocean,band 2=glacier")
    hot = np.stack([ZONES == OCEAN, ZONES == GLACIER, ZONES == ROCK]).astype(np.uint8) * 255
    path = write(tmp_path / "hot.tif", hot, descriptions=("ocean", "glacier", "rock"))
    np.testing.assert_array_equal(read_zones(path), ZONES)
    assert read_probability(path) is None


def opened(path: Path, **more: Any) -> MaskScene:
    return mask_scene(path, glacier="G", date=dt.date(2010, 1, 1), dataset="d", classes=parse_classes(SAID), **more)


def test_rotated_rasters_and_control_points_say_how_to_warp_them(tmp_path: Path) -> None:
    rotated = write(tmp_path / "m.tif", PLAIN, transform=PLACE @ Affine.rotation(10))
    with pytest.raises(InputError, match=r"rotated geotransform.*gdalwarp -r near -dstalpha m\.tif north_up_m\.tif"):
        opened(rotated)
    points = [
        GroundControlPoint(row, column, -2_400_000 + 30 * column, 1_300_000 - 30 * row)
        for row, column in ((0, 0), (0, 60), (40, 0), (40, 60))
    ]
    path = tmp_path / "gcp.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=40, width=60, count=1, dtype="uint8", gcps=points, crs="EPSG:3031"
    ) as target:  # fmt: skip
        target.write(PLAIN, 1)
    for more in ({}, {"local_resolution_m": 30.0}, {"crs": pyproj.CRS.from_epsg(3031)}):
        with pytest.raises(InputError, match=r"4 ground control points.*gdalwarp -r near -dstalpha gcp\.tif"):
            opened(path, **more)
    floats = write(tmp_path / "f.tif", PLAIN.astype("float32"), transform=PLACE @ Affine.rotation(10))
    with pytest.raises(InputError, match="-dstnodata nan"):
        opened(floats)


def test_coordinates_that_are_not_those_of_the_crs_are_refused(tmp_path: Path) -> None:
    degrees = Affine(0.0005, 0, -50, 0, -0.0002, 69)
    with pytest.raises(InputError, match="these are degrees, but its CRS is WGS 84 / NSIDC"):
        opened(write(tmp_path / "a.tif", PLAIN, crs="EPSG:3413", transform=degrees))
    with pytest.raises(InputError, match="these are no degrees, but its CRS is WGS 84"):
        opened(write(tmp_path / "b.tif", PLAIN, crs="EPSG:4326"))
    with pytest.raises(InputError, match="has a CRS but no geotransform"):
        opened(write(tmp_path / "c.tif", PLAIN, transform=Affine.identity()))


def test_a_world_file_and_a_resolution_that_differ_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m.png", PLAIN, driver="PNG", crs=None, transform=None)
    (tmp_path / "m.pgw").write_text("30\n0\n0\n-30\n-2399985\n1299985\n")
    assert opened(path, local_resolution_m=30.0).transform == PLACE
    assert opened(path, crs=pyproj.CRS.from_epsg(3031)).transform == PLACE
    with pytest.raises(InputError, match="pixels of 30 by 30 by its world file, --resolution says 10"):
        opened(path, local_resolution_m=10.0)


def test_a_raster_too_large_for_a_mask_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=100_000, width=100_000, count=1, dtype="uint8", crs="EPSG:3031",
        sparse_ok=True, transform=PLACE, tiled=True, compress="deflate",
    ):  # fmt: skip
        pass
    with pytest.raises(InputError, match="10,000,000,000 pixels"):
        opened(path)


def folder(tmp_path: Path, classes: Classes | None = None, **more: Any) -> list[MaskScene | UnreadableScene]:
    reading = MaskReading(classes=classes or parse_classes(SAID), **more)
    return list(masks_in_folder(tmp_path, glacier="G", dataset="d", reading=reading))


def test_tiles_of_a_date_are_joined(tmp_path: Path) -> None:
    write(tmp_path / "left_2010-01-01.tif", PLAIN[:, :35])
    right = PLACE @ Affine.translation(25, 0)
    write(tmp_path / "right_2010-01-01.tif", PLAIN[:, 25:], transform=right)
    (scene,) = folder(tmp_path)
    assert scene.acquisition.image_id == "left_2010-01-01+right_2010-01-01"
    np.testing.assert_array_equal(scene.read(), ZONES)
    assert scene.transform.almost_equals(PLACE)


def test_halves_on_one_grid_and_copies_are_joined_but_not_what_contradicts(tmp_path: Path) -> None:
    upper, lower = PLAIN.copy(), PLAIN.copy()
    upper[20:] = lower[:20] = 9
    write(tmp_path / "a_2010-01-01.tif", upper, nodata=9)
    write(tmp_path / "b_2010-01-01.tif", lower, nodata=9)
    (scene,) = folder(tmp_path)
    np.testing.assert_array_equal(scene.read(), ZONES)
    write(tmp_path / "c_2010-01-01.tif", PLAIN)
    (scene,) = folder(tmp_path)
    np.testing.assert_array_equal(scene.read(), ZONES)
    other = PLAIN.copy()
    other[30, 30] = 1
    write(tmp_path / "d_2010-01-01.tif", other)
    refused = [found for found in folder(tmp_path) if isinstance(found, UnreadableScene)]
    assert len(refused) == 1
    assert (
        "has the same date, 2010-01-01, as a_2010-01-01.tif, and shows 0.0% of the same ground otherwise"
        in refused[0].reason
    )


def test_tiles_of_other_pixels_and_zones_of_the_map_are_brought_onto_one_grid(tmp_path: Path) -> None:
    fine = np.repeat(np.repeat(PLAIN[:, :30], 2, axis=0), 2, axis=1)
    write(tmp_path / "a_2010-01-01.tif", fine, transform=PLACE @ Affine.scale(0.5))
    write(tmp_path / "b_2010-01-01.tif", PLAIN[:, 30:], transform=PLACE @ Affine.translation(30, 0))
    (scene,) = folder(tmp_path)
    assert scene.shape == (80, 120)
    np.testing.assert_array_equal(scene.read(), np.repeat(np.repeat(ZONES, 2, axis=0), 2, axis=1))
    assert scene.acquisition.resolution_m == pytest.approx(30, rel=0.05)


def test_two_passes_of_a_day_are_two_scenes(tmp_path: Path) -> None:
    other = np.where(np.arange(SIZE[1]) < 28, 1, 0)[None].repeat(SIZE[0], axis=0).astype(np.uint8)
    for first, second in (
        ("S1A_IW_20170714T054512_m.tif", "S1B_IW_20170714T173000_m.tif"),
        ("S1A_IW_20170714T054512_m.tif", "S1A_IW_20170714T173000_m.tif"),
        ("S2A_20170714_R095_m.tif", "S2A_20170714_R052_m.tif"),
        ("LC08_20170714_m.tif", "S2A_20170714_m.tif"),
        ("TSX_2017-07-14_asc.tif", "TSX_2017-07-14_desc.tif"),
    ):
        for path in tmp_path.glob("*.tif"):
            path.unlink()
        write(tmp_path / first, PLAIN)
        write(tmp_path / second, other)
        assert [type(found) for found in folder(tmp_path)] == [MaskScene, MaskScene], first
    for path in tmp_path.glob("*.tif"):
        path.unlink()
    write(tmp_path / "S1A_IW_20170714T054512_m.tif", PLAIN[:, :30])
    write(tmp_path / "S1A_IW_20170714T054537_m.tif", PLAIN[:, 30:], transform=PLACE @ Affine.translation(30, 0))
    (scene,) = folder(tmp_path)
    np.testing.assert_array_equal(scene.read(), ZONES)


def test_a_mask_of_another_place_and_one_without_a_place_are_told(tmp_path: Path) -> None:
    for year in (2001, 2002, 2003):
        write(tmp_path / f"m_{year}-01-01.tif", PLAIN)
    write(tmp_path / "m_2004-01-01.tif", PLAIN, transform=PLACE @ Affine.translation(2_000, 0))
    write(tmp_path / "m_2005-01-01.tif", PLAIN, crs="EPSG:32633", transform=Affine(30, 0, 500_000, 0, -30, 8_000_000))
    write(tmp_path / "m_2006-01-01.png", PLAIN, driver="PNG", crs=None, transform=None)
    reasons = [found.reason for found in folder(tmp_path) if isinstance(found, UnreadableScene)]
    assert "m_2006-01-01.png has no coordinate system; say which one" in reasons[0]
    assert reasons[1].startswith("m_2004-01-01.tif lies 59 km from most of its neighbours")
    assert reasons[2].startswith("m_2005-01-01.tif lies")
    assert len(reasons) == 3
    # Said to be a picture without a place, it still has none among masks that have one.
    reasons = [
        found.reason for found in folder(tmp_path, local_resolution_m=30.0) if isinstance(found, UnreadableScene)
    ]
    assert "m_2006-01-01.png has no coordinate system, its neighbours have one" in reasons[0]
    assert len(reasons) == 3


def test_whether_there_is_an_ocean_to_end_in_is_told_by_the_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "m.tif", np.where(ZONES == GLACIER, 1, 0).astype(np.uint8))
    scene = mask_scene(
        path, glacier="G", date=dt.date(2010, 1, 1), dataset="d", classes=parse_classes("0=rock,1=glacier")
    )
    assert not scene.has_ocean
    assert opened(path).has_ocean
    assert not opened(path, on_land=True).has_ocean


@pytest.mark.parametrize("file", ["alpha_20100101.tif", "imask_20100101.tif"])
def test_masked_pixels_of_the_case_are_not_observed(shared_cases: Path, file: str) -> None:
    zones = read_zones(shared_cases / "lines" / "track" / file, parse_classes("0=ocean,1=glacier"))
    assert np.count_nonzero(zones == NO_DATA) == 1_200


def test_masks_of_a_model_with_a_background_say_what_was_not_observed(tmp_path: Path) -> None:
    """As ``segment`` writes them: background 0, glacier 127, unobserved 255 in the header."""
    values = np.where(ZONES == GLACIER, 127, 0).astype(np.uint8)
    values[:, :20] = 255
    found = read(write(tmp_path / "m.tif", values, nodata=255), "0=rock,127=glacier")
    assert (found[:, :20] == NO_DATA).all()
    assert set(np.unique(found[:, 20:]).tolist()) == {ROCK, GLACIER}
