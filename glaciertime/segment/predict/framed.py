"""Predicting a scene in the frame of its model, wherever the scene lies and however it is turned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyproj
import shapely
import shapely.ops
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.frame import Frame
from glaciertime.segment.predict.checks import unlike_reason
from glaciertime.segment.predict.cover import evidence_of, log_odds, why_unclear
from glaciertime.segment.predict.engine import Engine
from glaciertime.segment.predict.framing import (
    Framing,
    Read,
    frame_scene,
    ground_of,
    moved,
    read_framed,
    to_scene,
    trimmed,
    with_margin,
)
from glaciertime.segment.predict.front_line import SMOOTHNESS, front_rows, front_spread_px, zones_from_ocean
from glaciertime.segment.predict.orientation import SIDES_DEG, Found, best_of, doubt_about, other_side, search
from glaciertime.segment.predict.prediction import predict_image, zones_from_probability
from glaciertime.segment.predict.uncertainty import front_sigma_px

__all__ = ["UNRELIABLE_SHARE", "FramedScene", "Prediction", "check_side", "find_ocean", "predict_scene"]

#: A scene whose observed part is larger than its frame by more than this has to be told where its glacier is.
_ROOM = 2.0
#: One sigma of a front that is not to be relied on is at least this share of the frame.
UNRELIABLE_SHARE = 0.1
#: Along the flow a frame may be that much longer than the field of view before it is cut around the front.
_LONGER = 1.3
#: Directions that are tried at a time, of scenes that are small enough to be held whole.
_AT_ONCE, _SMALL_PX = 2, 4_000_000


class _Pixels:
    """The pixels of a scene as windows of it are read; they are looked at and not written to."""

    def __init__(self, image: NDArray[np.float32]) -> None:
        self._image = image.view()
        self._image.flags.writeable = False

    def __call__(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        return self._image[:, row : row + height, column : column + width]


@dataclass(frozen=True)
class FramedScene:
    """A scene with its place, as it is to be turned into a frame.

    Attributes
    ----------
    read : callable
        See :data:`.framing.Read`.
    shape : (int, int)
    transform : Affine
        Column and row to the coordinates of ``crs``.
    crs : CRS or None
        None: a local frame in metres, north up.
    line : LineString, optional
        The glacier's centreline in ``crs``, from inland to the sea.
    """

    read: Read
    shape: tuple[int, int]
    transform: Affine
    crs: pyproj.CRS | None
    line: shapely.LineString | None = None

    @property
    def middle(self) -> tuple[float, float]:
        """Return column and row of the point that the ground is measured at: in the middle of the centreline's part."""
        part = self.part
        if part is None:
            return self.shape[1] / 2, self.shape[0] / 2
        point = part.interpolate(0.5, normalized=True)
        return float(point.x), float(point.y)

    @property
    def part(self) -> shapely.LineString | None:
        """Return the longest part of the centreline inside the scene, in columns and rows; None without one."""
        if self.line is None:
            return None
        inverse = ~self.transform
        dense = shapely.segmentize(self.line, self.line.length / 200)
        pixels = shapely.transform(dense, lambda xy: moved(inverse, xy.T).T)
        inside = shapely.get_parts(pixels.intersection(shapely.box(0, 0, self.shape[1], self.shape[0])))
        lines = [each for each in inside if each.geom_type == "LineString" and each.length > 1]
        return max(lines, key=lambda each: float(each.length)) if lines else None

    @property
    def is_small(self) -> bool:
        """Return whether it is small enough to be held whole."""
        return self.shape[0] * self.shape[1] <= _SMALL_PX

    def in_memory(self) -> FramedScene:
        """Return a small scene with its pixels held: a file is unpacked once, however often it is turned."""
        if not self.is_small or isinstance(self.read, _Pixels):
            return self
        return replace(self, read=_Pixels(self.read(0, 0, *self.shape)))

    def ground(self) -> NDArray[np.float64]:
        """Return the metres that a step of one column and of one row makes at the middle, see :func:`ground_of`."""
        column, row = self.middle
        return ground_of(self.transform, self.crs, column=column, row=row)

    @property
    def up_deg(self) -> float:
        """Return the azimuth that is up in the scene."""
        east, north = self.ground() @ np.array([0.0, -1.0])
        return math.degrees(math.atan2(east, north)) % 360

    def shown(self) -> NDArray[np.float64]:
        """Return column and row of the outermost observed points, (N, 2)."""
        seen = self._seen()
        step_row, step_column = self.shape[0] / seen.shape[0], self.shape[1] / seen.shape[1]
        rows = np.flatnonzero(seen.any(axis=1))
        if not len(rows):
            raise InputError("no pixel of the image is observed (all nodata or NaN); there is nothing to segment")
        first, last = seen[rows].argmax(axis=1), seen.shape[1] - seen[rows][:, ::-1].argmax(axis=1)
        return np.array(
            [
                (column * step_column, (row + edge) * step_row)
                for row, left, right in zip(rows, first, last, strict=True)
                for column in (left, right)
                for edge in (0, 1)
            ],
            dtype=np.float64,
        )

    def _seen(self) -> NDArray[np.bool_]:
        """Return which pixels were observed, of a large scene one row in several."""
        step = max(1, self.shape[0] * self.shape[1] // 4_000_000)
        rows = (
            [self.read(row, 0, 1, self.shape[1]) for row in range(step // 2, self.shape[0], step)] if step > 1 else []
        )
        image = np.concatenate(rows, axis=1) if rows else self.read(0, 0, *self.shape)
        return np.asarray(np.isfinite(image).any(axis=0))


@dataclass(frozen=True)
class Prediction:
    """What a model says of a scene, in the model's frame.

    Attributes
    ----------
    framing : Framing
    probability : (K, h, w) float32
        NaN where not observed.
    zones : (h, w) uint8
    sigma_px : float
        Error of the front, in pixels of the frame; see :func:`.uncertainty.front_sigma_px`.
    rows : (w,) float64 or None
        Row of the front in each column, of models that draw one line; see :func:`.front_line.front_rows`.
    found : Found or None
        How the direction of the ocean was found; None where it was told.
    unlike : str
        Why the image is unlike those that the model was trained on; empty where it is not.
    unclear : str
        Why the front is not to be relied on, of models that draw one line; empty where it is.
    doubt : float
        See :func:`.orientation.doubt_about`; 0 of models that draw no line.
    odds : float
        Logarithm of the odds that the front is wrong, see :func:`.cover.log_odds`; NaN of models that draw no line.
    image : (C, h, w) float32
        What the model was shown: raw values, NaN where not observed.
    """

    framing: Framing
    probability: NDArray[np.float32]
    zones: NDArray[np.uint8]
    sigma_px: float
    rows: NDArray[np.float64] | None = None
    found: Found | None = None
    unlike: str = ""
    unclear: str = ""
    doubt: float = 0.0
    odds: float = math.nan
    image: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32), repr=False)

    def probability_on(self, scene: FramedScene) -> NDArray[np.float32]:
        """Return the probabilities on the scene's own grid, (K, H, W), NaN outside the frame and where not observed."""
        if self.framing.is_identity and self.framing.shape == scene.shape:
            return self.probability
        on_grid = to_scene(_filled(self.probability), self.framing, scene_shape=scene.shape)
        return self._observed(on_grid, scene)

    def zones_on(self, scene: FramedScene, spec: ModelSpec) -> NDArray[np.uint8]:
        """Return the zones on the scene's own grid, (H, W) uint8; the front keeps its place below the pixel."""
        if self.framing.is_identity and self.framing.shape == scene.shape:
            return self.zones
        if self.rows is not None:
            # Rows above the front, positive in the ocean: linear between pixels, so that its zero is the front itself.
            height = (self.rows[None] - (np.arange(self.framing.shape[0])[:, None] + 0.5))[None]
            (above,) = self._observed(to_scene(height, self.framing, scene_shape=scene.shape), scene)
            zones = np.where(above > 0, 254, 127)
        else:
            (zones,) = to_scene(self.zones[None], self.framing, scene_shape=scene.shape, order=0)
            above = self._observed(zones[None], scene)[0]
        return np.where(np.isfinite(above), zones, spec.unobserved).astype(np.uint8)

    def front_in(self, transform: Affine) -> shapely.MultiLineString:
        """Return the front in the scene's coordinates, below the pixel; models that draw one line.

        Where it leaves what was observed, or the image, it ends: there lies the edge of the scene, and no front.
        """
        if self.rows is None:
            raise InputError("the model draws no front as one line; trace its mask")
        seen = np.asarray(np.isfinite(self.probability).all(axis=0))
        columns = np.arange(seen.shape[1])
        above, below = (np.floor(self.rows + step).astype(int) for step in (-0.5, 0.5))
        inside = (above >= 0) & (below < len(seen))
        inside &= seen[above.clip(0, len(seen) - 1), columns] & seen[below.clip(0, len(seen) - 1), columns]
        pieces = [
            moved(transform @ self.framing.to_scene, np.stack([run + 0.5, self.rows[run]])).T
            for run in np.split(columns[inside], np.flatnonzero(np.diff(columns[inside]) > 1) + 1)
            if len(run) > 1
        ]
        return shapely.MultiLineString(pieces)

    def _observed(self, on_grid: NDArray[np.float32], scene: FramedScene) -> NDArray[np.float32]:
        inside = np.isfinite(on_grid[0])
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if len(rows):
            top, left = int(rows[0]), int(columns[0])
            window = scene.read(top, left, int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left)
            hidden = ~np.isfinite(window).any(axis=0)
            on_grid[:, top : top + hidden.shape[0], left : left + hidden.shape[1]][:, hidden] = np.nan
        return on_grid


def _filled(layers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return layers with the value of the nearest observed pixel where nothing was observed."""
    missing = ~np.isfinite(layers).all(axis=0)
    if not missing.any():
        return layers
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(layers[:, nearest[0], nearest[1]])


def predict_scene(
    scene: FramedScene,
    *,
    run: Engine,
    spec: ModelSpec,
    ocean_deg: float | None = None,
    try_out: Engine | None = None,
    smoothness: float = SMOOTHNESS,
    threads: int = 0,
) -> Prediction:
    """Return what a model says of a scene that is turned, resampled and cropped into the model's frame.

    The ocean lies where ``ocean_deg`` says; without it where the glacier's centreline leads to; without that where the
    model is surest, see :func:`find_ocean`. Along a centreline that is longer than the frame, the front is first looked
    for on all of it, and the frame then laid around the front.

    Parameters
    ----------
    scene : FramedScene
    run : Engine
    spec : ModelSpec
        Its frame has the ocean up.
    ocean_deg : float, optional
        Azimuth, degrees clockwise from true north.
    try_out : Engine, optional
        For the directions and places that are only tried; ``run`` by default.
    smoothness : float
    threads : int
        At most so many directions are tried at a time; 0 for as many as it likes.

    Raises
    ------
    InputError
        If nothing was observed, or the scene shows much more than the frame and no centreline says where it is.
    """
    quick = run if try_out is None else try_out
    scene = scene.in_memory()
    shown, ground = scene.shown(), scene.ground()
    part = scene.part
    if part is None:
        if scene.line is not None:
            raise InputError("the centreline of the glacier lies outside the scene; check the CRS of both")
        _check_room(scene, spec.frame, ground=ground, shown=shown)
        found = None
        if ocean_deg is None:
            found = best_of([directions(scene, run=quick, spec=spec, shown=shown, threads=threads)])
        towards = found.ocean_deg if found is not None else float(ocean_deg or 0.0)
        framing = frame_scene(spec.frame, ground=ground, ocean_deg=towards, shown=shown)
        return _predict(scene, framing, run=run, spec=spec, smoothness=smoothness, found=found)
    towards = _azimuth(part, ground) if ocean_deg is None else ocean_deg
    centre = part.interpolate(0.5, normalized=True)
    long = 1_000_000
    framing = frame_scene(
        spec.frame, ground=ground, ocean_deg=towards, shown=shown, centre=(centre.x, centre.y), length_px=long
    )
    if spec.frame.height_px and framing.shape[0] > _LONGER * spec.frame.height_px:
        # Where the front crosses the line on the long strip, the frame's own field of view is laid.
        first = _predict(scene, framing, run=quick, spec=spec, smoothness=smoothness)
        centre = _crossing(first, part)
        if ocean_deg is None:
            towards = _azimuth(
                _around(part, centre, reach_m=spec.frame.height_px * framing.pixel_m / 3, ground=ground), ground
            )
        framing = frame_scene(
            spec.frame, ground=ground, ocean_deg=towards, shown=shown, centre=(centre.x, centre.y)
        )  # fmt: skip
    return _predict(scene, framing, run=run, spec=spec, smoothness=smoothness)


def directions(
    scene: FramedScene,
    *,
    run: Engine,
    spec: ModelSpec,
    shown: NDArray[np.float64] | None = None,
    first_deg: float | None = None,
    threads: int = 0,
) -> dict[float, float]:
    """Return how much a model doubts a scene with the ocean in each of several directions, by azimuth.

    At most ``threads`` of them are tried at a time; 0 for as many as it likes.
    """
    scene = scene.in_memory()
    ground = scene.ground()
    seen = scene.shown() if shown is None else shown
    _check_room(scene, spec.frame, ground=ground, shown=seen)

    def doubt_at(ocean_deg: float) -> float:
        framing = frame_scene(spec.frame, ground=ground, ocean_deg=ocean_deg, shown=seen)
        _, _, probability, zones = _look(scene, framing, run=run, spec=spec, smoothness=SMOOTHNESS)
        return doubt_about(probability, zones, ocean=254)

    # A file is read from one thread at a time.
    at_once = min(_AT_ONCE, threads or _AT_ONCE) if scene.is_small else 1
    return search(doubt_at, first_deg=scene.up_deg if first_deg is None else first_deg, at_once=at_once)


def check_side(scenes: Sequence[FramedScene], *, run: Engine, spec: ModelSpec, ocean_deg: float | None = None) -> str:
    """Return that the ocean seems to lie on another side of scenes of one glacier than it is taken to, or ``""``.

    Parameters
    ----------
    scenes : sequence of FramedScene
        All with a coordinate system, or all without; those that cannot be looked at are left out.
    run : Engine
        The quick one will do.
    spec : ModelSpec
        Its frame has the ocean up.
    ocean_deg : float, optional
        Where it is told to lie; by default where the centreline of each scene leads to, else up.
    """
    doubts, told_deg, zero = [], math.nan, "north"
    for given in scenes:
        scene = given.in_memory()
        towards = scene.up_deg if ocean_deg is None and scene.line is None else ocean_deg
        try:
            first = predict_scene(scene, run=run, spec=spec, ocean_deg=towards)
            up_deg = first.framing.ocean_deg
            turned = [predict_scene(scene, run=run, spec=spec, ocean_deg=up_deg + turn) for turn in SIDES_DEG[1:]]
        except InputError:
            # Its reason is told when it is segmented.
            continue
        told_deg = told_deg if math.isfinite(told_deg) else up_deg
        zero = "north" if scene.crs is not None else "the top of the image"
        doubts.append([first.doubt, *(made.doubt for made in turned)])
    return other_side(np.array(doubts), told_deg=told_deg, zero=zero)


def find_ocean(scenes: list[FramedScene], *, run: Engine, spec: ModelSpec) -> Found:
    """Return where the ocean lies that scenes of one glacier show: the direction in which the model is surest of all.

    Raises
    ------
    InputError
        If none of the scenes can be looked at.
    """
    searches, problems = [], []
    for scene in scenes:
        try:
            searches.append(directions(scene, run=run, spec=spec, first_deg=scenes[0].up_deg))
        except InputError as error:
            problems.append(str(error))
    if not searches:
        raise InputError(problems[0] if problems else "no scene to find the ocean in")
    return best_of(searches)


def _look(
    scene: FramedScene, framing: Framing, *, run: Engine, spec: ModelSpec, smoothness: float
) -> tuple[NDArray[np.float32], Framing, NDArray[np.float32], NDArray[np.uint8]]:
    """Return what lies in a frame, the frame without its empty edges, and the probabilities and zones there."""
    image, framing = trimmed(read_framed(scene.read, framing, scene_shape=scene.shape), framing)
    probability = predict_image(with_margin(image), run=run, spec=spec)
    probability[:, ~np.isfinite(image).any(axis=0)] = np.nan
    return image, framing, probability, zones_from_probability(probability, spec=spec, smoothness=smoothness)


def _predict(
    scene: FramedScene,
    framing: Framing,
    *,
    run: Engine,
    spec: ModelSpec,
    smoothness: float,
    found: Found | None = None,
) -> Prediction:
    image, framing, probability, zones = _look(scene, framing, run=run, spec=spec, smoothness=smoothness)
    rows, unlike, unclear, doubt, odds = None, "", "", 0.0, math.nan
    if spec.zones == "line":
        ocean = probability[spec.codes.index(254)]
        rows = front_rows(ocean, zones_from_ocean(ocean, smoothness=smoothness))
        doubt = doubt_about(probability, zones, ocean=254)
        unlike = unlike_reason(image, doubt=doubt, spec=spec)
        open_px = {"sigma_px": front_spread_px(ocean), "usual_px": spec.front_sigma_px}
        found_beside = evidence_of(image[0], rows, ocean=ocean, **open_px)
        unclear = why_unclear(image, rows, found=found_beside, **open_px)
        odds = log_odds(found_beside)
    sigma_px = front_sigma_px(probability, spec=spec)
    if unlike or unclear:
        sigma_px = max(sigma_px, UNRELIABLE_SHARE * max(framing.shape))
    return Prediction(framing, probability, zones, sigma_px, rows, found, unlike, unclear, doubt, odds, image)


def _check_room(scene: FramedScene, frame: Frame, *, ground: NDArray[np.float64], shown: NDArray[np.float64]) -> None:
    """Refuse a scene that is much larger than the frame, by its own sides, however it is to be turned."""
    if not frame.height_px or not frame.width_px:
        return
    framing = frame_scene(frame, ground=ground, ocean_deg=scene.up_deg, shown=shown)
    longest = max(frame.height_px, frame.width_px) * _ROOM
    if max(framing.shape) > longest:
        km = [side * framing.pixel_m / 1000 for side in framing.shape]
        raise InputError(
            f"the scene shows {km[0]:.0f} x {km[1]:.0f} km, the model looks at "
            f"{frame.height_px * frame.pixel_m / 1000:.0f} x {frame.width_px * frame.pixel_m / 1000:.0f} km around one "
            "front: say where the glacier is with --centreline FILE, or cut it out"
        )


def _azimuth(line: shapely.LineString, ground: NDArray[np.float64]) -> float:
    first, last = np.asarray(line.coords[0]), np.asarray(line.coords[-1])
    east, north = ground @ (last - first)
    return math.degrees(math.atan2(east, north)) % 360


def _crossing(prediction: Prediction, part: shapely.LineString) -> shapely.Point:
    """Return the point of the centreline, in columns and rows of the scene, that the front is nearest to."""
    front = prediction.front_in(Affine.identity())
    if front.is_empty:
        return part.interpolate(0.5, normalized=True)
    return part.interpolate(part.project(shapely.ops.nearest_points(part, front)[0]))


def _around(
    line: shapely.LineString, centre: shapely.Point, *, reach_m: float, ground: NDArray[np.float64]
) -> shapely.LineString:
    """Return the part of a line in pixels within so many metres of a point on it."""
    pixels = reach_m / math.sqrt(abs(float(np.linalg.det(ground))))
    stands = line.project(centre)
    part: shapely.LineString = shapely.ops.substring(line, max(0.0, stands - pixels), min(line.length, stands + pixels))
    return part
