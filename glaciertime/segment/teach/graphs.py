"""Forward and backward pass of a network, recorded once as CUDA graphs and replayed for every batch.

The networks here are small: to ask for their hundreds of kernels one by one takes the host longer than they take a GPU.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["record"]

_log = logging.getLogger(__name__)


class _Apart(nn.Module):
    """A network whose own ``forward`` stays as it is: what records it replaces the one of this module."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        answer: Tensor = self.network(image)
        return answer


def record(
    network: nn.Module, shape: Sequence[int], *, device: torch.device, precision: torch.dtype | None
) -> Callable[[Tensor], Tensor] | None:
    """Return what answers a batch as a network in training does, for batches of one shape; None where that cannot be.

    Weights are read and buffers changed where they lie: they must stay in their place afterwards. To be called before
    anything else uses the GPU.

    Parameters
    ----------
    network : in training mode, on the device, its weights with the channels last.
    shape : (B, C, H, W)
    device : on the CPU nothing is recorded.
    precision : of autocast; None for none.
    """
    if device.type != "cuda":
        return None
    kept = copy.deepcopy([buffer.detach() for buffer in network.buffers()])
    state = torch.cuda.get_rng_state(device)
    example = torch.zeros(tuple(shape), device=device).contiguous(memory_format=torch.channels_last)
    try:
        with torch.autocast("cuda", dtype=precision, enabled=precision is not None, cache_enabled=False):
            recorded: Any = torch.cuda.make_graphed_callables(_Apart(network), (example,), allow_unused_input=True)
    except RuntimeError as error:
        _log.info("the network is not recorded as CUDA graphs, each kernel is asked for: %s", error)
        return None
    finally:
        # To record it is to run it.
        with torch.no_grad():
            for buffer, before in zip(network.buffers(), kept, strict=True):
                buffer.copy_(before)
        torch.cuda.set_rng_state(state, device)
    # Typed as whatever may be recorded.
    answer: Callable[[Tensor], Tensor] = recorded
    return answer
