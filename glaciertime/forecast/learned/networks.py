"""The recurrent forecasters ``lstm`` and ``mamba`` as torch modules: one past in, quantiles of the change ahead out."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

from glaciertime.errors import UsageError, nearest_names
from glaciertime.forecast.learned.sequences import CONTEXT, STEP

__all__ = ["ENCODERS", "QUANTILES", "ChangeNetwork", "make_network", "pinball_loss"]

#: Quantiles that a network answers with.
QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
ENCODERS = ("lstm", "mamba")
_QUERY = 6
_MIDDLE = len(QUANTILES) // 2


class _Lstm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(len(STEP), width, num_layers=2, batch_first=True)

    def forward(self, steps: Tensor, gaps: Tensor) -> Tensor:
        # The gaps reach it as a channel of the steps.
        return self.lstm(steps)[0][:, -1]


class _Mamba(nn.Module):
    def __init__(self, width: int, *, use_gaps: bool) -> None:
        from glaciertime.nn import MambaBlock, MambaStack

        super().__init__()
        self.use_gaps = use_gaps
        self.embed = nn.Linear(len(STEP), width)
        self.stack = MambaStack([MambaBlock(width, d_state=8) for _ in range(2)])
        self.norm = nn.RMSNorm(width, eps=1e-5)

    def forward(self, steps: Tensor, gaps: Tensor) -> Tensor:
        mixed = self.stack(self.embed(steps), dt=gaps if self.use_gaps else None)
        return self.norm(mixed[:, -1])


class ChangeNetwork(nn.Module):
    """An encoder of past steps, and a head that answers for each date asked.

    Parameters
    ----------
    encoder : nn.Module
        Maps steps (B, L, 4) and gaps (B, L) to (B, width).
    width : int
    """

    def __init__(self, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.hidden = nn.Linear(width + len(CONTEXT) + _QUERY, 32)
        self.out = nn.Linear(32, len(QUANTILES))
        # Rates carried on: the straight way to the median.
        self.rates = nn.Linear(_QUERY - 1, 1, bias=False)
        nn.init.zeros_(self.rates.weight)

    def forward(self, steps: Tensor, gaps: Tensor, context: Tensor, query: Tensor) -> Tensor:
        """Return quantiles of the scaled change, (B, K, 9), in increasing order.

        Parameters
        ----------
        steps, gaps, context, query : (B, L, 4), (B, L), (B, 8), (B, K, 6)
            See :mod:`glaciertime.forecast.learned.sequences`.
        """
        past = torch.cat([self.encoder(steps, gaps), torch.asinh(context)], dim=1)
        past = past[:, None, :].expand(-1, query.shape[1], -1)
        inner = functional.silu(self.hidden(torch.cat([past, torch.asinh(query)], dim=2)))
        raw = self.out(inner)
        middle = raw[..., _MIDDLE : _MIDDLE + 1] + self.rates(query[..., 1:])
        below = torch.cumsum(functional.softplus(raw[..., :_MIDDLE].flip(-1)), dim=-1).flip(-1)
        above = torch.cumsum(functional.softplus(raw[..., _MIDDLE + 1 :]), dim=-1)
        return torch.cat([middle - below, middle, middle + above], dim=-1)


def make_network(name: str, *, use_gaps: bool = True) -> ChangeNetwork:
    """Return an untrained network; both have about 15,000 parameters.

    Parameters
    ----------
    name : {"lstm", "mamba"}
    use_gaps : bool
        Whether the state-space encoder lets its states decay by the real time between samples.

    Raises
    ------
    UsageError
        If the name is not known.

    Examples
    --------
    >>> sizes = [sum(p.numel() for p in make_network(name).parameters()) for name in ENCODERS]
    >>> abs(sizes[0] / sizes[1] - 1) < 0.05
    True
    """
    if name == "lstm":
        return ChangeNetwork(_Lstm(32), 32)
    if name == "mamba":
        return ChangeNetwork(_Mamba(28, use_gaps=use_gaps), 28)
    near = nearest_names(name, ENCODERS) or list(ENCODERS)
    raise UsageError(f"there is no network {name!r}; did you mean {', '.join(near)}?")


def pinball_loss(answer: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the mean quantile loss of answers (B, K, 9) for targets (B, K) with weights (B, K)."""
    levels = _levels(answer.dtype, answer.device)
    error = target[..., None] - answer
    loss = torch.maximum(levels * error, (levels - 1) * error).mean(dim=-1)
    return (loss * weight).sum() / weight.sum().clamp_min(1e-9)


@functools.cache
def _levels(dtype: torch.dtype, device: torch.device) -> Tensor:
    # Sent once: a GPU is waited for whenever it is sent something that lies in ordinary memory.
    with torch.inference_mode(False):
        return torch.tensor(QUANTILES, dtype=dtype, device=device)
