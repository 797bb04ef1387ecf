"""``glaciertime inventories``: what became of the glaciers between two inventories of outlines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import JsonOption, LimitOption, note, print_json
from glaciertime.cli.dating import DayFirstOption, MonthFirstOption, date_reading
from glaciertime.cli.selecting import CorrelationOption

if TYPE_CHECKING:
    from glaciertime.scenes.inventory import Inventory

__all__ = ["inventories"]


def inventories(
    earlier: Annotated[Path, typer.Argument(metavar="EARLIER", help="Outlines of RGI 5 to 7, or like them.")],
    later: Annotated[Path, typer.Argument(metavar="LATER", help="Outlines of a later date.")],
    divides: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Basins to cut both along; default the earlier outlines.")
    ] = None,
    min_area: Annotated[
        float, typer.Option(min=0.0, metavar="KM2", help="Glaciers below it are in neither inventory.")
    ] = 0.01,
    boundary_sigma: Annotated[
        float | None, typer.Option(min=0.0, metavar="METRES", help="One sigma of where an outline lies.")
    ] = None,
    date_from: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="Of earlier outlines that have no date.")
    ] = None,
    date_to: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Of later outlines that have no date.")
    ] = None,
    day_first: DayFirstOption = False,
    month_first: MonthFirstOption = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="LATER covers all of EARLIER: what it lacks has vanished.")
    ] = False,
    correlation: CorrelationOption = None,
    id_column: Annotated[str, typer.Option(metavar="COLUMN", help="Column that numbers glaciers.")] = "",
    form: Annotated[str, typer.Option("--format", help="text, csv, markdown or latex.")] = "text",
    totals: Annotated[bool, typer.Option("--totals", help="Print only what they are together.")] = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Compare two inventories on common divides: areas, changes per period, who split, merged or vanished.

    Examples:

    glaciertime inventories rgi6.shp rgi7.shp

    glaciertime inventories inventory1970.gpkg inventory2015.gpkg --boundary-sigma 10 --format csv
    """
    from glaciertime.cli.quiet import working
    from glaciertime.dates import as_date
    from glaciertime.region.inventories import compare_inventories
    from glaciertime.region.totals import CORRELATION
    from glaciertime.report.comparison_text import comparison_rows, comparison_text, comparison_totals
    from glaciertime.report.retreat_text import check_form, text_in_form

    check_form(form)
    with working("reading the outlines"):
        first, second, basins = (_inventory(path, id_column) for path in (earlier, later, divides))
    assert first is not None
    assert second is not None
    with working("cutting both along the divides"):
        found = compare_inventories(
            first, second, divides=basins, min_area_km2=min_area, boundary_sigma_m=boundary_sigma,
            correlation=CORRELATION if correlation is None else correlation,
            earlier_date=None if date_from is None else as_date(date_from),
            later_date=None if date_to is None else as_date(date_to), is_complete=complete,
            reading=date_reading(day_first=day_first, month_first=month_first, form="", hemisphere=""),
        )  # fmt: skip
    for text in found.notes:
        note(text)
    if as_json:
        print_json(comparison_totals(found) if totals else found.table)
    elif form == "text":
        if not totals:
            typer.echo(text_in_form(found.table, comparison_rows, form=form))
        typer.echo(comparison_text(found), nl=False)
    else:
        table = comparison_totals(found) if totals else found.table
        typer.echo(
            text_in_form(table, (lambda plain: plain.map(str)) if totals else comparison_rows, form=form), nl=False
        )


def _inventory(path: Path | None, id_column: str) -> Inventory | None:
    from glaciertime.scenes.inventory import read_inventory

    if path is None:
        return None
    found = read_inventory(path, id_column=id_column)
    for text in found.notes:
        note(text)
    return found
