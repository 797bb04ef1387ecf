"""What a comparison of trainings says: sentences and tables as data; pages and texts lay out the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MARK", "METRIC_NAMES", "Section", "condition_name", "content_of", "headline"]

MARK = "glaciertime compare"
METRIC_NAMES = {
    "iou": "mean IoU", "dice": "mean Dice", "precision": "mean precision", "recall": "mean recall",
    "pixel_accuracy": "pixel accuracy", "front_error_px": "front error, pixels",
}  # fmt: skip
_FACTORS = ("data", "region", "modality", "train_on", "samples", "model", "variant", "candidate")
_FACTOR_NAMES = {
    "data": "data sets", "region": "regions", "modality": "modalities", "train_on": "what is trained on",
    "samples": "numbers of samples", "model": "models", "variant": "variants",
}  # fmt: skip
_LEVEL = 0.05
#: From so many units on Wilcoxon's test can fall below the level, corrected for a dozen of tests.
_MANY = 9


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes
    ----------
    title : str
    lead : list of str
        Sentences above the table.
    head : list of str
        Names of columns; empty for no table.
    rows : list of list of str
    notes : list of str
        Below the table.
    """

    title: str
    lead: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def content_of(found: dict[str, Any], *, tables: Sequence[Section] = ()) -> list[Section]:
    """Return the sections of a report.

    Parameters
    ----------
    found : dict
        Of :func:`glaciertime.pipeline.comparison.verdicts.findings_of`.
    tables : sequence of Section
        Published tables with what was found beside them.
    """
    told = headline(found)
    if found["simulated"]:
        told.insert(0, f"SIMULATED images, no observations: {', '.join(found['simulated'])}.")
    sections = [Section("What was found", lead=told), _scores(found)]
    if found["search"]:
        sections.append(_search(found))
    for factor in dict.fromkeys(one["factor"] for one in found["families"]):
        sections += _tests(found, factor)
    if found["seeds"]:
        sections.append(_noise(found))
    if found["failed"]:
        sections.append(_failed(found))
    sections += tables
    if found["told"]:
        sections.append(Section("The data", lead=[f"{one}." for one in found["told"]]))
    return [one for one in sections if one.lead or one.rows]


def condition_name(held: dict[str, Any]) -> str:
    """Return what tells a combination from others, in words.

    Examples
    --------
    >>> condition_name({"data": "sim", "modality": "all", "model": "unet-small", "samples": 500})
    'sim, 500, unet-small'
    """
    return ", ".join(str(held[name]) for name in _FACTORS if held.get(name) not in (None, "", "all", 0))


def headline(found: dict[str, Any]) -> list[str]:
    """Return what the tests over units say of the first metric, in sentences, with what they are over."""
    if not found["conditions"]:
        return ["No training has a score: see what failed."]
    metric = found["metrics"][0]
    said = []
    for family in found["families"]:
        if family["metric"] != metric:
            continue
        where = condition_name(family["fixed"])
        of = f"{where}: " if where else ""
        if not family["paired"]:
            said.append(of + _groups_sentence(family, metric))
            continue
        if family["pairs"] and all(pair["reason"] for pair in family["pairs"]):
            reasons = dict.fromkeys(pair["reason"] for pair in family["pairs"])
            said.append(f"{of}{_FACTOR_NAMES[family['factor']]} are not tested: {'; '.join(reasons)}.")
            continue
        said += [of + _pair_sentence(pair, family, found) for pair in family["pairs"]]
    noise = next((one for one in found["seeds"] if one["metric"] == metric), None)
    said += _units_told(found["families"])
    said.append(
        "Each unit is one value per model, the mean of its seeds. Seeds are no places: they show the noise of training "
        "alone"
        + (f", of {METRIC_NAMES[metric]} {_number(noise['pooled_sd'])} (one standard deviation)."
           if noise and noise["pooled_sd"] is not None else ".")
    )  # fmt: skip
    if noise and noise["pooled_sd"] is None:
        said.append("There is one seed of each: how much a training scatters by itself is not known.")
    return said


def _units_told(families: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the units of the tests are, and what can be said of others by them."""
    kinds = {one["unit"] for one in families}
    said = []
    if "glacier" in kinds:
        said.append("Tests over glaciers say whether another glacier of the kind would show the same.")
    if "scene" in kinds:
        counts = sorted({one["glaciers"] for one in families if one["unit"] == "scene"})
        known = [str(count) for count in counts if count]
        of = f" of {' or '.join(known)} glacier{'' if counts == [1] else 's'}" if known else ""
        said.append(
            f"Tests over scenes{of} say whether another scene of the same places would show the same, and nothing of "
            "other glaciers."
        )
    fewest = min((pair["units"] for one in families for pair in one["pairs"] if not pair["reason"]), default=_MANY)
    if fewest < _MANY:
        said.append(
            f"Of {fewest} units Wilcoxon's p cannot be below {2 * 0.5**fewest:.3f}, before it is corrected: that it is "
            "not small is no sign of equality."
        )
    return said


def _groups_sentence(family: dict[str, Any], metric: str) -> str:
    held = family["anova"]
    names = _FACTOR_NAMES[family["factor"]]
    if held["reason"]:
        return f"{names} are not compared: {held['reason']}."
    word = "differ" if held["p_holm"] < _LEVEL else "are not told apart"
    return (
        f"{names} {word} in {METRIC_NAMES[metric]} (one-way ANOVA over {family['unit']}s, F({held['between']}, "
        f"{held['within']}) = {held['f']:.2f}, {_p(held['p_holm'])} by Holm): they are of different places."
    )


def _pair_sentence(pair: dict[str, Any], family: dict[str, Any], found: dict[str, Any]) -> str:
    metric, unit = family["metric"], family["unit"]
    if pair["reason"]:
        return f"{pair['first']} and {pair['second']} are not tested: {pair['reason']}."
    name = found["correction"]
    p_t, p_w = pair[f"p_t_{name}"], pair[f"p_wilcoxon_{name}"]
    both = (p_t < _LEVEL) + (p_w < _LEVEL)
    word = ("is not told apart from", "may differ from", "differs from")[both]
    return (
        f"{pair['first']} {word} {pair['second']}: {METRIC_NAMES[metric]} {pair['difference']:+.4f} "
        f"[{pair['low']:+.4f}, {pair['high']:+.4f}] over {pair['units']} {unit}s, paired t {_p(p_t)}, Wilcoxon "
        f"{_p(p_w)} ({name.capitalize()}, {family['tests_corrected_for']} tests), d_z {_number(pair['d_z'], 2)}."
    )


def _scores(found: dict[str, Any]) -> Section:
    metrics = found["metrics"]
    head = ["condition", "seeds", "over", *(METRIC_NAMES[name] for name in metrics), "parameters (M)", "best epoch"]
    rows = []
    for one in found["conditions"]:
        row = [condition_name(one), str(len(one["seeds"])), f"{one['units']} {one['unit']}s"]
        for name in metrics:
            held = one["scores"][name]
            spread = "" if held["over_seeds_sd"] is None else f" ± {_number(held['over_seeds_sd'])}"
            ends = "" if held["low"] is None else f" [{_number(held['low'])}, {_number(held['high'])}]"
            row.append(f"{_number(held['mean'])}{spread}{ends}")
        row += [_number(one["training"].get("parameters_m"), 3), _number(one["training"].get("best_epoch"), 1)]
        rows.append(row)
    return Section(
        "Scores of the test part",
        head=head,
        rows=rows,
        notes=[
            "First the score of all test pixels together, mean of the seeds; ± one standard deviation over seeds, the "
            "noise of training; in brackets the 95 % interval of the mean over glaciers or scenes, drawn with "
            "replacement, as wide as few units need (Hesterberg 2015). Means over classes are over those that have "
            "the score: a class that is never predicted has no precision.",
            *_missed(found),
        ],
    )


def _missed(found: dict[str, Any]) -> list[str]:
    """Return which models drew no front where there is one: such an image has no error, and makes none larger."""
    held = [
        f"{condition_name(one)} {fronts['missed']} of {fronts['labelled']}"
        for one in found["conditions"] if (fronts := one.get("fronts", {})).get("missed")
    ]  # fmt: skip
    if "front_error_px" not in found["metrics"] or not held:
        return []
    return [
        "The front error is over the images in which a front was found; fronts that were not, all seeds together: "
        f"{'; '.join(held)}. A model that misses the hard ones looks better than it is."
    ]


def _search(found: dict[str, Any]) -> Section:
    rows = [
        [condition_name(one), one["chosen"], f"{one['metric']} {_number(one['validation_score'])}",
         str(one["tried"]), str(one["failed"])] for one in found["search"]
    ]  # fmt: skip
    return Section(
        "What the search chose",
        lead=["Settings are chosen on the validation part; only what is chosen is scored on the test part."],
        head=["condition", "chosen", "validation score, mean of seeds", "settings tried", "settings that failed"],
        rows=rows,
    )


def _tests(found: dict[str, Any], factor: str) -> Iterable[Section]:
    families = [one for one in found["families"] if one["factor"] == factor]
    title = _FACTOR_NAMES[factor]
    rows = [
        [condition_name(one["fixed"]) or "all", METRIC_NAMES[one["metric"]], f"{one['units']} {one['unit']}s",
         *_anova_cells(one["anova"]), *_friedman_cells(one)] for one in families
    ]  # fmt: skip
    yield Section(
        f"{title}: are there differences at all?",
        head=[
            "where",
            "metric",
            "over",
            "F",
            "p",
            "p Holm",
            "p Bonferroni",
            "eta squared",
            "Friedman chi squared",
            "p",
            "mean ranks",
            "critical difference",
        ],
        rows=rows,
        notes=[
            *_reasons([one["anova"] for one in families] + [one["friedman"] for one in families if one["friedman"]]),
            "One-way ANOVA takes the places of each model for different ones, as the documents do; they are the same, "
            "which Friedman's test of ranks knows. Two mean ranks differ where they are further apart than the "
            "critical difference (Nemenyi, 5 %).",
        ],
    )
    pairs = [(one, pair) for one in families for pair in one["pairs"]]
    if not pairs:
        return
    yield Section(
        f"{title}: which differ?",
        head=[
            "where",
            "first - second",
            "metric",
            "units",
            "difference",
            "t",
            "p",
            "p Holm",
            "p Bonferroni",
            "Wilcoxon W",
            "p",
            "p Holm",
            "p Bonferroni",
            "Cohen's d_z",
            "Cohen's d_av",
        ],
        rows=[
            [
                condition_name(one["fixed"]) or "all",
                f"{pair['first']} - {pair['second']}",
                METRIC_NAMES[one["metric"]],
                str(pair["units"]),
                _ranged(pair, "difference", "low", "high", 4),
                _number(pair["t"], 2),
                *(_p_cell(pair[f"p_t{end}"]) for end in ("", "_holm", "_bonferroni")),
                _number(pair["w"], 1),
                *(_p_cell(pair[f"p_wilcoxon{end}"]) for end in ("", "_holm", "_bonferroni")),
                _ranged(pair, "d_z", "d_z_low", "d_z_high", 2),
                _ranged(pair, "d_av", "d_av_low", "d_av_high", 2),
            ]
            for one, pair in pairs
        ],
        notes=[
            *_reasons([pair for _, pair in pairs]),
            *_left_out(families),
            *_other_images(families, title),
            f"Units are {' or '.join(dict.fromkeys(one['unit'] + 's' for one, _ in pairs))}, each the mean of its "
            "seeds. Holm and Bonferroni correct for all pairs of this table that are of one metric. d_z: mean of the "
            "differences over their standard deviation, interval by the noncentral t; d_av: over the mean of the two "
            "standard deviations, interval of units drawn with replacement.",
        ],
    )


def _reasons(held: Sequence[dict[str, Any]]) -> list[str]:
    counts: dict[str, int] = {}
    for one in held:
        if one["reason"]:
            counts[one["reason"]] = counts.get(one["reason"], 0) + 1
    return [f"No test in {count} of {len(held)} cases: {reason}." for reason, count in counts.items()]


def _other_images(families: Sequence[dict[str, Any]], title: str) -> list[str]:
    count = sum(not one["same_images"] for one in families)
    return [
        f"In {count} of {len(families)} comparisons the {title} are tested on the same places but not on the same "
        "images, or not by the same labels: what differs may be the images."
    ] if count else []  # fmt: skip


def _left_out(families: Sequence[dict[str, Any]]) -> list[str]:
    """Return of which metrics some units have no value, such as a front that was not found."""
    held: dict[str, int] = {}
    for one in families:
        if one["units_left_out"]:
            held[one["metric"]] = max(held.get(one["metric"], 0), one["units_left_out"])
    return [
        f"{METRIC_NAMES[name]}: up to {count} units have none in one of the compared and are left out of the tests; if "
        "it is the worse of them, the difference looks smaller than it is."
        for name, count in held.items()
    ]


def _anova_cells(held: dict[str, Any]) -> list[str]:
    if held["reason"]:
        return ["", "", "", "", ""]
    return [f"F({held['between']}, {held['within']}) = {held['f']:.2f}", _p_cell(held["p"]), _p_cell(held["p_holm"]),
            _p_cell(held["p_bonferroni"]), _number(held["eta_squared"], 3)]  # fmt: skip


def _friedman_cells(family: dict[str, Any]) -> list[str]:
    held = family["friedman"]
    if held is None or held["reason"]:
        return ["", "", "", ""]
    ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(family["levels"], held["mean_ranks"], strict=True))
    return [_number(held["chi_squared"], 2), _p_cell(held["p"]), ranks, _number(held["critical_difference"], 2)]


def _noise(found: dict[str, Any]) -> Section:
    rows = [[METRIC_NAMES[one["metric"]], _number(one["pooled_sd"]), _number(one["largest_sd"]),
             str(one["degrees_of_freedom"])] for one in found["seeds"]]  # fmt: skip
    return Section(
        "The noise of training: seeds",
        lead=["What the seed alone moves a score by, all else equal. It is no evidence of a difference between models "
              "in other places, however many seeds there are."],
        head=["metric", "standard deviation over seeds, pooled", "largest", "degrees of freedom"],
        rows=rows,
    )  # fmt: skip


def _failed(found: dict[str, Any]) -> Section:
    rows = [[condition_name(one), str(one["seed"]), one["reason"]] for one in found["failed"]]
    return Section("What failed", head=["condition", "seed", "reason"], rows=rows)


def _ranged(held: dict[str, Any], value: str, low: str, high: str, digits: int) -> str:
    text = "" if held[value] is None else f"{held[value]:+.{digits}f}"
    return text if held[low] is None else f"{text} [{held[low]:+.{digits}f}, {held[high]:+.{digits}f}]"


def _number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _p_cell(value: float | None) -> str:
    return "" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
