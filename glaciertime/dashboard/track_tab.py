"""The tab *Track*: dated scenes, masks or outlines to areas and fronts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import panel as pn
import yaml

from glaciertime.catalog import load_catalog
from glaciertime.dashboard.parts import Dropper, Runner, day_choice, options, page_part
from glaciertime.dashboard.session import Session
from glaciertime.errors import UsageError

__all__ = ["manifest_options", "track_tab"]

_WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}


def manifest_options(session: Session, glacier: str) -> list[str]:
    """Return ``--manifest`` for a glacier that no catalog knows: a file with its name and what was drawn of it."""
    try:
        load_catalog().glacier(glacier)
        is_known = True
    except UsageError:
        is_known = False
    drawn = session.drawn.get(glacier, {})
    if is_known or not glacier:
        return []
    path = session.workplace.folder / "own_glacier.yaml"
    told: dict[str, Any] = {"name": glacier}
    if drawn:
        told["crs"] = "EPSG:4326"
    for kind in ("fjord", "centreline"):
        if kind in drawn:
            told[kind] = {"drawn_by": session.author.value or "user of the dashboard", "coordinates": drawn[kind]}
    if "box" in drawn:
        xs, ys = zip(*drawn["box"], strict=True)
        told["box"] = [min(xs), min(ys), max(xs), max(ys)]
    path.write_text(yaml.safe_dump(told, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return ["--manifest", path.name]


class _Track:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.dropper = Dropper(session.workplace, kind="scenes", label="Dated images, masks or outlines")
        self.chosen = pn.widgets.CheckBoxGroup(label="Files to track", options=[], value=[])
        names = sorted(load_catalog().glaciers)
        self.glacier = pn.widgets.AutocompleteInput(
            label="Glacier (one of the catalog, or a name of your own)", options=names, restrict=False,
            min_characters=1, case_sensitive=False, **_WIDE,
        )  # fmt: skip
        self.kind = pn.widgets.RadioButtonGroup(
            label="What rasters are", options={"as their values say": "", "images": "--images", "masks": "--masks"},
            value="",
        )  # fmt: skip
        self.ocean = pn.widgets.TextInput(
            label="Where the ocean lies in images", placeholder="where the centreline leads; north, west, 250", **_WIDE
        )
        self.classes = pn.widgets.TextInput(label="What values of masks mean", placeholder="0=ocean,1=glacier", **_WIDE)
        self.crs = pn.widgets.TextInput(
            label="Coordinate system of masks that name none", placeholder="EPSG:3413", **_WIDE
        )
        self.resolution = pn.widgets.TextInput(
            label="Pixel size of masks without georeference, m", placeholder="30", **_WIDE
        )
        self.days = day_choice()
        self.runner = Runner(session.commands, label="Track", work=self._work)
        self.result = pn.pane.HTML("", **_WIDE)
        self.dropper.param.watch(self._arrived, "arrivals")

    def view(self) -> Any:
        files = pn.Column(pn.pane.HTML('<p class="label">Files to track</p>'), self.chosen, **_WIDE)
        what = pn.Column(pn.pane.HTML('<p class="label">Rasters are</p>'), self.kind, **_WIDE)
        more = pn.Accordion(
            ("What the files are", pn.Column(self.classes, self.crs, self.resolution, self.days, **_WIDE)), active=[],
            **_WIDE,
        )  # fmt: skip
        return page_part(
            "Track a glacier", self.dropper, files, self.glacier, what, self.ocean, more, self.runner.view(),
            self.result,
        )  # fmt: skip

    def _arrived(self, _: object) -> None:
        names = list(self.dropper.names)
        new = [name for name in names if name not in self.chosen.options]
        kept = [name for name in self.chosen.value if name in names]
        self.chosen.options = names
        self.chosen.value = [*kept, *new]

    async def _work(self, runner: Runner) -> None:
        self.result.object = ""
        name = (self.glacier.value or self.glacier.value_input or "").strip()
        if not self.chosen.value:
            runner.say("Bring dated files first, and tick those to track.", kind="wrong")
            return
        if not name:
            runner.say("Say which glacier they show.", kind="wrong")
            return
        if not await self.session.own_archive(runner):
            return
        folder = self._folder()
        given = options(
            ("--ocean", self.ocean.value), ("--classes", self.classes.value), ("--crs", self.crs.value),
            ("--resolution", self.resolution.value),
        )  # fmt: skip
        given += [option for option in (self.kind.value, self.days.value) if option]
        ended = await runner.run(
            ["track", "--glacier", name, *manifest_options(self.session, name), "--data", folder.name, *given,
             "--archive", self.session.workplace.own_archive.name]
        )  # fmt: skip
        if ended.has_result:
            text = ended.out.replace("&", "&amp;").replace("<", "&lt;")
            self.result.object = f'<pre class="scroll" tabindex="0" aria-label="What was measured">{text}</pre>'
            self.session.refresh()
            if name in self.session.glacier.options:
                self.session.glacier.value = name

    def _folder(self) -> Path:
        """Return a folder with the files that are ticked: the same one for the same files, which is measured once."""
        key = tuple(sorted(self.chosen.value))
        folder = self.session.folders.get(key)
        if folder is None:
            folder = self.session.folders[key] = self.session.workplace.new_folder("tracked")
        for path in self.dropper.paths():
            if path.name in self.chosen.value:
                target = folder / path.name
                target.unlink(missing_ok=True)
                os.link(path, target)
        return folder


def track_tab(session: Session) -> Any:
    """Return the tab."""
    return _Track(session).view()
