"""Several models as one network, so that what explains one explains them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import UsageError
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.predict.engine import Engine
from glaciertime.segment.predict.framing import with_margin
from glaciertime.segment.predict.merging import PRECEDENCE, United, merge_pixels, merged_probability
from glaciertime.segment.predict.prediction import predict_image, zones_from_probability

if TYPE_CHECKING:
    import torch

__all__ = ["merged_engine", "merged_network", "one_input", "zones_seen"]


def one_input(united: United) -> ModelSpec:
    """Return what models that are given the same numbers are given, with the merged classes.

    Raises
    ------
    UsageError
        If they are not: what counts of one number for both is no question then.
    """
    first = united.members[0]
    for spec in united.members[1:]:
        for what, same in (
            ("bands", spec.bands == first.bands),
            ("normalisation", spec.normalisation == first.normalisation),
            ("frame", spec.frame == first.frame),
        ):
            if not same:
                raise UsageError(
                    f"{first.name} and {spec.name} differ in their {what}: they do not see the same numbers, and what "
                    "counts for both cannot be told of them; explain each by itself"
                )
    return replace(
        united.spec, bands=first.bands, normalisation=first.normalisation, frame=first.frame, patch_px=first.patch_px
    )


def zones_seen(
    image: NDArray[np.float32], members: Sequence[tuple[Engine, ModelSpec]], united: United | None = None
) -> NDArray[np.uint8]:
    """Return the mask that ``glaciertime segment`` makes of an image in the frame of its models, (H, W) uint8.

    Parameters
    ----------
    image : (C, H, W) float32
        Raw, NaN where not observed.
    members : sequence of (Engine, ModelSpec)
        As ``segment`` runs them, mirrored and magnified where it does so.
    united : United, optional
        Of several.
    """
    hidden = ~np.isfinite(image).any(axis=0)
    probabilities, zones = [], []
    for run, spec in members:
        given = with_margin(image) if spec.frame.up == "ocean" else image
        found = predict_image(given, run=run, spec=spec)
        found[:, hidden] = np.nan
        probabilities.append(found)
        zones.append(zones_from_probability(found, spec=spec))
    if united is None:
        return np.asarray(zones[0])
    merged = merge_pixels(united, probabilities, zones)
    if united.spec.zones == "line":
        return np.asarray(zones_from_probability(merged.probability, spec=united.spec))
    return merged.zones


def merged_engine(united: United, runs: Sequence[Engine]) -> Engine:
    """Return what answers with the merged probabilities of several models of one input."""

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        answers = [one(batch) for one in runs]
        found = [
            merged_probability(united, np.stack([united.layers(k, each[place]) for k, each in enumerate(answers)]))
            for place in range(len(batch))
        ]
        return np.stack(found).astype(np.float32)

    return run


def merged_network(united: United, networks: Sequence[torch.nn.Module]) -> torch.nn.Module:
    """Return a network whose outputs are the logarithms of the merged probabilities of several.

    ``members`` of it are these. A vote has the probabilities of the mean, as in ``segment``.
    """
    import torch

    temperatures = [spec.temperature for spec in united.members]
    places = [[united.spec.classes.index(name) for name in spec.classes] for spec in united.members]
    ranks = united.ranks
    count = len(united.spec.classes)

    class Merged(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.members = torch.nn.ModuleList(networks)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            layers = []
            for network, temperature, own in zip(self.members, temperatures, places, strict=True):
                logits = network(image).float() / temperature
                if logits.shape[1] == 1:
                    logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
                found = torch.softmax(logits, dim=1)
                by_class = {place: found[:, k] for k, place in enumerate(own)}
                empty = torch.zeros_like(found[:, 0])
                layers.append(torch.stack([by_class.get(k, empty) for k in range(count)], dim=1))
            stacked = torch.stack(layers)
            if united.merge.kind != PRECEDENCE:
                return torch.log(stacked.mean(dim=0).clamp_min(1e-7))
            left = [
                torch.prod(stacked[:, :, np.flatnonzero(ranks >= rank).tolist()].sum(dim=2), dim=0)
                for rank in range(int(ranks.max()) + 2)
            ]
            out = [left[int(rank)] - left[int(rank) + 1] for rank in ranks]
            return torch.log(torch.stack(out, dim=1).clamp_min(1e-7))

    return Merged().eval()
