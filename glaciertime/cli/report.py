"""``glaciertime report``: one HTML page that tells it all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glaciertime.cli.common import ArchiveOption, GlacierOption, open_record, write_text

__all__ = ["report"]


def report(
    glacier: GlacierOption,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The page; default GLACIER.html.")] = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
) -> None:
    """Write one self-contained HTML page: map of fronts, series, forecast, retreat table, backtest.

    Examples:

    glaciertime report --glacier Crane

    glaciertime report --glacier Crane --out crane.html
    """
    from glaciertime.report.page import report_page

    record = open_record(archive, glacier)
    target = out or Path(f"{record.glacier.replace(' ', '_')}.html")
    write_text(target, report_page(record))
    typer.echo(target)
