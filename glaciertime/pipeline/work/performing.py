"""What runs on the worker of a cluster: the same code as here, under the limits given here, one task at a time."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from glaciertime.errors import GlacierTimeError
from glaciertime.provenance.versions import code_digest, library_version

__all__ = ["LIBRARIES", "OtherCodeError", "about_worker", "limits_set", "perform", "set_variables"]

#: Libraries of which another version may give other numbers, or not read what this one has written.
LIBRARIES = ("numpy", "pandas", "scipy", "shapely", "geopandas", "pyproj", "rasterio", "scikit-image", "onnxruntime",
             "statsmodels", "scikit-learn", "cloudpickle")  # fmt: skip

# Readers and their warnings are of a process, not of a thread: a worker with several threads does one task at a time.
_ONE_AT_A_TIME = threading.Lock()


class OtherCodeError(GlacierTimeError):
    """A worker runs other code than the one who gives it work: its numbers may be others."""


def about_worker(paths: Iterable[str]) -> dict[str, Any]:
    """Return what a worker is: its code, its libraries, its machine, and which of some paths it does not see."""
    return {
        "code": code_digest(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "libraries": {name: library_version(name) for name in LIBRARIES},
        "host": socket.gethostname(),
        "unseen": [path for path in paths if not Path(path).exists()],
    }


def limits_set() -> dict[str, str]:
    """Return the variables of limits that are set in this process."""
    from glaciertime.limits import LIMITS

    return {known.variable: os.environ[known.variable] for known in LIMITS.values() if known.variable in os.environ}


def set_variables(variables: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """Set variables of the environment, take the other known ones out; return those that were set before."""
    before = {name: os.environ[name] for name in known if name in os.environ}
    for name in known:
        os.environ.pop(name, None)
    os.environ.update(variables)
    return before


def perform(call: Callable[[Any], Any], given: Any, *, code: str, limits: Mapping[str, str]) -> Any:
    """Do a task on a worker.

    Raises
    ------
    OtherCodeError
        Where the worker runs other code than the one who gives the task, by ``code``.
    """
    from glaciertime.limits import LIMITS

    own = code_digest()
    if own != code:
        raise OtherCodeError(f"a worker on {socket.gethostname()} runs glaciertime of code {own}, and this is {code}")
    variables = [known.variable for known in LIMITS.values()]
    with _ONE_AT_A_TIME:
        before = set_variables(limits, variables)
        try:
            return call(given)
        finally:
            set_variables(before, variables)
