"""Commands run in process, in a folder of their own, without the machine's data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from glaciertime.__main__ import run

from ..geodesics import geodesic_m

GLACIER, OCEAN, ROCK = 127, 254, 64
TOY_TRANSFORM = Affine(100, 0, -2_400_000, 0, -100, 1_260_000)


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``glaciertime`` with arguments; the current folder is empty and no data is set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLACIERTIME_DATA", raising=False)
    monkeypatch.setenv("GLACIERTIME_DOWNLOADS", str(tmp_path / "no-downloads"))

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return call


def true_m(along_m: float) -> float:
    """Return so much of the toy's centreline on the map as it is on the ellipsoid, 1.9 % less."""
    return geodesic_m([(-2_400_000, 1_257_000), (-2_400_000 + along_m, 1_257_000)], "EPSG:3031")


def zones(front_column: int, *, size: int = 60) -> np.ndarray:
    """A fjord of rock walls whose ice reaches from the left to a column."""
    mask = np.full((size, size), ROCK, dtype=np.uint8)
    mask[10:50, :front_column] = GLACIER
    mask[10:50, front_column:] = OCEAN
    return mask


def write_mask(
    path: Path,
    values: np.ndarray,
    *,
    crs: str | None = "EPSG:3031",
    transform: Affine | None = TOY_TRANSFORM,
    **profile: Any,
) -> Path:
    """Write a mask as a GeoTIFF."""
    options = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1,
               "dtype": values.dtype.name, **profile}  # fmt: skip
    if crs is not None:
        options["crs"] = crs
    if transform is not None:
        options["transform"] = transform
    with rasterio.open(path, "w", **options) as target:
        target.write(values, 1)
    return path


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """A folder of three masks of a glacier whose front retreats by two columns of 100 m a year."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for year, column in ((2001, 40), (2002, 38), (2003, 36)):
        write_mask(folder / f"toy_{year}-03-15.tif", zones(column))
    return folder


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest with nothing but a name and a centreline."""
    path = tmp_path / "toy.yaml"
    path.write_text(
        "name: Toy\ncrs: EPSG:3031\ncentreline:\n  drawn_by: the tests\n"
        "  coordinates: [[-2400000, 1257000], [-2394000, 1257000]]\n"
    )
    return path
