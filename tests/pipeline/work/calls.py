"""What the tests of workers let them do: functions of a module, which a process of its own can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from glaciertime.errors import InputError
from glaciertime.limits import limit


def square(number: int) -> int:
    return number * number


def slow_first(number: int) -> int:
    """Return a number; the first ones take longest."""
    time.sleep(0.2 if number < 2 else 0.0)
    return number


def die_once(given: tuple[str, int]) -> int:
    """End the process by force the first time that a number is met, as the system does where memory is short."""
    folder, number = given
    mark = Path(folder) / str(number)
    if number == 3 and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(number: int) -> int:
    raise InputError(f"{number} is refused")


def limit_here(name: str) -> float:
    return limit(name)
