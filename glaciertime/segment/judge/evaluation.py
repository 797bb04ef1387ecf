"""A model on labelled images: predicted as ``glaciertime segment`` does, counted one image at a time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glaciertime import limits
from glaciertime.errors import GlacierTimeError, one_line
from glaciertime.scenes.datasets.sample import IGNORE, SampleInfo, TrainingData, TrainingSample
from glaciertime.segment.judge.boundaries import FRONT_CLASSES
from glaciertime.segment.judge.class_matching import ClassMatch
from glaciertime.segment.judge.exact_ranking import ExactRanking
from glaciertime.segment.judge.intervals import Intervals, bootstrap
from glaciertime.segment.judge.metrics import check_numbers
from glaciertime.segment.judge.scores import ScoreTable, mean_over_classes, score_sums
from glaciertime.segment.judge.sums import Sums, chunks, stacked, sum_image
from glaciertime.segment.predict.sampled import UNSEEN, ImageMask, ReadyModel, predict_sample

__all__ = [
    "GROUPS", "THRESHOLDS", "Evaluation", "ImageRow", "Judged", "evaluate", "judge_mask", "judge_sample", "scene_of",
]  # fmt: skip

GROUPS = ("glacier", "season", "sensor", "resolution")
THRESHOLDS = np.arange(1, 100) / 100
_MOST_NOTES = 5
_SEASONS = ("December to February", "March to May", "June to August", "September to November")


@dataclass(frozen=True)
class ImageRow:
    """What came of one image.

    Attributes
    ----------
    info : SampleInfo
    pixels : int
        Labelled and observed.
    unseen : int
        Labelled, not observed: they do not count.
    mean_iou, accuracy : float
        NaN where nothing is labelled.
    front_error_px : float
        NaN where one of the two fronts is missing.
    doubts : tuple of str
        What is known against the image.
    reason : str
        Why it could not be judged; empty where it could.
    """

    info: SampleInfo
    pixels: int = 0
    unseen: int = 0
    mean_iou: float = math.nan
    accuracy: float = math.nan
    front_error_px: float = math.nan
    doubts: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Judged:
    """One image beside its labels, in the labels' classes.

    ``probability`` (K, H, W), ``predicted`` and ``labels`` (H, W), ``valid`` (H, W) where both are known.
    """

    probability: NDArray[np.floating]
    predicted: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass
class Evaluation:
    """All that was counted; ``scores``, ``groups`` and ``intervals`` follow from it.

    Attributes
    ----------
    match : ClassMatch
    tolerance_px : float
    rows : list of ImageRow
        One for each image, in the order of the data.
    by_cell : dict
        Counts by glacier, scene, season, sensor and resolution.
    ranking : ExactRanking
    above : (K, 99, 2) int64
        Pixels of other classes and of the class whose probability is at least each of :data:`THRESHOLDS`.
    notes : list of str
        What was assumed of the values of the first few images of which something was.
    noted : int
        How many there are in all.
    problems : tuple of str
        A sentence for each image that the data set itself could not read.
    """

    match: ClassMatch
    tolerance_px: float
    ranking: ExactRanking
    above: NDArray[np.int64]
    rows: list[ImageRow] = field(default_factory=list)
    by_cell: dict[tuple[str, str, str, str, str], Sums] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    noted: int = 0
    problems: tuple[str, ...] = ()

    @property
    def judged(self) -> list[ImageRow]:
        """Return the images that could be read and have a label."""
        return [row for row in self.rows if row.pixels]

    @property
    def failed(self) -> list[ImageRow]:
        """Return the images that could not be judged."""
        return [row for row in self.rows if row.reason]

    @property
    def total(self) -> Sums | None:
        """Return the counts of all images; None where none has a label."""
        held = list(self.by_cell.values())
        return stacked(held).drawn(np.ones(len(held))) if held else None

    @property
    def has_front(self) -> bool:
        """Return whether glacier and ocean are among the classes."""
        return set(FRONT_CLASSES) <= {name.casefold() for name in self.match.names}

    def scores(self) -> ScoreTable:
        """Return the scores of all images together, AUC and average precision exact where they can be."""
        total = self.total
        if total is None:
            classes = len(self.match.names)
            total = Sums(*(np.zeros(shape) for shape in (
                (classes, classes), (classes + 1, 1, 3), (classes, 2, 1), (classes, 4), (7,), ())))  # fmt: skip
        table = score_sums(total)
        table.of_classes["auc"] = self.ranking.areas()
        table.of_classes["ap"] = self.ranking.precisions()
        return table

    def intervals(self, *, draws: int = 1000, seed: int = 0) -> Intervals:
        """Return the intervals of the scores, see :func:`.intervals.bootstrap`."""
        by_scene: dict[tuple[str, str], Sums] = {}
        for (glacier, scene, *_), sums in self.by_cell.items():
            key = (glacier, scene)
            by_scene[key] = by_scene[key] + sums if key in by_scene else sums
        return bootstrap(by_scene, exact=self.scores(), draws=draws, seed=seed)

    def groups(self, by: str) -> dict[str, Sums]:
        """Return the counts by ``glacier``, ``season``, ``sensor`` or ``resolution``, sorted."""
        place = {"glacier": 0, "season": 2, "sensor": 3, "resolution": 4}[by]
        found: dict[str, Sums] = {}
        for key, sums in self.by_cell.items():
            name = key[place] or "unknown"
            found[name] = found[name] + sums if name in found else sums
        return dict(sorted(found.items(), key=lambda pair: (pair[0] == "unknown", _natural(pair[0]))))


def evaluate(
    data: TrainingData,
    *,
    model: ReadyModel,
    match: ClassMatch,
    bands: Sequence[int],
    indices: Sequence[int] | None = None,
    ocean: str = "up",
    tolerance_px: float = 2.0,
    exact_values: int = 4_000_000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Judge a model on labelled images; one that cannot be read or predicted is a row with its reason.

    Parameters
    ----------
    data : TrainingData
    model : ReadyModel
    match : ClassMatch
        Which class of the model is which of the labels.
    bands : sequence of int
        Places of the model's bands among those of the data.
    indices : sequence of int, optional
        Which images; all by default.
    ocean : str
        See :func:`.predict.sampled.predict_sample`.
    tolerance_px : float
        Of the boundary F1.
    exact_values : int
        See :class:`.exact_ranking.ExactRanking`.
    progress : callable
        Told how many images are done, and of how many.
    """
    classes = len(match.names)
    held = Evaluation(
        match=match,
        tolerance_px=tolerance_px,
        ranking=ExactRanking(classes, limit=exact_values),
        above=np.zeros((classes, len(THRESHOLDS), 2), dtype=np.int64),
        problems=tuple(getattr(data, "problems", ())),
    )
    wanted = range(len(data)) if indices is None else indices
    for done, index in enumerate(wanted, start=1):
        info = data.infos[index]
        try:
            with limits.timed(info.name):
                judged = judge_sample(data[index], model=model, match=match, bands=bands, ocean=ocean)
            # Outside the limit of time: an image counts whole or not at all.
            held.rows.append(_count(held, judged, info))
        except GlacierTimeError as error:
            held.rows.append(ImageRow(info, reason=one_line(str(error))))
        progress(done, len(wanted))
    return held


def judge_sample(
    sample: TrainingSample, *, model: ReadyModel, match: ClassMatch, bands: Sequence[int], ocean: str = "up"
) -> Judged:
    """Return an image's mask beside its labels, in the labels' classes.

    Raises
    ------
    InputError
        If it cannot be predicted, or a label is none of the classes.
    """
    mask = predict_sample(
        sample.image[list(bands)],
        model=model,
        name=sample.info.name,
        pixel_m=sample.info.resolution_m,
        sides_m=sample.info.sides_m,
        ocean=ocean,
    )
    return judge_mask(sample, mask, match=match)


def judge_mask(sample: TrainingSample, mask: ImageMask, *, match: ClassMatch) -> Judged:
    """Return a mask beside the labels of its image, in the labels' classes.

    Raises
    ------
    InputError
        If a label is none of the classes.
    """
    labels = sample.labels
    check_numbers(labels[labels != IGNORE], classes=len(match.names), what=f"{sample.info.name}: labels")
    numbers = np.full(256, UNSEEN, dtype=np.uint8)
    numbers[: len(match.target)] = match.target
    predicted = numbers[mask.predicted]
    valid = (labels != IGNORE) & (predicted != UNSEEN)
    return Judged(match.probability(mask.probability), predicted, labels, valid, mask.doubts, mask.notes)


def _count(held: Evaluation, judged: Judged, info: SampleInfo) -> ImageRow:
    unseen = int(((judged.labels != IGNORE) & ~judged.valid).sum())
    held.notes += [note for note in judged.notes if len(held.notes) < _MOST_NOTES and note not in held.notes]
    held.noted += len(judged.notes)
    if not judged.valid.any():
        return ImageRow(info, unseen=unseen, doubts=judged.doubts)
    names = [name.casefold() for name in held.match.names]
    front = (names.index(FRONT_CLASSES[0]), names.index(FRONT_CLASSES[1])) if held.has_front else None
    sums = sum_image(
        judged.probability,
        judged.predicted,
        judged.labels,
        valid=judged.valid,
        tolerance_px=held.tolerance_px,
        front=front,
        pixel_m=info.resolution_m,
        sides_m=info.sides_m,
    )
    for sure, known in chunks(judged.probability, judged.labels, valid=judged.valid):
        held.ranking.update(sure, known)
        for label, values in enumerate(sure):
            held.above[label] += _above(values, known == label)
    key = _cell(info)
    held.by_cell[key] = held.by_cell[key] + sums if key in held.by_cell else sums
    table = score_sums(sums)
    return ImageRow(
        info,
        pixels=int(judged.valid.sum()),
        unseen=unseen,
        mean_iou=float(mean_over_classes(table.of_classes["iou"])[0]),
        accuracy=float(table.of_all["pixel_accuracy"]),
        front_error_px=float(table.of_all["front_error_px"]),
        doubts=judged.doubts,
    )


def _above(sure: NDArray[np.floating], own: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many pixels of other classes and of the class have at least each threshold, (99, 2)."""
    # The number of thresholds that a pixel reaches.
    reached = np.searchsorted(THRESHOLDS, sure.astype(np.float64), side="right")
    counts = np.stack([np.bincount(reached[chosen], minlength=len(THRESHOLDS) + 1) for chosen in (~own, own)], axis=1)
    return np.cumsum(counts[::-1], axis=0)[::-1][1:]


def scene_of(info: SampleInfo) -> tuple[str, str]:
    """Return the glacier and the scene of a sample: tiles of one place on one day are one scene."""
    day = "" if info.date is None else info.date.isoformat()
    return info.glacier, f"{info.block}/{day}" if info.block or day else info.name


def _cell(info: SampleInfo) -> tuple[str, str, str, str, str]:
    """Return glacier, scene, season, sensor and resolution."""
    size = "" if info.resolution_m != info.resolution_m else f"{info.resolution_m:.3g} m"
    return *scene_of(info), _season(info.date), info.sensor, size


def _season(date: dt.date | None) -> str:
    """Return three months: which of them are summer depends on where the glacier lies."""
    return "" if date is None else _SEASONS[date.month % 12 // 3]


def _natural(text: str) -> Any:
    number = text.split(" ")[0]
    try:
        return (0, float(number), text)
    except ValueError:
        return (1, _SEASONS.index(text) if text in _SEASONS else 0, text)
