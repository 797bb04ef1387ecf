"""What a report says of a glacier."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from glaciertime import __version__
from glaciertime.errors import InputError
from glaciertime.record import GlacierRecord
from glaciertime.report.content.changes import Changes, change_section, rate_section, season_section
from glaciertime.report.content.forecasts import forecast_section, score_section
from glaciertime.report.content.headline import headline_section
from glaciertime.report.content.methods import data_section, method_section, reading_section
from glaciertime.report.content.parts import Content, Item, Paragraph, Section, count, say, typed
from glaciertime.report.content.pictures import map_section, series_section
from glaciertime.report.content.quality import quality_section, warnings_of
from glaciertime.report.content.series import SaidDates

__all__ = ["TABLES_SHOWN", "glacier_content", "glacier_headlines"]

#: The tables of a record that a report rests on.
TABLES_SHOWN = (
    "observations", "fronts", "fronts_local", "footprints", "centrelines", "contours", "forecasts", "scores",
    "hazards",
)  # fmt: skip


def glacier_content(record: GlacierRecord, *, today: dt.date | None = None) -> Content:
    """Return what is said of a glacier: what was observed and what was simulated apart.

    Parameters
    ----------
    record : GlacierRecord
        What is known of it; each table of the archive is read once.
    today : date, optional
        When it is said.

    Raises
    ------
    InputError
        Where the archive holds no observation of the glacier.
    """
    glacier, observations = record.glacier, record.observations
    if observations.empty:
        raise InputError(
            f"the archive holds no observation of {glacier}; run glaciertime track --glacier {typed(glacier)} first"
        )
    sections: list[Section] = [_lead(record, today or dt.date.today())]
    used: dict[str, None] = {}
    for source in record.sources:
        for section in _of_source(record.of(source)):
            sections.append(section)
            used |= dict.fromkeys(_steps(section))
    sections += [
        data_section(observations, record.catalog), method_section(record, used=used), reading_section()
    ]  # fmt: skip
    return Content(kind="glacier", title=glacier, sections=tuple(sections))


def _lead(record: GlacierRecord, today: dt.date) -> Section:
    observations = record.observations
    dates = observations.loc[observations["value"].notna(), "date"]
    n, dated = dates.nunique(), SaidDates(observations[observations["value"].notna()])
    told: Item = (
        say("lead.dates", n=count(n), first=dated.of_any(dates.min()), last=dated.of_any(dates.max())) if n > 1
        else say("lead.date", date=dated.of_any(dates.min())) if n else say("lead.no_date")
    )  # fmt: skip
    lead = Paragraph(sentences=(told, say("lead.made", version=__version__, date=today)), tone="lead")
    return Section(key="lead", title=None, blocks=(lead,))


def _of_source(record: GlacierRecord) -> Iterator[Section]:
    """Yield everything made from observed, or everything made from simulated scenes."""
    from dataclasses import replace

    changes = Changes(record)
    headline = _headline(record, changes)
    made = (
        headline, map_section(record), change_section(changes), rate_section(changes), series_section(record),
        season_section(changes), forecast_section(record), score_section(record), quality_section(record),
    )  # fmt: skip
    yield from (replace(section, source=record.source) for section in made if section is not None)


def _headline(record: GlacierRecord, changes: Changes) -> Section:
    from dataclasses import replace

    headline = headline_section(changes)
    return replace(headline, blocks=(*warnings_of(record), *headline.blocks))


def glacier_headlines(record: GlacierRecord) -> tuple[Section, ...]:
    """Return what is said of a glacier before anything else: warnings, sentences, numbers, for each source."""
    apart = (record.of(source) for source in record.sources)
    return tuple(_headline(one, Changes(one)) for one in apart)


def _steps(section: Section) -> tuple[str, ...]:
    """Return the steps that a section rests on, as they are cited."""
    by_key = {"rates": ("rates", "breaks"), "quality": ("screening",), "backtest": ("backtest",)}
    tables = {getattr(block, "name", "") for block in section.blocks}
    if section.key == "backtest" and "scores" not in tables:
        return ()
    return by_key.get(section.key, ())
