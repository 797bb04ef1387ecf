"""``glaciertime export``: a table of the archive as a file for another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glaciertime.cli.common import ArchiveOption, GlacierOption, note, open_archive, resolve_names

__all__ = ["export"]


def export(
    glacier: GlacierOption,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    table: Annotated[str, typer.Option(help="fronts, observations, forecasts or scores.")] = "observations",
    form: Annotated[str, typer.Option("--format", help="csv, gpkg, geojson, parquet or shp.")] = "csv",
    columns: Annotated[
        str | None, typer.Option(help="Name the columns of fronts as termpicks, measures or calfin do.")
    ] = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
) -> None:
    """Write all rows of a table, flagged ones too, with the columns of the archive.

    Examples:

    glaciertime export --glacier Crane --table fronts --format gpkg --out crane_fronts.gpkg

    glaciertime export --glacier Crane --table observations --format csv --out crane.csv
    """
    from glaciertime.errors import UsageError
    from glaciertime.report.files import write_table

    store = open_archive(archive)
    rows = store.read_for_export(table)
    column = "GlacierID" if table == "fronts" else "glacier"
    name = resolve_names([glacier], rows[column].unique())[0]
    rows = rows[rows[column] == name].reset_index(drop=True)
    if columns is not None:
        if table != "fronts":
            raise UsageError(f"--columns renames fronts; the table asked for is {table}")
        from glaciertime.track.record.formats import to_archive_columns

        rows = to_archive_columns(rows, archive=columns)
    write_table(rows, out, form=form)
    note(f"{len(rows)} rows of {table} written to {out}")
