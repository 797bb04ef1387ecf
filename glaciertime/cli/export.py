"""``glaciertime export``: a table of the archive as a file for another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glaciertime.cli.common import ArchiveOption, GlacierOption, OverwriteOption, keep_run, note, open_record
from glaciertime.cli.running import the_run

__all__ = ["export"]


def export(
    glacier: GlacierOption,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    table: Annotated[str, typer.Option(help="observations, fronts, forecasts, scores, ...")] = "observations",
    form: Annotated[str, typer.Option("--format", help="csv, gpkg, geojson, parquet or shp.")] = "csv",
    columns: Annotated[
        str | None, typer.Option(help="Name the columns of fronts as termpicks, measures or calfin do.")
    ] = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    overwrite: OverwriteOption = False,
) -> None:
    """Write all rows of a table, flagged ones too, with the columns of the archive.

    Examples:

    glaciertime export --glacier Crane --table fronts --format gpkg --out crane_fronts.gpkg

    glaciertime export --glacier Crane --table observations --format csv --out crane.csv
    """
    from glaciertime.errors import DataNotFoundError, UsageError
    from glaciertime.provenance import table_digest
    from glaciertime.provenance.rows import with_names
    from glaciertime.report.files import check_table_target, write_table

    check_table_target(out, form=form, archive=archive)
    record = open_record(archive, glacier)
    rows = with_names(record.archive.read_for_export(table, glacier=record.glacier), table)
    if rows.empty:
        raise DataNotFoundError(f"the archive holds no {table} of {record.glacier}; there is nothing to export")
    if columns is not None:
        if table != "fronts":
            raise UsageError(f"--columns renames fronts; the table asked for is {table}")
        from glaciertime.track.record.formats import to_archive_columns

        rows = to_archive_columns(rows, archive=columns)
    run = the_run()
    made_by = run.record(
        glacier=record.glacier,
        tables={f"{table}: {len(rows)} rows": table_digest(rows)},
        settings={"format": form, "columns": columns, "output": str(out)},
    )
    write_table(rows, out, form=form, archive=archive, overwrite=overwrite, run=made_by)
    run.stored.append(f"{len(rows)} rows of {table} in {out}")
    keep_run(record.archive, made_by)
    note(f"{len(rows)} rows of {table} written to {out}")
