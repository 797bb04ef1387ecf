"""The workers of a Dask cluster: checked before they are given work, for their code, their libraries and what they see.

Whoever reaches a scheduler runs code on its workers: a cluster belongs into a network that is trusted.
"""

from __future__ import annotations

import logging
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError, MissingExtraError, UsageError
from glaciertime.pipeline.work.performing import LIBRARIES, OtherCodeError, about_worker, limits_set, perform
from glaciertime.pipeline.work.task import Result, Task
from glaciertime.provenance.versions import code_digest, library_version

__all__ = ["ClusterWorkers", "WorkersLostError", "parse_scheduler"]

_CONNECT_S = 10.0
_GREETING_BYTES = 1 << 20
#: So long a cluster may have no worker, at the start and later: who ends its workers has none most of the time.
_START_S = 15.0
_NO_WORKER_S = 300.0
_RESTARTS_S = 600.0
_LOOK_S = 5.0
_WORKERS_NAMED = 3
_LOST = (
    "the worker that did it ended, again and again, out of memory as a rule; cut its inputs to the glacier, or give "
    "workers more memory"
)


class WorkersLostError(GlacierTimeError):
    """The cluster went away in the middle of the work."""


def parse_scheduler(text: str) -> tuple[str, int]:
    """Return host and port of the address of a Dask scheduler.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> parse_scheduler("tcp://127.0.0.1:8786")
    ('127.0.0.1', 8786)
    """
    found = re.fullmatch(r"tcp://(\[[0-9a-fA-F:]+\]|[^\s/:@]+):(\d{1,5})/?", text.strip())
    if found is None or not 0 < int(found[2]) < 65536:
        raise UsageError(
            f"--scheduler '{text}': tcp://HOST:PORT expected, the address that 'dask scheduler' prints, such as "
            "tcp://10.0.0.5:8786"
        )
    return found[1].strip("[]"), int(found[2])


class ClusterWorkers:
    """The workers of a Dask cluster.

    Parameters
    ----------
    scheduler : str
        ``tcp://host:port``.
    paths : sequence of Path
        Absolute; each worker has to see them.
    tell : callable, optional
        Given a sentence for the user.

    Raises
    ------
    MissingExtraError
        Where Dask is not installed.
    UsageError
        For what is no address.
    DataNotFoundError
        Where no scheduler answers, it has no workers, or workers do not see a path.
    OtherCodeError
        Where a worker runs other code.
    """

    #: The scheduler gives the tasks of a worker that is lost to another.
    loses_all = False

    def __init__(
        self, scheduler: str, *, paths: Sequence[Path] = (), tell: Callable[[str], None] | None = None
    ) -> None:
        self._address = scheduler.strip()
        self._paths = [str(path) for path in paths]
        self._tell = tell or logging.getLogger("glaciertime").warning
        self._code = code_digest()
        self._limits = limits_set()
        self._alone_since: float | None = None
        self._looked = 0.0
        self.count = 1

    def __enter__(self) -> ClusterWorkers:
        self._client = _connect(self._address)
        try:
            self._wait_for_workers()
            self._check_workers()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        _quiet()
        self._client.close(timeout=2)

    def _workers(self) -> Mapping[str, Any]:
        return self._client.nthreads()

    def _wait_for_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_START_S)
        except TimeoutError as error:
            raise DataNotFoundError(
                f"--scheduler {self._address}: it has no workers; start some with 'dask worker {self._address} "
                "--nthreads 1'"
            ) from error
        self.count = max(1, len(self._workers()))

    def _check_workers(self) -> None:
        found = self._client.run(about_worker, self._paths, on_error="return")
        broken = {address: what for address, what in found.items() if not isinstance(what, dict)}
        if broken:
            raise OtherCodeError(
                f"--scheduler {self._address}: {_some(broken)} cannot run glaciertime "
                f"({_reason(next(iter(broken.values())))}); install the same version there as here"
            )
        others = [address for address, what in found.items() if what["code"] != self._code]
        if others:
            raise OtherCodeError(
                f"--scheduler {self._address}: {_some(others)} run another version of glaciertime (code "
                f"{found[others[0]]['code']}, here {self._code}); install the same there as here, and start them anew"
            )
        python = ".".join(map(str, sys.version_info[:2]))
        others = [address for address, what in found.items() if what["python"] != python]
        if others:
            raise OtherCodeError(
                f"--scheduler {self._address}: {_some(others)} run Python {found[others[0]]['python']}, here it is "
                f"{python}; use the same"
            )
        for what in found.values():
            if what["unseen"]:
                hosts = sorted({one["host"] for one in found.values() if one["unseen"]})
                raise DataNotFoundError(
                    f"--scheduler {self._address}: the workers on {', '.join(hosts[:_WORKERS_NAMED])} do not see "
                    f"{what['unseen'][0]}; put it where every worker sees it under the same path"
                )
        own = {name: library_version(name) for name in LIBRARIES}
        differing = {
            f"{name} {version or 'none'} (here {own[name] or 'none'})"
            for what in found.values()
            for name, version in what["libraries"].items()
            if version != own[name]
        }
        if differing:
            self._tell(f"workers of {self._address} have other libraries: {', '.join(sorted(differing))}")

    def submit(self, task: Task) -> Future:
        """Hand a task to the cluster; the scheduler gives it to another worker where one is lost."""
        held: Future = Future()
        held.set_running_or_notify_cancel()
        # A key of its own: two runs on one cluster never share a result, nor does a second attempt.
        sent = self._client.submit(
            perform, task.call, task.given, code=self._code, limits=self._limits, pure=False,
            key=f"glaciertime-{uuid4().hex}",
        )  # fmt: skip

        def done(future: Any) -> None:
            try:
                held.set_result(future.result(timeout=_NO_WORKER_S))
            except BaseException as error:
                held.set_exception(error)
            finally:
                future.release()

        sent.add_done_callback(done)
        return held

    def is_lost(self, error: BaseException) -> bool:
        """Return whether workers ended that did the task; raise where the whole cluster went away."""
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            return True
        if isinstance(error, CancelledError) or _is_gone(error):
            if self._client.status != "running":
                raise WorkersLostError(self._gone()) from error
            return True  # the worker ended between having done it and handing it over
        if isinstance(error, OtherCodeError):
            raise OtherCodeError(
                f"--scheduler {self._address}: {error}; install the same there as here, and start them anew"
            ) from error
        return False

    def again(self, task: Task) -> Result:
        """Do a task once more while no other is begun: it may have been lost with what another one cost."""
        held = self.submit(task)
        while not held.done():
            self.check(no_worker_s=_RESTARTS_S)
            time.sleep(0.05)
        error = held.exception()
        if error is None:
            return Result(task=task, value=held.result())
        if self.is_lost(error):
            return Result(task=task, lost=_LOST)
        raise error

    def renew(self) -> None:
        """Count the workers anew."""
        self._alone_since = None
        self.count = max(1, len(self._workers()))

    def check(self, *, no_worker_s: float = _NO_WORKER_S) -> None:
        """Raise where the scheduler went away, or has had no worker for five minutes.

        Who does a task again that ends its workers waits longer: each is gone as soon as it is there.

        Raises
        ------
        WorkersLostError
        """
        now = time.monotonic()
        if self._client.status not in ("running", "connecting"):
            raise WorkersLostError(self._gone())
        if self._client.status != "running" or now - self._looked < _LOOK_S:
            return
        self._looked = now
        if self._workers():
            self._alone_since = None
            return
        if self._alone_since is None:
            self._alone_since = now
            self._tell(f"--scheduler {self._address}: no worker is left; waiting for one, up to {no_worker_s:.0f} s")
        elif now - self._alone_since > no_worker_s:
            raise WorkersLostError(
                f"--scheduler {self._address}: no worker is left; start some and run the same command again: what is "
                "stored is not done twice"
            )

    def _gone(self) -> str:
        return (
            f"--scheduler {self._address} went away in the middle of the work; start it and its workers, and run the "
            "same command again: what is stored is not done twice"
        )


def _connect(address: str) -> Any:
    """Return a client of a scheduler, once something answers there that is one."""
    host, port = parse_scheduler(address)
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError("--scheduler", "dask") from error
    remedy = "start one with 'dask scheduler' and give the address that it prints"
    try:
        greeting = _greeting(host, port)
    except OSError as error:
        raise DataNotFoundError(
            f"--scheduler {address}: nothing answers there ({error.strerror or error}); {remedy}"
        ) from error
    if not 0 < int.from_bytes(greeting, "little") < _GREETING_BYTES:
        raise InputError(f"--scheduler {address}: what answers there is no Dask scheduler; {remedy}")
    _quiet()
    try:
        return Client(address, timeout=_CONNECT_S, set_as_default=False, name="glaciertime")
    except Exception as error:
        raise InputError(
            f"--scheduler {address}: what answers there is no Dask scheduler that this version can talk to "
            f"({_reason(error)}); {remedy}"
        ) from error


def _quiet() -> None:
    """Keep what the client says of its attempts off the terminal: it is told in one sentence.

    Each of its loggers has a level of its own, so that the first of their names decides nothing.
    """
    for name in [*logging.root.manager.loggerDict]:
        if name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _greeting(host: str, port: int) -> bytes:
    """Return the first eight bytes of what answers: a scheduler speaks first, and says how many more there are.

    Its own client waits for ever for a server that waits to be spoken to.
    """
    with socket.create_connection((host, port), timeout=_CONNECT_S) as line:
        try:
            return line.recv(8, socket.MSG_WAITALL)
        except TimeoutError:
            return b""


def _is_gone(error: BaseException) -> bool:
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    return isinstance(error, FutureCancelledError | CommClosedError | TimeoutError)


def _reason(error: object) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _some(addresses: Mapping[str, Any] | Sequence[str]) -> str:
    every = list(addresses)
    more = len(every) - _WORKERS_NAMED
    return ", ".join(every[:_WORKERS_NAMED]) + (f" and {more} more workers" if more > 0 else "")
