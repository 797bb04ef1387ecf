"""What glacier-seg-fast costs beside SegFormer-B0, in torch and in onnxruntime, at three sizes, and what was tried.

Each row is one way to run a network, 11 bands and 2 classes, one image at a time on one thread; all rows of a size take
turns, and what is kept is the processor's time of this process, so that other programs matter little. The ratio is the
median over turns of the time over that of SegFormer-B0, as it stands, in the same engine and turn. Weights are random:
they change no time. Rows:

- ``blocks of 2``: the network sees blocks of 2 x 2 pixels as channels (``fold: 2`` in a training), as all networks of
  the table of ``scripts/landsat_fronts.py`` did;
- ``no padding``: exported for sizes that are multiples of 16 only;
- ``int8``: convolutions and products in eight bits (``glaciertime.segment.export.quantise``);
- ``level``: what onnxruntime may rearrange (``all`` is its default and has convolutions in blocks of 16 channels);
- ``channels last``, ``frozen``: torch's other layout, and its graph with batch normalisation folded in;
- ``16, 32``: widths that fill the blocks of 16 channels at strides 2 and 4, in place of 24 and 40: ANOTHER network,
  never trained.

    python scripts/bench_fast.py
    python scripts/bench_fast.py --sizes 256 --repeats 5
    python scripts/bench_fast.py --table
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results" / "fast_latency.csv"
REFERENCE = "segformer-b0"
FAST = "glacier-seg-fast"
BANDS = 11
Run = Callable[[np.ndarray], Any]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="256,512,1024")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engine", choices=["onnxruntime", "torch"], help="one of the two alone")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print what there is")
    return parser.parse_args()


def networks() -> dict[str, Any]:
    """Return the networks by name, in evaluation mode."""
    import torch

    from glaciertime.segment.architectures.folding import Aligned, build_network
    from glaciertime.segment.architectures.glacier_seg_fast import VARIANTS, GlacierSegFast
    from glaciertime.segment.architectures.padding import PaddedModel

    torch.manual_seed(0)
    sizes = {"in_channels": BANDS, "classes": 2}
    full = replace(VARIANTS["default"], widths=(16, 32, 96, 128), decoder=(16, 32, 64))
    made = {
        REFERENCE: build_network(REFERENCE, **sizes),
        f"{REFERENCE}, blocks of 2": build_network(REFERENCE, **sizes, fold=2),
        FAST: build_network(FAST, **sizes),
        f"{FAST}, blocks of 2": Aligned(build_network(FAST, **sizes, fold=2)),
        f"{FAST}, 16, 32": PaddedModel(GlacierSegFast(full, **sizes), multiple=16, name=FAST, **sizes),
    }
    made[f"{FAST}, no padding"] = made[FAST].core
    return {name: network.eval() for name, network in made.items()}


def in_onnxruntime(made: dict[str, Any], folder: Path) -> Iterator[tuple[str, Run]]:
    """Yield ways to run them in onnxruntime."""
    import glaciertime.segment.export.onnx as export
    from glaciertime.segment.export.quantise import quantise_onnx

    # Every stride divides it: some of these do not pad.
    export._TRACED_PX = (320, 352)  # type: ignore[assignment]
    drawn = np.random.default_rng(1)
    images = [drawn.standard_normal((1, BANDS, 256, 256), dtype=np.float32) for _ in range(4)]
    for name, network in made.items():
        if name == f"{REFERENCE}, blocks of 2":
            continue
        path = folder / f"{name}.onnx"
        export.export_onnx(network, path, in_channels=BANDS)
        yield name, _session(path)
        if name in (REFERENCE, f"{FAST}, no padding"):
            small = folder / f"{name}-int8.onnx"
            quantise_onnx(path, small, images=images)
            yield f"{name}, int8", _session(small)
        if name == FAST:
            yield f"{name}, level extended", _session(path, level="ORT_ENABLE_EXTENDED")
            yield f"{name}, level basic", _session(path, level="ORT_ENABLE_BASIC")


def _session(path: Path, *, level: str = "ORT_ENABLE_ALL") -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image})


def in_torch(made: dict[str, Any]) -> Iterator[tuple[str, Run]]:
    """Yield ways to run them in torch."""
    import torch

    torch.set_num_threads(1)

    def runner(network: Any, layout: Any) -> Run:
        def run(image: np.ndarray) -> None:
            with torch.inference_mode():
                network(torch.from_numpy(image).contiguous(memory_format=layout))

        return run

    for name, network in made.items():
        yield name, runner(network, torch.contiguous_format)
        if name in (REFERENCE, FAST):
            yield f"{name}, channels last", runner(network, torch.channels_last)
    # A traced graph has the size that it was traced at: one for each.
    frozen: dict[tuple[int, ...], Run] = {}

    def run_frozen(image: np.ndarray) -> None:
        if image.shape not in frozen:
            with torch.no_grad():
                traced = torch.jit.freeze(torch.jit.trace(made[f"{FAST}, no padding"], torch.from_numpy(image)))
            frozen[image.shape] = runner(torch.jit.optimize_for_inference(traced), torch.contiguous_format)
        frozen[image.shape](image)

    yield f"{FAST}, frozen", run_frozen


def measure(engine: str, ways: dict[str, Run], size: int, repeats: int) -> list[dict[str, Any]]:
    """Return a row for each way to run: milliseconds of the processor, and over the reference."""
    image = np.random.default_rng(0).standard_normal((1, BANDS, size, size), dtype=np.float32)
    times: dict[str, list[float]] = {name: [] for name in ways}
    # The first two turns do not count: what is compiled on the way is compiled in them.
    for turn in range(-2, repeats):
        for name, run in ways.items():
            began = time.process_time()
            run(image)
            if turn >= 0:
                times[name].append(1e3 * (time.process_time() - began))
    base = np.array(times[REFERENCE])
    return [
        {"engine": engine, "size_px": size, "way": name, "cpu_ms": round(float(np.median(taken)), 1),
         "over_b0": round(float(np.median(taken / base)), 3), "turns": repeats}
        for name, taken in times.items()
    ]  # fmt: skip


def main() -> None:
    options = arguments()
    if not options.table:
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            made = networks()
            for engine in ("onnxruntime", "torch"):
                if options.engine in (None, engine):
                    found = in_onnxruntime(made, Path(folder)) if engine == "onnxruntime" else in_torch(made)
                    ways = dict(found)
                    for size in (int(text) for text in options.sizes.split(",")):
                        # Larger images take long enough to need fewer turns.
                        rows += measure(engine, ways, size, max(3, options.repeats * 256 // size))
        pd.DataFrame(rows).to_csv(options.results, index=False, lineterminator="\n")
    table = pd.read_csv(options.results)
    print(table.pivot_table(index=["engine", "way"], columns="size_px", values=["cpu_ms", "over_b0"]).to_string())


if __name__ == "__main__":
    main()
