"""What the forecast of one series of an archive hangs on."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from glaciertime.archive import Archive
from glaciertime.errors import UsageError
from glaciertime.forecast.judged.influence import Influence, influence_of
from glaciertime.forecast.learned.network_weights import NetworkWeights
from glaciertime.forecast.predict import target_dates_until
from glaciertime.pipeline.forecasting import choose_series
from glaciertime.pipeline.learning import learning_of
from glaciertime.pipeline.runs import SeriesRead, series_read
from glaciertime.record import GlacierRecord

__all__ = ["InfluenceRequest", "explain_glacier"]


@dataclass(frozen=True, kw_only=True)
class InfluenceRequest:
    """Whose forecast is explained, and how; see ``glaciertime explain-forecast --help``."""

    archive: Archive
    #: Its name in the archive.
    glacier: str
    until: str
    model: str
    cutoff: str | None = None
    latest: int = 60
    variable: str | None = None
    method: str | None = None
    footprint: str | None = None
    dataset: str | None = None
    front_of: str | None = None
    weights: tuple[NetworkWeights, ...] = ()


def explain_glacier(request: InfluenceRequest) -> tuple[Influence, SeriesRead]:
    """Return what the forecast of one series hangs on at the last date asked for, and what was read for it.

    Raises
    ------
    UsageError
        If several series are meant.
    InputError
        If there is none, or it is too short.
    """
    record = GlacierRecord(request.archive, request.glacier)
    chosen = choose_series(
        record, variable=request.variable, method=request.method, footprint=request.footprint,
        dataset=request.dataset, front_of=request.front_of,
    )  # fmt: skip
    if len(chosen) > 1:
        names = ("variable", "method", "footprint", "dataset", "front_of")
        apart = [name for name in names if len({getattr(one, name) for one in chosen}) > 1]
        each = "; ".join(
            " ".join(f"--{name.replace('_', '-')} {shlex.quote(str(getattr(one, name)))}" for name in apart)
            for one in chosen
        )
        raise UsageError(f"{record.glacier} has {len(chosen)} series; one is explained, say which: {each}")
    (series,) = chosen
    known = series if request.cutoff is None else series.until(request.cutoff)
    target = target_dates_until(known if len(known) else series, request.until)[-1]
    learning = learning_of(record, series, models=(request.model,))
    found = influence_of(
        series, model=request.model, date=target, cutoff=request.cutoff, latest=request.latest,
        training=learning.training, kept=learning.kept, weights=request.weights,
    )  # fmt: skip
    return found, series_read(record, series=[series], others=learning.others)
