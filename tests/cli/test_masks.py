"""Masks through the command line: what was typed, what came, with the right values of the cases."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from glaciertime.archive import Archive

from .conftest import TOY_TRANSFORM, Command, write_mask, zones


def observed() -> Any:
    return Archive(Path("glaciertime.gpkg")).read("observations")


@pytest.fixture
def case(command: Command, shared_cases: Path):  # type: ignore[no-untyped-def]
    """Track a folder of the cases."""

    def call(glacier: str, manifest: str, data: str, *more: object) -> Any:
        return command(
            "track", "--glacier", glacier, "--manifest", shared_cases / manifest, "--data", shared_cases / data, *more
        )

    return call


def test_nodata_in_the_header_against_a_class_is_refused_or_overridden(case) -> None:  # type: ignore[no-untyped-def]
    said = ("--classes", "0=ocean,1=glacier")
    refused = case("T", "masks/t.yaml", "masks/nodata0", *said)
    assert refused.code == 1
    assert "--nodata none" in refused.err
    assert case("T", "masks/t.yaml", "masks/nodata0", *said, "--nodata", "none").code == 0
    assert observed().query("variable == 'area_km2'").value.iloc[-1] == pytest.approx(51.97, abs=0.005)


def test_a_picture_of_colours_is_measured_by_colour(case) -> None:  # type: ignore[no-untyped-def]
    refused = case("T", "masks/t.yaml", "masks/rgb", "--classes", "255=glacier,0=ocean")
    assert refused.code == 1
    assert "(#ff0000, #ffffff)" in refused.err
    assert case("T", "masks/t.yaml", "masks/rgb", "--classes", "#ffffff=glacier,#f00=ocean").code == 0
    assert observed().query("variable == 'area_km2'").value.iloc[-1] == pytest.approx(51.97, abs=0.005)


def test_the_manifest_s_sigma_and_flags_of_masks_are_used(case) -> None:  # type: ignore[no-untyped-def]
    assert case("T", "masks/sigma/with.yaml", "masks/sigma", "--classes", "0=ocean,1=glacier").code == 0
    rows = observed().query("variable == 'front_position_m'")
    assert len(rows) == 2
    assert rows.sigma.to_numpy() == pytest.approx(np.hypot(100, 50), rel=0.02)
    assert rows.quality.str.contains("unregistered: not registered").all()


def test_unobserved_is_not_rock(case) -> None:  # type: ignore[no-untyped-def]
    said = ("--classes", "0=rock,127=glacier")
    refused = case("My Glacier", "segment/track0/g.yaml", "segment/track0", *said)
    assert refused.code == 1
    assert "0 was not observed, but --classes says it is rock" in refused.err
    assert case("My Glacier", "segment/track0/g.yaml", "segment/track0", "--classes", "0=nodata,127=glacier").code == 0
    areas = observed().query("variable == 'area_km2' and footprint == 'image' and value == value")
    assert areas.quality.str.contains("partial-coverage").all()


def test_a_striped_mask_tells_how_much_was_seen(case) -> None:  # type: ignore[no-untyped-def]
    assert case("SLC Toy", "lines/track/slc.yaml", "lines/track/slc").code == 0
    fronts = Archive(Path("glaciertime.gpkg")).read("fronts").sort_values("Date")
    assert fronts.QualFlag.tolist()[0] == "ok"
    assert "of the front seen" in fronts.QualFlag.tolist()[1]
    assert fronts.coverage.to_numpy() == pytest.approx([1.0, 0.79], abs=0.06)
    rows = observed()
    fjord = rows.query("footprint == 'fjord' and variable == 'area_km2'").sort_values("date")
    # 42.27 and 0.9 of it for 0.79 of the ground.
    assert fjord.value.to_numpy() == pytest.approx([42.27, 42.27 * 0.9 * 0.79], abs=0.01)
    assert fjord.coverage.to_numpy() == pytest.approx([1.0, 0.79], abs=1e-4)
    by_line = rows.query("method == 'centreline'").sort_values("date").value.to_numpy()
    assert by_line[0] - by_line[1] == pytest.approx(1_028, abs=1)
    by_area = rows.query("method == 'area-change'").sort_values("date").value.to_numpy()
    assert by_area == pytest.approx(by_line, abs=1)


def test_masks_of_several_maps_and_resolutions_are_all_measured(case) -> None:  # type: ignore[no-untyped-def]
    result = case(
        "Testbreen", "place/min.yaml", "place/mixed_crs_masks", "--classes", "0=ocean,1=glacier,2=rock",
        "--common-footprint",
    )  # fmt: skip
    assert result.code == 0
    rows = observed()
    assert len(rows.query("footprint == 'common' and variable == 'area_km2'")) == 4
    assert rows.query("variable == 'front_position_m'").value.notna().all()


def test_resolutions_and_sizes_are_mixed_without_an_option(command: Command, masks: Path, manifest: Path) -> None:
    fine = np.repeat(np.repeat(zones(34), 2, axis=0), 2, axis=1)
    write_mask(masks / "toy_2004-03-15.tif", fine, transform=TOY_TRANSFORM @ Affine.scale(0.5))
    write_mask(masks / "toy_2005-03-15.tif", zones(32)[::2, ::2], transform=TOY_TRANSFORM @ Affine.scale(2))
    assert command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks).code == 0
    areas = observed().query("variable == 'area_km2' and footprint == 'image'").sort_values("date")
    steps = np.diff(areas.value)
    # Two columns of 100 m, 4 km high, and the map's scale by the pole.
    assert steps == pytest.approx([steps[0]] * 4, rel=1e-3)
    assert (areas.quality == "ok").all()
    widths = observed().query("variable == 'front_width_m'")
    assert (widths.quality == "ok").all()


def test_one_mask_file_is_input_too(command: Command, masks: Path, manifest: Path) -> None:
    result = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks / "toy_2002-03-15.tif")
    assert result.code == 0
    assert observed().image_id.unique().tolist() == ["toy_2002-03-15"]


def test_a_folder_that_a_manifest_s_source_names_is_that_source(command: Command, masks: Path, tmp_path: Path) -> None:
    """Given itself and not the folder that holds it, it lost the manifest's sigma and flags: 8.5 m for 112."""
    own = tmp_path / "own.yaml"
    own.write_text(
        "name: Toy\nsources:\n- {dataset: mine, format: masks, path: masks, delineation_sigma_m: 100, "
        "georeferencing_sigma_m: 50, flags: {unregistered: not registered}}\n"
    )
    for data in (masks, masks / "toy_2001-03-15.tif"):
        assert command("track", "--glacier", "Toy", "--manifest", own, "--data", data).code == 0
        rows = observed().query("variable == 'front_position_m'")
        assert (rows.sigma > 110).all()
        assert rows.quality.str.contains("unregistered: not registered").all()
        assert set(rows.dataset) == {"mine"}
        Path("glaciertime.gpkg").unlink()
    elsewhere = masks.rename(tmp_path / "elsewhere")
    result = command("track", "--glacier", "Toy", "--manifest", own, "--data", elsewhere)
    assert result.code == 0
    assert "what the manifest says of mine (sigma, flags) is of its folder masks and not used for these" in result.err


def test_the_folder_of_a_mask_may_bear_its_date(command: Command, masks: Path, manifest: Path, tmp_path: Path) -> None:
    """Products lie in a folder each, and what was made of them is called the same in all."""
    for layout in ("2001-03-15", "LC08_L1TP_217105_20150315_20200906_02_T1"):
        root = tmp_path / layout[:4] / "products"
        for shift, path in enumerate(sorted(masks.glob("*.tif"))):
            inner = root / layout.replace("2001", str(2001 + shift)).replace("20150315", f"{2015 + shift}0315")
            inner.mkdir(parents=True)
            shutil.copy(path, inner / "mask.tif")
        result = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", root)
        assert result.code == 0, result.err
        rows = observed().query("method == 'centreline'").sort_values("date")
        assert rows.image_id.nunique() == 3
        assert rows.value.is_monotonic_decreasing
        first = 2001 if layout[0] == "2" else 2015
        assert rows.date.dt.strftime("%Y-%m-%d").tolist() == [f"{first + k}-03-15" for k in range(3)]
        Path("glaciertime.gpkg").unlink()


def test_two_undated_masks_of_a_dated_folder_are_of_no_date(command: Command, masks: Path, manifest: Path) -> None:
    """A folder called results_2024 does not date what lies in it."""
    folder = masks.rename(masks.parent / "results_2024-05-01")
    for path in folder.glob("*.tif"):
        path.rename(path.with_name(f"mask_{path.name[7]}.tif"))
    result = command("track", "--glacier", "Toy", "--manifest", manifest, "--data", folder)
    assert result.code == 1
    assert "names no date" in result.err


def test_palettes_of_another_order_are_refused(command: Command, masks: Path, manifest: Path) -> None:
    """Rock and glacier have changed numbers in one mask of three, and kept their colours: its ice was the rock."""
    grey, white, blue = (128, 128, 128, 255), (255, 255, 255, 255), (0, 0, 255, 255)
    for shift, path in enumerate(sorted(masks.glob("*.tif"))):
        drawn = zones(40 - 2 * shift)
        numbers = np.select([drawn == 254, drawn == 127], [0, 1], 2).astype(np.uint8)
        palette = {0: blue, 1: white, 2: grey}
        if shift == 1:
            numbers, palette = np.array([0, 2, 1], np.uint8)[numbers], {0: blue, 1: grey, 2: white}
        write_mask(path, numbers)
        with rasterio.open(path, "r+") as raster:
            raster.write_colormap(1, palette)
    given = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks)
    result = command(*given, "--classes", "0=ocean,1=glacier,2=rock")
    assert result.code == 3
    assert "toy_2002-03-15.tif shows another zone in #" in result.err
    areas = observed().query("variable == 'area_km2' and value.notna()")
    assert set(areas.image_id) == {"toy_2001-03-15", "toy_2003-03-15"}
    Path("glaciertime.gpkg").unlink()
    assert command(*given, "--classes", "#0000ff=ocean,#ffffff=glacier,#808080=rock").code == 0
    assert observed().query("variable == 'area_km2'").image_id.nunique() == 3


def test_masks_whose_classes_are_exchanged_are_refused(command: Command, masks: Path, manifest: Path) -> None:
    """Half of the masks say 1 where the others say 0: areas of 16, 21, 14 and 22 km2, each of quality ok."""
    for shift, path in enumerate(sorted(masks.glob("*.tif"))):
        ice = zones(40 - 2 * shift) == 127
        write_mask(path, (ice ^ (shift == 1)).astype(np.uint8))
    track = ("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks, "--classes", "0=ocean,1=glacier")
    result = command(*track)
    assert result.code == 3
    assert "toy_2002-03-15.tif shows each class where others show the other" in result.err
    assert set(observed().query("value.notna()").image_id) == {"toy_2001-03-15", "toy_2003-03-15"}
    (masks / "toy_2003-03-15.tif").unlink()
    Path("glaciertime.gpkg").unlink()
    assert command(*track).code == 1
