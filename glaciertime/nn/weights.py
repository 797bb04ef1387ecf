"""State dicts to and from the parameter names of mamba-ssm's Mamba and Mamba2."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from glaciertime.errors import InputError

__all__ = ["from_mamba_ssm", "to_mamba_ssm"]

_MAMBA = (
    "in_proj.weight",
    "conv1d.weight",
    "conv1d.bias",
    "x_proj.weight",
    "dt_proj.weight",
    "dt_proj.bias",
    "A_log",
    "D",
    "out_proj.weight",
)
_MAMBA2 = (
    "in_proj.weight",
    "conv1d.weight",
    "conv1d.bias",
    "dt_bias",
    "A_log",
    "D",
    "norm.weight",
    "out_proj.weight",
)


def from_mamba_ssm(state_dict: Mapping[str, Tensor], *, norm: Tensor | None = None) -> dict[str, Tensor]:
    """Turn the state dict of mamba-ssm's Mamba or Mamba2 into that of a block of one direction.

    Parameters
    ----------
    state_dict : parameters by mamba-ssm's names, without a prefix.
    norm : (d_model,); weight of the norm before the mixer, which mamba-ssm keeps outside of it; ones if not given.

    Returns
    -------
    State dict for :class:`glaciertime.nn.MambaBlock` or :class:`glaciertime.nn.Mamba2Block`.

    Raises
    ------
    InputError
        If a name is missing or one too many.

    Examples
    --------
    >>> from glaciertime.nn import MambaBlock
    >>> block = MambaBlock(4)
    >>> theirs = to_mamba_ssm(block.state_dict())
    >>> sorted(theirs)[:3]
    ['A_log', 'D', 'conv1d.bias']
    >>> block.load_state_dict(from_mamba_ssm(theirs))
    <All keys matched successfully>
    """
    _check_names(state_dict, state_dict)
    weight = state_dict["out_proj.weight"].new_ones(state_dict["out_proj.weight"].shape[0]) if norm is None else norm
    return {"norm.weight": weight} | {f"mixer.{name}": tensor for name, tensor in state_dict.items()}


def to_mamba_ssm(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn the state dict of a block of one direction into that of mamba-ssm's Mamba or Mamba2.

    The weight of the norm before the mixer is left out: mamba-ssm keeps it outside.

    Parameters
    ----------
    state_dict : of a MambaBlock or Mamba2Block with ``bidirectional=False``.

    Returns
    -------
    Parameters by mamba-ssm's names.

    Raises
    ------
    InputError
        If the block is bidirectional, or a name is missing or one too many.
    """
    theirs = {name.removeprefix("mixer."): value for name, value in state_dict.items() if name != "norm.weight"}
    _check_names(theirs, state_dict)
    return theirs


def _check_names(names: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    expected = _MAMBA2 if "dt_bias" in names else _MAMBA
    missing = sorted(set(expected) - set(names))
    extra = sorted(set(names) - set(expected))
    if missing or extra:
        kind = "Mamba2" if expected is _MAMBA2 else "Mamba"
        raise InputError(
            f"state dict of {len(given)} entries does not fit {kind} of one direction: missing {missing or 'none'}, "
            f"not expected {extra or 'none'}; models with in_proj.bias or several layers are not supported, pass one "
            "mixer's entries without their prefix"
        )
