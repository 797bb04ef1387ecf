"""Draw the picture of the README from the built-in simulation: its fronts on a map.

Run from anywhere: ``python scripts/readme_picture.py``; it writes into ``docs``.
"""

from __future__ import annotations

from pathlib import Path

from glaciertime.catalog import load_catalog
from glaciertime.pipeline import TrackRequest, track_glacier
from glaciertime.report.plots import front_map
from glaciertime.scenes.crane_simulation import simulated_crane


def main() -> None:
    """Write ``docs/simulated_crane_fronts.svg``."""
    folder = Path(__file__).resolve().parents[1] / "docs"
    folder.mkdir(exist_ok=True)
    tracked = track_glacier(TrackRequest(glacier="Crane")).tracked
    if tracked is None:
        raise SystemExit("the simulation gave nothing")
    glacier = simulated_crane(load_catalog().glacier("Crane"))
    svg = front_map(
        tracked.fronts,
        footprints=tracked.footprints,
        centreline=None if glacier.centreline is None else glacier.centreline.linestring,
        crs=glacier.crs,
        source="simulated",
    )
    (folder / "simulated_crane_fronts.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
