"""Which pixels and bands a model's answer hangs on: by covering them, for every engine, and by gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError, MissingExtraError
from glaciertime.segment.predict.engine import Engine

if TYPE_CHECKING:
    import torch

__all__ = [
    "GRADIENTS",
    "answer_of",
    "band_occlusion",
    "grad_cam",
    "integrated_gradients",
    "occlusion",
    "permutation",
    "saliency",
]

#: Methods that need the network itself, not only its answers.
GRADIENTS = ("grad-cam", "saliency", "integrated-gradients")
#: A feature map this much coarser than the image says little of places in it.
_COARSEST = 16
#: A map of which a cell is up to so many pixels wide still tells a front from what lies beside it.
_OF_FRONTS = 8
#: Half of an image is asked of a network only from here on: networks need some pixels.
_LEAST_WIDTH_PX = 128


def answer_of(probability: NDArray[np.floating], weights: NDArray[np.floating]) -> float:
    """Return the answer of probabilities (K, H, W): the sum of weights times their logarithms."""
    return float((np.log(np.maximum(probability, 1e-7)) * weights).sum())


def occlusion(
    image: NDArray[np.float32],
    *,
    run: Engine,
    weights: NDArray[np.float32],
    channels: int | None = None,
    patch_px: int = 16,
    batch: int = 8,
) -> NDArray[np.float32]:
    """Return by how much the answer falls when each place is covered, in all bands at once.

    Parameters
    ----------
    image : (C, H, W) float32
        Normalised: covering means 0, the mean.
    run : Engine
    weights : (K, H, W) float32
        See :class:`.targets.Target`.
    channels : int, optional
        Only the first so many are covered, the bands; default all.
    patch_px : int
        Side of the covering squares, which lie half a side apart.
    batch : int
        Squares at a time.

    Returns
    -------
    (H, W) float32
        In units of the answer, the mean over the squares that cover a pixel; positive where it speaks for the answer.

    Examples
    --------
    >>> run = lambda x: np.concatenate([1 / (1 + np.exp(x[:, :1])), 1 / (1 + np.exp(-x[:, :1]))], axis=1)
    >>> image = np.zeros((1, 8, 8), np.float32); image[0, 2:4, 2:4] = 3
    >>> seen = (image[0] > 0) / np.float32(4)
    >>> found = occlusion(image, run=run, weights=np.stack([-seen, seen]), patch_px=2)
    >>> np.argwhere(found > 1).tolist()
    [[2, 2], [2, 3], [3, 2], [3, 3]]
    """
    _check(image, weights)
    bands = len(image) if channels is None else channels
    step = max(1, patch_px // 2)
    height, width = image.shape[1:]
    places = [(row, column) for row in range(0, height, step) for column in range(0, width, step)]
    base = answer_of(run(image[None])[0], weights)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for first in range(0, len(places), batch):
        group = places[first : first + batch]
        covered = np.repeat(image[None], len(group), axis=0)
        for number, (row, column) in enumerate(group):
            covered[number, :bands, row : row + patch_px, column : column + patch_px] = 0
        for (row, column), probability in zip(group, run(covered), strict=True):
            place = np.s_[row : row + patch_px, column : column + patch_px]
            total[place] += base - answer_of(probability, weights)
            count[place] += 1
    return (total / np.maximum(count, 1)).astype(np.float32)


def band_occlusion(
    image: NDArray[np.float32], *, run: Engine, weights: NDArray[np.float32], channels: int
) -> NDArray[np.float64]:
    """Return by how much the answer falls when the whole of one band is covered, (channels,) logits."""
    _check(image, weights)
    base = answer_of(run(image[None])[0], weights)
    fell = np.zeros(channels)
    for band in range(channels):
        covered = image[None].copy()
        covered[0, band] = 0
        fell[band] = base - answer_of(run(covered)[0], weights)
    return fell


def permutation(
    image: NDArray[np.float32],
    *,
    run: Engine,
    weights: NDArray[np.float32],
    channels: int,
    draws: int = 5,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return by how much the answer falls when the pixels of a band are shuffled, (channels,), in units of the answer.

    Permutation importance (Breiman 2001, doi:10.1023/A:1010933404324): the mean over ``draws`` shuffles.
    """
    _check(image, weights)
    rng = np.random.default_rng(seed)
    base = answer_of(run(image[None])[0], weights)
    fell = np.zeros(channels)
    for band in range(channels):
        for _ in range(draws):
            shuffled = image[None].copy()
            shuffled[0, band] = rng.permutation(image[band].ravel()).reshape(image[band].shape)
            fell[band] += (base - answer_of(run(shuffled)[0], weights)) / draws
    return fell


def saliency(
    network: torch.nn.Module, image: NDArray[np.float32], *, weights: NDArray[np.float32], temperature: float = 1.0
) -> NDArray[np.float32]:
    """Return the absolute gradient of the answer by each pixel of each band, (C, H, W).

    Simonyan et al. 2014, arXiv:1312.6034. The network's logits are divided by ``temperature``.
    """
    import torch

    given, answer = _given(network, image, weights, temperature)
    (gradient,) = torch.autograd.grad(answer(given).sum(), given)
    return np.abs(gradient[0].numpy()).astype(np.float32)


def integrated_gradients(
    network: torch.nn.Module,
    image: NDArray[np.float32],
    *,
    weights: NDArray[np.float32],
    channels: int | None = None,
    steps: int = 24,
    temperature: float = 1.0,
) -> NDArray[np.float32]:
    """Return the integrated gradients of the answer from the mean image to the one given, (C, H, W), in
    units of the answer.

    Sundararajan et al. 2017, arXiv:1703.01365, by captum. They add up to how much the answer rises, up to the error of
    the steps. Only the first ``channels``, the bands, rise from 0; what says where a band was observed, and in which
    row, is the same of both images.

    Raises
    ------
    MissingExtraError
        If captum is not installed.
    """
    try:
        from captum.attr import IntegratedGradients
    except ModuleNotFoundError as error:
        raise MissingExtraError("explaining by gradients", "train") from error
    given, answer = _given(network, image, weights, temperature)
    mean = given.detach().clone()
    mean[:, :channels] = 0
    found = IntegratedGradients(answer).attribute(given.detach(), mean, n_steps=steps, internal_batch_size=1)
    return np.asarray(found[0].detach().numpy(), dtype=np.float32)


def grad_cam(
    network: torch.nn.Module,
    image: NDArray[np.float32],
    *,
    weights: NDArray[np.float32],
    place_by_place: bool = False,
    temperature: float = 1.0,
) -> NDArray[np.float32]:
    """Return the Grad-CAM of feature maps of a network, (H, W), at least 0.

    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74, by captum: the maps weighted by the mean gradient of the answer by
    each, positive part, brought to the size of the image. The maps are those of a module that returns more channels
    than there are classes and whose width follows that of the image, as that of an attention's weights does not. Of a
    class it is the last one, in the order in which they run, at no less than a sixteenth of the image's size. Of a
    front (``place_by_place``) the last one on the way to the coarsest maps that is no coarser than an eighth: what
    comes later, on the way back to the image's size, marks where the network is unsure whatever it has learnt; what it
    has seen is in the maps before (Vinogradova et al. 2020, arXiv:2002.11434, show the narrowest ones for that). Of a
    network that merges several the maps of each count, and are added up.

    Parameters
    ----------
    network : torch.nn.Module
    image : (C, H, W) float32
    weights : (K, H, W) float32
    place_by_place : bool
        Weigh each place of the maps by its own gradient (HiResCAM, Draelos and Carin 2020, arXiv:2011.08891): for an
        answer of two classes, such as a front, whose gradients cancel in the mean.
    temperature : float
        Logits are divided by it.

    Raises
    ------
    InputError
        If the network has no such module.
    MissingExtraError
        If captum is not installed.
    """
    try:
        import torch
        from captum.attr import LayerAttribution, LayerGradCam, LayerGradientXActivation
    except ModuleNotFoundError as error:
        raise MissingExtraError("explaining by gradients", "train") from error
    given, answer = _given(network, image, weights, temperature)
    total = np.zeros(image.shape[1:], dtype=np.float32)
    for part in getattr(network, "members", (network,)):
        layer = _maps_of(network, part, given, classes=len(weights), of_front=place_by_place)
        if place_by_place:
            product = LayerGradientXActivation(answer, layer).attribute(given)
            assert isinstance(product, torch.Tensor)
            found = torch.relu(product.sum(dim=1, keepdim=True))
        else:
            found = LayerGradCam(answer, layer).attribute(given, relu_attributions=True)
        wide = LayerAttribution.interpolate(found, image.shape[1:], "bilinear")
        assert isinstance(wide, torch.Tensor)
        total += wide[0, 0].detach().numpy()
    return total


def _maps_of(
    network: torch.nn.Module, part: torch.nn.Module, given: torch.Tensor, *, classes: int, of_front: bool
) -> torch.nn.Module:
    """Return the module whose maps are shown; see :func:`grad_cam`."""
    import torch

    seen = _maps_seen(network, part, given, classes=classes)
    # Half of the image, or twice: its maps keep their height and follow its width; weights of an attention, which are a
    # square of places, follow it in both or in none.
    width = given.shape[-1]
    other = given[..., : width // 2] if width >= 2 * _LEAST_WIDTH_PX else torch.cat([given, given], dim=-1)
    again = dict(_maps_seen(network, part, other, classes=classes))
    # A module that runs twice has no one output.
    modules = [module for module, _ in seen]
    once = [
        (module, min(shape[0] / given.shape[-2], shape[1] / width))
        for module, shape in seen
        if modules.count(module) == 1 and module in again
        if shape[0] == again[module][0] and shape[1] != again[module][1]
    ]
    fine = [module for module, size in once if size >= 1 / _COARSEST]
    if not fine:
        raise InputError("the network has no feature maps that Grad-CAM could show; use --method saliency")
    if not of_front:
        return fine[-1]
    coarsest = min(size for _, size in once)
    end = max(at for at, (_, size) in enumerate(once) if size == coarsest)
    down = [module for module, size in once[: end + 1] if size >= 1 / _OF_FRONTS]
    return down[-1] if down else fine[-1]


def _maps_seen(
    network: torch.nn.Module, part: torch.nn.Module, given: torch.Tensor, *, classes: int
) -> list[tuple[torch.nn.Module, tuple[int, int]]]:
    """Return the modules that give more channels than classes, in the order in which they run, and their sizes."""
    import torch

    seen: list[tuple[torch.nn.Module, tuple[int, int]]] = []

    def note(module: torch.nn.Module, _: Any, out: Any) -> None:
        # A mean over the whole image, as of an attention over channels, is no map.
        if isinstance(out, torch.Tensor) and out.ndim == 4 and out.shape[1] > classes and min(out.shape[2:]) > 1:
            seen.append((module, (out.shape[2], out.shape[3])))

    handles = [module.register_forward_hook(note) for module in part.modules() if module is not part]
    try:
        with torch.no_grad():
            network(given)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _given(
    network: torch.nn.Module, image: NDArray[np.float32], weights: NDArray[np.float32], temperature: float
) -> tuple[Any, Any]:
    import torch

    _check(image, weights)
    wanted = torch.from_numpy(np.ascontiguousarray(weights))
    network = network.eval()

    def answer(batch: torch.Tensor) -> torch.Tensor:
        logits = network(batch).float() / temperature
        if logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
        return (torch.log_softmax(logits, dim=1) * wanted).sum(dim=(1, 2, 3))

    return torch.from_numpy(np.ascontiguousarray(image[None])).requires_grad_(), answer


def _check(image: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
    if weights.ndim != 3 or weights.shape[1:] != image.shape[1:] or not weights.any():
        raise InputError(f"weights of shape {weights.shape} given, (classes, {image.shape[1]}, {image.shape[2]}) with "
                         "one that is not zero expected")  # fmt: skip
