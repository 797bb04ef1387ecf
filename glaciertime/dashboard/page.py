"""The page of one session: a bar of tabs, the tab that is open, and what was typed for it."""

from __future__ import annotations

import asyncio
import datetime as dt
import html
from collections.abc import Callable
from typing import Any

import panel as pn

from glaciertime.dashboard.draw_tab import draw_tab
from glaciertime.dashboard.explain_tab import explain_tab
from glaciertime.dashboard.forecast_tab import forecast_tab
from glaciertime.dashboard.look import look_tab
from glaciertime.dashboard.own_series_tab import own_series_tab
from glaciertime.dashboard.parts import download
from glaciertime.dashboard.segment_tab import segment_tab
from glaciertime.dashboard.session import Session
from glaciertime.dashboard.track_tab import track_tab

__all__ = ["page"]

_TABS: dict[str, Callable[[Session], Any]] = {
    "Look": look_tab,
    "Segment": segment_tab,
    "Track": track_tab,
    "Draw": draw_tab,
    "Forecast": forecast_tab,
    "Explain": explain_tab,
    "Own series": own_series_tab,
}

_STYLE = """
body { margin: 0; background: #ffffff; color: #1c2733; font-family: system-ui, "Segoe UI", Roboto, sans-serif; }
:host { font-size: 16px; color: #1c2733; }
h1 { font-size: 22px; margin: 4px 0; }
h2 { font-size: 19px; margin: 8px 0 4px; }
p { margin: 6px 0; line-height: 1.45; overflow-wrap: anywhere; }
label { white-space: normal; }
.told { color: #33424f; }
.wrong { color: #9b1c1c; }
.headline { font-size: 17px; }
.done { color: #145c32; }
.label { font-weight: 600; }
.command { font-family: ui-monospace, monospace; font-size: 14px; background: #eef3f7; padding: 6px; }
table { border-collapse: collapse; font-size: 15px; }
caption { text-align: left; font-weight: 600; padding: 4px 0; overflow-wrap: anywhere; }
th, td { border-bottom: 1px solid #c3ced8; padding: 4px 10px 4px 0; text-align: left; }
.scroll { overflow-x: auto; max-width: 100%; }
.bk-btn { font-size: 15px; color: #1c2733; }
.bk-btn.bk-btn-primary { color: #ffffff; background-color: #0b5394; }
.bk-input-group { flex-wrap: wrap; }
pre { font-size: 14px; background: #eef3f7; padding: 8px; }
"""
#: A telephone shows the page as wide as itself; who hears it can go straight to what it is about.
_TEMPLATE = """
{% extends base %}
{% block postamble %}<meta name="viewport" content="width=device-width, initial-scale=1">{% endblock %}
{% block contents %}<main>{{ super() }}</main>{% endblock %}
"""
_BUTTONS = """
.bk-btn-group { flex-wrap: wrap; }
.bk-btn { font-size: 16px; min-height: 40px; }
"""


def page(session: Session) -> Any:
    """Return the page of a session; a tab is made when it is first opened."""
    pn.config.raw_css = [_STYLE]
    made: dict[str, Any] = {}
    nav = pn.widgets.RadioButtonGroup(
        label="What to do", options=list(_TABS), value="Look", button_type="primary", button_style="outline",
        stylesheets=[_BUTTONS], sizing_mode="stretch_width",
    )  # fmt: skip
    shown = pn.Column(sizing_mode="stretch_width")

    def open_tab(_: object) -> None:
        name = nav.value
        if name not in made:
            made[name] = _TABS[name](session)
        shown.objects = [made[name]]

    nav.param.watch(open_tab, "value")
    open_tab(None)
    archive = session.workplace.shared
    told = f"archive {html.escape(str(archive))}" if archive is not None else "no archive was given"
    head = pn.pane.HTML(
        f"<h1>glaciertime</h1><p class='told'>{told}; what you bring and measure here is yours alone, and is removed "
        "when you leave this page. Keep what you need.</p>", sizing_mode="stretch_width",
    )  # fmt: skip
    whole = pn.Column(
        head, nav, shown, _keepsakes(session), sizing_mode="stretch_width", max_width=1200,
        styles={"margin": "0 auto", "padding": "0 12px"},
    )  # fmt: skip
    landmark = pn.Template(_TEMPLATE)
    landmark.add_panel("page", whole)
    return landmark


def _keepsakes(session: Session) -> Any:
    """Return what can be kept of the session: its archive, and the commands that made it."""
    shown = pn.Column(sizing_mode="stretch_width")

    async def ask(_: object) -> None:
        shown.objects = [pn.pane.HTML('<p class="told">Copying.</p>', sizing_mode="stretch_width")]
        kept = await asyncio.to_thread(session.kept)
        at = f"{dt.datetime.now(dt.UTC):%H:%M} UTC"
        told = f"As of {at}; what is stored later is not in it."
        running = " A computation is running: what it stores is not in it." if session.commands.is_busy else ""
        shown.objects = [
            pn.pane.HTML(f'<p class="told" role="status">{told}{running}</p>', sizing_mode="stretch_width"),
            pn.FlexBox(*(download(path, _LABELS[path.suffix]) for path in kept)),
        ]

    button = pn.widgets.Button(label="Keep what was made", width=220)
    button.on_click(ask)
    return pn.Column(button, shown, sizing_mode="stretch_width")


_LABELS = {".sh": "Commands of this session", ".gpkg": "Archive of this session (GeoPackage)"}
