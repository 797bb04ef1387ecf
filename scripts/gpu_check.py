"""Check and time what runs on a GPU; every figure goes to a CSV with the card's name, the date and the versions.

- tests: all CUDA tests
- equality: the scans in every dtype against float64, and against mamba-ssm where it imports
- scan, ssd: milliseconds and memory, with and without real gaps, beside the chunked torch operations and mamba-ssm
- training: one short epoch of three networks and of the forecasters, beside the network's own speed
- segment: one image on the GPU and on the CPU

``scripts/gpu_check.sh`` runs it. A part that fails is a row of its own, as is what no time is left for; the others go
on, and the exit status is 1. Three tenths of the time are kept for the training, a quarter for the tests.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch
from gpu_report import Report
from torch import Tensor

HERE = Path(__file__).parent
# Batch, channels, length, states, dtype; milliseconds of mamba-ssm 2.3.2's kernel forward, and forward and backward,
# as measured on an H200 before (torch 2.11, CUDA 13): a column of their own, never a ratio.
SCANS = (
    ((32, 64, 256, 16), torch.float32, {"forward": 0.059, "both": 0.352}),
    ((1, 64, 4096, 16), torch.float32, {"forward": 0.064, "both": 0.499}),
    ((8, 768, 2048, 16), torch.bfloat16, {"forward": 0.260, "both": 1.44}),
    ((1, 64, 65536, 16), torch.float32, {"both": 2.21}),
)
# Batch, length, heads, channels of a head, groups, states.
SSDS = (
    ((8, 2048, 24, 64, 1, 128), torch.bfloat16),
    ((32, 256, 2, 64, 1, 64), torch.float32),
    ((1, 65536, 2, 64, 1, 64), torch.float32),
)
QUICK_SCANS = (((2, 8, 64, 4), torch.float32, {}),)
QUICK_SSDS = (((2, 64, 2, 16, 1, 8), torch.float32),)
LIMITS = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 1e-2}
NETWORKS = ("glacier-seg", "glacier-seg-fast", "unet-small")
BATCH, PATCH = 16, (256, 192)
QUICK_BATCH, QUICK_PATCH = 2, (64, 48)

# Parts of the time that are kept for what runs last: no earlier part may use them up.
KEPT = {"training": 0.3, "tests": 0.25}

# The backend that runs a contender, and its call.
Calls = dict[str, tuple[str, Callable[[], object]]]


@contextmanager
def scan_by(name: str) -> Iterator[None]:
    """Let a scan be run by one backend, or by the one it chooses where the name is empty."""
    before = os.environ.get("GLACIERTIME_SCAN", "")
    os.environ["GLACIERTIME_SCAN"] = name
    try:
        yield
    finally:
        os.environ["GLACIERTIME_SCAN"] = before


def milliseconds(calls: Calls, device: str, rounds: int) -> dict[str, float]:
    """Return medians: each call ``rounds`` times in each of three turns, two runs before each of which do not count.

    A call follows itself, as in a network of several layers; the turns are taken forwards and backwards, so that what
    changes while the card works changes all alike.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(3):
        for name in list(calls)[:: 1 if turn % 2 == 0 else -1]:
            backend, call = calls[name]
            # What chooses the backend is not part of what is timed.
            with scan_by(backend):
                took = [milliseconds_of(call, device) for _ in range(rounds + 2)]
            times[name] += took[2:]
    return {name: median(values) for name, values in times.items()}


def milliseconds_to_ask(call: Callable[[], object], rounds: int) -> float:
    """Return how long a call keeps the host, which does not wait for what it asked a card for."""
    took = []
    for _ in range(rounds + 2):
        torch.cuda.synchronize()
        began = time.perf_counter()
        kept = call()
        took.append(1e3 * (time.perf_counter() - began))
        del kept
    torch.cuda.synchronize()
    return median(took[2:])


def in_one_thread(call: Callable[[], object]) -> Callable[[], object]:
    """Return a call whose backward pass runs in the thread that asks for it: autograd wakes no other."""

    def run() -> object:
        with torch.autograd.set_multithreading_enabled(False):
            return call()

    return run


def milliseconds_of_kernels(call: Callable[[], object], rounds: int) -> float:
    """Return how long the kernels of a call take, without what the host does: replayed as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = call()
    took = [milliseconds_of(graph.replay, "cuda") for _ in range(rounds + 2)]
    del kept
    return median(took[2:])


def milliseconds_of(call: Callable[[], object], device: str) -> float:
    """Return how long one call takes, on the card's clock where there is one."""
    if device != "cuda":
        began = time.perf_counter()
        call()
        return 1e3 * (time.perf_counter() - began)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


def peak_mb(call: Callable[[], object], device: str) -> float:
    """Return the most memory that a call takes above what is held before."""
    if device != "cuda":
        return float("nan")
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def bench_inputs(shape: Sequence[int], dtype: torch.dtype, device: str) -> dict[str, Tensor]:
    """Return the arguments of the selective scan that ``bench_scan.py`` times, and gaps: no gate, no bias."""
    given = scan_inputs(shape, dtype, device)
    del given["z"], given["delta_bias"]
    return given | {"delta": given["delta"].detach().exp().requires_grad_()}


def scan_inputs(shape: Sequence[int], dtype: torch.dtype, device: str) -> dict[str, Tensor]:
    """Return the arguments of a selective scan, steps and rates as a fresh Mamba has them, and gaps."""
    batch, channels, length, states = shape
    generator = torch.Generator(device).manual_seed(0)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, device=device)

    given = {
        "u": normal(batch, channels, length).to(dtype),
        "delta": (normal(batch, channels, length).clamp(-2, 2) - 4).to(dtype),
        "A": -torch.arange(1.0, states + 1, device=device).repeat(channels, 1),
        "B": normal(batch, states, length).to(dtype),
        "C": normal(batch, states, length).to(dtype),
        "D": normal(channels),
        "z": normal(batch, channels, length).to(dtype),
        "delta_bias": normal(channels) / 10,
    }
    return {name: tensor.requires_grad_() for name, tensor in given.items()} | {
        "dt": torch.rand(batch, length, generator=generator, device=device).to(dtype) * 2
    }


def ssd_inputs(shape: Sequence[int], dtype: torch.dtype, device: str) -> dict[str, Tensor]:
    """Return the arguments of Mamba-2's scan, as those of the other."""
    batch, length, heads, width, groups, states = shape
    generator = torch.Generator(device).manual_seed(0)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, device=device)

    given = {
        "x": normal(batch, length, heads, width).to(dtype),
        "delta": (normal(batch, length, heads).clamp(-2, 2) - 4).to(dtype),
        "A": -torch.rand(heads, generator=generator, device=device) * 15 - 1,
        "B": normal(batch, length, groups, states).to(dtype),
        "C": normal(batch, length, groups, states).to(dtype),
        "D": normal(heads),
        "z": normal(batch, length, heads, width).to(dtype),
        "delta_bias": normal(heads) / 10,
    }
    return {name: tensor.requires_grad_() for name, tensor in given.items()} | {
        "dt": torch.rand(batch, length, generator=generator, device=device).to(dtype) * 2
    }


def caller(scan: Callable[..., Tensor], given: dict[str, Tensor], *, gaps: bool, both: bool) -> Callable[[], object]:
    """Return a call of a scan, with its gradients if ``both``."""
    leaves = {name: tensor for name, tensor in given.items() if name != "dt"}

    def run() -> Tensor:
        return scan(*leaves.values(), delta_softplus="delta_bias" in leaves, **({"dt": given["dt"]} if gaps else {}))

    if not both:

        def forward() -> object:
            with torch.no_grad():
                return run()

        return forward
    first = next(iter(leaves.values()))
    weights = torch.randn(first.shape, generator=torch.Generator().manual_seed(1)).to(first)
    return lambda: torch.autograd.grad(run(), list(leaves.values()), weights)


def compare(
    report: Report, scan: Callable[..., Tensor], inputs: Callable[..., dict[str, Tensor]], **kind: object
) -> None:
    """Time one size of a scan; ``kind`` has shape, dtype, measured, rounds."""
    shape, dtype, measured = kind["shape"], kind["dtype"], kind["measured"]
    device = report.device
    # Where there is no GPU, what the CPU has stands in for the kernels: the script is tried, not the card.
    ours = "triton" if device == "cuda" else ""
    name = f"{'x'.join(map(str, shape))} {str(dtype).removeprefix('torch.')}"
    if not report.has_time(name):
        return
    given = inputs(shape, dtype, device)
    for mode in ("forward", "both"):
        calls = {
            "ours": (ours, caller(scan, given, gaps=False, both=mode == "both")),
            "ours with gaps": (ours, caller(scan, given, gaps=True, both=mode == "both")),
            "chunked torch": ("chunked", caller(scan, given, gaps=False, both=mode == "both")),
        }
        if importlib.util.find_spec("mamba_ssm") and device == "cuda":
            calls["mamba-ssm"] = ("mamba_ssm", caller(scan, given, gaps=False, both=mode == "both"))
        if mode == "both":
            calls["ours, backward in the same thread"] = ours, in_one_thread(calls["ours"][1])
        memory = {}
        for who, (backend, call) in calls.items():
            with scan_by(backend):
                memory[who] = peak_mb(call, device)
        times = milliseconds(calls, device, int(str(kind["rounds"])))
        case = f"{name} {mode}"
        for who in calls:
            report.add(case, who, times[who], "ms")
            report.add(case, f"memory of {who}", memory[who], "MB")
        if device == "cuda":
            with scan_by(ours):
                alone = milliseconds_of_kernels(calls["ours"][1], 3 * int(str(kind["rounds"])))
                asked = milliseconds_to_ask(calls["ours"][1], 3 * int(str(kind["rounds"])))
            report.add(case, "ours, kernels alone", alone, "ms")
            report.add(case, "ours, until the host goes on", asked, "ms")
        report.add(case, "chunked torch / ours", times["chunked torch"] / times["ours"], "ratio")
        report.add(case, "ours with gaps / without", times["ours with gaps"] / times["ours"], "ratio")
        if "mamba-ssm" in times:
            report.add(case, "ours / mamba-ssm", times["ours"] / times["mamba-ssm"], "ratio")
        elif mode in measured:
            report.add(case, "mamba-ssm 2.3.2, H200, measured before", measured[mode], "ms")


def check_equality(report: Report) -> None:
    """Compare results and gradients of both scans, in every dtype, with real gaps, with float64."""
    from glaciertime.nn import selective_scan, ssd_scan

    backend = "triton" if report.device == "cuda" else ""
    parts = (
        ("selective scan", selective_scan, scan_inputs, (2, 48, 300, 16)),
        ("Mamba-2", ssd_scan, ssd_inputs, (2, 300, 4, 64, 2, 32)),
    )
    for name, scan, inputs, shape in parts:
        for dtype, limit in LIMITS.items():
            case = f"{name} {str(dtype).removeprefix('torch.')}"
            if not report.has_time(case):
                continue
            try:
                errors = errors_of(scan, inputs(shape, dtype, report.device), backend)
            except Exception as error:
                traceback.print_exc()
                report.fail(case, f"{type(error).__name__}: {error}")
                continue
            worst = max(errors, key=errors.__getitem__)
            report.add(case, f"relative error ({worst})", errors[worst])
            if not errors[worst] <= limit:
                report.fail(case, f"relative error {errors[worst]:.1e}, expected at most {limit:.0e}")


def errors_of(scan: Callable[..., Tensor], given: dict[str, Tensor], backend: str) -> dict[str, float]:
    """Return the relative errors of y and of its gradients by one backend, against float64 in torch operations."""
    exact = {key: tensor.detach().double().requires_grad_(key != "dt") for key, tensor in given.items()}
    results = []
    for who, tensors in ((backend, given), ("chunked", exact)):
        leaves = [tensor for key, tensor in tensors.items() if key != "dt"]
        with scan_by(who):
            y = scan(*leaves, delta_softplus=True, dt=tensors["dt"])
        weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
        results.append([y, *torch.autograd.grad(y, leaves, weights)])
    pairs = zip(("y", *given), *results, strict=False)
    return {key: float((mine.double() - theirs).norm() / theirs.norm()) for key, mine, theirs in pairs}


def bench_scans(report: Report, *, quick: bool) -> None:
    """Time the selective scan."""
    from glaciertime.nn import selective_scan

    for shape, dtype, measured in QUICK_SCANS if quick else SCANS:
        compare(
            report, selective_scan, bench_inputs, shape=shape, dtype=dtype, measured=measured, rounds=2 if quick else 7
        )


def bench_ssds(report: Report, *, quick: bool) -> None:
    """Time Mamba-2's scan."""
    from glaciertime.nn import ssd_scan

    for shape, dtype in QUICK_SSDS if quick else SSDS:
        compare(report, ssd_scan, ssd_inputs, shape=shape, dtype=dtype, measured={}, rounds=2 if quick else 7)


def run_tests(report: Report) -> None:
    """Run the CUDA tests, each file in a process of its own, which is ended when the time is over."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "--tb=short",
        "--show-capture=no",
    ]
    if importlib.util.find_spec("xdist") and report.device == "cuda":
        # Nearly all of their time goes into compiling kernels; without a card all are skipped.
        command += ["-n", str(min(12, os.cpu_count() or 1))]
    for path in sorted((HERE.parent / "tests").rglob("test_*cuda*.py")):
        case = path.relative_to(HERE.parent).as_posix()
        if not report.has_time(case):
            continue
        try:
            done = subprocess.run(
                [*command, f"--confcutdir={HERE.parent / 'tests' / Path(case).parts[1]}", str(path)], cwd=HERE.parent,
                capture_output=True, text=True, check=False, timeout=report.left_s(),
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            so_far = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
            report.fail(case, f"ended after {late.timeout:.0f} s (--seconds), by then: {so_far.strip() or 'nothing'}")
            continue
        lines = done.stdout.strip().splitlines() or ["nothing printed"]
        report.add(case, "pytest", lines[-1].strip("= "))
        # Without a card every test is skipped, which pytest calls an error where a file is skipped as a whole.
        if done.returncode not in ((0,) if report.device == "cuda" else (0, 5)):
            print(done.stdout[-4000:], done.stderr[-2000:])
            report.fail(case, next((line for line in lines if line.startswith(("FAILED", "ERROR"))), lines[-1]))
        elif report.device == "cuda" and " passed" not in lines[-1]:
            report.fail(case, f"no test of it was run: {lines[-1]}")


def check_segment(report: Report, *, quick: bool) -> None:
    """Segment one simulated scene with the shipped weights, on the GPU by torch and on the CPU by onnxruntime."""
    from glaciertime.scenes.simulate_images import SimulatedFronts
    from glaciertime.segment.description import weights_path
    from glaciertime.segment.predict.engine import load_engine, torch_engine
    from glaciertime.segment.predict.prediction import predict_image, zones_from_probability

    image = SimulatedFronts(count=1, size=(96, 64) if quick else (300, 200))[0].image
    found = []
    for run, spec in (
        torch_engine(weights_path("landsat-fronts", suffix=".safetensors")),
        load_engine("landsat-fronts"),
    ):
        probability = predict_image(image, run=run, spec=spec)
        found.append((probability, zones_from_probability(probability, spec=spec)))
    (ours, zones), (other, same) = found
    report.add("landsat-fronts", "largest difference of a probability", float(abs(ours - other).max()))
    share = float((zones == same).mean())
    report.add("landsat-fronts", "pixels of the same class", share, "share")
    if share < 1.0:
        report.fail(
            "landsat-fronts", f"{(zones != same).sum()} pixels of another class on {report.device} than on the CPU"
        )


def own_speed(
    network: torch.nn.Module, device: str, *, steps: int, precision: str, batch: int, patch: tuple[int, int]
) -> float:
    """Return images per second of forward, loss, backward and optimiser step on one batch that stays on the device."""
    from glaciertime.segment.losses.registry import build_loss

    network = network.to(device, memory_format=torch.channels_last).train()
    loss = build_loss("front").to(device)
    optimiser = torch.optim.AdamW([*network.parameters(), *loss.parameters()], lr=1e-3)
    image = torch.randn(batch, 1, *patch, device=device).contiguous(memory_format=torch.channels_last)
    labels = (torch.rand(batch, *patch, device=device) > 0.5).to(torch.uint8)
    for step in range(steps + 5):
        if step == 5:
            if device == "cuda":
                torch.cuda.synchronize()
            start = time.perf_counter()
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision.startswith("bf16")):
            answer = network(image)
        loss(answer.float(), labels.long()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    if device == "cuda":
        torch.cuda.synchronize()
    return batch * steps / (time.perf_counter() - start)


def train_networks(report: Report, *, quick: bool) -> None:
    """Train two epochs of each network, of some seconds each; the second against the network's own speed."""
    from glaciertime.scenes.datasets.mixture import InMemory
    from glaciertime.scenes.simulate_images import SimulatedFronts
    from glaciertime.segment.architectures.folding import build_network
    from glaciertime.segment.teach import training
    from glaciertime.segment.teach.config import TrainConfig
    from glaciertime.segment.teach.keeping import Keeper

    batch, patch = (QUICK_BATCH, QUICK_PATCH) if quick else (BATCH, PATCH)
    simulated = SimulatedFronts(count=4 if quick else 16, size=patch, scenes_per_fjord=1)
    data = InMemory(tuple(simulated), bands=simulated.bands, classes=simulated.classes, codes=simulated.codes)
    few, precision = (2, "32-true") if quick else (40, "bf16-mixed")
    workers = 0 if quick else max(1, min(14, (os.cpu_count() or 1) - 2))
    ends: list[float] = []
    keep = Keeper.on_train_epoch_end

    def clock(self: object, *given: object) -> None:
        if report.device == "cuda":
            torch.cuda.synchronize()
        ends.append(time.perf_counter())
        keep(self, *given)
        starts.append(time.perf_counter())

    Keeper.on_train_epoch_end = clock
    for name in NETWORKS[1:] if quick and report.device == "cpu" else NETWORKS:
        if not report.has_time(name):
            continue
        network = build_network(name, in_channels=1, classes=2, fold=1)
        own = own_speed(network, report.device, steps=few, precision=precision, batch=batch, patch=patch)
        steps = few if quick else max(few, round(4.0 * own / batch))
        ends.clear()
        starts: list[float] = []
        config = TrainConfig(
            data="simulated", root=Path("."), model=name, epochs=2, draws=batch * steps, batch=batch, patch=patch,
            precision=precision, workers=workers, validation_fraction=0.0, devices=1,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            training.train(data, config, out=Path(folder) / "out", progress=False)
        speed = batch * steps / (ends[1] - starts[0])
        report.add(name, "training, an epoch", speed, "images/s")
        report.add(name, "network alone, resident batch", own, "images/s")
        report.add(name, "training / network alone", speed / own, "ratio")
    Keeper.on_train_epoch_end = keep


def forecast_examples(count: int) -> object:
    """Return random origins with targets, all known."""
    import numpy as np

    from glaciertime.forecast.learned.sequences import CONTEXT, LENGTH, STEP, Examples

    rng, shape = np.random.default_rng(0), (count, 6)
    single = [
        rng.normal(size=size).astype(np.float32)
        for size in ((count, LENGTH, len(STEP)), (count, LENGTH), (count, len(CONTEXT)), (*shape, 6), shape)
    ]
    single[1] = np.abs(single[1])
    years = np.ones(shape)
    return Examples(*single, years, 2000 * years, 9999 * years, *np.zeros((2, count), int), *np.ones((2, count)))


def train_forecasters(report: Report, *, quick: bool) -> None:
    """Train the forecasters on random records by the package, on both devices, and their networks alone."""
    import numpy as np

    from glaciertime.forecast.learned.networks import make_network, pinball_loss
    from glaciertime.forecast.learned.neural_training import train_network

    batch = 128
    examples = forecast_examples(8 * batch)
    everything = {"train": np.ones(8 * batch, bool), "known": np.ones((8 * batch, 6), bool)}
    for name in ("lstm", "mamba"):
        for device in dict.fromkeys((report.device, "cpu")):
            if not report.has_time(f"{name} on {device}"):
                continue
            steps = 4 if quick else 60 if device == "cuda" else 5
            ends: list[float] = []

            def clock(*_: object, ends: list[float] = ends) -> None:
                ends.append(time.perf_counter())

            train_network(name, examples, **everything, steps=steps + 3, batch=batch, report=clock, device=device)
            speed = batch * steps / (ends[-1] - ends[2])
            report.add(f"{name} on {device}", "training", speed, "records/s")
            network = make_network(name).to(device).train()
            optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
            given = [torch.from_numpy(getattr(examples, key)[:batch]).to(device) for key in
                     ("steps", "gaps", "context", "query", "target")]  # fmt: skip
            target = given.pop()
            for step in range(steps + 3):
                if step == 3:
                    if device == "cuda":
                        torch.cuda.synchronize()
                    start = time.perf_counter()
                pinball_loss(network(*given), target, torch.ones_like(target)).backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            if device == "cuda":
                torch.cuda.synchronize()
            own = batch * steps / (time.perf_counter() - start)
            report.add(f"{name} on {device}", "network alone, resident batch", own, "records/s")
            report.add(f"{name} on {device}", "training / network alone", speed / own, "ratio")


def main() -> int:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="smallest sizes, few rounds")
    parser.add_argument("--parts", default="", help="only these, with commas between")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "gpu.csv")
    parser.add_argument(
        "--seconds", type=float, default=330.0, help="what no time is left for is told as left out (default 330)"
    )
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU that torch can use here; --device cpu --quick tries the script itself")
    if options.device == "cuda" and importlib.util.find_spec("mamba_ssm") is None:
        print("mamba-ssm does not import here: no equality with it, its times are those measured before")
    report, quick = Report(options.out, options.device, seconds=options.seconds), options.quick
    parts: dict[str, Callable[[], None]] = {
        "equality": lambda: check_equality(report),
        "scan": lambda: bench_scans(report, quick=quick),
        "ssd": lambda: bench_ssds(report, quick=quick),
        "segment": lambda: check_segment(report, quick=quick),
        "forecast": lambda: train_forecasters(report, quick=quick),
        "training": lambda: train_networks(report, quick=quick),
        "tests": lambda: run_tests(report),
    }
    asked = options.parts.split(",") if options.parts else list(parts)
    if unknown := set(asked) - set(parts):
        parser.error(f"part {', '.join(sorted(unknown))} given, some of {', '.join(parts)} expected")
    for place, name in enumerate(asked):
        report.kept = options.seconds * sum(KEPT.get(later, 0.0) for later in asked[place + 1 :])
        report.run(name, parts[name])
    print(*report.failed, sep="\n", file=sys.stderr)
    return int(bool(report.failed))


if __name__ == "__main__":
    sys.exit(main())
