"""Networks that learn on a device beside others: averaged, guarded against what is not finite, led by soft labels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional

from glaciertime.segment.architectures.encoder_weights import load_encoder_weights
from glaciertime.segment.architectures.folding import build_network
from glaciertime.segment.losses.front_loss import FrontLoss, LineLoss, boundary_weights

IGNORE = 255
UNLABELLED_SHARE = 0.1


class Learner:
    """A network, its optimiser, and the running average of its weights, which is what counts.

    Parameters
    ----------
    name : str
        Architecture.
    fold : int
        On blocks of that many pixels squared.
    loss : str
        ``front`` or ``line``.
    rate : float
        Learning rate at its peak.
    device : torch.device
    decay : float
        Of the average, once as many steps are done that it makes sense.
    encoder, encoder_rate
        File of weights that the encoder starts from, and its learning rate.
    channels_last : bool
        How tensors lie in memory.
    """

    def __init__(
        self,
        name: str,
        fold: int,
        *,
        loss: str,
        rate: float,
        device: torch.device,
        decay: float,
        encoder: str = "",
        encoder_rate: float = 0.0,
        channels_last: bool = True,
    ) -> None:
        self.name = name
        self.device = device
        self.network = build_network(name, in_channels=1, classes=2, fold=fold)
        if encoder:
            load_encoder_weights(self.network, encoder)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = self.network.to(device, memory_format=layout).train()
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.loss = LineLoss(share=0.05) if loss == "line" else FrontLoss()
        self.decay = decay
        self.steps = 0
        inner = list(self.network.core.encoder.parameters()) if encoder else []
        held = {id(parameter) for parameter in inner}
        outer = [parameter for parameter in self.network.parameters() if id(parameter) not in held]
        groups = [{"params": outer, "peak": rate}]
        if inner:
            groups.append({"params": inner, "peak": encoder_rate})
        self.optimiser = torch.optim.AdamW(groups, lr=rate, weight_decay=0.01, fused=device.type == "cuda")
        self._parameters = [*outer, *inner]
        # Views of the same storage: what is averaged, and its average.
        live, averaged = self.network.state_dict(), self.average.state_dict()
        floating = [key for key, value in live.items() if value.is_floating_point()]
        self._live, self._averaged = [live[key] for key in floating], [averaged[key] for key in floating]
        self._kept = [value.clone() for value in self._averaged]
        self._loss = torch.zeros((), device=device)

    def learn(
        self, batch: torch.Tensor, labels: torch.Tensor, *, rate: float, soft: torch.Tensor | None = None
    ) -> None:
        """Take a step; ``rate`` is the share of the peak learning rate, ``soft`` the teachers' probability of ocean."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * rate
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            logits = self.network(batch)
        logits, labels = logits.float(), labels.long()
        loss = self.loss(logits, labels)
        if soft is not None:
            weights = boundary_weights(labels, gain=4.0, reach_px=7)
            weights = torch.where(labels == IGNORE, torch.full_like(weights, UNLABELLED_SHARE), weights)
            entropy = functional.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], soft, reduction="none")
            loss = 0.5 * loss + (weights * entropy).sum() / weights.sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self.optimiser.step()
        self.steps += 1
        self._loss = loss.detach()
        decay = min(self.decay, (self.steps + 1) / (self.steps + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self._averaged, self._live, 1 - decay)

    def start_from(self, path: Path) -> None:
        """Go on from weights in a file."""
        state = load_file(path)
        self.network.load_state_dict(state)
        self.average.load_state_dict(state)
        torch._foreach_copy_(self._kept, self._averaged)
        # Past the beginning of the average, in which every step counts for much.
        self.steps = 1000

    def last_loss(self) -> float:
        """Return the loss of the last step."""
        return float(self._loss)

    @torch.no_grad()
    def keep_or_restore(self) -> None:
        """Keep the average where it is finite; else go back to the last that was, with a fresh optimiser."""
        total = torch.stack([value.sum() for value in (*self._averaged, *self._live)]).sum()
        if bool(total.isfinite()):
            torch._foreach_copy_(self._kept, self._averaged)
            return
        print(f"{self.name}: not finite at step {self.steps}, back to the last average that was", flush=True)
        torch._foreach_copy_(self._averaged, self._kept)
        torch._foreach_copy_(self._live, self._kept)
        self.optimiser.state.clear()

    @torch.no_grad()
    def probability(self, images: torch.Tensor, magnifications: Sequence[float], *, batch: int = 35) -> np.ndarray:
        """Return the probability of ocean (N, H, W), the mean over mirror images and magnifications.

        As ``glaciertime.segment.predict.uncertainty.varied`` does it.
        """
        size, found = images.shape[1:], []
        for first in range(0, len(images), batch):
            whole = images[first : first + batch, None]
            total = torch.zeros(whole[:, 0].shape, device=whole.device)
            for factor in magnifications:
                other = [max(1, round(side * factor)) for side in size]
                scaled = _resized(whole, other)
                both = [self._ocean(scaled), self._ocean(scaled.flip(-1)).flip(-1)]
                total += _resized(torch.stack(both).mean(dim=0)[:, None], list(size))[:, 0]
            found.append((total / len(magnifications)).cpu().numpy())
        return np.concatenate(found)

    def _ocean(self, images: torch.Tensor) -> torch.Tensor:
        return self.average(images).float().softmax(dim=1)[:, 1]


def _resized(images: torch.Tensor, size: list[int]) -> torch.Tensor:
    if list(images.shape[2:]) == size:
        return images
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False)


@torch.no_grad()
def soft_labels(teachers: Sequence[Learner], batch: torch.Tensor) -> torch.Tensor:
    """Return the mean probability of ocean that teachers give a batch, (B, h, w)."""
    with torch.autocast(batch.device.type, dtype=torch.bfloat16):
        logits = [teacher.average(batch) for teacher in teachers]
    return torch.stack([each.float().softmax(dim=1)[:, 1] for each in logits]).mean(dim=0)
