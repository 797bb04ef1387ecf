"""What a record leaves open by how it was read: its sigma where it is known, its last digit where it is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glaciertime.forecast.series import Series
from glaciertime.units import DAYS_PER_YEAR, last_digit

__all__ = ["at_least_as_read", "resolution_of", "spread_as_read", "widened"]

#: By so much a logarithm may miss a whole number.
_SURE = 1e-12


def resolution_of(value: float) -> float:
    """Return the unit of the last digit of a value, at most that of its second: the first zero may have been read.

    The same in every unit: of 5 km that is 0.1 km, of 5000 m it is 100 m. Of a zero, one.

    Examples
    --------
    >>> resolution_of(5.0), resolution_of(1234.0), resolution_of(0.25), resolution_of(0.1 + 0.2), resolution_of(5000.0)
    (0.1, 1.0, 0.01, 0.01, 100.0)
    """
    if value == 0:
        return 1.0
    second = 10.0 ** (np.floor(np.log10(abs(value)) + _SURE) - 1)
    return float(f"{min(second, float(last_digit(value)[0])):.6g}")


def spread_as_read(
    series: Series, quantiles: NDArray[np.float64], dates: NDArray[np.datetime64]
) -> NDArray[np.float64]:
    r"""Return quantiles (D, Q), about zero, of what reading a record leaves open of a later value.

    Normal with the sigma that the latest values bear. Where none is known, that of a line through values that were
    rounded to the finest unit *r* of the record, *h* years beyond its *T*:

    .. math:: r (q - 1/2) (1 + 2 h / T)

    Values that are all equal tell of no rate, and their line does not open.
    """
    from scipy.special import ndtri

    if series.recent_sigma > 0:
        return np.tile(series.recent_sigma * ndtri(quantiles), (len(dates), 1))
    # A zero may be none: it tells nothing of how the others were read.
    finest = min((resolution_of(float(value)) for value in series.values if value), default=resolution_of(0.0))
    ahead = (dates - series.dates[-1]) / np.timedelta64(1, "D") / DAYS_PER_YEAR
    record = float(series.years[-1] - series.years[0])
    is_flat = bool((series.values == series.values[-1]).all())
    opens = np.zeros(len(dates)) if is_flat or record <= 0 else 2 * ahead / record
    return finest * (quantiles - 0.5) * (1 + opens[:, None])


def at_least_as_read(
    values: NDArray[np.float64], series: Series, quantiles: NDArray[np.float64], dates: NDArray[np.datetime64]
) -> NDArray[np.float64]:
    """Return quantiles (D, Q) of a forecast, no nearer to its median than what reading the record leaves open.

    Parameters
    ----------
    values : (D, Q) float64
        Increasing along the second axis.
    series : Series
        As it was observed, up to the cutoff.
    quantiles : (Q,) float64
    dates : (D,) datetime64[D]

    Examples
    --------
    >>> from glaciertime.forecast.example import make_series
    >>> line = make_series(["2001-01-01", "2002-01-01", "2003-01-01"], [1201.0, 1100.0, 1000.0])
    >>> at_least_as_read(np.full((1, 3), 900.0), line, np.array([0.05, 0.5, 0.95]), np.array(["2004-01-01"], "M8[D]"))
    array([[899.1, 900. , 900.9]])
    """
    return widened(values, spread_as_read(series, quantiles, dates), quantiles)


def widened(
    values: NDArray[np.float64], spread: NDArray[np.float64], quantiles: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return quantiles (D, Q) no nearer to their median than a spread (D, Q) about zero.

    Examples
    --------
    >>> widened(np.array([[1.0, 5.0, 6.0]]), np.array([[-2.0, 0.0, 2.0]]), np.array([0.05, 0.5, 0.95]))
    array([[1., 5., 7.]])
    """
    middle = values[:, [int(np.argmin(np.abs(quantiles - 0.5)))]]
    return np.where(quantiles < 0.5, np.minimum(values, middle + spread), np.maximum(values, middle + spread))
