"""An image as ``glaciertime segment`` gets it, predicted in the frame of its model, and what is said of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from glaciertime.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import pyproj
    import shapely
    from numpy.typing import NDArray

    from glaciertime.scenes.imagery import Imagery
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.predict.engine import Engine
    from glaciertime.segment.predict.framed import FramedScene, Prediction
    from glaciertime.segment.predict.framing import Framing

__all__ = ["InFrame", "predict_in_frame", "scene_of"]


@dataclass(frozen=True)
class InFrame:
    """What a model says of an image that it saw in its own frame, on the image's grid.

    Attributes
    ----------
    probability : (K, H, W) float32
    zones : (H, W) uint8
    framing : Framing
        How the frame lies on the image.
    front : MultiLineString or None
        In the coordinates of the image, below the pixel, empty where none is seen; None where the image has no place,
        or the model no line.
    flags : dict of str to str
        What is known against it.
    made : Prediction
        In the frame of the model.
    scene : FramedScene
    """

    probability: NDArray[np.float32]
    zones: NDArray[np.uint8]
    framing: Framing
    made: Prediction
    scene: FramedScene
    front: shapely.MultiLineString | None = None
    flags: dict[str, str] = field(default_factory=dict)


def predict_in_frame(
    pixels: Imagery,
    *,
    run: Engine,
    quick: Engine,
    spec: ModelSpec,
    ocean: str | None,
    centreline: Path | None,
    smoothness: float,
    threads: int = 0,
) -> InFrame:
    """Return probabilities and zones on the grid of an image, and say how its frame was laid.

    Raises
    ------
    InputError
        If the image shows much more than the frame of the model, or its place cannot be read.
    UsageError
        If what was said of its orientation is no direction, or contradicts itself.
    """
    from glaciertime.cli.common import note
    from glaciertime.segment.predict.framed import check_side, predict_scene
    from glaciertime.segment.predict.orientation import AUTO, parse_ocean

    flags: dict[str, str] = {}
    placed = pixels.place is not None
    if centreline is not None and not placed:
        raise UsageError(f"--centreline: {pixels.path} has no georeference to find it in; give --ocean")
    told = parse_ocean(ocean) if ocean is not None else None if placed else "up"
    scene = scene_of(pixels, spec, centreline)
    towards = None
    if isinstance(told, float):
        towards = told
    elif told == "up":
        towards = scene.up_deg
    elif told == AUTO and scene.line is not None:
        raise UsageError("--ocean auto: the centreline says where the ocean lies; leave one of them out")
    made = predict_scene(
        scene, run=run, spec=spec, ocean_deg=towards, try_out=quick, smoothness=smoothness, threads=threads
    )
    if made.found is not None:
        sure = "" if made.found.is_sure else f" BUT IT IS NOT SURE ({made.found.chance}): say it with --ocean;"
        note(
            f"{pixels.path.name}: the ocean was found to lie towards {made.found.ocean_deg:.0f} degrees from "
            f"north,{sure} another direction leaves the model {1 / max(made.found.doubt, 1e-3):.1f} times as unsure"
        )
        if not made.found.is_sure:
            flags["unclear-front"] = "the direction of the ocean is not sure, say it with --ocean"
    elif made.rows is not None and (against := check_side([scene], run=quick, spec=spec, ocean_deg=towards)):
        note(f"THE FRONT IS NOT TO BE RELIED ON: {pixels.path.name}: {against}; check --ocean, or --centreline")
        flags["unclear-front"] = against
    if not made.framing.is_identity:
        height, width = made.framing.shape
        note(
            f"{pixels.path.name}: seen by the model as {width} x {height} pixels of {made.framing.pixel_m:.1f} m, "
            f"{made.framing.ocean_deg:.0f} degrees from north up"
        )
    if made.unlike:
        note(f"THE MASK IS NOT TO BE RELIED ON: {pixels.path.name} is {made.unlike}")
        flags["unlike-training"] = made.unlike
    if made.unclear:
        note(f"The front is unclear, {made.unclear}: compare it with the image; --probabilities shows where it may lie")
        flags.setdefault("unclear-front", made.unclear)
    front = made.front_in(scene.transform) if placed and made.rows is not None else None
    return InFrame(made.probability_on(scene), made.zones_on(scene, spec), made.framing, made, scene, front, flags)


def scene_of(pixels: Imagery, spec: ModelSpec, centreline: Path | None) -> FramedScene:
    """Return an image as it is to be turned into the frame of a model."""
    from affine import Affine

    from glaciertime.segment.predict.framed import FramedScene

    shape = (pixels.height, pixels.width)
    place = pixels.place
    if place is None:
        size = spec.frame.pixel_m if spec.frame.pixel_m == spec.frame.pixel_m else 1.0
        place = Affine(size, 0, 0, 0, -size, shape[0] * size), None
    transform, crs = place
    line = None if centreline is None else _line_in(centreline, crs)
    return FramedScene(read=pixels.read, shape=shape, transform=transform, crs=crs, line=line)


def _line_in(path: Path, crs: pyproj.CRS | None) -> shapely.LineString:
    """Return the one line of a vector file in the coordinates of an image."""
    import pyproj
    import shapely

    from glaciertime.scenes.layers import read_layer
    from glaciertime.track.place import reproject

    table = read_layer(path)
    lines = [part for shape in table.geometry if shape is not None for part in shapely.get_parts(shape)]
    if len(lines) != 1 or lines[0].geom_type != "LineString":
        raise InputError(f"--centreline {path}: {len(lines)} parts given, one line from inland to the sea expected")
    line: shapely.LineString = reproject(
        shapely.force_2d(lines[0]), source=None if table.crs is None else pyproj.CRS(table.crs), target=crs
    )
    return line
