"""What torch traces of a block on a GPU, with tensors of shape and device but without numbers: no GPU is needed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from glaciertime.nn import Mamba2Block, MambaBlock, gpu, selective_scan
from tests.nn.cases import scan_inputs

pytest.importorskip("triton", reason="Triton is not installed: nothing goes through its kernels")


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A device that Triton would take."""
    monkeypatch.delenv("GLACIERTIME_SCAN", raising=False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(gpu, "_known", {("cuda", 0): ""})
    with FakeTensorMode():
        yield
    torch._dynamo.reset()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("groups", [0, 2])
def test_results_and_gradients_have_the_shapes_of_the_inputs(dtype: torch.dtype, groups: int) -> None:
    from glaciertime.nn.gpu.scan import scan_backward_operator, scan_operator

    given = {
        name: tensor.to("cuda", dtype if name in ("u", "delta", "B", "C", "z") else torch.float32)
        for name, tensor in scan_inputs(2, 6, 300, 5, groups=groups, dtype=torch.float32).items()
    }
    *positional, h0, dt = given.values()
    y, last = selective_scan(*positional, delta_softplus=True, h0=h0, dt=dt, return_last_state=True)
    assert (y.shape, y.dtype, y.device.type) == (given["u"].shape, dtype, "cuda")
    assert (last.shape, last.dtype) == (given["h0"].shape, dtype)
    starts = scan_operator(*given.values(), True, True)[2]
    assert starts.device.type == "cuda"
    for tensor, grad in zip(
        given.values(), scan_backward_operator(y, last, *given.values(), starts, True, True), strict=True
    ):
        assert (grad.shape, grad.dtype, grad.device) == (tensor.shape, tensor.dtype, tensor.device)


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize(("kind", "operator"), [(MambaBlock, "selective_scan"), (Mamba2Block, "ssd_forward")])
def test_a_compiled_block_is_one_graph_through_the_operator(
    kind: type[nn.Module], operator: str, gradients: bool
) -> None:
    graphs: list[list[str]] = []

    def keep(graph: torch.fx.GraphModule, _: object) -> object:
        graphs.append([str(node.target) for node in graph.graph.nodes])
        return graph

    with torch.device("cuda"):
        block, x, dt = kind(32), torch.randn(2, 100, 32), torch.rand(2, 100)
    with torch.set_grad_enabled(gradients), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = torch.compile(block, backend=keep, fullgraph=True)(x, dt=dt)
    assert (y.shape, y.device.type) == (x.shape, "cuda")
    assert len(graphs) == 1
    assert sum(operator in target for target in graphs[0]) == 1
