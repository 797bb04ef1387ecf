"""What the tabs of one session share: its folder, its commands, the glacier that is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import panel as pn

from glaciertime.archive import Archive
from glaciertime.dashboard.commands import Commands, Ended
from glaciertime.dashboard.held import choose
from glaciertime.dashboard.workplace import Workplace
from glaciertime.errors import GlacierTimeError

if TYPE_CHECKING:
    from glaciertime.archive import Place
    from glaciertime.dashboard.parts import Runner

__all__ = ["Session"]


def _copy(held: Path, to: Path) -> None:
    """Copy a GeoPackage as it was stored last, page by page: rows are neither read nor written again."""
    part = to.with_suffix(".part")
    with (
        contextlib.closing(sqlite3.connect(f"{held.resolve().as_uri()}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(part)) as target,
    ):
        source.backup(target)
    part.replace(to)


class Session:
    """One user's page.

    Parameters
    ----------
    shared : path or address, optional
        The archive that the dashboard was started with.

    Attributes
    ----------
    commands, viewer : Commands
        What computes, and what only draws pictures: one does not wait for the other.
    glacier : Select
        The glacier that is looked at.
    author : TextInput
        Who draws.
    drawn : dict
        By glacier and kind (centreline, box, fjord), longitude and latitude of what was drawn.
    folders : dict
        Folders with the files of a choice, by their names.
    changed : list of callable
        Are told when something was stored.
    """

    def __init__(self, shared: Place | None = None) -> None:
        self.workplace = Workplace(shared)
        self.commands = Commands(self.workplace.folder)
        self.viewer = Commands(self.workplace.folder)
        self.glacier = pn.widgets.Select(label="Glacier", sizing_mode="stretch_width")
        self.author = pn.widgets.TextInput(label="Drawn by", placeholder="your name", sizing_mode="stretch_width")
        self.drawn: dict[str, dict[str, list[list[float]]]] = {}
        self.folders: dict[tuple[str, ...], Path] = {}
        self.changed: list[Callable[[Any], None]] = []
        self.refresh()

    def nothing_held(self) -> str:
        """Return what to do where there is no glacier to look at."""
        return "Nothing has been measured yet: go to Track with scenes or masks, or to Own series with a table."

    def refresh(self) -> None:
        """Look again which glaciers are held, and tell the tabs."""
        archive = self.workplace.archive
        try:
            names = Archive(archive).glaciers() if archive is not None and Archive(archive).exists() else []
        except GlacierTimeError:
            names = []
        choose(self.glacier, {name: name for name in names})
        for tell in self.changed:
            tell(None)

    async def own_archive(self, runner: Runner) -> bool:
        """Make the session's own copy of the shared archive, where there is none yet; return whether there is one.

        What is measured in a session is stored there: no other session sees it, and the shared one stays as it is.
        """
        own, shared = self.workplace.own_archive, self.workplace.shared
        if own.exists() or shared is None or not Archive(shared).exists():
            return True
        if isinstance(shared, Path) and shared.suffix == own.suffix and shared.is_file():
            try:
                await asyncio.to_thread(_copy, shared, own)
            except sqlite3.Error as error:
                runner.say(f"The archive could not be copied for you: {error}.", kind="wrong")
            return own.exists()
        ended: Ended = await self.commands.run(["archive", "convert", shared, own.name], hear=lambda _: None)
        if not ended.has_result:
            for sentence in ended.sentences:
                runner.say(sentence, kind="wrong")
        return ended.has_result

    def kept(self) -> list[Path]:
        """Return copies of what can be kept, as it is now: the commands, and the archive of the session.

        A file that a command writes meanwhile is copied as it was stored last.
        """
        folder = self.workplace.folder / "kept"
        folder.mkdir(exist_ok=True)
        script = folder / "commands.sh"
        script.write_text("\n".join([*self.commands.done, ""]), encoding="utf-8")
        own = self.workplace.own_archive
        if not own.exists():
            return [script]
        copy = folder / own.name
        _copy(own, copy)
        return [script, copy]

    def close(self) -> None:
        """End what runs and remove what was brought."""
        self.commands.end()
        self.viewer.end()
        self.workplace.close()
