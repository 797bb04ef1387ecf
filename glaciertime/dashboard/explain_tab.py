"""The tab *Explain*: which pixels and bands a model's answer hangs on."""

from __future__ import annotations

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
        self.dropper = Dropper(session.workplace, kind="images", label="An image")
        self.image = pn.widgets.Select(name="Image", options=[], **_WIDE)
        self.model = pn.widgets.Select(name="Model", options=["landsat-fronts", "sar-zones"], **_WIDE)
        self.method = pn.widgets.Select(name="Method", options=_METHODS, **_WIDE)
        self.ocean = pn.widgets.TextInput(name="Where the ocean lies", placeholder="auto; north, west, 250", **_WIDE)
        self.bands = pn.widgets.TextInput(name="Bands to use", placeholder="as the model needs", **_WIDE)
        self.runner = Runner(session.commands, label="Explain", work=self._work)
        self.results = pn.Column(**_WIDE)
        self.dropper.param.watch(self._arrived, "names")

    def view(self) -> Any:
        return page_part(
            "Explain an answer", self.dropper, self.image, self.model, self.method, self.ocean, self.bands,
            self.runner.view(), self.results,
        )  # fmt: skip

    def _arrived(self, _: object) -> None:
        names = list(self.dropper.names)
        self.image.options = names
        if names:
            self.image.value = names[-1]

    async def _work(self, runner: Runner) -> None:
        self.results.clear()
        if not self.image.value:
            runner.say("Bring an image first.", kind="wrong")
            return
        image = Path("images") / self.image.value
        out = Path(self.session.workplace.new_folder("why").name) / f"{image.stem}_{self.method.value}.png"
        given = options(("--bands", self.bands.value), ("--ocean", self.ocean.value))
        ended = await runner.run(
            [
                "explain",
                str(image),
                "--weights",
                self.model.value,
                "--method",
                self.method.value,
                "--out",
                str(out),
                *given,
            ]
        )
        path = self.session.workplace.folder / out
        if ended.has_result and path.exists():
            text = ended.out.replace("&", "&amp;").replace("<", "&lt;")
            self.results.objects = [
                pn.pane.PNG(
                    str(path), alt_text=f"{self.method.value} of {self.image.value}", sizing_mode="scale_width"
                ),
                pn.pane.HTML(f'<pre class="scroll" tabindex="0" aria-label="Scores">{text}</pre>', **_WIDE),
                download(path, "Picture (PNG)"),
            ]


def explain_tab(session: Session) -> Any:
    """Return the tab."""
    return _Explain(session).view()
