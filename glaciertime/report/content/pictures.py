"""What a report draws, as data: series, forecast fans, maps of fronts."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd

from glaciertime.plot.front_lines import crs_name, front_map, pieces_of, rings_of
from glaciertime.plot.points import doubtful, fan_points, has_bars, points_of_rows
from glaciertime.record import GlacierRecord
from glaciertime.report.content.parts import (
    Block,
    Fan,
    FanPlot,
    Item,
    Line,
    MapPlot,
    Number,
    Outline,
    Paragraph,
    Phrase,
    Section,
    SeriesPlot,
    Trace,
    Unit,
    count,
    day,
    say,
)
from glaciertime.report.content.series import ORDER, footprint_label, front_label, measured_in, variable_label
from glaciertime.tables import by_series, variable_named
from glaciertime.track.place import map_plane

__all__ = ["contour_maps", "fan_plot", "map_section", "series_section"]


def series_section(record: GlacierRecord) -> Section | None:
    """Return the series of every variable, as plots."""
    observations = record.observations
    there = set(observations.loc[observations["value"].notna(), "variable"])
    names = [*(name for name in ORDER if name in there), *sorted(there - set(ORDER))]
    plots: tuple[Block, ...] = tuple(_series_plot(record, name) for name in names)
    return Section(key="series", title=say("series.title"), blocks=plots) if plots else None


def _series_plot(record: GlacierRecord, variable: str) -> SeriesPlot:
    observations = record.observations
    rows = observations[(observations["variable"] == variable) & observations["value"].notna()]
    apart = rows["dataset"].nunique() > 1
    panels: dict[str, list[Trace]] = {}
    for key, one in by_series(rows, sort=False):
        # Areas of different footprints differ by their size, not by the ice: each has its own panel.
        panel = str(key[3]) if variable == "area_km2" else ""
        label = measured_in(key, apart=apart) or variable_label(variable)
        panels.setdefault(panel, []).append(Trace(label=label, points=points_of_rows(one)))
    known = variable_named(variable)
    points = [point for panel in panels.values() for trace in panel for point in trace.points]
    # Of bounds a sigma is not drawn, whatever is known of it.
    bars = say(
        "series.bars" if has_bars(points) else "series.no_bars" if rows["sigma"].isna().all() else "series.plain"
    )
    return SeriesPlot(
        title=say("series.plot", what=variable_label(variable)), label=variable_label(variable), unit=known.unit,
        caption=(
            say("series.caption", what=variable_label(variable), unit=Unit(known.unit), bars=bars) if known.unit
            else say("series.caption_unitless", what=variable_label(variable), bars=bars), _from(record),
        ),
        panels=tuple(map(tuple, panels.values())), source=record.source,
    )  # fmt: skip


def _from(record: GlacierRecord) -> Phrase:
    names = tuple(sorted(record.observations["dataset"].unique()))
    return say(f"source.{record.source}", datasets=names)


def fan_plot(observations: pd.DataFrame, good: pd.DataFrame, *, title: Phrase, caption: Phrase, source: str) -> FanPlot:
    """Return what was observed of a series and its forecasts, a panel per model.

    Parameters
    ----------
    observations : DataFrame
        Rows of one series.
    good : DataFrame
        Forecasts of the same series that are none of failures.
    title, caption : Phrase
    source : str
    """
    drawn = fan_points(observations, good)
    one = next(iter(drawn.values()))
    variable = str(good["variable"].iloc[0])
    return FanPlot(
        title=title, caption=(caption,), source=source, label=variable_label(variable),
        unit=variable_named(variable).unit, seen=Trace(label=say("series.observed"), points=tuple(one.seen)),
        last=one.last,
        fans=tuple(Fan(label=model, dates=tuple(fan.dates), quantiles=fan.quantiles) for model, fan in drawn.items()),
    )  # fmt: skip


def map_section(record: GlacierRecord) -> Section | None:
    """Return the map of the fronts; a sentence where no scene shows one, nothing where there are no scenes."""
    shown, kind = front_map(record), _front_words(record)
    if shown is None:
        # A table of values has no scenes that could show one.
        if (record.observations["method"] == "-").all():
            return None
        none = Paragraph(sentences=(say(f"map.none{kind}"),))
        return Section(key="map", title=say(f"map.title{kind}"), blocks=(none,))
    plot = MapPlot(
        title=say(f"map.plot{kind}", glacier=record.glacier), caption=_map_caption(record, shown.fronts),
        source=record.source, crs=shown.crs,
        lines=tuple(
            Line(pieces=one.pieces, date=one.date, rank=one.rank, is_dashed=one.is_dashed) for one in shown.lines
        ),
        centreline=None if shown.centreline is None else Line(pieces=shown.centreline, label=say("map.centreline")),
        outlines=tuple(
            Outline(rings=rings, label=footprint_label(name), kind=name) for name, rings in shown.outlines
        ),
    )  # fmt: skip
    return Section(key="map", title=say(f"map.title{kind}"), blocks=(plot,))


def _front_words(record: GlacierRecord) -> str:
    """Return which sentences speak of its fronts: they calve where it is known to end in water, or its data say so."""
    ends = record.place.terminus_type if record.place is not None else None
    told = set(record.observations["front_of"].fillna("")) - {""}
    return "" if ends in ("tidewater", "ice shelf") or (ends is None and "calving front" in told) else "_any"


def _map_caption(record: GlacierRecord, drawn: gpd.GeoDataFrame) -> tuple[Item, ...]:
    dates = drawn["Date"]
    found: list[Item] = [
        say(f"map.caption{_front_words(record)}", n=count(len(drawn)), first=day(dates.min()), last=day(dates.max())),
        *([say("map.dashed")] if doubtful(drawn["QualFlag"]).any() else []),
    ]
    kinds = drawn["front_of"].fillna("").value_counts()
    if any(kinds.index):
        found += [
            say("map.kind", kind=front_label(str(kind)) if kind else say("map.unknown_kind"), n=count(n))
            for kind, n in kinds.items()
        ]
    hidden = len(record.fronts_local) if len(record.fronts) else 0
    if hidden:
        found.append(say("map.hidden", n=count(hidden)))
    return (*found, _from(record))


def contour_maps(record: GlacierRecord) -> list[MapPlot]:
    """Return the front predicted by each model for its last date, and the bands that should hold a share of it."""
    fronts = record.fronts
    contours = record.contours[record.contours["status"] == "ok"]
    if contours.empty or fronts.empty:
        return []
    crs, kind = map_plane(fronts, glacier=record.place), _front_words(record)
    last_seen = fronts.to_crs(crs).sort_values("Date").iloc[-1]
    seen_on = day(last_seen["Date"])
    maps = []
    for model, rows in contours.groupby("model", sort=False):
        last = rows[rows["target_date"] == rows["target_date"].max()]
        last = last[last["cutoff"] == last["cutoff"].max()].to_crs(crs)
        bands = last[last["kind"] == "band-share"].sort_values("level", ascending=False)
        levels = tuple(Number(100 * level, unit="%") for level in sorted(bands["level"].unique()))
        target, cutoff = day(last["target_date"].iloc[0]), day(last["cutoff"].iloc[0])
        lines = [
            Line(
                pieces=pieces_of(last_seen.geometry, 1.0),
                date=seen_on,
                rank=0.0,
                label=say("map.last_front", date=seen_on),
            )
        ]
        lines += [
            Line(pieces=pieces_of(row.geometry, 1.0), rank=1.0, label=say("map.predicted", date=target))
            for row in last[last["kind"] == "front"].itertuples()
        ]
        maps.append(
            MapPlot(
                title=say(f"map.contour{kind}", model=str(model)), source=record.source, crs=crs_name(crs),
                lines=tuple(lines),
                caption=(
                    say(f"map.contour_caption{kind}", date=target, model=str(model), cutoff=cutoff),
                    *([say("map.bands", levels=levels)] if levels else []), say(f"source.{record.source}_fronts"),
                ),
                outlines=tuple(
                    Outline(rings=rings_of(row.geometry), kind="band", share=float(row.level),
                            label=say("map.band", share=Number(100 * row.level, unit="%")))
                    for row in bands.itertuples()
                ),
            )
        )  # fmt: skip
    return maps
