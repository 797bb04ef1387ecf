"""What the README says one types, typed on small files of that kind."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine

from glaciertime.archive import Archive
from tests.cli.conftest import Command, write_mask, zones
from tests.cli.test_images import picture
from tests.cli.test_images import write as write_image

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Your own data")[1].split("\n## ")[0]
TABLE = re.findall(r"^\| (.+?) \| `(glaciertime .+)` \|$", SECTION, flags=re.MULTILINE)
IMAGES = re.findall(
    r"^\| (.+?) \| `(glaciertime .+)` \|$",
    README.split("## Fronts from images")[1].split("\n## ")[0],
    flags=re.MULTILINE,
)
WALK = re.findall(r"^(glaciertime .+)$", SECTION.split("```")[1], flags=re.MULTILINE)

YEARS = range(2001, 2011)


def ice(column: int) -> np.ndarray:
    """Ocean 0 and ice 1, as the masks of others have them."""
    return (zones(column) == 127).astype(np.uint8)


def masks_in(folder: Path, name: str = "glacier_{}-08-12.tif", **profile: object) -> None:
    folder.mkdir()
    for index, year in enumerate(YEARS):
        write_mask(folder / name.format(year), ice(45 - index), **profile)  # type: ignore[arg-type]


def make_files(folder: Path) -> None:
    """Write every file that the table speaks of."""
    (folder / "my_glacier.yaml").write_text("name: My Glacier\n")
    (folder / "with_box.yaml").write_text(
        "name: My Glacier\ncrs: EPSG:32633\nbox: [500000, 8700000, 505000, 8703000]\n"
    )
    masks_in(folder / "masks")
    masks_in(folder / "pictures", "glacier_{}-08-12.png", crs=None, transform=None, driver="PNG")
    masks_in(folder / "unnamed", "glacier_{}.tif")
    for number, year in enumerate(YEARS):
        (folder / "unnamed" / f"glacier_{year}.tif").rename(folder / "unnamed" / f"{'abcdefghij'[number]}.tif")
    names = "".join(f"{letter}.tif,{year}-08-12\n" for letter, year in zip("abcdefghij", YEARS, strict=True))
    (folder / "dates.csv").write_text("file,date\n" + names)
    masks_in(folder / "sizes")
    write_mask(folder / "sizes" / "glacier_2011-08-12.tif", ice(34)[:55, :])
    dates = [f"{year}-08-12" for year in YEARS]
    squares = [shapely.box(0, 0, 4000, 3000 - 50 * index) for index in range(len(dates))]
    outlines = gpd.GeoDataFrame({"name": "My Glacier", "date": dates}, geometry=squares, crs="EPSG:32633")
    outlines.translate(500_000, 8_700_000).to_frame("geometry").join(outlines[["name", "date"]]).to_file(
        folder / "outlines.gpkg"
    )
    lines = [shapely.LineString([(4000 - 50 * i, 0), (4000 - 50 * i, 1500), (4000 - 50 * i, 3000)]) for i in range(10)]
    fronts = gpd.GeoDataFrame({"name": "My Glacier", "date": dates}, geometry=lines, crs="EPSG:32633")
    fronts.translate(500_000, 8_700_000).to_frame("geometry").join(fronts[["name", "date"]]).to_file(
        folder / "fronts.gpkg"
    )
    write_coloured(folder / "colours")
    write_inventories(folder / "inventories", squares, dates)
    fronts["date"] = [f"12/08/{year}" for year in YEARS]
    fronts.translate(500_000, 8_700_000).to_frame("geometry").join(fronts[["name", "date"]]).to_file(
        folder / "day_first.gpkg"
    )
    write_tables(folder)


def write_coloured(folder: Path) -> None:
    folder.mkdir()
    for index, year in enumerate(YEARS):
        mask = ice(45 - index)
        with rasterio.open(
            folder / f"glacier_{year}-08-12.tif", "w", driver="GTiff", height=mask.shape[0], width=mask.shape[1],
            count=3, dtype="uint8", crs="EPSG:32633", transform=Affine(100, 0, 500_000, 0, -100, 8_706_000),
            photometric="RGB",
        ) as target:  # fmt: skip
            target.write(np.where(mask == 1, 255, np.array([0, 0, 255])[:, None, None]).astype(np.uint8))


def write_inventories(folder: Path, squares: list[shapely.Polygon], dates: list[str]) -> None:
    folder.mkdir()
    other = shapely.box(9000, 0, 12_000, 3000)
    for square, date in zip(squares, dates, strict=True):
        rows = gpd.GeoDataFrame({"glac_name": ["My Glacier", "Another"]}, geometry=[square, other], crs="EPSG:32633")
        rows.geometry = rows.translate(500_000, 8_700_000)
        rows.to_file(folder / f"rgi_{date}.shp")


def write_tables(folder: Path) -> None:
    def rows(form: Callable[[int, int], str]) -> str:
        return "".join(form(index, year) + "\n" for index, year in enumerate(YEARS))

    def text(name: str, content: str) -> None:
        (folder / name).write_text(content, encoding="utf-8")

    text(
        "lengths.csv", "glacier,date,variable,value,unit\n" + rows(lambda i, y: f"A,{y}-09-01,length_m,{9 - i / 10},km")
    )
    text("front_variation.csv", "POLITICAL_UNIT,NAME,WGMS_ID,Year,SURVEY_DATE,REFERENCE_DATE,FRONT_VARIATION\n"
         + rows(lambda i, y: f"CH,RHONE,473,{y},{y}0915,{y - 1}0915,{-10 - i}"))  # fmt: skip
    text("lengthchange.csv", "# Length changes\nglacier name;glacier id;start date of observation;"
         "end date of observation;length change\n(-);(-);(yyyy-mm-dd);(yyyy-mm-dd);(m)\n"
         + rows(lambda i, y: f"Rhonegletscher;B43;{y - 1}-09-01;{y}-09-01;{-10 - i}"))  # fmt: skip
    text("changes.csv", "glacier,year,length change (m)\n" + rows(lambda i, y: f"A,{y},{-10 - i % 3}"))
    text("wide.csv", "year;Rhone;Aletsch\n" + rows(lambda i, y: f"{y};{-10 * i},5;{-20 * i},0"))
    text("days.csv", "glacier,date,area_km2\n" + rows(lambda i, y: f"A,03/04/{y},{9 - i / 10}"))
    text("lakes.csv", "glacier,date,lake area (ha)\n" + rows(lambda i, y: f"A,{y}-08-01,{'<0.1' if i == 0 else 5 * i}"))
    text("greenland_mass.txt", "HDR 1 TIME (year.decimal)\nHDR 2 Greenland mass (Gigatonnes)\n"
         + rows(lambda i, y: f"{y}.29   {-280 * i}.5"))  # fmt: skip
    table = pd.DataFrame(
        {"when": [f"{y}-09-01" for y in YEARS], "front": [9 - i / 10 for i in range(10)], "error": 0.02}
    )
    table.to_excel(folder / "survey.xlsx", index=False)


def typed(line: str) -> list[str]:
    return shlex.split(line)[1:]


def test_the_table_has_rows_enough() -> None:
    assert len(TABLE) >= 10


@pytest.mark.parametrize(("have", "line"), TABLE, ids=[have for have, _ in TABLE])
def test_every_row_of_the_table_works(command: Command, tmp_path: Path, have: str, line: str) -> None:
    if ".xlsx" in line:
        pytest.importorskip("openpyxl")
    make_files(tmp_path)
    result = command(*typed(line))
    assert result.code == 0, result.err
    observations = Archive(Path("glaciertime.gpkg")).read("observations")
    held = observations[observations["value"].notna()]
    assert held["date"].nunique() >= 10
    if "inventories" in line:
        km2 = held.loc[held["variable"] == "area_km2", "value"]
        # The plane of UTM 33 is 0.08 % too large along its central meridian.
        assert (km2.max(), km2.min()) == pytest.approx((12.0 * 1.0008, 10.2 * 1.0008), rel=2e-4)
    check = EXPECTED.get(next((part for part in line.split() if "." in part and "=" not in part), ""))
    if check is not None:
        variable, last = check
        of_variable = held[held["variable"] == variable].sort_values(["glacier", "date"])
        assert of_variable["value"].iloc[-1] == pytest.approx(last)


EXPECTED = {
    "lengths.csv": ("length_m", 8100),
    "front_variation.csv": ("length_change_m", -145),
    "lengthchange.csv": ("length_change_m", -145),
    "changes.csv": ("length_change_m", -109),
    "survey.xlsx": ("front_position_m", 8100),
    "wide.csv": ("length_change_m", -90.5),
    "days.csv": ("area_km2", 8.1),
    "lakes.csv": ("lake_area_km2", 0.45),
    "greenland_mass.txt": ("mass_gt", -2520.5),
}


def test_from_masks_to_a_forecast_and_a_report(command: Command, tmp_path: Path) -> None:
    make_files(tmp_path)
    for line in WALK:
        line, _, target = line.partition(" > ")
        result = command(*typed(line))
        assert result.code == 0, (line, result.err)
        if target:
            (tmp_path / target).write_text(result.out, encoding="utf-8")
    assert "My Glacier" in Path("my_glacier.html").read_text(encoding="utf-8")


def make_images(folder: Path) -> None:
    """Write every image that the table of images speaks of."""
    (folder / "my_glacier.yaml").write_text("name: My Glacier\n")
    for year, front_m in ((2001, 600.0), (2002, -300.0)):
        write_image(folder / "scenes" / f"front_{year}-08-01.tif", *picture(250.0, front_m, size_m=49.0), nodata=0)
    (folder / "glaciers" / "Crane").mkdir(parents=True)
    write_image(folder / "glaciers" / "Crane" / "2001-08-01.tif", *picture(250.0, 600.0, size_m=49.0), nodata=0)
    grey = np.where(np.arange(96)[:, None] < 40, 60, 150) + np.random.default_rng(0).normal(0, 6, (96, 80))
    write_mask(folder / "front.png", grey.clip(1, 255).astype(np.uint8), crs=None, transform=None, driver="PNG")
    (folder / "list.csv").write_text("file,date\nscenes/front_2001-08-01.tif,2001-08-01\n")
    snow, rock, lake = (
        (0.8, 0.82, 0.82, 0.7, 0.02, 0.02),
        (0.1, 0.13, 0.14, 0.19, 0.23, 0.2),
        (0.1, 0.16, 0.11, 0.02, 0.01, 0.01),
    )
    ground = np.array([lake, rock, snow])[np.arange(90) // 30].T[:, :, None] * np.ones(60)
    grain = 1 + np.random.default_rng(0).normal(0, 0.03, ground.shape)
    stacks = {
        "landsat8.tif": (np.concatenate([ground[:1], ground]) * grain[:1] + 0.2) / 0.0000275,
        "s2.tif": (ground[[4, 3, 2, 1, 0]] * grain[:5] + 0.1) / 0.0001,
    }
    for name, values in stacks.items():
        with rasterio.open(
            folder / name, "w", driver="GTiff", height=90, width=60, count=len(values), dtype="uint16",
            crs="EPSG:32632", transform=Affine(30, 0, 500_000, 0, -30, 5_000_000),
        ) as target:  # fmt: skip
            target.write(values.round().astype(np.uint16))


def test_every_row_of_the_table_of_images_works(command: Command, tmp_path: Path) -> None:
    make_images(tmp_path)
    assert len(IMAGES) >= 9
    for have, line in IMAGES:
        result = command(*typed(line), *(("--json",) if "segment" in line and "--json" not in line else ()))
        assert result.code == 0, (have, result.err)
        if "--method" in line:
            (row,) = result.json
            km2 = {one["class"]: one["area_km2"] for one in row["classes"]}
            # UTM is 0.08 % too large a map along its central meridian; a median filter moves an edge by no more than 1.
            assert km2 == pytest.approx(dict.fromkeys(km2, 30 * 60 * 0.0009 * 1.0008), rel=0.05)
    assert sorted(path.name for path in (tmp_path / "masks").glob("*.tif")) == [
        "front_2001-08-01_zones.tif", "front_2002-08-01_zones.tif",
    ]  # fmt: skip
    assert (tmp_path / "polygons" / "front_2001-08-01_zones.gpkg").is_file()
    rows = Archive(Path("glaciertime.gpkg")).read("observations")
    positions = rows[(rows["variable"] == "front_position_m") & (rows["method"] == "centreline")].sort_values("date")
    assert positions["value"].diff().iloc[-1] == pytest.approx(-900, abs=90)
