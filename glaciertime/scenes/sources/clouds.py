"""What the cloud layers of products say: where a scene saw the ground, and where clouds or their shadows."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["cloudy", "unseen"]

#: Sen2Cor's classes: 0 no data, 1 defective; 3 shadow of a cloud, 8 and 9 cloud, 10 thin cirrus.
_SCL_UNSEEN, _SCL_CLOUD = (0, 1), (3, 8, 9, 10)
#: Bits of QA_PIXEL in Collection 2: 0 fill; 1 beside a cloud, 2 cirrus, 3 cloud, 4 shadow of a cloud.
_QA_UNSEEN, _QA_CLOUD = 0b00001, 0b11110


def unseen(layer: NDArray[Any], kind: Literal["scl", "qa"]) -> NDArray[np.bool_]:
    """Return where a product observed nothing at all, whatever the weather.

    Examples
    --------
    >>> unseen(np.array([0, 6]), "scl").tolist(), unseen(np.array([1, 21824]), "qa").tolist()
    ([True, False], [True, False])
    """
    return np.isin(layer, _SCL_UNSEEN) if kind == "scl" else (layer & _QA_UNSEEN) > 0


def cloudy(layer: NDArray[Any], kind: Literal["scl", "qa"]) -> NDArray[np.bool_]:
    """Return where clouds, thin ones too, or their shadows hide the ground; snow and water do not.

    Parameters
    ----------
    layer : array of int
        The scene classification of Sentinel-2 L2A ("scl"), or QA_PIXEL of Landsat Collection 2 ("qa").

    Examples
    --------
    >>> cloudy(np.array([3, 6, 8, 11]), "scl").tolist()
    [True, False, True, False]
    >>> cloudy(np.array([21824, 22280, 23888, 30048]), "qa").tolist()  # clear, cloud, shadow, snow
    [False, True, True, False]
    """
    return np.isin(layer, _SCL_CLOUD) if kind == "scl" else ((layer & _QA_CLOUD) > 0) & ((layer & _QA_UNSEEN) == 0)
