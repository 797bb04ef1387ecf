"""What the glaciers of a region are expected to be together: the sum of their forecasts, and who is not in it."""

from __future__ import annotations

import math

from glaciertime.region.forecasts import ModelTotal, SumForecast
from glaciertime.report.content.forecasts import interval_of
from glaciertime.report.content.parts import (
    Block,
    Column,
    Heading,
    Item,
    Listing,
    Number,
    Paragraph,
    Phrase,
    Table,
    count,
    day,
    say,
)
from glaciertime.report.content.told import left_out_lines, quoted

__all__ = ["correlation_said", "sum_blocks"]

#: Rows of the table that are shown at once.
_SHOWN = 14


def sum_blocks(found: SumForecast) -> list[Block]:
    """Return the forecast of a sum: a sentence, a table with independent and shared errors beside, who is missing."""
    blocks: list[Block] = [Heading(text=say("sum.title"))]
    if not found.totals:
        return [*blocks, Paragraph(sentences=(say("sum.none", why=quoted(found.reason)),), tone="note")]
    first = found.totals[0]
    blocks.append(Paragraph(sentences=(_expected(found, first), correlation_said(found)), tone="verdict"))
    if found.later:
        n = count(len(found.later))
        blocks.append(Paragraph(sentences=(say("sum.later", n=n, names=found.later[:_SHOWN]),), tone="caution"))
    blocks.append(_table(found))
    for total in found.totals:
        if total.missing:
            blocks.append(Paragraph(sentences=(say("sum.missing", model=total.model),), tone="note"))
            blocks.append(Listing(items=tuple(left_out_lines(total.missing))))
    blocks.append(Paragraph(sentences=(say("sum.note"),), tone="note"))
    return blocks


def _expected(found: SumForecast, total: ModelTotal) -> Phrase:
    unit = found.kind["unit"]
    end = total.rows["target_date"].max()
    number = interval_of(total.rows[total.rows["target_date"] == end], unit)
    first, last = map(day, found.cutoffs)
    seen: Item = say("sum.cutoff", date=first) if first == last else say("sum.cutoffs", first=first, last=last)
    now: Item = "" if math.isnan(found.last) else say("sum.now", value=Number(found.last, unit=unit))
    return say(
        "sum.expected", date=day(end), model=total.model, value=number, n=count(len(total.glaciers)),
        of=count(found.of), level=Number(100 * number.level, unit="%"), seen=seen, now=now,
    )  # fmt: skip


def correlation_said(found: SumForecast) -> Phrase:
    """Return which correlation of errors a sum rests on, and why."""
    rho = Number(found.correlation, digits=2)
    if found.years:
        return say("sum.learned", correlation=rho, years=count(found.years))
    return say("sum.assumed", correlation=rho)


def _table(found: SumForecast) -> Table:
    unit = found.kind["unit"]
    rows: list[tuple[Item, ...]] = []
    level = math.nan
    for place, total in enumerate(found.totals):
        dates = total.rows["target_date"].drop_duplicates().sort_values()
        end = dates.iloc[-1]
        shown = [*dates.groupby(dates.dt.year).min(), end] if place == 0 else [end]
        for date in dict.fromkeys(shown):
            cells = [
                interval_of(table[table["target_date"] == date], unit)
                for table in (total.rows, total.independent, total.shared)
            ]
            level = cells[0].level
            rows.append((total.model, day(date), count(len(total.glaciers)), *cells))
    told = (
        say("forecast.median_level", level=Number(100 * level, unit="%"))
        if math.isfinite(level) else say("forecast.median")
    )  # fmt: skip
    columns = (
        Column(head=say("forecast.model")), Column(head=say("forecast.date"), kind="date"),
        Column(head=say("sum.glaciers"), kind="number"),
        Column(head=say("sum.head", correlation=Number(found.correlation, digits=2), median=told), kind="number",
               unit=unit),
        Column(head=say("sum.independent"), kind="number", unit=unit),
        Column(head=say("sum.shared"), kind="number", unit=unit),
    )  # fmt: skip
    return Table(name="sums", columns=columns, rows=tuple(rows), shown=_SHOWN)
