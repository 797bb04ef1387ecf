"""A trained model as ONNX with its description inside, folded or not."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import torch

from glaciertime.errors import InputError
from glaciertime.segment.export import INPUT, OUTPUT, export_onnx
from glaciertime.segment.folding import Aligned, Folded
from glaciertime.segment.weights import KEY, ModelSpec

__all__ = ["export_model"]

_OPSET = 17


def export_model(network: torch.nn.Module, spec: ModelSpec, path: Path) -> ModelSpec:
    """Write a model and its spec as one ONNX file with dynamic batch, height and width.

    A folded network is written without its padding, for sizes that are a multiple of its strides: the exporter that
    reasons about sizes symbolically does not come to an end on the remainders of remainders. The engine pads.

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
        If a folded network mixes sequences: their length would be frozen.
    """
    if not isinstance(network, Folded):
        export_onnx(network, path, in_channels=spec.channels, metadata={KEY: spec.to_json()})
        return spec
    if any("mamba" in type(module).__module__ + type(module).__name__.lower() for module in network.modules()):
        raise InputError(f"'{spec.model}' on folded pixels cannot be exported: its sequences have no fixed length")
    import onnx

    aligned = Aligned(network).eval()
    written = replace(spec, multiple=aligned.multiple)
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
