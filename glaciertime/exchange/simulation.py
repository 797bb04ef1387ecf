"""What a form of observations says of simulation: nothing that a program drew is submitted as if it had been seen."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["simulation_problem"]

_WORD = re.compile(r"(?<![a-z])simulat(ed|ion|or)(?![a-z])", re.IGNORECASE)


def simulation_problem(row: Mapping[str, object]) -> list[str]:
    """Return a sentence where a row says of itself that it is simulated, in its column ``source`` or in any text.

    Examples
    --------
    >>> simulation_problem({"REMARKS": "data set simulated Crane"})
    ["REMARKS 'data set simulated Crane': nothing that is simulated is submitted to an archive of observations"]
    >>> simulation_problem({"source": "observed", "ImageID": "LC08_2015"})
    []
    """
    for name, value in row.items():
        if isinstance(value, str) and _WORD.search(value.replace("_", " ")):
            return [f"{name} '{value}': nothing that is simulated is submitted to an archive of observations"]
    return []
