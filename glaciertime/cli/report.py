"""``glaciertime report``: one HTML page that tells it all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glaciertime.cli.common import ArchiveOption, GlaciersOption, OverwriteOption, keep_run, open_archive
from glaciertime.cli.running import the_run
from glaciertime.cli.selecting import chosen_held, selection_of

__all__ = ["report"]


def report(
    glacier: GlaciersOption = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; default GLACIER.html.")] = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    overwrite: OverwriteOption = False,
) -> None:
    """Write one self-contained HTML page: map of fronts, series, forecast, retreat table, backtest.

    Examples:

    glaciertime report --glacier Crane

    glaciertime report --glacier Crane --out crane.html
    """
    from glaciertime.pipeline.runs import run_of_tables
    from glaciertime.report.page import MARK, TABLES_SHOWN, report_page
    from glaciertime.writing import Target, check_target, file_name, write_bytes
    from glaciertime.writing.marks import made_by

    chosen = chosen_held(open_archive(archive), selection_of(glacier))
    record = next(chosen.records(open_archive(archive)))
    target = out or Path(file_name(record.glacier, ".html"))
    own = made_by(MARK)
    check_target(Target(target, "--out", own), archive=archive, overwrite=overwrite)
    run = the_run()
    kept = run_of_tables(run, record, TABLES_SHOWN, settings={"output": str(target)})
    page = report_page(record, run=kept).encode()
    write_bytes(target, page, own=own, archive=archive, overwrite=overwrite)
    run.stored.append(f"the page {target}")
    keep_run(record.archive, kept)
    typer.echo(target)
