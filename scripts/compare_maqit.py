"""Compare the curvilinear box with MaQiT's, on the traces and the centreline of a data folder.

    python scripts/compare_maqit.py --data ../shared/data

MaQiT's position grows from the sea inland and is measured in metres of the map; both are compared on its map, after the
median difference is removed. The other methods are printed beside it, with how far they disagree with the curvilinear
box, and last what the same record is in true metres, as the product gives it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

from glaciertime.catalog import load_catalog
from glaciertime.scenes.acquisition import TraceScene, UnreadableScene
from glaciertime.scenes.vectors import source_centreline, trace_scenes
from glaciertime.track import METHODS, TrackSettings, track_scenes
from glaciertime.track.record.comparison import compare_methods, disagreement

WHY = """
centreline: one point of the front, which moves with every bay. multi-centreline: the same band as the box, line by
line; it parts from it where a line is crossed several times. rectilinear-box: its straight axis leaves the bending
fjord and meets the front elsewhere. extrapolated-centreline and mean-trace: the whole trace, with the rock and the
northern tributary that it follows from 2004 on: they measure another front than the trunk's."""

POSITION = "Terminus Position on flowline"


def jakobshavn(data: Path, *, box_width_m: float, on_the_map: bool = True) -> pd.DataFrame:
    """Return the observations of Jakobshavn's traces by every method, in metres of the map or in true ones."""
    glacier = load_catalog().glacier("Jakobshavn")
    source = glacier.sources[0]
    found = source_centreline(data / source.path, source=source)
    if found is None:
        raise SystemExit(f"{data / source.path} has no layer {source.centreline_layer}")
    glacier = glacier.model_copy(update={"centreline": found[0]})
    settings = TrackSettings(methods=tuple(METHODS), box_width_m=box_width_m)
    scenes = trace_scenes(data / source.path, glacier=glacier, source=source)
    if on_the_map:
        # A local frame: its metres are taken as they are.
        glacier, scenes = glacier.model_copy(update={"crs": None}), map(without_place, scenes)
    return track_scenes(scenes, glacier=glacier, settings=settings).observations


def without_place(scene: TraceScene | UnreadableScene) -> TraceScene | UnreadableScene:
    """Return a trace as if its map were the ground."""
    if isinstance(scene, UnreadableScene):
        return scene
    return replace(scene, acquisition=replace(scene.acquisition, crs=None))


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--box-width", type=float, default=2000.0, metavar="METRES")
    given = parser.parse_args()
    observations = jakobshavn(given.data, box_width_m=given.box_width)
    ours = observations.query("variable == 'front_position_m' and method == 'curvilinear-box'").copy()
    theirs = pd.read_csv(given.data / "jakobshavn" / "maqit_curvilinear_box.csv", parse_dates=["date"])
    # Traces of one day bear no name in MaQiT's table: they are paired from the sea inland.
    ours["nth"] = ours.sort_values("value", ascending=False).groupby("date").cumcount()
    theirs["nth"] = theirs.sort_values(POSITION).groupby("date").cumcount()
    joined = ours.merge(theirs, on=["date", "nth"], how="inner")
    result = disagreement(joined["value"], -joined[POSITION])
    print(f"traces {len(ours)}, in MaQiT's table {len(theirs)}, compared {result['n']}")
    print(
        f"curvilinear box {given.box_width:g} m against MaQiT, one constant removed: median absolute difference "
        f"{result['median_abs_m']:.3f} m, 95 % within {result['p95_abs_m']:.3f} m, largest {result['max_abs_m']:.3f} m"
    )
    print("\nagainst our curvilinear box, one constant removed:")
    columns = ["method", "n", "n_failed", "median_abs_m", "p95_abs_m", "max_abs_m", "sd_m"]
    print(compare_methods(observations)[columns].round(1).to_string(index=False))
    print(WHY)
    ours_true = jakobshavn(given.data, box_width_m=given.box_width, on_the_map=False)
    rows = ours_true.query("variable == 'front_position_m' and method == 'curvilinear-box'").set_index("image_id")[
        "value"
    ]
    on_map = ours.set_index("image_id")["value"]
    print(
        f"\ncurvilinear box in metres of the map: {on_map.min():.1f} to {on_map.max():.1f} m; in true metres "
        f"{rows.min():.1f} to {rows.max():.1f} m"
    )
    failed = observations[observations["quality"].str.contains("failed")]
    for method, rows in failed.groupby("method"):
        print(f"\n{method}: not measured {len(rows)}, for example {rows.iloc[0].date.date()}: {rows.iloc[0].quality}")


if __name__ == "__main__":
    main()
