"""The table and the page of a region, on real outlines and on names that would break a page or a sheet."""

from __future__ import annotations

import re
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from glaciertime.__main__ import run
from glaciertime.units import polygon_area_km2

from .conftest import Command


@pytest.fixture(scope="module")
def peninsula(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """An archive of the 24 epochs of Crane, Jorum and DBE."""
    from glaciertime.__main__ import run

    archive = tmp_path_factory.mktemp("region") / "peninsula.gpkg"
    names = ("--glacier", "Crane", "--glacier", "Jorum", "--glacier", "DBE")
    assert run(["track", *names, "--data", str(shared_data), "--archive", str(archive)]) == 0
    return archive


def test_the_table_of_a_region_counts_no_ice_twice(peninsula: Path, command: Command) -> None:
    done = command("table", "--region", "Antarctic Peninsula", "--totals", "--json", "--archive", peninsula)
    assert done.code == 0
    totals = {(row["variable"], row["footprint"]): row for row in done.json if not row["front_of"]}
    fjords, boxes = totals["area_km2", "fjord"], totals["area_km2", "box"]
    rows = command("table", "--footprint", "fjord", "--json", "--archive", peninsula).json
    assert fjords["change"] == pytest.approx(-sum(row["loss_km2"] for row in rows))
    assert fjords["change_sigma_1"] == pytest.approx(sum(row["loss_sigma_km2"] for row in rows))
    assert fjords["change_sigma_0"] == pytest.approx(sum(row["loss_sigma_km2"] ** 2 for row in rows) ** 0.5)
    assert (fjords["glaciers"], boxes["glaciers"]) == (3, 1)
    assert "shares 139.2 km2" in boxes["note"]
    text = command("table", "--region", "Antarctic Peninsula", "--archive", peninsula, "--correlation", "0.2").out
    assert "errors correlated 0.2;" in text
    assert "3 of 3 glaciers" in text
    assert command("table", "--glacier", "Crane", "--archive", peninsula, "--correlation", "0.2").code == 2


def test_the_page_of_a_region_and_a_page_each(peninsula: Path, command: Command, tmp_path: Path) -> None:
    assert command("report", "--all", "--out", "pages", "--archive", peninsula).code == 0
    index = (tmp_path / "pages" / "index.html").read_text(encoding="utf-8")
    assert {path.name for path in (tmp_path / "pages").iterdir()} == {
        "index.html", "Crane.html", "DBE.html", "Jorum.html",
    }  # fmt: skip
    assert '<a href="Crane.html">Crane</a>' in index
    words = re.sub(r"<[^>]*>", "", index).replace("\u00a0", " ")
    assert "sum of the changes−41.19 ± 0.73 km² or less0.54 km²0.88 km²" in words
    assert "total, errors correlated by 0.5" in words
    assert "Crane and Jorum share 139.2 km² (box of Greene et al. 2022)" in words
    assert command("report", "--all", "--out", "one.html", "--archive", peninsula).code == 0
    assert '<a href="Crane' not in (tmp_path / "one.html").read_text(encoding="utf-8")
    assert command("report", "--all", "--out", "pages", "--archive", peninsula).code == 0  # its own pages are replaced
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("my thesis")
    assert command("report", "--all", "--out", "mine", "--archive", peninsula).code == 2
    assert (tmp_path / "mine" / "index.html").read_text() == "my thesis"


@pytest.fixture
def odd(command: Command, tmp_path: Path) -> Command:
    """An archive of glaciers whose names mean something to HTML, to a sheet, to a disk, or to matplotlib."""
    names = ["<script>alert(1)</script>", "=1+1", "a/b", "../up", 'qu"ote', "cost $5$", "index"]
    rows = [
        {"glacier": name, "date": f"{year}-08-01", "variable": "area_km2", "value": 10 + k - 0.1 * (year - 2000) * k,
         "unit": "km2", "sigma": 0.1}
        for k, name in enumerate(names, start=1) for year in (2000, 2005, 2010)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "odd.csv", index=False)
    assert command("import", "odd.csv").code == 0
    return command


def test_names_run_nothing_and_no_page_leaves_its_folder(odd: Command, tmp_path: Path) -> None:
    assert odd("report", "--all", "--out", "pages").code == 0
    made = sorted(path.name for path in (tmp_path / "pages").iterdir())
    assert len(made) == 8
    assert not (tmp_path / "up.html").exists()
    index = (tmp_path / "pages" / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in index
    assert "7 glaciers" in index
    for name in made:
        assert name == "index.html" or f'href="{name}"' in index.replace("%20", " ")
    sheet = odd("table", "--all", "--format", "csv").out
    assert "'=1+1," in sheet


def test_what_has_no_page_is_told_on_the_page_of_the_region(odd: Command, tmp_path: Path) -> None:
    once = {"glacier": "Once", "date": "2001-08-01", "variable": "area_km2", "value": 3.0, "unit": "km2"}
    none = {"glacier": "None yet", "date": "2001-08-01", "variable": "snowline_m", "value": 2800, "unit": "m"}
    for name, row in (("once.csv", once), ("none.csv", none)):
        pd.DataFrame([row]).to_csv(tmp_path / name, index=False)
        assert odd("import", name).code == 0
    assert odd("report", "--all", "--out", "region.html").code == 0
    page = (tmp_path / "region.html").read_text(encoding="utf-8")
    assert "Once (one date only)" in page
    totals = {row["dataset"]: row for row in odd("table", "--all", "--totals", "--json").json}
    assert {name: (row["glaciers"], row["of"]) for name, row in totals.items()} == {
        "odd.csv": (7, 9), "once.csv": (0, 9), "none.csv": (0, 9),
    }  # fmt: skip


def test_a_date_that_is_too_far_is_the_row_of_that_glacier(odd: Command, tmp_path: Path) -> None:
    late = [{"glacier": "Late", "date": f"{year}-08-01", "variable": "area_km2", "value": 3.0, "unit": "km2"}
            for year in (2008, 2010)]  # fmt: skip
    pd.DataFrame(late).to_csv(tmp_path / "late.csv", index=False)
    assert odd("import", "late.csv").code == 0
    done = odd("table", "--all", "--from", "2000-08-01", "--json")
    assert done.code == 3
    assert [row["glacier"] for row in done.json if "failed" in str(row.get("status", ""))] == ["Late"]
    assert len([row for row in done.json if row.get("loss_km2") is not None]) == 7


def test_neighbours_of_two_inventories_in_a_folder_are_one_region(command: Command, tmp_path: Path) -> None:
    """Their boxes overlap and their ice meets; one of them stands in one of the two files alone."""
    (tmp_path / "inventories").mkdir()
    widths = {"G-1": (0, 3000), "G-2": (3000, 2500), "G-3": (5500, 2000)}

    def write(name: str, day: str, shrunk: float, left_out: str) -> None:
        rows = [
            {"rgi_id": number, "src_date": day,
             "geometry": shapely.box(630_000 + x, 5_190_000, 630_000 + x + wide, 5_192_000 - shrunk)}
            for number, (x, wide) in widths.items() if number != left_out
        ]  # fmt: skip
        gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:32632").to_file(tmp_path / "inventories" / name)

    write("of_2000.gpkg", "2000-08-01", 0, "")
    write("of_2010.gpkg", "2010-08-01", 500, "G-3")
    first = tmp_path / "inventories" / "of_2000.gpkg"
    assert command("track", "--rgi", first, "--data", "inventories").code == 0
    totals = command("table", "--all", "--totals", "--json").json
    (areas,) = [row for row in totals if row["variable"] == "area_km2"]
    assert (areas["glaciers"], areas["of"]) == (2, 3)
    # Of the two that were seen twice, on the ellipsoid: 5.5 km by 2 km, and by 1.5 km.
    each = [
        polygon_area_km2(shapely.box(630_000, 5_190_000, 635_500, 5_190_000 + high), crs="EPSG:32632")
        for high in (2000, 1500)
    ]
    assert areas["change"] == pytest.approx(each[1] - each[0], rel=1e-4)
    assert areas["start"] == pytest.approx(each[0], rel=1e-4)


def test_pages_of_two_processes_are_those_of_one(command: Command, tmp_path: Path) -> None:
    rows = [(name, f"{2000 + k}-07-01", 50.0 - k) for name in ("One", "Two") for k in range(4)]
    pd.DataFrame(rows, columns=["glacier", "date", "area_km2"]).to_csv(tmp_path / "areas.csv", index=False)
    assert command("import", "areas.csv").code == 0
    found = []
    for folder, more in (("alone", ()), ("together", ("--jobs", "2"))):
        assert command("report", "--all", "--out", folder, *more).code == 0
        texts = {path.name: path.read_text() for path in sorted((tmp_path / folder).glob("*.html"))}
        # Without the drawings, whose parts are named by chance, and what was typed.
        found.append({name: re.sub(r'base64,[^"]*|content="[^"]*"', "", text) for name, text in texts.items()})
    assert list(found[0]) == ["One.html", "Two.html", "index.html"]
    assert found[0] == found[1]
    one = command("report", "--glacier", "One", "--jobs", "2")
    assert one.code == 2
    assert "one page is made by one process" in one.err


def test_the_page_of_one_refuses_what_it_does_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("glacier,date,area_km2,sigma\nOwn one,2000-07-01,10,0.1\nOwn one,2010-07-01,9,0.1\n")
    assert run(["import", "a.csv"]) == 0
    for option in (["--max-gap", "5"], ["--from", "2001"], ["--correlation", "0.2"]):
        assert run(["report", "--glacier", "Own one", "--out", "a.md", *option]) == 2, option
        assert option[0] in capsys.readouterr().err
    assert run(["report", "--glacier", "Own one", "--out", "a.md"]) == 0
    page = Path("a.md").read_text(encoding="utf-8")
    assert "glaciertime forecast --glacier 'Own one' --until" in page
    # An area of somebody else's table is of no footprint.
    assert "footprint at the start" not in page
    assert "The share is of the area at the start." in page
