"""Measure the ice cap of Quelccaya on its 18 masks with a published area, and the rate of its loss.

    python scripts/check_quelccaya.py --data ../shared/data

The masks are pictures (cyan is ice, transparent is no data) in longitude and latitude. The rate is that of our areas
and of the published ones, robust and weighted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from glaciertime.catalog import Glacier
from glaciertime.scenes.acquisition import GLACIER, NO_DATA, ROCK, Acquisition, MaskScene
from glaciertime.slopes import theil_sen_slope, weighted_slope
from glaciertime.track import TrackSettings, track_scenes

# The pictures' place is known, but not written in them.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

WEST, EAST, SOUTH, NORTH = -70.9, -70.7, -14.00, -13.83


def zones_of_picture(path: Path) -> NDArray[np.uint8]:
    """Return the zones of one picture: cyan is ice, transparent no data, the rest land."""
    with rasterio.open(path) as file:
        red, green, blue, alpha = file.read()
    ice = (red < 128) & (green > 127) & (blue > 127)
    return np.where(ice, GLACIER, np.where(alpha == 0, NO_DATA, ROCK)).astype(np.uint8)


def scenes(folder: Path) -> list[MaskScene]:
    """Return the pictures as dated scenes; only their year is known."""
    found = []
    for path in sorted(folder.glob("glacier_*.png")):
        year = int(path.stem.removeprefix("glacier_"))
        with rasterio.open(path) as file:
            shape = (file.height, file.width)
        transform = Affine((EAST - WEST) / shape[1], 0, WEST, 0, (SOUTH - NORTH) / shape[0], NORTH)
        acquisition = Acquisition(
            glacier="Quelccaya", date=dt.date(year, 1, 1), dataset="quelccaya-glacier-change-detection",
            image_id=path.stem, source="observed", input=str(path), crs=pyproj.CRS.from_epsg(4326),
            flags={"year-only": ""},
        )  # fmt: skip
        found.append(
            MaskScene(
                acquisition=acquisition,
                shape=shape,
                transform=transform,
                has_ocean=False,
                read=lambda path=path: zones_of_picture(path),
            )
        )
    return found


def measured(data: Path) -> pd.DataFrame:
    """Return published and measured areas by year; years without a published one are left out."""
    settings = TrackSettings(screening=None)
    tracked = track_scenes(scenes(data / "quelccaya" / "masks"), glacier=Glacier(name="Quelccaya"), settings=settings)
    rows = tracked.observations.query("variable == 'area_km2' and footprint == 'image'")
    ours = pd.Series(rows["value"].to_numpy(), index=rows["date"].dt.year, name="measured_km2")
    table = pd.read_csv(data / "quelccaya" / "areas.csv").set_index("year")[["area_km2"]].join(ours)
    table["difference_percent"] = 100 * (table["measured_km2"] / table["area_km2"] - 1)
    return table


def main() -> None:
    """Print areas and rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    table = measured(parser.parse_args().data)
    print(table.round(2).to_string())
    print(f"\nlargest difference {table['difference_percent'].abs().max():.2f} % over {len(table)} masks")
    days = (table.index.to_numpy() - 1990) * 365.25
    for name in ("area_km2", "measured_km2"):
        robust = theil_sen_slope(days, table[name])
        weighted = weighted_slope(days, table[name], np.full(len(table), np.nan))
        print(
            f"{name}: {robust.slope_per_year:.3f} km2/a (Theil-Sen, 95 % {robust.low:.3f} to {robust.high:.3f}); "
            f"{weighted.slope_per_year:.3f} (least squares, {weighted.low:.3f} to {weighted.high:.3f})"
        )


if __name__ == "__main__":
    main()
