"""A trained model as ONNX with its description inside, folded or not."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from glaciertime.errors import InputError
from glaciertime.segment.architectures.folding import Aligned, Folded
from glaciertime.segment.description import KEY, ModelSpec
from glaciertime.segment.export.onnx import INPUT, OUTPUT, export_onnx

__all__ = ["export_model"]

_OPSET = 17


def export_model(network: torch.nn.Module, spec: ModelSpec, path: Path) -> ModelSpec:
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
        Ends in ``.onnx``; replaced once the new file is complete.

    Returns
    -------
    ModelSpec
        As written into the file, with its ``multiple``.

    Raises
    ------
    InputError
        If the folder does not exist, or the model cannot be exported.
    """
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is not a folder; create it before exporting to {path.name}")
    if not isinstance(network, Folded):
        export_onnx(network, path, in_channels=spec.channels, metadata={KEY: spec.to_json()})
        return spec
    import onnx

    aligned = Aligned(network).eval()
    written = replace(spec, multiple=aligned.multiple)
    if any("mamba" in f"{type(module).__module__}.{type(module).__name__}".lower() for module in network.modules()):
        _export_around(network, path, spec=written)
        return written
    partial = path.with_name(path.name + ".part")
    free = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            aligned,
            (torch.zeros(1, spec.channels, 4 * aligned.multiple, 3 * aligned.multiple),),
            str(partial),
            dynamo=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: free, OUTPUT: free},
            opset_version=_OPSET,
        )
    proto = onnx.load(str(partial))
    proto.metadata_props.add(key=KEY, value=written.to_json())
    onnx.save_model(proto, str(partial))
    partial.replace(path)
    return written


def _export_around(network: Folded, path: Path, *, spec: ModelSpec) -> None:
    """Export the core of a folded network, then let its graph start with the folding and end with the unfolding."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    side, bands, classes = network.factor, spec.channels, len(spec.codes)
    partial = path.with_name(path.name + ".part")
    export_onnx(network.core, partial, in_channels=bands * side**2)
    proto = onnx.load(str(partial))
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
    proto.metadata_props.add(key=KEY, value=spec.to_json())
    onnx.checker.check_model(proto)
    onnx.save_model(proto, str(partial))
    partial.replace(path)
