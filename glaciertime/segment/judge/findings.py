"""What an evaluation says, as plain values: every score a finite number, or None with the reason beside it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glaciertime.segment.judge.evaluation import GROUPS, THRESHOLDS, Evaluation, ImageRow
from glaciertime.segment.judge.intervals import Intervals
from glaciertime.segment.judge.scores import OF_ALL, OF_CLASSES, mean_over_classes, score_sums
from glaciertime.segment.judge.sums import BINS, Sums

__all__ = ["findings_of"]


def findings_of(held: Evaluation, *, draws: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Return all that an evaluation says, as JSON holds it.

    Parameters
    ----------
    held : Evaluation
    draws, seed : int
        Of the intervals.

    Returns
    -------
    dict
        ``classes``: scores by class; ``mean``: over the classes that have each, and those of all pixels;
        ``mean_of``: over how many classes; ``reasons`` and ``intervals``: of the same shape as both; ``front``,
        ``confusion``, ``thresholds``, ``groups``, ``images``, ``failed``, ``counted``.
    """
    names = held.match.names
    table = held.scores()
    total = held.total
    pixels = 0 if total is None else int(total.confusion.sum())
    labelled = np.zeros(len(names)) if total is None else total.confusion.sum(axis=1)
    predicted = np.zeros(len(names)) if total is None else total.confusion.sum(axis=0)
    classes: dict[str, dict[str, float | None]] = {}
    reasons: dict[str, Any] = {"classes": {}, "mean": {}}
    for place, name in enumerate(names):
        classes[name] = {key: _known(table.of_classes[key][place]) for key in OF_CLASSES}
        reasons["classes"][name] = {
            key: _why_class(key, labelled[place], predicted[place], pixels)
            for key, value in classes[name].items()
            if value is None
        }
    mean: dict[str, float | None] = {}
    counts: dict[str, int] = {}
    for key in OF_CLASSES:
        value, count = mean_over_classes(table.of_classes[key])
        mean[key], counts[key] = _known(value), int(count)
        if not count:
            reasons["mean"][key] = "no class has it" if pixels else _NOTHING
    front = _front(held, total)
    for key in OF_ALL:
        mean[key] = _known(table.of_all[key])
        if mean[key] is None:
            reasons["mean"][key] = front["reason"] if key.startswith("front") else _why_all(key, pixels)
            if key == "front_error_m" and mean["front_error_px"] is not None:
                reasons["mean"][key] = "no image says how large its pixels are"
    ranges = held.intervals(draws=draws, seed=seed)
    exact = held.ranking.is_exact
    return {
        "classes": {
            name: {**values, "labelled_pixels": int(labelled[place]), "predicted_pixels": int(predicted[place])}
            for place, (name, values) in enumerate(classes.items())
        },
        "mean": mean,
        "mean_of": counts,
        "reasons": reasons,
        "intervals": _intervals(ranges, names),
        "front": front,
        "confusion": {
            "labels_by_row": list(names),
            "pixels": [] if total is None else total.confusion.astype(int).tolist(),
        },
        "thresholds": _thresholds(held),
        "groups": {by: _groups(held, by) for by in GROUPS},
        "images": [_image(row) for row in held.rows if not row.reason],
        "failed": [
            *({"name": row.info.name, "reason": row.reason} for row in held.failed),
            *({"name": "", "reason": problem} for problem in held.problems),
        ],
        "counted": {
            "images": len(held.judged),
            "images_without_label": sum(not row.pixels and not row.reason for row in held.rows),
            "images_failed": len(held.failed) + len(held.problems),
            "scenes": len({key[:2] for key in held.by_cell}),
            "glaciers": len({key[0] for key in held.by_cell} - {""}),
            "pixels": pixels,
            "pixels_labelled_not_observed": sum(row.unseen for row in held.rows),
            "auc_and_ap": "exact" if all(exact) else "in steps of 0.01 of the log-odds: "
            + ", ".join(name for name, is_exact in zip(names, exact, strict=True) if not is_exact),
            "auc_and_ap_of_groups": "in 128 steps of the log-odds",
            "ece": f"{BINS} bins of equal width of the probability",
            "boundary_f1": f"within {held.tolerance_px:g} pixels, all boundaries of all images in one pool",
            "classes_matched": held.match.told,
            "assumed": [*held.notes, *([f"{more} more such notes"] if (more := held.noted - len(held.notes)) else [])],
        },
    }  # fmt: skip


_NOTHING = "no pixel is both labelled and observed"


def _why_class(key: str, labelled: float, predicted: float, pixels: int) -> str:
    if not pixels:
        return _NOTHING
    if not labelled and not predicted:
        return "the class is neither labelled nor predicted"
    if key == "precision":
        return "the class is never predicted"
    if key in ("recall", "ap"):
        return "the class is never labelled"
    if key == "auc":
        return "the class is never labelled" if not labelled else "every labelled pixel is of the class"
    if key == "mcc":
        return "every pixel is labelled and predicted as the class: nothing to be told apart"
    if key == "boundary_f1":
        return "the class has no boundary, on the labels or in the mask"
    return "not defined"


def _why_all(key: str, pixels: int) -> str:
    if not pixels:
        return _NOTHING
    return (
        "every pixel is labelled and predicted as one class: nothing to be told apart"
        if "mcc" in key
        else "not defined"
    )


def _front(held: Evaluation, total: Sums | None) -> dict[str, Any]:
    """Return the front error with what it is of: images with a front, and those where none was found."""
    labelled, missed, invented = (0, 0, 0) if total is None else (int(value) for value in total.front[4:])
    reason = ""
    if not held.has_front:
        reason = "no front: the classes glacier and ocean are not both there"
    elif total is None:
        reason = _NOTHING
    elif not labelled:
        reason = "no image has a labelled front"
    elif labelled == missed:
        reason = "no front was found where one is labelled"
    return {
        "images_with_front": labelled,
        "images_where_none_was_found": missed,
        "images_with_a_front_that_is_not_labelled": invented,
        "distances": 0 if total is None else int(total.front[1]),
        "distances_with_pixel_size": 0 if total is None else int(total.front[3]),
        "reason": reason,
    }


def _intervals(ranges: Intervals, names: tuple[str, ...]) -> dict[str, Any]:
    def ends(values: Any) -> list[float] | None:
        return [float(value) for value in values] if np.isfinite(values).all() else None

    return {
        "unit": ranges.unit or None,
        "units": ranges.units,
        "draws": ranges.draws,
        "seed": ranges.seed,
        "told": ranges.told,
        "classes": {
            name: {key: ends(values[place]) for key, values in ranges.of_classes.items()}
            for place, name in enumerate(names)
        },
        "mean": {key: ends(values) for key, values in {**ranges.of_mean, **ranges.of_all}.items()},
    }


def _thresholds(held: Evaluation) -> dict[str, Any]:
    """Return, per class, scores of the mask that its probability alone gives, and the best threshold."""
    found: dict[str, Any] = {}
    own = np.zeros(len(held.match.names)) if held.total is None else held.total.confusion.sum(axis=1)
    for place, name in enumerate(held.match.names):
        wrong, right = held.above[place, :, 0].astype(float), held.above[place, :, 1].astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            rows = {
                "iou": right / (own[place] + wrong), "dice": 2 * right / (own[place] + wrong + right),
                "precision": right / (right + wrong), "recall": right / np.where(own[place] > 0, own[place], np.nan),
            }  # fmt: skip
        best = int(np.nanargmax(rows["iou"])) if own[place] > 0 else None
        found[name] = {
            "threshold": THRESHOLDS.tolist(),
            **{key: [_known(value) for value in values] for key, values in rows.items()},
            "best": None
            if best is None
            else {"threshold": float(THRESHOLDS[best]), "iou": _known(rows["iou"][best]),
                  "dice": _known(rows["dice"][best]), "chosen_on": "the scored data themselves: too good on others"},
        }  # fmt: skip
    return found


def _groups(held: Evaluation, by: str) -> list[dict[str, Any]]:
    rows = []
    for name, sums in held.groups(by).items():
        table = score_sums(sums)
        rows.append({
            by: name,
            "images": int(sums.images),
            "pixels": int(sums.confusion.sum()),
            **{key: _known(mean_over_classes(table.of_classes[key])[0]) for key in OF_CLASSES},
            **{key: _known(table.of_all[key]) for key in OF_ALL},
            "images_with_front": int(sums.front[4]),
            "images_where_none_was_found": int(sums.front[5]),
            "classes": {
                each: {key: _known(table.of_classes[key][place]) for key in OF_CLASSES}
                for place, each in enumerate(held.match.names)
            },
        })  # fmt: skip
    return rows


def _image(row: ImageRow) -> dict[str, Any]:
    info = row.info
    return {
        "name": info.name, "glacier": info.glacier, "date": None if info.date is None else info.date.isoformat(),
        "sensor": info.sensor, "resolution_m": _known(info.resolution_m), "pixels": row.pixels,
        "pixels_labelled_not_observed": row.unseen, "iou": _known(row.mean_iou), "accuracy": _known(row.accuracy),
        "front_error_px": _known(row.front_error_px), "doubts": list(row.doubts),
    }  # fmt: skip


def _known(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
