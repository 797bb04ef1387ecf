"""What stands first: where a glacier stands, how fast it changes now, what it did in all, what is expected."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from glaciertime.combining import of_its_day
from glaciertime.errors import InputError
from glaciertime.known_dates import KnownDate
from glaciertime.record import GlacierRecord
from glaciertime.report.content.changes import Changes, reading_of
from glaciertime.report.content.parts import (
    Block,
    Card,
    Cards,
    Item,
    Number,
    Paragraph,
    Phrase,
    Section,
    count,
    say,
)
from glaciertime.report.content.series import first_series, measured_in, per_year, rows_of, variable_label
from glaciertime.tables import IN_FAVOUR, OUTLIER_FLAGS, by_series, flags_of, has_flag, side_of_bound, variable_named
from glaciertime.track import retreat_table
from glaciertime.track.record.difference import difference_table, is_length
from glaciertime.track.record.passing import PASSING
from glaciertime.units import rate_years

__all__ = ["headline_section", "value_of"]

#: Flags that say something against a value by itself, not only of its date or of how it was made.
_DOUBTS = (*OUTLIER_FLAGS, "unconfirmed", "unclear-front", "unlike-training", "partial-coverage", "assumed-seaward",
           "source-flag", "failed", "unknown-flag")  # fmt: skip
_TURNED = {"at least": "at most", "at most": "at least", "": ""}


def headline_section(changes: Changes) -> Section:
    """Return the headline of a glacier, of one source: sentences of the series that stand for it, and their values."""
    record = changes.record
    blocks: list[Block] = []
    chosen = first_series(record.observations)
    for key in chosen:
        blocks.append(Paragraph(sentences=tuple(_sentences(changes, key)), tone="headline"))
    if not chosen:
        failed = int(record.observations["value"].isna().sum())
        blocks.append(Paragraph(sentences=(say("headline.nothing", n=count(failed)),), tone="caution"))
    if len(cards := _cards(changes, chosen)):
        blocks.append(Cards(cards=cards))
    return Section(key="headline", title=say("headline.title"), blocks=tuple(blocks))


def value_of(row: pd.Series) -> Number:
    """Return a value as it is said, with what is known of its error and of which side it is a bound."""
    side = side_of_bound(str(row["quality"]), row.get("bound", ""))
    return Number(row["value"], unit=str(row["unit"]), sigma=float(row["sigma"]), bound=side.replace("-", " "))


def _sentences(changes: Changes, key: tuple[str, ...]) -> list[Item]:
    rows = rows_of(changes.record.observations, key)
    rows = rows[rows["value"].notna()].sort_values("date")
    last = of_its_day(rows.iloc[-1], rows)
    what = (variable_label(key[1]), *measured_in(key, apart=changes.apart))
    date = changes.dates.on(key, last["date"])
    told = "headline.now_in" if isinstance(date, KnownDate) else "headline.now"
    found: list[Item] = [say(told, what=what, date=date, value=value_of(last))]
    against = [flag for flag in flags_of(last["quality"]) if flag in _DOUBTS]
    if against:
        found.append(say("headline.doubted", flags=tuple(say(f"flag.{flag}") for flag in against)))
    if rows["date"].nunique() < 2:
        return [*found, say("headline.one_date")]
    if has_flag(rows["quality"], "unregistered").any():
        return [*found, say("headline.unregistered")]
    found += _present(changes, key)
    found += _long(changes, key, rows)
    return found


def _present(changes: Changes, key: tuple[str, ...]) -> list[Phrase]:
    """Return what is said of the present: of what follows the last break, or of the whole where there is none."""
    segments, breaks = changes.of(changes.segments, key), changes.of(changes.breaks, key)
    if segments.empty:
        return [say("headline.few")]
    last = segments.iloc[-1]
    reading = reading_of(last)
    between: dict[str, Item] = {}
    if len(breaks):
        between = {name: changes.dates.on(key, breaks[name].iloc[-1]) for name in ("after", "before")}
    told = f"headline.{'since' if between else 'whole'}"
    if pd.isna(last["rate_per_year"]):
        start = changes.dates.on(key, last["start_date"])
        return [say(f"{told}_unknown", n=count(last["n"]), reading=reading, start=start, **between)]
    rate = Number(
        last["rate_per_year"], unit=per_year(last["unit"]), low=last["low"], high=last["high"], level=0.95,
        is_change=True,
    )  # fmt: skip
    return [
        say(
            f"{told}_rate",
            rate=rate,
            reading=reading,
            start=changes.dates.on(key, last["start_date"]),
            end=changes.dates.on(key, last["end_date"]),
            **between,
        )
    ]


def _long(changes: Changes, key: tuple[str, ...], rows: pd.DataFrame) -> list[Phrase]:
    """Return what became of a series from its first to its last value, and that this is no rate of today."""
    row = _difference(changes.record, key, rows)
    if row is None or math.isnan(row["change"]) or row["start"] == row["end"]:
        return []
    variable, change, bound = key[1], row["change"], row["bound"]
    if bound and (change < 0) == (bound == "at least"):
        # At least -3 is no loss of at least 3: of a negative bound nothing is said that is surely true.
        return [say("headline.bound")]
    if not bound and abs(change) <= (row["sigma"] if math.isfinite(row["sigma"]) else 0.0):
        verb = "unchanged"
    elif is_length(variable):
        verb = "retreated" if change < 0 else "advanced"
    elif variable_named(variable).ratio_scale:
        verb = "lost" if change < 0 else "gained"
    else:
        verb = "changed"
    signed = verb in ("changed", "unchanged")
    size = change if signed else abs(change)
    told = _TURNED[bound] if bound and not signed and change < 0 else bound
    years = rate_years(row["start"], row["end"])
    values: dict[str, Item] = {
        "start": changes.dates.on(key, row["start"]), "end": changes.dates.on(key, row["end"]),
        "size": Number(size, unit=row["unit"], sigma=row["sigma"], bound=told, is_change=signed),
        "rate": say("headline.no_rate") if math.isnan(years) else Number(
            size / years, unit=per_year(row["unit"]), sigma=row["sigma"] / years, bound=told, is_change=signed
        ),
    }  # fmt: skip
    share = row["start_value"]
    if verb in ("lost", "gained") and share > 0:
        values["share"] = Number(100 * size / share, unit="%", sigma=100 * row["share_sigma"], bound=told)
        verb += "_share"
    found = [say(f"headline.{verb}", **values)]
    broke = len(changes.of(changes.breaks, key))
    if broke:
        found.append(say("headline.with_breaks", n=count(broke)))
    return found


def _difference(record: GlacierRecord, key: tuple[str, ...], rows: pd.DataFrame) -> dict[str, Any] | None:
    """Return the change of one series as its table of changes has it; None where there is none."""
    try:
        if key[1] == "area_km2":
            table = retreat_table(rows, footprint=key[3], footprints=record.footprints)
            row = table.iloc[0]
            return {
                "start": row["start_date"], "end": row["end_date"], "change": -row["loss_km2"], "unit": "km2",
                "sigma": row["loss_sigma_km2"], "bound": _TURNED[row["qualifier"]],
                "start_value": row["start_area_km2"], "share_sigma": row["loss_percent_sigma"] / 100,
            }  # fmt: skip
        row = difference_table(rows, variable=key[1]).iloc[0]
        return {
            "start": row["start_date"], "end": row["end_date"], "change": row["change"], "unit": row["unit"],
            "sigma": row["change_sigma"], "bound": row["qualifier"],
            # Of other things than areas the two sigmas are not known one by one, so that no share is said.
            "start_value": math.nan, "share_sigma": math.nan,
        }  # fmt: skip
    except InputError:
        return None


def _cards(changes: Changes, chosen: list[tuple[str, ...]]) -> tuple[Card, ...]:
    """Return the last value of each series that stands for a glacier, of each of its data sets."""
    observations, dates = changes.record.observations, changes.dates
    apart = observations["dataset"].nunique() > 1
    kinds = {key[1:4] for key in chosen}
    cards = []
    for key, rows in by_series(observations[observations["value"].notna()], sort=False):
        name = tuple(map(str, key))
        if name[1:4] not in kinds:
            continue
        last = of_its_day(rows.sort_values("date").iloc[-1], rows)
        against = [flag for flag in flags_of(last["quality"]) if flag not in (*IN_FAVOUR, *PASSING)]
        label = (variable_label(name[1]), *measured_in(name, apart=apart))
        cards.append(Card(label=label, number=value_of(last), note=(dates.on(name, last["date"]), *against)))
    return tuple(cards)
