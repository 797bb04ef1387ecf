"""Models as ONNX: exported with a free batch and size, and checked against torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from glaciertime.errors import InputError, MissingExtraError
from glaciertime.segment.description import open_session
from glaciertime.writing import Target, check_target, write_bytes
from glaciertime.writing.marks import made_by

if TYPE_CHECKING:
    import onnx
    import torch

__all__ = ["MARK", "ExportCheck", "check_onnx", "export_onnx", "onnx_graph", "run_onnx", "write_onnx"]

#: The producer that a file names where nobody says otherwise.
MARK = "glaciertime export-model"

INPUT, OUTPUT = "image", "logits"
_OPSET = 20
_EXAMPLE_PX = (1192, 1336)
#: Of a network that is traced, with several chunks on every level; no multiple of any stride.
_TRACED_PX = (298, 334)
_CHECK_SHAPES = ((1, 64, 64), (2, 50, 70), (1, 256, 250))


@dataclass(frozen=True)
class ExportCheck:
    """How far an exported model is from the one in torch.

    Attributes
    ----------
    relative_error : float
        Largest difference of logits over the largest logit, over all shapes tried.
    shapes : tuple of (batch, height, width)
        What was tried.
    size_bytes : int
        Size of the file.
    """

    relative_error: float
    shapes: tuple[tuple[int, int, int], ...]
    size_bytes: int


def export_onnx(
    model: torch.nn.Module,
    path: str | Path,
    *,
    in_channels: int,
    metadata: Mapping[str, str] | None = None,
    check: Callable[[Path], None] | None = None,
    overwrite: bool = False,
) -> int:
    """Write a model as one ONNX file with dynamic batch, height and width.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (B, in_channels, H, W) float32 to logits (B, classes, H, W). It is
        exported in evaluation mode and put back into the mode it had.
    path : path-like
        File to write; one that ``export-model`` made is replaced once the new one is complete.
    in_channels : int
        Channels of the input.
    metadata : mapping of str to str, optional
        Kept in the file: for example ``normalisation`` or ``classes`` as JSON.
    check : callable, optional
        Given the finished draft, raises where it must not be used; what was at ``path`` then stays.
    overwrite : bool
        Replace whatever file is there.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    UsageError
        If the file must not be written to.
    InputError
        If the model cannot be exported.
    MissingExtraError
        If torch or the exporter is not installed.

    Notes
    -----
    The input is named ``image``, the output ``logits``. Traces of the source that
    the exporter writes into the graph are removed: they can exceed the weights.
    """
    path = Path(path)
    check_target(Target(path, "", made_by(MARK)), overwrite=overwrite)
    proto = onnx_graph(model, in_channels=in_channels)
    for key, value in (metadata or {}).items():
        proto.metadata_props.add(key=key, value=value)
    return write_onnx(proto, path, check=check, overwrite=overwrite)


def write_onnx(
    proto: onnx.ModelProto,
    path: Path,
    *,
    mark: str = MARK,
    check: Callable[[Path], None] | None = None,
    overwrite: bool = False,
) -> int:
    """Write a graph, which names the command that made it as its producer; return the size of the file in bytes.

    The other parameters and the errors are those of :func:`export_onnx`.
    """
    import onnx

    proto.producer_name = mark
    onnx.checker.check_model(proto)
    write_bytes(path, proto.SerializeToString(), option="", own=made_by(mark), check=check, overwrite=overwrite)
    return path.stat().st_size


def onnx_graph(model: torch.nn.Module, *, in_channels: int) -> onnx.ModelProto:
    """Return a model as a graph with dynamic batch, height and width; see :func:`export_onnx`."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtraError("exporting a model", "train") from error
    from glaciertime.segment.export.traced import is_traceable, traced_graph

    training = model.training
    model.eval()
    if is_traceable(model):
        try:
            axes = {0: "batch", 2: "height", 3: "width"}
            small = torch.zeros(2, in_channels, *_TRACED_PX, device=next(model.parameters()).device)
            traced = traced_graph(model, small, names=(INPUT, OUTPUT), free=axes)
        finally:
            model.train(training)
        _strip(traced)
        return traced
    # A count that is 0 or 1 in the example is taken for a constant: the image must be so large that the scans of the
    # coarsest stage have several chunks and blocks of chunks. Nothing is computed, so its size costs no time.
    example = torch.zeros(2, in_channels, *_EXAMPLE_PX, device=next(model.parameters()).device)
    free = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    logger = logging.getLogger("onnxscript")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                verbose=False,
                opset_version=_OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(free,),
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise InputError(f"the model cannot be exported to ONNX: {str(error).splitlines()[0]}") from error
    finally:
        logger.setLevel(level)
        model.train(training)
    if program is None:
        raise InputError("the exporter returned no model; a torch of at least 2.9 is needed")
    proto = program.model_proto
    _strip(proto)
    return proto


def _strip(proto: onnx.ModelProto) -> None:
    def graphs(graph: onnx.GraphProto) -> Iterable[onnx.GraphProto]:
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    yield from graphs(attribute.g)

    for graph in graphs(proto.graph):
        graph.ClearField("doc_string")
        graph.ClearField("value_info")
        for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
            item.ClearField("doc_string")
            item.ClearField("metadata_props")
    for function in proto.functions:
        for node in function.node:
            node.ClearField("doc_string")
            node.ClearField("metadata_props")
    proto.ClearField("metadata_props")


def run_onnx(
    path: str | Path, image: npt.NDArray[np.float32], *, threads: int | None = None
) -> npt.NDArray[np.float32]:
    """Return the logits of one batch, computed by onnxruntime on the CPU.

    Parameters
    ----------
    path : path-like
        An ONNX file with one input and one output.
    image : (B, C, H, W) float32
    threads : int, optional
        Threads of onnxruntime; all by default.

    Returns
    -------
    (B, classes, H, W) float32

    Raises
    ------
    InputError
        If the file is missing or is not an ONNX model, or the input does not fit it.
    """
    session = open_session(Path(path), threads=threads or 0)
    try:
        (logits,) = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(image, dtype=np.float32)})
    except Exception as error:
        wanted = session.get_inputs()[0].shape
        raise InputError(f"{path}: input of shape {image.shape} given, {wanted} expected ({error})") from error
    return np.asarray(logits)


def check_onnx(
    path: str | Path,
    model: torch.nn.Module,
    *,
    in_channels: int,
    shapes: Sequence[tuple[int, int, int]] = _CHECK_SHAPES,
    multiple: int = 1,
    seed: int = 0,
) -> ExportCheck:
    """Compare an exported model with the one in torch on random images of several sizes.

    Parameters
    ----------
    path : path-like
        The exported model.
    model : torch.nn.Module
        The model it was exported from.
    in_channels : int
        Channels of the input.
    shapes : sequence of (batch, height, width)
        What to try; the example that was exported is not among the default.
    multiple : int
        Height and width are rounded up to multiples of it, for a graph that leaves the padding to the engine.
    seed : int
        Of the random images.

    Returns
    -------
    ExportCheck
    """
    import torch

    training = model.training
    model.eval()
    generator = np.random.default_rng(seed)
    shapes = [
        (batch, -(-height // multiple) * multiple, -(-width // multiple) * multiple) for batch, height, width in shapes
    ]
    worst = 0.0
    try:
        for batch, height, width in shapes:
            image = generator.standard_normal((batch, in_channels, height, width), dtype=np.float32)
            with torch.no_grad():
                expected = model(torch.from_numpy(image)).numpy()
            difference = float(np.abs(run_onnx(path, image) - expected).max())
            worst = max(worst, difference / float(np.abs(expected).max()))
    finally:
        model.train(training)
    return ExportCheck(worst, tuple(shapes), Path(path).stat().st_size)
