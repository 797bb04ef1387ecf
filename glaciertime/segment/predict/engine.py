"""Engines: what turns a batch of normalised patches into class probabilities, through onnxruntime or torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.segment.description import ModelSpec, open_session, read_spec, weights_path
from glaciertime.segment.predict.weights import load_model
from glaciertime.walls import wall

__all__ = ["Engine", "load_engine", "probabilities_from_logits"]

Engine = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(B, C, H, W) float32, normalised -> (B, K, H, W) float32, probabilities that add to 1 over K."""

ENGINES = ("onnx", "torch")


def probabilities_from_logits(logits: NDArray[np.floating], *, temperature: float = 1.0) -> NDArray[np.float32]:
    """Return softmax(logits / temperature) over axis 1; one channel is read as the log-odds of the second class.

    Examples
    --------
    >>> probabilities_from_logits(np.zeros((1, 1, 1, 1)))[0, :, 0, 0]
    array([0.5, 0.5], dtype=float32)
    """
    scaled = np.asarray(logits, dtype=np.float32) / np.float32(temperature)
    if scaled.shape[1] == 1:
        scaled = np.concatenate([np.zeros_like(scaled), scaled], axis=1)
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled


def load_engine(name_or_file: str | Path, *, engine: str = "onnx", threads: int = 0) -> tuple[Engine, ModelSpec]:
    """Load a model to predict with.

    Parameters
    ----------
    name_or_file : str or Path
        Shipped name or file, see :func:`glaciertime.segment.description.weights_path`.
    engine : str
        ``onnx`` or ``torch``.
    threads : int
        Of the engine; 0 leaves the number to it.

    Returns
    -------
    Engine, ModelSpec

    Raises
    ------
    InputError
        If the engine is not one of the two, or the file does not go with it.

    Examples
    --------
    >>> run, spec = load_engine("landsat-fronts")
    >>> probabilities = run(np.zeros((1, spec.channels, 64, 48), np.float32))
    >>> probabilities.shape
    (1, 2, 64, 48)
    """
    if engine not in ENGINES:
        raise InputError(f"engine '{engine}' given, one of {list(ENGINES)} expected")
    path = weights_path(name_or_file, suffix=".onnx" if engine == "onnx" else ".safetensors")
    if engine == "torch":
        return torch_engine(path, threads=threads)
    if path.suffix.lower() != ".onnx":
        raise InputError(f"{path}: onnxruntime runs .onnx only; use --engine torch or export it to ONNX")
    session = open_session(path, threads=threads)
    spec = read_spec(path)
    given = session.get_inputs()[0].name

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        _check_channels(batch, spec)
        height, width = batch.shape[2:]
        around = ((0, 0), (0, 0), (0, -height % spec.multiple), (0, -width % spec.multiple))
        padded = np.pad(batch, around, mode="edge") if any(map(any, around)) else batch
        with wall(f"{path} cannot be run on an image", "export it again"):
            logits = session.run(None, {given: np.ascontiguousarray(padded, dtype=np.float32)})[0]
            expected = (len(batch), len(spec.codes), height, width)
            cut = logits[..., :height, :width]
            if cut.shape != expected:
                raise InputError(f"{path} returns {logits.shape}, {expected} expected; export it again")
        return probabilities_from_logits(cut, temperature=spec.temperature)

    return run, spec


def torch_engine(path: Path, *, threads: int = 0) -> tuple[Engine, ModelSpec]:
    """Load a safetensors file to predict with torch, on the GPU where there is one; 0 threads: as many as it likes."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    network, spec = load_model(path)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device)

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        _check_channels(batch, spec)
        with torch.inference_mode():
            logits = network(torch.from_numpy(np.ascontiguousarray(batch)).to(device)).float().cpu().numpy()
        return probabilities_from_logits(logits, temperature=spec.temperature)

    return run, spec


def _check_channels(batch: NDArray[np.float32], spec: ModelSpec) -> None:
    if batch.ndim != 4 or batch.shape[1] != spec.channels:
        raise InputError(
            f"{spec.name}: patches of shape {batch.shape} given, (N, {spec.channels}, H, W) expected for the bands "
            f"{list(spec.bands)}; select them with --bands"
        )
