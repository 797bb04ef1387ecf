"""``glaciertime track`` on a folder of images: recognised, segmented in the frame of the model, measured."""

import math

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from glaciertime.__main__ import run
from glaciertime.archive import Archive
from glaciertime.errors import InputError
from glaciertime.scenes.acquisition import UnreadableScene
from glaciertime.scenes.folder import MaskReading
from glaciertime.scenes.image_folder import format_of_rasters, images_in_folder, is_image

EAST, NORTH = 500_000.0, 7_600_000.0


def write(path, image, transform, crs="EPSG:32622", **more):
    profile = {"driver": "GTiff", "height": image.shape[0], "width": image.shape[1], "count": 1, **more}
    path.parent.mkdir(exist_ok=True)
    with rasterio.open(path, "w", **profile, dtype=image.dtype, crs=crs, transform=transform) as target:
        target.write(image, 1)
    return path


def picture(ocean_deg, front_m, *, size_m=30.0):
    """A glacier that ends in dark water towards an azimuth, with a bright face, north up, as far as it was seen."""
    side = round(18_000 / size_m)
    transform = Affine(size_m, 0, EAST - 9_000, 0, -size_m, NORTH + 9_000)
    row, column = np.mgrid[0:side, 0:side] + 0.5
    x, y = (column - side / 2) * size_m, (side / 2 - row) * size_m
    angle = math.radians(ocean_deg)
    along = x * math.sin(angle) + y * math.cos(angle)
    across = x * math.cos(angle) - y * math.sin(angle)
    image = np.where(along > front_m, 60.0, 150.0) + np.random.default_rng(0).normal(0, 6, along.shape)
    image[np.abs(along - front_m) < 30] = 240
    seen = (np.abs(along) < 7_300) & (np.abs(across) < 4_850)
    return np.where(seen, image.clip(1, 255), 0).astype(np.uint8), transform


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for year, front_m in ((2001, 600.0), (2002, 0.0), (2003, -900.0)):
        write(folder / "g" / f"scene_{year}-08-01.tif", *picture(250.0, front_m), nodata=0)
    (folder / "t.yaml").write_text("name: Testbreen\n")
    given = ["track", "--glacier", "Testbreen", "--manifest", folder / "t.yaml", "--data", folder / "g"]
    code = run([str(part) for part in [*given, "--ocean", "250", "--archive", folder / "a.gpkg"]])
    return code, folder


def test_a_changed_cloud_layer_is_a_changed_scene(tmp_path):
    image, transform = picture(250.0, 0.0)
    write(tmp_path / "g" / "scene_2001-08-01.tif", image, transform, nodata=0)
    clear = np.full(image.shape, 1 << 6, np.uint16)
    layer = write(tmp_path / "g" / "scene_2001-08-01_QA_PIXEL.tif", clear, transform)
    (scene,) = images_in_folder(tmp_path / "g", glacier="Testbreen", dataset="g", reading=MaskReading())
    assert scene.acquisition.parts == (str(tmp_path / "g" / "scene_2001-08-01.tif"), str(layer))
    (tmp_path / "t.yaml").write_text("name: Testbreen\n")

    def track():
        given = ["track", "--glacier", "Testbreen", "--manifest", tmp_path / "t.yaml", "--data", tmp_path / "g"]
        assert run([str(part) for part in [*given, "--ocean", "250", "--archive", tmp_path / "a.gpkg"]]) == 0
        rows = Archive(tmp_path / "a.gpkg").read("observations", variable="area_km2")
        return float(rows["value"].iloc[0])

    whole = track()
    covered = clear.copy()
    covered[:200] = 1 << 3
    write(layer, covered, transform)
    assert track() < 0.9 * whole


def test_an_image_is_measured_once_a_cloud_layer_that_cannot_be_opened_is_gone(tmp_path, capsys):
    image, transform = picture(250.0, 0.0)
    write(tmp_path / "g" / "scene_2001-08-01.tif", image, transform, nodata=0)
    write(tmp_path / "g" / "scene_2002-08-01.tif", image, transform, nodata=0)
    layer = tmp_path / "g" / "scene_2001-08-01_QA_PIXEL.tif"
    layer.write_bytes(b"II*\0 cut off")
    (tmp_path / "t.yaml").write_text("name: Testbreen\n")
    given = ["track", "--glacier", "Testbreen", "--manifest", tmp_path / "t.yaml", "--data", tmp_path / "g"]
    given += ["--ocean", "250", "--archive", tmp_path / "a.gpkg"]
    assert run([str(part) for part in given]) == 3
    assert "QA_PIXEL.tif" in capsys.readouterr().err
    layer.unlink()
    assert run([str(part) for part in given]) == 0


def test_a_retreat_in_images_is_measured_in_metres_with_its_sigma_and_model(tracked):
    code, folder = tracked
    assert code == 0
    rows = Archive(folder / "a.gpkg").read("observations")
    rows = rows[(rows["variable"] == "front_position_m") & (rows["method"] == "centreline")].sort_values("date")
    assert [date.year for date in rows["date"]] == [2001, 2002, 2003]
    assert np.diff(rows["value"]).tolist() == pytest.approx([-600, -900], abs=60)
    assert (rows["sigma"] > 40).all()
    fronts = Archive(folder / "a.gpkg").read("fronts")
    assert set(fronts["model"]) == {"landsat-fronts"}


def test_an_ocean_told_on_the_wrong_side_flags_every_front(tracked, tmp_path, capsys):
    _, folder = tracked
    right = Archive(folder / "a.gpkg").read("observations")
    assert not right["quality"].str.contains("seems to lie").any()
    given = ["track", "--glacier", "Testbreen", "--manifest", folder / "t.yaml", "--data", folder / "g"]
    assert run([str(part) for part in [*given, "--ocean", "70", "--archive", tmp_path / "a.gpkg"]]) == 0
    assert "EVERY FRONT IS FLAGGED: check --ocean" in capsys.readouterr().err
    rows = Archive(tmp_path / "a.gpkg").read("observations")
    fronts = rows[rows["variable"] == "front_position_m"]
    said = "unclear-front: the ocean seems to lie towards 250 degrees from north, not 70"
    assert len(fronts) == 3
    assert fronts["quality"].str.contains(said).all()
    assert (
        run(["segment", str(folder / "g" / "scene_2001-08-01.tif"), "--ocean", "70", "--out", str(tmp_path / "m.tif")])
        == 0
    )
    assert "THE FRONT IS NOT TO BE RELIED ON" in capsys.readouterr().err


def test_images_are_told_from_masks_by_their_values(tmp_path):
    image, transform = picture(0.0, 0.0)
    assert is_image(write(tmp_path / "image.tif", image, transform))
    classes = np.where(image > 100, 3, 1).astype(np.uint8)
    assert is_image(write(tmp_path / "mask.tif", classes, transform)) is False
    probability = (image / 255).astype(np.float32)
    assert is_image(write(tmp_path / "p.tif", probability, transform)) is False
    assert is_image(write(tmp_path / "reflectance.tif", (image * 40.0).astype(np.float32), transform))
    (tmp_path / "broken.tif").write_bytes(b"II*\x00")
    assert is_image(tmp_path / "broken.tif") is None


def test_a_mixture_of_images_and_masks_is_refused_unless_it_is_told(tmp_path):
    image, transform = picture(0.0, 0.0)
    write(tmp_path / "a_2001-01-01.tif", image, transform)
    write(tmp_path / "b_2002-01-01.tif", np.where(image > 100, 3, 1).astype(np.uint8), transform)
    with pytest.raises(InputError, match=r"a_2001-01-01\.tif looks like an image and b_2002-01-01\.tif like a mask"):
        format_of_rasters(tmp_path, MaskReading())
    assert format_of_rasters(tmp_path, MaskReading(are_images=True)) == "images"
    assert format_of_rasters(tmp_path, MaskReading(are_images=False)) == "masks"


def test_a_mask_that_lies_among_many_images_is_not_segmented_as_one_of_them(tmp_path):
    image, transform = picture(0.0, 0.0)
    for year in range(2001, 2013):
        write(tmp_path / f"a_{year}-01-01.tif", image, transform)
    # Not one of the files that are looked at to tell what the folder holds.
    write(tmp_path / "a_2002-01-01.tif", np.where(image > 100, 127, 254).astype(np.uint8), transform)
    reading = MaskReading()
    assert format_of_rasters(tmp_path, reading) == "images"
    found = list(images_in_folder(tmp_path, glacier="g", dataset="d", reading=reading))
    refused = [scene for scene in found if isinstance(scene, UnreadableScene)]
    assert [scene.date.year for scene in refused] == [2002]
    assert "a_2002-01-01.tif looks like a mask among images" in refused[0].reason
    told = images_in_folder(tmp_path, glacier="g", dataset="d", reading=MaskReading(are_images=True))
    assert not any(isinstance(scene, UnreadableScene) for scene in told)


def test_an_image_without_a_place_says_what_is_missing(tmp_path, capsys):
    image, _ = picture(0.0, 0.0)
    write(tmp_path / "g" / "a_2001-01-01.tif", image, None, crs=None)
    (tmp_path / "t.yaml").write_text("name: Testbreen\n")
    given = ["--manifest", tmp_path / "t.yaml", "--data", tmp_path / "g", "--archive", tmp_path / "a.gpkg"]
    assert run([str(part) for part in ["track", "--glacier", "Testbreen", *given]]) == 1
    assert "a_2001-01-01.tif has no georeference" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--weights", "landsat-fronts"), ("--bands", "1"), ("--scale", "2,0")])
def test_what_is_said_of_images_is_refused_where_there_are_masks(tmp_path, capsys, option):
    for year, row in ((2001, 40), (2002, 36)):
        zones = np.where(np.arange(64)[:, None] + np.zeros(48) < row, 127, 254).astype(np.uint8)
        write(tmp_path / "g" / f"a_{year}-03-15.tif", zones, Affine(49, 0, 500_000, 0, -49, 7_700_000))
    (tmp_path / "t.yaml").write_text("name: Testbreen\n")
    given = ["--manifest", tmp_path / "t.yaml", "--data", tmp_path / "g", "--archive", tmp_path / "a.gpkg"]
    track = [str(part) for part in ["track", "--glacier", "Testbreen", *given]]
    assert run([*track, *option]) == 2
    assert f"{option[0]}: " in capsys.readouterr().err
    assert not (tmp_path / "a.gpkg").exists()
    assert run(track) == 0


def test_a_method_without_a_model_takes_no_weights(tmp_path, capsys):
    image = np.random.default_rng(0).uniform(0.05, 0.6, (40, 40)).astype(np.float32)
    write(tmp_path / "s.tif", image, Affine(30, 0, 500_000, 0, -30, 7_700_000))
    given = ["segment", str(tmp_path / "s.tif"), "--out", str(tmp_path / "z.tif"), "--method", "ndsi"]
    assert run([*given, "--weights", "sar-zones"]) == 2
    assert "leave --weights" in capsys.readouterr().err
