"""Time the selective scan against the others that run on a CPU, and print one table.

Contenders, all in one process, in turn, with the same number of threads:

- ours: ``glaciertime.nn.selective_scan``, checks of its arguments included
- mambapy: the parallel scan of mambapy (pip install 'glaciertime[bench]')
- unbind: a loop over the unbound time axis
- index: a loop that indexes the time axis at every step, as the reference implementation of Mamba does

Figures are medians over rounds; the ratio is that of the best other contender to ours, with the standard error of
its median over the rounds. Memory is the peak above the inputs, each contender in a process of its own, for forward
and backward together (Linux only).

    python scripts/bench_scan.py --threads 1
    python scripts/bench_scan.py --check          fails if a ratio is below its floor by more than the noise
    python scripts/bench_scan.py --device cuda    mamba-ssm, if it imports, in the place of the loops
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from glaciertime.nn import selective_scan, ssd_scan
from glaciertime.nn.plain.ssd_chunked import ssd_chunked

CHANNELS, STATES = 64, 16
SIZES = ((32, 64), (32, 256), (1, 1024), (1, 4096), (1, 16384))
FLOORS = {"forward": 2.5, "forward+backward": 4.0}
ERROR_LIMIT = 1e-5
# A contender whose run would take longer than this is not run: it cannot be the best.
LONGEST_S = 5.0

Scan = Callable[..., Tensor]


def ours(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    return selective_scan(u, delta, A, B, C, D)


def by_mambapy(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    from mambapy.pscan import pscan

    factors = torch.exp(delta.unsqueeze(-1) * A)
    added = (delta * u).unsqueeze(-1) * B.unsqueeze(2)
    return (pscan(factors, added) @ C.unsqueeze(-1)).squeeze(-1) + D * u


def by_unbind(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    state = u.new_zeros(*u.shape[:2], A.shape[1])
    columns = []
    drive = delta * u
    for delta_t, drive_t, B_t, C_t in zip(delta.unbind(-1), drive.unbind(-1), B.unbind(-1), C.unbind(-1), strict=True):
        state = torch.exp(delta_t[..., None] * A) * state + drive_t[..., None] * B_t[:, None]
        columns.append((state @ C_t[..., None]).squeeze(-1))
    return torch.stack(columns, dim=-1) + D[:, None] * u


def by_index(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    factors = torch.exp(torch.einsum("bdl,dn->bdln", delta, A))
    added = torch.einsum("bdl,bnl,bdl->bdln", delta, B, u)
    state = u.new_zeros(*u.shape[:2], A.shape[1])
    columns = []
    for t in range(u.shape[2]):
        state = factors[:, :, t] * state + added[:, :, t]
        columns.append(torch.einsum("bdn,bn->bd", state, C[:, :, t]))
    return torch.stack(columns, dim=-1) + D[:, None] * u


def by_mamba_ssm(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    return selective_scan_fn(u, delta, A, B, C, D)


CONTENDERS: dict[str, Scan] = {"ours": ours, "mambapy": by_mambapy, "unbind": by_unbind, "index": by_index}


def make_inputs(batch: int, length: int, device: str, *, name: str = "ours", seed: int = 0) -> list[Tensor]:
    """Return u, delta, A, B, C, D in the layout a contender wants; rates and steps as a fresh Mamba has them."""
    generator = torch.Generator().manual_seed(seed)
    u, z = (torch.randn(batch, CHANNELS, length, generator=generator) for _ in range(2))
    delta = torch.exp(z.clamp(-2, 2) - 4)
    A = -torch.arange(1, STATES + 1, dtype=torch.float32).repeat(CHANNELS, 1)
    B, C = (torch.randn(batch, STATES, length, generator=generator) for _ in range(2))
    D = torch.randn(CHANNELS, generator=generator)
    if name == "mambapy":
        u, delta, B, C = (tensor.mT.contiguous() for tensor in (u, delta, B, C))
    return [tensor.to(device).requires_grad_() for tensor in (u, delta, A, B, C, D)]


def runner(scan: Scan, inputs: Sequence[Tensor], mode: str) -> Callable[[], object]:
    """Return a call to be timed."""
    if mode == "forward":

        def forward() -> object:
            with torch.no_grad():
                return scan(*inputs)

        return forward
    weights = torch.randn(inputs[0].shape, generator=torch.Generator().manual_seed(1)).to(inputs[0].device)
    return lambda: torch.autograd.grad(scan(*inputs), inputs, weights)


def seconds(call: Callable[[], object], clock: str, device: str) -> float:
    now = time.perf_counter if clock == "wall" else time.process_time
    if device == "cuda":
        torch.cuda.synchronize()
    start = now()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return now() - start


def time_in_turn(
    calls: dict[str, Callable[[], object]], rounds: int, clock: str, device: str
) -> dict[str, list[float]]:
    """Return the seconds of every round; a contender too slow to matter keeps its first run only."""
    first = {name: seconds(call, clock, device) for name, call in calls.items()}
    names = [name for name in calls if name == "ours" or first[name] < LONGEST_S]
    times: dict[str, list[float]] = {name: [] if name in names else [first[name]] for name in calls}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(seconds(calls[name], clock, device))
    return times


def spread_of_median(values: Sequence[float]) -> float:
    """Return the standard error of a median, from the median absolute deviation."""
    middle = median(values)
    return 1.2533 * 1.4826 * median(abs(value - middle) for value in values) / len(values) ** 0.5


def spread_of_ratio(theirs: Sequence[float], mine: Sequence[float]) -> float:
    """Return the standard error of a ratio, round by round; one run of a slow contender stands for all rounds."""
    in_rounds = list(theirs) if len(theirs) > 1 else list(theirs) * len(mine)
    return spread_of_median([a / b for a, b in zip(in_rounds, mine, strict=True)])


def relative_error(inputs: Sequence[Tensor]) -> float:
    """Return the norm of the difference to a float64 loop over the norm of the latter."""
    with torch.no_grad():
        exact = by_unbind(*(tensor.double() for tensor in inputs))
        return float((ours(*inputs).double() - exact).norm() / exact.norm())


def peak_mb(name: str, batch: int, length: int, threads: int) -> float | None:
    """Return the peak memory of forward and backward above the inputs, measured in a process of its own."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    command = [sys.executable, __file__, "--memory-of", name, "--size", f"{batch},{length}", "--threads", str(threads)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(result.stdout)


def _print_memory(name: str, batch: int, length: int) -> None:
    scan = CONTENDERS[name]
    runner(scan, make_inputs(1, 4, "cpu", name=name), "forward+backward")()
    inputs = make_inputs(batch, length, "cpu", name=name)
    call = runner(scan, inputs, "forward+backward")
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_kb("VmRSS")
    call()
    print((_status_kb("VmHWM") - before) / 1024)


def _status_kb(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def importable(device: str) -> dict[str, Scan]:
    """Return the contenders on a device that import here; the others are told."""
    contenders = dict(CONTENDERS)
    if device == "cuda":
        contenders = {"ours": ours, "mambapy": by_mambapy, "mamba_ssm": by_mamba_ssm}
    for name, module in (("mambapy", "mambapy.pscan"), ("mamba_ssm", "mamba_ssm")):
        if name in contenders and not _imports(module):
            print(f"{name} does not import here: left out", file=sys.stderr)
            del contenders[name]
    return contenders


def bench_selective_scan(args: argparse.Namespace, contenders: dict[str, Scan]) -> list[dict[str, object]]:
    """Time every size forward and backward, print and return the rows."""
    rows: list[dict[str, object]] = []
    slow: set[tuple[str, str]] = set()
    for batch, length in args.sizes:
        memory = {}
        if args.memory and args.device == "cpu":
            memory = {name: peak_mb(name, batch, length, args.threads) for name in contenders if (name, "") not in slow}
        error = relative_error(make_inputs(batch, length, args.device))
        for mode in FLOORS:
            calls = {
                name: runner(scan, make_inputs(batch, length, args.device, name=name), mode)
                for name, scan in contenders.items()
                if (name, mode) not in slow
            }
            times = time_in_turn(calls, args.rounds, args.clock, args.device)
            medians = {name: median(values) for name, values in times.items()}
            # A loop that indexes takes time that grows with the square of the length, backwards.
            slow |= {(name, mode) for name in medians if medians[name] > LONGEST_S / 16 and name == "index"}
            if ("index", mode) in slow and mode == "forward+backward":
                slow.add(("index", ""))
            best = min((name for name in medians if name != "ours"), key=medians.__getitem__)
            rows.append(
                {
                    "batch": batch,
                    "length": length,
                    "mode": mode,
                    "ms": {name: 1e3 * value for name, value in medians.items()},
                    "best": best,
                    "ratio": medians[best] / medians["ours"],
                    "noise": spread_of_ratio(times[best], times["ours"]),
                    "error": error,
                    "peak_mb": memory if mode == "forward+backward" else {},
                }
            )
            print_row(rows[-1], list(contenders))
    return rows


def print_row(row: dict[str, object], names: list[str]) -> None:
    figures, memory = row["ms"], row["peak_mb"]
    cells = [f"{figures[name]:10.2f}" if name in figures else f"{'-':>10}" for name in names]
    peaks = [f"{memory[name]:.0f}" if memory.get(name) is not None else "-" for name in names] if memory else []
    print(
        f"{row['batch']:5} {row['length']:6}  {row['mode']:<16} {' '.join(cells)}  "
        f"{row['ratio']:5.1f} ± {row['noise']:<4.1f} {row['best']:<9} {row['error']:.0e}  {' / '.join(peaks)}",
        flush=True,
    )


def bench_ssd(args: argparse.Namespace) -> None:
    """Print ours for Mamba-2 against the same scan as matrix products over chunks of 64."""
    print(f"\nMamba-2 form, D = {CHANNELS} (one head), N = {STATES}; ms, ratio of products to ours")
    for batch, length in args.sizes:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(batch, length, 1, CHANNELS, generator=generator)
        delta = torch.rand(batch, length, 1, generator=generator) * 0.1
        A = torch.tensor([-1.0])
        B, C = (torch.randn(batch, length, 1, STATES, generator=generator) for _ in range(2))
        inputs = [tensor.to(args.device).requires_grad_() for tensor in (x, delta, A, B, C)]

        def products(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
            return ssd_chunked(x, delta, delta * A, B, C, None)[0]

        for mode in FLOORS:
            calls = {"ours": runner(ssd_scan, inputs, mode), "products": runner(products, inputs, mode)}
            times = time_in_turn(calls, args.rounds, args.clock, args.device)
            mine, other = (1e3 * median(times[name]) for name in ("ours", "products"))
            print(f"{batch:5} {length:6}  {mode:<16} {mine:10.2f} {other:10.2f}  {other / mine:5.1f}", flush=True)


def check(rows: Sequence[dict[str, object]]) -> int:
    """Return how many ratios are below their floor by more than twice the noise, or errors above the limit."""
    failed = 0
    for row in rows:
        floor = FLOORS[row["mode"]]
        where = f"batch {row['batch']}, length {row['length']}, {row['mode']}"
        if row["ratio"] + 2 * row["noise"] < floor:
            print(f"{where}: {row['ratio']:.2f} times faster than {row['best']}, expected {floor}", file=sys.stderr)
            failed += 1
        if row["error"] > ERROR_LIMIT:
            print(f"{where}: relative error {row['error']:.1e}, expected at most {ERROR_LIMIT:.0e}", file=sys.stderr)
            failed += 1
    return failed


def _imports(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, the same for all (default 1)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds per size, at least 7 (default 9)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: time on the processor, for a busy machine"
    )
    parser.add_argument("--size", action="append", help="BATCH,LENGTH; may be given again (default: all five)")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="leave peak memory out")
    parser.add_argument("--ssd", action="store_true", help="print the Mamba-2 form too")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--check", action="store_true", help="exit 1 if a ratio is below its floor by more than noise")
    parser.add_argument("--memory-of", choices=tuple(CONTENDERS), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.rounds < 7:
        parser.error("--rounds is below 7")
    torch.set_num_threads(args.threads)
    args.sizes = [tuple(int(part) for part in size.split(",")) for size in args.size] if args.size else SIZES
    if args.memory_of:
        _print_memory(args.memory_of, *args.sizes[0])
        return 0
    if args.check and args.device != "cpu":
        parser.error("--check is about the CPU")
    contenders = importable(args.device)
    print(
        f"torch {torch.__version__}, {args.device}, {args.threads} thread{'s' * (args.threads > 1)}, D = {CHANNELS}, "
        f"N = {STATES}, float32, median of {args.rounds} rounds, {args.clock} clock, ms"
    )
    columns = " ".join(f"{name:>10}" for name in contenders)
    print(f"batch length  mode             {columns}  best / ours           error  peak MB ({' / '.join(contenders)})")
    rows = bench_selective_scan(args, contenders)
    if args.ssd:
        bench_ssd(args)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    return int(bool(args.check and check(rows)))


if __name__ == "__main__":
    sys.exit(main())
