"""What of a model's answer is explained: a sum of its log-probabilities, so that every method explains the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError, nearest_names
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.predict.front_line import front_pixels

__all__ = ["FRONT", "Target", "target_of"]

#: The name of the front as what is to be explained, beside the names of the classes.
FRONT = "front"


@dataclass(frozen=True, eq=False)
class Target:
    """What is explained.

    Attributes
    ----------
    name : str
        A class of the model, or ``front``.
    weights : (K, H, W) float32
        The answer is the sum of weights times log-probabilities.
    front : (H, W) bool
        Pixels of the predicted front; none of them where the model knows no front.
    """

    name: str
    weights: NDArray[np.float32]
    front: NDArray[np.bool_]


def target_of(name: str | None, *, zones: NDArray[np.uint8], spec: ModelSpec) -> Target:
    """Return what is explained of a mask that a model made.

    Of a class, its mean log-probability over the pixels that were given it. Of the front, the mean log-probability of
    ocean and glacier over the pixels that were given them: how surely the two are parted. Far from the front a model
    that has learnt is sure of them whatever a pixel is like, so that what counts is what decides where the front lies.

    Parameters
    ----------
    name : str or None
        A class, or ``front``; None: the front where the model draws one, else the class of the most pixels besides
        the first.
    zones : (H, W) uint8
        Codes of the classes.
    spec : ModelSpec

    Raises
    ------
    InputError
        If there is no such class, or no pixel was given it.

    Examples
    --------
    >>> spec = ModelSpec(name="a", model="unet", bands=("b",), classes=("glacier", "ocean"), codes=(127, 254))
    >>> zones = np.full((8, 2), 127, np.uint8); zones[:4] = 254
    >>> target_of("front", zones=zones, spec=spec).weights[1][:, 0].tolist()
    [0.0625, 0.0625, 0.0625, 0.0625, 0.0, 0.0, 0.0, 0.0]
    """
    has_front = {127, 254} <= set(spec.codes)
    front = front_pixels(zones) if has_front else np.zeros(zones.shape, dtype=bool)
    if name is None:
        name = FRONT if spec.zones == "line" and front.any() else _largest(zones, spec)
    weights = np.zeros((len(spec.codes), *zones.shape), dtype=np.float32)
    if name == FRONT:
        if not front.any():
            raise InputError("no front is seen: explain a class, with --class " + " or ".join(spec.classes))
        parted = (zones == 127) | (zones == 254)
        for code in (127, 254):
            weights[spec.codes.index(code)][zones == code] = np.float32(1 / parted.sum())
        return Target(name, weights, front)
    if name not in spec.classes:
        near = nearest_names(name, spec.classes) or list(spec.classes)
        raise InputError(f"{spec.name} has no class '{name}'; did you mean {', '.join(near)}?")
    channel = spec.classes.index(name)
    inside = zones == spec.codes[channel]
    if not inside.any():
        raise InputError(f"no pixel was given the class '{name}': there is nothing to explain")
    weights[channel][inside] = np.float32(1 / inside.sum())
    return Target(name, weights, front)


def _largest(zones: NDArray[np.uint8], spec: ModelSpec) -> str:
    counts = [int((zones == code).sum()) for code in spec.codes]
    later = counts[1:] if any(counts[1:]) else counts
    return spec.classes[counts.index(max(later), len(counts) - len(later))]
