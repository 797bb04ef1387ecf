"""What a report says of a region: totals with the correlation of errors, completeness, ranking, map, who is missing."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import pandas as pd

from glaciertime import __version__
from glaciertime.known_dates import DAY, KnownDate
from glaciertime.region.forecasts import SumForecast
from glaciertime.region.reading import KindReading, RegionReading
from glaciertime.region.totals import Total
from glaciertime.report.content.methods import cited
from glaciertime.report.content.parts import (
    Block,
    Column,
    Content,
    Heading,
    Item,
    Link,
    Listing,
    Number,
    Paragraph,
    Phrase,
    RegionMap,
    Section,
    Table,
    count,
    day,
    say,
)
from glaciertime.report.content.region_sums import sum_blocks
from glaciertime.report.content.series import front_label, measured_in, per_year, variable_label
from glaciertime.report.content.told import called, left_out_lines, quoted, told

__all__ = ["region_content"]

#: Rows of a ranking that are shown at once; the others are folded in below. Names of glaciers that are listed.
_SHOWN, _NAMED, _PAIRS = 15, 50, 20


def region_content(
    reading: RegionReading,
    *,
    pages: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    without_page: Mapping[str, str] | None = None,
    sums: Sequence[SumForecast] = (),
    without_sum: Sequence[str] = (),
    today: dt.date | None = None,
) -> Content:
    """Return what is said of a region.

    Parameters
    ----------
    reading : RegionReading
    pages : mapping of glacier to file, optional
        Pages of single glaciers beside it: they are linked.
    labels : mapping of glacier to text, optional
        What glaciers are called beside their number.
    without_page : mapping of glacier to reason, optional
        Glaciers whose page could not be made.
    sums : sequence of SumForecast
        What the glaciers are forecast to be together.
    without_sum : sequence of str
        Variables that were forecast, and of which several glaciers have no sum.
    today : date, optional
        When it is said.
    """
    names = _Names(pages or {}, labels or {})
    sections = [_lead(reading, today or dt.date.today())]
    forecast = {tuple(one.kind.items()): one for one in sums}
    sections += [_kind(one, reading, names, forecast.get(tuple(one.kind.items()))) for one in reading.kinds]
    if without_sum:
        without = say("sum.without", what=tuple(variable_label(name) for name in without_sum))
        sections.append(
            Section(key="sums", title=say("sum.title"), blocks=(Paragraph(sentences=(without,), tone="note"),))
        )
    sections += _missing(reading, without_page or {})
    if pages:
        items = tuple(names.link(name) for name in pages)
        sections.append(Section(key="pages", title=say("region.pages"), blocks=(Listing(items=items),)))
    sections += _shared(reading)
    sections.append(_notes(reading))
    return Content(kind="region", title=called(reading.label), sections=tuple(sections))


class _Names:
    """What glaciers are called, and where their own pages are."""

    def __init__(self, pages: Mapping[str, str], labels: Mapping[str, str]) -> None:
        self._pages, self._labels = pages, labels

    def plain(self, name: str) -> str:
        label = self._labels.get(name, "")
        return f"{label} ({name})" if label and label != name else name

    def short(self, name: str) -> str:
        return self._labels.get(name) or name

    def link(self, name: str) -> Item:
        return Link(self.plain(name), quote(self._pages[name])) if name in self._pages else self.plain(name)


def _lead(reading: RegionReading, today: dt.date) -> Section:
    held = len(reading.glaciers)
    told: Item = (
        say("region.held", n=count(held)) if held == reading.of
        else say("region.held_of", n=count(held), of=count(reading.of))
    )  # fmt: skip
    blocks: list[Block] = [
        Paragraph(sentences=(told, say("lead.made", version=__version__, date=today)), tone="lead")
    ]  # fmt: skip
    sources = {one.kind["source"] for one in reading.kinds}
    if "simulated" in sources:
        key = "region.some_simulated" if "observed" in sources else "region.all_simulated"
        blocks.append(Paragraph(sentences=(say(key),), tone="simulated"))
    if reading.kinds:
        blocks.append(Paragraph(sentences=tuple(_short(reading.kinds[0], reading.correlation)), tone="headline"))
    return Section(key="lead", title=None, blocks=tuple(blocks))


def _title(kind: Mapping[str, str]) -> Phrase:
    how = measured_in(("", "", kind["method"], kind["footprint"], "", ""), apart=False)
    front = (front_label(kind["front_of"]),) if kind["front_of"] not in ("", "-") else ()
    what: Item = (variable_label(kind["variable"]), *how, *front)
    return say("region.kind", what=what, dataset=kind["dataset"], source=say(f"data.is_{kind['source']}"))


def _number(total: Total, unit: str, *, is_change: bool) -> Number:
    return Number(total.value, unit=unit, sigma=total.sigma, bound=total.qualifier, is_change=is_change)


def _short(one: KindReading, correlation: float) -> list[Phrase]:
    """Return the sentences of the kind of measurement that most glaciers have."""
    what = variable_label(one.kind["variable"])
    done = say("region.counted", n=count(one.completeness.n), of=count(one.completeness.of))
    total, unit = one.change, one.kind["unit"]
    if total is not None and not math.isnan(total.value):
        first, last = _span(one.table)
        told = say(
            "region.changed", what=what, counted=done, start=first, end=last,
            total=_number(total, unit, is_change=True), correlation=Number(correlation, digits=2),
        )  # fmt: skip
        return [told]
    rate = one.rate or one.mean_rate
    if rate is not None and not math.isnan(rate.value):
        key = "region.rate" if one.rate is not None else "region.mean"
        number = _number(rate, per_year(unit), is_change=True)
        return [say(key, what=what, counted=done, rate=number, correlation=Number(correlation, digits=2))]
    return [say("region.nothing", what=what, counted=done)]


def _kind(one: KindReading, reading: RegionReading, names: _Names, forecast: SumForecast | None) -> Section:
    blocks: list[Block] = []
    if one.kind["source"] == "simulated":
        blocks.append(Paragraph(sentences=(say("region.simulated"),), tone="simulated"))
    blocks += _completeness(one)
    # Of what has no sum, and of too short a time for a rate, nothing is said of the glaciers together.
    if len(one.table) and (totals := _totals(one, reading.correlation)).rows:
        blocks.append(totals)
    blocks += [Paragraph(sentences=(say("number.as_it_is", text=told(note)),), tone="caution") for note in one.notes]
    if one.left_out:
        blocks.append(Paragraph(sentences=(say("region.left_out"),), tone="note"))
        blocks.append(Listing(items=tuple(left_out_lines(one.left_out))))
    if forecast is not None:
        blocks += sum_blocks(forecast)
    blocks += _map(one, reading, names)
    if len(one.table):
        blocks += [Heading(text=say("region.ranking")), _ranking(one, names)]
    return Section(key="kind", title=_title(one.kind), blocks=tuple(blocks), source=one.kind["source"])


def _completeness(one: KindReading) -> list[Block]:
    done = one.completeness
    told: list[Item] = [say("region.counted", n=count(done.n), of=count(done.of))]
    if not math.isnan(done.share):
        told.append(
            say("region.by_area", share=Number(100 * done.share, unit="%", digits=3),
                area=Number(done.area_km2, unit="km2"), of=Number(done.of_area_km2, unit="km2"))
        )  # fmt: skip
        if done.without_area:
            told.append(say("region.without_area", n=count(done.without_area)))
    if len(one.table):
        shrinking = int((one.table["change"] < 0).sum())
        told.append(say("region.smaller", n=count(shrinking), of=count(len(one.table))))
        low, high = one.years
        span = dict(zip(("start", "end"), _span(one.table), strict=True))
        told.append(
            say("region.period", **span) if one.is_one_period
            else say(
                "region.periods", **span, low=Number(low, unit="a", digits=3), high=Number(high, unit="a", digits=3)
            )
        )  # fmt: skip
    return [Paragraph(sentences=tuple(told))]


def _said(date: object, known: str) -> dt.date | KnownDate:
    return day(date) if known == DAY else KnownDate(day(date), known)


def _span(table: pd.DataFrame) -> tuple[dt.date | KnownDate, dt.date | KnownDate]:
    """Return the first start and the last end, to what is known of them."""
    first, last = table.loc[table["start_date"].idxmin()], table.loc[table["end_date"].idxmax()]
    return _said(first["start_date"], first["start_known"]), _said(last["end_date"], last["end_known"])


def _totals(one: KindReading, correlation: float) -> Table:
    unit = one.kind["unit"]
    rows: list[tuple[Item, ...]] = []
    for name, total, of in (
        ("start", one.start, unit), ("end", one.end, unit), ("change", one.change, unit),
        ("rate", one.rate, per_year(unit)), ("percent", one.percent_per_year, "% a-1"),
        ("mean", one.mean_rate, per_year(unit)),
    ):  # fmt: skip
        if total is None or (name == "mean" and len(one.table) == 1):
            continue
        number = _number(total, of, is_change=name not in ("start", "end"))
        others: tuple[Item, ...] = ("", "")
        if total.n > 1 and math.isfinite(total.sigma):
            others = (Number(total.sigma_independent, unit=of, digits=2), Number(total.sigma_full, unit=of, digits=2))
        rows.append((say(f"region.sum_{name}"), number, *others))
    if len(one.table) > 1 and one.table["per_year"].notna().all():
        rows.append(
            (say("region.median"), Number(one.table["per_year"].median(), unit=per_year(unit), is_change=True), "", "")
        )
    columns = (
        Column(head=say("region.what")),
        Column(head=say("region.total", correlation=Number(correlation, digits=2)), kind="number"),
        Column(head=say("region.sigma_0"), kind="number"), Column(head=say("region.sigma_1"), kind="number"),
    )  # fmt: skip
    return Table(name="totals", columns=columns, rows=tuple(rows))


def _map(one: KindReading, reading: RegionReading, names: _Names) -> list[Block]:
    points = {name: reading.points[name] for name in sorted(reading.points)}
    rated = one.table[one.table["per_year"].notna()]
    rates = dict(zip(rated["glacier"], map(float, rated["per_year"]), strict=True))
    placed = [name for name in rates if name in points]
    if len(placed) < 2:  # a map of one says less than its name
        return []
    more = len(rates) - len(placed)
    caption: list[Item] = [say("region.map_caption", n=count(len(placed)))]
    if more:
        caption.append(say("region.map_without", n=count(more)))
    caption.append(say(f"source.{one.kind['source']}", datasets=one.kind["dataset"]))
    return [
        RegionMap(
            title=say("region.map", region=called(reading.label)), caption=tuple(caption), source=one.kind["source"],
            unit=one.kind["unit"], points=points, values=rates, names={name: names.short(name) for name in points},
        )
    ]  # fmt: skip


def _ranking(one: KindReading, names: _Names) -> Table:
    unit = one.kind["unit"]
    rows = tuple(
        (
            names.link(row.glacier), _said(row.start_date, row.start_known), _said(row.end_date, row.end_known),
            # Ice that fills its footprint has no boundary that could be in error, and no area that is exact.
            Number(row.start_value, unit=unit, sigma=row.start_sigma or math.nan),
            Number(row.end_value, unit=unit, sigma=row.end_sigma or math.nan),
            Number(row.change, unit=unit, sigma=row.change_sigma, bound=row.qualifier, is_change=True),
            Number(row.per_year, unit=per_year(unit), sigma=row.per_year_sigma, bound=row.qualifier, is_change=True),
            count(row.dates), told(row.note),
        )
        for row in one.table.itertuples()
    )  # fmt: skip
    columns = (
        Column(head=say("region.glacier")), Column(head=say("change.from"), kind="date"),
        Column(head=say("change.to"), kind="date"), Column(head=say("change.value_start"), kind="number", unit=unit),
        Column(head=say("change.value_end"), kind="number", unit=unit),
        Column(head=say("change.others"), kind="number", unit=unit),
        Column(head=say("change.others_rate"), kind="number", unit=per_year(unit)),
        Column(head=say("region.dates"), kind="number"), Column(head=say("change.note")),
    )  # fmt: skip
    return Table(name="ranking", columns=columns, rows=rows, shown=_SHOWN)


def _missing(reading: RegionReading, without_page: Mapping[str, str]) -> list[Section]:
    found = []
    lines = tuple(
        say("region.of_one", name=name, why=quoted(why)) for name, why in {**reading.failed, **without_page}.items()
    )
    if lines:
        found.append(Section(key="failed", title=say("region.failed"), blocks=(Listing(items=lines),)))
    if reading.missing:
        told: list[Item] = [say("region.missing", n=count(len(reading.missing)), names=tuple(reading.missing[:_NAMED]))]
        if len(reading.missing) > _NAMED:
            told.append(say("region.more", n=count(len(reading.missing) - _NAMED)))
        found.append(
            Section(key="missing", title=say("region.missing_title"), blocks=(Paragraph(sentences=tuple(told)),))
        )
    return found


def _shared(reading: RegionReading) -> list[Section]:
    if not reading.shared:
        return []
    items: list[Item] = [
        say("region.shared", one=pair.one, other=pair.other, area=Number(pair.area_km2, unit="km2"), where=where)
        for where, pair in reading.shared[:_PAIRS]
    ]
    if len(reading.shared) > _PAIRS:
        items.append(say("region.more_pairs", n=count(len(reading.shared) - _PAIRS)))
    return [Section(key="shared", title=say("region.shared_title"), blocks=(Listing(items=tuple(items)),))]


def _notes(reading: RegionReading) -> Section:
    items = (
        say("region.note_change"), say("region.note_sigma", correlation=Number(reading.correlation, digits=2)),
        say("region.note_year"), say("region.note_kinds"), say("region.note_twice"), *cited("steps", ["total"]),
    )  # fmt: skip
    return Section(key="reading", title=say("reading_notes.title"), blocks=(Listing(items=items),))
