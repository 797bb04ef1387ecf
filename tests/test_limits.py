"""Limits: each has a reason, an option and a variable, and what lies beyond is told before it costs anything."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine

from glaciertime import limits
from glaciertime.catalog import Glacier, read_manifest
from glaciertime.documents import parse_json, read_yaml
from glaciertime.errors import InputError, UsageError
from glaciertime.scenes.acquisition import Acquisition, MaskScene
from glaciertime.scenes.geometries import check_geometry
from glaciertime.segment.teach.config import read_config
from glaciertime.track import track_scenes


@pytest.mark.parametrize("name", limits.LIMITS)
def test_every_limit_says_why_and_how_to_raise_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = limits.LIMITS[name]
    assert len(known.reason) > 30
    assert known.variable.startswith("GLACIERTIME_MAX_")
    with pytest.raises(InputError, match=rf"a\.tif: .*{known.variable}") as caught:
        limits.check(name, known.default * 2, "a.tif")
    assert known.option in str(caught.value)
    monkeypatch.setenv(known.variable, str(known.default * 3))
    limits.check(name, known.default * 2, "a.tif")


@pytest.mark.parametrize("text", ["much", "-1", "0", "nan", ""])
def test_a_variable_that_is_no_number_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_MAX_VERTICES", text)
    if not text:
        assert limits.limit("vertices") == limits.LIMITS["vertices"].default
        return
    with pytest.raises(UsageError, match=f"GLACIERTIME_MAX_VERTICES: '{text}' given, a positive number expected"):
        limits.limit("vertices")


def test_the_readme_shows_the_limits_that_hold() -> None:
    readme = Path(__file__).parents[1] / "README.md"
    if not readme.is_file():
        pytest.skip("no README beside the installed package")
    assert limits.as_table() in readme.read_text(encoding="utf-8"), "put limits.as_table() into the README"


def test_limits_that_are_given_hold_for_a_while() -> None:
    with limits.given({"vertices": 7.0}):
        assert limits.limit("vertices") == 7
    assert limits.limit("vertices") == limits.LIMITS["vertices"].default
    assert "GLACIERTIME_MAX_VERTICES" not in os.environ


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("vertex=3", "NAME=VALUE expected, with a name such as vertices"),
        ("vertices", "NAME=VALUE expected"),
        ("vertices=many", "'many' given, a positive number expected"),
        ("unpacked-gb", "NAME=VALUE expected"),
    ],
)
def test_limits_that_are_none_are_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        limits.parse_limits([text])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: " + "[" * 3000, "65 levels inside each other"),
        ("name: " + "[" * 3000 + "]" * 3000, "65 levels inside each other"),
        ("name: Toy\nnotes: 2002-13-45\n", "a date or a number that there is not"),
        ("name: Toy\n1: x\n", "the name of a field is text, 1 given"),
        ("name: Toy\n? [a, b]\n: x\n", "is not YAML"),
        ("name: &a [*a]\n", "holds itself"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
        ), "references as often as used"),
        ("name: \x00", "is not YAML"),
        ("name: !!python/object:os.system x", "is not YAML"),
        ("- a\n", "holds no fields"),
        ("name: A\ncrs: EPSG:3031\ncentreline:\n  drawn_by: x\n  coordinates: [[.nan, 1], [2, 3]]\n", "finite number"),
        ("name: A\nsources: [{dataset: d, format: masks, resolution_m: .inf}]\n", "finite number"),
    ],
)  # fmt: skip
def test_a_hostile_manifest_is_one_sentence(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=why):
        read_manifest(path)
    with pytest.raises(InputError):
        read_config(path)


def test_a_manifest_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_bytes("name: Sermeq Kujalleq é\n".encode("utf-16"))
    with pytest.raises(InputError, match="is not text in UTF-8"):
        read_manifest(path)
    path.write_bytes(b"\xef\xbb\xbfname: Toy\n")
    assert read_manifest(path).name == "Toy"


def test_a_large_manifest_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_MAX_DOCUMENT_MB", "0.001")
    path = tmp_path / "toy.yaml"
    path.write_text("name: Toy\nnotes: " + "a" * 2000)
    with pytest.raises(InputError, match=r"0\.002017 MB of a YAML or JSON file"):
        read_yaml(path, what="manifest", remedy="write less")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 3000, "{", "\ud800".encode("utf-8", "surrogatepass"), "9" * 5000]
)
def test_hostile_json_is_one_sentence(text: str | bytes) -> None:
    with pytest.raises(InputError, match="the header"):
        parse_json(text, what="the header", remedy="fetch it again")


def test_brackets_in_texts_are_no_depth() -> None:
    held = {"a": '["\\' * 200, "b": [1]}
    assert parse_json(json.dumps(held), what="a", remedy="b") == held


def test_an_outline_in_disorder_is_refused_within_a_second() -> None:
    points = np.random.default_rng(0).uniform(0, 1000, (1500, 2))
    start = time.monotonic()
    with pytest.raises(InputError, match="crossings of an outline with itself"):
        check_geometry(shapely.Polygon(points), crs="EPSG:3413")
    assert time.monotonic() - start < 30  # minutes without the limit


def test_an_outline_with_one_crossing_passes() -> None:
    check_geometry(shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]), crs="EPSG:3413")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ([(0, 0), (0, 1e308)], "reaches to 1e"),
        ([(0, 0), (0, np.nan)], "no numbers"),
        ([(0, 0), (0, np.inf)], "no numbers"),
    ],
)
def test_coordinates_off_the_earth_are_refused(line: list[tuple[float, float]], why: str) -> None:
    with pytest.raises(InputError, match=why):
        check_geometry(shapely.LineString(line), crs="EPSG:3413")


def test_a_step_that_nobody_draws_is_refused_in_degrees_too() -> None:
    with pytest.raises(InputError, match=r"a step of 10,00[78] km"):
        check_geometry(shapely.LineString([(-62, -65), (-62, 25)]), crs="EPSG:4326")
    # Round the date line, and round the pole.
    check_geometry(shapely.LineString([(179.9, -80), (-179.9, -80), (540.0, -80)]), crs="EPSG:4326")
    check_geometry(shapely.Polygon([(-170, 89), (-60, 89), (60, 89), (170, 89)]), crs="EPSG:4326")
    check_geometry(shapely.LineString([(0, 0), (0, 499_000)]), crs="EPSG:3413")


def test_an_image_that_does_not_end_is_a_row_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_MAX_IMAGE_SECONDS", "2")
    zones = np.full((40, 40), 127, dtype=np.uint8)
    zones[:, :12] = 254

    def scene(name: str, day: int, read) -> MaskScene:  # type: ignore[no-untyped-def]
        what = Acquisition(
            glacier="Toy", date=dt.date(2001, 3, day), dataset="toy", image_id=name, source="observed", input=name,
            resolution_m=20.0,
        )  # fmt: skip
        return MaskScene(acquisition=what, shape=zones.shape, transform=Affine(20, 0, 0, 0, -20, 800), read=read)

    track_scenes([scene("warm", 1, lambda: zones)], glacier=Glacier(name="Toy"))

    def endless() -> np.ndarray:
        while True:
            time.sleep(0.01)

    tracked = track_scenes([scene("slow", 2, endless), scene("good", 3, lambda: zones)], glacier=Glacier(name="Toy"))
    rows = tracked.observations.set_index("image_id")
    assert "seconds that one image is measured for" in rows.loc["slow", "quality"]
    assert rows.loc["good", "value"].notna().any()


@pytest.mark.parametrize(
    "text", ["crs: EPSG:3031\ncrs: EPSG:3413\n", "a: {b: 1, c: 2, b: 3}\n", "<<: {a: 1}\n<<: {b: 1}\n"]
)
def test_a_name_twice_in_yaml_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=r"manifest a: '.*' is there twice \(line \d\)"):
        read_yaml(tmp_path / "a.yaml", what="manifest a", remedy="mend it")


def test_a_value_that_takes_the_place_of_a_merged_one_is_no_name_twice(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &a {x: 1, y: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}\n")
    found = read_yaml(tmp_path / "a.yaml", what="a", remedy="mend it")
    assert (found["b"], found["c"]) == ({"x": 2, "y": 1}, {"x": 3, "y": 1})


def test_a_pipe_is_no_manifest(tmp_path: Path) -> None:
    """Reading one waits for ever; reading a device takes all memory."""
    os.mkfifo(tmp_path / "a.yaml")
    for path in (tmp_path / "a.yaml", Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match="is no file, but a folder, a pipe or a device"):
            read_yaml(path, what="a", remedy="mend it")
