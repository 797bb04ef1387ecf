from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glaciertime.errors import InputError
from glaciertime.nn import selective_scan, ssd_scan
from glaciertime.nn.plain.ssd_chunked import ssd_chunked
from tests.nn.cases import relative_error, ssd_inputs

POSITIONAL = ("x", "delta", "A", "B", "C", "D", "z", "delta_bias")


def run(given: dict[str, torch.Tensor | None], **options: object) -> tuple[torch.Tensor, torch.Tensor]:
    return ssd_scan(
        *(given.get(name) for name in POSITIONAL),
        delta_softplus=True,
        h0=given.get("h0"),
        dt=given.get("dt"),
        return_last_state=True,
        **options,
    )


def as_selective_scan(given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the same scan with the decay of a head spelled out for each of its channels and states."""
    _, _, heads, width = given["x"].shape
    states = given["B"].shape[-1]

    def per_channel(values: torch.Tensor) -> torch.Tensor:
        return values.repeat_interleave(width, dim=-1)

    y, last = selective_scan(
        given["x"].flatten(2).mT,
        per_channel(given["delta"]).mT,
        per_channel(given["A"])[:, None].expand(-1, states),
        given["B"].permute(0, 2, 3, 1),
        given["C"].permute(0, 2, 3, 1),
        per_channel(given["D"]) if given["D"].ndim == 1 else given["D"].flatten(),
        given["z"].flatten(2).mT,
        per_channel(given["delta_bias"]),
        delta_softplus=True,
        h0=given["h0"].flatten(1, 2),
        dt=given["dt"],
        return_last_state=True,
    )
    return y.mT.unflatten(-1, (heads, width)), last.unflatten(1, (heads, width))


@pytest.fixture(params=["compiled", "chunked"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GLACIERTIME_SCAN", request.param)
    return request.param


SHAPES = [(1, 1, 1, 1, 1, 1), (2, 5, 4, 3, 2, 3), (1, 70, 2, 16, 1, 16), (2, 33, 6, 20, 3, 10), (1, 65, 2, 40, 2, 37)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_selective_scan_of_one_decay_per_head(
    backend: str, shape: tuple[int, ...], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ssd_inputs(*shape, dtype=dtype)
    y, last = run(given)
    monkeypatch.setenv("GLACIERTIME_SCAN", "reference")
    expected, expected_last = as_selective_scan({name: tensor.double() for name, tensor in given.items()})
    tolerance = 1e-5 if dtype == torch.float32 else 1e-13
    assert y.dtype == dtype
    assert relative_error(y, expected) < tolerance
    assert relative_error(last, expected_last) < tolerance


def test_weight_of_the_input_may_be_per_channel(backend: str) -> None:
    given = ssd_inputs(2, 9, 2, 5, 1, 3)
    given["D"] = torch.arange(10.0, dtype=torch.float64).reshape(2, 5)
    assert relative_error(run(given)[0], as_selective_scan(given)[0]) < 1e-13


@pytest.mark.parametrize("gap", [1e2, 1e4, 1e6])
def test_a_long_gap_costs_its_neighbours_no_figures(backend: str, gap: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference of two running sums of log decays has none left beside a gap of a million."""
    given = ssd_inputs(1, 40, 2, 4, 1, 3)
    given["dt"][:, 11] = gap
    results = {}
    for dtype in (torch.float64, torch.float32):
        leaves = {name: tensor.to(dtype, copy=True).requires_grad_() for name, tensor in given.items()}
        y, last = run(leaves)
        results[dtype] = [y, last, *torch.autograd.grad(y.sum() + last.sum(), list(leaves.values()))]
    for name, mine, exact in zip(("y", "last", *given), results[torch.float32], results[torch.float64], strict=True):
        assert relative_error(mine, exact) < 2e-6, name


@pytest.mark.parametrize("shape", [(2, 5, 4, 3, 2, 3), (1, 20, 2, 9, 1, 5)])
def test_gradients_of_every_input_are_those_of_finite_differences(backend: str, shape: tuple[int, ...]) -> None:
    given = {name: tensor.requires_grad_() for name, tensor in ssd_inputs(*shape).items()}

    def scan(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return run(dict(zip(given, tensors, strict=True)), chunk_size=8)

    assert torch.autograd.gradcheck(scan, tuple(given.values()), fast_mode=True)


@pytest.mark.parametrize("length", [1, 63, 64, 150])
def test_compiled_gradients_equal_those_of_the_products(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ssd_inputs(2, length, 4, 24, 2, 33, dtype=torch.float32)
    grads = {}
    for backend, dtype in (("compiled", torch.float32), ("chunked", torch.float64)):
        monkeypatch.setenv("GLACIERTIME_SCAN", backend)
        leaves = {name: tensor.to(dtype, copy=True).requires_grad_() for name, tensor in given.items()}
        y, last = run(leaves)
        weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        ((y * weights).sum() + last.sum()).backward()
        grads[backend] = {name: leaf.grad for name, leaf in leaves.items()}
    for name in given:
        assert relative_error(grads["compiled"][name], grads["chunked"][name]) < 1e-5, name


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 300), chunk_size=st.integers(1, 70), seed=st.integers(0, 1000))
def test_size_of_the_chunks_changes_nothing(length: int, chunk_size: int, seed: int) -> None:
    given = ssd_inputs(1, length, 2, 3, 1, 2, seed=seed)
    step, log_decay = given["delta"].exp(), -given["delta"].abs()
    products = [
        ssd_chunked(given["x"], step, log_decay, given["B"], given["C"], given["h0"], chunk_size=size)
        for size in (chunk_size, 64)
    ]
    for mine, theirs in zip(*products, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 80), place=st.integers(0, 79), share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_a_gap_split_in_two_by_a_sample_without_input_changes_nothing(
    length: int, place: int, share: float, seed: int
) -> None:
    place %= length
    given = ssd_inputs(1, length, 2, 3, 1, 2, seed=seed)
    y, last = run(given)
    split = dict(given)
    for name in ("x", "delta", "B", "C", "z", "dt"):
        split[name] = torch.cat([given[name][:, : place + 1], given[name][:, place:]], dim=1)
    split["x"][:, place] = 0
    split["dt"][:, place] = share * given["dt"][:, place]
    split["dt"][:, place + 1] = (1 - share) * given["dt"][:, place]
    y_split, last_split = run(split)
    kept = [t for t in range(length + 1) if t != place]
    torch.testing.assert_close(y_split[:, kept], y, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(last_split, last, rtol=1e-9, atol=1e-11)


def test_threads_change_nothing() -> None:
    given = {name: tensor.requires_grad_() for name, tensor in ssd_inputs(1, 200, 6, 32, 2, 64).items()}
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        y, _ = run(given)
        results.append((y, *torch.autograd.grad(y.square().sum(), list(given.values()))))
    for other in results[1:]:
        for mine, theirs in zip(results[0], other, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_its_dtype(backend: str, dtype: torch.dtype) -> None:
    given = ssd_inputs(1, 40, 2, 4, 1, 3, dtype=dtype)
    y, last = run(given)
    assert y.dtype == last.dtype == dtype
    expected, _ = as_selective_scan({name: tensor.double() for name, tensor in given.items()})
    assert relative_error(y, expected) < 2e-2


WRONG = {
    "x": (torch.zeros(2, 5, 4), r"x has shape \(2, 5, 4\), expected \(B, L, H, P\)"),
    "delta": (torch.zeros(2, 4, 5), r"delta has shape \(2, 4, 5\), expected \(B=2, L=5, H=4\)"),
    "A": (torch.zeros(4, 1), r"A has shape \(4, 1\), expected \(H=4\)"),
    "B": (torch.zeros(2, 5, 3, 3), r"B has shape .* with 3 groups, expected a number of groups that divides H=4"),
    "C": (torch.zeros(2, 5, 1, 3), r"C has shape \(2, 5, 1, 3\), expected \(B=2, L=5, G=2, N=3\)"),
    "D": (torch.zeros(4, 2), r"D has shape \(4, 2\), expected \(H=4, P=3\)"),
    "z": (torch.zeros(2, 5, 4), r"z has shape \(2, 5, 4\), expected"),
    "delta_bias": (torch.zeros(3), r"delta_bias has shape \(3,\), expected \(H=4\)"),
    "h0": (torch.zeros(2, 4, 3), r"h0 has shape \(2, 4, 3\), expected"),
    "dt": (torch.zeros(2, 6), r"dt has shape \(2, 6\), expected \(B=2, L=5\)"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_a_wrong_shape_is_named(name: str) -> None:
    tensor, message = WRONG[name]
    given = ssd_inputs(2, 5, 4, 3, 2, 3, dtype=torch.float32)
    if name == "B":
        given["C"] = tensor
    with pytest.raises(InputError, match=message):
        run(given | {name: tensor})


@pytest.mark.parametrize("name", list(WRONG))
def test_a_missing_value_is_named(name: str) -> None:
    given = ssd_inputs(2, 5, 4, 3, 2, 3)
    given[name].view(-1)[0] = float("nan")
    with pytest.raises(InputError, match=rf"{name} of shape .* holds 1 value that is NaN or infinite"):
        run(given)


def test_chunks_of_no_sample_are_refused() -> None:
    with pytest.raises(InputError, match="chunk_size is 0, expected at least 1"):
        run(ssd_inputs(1, 2, 1, 1, 1, 1), chunk_size=0)
