"""The workers of a Dask cluster on this machine: the same results as without, whoever ends in between."""

from __future__ import annotations

import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from glaciertime import limits
from glaciertime.errors import DataNotFoundError, InputError, MissingExtraError, UsageError
from glaciertime.pipeline.work import Where, cluster, performing, run_tasks
from glaciertime.pipeline.work.cluster import parse_scheduler

from . import calls
from .test_running import tasks


@pytest.fixture(scope="module")
def scheduler():
    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1", silence_logs=logging.CRITICAL
    ) as running:
        yield running.scheduler_address


def values(call, given, scheduler: str) -> list[object]:
    return [result.value for result in run_tasks(tasks(call, given), where=Where(scheduler=scheduler))]


def test_results_come_in_the_order_of_the_tasks(scheduler: str):
    assert values(calls.slow_first, range(6), scheduler) == [0, 1, 2, 3, 4, 5]


def test_a_worker_that_is_killed_costs_an_attempt_of_its_task(scheduler: str, tmp_path: Path):
    given = [(str(tmp_path), number) for number in range(6)]
    assert values(calls.die_once, given, scheduler) == [0, 1, 2, 3, 4, 5]


def test_what_a_task_raises_is_raised(scheduler: str):
    with pytest.raises(InputError, match="is refused"):
        values(calls.refuse, [1, 2], scheduler)


def test_limits_given_here_hold_there(scheduler: str):
    with limits.given({"vertices": 123.0}):
        assert values(calls.limit_here, ["vertices"], scheduler) == [123.0]
    assert values(calls.limit_here, ["vertices"], scheduler) == [limits.LIMITS["vertices"].default]


def test_workers_that_do_not_see_the_data_are_told(scheduler: str, tmp_path: Path):
    where = Where(scheduler=scheduler, paths=(tmp_path, tmp_path / "elsewhere"))
    with pytest.raises(DataNotFoundError, match=r"do not see .*elsewhere; put it where every worker sees it"):
        list(run_tasks(tasks(calls.square, [1]), where=where))


def test_workers_of_another_version_are_refused(scheduler: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "code_digest", lambda: "0123456789ab")
    with pytest.raises(performing.OtherCodeError, match=r"another version of glaciertime \(code .*, here 0123456789ab"):
        values(calls.square, [1], scheduler)


def test_a_worker_of_another_version_that_joins_later_is_refused(scheduler: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster.ClusterWorkers, "_check_workers", lambda self: None)
    monkeypatch.setattr(cluster, "code_digest", lambda: "0123456789ab")
    with pytest.raises(performing.OtherCodeError, match="and this is 0123456789ab; install the same there as here"):
        values(calls.square, [1], scheduler)


def test_other_libraries_are_told_of(scheduler: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(cluster, "library_version", lambda name: "0.1" if name == "shapely" else None)
    values(calls.square, [1], scheduler)
    assert "have other libraries" in caplog.text
    assert "(here 0.1)" in caplog.text


@pytest.mark.parametrize(
    "text", ["127.0.0.1:8786", "http://a:80", "tcp://a", "tcp://a:0", "tcp://a:99999", "tcp://u@a:1", "tcp:// a:1", "x"]
)
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(UsageError, match="tcp://HOST:PORT expected"):
        parse_scheduler(text)


def test_a_port_where_nobody_answers_is_told_of():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(DataNotFoundError, match="nothing answers there"):
            values(calls.square, [1], address)


def test_what_answers_but_is_no_scheduler_is_told_of(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "_CONNECT_S", 1.0)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(InputError, match="is no Dask scheduler"):
            values(calls.square, [1], f"tcp://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match="pip install 'glaciertime\\[dask\\]'"):
        values(calls.square, [1], "tcp://127.0.0.1:1")
