"""``glaciertime table``: what glaciers lost between two dates; what backtests and losses say of their forecasts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    GlaciersOption,
    JsonOption,
    ManifestOption,
    VariableOption,
    note,
    open_archive,
    print_json,
)
from glaciertime.cli.messages import exit_code
from glaciertime.cli.selecting import (
    AllOption,
    CorrelationOption,
    RegionOption,
    RgiOption,
    chosen_held,
    selection_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.archive import Archive
    from glaciertime.pipeline.selection import Chosen
    from glaciertime.record import GlacierRecord

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
    totals: Annotated[
        bool, typer.Option("--totals", help="Print only what the glaciers are together, as a table.")
    ] = False,
    correlation: CorrelationOption = None,
    of: Annotated[
        str,
        typer.Option(
            metavar="retreat|verdict|hazard",
            help="The retreat, which model to use by backtests, or how often such glaciers break.",
        ),
    ] = "retreat",
    form: Annotated[str, typer.Option("--format", help="text, csv, markdown or latex.")] = "text",
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    as_json: JsonOption = False,
) -> None:
    """Print the retreat table: areas at two dates, the loss in km², in % and per year, the retreat in m; one sigma.

    With --variable, or where no area is held, the same for lengths, positions, masses and what else there is.
    With --all or --region, what they are together stands below: sums with the correlation of errors, and of how many.
    Per year is told of dates eleven months apart and more. Tables keep m and km² whatever units glaciertime.toml has.

    Examples:

    glaciertime table --glacier Crane --from 2002-03-15 --to 2010-03-15

    glaciertime table --variable length_change_m --format markdown

    glaciertime table --region Alps --rgi outlines.shp --from 2000 --to 2015

    glaciertime table --glacier Crane --of hazard
    """
    from glaciertime.errors import UsageError
    from glaciertime.report import retreat_text
    from glaciertime.track import retreat_table

    store = open_archive(archive)
    selection = selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi)
    chosen = chosen_held(store, selection, all_unless_told=True)
    if of != "retreat":
        unused = {"--from": date_from, "--to": date_to, "--footprint": footprint, "--totals": totals or None,
                  "--correlation": correlation, "--max-gap": None if max_gap == 180 else max_gap}  # fmt: skip
        given = [name for name, value in unused.items() if value is not None]
        if given:
            raise UsageError(f"{given[0]} is of the retreat; --of {of} does not use it")
        _print_held(store, chosen, of, variable=variable, form=form, as_json=as_json)
        return
    if totals or every or region or manifest or rgi:
        options = {"date_from": date_from, "date_to": date_to, "max_gap_days": max_gap, "variable": variable}
        _print_region(chosen, store, options, correlation, footprint, totals=totals, form=form, as_json=as_json)
        return
    if correlation is not None:
        raise UsageError("--correlation is of totals: give --all, --region or --totals with it")
    names = list(chosen.names)
    observations = store.read("observations", glacier=names, variable=["area_km2", "front_position_m"])
    areas = observations[observations["variable"] == "area_km2"]
    if variable not in (None, "area_km2") or areas["value"].notna().sum() == 0:
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

    held = sorted(areas["footprint"].unique())
    usual = next((name for name in ("box", "common", "image") if name in held), held[0])
    rows = between(footprint or usual)
    if as_json:
        print_json(rows)
        return
    fjords = between("fjord") if len(rows) > 1 and (areas["footprint"] == "fjord").any() else None
    typer.echo(retreat_text(rows, form=form, footprints=footprints, fjords=fjords), nl=False)


#: What --of may name, the table of the archive, and the command that fills it.
_HELD = {"verdict": ("verdicts", "backtest"), "hazard": ("hazards", "forecast")}


def _print_held(
    store: Archive, chosen: Chosen, of: str, *, variable: str | None, form: str, as_json: bool
) -> None:  # fmt: skip
    """Print what the archive holds beside the forecasts of glaciers."""
    from glaciertime.errors import DataNotFoundError, UsageError
    from glaciertime.report.retreat_text import check_form, text_in_form, text_table

    if of not in _HELD:
        raise UsageError(f"--of '{of}' is not known; known are retreat, {', '.join(_HELD)}")
    check_form(form)
    name, command = _HELD[of]
    rows = store.read(name, glacier=list(chosen.names), variable=variable)
    if rows.empty:
        raise DataNotFoundError(f"{chosen.label}: no {of} is held yet; run glaciertime {command} first")
    if as_json:
        print_json(rows)
    elif form == "text":
        typer.echo(text_table(rows), nl=False)
    else:
        typer.echo(text_in_form(rows, lambda plain: plain.map(_cell), form=form), nl=False)


def _print_region(
    chosen: Chosen,
    store: Archive,
    options: dict[str, Any],
    correlation: float | None,
    footprint: str | None,
    *,
    totals: bool,
    form: str,
    as_json: bool,
) -> None:
    """Print the glaciers of a region, each row by row, and what they are together."""
    from functools import partial

    from glaciertime.cli.quiet import told_along
    from glaciertime.pipeline.regional import region_reading
    from glaciertime.report.region_text import region_text, totals_table
    from glaciertime.report.retreat_text import check_form, text_in_form

    check_form(form)
    rows = _RegionRows(options, footprint)
    reading, _ = region_reading(
        chosen, store, correlation=correlation, seen=None if totals else rows.add,
        along=partial(told_along, what="reading", total=len(chosen)), **options,
    )  # fmt: skip
    for name, why in {**reading.failed, **rows.failed}.items():
        note(f"{name}: {why}")
    if totals:
        table = totals_table(reading)
        if as_json:
            print_json(table)
        elif form == "text":
            typer.echo(region_text(reading), nl=False)
        else:
            typer.echo(text_in_form(table, lambda plain: plain.map(_cell), form=form), nl=False)
    elif as_json:
        print_json(rows.records())
    else:
        for text in rows.texts(form):
            typer.echo(text, nl=False)
        if form == "text":
            typer.echo(f"\n{region_text(reading)}", nl=False)
    if reading.failed or rows.failed:
        raise typer.Exit(exit_code(stored=True, failed=True))


class _RegionRows:
    """The rows of the table of each glacier, made as the glaciers are read."""

    def __init__(self, options: dict[str, Any], footprint: str | None) -> None:
        self._options = {name: value for name, value in options.items() if name != "variable"}
        self._variable, self._footprint = options["variable"], footprint
        self.areas: list[pd.DataFrame] = []
        self.others: list[pd.DataFrame] = []
        self.failed: dict[str, str] = {}

    def add(self, record: GlacierRecord) -> None:
        """Take in a glacier; what fails of it is kept as its reason."""
        from glaciertime.errors import GlacierTimeError
        from glaciertime.track import retreat_table
        from glaciertime.track.record.difference import difference_table

        rows = record.observations
        areas = rows[(rows["variable"] == "area_km2") & rows["value"].notna()]
        try:
            if self._variable in (None, "area_km2") and len(areas):
                held = sorted(areas["footprint"].unique())
                usual = next((name for name in ("box", "common", "image") if name in held), held[0])
                self.areas.append(
                    retreat_table(
                        rows, footprint=self._footprint or usual, footprints=record.footprints, **self._options
                    )
                )
            else:
                self.others.append(difference_table(rows, variable=self._variable, **self._options))
        except GlacierTimeError as error:
            self.failed[record.glacier] = str(error)

    def records(self) -> list[dict[str, Any]]:
        """Return all as rows for machines, those of what failed too."""
        tables = [*self.areas, *self.others]
        rows = [row for table in tables for row in table.astype(object).where(table.notna(), None).to_dict("records")]
        return rows + [{"glacier": name, "status": f"failed: {why}"} for name, why in self.failed.items()]

    def texts(self, form: str) -> Iterator[str]:
        """Yield the table of areas and that of other variables, as far as there are any."""
        import pandas as pd

        from glaciertime.report import retreat_text
        from glaciertime.report.difference_text import difference_text

        if self.areas:
            yield retreat_text(pd.concat(self.areas, ignore_index=True), form=form)
        if self.others:
            yield difference_text(pd.concat(self.others, ignore_index=True), form=form)


def _cell(value: object) -> str:
    from glaciertime.units import number_text

    if hasattr(value, "strftime"):
        return f"{value:%Y-%m-%d}"
    return number_text(value) if isinstance(value, float) else str(value)


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
