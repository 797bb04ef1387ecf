"""What a model costs on this machine: time and memory of one image and of a training step, on the CPU and on a GPU.

Each model is measured in a process of its own, so that memory is its own. Nothing is made up: what cannot be measured
here is None, with the reason.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glaciertime.errors import GlacierTimeError, one_line
from glaciertime.segment.architectures.registry import build_model

if TYPE_CHECKING:
    import torch

__all__ = ["BATCH", "HOW", "REPEATS", "STEPS", "MeasuredCost", "measure_costs", "thread_counts"]

BATCH, REPEATS, STEPS = 4, 9, 3
HOW = (
    "latency: median of {repeats} runs of one image, in onnxruntime on the CPU and in PyTorch on a GPU, after one that "
    "does not count; training: images per second of forward, loss, backward and AdamW in 32 bits, batches of {batch}, "
    "median of {steps} steps after one; memory: the most that was held above that of the loaded libraries"
)
_BUSY = 0.5
_PROCFS = Path("/proc/self/status")


@dataclass
class MeasuredCost:
    """Figures of one model; a figure that could not be had is missing, with the reason in ``reasons``.

    Attributes
    ----------
    name : str
    latency_ms : dict of int to float
        By threads of onnxruntime on the CPU.
    memory_mb : float or None
        Of one image on the CPU.
    training_per_s : float or None
        Images per second on ``threads`` threads of the CPU.
    training_memory_mb : float or None
    threads : int
    gpu : str
        Its name; empty where there is none.
    gpu_latency_ms, gpu_memory_mb, gpu_training_per_s, gpu_training_memory_mb : float or None
    busy : str
        That other programs were running, which makes times too long; empty where none were.
    reasons : dict of str to str
    """

    name: str
    latency_ms: dict[int, float] = field(default_factory=dict)
    memory_mb: float | None = None
    training_per_s: float | None = None
    training_memory_mb: float | None = None
    threads: int = 1
    gpu: str = ""
    gpu_latency_ms: float | None = None
    gpu_memory_mb: float | None = None
    gpu_training_per_s: float | None = None
    gpu_training_memory_mb: float | None = None
    busy: str = ""
    reasons: dict[str, str] = field(default_factory=dict)


def thread_counts(cores: int | None = None) -> tuple[int, ...]:
    """Return 1, 2, 4, ... and the number of cores.

    Examples
    --------
    >>> thread_counts(6), thread_counts(1)
    ((1, 2, 4, 6), (1,))
    """
    most = cores or len(os.sched_getaffinity(0))
    return tuple(sorted({1 << power for power in range(most.bit_length()) if 1 << power <= most} | {most}))


def measure_costs(
    names: Iterable[str],
    *,
    in_channels: int,
    classes: int,
    size_px: int,
    threads: Sequence[int] | None = None,
    repeats: int = REPEATS,
    steps: int = STEPS,
    progress: Callable[[str], None] = lambda name: None,
) -> list[MeasuredCost]:
    """Measure models, one after the other.

    Parameters
    ----------
    names : iterable of str
        Architectures.
    in_channels, classes, size_px : int
        Bands, classes, height and width of the image.
    threads : sequence of int, optional
        Of the CPU; :func:`thread_counts` by default.
    repeats, steps : int
        Runs of one image, and of a training step, each after one that does not count.
    progress : callable
        Told what is worked on.
    """
    counts = tuple(threads or thread_counts())
    given = {"in_channels": in_channels, "size_px": size_px}
    found = []
    busy = _busy()
    for name in names:
        progress(name)
        cost = MeasuredCost(name, threads=max(counts), busy=busy)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            _try(cost, "latency_ms", functools.partial(_export, name, path, in_channels=in_channels, classes=classes))
            if path.is_file():
                for count in counts:
                    task = functools.partial(_one_image, path, threads=count, repeats=repeats, **given)
                    answer = _try(cost, "latency_ms", functools.partial(_apart, task))
                    if answer is not None:
                        cost.latency_ms[count], cost.memory_mb = answer
        step = functools.partial(_training, name, classes=classes, threads=max(counts), steps=steps, **given)
        answer = _try(cost, "training_per_s", functools.partial(_apart, step))
        if answer is not None:
            cost.training_per_s, cost.training_memory_mb = answer
        on_gpu = functools.partial(_on_gpu, name, classes=classes, repeats=repeats, steps=steps, **given)
        answer = _try(cost, "gpu", functools.partial(_apart, on_gpu))
        if answer is not None:
            (
                cost.gpu, cost.gpu_latency_ms, cost.gpu_memory_mb, cost.gpu_training_per_s, cost.gpu_training_memory_mb
            ) = answer  # fmt: skip
        elif "gpu" not in cost.reasons:
            cost.reasons["gpu"] = "no GPU here"
        if cost.latency_ms and cost.memory_mb is None:
            cost.reasons["memory_mb"] = "this system does not say how much a process has held"
        found.append(cost)
    return found


def _busy() -> str:
    load, cores = os.getloadavg()[0], max(thread_counts())
    if load < _BUSY * cores:
        return ""
    return f"other programs were running (load {load:.1f} on {cores} cores): the times are too long"


def _try(cost: MeasuredCost, what: str, task: Callable[[], Any]) -> Any:
    try:
        return task()
    except (GlacierTimeError, RuntimeError, MemoryError, ValueError, NotImplementedError) as error:
        cost.reasons[what] = one_line(str(error))[:200]
        return None


def _apart(task: Callable[[], Any]) -> Any:
    """Return what a task returns in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(task).result()


def _export(name: str, path: Path, *, in_channels: int, classes: int) -> None:
    from glaciertime.segment.export.onnx import export_onnx

    export_onnx(build_model(name, in_channels=in_channels, classes=classes), path, in_channels=in_channels)


def _held_mb() -> float | None:
    """Return the most memory that this process has held, megabytes; None where the system does not say."""
    if not _PROCFS.is_file():
        return None
    lines = (line for line in _PROCFS.read_text().splitlines() if line.startswith("VmHWM:"))
    return next((float(line.split()[1]) * 1024 / 1e6 for line in lines), None)


def _above(before: float | None) -> float | None:
    after = _held_mb()
    return None if before is None or after is None else after - before


def _one_image(path: Path, *, in_channels: int, size_px: int, threads: int, repeats: int) -> tuple[float, float | None]:
    import onnxruntime  # noqa: F401  (its own size is no part of the model's)

    from glaciertime.segment.export.models_table import measure_latency

    before = _held_mb()
    times = measure_latency({"it": path}, in_channels=in_channels, size_px=size_px, threads=threads, repeats=repeats)
    return float(np.median(times["it"])), _above(before)


def _training(
    name: str, *, in_channels: int, classes: int, size_px: int, threads: int, steps: int
) -> tuple[float, float | None]:
    import torch

    torch.set_num_threads(threads)
    before = _held_mb()
    step = _step(name, in_channels=in_channels, classes=classes, size_px=size_px, device="cpu")
    seconds = _times(step, steps, wait=lambda: None)
    return BATCH / float(np.median(seconds)), _above(before)


def _on_gpu(
    name: str, *, in_channels: int, classes: int, size_px: int, repeats: int, steps: int
) -> tuple[str, float, float, float, float] | None:
    import torch

    if not torch.cuda.is_available():
        return None
    look = _look(name, in_channels=in_channels, classes=classes, size_px=size_px)
    latency = 1e3 * float(np.median(_times(look, repeats, wait=torch.cuda.synchronize)))
    memory = torch.cuda.max_memory_allocated() / 1e6
    del look
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    step = _step(name, in_channels=in_channels, classes=classes, size_px=size_px, device="cuda")
    seconds = float(np.median(_times(step, max(steps, 9), wait=torch.cuda.synchronize)))
    return torch.cuda.get_device_name(), latency, memory, BATCH / seconds, torch.cuda.max_memory_allocated() / 1e6


def _look(name: str, *, in_channels: int, classes: int, size_px: int) -> Callable[[], None]:
    import torch

    model: torch.nn.Module = build_model(name, in_channels=in_channels, classes=classes).eval().cuda()
    image = torch.zeros(1, in_channels, size_px, size_px, device="cuda")

    def look() -> None:
        with torch.inference_mode():
            model(image)

    return look


def _step(name: str, *, in_channels: int, classes: int, size_px: int, device: str) -> Callable[[], None]:
    import torch

    torch.manual_seed(0)
    model: torch.nn.Module = build_model(name, in_channels=in_channels, classes=classes).train().to(device)
    optimiser = torch.optim.AdamW(model.parameters())
    images = torch.randn(BATCH, in_channels, size_px, size_px, device=device)
    labels = torch.randint(classes, (BATCH, size_px, size_px), device=device)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()

    return step


def _times(task: Callable[[], None], repeats: int, *, wait: Callable[[], None]) -> list[float]:
    """Return the seconds of each of several runs, after one that does not count."""
    task()
    seconds = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        task()
        wait()
        seconds.append(time.perf_counter() - start)
    return seconds
