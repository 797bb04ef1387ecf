"""What a format cannot hold is refused, and not written as something else."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from glaciertime.errors import UsageError
from glaciertime.report.files import FORMATS


@pytest.mark.parametrize("form", ["kml", "geojson"])
def test_lines_without_a_place_on_earth_are_no_degrees(form: str, tmp_path: Path) -> None:
    rows = gpd.GeoDataFrame({"GlacierID": ["A"]}, geometry=[shapely.LineString([(0, 0), (0, -3000)])])
    with pytest.raises(UsageError, match="no place on Earth"):
        FORMATS[form](rows, tmp_path / f"a.{form}")
