"""Intervals of scores: whole scenes, or whole glaciers, drawn with replacement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glaciertime.segment.judge.scores import OF_ALL, OF_CLASSES, ScoreTable, mean_over_classes, score_sums
from glaciertime.segment.judge.sums import Sums, stacked

__all__ = ["LEAST_UNITS", "Intervals", "bootstrap", "drawn_ends"]

LEAST_UNITS = 5
"""Of fewer scenes or glaciers no interval is given."""

_BATCH = 100
#: Below it the plain quantiles of draws are visibly too close together: 0.83 of means lie in 0.95 with five, 0.93 here.
_FEW = 20


def drawn_ends(units: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the quantiles of draws of so many units, with replacement, whose range holds the mean with ``level``.

    The plain ones, 2.5 % and 97.5 %, are too close together for few units: draws have the spread of the units without
    Bessel's correction, and the tails of a normal where those of Student's t are wider. The ends are those that have
    the width of the interval by Student's t where the units are normal: ``Phi(-t sqrt(n / (n - 1)))``.

    Parameters
    ----------
    units : int
        Two or more.
    level : float
        0 to 1.

    References
    ----------
    Hesterberg 2015, doi:10.1080/00031305.2015.1089789, the expanded percentile interval.

    Examples
    --------
    >>> [round(100 * drawn_ends(n)[0], 2) for n in (5, 10, 30, 1000)]
    [0.1, 0.86, 1.88, 2.48]
    """
    from scipy import stats

    t = stats.t.ppf(0.5 + level / 2, units - 1)
    low = float(stats.norm.cdf(-t * np.sqrt(units / (units - 1))))
    return low, 1 - low


@dataclass(frozen=True)
class Intervals:
    """Ranges of scores.

    Attributes
    ----------
    unit : str
        ``glacier``, ``scene``, or empty where there are too few of both.
    units, draws, seed : int
    of_classes : dict of str to (K, 2) float64
        2.5 % and 97.5 % of the draws that have the score; NaN where fewer than half of them have it.
    of_mean : dict of str to (2,) float64
    of_all : dict of str to (2,) float64
    """

    unit: str
    units: int
    draws: int
    seed: int
    of_classes: dict[str, NDArray[np.float64]]
    of_mean: dict[str, NDArray[np.float64]]
    of_all: dict[str, NDArray[np.float64]]

    @property
    def told(self) -> str:
        """Return how they were drawn, or why there are none."""
        if not self.unit:
            return f"no intervals: fewer than {LEAST_UNITS} glaciers and fewer than {LEAST_UNITS} scenes have labels"
        return (
            f"95 % intervals from {self.draws} draws of the {self.units} {self.unit}s with replacement, "
            f"seed {self.seed}" + (f"; of {self.units} {self.unit}s they are too narrow" if self.units < _FEW else "")
        )


def bootstrap(
    by_scene: Mapping[tuple[str, str], Sums], *, exact: ScoreTable, draws: int = 1000, seed: int = 0
) -> Intervals:
    """Return the intervals of scores over glaciers where there are five or more, else over scenes, else none.

    Pixels of one scene, and scenes of one glacier, are alike: drawn one by one they would make any score look sure. A
    score that is exact, of counts in steps in the draws (``auc``, ``ap``), has its interval moved by the difference.

    Parameters
    ----------
    by_scene : mapping of (glacier, scene) to Sums
        Of scenes with a labelled pixel.
    exact : ScoreTable
        The scores themselves.
    draws, seed : int
    """
    glaciers: dict[str, Sums] = {}
    for (glacier, _), sums in by_scene.items():
        glaciers[glacier] = glaciers[glacier] + sums if glacier in glaciers else sums
    unit, held = "", list(by_scene.values())
    # What no glacier is known of is no further glacier.
    if len(glaciers.keys() - {""}) >= LEAST_UNITS:
        unit, held = "glacier", list(glaciers.values())
    elif len(by_scene) >= LEAST_UNITS:
        unit = "scene"
    if not unit or not draws:
        return Intervals("", 0, 0, seed, {}, {}, {})
    rng = np.random.default_rng(seed)
    parts = stacked(held)
    of_classes: dict[str, list[NDArray[np.float64]]] = {name: [] for name in OF_CLASSES}
    of_all: dict[str, list[NDArray[np.float64]]] = {name: [] for name in OF_ALL}
    even = np.full(len(held), 1 / len(held))
    for start in range(0, draws, _BATCH):
        weights = rng.multinomial(len(held), even, size=min(_BATCH, draws - start)).astype(np.float64)
        table = score_sums(parts.drawn(weights))
        for name, values in table.of_classes.items():
            of_classes[name].append(values)
        for name, values in table.of_all.items():
            of_all[name].append(values)
    whole = score_sums(parts.drawn(np.ones((1, len(held)))))
    drawn = {name: np.concatenate(values) for name, values in of_classes.items()}
    for name, values in drawn.items():
        shift = exact.of_classes[name] - whole.of_classes[name][0]
        drawn[name] = np.clip(values + np.nan_to_num(shift), -1 if name == "mcc" else 0, 1)
    return Intervals(
        unit,
        len(held),
        draws,
        seed,
        {name: _range(values) for name, values in drawn.items()},
        {name: _range(mean_over_classes(values)[0]) for name, values in drawn.items()},
        {name: _range(np.concatenate(values)) for name, values in of_all.items()},
    )


def _range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ends of 95 % of the draws, along a new last axis."""
    known = np.isfinite(values).mean(axis=0) >= 0.5
    filled = np.where(known, values, 0.0)
    ends = np.nanquantile(filled, [0.025, 0.975], axis=0)
    return np.moveaxis(np.where(known, ends, np.nan), 0, -1)
