"""Which pixels a model's answer hangs on: occlusion, without gradients, for every engine; and gradients by captum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError, MissingExtraError
from glaciertime.segment.predict.engine import Engine

__all__ = ["integrated_gradients", "occlusion"]


def occlusion(
    image: NDArray[np.float32],
    *,
    run: Engine,
    target: NDArray[np.bool_],
    channel: int,
    patch_px: int = 16,
    stride_px: int | None = None,
    batch: int = 8,
) -> NDArray[np.float32]:
    """Return by how much the mean probability of a class over a target falls when each place is covered.

    Parameters
    ----------
    image : (C, H, W) float32
        Normalised: covering means 0, the mean.
    run : Engine
    target : (H, W) bool
        Where the probability is read, such as the pixels along a front.
    channel : int
        The class.
    patch_px, stride_px : int
        Side and distance of the covering squares; the distance is half the side by default.
    batch : int
        Squares at a time.

    Returns
    -------
    (H, W) float32
        -1 to 1, the mean over the squares that cover a pixel; positive where the pixel speaks for the class. 0 where
        no square lies.

    Raises
    ------
    InputError
        If the target is empty or of another size.

    Examples
    --------
    >>> run = lambda x: np.concatenate([1 - x[:, :1], x[:, :1]], axis=1)
    >>> image = np.zeros((1, 8, 8), np.float32); image[0, 2:4, 2:4] = 1
    >>> found = occlusion(image, run=run, target=image[0] > 0, channel=1, patch_px=2, stride_px=2)
    >>> np.argwhere(found > 0).tolist(), float(found.max())
    ([[2, 2], [2, 3], [3, 2], [3, 3]], 1.0)
    """
    if target.shape != image.shape[1:] or not target.any():
        raise InputError(f"target of shape {target.shape} given, one of {image.shape[1:]} with a pixel in it expected")
    step = max(1, patch_px // 2) if stride_px is None else stride_px
    height, width = target.shape
    places = [(row, column) for row in range(0, height, step) for column in range(0, width, step)]
    base = float(run(image[None])[0, channel][target].mean())
    total, count = np.zeros(target.shape), np.zeros(target.shape)
    for first in range(0, len(places), batch):
        group = places[first : first + batch]
        covered = np.repeat(image[None], len(group), axis=0)
        for number, (row, column) in enumerate(group):
            covered[number, :, row : row + patch_px, column : column + patch_px] = 0
        for (row, column), probability in zip(group, run(covered), strict=True):
            place = np.s_[row : row + patch_px, column : column + patch_px]
            total[place] += base - float(probability[channel][target].mean())
            count[place] += 1
    return (total / np.maximum(count, 1)).astype(np.float32)


def integrated_gradients(
    path: Path, image: NDArray[np.float32], *, target: NDArray[np.bool_], channel: int, steps: int = 16
) -> NDArray[np.float32]:
    """Return the integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) of the mean logit over a target.

    Parameters
    ----------
    path : Path
        Safetensors.
    image : (C, H, W) float32
        Normalised; the path starts at 0, the mean.
    target : (H, W) bool
    channel : int
    steps : int

    Returns
    -------
    (C, H, W) float32
        Logits; they add up to the logit's rise from the empty to the given image, up to the error of the steps.

    Raises
    ------
    InputError
        If the target is empty or of another size.
    MissingExtraError
        If captum is not installed.
    """
    if target.shape != image.shape[1:] or not target.any():
        raise InputError(f"target of shape {target.shape} given, one of {image.shape[1:]} with a pixel in it expected")
    try:
        import torch
        from captum.attr import IntegratedGradients
    except ModuleNotFoundError as error:
        raise MissingExtraError("explaining by gradients", "train") from error
    from glaciertime.segment.predict.weights import load_model

    network, _ = load_model(path)
    places = torch.from_numpy(target)

    def answer(batch: torch.Tensor) -> torch.Tensor:
        return network(batch)[:, channel][:, places].mean(dim=1)

    given = torch.from_numpy(image[None].astype(np.float32))
    found = IntegratedGradients(answer).attribute(given, n_steps=steps, internal_batch_size=1)
    return found[0].detach().numpy().astype(np.float32)
