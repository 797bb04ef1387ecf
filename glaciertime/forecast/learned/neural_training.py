"""Train the recurrent forecasters forward in time, and export them to ONNX."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glaciertime.errors import InputError, MissingExtraError
from glaciertime.forecast.learned.networks import QUANTILES, ChangeNetwork, make_network, pinball_loss
from glaciertime.forecast.learned.sequences import CONTEXT, LENGTH, STEP, Examples
from glaciertime.writing import write_bytes

__all__ = ["export_network", "graph_of", "predict_examples", "train_network"]

_INPUTS = ("steps", "gaps", "context", "query")


def _tensors(examples: Examples, index: NDArray[np.int64]) -> list[Tensor]:
    return [torch.from_numpy(getattr(examples, name)[index]) for name in _INPUTS]


def train_network(
    name: str,
    examples: Examples,
    *,
    train: NDArray[np.bool_],
    known: NDArray[np.bool_],
    seed: int = 0,
    steps: int = 120,
    batch: int = 128,
    rate: float = 6e-3,
    use_gaps: bool = True,
    report: Callable[[int, float], None] | None = None,
    device: str = "cpu",
) -> ChangeNetwork:
    """Return a network trained on some origins; on one thread of a CPU the same seed gives the same weights.

    Every series weighs as the square root of its number of origins, so that long records do not drown short ones.

    Parameters
    ----------
    name : {"lstm", "mamba"}
    examples : Examples
    train : (O,) bool
        Origins to learn from.
    known : (O, K) bool
        Targets to learn from.
    seed, steps, batch, rate : int, int, int, float
        Optimiser steps, origins in each, and the highest learning rate of a one-cycle schedule.
    use_gaps : bool
    report : callable, optional
        Called with (step, loss).
    device : str
        Where it is trained, "cpu" or "cuda"; all origins lie there, and the network comes back to the CPU.

    Raises
    ------
    InputError
        If there is nothing to learn from.
    """
    index = np.flatnonzero(train & known.any(axis=1))
    if len(index) == 0:
        raise InputError(f"{name}: no origin has a target that was known by then; give more glaciers or a later date")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = make_network(name, use_gaps=use_gaps).to(device)
    given = [tensor.to(device) for tensor in _tensors(examples, np.arange(len(examples)))]
    per_series = np.bincount(examples.series[index], minlength=int(examples.series.max()) + 1)
    weight = known / np.sqrt(np.maximum(per_series, 1))[examples.series][:, None]
    weights = torch.from_numpy(weight.astype(np.float32)).to(device)
    targets = torch.from_numpy(np.where(np.isfinite(examples.target), examples.target, 0.0).astype(np.float32))
    targets = targets.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2)
    # A rise of one step alone, a fifth of five, would be divided by its length less one.
    rise = 0.2 if steps != 5 else 0.3
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=rise)
    network.train()
    # Sent at once: a GPU that is sent something every step is waited for every step.
    order = torch.from_numpy(_rounds(index, rng, steps * batch)).to(device)
    for step in range(steps):
        part = order[step * batch : (step + 1) * batch]
        loss = pinball_loss(network(*(tensor[part] for tensor in given)), targets[part], weights[part])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if report is not None:
            report(step, float(loss.detach()))
    return network.cpu().eval()


def _rounds(index: NDArray[np.int64], rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Return at least ``count`` places: all of them in a random order, then in another, and so on."""
    rounds = [rng.permutation(index) for _ in range(-(-count // len(index)))]
    return np.concatenate([*rounds, index[:0]])


def predict_examples(network: ChangeNetwork, examples: Examples, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a network's quantiles of the scaled changes of some origins, (len(index), K, 9)."""
    if len(index) == 0:
        return np.empty((0, examples.query.shape[1], len(QUANTILES)))
    with torch.no_grad():
        parts = [network(*_tensors(examples, part)).numpy() for part in np.array_split(index, -(-len(index) // 2048))]
    return np.concatenate(parts).astype(float)


class _WithWeights(torch.nn.Module):
    """A network whose weights are inputs, so that one graph serves all weights of that network."""

    def __init__(self, network: ChangeNetwork) -> None:
        super().__init__()
        # In a list, so that they are no parameters of this module.
        self.networks = [network]
        self.names = [name for name, _ in network.named_parameters()]

    def forward(self, steps: Tensor, gaps: Tensor, context: Tensor, query: Tensor, weights: list[Tensor]) -> Tensor:
        values = dict(zip(self.names, weights, strict=True))
        answer: Tensor = torch.func.functional_call(self.networks[0], values, (steps, gaps, context, query))
        return answer


def graph_of(network: ChangeNetwork) -> Any:
    """Return the network's ONNX graph without its weights, as a model whose last inputs are the weights.

    Raises
    ------
    MissingExtraError
        If the exporter is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("exporting a forecaster", "train") from error
    weights = [value.detach().clone() for value in network.parameters()]
    past = torch.zeros(3, LENGTH, len(STEP)), torch.ones(3, LENGTH), torch.zeros(3, len(CONTEXT))
    batch, dates = torch.export.Dim("batch", min=1), torch.export.Dim("dates", min=1)
    shapes = ({0: batch}, {0: batch}, {0: batch}, {0: batch, 1: dates}, [None] * len(weights))
    wrapped = _WithWeights(network.eval())
    logger = logging.getLogger("onnxscript")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                wrapped, (*past, torch.zeros(3, 5, 6), weights), dynamo=True, verbose=False, opset_version=20,
                input_names=[*_INPUTS, *wrapped.names], output_names=["quantiles"], dynamic_shapes=shapes,
            )  # fmt: skip
    finally:
        logger.setLevel(level)
    if program is None:
        raise InputError("the exporter returned no model; a torch of at least 2.9 is needed")
    return program.model_proto


def _forget_source(graph: Any) -> None:
    """Remove the traces of the source, with its paths, that the exporter writes into a graph and the graphs in it."""
    del graph.metadata_props[:]
    for held in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del held.metadata_props[:]
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    _forget_source(inner)


def export_network(
    network: ChangeNetwork, path: str | Path, *, graph: Any = None, card: dict[str, object], overwrite: bool = False
) -> int:
    """Write a network as ONNX with a free batch and number of dates; return the size of the file in bytes.

    Parameters
    ----------
    network : ChangeNetwork
    path : path-like
    graph : optional
        From :func:`graph_of`, to export several networks of one kind.
    card : dict
        Kept in the file under ``glaciertime``, as JSON.
    overwrite : bool
        Replace a file that is there.
    """
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(graph_of(network) if graph is None else graph)
    values = dict(network.named_parameters())
    kept = [given for given in model.graph.input if given.name not in values]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for name, value in values.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(value.detach().numpy(), name))
    _forget_source(model.graph)
    onnx.helper.set_model_props(model, {"glaciertime": json.dumps(card, sort_keys=True)})
    onnx.checker.check_model(model)
    path = Path(path)
    write_bytes(path, model.SerializeToString(), option="", overwrite=overwrite)
    return path.stat().st_size
