"""``glaciertime series``: what the dated series of a glacier say: means, cycles, rates and breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    FootprintOption,
    GlacierOption,
    JsonOption,
    ManifestOption,
    MethodOption,
    VariableOption,
    note,
    open_record,
    print_json,
    split_names,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["series"]

PRODUCTS = (
    "raw, monthly, seasonal, annual, cycle, rates, annual-rates, changes, segments, methods, offsets or flowlines"
)


def series(
    glacier: GlacierOption,
    product: Annotated[str, typer.Option(help=f"{PRODUCTS}.")] = "annual",
    variable: VariableOption = None,
    method: MethodOption = None,
    footprint: FootprintOption = None,
    date_from: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First date.")] = None,
    date_to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last date.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A quality flag to let pass, or all; may be repeated.")] = None,
    manifest: ManifestOption = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    as_json: JsonOption = False,
) -> None:
    """Print a product of the series: means per period, the seasonal cycle, rates with intervals, breaks.

    Flagged observations are left out unless --keep lets their flag pass; gaps stay gaps.

    Examples:

    glaciertime series --glacier Crane --product changes --variable area_km2

    glaciertime series --glacier Crane --product annual --variable front_position_m --method centreline
    """
    import pandas as pd

    from glaciertime.dates import as_date, last_day
    from glaciertime.errors import InputError
    from glaciertime.pipeline import find_glacier
    from glaciertime.report.products import series_product
    from glaciertime.track.record.screening import screening_notes

    record = open_record(archive, glacier)
    name, rows = record.glacier, record.observations
    for column, wanted in (("variable", variable), ("method", method), ("footprint", footprint)):
        if wanted is not None:
            known = sorted(rows[column].unique())
            rows = rows[rows[column] == wanted]
            if rows.empty:
                raise InputError(f"{name}: no observation with {column} '{wanted}'; there are {', '.join(known)}")
    if date_from is not None:
        rows = rows[rows["date"] >= pd.Timestamp(as_date(date_from))]
    if date_to is not None:
        rows = rows[rows["date"] <= pd.Timestamp(last_day(date_to))]
    if rows.empty:
        raise InputError(f"{name}: no observation between the dates given")
    found = series_product(
        product,
        observations=rows,
        fronts=lambda: record.fronts,
        glacier=lambda: find_glacier(name, manifests=tuple(manifest or ())),
        allow=split_names(keep),
    )
    if found.table.empty:
        note(
            f"{name}: too few observations for {product}, or all are flagged; see --keep, and --product raw --keep all"
        )
    if found.left_out:
        note(f"{found.left_out} of {len(rows)} observations left out (no value, or flagged); --keep lets flags pass")
    for text in screening_notes(rows):
        note(f"{name}: {text}")
    if as_json:
        print_json(found.table)
    else:
        typer.echo(_text(found.table), nl=False)


def _text(table: pd.DataFrame) -> str:
    from glaciertime.report.retreat_text import text_table

    return text_table(table)
