"""How fronts are to be measured: the one object that every step of the tracking room reads."""

from __future__ import annotations

from dataclasses import dataclass

from glaciertime.errors import UsageError, nearest_names

__all__ = ["DEFAULT_METHODS", "METHODS", "TrackSettings"]

#: The ways to measure a front position, and what each takes as the position.
METHODS = {
    "centreline": "where the front crosses the centreline",
    "area-change": "ice area inside the fjord divided by the fjord's width",
}

DEFAULT_METHODS = ("centreline", "area-change")


@dataclass(frozen=True, kw_only=True)
class TrackSettings:
    """How fronts are to be measured.

    Parameters
    ----------
    methods : tuple of str
        Keys of :data:`METHODS`; each gives one series of front positions.
    box_width_m : float
        Width of the rectilinear and of the curvilinear box, and of the band of offset centrelines.
    min_front_length_m : float
        Pieces of a front shorter than this are dropped unless no longer one is left; 750 m is the limit of the CaFFe
        reference.
    correlation_length_m : float
        Length along a front within which the error of its delineation is the same.
    delineation_sigma_m : float
        One standard deviation of the position of a drawn boundary, where the scene does not give its own.
    simplify_m : float
        Fronts are simplified without moving by more than this; 0 keeps every vertex.

    Raises
    ------
    UsageError
        For an unknown method or a length that is not positive.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    box_width_m: float = 2000.0
    min_front_length_m: float = 750.0
    correlation_length_m: float = 1000.0
    delineation_sigma_m: float = float("nan")
    simplify_m: float = 0.0

    def __post_init__(self) -> None:
        for method in self.methods:
            if method not in METHODS:
                near = nearest_names(method, METHODS)
                hint = f", did you mean {near[0]}?" if near else ""
                raise UsageError(f"unknown method '{method}'{hint}; known are {', '.join(METHODS)}")
        for name in ("box_width_m", "correlation_length_m"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} is {getattr(self, name)}; expected a length above zero, in metres")
        for name in ("min_front_length_m", "simplify_m"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; expected a length of zero or more, in metres")
