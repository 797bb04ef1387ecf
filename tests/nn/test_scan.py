from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glaciertime.errors import InputError
from glaciertime.nn import selective_scan
from glaciertime.nn.plain.reference import selective_scan_reference
from tests.nn.cases import relative_error, scan_in_numpy, scan_inputs

POSITIONAL = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
BACKENDS = ("compiled", "chunked", "reference")


def run(given: dict[str, torch.Tensor | None], **options: object) -> tuple[torch.Tensor, torch.Tensor]:
    positional = [given.get(name) for name in POSITIONAL]
    return selective_scan(
        *positional,
        delta_softplus=True,
        h0=given.get("h0"),
        dt=given.get("dt"),
        return_last_state=True,
        **options,
    )


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GLACIERTIME_SCAN", request.param)
    return request.param


# Lengths around the kernels' tiles (16 and 8) and runs (32), channels around their blocks.
SHAPES = [(1, 1, 1, 1), (2, 3, 5, 2), (2, 16, 32, 4), (1, 17, 33, 3), (1, 20, 70, 16), (3, 8, 15, 5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_recurrence_number_by_number(
    backend: str, shape: tuple[int, int, int, int], dtype: torch.dtype
) -> None:
    given = scan_inputs(*shape, dtype=dtype)
    y, last = run(given)
    expected_y, expected_last = scan_in_numpy(given)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-13
    assert y.dtype == dtype
    assert relative_error(y, expected_y) < tolerance
    assert relative_error(last, expected_last) < tolerance


@pytest.mark.parametrize("absent", ["D", "z", "delta_bias", "h0", "dt"])
def test_equals_the_recurrence_without_an_optional_argument(backend: str, absent: str) -> None:
    given = scan_inputs(2, 18, 37, 4)
    del given[absent]
    y, last = run(given)
    expected_y, expected_last = scan_in_numpy(given)
    assert relative_error(y, expected_y) < 1e-13
    assert relative_error(last, expected_last) < 1e-13


@pytest.mark.parametrize("groups", [1, 3])
def test_groups_share_what_enters_and_what_is_read(backend: str, groups: int) -> None:
    given = scan_inputs(2, 12, 19, 3, groups=groups)
    assert relative_error(run(given)[0], scan_in_numpy(given)[0]) < 1e-13


@pytest.mark.parametrize("fixed", [("B",), ("C",), ("B", "C")])
def test_matrices_may_be_constant_in_time(fixed: tuple[str, ...]) -> None:
    given = scan_inputs(2, 6, 9, 3)
    for name in fixed:
        given[name] = scan_inputs(1, 6, 1, 3, seed=7)["A"]
    assert relative_error(run(given)[0], scan_in_numpy(given)[0]) < 1e-13


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("length", [16, 45])
def test_any_strides_give_the_same(backend: str, channels_last: bool, length: int) -> None:
    given = scan_inputs(2, 32, length, 3, channels_last=channels_last)
    expected = run(given)[0]
    strided = {}
    for name, tensor in given.items():
        roomy = tensor.new_full([2 * size for size in tensor.shape], float("inf"))
        window = roomy[tuple(slice(None, None, 2) for _ in tensor.shape)]
        window.copy_(tensor)
        strided[name] = window
    torch.testing.assert_close(run(strided)[0], expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("groups", [0, 2])
@pytest.mark.parametrize("shape", [(2, 4, 5, 2), (1, 18, 20, 2)])
def test_gradients_of_every_input_are_those_of_finite_differences(
    backend: str, shape: tuple[int, int, int, int], groups: int
) -> None:
    if backend == "reference" and shape[1] > 4:
        pytest.skip("autograd's own loop: the small shape is enough")
    given = {name: tensor.requires_grad_() for name, tensor in scan_inputs(*shape, groups=groups).items()}

    def scan(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return run(dict(zip(given, tensors, strict=True)))

    assert torch.autograd.gradcheck(scan, tuple(given.values()), fast_mode=True)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("length", [1, 31, 32, 67, 200])
def test_compiled_gradients_equal_those_of_the_plain_loop(length: int, channels_last: bool) -> None:
    given = scan_inputs(3, 40, length, 5, dtype=torch.float32, channels_last=channels_last)
    mine = {name: tensor.clone().requires_grad_() for name, tensor in given.items()}
    theirs = {name: tensor.double().requires_grad_() for name, tensor in given.items()}
    y, last = run(mine)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    ((y * weights).sum() + last.sum()).backward()
    positional = [theirs[name] for name in POSITIONAL]
    y, last = selective_scan_reference(*positional, delta_softplus=True, h0=theirs["h0"], dt=theirs["dt"])
    ((y * weights).sum() + last.sum()).backward()
    for name in given:
        assert relative_error(mine[name].grad, theirs[name].grad) < 1e-5, name


def test_gradient_through_one_output_alone(backend: str) -> None:
    for output in (0, 1):
        given = {name: tensor.requires_grad_() for name, tensor in scan_inputs(1, 3, 6, 2).items() if name != "z"}
        run(given)[output].sum().backward()
        assert given["u"].grad is not None
        assert torch.isfinite(given["u"].grad).all()


def test_threads_change_nothing() -> None:
    given = {name: tensor.requires_grad_() for name, tensor in scan_inputs(1, 64, 600, 16).items()}
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            y, _ = run(given)
            results.append((y, *torch.autograd.grad(y.square().sum(), list(given.values()))))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for mine, theirs in zip(results[0], other, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_closed_form_of_a_constant_input() -> None:
    # With decay a and unit drive, h[t] = (1 - a**(t + 1)) / (1 - a).
    ones = torch.ones(1, 1, 50, dtype=torch.float64)
    rate = torch.tensor([[-0.2]], dtype=torch.float64)
    a = torch.exp(rate[0, 0])
    expected = (1 - a ** torch.arange(1, 51)) / (1 - a)
    torch.testing.assert_close(selective_scan(ones, ones, rate, ones, ones)[0, 0], expected)


@settings(max_examples=30, deadline=None)
@given(
    length=st.integers(1, 40),
    place=st.integers(0, 39),
    share=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_a_gap_split_in_two_by_a_sample_without_input_changes_nothing(
    length: int, place: int, share: float, seed: int
) -> None:
    place %= length
    given = scan_inputs(1, 5, length, 3, seed=seed)
    y, last = run(given)
    split = dict(given)
    for name in ("u", "delta", "B", "C", "z", "dt"):
        tensor = given[name]
        split[name] = torch.cat([tensor[..., : place + 1], tensor[..., place:]], dim=-1)
    split["u"][..., place] = 0
    split["dt"][:, place] = share * given["dt"][:, place]
    split["dt"][:, place + 1] = (1 - share) * given["dt"][:, place]
    y_split, last_split = run(split)
    kept = [t for t in range(length + 1) if t != place]
    torch.testing.assert_close(y_split[..., kept], y, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(last_split, last, rtol=1e-9, atol=1e-11)


def test_twice_the_gap_decays_twice_as_far() -> None:
    u = torch.zeros(1, 1, 1, dtype=torch.float64)
    ones = torch.ones_like(u)
    rate = torch.tensor([[-0.3]], dtype=torch.float64)
    decays = [
        selective_scan(u, ones, rate, ones, ones, h0=ones, dt=torch.tensor([[gap]], dtype=torch.float64)).log().item()
        for gap in (1.0, 2.0)
    ]
    assert decays[1] == pytest.approx(2 * decays[0], rel=1e-12)


def test_gaps_of_one_are_no_gaps() -> None:
    given = scan_inputs(2, 5, 9, 3)
    expected = run(given | {"dt": None})[0]
    torch.testing.assert_close(run(given | {"dt": torch.ones(2, 9, dtype=torch.float64)})[0], expected)


@settings(max_examples=25, deadline=None)
@given(length=st.integers(2, 80), cut=st.integers(1, 79), seed=st.integers(0, 1000))
def test_a_sequence_in_two_calls_equals_one(length: int, cut: int, seed: int) -> None:
    cut = 1 + cut % (length - 1)
    given = scan_inputs(2, 4, length, 3, seed=seed)
    y, last = run(given)
    over_time = ("u", "delta", "B", "C", "z", "dt")
    head = given | {name: given[name][..., :cut] for name in over_time}
    tail = given | {name: given[name][..., cut:] for name in over_time}
    y_head, between = run(head)
    y_tail, end = run(tail | {"h0": between})
    torch.testing.assert_close(torch.cat([y_head, y_tail], dim=-1), y, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(end, last, rtol=1e-10, atol=1e-12)


def test_nothing_depends_on_what_comes_later(backend: str) -> None:
    given = scan_inputs(1, 4, 40, 3)
    changed = {name: tensor.clone() for name, tensor in given.items()}
    for name in ("u", "delta", "B", "C", "z", "dt"):
        changed[name][..., 25:] += 1
    before, after = run(given)[0], run(changed)[0]
    assert torch.equal(before[..., :25], after[..., :25])
    assert not torch.allclose(before[..., 25:], after[..., 25:])


def test_long_sequence_in_float32_stays_within_one_in_a_hundred_thousand() -> None:
    given = scan_inputs(1, 16, 4096, 16, dtype=torch.float32)
    y, last = run(given)
    positional = [given[name].double() for name in POSITIONAL]
    expected, expected_last = selective_scan_reference(
        *positional, delta_softplus=True, h0=given["h0"].double(), dt=given["dt"].double()
    )
    assert relative_error(y, expected) < 1e-5
    assert relative_error(last, expected_last) < 1e-5


def test_steps_far_from_zero_neither_overflow_nor_vanish() -> None:
    given = scan_inputs(1, 16, 4, 2, dtype=torch.float32)
    given["delta"] = torch.tensor([-60.0, -10.0, 10.0, 200.0]).expand(1, 16, 4)
    del given["delta_bias"], given["dt"]
    y, _ = run(given)
    assert relative_error(y, scan_in_numpy(given)[0]) < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    given = scan_inputs(1, 4, 30, 3, dtype=dtype)
    y, last = run(given)
    assert y.dtype == last.dtype == dtype
    assert relative_error(y, scan_in_numpy(given)[0]) < 1e-2


def test_memory_kept_for_the_backward_pass_is_of_the_order_of_the_input() -> None:
    given = scan_inputs(1, 64, 2048, 64, dtype=torch.float32)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (kept.append(tensor.numel()), tensor)[1], lambda t: t):
        run({name: tensor.requires_grad_() for name, tensor in given.items()})
    assert sum(kept) < 8 * given["u"].numel()


WRONG = {
    "u": (torch.zeros(2, 3), r"u has shape \(2, 3\), expected \(B, D, L\)"),
    "delta": (torch.zeros(2, 4, 6), r"delta has shape \(2, 4, 6\), expected \(B=2, D=4, L=5\)"),
    "A": (torch.zeros(3, 3), r"A has shape \(3, 3\), expected \(D=4, N\)"),
    "B": (torch.zeros(2, 3, 4), r"B has shape \(2, 3, 4\), expected \(B=2, N=3, L=5\)"),
    "C": (torch.zeros(2, 3, 3, 5), r"C has shape .* with 3 groups, expected a number of groups that divides D=4"),
    "D": (torch.zeros(5), r"D has shape \(5,\), expected \(D=4\)"),
    "z": (torch.zeros(2, 4), r"z has shape \(2, 4\), expected \(B=2, D=4, L=5\)"),
    "delta_bias": (torch.zeros(1), r"delta_bias has shape \(1,\), expected \(D=4\)"),
    "h0": (torch.zeros(2, 4), r"h0 has shape \(2, 4\), expected \(B=2, D=4, N=3\)"),
    "dt": (torch.zeros(5), r"dt has shape \(5,\), expected \(B=2, L=5\)"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_a_wrong_shape_is_named(name: str) -> None:
    tensor, message = WRONG[name]
    with pytest.raises(InputError, match=message):
        run(scan_inputs(2, 4, 5, 3, dtype=torch.float32) | {name: tensor})


@pytest.mark.parametrize("name", list(WRONG))
def test_a_wrong_dtype_is_named(name: str) -> None:
    given = scan_inputs(2, 4, 5, 3, dtype=torch.float32)
    with pytest.raises(InputError, match=r"has dtype float\d\d and shape .*, expected float\d\d like u"):
        run(given | {name: given[name].double()})


@pytest.mark.parametrize("name", list(WRONG))
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_missing_value_is_named(name: str, value: float) -> None:
    given = scan_inputs(2, 4, 5, 3)
    given[name].view(-1)[-1] = value
    with pytest.raises(InputError, match=rf"{name} of shape .* holds 1 value that is NaN or infinite"):
        run(given)


def test_a_negative_gap_is_refused() -> None:
    given = scan_inputs(1, 2, 3, 2)
    given["dt"][0, 1] = -0.25
    with pytest.raises(InputError, match=r"dt of shape \(1, 3\) holds a negative gap \(-0.25\)"):
        run(given)


def test_another_device_is_named() -> None:
    given = scan_inputs(1, 2, 3, 2)
    with pytest.raises(InputError, match=r"A of shape \(2, 2\) is on meta, expected cpu like u"):
        run(given | {"A": given["A"].to("meta")})


def test_no_sample_is_refused() -> None:
    with pytest.raises(InputError, match="at least one channel, one state and one sample"):
        run(scan_inputs(1, 2, 0, 2))


def test_whole_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="u has dtype int64"):
        run(scan_inputs(1, 2, 3, 2) | {"u": torch.zeros(1, 2, 3, dtype=torch.int64)})


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(InputError, match=r"delta is list, expected a torch.Tensor"):
        run(scan_inputs(1, 2, 3, 2) | {"delta": [1.0]})
