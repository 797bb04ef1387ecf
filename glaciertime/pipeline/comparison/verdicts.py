"""What the rows of a comparison say: scores, their tests over glaciers or scenes, and the noise of training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from glaciertime.pipeline.comparison.conducting import Conducted
from glaciertime.pipeline.comparison.plan import FACTORS, ComparisonPlan
from glaciertime.pipeline.comparison.unit_scores import unit_of, unit_scores
from glaciertime.segment.judge.intervals import LEAST_UNITS, drawn_ends
from glaciertime.segment.judge.significance import METHODS, adjusted, compare_groups, compare_pair, compare_ranks

__all__ = ["findings_of"]

#: What is compared on the same images; data sets and regions are of other ones.
_PAIRED = ("modality", "train_on", "samples", "model", "variant")
_STRATA = ("data", "region")
_KEYS = [*FACTORS, "candidate"]
SMALLER_IS_BETTER = ("front_error_px",)
_FRONTS = ("front_labelled", "front_missed")


def findings_of(plan: ComparisonPlan, conducted: Conducted) -> dict[str, Any]:
    """Return all that a comparison says, as JSON holds it: every number finite, or None with a reason.

    Returns
    -------
    dict
        ``conditions``: scores of each combination, their interval over units and their noise over seeds; ``families``:
        for each thing that is compared and all else equal the tests over units; ``seeds``: the noise of training;
        ``search``, ``failed``, ``counted``, ``told``.
    """
    rows = conducted.rows
    test = rows[(rows["status"] == "ok") & (rows["split"] == "test")]
    found: dict[str, Any] = {
        "description": "glaciertime compare",
        "metrics": list(plan.metrics),
        "baseline": plan.baseline or None,
        "correction": plan.correction,
        "search": [
            {**dict(zip(FACTORS, one.condition, strict=True)), "chosen": one.candidate, "validation_score": one.score,
             "metric": one.metric, "tried": one.tried, "failed": one.failed} for one in conducted.choices
        ],
        "failed": _failed(rows),
        "simulated": sorted(set(rows.loc[rows["source"] == "simulated", "data"])),
        "told": list(conducted.told),
        "counted": {
            "runs": int(rows["run"].nunique()), "done_now": conducted.done, "kept": conducted.kept,
            "failed": conducted.failed,
        },
    }  # fmt: skip
    if test.empty:
        return {**found, "conditions": [], "families": [], "seeds": []}
    units = {key: unit_of(part) for key, part in test.groupby(list(_STRATA), observed=True)}
    parts = [unit_scores(part, by=[*_KEYS, "seed"], unit=units[key]) for key, part in test.groupby(list(_STRATA))]
    scores = _as_listed(pd.concat(parts, ignore_index=True), test)
    whole = _as_listed(unit_scores(test, by=[*_KEYS, "seed"], unit=""), test)
    families = list(_families(plan, scores, units, _labelled(test), conducted.same_images))
    _correct(families)
    found["told"] += [
        f"{' and '.join(sorted(pair))} are tested on the same images: their scores are not tested against each "
        "other as if they were of different places"
        for pair in sorted(conducted.same_images, key=sorted)
    ]
    found["told"] += [
        f"{metric}: none of the test images has it" for metric in plan.metrics if whole[metric].isna().all()
    ]
    for key, unit in units.items():
        nameless = test[(test[list(_STRATA)] == list(key)).all(axis=1) & (test["glacier"] == "")]
        if unit == "glacier" and len(nameless):
            found["told"].append(
                f"{key[0]}: {nameless['sample'].nunique()} test images are of no known glacier: they are in the scores "
                "and in no test"
            )
    conditions = list(_conditions(plan, scores, whole, rows, units))
    return _plain({**found, "conditions": conditions, "families": families, "seeds": _seed_noise(plan, conditions)})


def _as_listed(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a table in the order in which the plan lists what is compared."""
    order = {name: {level: at for at, level in enumerate(dict.fromkeys(rows[name]))} for name in (*_KEYS, "seed")}
    return table.sort_values([*_KEYS, "seed"], key=lambda one: one.map(order[str(one.name)]), kind="stable")


def _failed(rows: pd.DataFrame) -> list[dict[str, Any]]:
    failed = rows[rows["status"] == "failed"]
    return [{**{name: row[name] for name in (*FACTORS, "candidate", "seed")}, "reason": row["reason"]}
            for row in failed.to_dict("records")]  # fmt: skip


def _conditions(
    plan: ComparisonPlan, scores: pd.DataFrame, whole: pd.DataFrame, rows: pd.DataFrame, units: dict[Any, str]
) -> Iterator[dict[str, Any]]:
    training = rows[(rows["status"] == "ok") & (rows["split"] == "train")]
    told = training.pivot_table(index=[*_KEYS, "seed"], columns="metric", values="value", observed=True).reset_index()
    fronts = rows[(rows["status"] == "ok") & (rows["split"] == "test") & rows["metric"].isin(_FRONTS)]
    for key, part in whole.groupby(_KEYS, sort=False, observed=True):
        condition = dict(zip(_KEYS, key, strict=True))
        own = scores[_is(scores, condition)]
        by_unit = own.groupby("unit")[list(plan.metrics)].mean()
        of_training = told[_is(told, condition)]
        yield {
            **condition,
            "unit": units[tuple(condition[name] for name in _STRATA)],
            "units": len(by_unit),
            "seeds": sorted(int(seed) for seed in part["seed"]),
            "fronts": _fronts(fronts[_is(fronts, condition)]),
            "scores": {
                metric: {
                    "mean": _mean(part[metric]),
                    "over_seeds_sd": float(part[metric].std(ddof=1)) if len(part) > 1 else math.nan,
                    "by_seed": {str(s): float(value) for s, value in zip(part["seed"], part[metric], strict=True)},
                    **_range(by_unit[metric].to_numpy(), plan.draws),
                }
                for metric in plan.metrics
            },
            "training": {name: _mean(of_training[name]) for name in of_training.columns
                         if name not in (*_KEYS, "seed")},
        }  # fmt: skip


def _fronts(rows: pd.DataFrame) -> dict[str, int]:
    """Return of how many fronts of the test part, all seeds together, the model drew none."""
    return {name.removeprefix("front_"): int(rows.loc[rows["metric"] == name, "value"].sum()) for name in _FRONTS}


def _range(values: np.ndarray, draws: int) -> dict[str, float]:
    """Return the mean over units and its 95 % interval, of units drawn with replacement."""
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if len(known) else math.nan
    if len(known) < LEAST_UNITS:
        return {"unit_mean": mean, "low": math.nan, "high": math.nan}
    drawn = np.random.default_rng(0).integers(0, len(known), size=(draws, len(known)))
    low, high = np.quantile(known[drawn].mean(axis=1), drawn_ends(len(known)))
    return {"unit_mean": mean, "low": float(low), "high": float(high)}


def _is(table: pd.DataFrame, levels: dict[str, Any]) -> pd.Series:
    held = pd.Series(True, index=table.index)
    for name, level in levels.items():
        held &= table[name] == level
    return held


def _labelled(test: pd.DataFrame) -> pd.DataFrame:
    """Return the labelled pixels of each class of each glacier, of each combination."""
    keys = [*FACTORS, "seed", "glacier", "class"]
    held = test[test["metric"].isin(("tp", "fn"))].groupby(keys, observed=True)["value"].sum().reset_index()
    return held.drop_duplicates([*FACTORS, "glacier", "class"])


def _are_same_images(labelled: pd.DataFrame, factor: str) -> bool:
    """Return whether what is compared has the same labels, glacier by glacier: other labels are of other images."""
    wide = labelled.pivot_table(index=["glacier", "class"], columns=factor, values="value", observed=True)
    return bool((wide.max(axis=1) == wide.min(axis=1)).all())


def _families(
    plan: ComparisonPlan,
    scores: pd.DataFrame,
    units: dict[Any, str],
    labelled: pd.DataFrame,
    same_images: frozenset[frozenset[str]],
) -> Iterator[dict[str, Any]]:
    """Yield the tests of each thing that is compared, with all else equal."""
    for factor in FACTORS:
        if scores[factor].nunique() < 2:
            continue
        others = [name for name in FACTORS if name != factor]
        for fixed, part in scores.groupby(others, sort=False, observed=True):
            levels = list(dict.fromkeys(part[factor]))
            if factor == "data":
                # Of the same places by other labels there are no two samples of places.
                shared = {name for pair in same_images for name in pair if pair <= set(levels)}
                levels = [name for name in levels if name not in shared]
            if len(levels) < 2:
                continue
            held = dict(zip(others, fixed, strict=True))
            kinds = {units[tuple({**held, factor: level}[name] for name in _STRATA)] for level in levels}
            unit = kinds.pop() if len(kinds) == 1 else "glacier or scene"
            is_same = _are_same_images(labelled[_is(labelled, held)], factor)
            for metric in plan.metrics:
                table = part.pivot_table(index="unit", columns=factor, values=metric, aggfunc="mean", observed=True)
                table = table.reindex(columns=levels)
                places = {str(name).split("|")[0] for name in table.index} - {""}
                if table.notna().to_numpy().any():
                    tested = _family(plan, table, factor=factor, fixed=held, unit=unit, metric=metric)
                    yield {**tested, "same_images": is_same, "glaciers": len(places)}


def _family(
    plan: ComparisonPlan, table: pd.DataFrame, *, factor: str, fixed: dict[str, Any], unit: str, metric: str
) -> dict[str, Any]:
    levels = list(table.columns)
    values = table.to_numpy(dtype=float)
    whole = int(np.isfinite(values).all(axis=1).sum())
    is_paired = factor in _PAIRED
    found: dict[str, Any] = {
        "factor": factor,
        "fixed": {name: level for name, level in fixed.items() if level not in ("", "all", 0)},
        "metric": metric,
        "unit": unit,
        "units": whole if is_paired else int(np.isfinite(values).any(axis=1).sum()),
        "units_left_out": int(len(values) - whole) if is_paired else 0,
        "levels": [str(level) for level in levels],
        "means": [_mean(table[level]) for level in levels],
        "anova": asdict(compare_groups([values[:, at] for at in range(len(levels))])),
        "paired": is_paired,
    }
    if not is_paired:
        return {**found, "friedman": None, "pairs": []}
    ranked = compare_ranks(values, larger_is_better=metric not in SMALLER_IS_BETTER)
    found["friedman"] = {**asdict(ranked), "mean_ranks": ranked.mean_ranks.tolist()}
    names = found["levels"]
    if plan.baseline in names:
        base = names.index(plan.baseline)
        pairs: Sequence[tuple[int, int]] = [(at, base) for at in range(len(levels)) if at != base]
    else:
        pairs = list(itertools.combinations(range(len(levels)), 2))
    found["pairs"] = [
        {"first": names[one], "second": names[other],
         **asdict(compare_pair(values[:, one], values[:, other], draws=plan.draws))} for one, other in pairs
    ]  # fmt: skip
    return found


def _correct(families: list[dict[str, Any]]) -> None:
    """Add the corrected p-values: of all pairs of a thing that is compared, and of its analyses of variance, a metric.

    What is compared in several data sets, or with several models, is one question asked so many times.
    """
    for (_factor, _metric), group in _grouped(families, "factor", "metric"):
        pairs = [pair for family in group for pair in family["pairs"]]
        for name in ("p_t", "p_wilcoxon"):
            values = [pair[name] for pair in pairs]
            for method in METHODS:
                for pair, value in zip(pairs, adjusted(values, method=method), strict=True):
                    pair[f"{name}_{method}"] = value
        count = sum(math.isfinite(pair["p_t"]) for pair in pairs)
        for family in group:
            family["tests_corrected_for"] = count
        anovas = [family["anova"] for family in group]
        for method in METHODS:
            for held, value in zip(anovas, adjusted([one["p"] for one in anovas], method=method), strict=True):
                held[f"p_{method}"] = value


def _grouped(families: list[dict[str, Any]], *names: str) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    held: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for family in families:
        held.setdefault(tuple(family[name] for name in names), []).append(family)
    yield from held.items()


def _seed_noise(plan: ComparisonPlan, conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return how much the seed alone moves each metric: the spread over seeds, pooled over the combinations."""
    found = []
    for metric in plan.metrics:
        # Of a seed without a front there is no error of it: it is none of those that the spread is of.
        spreads = [
            (one["scores"][metric]["over_seeds_sd"], sum(map(math.isfinite, one["scores"][metric]["by_seed"].values())))
            for one in conditions
        ]
        known = [(sd, count) for sd, count in spreads if math.isfinite(sd)]
        freedom = sum(count - 1 for _, count in known)
        pooled = math.sqrt(sum(sd**2 * (count - 1) for sd, count in known) / freedom) if freedom else math.nan
        largest = max((sd for sd, _ in known), default=math.nan)
        found.append({"metric": metric, "pooled_sd": pooled, "largest_sd": largest, "degrees_of_freedom": freedom})
    return found


def _mean(values: pd.Series) -> float:
    known = values.to_numpy(dtype=float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else math.nan


def _plain(value: Any) -> Any:
    """Return values as JSON holds them: no NaN, no types of numpy."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
