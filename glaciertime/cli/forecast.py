"""``glaciertime forecast``: what the series of a glacier may do next."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    DatasetOption,
    FootprintOption,
    FrontOfOption,
    GlaciersOption,
    JobsOption,
    JsonOption,
    JsonRows,
    LimitOption,
    ManifestOption,
    MethodOption,
    ModelsOption,
    Place,
    SchedulerOption,
    StrictOption,
    VariableOption,
    limit_threads,
    note,
    open_archive,
    split_names,
)
from glaciertime.cli.forecast_totals import check_totals, print_totals
from glaciertime.cli.forecasting import (
    Tally,
    WeightsOption,
    chosen_front,
    covariates_of,
    failed_row,
    files_of,
    looked_at,
    own_networks,
    read_table,
)
from glaciertime.cli.running import the_run
from glaciertime.cli.selecting import (
    AllOption,
    CorrelationOption,
    RegionOption,
    RgiOption,
    chosen_held,
    selection_of,
)
from glaciertime.naming import counted

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.archive import Archive
    from glaciertime.pipeline.outlook import Outlook
    from glaciertime.pipeline.selection import Chosen

__all__ = ["forecast"]


def forecast(
    until: Annotated[str, typer.Option(metavar="YEAR", help="Year, or date, to forecast up to.")],
    glacier: GlaciersOption = None,
    every: AllOption = False,
    region: RegionOption = None,
    manifest: ManifestOption = None,
    rgi: RgiOption = None,
    model: ModelsOption = None,
    variable: VariableOption = None,
    method: MethodOption = None,
    footprint: FootprintOption = None,
    dataset: DatasetOption = None,
    front_of: FrontOfOption = None,
    cutoff: Annotated[
        str | None, typer.Option(metavar="DATE", help="See no value after it; default the last observation.")
    ] = None,
    covariates: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="CSV date,name,value of covariates, the future's included; repeated, each file tells another future.",
        ),
    ] = None,
    covariate_effect: Annotated[
        str, typer.Option(metavar="level|rate", help="Whether the value or its rate goes with the covariates.")
    ] = "level",
    season: Annotated[bool, typer.Option("--season", help="Give the season as a covariate.")] = False,
    scenario: Annotated[
        list[str] | None,
        typer.Option(metavar="held|doubled|zero", help="What if the recent rate were so; may be repeated."),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV position_m,value: a scenario holds rate times fjord width, or depth."),
    ] = None,
    contour: Annotated[
        bool, typer.Option("--contour", help="Predict the calving front itself, and the band it will lie in.")
    ] = False,
    weights: WeightsOption = None,
    correlation: CorrelationOption = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    jobs: JobsOption = 1,
    scheduler: SchedulerOption = "",
    strict: StrictOption = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Forecast the series of glaciers at real dates, with prediction intervals, and store the forecasts.

    Of several glaciers the areas and volumes are also added up, with the correlation of their errors.

    Examples:

    glaciertime forecast --glacier Crane --until 2026

    glaciertime forecast --glacier Crane --until 2026 --model drift --variable front_position_m

    glaciertime forecast --all --until 2030 --model kalman

    glaciertime forecast --glacier Crane --until 2026 --contour

    glaciertime forecast --glacier Crane --until 2026 --covariates warmth.csv --covariate-effect rate

    glaciertime forecast --all --until 2026 --model gbm --covariates warm.csv --covariates cool.csv

    glaciertime forecast --glacier Crane --until 2026 --scenario held --scenario doubled
    """
    limit_threads()
    from glaciertime.errors import UsageError
    from glaciertime.forecast.models import get_models
    from glaciertime.forecast.profile import profile_from_table
    from glaciertime.pipeline import default_models
    from glaciertime.pipeline.outlook import ContourRequest, ForecastRequest

    store = open_archive(archive)
    chosen = chosen_held(store, selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi))
    scenarios = split_names(scenario)
    if profile is not None and not scenarios:
        raise UsageError("--profile belongs to a scenario; give --scenario held, doubled or zero with it")
    check_totals(correlation, is_many=chosen.is_many, is_contour=contour, as_json=as_json)
    if not covariates and covariate_effect != "level":
        raise UsageError(f"--covariate-effect {covariate_effect} given without --covariates; give their file as well")
    given = covariates_of(covariates or (), effect=covariate_effect, season=season)
    models = split_names(model)
    if contour and weights:
        raise UsageError("--weights: --contour carries the front by its own models; leave one of them out")
    if contour:
        if scenarios or given:
            raise UsageError("--contour takes no scenario and no covariates; run them without it")
        requests = [
            ContourRequest(
                archive=archive, glacier=name, until=until, models=tuple(models or ["kalman"]), cutoff=cutoff,
                front_of=chosen_front(front_of),
            )
            for name in chosen.names
        ]  # fmt: skip
        where = {"jobs": jobs, "scheduler": scheduler}
        _contours(store, chosen, requests, where=where, strict=strict, as_json=as_json)
        return
    bed = profile_from_table(read_table(profile)) if profile is not None else None
    if not models and not scenarios:
        models = ["kalman", "arima"] if given else default_models()
    get_models(models)
    own = own_networks(weights, models=models)
    asked = [
        ForecastRequest(
            archive=archive, glacier=name, until=until, models=tuple(models), is_asked=bool(model or scenarios),
            cutoff=cutoff, covariates=given, scenarios=tuple(scenarios), profile=bed, variable=variable, method=method,
            footprint=footprint, dataset=dataset, front_of=chosen_front(front_of), weights=own,
            jobs=1 if len(chosen.names) > 1 or scheduler else jobs,
        )
        for name in chosen.names
    ]  # fmt: skip
    files = {**files_of(covariates, what="covariates"), "profile": profile, **files_of(weights)}
    where = {"jobs": jobs, "scheduler": scheduler}
    _forecasts(
        store, chosen, asked, files=files, where=where, strict=strict, as_json=as_json, correlation=correlation
    )  # fmt: skip


def _forecasts(
    store: Archive,
    chosen: Chosen,
    requests: list[Any],
    *,
    files: dict[str, Path | None],
    where: dict[str, Any],
    strict: bool,
    as_json: bool,
    correlation: float | None,
) -> None:
    """Forecast glacier after glacier: each is stored and printed before the next begins."""
    from glaciertime.pipeline.hazards import Hazards
    from glaciertime.pipeline.outlook import forecast_glacier
    from glaciertime.region.forecasts import ForecastsHeld

    run, tally, held = the_run(), Tally(), ForecastsHeld()
    hazards = Hazards(store, chosen.known, cutoff=requests[0].cutoff)
    with JsonRows() if as_json else nullcontext() as out:
        for outlook in looked_at(requests, forecast_glacier, chosen=chosen, what="forecasting", **where):
            tally.add(outlook)
            if outlook.rows is None:
                _print_failed(outlook, out)
                continue
            assert outlook.read is not None
            if chosen.is_many and not as_json:
                held.add(outlook.rows)
            found = hazards.of(outlook.glacier, list(outlook.rows["variable"]))
            if not (strict and outlook.has_failed):
                made_by = outlook.read.run(run, glacier=outlook.glacier, files=files, settings=outlook.settings)
                store.store_forecasts(outlook.rows, run=made_by)
                run.stored.append(f"{counted(len(outlook.rows), 'forecasts')} of {outlook.glacier} in {store.path}")
                if len(found):
                    store.store_hazards(found, run=made_by)
                    run.stored.append(f"{len(found)} hazards of {outlook.glacier} in {store.path}")
            if out is not None:
                out.add(outlook.rows)
            else:
                _print(outlook.rows)
                verdicts = store.read("verdicts", glacier=outlook.glacier)
                _print_beside(outlook.glacier, found, verdicts, outlook.rows, is_cut=requests[0].cutoff is not None)
            failed = outlook.rows[outlook.rows["status"] != "ok"]
            for (failed_model, status), _ in failed.groupby(["model", "status"], sort=False):
                whose = f"{outlook.glacier}: " if chosen.is_many else ""
                note(f"{whose}{failed_model} gave no forecast: {status}")
    if chosen.is_many and not as_json:
        print_totals(store, chosen, held, correlation=correlation)
    given = ", ".join(one.label for one in requests[0].covariates)
    if given and requests[0].models:
        note(f"forecasts with {given} follow from the future that was given: they do not say how likely it is")
    raise typer.Exit(tally.exit_code(strict=strict))


def _print_beside(
    glacier: str, hazards: pd.DataFrame, verdicts: pd.DataFrame, rows: pd.DataFrame, *, is_cut: bool
) -> None:
    """Print what is no part of the intervals: which model a backtest speaks for, and how often such glaciers break."""
    from glaciertime.breaks import hazard_text
    from glaciertime.tables import SERIES_KEY

    keys = rows[[*SERIES_KEY]].fillna("").drop_duplicates()
    of_these = verdicts.merge(keys, on=list(SERIES_KEY))
    for row in of_these.itertuples() if not is_cut else ():
        typer.echo(f"  verdict of its backtest, {row.variable} ({row.method}), {row.verdict}")
    if is_cut:
        typer.echo("  verdict: not told beside --cutoff, since the backtest saw what came after it")
    elif of_these.empty:
        name = shlex.quote(glacier)
        typer.echo(f"  verdict: none yet; glaciertime backtest --glacier {name} says which model to use")
    for text in hazard_text(hazards):
        typer.echo(f"  hazard, which is no part of the intervals: {text}")
    if hazards.empty:
        typer.echo("  hazard: nothing can be said; no area or length without flags, whose losses could be counted")


def _print_failed(outlook: Outlook, out: JsonRows | None) -> None:
    if out is not None:
        out.add([failed_row(outlook)])
    else:
        typer.echo(f"{outlook.glacier}: failed")


def _contours(
    store: Archive, chosen: Chosen, requests: list[Any], *, where: dict[str, Any], strict: bool, as_json: bool
) -> None:
    from glaciertime.pipeline.outlook import contour_glacier

    run, tally = the_run(), Tally()
    with JsonRows() if as_json else nullcontext() as out:
        for outlook in looked_at(requests, contour_glacier, chosen=chosen, what="predicting fronts", **where):
            tally.add(outlook)
            if outlook.rows is None:
                _print_failed(outlook, out)
                continue
            assert outlook.read is not None
            for model, rows in outlook.rows.groupby("model", sort=False):
                failed = bool((rows["status"] != "ok").all())
                if not (strict and failed):
                    settings = {**outlook.settings, "models": [model]}
                    made_by = outlook.read.run(run, glacier=outlook.glacier, settings=settings)
                    store.store_contours(rows, run=made_by)
                    run.stored.append(f"fronts of {outlook.glacier} predicted by {model} in {store.path}")
                table = rows.drop(columns="geometry")
                if out is not None:
                    out.add(table)
                else:
                    _print_contours(table, outlook.glacier, str(model), store.path)
                for status in table.loc[table["status"] != "ok", "status"].unique():
                    note(f"{outlook.glacier}: {model} gave no front: {status}")
    raise typer.Exit(tally.exit_code(strict=strict))


def _print_contours(table: pd.DataFrame, glacier: str, model: str, archive: Place) -> None:
    source = table["source"].iloc[0]
    typer.echo(f"{glacier}, calving front by {model}, {source}; lines and bands in the layer contours of {archive}")
    for row in table[table["kind"] != "front"].itertuples():
        what = "of its length" if row.kind == "band-share" else "chance of the whole front"
        typer.echo(f"  {row.target_date:%Y-%m-%d}  within {row.half_width_m:>8,.0f} m: {row.level:.0%} {what}")


def _print(rows: pd.DataFrame) -> None:
    from glaciertime.forecast.scenario import PREFIX

    key = ["glacier", "variable", "method", "footprint", "dataset", "front_of", "source", "unit", "cutoff"]
    for names, series in rows.groupby(key, sort=False):
        assumed = series["model"].str.startswith(PREFIX)
        for part, what in (
            (series[~assumed], "median and 90 % interval"),
            (series[assumed], "SCENARIO, not a forecast: what if the recent rate were so; with a random walk's 90 %"),
        ):
            if len(part):
                _print_series(part, names, what)


def _print_series(series: pd.DataFrame, names: tuple[Any, ...], what: str) -> None:
    from glaciertime.units import column_decimals

    glacier, variable, method, footprint, dataset, front_of, source, unit, cutoff = names
    kind = f", {front_of}" if front_of else ""
    typer.echo(
        f"{glacier}, {variable} ({method}, {footprint}{kind}; {dataset}, {source}); known up to {cutoff:%Y-%m-%d}; "
        f"{what} in {unit}"
    )
    good = series[series["status"] == "ok"].assign(quantile=lambda table: table["quantile"].round(4))
    wide = good.pivot_table(index=["target_date", "model"], columns="quantile", values="value", sort=False)
    models = list(dict.fromkeys(series["model"]))
    places = column_decimals((wide[0.95] - wide[0.05]) / 2) if len(wide) else 2
    typer.echo("  date        " + "".join(f"{model:>32}" for model in models))
    for date in sorted(series["target_date"].dropna().unique()):
        cells = []
        for model in models:
            if (date, model) in wide.index:
                row = wide.loc[(date, model)]
                cells.append(f"{row[0.5]:>12,.{places}f} [{row[0.05]:,.{places}f}, {row[0.95]:,.{places}f}]")
            else:
                cells.append("failed")
        typer.echo(f"  {str(date)[:10]}  " + "".join(f"{cell:>32}" for cell in cells))
