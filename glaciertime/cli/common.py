"""What several commands share: their options, what they print to, and how rows become JSON."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.quiet import is_quiet
from glaciertime.errors import one_line

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.archive import Archive, Place
    from glaciertime.provenance import RunRecord
else:
    Place = Path  # typer wants a class; what it gives is what ``read_place`` returns

__all__ = [
    "ArchiveOption",
    "DatasetOption",
    "FootprintOption",
    "FrontOfOption",
    "GlacierOption",
    "GlaciersOption",
    "JobsOption",
    "JsonOption",
    "JsonRows",
    "LimitOption",
    "ManifestOption",
    "MethodOption",
    "ModelsOption",
    "OverwriteOption",
    "Place",
    "SchedulerOption",
    "StrictOption",
    "VariableOption",
    "data_folder",
    "keep_run",
    "limit_threads",
    "note",
    "open_archive",
    "print_json",
    "print_json_value",
    "read_place",
    "split_names",
]

_LOG = logging.getLogger("glaciertime")
#: How long a command that has written its file waits to note it in an archive that others write to.
_PATIENCE_SECONDS = 10.0


def read_place(given: Any) -> Place:
    """Return the place of an archive on the command line; what is wrong with one is said without its password."""
    from glaciertime.archive import place_of
    from glaciertime.errors import UsageError

    try:
        return place_of(given)
    except UsageError as error:  # as a ValueError it would be told with the text that was given
        raise typer.BadParameter(str(error)) from None


ArchiveOption = Annotated[
    Place,
    typer.Option(
        "--archive", metavar="PLACE", parser=read_place, envvar="GLACIERTIME_ARCHIVE", show_envvar=False,
        help="Where results live: FILE.gpkg, a FOLDER of GeoParquet, or postgresql://USER@HOST/DATABASE.",
    ),
]  # fmt: skip
GlacierOption = Annotated[str, typer.Option("--glacier", metavar="NAME", help="A glacier, by any of its names.")]
GlaciersOption = Annotated[
    list[str] | None, typer.Option("--glacier", metavar="NAME", help="A glacier, by any of its names; may be repeated.")
]
#: More processes than so many for each core of this machine only wait for each other, and take its memory.
_JOBS_PER_CORE = 16


def _hold_jobs(given: int) -> int:
    cores = os.cpu_count() or 1
    if given > _JOBS_PER_CORE * cores:
        raise typer.BadParameter(f"{given} processes on {cores} cores; at most {_JOBS_PER_CORE * cores} taken here")
    return given


JobsOption = Annotated[
    int, typer.Option("--jobs", min=1, callback=_hold_jobs, help="Processes of this machine at a time.")
]
SchedulerOption = Annotated[
    str,
    typer.Option(
        "--scheduler", metavar="tcp://HOST:PORT", help="A Dask scheduler whose workers do the work, instead of --jobs."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines to stdout.")]


def _hold_limits(context: typer.Context, texts: list[str] | None) -> list[str] | None:
    """Let the limits that were given hold until the command ends."""
    from glaciertime.limits import given, parse_limits

    if texts:
        context.with_resource(given(parse_limits(texts)))
    return texts


LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar="NAME=N", callback=_hold_limits, is_eager=True,
        help="Take larger inputs: raster-gb, vertices, ...; see the README. May be repeated.",
    ),
]  # fmt: skip
ManifestOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--manifest", metavar="FILE|FOLDER", help="Manifest of a glacier of your own, or a folder; may be repeated."
    ),
]

OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace a file that this command did not make.")]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model", envvar="GLACIERTIME_FORECASTERS", show_envvar=False,
        help="A forecaster; may be repeated or comma-separated.",
    ),
]  # fmt: skip
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Store nothing that failed in part, and exit with 1 where anything failed.")
]
VariableOption = Annotated[str | None, typer.Option("--variable", help="area_km2, front_position_m, ...")]
MethodOption = Annotated[str | None, typer.Option("--method", help="How it was measured, e.g. centreline.")]
FootprintOption = Annotated[str | None, typer.Option("--footprint", help="Where it was measured, e.g. box or fjord.")]
FrontOfOption = Annotated[
    str | None,
    typer.Option(metavar="WORD", help="Of which kind of front: calving front, tongue, mélange edge, shelf, unknown."),
]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="Whose scenes it was measured on.")]


def split_names(given: Iterable[str] | None) -> list[str]:
    """Return names from an option that may be repeated or hold several, separated by commas."""
    return [part.strip() for text in given or () for part in text.split(",") if part.strip()]


def note(text: str) -> None:
    """Say something beside the result: to stderr unless all is to be quiet, as one line, and to the log."""
    line = one_line(text)
    if not is_quiet():
        typer.echo(line, err=True)
    _LOG.info(line, extra={"told": True})


def data_folder(given: Path | None) -> Path | None:
    """Return the folder of input: the one given, else ``GLACIERTIME_DATA``, else None."""
    named = os.environ.get("GLACIERTIME_DATA")
    return given if given is not None else Path(named) if named else None


def limit_threads() -> None:
    """Keep the linear algebra of small models on one thread; call it before numpy is imported.

    Many threads on matrices of a few rows wait for each other more than they compute.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def open_archive(path: Place) -> Archive:
    """Return an archive that must be there.

    Raises
    ------
    DataNotFoundError
        Where it is not; the message says how to make it.
    """
    from glaciertime.archive import Archive
    from glaciertime.errors import DataNotFoundError

    archive = Archive(path, tell=note)
    if not archive.exists():
        where = path.resolve() if isinstance(path, Path) else path
        raise DataNotFoundError(
            f"there is no archive {where}; run glaciertime track --glacier NAME first, or give --archive"
        )
    return archive


def keep_run(archive: Archive, run: RunRecord) -> None:
    """Keep a run that wrote a file in the archive that it read; where that cannot be, say so: the file tells it too."""
    from glaciertime.archive import Archive
    from glaciertime.errors import ArchiveError

    try:
        Archive(archive.path, tell=note, wait_seconds=_PATIENCE_SECONDS).store_run(run)
    except ArchiveError as error:
        reason = str(error).partition(";")[0]
        note(
            f"that this was written was not noted in the archive ({reason}); the file itself tells where it comes from"
        )


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if hasattr(value, "isoformat"):
        return value.isoformat()[:10]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(rows: pd.DataFrame | list[Mapping[str, Any]]) -> None:
    """Print rows as a JSON list of objects; unknown numbers are null, dates are YYYY-MM-DD."""
    with JsonRows() as out:
        out.add(rows)


class JsonRows:
    """Prints a JSON list of objects row by row, so that a region is no more in memory than a glacier.

    Nothing is printed before the first row, or the end: what fails before leaves nothing behind.
    """

    def __init__(self) -> None:
        self._count = 0

    def __enter__(self) -> JsonRows:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._count or kind is None:
            sys.stdout.write("\n]\n" if self._count else "[]\n")

    def add(self, rows: pd.DataFrame | list[Mapping[str, Any]]) -> None:
        """Print some rows more; unknown numbers are null, dates are YYYY-MM-DD."""
        records = rows if isinstance(rows, list) else rows.astype(object).where(rows.notna(), None).to_dict("records")
        for record in records:
            plain = {str(key): _plain(value) for key, value in record.items()}
            text = json.dumps(plain, indent=2, ensure_ascii=False).replace("\n", "\n  ")
            sys.stdout.write(f"{',' if self._count else '['}\n  {text}")
            self._count += 1


def print_json_value(value: Any) -> None:
    """Print what JSON can hold."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
