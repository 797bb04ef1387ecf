"""What is expected: forecasts as sentence, table and fan, scenarios apart, the verdict of a backtest, large losses."""

from __future__ import annotations

import math
import re
from typing import Any

import pandas as pd

from glaciertime.breaks import hazard_table, watched
from glaciertime.errors import InputError
from glaciertime.forecast.covariates import is_conditional
from glaciertime.forecast.judged.verdict import verdicts
from glaciertime.forecast.scenario import PREFIX
from glaciertime.forecast.series import series_from_observations
from glaciertime.known_dates import known_date
from glaciertime.record import GlacierRecord
from glaciertime.report.content.parts import (
    Block,
    Column,
    Heading,
    Item,
    Link,
    Number,
    Paragraph,
    Phrase,
    Section,
    Table,
    count,
    day,
    say,
    typed,
)
from glaciertime.report.content.pictures import contour_maps, fan_plot
from glaciertime.report.content.series import rows_of, series_label, terminus_label, variable_label
from glaciertime.report.content.told import told_whole
from glaciertime.tables import by_series, variable_named
from glaciertime.track.record.passing import PASSING
from glaciertime.track.record.screening import keep

__all__ = ["forecast_section", "interval_of", "score_section"]

#: The interval that is said in sentences and tables, where it was stored; else the next.
_LEVELS = (0.9, 0.8, 0.95, 0.5)


def forecast_section(record: GlacierRecord) -> Section:
    """Return what is expected of a glacier: of each series a sentence, a table and a fan, and what it rests on."""
    table, observations = record.forecasts, record.observations
    apart = observations["dataset"].nunique() > 1
    blocks: list[Block] = list(contour_maps(record))
    if table.empty and not blocks:
        none = (
            say("forecast.none", glacier=typed(record.glacier))
            if _can_forecast(record)
            else say("forecast.none_bounds")
        )
        blocks.append(Paragraph(sentences=(none,), tone="note"))
    for key, rows in by_series(table, sort=False):
        name = tuple(map(str, key))
        rows = rows[rows["cutoff"] == rows["cutoff"].max()]
        label = series_label(name, apart=apart)
        seen = rows_of(observations, name)
        if seen["value"].notna().sum() == 0:
            blocks.append(Paragraph(sentences=(say("forecast.forgotten", series=label),), tone="note"))
            continue
        blocks.append(Heading(text=say("forecast.of", series=label)))
        assumed = rows["model"].str.startswith(PREFIX)
        blocks += _series_blocks(record, name, rows[~assumed], seen)
        if assumed.any():
            blocks += _scenario_blocks(rows[assumed], seen, label, record.source)
    blocks += _event_blocks(record)
    blocks += _hazard_blocks(record)
    return Section(key="forecast", title=say("forecast.title"), blocks=tuple(blocks))


def _can_forecast(record: GlacierRecord) -> bool:
    """Return whether there is a value to forecast from: what is offered is not to fail."""
    try:
        return bool(series_from_observations(record.observations))
    except InputError:
        return False


def _event_blocks(record: GlacierRecord) -> list[Block]:
    """Return what is known to have happened after the last value, which no forecast of the record can know."""
    known = record.observations.loc[record.observations["value"].notna(), "date"]
    if record.place is None or record.source == "simulated" or known.empty:
        return []
    last = day(known.max())
    told = [
        say("forecast.event", last=last, date=event.date, what=event.what,
            source=Link(event.doi, f"https://doi.org/{event.doi}") if event.doi else record.glacier)
        for event in record.place.events if event.date > last
    ]  # fmt: skip
    return [Paragraph(sentences=tuple(told), tone="caution")] if told else []


def _series_blocks(record: GlacierRecord, key: tuple[str, ...], rows: pd.DataFrame, seen: pd.DataFrame) -> list[Block]:
    blocks: list[Block] = []
    good = rows[rows["status"] == "ok"]
    if len(good):
        models = list(dict.fromkeys(good["model"]))
        cutoff, last = good["cutoff"].iloc[0], keep(seen, allow=PASSING)["date"].max()
        if cutoff < last:
            use, judged = (
                _unjudged(models),
                [say("forecast.cut", cutoff=known_date(seen, cutoff), last=known_date(seen, last))],
            )
        else:
            use, judged = _model_to_use(record.scores, key, models)
        blocks.append(Paragraph(sentences=(*_expected(good[good["model"] == use], use, seen), *judged), tone="verdict"))
        blocks.append(_forecast_table(good, use, "forecasts"))
        blocks.append(Paragraph(sentences=(say("forecast.note"),), tone="note"))
        label = series_label(key, apart=False)
        blocks.append(
            fan_plot(
                seen, good, title=say("forecast.fan", series=label), source=record.source,
                caption=say("forecast.fan_caption", series=label, cutoff=known_date(seen, good["cutoff"].iloc[0])),
            )
        )  # fmt: skip
    blocks += _failures(rows)
    return blocks


def _failures(rows: pd.DataFrame) -> list[Block]:
    failed = rows[rows["status"] != "ok"].drop_duplicates(["model", "status"])
    told = tuple(
        say("forecast.failed", model=row.model, why=told_whole(str(row.status))) for row in failed.itertuples()
    )
    return [Paragraph(sentences=told, tone="note")] if told else []


def _model_to_use(scores: pd.DataFrame, key: tuple[str, ...], models: list[str]) -> tuple[str, list[Phrase]]:
    """Return which model's numbers are said first, and why: by the backtest, else one of those asked for."""
    found = verdicts(rows_of(scores, key)) if len(scores) else pd.DataFrame()
    if len(found):
        # That of the longest horizon: a forecast of years is to hold to its end.
        use = str(found["use"].iloc[-1])
        told = [_verdict(row) for row in found.itertuples()]
        if use in models:
            return use, told
        return models[0], [*told, say("forecast.not_made", use=use, model=models[0])]
    use = _unjudged(models)
    return use, [say("forecast.unjudged", model=use, glacier=typed(key[0]))]


def _unjudged(models: list[str]) -> str:
    return "auto" if "auto" in models else models[0]


def _verdict(row: Any) -> Phrase:
    """Return what a backtest says of one horizon."""
    n, ratio, horizon = count(row.n), Number(row.error_ratio, digits=3), _horizon(row.horizon)
    if not math.isfinite(row.p_value) and row.error_ratio < 1:
        return say("verdict.few", horizon=horizon, n=n)
    if not math.isfinite(row.p_value):
        return say("verdict.nothing_untested", horizon=horizon, best=row.best, ratio=ratio, n=n)
    p: Item = say("verdict.p_below", p=Number(0.001)) if row.p_value < 1e-3 else say(
        "verdict.p", p=Number(row.p_value, digits=2)
    )  # fmt: skip
    kind = "use" if row.use == row.best else "nothing" if row.error_ratio >= 1 else "not_sure"
    return say(f"verdict.{kind}", horizon=horizon, best=row.best, ratio=ratio, p=p, n=n)


def _horizon(text: str) -> Item:
    """Return how far ahead, as it is typed (``5y``), in words."""
    found = re.fullmatch(r"(\d+)([dmy])", str(text))
    return str(text) if found is None else say(f"horizon.{found[2]}", n=count(int(found[1])))


def interval_of(rows: pd.DataFrame, unit: str) -> Number:
    """Return the median of one forecast of one date, with the widest usual interval that was stored."""
    by = {round(float(row.quantile), 4): float(row.value) for row in rows.itertuples()}
    for level in _LEVELS:
        low, high = (round((1 - level) / 2, 4), round((1 + level) / 2, 4))
        if low in by and high in by and 0.5 in by:
            return Number(by[0.5], unit=unit, low=by[low], high=by[high], level=level)
    return Number(by.get(0.5, math.nan), unit=unit)


def _expected(rows: pd.DataFrame, model: str, seen: pd.DataFrame) -> list[Phrase]:
    last = rows[rows["target_date"] == rows["target_date"].max()]
    number = interval_of(last, str(last["unit"].iloc[0]))
    return [
        say(
            "forecast.expected" if math.isfinite(number.low) else "forecast.expected_alone", model=model,
            date=day(last["target_date"].iloc[0]), value=number, cutoff=known_date(seen, last["cutoff"].iloc[0]),
            level=Number(100 * number.level, unit="%"),
        )
    ]  # fmt: skip


def _forecast_table(good: pd.DataFrame, use: str, name: str) -> Table:
    """Return the forecasts as a table: of the model to use one date a year at most, of the others the last one."""
    unit = str(good["unit"].iloc[0])
    end = good["target_date"].max()
    rows: list[tuple[Item, ...]] = []
    models = [use, *(model for model in dict.fromkeys(good["model"]) if model != use)]
    for model in models:
        of = good[good["model"] == model]
        shown = set(of.groupby(of["target_date"].dt.year)["target_date"].min()) | {end}
        for date, part in of.groupby("target_date", sort=True):
            if date == end or (model == use and date in shown):
                number = interval_of(part, unit)
                level: Item = Number(100 * number.level, unit="%") if math.isfinite(number.level) else ""
                rows.append((model, day(date), number, level))
    levels = {row[-1].value for row in rows if isinstance(row[-1], Number)}
    if len(levels) == 1:  # said once, in the head
        head = say("forecast.median_level", level=Number(levels.pop(), unit="%"))
        rows = [row[:-1] for row in rows]
    else:
        head = say("forecast.median")
    columns = [
        Column(head=say("forecast.model")), Column(head=say("forecast.date"), kind="date"),
        Column(head=head, kind="number", unit=unit), Column(head=say("forecast.level"), kind="number"),
    ]  # fmt: skip
    return Table(name=name, columns=tuple(columns[: len(rows[0])]), rows=tuple(rows), shown=14)


def _scenario_blocks(rows: pd.DataFrame, seen: pd.DataFrame, label: Item, source: str) -> list[Block]:
    good = rows[rows["status"] == "ok"]
    blocks: list[Block] = [Heading(text=say("scenario.title"))]
    if len(good):
        cutoff = known_date(seen, good["cutoff"].iloc[0])
        blocks.append(Paragraph(sentences=(say("scenario.warning", series=label, cutoff=cutoff),), tone="caution"))
        last = good[good["target_date"] == good["target_date"].max()]
        blocks.append(_forecast_table(last, str(last["model"].iloc[0]), "scenarios"))
        blocks.append(
            fan_plot(
                seen, good, title=say("scenario.fan", series=label), source=source,
                caption=say("scenario.caption", series=label, cutoff=cutoff),
            )
        )  # fmt: skip
    return blocks + _failures(rows)


def _hazard_blocks(record: GlacierRecord) -> list[Block]:
    """Return how often such glaciers were seen to lose much at once: what no forecast of a series can know.

    What a forecast kept with it is of all glaciers of the archive that end in the same; without one, of this one alone.
    """
    held = record.hazards
    told: list[Phrase] = []
    if len(held):
        # Of each variable the latest: one that was not forecast again has none of the last date.
        last = held[held["cutoff"] == held.groupby(["variable", "source"])["cutoff"].transform("max")]
        told = [_hazard(row, int(row.glaciers), str(row.terminus)) for row in last.itertuples()]
    else:
        kept = keep(record.observations, allow=PASSING)
        told = [_hazard(row, 1, "") for row in hazard_table(watched(kept)).itertuples()]
    if not told:
        return []
    return [Heading(text=say("hazard.title")), Paragraph(sentences=(*told, say("hazard.note")))]


def _hazard(row: Any, glaciers: int, terminus: str) -> Phrase:
    what = variable_label(str(row.variable))
    if row.exposure_years <= 0:
        return say("hazard.unseen", what=what)
    key = "hazard.seen" if math.isnan(row.rate_per_year) else "hazard.rate"
    of = say("hazard.of", n=count(glaciers), terminus=terminus_label(terminus))
    return say(
        key, what=what, n=count(row.losses), years=Number(row.exposure_years, unit="a", digits=2),
        of=say("hazard.alone") if glaciers == 1 else of,
        rate=Number(100 * row.rate_per_year, unit="% a-1", low=100 * row.low, high=100 * row.high, level=0.95),
    )  # fmt: skip


def score_section(record: GlacierRecord) -> Section:
    """Return how forecasts from past dates fared: errors, coverage and skill, and which model to use."""
    scores = record.scores
    if scores.empty:
        why = say("score.none", glacier=typed(record.glacier)) if _can_forecast(record) else say("score.none_bounds")
        none = Paragraph(sentences=(why,), tone="note")
        return Section(key="backtest", title=say("score.title"), blocks=(none,))
    apart = record.observations["dataset"].nunique() > 1
    blocks: list[Block] = []
    for key, rows in by_series(scores, sort=False):
        blocks.append(Heading(text=say("score.of", series=series_label(tuple(map(str, key)), apart=apart))))
        blocks.append(_score_table(rows, variable_named(str(key[1])).unit))
        given = [name for name in dict.fromkeys(rows["model"].astype(str)) if is_conditional(name)]
        if given:
            blocks.append(Paragraph(sentences=(say("score.prognosis", models=", ".join(given)),), tone="caution"))
        found = verdicts(rows)
        if len(found):
            told = tuple(_verdict(row) for row in found.itertuples())
            blocks.append(Paragraph(sentences=(say("verdict.title"), *told), tone="verdict"))
    blocks.append(Paragraph(sentences=(say("score.note"),), tone="note"))
    return Section(key="backtest", title=say("score.title"), blocks=tuple(blocks))


def _score_table(rows: pd.DataFrame, unit: str) -> Table:
    units = {"mae": unit, "rmse": unit, "mape": "%", "coverage_90": "%"}
    wide = rows.pivot_table(
        index=["horizon", "model", "n", "n_failed"], columns="metric", values="value", sort=False, dropna=False
    )
    metrics = [name for name in units if name in wide.columns]
    wide = wide[wide[metrics].notna().any(axis=1)]
    has_skill = "skill_last" in wide.columns
    body: list[tuple[Item, ...]] = []
    for (horizon, model, n, failed), row in wide.iterrows():  # type: ignore[misc]
        cells: list[Item] = [_horizon(horizon), str(model), count(n), count(failed)]
        for name in metrics:
            value = 100 * row[name] if name == "coverage_90" else row[name]
            cells.append("" if pd.isna(value) else Number(value, unit=units[name], digits=3))
        if has_skill:
            low, high = row.get("skill_last_lower", math.nan), row.get("skill_last_upper", math.nan)
            cells.append(
                ""
                if pd.isna(row["skill_last"])
                else Number(row["skill_last"], low=low, high=high, level=0.95, digits=2)
            )
        body.append(tuple(cells))
    columns = [
        Column(head=say("score.horizon")), Column(head=say("forecast.model")),
        Column(head=say("score.n"), kind="number"), Column(head=say("score.failed"), kind="number"),
        *(Column(head=say(f"score.{name}"), kind="number", unit=units[name]) for name in metrics),
    ]  # fmt: skip
    if has_skill:
        columns.append(Column(head=say("score.skill"), kind="number"))
    return Table(name="scores", columns=tuple(columns), rows=tuple(body))
