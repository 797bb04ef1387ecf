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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
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

    def of_mamba(module: Mamba, arguments: tuple[torch.Tensor, ...], _: object) -> None:
        scans.append(arguments[0].shape[1] * module.A_log.numel())

    def of_direction(module: ScanDirection, arguments: tuple[torch.Tensor, ...], _: object) -> None:
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
        Told what is worked on.

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
    from glaciertime.segment.export.onnx import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        files = {row.name: Path(folder) / f"{row.name}.onnx" for row in rows}
        for name, path in files.items():
            progress(f"exporting {name}")
            export_onnx(build_model(name, in_channels=in_channels, classes=classes), path, in_channels=in_channels)
        progress("timing")
        times = measure_latency(files, in_channels=in_channels, size_px=size_px)
    return [replace(row, latency_ms=round(float(np.median(times[row.name])), 3)) for row in rows]


def _countable(name: str, *, in_channels: int, classes: int) -> torch.nn.Module:
    """Return a model on the device where counting is fast."""
    model = build_model(name, in_channels=in_channels, classes=classes)
    # Without data there is nothing to compute; but the scans of nn are compiled for real numbers.
    return model if get_architecture(name).mamba else model.to("meta")


def measure_latency(
    files: Mapping[str, Path],
    *,
    in_channels: int = 11,
    size_px: int = 256,
    threads: int = 1,
    repeats: int = 15,
    cpu_time: bool = False,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Return the times of one image in onnxruntime on the CPU, milliseconds.

    The models take turns, so that what else the machine does falls on all of them.

    Parameters
    ----------
    files : mapping of str to path
        Exported models by name.
    in_channels, size_px : int
        Bands, and height and width of the image.
    threads : int
        Threads of onnxruntime.
    repeats : int
        Runs of each after one that does not count, at least 1.
    cpu_time : bool
        Count the processor's time for this process instead of the clock on the wall:
        with one thread, the time it would take on a machine that does nothing else.
    seed : int
        Of the image.

    Returns
    -------
    dict of str to list of float
        ``repeats`` times each; those of one turn stand at the same place.

    Raises
    ------
    InputError
        If ``repeats`` is not positive or a file cannot be read.
    """
    from glaciertime.segment.description import open_session
    from glaciertime.segment.export.onnx import INPUT

    if repeats < 1:
        raise InputError(f"repeats={repeats} given, at least 1 expected")
    image = np.random.default_rng(seed).standard_normal((1, in_channels, size_px, size_px), dtype=np.float32)
    sessions = {name: open_session(Path(path), threads=threads) for name, path in files.items()}
    clock = time.process_time if cpu_time else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(repeats + 1):
        for name, session in sessions.items():
            start = clock()
            session.run(None, {INPUT: image})
            if turn:
                times[name].append(1e3 * (clock() - start))
    return times
