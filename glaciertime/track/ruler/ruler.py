"""One glacier's ruler: everything that measuring a front needs and that no front changes, built once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from glaciertime.errors import InputError
from glaciertime.sentences import sentence
from glaciertime.track.measurement import Front, Rounding
from glaciertime.track.place import Place
from glaciertime.track.ruler.channel import Channel, fjord_channel, rectangle, strip
from glaciertime.track.ruler.influence import extrapolated_influence, lines_influence, mean_trace_influence
from glaciertime.track.ruler.measures import (
    centreline_position_m,
    extrapolated_centreline_position_m,
    front_obliquity,
    mean_trace_position_m,
    offset_centrelines,
    offset_positions_m,
)
from glaciertime.track.ruler.pieces import Joined, joined
from glaciertime.track.ruler.uncertainty import averaged_sigma_m, partial_sigma_m, position_sigma_m
from glaciertime.track.settings import TrackSettings

__all__ = ["FrontRuler", "Position", "front_position"]

NO_ROUNDING = Rounding()

#: Methods that read one position off a whole front: what measures it, and how the value answers to an error of it.
_OF_THE_WHOLE_FRONT = {
    "extrapolated-centreline": (extrapolated_centreline_position_m, extrapolated_influence),
    "mean-trace": (mean_trace_position_m, mean_trace_influence),
}
# With fewer offset lines crossed, their mean says too little of the band.
_LEAST_LINES_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Position:
    """A front position by one method.

    ``value_m`` grows towards the sea; ``coverage`` is the share of the method's width that the front covers.
    """

    value_m: float
    sigma_m: float
    coverage: float = 1.0


@dataclass(frozen=True, kw_only=True)
class FrontRuler:
    """Centreline, channels and offset lines of one place.

    Parameters
    ----------
    place : Place
        With a centreline.
    settings : TrackSettings
    """

    place: Place
    settings: TrackSettings

    @cached_property
    def centreline(self) -> shapely.LineString:
        """The centreline, from inland to the sea; a vertex that repeats has no direction."""
        if self.place.centreline is None:
            raise InputError(f"{self.place.name}: no centreline; give one in a manifest")
        return shapely.remove_repeated_points(self.place.centreline)

    @cached_property
    def strip(self) -> Channel:
        """The curvilinear box."""
        return strip(self.centreline, width_m=self.settings.box_width_m)

    @cached_property
    def rectangle(self) -> Channel:
        """The rectilinear box, along the chord of the centreline inside the fjord or of all of it."""
        return rectangle(
            self.centreline, width_m=self.settings.box_width_m, span_m=self.settings.reach_m or self.place.fjord_span_m
        )

    @cached_property
    def fjord(self) -> Channel:
        """The fjord, cut into two banks by the centreline."""
        if self.place.fjord is None:
            raise InputError(f"{self.place.name}: area-change needs a fjord; give one in a manifest")
        return fjord_channel(self.place.fjord, centreline=self.centreline)

    @cached_property
    def offset_lines(self) -> tuple[NDArray[np.float64], list[shapely.LineString]]:
        """Offsets in metres and the lines of the multi-centreline method."""
        return offset_centrelines(
            self.centreline, width_m=self.settings.box_width_m, count=self.settings.centreline_count
        )

    def footprint(self, method: str) -> str:
        """Return what of the glacier a method looks at, as the column ``footprint`` names it.

        It starts with ``drawn`` where the centreline was drawn automatically: positions along another line are another
        series.
        """
        width, count = f"{self.settings.box_width_m:g}", self.settings.centreline_count
        drawn = "drawn " if self.place.is_drawn else ""
        return (
            drawn
            + {
                "centreline": "centreline",
                "multi-centreline": sentence("lines", n=count, width=width),
                "rectilinear-box": sentence("rectangle", width=width),
                "curvilinear-box": sentence("strip", width=width),
                "area-change": "fjord",
                **dict.fromkeys(_OF_THE_WHOLE_FRONT, "whole front"),
            }[method]
        )

    def position(
        self,
        method: str,
        front: Front,
        *,
        boundary_m: float,
        georeferencing_m: float,
        rounding: Rounding = NO_ROUNDING,
    ) -> Position:
        """Return the position of a front by one method.

        Parameters
        ----------
        method : str
            A key of :data:`glaciertime.track.settings.METHODS`.
        front : line in the place's coordinates
        boundary_m, georeferencing_m : float
            One standard deviation of the front at one point, and of the image's place; NaN if unknown.
        rounding : Rounding
            To pixels, where it is not in ``boundary_m``.

        Raises
        ------
        InputError
            Where the front does not lie so that the method can measure it.
        """
        correlation_m, centreline = self.settings.correlation_length_m, self.centreline
        errors = {"correlation_m": correlation_m, "georeferencing_m": georeferencing_m}
        whole = joined(front)
        if method == "centreline":
            here = math.hypot(boundary_m, rounding.sigma_m)
            return self._on_the_centreline(front, whole, boundary_m=here, georeferencing_m=georeferencing_m)
        if method == "multi-centreline":
            at, width = self.offset_positions(front), self.settings.box_width_m
            coverage = float(np.isfinite(at).mean())
            if whole.gaps:
                # A line that runs through a gap is read off where the front is joined.
                at = np.where(np.isfinite(at), at, self.offset_positions(whole.line))
            if coverage < _LEAST_LINES_SHARE:
                raise InputError(f"the front crosses {round(coverage * len(at))} of {len(at)} offset centrelines")
            sigma = lines_influence(at, self.offset_lines[0]).sigma_m(boundary_m, rounding=rounding, **errors)
            sigma = math.hypot(sigma, partial_sigma_m(coverage, width_m=width))
            return Position(value_m=float(np.nanmean(at)), sigma_m=sigma, coverage=coverage)
        if method in ("rectilinear-box", "curvilinear-box", "area-change"):
            channel = {"rectilinear-box": "rectangle", "curvilinear-box": "strip", "area-change": "fjord"}[method]
            box: Channel = getattr(self, channel)
            inland = box.inland_area(front)
            sigma = averaged_sigma_m(
                boundary_m, front_length_m=inland.front_length_m, width_m=box.width_m,
                chord_m=max(box.width_m, inland.chord_m), rounding=rounding, **errors,
            )  # fmt: skip
            sigma = math.hypot(sigma, partial_sigma_m(inland.share, width_m=box.width_m))
            value = box.start_m + inland.area_m2 / box.width_m
            return Position(value_m=value, sigma_m=sigma, coverage=inland.share)
        measure, influence = _OF_THE_WHOLE_FRONT[method]
        value = measure(whole.line, centreline=centreline)
        answers = influence(whole.line, centreline=centreline, correlation_m=correlation_m)
        sigma = answers.sigma_m(boundary_m, rounding=rounding, **errors)
        sigma = math.hypot(sigma, partial_sigma_m(whole.seen, width_m=whole.line.length))
        return Position(value_m=value, sigma_m=sigma, coverage=whole.seen)

    def _on_the_centreline(
        self, front: Front, whole: Joined, *, boundary_m: float, georeferencing_m: float
    ) -> Position:
        """Return where a front crosses the centreline; in a gap, where it is joined, as unsure as the gap is wide."""
        reach_m = self.settings.correlation_length_m / 2
        gap_m, coverage, line = 0.0, 1.0, front
        crossed = next((gap for gap in whole.gaps if gap.intersects(self.centreline)), None)
        if crossed is not None and not front.intersects(self.centreline):
            gap_m, line = crossed.length, whole.line
            coverage = self._seen_beside(front, whole)
        value = centreline_position_m(line, centreline=self.centreline)
        obliquity = front_obliquity(line, centreline=self.centreline, position_m=value, reach_m=reach_m)
        sigma = position_sigma_m(boundary_m, georeferencing_m=georeferencing_m, obliquity=obliquity)
        if gap_m:
            sigma = math.hypot(sigma, partial_sigma_m(0.0, width_m=gap_m))
        return Position(value_m=value, sigma_m=sigma, coverage=coverage)

    def _seen_beside(self, front: Front, whole: Joined) -> float:
        """Return the share of the curvilinear box's width that a front in pieces covers, else that of all of it."""
        try:
            share = self.strip.covered_share(front)
        except InputError:
            return whole.seen
        return whole.seen if math.isnan(share) else share

    def offset_positions(self, front: Front) -> NDArray[np.float64]:
        """Return where a front crosses each offset line, (N,) m, NaN where it does not."""
        _, lines = self.offset_lines
        return offset_positions_m(front, centreline=self.centreline, lines=lines)


def front_position(
    front: Front,
    *,
    centreline: shapely.LineString,
    method: str = "curvilinear-box",
    fjord: shapely.Polygon | None = None,
    settings: TrackSettings | None = None,
) -> float:
    """Return the position of one front by one method, in metres from the centreline's inland end.

    ========================= =========================================================================================
    centreline                where the front crosses the line: one point stands for the whole front
    multi-centreline          mean over parallel lines in a band
    rectilinear-box           area behind the front in a rectangle over its width: errs where the fjord bends
    curvilinear-box           area behind the front in a strip along the centreline over its width: follows the bends
    extrapolated-centreline   mean over the whole width of the front of the distance along the centreline
    mean-trace                foot of the front's mean point: errs where the front's shape changes
    area-change               area behind the front in the fjord over the fjord's mean width
    ========================= =========================================================================================

    Parameters
    ----------
    front : LineString or MultiLineString
        In the plane of the centreline.
    centreline : LineString
        From inland to the sea.
    method : str
    fjord : Polygon, optional
        Only ``area-change`` needs it.
    settings : TrackSettings, optional
        Box width and number of lines.

    Raises
    ------
    InputError
        Where the front does not lie so that the method can measure it.

    Examples
    --------
    >>> front = shapely.LineString([(2000, -3000), (4000, 3000)])
    >>> round(front_position(front, centreline=shapely.LineString([(0, 0), (9000, 0)])), 6)
    3000.0
    """
    place = Place(name="front", crs=None, fjord=fjord, centreline=centreline)
    ruler = FrontRuler(place=place, settings=settings or TrackSettings())
    return ruler.position(method, front, boundary_m=math.nan, georeferencing_m=math.nan).value_m
