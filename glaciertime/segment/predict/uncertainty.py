"""How sure a mask is: mirror images, ensembles, dropout left on, what they say, and how far a front may err."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glaciertime.errors import InputError
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.predict.engine import Engine
from glaciertime.segment.predict.front_line import front_spread_px

__all__ = [
    "dropout_engine",
    "ensemble",
    "entropy",
    "front_sigma_px",
    "magnified",
    "mirrored",
    "mutual_information",
    "turned",
    "varied",
    "why_open",
]

#: A front is unclear whose error is this many times what the model usually shows.
_OPEN = 3.0


def mirrored(run: Engine) -> Engine:
    """Return an engine that averages the probabilities of a patch and of its mirror image (left and right).

    Examples
    --------
    >>> left = lambda batch: np.stack([batch[:, 0], 1 - batch[:, 0]], axis=1)
    >>> patch = np.array([[[[0.2, 0.4]]]], np.float32)
    >>> bool(np.allclose(mirrored(left)(patch), left(patch)))
    True
    """

    def both(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        total: NDArray[np.float32] = run(batch) + run(batch[..., ::-1].copy())[..., ::-1]
        return total / np.float32(2)

    return both


def magnified(run: Engine, factors: Sequence[float]) -> Engine:
    """Return an engine that averages the probabilities of a patch at several magnifications, linear between pixels.

    Parameters
    ----------
    run : Engine
    factors : sequence of float
        1 is the patch as it is.

    Examples
    --------
    >>> flat = lambda batch: np.full((len(batch), 2, *batch.shape[2:]), 0.5, np.float32)
    >>> magnified(flat, (0.8, 1.0))(np.zeros((1, 1, 9, 7), np.float32)).shape
    (1, 2, 9, 7)
    """
    if not factors or min(factors) <= 0:
        raise InputError(f"magnifications {tuple(factors)} given, positive numbers expected")

    def at(batch: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
        steps = [1.0, 1.0, shape[0] / batch.shape[2], shape[1] / batch.shape[3]]
        return np.asarray(ndimage.zoom(batch, steps, order=1, mode="nearest", grid_mode=True), dtype=np.float32)

    def mean(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        size = (batch.shape[2], batch.shape[3])
        total = np.zeros((), dtype=np.float32)
        for factor in factors:
            other = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
            total = total + (run(batch) if other == size else at(run(at(batch, other)), size))
        return np.asarray(total / np.float32(len(factors)), dtype=np.float32)

    return mean


def varied(run: Engine) -> Engine:
    """Return the engine that models marked ``augmented`` predict with: mirrored, and at 0.85, 1 and 1.2 times the size.

    Six runs in place of one.
    """
    return magnified(mirrored(run), (0.85, 1.0, 1.2))


def turned(run: Engine) -> Engine:
    """Return an engine that averages over the eight flips and quarter turns of a square patch.

    Only for models to which up and down mean nothing.
    """

    def all_eight(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        total: NDArray[np.float32] | float = 0.0
        for turns in range(4):
            rotated = np.rot90(batch, turns, axes=(2, 3))
            for flip in (False, True):
                patch = np.ascontiguousarray(rotated[..., ::-1] if flip else rotated)
                out = run(patch)
                out = out[..., ::-1] if flip else out
                total = total + np.rot90(out, -turns, axes=(2, 3))
        return np.asarray(total / 8, dtype=np.float32)

    return all_eight


def ensemble(engines: Sequence[Engine]) -> Engine:
    """Return an engine that averages the probabilities of several models of the same classes.

    Raises
    ------
    InputError
        If there is none.
    """
    if not engines:
        raise InputError("an ensemble of no models asked for; give at least one")

    def mean(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.mean([run(batch) for run in engines], axis=0, dtype=np.float32)

    return mean


def dropout_engine(path: Path, *, draws: int, seed: int) -> Engine:
    """Return an engine that averages over random dropout masks (Gal and Ghahramani 2016, arXiv:1506.02142).

    Parameters
    ----------
    path : Path
        Safetensors.
    draws : int
    seed : int
        The masks of every batch start from it.

    Raises
    ------
    InputError
        If the architecture has no dropout: all draws would be equal.
    """
    import torch

    from glaciertime.segment.predict.engine import probabilities_from_logits
    from glaciertime.segment.predict.weights import load_model

    network, spec = load_model(path)
    kinds = (torch.nn.Dropout, torch.nn.Dropout1d, torch.nn.Dropout2d, torch.nn.Dropout3d)
    layers = [module for module in network.modules() if isinstance(module, kinds) and module.p > 0]
    if not layers or draws < 1:
        raise InputError(f"{path}: '{spec.model}' has {len(layers)} dropout layers, {draws} draws asked for; use tta")
    for layer in layers:
        layer.train()

    def mean(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(seed)
            given = torch.from_numpy(np.ascontiguousarray(batch))
            drawn = [
                probabilities_from_logits(network(given).numpy(), temperature=spec.temperature) for _ in range(draws)
            ]
        return np.mean(drawn, axis=0, dtype=np.float32)

    return mean


def entropy(probability: NDArray[np.floating], *, axis: int = 0) -> NDArray[np.float32]:
    """Return the entropy of class probabilities over its maximum log K: 0 sure, 1 no idea; NaN stays NaN.

    Examples
    --------
    >>> entropy(np.array([[0.5, 1.0], [0.5, 0.0]])).round(6).tolist()
    [1.0, 0.0]
    """
    safe = np.clip(probability, 1e-12, 1.0)
    return (-(safe * np.log(safe)).sum(axis=axis) / np.log(probability.shape[axis])).clip(0, 1).astype(np.float32)


def mutual_information(members: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return what the members of an ensemble disagree on: entropy of the mean less the mean entropy, over log K.

    Parameters
    ----------
    members : (M, K, H, W)
        Probabilities of each of M members.

    Returns
    -------
    (H, W) float32
        0 where all say the same, up to 1.

    Examples
    --------
    >>> same = np.full((2, 2, 1, 1), 0.5)
    >>> apart = np.array([[[[1.0]], [[0.0]]], [[[0.0]], [[1.0]]]])
    >>> float(mutual_information(same)[0, 0]), float(mutual_information(apart)[0, 0])
    (0.0, 1.0)
    """
    of_mean = entropy(members.mean(axis=0))
    mean_of = np.mean([entropy(member) for member in members], axis=0)
    return np.clip(of_mean - mean_of, 0, 1).astype(np.float32)


def front_sigma_px(probability: NDArray[np.float32], *, spec: ModelSpec) -> float:
    """Return the error of a front in pixels: what the model showed on glaciers it had not seen, or what it leaves open.

    The larger of ``spec.front_sigma_px`` and, for models that draw one line across the image,
    :func:`.front_line.front_spread_px` of this image; NaN where the former was never measured. On glaciers left out of
    training (``scripts/chain_landsat.py``), fronts lost in haze err by up to 157 pixels: the first alone is exceeded a
    hundredfold there, the larger of both fourfold.

    Parameters
    ----------
    probability : (K, H, W)
    spec : ModelSpec
    """
    if spec.zones != "line":
        return spec.front_sigma_px
    # The largest of a number and NaN must be NaN here, whichever comes first.
    return float(np.maximum(spec.front_sigma_px, front_spread_px(probability[spec.codes.index(254)])))


def why_open(sigma_px: float, *, spec: ModelSpec) -> str:
    """Return what is to be said of a front whose error is over three times what the model usually shows, else ``""``.

    For models in any orientation; what lies beside a front is looked at in the frame of those that have the ocean up,
    see :func:`.cover.why_unclear`.

    Examples
    --------
    >>> parts = dict(name="a", model="unet", bands=("b",), classes=("g", "o"), codes=(127, 254))
    >>> why_open(8.2, spec=ModelSpec(**parts, scores={"front_sigma_px": 1.5}))
    'one sigma of 8 pixels, 1.5 usually'
    """
    if not sigma_px > _OPEN * spec.front_sigma_px:
        return ""
    return f"one sigma of {sigma_px:.0f} pixels, {spec.front_sigma_px:.1f} usually"
