"""The tab *Look*: the map of a glacier's fronts, its series, and what a date was measured on."""

from __future__ import annotations

import asyncio
import contextlib
import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn

from glaciertime.archive import Archive
from glaciertime.dashboard.figures import map_figure, mark, picture_figure, series_figure
from glaciertime.dashboard.held import choose, series_choices, series_rows, shown_unit
from glaciertime.dashboard.parts import page_part
from glaciertime.dashboard.pictures import picture_of
from glaciertime.dashboard.session import Session
from glaciertime.dashboard.sliders import Slider
from glaciertime.errors import GlacierTimeError
from glaciertime.naming import counted
from glaciertime.record import read_record
from glaciertime.tables import variable_named
from glaciertime.units import number_text

if TYPE_CHECKING:
    from glaciertime.archive import Place

__all__ = ["day_texts", "look_tab"]

_TILES = "Map of the web below (fetched from openstreetmap.org)"
_WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}


class _Look:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.series = pn.widgets.Select(label="Series", **_WIDE)
        self.has_tiles = pn.widgets.CheckBoxGroup(options=[_TILES], value=[])
        self.date = Slider("Date", [], visible=False)
        self.map = pn.Column(**_WIDE)
        self.chart = pn.Column(**_WIDE)
        self.told = pn.pane.HTML("", **_WIDE)
        self.image = pn.Column(**_WIDE)
        self.said = pn.pane.HTML("", **_WIDE)
        self.record: Any = None
        self._marked: Any = None
        self._points: Any = None
        self._rows = pd.DataFrame()
        self._looks = self._told = 0
        self._drawing: asyncio.Future[None] | None = None
        self._wording: asyncio.Future[None] | None = None
        session.glacier.param.watch(self._glacier, "value")
        session.changed.append(self._glacier)
        self.series.param.watch(self._series, "value")
        self.has_tiles.param.watch(self._map, "value")
        self.date.param.watch(self._date, "value")
        self._glacier(None)

    def view(self) -> Any:
        return page_part(
            "Look at a glacier", self.session.glacier, self.said, self.has_tiles, self.map, self.date, self.series,
            self.chart, self.told, self.image,
        )  # fmt: skip

    def _glacier(self, _: object) -> None:
        archive, name = self.session.workplace.archive, self.session.glacier.value
        self._forget()
        if archive is None or not name:
            self.told.object = f'<p class="told">{html.escape(self.session.nothing_held())}</p>'
            return
        try:
            self.record = read_record(Archive(archive), name)
            choices = series_choices(self.record.observations)
        except GlacierTimeError as error:
            self._forget()
            self.told.object = f'<p class="wrong">{html.escape(str(error))}</p>'
            return
        self._told += 1
        with contextlib.suppress(RuntimeError):  # without a page there is no loop
            self._wording = asyncio.get_running_loop().create_task(self._headline(archive, name))
        choose(self.series, choices)
        self._series(None)
        self._map(None)

    def _forget(self) -> None:
        """Take away what is shown of the glacier before."""
        self.record, self._marked, self._rows = None, None, pd.DataFrame()
        self._looks += 1
        self.date.visible = False
        for part in (self.map, self.chart, self.image):
            part.clear()
        self.told.object = ""
        self.said.object = ""

    async def _headline(self, archive: Place, name: str) -> None:
        """Show what a report says first."""
        mine = self._told
        ended = await self.session.viewer.run(
            ["--archive", archive, "--glacier", name], hear=lambda _: None, module="glaciertime.dashboard.headline"
        )  # fmt: skip
        if mine == self._told and ended.code == 0:
            self.said.object = f'<div role="status">{ended.out}</div>'

    def _map(self, _: object) -> None:
        record = self.record
        if record is None:
            return
        fronts = record.fronts
        if fronts.empty:
            self.map.objects = [pn.pane.HTML('<p class="told">No front with a place on Earth is held.</p>', **_WIDE)]
            return
        sources = ", ".join(record.sources)
        drawn, self._marked = map_figure(
            fronts, outlines=record.footprints, lines=record.centrelines, has_tiles=bool(self.has_tiles.value),
            title=f"{record.glacier}: {counted(len(fronts), 'calving fronts')}, {sources}",
        )  # fmt: skip
        self._mark()  # before the page has it: it is sent once
        self.map.objects = [pn.pane.Bokeh(drawn, **_WIDE)]

    def _mark(self) -> None:
        if self._marked is not None and not self._rows.empty:
            fronts, day = self.record.fronts, self._rows["date"].iloc[self.date.value]
            mark(self._marked, fronts[pd.to_datetime(fronts["Date"]) == day])

    def _series(self, _: object) -> None:
        if self.record is None:
            return
        if self.series.value is None:
            self.told.object = '<p class="told">No series is held of this glacier.</p>'
            return
        rows = series_rows(self.record.observations, self.series.value)
        rows = rows.sort_values("date", kind="stable").reset_index(drop=True)
        if rows.empty:
            return
        first = rows.iloc[0]
        self._rows = rows
        drawn, self._points = series_figure(
            rows, title=f"{self.record.glacier}, {first['source']}", unit=shown_unit(first["unit"]),
            quantity=variable_named(first["variable"]).label,
        )  # fmt: skip
        self._points.selected.on_change("indices", self._tapped)
        self.chart.objects = [pn.pane.Bokeh(drawn, **_WIDE)]
        days = day_texts(rows["date"])
        self.date.offer(days, value=len(days) - 1)
        self.date.visible = True
        self._date(None)

    def _tapped(self, _attribute: str, _old: object, new: list[int]) -> None:
        if new and new[0] < len(self.date.texts):
            self.date.value = new[0]

    def _date(self, _: object) -> None:
        if self.date.value >= len(self._rows):
            return
        row = self._rows.iloc[self.date.value]
        record = self.record
        self._mark()
        sigma = f" ± {number_text(row['sigma'], digits=3)}" if pd.notna(row["sigma"]) else ", sigma not known"
        inputs = record.inputs
        found = inputs[inputs["image_id"] == row["image_id"]]["input"].tolist()
        about = "; ".join(
            (
                f"{number_text(row['value'], digits=6)}{sigma} {shown_unit(row['unit'])}",
                f"quality: {row['quality'] or 'ok'}", f"{row['dataset']}, {row['source']}",
                f"made from {', '.join(Path(one).name for one in found) or 'what the archive does not name'}",
            )
        )  # fmt: skip
        self.told.object = f'<p class="told"><strong>{row["date"]:%Y-%m-%d}</strong>: {html.escape(about)}</p>'
        self.image.clear()
        self._looks += 1
        if found and found[0].lower().endswith((".tif", ".tiff", ".png", ".jp2")):
            self._drawing = asyncio.ensure_future(self._picture(found[0]))

    async def _picture(self, path: str) -> None:
        mine = self._looks
        made = await picture_of(self.session, path)
        if made is None or mine != self._looks:  # another date was chosen meanwhile
            return
        rgba, told = made
        drawn, _ = picture_figure(
            rgba, width=told["width"], height=told["height"], title=f"Measured on {Path(path).name}"
        )
        self.image.objects = [pn.pane.Bokeh(drawn, **_WIDE)]


def day_texts(days: pd.Series) -> list[str]:
    """Return the day of each value; those of one day are numbered.

    Examples
    --------
    >>> day_texts(pd.to_datetime(pd.Series(["2020-01-01", "2020-01-01", "2020-01-03"])))
    ['2020-01-01', '2020-01-01 (2)', '2020-01-03']
    """
    count = days.groupby(days).cumcount()
    return [f"{day:%Y-%m-%d}" + (f" ({number + 1})" if number else "") for day, number in zip(days, count, strict=True)]


def look_tab(session: Session) -> Any:
    """Return the tab."""
    return _Look(session).view()
