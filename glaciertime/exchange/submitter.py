"""Who submits: what an archive asks of a person and no measurement knows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glaciertime.documents import read_yaml
from glaciertime.errors import UsageError, nearest_names

__all__ = ["EXAMPLE", "Submitter", "read_submitter"]

EXAMPLE = """investigator: Ada Lovelace
agency: University of X, Street 1, City
reference: Lovelace et al. 2026 (https://doi.org/DOI)
country: GL
ids: {Jakobshavn: 12345}
"""
_KEYS = ("investigator", "agency", "reference", "country", "ids")


@dataclass(frozen=True)
class Submitter:
    """Who submits, and what the archive calls the glaciers.

    Attributes
    ----------
    investigator, agency, reference : str
    country : str
        Two letters (ISO 3166), where the glaciers lie.
    ids : dict
        The archive's number or name of each glacier, by the name it has here.
    """

    investigator: str
    agency: str = ""
    reference: str = ""
    country: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    def id_of(self, glacier: str) -> str:
        """Return what the archive calls a glacier.

        Raises
        ------
        UsageError
            Where nothing says so.
        """
        if glacier not in self.ids:
            near = nearest_names(glacier, self.ids)
            hint = f"; it names {near[0]}" if near else ""
            raise UsageError(f"--submitter: it gives no id of {glacier}{hint}; add to it ids: {{{glacier}: ID}}")
        return self.ids[glacier]


def read_submitter(path: Path) -> Submitter:
    """Return who submits, from a YAML file.

    Raises
    ------
    UsageError, InputError, DataNotFoundError
        For an unknown key, a missing one, or a value that is no text.
    """
    held = read_yaml(path, what=f"--submitter {path.name}", remedy=f"write, for example: {EXAMPLE!r}")
    if not isinstance(held, dict):
        raise UsageError(f"--submitter {path.name}: keys and values expected, such as investigator: Ada Lovelace")
    for key in held:
        if key not in _KEYS:
            near = nearest_names(str(key), _KEYS)
            hint = f", did you mean {near[0]}?" if near else ""
            raise UsageError(f"--submitter {path.name}: unknown key '{key}'{hint}; known are {', '.join(_KEYS)}")
    ids = held.get("ids") or {}
    if not isinstance(ids, dict):
        raise UsageError(f"--submitter {path.name}: ids are pairs, such as ids: {{Jakobshavn: 12345}}")
    texts = {key: _plain(held.get(key)) for key in _KEYS if key != "ids"}
    if not texts["investigator"]:
        raise UsageError(f"--submitter {path.name}: an investigator is needed")
    return Submitter(**texts, ids={str(name): _plain(one) for name, one in ids.items()})


def _plain(value: Any) -> str:
    return re.sub(r"\s+", " ", "" if value is None else str(value)).strip()
