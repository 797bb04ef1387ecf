"""How fronts are to be measured: the one object that every step of the tracking room reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from glaciertime.errors import UsageError, nearest_names

__all__ = ["DEFAULT_METHODS", "METHODS", "ScreeningSettings", "TrackSettings"]

#: The ways to measure a front position, and what each takes as the position.
METHODS = {
    "centreline": "where the front crosses the centreline",
    "multi-centreline": "mean crossing of lines parallel to the centreline",
    "rectilinear-box": "area behind the front in a straight box, divided by its width",
    "curvilinear-box": "area behind the front in a strip along the centreline, divided by its width",
    "extrapolated-centreline": "mean distance along the centreline over the whole width of the front",
    "mean-trace": "foot on the centreline of the front's mean point",
    "area-change": "ice area inside the fjord divided by the fjord's width",
}

DEFAULT_METHODS = ("centreline", "area-change")


@dataclass(frozen=True, kw_only=True)
class ScreeningSettings:
    """Limits of the screening.

    Parameters
    ----------
    shape_window_days : float
        Fronts within so many days before or after are compared in length and complexity.
    least_neighbours : int
        Fronts needed in that window; with fewer the window grows until it holds as many.
    length_fence, complexity_fence : float
        In interquartile ranges beyond the quartiles.
    flow_window_days : float
        Fronts within so many days are compared in position.
    ice_speed_m_per_year : float, optional
        Speed of the ice at the front. Without it only single values off their neighbours are flagged.
    sigmas : float
        An advance may exceed what the ice can flow by so many sigma of the two positions.
    surging : bool
        Whether the glacier is known to surge: changes are then flagged only where they are undone within
        ``flow_window_days``.
    """

    shape_window_days: float = 730.0
    least_neighbours: int = 12
    length_fence: float = 1.5
    complexity_fence: float = 2.0
    flow_window_days: float = 120.0
    ice_speed_m_per_year: float | None = None
    sigmas: float = 2.0
    surging: bool = False


@dataclass(frozen=True, kw_only=True)
class TrackSettings:
    """How fronts are to be measured.

    Parameters
    ----------
    methods : tuple of str
        Keys of :data:`METHODS`; each gives one series of front positions.
    box_width_m : float
        Width of the rectilinear and of the curvilinear box, and of the band of offset centrelines.
    centreline_count : int
        Number of lines of the multi-centreline method.
    reach_m : (float, float), optional
        Distances along the centreline between which the axis of the rectilinear box is drawn; by default those
        between which it runs through the fjord, else its whole length.
    min_front_length_m : float
        Pieces of a front shorter than this are dropped unless no longer one is left; 750 m is the limit of the CaFFe
        reference.
    correlation_length_m : float
        Length along a front within which the error of its delineation is the same.
    delineation_sigma_m : float
        One standard deviation of the position of a drawn boundary, where the scene does not give its own.
    count_icebergs : bool
        Whether ice that does not hang together with the glacier counts in the areas of masks in the box; it counts
        neither in the fjord nor as a boundary of the front.
    least_coverage : float
        Images that show less than this share of the footprint stay out of the footprint that all dates share.
    common_footprint : bool
        Whether masks are measured inside the footprint that all share even where all show the whole box.
    least_seen : float
        Positions of which less than this share of the front, or of the fjord, was seen are flagged
        ``partial-coverage`` and not trusted.
    draw_centreline : bool
        Whether to draw a centreline from all scenes together where none is given.
    screening : ScreeningSettings or None
        Limits of the screening in time; None: no flags from it.
    simplify_m : float
        Fronts are simplified without moving by more than this; 0 keeps every vertex.

    Raises
    ------
    UsageError
        For an unknown method or a length that is not positive.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    box_width_m: float = 2000.0
    centreline_count: int = 11
    reach_m: tuple[float, float] | None = None
    min_front_length_m: float = 750.0
    correlation_length_m: float = 1000.0
    delineation_sigma_m: float = float("nan")
    count_icebergs: bool = True
    least_coverage: float = 0.5
    common_footprint: bool = False
    least_seen: float = 0.8
    draw_centreline: bool = True
    screening: ScreeningSettings | None = field(default_factory=ScreeningSettings)
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
        if not 0 < self.least_coverage <= 1:
            raise UsageError(f"least_coverage is {self.least_coverage}; expected a share above 0, up to 1")
        if not 0 <= self.least_seen <= 1:
            raise UsageError(f"least_seen is {self.least_seen}; expected a share from 0 to 1")
        if self.centreline_count < 1:
            raise UsageError(f"centreline_count is {self.centreline_count}; at least one line is needed")
        for name in ("min_front_length_m", "simplify_m"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; expected a length of zero or more, in metres")
