"""Processes that share work: Ctrl-C is left to the one that started them, and ends them with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

__all__ = ["process_pool"]


def _leave_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def process_pool(workers: int, *, spawn: bool = False) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of processes; where the block is broken off, they end at once and not with their work.

    Parameters
    ----------
    workers : int
    spawn : bool
        Start each anew: forking a process that holds the threads of a library can hang.
    """
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn") if spawn else None
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_ctrl_c)
    try:
        if spawn:
            with _ctrl_c_ignored():  # until it has its initializer, a new process would print a traceback
                pool.submit(int)
        yield pool
    except BaseException:
        with _threads_in_silence():
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            pool.shutdown()
        raise
    pool.shutdown()


@contextlib.contextmanager
def _threads_in_silence() -> Iterator[None]:
    """Leave out what the thread of a pool says of processes that were ended on purpose."""
    usual, threading.excepthook = threading.excepthook, lambda _: None
    try:
        yield
    finally:
        threading.excepthook = usual


@contextlib.contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
