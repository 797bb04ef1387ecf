"""``glaciertime backtest``: what the forecasts of a glacier would have been worth."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from glaciertime.cli.forecasting import series_of
from glaciertime.cli.messages import exit_code
from glaciertime.cli.running import the_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["backtest"]

_LOG = logging.getLogger("glaciertime.backtest")


def backtest(
    glacier: GlacierOption,
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
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    jobs: JobsOption = 1,
    strict: StrictOption = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Forecast again from past dates with what was known then, score on what came, and store the scores.

    Examples:

    glaciertime backtest --glacier Crane

    glaciertime backtest --glacier Crane --horizon 1y --horizon 5y --model last,drift
    """
    limit_threads()
    import pandas as pd
    from rich.console import Console
    from rich.progress import Progress

    from glaciertime.forecast import Origins, run_backtest, scores_of
    from glaciertime.forecast.judged.backtest import check_metrics
    from glaciertime.forecast.judged.skill import skill_scores
    from glaciertime.pipeline import default_models, other_glaciers
    from glaciertime.pipeline.runs import run_of_series
    from glaciertime.tables import by_series

    record = open_record(archive, glacier)
    chosen = series_of(
        record, variable=variable, method=method, footprint=footprint, dataset=dataset, front_of=front_of
    )
    metrics = split_names(metric) or None
    check_metrics(metrics, chosen)
    models = split_names(model) or default_models()
    run = the_run()
    parts, learned = [], []
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for series in chosen:
            task = bar.add_task(series.label, total=None)

            def advance(done: int, total: int, task: object = task) -> None:
                bar.update(task, completed=done, total=total)  # type: ignore[arg-type]

            others = other_glaciers(record, series, models=models)
            learned += others
            rule = Origins(min_train=min_train, step=_step(len(series), min_train, origins))
            _LOG.info(
                "%s: %d values, models %s, every %d-th observation an origin, %d series of other glaciers",
                series.label, len(series), ", ".join(models), rule.step, len(others),
            )  # fmt: skip
            result = run_backtest(
                [series],
                models=models,
                origins=rule,
                horizons=split_names(horizon) or ("1y", "2y", "5y"),
                training=others,
                jobs=jobs,
                progress=advance,
            )
            parts.append(scores_of(result, metrics=metrics))
            if metrics is None and "last" in models and len(models) > 1:
                parts.append(skill_scores(result))
    rows = pd.concat(parts, ignore_index=True)
    counts = by_series(rows, "model", sort=False)[["n", "n_failed"]].sum()
    lost = (counts["n"] == 0) & (counts["n_failed"] > 0)
    # That one of the usual models does not suit a series is told; it is a failure where the model was asked for.
    failed = bool(lost.all()) or (bool(model) and bool(lost.any()))
    if not (strict and failed):
        settings = {"models": models, "metrics": metrics or [], "origins": origins, "min_train": min_train}
        made_by = run_of_series(run, record, series=chosen, others=learned, settings=settings)
        record.archive.store_scores(rows, run=made_by)
        run.stored.append(f"{len(rows)} scores of {record.glacier} in {archive}")
    if as_json:
        print_json(rows)
    else:
        _print(rows, metrics)
    for key in counts.index[lost]:
        note(f"{key[0]}, {key[1]}: {key[-1]} gave no forecast at any origin")
    raise typer.Exit(exit_code(stored=not lost.all(), failed=failed, strict=strict))


def _step(count: int, min_train: int, origins: int) -> int:
    """Return the observations between origins, so that at most so many of them fit behind the first."""
    return max(1, -(-(count - min_train) // origins))


def _print(rows: pd.DataFrame, metrics: list[str] | None) -> None:
    shown = metrics or ["mae", "rmse", "mape", "coverage_90"]
    for names, series in rows.groupby(
        ["glacier", "variable", "method", "footprint", "dataset", "front_of", "source"], sort=False
    ):
        glacier, variable, method, footprint, dataset, front_of, source = names
        kind = f", {front_of}" if front_of else ""
        typer.echo(f"{glacier}, {variable} ({method}, {footprint}{kind}; {dataset}, {source})")
        wide = series.pivot_table(
            index=["horizon", "model", "n", "n_failed"], columns="metric", values="value", sort=False, dropna=False
        )
        columns = [metric for metric in shown if metric in wide.columns]
        has_skill = "skill_last" in wide.columns
        head = "".join(f"{name:>14}" for name in columns) + (f"{'skill over last':>28}" if has_skill else "")
        typer.echo(f"  {'horizon':<10}{'model':<16}{'n':>5}{'failed':>8}" + head)
        every = [*columns, "skill_last", "skill_last_lower", "skill_last_upper"] if has_skill else columns
        for (ahead, model, count, failed), scores in wide[every].dropna(how="all").to_dict("index").items():
            numbers = "".join(f"{scores[name]:>14,.3f}" for name in columns)
            if has_skill and scores["skill_last"] == scores["skill_last"]:
                low, high = scores["skill_last_lower"], scores["skill_last_upper"]
                numbers += f"{scores['skill_last']:>10,.2f} [{low:,.2f}, {high:,.2f}]"
            typer.echo(f"  {ahead:<10}{model:<16}{count:>5}{failed:>8}{numbers}")
        if has_skill:
            typer.echo("  skill: 1 is perfect, 0 no better than the last value; 95 % intervals, blocks of five origins")
