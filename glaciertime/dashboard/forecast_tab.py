"""The tab *Forecast*: models to tick, a fan, its numbers, what backtests say of them, the line on the map."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import panel as pn

from glaciertime.archive import Archive
from glaciertime.dashboard.figures import fan_figure, map_figure
from glaciertime.dashboard.held import choose, series_choices, series_rows, shown_unit
from glaciertime.dashboard.parts import Runner, page_part, table_html
from glaciertime.dashboard.session import Session
from glaciertime.errors import GlacierTimeError
from glaciertime.forecast.models import model_names
from glaciertime.record import read_record
from glaciertime.tables import variable_named
from glaciertime.units import number_text

__all__ = ["forecast_tab", "show_forecasts"]

_WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}
_CONTOUR = "Also predict the calving front itself (on the map)"
_KEY = ("variable", "method", "footprint", "dataset", "front_of")


class _Forecast:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.glacier = pn.widgets.Select(label="Glacier", **_WIDE)
        self.series = pn.widgets.Select(label="Series", **_WIDE)
        self.models = pn.widgets.CheckBoxGroup(
            label="Models", options=list(model_names()), value=["auto", "last"], inline=True
        )
        self.until = pn.widgets.TextInput(
            label="Up to the year, or the date", value=str(dt.date.today().year + 5), **_WIDE
        )
        self.contour = pn.widgets.CheckBoxGroup(options=[_CONTOUR], value=[])
        self.runner = Runner(session.commands, label="Forecast", work=self._forecast)
        self.judge = Runner(session.commands, label="Backtest", work=self._backtest)
        self.results = pn.Column(**_WIDE)
        self.scores = pn.Column(**_WIDE)
        session.changed.append(self._held)
        self.glacier.param.watch(self._glacier, "value")
        for chosen in (self.glacier, self.series):
            chosen.param.watch(self._other, "value")
        self._held(None)

    def view(self) -> Any:
        models = pn.Column(pn.pane.HTML('<p class="label">Models</p>'), self.models, **_WIDE)
        return page_part(
            "Forecast a series", self.glacier, self.series, models, self.until, self.contour, self.runner.view(),
            self.results, self.judge.view(), self.scores,
        )  # fmt: skip

    def _held(self, _: object) -> None:
        self.glacier.options = self.session.glacier.options
        if self.glacier.value not in self.glacier.options:
            self.glacier.value = self.session.glacier.value
        self._glacier(None)

    def _glacier(self, _: object) -> None:
        archive, name = self.session.workplace.archive, self.glacier.value
        if archive is None or not name:
            choose(self.series, {})
            return
        try:
            choose(self.series, series_choices(read_record(Archive(archive), name).observations))
        except GlacierTimeError:
            choose(self.series, {})

    def _other(self, _: object) -> None:
        """Take away what was forecast of another series."""
        self.results.clear()
        self.scores.clear()

    def _asked(self) -> list[str]:
        if not self.series.value:
            return []
        variable, method, footprint, dataset, front_of = self.series.value
        given = [("--variable", variable), ("--method", method), ("--footprint", footprint), ("--dataset", dataset)]
        if front_of:
            given.append(("--front-of", front_of))
        return [text for name, value in given if value for text in (name, value)]

    async def _ready(self, runner: Runner) -> bool:
        if not self.glacier.value or not self.series.value:
            runner.say(self.session.nothing_held(), kind="wrong")
            return False
        if not self.models.value:
            runner.say("Tick one model or more.", kind="wrong")
            return False
        return await self.session.own_archive(runner)

    async def _forecast(self, runner: Runner) -> None:
        self.results.clear()
        # What is chosen while it runs is not what it runs on.
        glacier, series, asked = self.glacier.value, self.series.value, self._asked()
        until, is_contour, models = (
            (self.until.value or "").strip(),
            bool(self.contour.value),
            ",".join(self.models.value),
        )
        if not await self._ready(runner):
            return
        own = ["--archive", self.session.workplace.own_archive.name]
        what = ["forecast", "--glacier", glacier, "--until", until]
        shown: list[Any] = []
        ended = await runner.run([*what, "--model", models, *asked, *own, "--json"])
        if ended.has_result:
            observed = read_record(Archive(self.session.workplace.own_archive), glacier).observations
            shown = show_forecasts(observed, pd.DataFrame(ended.rows()), glacier=glacier)
        if is_contour:
            ended = await runner.run([*what, "--contour", *own, "--json"])
            if ended.has_result:
                record = read_record(Archive(self.session.workplace.own_archive), glacier)
                contours = _of_these(record.contours, pd.DataFrame(ended.rows()))
                drawn, _ = map_figure(
                    record.fronts, outlines=contours.assign(footprint=contours["kind"]), lines=record.centrelines,
                    title=f"{record.glacier}, {', '.join(record.sources)}: predicted fronts and their bands (dashed), "
                    "fronts seen (colour)",
                )  # fmt: skip
                shown.append(pn.pane.Bokeh(drawn, **_WIDE))
        if (self.glacier.value, self.series.value) == (glacier, series):
            self.results.objects = shown
        elif shown:
            runner.say(f"That was the forecast of {glacier}; choose it and its series again to see it.", kind="told")

    async def _backtest(self, runner: Runner) -> None:
        self.scores.clear()
        glacier, series, asked = self.glacier.value, self.series.value, self._asked()
        models = ",".join(self.models.value)
        if not await self._ready(runner):
            return
        ended = await runner.run(
            ["backtest", "--glacier", glacier, "--model", models, *asked, "--archive",
             self.session.workplace.own_archive.name]
        )  # fmt: skip
        if (self.glacier.value, self.series.value) != (glacier, series):
            runner.say(f"That was the backtest of {glacier}; choose it and its series again.", kind="told")
        elif ended.has_result:
            self.scores.objects = [
                pn.pane.HTML(
                    f'<pre class="scroll" tabindex="0" aria-label="Backtest">{_escaped(ended.out)}</pre>', **_WIDE
                )
            ]


def _of_these(contours: Any, rows: pd.DataFrame) -> Any:
    """Return the predicted fronts that were printed, of all that are held; those with no place are left out."""
    names = ["source", "cutoff", "target_date", "model"]
    wanted = rows[rows["status"] == "ok"]
    wanted = wanted.assign(**{name: pd.to_datetime(wanted[name]) for name in ("cutoff", "target_date")})
    keys = set(wanted[names].itertuples(index=False, name=None))
    held = contours.assign(**{name: pd.to_datetime(contours[name]) for name in ("cutoff", "target_date")})
    return contours[[key in keys for key in held[names].itertuples(index=False, name=None)]]


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def show_forecasts(observed: pd.DataFrame, rows: pd.DataFrame, *, glacier: str) -> list[Any]:
    """Return the fan and the table of the forecasts of each series.

    Parameters
    ----------
    observed : DataFrame
        Of ``observations``, of that glacier.
    rows : DataFrame
        As ``forecast --json`` prints them.
    glacier : str
    """
    shown: list[Any] = []
    for key, part in rows.fillna({name: "" for name in _KEY}).groupby(list(_KEY), sort=False):
        part = part.assign(target_date=pd.to_datetime(part["target_date"]))
        first = part.iloc[0]
        quantity = variable_named(str(first["variable"])).label
        unit = shown_unit(str(first["unit"]))
        drawn = fan_figure(
            series_rows(observed, key), part, unit=unit, quantity=quantity,
            title=f"{glacier}, {first['source']}; known up to {str(first['cutoff'])[:10]}",
        )  # fmt: skip
        shown.append(pn.pane.Bokeh(drawn, **_WIDE))
        shown.append(pn.pane.HTML(_numbers(part, unit), **_WIDE))
    return shown


def _numbers(part: pd.DataFrame, unit: str) -> str:
    good = part[part["status"] == "ok"].assign(quantile=lambda table: table["quantile"].round(4))
    wide = good.pivot_table(index=["target_date", "model"], columns="quantile", values="value")
    rows = [
        (
            f"{date:%Y-%m-%d}", str(model), f"{number_text(row[0.5], digits=5)} {unit}",
            f"{number_text(row[0.05], digits=5)} to {number_text(row[0.95], digits=5)}",
        )
        for (date, model), row in wide.sort_index().iterrows()
    ]  # fmt: skip
    failed = part[part["status"] != "ok"][["model", "status"]].drop_duplicates()
    rows += [("", str(one.model), "no forecast", str(one.status)) for one in failed.itertuples()]
    return table_html(("date", "model", "median", "90 % interval"), rows, caption=f"Forecasts, {unit}")


def forecast_tab(session: Session) -> Any:
    """Return the tab."""
    return _Forecast(session).view()
