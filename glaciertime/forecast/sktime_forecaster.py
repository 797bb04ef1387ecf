"""The class that sktime sees of our forecasters: importing this module needs sktime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from glaciertime.forecast.lending import local_model, predict_steps, series_of_values
from glaciertime.forecast.prediction import Prediction

try:
    from sktime.forecasting.base import BaseForecaster
except ModuleNotFoundError:  # the module can be read without it, the class not be used
    BaseForecaster = object

__all__ = ["GlaciertimeForecaster"]


class GlaciertimeForecaster(BaseForecaster):  # type: ignore[misc]
    """A forecaster of glaciertime for evenly spaced values, with quantiles and intervals.

    Exact dates, the values' sigmas and what other glaciers did are not seen: values count as a year apart, or a part of
    it. :func:`glaciertime.forecast.adapters.ForSktime` makes one, and says what is wrong with a name.

    Parameters
    ----------
    name : str, default="kalman"
        A model of one series of ``glaciertime.forecast.model_names``.
    season_length : int, default=1
        Values in a year.

    Examples
    --------
    >>> from glaciertime.forecast.sktime_forecaster import GlaciertimeForecaster
    >>> GlaciertimeForecaster.get_test_params()[0]
    {'name': 'drift'}
    >>> GlaciertimeForecaster("drift").fit(pd.Series([4.0, 3.0, 2.0])).predict(fh=[1])  # doctest: +SKIP
    """

    _tags = {  # noqa: RUF012
        "scitype:y": "univariate", "y_inner_mtype": "pd.Series", "requires-fh-in-fit": False,
        "capability:exogenous": False, "capability:pred_int": True, "capability:insample": False,
        "capability:pred_int:insample": False, "capability:missing_values": False,
    }  # fmt: skip

    def __init__(self, name: str = "kalman", season_length: int = 1) -> None:
        self.name, self.season_length = name, season_length
        super().__init__()

    def _fit(self, y: Any, X: Any = None, fh: Any = None) -> Any:
        self.name_of_values_ = y.name
        self.series_ = series_of_values(y.to_numpy(dtype=float), self.season_length)
        self.fitted_ = local_model(self.name).make().fit(self.series_)
        return self

    def _paths(self, fh: Any, levels: Sequence[float]) -> tuple[Any, NDArray[np.int64], Prediction]:
        steps = np.asarray(fh.to_relative(self.cutoff).to_numpy(), dtype=int)
        found = predict_steps(self.fitted_, self.series_, self.season_length, int(steps.max()), levels)
        return fh.to_absolute_index(self.cutoff), steps - 1, found

    def _predict(self, fh: Any, X: Any = None) -> Any:
        index, steps, found = self._paths(fh, [])
        return pd.Series(found.median[steps], index=index, name=self.name_of_values_)

    def _predict_quantiles(self, fh: Any, X: Any, alpha: Any) -> Any:
        levels = [abs(1 - 2 * p) for p in alpha if abs(p - 0.5) > 1e-9]
        index, steps, found = self._paths(fh, levels)
        place = [int(np.argmin(np.abs(found.quantiles - p))) for p in alpha]
        names = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        return pd.DataFrame(found.values[steps][:, place], index=index, columns=names)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return settings that sktime's checks try."""
        return [{"name": "drift"}, {"name": "last", "season_length": 4}]
