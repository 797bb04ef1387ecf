"""One's own images: paired with masks by name or with outlines by place and date, whole or in tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.scenes.datasets.named_splits import SplitPlan, split_named
from glaciertime.scenes.datasets.own_images import OwnImages
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.scenes.datasets.selection import Selection, open_selection

N = 12
PLACE = Affine(30, 0, 500_000, 0, -30, 8_700_000)
UTM = "EPSG:32633"


def write(
    path: Path, pixels: np.ndarray, *, placed: bool = True, transform: Affine = PLACE, crs: str = UTM, **more: Any
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = pixels if pixels.ndim == 3 else pixels[None]
    colours = more.pop("colormap", None)
    profile: dict[str, Any] = {
        "driver": {".tif": "GTiff", ".png": "PNG", ".jpg": "JPEG"}[path.suffix], "height": bands.shape[1],
        "width": bands.shape[2], "count": len(bands), "dtype": bands.dtype.name, **more,
    }  # fmt: skip
    if placed:
        profile |= {"crs": crs, "transform": transform}
    with rasterio.open(path, "w", **profile) as target:
        target.write(bands)
        if colours:
            target.write_colormap(1, colours)
    return path


def image(seed: int = 0, *, bands: int = 1, size: int = N) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 200, (bands, size, size)).astype(np.uint8)


def halves(*values: int, size: int = N) -> np.ndarray:
    """Rows of each value, from above."""
    return np.repeat(np.array(values, np.uint8), size // len(values))[:, None] + np.zeros(size, np.uint8)


def pairs(root: Path, *masks: np.ndarray, **more: Any) -> Path:
    for number, mask in enumerate(masks):
        write(root / "images" / f"a{number}.tif", image(number))
        write(root / "masks" / f"a{number}.png", mask, placed=False, **more)
    return root


def opened(root: Path, **options: Any) -> Any:
    return open_selection("folder", root=root, options=options)


@pytest.mark.parametrize(
    ("picture", "mask"),
    [
        ("images/x_2001-08-01.tif", "masks/x_2001-08-01.png"),
        ("image/x.tif", "label/x_mask.tif"),
        ("images/train/x.tif", "masks/train/x.tif"),
        ("x.tif", "x_mask.png"),
        ("x_image.tif", "mask_x.tif"),
        ("train/images/x.tif", "train/masks/x.tif"),
        ("Helheim/image/x.tif", "Helheim/label/x.tif"),
        ("scenes/Helheim/x.jpg", "zones/Helheim/x_zones.png"),
    ],
)
def test_images_and_masks_are_paired_by_name(tmp_path: Path, picture: str, mask: str) -> None:
    write(tmp_path / picture, image(), placed=not picture.endswith("jpg"))
    write(tmp_path / mask, halves(0, 1), placed=mask.endswith("tif"))
    found = opened(tmp_path)
    assert found[0].labels.tolist() == halves(0, 1).tolist()
    assert found.classes == ("background", "glacier")
    assert found.infos[0].split == ("train" if "train" in picture else "")
    assert found.infos[0].glacier == ("Helheim" if "Helheim" in picture else "")


def test_what_has_no_partner_is_counted_and_two_masks_are_refused(tmp_path: Path) -> None:
    root = pairs(tmp_path, halves(0, 1), halves(0, 1))
    write(root / "images" / "alone.tif", image(5))
    write(root / "masks" / "nobody.png", halves(0, 1), placed=False)
    write(root / "masks" / "a1_label.png", halves(1, 0), placed=False)
    found = opened(root)
    assert [info.name for info in found.infos] == ["a0"]
    assert "1 of 3 images have no mask (alone.tif) and are left out" in found.told
    assert "1 of 4 masks have no image (nobody.png) and are left out" in found.told
    assert found.problems == ("a1.tif: 2 masks bear its name (a1.png and a1_label.png); keep one",)


@pytest.mark.parametrize(
    ("masks", "counts", "told"),
    [
        ((halves(0, 255),), [72, 72], "255 for glacier"),
        ((halves(0, 1),), [72, 72], "1 for glacier"),
        ((halves(0, 1, 255),), [48, 48], "255 for not labelled"),
        ((halves(0, 64, 127, 254),), [36, 36, 36], "zones of CaFFe"),
    ],
)
def test_values_that_leave_no_choice(
    tmp_path: Path, masks: tuple[np.ndarray, ...], counts: list[int], told: str
) -> None:
    found = opened(pairs(tmp_path, *masks))
    assert found.counts.sum(axis=0).tolist() == counts
    assert any(told in sentence for sentence in found.told)


def test_values_that_leave_a_choice_are_asked_for(tmp_path: Path) -> None:
    root = pairs(tmp_path, halves(0, 1, 2), halves(0, 1, 255))
    with pytest.raises(InputError, match=r"values 0, 1, 2, 255, and nothing says what they mean.*legend="):
        opened(root)
    found = opened(root, legend="0=rock,1=glacier,2=ocean,255=ignore")
    assert (found.classes, found.codes) == (("rock", "glacier", "ocean"), (64, 127, 254))
    assert found.counts.sum(axis=0).tolist() == [96, 96, 48]
    other = opened(root, legend="0=rock,1=glacier,2=ocean,255=snow")
    assert other.counts.sum(axis=0).tolist() == [96, 96, 48, 48]
    with pytest.raises(InputError, match="masks hold 2 too"):
        opened(root, legend="0=rock,1=glacier,255=ignore")


def test_indices_of_a_palette_are_classes(tmp_path: Path) -> None:
    root = pairs(tmp_path, halves(0, 1), colormap={0: (9, 9, 9, 255), 1: (0, 255, 255, 255), 7: (1, 2, 3, 255)})
    assert opened(root)[0].labels.tolist() == halves(0, 1).tolist()


def test_colours_are_asked_for(tmp_path: Path) -> None:
    mask = np.zeros((3, N, N), np.uint8)
    mask[1:, :6] = 255
    write(tmp_path / "images" / "a.tif", image())
    write(tmp_path / "masks" / "a.png", mask, placed=False)
    with pytest.raises(InputError, match="legend=#000000=background,#00ffff=glacier"):
        opened(tmp_path)
    found = opened(tmp_path, legend="#000000=background,#00ffff=glacier")
    assert found[0].labels.tolist() == halves(1, 0).tolist()


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (np.linspace(0, 1, N * N, dtype=np.float32).reshape(N, N), "with fractions, as probabilities do"),
        (np.arange(N * N, dtype=np.uint8).reshape(N, N), "144 different values"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, mask: np.ndarray, told: str) -> None:
    write(tmp_path / "images" / "a.tif", image())
    write(tmp_path / "masks" / "a.tif", mask)
    with pytest.raises(InputError, match=told):
        opened(tmp_path)


def test_float_masks_of_whole_numbers_are_masks_and_nan_is_not_labelled(tmp_path: Path) -> None:
    mask = halves(0, 1).astype(np.float32)
    mask[0] = np.nan
    write(tmp_path / "images" / "a.tif", image())
    write(tmp_path / "masks" / "a.tif", mask)
    labels = opened(tmp_path)[0].labels
    assert set(labels[0]) == {IGNORE}
    assert (labels == 1).sum() == 72


def test_a_header_that_calls_the_background_nodata_is_not_believed(tmp_path: Path) -> None:
    write(tmp_path / "images" / "a.tif", image())
    write(tmp_path / "masks" / "a.tif", halves(0, 1), nodata=0)
    with pytest.raises(InputError, match="-unsetnodata"):
        opened(tmp_path)


def test_masks_of_another_size_or_place(tmp_path: Path) -> None:
    """A mask of twice the pixel size, and one a pixel to the side: both land where they lie."""
    write(tmp_path / "images" / "a.tif", image())
    coarse = write(tmp_path / "masks" / "a.tif", halves(0, 1, size=6), transform=PLACE @ Affine.scale(2))
    assert opened(tmp_path)[0].labels.tolist() == halves(0, 1).tolist()
    write(coarse, halves(0, 1), transform=PLACE @ Affine.translation(0, 3))
    labels = opened(tmp_path)[0].labels
    assert set(labels[:3].ravel()) == {IGNORE}
    assert (labels[3:9] == 0).all()
    assert (labels[9:] == 1).all()
    write(coarse, halves(0, 1), transform=PLACE @ Affine.translation(900, 0))
    with pytest.raises(InputError, match="nowhere on the same ground"):
        opened(tmp_path)
    coarse.unlink()
    write(tmp_path / "masks" / "a.png", halves(0, 1, size=6), placed=False)
    with pytest.raises(InputError, match="mask of 6 x 6, image of 12 x 12 pixels"):
        opened(tmp_path)


def test_dates_that_disagree_are_refused_and_a_year_agrees_with_its_days(tmp_path: Path) -> None:
    for name, other in (("a_2001-08-01", "a_2002-08-01"), ("b_2001-08-01", "b_2001-08-01")):
        write(tmp_path / "images" / f"{name}.tif", image())
        write(tmp_path / "masks" / f"{name}.png", halves(0, 1), placed=False)
        if name != other:
            (tmp_path / "masks" / f"{name}.png").rename(tmp_path / "masks" / f"{name}_mask.png")
    assert [str(info.date) for info in opened(tmp_path).infos] == ["2001-08-01"] * 2
    (tmp_path / "images.csv").write_text("file,date,glacier,region,part\na_2001-08-01.tif,2003-05-01,Crane,AN,test\n")
    info = opened(tmp_path).infos[0]
    assert (str(info.date), info.glacier, info.region, info.split) == ("2003-05-01", "Crane", "AN", "test")
    (tmp_path / "images.csv").write_text("file,date\na_2001-08-01.tif,2003-13-01\n")
    with pytest.raises(InputError, match=r"images.csv, row 1"):
        opened(tmp_path)


def test_what_no_band_shows_is_not_labelled(tmp_path: Path) -> None:
    pixels = image()
    pixels[:, :, :4] = 0
    write(tmp_path / "images" / "a.tif", pixels, nodata=0)
    write(tmp_path / "masks" / "a.png", halves(0, 1), placed=False)
    sample = opened(tmp_path)[0]
    assert (sample.labels[:, :4] == IGNORE).all()
    assert np.isnan(sample.image[0, :, :4]).all()
    assert (sample.labels[:, 4:] != IGNORE).all()


def test_rows_that_run_northwards_and_a_turned_image_get_their_outlines(tmp_path: Path) -> None:
    """A strip of 6 of 12 rows is half of the image, whichever way this lies."""
    upwards = PLACE @ Affine.translation(0, N) @ Affine.scale(1, -1)
    turned = PLACE @ Affine.rotation(90, pivot=(N / 2, N / 2))
    write(tmp_path / "a.tif", image(1), transform=upwards)
    write(tmp_path / "b.tif", image(2), transform=turned)
    outlines(tmp_path / "o.gpkg", [{"id": 1, "geometry": strip(6)}])
    found = opened(tmp_path, outlines="o.gpkg")
    assert found[0].labels.tolist() == halves(0, 1).tolist()
    assert (found[1].labels == 1).sum(axis=0).tolist() in ([N] * 6 + [0] * 6, [0] * 6 + [N] * 6)
    assert found.infos[0].bounds == (500_000, 8_699_640, 500_360, 8_700_000)


def test_tiles_without_a_pixel_or_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    """Of four tiles one was not observed, one is not labelled: what is left can be trained on."""
    pixels, mask = image(), halves(0, 1)
    pixels[:, :6, :6] = 0
    mask[6:, 6:] = 255
    write(tmp_path / "images" / "a.tif", pixels, nodata=0)
    write(tmp_path / "masks" / "a.png", mask, placed=False)
    found = opened(tmp_path, tile=6)
    assert [info.name for info in found.infos] == ["a/r0c6", "a/r6c0"]
    assert "1 of 4 samples left out: nothing was observed in them" in found.told
    assert "1 of 3 samples left out: no pixel of them is labelled background or glacier" in found.told
    assert found.counts.tolist() == [[36, 0], [0, 36]]


def test_images_of_other_bands_are_left_out(tmp_path: Path) -> None:
    root = pairs(tmp_path, halves(0, 1), halves(0, 1))
    write(root / "images" / "b.tif", image(3, bands=3))
    write(root / "masks" / "b.png", halves(0, 1), placed=False)
    found = opened(root)
    assert len(found) == 2
    assert "b.tif has 3 bands, most have 1" in found.problems[0]


def test_tiles_lie_on_the_stated_grid(tmp_path: Path) -> None:
    root = pairs(tmp_path, halves(0, 1))
    found = opened(root, tile=5)
    assert [info.name for info in found.infos] == ["a0/r0c0", "a0/r0c5", "a0/r5c0", "a0/r5c5"]
    assert found.told[1:] == (
        "4 tiles of 5 x 5 pixels, one every 5, from the upper left corner",
        "31% of the pixels, at right and lower edges, are in no tile",
    )
    whole = opened(root)[0]
    assert (found[3].image == whole.image[:, 5:10, 5:10]).all()
    assert (found[3].labels == whole.labels[5:10, 5:10]).all()
    assert found.infos[1].bounds == (500_150, 8_699_850, 500_300, 8_700_000)
    assert len(opened(root, tile=6, stride=3)) == 9
    with pytest.raises(InputError, match="no image is as large as a tile"):
        opened(root, tile=13)
    with pytest.raises(UsageError, match="a stride only with a tile"):
        opened(root, stride=3)


def test_blocks_of_tiles_keep_their_ground_apart_over_all_dates(tmp_path: Path) -> None:
    """Two images of one place on other grids: no tile of the one lies under a held-out tile of the other."""
    for name, shift in (("a_2001", 0), ("b_2002", 7)):
        write(tmp_path / "images" / f"{name}.tif", image(size=60), transform=PLACE @ Affine.translation(shift, 0))
        write(tmp_path / "masks" / f"{name}.png", halves(0, 1, size=60), placed=False)
    found = opened(tmp_path, tile=6)
    assert {info.ground for info in found.infos} == {"place 1"}
    split = split_named(found.infos, SplitPlan(kind="block"), digests=found.digests)
    boxes = [
        [shapely.box(*found.infos[i].bounds) for i in part] for part in (split.train, (*split.validation, *split.test))
    ]
    assert all(len(part) > 10 for part in boxes)
    assert max(shapely.area(shapely.intersection(a, b)) for a in boxes[0] for b in boxes[1]) == 0


def outlines(path: Path, rows: list[dict[str, Any]], crs: str | None = UTM) -> Path:
    gpd.GeoDataFrame(rows, crs=UTM).to_crs(crs or UTM).set_crs(crs, allow_override=True).to_file(path)
    return path


def strip(rows: float) -> shapely.Polygon:
    """The uppermost rows of the images."""
    return shapely.box(500_000, 8_700_000 - 30 * rows, 500_000 + 30 * N, 8_700_000)


@pytest.mark.parametrize("crs", [UTM, "EPSG:4326", "EPSG:3413"])
def test_outlines_are_drawn_in_the_coordinates_of_the_image(tmp_path: Path, crs: str) -> None:
    write(tmp_path / "a_2001-08-01.tif", image())
    outlines(tmp_path / "rgi.gpkg", [{"Name": "Toy", "BgnDate": "20010820", "geometry": strip(6)}], crs)
    found = opened(tmp_path, outlines="rgi.gpkg")
    assert found[0].labels.tolist() == halves(1, 0).tolist()
    assert found.infos[0].glacier == "Toy"
    assert "outlines are up to 19 days from their image, 365 allowed (--reader max_gap_days=N)" in found.told


def test_the_nearest_date_is_taken_glacier_by_glacier(tmp_path: Path) -> None:
    """The glacier to the left was drawn in three years, its neighbour in another one: each has its nearest outline."""
    left, right = (shapely.box(500_000 + 180 * n, 8_699_640, 500_180 + 180 * n, 8_700_000) for n in (0, 1))
    rows = [
        {"name": "A", "date": f"{year}-08-01", "geometry": shapely.intersection(left, strip(height))}
        for year, height in ((2000, 9), (2002, 6), (2004, 3))
    ]
    rows.append({"name": "B", "date": "2005-08-01", "geometry": shapely.intersection(right, strip(8))})
    outlines(tmp_path / "all.shp", rows)
    for year in (1998, 2001, 2002, 2004):
        write(tmp_path / f"i_{year}-08-01.tif", image(year))
    found = opened(tmp_path, outlines="all.shp", max_gap_days=1200)
    ice = {info.name[2:6]: (sample.labels == 1).sum(axis=0) for info, sample in zip(found.infos, found, strict=True)}
    assert ice["2001"].tolist() == [9] * 6 + [0] * 6  # of two as near the earlier one
    assert ice["2002"].tolist() == [6] * 6 + [8] * 6
    assert ice["2004"].tolist() == [3] * 6 + [8] * 6
    assert ice["1998"].tolist() == [9] * 6 + [0] * 6
    gone = found[[info.name for info in found.infos].index("i_2004-08-01")].labels
    assert (gone[3:, :6] == 0).all()  # the glacier of 2000 lost two thirds of its ice
    unsure = found[[info.name for info in found.infos].index("i_1998-08-01")].labels
    assert (unsure[:8, 6:] == IGNORE).all()  # B's outline is seven years off: nobody knows


def test_neighbours_that_overlap_at_their_divide_keep_their_own_dates(tmp_path: Path) -> None:
    """A small glacier of the year of the image laps over a large one of ten years later: this one is not left out."""
    write(tmp_path / "i_2000-08-01.tif", image())
    large = shapely.box(500_000, 8_699_640, 500_300, 8_700_000)
    small = shapely.box(500_270, 8_699_640, 500_360, 8_700_000)
    outlines(tmp_path / "o.gpkg", [
        {"RGIId": "RGI60-15.1", "date": "2010-08-01", "geometry": large},
        {"RGIId": "RGI60-15.2", "date": "2000-08-01", "geometry": small},
    ])  # fmt: skip
    found = opened(tmp_path, outlines="o.gpkg", max_gap_days=5000)
    assert (found[0].labels == 1).all()
    assert found.infos[0].glacier == "RGI60-15.1"


def test_an_image_of_many_glaciers_is_of_none_of_them(tmp_path: Path) -> None:
    write(tmp_path / "i.tif", image())
    thirds = [shapely.box(500_000 + 120 * n, 8_699_640, 500_120 + 120 * n, 8_700_000) for n in range(3)]
    outlines(tmp_path / "o.gpkg", [{"name": name, "geometry": each} for name, each in zip("ABC", thirds, strict=True)])
    assert opened(tmp_path, outlines="o.gpkg", legend="")[0].info.glacier == ""


def test_a_part_that_was_drawn_again_does_not_make_the_rest_background(tmp_path: Path) -> None:
    """The whole was drawn in 1990, of 2000 there is a quarter of it: what is beside this is not known to be bare."""
    write(tmp_path / "i_2000-08-01.tif", image())
    rows = [
        {"date": "1990-08-01", "geometry": strip(12)},
        {"date": "2000-08-01", "geometry": strip(3)},
    ]
    outlines(tmp_path / "o.gpkg", rows)
    labels = opened(tmp_path, outlines="o.gpkg", max_gap_days=5000)[0].labels
    assert (labels[:3] == 1).all()
    assert (labels[3:] == IGNORE).all()


def test_too_far_in_time_is_refused_and_told(tmp_path: Path) -> None:
    write(tmp_path / "a_2001-08-01.tif", image(1))
    write(tmp_path / "a_2009-08-01.tif", image(2))
    outlines(tmp_path / "o.geojson", [{"date": "2001-08-03", "geometry": strip(6)}], "EPSG:4326")
    found = opened(tmp_path, outlines="o.geojson")
    assert [info.name for info in found.infos] == ["a_2001-08-01"]
    assert "a_2009-08-01.tif is of 2009-08-01, and all outlines on it are more than 365 days off" in found.problems[0]


def test_an_image_without_a_date_is_no_sum_of_all_outlines(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", image(1))
    rows = [{"name": "A", "date": f"{year}-08-01", "geometry": strip(rows)} for year, rows in ((2000, 9), (2004, 3))]
    outlines(tmp_path / "o.gpkg", rows)
    with pytest.raises(InputError, match=r"a.tif: it has no date, and outlines of one glacier from 2000-08-01 to"):
        opened(tmp_path, outlines="o.gpkg")
    (tmp_path / "images.csv").write_text("file;date\na.tif;2004-07-01\n")
    assert (opened(tmp_path, outlines="o.gpkg")[0].labels == 1).sum() == 3 * N


def test_an_outline_drawn_on_images_of_several_years_is_of_each_of_them(tmp_path: Path) -> None:
    write(tmp_path / "a_2002-08-01.tif", image(1))
    write(tmp_path / "a_2002-08-01.png", image(2), placed=True)
    outlines(tmp_path / "rgi.gpkg", [{"BgnDate": "20000101", "EndDate": "20031231", "geometry": strip(6)}])
    with pytest.raises(InputError, match="another image has its name"):
        opened(tmp_path, outlines="rgi.gpkg")
    (tmp_path / "a_2002-08-01.png").unlink()
    told = opened(tmp_path, outlines="rgi.gpkg", max_gap_days=0).told
    assert any("up to 0 days from their image" in sentence for sentence in told)


def test_outlines_without_dates_are_matched_by_place_and_it_is_said(tmp_path: Path) -> None:
    write(tmp_path / "a_2001-08-01.tif", image(1))
    write(tmp_path / "far.tif", image(2), transform=PLACE @ Affine.translation(5000, 0))
    outlines(tmp_path / "o.gpkg", [{"id": 1, "geometry": strip(6)}, {"id": 2, "geometry": shapely.box(0, 0, 30, 30)}])
    found = opened(tmp_path, outlines="o.gpkg")
    assert found[0].labels.tolist() == halves(1, 0).tolist()
    told = "; ".join(found.told)
    assert "no dates, outlines are matched by place alone" in told
    assert "1 image lies where no outline is, and is left out" in told
    assert "1 of 2 outlines lie on no image" in told
    assert "ice that nobody outlined is taught as none" in told


def test_rock_of_glims_is_cut_out_and_what_is_far_off_can_be_left_open(tmp_path: Path) -> None:
    write(tmp_path / "a_2001-08-01.tif", image(1))
    hole = shapely.box(500_060, 8_699_880, 500_120, 8_699_940)
    rows = [
        {"line_type": kind, "src_date": "2001-08-01T00:00:00", "geometry": shape}
        for kind, shape in (("glac_bound", strip(6)), ("intrnl_rock", hole), ("snowline", strip(12)))
    ]
    outlines(tmp_path / "glims.gpkg", rows)
    found = opened(tmp_path, outlines="glims.gpkg", margin_m=60)
    assert (found[0].labels == 1).sum() == 72 - 4
    assert (found[0].labels[2:4, 2:4] == 0).all()
    assert (found[0].labels[6:8] == 0).all()
    assert (found[0].labels[8:] == IGNORE).all()


def test_outlines_that_cannot_be_placed_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.png", image(), placed=False)
    outlines(tmp_path / "o.gpkg", [{"id": 1, "geometry": strip(6)}])
    with pytest.raises(InputError, match="has no georeference, so outlines have no place on it"):
        opened(tmp_path, outlines="o.gpkg")
    gpd.GeoDataFrame({"id": [1]}, geometry=[strip(6)]).to_file(tmp_path / "none.shp")
    write(tmp_path / "a.tif", image())
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"none.shp have no coordinate system.*crs=EPSG:CODE"):
        opened(tmp_path, outlines="none.shp")
    assert opened(tmp_path, outlines="none.shp", crs=UTM)[0].labels.tolist() == halves(1, 0).tolist()


def test_ambiguous_dates_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "a_2001-04-03.tif", image())
    outlines(tmp_path / "o.gpkg", [{"date": "03/04/2001", "geometry": strip(6)}])
    with pytest.raises(InputError, match="--reader date_order=day-first"):
        opened(tmp_path, outlines="o.gpkg")
    told = opened(tmp_path, outlines="o.gpkg", date_order="day-first").told
    assert any("up to 0 days" in sentence for sentence in told)


def test_equal_images_are_told(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / "images" / f"{name}.tif", image(1))
        write(tmp_path / "masks" / f"{name}.png", halves(0, 1), placed=False)
    assert any("2 images are equal pixel for pixel (a, b)" in sentence for sentence in opened(tmp_path).told)


def test_filters_and_binary_work_on_ones_own_images(tmp_path: Path) -> None:
    for year in (2001, 2002):
        write(tmp_path / "images" / f"LC08_{year}-08-01.tif", image(year))
        write(tmp_path / "masks" / f"LC08_{year}-08-01.png", halves(0, 64, 127, 254), placed=False)
    found = open_selection(
        "folder", root=tmp_path, selection=Selection(months=(8,), sensors=("landsat 8",), binary=True)
    )
    assert len(found) == 2
    assert found.classes == ("not glacier", "glacier")
    assert found.counts.tolist() == [[72, 36]] * 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tile": 6.5}, "tile 6.5: a whole number expected"),
        ({"tile": "large"}, "tile large: a number expected"),
        ({"tile": True}, "tile True: a number expected"),
        ({"outlines": "o.gpkg", "max_gap_days": -1}, "0 or more expected"),
        ({"outlines": "o.gpkg", "margin_m": float("nan")}, "margin_m nan: a number expected"),
        ({"date_order": "day"}, "day-first or month-first"),
        ({"crs": 3413}, "speak of outlines"),
    ],
)
def test_settings_of_another_kind_are_refused(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        opened(pairs(tmp_path, halves(0, 1)), **options)


def test_numbers_that_are_texts_here_are_taken(tmp_path: Path) -> None:
    root = pairs(tmp_path, halves(0, 1))
    assert opened(root, bands_used=1, tile=6.0).infos[0].name == "a0/r0c0"
    assert OwnImages(root, bands_used=(1, 2)).bands_used == "1,2"  # type: ignore[arg-type]


def test_a_folder_without_images_or_masks(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="holds no images"):
        _ = OwnImages(tmp_path).infos
    write(tmp_path / "a.tif", image())
    with pytest.raises(DataNotFoundError, match=r"holds no masks.*outlines=FILE"):
        _ = OwnImages(tmp_path).infos
    with pytest.raises(UsageError, match="the one or the other"):
        OwnImages(tmp_path, outlines="a.gpkg", legend="0=a")


def test_images_of_one_ground_are_found_in_any_coordinates() -> None:
    """The same square on a polar and on a UTM grid, a neighbour that only touches it, one across the antimeridian."""
    import pyproj

    from glaciertime.scenes.datasets.ground import grounds_of

    utm, polar, degrees = (pyproj.CRS.from_user_input(code) for code in ("EPSG:32633", "EPSG:3413", "EPSG:4326"))
    square = (500_000.0, 8_699_000.0, 501_000.0, 8_700_000.0)
    east, south, west, north = pyproj.Transformer.from_crs(utm, polar, always_xy=True).transform_bounds(*square)
    boxes = [
        square, (501_000.0, 8_699_000.0, 502_000.0, 8_700_000.0), (east, south, west, north),
        (179.5, 70.0, 180.5, 71.0), (-180.0, 70.2, -179.8, 70.4),
    ]  # fmt: skip
    found = grounds_of(boxes, [utm, utm, polar, degrees, degrees])
    assert found.names[0] == found.names[2] == "place 1"
    assert found.names[3] == found.names[4] != found.names[0]
    assert found.bounds(4, boxes[4], degrees) == (180.0, 70.2, 180.2, 70.4)
    assert grounds_of(boxes[:2], [utm, utm]).names == ("place 1", "place 2")
    assert found.crs["place 1"] == utm
    assert shapely.box(*found.bounds(2, boxes[2], polar)).contains(shapely.box(*square))


def test_pixels_of_longitude_and_latitude_have_two_sides(tmp_path: Path) -> None:
    there = Affine(0.0006, 0, -50, 0, -0.0006, 69.2)
    write(tmp_path / "images" / "a.tif", image(), transform=there, crs="EPSG:4326")
    write(tmp_path / "images" / "b.tif", image(1))
    for name in "ab":
        write(tmp_path / "masks" / f"{name}.png", halves(0, 1), placed=False)
    first, second = opened(tmp_path).infos
    # A degree of latitude is 111.56 km long there, one of longitude 39.68 km.
    assert first.sides_m == pytest.approx((23.81, 66.93), abs=0.02)
    assert first.resolution_m == pytest.approx((23.81 * 66.93) ** 0.5, abs=0.02)
    assert second.sides_m == ()


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    root = pairs(tmp_path, halves(0, 1), halves(0, 1), halves(0, 1))
    first = sorted((root / "images").iterdir())[0]
    first.unlink()
    first.symlink_to(tmp_path / "gone.tif")
    data = opened(root)
    assert len(data) == 2
    (problem,) = data.problems
    assert first.name in problem
    second = sorted((root / "masks").iterdir())[1]
    second.unlink()
    second.symlink_to(tmp_path / "gone.tif")
    data = opened(root)
    assert len(data) == 1
    assert any(second.name in each for each in data.problems)


def test_images_on_several_scales_are_refused_and_one_among_many_left_out(tmp_path: Path) -> None:
    def folder(name: str, *kinds: tuple[str, float]) -> Path:
        root = tmp_path / name
        for number, (dtype, bright) in enumerate(kinds):
            values = (image(number) / 200 * bright).astype(dtype)
            write(root / "images" / f"a{number}.tif", values)
            write(root / "masks" / f"a{number}.tif", halves(0, 1))
        return root

    with pytest.raises(InputError, match=r"a1 holds values up to \d+ \(uint16\) and a0 up to 0\.\d+ \(float32\)"):
        _ = opened(folder("reflectance", ("float32", 0.9), ("uint16", 9000))).problems
    with pytest.raises(InputError, match="on one scale; bring them to one, or keep each kind in a folder"):
        _ = opened(folder("bits", ("uint8", 200), ("uint16", 20000), ("uint8", 200))).problems
    with pytest.raises(InputError, match="the images of a folder must be on one scale"):
        _ = opened(folder("floats", *[("float32", 0.9)] * 3, *[("float32", 9000)] * 3)).problems
    data = opened(folder("mostly", *[("float32", 0.9)] * 6, ("float32", 9000)))
    assert len(data) == 6
    assert "a6 holds values up to" in data.problems[0]
    data = opened(folder("one size", ("uint8", 200), ("uint16", 240)))
    assert len(data) == 2
    assert "images are stored as uint8 and uint16" in data.told[-1]
    assert not any("stored as" in each for each in opened(folder("dark", ("uint8", 200), ("uint8", 9))).told)


def test_decibels_beside_linear_values_are_refused(tmp_path: Path) -> None:
    for number in range(3):
        linear = (image(number) / 200).astype(np.float32)
        write(tmp_path / "images" / f"a{number}.tif", 10 * np.log10(linear) - 3 if number == 1 else linear)
        write(tmp_path / "masks" / f"a{number}.tif", halves(0, 1))
    with pytest.raises(InputError, match=r"a1 is below 0 nearly all, as decibels are, and a0 is not \(1 and 2 images"):
        _ = opened(tmp_path).problems


def test_what_no_file_declares_and_nobody_observed_is_not_taught(tmp_path: Path) -> None:
    """``segment`` leaves out the same pixels: a model that is taught them would see other values in use."""
    for number in range(2):
        values = image(number, size=48).astype(np.int16)
        values[:, :, :8] = -9999
        write(tmp_path / "images" / f"a{number}.tif", values)
        write(tmp_path / "masks" / f"a{number}.tif", halves(0, 1, size=48))
    data = opened(tmp_path)
    assert "-9999 is taken for not observed in 2 images" in " ".join(data.told)
    assert np.isnan(data[0].image[:, :, :8]).all()
    assert (data[0].labels == IGNORE).sum() == 48 * 8
    assert np.nanmin(data[0].image) >= 20
    for said in ("none", "-9998"):
        kept = opened(tmp_path, nodata=said)
        assert kept[0].image.min() == -9999
        assert not any("not observed" in sentence for sentence in kept.told)
    assert np.isnan(opened(tmp_path, nodata="-9999")[1].image).sum() == 48 * 8
    with pytest.raises(UsageError, match="a number, or none, expected"):
        _ = opened(tmp_path, nodata="white")[0]


def test_outlines_of_one_day_that_differ_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a_2001-08-12.tif", image(), transform=PLACE)
    left, bottom = 500_000, 8_700_000 - 30 * N
    wide, narrow = (shapely.box(left, bottom, left + 30 * columns, 8_700_000) for columns in (8, 5))
    moved = shapely.affinity.translate(narrow, 60, 0)

    def told(*shapes: Any) -> str:
        rows = {"name": ["A"] * len(shapes), "date": ["2001-08-12"] * len(shapes)}
        gpd.GeoDataFrame(rows, geometry=list(shapes), crs=UTM).to_file(tmp_path / "o.gpkg")
        return " ".join(opened(tmp_path, outlines="o.gpkg").told)

    assert "on 1 image outlines of one glacier and day differ" in told(narrow, moved)
    # A glacier and one of its parts, and the same outline twice, do not contradict each other.
    assert "differ" not in told(wide, narrow)
    assert "differ" not in told(narrow, narrow)
