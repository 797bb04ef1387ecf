"""What models across glaciers have learned before, as something that keeps it may give it back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.learned.past import Past
from glaciertime.forecast.series import Series

__all__ = ["Kept", "name_of_arrays"]


class Kept(Protocol):
    """Keeps what was learned: only what is new is computed, and the numbers are those of computing all of it again."""

    def pasts(self, series_list: Sequence[Series], *, jobs: int = 1) -> list[Past]:
        """Return the past of each series, of all its values."""

    def pool(self, series_list: Sequence[Series], *, seed: int, jobs: int = 1) -> Any:
        """Return the pool of series of one variable, of all their values: see :mod:`.pool`."""

    def answers(self, name: str) -> NDArray[np.float64] | None:
        """Return what trees answered that were trained on what bears a name; None where it is not known."""

    def keep_answers(self, name: str, answers: NDArray[np.float64]) -> None:
        """Keep what trees answered."""


def name_of_arrays(*told: Any) -> str:
    """Return a name of arrays and numbers: their SHA-256, the same for the same values in the same order."""
    total = hashlib.sha256()
    for one in told:
        if isinstance(one, np.ndarray) and one.dtype != object:
            total.update(f"{one.dtype}{one.shape}".encode())
            total.update(np.ascontiguousarray(one).tobytes())
        else:
            total.update(repr(list(one) if isinstance(one, np.ndarray) else one).encode())
    return total.hexdigest()
