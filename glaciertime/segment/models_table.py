"""The table of architectures: parameters, arithmetic and, on request, latency.

**Counting.** A multiplication and an addition are two operations. ``gflops`` counts
convolutions, matrix products and attention of one image, as
:class:`torch.utils.flop_counter.FlopCounterMode` does; activations, norms and
resampling are left out, as usual. The recurrence of a selective scan is no matrix
product and stands beside it as ``scan_gflops``, nine operations per sample, channel
and state; the scan of Mamba-2 is made of matrix products and is in ``gflops``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glaciertime.errors import InputError
from glaciertime.segment.architectures.registry import build_model, get_architecture, model_names

if TYPE_CHECKING:
    import torch

__all__ = ["Arithmetic", "ModelRow", "count_arithmetic", "measure_latency", "model_table"]

_SCAN_OPERATIONS = 9


@dataclass(frozen=True)
class Arithmetic:
    """What a model holds and what it does to one image.

    Attributes
    ----------
    parameters : int
        Trainable numbers.
    gflops : float
        Operations of convolutions, matrix products and attention, 1e9.
    scan_gflops : float
        Operations of selective scans, 1e9.
    """

    parameters: int
    gflops: float
    scan_gflops: float


@dataclass(frozen=True)
class ModelRow:
    """One line of the table.

    Attributes
    ----------
    name : str
    parameters : int
    gflops, scan_gflops : float
        As in :class:`Arithmetic`.
    size_mb : float
        Parameters in float32, 1e6 bytes.
    in_channels, classes, size_px : int
        What it was counted for.
    reference, note : str
    latency_ms : float or None
        Median over onnxruntime runs of one image on the CPU; None if not measured.
    """

    name: str
    parameters: int
    gflops: float
    scan_gflops: float
    size_mb: float
    in_channels: int
    classes: int
    size_px: int
    reference: str
    note: str
    latency_ms: float | None = None


def count_arithmetic(model: torch.nn.Module, *, in_channels: int, size_px: int = 256) -> Arithmetic:
    """Count a model's parameters and its operations on one square image.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (1, in_channels, size, size) to logits; on the CPU or on the meta device.
    in_channels : int
        Channels of the input.
    size_px : int
        Height and width of the image.

    Returns
    -------
    Arithmetic

    Examples
    --------
    >>> import torch
    >>> count_arithmetic(torch.nn.Conv2d(3, 2, 1), in_channels=3, size_px=1000)
    Arithmetic(parameters=8, gflops=0.012, scan_gflops=0.0)
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from glaciertime.nn import Mamba
    from glaciertime.segment.architectures.vim import ScanDirection

    scans: list[int] = []

    def of_mamba(module: torch.nn.Module, arguments: tuple[torch.Tensor, ...], _: object) -> None:
        scans.append(arguments[0].shape[1] * module.A_log.numel())

    def of_direction(module: torch.nn.Module, arguments: tuple[torch.Tensor, ...], _: object) -> None:
        scans.append(arguments[0].shape[-1] * module.A_log.numel())

    handles = []
    for module in model.modules():
        if isinstance(module, Mamba):
            handles.append(module.register_forward_hook(of_mamba))
        elif isinstance(module, ScanDirection):
            handles.append(module.register_forward_hook(of_direction))
    training = model.training
    device = next(model.parameters()).device
    try:
        model.eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.zeros(1, in_channels, size_px, size_px, device=device))
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return Arithmetic(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        gflops=counter.get_total_flops() / 1e9,
        scan_gflops=_SCAN_OPERATIONS * sum(scans) / 1e9,
    )


def model_table(
    names: Iterable[str] | None = None,
    *,
    in_channels: int = 11,
    classes: int = 2,
    size_px: int = 256,
    latency: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> list[ModelRow]:
    """Return one row per architecture, in the order of the names.

    Parameters
    ----------
    names : iterable of str, optional
        Architectures; all by default.
    in_channels, classes, size_px : int
        What to count for: bands, classes, height and width.
    latency : bool
        Whether to export every model and time it in onnxruntime; takes minutes.
    progress : callable
        Told the name of each architecture before it is worked on.

    Returns
    -------
    list of ModelRow

    Raises
    ------
    UsageError
        If an architecture is not known.
    MissingExtraError
        If torch is not installed.
    """
    chosen = [get_architecture(name) for name in (model_names() if names is None else names)]
    rows = []
    for entry in chosen:
        progress(entry.name)
        model = _countable(entry.name, in_channels=in_channels, classes=classes)
        counted = count_arithmetic(model, in_channels=in_channels, size_px=size_px)
        rows.append(
            ModelRow(
                name=entry.name,
                parameters=counted.parameters,
                gflops=round(counted.gflops, 4),
                scan_gflops=round(counted.scan_gflops, 4),
                size_mb=round(counted.parameters * 4 / 1e6, 3),
                in_channels=in_channels,
                classes=classes,
                size_px=size_px,
                reference=entry.reference,
                note=entry.note,
            )
        )
    if not latency:
        return rows
    times = measure_latency([row.name for row in rows], in_channels=in_channels, classes=classes, size_px=size_px)
    return [ModelRow(**{**vars(row), "latency_ms": round(times[row.name], 3)}) for row in rows]


def _countable(name: str, *, in_channels: int, classes: int) -> torch.nn.Module:
    """Return a model on the device where counting is fast."""
    model = build_model(name, in_channels=in_channels, classes=classes)
    # Without data there is nothing to compute; but the scans of nn are compiled for real numbers.
    return model if get_architecture(name).mamba else model.to("meta")


def measure_latency(
    names: Sequence[str],
    *,
    in_channels: int = 11,
    classes: int = 2,
    size_px: int = 256,
    threads: int = 1,
    repeats: int = 15,
    seed: int = 0,
) -> dict[str, float]:
    """Return the time of one image in onnxruntime on the CPU, milliseconds, median.

    All models are exported first; then they take turns, so that what else the
    machine does falls on all of them.

    Parameters
    ----------
    names : sequence of str
        Architectures.
    in_channels, classes, size_px : int
        Bands, classes, height and width.
    threads : int
        Threads of onnxruntime.
    repeats : int
        Runs of each after one that does not count, at least 1.
    seed : int
        Of the image.

    Returns
    -------
    dict of str to float

    Raises
    ------
    InputError
        If ``repeats`` is not positive.
    """
    from glaciertime.segment.export import INPUT, export_onnx, open_session

    if repeats < 1:
        raise InputError(f"repeats={repeats} given, at least 1 expected")
    image = np.random.default_rng(seed).standard_normal((1, in_channels, size_px, size_px), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        sessions = {}
        for name in names:
            path = Path(folder) / f"{name}.onnx"
            export_onnx(build_model(name, in_channels=in_channels, classes=classes), path, in_channels=in_channels)
            sessions[name] = open_session(path, threads=threads)
        times: dict[str, list[float]] = {name: [] for name in sessions}
        for turn in range(repeats + 1):
            for name, session in sessions.items():
                start = time.perf_counter()
                session.run(None, {INPUT: image})
                if turn:
                    times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in times.items()}
