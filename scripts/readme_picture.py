"""Draw the picture of the README from the built-in simulation: its fronts on a map.

Run from anywhere: ``python scripts/readme_picture.py``; it writes into ``docs``.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from glaciertime.catalog import load_catalog
from glaciertime.pipeline import TrackRequest, track_glacier
from glaciertime.plot.canvas import STYLE, stamp
from glaciertime.plot.front_map import draw_fronts
from glaciertime.scenes.crane_simulation import simulated_crane


def main() -> None:
    """Write ``docs/simulated_crane_fronts.svg``."""
    folder = Path(__file__).resolve().parents[1] / "docs"
    folder.mkdir(exist_ok=True)
    tracked = track_glacier(TrackRequest(glacier="Crane")).tracked
    if tracked is None:
        raise SystemExit("the simulation gave nothing")
    glacier = simulated_crane(load_catalog().glacier("Crane"))
    line = None if glacier.centreline is None else glacier.centreline.linestring
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(8.6, 6.6))
        axes = figure.add_subplot()
        draw_fronts(axes, tracked.fronts, footprints=tracked.footprints, centreline=line, crs=glacier.crs)
        stamp(axes, "simulated")
        figure.savefig(folder / "simulated_crane_fronts.svg", bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
