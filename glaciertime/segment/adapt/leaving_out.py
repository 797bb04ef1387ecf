"""What adapting to a place gained: every labelled date is left out in turn and measured before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import IGNORE, TrainingSample
from glaciertime.segment.adapt.tuning import engine_of
from glaciertime.segment.description import ModelSpec
from glaciertime.segment.predict.engine import Engine
from glaciertime.segment.predict.front_line import front_deviation_px, front_pixels
from glaciertime.segment.predict.prediction import predict_image, zones_from_probability
from glaciertime.segment.predict.uncertainty import varied

__all__ = [
    "LEAST_DATES",
    "MOST_FOLDS",
    "Gain",
    "LeftOut",
    "better_turn",
    "front_error_px",
    "leave_out",
    "predicting",
    "sentences",
    "traced_front",
    "turns_errors_px",
]

#: Below so many labelled dates nothing can be left out that would say anything.
LEAST_DATES = 3
#: More dates than this are left out in groups, so that the time it takes has an end.
MOST_FOLDS = 5


@dataclass(frozen=True)
class LeftOut:
    """One labelled image, measured by models that have not seen its date.

    Attributes
    ----------
    name, date : str
    before_px, after_px : float
        Distance of the front to the labelled one, see :func:`.front_line.front_deviation_px`; NaN without a front.
    pixel_m : float
    """

    name: str
    date: str
    before_px: float
    after_px: float
    pixel_m: float


@dataclass(frozen=True)
class Gain:
    """What came of leaving dates out."""

    images: tuple[LeftOut, ...]

    def _pairs(self) -> NDArray[np.float64]:
        """Return the errors before and after of the images that have both, (N, 2)."""
        pairs = np.array([(one.before_px, one.after_px) for one in self.images], dtype=np.float64).reshape(-1, 2)
        return pairs[np.isfinite(pairs).all(axis=1)]

    @property
    def count(self) -> int:
        """Return how many images were measured by both models."""
        return len(self._pairs())

    @property
    def before_px(self) -> float:
        """Return the mean error of the model as it was given; NaN without an image."""
        return float(self._pairs()[:, 0].mean()) if self.count else float("nan")

    @property
    def after_px(self) -> float:
        """Return the mean error of the adapted models."""
        return float(self._pairs()[:, 1].mean()) if self.count else float("nan")

    @property
    def medians_px(self) -> tuple[float, float]:
        """Return the median errors before and after."""
        if not self.count:
            return float("nan"), float("nan")
        before, after = np.median(self._pairs(), axis=0)
        return float(before), float(after)

    @property
    def nearer(self) -> int:
        """Return at how many images the adapted model is nearer to the label."""
        pairs = self._pairs()
        return int((pairs[:, 1] < pairs[:, 0]).sum())

    @property
    def pixel_m(self) -> float:
        """Return the mean size of the pixels, metres; NaN where it is not known."""
        return float(np.mean([one.pixel_m for one in self.images])) if self.images else float("nan")

    @property
    def is_gain(self) -> bool:
        """Return whether the adapted model is to be preferred: nearer in the mean, and at half of the images or more.

        Examples
        --------
        >>> one = LeftOut("a", "2001-01-01", 4.0, 1.0, 30.0)
        >>> Gain((one,)).is_gain, Gain((one, LeftOut("b", "2002-01-01", 1.0, 9.0, 30.0))).is_gain
        (True, False)
        """
        worse = any(np.isfinite(one.before_px) and not np.isfinite(one.after_px) for one in self.images)
        return self.count > 0 and not worse and self.after_px < self.before_px and 2 * self.nearer >= self.count

    @property
    def lost(self) -> int:
        """Return how many images have no front in the columns of their label, before or after."""
        return len(self.images) - self.count


def traced_front(labels: NDArray[np.uint8], spec: ModelSpec) -> NDArray[np.bool_]:
    """Return the front that labels (h, w) show: ocean pixels beside glacier pixels.

    Raises
    ------
    InputError
        If they show none.
    """
    zones = np.zeros(labels.shape, dtype=np.uint8)
    for index, code in enumerate(spec.codes):
        zones[labels == index] = code
    zones[labels == IGNORE] = 0
    front = front_pixels(zones)
    if not front.any():
        raise InputError("the label shows no front: no ocean beside glacier; give one that does")
    return front


def front_error_px(sample: TrainingSample, *, run: Engine, spec: ModelSpec) -> float:
    """Return how far the front that a model draws lies from the labelled one, pixels; NaN where it draws none there."""
    probability = predict_image(sample.image, run=run, spec=spec)
    zones = zones_from_probability(probability, spec=spec)
    return front_deviation_px(front_pixels(zones), traced_front(sample.labels, spec))


def turns_errors_px(labelled: Sequence[TrainingSample], *, run: Engine, spec: ModelSpec) -> NDArray[np.float64]:
    """Return how far a model draws the front from the labelled one, with every image turned to the left, (N, 4).

    By 0, 90, 180 and 270 degrees: a model that knows its ocean finds the fronts where that is up.

    Returns
    -------
    (N, 4) float64
        Pixels; NaN where it draws no front in the columns of the label.
    """
    errors = np.full((len(labelled), 4), np.nan)
    for place, sample in enumerate(labelled):
        traced = traced_front(sample.labels, spec)
        for turns in range(4):
            image = np.ascontiguousarray(np.rot90(sample.image, turns, axes=(1, 2)))
            zones = zones_from_probability(predict_image(image, run=run, spec=spec), spec=spec)
            errors[place, turns] = front_deviation_px(front_pixels(zones), np.rot90(traced, turns))
    return errors


def better_turn(errors_px: NDArray[np.float64]) -> int:
    """Return how many quarters to the left images are to be turned, 0 where it is not certain that they lie wrong.

    Parameters
    ----------
    errors_px : (N, 4)
        See :func:`turns_errors_px`.

    Examples
    --------
    >>> better_turn(np.array([[9.0, 8.0, 1.0, 9.0], [2.0, 8.0, 1.5, 9.0]]))
    2
    >>> better_turn(np.array([[2.0, 8.0, 1.5, 9.0], [2.0, 8.0, 1.5, 9.0]]))
    0
    """
    known = errors_px[np.isfinite(errors_px).all(axis=1)]
    if not len(known):
        return 0
    means = known.mean(axis=0)
    best = int(np.argmin(means))
    nearer = known[:, best] < known[:, 0]
    return best if means[best] < means[0] / 2 and 3 * int(nearer.sum()) >= 2 * len(known) else 0


def leave_out(
    labelled: Sequence[TrainingSample],
    *,
    network: nn.Module,
    spec: ModelSpec,
    learn: Callable[[Sequence[TrainingSample]], nn.Module],
) -> Gain:
    """Return what is gained at dates that were not learnt from.

    The images of one day are left out together; more than :data:`MOST_FOLDS` days are left out in groups, every
    so-many-th of them.

    Parameters
    ----------
    labelled : sequence of TrainingSample
        With dates.
    network : torch.nn.Module
        As it was given.
    spec : ModelSpec
    learn : callable
        Samples -> a network that has learnt them, from ``network`` on.

    Raises
    ------
    InputError
        If fewer than :data:`LEAST_DATES` days are labelled.
    """
    days = sorted({sample.info.date for sample in labelled if sample.info.date is not None})
    if len(days) < LEAST_DATES:
        raise InputError(
            f"{len(days)} labelled dates given, at least {LEAST_DATES} are needed: one is left out in turn to say what "
            "adapting gained"
        )
    folds = min(len(days), MOST_FOLDS)
    as_given = predicting(network, spec)
    found = []
    for fold in range(folds):
        held = set(days[fold::folds])
        asked = [sample for sample in labelled if sample.info.date in held]
        adapted = predicting(learn([sample for sample in labelled if sample.info.date not in held]), spec)
        for sample in asked:
            found.append(
                LeftOut(
                    name=sample.info.name,
                    date=str(sample.info.date),
                    before_px=front_error_px(sample, run=as_given, spec=spec),
                    after_px=front_error_px(sample, run=adapted, spec=spec),
                    pixel_m=sample.info.resolution_m,
                )
            )
    return Gain(tuple(sorted(found, key=lambda one: (one.date, one.name))))


def predicting(network: nn.Module, spec: ModelSpec) -> Engine:
    """Return a network as the engine that its images are predicted with."""
    run = engine_of(network, spec)
    return varied(run) if spec.augmented else run


def sentences(gain: Gain) -> Iterable[str]:
    """Return what came of leaving dates out, to be read by a person."""
    unit = _metres if np.isfinite(gain.pixel_m) else (lambda value, _: f"{value:.2f} pixels")
    before, after = (unit(value, gain.pixel_m) for value in (gain.before_px, gain.after_px))
    middle = " to ".join(unit(value, gain.pixel_m) for value in gain.medians_px)
    yield (
        f"left out in turn, {gain.count} labelled images: mean error of the front from {before} to {after}, median "
        f"from {middle}; nearer at {gain.nearer} of {gain.count}"
    )
    if gain.lost:
        yield f"{gain.lost} more have no front in the columns of their label by one of the models and do not count"
    if not gain.is_gain:
        yield "adapting gained nothing at dates that it had not seen: the model as it was given is kept"


def _metres(value_px: float, pixel_m: float) -> str:
    return f"{value_px * pixel_m:.0f} m ({value_px:.2f} pixels)"
