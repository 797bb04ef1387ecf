"""The report of a glacier: one HTML file with everything in it."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd
import shapely

from glaciertime import __version__
from glaciertime.catalog import Catalog
from glaciertime.combining import of_its_day
from glaciertime.errors import InputError, UsageError
from glaciertime.forecast.judged.verdict import verdicts
from glaciertime.forecast.scenario import PREFIX
from glaciertime.provenance import RunRecord
from glaciertime.provenance.tags import html_tag, svg_tag
from glaciertime.record import GlacierRecord
from glaciertime.report.difference_text import difference_rows
from glaciertime.report.findings import flag_table, rates_and_breaks, seasonal
from glaciertime.report.html import STYLE, SVG_DATA, figure, html_table
from glaciertime.report.plots import contour_map, doubtful, fan_plot, front_map, series_plot
from glaciertime.report.products import PASSING
from glaciertime.report.retreat_text import retreat_rows
from glaciertime.tables import IN_FAVOUR, SERIES_KEY, by_series, flags_of, has_flag, variable_named
from glaciertime.track import retreat_table
from glaciertime.track.place import map_plane
from glaciertime.track.record.difference import difference_table

__all__ = ["MARK", "TABLES_SHOWN", "report_page"]

#: How a page says what made it.
MARK = "glaciertime report"
#: The tables of a record that a page rests on.
TABLES_SHOWN = (
    "observations", "fronts", "fronts_local", "footprints", "centrelines", "contours", "forecasts", "scores",
)  # fmt: skip

# What a reader looks for first stands first.
_ORDER = ("front_position_m", "area_km2", "length_m", "length_change_m", "front_width_m")


def report_page(record: GlacierRecord, *, run: RunRecord | None = None) -> str:
    """Return the report of a glacier as one self-contained HTML page.

    Parameters
    ----------
    record : GlacierRecord
        What is known of it; each table of the archive is read once.
    run : RunRecord, optional
        What writes the page: told in its head, for ``glaciertime why``.

    Raises
    ------
    InputError
        Where the archive holds no observation of the glacier.
    """
    glacier, observations = record.glacier, record.observations
    if observations.empty:
        raise InputError(
            f"the archive holds no observation of {glacier}; run glaciertime track --glacier {glacier} first"
        )
    parts = [_header(observations, glacier)]
    parts += [_section_of(record.of(source)) for source in record.sources]
    parts.append(_sources(observations, record.catalog))
    parts.append(_reading_notes())
    body = "\n".join(parts) if run is None else _figures_named("\n".join(parts), run.run)
    told = "" if run is None else f"{html_tag(run.tag())}\n"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="{MARK}">\n{told}<title>{escape(glacier)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _figures_named(body: str, run: str) -> str:
    """Return a page's body whose figures name the run too: one that is saved from the page can still be asked."""

    def named(found: re.Match[str]) -> str:
        svg = base64.b64decode(found[1]).replace(b"<svg", f"{svg_tag(run)}<svg".encode(), 1)
        return f"{SVG_DATA}{base64.b64encode(svg).decode()}"

    return re.sub(rf"{re.escape(SVG_DATA)}([A-Za-z0-9+/=]+)", named, body)


def _header(observations: pd.DataFrame, glacier: str) -> str:
    dates = observations.loc[observations["value"].notna(), "date"]
    span = f"{dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}" if len(dates) else "no measured date"
    return (
        f'<h1>{escape(glacier)}</h1>\n<p class="lead">{dates.nunique()} dates, {span}. Made by glaciertime '
        f"{__version__} on {dt.date.today().isoformat()}.</p>"
    )


def _section_of(record: GlacierRecord) -> str:
    """Return everything made from observed, or everything made from simulated scenes."""
    observations, source = record.observations, record.source
    datasets = sorted(observations["dataset"].unique())
    parts = []
    if source == "simulated":
        parts.append(
            '<p class="simulated">Simulated: the scenes below were drawn by a program. Nothing here was observed.</p>'
        )
    if has_flag(observations["quality"], "unregistered").any():
        parts.append(
            '<p class="caution">Some of these images are not known to be registered to each other: each front counts '
            "in its own image, and differences within one path and row; what follows is no record of retreat.</p>"
        )
    parts.append(_cards(observations))
    parts.append(_map(record))
    parts.append("<h2>Series</h2>")
    there = set(observations["variable"])
    for variable in [*(name for name in _ORDER if name in there), *sorted(there - set(_ORDER))]:
        rows = observations[(observations["variable"] == variable) & observations["value"].notna()]
        if len(rows):
            caption = f"{_named(variable)}, error bars one standard deviation. {_from(datasets, source)}"
            parts.append(figure(series_plot(observations, variable=variable), f"{variable} against date", caption))
    parts.append(rates_and_breaks(observations))
    parts.append(seasonal(observations))
    parts.append(flag_table(observations))
    parts.append(_forecasts(record))
    parts.append(_retreat(record))
    parts.append(_differences(record))
    parts.append(_scores(record))
    return "\n".join(part for part in parts if part)


def _named(variable: str) -> str:
    known = variable_named(variable)
    return f"{known.label.capitalize()} in {known.unit}" if known.unit else known.label.capitalize()


def _from(datasets: list[str], source: str) -> str:
    return f"Source: {source}; {', '.join(datasets)}."


def _cards(observations: pd.DataFrame) -> str:
    cards = []
    apart = observations["dataset"].nunique() > 1
    for key, rows in by_series(observations[observations["value"].notna()], sort=False):
        _, variable, method, footprint, dataset, front_of = key
        if (variable, footprint) not in (("area_km2", "box"), ("front_position_m", "centreline")):
            continue
        last = of_its_day(rows.sort_values("date").iloc[-1], rows)
        sigma = (
            ""
            if pd.isna(last["sigma"])
            else f" ± {last['sigma']:,.2f}"
            if variable == "area_km2"
            else f" ± {last['sigma']:,.0f}"
        )
        value = f"{last['value']:,.2f}" if variable == "area_km2" else f"{last['value']:,.0f}"
        label = variable_named(str(variable)).label
        of_set = f", {escape(str(dataset))}" if apart else ""
        how = f"{escape(str(footprint))} ({escape(str(method))}{_kind(front_of)}{of_set})"
        cards.append(
            f'<div class="card"><span>{escape(label)}, {how}</span>'
            f"<b>{value}{sigma} {escape(last['unit'])}</b><span>{last['date']:%Y-%m-%d}{_doubts(last)}</span></div>"
        )
    return f'<div class="cards">{"".join(cards)}</div>' if cards else ""


def _kind(front_of: object) -> str:
    """Return what a front is made of, to be set behind a method; nothing where that is not known."""
    return f", {escape(str(front_of))}" if front_of else ""


def _doubts(row: pd.Series) -> str:
    """Return what is known against one observation by itself, to be set behind its date."""
    against = [flag for flag in flags_of(row["quality"]) if flag not in (*IN_FAVOUR, *PASSING)]
    return "".join(f", {flag}" for flag in against)


def _map(record: GlacierRecord) -> str:
    fronts = record.shown_fronts()
    if fronts.empty:
        # A table of values has no scenes that could show one.
        no_scenes = (record.observations["method"] == "-").all()
        return "" if no_scenes else "<h2>Calving fronts</h2><p>No scene shows a calving front.</p>"
    footprints = record.footprints
    footprints = footprints[footprints["footprint"].isin(["box", "fjord", "common"])]
    crs, centreline = _geometry(record)
    svg = front_map(fronts, footprints=footprints, centreline=centreline, crs=crs, source=record.source)
    datasets = sorted(record.observations["dataset"].unique())
    dashed = ", flagged ones dashed" if doubtful(fronts["QualFlag"]).any() else ""
    hidden = len(record.fronts_local) if fronts is record.fronts else 0
    apart = f" {hidden} fronts of images without georeference have no place on it." if hidden else ""
    kinds = fronts["front_of"].value_counts()
    made_of = ", ".join(f"{kind or 'of no known kind'} {count}" for kind, count in kinds.items())
    of_kinds = f" ({made_of})" if any(kinds.index) else ""
    caption = (
        f"{len(fronts)} calving fronts{of_kinds}, coloured by date{dashed}.{apart} {_from(datasets, record.source)}"
    )
    title = f"Map of the calving fronts of {record.glacier}"
    return "<h2>Calving fronts</h2>" + figure(svg, title, caption, kind="map")


def _geometry(record: GlacierRecord) -> tuple[Any, shapely.LineString | None]:
    """Return the plane to draw in, and the centreline in it where there is one."""
    if record.fronts.empty:
        return None, None
    crs = map_plane(record.fronts, glacier=record.place)
    lines = record.centrelines
    return crs, None if lines.empty else lines.to_crs(crs).geometry.iloc[0]


def _forecasts(record: GlacierRecord) -> str:
    table, observations = record.forecasts, record.observations
    glacier, source = record.glacier, record.source
    front = _predicted_front(record)
    parts = ["<h2>Forecast</h2>", front]
    if table.empty and not front:
        parts.append(f"<p>None yet: glaciertime forecast --glacier {escape(glacier)} --until YEAR</p>")
    for key, rows in by_series(table, sort=False):
        rows = rows[rows["cutoff"] == rows["cutoff"].max()]
        seen = observations.loc[(observations[list(SERIES_KEY)] == list(key)).all(axis=1)]
        if seen["value"].notna().sum() == 0:
            parts.append(f'<p class="note">{_forgotten(key)}</p>')
            continue
        assumed = rows["model"].str.startswith(PREFIX)
        how = f"{key[2]}, {key[3]}{_kind(key[5])}"
        if assumed.any():
            caption = (
                f"SCENARIO, not a forecast: {_named(str(key[1])).lower()} ({how}) if the rate of the last "
                f"ten years before {rows['cutoff'].iloc[0]:%Y-%m-%d} were held, doubled or zero. The band is that of a "
                f"random walk; how likely the assumption is, it does not say. {_from([str(key[4])], source)}"
            )
            scenario = figure(fan_plot(seen, rows[assumed]), f"Scenario of {key[1]}", caption)
            parts.append(f"<h3>What if</h3>{scenario}")
            rows = rows[~assumed]
        if (rows["status"] == "ok").any():
            caption = (
                f"{_named(str(key[1]))} ({how}): median and prediction intervals from values up to "
                f"{rows['cutoff'].iloc[0]:%Y-%m-%d}. {_from([str(key[4])], source)}"
            )
            parts.append(figure(fan_plot(seen, rows), f"Forecast of {key[1]}", caption))
        for (model, status), _ in rows[rows["status"] != "ok"].groupby(["model", "status"], sort=False):
            parts.append(f'<p class="note">{escape(str(model))} gave no forecast: {escape(str(status))}</p>')
    return "\n".join(parts)


def _forgotten(key: Sequence[object]) -> str:
    """Return what is said of a forecast of a series that the archive no longer holds."""
    return (
        f"A stored forecast of {escape(_named(str(key[1])).lower())} ({escape(str(key[2]))}, {escape(str(key[3]))}"
        f"{_kind(key[5])}; {escape(str(key[4]))}) is not shown: the series has been measured anew as another one. "
        "Forecast again."
    )


def _predicted_front(record: GlacierRecord) -> str:
    """Return the map of the front predicted for the last date, where one was."""
    fronts, source = record.fronts, record.source
    contours = record.contours[record.contours["status"] == "ok"]
    if contours.empty or fronts.empty:
        return ""
    crs = map_plane(fronts, glacier=record.place)
    maps = []
    for model, rows in contours.groupby("model", sort=False):
        last = rows[rows["target_date"] == rows["target_date"].max()]
        last = last[last["cutoff"] == last["cutoff"].max()]
        levels = sorted(last.loc[last["kind"] == "band-share", "level"].unique())
        bands = f", and where {' and '.join(f'{level:.0%}' for level in levels)} of its length should lie"
        caption = (
            f"Calving front predicted for {last['target_date'].iloc[0]:%Y-%m-%d} by {model} from fronts up to "
            f"{last['cutoff'].iloc[0]:%Y-%m-%d}{bands if levels else ''}. {_from_source(source)}"
        )
        drawn = contour_map(fronts, last, crs=crs, source=source)
        maps.append(figure(drawn, f"Calving front predicted by {model}", caption, kind="map"))
    return "\n".join(maps)


def _from_source(source: str) -> str:
    return f"Source: {source} fronts."


def _differences(record: GlacierRecord) -> str:
    """Return what became of the variables that no scene is needed for, from their first to their last value."""
    rows = record.observations[~record.observations["variable"].isin(["area_km2", "front_position_m", "front_width_m"])]
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return ""
    table = difference_rows(difference_table(rows)).drop(columns=["Glacier"])
    shown = table.loc[:, (table != "").any(axis=0)]
    html = html_table(list(shown.columns), shown.to_numpy().tolist(), numbers=set(range(3, 7)))
    return (
        f"<h2>First and last value</h2>{html}"
        '<p class="note">A positive retreat is a shorter glacier; other changes are the last value minus the first. '
        "One standard deviation.</p>"
    )


def _retreat(record: GlacierRecord) -> str:
    observations = record.observations
    areas = observations[observations["variable"] == "area_km2"]
    if areas["value"].notna().sum() < 2:
        return ""
    held = set(areas["footprint"])
    footprint = next((name for name in ("box", "common", "image") if name in held), str(areas["footprint"].iloc[0]))
    table = retreat_table(observations, footprint=footprint, footprints=record.footprints)
    rows = retreat_rows(table).drop(columns=["Glacier"])
    rows = rows.rename(columns=lambda name: name.replace("(km2)", "km2").replace("(%)", "%"))
    html = html_table(list(rows.columns), rows.to_numpy().tolist(), numbers=set(range(2, 7)))
    return (
        f"<h2>Retreat table</h2>{html}"
        '<p class="note">A positive loss is less ice. One standard deviation of the moving boundary. The % is of the '
        "ice in the footprint at the start, not of the glacier. Area loss is not mass loss.</p>"
    )


def _scores(record: GlacierRecord) -> str:
    scores, glacier = record.scores, record.glacier
    if scores.empty:
        return f"<h2>Backtest</h2><p>None yet: glaciertime backtest --glacier {escape(glacier)}</p>"
    parts = ["<h2>Backtest</h2>"]
    shown = ["mae", "rmse", "mape", "coverage_90"]
    for key, rows in by_series(scores, sort=False):
        unit = variable_named(str(key[1])).unit
        wide = rows.pivot_table(
            index=["horizon", "model", "n", "n_failed"], columns="metric", values="value", sort=False, dropna=False
        )
        metrics = [name for name in shown if name in wide.columns]
        every = wide[wide[metrics].notna().any(axis=1)]
        heads = {
            "mae": f"MAE ({unit})",
            "rmse": f"RMSE ({unit})",
            "mape": "MAPE (%)",
            "coverage_90": "in the 90 % interval",
        }
        has_skill = "skill_last" in every.columns
        verdict = " ".join(f"{escape(text)}." for text in verdicts(rows)["verdict"])
        body = [
            [str(part) for part in index]
            + [_number(row[name], name) for name in metrics]
            + ([_skill(row)] if has_skill else [])
            for index, row in zip(every.index, every.to_dict("records"), strict=True)
        ]
        parts.append(
            f"<h3>{escape(_named(str(key[1])))} ({escape(str(key[2]))}, {escape(str(key[3]))}{_kind(key[5])})</h3>"
        )
        parts.append(
            html_table(
                ["horizon", "model", "forecasts", "failed", *(heads[name] for name in metrics),
                 *(["skill over the last value [95 %]"] if has_skill else [])], body,
                numbers=set(range(2, 5 + len(metrics))),
            )
        )  # fmt: skip
        if verdict:
            parts.append(f"<p><strong>Verdict.</strong> {verdict}</p>")
    parts.append(
        '<p class="note">Rolling origin: each forecast saw nothing after its origin and is scored at the true date of '
        "an observation. Failed forecasts are counted, not replaced. Skill is 1 for a perfect forecast and 0 for one "
        "no better than the last value; its interval is from blocks of five origins drawn again, none from fewer than "
        "eight. Models are compared on the forecasts that all of them gave.</p>"
    )
    return "\n".join(parts)


def _skill(row: dict[str, float]) -> str:
    if pd.isna(row["skill_last"]):
        return ""
    if pd.isna(row["skill_last_lower"]):
        return f"{row['skill_last']:.2f}"
    return f"{row['skill_last']:.2f} [{row['skill_last_lower']:.2f}, {row['skill_last_upper']:.2f}]"


def _number(value: float, metric: str) -> str:
    if pd.isna(value):
        return ""
    return (
        f"{100 * value:.0f} %" if metric.startswith("coverage") else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
    )


def _sources(observations: pd.DataFrame, catalog: Catalog) -> str:
    items = []
    for name, source in observations[["dataset", "source"]].drop_duplicates().itertuples(index=False):
        text = f"<b>{escape(name)}</b> ({escape(source)})"
        try:
            entry = catalog.dataset(name)
            link = f' <a href="https://doi.org/{escape(entry.doi)}">doi:{escape(entry.doi)}</a>.' if entry.doi else ""
            text += f": {escape(entry.citation)}.{link} Licence: {escape(entry.licence)}."
        except UsageError:
            text += "" if source == "simulated" else ": the user's own data."
        items.append(f"<li>{text}</li>")
    return f"<h2>Sources</h2><ul>{''.join(items)}</ul>"


def _reading_notes() -> str:
    return (
        "<h2>How to read this</h2><ul>"
        "<li>Areas are true areas on the WGS84 ellipsoid, not areas on a map plane.</li>"
        "<li>The front position grows towards the sea, from the inland end of the centreline.</li>"
        "<li>A calving front, a tongue, the edge of mélange and that of a shelf are different fronts: each is a series "
        "of its own, and from one to another nothing advances or retreats.</li>"
        "<li>Uncertainties are one standard deviation. Unknown ones are not drawn.</li>"
        "<li>Dates are days of acquisition (UTC). Gaps stay gaps.</li>"
        "<li>An area that fills its footprint is a lower bound, and a loss from it is at least what is printed.</li>"
        "<li>Area loss is not mass loss: frontal ablation needs the speed and the thickness of the ice.</li></ul>"
    )
