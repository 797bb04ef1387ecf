"""Forecasts and backtests of one glacier, or of many: what is asked, and what came of it.

A request holds all that a process needs, and an outcome all that is stored and said: who stores reads nothing again.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.archive import Archive, Place
from glaciertime.errors import GlacierTimeError
from glaciertime.forecast import Origins, forecast_series, run_backtest, scores_of, target_dates_until
from glaciertime.forecast.covariates import Covariates, check_one_past, is_conditional
from glaciertime.forecast.judged.backtest import PERCENTAGES, check_metrics, percentages_refused
from glaciertime.forecast.judged.skill import skill_scores
from glaciertime.forecast.learned.network_weights import NetworkWeights
from glaciertime.forecast.predict import reach_text
from glaciertime.forecast.regime import break_texts, since_gone
from glaciertime.forecast.scenario import scenario_series
from glaciertime.forecast.screening import forget_later_flags
from glaciertime.forecast.series import Series, as_days, as_years
from glaciertime.forecast.task import MIN_MIXED
from glaciertime.naming import counted
from glaciertime.pipeline.forecasting import choose_series, front_of_contours, predict_contours
from glaciertime.pipeline.learning import learning_of
from glaciertime.pipeline.runs import SeriesRead, series_read, tables_read
from glaciertime.pipeline.work import Task, Where, run_tasks
from glaciertime.record import GlacierRecord
from glaciertime.tables import SERIES_KEY, by_series
from glaciertime.units import as_date
from glaciertime.walls import wall

__all__ = [
    "BacktestRequest",
    "ContourRequest",
    "ForecastRequest",
    "Outlook",
    "backtest_glacier",
    "contour_glacier",
    "forecast_glacier",
    "many",
]

Progress = Callable[[int, int], None]
#: At so many glaciers is looked for what models across glaciers learn from.
_LOOKED_AT = 8


@dataclass(frozen=True, kw_only=True)
class _Request:
    archive: Place
    #: Its name in the archive.
    glacier: str
    variable: str | None = None
    method: str | None = None
    footprint: str | None = None
    dataset: str | None = None
    front_of: str | None = None
    #: Processes for the models of one glacier.
    jobs: int = 1
    #: Networks of the user's own, in place of the shipped ones of their model.
    weights: tuple[NetworkWeights, ...] = ()
    #: A name for all requests of one command: what they have in common is read once.
    command: str = ""

    def record(self) -> GlacierRecord:
        """Return what the archive holds of the glacier."""
        return GlacierRecord(Archive(self.archive), self.glacier)

    def series(self, record: GlacierRecord) -> list[Series]:
        """Return the series that are meant."""
        return choose_series(
            record, variable=self.variable, method=self.method, footprint=self.footprint, dataset=self.dataset,
            front_of=self.front_of,
        )  # fmt: skip

    def cutoffs(self, series: Series) -> NDArray[np.float64]:
        """Return from which dates a series is forecast at most, in years since 1970."""
        return series.years


@dataclass(frozen=True, kw_only=True)
class ForecastRequest(_Request):
    """What is to be forecast of a glacier, and how."""

    until: str
    models: tuple[str, ...]
    #: Whether models or scenarios were asked for by name: then it is a failure where one gives nothing.
    is_asked: bool = False
    cutoff: str | None = None
    #: Several are several futures, which share their past.
    covariates: tuple[Covariates, ...] = ()
    scenarios: tuple[str, ...] = ()
    profile: Any = None

    def cutoffs(self, series: Series) -> NDArray[np.float64]:
        """Return from which date a series is forecast, in years since 1970."""
        return series.years[-1:] if self.cutoff is None else as_years(as_days([self.cutoff]))


@dataclass(frozen=True, kw_only=True)
class ContourRequest(_Request):
    """Which fronts of a glacier are to be predicted, and how."""

    until: str
    models: tuple[str, ...]
    cutoff: str | None = None


@dataclass(frozen=True, kw_only=True)
class BacktestRequest(_Request):
    """What of a glacier is to be forecast again, and how it is scored."""

    models: tuple[str, ...]
    is_asked: bool = False
    horizons: tuple[str, ...] = ("1y", "2y", "5y")
    origins: int = 20
    min_train: int = 10
    metrics: tuple[str, ...] = ()
    covariates: Covariates | None = None


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What came of looking ahead from one glacier: rows to be stored, or the reason why there are none."""

    glacier: str
    #: Of the table ``forecasts``, ``contours`` or ``scores``.
    rows: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    #: What it rests on, for the run that is kept with it.
    read: SeriesRead | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Whether something that was asked for gave nothing, and whether all did.
    has_failed: bool = False
    has_nothing: bool = False
    error: str = ""
    exit_code: int = 0


def many(
    requests: Sequence[Any], look: Callable[[Any], Outlook], *, jobs: int = 1, scheduler: str = ""
) -> Iterator[Outlook]:
    """Yield the outlook of every request in their order; what fails of one is an outcome and stops nothing.

    Parameters
    ----------
    requests : sequence
    look : callable
        A function of a module, that does one.
    jobs : int
        Processes; 1 stays in this one.
    scheduler : str
        Address of a Dask scheduler whose workers do it; they have to see the archive.
    """
    paths: dict[Path, None] = {}
    command = uuid.uuid4().hex
    requests = [replace(request, command=command) for request in requests]
    if scheduler:
        requests = [_absolute(request) for request in requests]
        paths = dict.fromkeys(request.archive for request in requests if isinstance(request.archive, Path))
    if jobs > 1 and len(requests) > 1 and not scheduler:
        _learn_ahead(requests, jobs=jobs)
    tasks = (Task(name=request.glacier, call=partial(_outlook_of, look), given=request) for request in requests)
    for result in run_tasks(
        tasks, where=Where(jobs=jobs, scheduler=scheduler, paths=tuple(paths)), total=len(requests)
    ):
        name = result.task.name
        yield result.value or Outlook(glacier=name, error=f"{name}: {result.lost}", exit_code=1, has_failed=True)


def _learn_ahead(requests: Sequence[Any], *, jobs: int) -> None:
    """Let all processes learn together what each of them would learn for itself: what a few glaciers ask for."""
    requests = [request for request in requests if isinstance(request, ForecastRequest | BacktestRequest)]
    names = {request.glacier for request in requests}
    seen: set[tuple[str, str]] = set()
    for request in requests[:: max(1, len(requests) // _LOOKED_AT)]:
        # What goes wrong is told where the glacier is forecast.
        with suppress(GlacierTimeError), wall(f"{request.glacier}: it cannot be learned from", "it is tried again"):
            record = request.record()
            for series in request.series(record):
                if (series.variable, series.source) in seen:
                    continue
                seen.add((series.variable, series.source))
                learning = learning_of(
                    record, series, models=request.models, command=request.command, jobs=jobs
                )  # fmt: skip
                if isinstance(request, ForecastRequest) and request.covariates:
                    continue  # trees that see covariates are others, which nothing keeps
                asked = [one for one in learning.training if one.glacier in names]
                learning.answer(np.concatenate([np.empty(0), *map(request.cutoffs, asked)]), jobs=jobs)


def _absolute(request: Any) -> Any:
    """Return a request with the absolute path of its archive: a worker of a cluster stands in another folder."""
    archive = request.archive
    return replace(request, archive=archive.resolve()) if isinstance(archive, Path) else request


def _outlook_of(look: Callable[[Any], Outlook], request: Any) -> Outlook:
    try:
        with wall(f"{request.glacier}: it cannot be done", "this is a defect: please report it, with the archive"):
            return look(request)
    except GlacierTimeError as error:
        return Outlook(glacier=request.glacier, error=str(error), exit_code=error.exit_code, has_failed=True)


def forecast_glacier(request: ForecastRequest) -> Outlook:
    """Forecast the series of one glacier at real dates.

    Raises
    ------
    GlacierTimeError
        Where it has no such series, or a date or a model is none; what single models fail at is in the rows.
    """
    record = request.record()
    chosen = request.series(record)
    parts, learned, told = [], [], []
    for series in chosen:
        known = series if request.cutoff is None else series.until(request.cutoff)
        targets = target_dates_until(known if len(known) else series, request.until)
        if request.cutoff is not None:
            targets = targets[targets > np.datetime64(as_date(request.cutoff))]
        if request.models and len(known):
            seen = known.screened() if request.cutoff is None else forget_later_flags(known)
            present = since_gone(seen)
            texts = [*break_texts(seen), reach_text(present, targets)]
            told += [f"{series.label}: {text}" for text in texts if text]
            if "auto" in request.models and len(present) < MIN_MIXED:
                told.append(
                    f"{series.label}: {counted(len(present), 'values', 'say')} too little for a mix of models; auto is "
                    "the last value"
                )
        if request.models:
            learning = learning_of(
                record, series, models=request.models, command=request.command, jobs=request.jobs
            )  # fmt: skip
            learned += learning.others
            logging.getLogger("glaciertime.forecast").info(
                "%s: %d values up to %s, models %s, %d other series to learn from", series.label, len(known),
                known.dates[-1] if len(known) else "nothing", ", ".join(request.models), len(learning.others),
            )  # fmt: skip
            check_one_past(request.covariates, label=series.label, until=request.cutoff or series.dates[-1])
            parts += [
                forecast_series(
                    series, models=list(request.models), target_dates=targets, cutoff=request.cutoff,
                    training=learning.training, jobs=request.jobs, covariates=given, kept=learning.kept,
                    weights=request.weights,
                )
                for given in request.covariates or (None,)
            ]  # fmt: skip
        parts += [
            scenario_series(series, scenario=name, target_dates=targets, cutoff=request.cutoff, profile=request.profile)
            for name in request.scenarios
        ]
    rows = pd.concat(parts, ignore_index=True)
    failed = rows[rows["status"] != "ok"]
    reasons = list(dict.fromkeys(f"{row.model}: {row.status}" for row in failed.itertuples()))
    return Outlook(
        glacier=request.glacier,
        rows=rows,
        notes=(*_notes(chosen), *told),
        read=series_read(record, series=chosen, others=learned),
        settings={
            "models": list(request.models), "scenarios": list(request.scenarios), "cutoff": request.cutoff,
            "failed": reasons,
        },
        # That one of the usual models does not suit a series is told; it is a failure where the model was asked for.
        has_failed=len(failed) == len(rows) or (request.is_asked and len(failed) > 0),
        has_nothing=len(failed) == len(rows),
    )  # fmt: skip


def contour_glacier(request: ContourRequest) -> Outlook:
    """Predict the calving front of one glacier with each of the models.

    Raises
    ------
    GlacierTimeError
        Where it has no front of the kind, or no line to carry it along.
    """
    record = request.record()
    kind, told = front_of_contours(record, front_of=request.front_of)
    parts = [
        predict_contours(record, until=request.until, model=model, cutoff=request.cutoff, front_of=kind)
        for model in request.models
    ]
    failed = [bool((rows["status"] != "ok").all()) for rows in parts]
    stayed = [_stayed(record.glacier, model, rows) for model, rows in zip(request.models, parts, strict=True)]
    rows = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), geometry="geometry", crs=parts[0].crs)
    return Outlook(
        glacier=request.glacier,
        rows=rows,
        notes=(*((f"{record.glacier}, calving front: {told}",) if told else ()), *filter(None, stayed)),
        read=tables_read(record, ("fronts", "centrelines", "observations")),
        settings={"models": list(request.models), "cutoff": request.cutoff, "front_of": kind},
        has_failed=any(failed),
        has_nothing=all(failed),
    )


def _stayed(glacier: str, model: str, rows: gpd.GeoDataFrame) -> str:
    """Return the sentence that says where the last front is the forecast; empty where it nowhere is."""
    dates = rows.attrs.get("stayed", [])
    count = rows["target_date"].nunique()
    if not dates or model == "last":
        return ""
    where = "" if len(dates) == count else f" at {len(dates)} of {counted(count, 'dates')}, the first {dates[0]}"
    return (
        f"{glacier}, calving front by {model}: moving it has not surely paid from earlier dates: the last front is the "
        f"forecast{where}"
    )


def backtest_glacier(request: BacktestRequest, *, progress: Callable[[str], Progress] | None = None) -> Outlook:
    """Forecast again from past dates of one glacier, and score on what came.

    Raises
    ------
    GlacierTimeError
        Where it has no such series, or a model or a score is none.
    """
    record = request.record()
    chosen = request.series(record)
    metrics = list(request.metrics) or None
    check_metrics(metrics, chosen)
    left_out = " and ".join(name for name in request.metrics if name in PERCENTAGES)
    told = [
        f"{series.label}: no {left_out}, its zero is arbitrary and a percentage means nothing"
        for series in percentages_refused(metrics, chosen)
    ]
    parts, learned = [], []
    for series in chosen:
        learning = learning_of(
            record, series, models=request.models, command=request.command, jobs=request.jobs
        )  # fmt: skip
        learned += learning.others
        rule = Origins(min_train=request.min_train, step=_step(len(series), request.min_train, request.origins))
        logging.getLogger("glaciertime.backtest").info(
            "%s: %d values, models %s, every %d-th observation an origin, %d series of other glaciers",
            series.label, len(series), ", ".join(request.models), rule.step, len(learning.others),
        )  # fmt: skip
        result = run_backtest(
            [series], models=list(request.models), origins=rule, horizons=request.horizons,
            training=learning.training, jobs=request.jobs,
            progress=None if progress is None else progress(series.label), kept=learning.kept,
            weights=request.weights, covariates=request.covariates,
        )  # fmt: skip
        told += _prognosis(series, result.rows["model"].unique(), request.covariates)
        parts.append(scores_of(result, metrics=metrics))
        if metrics is None and "last" in request.models and len(request.models) > 1:
            parts.append(skill_scores(result))
    rows = pd.concat(parts, ignore_index=True)
    # The rows of a comparison count what all models answered, those of a model alone all that it did.
    counts = by_series(rows, "model", "horizon", sort=False)[["n", "n_failed"]].max()
    counts = counts.groupby(level=[*SERIES_KEY, "model"], sort=False).sum()
    lost = (counts["n"] == 0) & (counts["n_failed"] > 0)
    return Outlook(
        glacier=request.glacier,
        rows=rows,
        notes=(*_notes(chosen), *told),
        read=series_read(record, series=chosen, others=learned),
        settings={
            "models": list(request.models), "metrics": list(request.metrics), "origins": request.origins,
            "min_train": request.min_train, "covariates": request.covariates.label if request.covariates else "",
            "lost": [f"{key[0]}, {key[1]}: {key[-1]}" for key in counts.index[lost]],
        },
        has_failed=bool(lost.all()) or (request.is_asked and bool(lost.any())),
        has_nothing=bool(lost.all()),
    )  # fmt: skip


def _prognosis(series: Series, models: Sequence[str], covariates: Covariates | None) -> list[str]:
    """Return what the scores of a series with covariates are, so that nobody takes them for those of forecasts."""
    if covariates is None:
        return []
    behind = f"+{covariates.label}"
    given = [model for model in models if model.endswith(behind)]
    blind = [model for model in models if not model.endswith(behind) and f"{model}{behind}" not in given]
    told = []
    if is_conditional(given[0]):
        told.append(
            f"{series.label}: {', '.join(given)} is perfect prognosis, no forecast: it was given what "
            f"{' and '.join(covariates.names)} came to after every origin, which a forecast has to know beforehand; no "
            "verdict rests on it"
        )
    if blind:
        told.append(f"{series.label}: scored without {covariates.label.replace('+', ' and ')}, which they do not take: "
                    f"{', '.join(blind)}")  # fmt: skip
    return told


def _step(count: int, min_train: int, origins: int) -> int:
    """Return the observations between origins, so that at most so many of them fit behind the first."""
    return max(1, -(-(count - min_train) // origins))


def _notes(chosen: Sequence[Series]) -> tuple[str, ...]:
    return tuple(f"{series.label}: {text}" for series in chosen for text in series.notes)
