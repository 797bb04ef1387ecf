"""What if: the recent rate held, doubled or stopped. A scenario is an assumption, not a forecast, and is named so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.errors import InputError, UsageError
from glaciertime.forecast.local.simple import Last
from glaciertime.forecast.predict import make_task, outcome_table
from glaciertime.forecast.prediction import DEFAULT_LEVELS, from_student, quantiles_of
from glaciertime.forecast.profile import Profile
from glaciertime.forecast.regime import answer_without_model, present_regime
from glaciertime.forecast.series import Series, as_years
from glaciertime.forecast.task import Outcome, bound
from glaciertime.naming import counted
from glaciertime.tables import validate

__all__ = ["PREFIX", "SCENARIOS", "scenario_series"]

#: How the name of every scenario begins, where a forecast has the name of its model.
PREFIX = "scenario-"

#: What the recent rate is multiplied by.
SCENARIOS = {"held": 1.0, "doubled": 2.0, "zero": 0.0}


def scenario_series(
    series: Series, *, scenario: str, target_dates: Any, recent_years: float = 10.0, cutoff: Any = None,
    profile: Profile | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return the values that would follow if the recent rate were held, doubled or zero from the last value on.

    Parameters
    ----------
    series : Series
    scenario : {"held", "doubled", "zero"}
    target_dates : (D,) dates
        After the cutoff.
    recent_years : float
        The rate is that of a line fitted by least squares to the last so many years, three values at least, of the
        present regime (:func:`glaciertime.forecast.regime.present_regime`).
    cutoff : date, optional
    profile : Profile, optional
        Fjord width, depth or cross-section along the centreline, for front positions: the rate times the profile is
        then what is held, doubled or zero, and the model is named ``scenario-held+profile``.

    Returns
    -------
    DataFrame
        The corridor's ``forecasts``, model ``scenario-held`` and so on. The interval is that of a random walk
        around the scenario: it says nothing of how likely the scenario is.

    Raises
    ------
    UsageError
        If the scenario is not known.
    InputError
        If fewer than three values are known, ``recent_years`` is not positive, or a profile is given for another
        variable than ``front_position_m``, or does not reach as far as the front would go.

    Examples
    --------
    >>> from glaciertime.forecast.example import straight_series
    >>> line = straight_series(rate_per_year=-2.0)
    >>> table = scenario_series(line, scenario="doubled", target_dates=["2011-01-01"])
    >>> table.loc[table["quantile"] == 0.5, "value"].round(1).item()
    76.0
    """
    if scenario not in SCENARIOS:
        raise UsageError(f"there is no scenario {scenario!r}; give one of {', '.join(SCENARIOS)}")
    if not recent_years > 0:
        raise InputError(f"recent years {recent_years} must be positive")
    if profile is not None and series.variable != "front_position_m":
        raise InputError(f"{series.label}: a profile along the centreline says nothing of {series.variable}; "
                         "give --variable front_position_m")  # fmt: skip
    task = make_task(series, cutoff=cutoff, target_dates=target_dates)
    answered = answer_without_model(task.series, task.dates, quantiles_of(DEFAULT_LEVELS))
    # A break that is behind the record is no rate, and a value that is hardly believed no start.
    seen = present_regime(task.series).series
    task = replace(task, series=seen)
    if len(seen) < 3:
        raise InputError(
            f"{series.label}: {counted(len(seen), 'observations')}, a rate needs 3; add more, or a later cutoff"
        )
    recent = seen.years >= seen.years[-1] - recent_years
    recent[-3:] = True
    years, values = seen.years[recent], seen.values[recent]
    centred = years - years.mean()
    rate = float(centred @ values / (centred @ centred)) * SCENARIOS[scenario]
    walk = Last().fit(seen)
    ahead = as_years(task.dates) - seen.years[-1]
    last = float(seen.values[-1])
    centre = last + rate * ahead if profile is None else profile.carry(last, rate_m=rate, years=ahead)
    prediction = from_student(task.dates, centre, np.sqrt(walk.variance_per_year * ahead), degrees=walk.degrees,
                              levels=DEFAULT_LEVELS)  # fmt: skip
    name = f"{PREFIX}{scenario}" + ("" if profile is None else "+profile")
    made = prediction.values if answered is None else answered
    outcome = Outcome(bound(made, task, prediction.quantiles), "ok")
    return validate(outcome_table(task, name, outcome, prediction.quantiles), "forecasts")
