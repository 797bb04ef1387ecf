"""``glaciertime import``: a dated series of one's own into the archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    JsonOption,
    LimitOption,
    Place,
    StrictOption,
    note,
    print_json,
)
from glaciertime.cli.dating import (
    DateFormatOption,
    DayFirstOption,
    HemisphereOption,
    MonthFirstOption,
    date_reading,
)
from glaciertime.cli.messages import exit_code
from glaciertime.cli.running import the_run
from glaciertime.naming import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["import_series"]


def import_series(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, text, Excel or Parquet.")],
    glacier: Annotated[
        str, typer.Option("--glacier", metavar="NAME", help="Whose table it is, or which glacier of it is meant.")
    ] = "",
    columns: Annotated[
        str,
        typer.Option(metavar="ROLE=COLUMN,...", help="date, start, value, sigma, glacier, id, variable, unit, bound."),
    ] = "",
    variable: Annotated[
        str, typer.Option(help="What the values are, e.g. length_change_m, area_km2, lake_area_km2, retreat_m.")
    ] = "",
    unit: Annotated[str, typer.Option(help="Their unit, where the table does not say: m, km, km2, ha, Gt, ...")] = "",
    per_period: Annotated[
        bool, typer.Option("--per-period", help="Each change counts from the date before: sum them.")
    ] = False,
    cumulative: Annotated[bool, typer.Option("--cumulative", help="All changes count from one reference.")] = False,
    resets: Annotated[
        str, typer.Option(metavar="join|keep", help="Where a reference moved: count on, or leave as it is.")
    ] = "",
    decimal: Annotated[str, typer.Option(metavar="point|comma", help="The decimal mark.")] = "",
    day_first: DayFirstOption = False,
    month_first: MonthFirstOption = False,
    date_format: DateFormatOption = "",
    hemisphere: HemisphereOption = "",
    sheet: Annotated[str | None, typer.Option(help="Which sheet of an Excel file.")] = None,
    dataset: Annotated[str, typer.Option(help="Name of the data set; default the table's own, else FILE.")] = "",
    strict: StrictOption = False,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Read a table of dated lengths, areas, masses, snowlines, ... and store its series in the archive.

    Examples:

    glaciertime import lengths.csv

    glaciertime import changes.xlsx --glacier Rhone --columns date=Year,value=dL --variable length_change_m --per-period
    """
    from glaciertime.archive import Archive
    from glaciertime.errors import InputError, UsageError
    from glaciertime.scenes.series import SeriesOptions, raw_table_from_file, series_of_table

    if resets not in ("", "join", "keep"):
        raise UsageError(f"--resets '{resets}' is not known; known are join and keep")
    if decimal not in ("", "point", "comma"):
        raise UsageError(f"--decimal '{decimal}' is not known; known are point and comma")
    options = SeriesOptions(
        glacier=glacier, columns=columns, variable=variable, unit=unit, per_period=per_period, cumulative=cumulative,
        resets=resets, decimal={"": "", "point": ".", "comma": ","}[decimal], dataset=dataset, sheet=sheet,
        dates=date_reading(day_first=day_first, month_first=month_first, form=date_format, hemisphere=hemisphere),
    )  # fmt: skip
    found = series_of_table(raw_table_from_file(file, sheet=sheet), options)
    problems = found.told.problems()
    for text in (*problems, *found.told.remarks()):
        note(f"{file.name}: {text}")
    if found.observations.empty:
        raise InputError(f"{file.name}: nothing was stored")
    if strict and problems:
        raise InputError(
            f"{file.name}: nothing was stored, because --strict was given and some of it could not be read"
        )
    observations = found.observations
    run = the_run()
    made_by = run.record(
        glacier=glacier,
        images=[("", "", "", str(file.resolve()))],
        settings={
            "refused": list(problems), "notes": list(found.told.remarks()),
            "variables": sorted(set(observations["variable"])), "rows": len(observations),
        },
    )  # fmt: skip
    Archive(archive).store_series(
        observations,
        source_file=str(file.resolve()),
        glaciers=set(observations["glacier"]) if glacier else None,
        variables=set(observations["variable"]) if columns else None,
        run=made_by,
    )
    run.stored.append(f"{counted(len(observations), 'values')} of {file.name} in {archive}")
    if as_json:
        print_json(_summary(observations))
    else:
        _print(observations, archive)
    if problems:
        raise typer.Exit(exit_code(stored=True, failed=True, strict=strict))


def _summary(observations: pd.DataFrame) -> pd.DataFrame:
    """Return one row a series: how many values it has, and its first and last."""
    from glaciertime.tables import SERIES_KEY, by_series

    rows = []
    for key, series in by_series(observations, sort=False):
        first, last = series.iloc[0], series.iloc[-1]
        named = dict(zip(SERIES_KEY, key, strict=True))
        ends = {"first_date": first["date"], "first_value": first["value"],
                "last_date": last["date"], "last_value": last["value"]}  # fmt: skip
        bounds = int((series["bound"] != "").sum())
        rows.append({**named, "unit": first["unit"], "values": len(series), "bounds": bounds, **ends,
                     "source": first["source"]})  # fmt: skip
    import pandas as pd

    return pd.DataFrame(rows)


def _print(observations: pd.DataFrame, archive: Place) -> None:
    series = _summary(observations)
    glaciers = series["glacier"].nunique()
    typer.echo(
        f"{counted(len(observations), 'values')} in {len(series)} series of {glaciers} "
        f"glacier{'' if glaciers == 1 else 's'} "
        f"stored in {archive}"
    )
    for row in series.head(12).itertuples():
        bounds = f", {row.bounds} of them bounds" if row.bounds else ""
        where = "" if row.footprint == "-" else f" {row.footprint}"
        where += f" ({row.front_of})" if row.front_of else ""
        typer.echo(
            f"  {row.glacier}, {row.variable}{where} in {row.unit}: {row.values} value"
            f"{'' if row.values == 1 else 's'}{bounds}, "
            f"{row.first_value:,.4g} ({row.first_date:%Y-%m-%d}) to {row.last_value:,.4g} ({row.last_date:%Y-%m-%d})"
        )
    if len(series) > 12:
        typer.echo(f"  and {len(series) - 12} more; glaciertime import --json prints them all")
