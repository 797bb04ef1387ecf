"""What the tabs are made of: a place to drop files, a button that runs a command, sentences, downloads."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import panel as pn
import param
from panel.custom import JSComponent

from glaciertime import limits
from glaciertime.dashboard.commands import Commands, Ended
from glaciertime.dashboard.uploads import KINDS
from glaciertime.dashboard.workplace import Workplace

__all__ = ["Dropper", "Runner", "day_choice", "download", "options", "page_part", "table_html"]

_WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}


class Dropper(JSComponent):
    """Files to choose or to drop; each is sent by itself, with its progress, and refused in a sentence."""

    label = param.String()
    address = param.String()
    kind = param.String()
    accept = param.String()
    largest_mb = param.Number()
    names = param.List(doc="What has arrived, as the server names it.")
    arrivals = param.Integer(doc="How many files have arrived: one that is brought again has the name of the first.")

    _esm = """
export function render({ model }) {
  const box = document.createElement('div');
  box.className = 'drop';
  box.dataset.address = model.address;
  const label = document.createElement('label');
  const text = document.createElement('span');
  text.textContent = model.label;
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = true;
  input.accept = model.accept;
  label.append(text, input);
  const list = document.createElement('ul');
  list.setAttribute('aria-live', 'polite');
  box.append(label, list);

  function send(file) {
    const row = document.createElement('li');
    row.textContent = file.name + ': sending';
    list.append(row);
    if (file.size > model.largest_mb * 1e6) {
      row.className = 'refused';
      row.textContent = file.name + ': ' + Math.round(file.size / 1e6) + ' MB, at most ' +
        model.largest_mb + ' MB are taken here; cut it to the glacier';
      return Promise.resolve();
    }
    return new Promise((done) => {
      const request = new XMLHttpRequest();
      request.open('POST', model.address + '&kind=' + model.kind + '&name=' + encodeURIComponent(file.name));
      request.upload.onprogress = (event) => {
        row.textContent = file.name + ': ' + Math.round(100 * event.loaded / Math.max(1, event.total)) + ' %';
      };
      request.onload = () => {
        let answer = {};
        try { answer = JSON.parse(request.responseText); } catch { answer = {}; }
        if (answer.name) {
          row.textContent = answer.name + ': here';
          model.names = [...model.names.filter((one) => one !== answer.name), answer.name];
          model.arrivals += 1;
        } else {
          row.className = 'refused';
          row.textContent = answer.refused || (file.name + ': the server refused it');
        }
        done();
      };
      request.onerror = () => {
        row.className = 'refused';
        row.textContent = file.name + ': it was not taken; the connection broke off';
        done();
      };
      request.send(file);
    });
  }

  async function take(files) {
    for (const file of files) { await send(file); }
    input.value = '';
  }
  input.onchange = () => take([...input.files]);
  box.ondragover = (event) => { event.preventDefault(); box.classList.add('over'); };
  box.ondragleave = () => box.classList.remove('over');
  box.ondrop = (event) => {
    event.preventDefault();
    box.classList.remove('over');
    take([...event.dataTransfer.files]);
  };
  return box;
}
"""
    _stylesheets: ClassVar[list[str]] = [
        """
.drop { border: 2px dashed #5a6b7b; border-radius: 6px; padding: 12px; background: #f6f9fb; font-size: 15px; }
.drop.over { background: #dcebf5; }
.drop label { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.drop input { max-width: 100%; font-size: 15px; }
.drop ul { margin: 6px 0 0; padding-left: 18px; overflow-wrap: anywhere; }
.drop .refused { color: #9b1c1c; }
"""
    ]

    def __init__(self, workplace: Workplace, *, kind: str, label: str) -> None:
        super().__init__(
            label=f"{label} ({', '.join(KINDS[kind])})", kind=kind, accept=",".join(KINDS[kind]),
            address=f"upload?key={workplace.key}", largest_mb=limits.limit("upload-mb"), margin=(5, 10), **_WIDE,
        )  # fmt: skip
        self.folder = workplace.folder / kind

    def offer(self, select: Any) -> bool:
        """Offer what is here in a list, the newest chosen; return whether that is another choice than before."""
        before, names = select.value, list(self.names)
        select.options = names
        if names:
            select.value = names[-1]
        return bool(select.value != before)

    def stamp(self, name: str) -> tuple[str, int, int]:
        """Return what tells a file from another that is brought under its name."""
        told = (self.folder / name).stat()
        return name, told.st_ino, told.st_mtime_ns

    def paths(self) -> list[Path]:
        """Return the files that are here."""
        return [self.folder / name for name in self.names if (self.folder / name).is_file()]


def day_choice() -> Any:
    """Return the choice of what a date such as 03/04/2002 is: its value is the option of the command, or empty."""
    return pn.widgets.Select(
        label="03/04/2002 is", options={"refused": "", "3 April": "--day-first", "4 March": "--month-first"}, **_WIDE
    )


class Runner:
    """A button that runs commands, one that stops them, and what they say.

    Parameters
    ----------
    commands : Commands
    label : str
        Of the button.
    work : callable
        Is given this runner, and runs commands through :meth:`run`.
    """

    def __init__(self, commands: Commands, *, label: str, work: Callable[[Runner], Awaitable[None]]) -> None:
        self.commands = commands
        self._work = work
        self._lines: list[tuple[str, str]] = []
        self.button = pn.widgets.Button(label=label, button_type="primary", width=170)
        self.stop_button = pn.widgets.Button(label="Stop", disabled=True, width=90)
        self.busy = pn.indicators.Progress(active=False, visible=False, height=10, bar_color="info", **_WIDE)
        self.said = pn.pane.HTML("", **_WIDE)
        self.button.on_click(self._clicked)
        self.stop_button.on_click(self._stopped)

    def view(self) -> Any:
        """Return it for the page."""
        return pn.Column(pn.FlexBox(self.button, self.stop_button), self.busy, self.said, **_WIDE)

    async def _clicked(self, _: object) -> None:
        if not self.commands.take():
            self.say("Another computation of yours is running; wait for it or stop it.", kind="wrong")
            return
        self._lines = []
        self.said.object = ""
        self.button.disabled, self.stop_button.disabled = True, False
        self.busy.active = self.busy.visible = True
        try:
            await self._work(self)
        except Exception:
            self.say("The page failed over this; its server has the reason. What is above was done.", kind="wrong")
            raise
        finally:
            self.commands.give_back()
            self.button.disabled, self.stop_button.disabled = False, True
            self.busy.active = self.busy.visible = False

    async def _stopped(self, _: object) -> None:
        await self.commands.stop()

    def say(self, text: str, *, kind: str = "told") -> None:
        """Show one sentence more."""
        self._lines.append((kind, text))
        shown = "".join(f'<p class="{kind}">{html.escape(text)}</p>' for kind, text in self._lines)
        self.said.object = f'<div role="status" aria-live="polite" class="said">{shown}</div>'

    async def run(self, arguments: Sequence[str], *, module: str = "glaciertime") -> Ended:
        """Run one command, show what it says, and how it can be typed."""
        ended = await self.commands.run(arguments, hear=self.say, module=module)
        if module == "glaciertime":
            self._lines.append(("command", ended.command))
        if ended.code == 0:
            self.say("Done.", kind="done")
        elif ended.code == 3:
            self.say("Done in part: what is missing stands above.", kind="wrong")
        else:
            self.say("Nothing came of it: the reason stands above.", kind="wrong")
        return ended


def download(path: Path, label: str) -> Any:
    """Return a link that saves a file."""
    return pn.widgets.FileDownload(file=str(path), filename=path.name, label=label, button_type="default", width=260)


def options(*pairs: tuple[str, str | None]) -> list[str]:
    """Return options of a command with what was typed for them; what is empty is left out.

    Examples
    --------
    >>> options(("--crs", " EPSG:3413 "), ("--unit", ""), ("--sensor", None))
    ['--crs', 'EPSG:3413']
    """
    return [text for name, value in pairs if (value or "").strip() for text in (name, str(value).strip())]


def page_part(title: str, *parts: Any) -> Any:
    """Return parts under a heading, as wide as the page."""
    return pn.Column(pn.pane.HTML(f"<h2>{html.escape(title)}</h2>", **_WIDE), *parts, **_WIDE)


def table_html(columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str) -> str:
    """Return a table that a narrow page scrolls sideways."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}"><table>'
        f"<caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
