"""One run of a command: what was asked, what it read, what it decided, and what it has stored so far."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glaciertime.provenance.secrets import without_secrets

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.provenance.digests import Digest

__all__ = ["Run", "RunRecord"]

_RUN_LETTERS = 16
#: Of the sentences of a run so many are kept; how many there were is kept too.
_MOST_SENTENCES = 200
#: What of the environment can change a result.
_ENVIRONMENT = ("GLACIERTIME_", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TZ")
#: Only the archive keeps these.
_OF_THE_MACHINE = ("folder", "environment", "files")

#: Glacier, data set, image, and the file it came from; empty texts for what is no image.
ImageInput = tuple[str, str, str, str]


@dataclass(frozen=True)
class RunRecord:
    """A run as the archive and a file keep it.

    Attributes
    ----------
    run : str
        Its name: of the command, the versions and what was read; the same for the same.
    command : str
    version : str
    started, finished : str
        UTC.
    settings : mapping
        What else is known of it, as JSON holds it.
    inputs : DataFrame
        The table ``run_inputs``.
    """

    run: str
    command: str
    version: str
    started: str
    finished: str
    settings: Mapping[str, Any]
    inputs: pd.DataFrame

    @property
    def row(self) -> pd.DataFrame:
        """Return the run as a row of the table ``runs``."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "run": self.run, "command": self.command, "version": self.version, "started": self.started,
                    "finished": self.finished,
                    "settings": json.dumps(self.settings, sort_keys=True, ensure_ascii=False),
                }
            ]
        )  # fmt: skip

    def tag(self) -> str:
        """Return the run as the text that a file carries: the same bytes for the same run, whenever and wherever.

        Files stand in it by their names, without their folders: who gets a page need not know where its maker works.
        """
        told = {name: value for name, value in self.settings.items() if name not in _OF_THE_MACHINE}
        files = self.inputs[["input", "image_id", "sha256", "size_bytes"]].drop_duplicates()
        read = [
            {"input": os.path.basename(row.input) or row.input, "image": row.image_id, "sha256": row.sha256,
             "bytes": _whole(row.size_bytes)}
            for row in files.itertuples()
        ]  # fmt: skip
        held = {"run": self.run, "command": self.command, "version": self.version, **told, "inputs": read}
        return json.dumps(held, sort_keys=True, ensure_ascii=False)


def _whole(number: float) -> int | None:
    return None if number != number else int(number)


@dataclass
class Run:
    """What a command does, from its start on.

    Attributes
    ----------
    arguments : tuple of str
        As typed, without the program's name.
    started : str
        UTC.
    stored : list of str
        What has been stored or written so far, in sentences: said where the run is broken off.
    next : str
        How to go on then.
    """

    arguments: tuple[str, ...] = ()
    program: str = "glaciertime"
    started: str = field(default_factory=lambda: _now())
    stored: list[str] = field(default_factory=list)
    next: str = "run the same command again"

    @cached_property
    def command(self) -> str:
        """The command as it would be typed, without secrets."""
        return without_secrets(shlex.join([self.program, *map(_storable, self.arguments)]))

    def record(
        self,
        *,
        glacier: str = "",
        images: Iterable[ImageInput] = (),
        files: Mapping[str, Path | str | None] | None = None,
        tables: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        libraries: tuple[str, ...] = (),
        digests: Mapping[str, list[Digest]] | None = None,
    ) -> RunRecord:
        """Return the run as it is to be kept with what it stores or writes now.

        Parameters
        ----------
        glacier : str
            Whose results; empty for several.
        images : iterable of (glacier, dataset, image_id, input)
        files : mapping of role to path, optional
            Other files that were read, such as the manifest or the weights.
        tables : mapping of name to SHA-256, optional
            Rows of the archive that were read.
        settings : mapping, optional
            What was decided; lists of sentences are cut off after two hundred.
        libraries : tuple of str
            Those that other processes of the run have loaded.
        digests : mapping of path to list of Digest, optional
            Of files that another process has read, and has looked at; the others are read here.
        """
        import pandas as pd

        from glaciertime.provenance.versions import versions
        from glaciertime.tables import SCHEMAS

        given = [(role, path) for role, path in (files or {}).items() if path is not None]
        rows = [row for image in images for row in _rows_of(image, started=self.started, digests=digests)]
        for _, path in given:
            rows += _rows_of((glacier, "", "", str(Path(path).resolve())), started=self.started)
        rows += [
            {"glacier": glacier, "dataset": "", "image_id": "", "input": name, "sha256": sha256}
            for name, sha256 in (tables or {}).items()
        ]
        found = versions(also=libraries)
        read = pd.DataFrame(rows, columns=[name for name in SCHEMAS["run_inputs"].columns if name != "run"])
        read = read.drop_duplicates(["glacier", "dataset", "image_id", "input"], ignore_index=True)
        name = _name(self.command, glacier, found, read)
        read.insert(0, "run", name)
        return RunRecord(
            run=name,
            command=self.command,
            version=found["glaciertime"],
            started=self.started,
            finished=_now(),
            settings={
                "folder": _storable(os.getcwd()),
                "environment": _environment(),
                "versions": found,
                **({"files": {role: _storable(str(path)) for role, path in given}} if given else {}),
                **{name: _short(value) for name, value in (settings or {}).items() if value not in (None, "", [], {})},
            },
            inputs=read,
        )


def _rows_of(
    image: ImageInput, *, started: str, digests: Mapping[str, list[Digest]] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of ``run_inputs`` of a file: its own, and those of files that belong to it."""
    from glaciertime.provenance.digests import digest_of

    glacier, dataset, image_id, source = image
    named = {"glacier": _storable(glacier), "dataset": _storable(dataset), "image_id": _storable(image_id)}
    known = (digests or {}).get(source)
    found = digest_of(source) if known is None else known
    if not found:
        return [{**named, "input": _storable(source), "sha256": ""}]
    return [
        {**named, "input": _storable(one.path), "sha256": one.sha256, "size_bytes": one.size_bytes,
         "modified": one.modified + (" (after the run began)" if one.modified > started else "")}
        for one in found
    ]  # fmt: skip


def _name(command: str, glacier: str, found: Mapping[str, str], read: pd.DataFrame) -> str:
    """Return the name of a run: what is equal in command, versions and inputs is one and the same."""
    lines = sorted(
        "\x1f".join([row.dataset, row.image_id, os.path.basename(row.input), row.sha256]) for row in read.itertuples()
    )
    text = "\n".join([command, glacier, json.dumps(dict(found), sort_keys=True), *lines])
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:_RUN_LETTERS]


def _short(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) > _MOST_SENTENCES:
        return [*value[:_MOST_SENTENCES], f"and {len(value) - _MOST_SENTENCES} more"]
    return list(value) if isinstance(value, tuple) else value


def _environment() -> dict[str, str]:
    return {name: without_secrets(os.environ[name]) for name in sorted(os.environ) if name.startswith(_ENVIRONMENT)}


def _storable(text: str) -> str:
    """Return a text that a database and JSON take: bytes of a name that are no UTF-8 become marks."""
    return text.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8", "replace")


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
