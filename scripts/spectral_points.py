"""Band ratio, snow index and a classifier of pixels on hand-labelled points of four glaciers, glaciers left out.

The table says for each method, sensor and class what share of the points is put on the right side, ice and snow or
not, and the mean over glaciers of the IoU of ice and snow. The rules have no parameter that was fitted here but the
near infrared of water (0.05); the logistic regression on the logarithms of six bands is trained without the glacier it
is scored on, every glacier and class weighing the same. It is not better than the band ratio, and calls water ice where
no other glacier showed it any: it is not shipped.

    python scripts/spectral_points.py --data ../shared/data/spectral_points
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

BANDS = {
    "landsat": {"blue": "SR_B2", "green": "SR_B3", "red": "SR_B4", "nir": "SR_B5", "swir1": "SR_B6", "swir2": "SR_B7"},
    "sentinel2_sr": {"blue": "B2", "green": "B3", "red": "B4", "nir": "B8", "swir1": "B11", "swir2": "B12"},
}
#: The Landsat columns lack the offset of Collection 2.
OFFSETS = {"landsat": -0.2, "sentinel2_sr": 0.0}
CLASSES = {1: "snow", 2: "shadowed", 3: "ice", 4: "rock", 5: "water"}
ICE = (1, 2, 3)


def read_points(path: Path) -> pd.DataFrame:
    """Return reflectances by name, with class and site, of the points that have all bands."""
    table = pd.read_csv(path)
    bands = {name: table[column] + OFFSETS[path.stem] for name, column in BANDS[path.stem].items()}
    return pd.DataFrame({**bands, "class": table["class"], "site": table["site_name"]}).dropna(ignore_index=True)


def by_rule(points: pd.DataFrame, method: str) -> np.ndarray:
    """Return where a rule sees ice and snow."""
    from glaciertime.segment.pixels.indices import zones_of_reflectance

    bands = {name: points[[name]].to_numpy() for name in BANDS["landsat"]}
    return zones_of_reflectance(bands, method=method, median_px=1)[:, 0] == 127


def by_regression(points: pd.DataFrame) -> np.ndarray:
    """Return where a logistic regression on log reflectances sees ice and snow, each glacier left out in turn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = np.log(points[list(BANDS["landsat"])].clip(lower=1e-3).to_numpy())
    found = np.zeros(len(points), dtype=bool)
    for site in points["site"].unique():
        known = (points["site"] != site).to_numpy()
        part = points[known]
        weights = 1 / part.groupby(["site", "class"])["class"].transform("size")
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, C=0.1))
        model.fit(features[known], part["class"], logisticregression__sample_weight=weights / weights.mean())
        found[~known] = np.isin(model.predict(features[~known]), ICE)
    return found


def row_of(points: pd.DataFrame, found: np.ndarray) -> dict[str, float]:
    """Return the share of each class on the right side, and the mean over glaciers of the IoU of ice and snow."""
    ice = points["class"].isin(ICE).to_numpy()
    scores = {name: float((found == ice)[points["class"] == number].mean()) for number, name in CLASSES.items()}
    of_site = [
        (found & ice)[here].sum() / (found | ice)[here].sum()
        for here in ((points["site"] == site).to_numpy() for site in points["site"].unique())
    ]
    return {**scores, "IoU": float(np.mean(of_site))}


def table(folder: Path) -> pd.DataFrame:
    """Return one row per sensor and method."""
    rows = []
    for sensor in BANDS:
        points = read_points(folder / f"{sensor}.csv")
        for name, found in (
            ("ndsi", by_rule(points, "ndsi")),
            ("band-ratio", by_rule(points, "band-ratio")),
            ("regression, left out", by_regression(points)),
        ):
            rows.append({"sensor": sensor, "method": name, **row_of(points, found)})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/spectral_points"))
    print(table(parser.parse_args().data).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
