"""The tab *Segment*: images to masks, two models side by side, areas, confidence, files to keep."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import panel as pn

from glaciertime.dashboard.figures import picture_figure
from glaciertime.dashboard.parts import Dropper, Runner, download, options, page_part, table_html
from glaciertime.dashboard.pictures import picture_of
from glaciertime.dashboard.session import Session
from glaciertime.dashboard.sliders import Slider
from glaciertime.naming import counted
from glaciertime.scenes.sensors import sensor_names
from glaciertime.units import number_text

__all__ = ["areas_html", "segment_tab"]

_WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}
#: Side by side where there is room, below each other where there is not.
_SIDE_BY_SIDE = {"display": "grid", "grid-template-columns": "repeat(auto-fit, minmax(min(100%, 420px), 1fr))"}
_MODELS = {
    "landsat-fronts (optical, one calving front)": "landsat-fronts",
    "sar-zones (radar; taught on simulated scenes only)": "sar-zones",
    "band ratio (mountain glaciers, red or NIR over SWIR)": "method:band-ratio",
    "NDSI (mountain glaciers, green and SWIR)": "method:ndsi",
}
#: Models that see a scene with the ocean up: only these can be told where it lies.
_FRAMED = ("landsat-fronts",)
#: What a command says of a mask or of its model where it is so.
_UNRELIABLE = "not to be relied on"
_OCEAN = ("auto", "north", "east", "south", "west", "up")


class _Segment:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.dropper = Dropper(session.workplace, kind="images", label="Images: choose or drop")
        self.image = pn.widgets.Select(label="Image", options=[], **_WIDE)
        self.composite = pn.widgets.TextInput(label="Bands to show (red, green, blue)", placeholder="3,2,1", **_WIDE)
        self.model = pn.widgets.Select(label="Model", options=_MODELS, **_WIDE)
        self.other = pn.widgets.Select(label="Second model beside it", options={"none": "", **_MODELS}, **_WIDE)
        self.ocean = pn.widgets.Select(
            label="Where the ocean lies (auto: found by the model, told how sure)", options=list(_OCEAN), **_WIDE
        )
        self.sensor = pn.widgets.Select(label="Sensor", options=["", *sensor_names()], **_WIDE)
        self.bands = pn.widgets.TextInput(
            label="Bands to use (names or numbers)", placeholder="as the model needs", **_WIDE
        )
        self.nodata = pn.widgets.TextInput(label="Value not observed", placeholder="as the file says", **_WIDE)
        self.runner = Runner(session.commands, label="Segment", work=self._work)
        self.header = pn.pane.HTML("", **_WIDE)
        self.results = pn.Row(styles=_SIDE_BY_SIDE, **_WIDE)
        self.preview = pn.Column(**_WIDE)
        self._shows = 0
        self._seen: tuple[Any, asyncio.Future[Any]] | None = None
        self.dropper.param.watch(self._arrived, "arrivals")
        self.image.param.watch(self._other, "value")
        self.composite.param.watch(self._show, "value")

    def view(self) -> Any:
        more = pn.Accordion(
            ("What the image is", pn.Column(self.sensor, self.bands, self.nodata, **_WIDE)), active=[], **_WIDE
        )
        return page_part(
            "Segment an image", self.dropper, self.image, self.composite, self.header, self.preview, self.model,
            self.other, self.ocean, more, self.runner.view(), self.results,
        )  # fmt: skip

    async def _arrived(self, _: object) -> None:
        if not self.dropper.offer(self.image):
            await self._other(None)

    async def _other(self, _: object) -> None:
        self.results.clear()
        await self._show(None)

    async def _show(self, _: object) -> None:
        self._shows += 1
        mine, name = self._shows, self.image.value
        self._seen = None
        self.preview.clear()
        self.header.object = ""
        if not name:
            return
        said: list[str] = []
        stamp = self.dropper.stamp(name)
        bands = (self.composite.value or "").strip()
        making = asyncio.ensure_future(
            picture_of(self.session, self.dropper.folder / name, bands=bands, hear=said.append)
        )
        self._seen = (stamp, making)
        made = await making
        if mine != self._shows:  # another image was chosen meanwhile
            return
        if made is None:
            shown = "".join(f'<p class="wrong">{html.escape(text)}</p>' for text in said)
            self.header.object = f'<div role="status">{shown}</div>'
            return
        picture, told = made
        place = told["crs"] or "no coordinate system: lengths and areas are not known"
        named = ", ".join(f"{k} {name}" for k, name in enumerate(told["bands"], 1) if name)
        self.header.object = (
            f'<p class="told">{told["width"]} × {told["height"]} pixels, {counted(told["count"], "bands")} of '
            f"{told['dtype']}"
            f"{html.escape(f' ({named})' if named else '')}; {html.escape(place)}; shown: "
            f"{html.escape(_shown(told['shown']))}</p>"
        )
        drawn, _ = picture_figure(picture, width=told["width"], height=told["height"], title=name)
        self.preview.objects = [pn.pane.Bokeh(drawn, **_WIDE)]

    async def _work(self, runner: Runner) -> None:
        self.results.clear()
        if not self.image.value:
            runner.say("Bring an image first.", kind="wrong")
            return
        # What is chosen or brought while it runs is not what it runs on.
        name = self.image.value
        stamp = self.dropper.stamp(name)
        given = options(("--sensor", self.sensor.value), ("--bands", self.bands.value), ("--nodata", self.nodata.value))
        choices = list(dict.fromkeys(model for model in (self.model.value, self.other.value) if model))
        ocean = self.ocean.value
        below = await self._seen[1] if self._seen is not None and self._seen[0] == stamp else None
        if below is None:
            below = await picture_of(self.session, self.dropper.folder / name)
        shown = []
        for choice in choices:
            made = await self._one(runner, choice, name, ocean=ocean, given=given, below=below)
            if made is None:
                break
            shown.append(made)
        if self.dropper.stamp(name) != stamp:
            runner.say(f"{name} was brought again while the one before was segmented; segment it again.", kind="wrong")
            return
        self.results.objects = shown

    async def _one(self, runner: Runner, choice: str, name: str, *, ocean: str, given: list[str], below: Any) -> Any:
        image = Path(self.dropper.folder.name) / name
        folder = self.session.workplace.new_folder("mask")
        place = Path(folder.name)
        mask, vector = place / f"{image.stem}_zones.tif", place / f"{image.stem}_zones.gpkg"
        of_model = [
            "--weights", choice, "--probabilities", str(place / f"{image.stem}_probabilities.tif"),
        ]  # fmt: skip
        if choice.startswith("method:"):
            of_model = ["--method", choice.removeprefix("method:")]
        elif choice in _FRAMED and ocean != "auto":
            of_model += ["--ocean", ocean]
        # Pixels of an image without a place have no size: there are no polygons of them.
        given = [*given, "--vector", str(vector)] if below is not None and below[1]["crs"] else given
        ended = await runner.run(["segment", str(image), "--out", str(mask), *of_model, *given, "--json"])
        if not ended.has_result:
            return None
        row = ended.rows()[0]
        layer = await picture_of(self.session, self.session.workplace.folder / mask)
        size = (row["width"], row["height"])
        parts: list[Any] = []
        if layer is not None and below is not None:
            drawn, set_opacity = picture_figure(
                below[0], over=[layer[0]], width=size[0], height=size[1], title=f"{row['model']}: {image.name}"
            )
            slider = Slider("Opacity of the mask", [f"{percent} %" for percent in range(0, 101, 5)], value=10)
            slider.param.watch(lambda event: set_opacity(event.new / 20), "value")
            parts += [pn.pane.Bokeh(drawn, **_WIDE), slider]
        parts.append(pn.pane.HTML(areas_html(row, name, said=ended.sentences), **_WIDE))
        files = (
            (mask, "Mask (GeoTIFF)"), (vector, "Polygons, front (GeoPackage)"),
            (place / f"{image.stem}_probabilities.tif", "Probabilities (GeoTIFF)"),
        )  # fmt: skip
        there = [(self.session.workplace.folder / path, label) for path, label in files]
        parts.append(pn.FlexBox(*(download(path, label) for path, label in there if path.exists())))
        return pn.Column(*parts, **_WIDE)


def _shown(bands: list[int]) -> str:
    if not bands:
        return "the colours of its palette"
    numbers = ", ".join(map(str, bands))
    return f"band {numbers}, stretched" if len(bands) == 1 else f"bands {numbers}, each stretched by itself"


def areas_html(row: dict[str, Any], image: str, *, said: Sequence[str] = ()) -> str:
    """Return the areas of a mask, and what is known against it.

    Parameters
    ----------
    row : dict
        As ``segment --json`` prints it.
    image : str
    said : sequence of str
        What the command said beside it: a model that saw no real image has no flag, and is not to be relied on.
    """
    rows = [
        (
            one["class"], str(one["code"]),
            "not known" if one["area_km2"] is None else f"{number_text(one['area_km2'], digits=5)} km²",
            f"{one['share']:.1%}", f"{one['pixels']:,}",
        )
        for one in row["classes"]
    ]  # fmt: skip
    table = table_html(("class", "value", "area", "share", "pixels"), rows, caption=f"Areas by {row['model']}: {image}")
    flags = "".join(
        f'<p class="wrong"><strong>{html.escape(name)}</strong>: {html.escape(why)}</p>'
        for name, why in row["flags"].items()
    )
    doubts = "".join(f'<p class="wrong">{html.escape(one)}</p>' for one in said if _UNRELIABLE in one)
    return table + (flags or doubts or '<p class="done">Nothing is known against this mask.</p>')


def segment_tab(session: Session) -> Any:
    """Return the tab."""
    return _Segment(session).view()
