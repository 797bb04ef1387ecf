"""``glaciertime report``: one HTML page that tells it all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glaciertime.cli.common import ArchiveOption, GlacierOption, OverwriteOption, open_record

__all__ = ["report"]


def report(
    glacier: GlacierOption,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; default GLACIER.html.")] = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    overwrite: OverwriteOption = False,
) -> None:
    """Write one self-contained HTML page: map of fronts, series, forecast, retreat table, backtest.

    Examples:

    glaciertime report --glacier Crane

    glaciertime report --glacier Crane --out crane.html
    """
    from glaciertime.report.page import MARK, report_page
    from glaciertime.writing import Target, check_target, file_name, write_bytes
    from glaciertime.writing.marks import made_by

    record = open_record(archive, glacier)
    target = out or Path(file_name(record.glacier, ".html"))
    own = made_by(MARK)
    check_target(Target(target, "--out", own), archive=archive, overwrite=overwrite)
    page = report_page(record).encode()
    write_bytes(target, page, own=own, archive=archive, overwrite=overwrite)
    typer.echo(target)
