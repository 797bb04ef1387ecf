"""What a forecast hangs on: each past observation, by leaving it out, and each input of the trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.errors import FitError, InputError
from glaciertime.forecast.learned.kept import Kept
from glaciertime.forecast.learned.network_weights import NetworkWeights
from glaciertime.forecast.predict import make_task
from glaciertime.forecast.regime import present_regime
from glaciertime.forecast.series import Series
from glaciertime.forecast.tasks import run_tasks
from glaciertime.naming import agreeing, counted

__all__ = ["LEVEL", "Influence", "influence_of"]

#: Coverage of the interval whose width is looked at.
LEVEL = 0.9
_TREES = "gbm"
#: What takes the trees' forecast into its own.
_WITH_TREES = ("auto", "ensemble")
#: Where the median over more than so many observations moves the forecast by more than this share of the most that any
#: does, no single observation is what it hangs on.
_FEW, _COMMON = 5, 0.2


@dataclass(frozen=True, eq=False)
class Influence:
    """What a forecast of one date hangs on.

    Attributes
    ----------
    series : Series
        What the forecaster saw.
    model : str
    date : datetime64[D]
        That is forecast.
    median, width : float
        Of the forecast: its median, and that of its 90 % interval, in the unit of the values.
    observations : DataFrame
        ``date, value, median, width`` without the observation, ``moves_median, moves_width``: the forecast less that
        without it; ``status`` is ``ok``, or why there is no forecast without it. In order of the dates.
    inputs : DataFrame
        ``input, moves_median`` of the trees; empty of other models.
    told : tuple of str
        What was assumed.
    """

    series: Series
    model: str
    date: np.datetime64
    median: float
    width: float
    observations: pd.DataFrame
    inputs: pd.DataFrame
    told: tuple[str, ...] = ()


def influence_of(
    series: Series,
    *,
    model: str,
    date: Any,
    cutoff: Any = None,
    latest: int = 60,
    training: Sequence[Series] = (),
    kept: Kept | None = None,
    weights: Sequence[NetworkWeights] = (),
    seed: int = 0,
) -> Influence:
    """Return what the forecast of a series at a date hangs on.

    Each of the latest observations is left out in turn, and everything is done again without it: the screening of
    regimes, the fit, the interval. The cutoff stays where it is, so that the forecast is as far ahead.

    Parameters
    ----------
    series : Series
    model : str
        A name of :func:`glaciertime.forecast.model_names`.
    date : date
        After the cutoff.
    cutoff : date, optional
        See no value after it; the last observation by default.
    latest : int
        So many observations are left out in turn, the latest; older ones are in every forecast.
    training, kept, weights, seed
        See :func:`.predict.forecast_series`.

    Raises
    ------
    InputError
        If the series has fewer than three observations up to the cutoff, or the date does not lie after it.
    FitError
        If the model gives no forecast.

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_series
    >>> found = influence_of(straight_series(rate_per_year=-2.0), model="last", date="2012-01-01")
    >>> found.median, found.observations.loc[found.observations["moves_median"] != 0, "value"].tolist()
    (80.0, [80.0])
    """
    whole = make_task(series, cutoff=cutoff, target_dates=[date])
    seen = whole.series
    if len(seen) < 3:
        raise InputError(f"{series.label}: {counted(len(seen), 'observations')} up to {whole.cutoff}; of three or "
                         "more each can be "
                         "left out")  # fmt: skip
    if latest < 1:
        raise InputError(f"{counted(latest, 'observations')} to leave out asked for, at least 1 expected")
    places = range(max(0, len(seen) - latest), len(seen))
    tasks = [whole, *(replace(whole, series=seen.take(np.arange(len(seen)) != place)) for place in places)]
    outcomes = run_tasks(
        tasks, models=[model], levels=(LEVEL,), training=training, seed=seed, kept=kept, weights=weights
    )[model]  # fmt: skip
    if outcomes[0].status != "ok":
        raise FitError(f"{series.label}: {model} gives no forecast to explain: {outcomes[0].status}")
    low, median, high = (float(value) for value in outcomes[0].values[0])
    rows = []
    for place, outcome in zip(places, outcomes[1:], strict=True):
        below, middle, above = outcome.values[0] if outcome.status == "ok" else (np.nan,) * 3
        rows.append(
            {
                "date": pd.Timestamp(seen.dates[place]), "value": float(seen.values[place]), "median": float(middle),
                "width": float(above - below), "moves_median": median - float(middle),
                "moves_width": (high - low) - float(above - below), "status": outcome.status,
            }
        )  # fmt: skip
    told = [*seen.notes]
    if places.start:
        told.append(
            f"{counted(places.start, 'observations')} before {seen.dates[places.start]} "
            f"{agreeing(places.start, 'were')} left in; --last tries more"
        )
    moved = np.array([row["moves_median"] for row in rows if row["status"] == "ok"])
    if len(moved) > _FEW and abs(np.median(moved)) > _COMMON * np.abs(moved).max() > 0:
        told.append(
            f"without almost any one observation the median moves by about {np.median(moved):+.3g} {series.unit}: that "
            "is of a threshold that the whole record is near to, and not of single observations"
        )
    inputs = pd.DataFrame(columns=["input", "moves_median"])
    if model in _WITH_TREES:
        told.append(f"{model} is made of several forecasters; what each input of its trees changes is told of {_TREES}")
    if model == _TREES:
        inputs = _inputs(whole, training=training, kept=kept, seed=seed)
    return Influence(seen, model, whole.dates[0], median, high - low, pd.DataFrame(rows), inputs, tuple(told))


def _inputs(task: Any, *, training: Sequence[Series], kept: Kept | None, seed: int) -> pd.DataFrame:
    """Return by how much each input moves the trees' forecast."""
    from glaciertime.forecast.learned.pooled import Workbench

    settled = replace(task, series=present_regime(task.series).series)
    others = [one for one in training if one.variable == task.series.variable]
    effects = Workbench([settled], others, (LEVEL,), 1, seed, kept=kept).input_effects(0)
    found = pd.DataFrame(
        [{"input": name, "moves_median": float(moved[0])} for name, moved in effects], columns=["input", "moves_median"]
    )
    return found.sort_values("moves_median", key=np.abs, ascending=False, ignore_index=True)
