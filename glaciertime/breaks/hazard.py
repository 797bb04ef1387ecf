"""How often such glaciers break: a base rate of large losses per year of exposure, with its interval."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.combining import are_bounds, one_per_day
from glaciertime.tables import by_series, empty, validate, variable_named
from glaciertime.units import DAYS_PER_YEAR

__all__ = ["HAZARD_COLUMNS", "Loss", "Watch", "hazard_table", "hazard_text", "hazards_of", "losses", "watched"]

HAZARD_COLUMNS = (
    "terminus", "variable", "glaciers", "exposure_years", "losses", "rate_per_year", "low", "high", "reading", "source",
)  # fmt: skip

#: A loss is an event where so much is gone within a year
_LOST = 0.2
_WITHIN_YEARS = 1.0
#: and not regained in so many.
_NOT_REGAINED_YEARS = 5.0
#: Losses less than this apart are one that goes on.
_ONE_WITHIN_YEARS = 0.5
#: Dates of one season differ by some weeks from year to year.
_SLACK_YEARS = 0.1
#: From fewer events no rate is given.
_LEAST_EVENTS = 10
#: Expected counts that are tried,
_COUNTS = 4000
#: and how much higher than the rate what was seen is said to be.
_MARKEDLY = 1.05
_UNKNOWN = "not known"
#: An embayment has no more parts; so many glaciers of one name are numbered.
_MOST_PARTS = 12
#: What many glaciers are called that have nothing in common.
_NO_NAMES = {"glacier", "gletscher", "unnamed", "unnamed glacier", "no name", "unknown", "site", "region", "lake",
             "basin", "shelf", "ice shelf", "outlet", "terminus"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A large loss that was not regained: after ``after`` and not after ``before``, of ``start`` to ``end``."""

    glacier: str
    after: np.datetime64
    before: np.datetime64
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Watch:
    """When a glacier was watched for large losses, and those that were seen.

    Attributes
    ----------
    spans : tuple of (float, float)
        Years since 1970, in order of time, none over another.
    """

    glacier: str
    terminus: str
    variable: str
    spans: tuple[tuple[float, float], ...]
    losses: tuple[Loss, ...]
    source: str

    @property
    def exposure_years(self) -> float:
        """How long it was watched."""
        return math.fsum(end - start for start, end in self.spans)


def losses(
    dates: NDArray[np.datetime64], values: NDArray[np.float64], *, glacier: str = ""
) -> tuple[tuple[tuple[float, float], ...], tuple[Loss, ...]]:
    """Return when a large loss would have been seen, and the losses seen.

    A large loss takes at least a fifth of the value within a year, in one go or in several, and no observation of the
    five years behind it is above four fifths of the value before. A value that stands above the year before it by more
    than half of that is an outlier and what follows no loss. Only intervals between two observations of a year or less
    count as exposure, and only what has five years of record behind it: of a later loss nobody knows whether it will be
    regained. Losses less than half a year apart are one.

    Parameters
    ----------
    dates : (N,) datetime64[D]
        Increasing.
    values : (N,) float64
        On a scale on which zero means none.
    glacier : str

    Returns
    -------
    spans : tuple of (float, float)
        Start and end in years since 1970.
    losses : tuple of Loss

    Examples
    --------
    >>> dates = np.array([f"{year}-03-01" for year in range(1995, 2010)], dtype="M8[D]")
    >>> spans, found = losses(dates, np.where(dates < np.datetime64("2002-01-01"), 100.0, 40.0))
    >>> round(sum(end - start for start, end in spans), 1), [(str(one.after), str(one.before)) for one in found]
    (9.0, [('2001-03-01', '2002-03-01')])
    """
    years = dates.astype("M8[D]").astype(float) / DAYS_PER_YEAR
    reach = _WITHIN_YEARS + _SLACK_YEARS
    quiet = len(values) > 0 and values.min() > (1 - _LOST) * values.max()
    # The last value that has five years of record behind it.
    last = (
        int(np.searchsorted(years, years[-1] - _NOT_REGAINED_YEARS + _SLACK_YEARS, "right")) - 1 if len(years) else -1
    )
    watched_in, spans = list[tuple[float, float]](), list[tuple[int, int]]()
    for k in range(last):
        if years[k + 1] - years[k] > reach or values[k] <= 0:
            continue
        watched_in.append((float(years[k]), float(years[k + 1])))
        if quiet:
            continue
        limit = (1 - _LOST) * values[k]
        if k:
            before = min(int(np.searchsorted(years, years[k] - reach)), k - 1)
            limit = min(limit, (1 - _LOST / 2) * float(values[before:k].max()))
        for j in range(k + 1, min(last + 1, int(np.searchsorted(years, years[k] + reach, "right")))):
            if values[j] > limit:
                continue
            behind = slice(j, int(np.searchsorted(years, years[j] + _NOT_REGAINED_YEARS, "right")))
            if not (values[behind] > limit).any():
                spans.append((k, j))
                break
    found: list[Loss] = []
    for k, j in _apart(spans, years):
        one = Loss(glacier=glacier, after=dates[k], before=dates[j], start=float(values[k]), end=float(values[j]))
        if found and (one.after - found[-1].before) / np.timedelta64(1, "D") < _ONE_WITHIN_YEARS * DAYS_PER_YEAR:
            first = found.pop()
            one = Loss(glacier=glacier, after=first.after, before=one.before, start=first.start, end=one.end)
        found.append(one)
    return _joined(watched_in), tuple(found)


def _joined(spans: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return the time that spans cover, in order: what several cover counts once."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def _apart(spans: list[tuple[int, int]], years: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return spans of which none lies in another, the shortest first taken, in order of time."""
    taken: list[tuple[int, int]] = []
    for first, last in sorted(spans, key=lambda span: (years[span[1]] - years[span[0]], span)):
        if all(last <= start or first >= end for start, end in taken):
            taken.append((first, last))
    return sorted(taken)


def watched(observations: pd.DataFrame, *, terminus: str | Callable[[str], str] = "") -> list[Watch]:
    """Return how long each series of a glacier was watched for large losses, and those seen.

    Parameters
    ----------
    observations : DataFrame
        The table ``observations`` of one glacier or more, screened; bounds tell nothing of a loss and are left out.
    terminus : str or callable
        What the glacier ends in, where no row says what its front is made of; a callable is given its name.

    Returns
    -------
    list of Watch
        Of variables on a scale on which zero means none. Where a glacier was measured in several ways, the one with
        the longest exposure speaks for it, of what was observed and of what was simulated one each.
    """
    best: dict[tuple[str, str, str], Watch] = {}
    rows = observations[observations["value"].notna()]
    rows = rows[rows["variable"].map(lambda name: variable_named(str(name)).ratio_scale).astype(bool)]
    for key, series in by_series(rows[~are_bounds(rows)], "source"):
        glacier, variable, source = str(key[0]), str(key[1]), str(key[-1])
        dates, values = series["date"].to_numpy().astype("M8[D]"), series["value"].to_numpy(dtype=float)
        if len(np.unique(dates)) == len(dates):
            order = np.argsort(dates)
            dates, values = dates[order], values[order]
        else:
            daily = one_per_day(series)
            dates, values = daily["date"].to_numpy().astype("M8[D]"), daily["value"].to_numpy(dtype=float)
        spans, found = losses(dates, values, glacier=glacier)
        ends_in = str(key[5]) or (terminus if isinstance(terminus, str) else terminus(glacier))
        one = Watch(glacier=glacier, terminus=ends_in or _UNKNOWN, variable=variable,
                    spans=spans, losses=found, source=source)  # fmt: skip
        held = best.get((glacier, variable, source))
        if held is None or one.exposure_years > held.exposure_years:
            best[glacier, variable, source] = one
    return list(best.values())


def hazard_table(watches: Iterable[Watch]) -> pd.DataFrame:
    r"""Return the rate of large losses per year of exposure, by what glaciers end in and by variable.

    With fewer than ten losses there is no rate: *k* in *T* glacier-years are taken as Poisson of which no less than
    *m* = 10 would be told of. Where few are expected, only collections that happened to lose many tell, and of them
    :math:`k / T` is too high. The rate is the median of the expected count :math:`\mu`, over *T*, by

    .. math:: p(\mu) \propto \frac{\mu^k e^{-\mu}}{P(m, \mu)}

    with *P* the regularised gamma function, the chance of *m* or more; of 30 losses and more it is within a fortieth
    of :math:`k / T`. The 95 % interval is Garwood's (1936, Biometrika 28:437) for such counts, from
    :math:`P(k, \mu) / P(m, \mu) = 0.025` to :math:`P(k + 1, \mu) / P(m, \mu) = 0.975`. Losses at one
    time of glaciers of one name, such as Larsen A and Larsen B, Abbot 1 and Abbot 2 or Wordie (Prospect) and Wordie
    (Harriott), count once, and so does the time in which several of them were watched: they share an embayment. More
    than twelve of one name are numbered, no parts.

    Parameters
    ----------
    watches : iterable of Watch

    Returns
    -------
    DataFrame
        Columns :data:`HAZARD_COLUMNS`; ``glaciers`` that were watched, ``exposure_years`` glacier-years, those of an
        embayment once, ``rate_per_year``, ``low`` and ``high`` NaN
        where there are too few, ``reading`` a sentence.
    """
    watches = list(watches)
    stems = _stems(one.glacier for one in watches)
    groups: dict[tuple[str, str, str], list[Watch]] = {}
    for one in watches:
        groups.setdefault((one.terminus, one.variable, one.source), []).append(one)
    rows = []
    for (terminus, variable, source), held in sorted(groups.items()):
        found = _once_per_embayment([loss for one in held for loss in one.losses], stems)
        spans: dict[str, list[tuple[float, float]]] = {}
        for one in held:
            spans.setdefault(stems[one.glacier], []).extend(one.spans)
        exposure = math.fsum(end - start for of_one in spans.values() for start, end in _joined(of_one))
        glaciers = len({one.glacier for one in held if one.spans})
        embayments = sum(map(bool, spans.values()))
        rate, low, high = _rate(len(found), exposure)
        text = _reading(found, exposure, (glaciers, embayments), rate, low, high)
        rows.append((terminus, variable, glaciers, exposure, len(found), rate, low, high, text, source))
    return pd.DataFrame(rows, columns=list(HAZARD_COLUMNS))


def hazards_of(watches: Sequence[Watch], glaciers: Iterable[str], *, cutoff: np.datetime64) -> pd.DataFrame:
    """Return what glaciers such as each of some were seen to do: a statement beside their forecasts, no part of them.

    Parameters
    ----------
    watches : sequence of Watch
        Of all glaciers at hand, those among them.
    glaciers : iterable of str
    cutoff : datetime64
        The last date that the watches saw.

    Returns
    -------
    DataFrame
        The table ``hazards``: for every glacier and variable the row of :func:`hazard_table` of the glaciers that end
        in the same; ``reading`` says which of the losses were its own.
    """
    table = hazard_table(watches)
    rates = {(row["terminus"], row["variable"], row["source"]): row for row in table.to_dict("records")}
    by_glacier: dict[str, list[Watch]] = {}
    for one in watches:
        by_glacier.setdefault(one.glacier, []).append(one)
    rows = []
    for name in glaciers:
        for one in by_glacier.get(name, ()):
            row = rates[one.terminus, one.variable, one.source]
            own = ", ".join(f"{loss.after} to {loss.before}" for loss in one.losses)
            reading = f"{row['reading']}; {'of itself: ' + own if own else 'none of itself'}"
            rows.append({**row, "glacier": name, "cutoff": pd.Timestamp(cutoff), "reading": reading})
    return validate(pd.DataFrame(rows), "hazards") if rows else empty("hazards")


def hazard_text(table: pd.DataFrame) -> list[str]:
    """Return the rows of :func:`hazard_table` as sentences."""
    return [
        f"terminus {row.terminus}, {row.variable}{' (simulated)' if row.source == 'simulated' else ''}: {row.reading}"
        for row in table.itertuples()
    ]


def _rate(count: int, exposure_years: float) -> tuple[float, float, float]:
    """Return the rate per year and its bounds, NaN where losses are too few; see :func:`hazard_table`."""
    from scipy import special

    if count < _LEAST_EVENTS or exposure_years <= 0:
        return math.nan, math.nan, math.nan
    reach = 12 * math.sqrt(count) + 12
    expected = np.linspace(max(count - reach, 0.0), count + reach, _COUNTS + 1)[1:]
    told = special.gammainc(_LEAST_EVENTS, expected)
    density = special.xlogy(count, expected) - expected - np.log(told)
    below = np.cumsum(np.exp(density - density.max()))
    found = float(np.interp(0.5, (below - below[0] / 2) / below[-1], expected))
    # Of ten losses no expected count is too low: with any, ten or more are told of.
    at_least = special.gammainc(count, expected) / told
    low = float(np.interp(0.025, at_least, expected)) if count > _LEAST_EVENTS else 0.0
    high = float(np.interp(0.975, special.gammainc(count + 1, expected) / told, expected))
    return found / exposure_years, low / exposure_years, high / exposure_years


def _reading(
    found: list[Loss], exposure_years: float, counts: tuple[int, int], rate: float, low: float, high: float
) -> str:
    glaciers, embayments = counts
    were = f"{len(found)} loss{'' if len(found) == 1 else 'es'} of a fifth and more within a year, not regained in five"
    watched_for = f"in {exposure_years:,.0f} glacier-years of {glaciers} glacier{'' if glaciers == 1 else 's'}"
    if embayments < glaciers:
        watched_for += f" (parts of one embayment count once at a time: {embayments})"
    if exposure_years <= 0:
        return "no interval of a year or less with five years of record behind it: nothing can be said"
    if math.isnan(rate):
        return f"{were}, {watched_for}: too few to say how often (ten are needed)"
    text = f"{were}, {watched_for}: {100 * rate:.2g} % a year [{100 * low:.2g}, {100 * high:.2g}]"
    seen = len(found) / exposure_years
    if seen > _MARKEDLY * rate:
        text += f" (seen {100 * seen:.2g} % a year: too high on average where fewer than ten are not told of)"
    ends = [(one.after, one.before) for one in found]
    after, before = max(set(ends), key=ends.count)
    if ends.count((after, before)) > max(2, 0.25 * len(found)):
        text += (
            f"; {ends.count((after, before))} of them between {after} and {before}, at one time: one cause, or a "
            "change of the data"
        )
    return text


def _once_per_embayment(found: list[Loss], stems: Mapping[str, str]) -> list[Loss]:
    """Return the losses without those of a glacier of the same name at the same time."""
    kept: list[Loss] = []
    for one in sorted(found, key=lambda loss: (loss.after, loss.glacier)):
        stem = stems[one.glacier]
        if not any(stems[other.glacier] == stem and other.after < one.before and one.after < other.before
                   for other in kept):  # fmt: skip
            kept.append(one)
    return kept


def _stems(glaciers: Iterable[str]) -> dict[str, str]:
    """Return the embayment of each glacier by its name: that of a few parts, else its own."""
    stems = {name: _stem(name) for name in glaciers}
    size = Counter(stems.values())
    return {name: stem if size[stem] <= _MOST_PARTS else name for name, stem in stems.items()}


def _stem(glacier: str) -> str:
    """Return a name without what tells parts of an embayment apart: a bracket, or a letter or a number at its end."""
    stem = re.sub(r"\s*[(\[].*$", "", glacier).strip()
    # Larsen D 1 is a part of Larsen D, which is one of Larsen; longer numbers are those of an inventory.
    while (shorter := re.sub(r"[\s_-]+(?:[A-Za-z]|[IVX]+|[1-9]\d?)$", "", stem)) != stem:
        stem = shorter
    stem = stem.casefold()
    return glacier if len(stem) < 3 or stem in _NO_NAMES else stem
