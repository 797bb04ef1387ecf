"""Break lines that carry numbers, one at a time, and see whether the tests that should notice do.

Each row of the table names a file, a fragment that stands in it exactly once, what it is broken into, and the tests
that must fail then. Every mutant runs in a copy of the tree; the working tree is not touched. The same tests are run
first on the copy as it is, and have to pass there. Finished mutants are kept in a file and not repeated until their
source or their tests change, so that a run can be stopped and gone on with.

    python scripts/mutants.py --state mutants.jsonl
    python scripts/mutants.py --state mutants.jsonl --only forecast/local
    python scripts/mutants.py --list

Ends with 0 if every mutant was killed, with 1 if one survived or no longer fits the code.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "glaciertime/"
LIMIT_S = 600
PARTS = ("glaciertime", "tests", "scripts", "data_manifests", "setup.cfg", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """A line that carries a number, and what it is broken into."""

    file: str
    fragment: str
    replacement: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.file}: {self.fragment.strip()}  ->  {self.replacement.strip()}"


def rows(file: str, tests: tuple[str, ...], *pairs: tuple[str, str]) -> list[Mutant]:
    """Mutants of one file that the same tests must kill."""
    return [Mutant(PACKAGE + file, fragment, replacement, tests) for fragment, replacement in pairs]


def doctests(file: str, *tests: str) -> tuple[str, ...]:
    return (PACKAGE + file, *tests)


FORECAST = "tests/forecast/test_"
TRACK = "tests/track/test_"
KALMAN = (FORECAST + "kalman.py", FORECAST + "likelihood.py")

MUTANTS = [
    # Units: half pixels, years, square kilometres.
    *rows(
        "units.py", doctests("units.py", "tests/test_units.py"),
        ("row = np.atleast_1d(np.asarray(rows, dtype=float)) + 0.5",
         "row = np.atleast_1d(np.asarray(rows, dtype=float))"),
        ("M2_PER_KM2 = 1.0e6", "M2_PER_KM2 = 1.0e5"),
        ("366 if calendar.isleap(day.year) else 365", "365"),
        ("(day.timetuple().tm_yday - 1) / days_in_year", "day.timetuple().tm_yday / days_in_year"),
        ("along_column[0] * along_row[1] - along_column[1]", "along_column[0] * along_row[1] + along_column[1]"),
        ("_EDGE_DEGREES = 0.02", "_EDGE_DEGREES = 20.0"),
        ("[(shape[0] - 1) / 2], [(shape[1] - 1) / 2]", "[0], [0]"),
        ("counts * areas)) / M2_PER_KM2", "counts * areas)) / M2_PER_KM2 * 1.001"),
        ("lon, lat = np.radians(longitude), np.radians(latitude)",
         "lon, lat = np.radians(latitude), np.radians(longitude)"),
    ),
    *rows("units.py", (FORECAST + "simple.py", FORECAST + "backtest.py", "glaciertime/units.py"),
          ("DAYS_PER_YEAR = 365.25", "DAYS_PER_YEAR = 360.0")),
    # Areas of zones: shares of pixels on an edge, and which way round.
    *rows(
        "track/scene/rasterarea.py", (TRACK + "rasters.py",),
        ("share = column + 1 - 0.5 * (a + end)", "share = column + 1 - (a + end)"),
        ("share = column + 1 - a\n", "share = column + 0.5 - a\n"),
        ("edges[at, 2] = sign * (bottom - top)", "edges[at, 2] = bottom - top"),
        ("cover[0] += per_column * -a", "cover[0] += 0.0"),
        ("edges[at, 1] = x0 + (bottom - y0) * slope", "edges[at, 1] = x0 + (top - y0) * slope"),
        ("areas[values[k]] += inside * ((1 - share) * upper", "areas[values[k]] += inside * (share * upper"),
    ),
    # Errors of fronts: sums in quadrature, correlation, what cancels.
    *rows(
        "track/ruler/uncertainty.py", doctests("track/ruler/uncertainty.py", TRACK + "uncertainty.py"),
        ("math.erf(math.sqrt(math.pi) * ratio) + math.expm1", "math.erf(math.sqrt(math.pi) * ratio) - math.expm1"),
        ("np.exp(-np.pi * (apart_m / correlation_m) ** 2)", "np.exp(-(apart_m / correlation_m))"),
        ("math.sqrt(front_length_m * pixels.length_m)", "math.sqrt(front_length_m)"),
        ("return obliquity * math.hypot(boundary_m", "return math.hypot(boundary_m"),
        ("gap * (gap * width_m / 2) / math.sqrt(3)", "gap * (gap * width_m) / math.sqrt(3)"),
        ("first**2 + second**2 - 2 * shared**2", "first**2 + second**2 - shared**2"),
        ("np.maximum(count - 1, 1)), np.nan)", "np.maximum(count, 1)), np.nan)"),
        ("return sigma_km2 * M2_PER_KM2 / width_m", "return sigma_km2 * M2_PER_KM2 / front_length_m"),
        ("front_width_m=width_m if chord_m is None else chord_m", "front_width_m=width_m"),
    ),
    # Positions: signs, halves, directions.
    *rows(
        "track/ruler/measures.py", doctests("track/ruler/measures.py", TRACK + "measures.py"),
        ("((np.arange(count) + 0.5) / count - 0.5) * width_m", "(np.arange(count) / count - 0.5) * width_m"),
        ("0.5 * (along[1:] + along[:-1]) * step", "along[1:] * step"),
        ("direction = 1.0 if step.sum() >= 0 else -1.0", "direction = 1.0"),
        ("(1 - trim_share) * along[-1]", "along[-1]"),
        ("(dx - cx) * (by - ay) - (dy - cy) * (bx - ax)", "(dx - cx) * (by - ay) + (dy - cy) * (bx - ax)"),
        ("np.fmax.at(out, index, along)", "np.fmin.at(out, index, along)"),
    ),
    *rows(
        "track/ruler/crossings.py", (TRACK + "measures.py",),
        ("max(0.0, 1.0 - gap / width) if width", "max(0.0, 1.0 - 0.5 * gap / width) if width"),
        ("        + sign * moment\n", "        - sign * moment\n"),
        ("cut[n_cuts, 3] = abs(moment - along) / 2", "cut[n_cuts, 3] = abs(moment - along)"),
    ),
    *rows(
        "track/ruler/sensors.py", doctests("track/ruler/sensors.py", TRACK + "sensors.py"),
        ("rate * (day[b] - day[a]))", "rate * (day[a] - day[b]))"),
        ("scale = 1.4826 * np.median", "scale = 0.1 * np.median"),
        ("max(1.0, len(np.unique(values)) / 2)", "max(1.0, 20.0 * len(np.unique(values)))"),
    ),
    *rows(
        "track/ruler/moving.py", doctests("track/ruler/moving.py", TRACK + "moving.py"),
        # To look on the other side of every stretch turns all signs, and their sum with them: its length stays.
        ("np.array([-step[1], step[0]])", "np.array([step[1], step[0]])"),
        ("(1 if ice.covers(shapely.Point(left)) else -1)", "1"),
        ("total += (vertices[-1] - vertices[0])", "total += np.abs(vertices[-1] - vertices[0])"),
    ),
    # Series: days, months and years made one, slopes, cycles, losses.
    *rows(
        "combining.py",
        doctests("combining.py", "tests/test_combining.py", FORECAST + "series.py"),
        ("exact = sigmas == 0", "exact = sigmas < 0"),
        ("weight = 1 / sigma**2", "weight = 1 / sigma"),
        ("(values - mean) ** 2)) / (len(values) - 1)", "(values - mean) ** 2)) / len(values)"),
        ("np.median(sigmas[known])", "np.max(sigmas[known])"),
        ("found[~bounds]", "found"),
        ("values.var(ddof=1) / len(values) if len(values) > 1 else np.nan",
         "values.var(ddof=0) / len(values) if len(values) > 1 else np.nan"),
        ('np.mean(month["sigma"].to_numpy() ** 2)) / len(values)', 'np.mean(month["sigma"].to_numpy() ** 2))'),
        ("np.sqrt(np.mean(variances) / len(means))", "np.sqrt(np.mean(variances))"),
        ("variances.append(np.fmax(spread, errors))", "variances.append(np.fmin(spread, errors))"),
        ("per_year.max() > 3", "per_year.max() > 30"),
    ),
    *rows(
        "slopes.py", doctests("slopes.py", "tests/test_slopes.py", TRACK + "uncertainty.py"),
        ("apart[apart != 0]) * DAYS_PER_YEAR", "apart[apart != 0]) * 360.0"),
        ("years = (day - day.mean()) / DAYS_PER_YEAR", "years = (day - day.mean()) / 360.0"),
        ("(n * (n - 1) * (2 * n + 5) - float", "(n * (n - 1) * (2 * n + 50) - float"),
        ("tail = (1 - level) / 2", "tail = 1 - level"),
        ("np.linalg.solve(matrix, rest)) / (len(value) - 2)", "np.linalg.solve(matrix, rest)) / len(value)"),
        ("float(stdtrit(len(value) - 2, 0.5 + level / 2))", "float(ndtri(0.5 + level / 2))"),
        ("variance *= max(1.0, reduced) if", "variance *= reduced if"),
        ("matrix = np.diag(sigma**2)", "matrix = np.diag(sigma)"),
    ),
    *rows(
        "track/record/periods.py", doctests("track/record/periods.py", TRACK + "products.py"),
        ('pd.Timestamp(date.year - (date.month < 3), month, 1)', "pd.Timestamp(date.year, month, 1)"),
        ('(pair["sigma"] ** 2 + pair["sigma_before"] ** 2) / years_apart**2', 'pair["sigma"] ** 2 / years_apart**2'),
        ("stdtrit(count - 1, 0.5 + level / 2)", "stdtrit(count, 0.5 + level / 2)"),
        ("change.var(ddof=1) / count, errors", "change.var(ddof=1), errors"),
        ('np.hypot(high["sigma"], low["sigma"])', '(high["sigma"] + low["sigma"])'),
        ("- pd.DateOffset(days=1)", ""),
        ('(pair["value"] - pair["value_before"]) / years_apart', '(pair["value"] - pair["value_before"])'),
    ),
    *rows(
        "track/record/retreat.py", doctests("track/record/retreat.py", TRACK + "retreat.py"),
        ("sigma = math.hypot(_sigma(start), _sigma(end))", "sigma = _sigma(start) + _sigma(end)"),
        ("end * start_sigma / start**2", "start_sigma / start"),
        ("min(apart, 1 - apart) > _SEASON_YEARS", "apart > _SEASON_YEARS"),
        ("(table[name] ** 2).sum(skipna=False)", "(table[name] ** 2).sum()"),
        ("return difference_bound(_side(end), _side(start))", "return difference_bound(_side(start), _side(end))"),
    ),
    *rows(
        "segment/judge/calibration.py",
        doctests("segment/judge/calibration.py", "tests/segment/test_uncertainty.py"),
        ("return 1 / float(optimize.brentq", "return float(optimize.brentq"),
        ("right.astype(float) - sure", "right.astype(float) + sure"),
        ("(sure * bins).astype(int)", "(sure * bins * 0.9).astype(int)"),
    ),
    # Forecasts: state space.
    *rows(
        "forecast/local/filter.py", (FORECAST + "filter.py", *KALMAN),
        ("rate * tau * tau / 2 * of_both", "rate * tau * tau * of_both"),
        ("dt * (1 - x / 2 + x * x / 6)", "dt * (1 - x + x * x / 6)"),
        ("variance = max(p00 + obs + noise[t], 1e-14)", "variance = max(p00 + obs, 1e-14)"),
        ("return min(rate * tau / 2, 4 * mean_rate_variance) if mean_rate_variance > 0 else rate * tau / 2",
         "return min(rate * tau / 2, 4 * mean_rate_variance)"),
    ),
    *rows(
        "forecast/local/filter_rows.py", (FORECAST + "filter.py", *KALMAN),
        ("variance = p00 + lanes[12 * _LANES + k] + known", "variance = p00 + lanes[12 * _LANES + k]"),
        ("+ lanes[9 * _LANES + k] + jump", "+ lanes[9 * _LANES + k]"),
        ("grid[order[end], 3] == tau", "end < len(order)"),
        ("held = changed[places[e]]", "held = 0.0 * changed[places[e]]"),
        ("centre, variance = 0.0, grid[k, 0]", "centre, variance = 0.0, 0.0"),
    ),
    *rows(
        "forecast/local/scaled.py", KALMAN,
        ("count = sums[:, 2] - events", "count = sums[:, 2]"),
        ("reverting[:, 4] = 0.0", "reverting[:, 4] = 1.0"),
        ("trend = self.steps.rate / self.scale", "trend = 0.0 * self.steps.rate / self.scale"),
        ("varied = self.steps.about_trend or", "varied = self.steps.whole or"),
        ("self.noise, self.shift = (known / self.scale) ** 2", "self.noise, self.shift = known / self.scale"),
    ),
    *rows(
        "forecast/local/steps.py", doctests("forecast/local/steps.py", *KALMAN),
        ("_MEDIAN_NORMAL = 0.6745", "_MEDIAN_NORMAL = 1.0"),
        ("(steps - rate * gaps) / np.sqrt(gaps), spent=1", "(steps - rate * gaps) / np.sqrt(gaps), spent=0"),
        ("_OF_LINE = 1e-3", "_OF_LINE = 1.0"),
    ),
    *rows(
        "forecast/local/events.py", KALMAN,
        ("_GAIN = 10.0", "_GAIN = 1.0"),
        ("_GAIN = 10.0", "_GAIN = 60.0"),
        ("now - start >= _GAIN * len(found)", "now - start >= _GAIN * len(found) ** 4"),
    ),
    *rows(
        "forecast/local/kalman.py", KALMAN,
        ("return means, variances + self.known_variance", "return means, variances"),
        ("likelihood = best - (len(series) - 2)", "likelihood = best - (len(series) - 1)"),
    ),
    *rows("forecast/local/regression.py", (FORECAST + "kalman.py",),
          ("variances = variances + self.known_variance +", "variances = variances +")),
    *rows("forecast/local/gp.py", (FORECAST + "kalman.py",),
          ("np.sqrt(sd**2 + self.sigma**2)", "np.sqrt(sd**2)")),
    *rows("forecast/local/arima.py", (FORECAST + "arima.py",),
          ('["c"] * (d < 2)', '["c"] * (d < 1)'),
          ("* self.scale + self.centre", "* self.scale")),
    *rows("forecast/local/arma.py", (FORECAST + "arma.py",),
          ("np.log(2 * np.pi * variance)", "np.log(np.pi * variance)"),
          ("if t >= d:", "if t > d:"),
          ("state[d] = constant / left", "state[d] = constant"),
          ("_KPSS_LIMIT = 0.463", "_KPSS_LIMIT = 0.739")),
    # Sums of forecasts: shared and own errors, none below zero, dates that all have.
    *rows(
        "forecast/totals.py", (FORECAST + "totals.py",),
        ("np.sqrt(correlation) * shared", "correlation * shared"),
        ("np.sqrt(1 - correlation) * drawn()", "(1 - correlation) * drawn()"),
        ("values[..., [1, -1]] - values[..., [0, -2]]", "values[..., [0, -2]] - values[..., [1, -1]]"),
        ("np.maximum(values, least).sum(axis=0)", "values.sum(axis=0)"),
        ("np.maximum(np.interp(z, knots, curve), least)", "np.interp(z, knots, curve)"),
        ("return 0.0 if variable_named(variable).ratio_scale else -np.inf", "return 0.0"),
        ("if len(several) < len(names):", "if len(several) < 1:"),
        ("_BRIDGED_DAYS = 400", "_BRIDGED_DAYS = 4000"),
        ("z.sum() ** 2 - (z**2).sum()", "z.sum() ** 2"),
        ("len(z) * (len(z) - 1)", "len(z) ** 2"),
        ("products / count / square, 0.0, 1.0", "products / count / square, -1.0, 1.0"),
        ("_LEAST_DATES = 8", "_LEAST_DATES = 3"),
    ),
    # What covariates tell: of the past of a record only, and how much of it.
    *rows(
        "forecast/learned/drivers.py", (FORECAST + "drivers.py",),
        ("_RIDGE, _LEAST_CHANGES = 2.0, 4", "_RIDGE, _LEAST_CHANGES = 0.0, 4"),
        ("(one.years >= first) & (one.years <= year + 1e-9)", "(one.years >= first)"),
        ("rows = rows[bank.target_year[rows] <= last]", "rows = rows[bank.target_year[rows] <= last + 9]"),
        ("np.diff(columns, axis=0) - usual * gaps[:, None]", "np.diff(columns, axis=0)"),
        ("future - response.at_origin - response.usual_per_year", "future - response.usual_per_year"),
        ("- response.usual_per_year * ahead[:, None]", "- 0 * response.usual_per_year"),
        ("excess @ response.effect / scale", "excess @ response.effect"),
        ("(x.T @ y) / spread", "(x.T @ y)"),
    ),
    *rows("forecast/learned/trees.py", (FORECAST + "trees.py",),
          ("seen <= self.nodes", "seen < self.nodes"),
          ("np.full(len(asked), self.base)", "np.zeros(len(asked))")),
    # Forecasts: plain ones.
    *rows(
        "forecast/local/simple.py",
        doctests("forecast/local/simple.py", FORECAST + "simple.py", FORECAST + "models.py"),
        ("_SEASON_DAYS = 45.0", "_SEASON_DAYS = 46.0"),
        ("(month - np.timedelta64(12 * back,", "(month - np.timedelta64(12 * (back + 1),"),
        ("(values[-1] - values[0]) / record", "(values[-1] - values[0]) / (record + 1)"),
        ("ahead * (1 + ahead / self.record_years)", "ahead * (1 + self.record_years)"),
        ("degrees = len(step) - 1", "degrees = len(step)"),
    ),
    *rows(
        "forecast/prediction.py", (FORECAST + "prediction.py", "glaciertime/forecast/prediction.py"),
        ("round((1 - level) / 2, 9)", "round(1 - level, 9)"),
        ("special.stdtrit(max(degrees, 1.0), quantiles)", "special.ndtri(quantiles)"),
    ),
    # Forecasts: cutoffs.
    *rows("forecast/series.py", (FORECAST + "series.py", FORECAST + "leakage.py", FORECAST + "models.py"),
          ("self.take(self.dates <= as_days([cutoff])[0])", "self.take(self.dates < as_days([cutoff])[0])")),
    *rows("forecast/screening.py", (FORECAST + "screening.py",),
          ("<= 1e-6 * np.abs(change)", "<= 1e-2 * np.abs(change)"),
          ("same_day = (day_of_year[1:-1] == day_of_year[:-2])",
           "same_day = (day_of_year[1:-1] == day_of_year[1:-1])")),
    *rows(
        "forecast/learned/bank.py", (FORECAST + "leakage.py", FORECAST + "scrambled_future.py"),
        ("(self.target_year <= year) & (self.dropped_from > year)", "(self.target_year <= year)"),
        ("(self.target_year <= year) & (self.dropped_from > year)",
         "(self.target_year <= year + 1) & (self.dropped_from > year)"),
    ),
    *rows(
        "forecast/learned/design.py", (FORECAST + "leakage.py", FORECAST + "scrambled_future.py"),
        ("[year - _STALE_YEARS, year + 1e-9], side", "[year - _STALE_YEARS, year + 5], side"),
    ),
    # Scores.
    *rows(
        "forecast/judged/metrics.py", doctests("forecast/judged/metrics.py", FORECAST + "metrics.py"),
        ("miss = np.maximum(lower - observed, 0.0)", "miss = np.maximum(observed - lower, 0.0)"),
        ("2 / (1 - level) * miss", "1 / (1 - level) * miss"),
        ("(quantiles - 1) * error", "quantiles * error"),
        ("(2 * above - 2 * weighted.sum(axis=1))", "(2 * above - weighted.sum(axis=1))"),
        ("200 * np.mean(ratio)", "100 * np.mean(ratio)"),
    ),
    *rows(
        "forecast/judged/skill.py", doctests("forecast/judged/skill.py", FORECAST + "skill.py"),
        ("relative_error(mine.sum(axis=1), other.sum(axis=1))", "relative_error(mine, other).mean(axis=1)"),
        ('.sort_values("cutoff", kind="stable")', ""),
        ("np.mean(drawn >= 1)", "np.mean(drawn <= 1)"),
    ),
    *rows(
        "forecast/judged/origins.py",
        doctests("forecast/judged/origins.py", FORECAST + "origins.py", FORECAST + "backtest.py"),
        ("self.min_train - 2, -self.step", "self.min_train - 3, -self.step"),
        ("DAYS_PER_YEAR / 12", "DAYS_PER_YEAR / 10"),
        ("return found[: self.limit]", "return found"),
    ),
    *rows(
        "breaks/hazard.py", doctests("breaks/hazard.py", "tests/test_hazard.py"),
        (" - expected - np.log(told)", " - expected"),
        ("np.interp(0.025, at_least", "np.interp(0.05, at_least"),
        ("special.gammainc(count + 1, expected) / told", "special.gammainc(count + 1, expected)"),
    ),
    *rows(
        "forecast/learned/conformal.py", doctests("forecast/learned/conformal.py", FORECAST + "conformal.py"),
        ("conformal = found.sizes * np.where(", "conformal = 2 * found.sizes * np.where("),
        ("near_lead[self.lead] * self.weight", "near_lead[self.lead]"),
        ("np.where(errors < 0, *(z", "np.where(errors > 0, *(z"),
        ("(np.cumsum(w) - w / 2) / w.sum()", "np.cumsum(w) / w.sum()"),
        ("min(1.0, alike / (_FEW_SHARE * self._most_alike))", "1.0"),
    ),
    *rows(
        "forecast/learned/blend.py", (FORECAST + "pooled.py",),
        ("_ALIKE = 0.5", "_ALIKE = 500.0"),
        ("penalty = _PRIOR_TARGETS / len(target)", "penalty = 0 * _PRIOR_TARGETS / len(target)"),
    ),
    *rows(
        "forecast/learned/pooled.py", (FORECAST + "pooled.py",),
        ("kalman_share=shares[:, 1:].sum(axis=1)", "kalman_share=0.0"),
    ),
]  # fmt: skip


def key_of(mutant: Mutant) -> str:
    """What a mutant's result depends on: its source, its tests and itself."""
    digest = hashlib.sha256(repr(mutant).encode())
    for name in (mutant.file, *mutant.tests):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def pytest(tree: Path, tests: tuple[str, ...], *, cache: Path) -> tuple[bool, str]:
    """Whether the tests pass on a tree, and the last line of what they say; those that outlast the limit do not."""
    # A copy elsewhere must not answer for the tree, nor compiled code for changed code.
    environment = os.environ | {"PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1",
                                "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    if "GLACIERTIME_DATA" not in environment:
        environment["GLACIERTIME_DATA"] = str(ROOT.parent / "shared" / "data")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return False, f"longer than {LIMIT_S} s"
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if line.startswith(("FAILED", "ERROR"))), lines[-1] if lines else "")
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest could not run {' '.join(tests)} (exit {done.returncode}): {told}")
    return done.returncode == 0, told


def run_mutant(mutant: Mutant, tree: Path, warm: Path) -> tuple[str, str]:
    """Return ``killed``, ``survived`` or ``gone``, and what the tests said."""
    source = (ROOT / mutant.file).read_text(encoding="utf-8")
    if source.count(mutant.fragment) != 1:
        return (
            "gone",
            f"the fragment stands {source.count(mutant.fragment)} times in the file; bring the table up to date",
        )
    place = tree / mutant.file
    # Compiled code is kept by file: what calls a changed function would still call the old one.
    compiled = "njit" in source
    cache = Path(tempfile.mkdtemp(dir=tree.parent)) if compiled else warm
    try:
        place.write_text(source.replace(mutant.fragment, mutant.replacement), encoding="utf-8")
        passed, told = pytest(tree, mutant.tests, cache=cache)
    finally:
        place.write_text(source, encoding="utf-8")
        if compiled:
            shutil.rmtree(cache, ignore_errors=True)
    return ("survived" if passed else "killed"), told


def copied(folder: Path) -> Path:
    tree = folder / "tree"
    tree.mkdir()
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        elif (ROOT / name).is_file():
            shutil.copy2(ROOT / name, tree / name)
    return tree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, help="keep finished mutants in this file, and do not repeat them")
    parser.add_argument("--only", default="", help="only mutants whose file or fragment holds this text")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name]
    if not chosen:
        parser.error(f"no mutant holds {options.only!r}; look at --list")
    if options.list:
        print("\n".join(mutant.name for mutant in chosen))
        return 0
    known = {}
    if options.state and options.state.is_file():
        known = {row["key"]: row for row in map(json.loads, options.state.read_text(encoding="utf-8").splitlines())}
    found = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree, warm = copied(Path(folder)), Path(folder) / "compiled"
        sound: set[tuple[str, ...]] = set()
        for mutant in chosen:
            key = key_of(mutant)
            row = known.get(key)
            if row is None:
                if mutant.tests not in sound:
                    passed, told = pytest(tree, mutant.tests, cache=warm)
                    if not passed:
                        raise SystemExit(f"{' '.join(mutant.tests)} fail without any mutant: {told}")
                    sound.add(mutant.tests)
                start = time.perf_counter()
                outcome, told = run_mutant(mutant, tree, warm)
                row = {"key": key, "name": mutant.name, "outcome": outcome, "told": told,
                       "seconds": round(time.perf_counter() - start, 1)}  # fmt: skip
                if options.state:
                    with options.state.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
            found.append(row)
            print(f"{row['outcome']:9s}{mutant.name}", flush=True)
            if row["outcome"] != "killed":
                print(f"         {row['told']}", flush=True)
    counts = {name: sum(row["outcome"] == name for row in found) for name in ("killed", "survived", "gone")}
    print(", ".join(f"{count} {name}" for name, count in counts.items()) + f", of {len(found)}")
    return 0 if counts["killed"] == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
