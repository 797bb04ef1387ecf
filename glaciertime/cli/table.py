"""``glaciertime table``: what glaciers lost between two dates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    GlaciersOption,
    JsonOption,
    ManifestOption,
    VariableOption,
    open_archive,
    print_json,
)
from glaciertime.cli.selecting import AllOption, RegionOption, RgiOption, chosen_held, selection_of

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.archive import Archive

__all__ = ["table"]


def table(
    glacier: GlaciersOption = None,
    every: AllOption = False,
    region: RegionOption = None,
    manifest: ManifestOption = None,
    rgi: RgiOption = None,
    date_from: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="Start; the nearest observation counts.")
    ] = None,
    date_to: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="End; the nearest observation counts.")
    ] = None,
    max_gap: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="How far the nearest observation may be.")
    ] = 180,
    footprint: Annotated[
        str | None, typer.Option(help="Where areas are compared: box, fjord, ...; default the box, else the image.")
    ] = None,
    variable: VariableOption = None,
    form: Annotated[str, typer.Option("--format", help="text, csv, markdown or latex.")] = "text",
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    as_json: JsonOption = False,
) -> None:
    """Print the retreat table: areas at two dates, the loss in km2 and in %, with one sigma, and per year.

    With --variable, or where no area is held, the same for lengths, positions, masses and what else there is.

    Examples:

    glaciertime table --glacier Crane --from 2002-03-15 --to 2010-03-15

    glaciertime table --variable length_change_m --format markdown
    """
    from glaciertime.errors import UsageError
    from glaciertime.report import retreat_text
    from glaciertime.track import retreat_table

    store = open_archive(archive)
    selection = selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi)
    names = list(chosen_held(store, selection, all_unless_told=True).names)
    observations = store.read("observations", glacier=names, variable="area_km2")
    if variable not in (None, "area_km2") or observations["value"].notna().sum() == 0:
        if footprint is not None:
            raise UsageError("--footprint says where areas are compared; leave it away for other variables")
        _print_differences(store, names, variable, date_from, date_to, max_gap, form, as_json)
        return
    footprints = store.read("footprints", glacier=names)

    def between(where: str) -> pd.DataFrame:
        return retreat_table(
            observations, date_from=date_from, date_to=date_to, max_gap_days=max_gap, footprint=where,
            footprints=footprints,
        )  # fmt: skip

    held = sorted(observations["footprint"].unique())
    usual = next((name for name in ("box", "common", "image") if name in held), held[0])
    rows = between(footprint or usual)
    if as_json:
        print_json(rows)
        return
    fjords = between("fjord") if len(rows) > 1 and (observations["footprint"] == "fjord").any() else None
    typer.echo(retreat_text(rows, form=form, footprints=footprints, fjords=fjords), nl=False)


def _print_differences(
    store: Archive,
    names: list[str] | None,
    variable: str | None,
    date_from: str | None,
    date_to: str | None,
    max_gap: float,
    form: str,
    as_json: bool,
) -> None:
    from glaciertime.report.difference_text import difference_text
    from glaciertime.track.record.difference import difference_table

    rows = difference_table(
        store.read("observations", glacier=names), date_from=date_from, date_to=date_to, max_gap_days=max_gap,
        variable=variable,
    )  # fmt: skip
    if as_json:
        print_json(rows)
    else:
        typer.echo(difference_text(rows, form=form), nl=False)
