"""What was read in all runs, by format: on this machine and on others."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from fuzzing.running import Finding

__all__ = ["State"]

_KEPT_PER_KIND = 5


@dataclass
class State:
    """The counts and the findings of a file.

    Attributes
    ----------
    path : Path
    seed : int
        What the inputs are made from, with their numbers: two states of one seed count the same inputs.
    done : dict of str to int
        How many inputs of each format were read.
    following : dict of str to int
        The number that comes next. Where a run was stopped in a batch, the rest of it is never read, nor counted.
    taken : dict of str to int
        How many were read elsewhere, by the states that were taken in.
    sources : dict of str to int
        The states that were taken in, by SHA-256, and how many inputs each counted.
    """

    path: Path
    seed: int = 1
    done: dict[str, int] = field(default_factory=dict)
    following: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    findings: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, *, seed: int | None) -> State:
        """Return the state that a file holds, or a new one."""
        if not path.is_file():
            return cls(path, seed=1 if seed is None else seed)
        held = json.loads(path.read_text(encoding="utf-8"))
        found = cls(path, held.get("seed", 1), held["done"], held.get("following", dict(held["done"])),
                    held.get("taken", {}), held.get("sources", {}), held["findings"], held["seen"])  # fmt: skip
        if seed is not None and found.seed != seed:
            raise SystemExit(f"{path} counts inputs of seed {found.seed}, --seed {seed} given; name another --state")
        return found

    def save(self) -> None:
        """Write the state, whole or not at all."""
        draft = self.path.with_name(f"{self.path.name}.draft")
        held = {key: value for key, value in vars(self).items() if key != "path"}
        draft.write_text(json.dumps(held, indent=1), encoding="utf-8")
        os.replace(draft, self.path)

    def total(self, name: str) -> int:
        """Return how many inputs of a format were read, here and elsewhere."""
        return self.done.get(name, 0) + self.taken.get(name, 0)

    def note(self, finding: Finding) -> bool:
        """Keep a finding; return whether it is one of the first of its kind."""
        kind = finding.kind
        self.seen[kind] = self.seen.get(kind, 0) + 1
        held = self.findings.setdefault(kind, [])
        if len(held) < _KEPT_PER_KIND:
            held.append(finding.as_dict())
            return True
        return False

    def take_in(self, path: Path) -> int:
        """Add what another state counts and found; return how many inputs.

        Raises
        ------
        SystemExit
            Where it counts inputs that are counted here.
        """
        mark = hashlib.sha256(path.read_bytes()).hexdigest()
        other = State.load(path, seed=None)
        if mark in self.sources or other.seed == self.seed or other.sources:
            raise SystemExit(f"{path} counts inputs that {self.path} counts (seed {other.seed})")
        for name, count in other.done.items():
            self.taken[name] = self.taken.get(name, 0) + count
        for kind, count in other.seen.items():
            self.seen[kind] = self.seen.get(kind, 0) + count
            self.findings.setdefault(kind, []).extend({**each, "seed": other.seed} for each in other.findings[kind])
        self.sources[mark] = sum(other.done.values())
        return self.sources[mark]
