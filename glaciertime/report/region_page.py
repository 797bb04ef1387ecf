"""The page of a region: totals, completeness, ranking, map; each number with its unit and its sigma."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from html import escape

import pandas as pd

from glaciertime import __version__
from glaciertime.naming import counted
from glaciertime.provenance import RunRecord
from glaciertime.provenance.tags import html_tag
from glaciertime.region.reading import KindReading, RegionReading
from glaciertime.report.html import STYLE, figure, html_table
from glaciertime.report.page import MARK
from glaciertime.report.region_map import region_map
from glaciertime.report.region_text import bound_text, kind_title, left_out_text, total_rows
from glaciertime.units import number_text

__all__ = ["region_page"]

_STYLE = """
table.totals th { font-weight: 500; color: #57606a; white-space: nowrap; } table.totals td { font-variant-numeric: tabular-nums; }
.wide td.number { white-space: nowrap; } .wide td:last-child:not(.number) { min-width: 14rem; }
ul.left { font-size: .875rem; color: #57606a; } details summary { cursor: pointer; }
h2 { overflow-wrap: anywhere; } h1 { overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { padding: 1rem; }
  table.totals tr { display: block; padding: .2rem 0; border-bottom: 1px solid #e6e9ec; }
  table.totals th, table.totals td { display: block; border: 0; padding: .05rem 0; white-space: normal; }
}
"""  # noqa: E501
#: Rows of a ranking that are shown at once; the others are folded in below.
_SHOWN = 15


def region_page(
    reading: RegionReading,
    *,
    run: RunRecord | None = None,
    pages: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    without_page: Mapping[str, str] | None = None,
) -> str:
    """Return the page of a region as one self-contained HTML page.

    Parameters
    ----------
    reading : RegionReading
    run : RunRecord, optional
        What writes the page: told in its head.
    pages : mapping of glacier to file, optional
        Pages of single glaciers beside it: they are linked.
    labels : mapping of glacier to text, optional
        What glaciers are called beside their number.
    without_page : mapping of glacier to reason, optional
        Glaciers whose page could not be made.
    """
    named = _Names(pages or {}, labels or {})
    parts = [_header(reading)]
    sources = {one.kind["source"] for one in reading.kinds}
    for one in reading.kinds:
        parts.append(_kind(one, reading, named))
    parts.append(_missing(reading, without_page or {}))
    if pages:
        parts.append(_index(pages, named))
    parts.append(_notes(reading))
    told = "" if run is None else f"{html_tag(run.tag())}\n"
    warning = (
        '<p class="simulated">Some of what follows is simulated, and marked so: it was drawn by a program, and is in '
        "no sum with what was observed.</p>"
        if sources == {"observed", "simulated"}
        else '<p class="simulated">Simulated: nothing here was observed.</p>'
        if sources == {"simulated"}
        else ""
    )
    body = "\n".join(part for part in [parts[0], warning, *parts[1:]] if part)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="{MARK}">\n{told}<title>{escape(reading.label)}</title>\n'
        f"<style>{STYLE}{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


class _Names:
    """What glaciers are called on the page, and where their own pages are."""

    def __init__(self, pages: Mapping[str, str], labels: Mapping[str, str]) -> None:
        self._pages, self._labels = pages, labels

    def plain(self, name: str) -> str:
        label = self._labels.get(name, "")
        return f"{label} ({name})" if label and label != name else name

    def short(self, name: str) -> str:
        return self._labels.get(name) or name

    def link(self, name: str) -> str:
        from urllib.parse import quote

        text = escape(self.plain(name))
        return f'<a href="{quote(self._pages[name])}">{text}</a>' if name in self._pages else text


def _header(reading: RegionReading) -> str:
    held = len(reading.glaciers)
    of = (
        counted(held, "glaciers")
        if held == reading.of
        else f"{held} of {counted(reading.of, 'known glaciers')} are in the archive"
    )
    title = reading.label[:1].upper() + reading.label[1:]
    return (
        f'<h1>{escape(title)}</h1>\n<p class="lead">{of}. Made by glaciertime {__version__} on '
        f"{dt.date.today().isoformat()}.</p>"
    )


def _kind(one: KindReading, reading: RegionReading, named: _Names) -> str:
    rows = "".join(
        f"<tr><th>{escape(label)}</th><td>{escape(text)}</td></tr>"
        for label, text in total_rows(one, correlation=reading.correlation)
    )
    title = kind_title(one.kind)
    parts = [f"<h2>{escape(title[0].upper() + title[1:])}</h2>"]
    if one.kind["source"] == "simulated":
        parts.append('<p class="simulated">Simulated, not observed.</p>')
    parts.append(f'<table class="totals"><tbody>{rows}</tbody></table>')
    parts += [f'<p class="caution">{escape(note[0].upper() + note[1:])}.</p>' for note in one.notes]
    if one.left_out:
        items = "".join(f"<li>{escape(text)}</li>" for text in left_out_text(one.left_out))
        parts.append(f'<p class="note">Not counted:</p><ul class="left">{items}</ul>')
    parts.append(_map(one, reading, named))
    parts.append(_ranking(one, named))
    return "\n".join(part for part in parts if part)


def _map(one: KindReading, reading: RegionReading, named: _Names) -> str:
    points = {name: reading.points[name] for name in sorted(reading.points)}
    rates = dict(zip(one.table["glacier"], one.table["per_year"], strict=True))
    placed = [name for name in rates if name in points]
    if len(placed) < 2:  # a map of one says less than its name
        return ""
    svg = region_map(
        points, rates, unit=one.kind["unit"], source=one.kind["source"],
        labels={name: named.short(name) for name in points},
    )  # fmt: skip
    more = len(one.table) - len(placed)
    without = f" {more} counted glaciers have no known place." if more else ""
    unit = one.kind["unit"]
    caption = (
        f"Change per year of {counted(len(placed), 'glaciers')} in {unit}, those without a value grey; the largest are "
        f"named where there is room.{without} Source: {one.kind['source']}; {one.kind['dataset']}."
    )
    return figure(svg, f"Map of the changes of {reading.label}", caption, kind="map")


def _ranking(one: KindReading, named: _Names) -> str:
    table = one.table
    if table.empty:
        return ""
    unit = one.kind["unit"]
    head = ["glacier", "from", "to", f"at start ({unit})", f"at end ({unit})", f"change ({unit})",
            f"per year ({unit})", "dates", "note"]  # fmt: skip
    rows = [
        [
            named.plain(row.glacier), f"{row.start_date:%Y-%m-%d}", f"{row.end_date:%Y-%m-%d}",
            number_text(row.start_value), number_text(row.end_value),
            _signed(row.change, row.change_sigma, row.qualifier),
            _signed(row.per_year, row.per_year_sigma, row.qualifier),
            str(row.dates), row.note,
        ]
        for row in table.itertuples()
    ]  # fmt: skip
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    links = {named.plain(name): named.link(name) for name in table["glacier"]}
    first = _linked(html_table(head, rows[:_SHOWN], numbers={3, 4, 5, 6, 7}), links)
    rest = rows[_SHOWN:]
    more = (
        f"<details><summary>the other {len(rest)}</summary>"
        f"{_linked(html_table(head, rest, numbers={3, 4, 5, 6, 7}), links)}</details>"
        if rest
        else ""
    )
    return f"<h3>Glacier by glacier, the largest loss per year first</h3>{first}{more}"


def _linked(table: str, links: Mapping[str, str]) -> str:
    by_cell = {escape(text): link for text, link in links.items()}
    return re.sub(r"<tr><td>(.*?)</td>", lambda found: f"<tr><td>{by_cell.get(found[1], found[1])}</td>", table)


def _signed(value: float, sigma: float, qualifier: str) -> str:
    if pd.isna(value):
        return ""
    error = "" if pd.isna(sigma) else f" ± {number_text(sigma, digits=2)}"
    return f"{number_text(value, sign=True)}{error}{bound_text(qualifier)}"


def _missing(reading: RegionReading, without_page: Mapping[str, str]) -> str:
    lines = [f"{name}: {why}" for name, why in {**reading.failed, **without_page}.items()]
    parts = []
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        parts.append(f'<h2>Of these nothing can be said</h2><ul class="left">{items}</ul>')
    if reading.missing:
        more = f" and {len(reading.missing) - 50} more" if len(reading.missing) > 50 else ""
        names = ", ".join(reading.missing[:50]) + more
        parts.append(f"<h2>Not in the archive</h2><p>{counted(len(reading.missing), 'glaciers')}: {escape(names)}</p>")
    return "\n".join(parts)


def _index(pages: Mapping[str, str], named: _Names) -> str:
    items = "".join(f"<li>{named.link(name)}</li>" for name in pages)
    return f"<h2>Pages of single glaciers</h2><ul>{items}</ul>"


def _notes(reading: RegionReading) -> str:
    shared = "".join(
        f"<li>{escape(f'{pair.one} and {pair.other} share {number_text(pair.area_km2)} km2 ({where})')}.</li>"
        for where, pair in reading.shared[:20]
    )
    more = f"<li>and {len(reading.shared) - 20} pairs more</li>" if len(reading.shared) > 20 else ""
    overlap = f"<h2>Shared ground</h2><ul>{shared}{more}</ul>" if shared else ""
    return (
        f"{overlap}<h2>How to read this</h2><ul>"
        "<li>A change is the value at the end minus that at the start: a loss is negative. Areas are true areas on "
        "the WGS84 ellipsoid.</li>"
        "<li>Uncertainties are one standard deviation. The errors of two glaciers are taken to be correlated by "
        f"{reading.correlation:g}, which is an assumption (--correlation); beside it stand independent errors (0) and "
        "shared ones (1).</li>"
        "<li>A year has 365.25 days. Where periods differ, changes are not added; each is divided by its own years, "
        "and these rates are added: right as far as a rate held on.</li>"
        "<li>Different variables, methods, footprints, data sets and kinds of front stand apart: none is in a sum "
        "with another. What is simulated is never added to what was observed.</li>"
        "<li>Nothing is counted twice: of glaciers that are one by their polygons or values one counts, and those "
        "that share ground are left out of the sum over it.</li></ul>"
    )
