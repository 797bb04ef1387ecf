"""The tab *Draw*: a front corrected by hand, a centreline, a box, a fjord; and what a correction does to the rate."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any

import geopandas as gpd
import pandas as pd
import panel as pn
import shapely
from bokeh.models import ColumnDataSource, PolyDrawTool, PolyEditTool
from pyproj import Transformer

from glaciertime.archive import Archive
from glaciertime.dashboard.figures import MAP_CRS, map_figure, mark
from glaciertime.dashboard.held import choose, shown_unit
from glaciertime.dashboard.parts import Runner, download, page_part, table_html
from glaciertime.dashboard.session import Session
from glaciertime.dashboard.track_tab import manifest_options
from glaciertime.errors import GlacierTimeError, InputError
from glaciertime.pipeline.rulers import have_same_rulers
from glaciertime.record import GlacierRecord, read_record
from glaciertime.report.products import series_product
from glaciertime.units import number_text

__all__ = ["draw_tab", "parse_places", "rates_with"]

_WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}
_KINDS = {"calving front": "front", "centreline, from inland to the sea": "centreline", "box": "box", "fjord": "fjord"}
_LEAST = {"front": 2, "centreline": 2, "box": 2, "fjord": 3}
_SAME = ["variable", "method", "footprint", "front_of"]


def parse_places(text: str, *, kind: str) -> list[tuple[float, float]]:
    """Return longitude and latitude of each line ``-62.1, -65.4`` of a text.

    Raises
    ------
    InputError
        For a line that is no place on Earth, too few of them for what is drawn, and where it crosses itself.

    Examples
    --------
    >>> parse_places("-62.1, -65.4; -62.0, -65.3", kind="front")
    [(-62.1, -65.4), (-62.0, -65.3)]
    """
    places = []
    for line in filter(None, (part.strip() for part in re.split(r"[;\n]", text))):
        try:
            longitude, latitude = (float(part) for part in re.split(r"[,\s]+", line))
        except ValueError:
            raise InputError(
                f"'{line[:60]}' is no place; give longitude, latitude in degrees, one place a line"
            ) from None
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
            raise InputError(f"'{line[:60]}' lies beyond the Earth; give longitude, latitude in degrees")
        places.append((longitude, latitude))
    places = [place for number, place in enumerate(places) if number == 0 or place != places[number - 1]]
    if len(places) < _LEAST[kind]:
        raise InputError(f"{len(places)} places drawn, {_LEAST[kind]} are needed for a {kind}")
    line = shapely.LinearRing(places) if kind == "fjord" else shapely.LineString(places)
    if kind != "box" and not line.is_simple:
        raise InputError(f"the line of the {kind} crosses itself; draw it from one end to the other")
    return places


def rates_with(observations: pd.DataFrame, *, date: dt.date, drawn: str, instead_of: str) -> pd.DataFrame:
    """Return the rates of a data set's series as they are, and with the values of a drawn front at its date.

    Parameters
    ----------
    observations : DataFrame
        Of one glacier.
    date : date
        Of the drawn front.
    drawn, instead_of : str
        The data set of the drawn front, and that whose values it replaces.

    Returns
    -------
    DataFrame
        A row for each series that both measured: ``variable, method, footprint, unit, was, now`` at the date, and
        ``rate_was, low_was, high_was, rate_now, low_now, high_now`` per year, with 95 % intervals.
    """
    theirs, mine = (observations[observations["dataset"] == name] for name in (instead_of, drawn))
    day = pd.Timestamp(date)
    table = []
    for _, new in mine[mine["date"] == day].iterrows():
        series = theirs[(theirs[_SAME] == new[_SAME]).all(axis=1)]
        at = series["date"] == day
        if not at.any():
            continue
        changed = series.copy()
        changed.loc[at, ["value", "sigma", "quality", "bound"]] = new[["value", "sigma", "quality", "bound"]].to_numpy()
        was, now = _rate(series), _rate(changed)
        if was.empty or now.empty:
            continue
        row = {**{name: new[name] for name in _SAME}, "unit": new["unit"]}
        row |= {"was": float(series.loc[at, "value"].iloc[0]), "now": float(new["value"])}
        for name, rates in (("was", was.iloc[0]), ("now", now.iloc[0])):
            row |= {f"rate_{name}": rates["rate_per_year"], f"low_{name}": rates["low"], f"high_{name}": rates["high"]}
        table.append(row)
    return pd.DataFrame(table)


def _rate(series: pd.DataFrame) -> pd.DataFrame:
    """Return what ``series --product rates`` says of a series."""

    def none() -> Any:
        raise AssertionError("a rate needs neither fronts nor a place")

    return series_product("rates", observations=series, fronts=none, glacier=none).table


class _Draw:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.kind = pn.widgets.Select(label="What is drawn", options=_KINDS, **_WIDE)
        self.date = pn.widgets.Select(label="Front of the date", options=[], **_WIDE)
        self.other_date = pn.widgets.TextInput(label="or of another date", placeholder="2021-03-15", **_WIDE)
        self.author = session.author
        self.places = pn.widgets.TextAreaInput(
            label="Places, longitude, latitude, one a line (filled by drawing; can be typed)", height=140, **_WIDE
        )
        self.map = pn.Column(**_WIDE)
        self.runner = Runner(session.commands, label="Store it", work=self._work)
        self.results = pn.Column(**_WIDE)
        self._drawn = ColumnDataSource({"xs": [], "ys": []})
        self._fronts: Any = None
        self._marked: ColumnDataSource | None = None
        self._whose: str | None = session.glacier.value
        session.glacier.param.watch(self._glacier, "value")
        session.changed.append(self._glacier)
        self.kind.param.watch(lambda _: self.date.param.update(visible=self.kind.value == "front"), "value")
        self.date.param.watch(self._mark, "value")
        self._glacier(None)

    def view(self) -> Any:
        how = pn.pane.HTML(
            '<p class="told">On the map: choose the pencil, double-click to begin, click along the line, double-click '
            "to end. The last line drawn counts. By keyboard: type the places.</p>", **_WIDE,
        )  # fmt: skip
        take = pn.widgets.Button(label="Take the front of that date as a start", width=320)
        take.on_click(self._take)
        return page_part(
            "Draw", self.session.glacier, self.kind, self.date, self.other_date, self.author, how, take, self.map,
            self.places, self.runner.view(), self.results,
        )  # fmt: skip

    def _record(self) -> GlacierRecord | None:
        archive, name = self.session.workplace.archive, self.session.glacier.value
        return read_record(Archive(archive), name) if archive is not None and name else None

    def _glacier(self, _: object) -> None:
        if self._whose != self.session.glacier.value:  # what was drawn of the glacier before is not of this one
            self._whose = self.session.glacier.value
            self.places.value = ""
            self.results.clear()
        try:
            record = self._record()
        except GlacierTimeError:
            record = None
        self._marked = None
        if record is None:
            self.map.objects = [pn.pane.HTML(f'<p class="told">{self.session.nothing_held()}</p>', **_WIDE)]
            return
        fronts = record.fronts
        days = pd.to_datetime(fronts["Date"]).sort_values(ascending=False)
        choose(self.date, {text: text for text in dict.fromkeys(f"{day:%Y-%m-%d}" for day in days)})
        drawn, self._marked = map_figure(
            fronts, outlines=record.footprints, lines=record.centrelines, title=record.glacier
        )
        self._drawn = ColumnDataSource({"xs": [], "ys": []})
        line = drawn.multi_line("xs", "ys", source=self._drawn, line_width=4, line_color="#b34700")
        corners = drawn.scatter([], [], size=9, color="#b34700")
        drawn.add_tools(PolyDrawTool(renderers=[line]), PolyEditTool(renderers=[line], vertex_renderer=corners))
        self._drawn.on_change("data", self._was_drawn)
        self._fronts = fronts
        self._mark(None)  # before the page has it: it is sent once
        self.map.objects = [pn.pane.Bokeh(drawn, **_WIDE)]

    def _mark(self, _: object) -> None:
        if self._marked is not None and self.date.value:
            mark(self._marked, self._fronts[pd.to_datetime(self._fronts["Date"]) == pd.Timestamp(self.date.value)])

    def _was_drawn(self, _attribute: str, _old: object, new: dict[str, Any]) -> None:
        if not new.get("xs") or len(new["xs"][-1]) < 2:
            return
        back = Transformer.from_crs(MAP_CRS, "EPSG:4326", always_xy=True)
        longitudes, latitudes = back.transform(new["xs"][-1], new["ys"][-1])
        self.places.value = "\n".join(f"{x:.6f}, {y:.6f}" for x, y in zip(longitudes, latitudes, strict=True))

    def _take(self, _: object) -> None:
        record = self._record()
        if record is None or not self.date.value:
            return
        fronts = record.fronts[pd.to_datetime(record.fronts["Date"]) == pd.Timestamp(self.date.value)].to_crs(4326)
        parts = [part for line in fronts.geometry for part in getattr(line, "geoms", [line])]
        if parts:
            longest = max(parts, key=lambda part: part.length)
            self.places.value = "\n".join(f"{x:.6f}, {y:.6f}" for x, y, *_ in longest.coords)

    async def _work(self, runner: Runner) -> None:
        self.results.clear()
        kind, glacier = self.kind.value, self.session.glacier.value
        if not glacier:
            runner.say(self.session.nothing_held(), kind="wrong")
            return
        try:
            places = parse_places(self.places.value or "", kind=kind)
            if kind != "front":
                self._keep(runner, glacier, kind, places)
                return
            date = dt.date.fromisoformat((self.other_date.value or "").strip() or self.date.value or "")
        except InputError as error:
            runner.say(str(error), kind="wrong")
            return
        except ValueError:
            runner.say(f"'{self.other_date.value}' is no date; write it as 2021-03-15.", kind="wrong")
            return
        author = (self.author.value or "").strip()
        if not author:
            runner.say("Say who drew it: a front has an author.", kind="wrong")
            return
        if await self.session.own_archive(runner):
            await self._front(runner, glacier, date, author, places)

    def _keep(self, runner: Runner, glacier: str, kind: str, places: list[tuple[float, float]]) -> None:
        self.session.drawn.setdefault(glacier, {})[kind] = [list(place) for place in places]
        shape = shapely.LineString(places) if kind == "centreline" else shapely.MultiPoint(places).envelope
        if kind == "fjord":
            shape = shapely.Polygon(places)
        path = self.session.workplace.folder / f"{kind}.geojson"
        gpd.GeoDataFrame({"glacier": [glacier]}, geometry=[shape], crs="EPSG:4326").to_file(path, driver="GeoJSON")
        use = {"centreline": "track --centreline", "box": "track --box"}.get(kind, "a manifest")
        runner.say(f"Kept; Track uses it for a glacier of your own, {use} takes the file.", kind="done")
        self.results.objects = [download(path, f"{kind} (GeoJSON)")]

    async def _front(
        self, runner: Runner, glacier: str, date: dt.date, author: str, places: list[tuple[float, float]]
    ) -> None:
        path = self.session.workplace.new_folder("drawn") / "front.geojson"
        row = {"GlacierID": [glacier], "Date": [date.isoformat()], "Author": [author]}
        gpd.GeoDataFrame(row, geometry=[shapely.LineString(places)], crs="EPSG:4326").to_file(path, driver="GeoJSON")
        dataset = f"drawn by {author}"
        ended = await runner.run(
            ["track", "--glacier", glacier, *manifest_options(self.session, glacier), "--data",
             str(path.relative_to(self.session.workplace.folder)), "--dataset", dataset, "--archive",
             self.session.workplace.own_archive.name]
        )  # fmt: skip
        if not ended.has_result:
            return
        self.session.refresh()
        record = read_record(Archive(self.session.workplace.own_archive), glacier)
        observations, rulers = record.observations, record.rulers
        others = [name for name in dict.fromkeys(observations["dataset"]) if name != dataset]
        shown: list[Any] = [download(path, "Front (GeoJSON)")]
        for other in others:
            if not have_same_rulers(rulers, dataset, other):
                runner.say(
                    f"{other} was simulated, or measured in another box, another fjord or along another line: the "
                    "drawn front does not compare with it.", kind="told",
                )  # fmt: skip
                continue
            table = rates_with(observations, date=date, drawn=dataset, instead_of=other)
            if not table.empty:
                sources = dict.fromkeys(observations.loc[observations["dataset"] == other, "source"])
                of = f"{glacier}, {other} ({', '.join(sources)})"
                shown.append(pn.pane.HTML(_rates(table, of, date), **_WIDE))
        if len(shown) == 1:
            runner.say("No other data set measured such a front of that date: no rate compares.", kind="told")
        self.results.objects = shown


def _rates(table: pd.DataFrame, dataset: str, date: dt.date) -> str:
    def rate(row: Any, name: str) -> str:
        if math.isnan(getattr(row, f"rate_{name}")):
            return "none"
        middle, low, high = (number_text(getattr(row, f"{part}_{name}"), digits=4, sign=True)
                             for part in ("rate", "low", "high"))  # fmt: skip
        return f"{middle} [{low}, {high}]"

    rows = [
        (
            f"{row.variable}, {row.method}, {row.footprint}",
            f"{number_text(row.was, digits=6)} {shown_unit(row.unit)}",
            f"{number_text(row.now, digits=6)} {shown_unit(row.unit)}", rate(row, "was"), rate(row, "now"),
        )
        for row in table.itertuples()
    ]  # fmt: skip
    columns = ("series", f"{date:%Y-%m-%d} was", "drawn", "rate per year was [95 %]", "with the drawn front [95 %]")
    return table_html(columns, rows, caption=f"What the drawn front does to {dataset}")


def draw_tab(session: Session) -> Any:
    """Return the tab."""
    return _Draw(session).view()
