"""Training state on disk without pickles: tensors as safetensors, everything else as JSON in its header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import safe_open
from safetensors.torch import save

from glaciertime.documents import parse_json
from glaciertime.errors import InputError
from glaciertime.walls import wall
from glaciertime.writing import write_bytes

__all__ = ["SafeCheckpointIO", "read_state", "write_state"]

_KEY = "state"


def _encode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_encode(key, tensors), _encode(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    if isinstance(value, os.PathLike):
        return {"value": str(value)}
    raise InputError(f"training state holds a {type(value).__name__}, which cannot be saved without pickling it")


def _decode(node: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Any:
    (kind, content), *_ = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_decode(key, tensors): _decode(item, tensors) for key, item in content}
    if kind == "list":
        return [_decode(item, tensors) for item in content]
    if kind == "tuple":
        return tuple(_decode(item, tensors) for item in content)
    return content


def write_state(state: dict[str, Any], path: Path) -> None:
    """Write nested dicts, lists, tuples, plain values and tensors; replaces the file only when complete.

    Parameters
    ----------
    state : dict
    path : Path

    Raises
    ------
    InputError
        If the state holds anything else.
    """
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_encode(dict(state), tensors))
    write_bytes(path, save(tensors, metadata={_KEY: text}), option="", overwrite=True)


def read_state(path: Path) -> dict[str, Any]:
    """Read what :func:`write_state` wrote; nothing in the file is executed.

    Raises
    ------
    InputError
        If the file is not of that form.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "state.safetensors"
    >>> write_state({"step": 3, 0: (torch.ones(2), None)}, path)
    >>> read_state(path)
    {'step': 3, 0: (tensor([1., 1.]), None)}
    """
    remedy = "remove it to start anew, the weights written so far stay in weights.safetensors"
    with wall(f"{path} is not a training state of this package", remedy):
        with safe_open(str(path), framework="pt", device="cpu") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        return _decode(parse_json(metadata[_KEY], what=f"{path}", remedy=remedy), tensors)


class SafeCheckpointIO(CheckpointIO):
    """Lightning's way in and out of :func:`write_state` and :func:`read_state`."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write one checkpoint."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_state(checkpoint, target)

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read one checkpoint, onto the CPU."""
        return read_state(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete one checkpoint."""
        Path(path).unlink(missing_ok=True)
