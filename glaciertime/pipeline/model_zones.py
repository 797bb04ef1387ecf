"""What the classes of a model are among the zones that are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glaciertime.scenes.acquisition import GLACIER, NO_DATA, OCEAN, ROCK, ZONES
from glaciertime.scenes.classes import zone_of_word

if TYPE_CHECKING:
    from glaciertime.segment.description import ModelSpec

__all__ = ["are_zones", "told_of_zones", "zone_table"]

_NAMES = {code: name for name, code in ZONES.items()}


def are_zones(spec: ModelSpec) -> bool:
    """Return whether the codes of a model are those of zones, so that its masks and layers are as they are.

    A class of 0 is no data only where it is called so: in many masks it is all that is no glacier.
    """
    pairs = [(code, zone_of_word(name)) for name, code in zip(spec.classes, spec.codes, strict=True)]
    known = {ROCK, GLACIER, OCEAN}
    return all(zone == code if code not in known else zone in (None, code) for code, zone in pairs)


def zone_table(spec: ModelSpec) -> NDArray[np.uint8] | None:
    """Return the zone of each value of a mask of a model, (256,) uint8; None where a class has no certain one.

    Codes of zones stand for themselves; other classes are of the zone that their name means. What the model did not
    see is no data.

    Examples
    --------
    >>> from glaciertime.segment.description import ModelSpec
    >>> spec = ModelSpec(name="a", model="m", bands=("b",), classes=("clean ice", "background"), codes=(7, 8))
    >>> table = zone_table(spec)
    >>> table[[7, 8, spec.unobserved]].tolist()
    [127, 64, 0]
    """
    table = np.full(256, NO_DATA, dtype=np.uint8)
    for name, code in zip(spec.classes, spec.codes, strict=True):
        zone = code if are_zones(spec) else zone_of_word(name)
        if zone is None:
            return None
        table[code] = zone
    return table


def told_of_zones(spec: ModelSpec) -> str:
    """Return which classes of a model count as which zone, where its codes do not say it; else empty."""
    if are_zones(spec):
        return ""
    parts = [f"{name} as {_NAMES[zone]}" for name in spec.classes if (zone := zone_of_word(name)) is not None]
    return f"of the classes of {spec.name} count {', '.join(parts)}"
