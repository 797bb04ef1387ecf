"""Networks and their weights on disk, beside what they expect and return; never as a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from glaciertime.errors import InputError
from glaciertime.segment.description import KEY, ModelSpec, read_spec, weights_path
from glaciertime.walls import wall
from glaciertime.writing import write_bytes
from glaciertime.writing.marks import made_by

if TYPE_CHECKING:
    import torch

__all__ = ["load_model", "save_model"]

_MARK = "glaciertime train"


def save_model(model: torch.nn.Module, spec: ModelSpec, path: Path, *, overwrite: bool = False) -> Path:
    """Write the weights of a model and its spec as safetensors; replaces earlier weights only when complete.

    Parameters
    ----------
    model : torch.nn.Module
    spec : ModelSpec
    path : Path
        Ends in ``.safetensors``.
    overwrite : bool
        Replace whatever file is there.

    Returns
    -------
    Path
        The file written.
    """
    from safetensors.torch import save

    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    content = save(tensors, metadata={KEY: spec.to_json(), "generator": _MARK})
    write_bytes(path, content, option="", own=made_by(_MARK), overwrite=overwrite)
    return path


def load_model(path: Path, *, model: str | None = None) -> tuple[torch.nn.Module, ModelSpec]:
    """Build the architecture named in a safetensors file and fill in its weights.

    Parameters
    ----------
    path : Path
    model : str, optional
        The architecture expected.

    Returns
    -------
    torch.nn.Module, ModelSpec
        The model in evaluation mode, on the CPU.

    Raises
    ------
    InputError
        If the file holds another architecture, or tensors that do not fit it.
    """
    from safetensors.torch import load_file

    from glaciertime.segment.architectures.choices import choose
    from glaciertime.segment.architectures.folding import build_network

    path = weights_path(path, suffix=".safetensors")
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"{path}: torch loads .safetensors only; ONNX is run with --engine onnx")
    spec = read_spec(path)
    if model is not None and model != spec.model:
        raise InputError(
            f"{path} holds weights of '{spec.model}', '{model}' asked for; give that name or other weights"
        )
    network = build_network(spec.model, in_channels=spec.channels, classes=len(spec.classes), fold=spec.fold)
    choose(network, spec.model, activation=spec.activation, dropout=spec.dropout)
    with wall(f"{path} is damaged or cut short", "fetch or export it again"):
        tensors = load_file(str(path))
    missing, unexpected = network.load_state_dict(_fitting(network, tensors, path), strict=False)
    if missing or unexpected:
        raise InputError(
            f"{path}: {len(missing)} tensors of '{spec.model}' are missing and {len(unexpected)} are unknown; "
            "the file is of another architecture or version"
        )
    return network.eval(), spec


def _fitting(network: torch.nn.Module, tensors: dict[str, Any], path: Path) -> dict[str, Any]:
    expected = network.state_dict()
    for name, tensor in tensors.items():
        if name in expected and expected[name].shape != tensor.shape:
            raise InputError(
                f"{path}: '{name}' has shape {tuple(tensor.shape)}, {tuple(expected[name].shape)} expected; "
                "the file is of another architecture or version"
            )
    return tensors
