"""The tab *Own series*: a table of dated values to a forecast and a verdict."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import panel as pn

from glaciertime.archive import Archive
from glaciertime.dashboard.forecast_tab import show_forecasts
from glaciertime.dashboard.parts import Dropper, Runner, day_choice, options, page_part
from glaciertime.dashboard.session import Session
from glaciertime.record import read_record
from glaciertime.tables import VARIABLES

__all__ = ["own_series_tab"]

_WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}
_YEARS = 5


class _OwnSeries:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.dropper = Dropper(session.workplace, kind="series", label="A table with dates and values")
        self.file = pn.widgets.Select(label="Table", options=[], **_WIDE)
        self.glacier = pn.widgets.TextInput(label="Glacier (where the table does not name it)", **_WIDE)
        self.variable = pn.widgets.Select(
            label="What the values are (where the table does not say)", options=["", *VARIABLES], **_WIDE
        )
        self.unit = pn.widgets.TextInput(
            label="Unit (where the table does not say)", placeholder="m, km, km2, ...", **_WIDE
        )
        self.columns = pn.widgets.TextInput(
            label="Columns (where their names do not tell)", placeholder="date=Year,value=Length", **_WIDE
        )
        self.days = day_choice()
        self.runner = Runner(session.commands, label="Read and forecast", work=self._work)
        self.results = pn.Column(**_WIDE)
        self.dropper.param.watch(self._arrived, "arrivals")
        self.file.param.watch(lambda _: self.results.clear(), "value")

    def view(self) -> Any:
        return page_part(
            "Your own series", self.dropper, self.file, self.glacier, self.variable, self.unit, self.columns,
            self.days, self.runner.view(), self.results,
        )  # fmt: skip

    def _arrived(self, _: object) -> None:
        self.dropper.offer(self.file)
        self.results.clear()

    async def _work(self, runner: Runner) -> None:
        self.results.clear()
        if not self.file.value:
            runner.say("Bring a table first.", kind="wrong")
            return
        if not await self.session.own_archive(runner):
            return
        own = ["--archive", self.session.workplace.own_archive.name]
        given = options(
            ("--glacier", self.glacier.value), ("--variable", self.variable.value), ("--unit", self.unit.value),
            ("--columns", self.columns.value),
        )  # fmt: skip
        given += [self.days.value] if self.days.value else []
        ended = await runner.run(["import", f"series/{self.file.value}", *given, *own, "--json"])
        if not ended.has_result:
            return
        read = pd.DataFrame(ended.rows())
        self.session.refresh()
        names = list(dict.fromkeys(read["glacier"])) if "glacier" in read else []
        if len(names) != 1:
            runner.say(f"{len(names)} glaciers were read: choose one under Look or Forecast.", kind="done")
            return
        self.session.glacier.value = names[0]
        until = str(dt.date.today().year + _YEARS)
        ended = await runner.run(["forecast", "--glacier", names[0], "--until", until, *own, "--json"])
        if ended.has_result:
            rows = pd.DataFrame(ended.rows())
            observed = read_record(Archive(self.session.workplace.own_archive), names[0]).observations
            self.results.objects = show_forecasts(observed, rows, glacier=names[0])
        ended = await runner.run(["backtest", "--glacier", names[0], *own])
        if ended.has_result:
            shown = ended.out.replace("&", "&amp;").replace("<", "&lt;")
            self.results.append(
                pn.pane.HTML(f'<pre class="scroll" tabindex="0" aria-label="Backtest">{shown}</pre>', **_WIDE)
            )


def own_series_tab(session: Session) -> Any:
    """Return the tab."""
    return _OwnSeries(session).view()
