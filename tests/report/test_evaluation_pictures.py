"""The pictures of an evaluation show what was counted."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from glaciertime.report import evaluation_pictures
from glaciertime.report.evaluation_pictures import error_map
from glaciertime.report.evaluation_text import MARK
from glaciertime.segment.judge.evaluation import Judged


def judged(shape: tuple[int, int], classes: int = 2) -> Judged:
    rng = np.random.default_rng(0)
    labels, predicted = (rng.integers(0, classes, shape).astype(np.uint8) for _ in range(2))
    labels[:, 0] = 255
    return Judged(np.zeros((classes, *shape)), predicted, labels, labels != 255, (), ())


def test_a_map_has_a_pixel_of_each_kind_for_each_that_was_counted() -> None:
    held = judged((40, 30))
    label, mask, valid = held.labels == 1, held.predicted == 1, held.valid
    shown = evaluation_pictures._errors(label, mask, valid)
    for (_, colour), wanted in zip(
        evaluation_pictures._ERRORS, (label & mask, ~label & mask, label & ~mask), strict=True
    ):
        np.testing.assert_array_equal((np.abs(shown - to_rgb(colour)) < 1e-9).all(axis=2), wanted & valid)
    assert not (shown[~valid] == 1).all()


@pytest.mark.parametrize("shape", [(40, 30), (200, 12), (12, 200), (1, 1), (1500, 1200)])
@pytest.mark.parametrize("classes", [2, 4])
def test_maps_of_any_shape_are_drawn_and_marked(shape: tuple[int, int], classes: int) -> None:
    names = ("glacier", "ocean", "rock_$x$", "a class with a name that is much too long")[:classes]
    image = np.full((1, *shape), np.nan)
    content = error_map(judged(shape, classes), image, names=names, title="one: the worst of 3 by mean IoU, 0.5")
    picture = Image.open(io.BytesIO(content))
    assert picture.info["Software"] == MARK
    assert picture.width < 2600
    assert picture.height < 2600
