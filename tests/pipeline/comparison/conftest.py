"""Rows of comparisons that no training made: counts of images whose scores are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from glaciertime.pipeline.comparison.performing import COLUMNS


def image_rows(iou: float, *, pixels: int = 1000, **about: Any) -> list[dict[str, Any]]:
    """Return the rows of one image of two classes of equal size whose IoU is that of both."""
    hit = round(iou * pixels * 2 / (1 + iou))
    counts = {"tp": hit, "fp": pixels - hit, "fn": pixels - hit, "tn": hit}
    known = {
        "run": "r", "data": "ice", "region": "", "modality": "all", "train_on": "all", "samples": 0,
        "model": "unet-small",
        "variant": "all", "candidate": "", "seed": 1, "split": "test", "glacier": "G", "scene": "s", "date": "",
        "sensor": "", "sample": "s", "source": "observed", "status": "ok", "reason": "", **about,
    }  # fmt: skip
    return [{**known, "class": name, "metric": metric, "value": float(value)}
            for name in ("glacier", "ocean") for metric, value in counts.items()]  # fmt: skip


@pytest.fixture
def rows_of() -> Callable[..., pd.DataFrame]:
    """Return rows of scores: a mapping of levels to the IoU of each unit."""

    def make(scores: dict[tuple[tuple[str, Any], ...], list[float]], *, unit: str = "glacier") -> pd.DataFrame:
        rows = []
        for levels, values in scores.items():
            for at, iou in enumerate(values):
                about = {unit: f"{unit}{at}", "sample": f"image{at}", **dict(levels)}
                rows += image_rows(iou, **about)
            rows.append({**image_rows(0.5, **dict(levels))[0], "split": "train", "class": "all",
                         "metric": "parameters_m", "value": 0.677})  # fmt: skip
        return pd.DataFrame(rows, columns=list(COLUMNS))

    return make
