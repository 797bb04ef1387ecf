"""``glaciertime backtest``: what the forecasts of a glacier would have been worth."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    SchedulerOption,
    StrictOption,
    VariableOption,
    limit_threads,
    note,
    open_archive,
    split_names,
)
from glaciertime.cli.forecasting import (
    Tally,
    WeightsOption,
    chosen_front,
    covariates_of,
    failed_row,
    files_of,
    looked_at,
    own_networks,
)
from glaciertime.cli.running import the_run
from glaciertime.cli.selecting import AllOption, RegionOption, RgiOption, chosen_held, selection_of

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.pipeline.outlook import Outlook

__all__ = ["backtest"]


def backtest(
    glacier: GlaciersOption = None,
    every: AllOption = False,
    region: RegionOption = None,
    manifest: ManifestOption = None,
    rgi: RgiOption = None,
    model: ModelsOption = None,
    horizon: Annotated[
        list[str] | None, typer.Option(help="30d, 6m, 2y, or a number of observations; may be repeated.")
    ] = None,
    origins: Annotated[
        int, typer.Option(min=1, help="Forecast again from at most so many past dates, evenly spaced over the record.")
    ] = 20,
    metric: Annotated[list[str] | None, typer.Option(help="A score to print; may be repeated.")] = None,
    min_train: Annotated[int, typer.Option(min=2, help="Observations before the first origin.")] = 10,
    variable: VariableOption = None,
    method: MethodOption = None,
    footprint: FootprintOption = None,
    dataset: DatasetOption = None,
    front_of: FrontOfOption = None,
    covariates: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="CSV date,name,value: score models with it too, as if its future were known."
        ),
    ] = None,
    covariate_effect: Annotated[
        str, typer.Option(metavar="level|rate", help="Whether the value or its rate goes with the covariates.")
    ] = "level",
    season: Annotated[bool, typer.Option("--season", help="Score models with the season as a covariate too.")] = False,
    weights: WeightsOption = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    jobs: JobsOption = 1,
    scheduler: SchedulerOption = "",
    strict: StrictOption = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Forecast again from past dates with what was known then, score on what came, and store the scores.

    Examples:

    glaciertime backtest --glacier Crane

    glaciertime backtest --all --model last,kalman

    glaciertime backtest --glacier Crane --horizon 1y --horizon 5y --model last,drift

    glaciertime backtest --glacier Crane --covariates warmth.csv --covariate-effect rate
    """
    limit_threads()
    from rich.progress import Progress

    from glaciertime.cli.quiet import progress_console
    from glaciertime.errors import UsageError
    from glaciertime.forecast.judged.backtest import check_metrics
    from glaciertime.forecast.judged.verdict import verdicts
    from glaciertime.forecast.models import get_models
    from glaciertime.forecast.tasks import which_take_covariates
    from glaciertime.pipeline import default_models
    from glaciertime.pipeline.outlook import BacktestRequest, backtest_glacier

    store = open_archive(archive)
    chosen = chosen_held(store, selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi))
    metrics = split_names(metric) or None
    check_metrics(metrics, [])
    if len(covariates or ()) > 1:
        raise UsageError(
            "--covariates: what is scored is past and has no several futures; give one file of all covariates"
        )
    if not covariates and covariate_effect != "level":
        raise UsageError(f"--covariate-effect {covariate_effect} given without --covariates; give their file as well")
    given = covariates_of(covariates or (), effect=covariate_effect, season=season)
    models = split_names(model) or (["last", "kalman", "arima"] if given else default_models())
    get_models(models)
    if given:
        which_take_covariates(models)
    own = own_networks(weights, models=models)
    requests = [
        BacktestRequest(
            archive=archive, glacier=name, models=tuple(models), is_asked=bool(model), variable=variable, method=method,
            footprint=footprint, dataset=dataset, front_of=chosen_front(front_of),
            jobs=1 if len(chosen.names) > 1 or scheduler else jobs, origins=origins,
            horizons=tuple(split_names(horizon)) or ("1y", "2y", "5y"), min_train=min_train,
            metrics=tuple(metrics or ()), weights=own, covariates=given[0] if given else None,
        )
        for name in chosen.names
    ]  # fmt: skip
    run, tally = the_run(), Tally()

    def with_bar(request: BacktestRequest) -> Outlook:
        with Progress(console=progress_console(), transient=True) as bar:

            def progress(label: str) -> Callable[[int, int], None]:
                task = bar.add_task(label, total=None)
                return lambda done, total: bar.update(task, completed=done, total=total)

            return backtest_glacier(request, progress=progress)

    look = backtest_glacier if len(requests) > 1 or scheduler else with_bar
    with JsonRows() if as_json else nullcontext() as out:
        for outlook in looked_at(requests, look, chosen=chosen, what="scoring", jobs=jobs, scheduler=scheduler):
            tally.add(outlook)
            rows = outlook.rows
            if rows is None:
                if out is not None:
                    out.add([failed_row(outlook)])
                else:
                    typer.echo(f"{outlook.glacier}: failed")
                continue
            assert outlook.read is not None
            if not (strict and outlook.has_failed):
                files = {**files_of(weights), **files_of(covariates, what="covariates")}
                made_by = outlook.read.run(run, glacier=outlook.glacier, files=files, settings=outlook.settings)
                store.store_scores(rows, run=made_by)
                run.stored.append(f"{len(rows)} scores of {outlook.glacier} in {archive}")
                if len(told := verdicts(rows)):
                    store.store_verdicts(told, run=made_by)
                    run.stored.append(f"{len(told)} verdicts of {outlook.glacier} in {archive}")
            if out is not None:
                out.add(rows)
            else:
                _print(rows, metrics)
            for lost in outlook.settings["lost"]:
                note(f"{lost} gave no forecast at any origin")
    raise typer.Exit(tally.exit_code(strict=strict))


def _print(rows: pd.DataFrame, metrics: list[str] | None) -> None:
    from glaciertime.forecast.judged.backtest import OWN
    from glaciertime.forecast.judged.verdict import prognosis_texts, verdicts

    shown = metrics or ["mae", "rmse", "mape", "coverage_90"]
    for names, series in rows.groupby(
        ["glacier", "variable", "method", "footprint", "dataset", "front_of", "source"], sort=False
    ):
        glacier, variable, method, footprint, dataset, front_of, source = names
        kind = f", {front_of}" if front_of else ""
        typer.echo(f"{glacier}, {variable} ({method}, {footprint}{kind}; {dataset}, {source})")
        is_own = series["metric"].str.endswith(OWN)
        _print_block(series[~is_own], shown)
        if is_own.any():
            typer.echo("  each model on all forecasts of its own, which are not the same ones: no comparison")
            own = series[is_own]
            _print_block(own.assign(metric=own["metric"].str.removesuffix(OWN)), shown)
        told = verdicts(series)["verdict"].tolist()
        for text in told:
            typer.echo(f"  verdict, {text}")
        for text in prognosis_texts(series):
            typer.echo(f"  perfect prognosis, no forecast, {text}")


def _print_block(series: pd.DataFrame, shown: list[str]) -> None:
    from glaciertime.units import column_decimals

    wide = series.pivot_table(
        index=["horizon", "model", "n", "n_failed"], columns="metric", values="value", sort=False, dropna=False
    )
    columns = [metric for metric in shown if metric in wide.columns]
    has_skill = "skill_last" in wide.columns
    head = "".join(f"{name:>14}" for name in columns) + (f"{'skill over last':>28}" if has_skill else "")
    typer.echo(f"  {'horizon':<10}{'model':<16}{'n':>5}{'failed':>8}" + head)
    every = [*columns, "skill_last", "skill_last_lower", "skill_last_upper"] if has_skill else columns
    places = {name: column_decimals(wide[name], fewest=3) for name in columns}
    few = False
    for (ahead, model, count, failed), scores in wide[every].dropna(how="all").to_dict("index").items():
        numbers = "".join(f"{scores[name]:>14,.{places[name]}f}" for name in columns)
        if has_skill and scores["skill_last"] == scores["skill_last"]:
            low, high = scores["skill_last_lower"], scores["skill_last_upper"]
            has_interval = low == low
            few = few or not has_interval
            numbers += f"{scores['skill_last']:>10,.2f}" + (f" [{low:,.2f}, {high:,.2f}]" if has_interval else "")
        typer.echo(f"  {ahead:<10}{model:<16}{count:>5}{failed:>8}{numbers}")
    if has_skill:
        typer.echo(
            "  skill: 1 is perfect, 0 no better than the last value; 95 % intervals, blocks of five origins"
            + ("; none from fewer than eight blocks" if few else "")
        )
