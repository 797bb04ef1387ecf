"""An explanation of a model's answer, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.explain.attribution import (
    GRADIENTS,
    band_occlusion,
    grad_cam,
    integrated_gradients,
    occlusion,
    permutation,
    saliency,
)
from glaciertime.segment.explain.merged import merged_engine, merged_network
from glaciertime.segment.explain.targets import FRONT, Target, target_of
from glaciertime.segment.judge.intervals import drawn_ends
from glaciertime.segment.predict.engine import Engine
from glaciertime.segment.predict.merging import United
from glaciertime.segment.predict.prediction import zones_from_probability

if TYPE_CHECKING:
    import torch

__all__ = ["METHODS", "Explained", "Explainer", "Sanity", "band_table", "mass_near_front", "random_network"]

METHODS = (*GRADIENTS, "occlusion", "permutation")
#: Above this absolute rank correlation with random weights an explanation shows the image, not the model.
_SAME_AS_RANDOM = 0.3
#: From so many images on, the scores of bands have an interval.
_LEAST_IMAGES = 8
_DRAWS = 2000


@dataclass(frozen=True)
class Sanity:
    """How like the explanation of random weights an explanation is (Adebayo et al. 2018, arXiv:1810.03292).

    Attributes
    ----------
    correlation : float
        Absolute rank correlation of the two maps over pixels; NaN where there is no map, or no network to be given
        random weights.
    told : str
    """

    correlation: float
    told: str

    @property
    def is_trusted(self) -> bool | None:
        """Return whether the explanation depends on what the model has learnt; None where that was not tried."""
        return None if np.isnan(self.correlation) else bool(self.correlation <= _SAME_AS_RANDOM)


@dataclass(frozen=True, eq=False)
class Explained:
    """What one method says of one image.

    Attributes
    ----------
    method : str
    target : Target
    zones : (H, W) uint8
        What the model made of the image.
    heat : (H, W) float32 or None
        How much each pixel counts, all bands together; None for a method that knows only bands.
    scores : (C,) float64 or None
        How much each band counts; None for a method that does not tell bands apart.
    sanity : Sanity
    """

    method: str
    target: Target
    zones: NDArray[np.uint8]
    heat: NDArray[np.float32] | None
    scores: NDArray[np.float64] | None
    sanity: Sanity


@dataclass(frozen=True)
class Explainer:
    """A model that is to be explained.

    Attributes
    ----------
    spec : ModelSpec
    run : Engine
        Its answers.
    network : torch.nn.Module, optional
        With its weights; needed by the methods of :data:`.attribution.GRADIENTS`, and for the check by random weights.
    seed : int
        Of the random weights, and of shuffling.
    united : United, optional
        Where it is several models of one input, merged; see :mod:`.merged`.
    """

    spec: ModelSpec
    run: Engine
    network: torch.nn.Module | None = None
    seed: int = 0
    united: United | None = None

    def explain(
        self,
        image: NDArray[np.float32],
        *,
        method: str,
        target: str | None = None,
        zones: NDArray[np.uint8] | None = None,
    ) -> Explained:
        """Return what a method says of an image.

        Parameters
        ----------
        image : (C, H, W) float32
            Raw values in the frame of the model, NaN where not observed.
        method : str
            One of :data:`METHODS`.
        target : str, optional
            See :func:`.targets.target_of`.
        zones : (H, W) uint8, optional
            The mask whose classes and front are explained; by default that of one pass of the model. ``segment`` may
            average over mirror images and magnifications, see :func:`.merged.zones_seen`.

        Raises
        ------
        UsageError
            If there is no such method, or it needs the network and there is none.
        InputError
            If there is nothing to explain.
        """
        if method not in METHODS:
            near = nearest_names(method, METHODS) or list(METHODS)
            raise UsageError(f"there is no method '{method}'; did you mean {', '.join(near)}?")
        if method in GRADIENTS and self.network is None:
            raise UsageError(f"{method} needs the network: give its .safetensors, or use occlusion or permutation")
        observed = np.isfinite(image).any(axis=0)
        if not observed.any():
            raise InputError("no pixel of the image is observed (all nodata or NaN); there is nothing to explain")
        shown = self.spec.normalisation.apply(image)
        if zones is None:
            probability = self.run(shown[None])[0]
            probability[:, ~observed] = np.nan
            zones = zones_from_probability(probability, spec=self.spec)
        aim = target_of(target, zones=zones, spec=self.spec)
        heat, scores = self._by(method, shown, aim, run=self.run, network=self.network)
        return Explained(method, aim, zones, heat, scores, self._sanity(method, shown, aim, heat))

    def _by(
        self, method: str, shown: NDArray[np.float32], aim: Target, *, run: Engine, network: torch.nn.Module | None
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.float64] | None]:
        bands = len(self.spec.bands)
        if method == "permutation":
            return None, permutation(shown, run=run, weights=aim.weights, channels=bands, seed=self.seed)
        if method == "occlusion":
            fell = band_occlusion(shown, run=run, weights=aim.weights, channels=bands)
            return occlusion(shown, run=run, weights=aim.weights, channels=bands), fell
        assert network is not None
        weights, heat = aim.weights, self.spec.temperature
        if method == "grad-cam":
            place_by_place = aim.name == FRONT
            return grad_cam(network, shown, weights=weights, temperature=heat, place_by_place=place_by_place), None
        if method == "saliency":
            maps = saliency(network, shown, weights=weights, temperature=heat)[:bands]
        else:
            maps = integrated_gradients(network, shown, weights=weights, temperature=heat, channels=bands)[:bands]
        # The feature saliency score of Aryal et al. 2023, their eq. 3: the sum of a band's map over its pixels.
        return np.abs(maps).sum(axis=0), np.abs(maps).sum(axis=(1, 2), dtype=np.float64)

    def _sanity(self, method: str, shown: NDArray[np.float32], aim: Target, heat: Any) -> Sanity:
        if heat is None:
            return Sanity(float("nan"), "not tried: the method draws no map")
        if self.network is None:
            return Sanity(float("nan"), "not tried: random weights need the network, give its .safetensors")
        network, run = self._random()
        other, _ = self._by(method, shown, aim, run=run, network=network)
        assert other is not None
        found = _rank_correlation(heat, other)
        if found <= _SAME_AS_RANDOM:
            return Sanity(found, f"random weights are explained otherwise (rank correlation {found:.2f})")
        told = f"random weights are explained alike (rank correlation {found:.2f}): THE MAP IS NOT TO BE TRUSTED"
        return Sanity(found, told)

    def _random(self) -> tuple[torch.nn.Module, Engine]:
        if self.united is None:
            return random_network(self.spec, seed=self.seed)
        made = [random_network(spec, seed=self.seed + k) for k, spec in enumerate(self.united.members)]
        network = merged_network(self.united, [one for one, _ in made])
        return network, merged_engine(self.united, [run for _, run in made])


def random_network(spec: ModelSpec, *, seed: int) -> tuple[torch.nn.Module, Engine]:
    """Return the network of a model before it has learnt anything, and what runs it."""
    import torch

    from glaciertime.segment.architectures.folding import build_network
    from glaciertime.segment.predict.engine import probabilities_from_logits

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(spec.model, in_channels=spec.channels, classes=len(spec.classes), fold=spec.fold).eval()

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits = network(torch.from_numpy(np.ascontiguousarray(batch))).float().numpy()
        return probabilities_from_logits(logits, temperature=spec.temperature)

    return network, run


def _rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    from scipy import stats

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return abs(float(stats.spearmanr(np.abs(first).ravel(), np.abs(second).ravel()).statistic))


def mass_near_front(
    explained: Explained, *, within_px: float = 10.0, heat: NDArray[np.floating] | None = None
) -> float:
    """Return the share of a map's mass that lies within so many pixels of the predicted front; NaN without one.

    ``heat`` is another map of the same image, (H, W), in place of its own.
    """
    from scipy import ndimage

    shown = explained.heat if heat is None else heat
    if shown is None or not explained.target.front.any():
        return float("nan")
    mass = np.abs(shown)
    near = ndimage.distance_transform_edt(~explained.target.front) <= within_px
    return float(mass[near].sum() / mass.sum()) if mass.sum() > 0 else float("nan")


def band_table(bands: Sequence[str], scores: Sequence[NDArray[np.float64]], *, seed: int = 0) -> list[dict[str, Any]]:
    """Return the mean score of each band over images, and its share of all bands, with a 95 % interval.

    Parameters
    ----------
    bands : sequence of str
    scores : sequence of (C,) float64
        Of each image.
    seed : int
        Of the bootstrap over images.

    Returns
    -------
    list of dict
        ``band``, ``score``, ``share`` (0 to 1, of the sum of absolute scores of each image), ``share_low`` and
        ``share_high`` (None with fewer than eight images), ``images``.
    """
    values = np.array(scores, dtype=np.float64)
    total = np.abs(values).sum(axis=1, keepdims=True)
    shares = np.divide(np.abs(values), total, out=np.zeros_like(values), where=total > 0)
    rng = np.random.default_rng(seed)
    low = high = None
    if len(values) >= _LEAST_IMAGES:
        drawn = shares[rng.integers(len(values), size=(_DRAWS, len(values)))].mean(axis=1)
        low, high = np.quantile(drawn, drawn_ends(len(values)), axis=0)
    return [
        {
            "band": band,
            "score": float(values[:, k].mean()),
            "share": float(shares[:, k].mean()),
            "share_low": None if low is None else float(low[k]),
            "share_high": None if high is None else float(high[k]),
            "images": len(values),
        }
        for k, band in enumerate(bands)
    ]
