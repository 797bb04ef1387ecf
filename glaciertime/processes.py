"""Processes that share work: Ctrl-C is left to the one that started them, and ends them with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

__all__ = ["process_pool"]

#: So long the threads of a pool that is broken off are waited for.
_END_S = 5.0


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
    before, threads = set(multiprocessing.active_children()), set(threading.enumerate())
    context = multiprocessing.get_context("spawn") if spawn else None
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_ctrl_c)
    try:
        with _ctrl_c_kept_off(spawn):  # until it has its initializer, a new process would print a traceback
            for _ in range(workers):
                pool.submit(int)
        yield pool
    except BaseException:
        with _threads_in_silence():
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            for thread in set(threading.enumerate()) - threads - {threading.current_thread()}:
                thread.join(_END_S)
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
def _ctrl_c_kept_off(spawn: bool) -> Iterator[None]:
    """Let processes that start in the block never get Ctrl-C.

    Forked ones have the mask of their parent, which gets its Ctrl-C a moment later. For spawned ones that mask is taken
    off on the way, so that it has to be ignored for that moment.
    """
    if spawn and threading.current_thread() is threading.main_thread():
        usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)
    elif not spawn and hasattr(signal, "pthread_sigmask"):
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    else:
        yield
