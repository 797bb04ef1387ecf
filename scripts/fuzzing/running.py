"""One hostile input after another: made from its number, read, and watched for what must not happen."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from fuzzing.mutations import mutated
from fuzzing.readers import readers_of
from fuzzing.seeds import Case
from glaciertime.errors import GlacierTimeError

__all__ = ["MOST_BYTES", "MOST_SECONDS", "Finding", "Watch", "case_of", "read_case", "run_inputs"]

MOST_SECONDS = 10.0
MOST_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Finding:
    """What an input did that none may do."""

    format: str
    number: int
    reader: str
    what: str
    where: str

    @property
    def kind(self) -> str:
        """What is alike in findings of one cause."""
        return f"{self.format} {self.reader}: {self.what.split(':')[0]} at {self.where}"

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON."""
        return asdict(self)


class _TookTooLong(BaseException):
    """Raised by the alarm; no reader catches it."""


def _alarm(_number: int, _frame: object) -> None:
    raise _TookTooLong


_MAKING = ("open", "os.rename", "os.mkdir", "os.link", "os.symlink", "shutil.copyfile")


class Watch:
    """Notes every file that Python opens for writing outside a folder."""

    def __init__(self) -> None:
        self.folder = ""
        self.outside: list[str] = []
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.folder or event not in _MAKING:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writes and not (isinstance(mode, str) and set(mode) & set("wax+")):
                return
        else:
            path = arguments[0] if event == "os.mkdir" else arguments[1]
        if isinstance(path, (str, bytes, os.PathLike)):
            text = os.path.realpath(os.fsdecode(path))
            if not text.startswith((self.folder, "/dev/", "/proc/")) and "__pycache__" not in text:
                self.outside.append(text)


_WATCH: list[Watch] = []


def case_of(name: str, number: int, seeds: list[Case], *, seed: int) -> Case:
    """Return the hostile input of a number: the same on every machine and in every run."""
    return mutated(random.Random(f"{seed}/{name}/{number}"), name, seeds)


def write_case(case: Case, folder: Path) -> list[str]:
    """Write the files of a case into a folder; return the names of those that a disk can hold."""
    written = []
    for name, content in case.items():
        path = folder / name.encode("utf-8", "replace").decode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (OSError, ValueError):
            continue
        written.append(str(path.relative_to(folder)))
    return written


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    # Of the process's own time: on a machine that is shared, a clock on the wall says nothing of an input.
    before = signal.signal(signal.SIGPROF, _alarm)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def memory_bytes(field: str) -> int:
    """Return this process's memory: VmRSS is what it holds, VmHWM its peak since :func:`reset_peak`.

    0 where the system does not tell.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def reset_peak() -> None:
    """Let the peak of memory begin anew."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _place(error: BaseException) -> str:
    """Return the line of the package, or of the library, that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "glaciertime" in frame.filename and "fuzzing" not in frame.filename]
    frame = (ours or frames)[-1]
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.name}"


def read_case(
    name: str, number: int, case: Case, folder: Path, *, allowed: tuple[type[Exception], ...] = (GlacierTimeError,)
) -> list[Finding]:
    """Let every reader of a format read a case that is written into a folder; return what must not happen."""
    if not _WATCH:
        _WATCH.append(Watch())
    watch = _WATCH[0]
    shutil.rmtree(folder, ignore_errors=True)
    inside = folder / "case"
    inside.mkdir(parents=True)
    files = write_case(case, inside)
    if not files:
        return []
    found = []
    for reader, read in readers_of(name, inside, files):
        reset_peak()
        held = memory_bytes("VmRSS")  # by what was imported and kept before: no input's doing
        start = time.process_time()
        watch.folder, watch.outside = os.path.realpath(inside), []
        what = where = ""
        try:
            with _within(MOST_SECONDS):
                read()
        except allowed as error:
            str(error).encode("utf-8")
        except _TookTooLong as error:
            what, where = f"took more than {MOST_SECONDS:.0f} s", _place(error)
        except BaseException as error:
            what, where = f"{type(error).__name__}: {str(error)[:160]}", _place(error)
        finally:
            watch.folder = ""
        outside = [path for path in watch.outside if not _is_scratch(path)]
        outside += [entry for entry in os.listdir(folder) if entry != "case"]
        peak = memory_bytes("VmHWM") - held
        if not what and outside:
            what, where = f"wrote outside: {outside[0]}", reader
        if not what and time.process_time() - start > MOST_SECONDS:
            what, where = f"took {time.process_time() - start:.0f} s", reader
        if not what and peak > MOST_BYTES:
            what, where = f"used {peak / 1e9:.1f} GB", reader
        if what:
            found.append(Finding(name, number, reader, what, where))
    return found


def _is_scratch(path: str) -> bool:
    """Return whether a file is one of the system's folder for temporary ones, or a cache of compiled code."""
    import tempfile

    temporary = (os.path.realpath(tempfile.gettempdir()), "/var/tmp")  # nosec B108 - asked of a path, not written to
    return path.startswith(temporary) or "cache" in path.lower()


def run_inputs(
    name: str, numbers: range, seeds: list[Case], folder: Path, *, seed: int = 1
) -> Iterator[tuple[int, list[Finding]]]:
    """Make and read inputs one by one; yield the number of each and what it did that none may do."""
    for number in numbers:
        yield number, read_case(name, number, case_of(name, number, seeds, seed=seed), folder)
    shutil.rmtree(folder, ignore_errors=True)
