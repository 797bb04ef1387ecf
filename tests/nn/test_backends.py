from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from glaciertime.errors import InputError
from glaciertime.nn import MambaBlock, backends, selective_scan, ssd_scan
from glaciertime.nn.cpu.jit import compile_cached, source_stamp
from glaciertime.nn.cpu.launch import divide_blocks, share_out, usable_threads
from tests.nn.cases import scan_inputs, ssd_inputs


def small() -> list[torch.Tensor]:
    given = scan_inputs(1, 3, 4, 2)
    return [given[name] for name in ("u", "delta", "A", "B", "C")]


def test_the_choice_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    backends._told.cache_clear()
    given = ssd_inputs(1, 3, 1, 2, 1, 2)
    with caplog.at_level(logging.INFO, logger="glaciertime.nn"):
        for _ in range(3):
            selective_scan(*small())
            ssd_scan(*(given[name] for name in ("x", "delta", "A", "B", "C")))
    assert caplog.messages == ["selective scan: compiled on cpu", "Mamba-2 scan: compiled on cpu"]


def test_the_variable_overrides(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    backends._told.cache_clear()
    monkeypatch.setenv("GLACIERTIME_SCAN", "reference")
    with caplog.at_level(logging.INFO, logger="glaciertime.nn"):
        selective_scan(*small())
    assert caplog.messages == ["selective scan: reference on cpu, as GLACIERTIME_SCAN says"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("compilde", r'GLACIERTIME_SCAN is "compilde", expected one of compiled, .*; did you mean "compiled"\?'),
        ("mamba_ssm", r'which runs on cuda, the input of shape \(1, 3, 4\) is on cpu; unset it or choose "chunked"'),
    ],
)
def test_a_variable_that_cannot_be_followed_is_refused(
    value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLACIERTIME_SCAN", value)
    with pytest.raises(InputError, match=message):
        selective_scan(*small())


def test_matrices_constant_in_time_are_not_for_the_compiled_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    u, delta, A, _, C = small()
    B = torch.ones_like(A)
    assert backends.choose_backend(u, B, C, plain=True) == "chunked"
    monkeypatch.setenv("GLACIERTIME_SCAN", "compiled")
    with pytest.raises(InputError, match="needs B and C with a time axis"):
        selective_scan(u, delta, A, B, C)


def test_importing_brings_no_cuda_package_and_the_root_no_torch() -> None:
    program = (
        "import sys, glaciertime; assert 'torch' not in sys.modules, 'torch'; import glaciertime.nn; "
        "found = {'mamba_ssm', 'causal_conv1d', 'triton', 'numba'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_threads_of_the_caller_may_scan_at_once() -> None:
    given = small()
    expected = selective_scan(*given)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: selective_scan(*given), range(40)):
            assert torch.equal(result, expected)


def test_a_compiled_graph_gives_the_same() -> None:
    torch.manual_seed(0)
    block = MambaBlock(4, d_state=2)
    x, dt = torch.randn(2, 6, 4), torch.rand(2, 6)
    compiled = torch.compile(block, backend="aot_eager")
    torch.testing.assert_close(compiled(x, dt=dt), block(x, dt=dt))
    compiled(x, dt=dt).sum().backward()
    assert block.mixer.A_log.grad is not None


@pytest.mark.parametrize(("tasks", "threads"), [(1, 1), (5, 2), (7, 3), (8, 8)])
def test_every_task_is_shared_out_once(tasks: int, threads: int) -> None:
    seen: list[tuple[int, int]] = []
    share_out(tasks, threads, lambda first, stop, thread: seen.extend((task, thread) for task in range(first, stop)))
    assert sorted(task for task, _ in seen) == list(range(tasks))
    assert len({thread for _, thread in seen}) == threads


def test_an_error_in_a_thread_is_raised() -> None:
    def fail(first: int, stop: int, thread: int) -> None:
        if thread == 1:
            raise ValueError("in the second thread")

    with pytest.raises(ValueError, match="in the second thread"):
        share_out(2, 2, fail)


def test_little_work_starts_no_thread_and_one_sum_is_divided() -> None:
    torch.set_num_threads(4)
    assert usable_threads(100, 1000) == 1
    assert usable_threads(3, 10**9) == 3
    assert usable_threads(100, 10**9) == 4
    assert divide_blocks(1, 8, 10**9) == 4
    assert divide_blocks(4, 8, 10**9) == 1
    assert divide_blocks(1, 8, 1000) == 1


def test_compiles_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    import glaciertime.nn.cpu.jit as jit

    tried = []

    def njit(**options: object) -> object:
        tried.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(jit, "njit", njit)
    assert compile_cached(lambda: 3)() == 3
    assert [options.get("cache", False) for options in tried] == [True, False]


def test_the_stamp_follows_the_sources(tmp_path: object) -> None:
    file = tmp_path / "source.py"
    file.write_text("a = 1")
    before = source_stamp(str(file))
    file.write_text("a = 2")
    assert source_stamp(str(file)) != before
