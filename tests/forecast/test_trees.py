"""Trees as plain numbers answer bit by bit as the library that grew them."""

from __future__ import annotations

import numpy as np

from glaciertime.forecast.learned.trees import trees_of


def test_trees_answer_as_the_library_does():
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(0)
    seen = rng.normal(size=(600, 4)).astype(np.float32)
    seen[rng.random(seen.shape) < 0.1] = np.nan
    target = np.nan_to_num(seen[:, 0]) * np.where(np.isnan(seen[:, 1]), 3.0, 1.0) + rng.normal(size=600)
    grown = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=20, max_leaf_nodes=8, early_stopping=False, random_state=0
    ).fit(seen, target)
    asked = np.concatenate([seen[:100], rng.normal(0, 9, size=(100, 4)).astype(np.float32), np.full((1, 4), np.nan)])
    np.testing.assert_array_equal(trees_of(grown)(asked.astype(np.float32)), grown.predict(asked))
