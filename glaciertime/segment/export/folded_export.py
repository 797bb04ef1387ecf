"""A trained model as ONNX with its description inside, folded or not."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from glaciertime.segment.architectures.folding import Aligned, Folded
from glaciertime.segment.description import KEY, ModelSpec
from glaciertime.segment.export.onnx import INPUT, MARK, OUTPUT, onnx_graph, write_onnx
from glaciertime.writing import Target, check_target
from glaciertime.writing.marks import made_by

if TYPE_CHECKING:
    import onnx

__all__ = ["export_model"]

_OPSET = 17


def export_model(
    network: torch.nn.Module,
    spec: ModelSpec,
    path: Path,
    *,
    mark: str = MARK,
    check: Callable[[Path, ModelSpec], None] | None = None,
    overwrite: bool = False,
) -> ModelSpec:
    """Write a model and its spec as one ONNX file with dynamic batch, height and width.

    A folded network is written without its padding, for sizes that are a multiple of its strides: the exporter that
    reasons about sizes symbolically does not come to an end on the remainders of remainders. The engine pads. One that
    mixes sequences needs that exporter, because any other would freeze their length: there the core is exported alone,
    and the folding is put around it in the graph.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    spec : ModelSpec
    path : Path
        Ends in ``.onnx``; one with the same mark is replaced once the new file is complete.
    mark : str
        The command that makes it.
    check : callable, optional
        Given the finished draft and its spec, raises where it must not be used; what was at ``path`` then stays.
    overwrite : bool
        Replace whatever file is there.

    Returns
    -------
    ModelSpec
        As written into the file, with its ``multiple``.

    Raises
    ------
    UsageError
        If the file must not be written to.
    InputError
        If the model cannot be exported.
    """
    check_target(Target(path, "", made_by(mark)), overwrite=overwrite)
    proto, written = _graph(network, spec)
    proto.metadata_props.add(key=KEY, value=written.to_json())
    judge = None if check is None else lambda made: check(made, written)
    write_onnx(proto, path, mark=mark, check=judge, overwrite=overwrite)
    return written


def _graph(network: torch.nn.Module, spec: ModelSpec) -> tuple[onnx.ModelProto, ModelSpec]:
    """Return a network as a graph, and its spec with the ``multiple`` that the graph needs."""
    import onnx

    if not isinstance(network, Folded):
        return onnx_graph(network, in_channels=spec.channels), spec
    aligned = Aligned(network).eval()
    written = replace(spec, multiple=aligned.multiple)
    if any("mamba" in f"{type(module).__module__}.{type(module).__name__}".lower() for module in network.modules()):
        return _graph_around(network, spec=written), written
    buffer = io.BytesIO()
    free = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            aligned,
            (torch.zeros(1, spec.channels, 4 * aligned.multiple, 3 * aligned.multiple),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: free, OUTPUT: free},
            opset_version=_OPSET,
        )
    return onnx.load_from_string(buffer.getvalue()), written


def _graph_around(network: Folded, *, spec: ModelSpec) -> onnx.ModelProto:
    """Return the graph of the core of a folded network, with the folding before and the unfolding behind it."""
    from onnx import TensorProto, helper, numpy_helper

    side, bands, classes = network.factor, spec.channels, len(spec.codes)
    proto = onnx_graph(network.core, in_channels=bands * side**2)
    graph = proto.graph
    folded, unfolded = "folded_image", "folded_logits"
    for node in graph.node:
        for names, old, new in ((node.input, INPUT, folded), (node.output, OUTPUT, unfolded)):
            for place, name in enumerate(names):
                if name == old:
                    names[place] = new
    # SpaceToDepth counts the pixels of a block before the bands, torch the bands first.
    order = np.arange(bands * side**2).reshape(side**2, bands).T.ravel()
    graph.initializer.append(numpy_helper.from_array(order, "band_order"))
    first = [
        helper.make_node("SpaceToDepth", [INPUT], ["blocks"], blocksize=side),
        helper.make_node("Gather", ["blocks", "band_order"], [folded], axis=1),
    ]
    last = helper.make_node("DepthToSpace", [unfolded], [OUTPUT], blocksize=side, mode="CRD")
    nodes = [*first, *graph.node, last]
    graph.ClearField("node")
    graph.node.extend(nodes)
    for values, name, channels in ((graph.input, INPUT, bands), (graph.output, OUTPUT, classes)):
        del values[:]
        shape: list[str | int | None] = ["batch", channels, "height", "width"]
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return proto
