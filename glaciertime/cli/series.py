"""``glaciertime series``: what the dated series of a glacier say: means, cycles, rates and breaks."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    FootprintOption,
    GlaciersOption,
    JsonOption,
    JsonRows,
    ManifestOption,
    MethodOption,
    VariableOption,
    note,
    open_archive,
    split_names,
)
from glaciertime.cli.messages import exit_code
from glaciertime.cli.selecting import AllOption, RegionOption, RgiOption, chosen_held, selection_of
from glaciertime.naming import counted

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.breaks.hazard import Watch
    from glaciertime.pipeline.selection import Known
    from glaciertime.record import GlacierRecord
    from glaciertime.report.products import Product

__all__ = ["series"]

PRODUCTS = (
    "raw, monthly, seasonal, annual, cycle, rates, annual-rates, changes, segments, methods, offsets, flowlines, or "
    "hazard, which is of all chosen glaciers together"
)


def series(
    glacier: GlaciersOption = None,
    every: AllOption = False,
    region: RegionOption = None,
    product: Annotated[str, typer.Option(help=f"{PRODUCTS}.")] = "annual",
    variable: VariableOption = None,
    method: MethodOption = None,
    footprint: FootprintOption = None,
    date_from: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First date.")] = None,
    date_to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last date.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A quality flag to let pass, or all; may be repeated.")] = None,
    manifest: ManifestOption = None,
    rgi: RgiOption = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    as_json: JsonOption = False,
) -> None:
    """Print a product of the series of glaciers: means per period, the seasonal cycle, rates with intervals, breaks.

    Flagged observations are left out unless --keep lets their flag pass; gaps stay gaps. Rates are of dates eleven
    months apart and more. Tables keep the units of the archive, whatever units glaciertime.toml has.

    Examples:

    glaciertime series --glacier Crane --product changes --variable area_km2

    glaciertime series --glacier Crane --product annual --variable front_position_m --method centreline
    """
    import pandas as pd

    from glaciertime.breaks import hazard_table, hazard_text
    from glaciertime.cli.quiet import told_along
    from glaciertime.errors import GlacierTimeError

    store = open_archive(archive)
    chosen = chosen_held(store, selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi))
    wanted = {"variable": variable, "method": method, "footprint": footprint}
    parts, failed, found = [], [], 0
    watches: list[Watch] = []
    with JsonRows() if as_json else nullcontext() as out:
        for record in told_along(chosen.records(store), "reading", total=len(chosen)):
            try:
                rows = _rows(record, wanted, date_from=date_from, date_to=date_to)
                if product == "hazard":
                    found += 1
                    watches += _watches(record, rows, known=chosen.known, allow=split_names(keep))
                    continue
                one = _product(product, record, rows, known=chosen.known, allow=split_names(keep))
            except GlacierTimeError as error:
                if not chosen.is_many or error.exit_code == 2:
                    raise
                failed.append(record.glacier)
                note(f"{record.glacier}: {error}")
                if out is not None:
                    out.add([{"glacier": record.glacier, "status": f"failed: {error}"}])
                continue
            found += 1
            if out is not None:
                out.add(one.table)
            elif len(one.table):
                parts.append(one.table)
        if product == "hazard" and found:
            table = hazard_table(watches)
            if table.empty:
                note("no series on a scale on which zero means none, such as area_km2: no hazard")
            if out is not None:
                out.add(table)
            else:
                typer.echo("".join(f"{text}\n" for text in hazard_text(table)), nl=False)
    if parts:
        typer.echo(_text(pd.concat(parts, ignore_index=True)), nl=False)
    if failed:
        raise typer.Exit(exit_code(stored=found > 0, failed=True))


def _rows(
    record: GlacierRecord, wanted: dict[str, str | None], *, date_from: str | None, date_to: str | None
) -> pd.DataFrame:
    """Return the observations of a glacier that are asked for.

    Raises
    ------
    InputError
        Where there are none; the message names what there is.
    """
    import pandas as pd

    from glaciertime.dates import as_date, last_day
    from glaciertime.errors import InputError

    name, rows = record.glacier, record.observations
    for column, value in wanted.items():
        if value is not None:
            known = sorted(rows[column].unique())
            rows = rows[rows[column] == value]
            if rows.empty:
                raise InputError(f"{name}: no observation with {column} '{value}'; there are {', '.join(known)}")
    if date_from is not None:
        rows = rows[rows["date"] >= pd.Timestamp(as_date(date_from))]
    if date_to is not None:
        rows = rows[rows["date"] <= pd.Timestamp(last_day(date_to))]
    if rows.empty:
        raise InputError(f"{name}: no observation between the dates given")
    return rows


def _watches(record: GlacierRecord, rows: pd.DataFrame, *, known: Known, allow: list[str]) -> list[Watch]:
    """Return how long the series of a glacier were watched for large losses, and those seen."""
    from glaciertime.breaks import watched
    from glaciertime.combining import are_bounds
    from glaciertime.track.record.passing import PASSING
    from glaciertime.track.record.screening import keep
    from glaciertime.track.ruler.sensors import remove_sensor_offsets

    entry = record.place or known.entry(record.glacier)
    kept = keep(rows, allow=(*PASSING, *allow))
    if bounds := int(are_bounds(kept).sum()):
        note(f"{record.glacier}: hazard: {counted(bounds, 'bounds')} left out, they tell nothing of a loss")
    return watched(remove_sensor_offsets(kept), terminus=(entry.terminus_type if entry else None) or "")


def _product(product: str, record: GlacierRecord, rows: pd.DataFrame, *, known: Known, allow: list[str]) -> Product:
    """Return a product of one glacier, and say what was left out of it."""
    from glaciertime.naming import counted
    from glaciertime.pipeline import find_glacier
    from glaciertime.report.products import series_product
    from glaciertime.track.record.screening import screening_notes

    name = record.glacier
    found = series_product(
        product,
        observations=rows,
        fronts=lambda: record.fronts,
        glacier=lambda: known.entry(name) or find_glacier(name),
        allow=allow,
    )
    if found.table.empty:
        note(
            f"{name}: too few observations for {product}, or all are flagged; see --keep, and --product raw --keep all"
        )
    elif product not in ("raw", "flowlines"):
        bounds = " --keep censored --keep no-front" if product in ("changes", "segments", "rates") else ""
        note(
            f"{name}: {product} of {counted(len(rows) - found.left_out, 'observations')}: those that --product "
            f"raw{bounds} lists "
            "with the same options, each with its row for glaciertime why"
        )
    of_rates = {"rates": ("qualifier", "short"), "segments": ("reading", "brief")}
    if product in of_rates and (brief := int((found.table[of_rates[product][0]] == of_rates[product][1]).sum())):
        what = counted(brief, "series" if product == "rates" else product)
        note(f"{name}: {what} of less than eleven months: no rate per year")
    if found.left_out:
        note(
            f"{name}: {found.left_out} of {counted(len(rows), 'observations')} left out (no value, or flagged); "
            "--keep lets flags "
            "pass"
        )
    for text in screening_notes(rows):
        note(f"{name}: {text}")
    return found


def _text(table: pd.DataFrame) -> str:
    from glaciertime.report.retreat_text import text_table

    return text_table(table)
