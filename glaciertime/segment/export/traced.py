"""Networks whose sequences are mixed by matrix products (Mamba-2) as ONNX, by tracing: in seconds.

The exporter that reasons about sizes symbolically takes minutes over the scans of one such network, since each size is
a remainder of another. Tracing records the operations that compute sizes with all others; it only needs to be told
three that its own rules lack or freeze.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.onnx import register_custom_op_symbolic, symbolic_helper, unregister_custom_op_symbolic

from glaciertime.nn import Mamba, Mamba2
from glaciertime.segment.architectures.vim import ScanDirection

if TYPE_CHECKING:
    import onnx

__all__ = ["is_traceable", "traced_graph"]

_OPSET = 17


def is_traceable(model: torch.nn.Module) -> bool:
    """Return whether a network mixes sequences, and by matrix products alone: a selective scan is a loop."""
    kinds = {type(module) for module in model.modules()}
    return Mamba2 in kinds and not kinds & {Mamba, ScanDirection}


def traced_graph(
    model: torch.nn.Module, example: torch.Tensor, *, names: tuple[str, str], free: dict[int, str]
) -> onnx.ModelProto:
    """Return a traced network as a graph.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    example : (B, C, H, W)
        Is computed: keep it small.
    names : (str, str)
        Of input and output.
    free : dict of int to str
        Axes of both that may have any length.
    """
    import onnx

    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad(), _more_operators():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes=dict.fromkeys(names, free),
            opset_version=_OPSET,
        )
    proto = onnx.load_from_string(buffer.getvalue())
    for node in proto.graph.node:
        for attribute in node.attribute if node.op_type == "Transpose" else ():
            if attribute.name == "perm":
                # Axes counted from the end are no ONNX.
                places = [axis % len(attribute.ints) for axis in attribute.ints]
                del attribute.ints[:]
                attribute.ints.extend(places)
    return proto


@contextmanager
def _more_operators() -> Iterator[None]:
    ours: dict[str, Callable[..., Any]] = {
        "aten::mT": _transposed,
        "aten::rms_norm": _rms_norm,
        "aten::unflatten": _unflatten,
    }
    for name, symbolic in ours.items():
        register_custom_op_symbolic(name, symbolic, _OPSET)
    try:
        yield
    finally:
        for name in ours:
            unregister_custom_op_symbolic(name, _OPSET)


def _transposed(graph: Any, x: Any) -> Any:
    axes = list(range(symbolic_helper._get_tensor_rank(x) or 0))
    return graph.op("Transpose", x, perm_i=[*axes[:-2], axes[-1], axes[-2]])


def _rms_norm(graph: Any, x: Any, shape: Any, weight: Any, eps: Any) -> Any:
    axes = [-1 - place for place in range(len(symbolic_helper._get_const(shape, "is", "normalized_shape")))]
    given = symbolic_helper._maybe_get_const(eps, "f")
    least = torch.finfo(torch.float32).eps if symbolic_helper._is_none(eps) else given
    mean = graph.op("ReduceMean", graph.op("Mul", x, x), axes_i=axes, keepdims_i=1)
    root = graph.op("Sqrt", graph.op("Add", mean, graph.op("Constant", value_t=torch.tensor(float(least)))))
    normed = graph.op("Div", x, root)
    return normed if symbolic_helper._is_none(weight) else graph.op("Mul", normed, weight)


def _unflatten(graph: Any, x: Any, axis: Any, sizes: Any) -> Any:
    """Compute the new shape from the one that comes: the exporter's own rule keeps that of the example."""
    rank: int = symbolic_helper._get_tensor_rank(x) or 0
    place = symbolic_helper._get_const(axis, "i", "dim") % rank
    shape = graph.op("Shape", x)

    def constant(*numbers: int) -> Any:
        return graph.op("Constant", value_t=torch.tensor(numbers))

    def part(first: int, last: int) -> Any:
        return graph.op("Slice", shape, constant(first), constant(last))

    known = symbolic_helper._maybe_get_const(sizes, "is")
    if symbolic_helper._is_value(known):
        middle = [graph.op("Unsqueeze", each, constant(0)) for each in symbolic_helper._unpack_list(known)]
    else:
        middle = [constant(*known)]
    before = [part(0, place)] if place else []
    after = [part(place + 1, rank)] if place + 1 < rank else []
    return graph.op("Reshape", x, graph.op("Concat", *before, *middle, *after, axis_i=0))
