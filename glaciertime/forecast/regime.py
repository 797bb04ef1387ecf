"""What of a record its forecast starts from: the present regime, without the breaks and the doubts of the past.

One account for every forecaster. What is done here is done before a model sees a series, from what was known at its
cutoff: a break that is behind it is taken out of what came before, so that no model mistakes it for a rate or for
ordinary scatter; a value whose sigma is out of the ordinary is drawn to what its neighbours say; and a record that
tells nothing of change (all values equal, or the glacier gone) is answered without a model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glaciertime.breaks import Break, is_dense, record_breaks
from glaciertime.forecast.reading import spread_as_read
from glaciertime.forecast.series import Series, as_years
from glaciertime.units import number_text

__all__ = ["Regime", "answer_without_model", "break_texts", "large_breaks", "present_regime", "since_gone"]

#: A break is taken out where one like it by chance is rarer than this,
_LEVEL = 0.01
#: and where it takes or gives so much of what was there; of a position or a change so much of all that it ever did.
_OF_VALUE = 0.2
_OF_RANGE = 0.4
#: How much likelier than not changes go on behind a loss as before it, until they tell: what comes of reading an
#: outline does not shrink with the glacier.
_UNCHANGED_ODDS = 2.0
#: Who is back to so much of what was there before a zero was never gone.
_REGAINED = 0.5
#: Coverage of one standard deviation on both sides of a normal mean.
_ONE_SIGMA = 0.6826894921370859
#: Fewer values are no record: then nothing is left out.
_LEAST = 4
#: A sigma this many times the usual one is out of the ordinary.
_UNUSUAL = 3.0
#: So many of the nearest values say what lies beyond them.
_NEAREST = 60
#: A record whose median gap is shorter shows its seasons.
_DENSE_GAP_YEARS = 0.4
#: Where time is turned.
_EPOCH = np.datetime64("1970-01-01", "D")
#: What does not come back by itself.
_GONE = ("area_km2", "length_m", "volume_km3", "front_width_m")


@dataclass(frozen=True, eq=False)
class Regime:
    """A series as forecasters see it, and the breaks that lie behind it.

    Attributes
    ----------
    series : Series
        The last date is that of the record. Values before a break are brought to the level behind it; those in the
        middle of one are left out, and all before a glacier was gone that has come back.
    own_sigmas : Series
        The same with the values as observed: for models that weigh each by its sigma themselves.
    breaks : tuple of Break
        Those taken out, by the indices of what is left since the glacier was last gone.
    """

    series: Series
    own_sigmas: Series
    breaks: tuple[Break, ...]


def present_regime(series: Series) -> Regime:
    """Return what the forecast of a series starts from.

    Parameters
    ----------
    series : Series
        Up to the cutoff.

    Examples
    --------
    >>> from glaciertime.forecast.example import make_series
    >>> dates = [f"{year}-01-01" for year in range(1995, 2003)]
    >>> area = make_series(dates, [1204, 1200, 1196, 1190, 1185, 1181, 1175, 640], variable="area_km2", unit="km2")
    >>> present_regime(area).series.values.round()[:3]
    array([670., 666., 663.])
    """
    series = since_gone(series)
    breaks = large_breaks(series)
    level = _without(series, breaks) if breaks else series
    return Regime(_settled(level), level, tuple(breaks))


def since_gone(series: Series) -> Series:
    """Return the series from the last date on which there was nothing of a glacier that has come back since.

    What grows from nothing is another glacier: how the one before shrank says nothing of it. A zero is none of that
    where the value behind it comes back to half and more of the one before: then it was misread.

    Parameters
    ----------
    series : Series
        Up to the cutoff.

    Examples
    --------
    >>> from glaciertime.forecast.example import make_series
    >>> dates = [f"{year}-01-01" for year in range(1995, 2003)]
    >>> area = make_series(dates, [9, 8, 6, 0, 0, 0.5, 0.7, 0.8], variable="area_km2", unit="km2")
    >>> since_gone(area).values
    array([0. , 0.5, 0.7, 0.8])
    """
    if series.variable not in _GONE or not (series.values[:-1] == 0).any():
        return series
    # A zero that may as well be anything, by its sigma, is none.
    values = _settled(series).values
    for place in np.flatnonzero(values[:-1] == 0)[::-1]:
        before, after = values[:place][values[:place] > 0], values[place + 1]
        if after > 0 and len(before) and after < _REGAINED * before[-1]:
            return series.take(slice(int(place), None))
    return series


def large_breaks(series: Series) -> list[Break]:
    """Return the breaks that part the present regime of a series from its past, none that is still going on."""
    if len(series) < 6:
        return []
    values, years = series.values, series.years
    if float(np.median(np.diff(years))) < _DENSE_GAP_YEARS and not is_dense(years):
        # Of a few years observed in every season the cycle is not known: its fall is none that lies behind.
        return []
    found = record_breaks(years, values, sigmas=series.sigma, level=_LEVEL)
    span = float(np.ptp(values))
    kept = []
    for one in found:
        least = _OF_VALUE * abs(values[one.start]) if series.is_ratio_scale else _OF_RANGE * span
        if not one.is_ongoing and abs(one.step) >= least and one.p_value <= _LEVEL:
            kept.append(one)
    return kept


def _without(series: Series, breaks: list[Break]) -> Series:
    """Return the series with what came before each break brought to the level behind it."""
    values, sigma = series.values.copy(), series.sigma.copy()
    keep = np.ones(len(series), dtype=bool)
    is_back = False
    for number, one in enumerate(breaks):
        before = slice(0, one.start + 1)
        later = breaks[number + 1] if number + 1 < len(breaks) else None
        if is_back:
            is_back = False
            continue
        if series.is_ratio_scale and series.values[one.end] == 0 and later is not None and later.step > 0:
            # Who comes back to much of what was there was never gone: the zeros were misread.
            is_back = True
            keep[one.start + 1 : later.end] = False
            continue
        if series.is_ratio_scale and one.step < 0:
            reached, lost_from = series.values[one.end], series.values[one.end] - one.step
            if reached > 0:
                begin = breaks[number - 1].end if number else 0
                until = later.start if later is not None else len(series) - 1
                factor = _shrunk(series, one, begin=begin, until=until)
                deepest = lost_from - float(values[before].min())
                if deepest > 0:
                    # Nothing becomes negative.
                    factor = min(factor, reached / deepest)
                values[before] = reached + factor * (values[before] - lost_from)
                sigma[before] *= factor
        else:
            # A gain is added: what hardly was, a lake before it formed, says nothing by its shares.
            values[before] += one.step
        keep[one.start + 1 : one.end] = False
    out = replace(series, values=values, sigma=sigma)
    return out.take(keep) if keep.sum() >= _LEAST else out


def _shrunk(series: Series, one: Break, *, begin: int, until: int) -> float:
    r"""Return by how much the changes before a loss are to be multiplied to be like those behind it.

    Trend and scatter have either shrunk with what was left, to the share *f*, or stayed as they were. How likely
    either is, *w* for shrunk, is told by the changes from ``begin`` to the loss and from there to ``until``, as a walk
    of one rate and one variance; without any behind it unchanged is twice as likely. The variance is that expected:

    .. math:: \sqrt{w f^2 + 1 - w}, \quad
       \frac{w}{1 - w} = \frac{1}{2} f^{-n} \left(\frac{S(1)}{S(f)}\right)^{(N - 1) / 2}

    with *n* changes behind of *N*, and :math:`S(\rho)` the sum of squares about their mean of all, those behind over
    :math:`\rho`.
    """
    from scipy import special

    reached = float(series.values[one.end])
    share = reached / (reached - one.step)
    root = np.sqrt(np.diff(series.years))
    change = np.diff(series.values)
    before, behind = slice(begin, one.start), slice(one.end, until)

    def squares(ratio: float) -> float:
        y = np.concatenate([change[before], change[behind] / ratio]) / np.concatenate([root[before], root[behind]])
        x = np.concatenate([root[before], root[behind]])
        return float(np.sum((y - x * (x @ y) / (x @ x)) ** 2))

    behind_count = max(until - one.end, 0)
    count = max(one.start - begin, 0) + behind_count
    log_odds = -np.log(_UNCHANGED_ODDS)
    if behind_count and count >= _LEAST:
        # Of a line without scatter neither is impossible.
        least = 1e-12 * float(np.sum(change[before] ** 2) + np.sum(change[behind] ** 2)) + 1e-300
        same, shrunk = (max(squares(ratio), least) for ratio in (1.0, share))
        log_odds += (count - 1) / 2 * np.log(same / shrunk) - behind_count * np.log(share)
    weight = float(special.expit(log_odds))
    return float(np.sqrt(weight * share**2 + 1 - weight))


def _settled(series: Series) -> Series:
    r"""Return the series with values of unusual sigma drawn to what the others say of their dates.

    .. math:: \hat y = m + \frac{s^2}{s^2 + \sigma^2} (y - m)

    with *m* and *s* from the neighbours; beyond these, from what the state-space model forecasts without it, or
    forecasts back.
    """
    known = np.isfinite(series.sigma) & (series.sigma > 0)
    if known.sum() < _LEAST or len(series) <= _LEAST:
        return series
    unusual = known & (series.sigma > _UNUSUAL * float(np.median(series.sigma[known])))
    if not unusual.any() or (~unusual).sum() < _LEAST:
        return series
    values, sigma = series.values.copy(), series.sigma.copy()
    middle, variance = _expected(series.take(~unusual), series.dates[unusual])
    total = variance + sigma[unusual] ** 2
    share = np.divide(variance, total, out=np.ones_like(total), where=total > 0)
    values[unusual] = middle + share * (values[unusual] - middle)
    sigma[unusual] *= np.sqrt(share)
    if series.is_ratio_scale:
        values = np.maximum(values, 0.0)
    return replace(series, values=values, sigma=sigma)


def _expected(sure: Series, dates: NDArray[np.datetime64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the surer observations say of other dates: means and variances, (K,) each."""
    when, spread = as_years(dates), np.nan_to_num(sure.sigma)
    steps, gaps = np.diff(sure.values), np.diff(sure.years)
    walk = float(np.mean((steps - float(np.median(steps / gaps)) * gaps) ** 2 / gaps))
    after = np.searchsorted(sure.dates, dates)
    right = np.clip(after, 1, len(sure) - 1)
    left = right - 1
    share = (when - sure.years[left]) / gaps[left]
    middle = (1 - share) * sure.values[left] + share * sure.values[right]
    own = ((1 - share) * spread[left]) ** 2 + (share * spread[right]) ** 2
    variance = walk * share * (1 - share) * gaps[left] + own
    behind, before = after == len(sure), after == 0
    if behind.any():
        middle[behind], variance[behind] = _ahead(sure, dates[behind])
    if before.any():
        # Time runs backwards.
        turned = replace(sure, dates=_EPOCH - (sure.dates[::-1] - _EPOCH), values=sure.values[::-1],
                         sigma=sure.sigma[::-1], quality=sure.quality[::-1])  # fmt: skip
        back = _ahead(turned, _EPOCH - (dates[before][::-1] - _EPOCH))
        middle[before], variance[before] = back[0][::-1], back[1][::-1]
    return middle, variance


def _ahead(sure: Series, dates: NDArray[np.datetime64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance (K,) of what the state-space model forecasts at dates."""
    from glaciertime.forecast.local.kalman import Kalman

    fitted = Kalman().fit_alone(sure.take(slice(-_NEAREST, None)), search=False)
    low, middle, high = fitted.predict(dates, levels=(_ONE_SIGMA,)).values.T
    return middle, ((high - low) / 2) ** 2


def answer_without_model(
    series: Series, dates: NDArray[np.datetime64], quantiles: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return quantiles (D, Q) of a record that no model is asked about, None of any other.

    Where all values are equal they say how finely they were read, no more: the forecast is that value, spread evenly
    over the last digit, or normal with the sigma that the values bear. A glacier whose last area, length, width or
    volume is zero is gone and stays so; what could just be seen is the bound above.

    Parameters
    ----------
    series : Series
        Up to the cutoff.
    dates : (D,) datetime64[D]
    quantiles : (Q,) float64
    """
    last = float(series.values[-1])
    if last == 0 and _settled(series).values[-1] > 0:
        # A zero that may as well be anything: its sigma is out of the ordinary.
        return None
    if series.variable in _GONE and last == 0:
        positive = series.values[series.values > 0]
        limit = float(np.nan_to_num(series.sigma[-1])) or (float(positive.min()) if len(positive) else 0.0)
        return np.tile(limit * np.maximum(2 * quantiles - 1, 0.0), (len(dates), 1))
    if len(series) < 2 or not (series.values == last).all():
        return None
    rows = last + spread_as_read(series, quantiles, dates)
    return np.maximum(rows, 0.0) if series.is_ratio_scale else rows


def break_texts(series: Series) -> list[str]:
    """Return, per break that lies behind the forecasts of a series, a sentence that names it.

    Parameters
    ----------
    series : Series
        Up to the cutoff.

    Examples
    --------
    >>> from glaciertime.forecast.example import make_series
    >>> dates = [f"{year}-01-01" for year in range(1995, 2003)]
    >>> area = make_series(dates, [1204, 1200, 1196, 1190, 1185, 1181, 1175, 640], variable="area_km2", unit="km2")
    >>> print(break_texts(area)[0])  # doctest: +ELLIPSIS
    a break between 2001-01-01 and 2002-01-01, -530 km2 beyond ...
    """
    texts = []
    seen = since_gone(series)
    if len(seen) < len(series):
        texts.append(
            f"nothing was left on {seen.dates[0]} of what has come back since; forecasts go on from there, what was "
            "before says nothing of it"
        )
    series = seen
    for one in large_breaks(series):
        doubt = "; one value alone behind it: it may be an outlier" if one.values_after == 1 else ""
        chance = "p < 0.001" if one.p_value < 1e-3 else f"p {one.p_value:.2g}"
        size = number_text(one.step, digits=3, sign=True)
        texts.append(
            f"a break between {series.dates[one.start]} and {series.dates[one.end]}, {size} {series.unit} "
            f"beyond the usual change ({chance}){doubt}; forecasts go on from what is behind it, and another break is "
            "no part of their intervals"
        )
    return texts
