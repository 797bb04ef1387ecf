"""The kernels of Mamba-2's scan, run in Triton's interpreter on the CPU."""

from __future__ import annotations

import pytest
import torch

from glaciertime.nn import ssd_scan
from glaciertime.nn.gpu.launch import INTERPRETED
from glaciertime.nn.gpu.ssd import ssd_triton
from glaciertime.nn.plain.ssd_chunked import ssd_chunked
from tests.nn.cases import relative_error, ssd_inputs
from tests.nn.test_ssd import as_selective_scan, run

interpreted = pytest.mark.skipif(
    not INTERPRETED, reason="needs Triton, imported with TRITON_INTERPRET=1: the kernels are not interpreted here"
)
HALVES = {"x", "delta", "B", "C", "z"}
# B, L, H, P, G, N: one sample; heads that share B and C; two chunks; more channels and states than a block holds; a
# number of heads that does not divide the programs.
SHAPES = [
    (1, 1, 2, 4, 1, 3),
    (2, 5, 4, 3, 2, 3),
    (1, 70, 2, 16, 1, 16),
    (1, 33, 6, 20, 3, 10),
    (1, 40, 2, 40, 1, 37),
    (1, 20, 3, 5, 1, 2),
]
LIMITS = {torch.float64: 1e-13, torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}


@pytest.fixture
def triton_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_SCAN", "triton")


def as_given(shape: tuple[int, ...], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return every argument of the scan as leaves, the data in a dtype, the parameters in at least float32."""
    kept = dtype if dtype.itemsize > 2 else torch.float32
    return {
        name: tensor.to(dtype if name in HALVES else kept).requires_grad_()
        for name, tensor in ssd_inputs(*shape).items()
    }


def outcome(
    given: dict[str, torch.Tensor], *, weighed_in: torch.dtype = torch.float64, **options: object
) -> dict[str, torch.Tensor]:
    y, last = run(given, **options)
    generator = torch.Generator().manual_seed(1)
    # Numbers that the dtype holds: how a gradient is rounded before it comes to the scan is not the scan's doing.
    weights = [torch.randn(part.shape, generator=generator).to(weighed_in).double() for part in (y, last)]
    total = sum((found.double() * weight).sum() for found, weight in zip((y, last), weights, strict=True))
    grads = torch.autograd.grad(total, list(given.values()))
    return {"y": y, "last": last, **dict(zip(given, grads, strict=True))}


CASES = [(shape, dtype) for dtype in LIMITS for shape in (SHAPES if dtype == torch.float32 else SHAPES[1:3])]


@interpreted
@pytest.mark.parametrize(("shape", "dtype"), CASES, ids=str)
def test_every_argument_and_gradient_equals_the_products_in_double(
    shape: tuple[int, ...], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = as_given(shape, dtype)
    monkeypatch.setenv("GLACIERTIME_SCAN", "triton")
    found = outcome(given, weighed_in=dtype, chunk_size=32)
    monkeypatch.setenv("GLACIERTIME_SCAN", "chunked")
    double = {name: tensor.detach().double().requires_grad_() for name, tensor in given.items()}
    exact = outcome(double, weighed_in=dtype)
    for name, expected in exact.items():
        assert found[name].dtype == (given[name].dtype if name in given else dtype)
        assert relative_error(found[name], expected) < LIMITS[dtype], name


@interpreted
def test_the_scan_equals_the_plain_loop_of_one_decay_per_head(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ssd_inputs(2, 35, 4, 3, 2, 3)
    monkeypatch.setenv("GLACIERTIME_SCAN", "triton")
    y, last = run(given)
    monkeypatch.setenv("GLACIERTIME_SCAN", "reference")
    expected, expected_last = as_selective_scan(given)
    assert relative_error(y, expected) < 1e-13
    assert relative_error(last, expected_last) < 1e-13


@interpreted
@pytest.mark.parametrize("left_out", ["D", "z", "delta_bias", "h0", "dt"])
def test_what_is_left_out_is_as_if_it_were_neutral(left_out: str, triton_asked: None) -> None:
    given = ssd_inputs(1, 20, 2, 4, 1, 3)
    found = run({name: tensor for name, tensor in given.items() if name != left_out})
    if left_out == "z":
        # The gate that leaves y as it is has silu(z) = 1.
        neutral = torch.full_like(given["z"], 1.2784645427610738)
    else:
        neutral = torch.full_like(given[left_out], 1.0 if left_out == "dt" else 0.0)
    for mine, expected in zip(found, run(given | {left_out: neutral}), strict=True):
        assert relative_error(mine, expected) < 1e-13


@interpreted
def test_gradients_are_those_of_finite_differences(triton_asked: None) -> None:
    given = {name: tensor.requires_grad_() for name, tensor in ssd_inputs(1, 17, 1, 2, 1, 2).items()}

    def scan(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return run(dict(zip(given, tensors, strict=True)), chunk_size=16)

    assert torch.autograd.gradcheck(scan, tuple(given.values()), fast_mode=True)


@interpreted
def test_a_gap_of_zero_and_one_that_forgets_all_stay_finite(triton_asked: None) -> None:
    given = as_given((1, 40, 2, 4, 1, 3), torch.float32)
    with torch.no_grad():
        given["dt"][:, 7] = 0.0
        given["dt"][:, 11] = 1e6
    found = outcome(given, chunk_size=16)
    assert all(bool(tensor.isfinite().all()) for tensor in found.values())
    # Nothing from before the long gap is left.
    later = {name: t[:, 11:] if name not in ("A", "D", "delta_bias", "h0") else t for name, t in given.items()}
    later["h0"] = torch.zeros_like(later["h0"])
    assert relative_error(found["y"][:, 11:], run(later, chunk_size=16)[0]) < 1e-6


@interpreted
def test_one_weight_of_the_input_for_a_head_is_one_for_each_of_its_channels(triton_asked: None) -> None:
    given = as_given((1, 20, 2, 4, 1, 3), torch.float64)
    wide = given | {"D": given["D"].detach()[:, None].repeat(1, 4).requires_grad_()}
    found, expected = outcome(given), outcome(wide)
    assert found["D"].shape == (2,)
    assert relative_error(found["D"], expected.pop("D").sum(1)) < 1e-13
    for name, tensor in expected.items():
        assert relative_error(found[name], tensor) < 1e-13, name


@interpreted
def test_channels_before_samples_in_memory_change_nothing(triton_asked: None) -> None:
    given = ssd_inputs(2, 21, 2, 5, 1, 3)
    turned = {name: t.transpose(1, -1).contiguous().transpose(1, -1) for name, t in given.items() if t.ndim == 4}
    turned["h0"] = given["h0"]
    assert turned["x"].stride() != given["x"].stride()
    for mine, expected in zip(run(given | turned), run(given), strict=True):
        assert torch.equal(mine, expected)


@interpreted
def test_gradient_of_one_result_alone(triton_asked: None) -> None:
    given = as_given((1, 20, 2, 4, 1, 3), torch.float64)
    leaves = [given[name] for name in ("x", "B", "h0")]
    y, last = run(given)
    both = torch.autograd.grad(y.sum() + last.sum(), leaves, retain_graph=True)
    alone = [torch.autograd.grad(found.sum(), leaves, retain_graph=True, allow_unused=True) for found in (y, last)]
    for total, of_y, of_last in zip(both, *alone, strict=True):
        torch.testing.assert_close(of_y + of_last, total)


@interpreted
@pytest.mark.parametrize("half", [False, True])
def test_the_operator_keeps_what_torch_asks_of_operators(half: bool) -> None:
    x, delta, B, C, h0 = (ssd_inputs(1, 20, 2, 4, 1, 3)[name] for name in ("x", "delta", "B", "C", "h0"))
    x, B, C = (t.to(torch.bfloat16 if half else torch.float32).requires_grad_() for t in (x, B, C))
    step = delta.abs().float().requires_grad_()
    log_decay = -delta.abs().float().requires_grad_()
    tests = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_static")
    z = torch.zeros_like(x).requires_grad_()
    D = torch.ones(2, 4, requires_grad=True)
    given = (x, step, log_decay, B, C, D, z, h0.float(), 16)
    torch.library.opcheck(torch.ops.glaciertime.ssd_forward, given, test_utils=tests[:3] if half else tests)


@interpreted
def test_chunks_of_any_size_give_the_same(triton_asked: None) -> None:
    given = ssd_inputs(1, 70, 2, 3, 1, 2)
    step, log_decay = given["delta"].exp(), -given["delta"].abs()
    tensors = (given["x"], step, log_decay, given["B"], given["C"], given["h0"])
    expected = ssd_chunked(*tensors)
    for chunk_size in (1, 16, 20, 1000):
        *positional, h0 = tensors
        for mine, theirs in zip(ssd_triton(*positional, None, None, h0, chunk_size=chunk_size), expected, strict=True):
            assert relative_error(mine, theirs) < 1e-13, chunk_size


@interpreted
def test_states_kept_for_the_way_back_are_of_the_order_of_the_input() -> None:
    """As many numbers as x has, times N over the chunk: no state per sample."""
    x = torch.zeros(1, 640, 1, 16)
    row, matrix = torch.zeros(1, 640, 1), torch.zeros(1, 640, 1, 16)
    _, _, entering, totals = torch.ops.glaciertime.ssd_forward.default(
        *(t.to("meta") for t in (x, row, row, matrix, matrix)), None, None, None, 64
    )
    assert entering.numel() == x.numel() * 16 // 64
    assert totals.numel() == 10


def test_without_interpreter_or_card_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_SCAN", "triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    given = ssd_inputs(1, 3, 1, 1, 1, 1)
    with pytest.raises(Exception, match=r'GLACIERTIME_SCAN is "triton", which runs on cuda'):
        ssd_scan(*(given[name] for name in ("x", "delta", "A", "B", "C")))


@interpreted
def test_a_graph_that_torch_compiles_goes_through_the_scan(triton_asked: None) -> None:
    given = {name: tensor.requires_grad_() for name, tensor in ssd_inputs(1, 20, 2, 4, 1, 3).items()}
    graphs = []

    def backend(graph: torch.fx.GraphModule, _inputs: object) -> object:
        graphs.append(graph)
        return graph.forward

    def scan(*tensors: torch.Tensor) -> torch.Tensor:
        return run(dict(zip(given, tensors, strict=True)))[0].square()

    expected = scan(*given.values())
    y = torch.compile(scan, backend=backend, fullgraph=True)(*given.values())
    assert len(graphs) == 1
    assert any("ssd_forward" in str(node.target) for node in graphs[0].graph.nodes)
    for mine, theirs in zip(
        (y, *torch.autograd.grad(y.sum(), list(given.values()))),
        (expected, *torch.autograd.grad(expected.sum(), list(given.values()))),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)
