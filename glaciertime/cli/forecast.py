"""``glaciertime forecast``: what the series of a glacier may do next."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    DatasetOption,
    FootprintOption,
    FrontOfOption,
    GlacierOption,
    JobsOption,
    JsonOption,
    LimitOption,
    MethodOption,
    ModelsOption,
    StrictOption,
    VariableOption,
    limit_threads,
    note,
    open_record,
    print_json,
    split_names,
)
from glaciertime.cli.forecasting import chosen_front, read_table, series_of
from glaciertime.cli.messages import exit_code
from glaciertime.cli.running import the_run

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.record import GlacierRecord

__all__ = ["forecast"]

_LOG = logging.getLogger("glaciertime.forecast")


def forecast(
    glacier: GlacierOption,
    until: Annotated[str, typer.Option(metavar="YEAR", help="Year, or date, to forecast up to.")],
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
        Path | None, typer.Option(metavar="FILE", help="CSV date,name,value of covariates, the future's included.")
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
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    jobs: JobsOption = 1,
    strict: StrictOption = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Forecast the series of a glacier at real dates, with prediction intervals, and store the forecasts.

    Examples:

    glaciertime forecast --glacier Crane --until 2026

    glaciertime forecast --glacier Crane --until 2026 --model drift --variable front_position_m

    glaciertime forecast --glacier Crane --until 2026 --contour

    glaciertime forecast --glacier Crane --until 2026 --covariates warmth.csv --covariate-effect rate

    glaciertime forecast --glacier Crane --until 2026 --scenario held --scenario doubled
    """
    limit_threads()
    import numpy as np
    import pandas as pd

    from glaciertime.errors import UsageError
    from glaciertime.forecast import forecast_series, target_dates_until
    from glaciertime.forecast.covariates import Covariates, covariates_from_table
    from glaciertime.forecast.profile import profile_from_table
    from glaciertime.forecast.scenario import scenario_series
    from glaciertime.pipeline import default_models, other_glaciers
    from glaciertime.pipeline.runs import run_of_series
    from glaciertime.units import as_date

    record = open_record(archive, glacier)
    scenarios = split_names(scenario)
    if profile is not None and not scenarios:
        raise UsageError("--profile belongs to a scenario; give --scenario held, doubled or zero with it")
    if covariates is None and covariate_effect != "level":
        raise UsageError(f"--covariate-effect {covariate_effect} given without --covariates; give their file as well")
    given = None
    if covariates is not None:
        given = covariates_from_table(read_table(covariates), effect=covariate_effect, season=season)
    elif season:
        given = Covariates(season=True)
    if contour:
        if scenarios or given is not None:
            raise UsageError("--contour takes no scenario and no covariates; run them without it")
        models = split_names(model) or ["kalman"]
        _contour(record, until=until, models=models, cutoff=cutoff, front_of=front_of, strict=strict, as_json=as_json)
        return
    bed = profile_from_table(read_table(profile)) if profile is not None else None
    models = split_names(model)
    if not models and not scenarios:
        models = default_models() if given is None else ["kalman", "arima"]
    chosen = series_of(
        record, variable=variable, method=method, footprint=footprint, dataset=dataset, front_of=front_of
    )
    run = the_run()
    parts, learned = [], []
    for series in chosen:
        known = series if cutoff is None else series.until(cutoff)
        targets = target_dates_until(known if len(known) else series, until)
        if cutoff is not None:
            targets = targets[targets > np.datetime64(as_date(cutoff))]
        if models:
            others = other_glaciers(record, series, models=models)
            learned += others
            _LOG.info(
                "%s: %d values up to %s, models %s, %d other series to learn from", series.label, len(known),
                known.dates[-1] if len(known) else "nothing", ", ".join(models), len(others),
            )  # fmt: skip
            parts.append(
                forecast_series(
                    series, models=models, target_dates=targets, cutoff=cutoff, training=others, jobs=jobs,
                    covariates=given,
                )
            )  # fmt: skip
        parts += [
            scenario_series(series, scenario=name, target_dates=targets, cutoff=cutoff, profile=bed)
            for name in scenarios
        ]
    rows = pd.concat(parts, ignore_index=True)
    failed = rows[rows["status"] != "ok"]
    # That one of the usual models does not suit a series is told; it is a failure where the model was asked for.
    has_failed = len(failed) == len(rows) or (bool(model or scenarios) and len(failed) > 0)
    if not (strict and has_failed):
        files = {"covariates": covariates, "profile": profile}
        made_by = run_of_series(
            run, record, series=chosen, others=learned, files=files,
            settings={"models": models, "scenarios": scenarios, "cutoff": cutoff, "failed": _reasons(failed)},
        )  # fmt: skip
        record.archive.store_forecasts(rows, run=made_by)
        run.stored.append(f"{len(rows)} forecasts of {record.glacier} in {archive}")
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    if given is not None and models:
        note(f"forecasts with {given.label} follow from the future that was given: they do not say how likely it is")
    for (failed_model, status), _ in failed.groupby(["model", "status"], sort=False):
        note(f"{failed_model} gave no forecast: {status}")
    raise typer.Exit(exit_code(stored=len(failed) < len(rows), failed=has_failed, strict=strict))


def _reasons(failed: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(f"{row.model}: {row.status}" for row in failed.itertuples()))


def _contour(
    record: GlacierRecord,
    *,
    until: str,
    models: list[str],
    cutoff: str | None,
    front_of: str | None,
    strict: bool,
    as_json: bool,
) -> None:
    from glaciertime.pipeline import front_of_contours, predict_contours
    from glaciertime.pipeline.runs import run_of_tables

    run = the_run()
    kind, told = front_of_contours(record, front_of=chosen_front(front_of))
    if told:
        note(f"{record.glacier}, calving front: {told}")
    failed = 0
    for model in models:
        rows = predict_contours(record, until=until, model=model, cutoff=cutoff, front_of=kind)
        has_failed = bool((rows["status"] != "ok").all())
        failed += has_failed
        if not (strict and has_failed):
            settings = {"models": [model], "cutoff": cutoff, "front_of": kind}
            made_by = run_of_tables(run, record, ("fronts", "centrelines", "observations"), settings=settings)
            record.archive.store_contours(rows, run=made_by)
            run.stored.append(f"fronts of {record.glacier} predicted by {model} in {record.archive.path}")
        table = rows.drop(columns="geometry")
        if as_json:
            print_json(table)
            continue
        source = rows["source"].iloc[0]
        typer.echo(
            f"{record.glacier}, calving front by {model}, {source}; lines and bands in the layer contours of "
            f"{record.archive.path}"
        )
        for row in table[table["kind"] != "front"].itertuples():
            what = "of its length" if row.kind == "band-share" else "chance of the whole front"
            typer.echo(f"  {row.target_date:%Y-%m-%d}  within {row.half_width_m:>8,.0f} m: {row.level:.0%} {what}")
        for status in table.loc[table["status"] != "ok", "status"].unique():
            note(f"{model} gave no front: {status}")
    raise typer.Exit(exit_code(stored=failed < len(models), failed=failed > 0, strict=strict))


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
    glacier, variable, method, footprint, dataset, front_of, source, unit, cutoff = names
    kind = f", {front_of}" if front_of else ""
    typer.echo(
        f"{glacier}, {variable} ({method}, {footprint}{kind}; {dataset}, {source}); known up to {cutoff:%Y-%m-%d}; "
        f"{what} in {unit}"
    )
    good = series[series["status"] == "ok"].assign(quantile=lambda table: table["quantile"].round(4))
    wide = good.pivot_table(index=["target_date", "model"], columns="quantile", values="value", sort=False)
    models = list(dict.fromkeys(series["model"]))
    typer.echo("  date        " + "".join(f"{model:>32}" for model in models))
    for date in sorted(series["target_date"].dropna().unique()):
        cells = []
        for model in models:
            if (date, model) in wide.index:
                row = wide.loc[(date, model)]
                cells.append(f"{row[0.5]:>12,.2f} [{row[0.05]:,.2f}, {row[0.95]:,.2f}]")
            else:
                cells.append("failed")
        typer.echo(f"  {str(date)[:10]}  " + "".join(f"{cell:>32}" for cell in cells))
