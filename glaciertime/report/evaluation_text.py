"""An evaluation laid out: for the terminal, as CSV, Markdown and LaTeX; the same values in each."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from glaciertime.naming import counted as how_many
from glaciertime.walls import readable_text

__all__ = ["COLUMNS", "MARK", "csv_text", "latex_text", "markdown_text", "terminal_text"]

MARK = "glaciertime evaluate"
COLUMNS = ("by", "name", "class", "score", "value", "low", "high", "reason")
#: Name of a score in a table; larger is better but where it says otherwise.
LABELS = {
    "iou": "IoU", "dice": "Dice", "precision": "precision", "recall": "recall", "accuracy": "accuracy", "mcc": "MCC",
    "auc": "ROC-AUC", "ap": "average precision", "ece": "calibration error", "boundary_f1": "boundary F1",
    "pixel_accuracy": "pixel accuracy", "mcc_gorodkin": "MCC (Gorodkin)", "ece_top": "calibration error, top class",
    "front_error_px": "front error, pixels", "front_error_m": "front error, metres",
}  # fmt: skip
_NONE = "-"


def _number(value: float | None, key: str = "") -> str:
    if value is None:
        return _NONE
    if key == "front_error_m":
        return f"{value:.1f}"
    return f"{value:.2f}" if key == "front_error_px" else f"{value:.4f}"


def _ranged(value: float | None, ends: Sequence[float] | None, key: str) -> str:
    text = _number(value, key)
    return text if ends is None else f"{text} [{_number(ends[0], key)}, {_number(ends[1], key)}]"


def _score_rows(found: dict[str, Any]) -> list[list[str]]:
    """Return one row per score: its name, the mean with its interval, over how many classes, the classes."""
    intervals = found["intervals"]
    names = list(found["classes"])
    rows = []
    for key, value in found["mean"].items():
        row = [LABELS[key], _ranged(value, intervals["mean"].get(key), key)]
        of_classes = key in found["mean_of"]
        row.append(f"{found['mean_of'][key]} of {len(names)}" if of_classes else "all")
        for name in names if of_classes else ():
            row.append(_ranged(found["classes"][name][key], intervals["classes"][name].get(key), key))
        rows.append(row + [""] * (3 + len(names) - len(row)))
    return rows


def _reasons(found: dict[str, Any]) -> list[str]:
    """Return a sentence for each reason why scores are missing."""
    told: dict[str, list[str]] = {}
    for name, reasons in found["reasons"]["classes"].items():
        for key, reason in reasons.items():
            told.setdefault(reason, []).append(f"{LABELS[key]} of {name}")
    for key, reason in found["reasons"]["mean"].items():
        told.setdefault(reason, []).append(LABELS[key])
    return [f"no {', '.join(scores)}: {reason}" for reason, scores in told.items()]


def _said(found: dict[str, Any]) -> list[str]:
    """Return what is to be known of the numbers, in sentences."""
    counted, front = found["counted"], found["front"]
    said = [
        f"images: {counted['images']}, scenes: {counted['scenes']}, glaciers: {counted['glaciers'] or 'unknown'}, "
        f"labelled pixels: {counted['pixels']:,}",
    ]
    for key, things, verb, text in (
        ("images_without_label", "images", "have", "no labelled pixel that is observed"),
        ("images_failed", "images", "", "could not be judged, in no score"),
        ("pixels_labelled_not_observed", "pixels", "are", "labelled but not observed, and in no score"),
    ):
        if counted[key]:
            said.append(f"{how_many(counted[key], things, verb)} {text}")
    said.append(found["intervals"]["told"])
    if not front["reason"] or front["images_with_front"]:
        said.append(
            f"front error: the mean of {front['distances']:,} distances, both ways, of the images with both fronts; "
            f"{front['images_with_front']} have a labelled one, in {front['images_where_none_was_found']} of them none "
            f"was found; in {front['images_with_a_front_that_is_not_labelled']} others one was that is not labelled"
        )
    said.append(
        f"boundary F1 {counted['boundary_f1']}; calibration error over {counted['ece']}; ROC-AUC and average precision "
        f"{counted['auc_and_ap']}"
    )
    if counted["classes_matched"]:
        said.append(counted["classes_matched"])
    return [*said, *_reasons(found), *counted["assumed"]]


def terminal_text(found: dict[str, Any], *, width: int) -> str:
    """Return an evaluation for a terminal of so many columns: classes that do not fit stand below one another."""
    names = list(found["classes"])
    table = [["", "mean", "classes", *(readable_text(name) for name in names)], *_score_rows(found)]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    blocks: list[list[int]] = [[0, 1, 2]]
    for place in range(3, len(widths)):
        if sum(widths[at] + 2 for at in (*blocks[-1], place)) > width and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(place)
    lines = []
    for block in blocks:
        rows = [row for row in table if any(row[place] for place in block[1:])]
        lines += ["  ".join(f"{row[place]:<{widths[place]}}" for place in block).rstrip() for row in rows]
        lines.append("")
    for sentence in _said(found):
        lines += textwrap.wrap(readable_text(sentence), max(width, 40), subsequent_indent="  ")
    return "\n".join(lines)


def csv_text(found: dict[str, Any]) -> str:
    """Return one row per score: of all images by class and in the mean, and of each group."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, values in found["classes"].items():
        for key, value in values.items():
            ends = found["intervals"]["classes"][name].get(key)
            writer.writerow(
                ["all", "", name, key, *_cells(value, ends), found["reasons"]["classes"][name].get(key, "")]
            )
    for key, value in found["mean"].items():
        ends = found["intervals"]["mean"].get(key)
        writer.writerow(["all", "", "mean", key, *_cells(value, ends), found["reasons"]["mean"].get(key, "")])
    for by, groups in found["groups"].items():
        for group in groups:
            for key in found["mean"]:
                writer.writerow([by, group[by], "mean", key, *_cells(group[key], None), ""])
            for name, values in group["classes"].items():
                for key, value in values.items():
                    writer.writerow([by, group[by], name, key, *_cells(value, None), ""])
    for image in found["images"]:
        for key in ("iou", "accuracy", "front_error_px"):
            writer.writerow(["image", image["name"], "mean", key, *_cells(image[key], None), ""])
    for failed in found["failed"]:
        writer.writerow(["image", failed["name"], "", "", "", "", "", failed["reason"]])
    return buffer.getvalue()


def _cells(value: float | None, ends: Sequence[float] | None) -> list[str]:
    return ["" if each is None else repr(each) for each in (value, *(ends or (None, None)))]


def markdown_text(found: dict[str, Any]) -> str:
    """Return an evaluation as Markdown: scores, confusion matrix, groups, thresholds, what failed."""
    names = list(found["classes"])
    parts = [f"<!-- {MARK} -->", f"# {found['model']} on {found['data']}", ""]
    parts += [f"- {readable_text(sentence)}" for sentence in (*found["warnings"], *_said(found))]
    parts += ["", "## Scores", "", *_pipes(["score", "mean", "classes", *names], _score_rows(found))]
    if found["confusion"]["pixels"]:
        parts += ["", "## Pixels by label (row) and mask (column)", ""]
        rows = [[name, *(f"{count:,}" for count in row)] for name, row in _confusion(found)]
        parts += _pipes(["", *names], rows)
    for by, groups in found["groups"].items():
        parts += ["", f"## By {by}", "", *_pipes(*_group_table(by, groups))]
    parts += ["", "## Thresholds", "", "Best of 0.01 to 0.99, chosen on these data themselves: too good on others.", ""]
    parts += _pipes(["class", "threshold", "IoU", "Dice"], _best_rows(found))
    if found["failed"]:
        parts += ["", "## Images that could not be judged", ""]
        parts += [f"- {readable_text(one['name'])}: {readable_text(one['reason'])}" for one in found["failed"]]
    return "\n".join(parts) + "\n"


def _confusion(found: dict[str, Any]) -> Iterable[tuple[str, list[int]]]:
    return zip(found["confusion"]["labels_by_row"], found["confusion"]["pixels"], strict=True)


def _group_table(by: str, groups: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    keys = ("iou", "dice", "precision", "recall", "mcc_gorodkin", "front_error_px", "front_error_m")
    head = [by, "images", *(LABELS[key] for key in keys), "fronts", "none found"]
    rows = [
        [group[by], str(group["images"]), *(_number(group[key], key) for key in keys),
         str(group["images_with_front"]), str(group["images_where_none_was_found"])]
        for group in groups
    ]  # fmt: skip
    return head, rows


def _best_rows(found: dict[str, Any]) -> list[list[str]]:
    return [
        [name, _NONE, _NONE, _NONE]
        if swept["best"] is None
        else [name, f"{swept['best']['threshold']:.2f}", _number(swept["best"]["iou"]), _number(swept["best"]["dice"])]
        for name, swept in found["thresholds"].items()
    ]


def _pipes(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(readable_text(cell).replace("|", r"\|") for cell in cells) + " |"

    return [line(head), "|" + "---|" * len(head), *(line(row) for row in rows)]


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def latex_text(found: dict[str, Any]) -> str:
    """Return scores, groups and the confusion matrix as LaTeX tables (package booktabs)."""
    names = list(found["classes"])
    title = _tex(f"{found['model']} on {found['data']}")
    said = [*found["warnings"], *_said(found)]
    caption = f"{title}. {_tex('. '.join(sentence[:1].upper() + sentence[1:] for sentence in said))}."
    parts = [f"% {MARK}", *_tabular(caption, ["", "mean", "classes", *names], _score_rows(found))]
    if found["confusion"]["pixels"]:
        rows = [[name, *(f"{count:,}" for count in row)] for name, row in _confusion(found)]
        parts += _tabular(f"{title}: pixels by label (row) and mask (column).", ["", *names], rows)
    for by, groups in found["groups"].items():
        parts += _tabular(f"{title}, by {by}.", *_group_table(by, groups))
    return "\n".join(parts) + "\n"


def _tabular(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule", " & ".join(map(_tex, head)) + r" \\", r"\midrule",
        *(" & ".join(map(_tex, row)) + r" \\" for row in rows), r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ]  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in readable_text(text))
