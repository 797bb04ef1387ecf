"""Band ratio and snow index: known pixels, the labelled points, and files whose numbers are or are not reflectances."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.sensors import band_numbers, model_bands, sensor_named
from glaciertime.segment.pixels.indices import METHODS, needed_bands, zones_of_reflectance

from .test_segment_command import call

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
#: Reflectances of snow, ice, snow over which the atmosphere was overcorrected, rock, a lake, deep shadow.
GROUND = np.array([
    [0.80, 0.82, 0.82, 0.70, 0.02, 0.02],
    [0.30, 0.32, 0.31, 0.20, 0.01, 0.01],
    [0.60, 0.62, 0.60, 0.50, -0.01, -0.01],
    [0.10, 0.13, 0.14, 0.19, 0.23, 0.20],
    [0.10, 0.16, 0.11, 0.02, 0.01, 0.01],
    [0.01, 0.01, 0.01, 0.01, 0.003, 0.003],
])  # fmt: skip
RIGHT = [127, 127, 127, 64, 254, 64]


def write(path, reflectance, *, scale=1.0, offset=0.0, dtype="float32", names=None, size=8):
    stored = np.repeat(np.repeat((reflectance.T[:, None, :] - offset) / scale, size, axis=1), size, axis=2)
    stored = stored.round().astype(dtype) if dtype != "float32" else stored.astype(dtype)
    profile = {"driver": "GTiff", "height": size, "width": stored.shape[2], "count": len(stored), "dtype": dtype}
    transform = rasterio.Affine(30, 0, 500_000, 0, -30, 5_000_000)
    with rasterio.open(path, "w", **profile, crs="EPSG:32632", transform=transform) as target:
        target.write(stored)
        for number, name in enumerate(names or (), start=1):
            target.set_band_description(number, name)
    return path


def zones_in(path, size=8):
    with rasterio.open(path) as raster:
        return raster.read(1)[size // 2, size // 2 :: size].tolist()


@pytest.mark.parametrize("method", METHODS)
def test_known_ground_is_told_apart(method):
    bands = {name: GROUND[:, [number]] for number, name in enumerate(BANDS)}
    assert zones_of_reflectance(bands, method=method, median_px=1)[:, 0].tolist() == RIGHT


def test_what_one_band_did_not_observe_is_no_data():
    bands = {name: np.full((20, 20), GROUND[3, number]) for number, name in enumerate(BANDS)}
    for number, name in enumerate(BANDS):
        bands[name][10:18, 10:18] = GROUND[0, number]
    bands["swir1"][0] = np.nan
    zones = zones_of_reflectance(bands, method="band-ratio")
    assert (zones[0] == 0).all()
    assert (zones[11:17, 11:17] == 127).all()


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ([], {"names": BANDS}),
        (["--bands", ",".join(BANDS)], {}),
        (["--sensor", "landsat-8"], {"scale": 0.0000275, "offset": -0.2, "dtype": "uint16"}),
        (["--sensor", "sentinel-2"], {"scale": 0.0001, "offset": -0.1, "dtype": "uint16"}),
        (["--bands", "1,2,3,4,5", "--scale", "0.0001,-0.1"], {"scale": 0.0001, "offset": -0.1, "dtype": "uint16"}),
    ],
    ids=["described", "named", "landsat", "sentinel", "numbered"],
)
def test_a_file_is_segmented_whatever_its_numbers(tmp_path, options, form):
    image = write(tmp_path / "a.tif", GROUND, **form)
    said = call("segment", image, "--method", "band-ratio", *options, "--out", tmp_path / "m.tif").stdout
    assert zones_in(tmp_path / "m.tif") == RIGHT
    (share,) = re.findall(r"ice and snow +0\.\d+ +([\d.]+)%", said)
    assert 40 < float(share) < 51


@pytest.mark.parametrize("options", [["--scale", "0.0001,-0.1"], ["--sensor", "sentinel-2"]])
def test_the_number_0_of_a_sensor_with_an_offset_is_not_observed_and_that_is_said(tmp_path, options):
    image = write(tmp_path / "a.tif", GROUND, names=BANDS, scale=0.0001, offset=-0.1, dtype="uint16")
    with rasterio.open(image, "r+") as raster:
        stored = raster.read()
        stored[:, :, -8:] = 0
        raster.write(stored)
    said = call("segment", image, "--method", "band-ratio", *options, "--out", tmp_path / "m.tif").stderr
    assert zones_in(tmp_path / "m.tif") == [*RIGHT[:-1], 0]
    assert "0 is not observed" in said


@pytest.mark.parametrize(
    ("options", "form", "message"),
    [
        ([], {}, "does not say which of its 6 bands are blue, green, red, nir, swir1"),
        (["--bands", "red,nir"], {}, "has 6 bands, name each of them"),
        (
            [],
            {"names": BANDS, "scale": 0.0001, "offset": -0.1, "dtype": "uint16"},
            "no reflectances, and what they are",
        ),
        (["--sensor", "sentinel-2"], {"scale": 0.0001, "dtype": "int16"}, "offset of baseline 04.00 is not in them"),
        (["--sensor", "landsat-8", "--scale", "3"], {}, "are no reflectances"),
        (["--sensor", "landsat-88"], {}, "landsat-8"),
        (["--ocean", "north"], {"names": BANDS}, "--method has no model"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path, options, form, message):
    image = write(tmp_path / "a.tif", GROUND, **form)
    with pytest.raises(InputError, match=message):
        call("segment", image, "--method", "band-ratio", *options, "--out", tmp_path / "m.tif")
    assert not (tmp_path / "m.tif").exists()


def test_an_unknown_method_is_refused(tmp_path):
    image = write(tmp_path / "a.tif", GROUND, names=BANDS)
    with pytest.raises(InputError, match="nearest: band-ratio"):
        call("segment", image, "--method", "bandratio", "--out", tmp_path / "m.tif")


@pytest.mark.parametrize(
    ("sensor", "descriptions", "right"),
    [
        # The other way round than the usual stack of as many bands.
        ("landsat-8", ("SR_B7", "SR_B6", "SR_B5", "SR_B4", "SR_B3", "SR_B2", "SR_B1"), (4, 2)),
        ("landsat-8", ("B2", "B3", "B4", "B5", "B6", "B7"), (3, 5)),
        ("landsat-7", ("SR_B7", "SR_B5", "SR_B4", "SR_B3", "SR_B2", "SR_B1"), (4, 2)),
        ("sentinel-2", ("B04, central wavelength 665 nm", "B11, central wavelength 1610 nm"), (1, 2)),
        ("sentinel-2", ("B12", "B11", "B8", "B4", "B3", "B2"), (4, 2)),
    ],
)
def test_bands_that_a_file_calls_by_their_numbers_are_those_and_not_the_usual_stack(sensor, descriptions, right):
    numbers = band_numbers(
        Path("a.tif"), ("red", "swir1"), descriptions=descriptions, sensor=sensor_named(sensor), told=None
    )
    assert numbers == right


MODEL = ("nir", "red")


@pytest.mark.parametrize(
    ("descriptions", "sensor", "told", "right"),
    [
        ((None, None), None, None, None),
        (("red", "nir"), None, None, (2, 1)),
        (("B4", "B5"), "landsat-8", None, (2, 1)),
        ((None,) * 7, "landsat-9", None, (5, 4)),
        ((None,) * 4, "planetscope", None, (4, 3)),
        ((None,) * 8, "planetscope", None, (8, 6)),
        ((None,) * 9, "aster", None, (3, 2)),
        ((None, None), None, "red,nir", (2, 1)),
        ((None,) * 7, "landsat-8", "red,nir", (5, 4)),
        ((None, None), None, "2,1", (2, 1)),
    ],
)
def test_a_model_gets_its_bands_by_their_names(descriptions, sensor, told, right):
    known = None if sensor is None else sensor_named(sensor)
    found = model_bands(Path("a.tif"), MODEL, descriptions=descriptions, sensor=known, told=told)
    assert found == right


def test_a_model_of_one_grey_band_gets_the_band_that_is_named():
    stack = {"descriptions": (None,) * 7, "sensor": sensor_named("landsat-8")}
    assert model_bands(Path("a.tif"), ("grey",), **stack, told="red") == (4,)
    assert model_bands(Path("a.tif"), ("grey",), **stack, told=None) is None
    with pytest.raises(InputError, match="does not say which of its 7 bands are thermal"):
        model_bands(Path("a.tif"), ("grey",), **stack, told="thermal")


@pytest.mark.parametrize(
    ("descriptions", "sensor", "told", "message"),
    [
        (("red", "green"), None, None, "does not say which of its 2 bands are nir"),
        (("red", "nir"), None, "blue,nir", "itself calls its bands red, nir"),
        ((None,) * 3, None, "red,nir", "name each of them, in order"),
        ((None,) * 2, "sentinel-1", None, "sentinel-1 has no nir and no red"),
        ((None,) * 2, None, "red,red", "named twice"),
        ((None,) * 7, "landsat-8", "red,thermal", "nir is needed too"),
        (("red", "nir", "swir1"), None, "swir1,red", "nir is needed too"),
    ],
)
def test_bands_of_a_model_that_are_not_certain_are_refused(descriptions, sensor, told, message):
    known = None if sensor is None else sensor_named(sensor)
    with pytest.raises(InputError, match=message):
        model_bands(Path("a.tif"), MODEL, descriptions=descriptions, sensor=known, told=told)


@pytest.mark.parametrize("method", ["band-ratio", "ndsi"])
@pytest.mark.parametrize("count", range(1, 14))
def test_what_a_refusal_says_to_type_is_read(method, count):
    wanted, bands = needed_bands(method), {"descriptions": (None,) * count, "sensor": None}
    with pytest.raises(InputError, match=f"which of its {count} bands are") as refused:
        band_numbers(Path("a.tif"), wanted, **bands, told=None)
    said = re.search(r"--bands (\S+),", str(refused.value))
    if count < len(wanted):
        # Colours alone show no shortwave infrared: there is nothing to type.
        assert said is None
        assert "give an image that holds them" in str(refused.value)
    else:
        found = band_numbers(Path("a.tif"), wanted, **bands, told=said[1])
        assert len(set(found)) == len(wanted)


def test_one_band_is_not_taken_for_two():
    with pytest.raises(UsageError, match="a band is named twice"):
        band_numbers(Path("a.tif"), needed_bands("ndsi"), descriptions=(None,) * 3, sensor=None, told="1,2,2")


@pytest.mark.parametrize(
    ("method", "sensor", "message"),
    [
        ("ndsi", "planetscope", "planetscope has no swir1"),
        ("band-ratio", "aster", "aster has no blue"),
        ("ndsi", "sentinel-1", "sentinel-1 has no green and no nir and no swir1"),
    ],
)
def test_a_sensor_that_does_not_see_what_a_method_needs_is_refused(tmp_path, method, sensor, message):
    image = write(tmp_path / "a.tif", GROUND)
    with pytest.raises(InputError, match=message):
        call("segment", image, "--method", method, "--sensor", sensor, "--out", tmp_path / "m.tif")


def test_bands_that_are_only_counted_are_refused_where_the_stack_says_another_thing():
    with pytest.raises(InputError, match=r"a\.tif calls its bands B1 to B6: it is not certain"):
        band_numbers(
            Path("a.tif"), ("red", "swir1"), descriptions=tuple(f"B{1 + i}" for i in range(6)),
            sensor=sensor_named("landsat-8"), told=None,
        )  # fmt: skip


def test_the_stack_of_a_sensor_is_the_one_with_as_many_bands():
    found = band_numbers(
        Path("a.tif"), ("red", "swir1"), descriptions=(None,) * 7, sensor=sensor_named("Landsat 8"), told=None
    )  # fmt: skip
    assert found == (4, 6)


def test_on_labelled_points_the_band_ratio_is_better_than_what_was_known(shared_data):
    spec = importlib.util.spec_from_file_location(
        "spectral_points", Path(__file__).parents[2] / "scripts" / "spectral_points.py"
    )
    points = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(points)
    for sensor, least in (("landsat", 0.961), ("sentinel2_sr", 0.956)):
        table = points.read_points(shared_data / "spectral_points" / f"{sensor}.csv")
        scores = points.row_of(table, points.by_rule(table, "band-ratio"))
        assert scores["IoU"] > least
        assert scores["water"] > 0.95
