"""``glaciertime export``: a table of the archive as a file for another program."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    GlaciersOption,
    ManifestOption,
    OverwriteOption,
    keep_run,
    note,
    open_archive,
)
from glaciertime.cli.messages import exit_code
from glaciertime.cli.running import the_run
from glaciertime.cli.selecting import (
    AllOption,
    RegionOption,
    RgiOption,
    chosen_held,
    folder_meant,
    make_folder,
    selection_of,
)
from glaciertime.naming import counted

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.archive import Archive
    from glaciertime.exchange.layout import Layout
    from glaciertime.pipeline.selection import Chosen
    from glaciertime.provenance import RunRecord

__all__ = ["export"]

_SHOWN = 5


def export(
    out: Annotated[Path, typer.Option(metavar="FILE|FOLDER", help="The file to write, or a folder for one a glacier.")],
    glacier: GlaciersOption = None,
    every: AllOption = False,
    region: RegionOption = None,
    manifest: ManifestOption = None,
    rgi: RgiOption = None,
    table: Annotated[str, typer.Option(help="observations, fronts, forecasts, scores, ...")] = "observations",
    form: Annotated[
        str, typer.Option("--format", help="csv, gpkg, geojson, parquet, shp, kml, or netcdf for observations.")
    ] = "csv",
    columns: Annotated[
        str | None,
        typer.Option(
            help="Those of others: termpicks, measures, calfin for fronts; statsforecast, darts, wgms for observations."
        ),
    ] = None,
    submitter: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For --columns wgms: who submits, YAML.")
    ] = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    overwrite: OverwriteOption = False,
) -> None:
    """Write all rows of a table, flagged ones too, with the columns of the archive.

    With --columns of another program or archive, as it wants them: what it has no place for is left out, and said. The
    licence of every data set goes along, in the file where it has room and in the note beside it.

    Examples:

    glaciertime export --glacier Crane --table fronts --format gpkg --out crane_fronts.gpkg

    glaciertime export --all --table observations --format csv --out all.csv

    glaciertime export --glacier Crane --format netcdf --out crane.nc
    """
    from glaciertime.errors import DataNotFoundError
    from glaciertime.report.files import check_table_target

    layout = _layout(columns, table, form, submitter)
    selection = selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi)
    in_folder = folder_meant(out, is_many=len(glacier or ()) != 1)
    if not in_folder:
        check_table_target(out, form=form, archive=archive)
    store = open_archive(archive)
    chosen = chosen_held(store, selection)
    rows = _Rows(chosen, store, table, layout)
    options = {"form": form, "archive": archive, "overwrite": overwrite, "table": table}
    written = _one_each(rows, out, options) if in_folder else _all_in_one(rows, out, options)
    if rows.without:
        shown = ", ".join(rows.without[:_SHOWN]) + (", ..." if len(rows.without) > _SHOWN else "")
        if not written:
            whose = rows.without[0] if len(rows.without) == 1 else chosen.label
            raise DataNotFoundError(f"the archive holds no {table} of {whose}; there is nothing to export")
        note(f"the archive holds no {table} of {len(rows.without)} of {counted(len(chosen), 'glaciers')}: {shown}")
    if rows.failed:
        raise typer.Exit(exit_code(stored=written > 0, failed=True))


def _layout(columns: str | None, table: str, form: str, submitter: Path | None) -> Layout:
    """Return how the columns are to be; what does not go together is refused before the work."""
    from glaciertime.errors import UsageError
    from glaciertime.exchange.layout import Layout
    from glaciertime.exchange.submitter import read_submitter

    if form == "netcdf" and table != "observations":
        raise UsageError(f"--format netcdf holds observations; {table} go to gpkg, parquet or csv")
    layout = Layout(columns, table=table, form=form)
    if submitter is not None and layout.name != "wgms":
        raise UsageError("--submitter: of --columns wgms alone; nothing else names who submits")
    if layout.name == "wgms" and submitter is None:
        from glaciertime.exchange.submitter import EXAMPLE

        raise UsageError(f"--columns wgms: who submits? Give --submitter FILE, a YAML such as {EXAMPLE!r}")
    return layout.by(None if submitter is None else read_submitter(submitter))


class _Rows:
    """The rows of a table, glacier after glacier, and what was said on the way."""

    def __init__(self, chosen: Chosen, store: Archive, table: str, layout: Layout) -> None:
        self.chosen, self.store, self.table, self._layout = chosen, store, table, layout
        self.sources: dict[str, None] = {}
        self.told: dict[str, list[str]] = {}
        self.without: list[str] = []
        self.failed: list[str] = []
        self._digest = hashlib.sha256()
        self._counts = [0, 0]

    def settings(self, out: Path, form: str) -> dict[str, object]:
        """Return what a run keeps of how they were written."""
        return {"format": form, "columns": self._layout.name, "output": str(out), "licences": self.licences()}

    def licences(self, name: str | None = None) -> list[str]:
        """Return a sentence for each data set of what was read so far, or of one glacier."""
        return list(self.sources) if name is None else self.told.get(name, [])

    def each(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield the glaciers that have rows, with them."""
        from glaciertime.cli.quiet import told_along
        from glaciertime.errors import GlacierTimeError
        from glaciertime.exchange.licences import data_sources, licence_texts
        from glaciertime.provenance import table_digest
        from glaciertime.provenance.rows import with_names

        for name in told_along(self.chosen.names, "exporting", total=len(self.chosen)):
            try:
                rows = with_names(self.store.read_for_export(self.table, glacier=name), self.table)
                digest = table_digest(rows)
                self.told[name] = licence_texts(data_sources(rows, self.chosen.catalog))
                if len(rows):
                    rows = self._layout.of(rows, tell=note)
            except GlacierTimeError as error:
                if not self.chosen.is_many or error.exit_code == 2:
                    raise
                self.fail(name, str(error))
                continue
            if rows.empty:
                self.without.append(name)
                continue
            self.sources |= dict.fromkeys(self.told[name])
            self._digest.update(digest.encode())
            self._counts = [self._counts[0] + len(rows), self._counts[1] + 1]
            yield name, rows

    def fail(self, name: str, why: str) -> None:
        """Say that the rows of a glacier could not be written."""
        self.failed.append(name)
        note(f"{name}: {why}")

    def of_one_kind(self) -> Iterator[pd.DataFrame]:
        """Yield the rows of all that can stand in one file: in one coordinate system, or in frames of their own."""
        first: Any = None
        for number, (name, rows) in enumerate(self.each()):
            crs = getattr(rows, "crs", None)
            if number and crs != first:
                self.fail(
                    name,
                    f"its {self.table} have {_places(crs)}, those before it {_places(first)}: export it to a file of "
                    "its own",
                )
                continue
            first = crs
            yield rows

    def digests(self) -> dict[str, str]:
        """Return what was read, for the run that is kept."""
        count, glaciers = self._counts
        of = f" of {glaciers} glaciers" if glaciers > 1 else ""
        return {f"{self.table}: {count} rows{of}": self._digest.hexdigest()}


def _places(crs: Any) -> str:
    return "frames of their own" if crs is None else f"places on Earth in {crs.to_string()}"


def _all_in_one(rows: _Rows, out: Path, options: dict[str, Any]) -> int:
    """Write all into one file, as they come; return how many rows."""
    from glaciertime.report.files import write_table

    parts = rows.of_one_kind()
    first = next(parts, None)
    if first is None:
        return 0
    run, whose = the_run(), rows.chosen.names[0] if len(rows.chosen) == 1 else ""
    kept = []

    def made_by() -> RunRecord:
        kept.append(run.record(glacier=whose, tables=rows.digests(), settings=rows.settings(out, options["form"])))
        return kept[-1]

    count = write_table(
        chain([first], parts), out, columns=tuple(first.columns), run=made_by, licences=rows.licences, **options
    )
    run.stored.append(f"{counted(count, 'rows')} of {rows.table} in {out}")
    keep_run(rows.store, kept[-1])
    note(f"{counted(count, 'rows')} of {rows.table} written to {out}")
    _tell_licences(rows)
    return count


def _tell_licences(rows: _Rows) -> None:
    """Say under which licences the data are that were written."""
    for text in rows.licences():
        note(f"data: {text}")


def _one_each(rows: _Rows, out: Path, options: dict[str, Any]) -> int:
    """Write a file for each glacier into a folder; return how many files."""
    from glaciertime.errors import GlacierTimeError
    from glaciertime.provenance import table_digest
    from glaciertime.report.files import ending_of, write_table
    from glaciertime.writing import file_names

    make_folder(out)
    names = file_names(rows.chosen.names, ending_of(options["form"]))
    run, files = the_run(), 0
    for name, part in rows.each():
        target = out / names[name]
        made_by = run.record(
            glacier=name, tables={f"{rows.table}: {len(part)} rows": table_digest(part)},
            settings={**rows.settings(target, options["form"]), "licences": rows.licences(name)},
        )  # fmt: skip
        try:
            write_table(part, target, run=made_by, licences=rows.licences(name), **options)
        except GlacierTimeError as error:
            rows.fail(name, str(error))
            continue
        run.stored.append(f"{counted(len(part), 'rows')} of {rows.table} in {target}")
        files += 1
    if files:
        keep_run(rows.store, run.record(tables=rows.digests(), settings=rows.settings(out, options["form"])))
        note(f"{counted(files, 'files')} of {rows.table} written to {out}")
        _tell_licences(rows)
    return files
