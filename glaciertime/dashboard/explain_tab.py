"""The tab *Explain*: which pixels and bands a model's answer hangs on."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import panel as pn

from glaciertime.dashboard.parts import Dropper, Runner, download, options, page_part
from glaciertime.dashboard.session import Session

__all__ = ["explain_tab"]

_WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}
_METHODS = {
    "occlusion: cover a place, see what changes": "occlusion",
    "permutation: shuffle a band": "permutation",
    "Grad-CAM (needs the extra train)": "grad-cam",
    "saliency (needs the extra train)": "saliency",
    "integrated gradients (needs the extra train)": "integrated-gradients",
}


class _Explain:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.dropper = Dropper(session.workplace, kind="explained", label="An image")
        self.image = pn.widgets.Select(label="Image", options=[], **_WIDE)
        self.model = pn.widgets.Select(label="Model", options=["landsat-fronts", "sar-zones"], **_WIDE)
        self.method = pn.widgets.Select(label="Method", options=_METHODS, **_WIDE)
        self.ocean = pn.widgets.TextInput(label="Where the ocean lies", placeholder="auto; north, west, 250", **_WIDE)
        self.bands = pn.widgets.TextInput(label="Bands to use", placeholder="as the model needs", **_WIDE)
        self.runner = Runner(session.commands, label="Explain", work=self._work)
        self.results = pn.Column(**_WIDE)
        self.dropper.param.watch(self._arrived, "arrivals")
        self.image.param.watch(lambda _: self.results.clear(), "value")

    def view(self) -> Any:
        return page_part(
            "Explain an answer", self.dropper, self.image, self.model, self.method, self.ocean, self.bands,
            self.runner.view(), self.results,
        )  # fmt: skip

    def _arrived(self, _: object) -> None:
        self.dropper.offer(self.image)
        self.results.clear()

    async def _work(self, runner: Runner) -> None:
        self.results.clear()
        if not self.image.value:
            runner.say("Bring an image first.", kind="wrong")
            return
        name, method, model, stamp = (
            self.image.value,
            self.method.value,
            self.model.value,
            self.dropper.stamp(self.image.value),
        )
        image = Path(self.dropper.folder.name) / name
        out = Path(self.session.workplace.new_folder("why").name) / f"{image.stem}_{method}.png"
        given = options(("--bands", self.bands.value), ("--ocean", self.ocean.value))
        ended = await runner.run(
            [
                "explain",
                str(image),
                "--weights",
                model,
                "--method",
                method,
                "--out",
                str(out),
                *given,
            ]
        )
        path = self.session.workplace.folder / out
        if self.dropper.stamp(name) != stamp:
            runner.say(f"{name} was brought again while the one before was explained; explain it again.", kind="wrong")
            return
        if ended.has_result and path.exists():
            text = ended.out.replace("&", "&amp;").replace("<", "&lt;")
            told = f"{method} of {name} by {model}"
            self.results.objects = [
                pn.pane.HTML(f'<p class="told">{html.escape(told)}</p>', **_WIDE),
                pn.pane.PNG(str(path), alt_text=told, sizing_mode="scale_width"),
                pn.pane.HTML(f'<pre class="scroll" tabindex="0" aria-label="Scores">{text}</pre>', **_WIDE),
                download(path, "Picture (PNG)"),
            ]


def explain_tab(session: Session) -> Any:
    """Return the tab."""
    return _Explain(session).view()
