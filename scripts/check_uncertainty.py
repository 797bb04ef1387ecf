"""Check the stated uncertainties against simulated truth, and tabulate the error of every method per shape of fjord.

    python scripts/check_uncertainty.py

The errors put in are not those of the model that estimates them: the delineation's correlation falls off as a Gaussian
along the front, and an image is shifted as a whole by a length uniform in size and direction. What is counted is how
often the truth lies within one and within 1.96 sigma (68.3 and 95 % of a normal error).
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import pandas as pd
import shapely
import shapely.ops
from affine import Affine
from rasterio.features import geometry_mask

from glaciertime.scenes.acquisition import GLACIER, OCEAN
from glaciertime.slopes import weighted_slope
from glaciertime.track import METHODS, TrackSettings
from glaciertime.track.measurement import Rounding
from glaciertime.track.place import Place
from glaciertime.track.ruler.ruler import FrontRuler, Position
from glaciertime.track.ruler.simulate import SHAPES, simulated_fjord, traced
from glaciertime.track.ruler.uncertainty import area_sigma_km2, change_sigma
from glaciertime.track.scene.masks import to_map
from glaciertime.track.scene.rounding import rounding_of
from glaciertime.track.scene.tracing import front_lines
from glaciertime.units import DAYS_PER_YEAR, M2_PER_KM2

DATES = 8


def coverage(*, series: int, seed: int) -> pd.DataFrame:
    """Return the share of truths within one and two sigma for position, area, change and rate."""
    delineation_m, shift_m, correlation_m = 40.0, 15.0, 800.0
    settings = TrackSettings(box_width_m=3000, correlation_length_m=correlation_m)
    z: dict[str, list[float]] = {}
    for index in range(series):
        # Even series run straight, odd ones bend.
        fjord = simulated_fjord(("straight", "bending")[index % 2], count=DATES, seed=seed + index)
        ruler = FrontRuler(
            place=Place(name="sim", crs=None, fjord=fjord.fjord, centreline=fjord.centreline), settings=settings
        )
        years = np.sort(np.random.default_rng(seed + 7 * index).uniform(0, 10, DATES))
        errors: dict[str, list[tuple[float, float]]] = {}
        for date, front in enumerate(fjord.fronts):
            # A trace is clipped to the fjord: prolonged here so that an error does not leave it short of the bank.
            longer = prolonged(front, 400.0)
            drawn = traced(
                longer, seed=seed + 1000 * index + date, delineation_sigma_m=delineation_m,
                correlation_m=correlation_m, shift_sigma_m=shift_m,
            )  # fmt: skip
            for method in ("centreline", "curvilinear-box", "area-change"):
                true = ruler.position(method, longer, boundary_m=0.0, georeferencing_m=0.0)
                got = ruler.position(method, drawn, boundary_m=delineation_m, georeferencing_m=shift_m)
                errors.setdefault(method, []).append((got.value_m - true.value_m, got.sigma_m))
            truth, seen = ruler.fjord.inland_area(longer), ruler.fjord.inland_area(drawn)
            sigma = area_sigma_km2(
                front_length_m=seen.front_length_m, front_width_m=seen.chord_m, boundary_m=delineation_m,
                georeferencing_m=shift_m, correlation_m=correlation_m,
            )  # fmt: skip
            errors.setdefault("area", []).append(((seen.area_m2 - truth.area_m2) / M2_PER_KM2, sigma))
        for name, pairs in errors.items():
            error, sigma = np.array(pairs).T
            kind = "area" if name == "area" else f"position, {name}"
            z.setdefault(kind, []).extend(error / sigma)
            change = "change of area" if name == "area" else f"change, {name}"
            for first in range(0, DATES, 2):
                both = change_sigma(sigma[first], sigma[first + 1])
                z.setdefault(change, []).append((error[first + 1] - error[first]) / both)
            rate = "rate of area" if name == "area" else f"rate, {name}"
            fit = weighted_slope(years * DAYS_PER_YEAR, error, sigma, extra_scatter=False)
            z.setdefault(rate, []).append(fit.slope_per_year / fit.sigma_per_year)
    rows = []
    for kind, values in z.items():
        size = np.abs(values)
        rows.append((kind, len(size), 100 * np.mean(size < 1), 100 * np.mean(size < 1.959964)))
    return pd.DataFrame(rows, columns=["quantity", "n", "within 68 %", "within 95 %"])


ERRORS = {
    "60 m delineation": (60.0, 0.0, 0.0),
    "40 m georeferencing": (0.0, 40.0, 0.0),
    "10 m pixels": (0.0, 0.0, 10.0),
    "30 m pixels": (0.0, 0.0, 30.0),
    "100 m pixels": (0.0, 0.0, 100.0),
}


def method_table(*, fronts: int, seed: int, errors: tuple[str, ...] = tuple(ERRORS)) -> pd.DataFrame:
    """Return, per method and kind of error, how often the truth lies within one and two sigma, and RMS over sigma.

    Half of the fjords run straight, half bend. A front on pixels is that of the mask of its ice on a grid turned at
    random; its error is uniform, so that what counts is the ratio.
    """
    settings = TrackSettings(methods=tuple(METHODS), box_width_m=3000.0)
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for index in range(-(-fronts // DATES)):
        fjord = simulated_fjord(("straight", "bending")[index % 2], count=DATES, seed=seed + index)
        ruler = FrontRuler(
            place=Place(name="sim", crs=None, fjord=fjord.fjord, centreline=fjord.centreline), settings=settings
        )
        for date, front in enumerate(fjord.fronts):
            longer, drawn_seed = prolonged(front, 400.0), seed + 1000 * index + date
            true = {method: position(ruler, method, longer) for method in METHODS}
            for kind in errors:
                delineation_m, shift_m, pixel_m = ERRORS[kind]
                rounding = Rounding()
                if pixel_m:
                    drawn, rounding = on_pixels(longer, pixel_m=pixel_m, seed=drawn_seed)
                else:
                    drawn = traced(
                        longer, seed=drawn_seed, delineation_sigma_m=delineation_m,
                        correlation_m=settings.correlation_length_m, shift_sigma_m=shift_m,
                    )  # fmt: skip
                for method in METHODS:
                    got = position(
                        ruler, method, drawn, boundary_m=delineation_m, georeferencing_m=shift_m, rounding=rounding
                    )
                    if got is not None and true[method] is not None:
                        pair = (got.value_m - true[method].value_m, got.sigma_m)
                        found.setdefault((kind, method), []).append(pair)
    rows = []
    for (kind, method), pairs in found.items():
        error, sigma = np.array(pairs).T
        within = [float(np.mean(np.abs(error) < factor * sigma)) for factor in (1, 1.959964)]
        rms, stated = (float(np.sqrt(np.mean(each**2))) for each in (error, sigma))
        rows.append((kind, method, len(pairs), rms, stated, rms / stated, *within))
    columns = ["error", "method", "n", "rms_m", "sigma_m", "ratio", "within_68", "within_95"]
    return pd.DataFrame(rows, columns=columns)


def position(ruler: FrontRuler, method: str, front: shapely.Geometry, **errors: object) -> Position | None:
    """Return a position, or None where the method cannot measure the front: a rectangle in a bending fjord."""
    try:
        return ruler.position(method, front, **{"boundary_m": 0.0, "georeferencing_m": 0.0, **errors})
    except ValueError:
        return None


def on_pixels(front: shapely.LineString, *, pixel_m: float, seed: int) -> tuple[shapely.LineString, Rounding]:
    """Return the front of the mask of what lies behind a front, on a grid turned and moved at random, and its rounding.

    The line is that which tracking draws, cut to the length of the front.
    """
    rng = np.random.default_rng(seed)
    x_min, y_min, x_max, y_max = front.bounds
    reach = 1.5 * math.hypot(x_max - x_min, y_max - y_min)
    size = int(reach / pixel_m)
    transform = (
        Affine.translation(*(np.array([x_min + x_max, y_min + y_max]) / 2 + rng.uniform(-1, 1, 2) * pixel_m))
        @ Affine.rotation(rng.uniform(0, 360))
        @ Affine.scale(pixel_m, -pixel_m)
        @ Affine.translation(-size / 2, -size / 2)
    )
    xy = shapely.get_coordinates(prolonged(front, 2 * reach))
    chord = xy[-1] - xy[0]
    behind = xy + 3 * reach * np.array([-chord[1], chord[0]]) / np.hypot(*chord)
    mask = geometry_mask([shapely.Polygon(np.vstack([xy, behind[::-1]]))], (size, size), transform)
    lines = front_lines(np.where(mask, OCEAN, GLACIER).astype(np.uint8))
    drawn = shapely.LineString(to_map(max(lines, key=len), transform))
    ends = sorted(drawn.project(shapely.Point(end)) for end in (front.coords[0], front.coords[-1]))
    cut = shapely.ops.substring(drawn, *ends)
    return cut, rounding_of(cut, transform=transform, pixel_m=pixel_m)


def prolonged(front: shapely.LineString, by_m: float) -> shapely.LineString:
    """Return a front prolonged straight at both ends."""
    xy = shapely.get_coordinates(front)
    first, last = xy[0] - xy[1], xy[-1] - xy[-2]
    return shapely.LineString(
        np.vstack([xy[0] + first / np.hypot(*first) * by_m, xy, xy[-1] + last / np.hypot(*last) * by_m])
    )


def error_table(*, fronts: int, seed: int) -> pd.DataFrame:
    """Return the error of every method against the mean position over the fjord's width, by shape."""
    rows = []
    for shape in SHAPES:
        fjord = simulated_fjord(shape, count=fronts, seed=seed)
        ruler = FrontRuler(
            place=Place(name=shape, crs=None, fjord=fjord.fjord, centreline=fjord.centreline),
            settings=TrackSettings(methods=tuple(METHODS), box_width_m=0.6 * fjord.width_m),
        )
        for method in METHODS:
            error, failed = [], 0
            for front, true in zip(fjord.fronts, fjord.positions_m, strict=True):
                try:
                    got = ruler.position(method, prolonged(front, 200.0), boundary_m=0.0, georeferencing_m=0.0)
                    error.append(got.value_m - true)
                except ValueError:
                    failed += 1
            # A constant is no error of a change: what counts is the scatter around it.
            left = np.array(error) - np.median(error) if error else np.array([np.nan])
            bias = np.median(error) if error else np.nan
            rows.append((shape, method, len(error), failed, bias, np.sqrt(np.mean(left**2)), np.abs(left).max()))
    return pd.DataFrame(rows, columns=["shape", "method", "n", "failed", "constant_m", "rms_m", "largest_m"])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=600)
    parser.add_argument("--fronts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--methods", type=int, default=1000, help="fronts per method and kind of error")
    given = parser.parse_args()
    print(method_table(fronts=given.methods, seed=given.seed).round(3).to_string(index=False))
    print()
    print(coverage(series=given.series, seed=given.seed).round(1).to_string(index=False))
    table = error_table(fronts=given.fronts, seed=given.seed)
    print()
    print(table.round(1).to_string(index=False))
    best = table.loc[table.groupby("shape")["rms_m"].idxmin()]
    print()
    for row in best.itertuples():
        print(f"least error in the {row.shape} fjord: {row.method}, {row.rms_m:.0f} m rms")


if __name__ == "__main__":
    main()
