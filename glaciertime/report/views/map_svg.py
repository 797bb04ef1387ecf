"""A map of a report as SVG within the page: lines by the rank of their date, outlines, a grid of kilometres."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

import shapely

from glaciertime.plot.front_lines import OUTLINE_COLOURS, frame_of, rank_colour
from glaciertime.report.content.parts import Item, Line, MapPlot, Outline, say
from glaciertime.report.wording import Wording

__all__ = ["map_svg"]

_WIDTH = 1000.0
_HIGHEST_REM, _HIGHEST_MM = 42.0, 100.0
#: As attributes too: a printer reads no style sheet within a picture.
_GRID = 'stroke="#e1e5e9" stroke-width="1" font-size="25" font-family="DejaVu Sans, sans-serif"'
_STAMP = 'fill="#b00020" fill-opacity=".18" font-size="60"'
_WORDS = 'fill="#57606a" stroke="none"'
_BAND, _SEEN, _LINE = "#0072b2", "#333333", "#777777"
Points = Sequence[tuple[float, float]]


class _Plane:
    """From metres of the map to units of the picture."""

    def __init__(self, plot: MapPlot) -> None:
        x_min, y_min, x_max, y_max = _frame(plot)
        self.x0, self.y1 = x_min, y_max
        self.scale = _WIDTH / (x_max - x_min)
        self.height = (y_max - y_min) * self.scale

    def path(self, pieces: Sequence[Points], *, is_closed: bool = False) -> str:
        """Return lines as the path of an SVG."""
        parts = []
        for piece in pieces:
            at = " ".join(f"{(x - self.x0) * self.scale:.2f},{(self.y1 - y) * self.scale:.2f}" for x, y in piece)
            parts.append(f"M{at}{'Z' if is_closed else ''}")
        return "".join(parts)


def _frame(plot: MapPlot) -> tuple[float, float, float, float]:
    """Return what is looked at: the lines, with the fjord and bands around them where these are not much larger."""
    points = [point for line in plot.lines for piece in line.pieces for point in piece]
    for outline in plot.outlines:
        if outline.kind in ("fjord", "band"):
            points += [point for ring in outline.rings for point in ring]
    return frame_of(points)


def map_svg(plot: MapPlot, *, wording: Wording, is_print: bool = False) -> str:
    """Return the map with its axes, its tools and its legend as HTML; for paper no higher than half a page."""
    plane = _Plane(plot)
    title = wording.title(plot.title)
    drawn = [*_outlines(plot.outlines, plane), *_centreline(plot, plane, wording), *_lines(plot.lines, plane, wording)]
    stamp = ""
    if plot.source == "simulated":
        stamp = (
            f'<text class="stamp" {_STAMP} x="500" y="{plane.height / 2:.0f}" text-anchor="middle" '
            f'transform="rotate(-20 500 {plane.height / 2:.0f})">{escape(wording.text(say("view.simulated")))}</text>'
        )
    numbers, (rules, words) = wording.numbers, _grid(plane, wording)
    svg = (
        f'<svg class="zoom" role="img" aria-label="{escape(title)}" viewBox="0 0 {_WIDTH:g} {plane.height:.2f}" '
        f'data-x0="{plane.x0!r}" data-y1="{plane.y1!r}" data-scale="{plane.scale!r}" '
        f'data-decimal="{escape(numbers["decimal"])}" data-thousands="{escape(numbers["thousands"])}">'
        f'<g class="grid" {_GRID}>{rules}</g>{"".join(drawn)}<g class="grid words" {_GRID}>{words}</g>{stamp}</svg>'
    )
    where = plot.crs or wording.text(say("view.local"))
    axes = [f"{wording.title(say(f'view.{name}'))} (km, {where})" for name in ("northing", "easting")]
    tools = "".join(
        f'<button type="button" name="{name}" aria-label="{escape(wording.title(say(f"view.{key}")))}">{sign}</button>'
        for name, key, sign in (("in", "zoom_in", "+"), ("out", "zoom_out", "\u2212"), ("whole", "whole", "\u25a1"))
    )
    # No higher than a screen is, or than leaves room for words on a page.
    shape = _WIDTH / plane.height
    wide = f"{_HIGHEST_MM * shape:.0f}mm" if is_print else f"{_HIGHEST_REM * shape:.1f}rem"
    return (
        f'<div style="max-width:{wide}"><div class="axis">\u2191 {escape(axes[0])}</div>'
        f'<div class="frame">{svg}</div>'
        f'<div class="axis right">{escape(axes[1])} \u2192</div></div>'
        f'<div class="tools" hidden>{tools}{escape(wording.text(say("view.hint")))}</div>{_legend(plot, wording)}'
    )


def _grid(plane: _Plane, wording: Wording) -> tuple[str, str]:
    """Return lines at round kilometres, and their numbers inside the frame, as the page shows them at first.

    The numbers lie on top: no front runs through them.
    """
    k = plane.scale * 1000
    rough = _WIDTH / k / 4
    power = 10 ** math.floor(math.log10(rough))
    lead = rough / power
    step = power * (1 if lead < 1.5 else 2 if lead < 3.5 else 5 if lead < 7.5 else 10)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    parts, words = [], []
    for index in range(math.ceil(plane.x0 / 1000 / step), math.floor((plane.x0 / 1000 + _WIDTH / k) / step) + 1):
        x = (index * step - plane.x0 / 1000) * k
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{plane.height:.1f}"/>')
        if 0.06 * _WIDTH < x < 0.94 * _WIDTH:
            text = wording.plain(round(index * step, digits))
            at = f'x="{x:.1f}" y="{plane.height - 8:.1f}"'
            words.append(f'<text {_WORDS} {at} text-anchor="middle">{text}</text>')
    top = plane.y1 / 1000
    for index in range(math.ceil((top - plane.height / k) / step), math.floor(top / step) + 1):
        y = (top - index * step) * k
        parts.append(f'<line x1="0" x2="{_WIDTH:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if 0.06 * plane.height < y < 0.9 * plane.height:
            text = wording.plain(round(index * step, digits))
            words.append(f'<text {_WORDS} x="6" y="{y - 4:.1f}">{text}</text>')
    return "".join(parts), "".join(words)


def _outlines(outlines: Sequence[Outline], plane: _Plane) -> Iterator[str]:
    for outline in outlines:
        path = plane.path(outline.rings, is_closed=True)
        if outline.kind == "band":
            yield f'<path d="{path}" class="band" fill="{_BAND}" fill-opacity=".2" fill-rule="evenodd" stroke="none"/>'
        else:
            colour = OUTLINE_COLOURS.get(outline.kind, "#999999")
            yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


def _centreline(plot: MapPlot, plane: _Plane, wording: Wording) -> Iterator[str]:
    if plot.centreline is None or not plot.centreline.pieces:
        return
    path = plane.path(plot.centreline.pieces)
    name = escape(wording.text(plot.centreline.label))
    how = f'fill="none" stroke="{_LINE}" stroke-width="1.5" stroke-dasharray="7 5"'
    yield f'<path d="{path}" {how}><title>{name}</title></path>'


def _lines(lines: Sequence[Line], plane: _Plane, wording: Wording) -> Iterator[str]:
    for line in lines:
        dashed = ' stroke-dasharray="6 4"' if line.is_dashed else ""
        name = wording.text(line.label) if line.label else line.date.isoformat() if line.date else ""
        yield (
            f'<path d="{plane.path(line.pieces)}" fill="none" stroke="{_colour(line)}" stroke-width="2"{dashed}>'
            f"<title>{escape(name)}</title></path>"
        )


def _colour(line: Line) -> str:
    if line.label:
        return _SEEN if line.date else _BAND
    return rank_colour(line.rank)


def _legend(plot: MapPlot, wording: Wording) -> str:
    keys: dict[str, None] = {}

    def key(colour: str, label: Item, style: str = "") -> None:
        keys[f'<span><i class="key" style="border-color:{colour}{style}"></i>{escape(wording.text(label))}</span>'] = (
            None
        )

    seen = shapely.box(*_frame(plot))
    for outline in plot.outlines:
        # A box around the whole of a glacier lies outside of what is shown of its front.
        if not any(shapely.LinearRing(ring).intersects(seen) for ring in outline.rings):
            continue
        if outline.kind == "band":
            name = escape(wording.text(outline.label))
            keys[f'<span><i class="key band" style="background:{_BAND}66"></i>{name}</span>'] = None
        else:
            key(OUTLINE_COLOURS.get(outline.kind, "#999999"), outline.label)
    if plot.centreline is not None:
        key(_LINE, plot.centreline.label, ";border-top-style:dashed")
    for line in plot.lines:
        if line.label:
            key(_colour(line), line.label)
    dates = sorted({line.date for line in plot.lines if line.date and not line.label})
    ramp = ""
    if len(dates) > 1:
        stops = ", ".join(rank_colour(step / 8) for step in range(9))
        shown = [dates[0], *([dates[len(dates) // 2]] if len(dates) > 4 else []), dates[-1]]
        ends = "".join(f'<time datetime="{date.isoformat()}">{date.isoformat()}</time>' for date in shown)
        ramp = (
            f'<div class="ramp"><div class="colours" style="background:linear-gradient(to right, {stops})"></div>'
            f'<div class="ends">{ends}</div></div>'
        )
    return f'{ramp}<div class="legend">{"".join(keys)}</div>'
