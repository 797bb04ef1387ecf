"""What the values of a mask stand for: names, colours, and the tags that tell them to other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from glaciertime.segment.description import ModelSpec

__all__ = ["GROUND", "NOT_OBSERVED", "Legend", "legend_of_model"]

NOT_OBSERVED = "not observed"
_COLOURS = {64: (140, 110, 80), 127: (205, 232, 245), 128: (150, 130, 160), 254: (30, 80, 150)}
#: For classes of other codes: eight that people with colour-blindness tell apart (Okabe and Ito).
_OTHERS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (90, 90, 90),
)  # fmt: skip


@dataclass(frozen=True)
class Legend:
    """The values of a mask.

    Attributes
    ----------
    names : dict of int to str
        Value to the name of its class.
    unobserved : int
        Value where nothing was observed.

    Examples
    --------
    >>> legend = Legend({127: "glacier", 254: "ocean"}, unobserved=0)
    >>> legend.text
    '0 not observed, 127 glacier, 254 ocean'
    >>> legend.colours[0]
    (0, 0, 0, 0)
    """

    names: Mapping[int, str]
    unobserved: int

    @property
    def all_names(self) -> dict[int, str]:
        """Return the names, and that of what was not observed, by value."""
        return dict(sorted({**self.names, self.unobserved: NOT_OBSERVED}.items()))

    @property
    def text(self) -> str:
        """Return all in one line."""
        return ", ".join(f"{code} {name}" for code, name in self.all_names.items())

    @property
    def colours(self) -> dict[int, tuple[int, int, int, int]]:
        """Return red, green, blue and opacity of each value; what was not observed is clear."""
        found = {
            code: (*_COLOURS.get(code, _OTHERS[place % len(_OTHERS)]), 255) for place, code in enumerate(self.names)
        }
        return {**found, self.unobserved: (0, 0, 0, 0)}

    @property
    def band_tags(self) -> dict[str, str]:
        """Return what the band says, in the words of CF: every program that knows these names the classes."""
        names = self.all_names
        return {
            "flag_values": ", ".join(str(code) for code in names),
            "flag_meanings": " ".join(name.replace(" ", "_") for name in names.values()),
        }

    @property
    def tags(self) -> dict[str, str]:
        """Return what a raster's metadata say: every class under its value, and all as JSON."""
        told = {str(code): name for code, name in self.all_names.items()}
        return {"GLACIERTIME_CLASSES": json.dumps(told), **{f"CLASS_{code}": name for code, name in told.items()}}


#: Of the methods that need no model.
GROUND = Legend({127: "ice and snow", 254: "water", 64: "other"}, unobserved=0)


def legend_of_model(spec: ModelSpec) -> Legend:
    """Return the legend of a model's masks."""
    return Legend(dict(zip(spec.codes, spec.classes, strict=True)), spec.unobserved)
