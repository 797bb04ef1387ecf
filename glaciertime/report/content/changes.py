"""What a glacier did: retreat in metres and area, the present rate before the long one, breaks, the seasons."""

from __future__ import annotations

import math
from typing import Any

import geopandas as gpd
import pandas as pd

from glaciertime.catalog import Glacier
from glaciertime.errors import InputError
from glaciertime.known_dates import known_date
from glaciertime.record import GlacierRecord
from glaciertime.report.content.parts import (
    Block,
    Column,
    Heading,
    Item,
    Number,
    Paragraph,
    Phrase,
    Section,
    Table,
    count,
    day,
    say,
)
from glaciertime.report.content.series import SaidDates, footprint_label, measured_in, per_year, rows_of, series_label
from glaciertime.report.content.told import told
from glaciertime.report.products import series_product
from glaciertime.tables import SERIES_KEY, side_of_bound
from glaciertime.track import retreat_table
from glaciertime.track.record.difference import difference_table, is_length
from glaciertime.units import rate_years

__all__ = ["Changes", "change_section", "product", "rate_section", "season_section"]

#: Where an area is looked for first.
_FOOTPRINTS = ("box", "common", "image", "measured ice", "fjord")
_TURNED = {"at least": "at most", "at most": "at least", "": ""}


def product(name: str, observations: pd.DataFrame) -> pd.DataFrame:
    """Return what ``glaciertime series --product`` prints: a report says nothing else."""

    def glacier() -> Glacier:
        raise InputError(f"{name} needs no glacier")

    return series_product(name, observations=observations, fronts=gpd.GeoDataFrame(), glacier=glacier).table


class Changes:
    """The tables of change of a record of one source, each made once."""

    def __init__(self, record: GlacierRecord) -> None:
        rows = record.observations
        self.record = record
        self.apart = rows["dataset"].nunique() > 1
        self.dates = SaidDates(rows)
        self.rates = product("rates", rows)
        self.segments = product("segments", rows)
        self.breaks = product("changes", rows)

    def of(self, table: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
        """Return the rows of a table of one series."""
        if table.empty:
            return table
        kinds = table[list(SERIES_KEY)].fillna("").astype(str)
        return table[(kinds == list(key)).all(axis=1)]


def change_section(changes: Changes) -> Section | None:
    """Return what was lost from the first to the last value: in area, in metres of the front, and of all else."""
    blocks: list[Block] = []
    record = changes.record
    rows = record.observations[record.observations["value"].notna()]
    if len(areas := _area_rows(record)):
        blocks.append(_area_table(areas, rows))
        # An area of somebody else's table is of no footprint, and of no boundary that was drawn here.
        kind = "given" if (areas["footprint"] == "-").all() else "areas"
        if kind == "given" and areas[["start_sigma_km2", "end_sigma_km2"]].isna().all(axis=None):
            kind = "unstated"
        blocks.append(Paragraph(sentences=(say(f"change.note_{kind}"),), tone="note"))
    other = rows[~rows["variable"].isin(["area_km2", "front_width_m"])]
    fronts, others = other[other["variable"].map(is_length)], other[~other["variable"].map(is_length)]
    for held, name in ((fronts, "retreat"), (others, "others")):
        if held.empty:
            continue
        try:
            table = difference_table(held)
        except InputError:  # nothing but failed values
            continue
        if len(table):
            blocks.append(Heading(text=say(f"change.heading_{name}")))
            blocks.append(_difference_table(table, name, changes.dates, held))
            blocks.append(Paragraph(sentences=(say(f"change.note_{name}"),), tone="note"))
    return Section(key="change", title=say("change.title"), blocks=tuple(blocks)) if blocks else None


def _area_rows(record: GlacierRecord) -> pd.DataFrame:
    """Return what was lost in each footprint, the box first: the one is no part of another's change."""
    areas = record.observations[record.observations["variable"] == "area_km2"]
    held = set(areas.loc[areas["value"].notna(), "footprint"])
    tables = []
    for footprint in sorted(held, key=lambda name: (_FOOTPRINTS.index(name) if name in _FOOTPRINTS else 9, name)):
        if (areas["value"].notna() & (areas["footprint"] == footprint)).sum() < 2:
            continue
        try:
            tables.append(retreat_table(record.observations, footprint=footprint, footprints=record.footprints))
        except InputError:  # all of them failed
            continue
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _area_table(table: pd.DataFrame, observations: pd.DataFrame) -> Table:
    rows: list[tuple[Item, ...]] = []
    for row in table.itertuples():
        own = observations[
            (observations["variable"] == "area_km2") & (observations["footprint"] == row.footprint)
            & (observations["dataset"] == row.dataset)
        ]  # fmt: skip
        rows.append(
            (
                known_date(own, row.start_date), known_date(own, row.end_date),
                _area(row.start_area_km2, row.start_sigma_km2, side=_side_on(own, row.start_date)),
                _area(row.end_area_km2, row.end_sigma_km2, side=_side_on(own, row.end_date)),
                Number(row.loss_km2, unit="km2", sigma=row.loss_sigma_km2, bound=row.qualifier),
                Number(row.loss_percent, unit="%", sigma=row.loss_percent_sigma, bound=row.qualifier),
                Number(row.loss_per_year_km2, unit="km2 a-1", sigma=row.loss_per_year_sigma_km2, bound=row.qualifier),
                (footprint_label(row.footprint), row.dataset), told(row.note),
            )
        )  # fmt: skip
    columns = (
        Column(head=say("change.from"), kind="date"), Column(head=say("change.to"), kind="date"),
        Column(head=say("change.area_start"), kind="number", unit="km2"),
        Column(head=say("change.area_end"), kind="number", unit="km2"),
        Column(head=say("change.loss"), kind="number", unit="km2"),
        Column(head=say("change.loss"), kind="number", unit="%"),
        Column(head=say("change.loss_rate"), kind="number", unit="km2 a-1"),
        Column(head=say("change.where")), Column(head=say("change.note")),
    )  # fmt: skip
    return Table(name="areas", columns=columns, rows=tuple(rows))


def _area(value: float, sigma: float, *, side: str) -> Number:
    """Return an area; ice that fills its footprint, or has left it, has no boundary that could be in error."""
    return Number(value, unit="km2", sigma=sigma or math.nan, bound=side if value else "")


def _side_on(rows: pd.DataFrame, date: pd.Timestamp) -> str:
    """Return of which side the values of a series on a day are bounds; empty where one of them is none."""
    of_day = rows[rows["date"] == date]
    bounds = of_day["bound"] if "bound" in of_day else [""] * len(of_day)
    sides = {side_of_bound(*pair) for pair in zip(of_day["quality"], bounds, strict=True)}
    return sides.pop().replace("-", " ") if len(sides) == 1 else ""


def _difference_table(table: pd.DataFrame, name: str, dates: SaidDates, observations: pd.DataFrame) -> Table:
    rows: list[tuple[Item, ...]] = []
    for row in table.itertuples():
        sign = -1 if is_length(row.variable) else 1
        bound = _TURNED[row.qualifier] if sign < 0 else row.qualifier
        years = rate_years(row.start_date, row.end_date)
        key = [getattr(row, name) for name in SERIES_KEY]
        own = rows_of(observations, key)
        rows.append(
            (
                series_label(key, apart=table["dataset"].nunique() > 1),
                dates.on(key, row.start_date), dates.on(key, row.end_date),
                Number(row.start_value, unit=row.unit, bound=_side_on(own, row.start_date)),
                Number(row.end_value, unit=row.unit, bound=_side_on(own, row.end_date)),
                Number(sign * row.change, unit=row.unit, sigma=row.change_sigma, bound=bound, is_change=True),
                Number(sign * row.change_per_year, unit=per_year(row.unit),
                       sigma=row.change_sigma / years, bound=bound, is_change=True),
                told(row.note),
            )
        )  # fmt: skip
    columns = (
        Column(head=say("change.what")), Column(head=say("change.from"), kind="date"),
        Column(head=say("change.to"), kind="date"), Column(head=say("change.value_start"), kind="number"),
        Column(head=say("change.value_end"), kind="number"),
        Column(head=say(f"change.{name}"), kind="number"), Column(head=say(f"change.{name}_rate"), kind="number"),
        Column(head=say("change.note")),
    )  # fmt: skip
    return Table(name=name, columns=columns, rows=tuple(rows))


def rate_section(changes: Changes) -> Section | None:
    """Return the present rate of every series, that of its whole span behind it, and the breaks between."""
    blocks: list[Block] = []
    present: list[tuple[Item, ...]] = []
    whole: list[tuple[Item, ...]] = []
    for row in changes.rates.itertuples():
        key = tuple("" if pd.isna(getattr(row, name)) else str(getattr(row, name)) for name in SERIES_KEY)
        label = series_label(key, apart=changes.apart)
        present.append((label, *_present_cells(changes.of(changes.segments, key), key, changes.dates)))
        whole.append((label, *_long_cells(row, key, changes.dates)))
    if present:
        columns: tuple[Column, ...] = (
            Column(head=say("rate.series")), Column(head=say("rate.since"), kind="date"),
            Column(head=say("rate.rate"), kind="number"), Column(head=say("rate.reading")),
        )  # fmt: skip
        blocks.append(Heading(text=say("rate.present")))
        blocks.append(Table(name="present", columns=columns, rows=tuple(present)))
        blocks.append(Paragraph(sentences=(say("rate.note_present"),), tone="note"))
        columns = (
            Column(head=say("rate.series")), Column(head=say("change.from"), kind="date"),
            Column(head=say("change.to"), kind="date"), Column(head=say("rate.of")),
            Column(head=say("rate.weighted"), kind="number"), Column(head=say("rate.robust"), kind="number"),
        )  # fmt: skip
        blocks.append(Heading(text=say("rate.long")))
        blocks.append(Table(name="rates", columns=columns, rows=tuple(whole)))
        blocks.append(Paragraph(sentences=(say("rate.note_long"),), tone="note"))
    if len(changes.breaks):
        blocks.append(Heading(text=say("rate.breaks")))
        blocks.append(_break_table(changes))
        blocks.append(Paragraph(sentences=(say("rate.note_breaks"),), tone="note"))
    return Section(key="rates", title=say("rate.title"), blocks=tuple(blocks)) if blocks else None


def _present_cells(segments: pd.DataFrame, key: tuple[str, ...], dates: SaidDates) -> tuple[Item, Item, Item]:
    """Return since when, how fast, and what that reads as, of the last segment of a series."""
    if segments.empty:  # fewer than six dates: breaks cannot be told
        return "", "", say("reading.few")
    last = segments.iloc[-1]
    rate: Item = ""
    if pd.notna(last["rate_per_year"]):
        rate = Number(
            last["rate_per_year"], unit=per_year(last["unit"]), low=last["low"], high=last["high"], level=0.95,
            is_change=True,
        )  # fmt: skip
    since: Item = dates.on(key, last["start_date"]) if len(segments) > 1 else say("rate.whole")
    return since, rate, reading_of(last)


def reading_of(segment: pd.Series) -> Phrase:
    """Return what a segment reads as: of a position advance or retreat, of all else growth or loss."""
    reading = str(segment["reading"])
    if reading in ("growing", "shrinking") and is_length(str(segment["variable"])):
        reading = {"growing": "advancing", "shrinking": "retreating"}[reading]
    return say(f"reading.{reading}", n=count(segment["n"]))


def _long_cells(row: Any, key: tuple[str, ...], dates: SaidDates) -> tuple[Item, ...]:
    of = say("rate.of_dates" if row.of == "dates" else "rate.of_years", n=count(row.n))
    why = {"": "", "short": "rate.brief"}.get(
        row.qualifier, "rate.all_bounds" if pd.isna(row.rate_per_year) else "rate.has_bounds"
    )
    unit = per_year(row.unit)
    # Of values that are bounds the rate is one of what could be seen: said beside it, on no certain side.
    return (
        dates.on(key, row.start_date), dates.on(key, row.end_date),
        (of, say(why)) if why else of,
        Number(row.rate_per_year, unit=unit, low=row.low, high=row.high, level=row.level, is_change=True),
        Number(row.robust_rate_per_year, unit=unit, low=row.robust_low, high=row.robust_high, level=row.level,
               is_change=True),
    )  # fmt: skip


def _break_table(changes: Changes) -> Table:
    keys = [["" if pd.isna(one) else one for one in key] for key in changes.breaks[list(SERIES_KEY)].to_numpy()]
    rows = tuple(
        (
            series_label(key, apart=changes.apart),
            changes.dates.on(key, row.after), changes.dates.on(key, row.before),
            Number(row.step, unit=row.unit, sigma=row.sigma, is_change=True, bound=_step_bound(row)),
            say("rate.has_bounds") if row.qualifier == "bound" else "",
            _p_value(row.p_value),
        )
        for key, row in zip(keys, changes.breaks.itertuples(), strict=True)
    )  # fmt: skip
    columns = (
        Column(head=say("rate.series")), Column(head=say("rate.after"), kind="date"),
        Column(head=say("rate.before"), kind="date"), Column(head=say("rate.step"), kind="number"),
        Column(head=say("change.note")), Column(head=say("rate.p"), kind="number"),
    )  # fmt: skip
    return Table(name="breaks", columns=columns, rows=rows)


def _step_bound(row: Any) -> str:
    """Return of which side a step is a bound; what is told of it is of its size."""
    if row.qualifier not in _TURNED:
        return ""
    return _TURNED[row.qualifier] if row.step < 0 else str(row.qualifier)


def _p_value(value: float) -> Item:
    """Return a probability; of one below a thousandth only that."""
    return say("number.below", number=Number(0.001)) if value < 1e-3 else Number(value, digits=2)


def season_section(changes: Changes) -> Section | None:
    """Return the seasonal cycle of the front position, year by year, where images are dense enough."""
    rows = changes.record.observations
    rows = rows[rows["variable"] == "front_position_m"]
    cycle = product("cycle", rows) if len(rows) else pd.DataFrame()
    if cycle.empty:
        return None
    apart = rows["dataset"].nunique() > 1

    def measured(row: Any) -> Item:
        return measured_in([getattr(row, name) for name in SERIES_KEY], apart=apart)

    columns: tuple[Column, ...] = (
        Column(head=say("season.method")), Column(head=say("season.year"), kind="number"),
        Column(head=say("season.months"), kind="number"), Column(head=say("season.minimum"), kind="number", unit="m"),
        Column(head=say("season.day"), kind="date"), Column(head=say("season.maximum"), kind="number", unit="m"),
        Column(head=say("season.day"), kind="date"), Column(head=say("season.amplitude"), kind="number", unit="m"),
    )  # fmt: skip
    body: tuple[tuple[Item, ...], ...] = tuple(
        (
            measured(row), str(row.year), count(row.months), Number(row.minimum, unit="m"), day(row.minimum_date),
            Number(row.maximum, unit="m"), day(row.maximum_date),
            Number(row.amplitude, unit="m", sigma=row.amplitude_sigma),
        )
        for row in cycle.itertuples()
    )  # fmt: skip
    blocks: list[Block] = [Table(name="cycle", columns=columns, rows=body, shown=12)]
    yearly = product("annual-rates", rows)
    if len(yearly):
        columns = (
            Column(head=say("season.method")), Column(head=say("season.year_to_year"), kind="number"),
            Column(head=say("season.months_both"), kind="number"),
            Column(head=say("season.rate"), kind="number", unit="m a-1"),
        )  # fmt: skip
        body = tuple(
            (
                measured(row), str(row.year), count(row.months),
                Number(row.rate_per_year, unit="m a-1", low=row.low, high=row.high, level=row.level, is_change=True),
            )
            for row in yearly.itertuples()
        )  # fmt: skip
        blocks += [Heading(text=say("season.annual")), Table(name="annual", columns=columns, rows=body, shown=12)]
    blocks.append(Paragraph(sentences=(say("season.note"),), tone="note"))
    return Section(key="season", title=say("season.title"), blocks=tuple(blocks))
