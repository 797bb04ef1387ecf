"""Random changes of a training sample: the limits of them, and how they are put together.

Every function takes ``seed``, an integer or a :class:`numpy.random.Generator`, and leaves its input alone. The changes
themselves are in :mod:`.warping`, :mod:`.tones` and :mod:`.radiometry`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.scenes.datasets.colours import changed_saturation, turned_hue
from glaciertime.scenes.datasets.radiometry import Seed
from glaciertime.scenes.datasets.sample import IGNORE
from glaciertime.scenes.datasets.tones import (
    blurred,
    brightness_contrast,
    class_tone,
    gamma,
    illumination,
    moments,
    saturate,
    scan_line_gaps,
    scene_edge,
    tone_step,
    veil,
)
from glaciertime.scenes.datasets.warping import places, take

__all__ = ["Augmentation", "Patch", "augment", "draw_patch", "transplant_ocean"]


@dataclass(frozen=True)
class Augmentation:
    """How far each change may go; the defaults suit one optical band with the ocean up.

    Attributes
    ----------
    size : (int, int) or None
        Height and width of the patch cut out, pixels; None keeps the image's.
    flip_columns, flip_rows : bool
        Mirror left and right, up and down, each with probability one half.
    rotation_deg : float
        Largest rotation either way, degrees.
    scale : (float, float)
        Smallest and largest magnification, drawn evenly in its logarithm.
    shift_px : (float, float)
        Largest shift of the patch's centre along rows and along columns, pixels.
    stretch : float
        Largest |ln| of the magnification along rows over that along columns, halved.
    elastic_px : float
        Standard deviation of a smooth random displacement, pixels.
    bend_px : float
        Standard deviation of a smooth displacement along rows alone, pixels: another shape of the front.
    perspective : float
        Largest change of the magnification from the middle to an edge of the patch, below 0.5: a camera that is tilted.
    brightness, contrast, gamma_log : float
        Largest offset in standard deviations, largest relative change of contrast, largest |ln gamma|.
    illumination : float
        Amplitude of a smooth additive field, standard deviations.
    noise : float
        Largest standard deviation of white noise, in standard deviations of the image.
    blur_px : float
        Largest standard deviation of a Gaussian blur, pixels.
    tone_step : float
        Probability that one side of a line is darker or brighter: a cloud's shadow, the seam of a mosaic.
    class_tone : float
        Probability that one class is brighter or darker than it was: neither side of a front is always the bright one.
    hue_deg : float
        Largest turn of the hue either way, degrees; of images of three bands.
    colour : float
        Largest |ln| of the factor on the saturation of colours; of images of two bands or more.
    veil : float
        Probability of haze or thin cloud.
    saturation : float
        Probability that everything above some brightness looks the same, as snow does in the early sensors.
    gaps : float
        Probability of scan-line gaps as of Landsat 7 after May 2003.
    scene_edge : float
        Probability that up to a third of the patch lies beyond the edge of the scene.
    invert : float
        Probability of turning bright into dark.
    speckle_looks : (float, float) or None
        Range of the number of looks of speckle that a training puts on the intensity before it is brought to decades
        or scaled, see :class:`glaciertime.segment.teach.patches.PatchDataset`; None for none.
    missing : float
        Probability that one band that is present is dropped (only where there are several).
    transplant : float
        Probability that the ocean of another sample takes the place of this one's, see :func:`transplant_ocean`.
    share : float
        Of the patches that are changed at all; the others are cut and left as they are.

    Raises
    ------
    InputError
        If a limit is out of range.
    """

    size: tuple[int, int] | None = None
    flip_columns: bool = True
    flip_rows: bool = False
    rotation_deg: float = 25.0
    scale: tuple[float, float] = (0.7, 1.4)
    shift_px: tuple[float, float] = (30.0, 20.0)
    stretch: float = 0.0
    elastic_px: float = 2.0
    bend_px: float = 0.0
    perspective: float = 0.0
    brightness: float = 0.4
    contrast: float = 0.4
    gamma_log: float = 0.5
    illumination: float = 0.3
    noise: float = 0.2
    blur_px: float = 0.8
    tone_step: float = 0.15
    class_tone: float = 0.0
    hue_deg: float = 0.0
    colour: float = 0.0
    veil: float = 0.0
    saturation: float = 0.0
    gaps: float = 0.1
    scene_edge: float = 0.0
    invert: float = 0.0
    speckle_looks: tuple[float, float] | None = None
    missing: float = 0.0
    transplant: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            name, value = entry.name, getattr(self, entry.name)
            if name in ("size", "flip_columns", "flip_rows") or value is None:
                continue
            numbers = value if isinstance(value, tuple) else (value,)
            pair = name in _PAIRS
            if len(numbers) != 1 + pair or not all(
                isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
                for number in numbers
            ):
                raise InputError(
                    f"augmentation {name} {value!r} given, {'two numbers' if pair else 'a number'} expected"
                )
            if name in ("scale", "speckle_looks") and not 0 < numbers[0] <= numbers[1]:
                raise InputError(f"augmentation {name} {value} given, two rising numbers above 0 expected")
            most = 1.0 if name in _PROBABILITIES else 0.5 if name == "perspective" else math.inf
            if min(numbers) < 0 or max(numbers) > most or (name == "perspective" and numbers[0] == most):
                limit = "at least 0" if most == math.inf else f"0 to {most:g}"
                raise InputError(f"augmentation {name} {value} given, {limit} expected")

    @classmethod
    def preset(cls, name: str) -> Augmentation:
        """Return the limits of a name: ``none``, ``light``, ``default`` or ``strong``.

        Raises
        ------
        UsageError
            If there is none of that name.

        Examples
        --------
        >>> Augmentation.preset("light").rotation_deg, Augmentation.preset("none").changes_nothing()
        (10.0, True)
        """
        if name not in _PRESETS:
            near = nearest_names(name, _PRESETS) or list(_PRESETS)
            raise UsageError(f"augmentation '{name}' is not known; nearest: {', '.join(near)}")
        return cls(**_PRESETS[name])

    def changes_nothing(self) -> bool:
        """Return whether a patch is only cut."""
        return all(
            getattr(self, entry.name) == _NOTHING.get(entry.name, 0)
            for entry in fields(self)
            if entry.name not in ("size", "share")
        )

    def check_bands(self, bands: int) -> None:
        """Raise where a change needs other bands than there are.

        Raises
        ------
        InputError
        """
        if self.hue_deg and bands != 3:
            raise InputError(f"augmentation hue_deg {self.hue_deg} needs three bands (red, green, blue), {bands} given")
        if self.colour and bands < 2:
            raise InputError(f"augmentation colour {self.colour} needs two bands or more, {bands} given")


_PAIRS = ("scale", "shift_px", "speckle_looks")
_PROBABILITIES = (
    "tone_step", "class_tone", "veil", "saturation", "gaps", "scene_edge", "invert", "missing", "transplant", "share",
)  # fmt: skip
#: What each setting has where nothing is changed, if not 0.
_NOTHING: dict[str, Any] = {
    "flip_columns": False,
    "flip_rows": False,
    "scale": (1.0, 1.0),
    "shift_px": (0.0, 0.0),
    "speckle_looks": None,
}
_PRESETS: dict[str, dict[str, Any]] = {
    "none": {
        **{
            name: 0.0
            for name in (
                "rotation_deg", "elastic_px", "brightness", "contrast", "gamma_log", "illumination", "noise", "blur_px",
                "tone_step", "gaps",
            )
        },
        **{name: value for name, value in _NOTHING.items() if name != "speckle_looks"},
    },
    "light": {
        "rotation_deg": 10.0, "scale": (0.9, 1.1), "shift_px": (8.0, 8.0), "elastic_px": 0.0, "brightness": 0.1,
        "contrast": 0.1, "gamma_log": 0.1, "illumination": 0.0, "noise": 0.05, "blur_px": 0.0, "tone_step": 0.0,
        "gaps": 0.0,
    },
    "default": {},
    "strong": {
        "rotation_deg": 45.0, "scale": (0.5, 2.0), "shift_px": (40.0, 40.0), "stretch": 0.15, "elastic_px": 3.0,
        "perspective": 0.15, "brightness": 0.6, "contrast": 0.6, "gamma_log": 0.7, "illumination": 0.5, "noise": 0.4,
        "blur_px": 1.5, "tone_step": 0.25, "veil": 0.15, "saturation": 0.1, "gaps": 0.15, "scene_edge": 0.1,
    },
}  # fmt: skip


class Patch(NamedTuple):
    """A patch, its labels, and the row of the image that each of its pixels shows.

    Attributes
    ----------
    image : (C, h, w) float32
    labels : (h, w) uint8
    rows : (h, w) float32
        Counted from the top of the image.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    rows: NDArray[np.float32]


def augment(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    *,
    plan: Augmentation,
    seed: Seed,
    centre: tuple[float, float] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Change an image and its labels at random within the limits of a plan.

    Parameters
    ----------
    image : (C, H, W) float32
        NaN where not observed.
    labels : (H, W) uint8
    plan : Augmentation
    seed : int or Generator
    centre : (float, float), optional
        As for :func:`draw_patch`.

    Returns
    -------
    (C, h, w) float32, (h, w) uint8
        The same seed gives the same patch.

    Examples
    --------
    >>> patch, labels = augment(np.ones((1, 40, 40), np.float32), np.zeros((40, 40), np.uint8),
    ...                         plan=Augmentation(size=(32, 24)), seed=1)
    >>> patch.shape, labels.shape
    ((1, 32, 24), (32, 24))
    """
    patch = draw_patch(image, labels, plan=plan, seed=seed, centre=centre)
    return patch.image, patch.labels


def draw_patch(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    *,
    plan: Augmentation,
    seed: Seed,
    centre: tuple[float, float] | None = None,
) -> Patch:
    """Cut a patch out of an image and change it at random within the limits of a plan.

    Parameters
    ----------
    image : (C, H, W) float32
        NaN where not observed.
    labels : (H, W) uint8
    plan : Augmentation
    seed : int or Generator
    centre : (float, float), optional
        Row and column the patch is centred on before it is shifted. By default anywhere that a patch fits into the
        image; along a side on which the patch is as long as the image or longer, the image's middle.

    Returns
    -------
    Patch
    """
    rng = np.random.default_rng(seed)
    size = plan.size or (image.shape[1], image.shape[2])
    row, column = _anywhere(image.shape[1:], size, rng) if centre is None else centre
    shifted = (row + rng.uniform(-1, 1) * plan.shift_px[0], column + rng.uniform(-1, 1) * plan.shift_px[1])
    rows, columns = places(
        size,
        centre=shifted,
        rotation_deg=rng.uniform(-1, 1) * plan.rotation_deg,
        scale=float(np.exp(rng.uniform(*np.log(plan.scale)))),
        flip_rows=plan.flip_rows and rng.random() < 0.5,
        flip_columns=plan.flip_columns and rng.random() < 0.5,
        stretch=float(np.exp(2 * rng.uniform(-1, 1) * plan.stretch)),
        elastic_px=plan.elastic_px * rng.random(),
        bend_px=plan.bend_px * rng.random(),
        tilt=tuple(rng.uniform(-1, 1, 2) / 2 * plan.perspective) if plan.perspective else (0.0, 0.0),
        seed=rng,
    )
    patch, cut = take(image, labels, rows, columns)
    return Patch(_recolour(patch, cut, plan=plan, rng=rng), cut, rows.astype(np.float32))


def _anywhere(shape: tuple[int, ...], size: tuple[int, int], rng: np.random.Generator) -> tuple[float, float]:
    """Return the centre of a patch that lies inside the image, each such place as likely as any other."""
    row, column = (
        (cut - 1) / 2 + rng.integers(side - cut, endpoint=True) if side > cut else (side - 1) / 2
        for side, cut in zip(shape, size, strict=True)
    )
    return float(row), float(column)


def transplant_ocean(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    other: NDArray[np.float32],
    other_labels: NDArray[np.uint8],
    *,
    seed: Seed,
    glacier: int = 0,
    ocean: int = 1,
    reach_px: int = 60,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Put the ocean of another image above a front of another shape: what remains to tell by is each side's texture.

    The new front is this image's, moved up and down by a smooth random curve of 8 pixels standard deviation. This image
    moves up and the other down until the one is glacier everywhere below the new front and the other ocean everywhere
    above it. Only the columns between the first and the last with both are changed, the other's stretched to this
    image's: what lies beside a fjord stays, and a trace need not cross the whole image.

    Parameters
    ----------
    image, other : (C, H, W) float32
    labels, other_labels : (H, W) uint8
        The other may be of another height: its top rows are taken, its last repeated. Ocean up, glacier down, one
        front; nearly every column between the first and the last with both must have both. As many rows about the
        front stay without a label as were without one.
    seed : int or Generator
    glacier, ocean : int
        Labels of the two sides.
    reach_px : int
        Largest displacement; beyond it nothing is done.

    Returns
    -------
    (C, H, W) float32, (H, W) uint8
        The input where a front is missing or the two do not fit.

    Examples
    --------
    >>> labels = np.repeat(np.uint8([[1], [1], [0], [0], [0], [0]]), 8, axis=1)
    >>> ice, water = np.ones((1, 6, 8), np.float32), np.zeros((1, 6, 8), np.float32)
    >>> mixed, zones = transplant_ocean(ice, labels, water, labels, seed=1, reach_px=100)
    >>> bool((mixed[0][zones == 1] < 0.5).all())
    True
    """
    other, other_labels = _of_height(other, labels.shape[0]), _of_height(other_labels, labels.shape[0])
    mine, theirs = (_front_of(zones, glacier=glacier, ocean=ocean) for zones in (labels, other_labels))
    if mine is None or theirs is None:
        return image, labels
    rng = np.random.default_rng(seed)
    height, width = labels.shape
    columns = np.arange(mine[0], mine[1] + 1)
    place = theirs[0] + (columns - mine[0]) * (theirs[1] - theirs[0]) / max(1, mine[1] - mine[0])
    bends = np.interp(columns, np.linspace(0, width, 7), rng.normal(0, 8, 7))
    front = np.clip(mine[2] + bends, 1, height - 1)
    end = np.interp(place, np.arange(theirs[0], theirs[1] + 1), theirs[2])
    up, down = max(0, math.ceil((mine[2] - front).max())), max(0, math.ceil((front - end).max()))
    if max(up, down) > min(reach_px, height - 1):
        return image, labels
    rows = np.arange(height)
    mixed = image[:, np.minimum(rows + up, height - 1)]
    left = np.minimum(place.astype(int), other.shape[2] - 1)
    right = np.minimum(left + 1, other.shape[2] - 1)
    above = other[:, np.abs(rows - down)]
    above = above[:, :, left] * (1 - (place - left)) + above[:, :, right] * (place - left)
    zones = rows[:, None] < front[None]
    share = ndimage.uniform_filter(zones.astype(np.float32), size=(3, 1))
    mixed[:, :, columns] = above * share + mixed[:, :, columns] * (1 - share)
    inside = labels[:, columns]
    unsure = (inside != ocean).sum(axis=0) - (inside == glacier).sum(axis=0)
    part = np.where(zones, ocean, glacier).astype(np.uint8)
    part[2 * np.abs(rows[:, None] + 0.5 - front) < unsure] = IGNORE
    found = np.full_like(labels, IGNORE)
    found[:, columns] = part
    return mixed.astype(np.float32), found


def _front_of(labels: NDArray[np.uint8], *, glacier: int, ocean: int) -> tuple[int, int, NDArray[np.float64]] | None:
    """Return the first and the last column with both sides, and the row of the front in each between; None without."""
    upper, lower = (labels == ocean).sum(axis=0), (labels == glacier).sum(axis=0)
    both = np.flatnonzero((upper > 0) & (lower > 0))
    if not both.size or len(both) < 0.9 * (both[-1] - both[0] + 1):
        return None
    row = (upper + labels.shape[0] - lower)[both] / 2
    return int(both[0]), int(both[-1]), np.interp(np.arange(both[0], both[-1] + 1), both, row)


def _of_height(array: NDArray[Any], height: int) -> NDArray[Any]:
    """Return the top of an array, its last row repeated where it is too small."""
    cut = array[..., :height, :]
    return np.pad(cut, [*[(0, 0)] * (array.ndim - 2), (0, height - cut.shape[-2]), (0, 0)], mode="edge")


def _recolour(
    patch: NDArray[np.float32], labels: NDArray[np.uint8], *, plan: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    if rng.random() < 0.5:
        patch = gamma(patch, exponent=float(np.exp(rng.uniform(-1, 1) * plan.gamma_log)))
    if rng.random() < plan.invert:
        patch = -patch
    patch = brightness_contrast(
        patch,
        contrast=float(np.exp(rng.uniform(-1, 1) * np.log1p(plan.contrast))),
        brightness=rng.uniform(-1, 1) * plan.brightness,
    )
    if rng.random() < 0.5:
        patch = illumination(patch, amplitude=plan.illumination, seed=rng)
    if rng.random() < plan.tone_step:
        patch = tone_step(patch, amplitude=rng.uniform(-1, 1), width_px=rng.uniform(1, 12), seed=rng)
    if rng.random() < plan.class_tone:
        patch = class_tone(
            patch, labels, gain=float(np.exp(rng.normal(0, 0.3))), offset=rng.uniform(-0.8, 0.8), seed=rng
        )
    if plan.hue_deg:
        patch = turned_hue(patch, angle_deg=rng.uniform(-1, 1) * plan.hue_deg)
    if plan.colour:
        patch = changed_saturation(patch, factor=float(np.exp(rng.uniform(-1, 1) * plan.colour)))
    if rng.random() < plan.veil:
        patch = veil(patch, opacity=rng.uniform(0.2, 0.9), brightness=rng.uniform(-1.5, 2.0), seed=rng)
    if rng.random() < plan.saturation:
        patch = saturate(patch, limit=rng.uniform(0.0, 1.5))
    blur = rng.uniform(-1, 1) * plan.blur_px
    if blur > 0.2:
        patch = blurred(patch, sigma_px=blur)
    spread = moments(patch)[1]
    level = max(0.0, rng.uniform(-1, 1)) * plan.noise
    patch = (patch + level * spread * rng.standard_normal(patch.shape, dtype=np.float32)).astype(np.float32)
    darkest = float(np.min(patch, initial=np.inf, where=np.isfinite(patch)))
    if plan.scene_edge and rng.random() < plan.scene_edge:
        patch = scene_edge(patch, share=rng.uniform(0, 1 / 3), value=darkest, seed=rng)
    if rng.random() < plan.gaps:
        patch = scan_line_gaps(patch, value=darkest, seed=rng)
    if patch.shape[0] > 1 and rng.random() < plan.missing:
        present = np.flatnonzero(np.isfinite(patch).any(axis=(1, 2)))
        if len(present) > 1:
            patch[rng.choice(present)] = np.nan
    return patch.astype(np.float32)
