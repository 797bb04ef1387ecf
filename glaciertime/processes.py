"""Processes that share work: Ctrl-C is left to the one that started them, and ends them with it."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

__all__ = ["process_pool"]

#: So long the threads of a pool that is broken off are waited for.
_END_S = 5.0


def _begin(log_to: Sequence[Callable[[], None]]) -> None:
    """Leave Ctrl-C to the parent; one started anew logs where the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not logging.getLogger("glaciertime").handlers:
        for attach in log_to:
            # A log that cannot be added to is no reason to do no work.
            with contextlib.suppress(Exception):
                attach()


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
    # A handler says with ``for_workers`` how another process can log to the same place.
    handlers = logging.getLogger("glaciertime").handlers
    log_to = tuple(each.for_workers for each in handlers if hasattr(each, "for_workers"))
    context = multiprocessing.get_context("spawn") if spawn else None
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(log_to,))
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
