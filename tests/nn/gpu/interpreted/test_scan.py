"""The kernels of the selective scan, interpreted, against the plain loop in float64."""

from __future__ import annotations

import logging

import pytest
import torch

from glaciertime.errors import InputError
from glaciertime.nn import MambaBlock, backends, selective_scan
from glaciertime.nn.gpu import scan as gpu_scan
from glaciertime.nn.gpu import scan_launch, scan_plan
from glaciertime.nn.plain.reference import selective_scan_reference
from tests.nn.cases import relative_error, scan_inputs

POSITIONAL = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
HALVES = ("u", "delta", "B", "C", "z")
LIMITS = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 1e-2}


@pytest.fixture(autouse=True)
def _on_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIERTIME_SCAN", "triton")


def outcome(scan: object, given: dict[str, torch.Tensor], softplus: bool = True) -> dict[str, torch.Tensor]:
    """Return y, the last state, and the gradients of a weighted sum of both."""
    tensors = {name: tensor.detach().requires_grad_() for name, tensor in given.items()}
    positional = [tensors.get(name) for name in POSITIONAL]
    options = {"return_last_state": True} if scan is selective_scan else {}
    y, last = scan(*positional, delta_softplus=softplus, h0=tensors.get("h0"), dt=tensors.get("dt"), **options)
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out.dtype) for out in (y, last)]
    total = (y * weights[0]).sum() + (last * weights[1]).sum()
    grads = torch.autograd.grad(total, list(tensors.values()))
    return {"y": y, "last": last} | {f"gradient of {name}": grad for name, grad in zip(tensors, grads, strict=True)}


def check(given: dict[str, torch.Tensor], softplus: bool = True) -> None:
    found = outcome(selective_scan, given, softplus)
    expected = outcome(selective_scan_reference, {n: tensor.double() for n, tensor in given.items()}, softplus)
    limit = LIMITS[given["u"].dtype]
    for name in expected:
        assert relative_error(found[name], expected[name].detach()) < limit, name
    assert found["y"].dtype == given["u"].dtype
    for name, tensor in given.items():
        assert found[f"gradient of {name}"].dtype == tensor.dtype


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 2), (1, 5, 8, 3)])
def test_equals_the_plain_loop(shape: tuple[int, int, int, int]) -> None:
    check(scan_inputs(*shape, dtype=torch.float32))


@pytest.mark.parametrize("absent", [{"D"}, {"z"}, {"delta_bias"}, {"h0"}, {"dt"}, {"D", "z", "delta_bias", "h0", "dt"}])
def test_equals_the_plain_loop_without_optional_arguments(absent: set[str]) -> None:
    given = scan_inputs(1, 3, 4, 2, dtype=torch.float32)
    check({name: tensor for name, tensor in given.items() if name not in absent})


def test_a_step_without_softplus() -> None:
    given = scan_inputs(1, 3, 6, 2, dtype=torch.float32)
    given["delta"] = given["delta"].abs()
    check(given | {"delta_bias": given["delta_bias"].abs()}, softplus=False)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_every_dtype_with_parameters_in_single_precision(dtype: torch.dtype) -> None:
    given = scan_inputs(1, 3, 7, 2, dtype=dtype)
    if dtype.itemsize == 2:
        given = {name: tensor if name in HALVES else tensor.float() for name, tensor in given.items()}
    check(given)


def test_parameters_in_half_precision_too() -> None:
    check(scan_inputs(1, 2, 4, 2, dtype=torch.bfloat16))


def test_groups_share_what_enters_and_what_is_read() -> None:
    check(scan_inputs(1, 6, 4, 2, groups=2, dtype=torch.float32))
    given = scan_inputs(1, 6, 4, 2, groups=2, dtype=torch.float32)
    check(given | {"B": given["B"][:, 0]})


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Launches are remembered by shape; another cut must not find them."""
    monkeypatch.setattr(scan_launch, "_recipes", {})


@pytest.fixture
def many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small inputs as large ones are: chunks of eight samples, blocks of four channels."""
    forget(monkeypatch)
    monkeypatch.setattr(scan_plan, "_LEAST_SAMPLES", 8)
    monkeypatch.setattr(scan_plan, "_NARROW_NUMBERS", 8)
    monkeypatch.setattr(scan_plan, "_WIDE_NUMBERS", 16)


@pytest.mark.parametrize("absent", [set(), {"h0", "dt", "z"}])
def test_chunks_and_blocks_are_put_together(many_parts: None, absent: set[str]) -> None:
    given = scan_inputs(1, 6, 19, 3, dtype=torch.float32)
    plan = scan_plan.make_plan(given["u"], 3, 1)
    assert (plan.chunks, plan.narrow_blocks, plan.width, plan.share) == (3, 3, 4, 2)
    check({name: tensor for name, tensor in given.items() if name not in absent})


@pytest.mark.parametrize("absent", [set(), {"h0", "dt", "z"}])
def test_chunks_are_put_together_before(many_parts: None, monkeypatch: pytest.MonkeyPatch, absent: set[str]) -> None:
    """In pieces of two chunks and four channels, of which neither the chunks nor the channels are a multiple."""
    monkeypatch.setattr(scan_plan, "_CARRIED_BY_ALL", 1)
    monkeypatch.setattr(scan_launch, "_TALL", 2)
    monkeypatch.setattr(scan_launch, "_LANES", 4)
    given = scan_inputs(2, 6, 19, 3, dtype=torch.float32)
    plan = scan_plan.make_plan(given["u"], 3, 1)
    assert plan.is_carried_before
    assert plan.chunks == 3
    check({name: tensor for name, tensor in given.items() if name not in absent})


@pytest.mark.parametrize("carried_by_all", [0, 16])
def test_many_chunks_are_carried_over(monkeypatch: pytest.MonkeyPatch, carried_by_all: int) -> None:
    forget(monkeypatch)
    monkeypatch.setattr(scan_plan, "_CARRIED_BY_ALL", carried_by_all)
    given = scan_inputs(1, 1, 36, 1, dtype=torch.float32)
    plan = scan_plan.cut(given["u"], 1, 1, narrow=1, width=1, chunks=9, share=1)
    assert plan.chunks == 9
    monkeypatch.setattr(scan_launch, "make_plan", lambda *_: plan)
    check(given)


def test_a_second_call_is_another_call() -> None:
    # The launch is remembered, the tensors are not.
    for seed in (0, 1):
        check(scan_inputs(1, 2, 4, 2, dtype=torch.float32, seed=seed))


def test_what_was_scanned_before_is_scanned_without_another_look() -> None:
    """As selective_scan does it on CUDA, whose values it does not look at."""
    given = scan_inputs(1, 2, 4, 2, dtype=torch.float32)
    expected = selective_scan(*list(given.values())[:8], h0=given["h0"], dt=given["dt"], return_last_state=True)
    other = {name: tensor.clone() for name, tensor in given.items()}
    y, last = gpu_scan.scan_again(tuple(other.values()), delta_softplus=False, wants_last=True)
    torch.testing.assert_close((y, last), expected)
    y, last = gpu_scan.scan_again(tuple(other.values()), delta_softplus=False, wants_last=False)
    torch.testing.assert_close(y, expected[0])
    assert last is None


@pytest.mark.parametrize("change", ["shape", "dtype", "stride", "no tensor", "absent", "softplus"])
def test_another_kind_of_tensors_is_looked_at_again(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What other tests scanned is forgotten.
    monkeypatch.setattr("glaciertime.nn.gpu.scan_launch._recipes", {})
    given = scan_inputs(1, 2, 4, 2, dtype=torch.float32)
    selective_scan(*list(given.values())[:8], h0=given["h0"], dt=given["dt"])
    changed = {
        "shape": {"D": torch.zeros(3)},
        "dtype": {"A": given["A"].double()},
        "stride": {"h0": given["h0"].mT.contiguous().mT},
        "no tensor": {"z": [1.0]},
        "absent": {"dt": None},
        "softplus": {},
    }[change]
    tensors = tuple((given | changed).values())
    assert gpu_scan.scan_again(tensors, delta_softplus=change == "softplus", wants_last=True) is None


@pytest.mark.parametrize("length", [4, 6])
def test_any_strides_give_the_same(length: int) -> None:
    given = scan_inputs(2, 3, length, 2, dtype=torch.float32)
    expected = outcome(selective_scan, given)
    strided = {}
    for name, tensor in given.items():
        roomy = tensor.new_full([2 * size for size in tensor.shape], float("inf"))
        window = roomy[tuple(slice(None, None, 2) for _ in tensor.shape)]
        strided[name] = window.copy_(tensor)
    transposed = {name: t.mT.contiguous().mT if t.ndim == 3 else t for name, t in given.items()}
    for other in (strided, transposed):
        for name, tensor in outcome(selective_scan, other).items():
            torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-6)


def test_what_is_expanded_keeps_its_gradient() -> None:
    given = scan_inputs(2, 3, 4, 2, dtype=torch.float32)
    check(given | {"dt": given["dt"][:1].expand(2, 4), "u": given["u"][:, :1].expand(2, 3, 4)})


def test_gradients_are_those_of_finite_differences() -> None:
    given = {name: tensor.requires_grad_() for name, tensor in scan_inputs(1, 2, 5, 2).items()}

    def scan(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        *positional, h0, dt = tensors
        return selective_scan(*positional, delta_softplus=True, h0=h0, dt=dt, return_last_state=True)

    assert torch.autograd.gradcheck(scan, tuple(given.values()), fast_mode=True)


@pytest.mark.parametrize("output", [0, 1])
def test_gradient_through_one_output_alone(output: int) -> None:
    grads = []
    for scan in (selective_scan, selective_scan_reference):
        given = {name: tensor.requires_grad_() for name, tensor in scan_inputs(1, 2, 4, 2).items() if name != "z"}
        positional = [given.get(name) for name in POSITIONAL]
        options = {"return_last_state": True} if scan is selective_scan else {}
        result = scan(*positional, delta_softplus=True, h0=given["h0"], dt=given["dt"], **options)[output]
        grads.append(torch.autograd.grad(result.sum(), list(given.values()), allow_unused=True))
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, torch.zeros_like(mine) if theirs is None else theirs)


def test_no_sample_of_a_batch_is_no_error() -> None:
    given = {name: tensor.requires_grad_() for name, tensor in scan_inputs(1, 2, 4, 2).items()}
    given = {name: tensor[:0] if name not in ("A", "D", "delta_bias") else tensor for name, tensor in given.items()}
    found = outcome(selective_scan, given)
    assert found["y"].shape == (0, 2, 4)
    assert found["last"].shape == (0, 2, 2)
    assert found["gradient of A"].abs().sum() == 0


def test_steps_far_from_zero_neither_overflow_nor_vanish() -> None:
    given = scan_inputs(1, 2, 4, 2, dtype=torch.float32)
    given["delta"] = torch.tensor([-60.0, -10.0, 10.0, 80.0]).expand(1, 2, 4)
    del given["delta_bias"], given["dt"]
    check(given)


def test_a_compiled_graph_goes_on_through_the_operator() -> None:
    given = list(scan_inputs(1, 2, 3, 2, dtype=torch.float32).values())

    def scan(*tensors: torch.Tensor) -> torch.Tensor:
        *positional, h0, dt = tensors
        y, last = selective_scan(*positional, delta_softplus=True, h0=h0, dt=dt, return_last_state=True)
        return y.square().sum() + last.sum()

    results = []
    for call in (scan, torch.compile(scan, backend="aot_eager", fullgraph=True)):
        tensors = [tensor.detach().requires_grad_() for tensor in given]
        total = call(*tensors)
        results.append([total, *torch.autograd.grad(total, tensors)])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_graph_that_is_compiled_is_not_one_that_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever torch says while it traces: releases differ."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    u, _, _, B, C = list(scan_inputs(1, 2, 3, 2).values())[:5]
    assert backends.stays_in_graph(u, B, C)
    monkeypatch.setattr(torch.compiler, "_is_exporting_flag", True)
    assert not backends.stays_in_graph(u, B, C)


def test_one_compiled_graph_takes_any_batch_and_length() -> None:
    def scan(*tensors: torch.Tensor) -> torch.Tensor:
        return selective_scan(*tensors)

    compiled = torch.compile(scan, backend="aot_eager", fullgraph=True, dynamic=True)
    for batch, length in ((2, 5), (3, 4)):
        tensors = list(scan_inputs(batch, 2, length, 2, dtype=torch.float32).values())[:5]
        torch.testing.assert_close(compiled(*tensors), scan(*tensors))


def test_the_operator_keeps_torchs_rules() -> None:
    given = scan_inputs(1, 1, 2, 1, dtype=torch.float32)
    given = {name: tensor.requires_grad_() for name, tensor in given.items()}
    given |= {name: given[name][:, None] for name in "BC"}
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(gpu_scan.scan_operator, (*given.values(), True, True), test_utils=tests)


def test_a_compiled_block_trains() -> None:
    torch.manual_seed(0)
    block = MambaBlock(4, d_state=2)
    x, dt = torch.randn(1, 3, 4), torch.rand(1, 3)
    compiled = torch.compile(block, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, dt=dt), block(x, dt=dt))
    compiled(x, dt=dt).sum().backward()
    assert block.mixer.A_log.grad.abs().sum() > 0


def test_autocast_does_not_take_the_states_to_half_precision() -> None:
    given = scan_inputs(1, 2, 4, 2, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        check(given)


def test_the_choice_is_told(caplog: pytest.LogCaptureFixture) -> None:
    backends._told.cache_clear()
    with caplog.at_level(logging.INFO, logger="glaciertime.nn"):
        selective_scan(*list(scan_inputs(1, 1, 1, 1).values())[:5])
    assert caplog.messages == ["selective scan: triton on cpu, as GLACIERTIME_SCAN says"]


def test_matrices_constant_in_time_are_refused_where_triton_is_asked_for() -> None:
    u, delta, A, _, C = list(scan_inputs(1, 2, 3, 2).values())[:5]
    with pytest.raises(InputError, match=r'GLACIERTIME_SCAN is "triton", which needs B and C with a time axis'):
        selective_scan(u, delta, A, A, C)
