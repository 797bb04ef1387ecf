"""Labels find the image that they were drawn on, in its frame; what does not fit is told and left out."""

import datetime as dt

import numpy as np
import pytest
import shapely

torch = pytest.importorskip("torch")

from glaciertime.catalog import Glacier  # noqa: E402
from glaciertime.pipeline.adapting import AdaptRequest, read_labels, read_place_images  # noqa: E402
from glaciertime.pipeline.place_images import label_images  # noqa: E402
from glaciertime.scenes.datasets.sample import IGNORE  # noqa: E402
from glaciertime.segment.predict.weights import save_model  # noqa: E402
from tests.segment.adapt.places import (  # noqa: E402
    HEIGHT,
    SPEC,
    TRANSFORM,
    WIDTH,
    front,
    tiny_network,
    write_fronts,
    write_images,
    write_masks,
)

DAYS = {dt.date(2001, 7, 3): 18, dt.date(2002, 7, 3): 24, dt.date(2004, 7, 3): 30}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    write_images(folder / "images", DAYS)
    weights = save_model(tiny_network(), SPEC, folder / "tiny.safetensors")
    request = AdaptRequest(glacier=Glacier(name="Testbrae"), data=folder / "images", weights=str(weights), ocean=0.0)
    return request, read_place_images(request, tell=lambda text: None)


def labelled(place, path):
    """Return what comes of the labels in a file or a folder: samples, and what is said."""
    request, stack = place
    told = []
    request = AdaptRequest(
        glacier=request.glacier, data=request.data, weights=request.weights, ocean=0.0, labels=path
    )  # fmt: skip
    samples, said = label_images(stack.images, read_labels(request, tell=told.append), spec=stack.spec)
    return samples, [*told, *said]


def test_fronts_in_another_coordinate_system_lie_on_the_pixels_that_they_were_drawn_on(place, tmp_path):
    rows = [(date, "Testbrae", front(row + 0.5)) for date, row in DAYS.items()]
    samples, said = labelled(place, write_fronts(tmp_path / "fronts.gpkg", rows, crs="EPSG:3413"))
    assert said == []
    assert [one.info.date for one in samples] == list(DAYS)
    for one, row in zip(samples, DAYS.values(), strict=True):
        # The traced row itself is ocean.
        assert (one.labels[: row + 1, 6:34] == 1).all()
        assert (one.labels[row + 1 :, 6:34] == 0).all()
        assert (one.labels[:, :3] == IGNORE).all()
        assert (one.labels[:, 38:] == IGNORE).all()


def test_masks_are_taken_pixel_by_pixel_and_their_rock_is_no_class_of_the_model(place, tmp_path):
    samples, said = labelled(place, write_masks(tmp_path / "masks", DAYS))
    assert said == []
    for one, row in zip(samples, DAYS.values(), strict=True):
        assert (one.labels[:row, 4:] == 1).all()
        assert (one.labels[row:, 4:] == 0).all()
        assert (one.labels[:, :4] == IGNORE).all()


def test_a_label_of_a_day_without_an_image_and_one_of_another_glacier_are_left_out(place, tmp_path):
    first = next(iter(DAYS))
    rows = [
        (first, "Testbrae", front(18.5)), (dt.date(2001, 7, 10), "Testbrae", front(18.5)),
        (dt.date(2002, 7, 3), "Elsewhere", front(24.5)),
    ]  # fmt: skip
    samples, said = labelled(place, write_fronts(tmp_path / "fronts.gpkg", rows))
    assert [one.info.date for one in samples] == [first]
    assert len(said) == 1
    assert "of 2001-07-10 is of no image: none of that day can be read, the nearest is 7 days away" in said[0]


def test_two_labels_that_contradict_each_other_count_neither_and_equal_ones_count_once(place, tmp_path):
    first, second, _ = DAYS
    rows = [
        (first, "Testbrae", front(18.5)), (first, "Testbrae", front(28.5)),
        (second, "Testbrae", front(24.5)), (second, "Testbrae", front(25.5)),
    ]  # fmt: skip
    path = tmp_path / "fronts.gpkg"
    write_fronts(path, rows)
    import geopandas as gpd

    # Two people drew them: they are no pieces of one front.
    table = gpd.read_file(path)
    table["Author"] = ["A", "B", "A", "B"]
    table.to_file(path)
    samples, said = labelled(place, path)
    assert [one.info.date for one in samples] == [second]
    assert any("contradict each other" in text and "their fronts lie 500 m apart" in text for text in said)
    assert any("is there twice" in text for text in said)


def test_a_front_beside_the_image_or_along_its_edge_is_left_out_with_its_reason(place, tmp_path):
    first, second, third = DAYS
    x, y = TRANSFORM @ (WIDTH / 2, HEIGHT / 2)
    away = shapely.affinity.translate(front(18.5), 40_000, 0)
    upright = shapely.LineString([(x, y + 300), (x, y - 300)])
    rows = [(first, "Testbrae", away), (second, "Testbrae", upright), (third, "Testbrae", front(30.5))]
    samples, said = labelled(place, write_fronts(tmp_path / "fronts.gpkg", rows))
    assert [one.info.date for one in samples] == [third]
    assert any("lies outside the image" in text for text in said)
    assert len(said) == 2


def test_outlines_and_images_are_no_labels(place, tmp_path):
    box = shapely.box(*TRANSFORM @ (4, 40), *TRANSFORM @ (36, 20))
    rows = [(date, "Testbrae", box) for date in DAYS]
    samples, said = labelled(place, write_fronts(tmp_path / "outlines.gpkg", rows))
    assert samples == []
    assert all("does not tell its calving front from its sides" in text for text in said)
    samples, said = labelled(place, place[0].data)
    assert samples == []
    assert len(said) == 3


def test_an_image_that_is_there_twice_counts_once_and_one_that_cannot_be_read_is_told(tmp_path):
    folder = write_images(tmp_path / "images", DAYS)
    (folder / "LC08_20030703.tif").write_bytes((folder / "LC08_20020703.tif").read_bytes())
    (folder / "LC08_20050703.tif").write_bytes(b"no raster")
    weights = save_model(tiny_network(), SPEC, tmp_path / "tiny.safetensors")
    said = []
    request = AdaptRequest(glacier=Glacier(name="Testbrae"), data=folder, weights=str(weights), ocean=0.0)
    stack = read_place_images(request, tell=said.append)
    assert len(stack.images) == 3
    assert said == ["LC08_20030703.tif is the same file as LC08_20020703.tif, and left out"]
    assert len(stack.problems) == 1
    assert np.array([one.image.shape == (1, HEIGHT, WIDTH) for one in stack.images]).all()


def test_many_labels_of_days_without_an_image_are_told_in_one_sentence(place, tmp_path):
    rows = [(date, "Testbrae", front(row + 0.5)) for date, row in DAYS.items()]
    rows += [(dt.date(1990 + year, 1, 1), "Testbrae", front(20.5)) for year in range(9)]
    samples, said = labelled(place, write_fronts(tmp_path / "fronts.gpkg", rows))
    assert len(samples) == 3
    assert len(said) == 1
    assert said[0].endswith("(and 8 more like it)")


def test_several_models_make_one_mask_whose_front_knows_how_far_they_lie_apart(place, monkeypatch):
    """Two models that see the front four rows apart, whatever an image shows."""
    from dataclasses import replace

    from glaciertime.pipeline.images import Towards, mask_of_image

    _, stack = place

    def engine(name):
        row = 24 if name == "a.onnx" else 28

        def answer(batch):
            rows = np.arange(batch.shape[2])[:, None] + 0.5 + 0 * batch[0, 0]
            ocean = 1 / (1 + np.exp(rows - row))
            both = [1 - ocean, ocean] if SPEC.codes.index(254) == 1 else [ocean, 1 - ocean]
            return np.broadcast_to(np.stack(both)[None], (len(batch), 2, *rows.shape)).astype(np.float32)

        return answer, replace(SPEC, name=name, seen=(), augmented=False, scores={"front_sigma_px": 1.0})

    monkeypatch.setattr("glaciertime.pipeline.images.model_engine", engine)
    scene, told = stack.images[0].scene, []
    where = Towards(ocean_deg=0.0)
    alone = mask_of_image(scene, weights="a.onnx", towards=where)
    for merge in ("mean", "vote", "ocean>glacier"):
        merged = mask_of_image(scene, weights="a.onnx,b.onnx", merge=merge, towards=where, tell=told.append)
        zones = merged.read()
        rows = (zones == 254).sum(axis=0)
        assert {"mean": (25, 27), "vote": (24, 28), "ocean>glacier": (28, 28)}[merge][0] <= np.median(rows)
        assert np.median(rows) <= {"mean": (25, 27), "vote": (24, 28), "ocean>glacier": (28, 28)}[merge][1]
        apart_m = 4 / np.sqrt(2) * merged.acquisition.resolution_m
        assert merged.acquisition.delineation_sigma_m**2 >= 0.9 * apart_m**2 + alone.acquisition.delineation_sigma_m**2
        assert merged.acquisition.model == f"a.onnx + b.onnx by {merge}"
        assert (merged.probability is not None) == (merge == "mean")
    assert "images are segmented by a.onnx + b.onnx by mean" in told
