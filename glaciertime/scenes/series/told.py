"""What is said of a table that was read: one line for each kind, with a count and the first."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["FIGURE", "NO_VALUE", "Told"]

#: What cells without a value hold.
NO_VALUE = "no value"
FIGURE = "a figure that stands for no value, such as -9999"


@dataclass
class Told:
    """What was left out, what was assumed, and what stands for no value."""

    failures: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    absent: dict[str, int] = field(default_factory=dict)

    def failed(self, kind: str, reason: str, line: int) -> None:
        """Say that the value on a line was left out."""
        self.failures.setdefault(kind, []).append((line, reason))

    def refuse(self, series: str, reason: str) -> None:
        """Say that a whole series was left out."""
        self.refused[series] = reason

    def note(self, text: str) -> None:
        """Say what was assumed or done."""
        if text not in self.notes:
            self.notes.append(text)

    def missing(self, what: str, count: int) -> None:
        """Say that cells hold no value, which is no failure."""
        if count:
            self.absent[what] = self.absent.get(what, 0) + count

    @property
    def failed_values(self) -> int:
        """How many values were left out, those of refused series not counted."""
        return sum(map(len, self.failures.values()))

    def problems(self) -> list[str]:
        """Return one sentence for each kind of failure, with how many there are and the first."""
        out = []
        for kind, found in self.failures.items():
            line, reason = found[0]
            rows = "1 row" if len(found) == 1 else f"{len(found)} rows"
            out.append(f"{rows} left out, {kind} (first: line {line}, {reason})")
        by_reason: dict[str, list[str]] = {}
        for series, reason in self.refused.items():
            by_reason.setdefault(reason.split(" (")[0] if len(self.refused) > 3 else reason, []).append(series)
        for series_names in by_reason.values():
            name = series_names[0]
            if len(series_names) == 1:
                out.append(f"{name}: {self.refused[name]}")
            else:
                out.append(f"{len(series_names)} series left out (first: {name}: {self.refused[name]})")
        return out

    def remarks(self) -> list[str]:
        """Return what was assumed, and how many cells stand for no value."""
        absent = [
            f"{count} cells hold {what}" if count > 1 else f"1 cell holds {what}" for what, count in self.absent.items()
        ]
        return [*self.notes, *absent]
