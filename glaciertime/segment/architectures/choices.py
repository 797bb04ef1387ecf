"""What an architecture leaves open: how much it drops while it is trained, and its activation."""

from __future__ import annotations

from torch import nn

from glaciertime.errors import InputError, UsageError, nearest_names
from glaciertime.nn import DropPath

__all__ = ["ACTIVATIONS", "choose", "set_activation", "set_drop_path", "set_dropout"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky-relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}
#: Their activations are modules throughout, and their publications compare them.
_PLAIN = ("boundary-unet", "unet-classic", "unet-ps1")
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def choose(
    network: nn.Module,
    name: str,
    *,
    activation: str = "",
    dropout: float | None = None,
    drop_path: float | None = None,
) -> None:
    """Set what is given, in place; what is not stays as the architecture has it.

    Raises
    ------
    UsageError
        If no activation has that name.
    InputError
        If the architecture leaves that open nowhere.
    """
    if activation:
        set_activation(network, name, activation)
    if dropout is not None:
        set_dropout(network, name, dropout)
    if drop_path is not None:
        set_drop_path(network, name, drop_path)


def set_activation(network: nn.Module, name: str, activation: str) -> None:
    """Put another activation in the place of every one of a plain U-Net.

    Examples
    --------
    >>> from glaciertime.segment.architectures.registry import build_model
    >>> network = build_model("unet-ps1", in_channels=1, classes=2)
    >>> set_activation(network, "unet-ps1", "silu")
    >>> sum(isinstance(module, nn.SiLU) for module in network.modules())
    18
    """
    if activation not in ACTIVATIONS:
        near = nearest_names(activation, ACTIVATIONS) or list(ACTIVATIONS)
        raise UsageError(f"activation '{activation}' is not known; nearest: {', '.join(near)}")
    if name not in _PLAIN:
        raise InputError(f"activation '{activation}' given, but '{name}' has its own; {', '.join(_PLAIN)} take one")
    for module in list(network.modules()):
        for key, child in list(module.named_children()):
            if isinstance(child, tuple(ACTIVATIONS.values())):
                setattr(module, key, ACTIVATIONS[activation]())


def set_dropout(network: nn.Module, name: str, probability: float) -> None:
    """Set the probability of every dropout layer.

    Raises
    ------
    InputError
        If the architecture has none.
    """
    layers = [module for module in network.modules() if isinstance(module, _DROPOUT)]
    if not layers:
        remedy = "; it leaves out residual branches instead: drop_path" if _paths(network) else ""
        raise InputError(f"dropout {probability} given, but '{name}' has no dropout layer{remedy}")
    for layer in layers:
        layer.p = probability


def set_drop_path(network: nn.Module, name: str, probability: float) -> None:
    """Scale the probabilities that residual branches are left out, so that the largest is the one given.

    Raises
    ------
    InputError
        If the architecture leaves none out.
    """
    paths = _paths(network)
    largest = max((path.probability for path in paths), default=0.0)
    if not largest:
        raise InputError(f"drop_path {probability} given, but '{name}' leaves no residual branch out")
    for path in paths:
        path.probability *= probability / largest


def _paths(network: nn.Module) -> list[DropPath]:
    return [module for module in network.modules() if isinstance(module, DropPath)]
