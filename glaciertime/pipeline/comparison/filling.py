"""What of a comparison stands in the cells of published tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from glaciertime.naming import fold_name
from glaciertime.pipeline.comparison.conducting import Choice
from glaciertime.pipeline.comparison.plan import FACTORS, ComparisonPlan
from glaciertime.pipeline.comparison.unit_scores import class_scores, unit_of, unit_scores
from glaciertime.report.published_tables import PublishedTable, published_table
from glaciertime.segment.judge.significance import adjusted, compare_groups, compare_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Cells", "filled"]

_KEYS = [*FACTORS, "candidate"]
_OF_TRAINING = (
    "best_epoch", "train_s", "parameters_m", "size_mb", "train_loss", "validation_loss", "epochs",
)  # fmt: skip
#: What a comparison can be told apart by in a table.
_FACTORS_ASKED = ("modality", "samples", "region", "train_on", "variant")
_DIGITS = {"best_epoch": 0, "epochs": 0, "samples": 0, "train_s": 0, "parameters_m": 3, "size_mb": 2, "t": 2, "f": 2,
           "d_z": 2, "difference": 3}  # fmt: skip


@dataclass(frozen=True)
class Cells:
    """Ours of one table: text by row and column, and what is to be said of them."""

    ours: dict[tuple[int, str], str]
    told: tuple[str, ...]


def filled(
    table: PublishedTable, *, plan: ComparisonPlan, rows: pd.DataFrame, choices: Sequence[Choice] = (),
    retreat: pd.DataFrame | None = None,
) -> Cells:  # fmt: skip
    """Return what of the rows of a comparison stands in a table.

    Parameters
    ----------
    table : PublishedTable
    plan : ComparisonPlan
    rows : DataFrame
        Of all runs.
    choices : sequence of Choice
        Of a search.
    retreat : DataFrame, optional
        The retreat table of an archive, with its glaciers at the dates of the table.
    """
    asked = {(row, column): selector for row in range(len(table.rows)) for column in table.ours
             if (selector := table.selector(row, column)) is not None}  # fmt: skip
    filler = _Filler(plan, rows[rows["status"] == "ok"])
    statistic = table.of.get("statistic", "")
    if statistic == "retreat":
        return Cells(_retreat_cells(asked, retreat), ())
    if statistic == "search":
        return Cells(_search_cells(asked, choices), ())
    if statistic == "anova":
        ours = filler.anova_cells(asked)
    elif statistic == "paired":
        ours = filler.paired_cells(asked)
    else:
        ours = {cell: text for cell, selector in asked.items() if (text := filler.score(selector))}
    return Cells(ours, (*(filler.told(asked) if ours else ()), *filler.unclear_told()))


class _Filler:
    def __init__(self, plan: ComparisonPlan, rows: pd.DataFrame) -> None:
        self.plan = plan
        self.rows = rows
        self.test = rows[rows["split"] == "test"]
        self.used: set[str] = set()
        #: What tells the conditions apart of cells that several are of.
        self.unclear: dict[str, set[str]] = {}

    def names_of(self, selector: Mapping[str, Any]) -> list[str]:
        """Return our data sets that are, or stand for, the one of a table."""
        asked = selector.get("data")
        if asked is None:
            return list(self.plan.data)
        wanted = asked if isinstance(asked, list) else [asked]
        found = [name for name, one in self.plan.data.items() if (one.stands_for or one.reader) in wanted]
        # What is merged stands for the models that it is of.
        parts = {part for name in found if (merge := self.plan.data[name].merge) for part in merge.of}
        return [name for name in found if name not in parts]

    def matching(self, selector: Mapping[str, Any], rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the one condition that a cell is of; none where no condition, or several, are."""
        found = rows[rows["data"].isin(self.names_of(selector))]
        models = selector.get("model")
        if models is not None:
            wanted = models if isinstance(models, list) else [models]
            there = [name for name in wanted if (found["model"] == name).any()]
            # Of several that would do the first that was run.
            found = found[found["model"] == there[0]] if there else found[:0]
        for name in _FACTORS_ASKED:
            if name not in selector:
                continue
            if name == "samples":
                found = found[found["samples"] == selector[name]]
            else:
                found = found[found[name].map(_folded) == _folded(selector[name])]
        if "modality" not in selector:
            for name in self.names_of(selector):
                if chosen := self.plan.data[name].table_modality:
                    found = found[(found["data"] != name) | (found["modality"] == chosen)]
        if "classes" in selector:
            counts = found[found["metric"] == "tp"].groupby("data")["class"].nunique()
            found = found[found["data"].isin(counts[(counts >= 3) == (selector["classes"] >= 3)].index)]
        if "month" in selector:
            found = found[pd.to_datetime(found["date"], errors="coerce").dt.month == selector["month"]]
        return found

    def _one(self, selector: Mapping[str, Any], rows: pd.DataFrame) -> pd.DataFrame:
        found = self.matching(selector, rows)
        if selector.get("best") and not found.empty:
            scores = self._whole(found).groupby("model")["iou"].mean()
            found = found[found["model"] == scores.idxmax()]
        if len(found.drop_duplicates(_KEYS)) != 1:
            for name in _KEYS:
                if found[name].nunique() > 1:
                    self.unclear.setdefault(name, set()).update(map(str, found[name].unique()))
            return found[:0]
        self.used.add(str(found["data"].iloc[0]))
        return found

    @staticmethod
    def _whole(rows: pd.DataFrame) -> pd.DataFrame:
        return unit_scores(rows, by=[*_KEYS, "seed"], unit="")

    def score(self, selector: Mapping[str, Any]) -> str:
        """Return a score as text: the mean of the seeds, their spread and number; empty where there is none."""
        name = selector.get("score", "iou")
        if name == "best_model":
            found = self.matching(selector, self.test)
            if found.empty:
                return ""
            self.used |= set(found["data"])
            return str(self._whole(found).groupby("model")["iou"].mean().idxmax())
        if name in _OF_TRAINING:
            rows = self._one({**selector}, self.rows[self.rows["split"] == "train"])
            values = rows.loc[rows["metric"] == name, "value"].to_numpy(dtype=float)
        else:
            rows = self._one(selector, self.test)
            values = self._values(rows, selector, name)
        values = values[np.isfinite(values)]
        if not len(values):
            return ""
        model = selector.get("model")
        is_other = isinstance(model, list) and rows["model"].iloc[0] != model[0]
        return _text(values, name, unit=str(selector.get("unit", ""))) + (
            f" ({rows['model'].iloc[0]})" if is_other or selector.get("best") else ""
        )

    def _values(self, rows: pd.DataFrame, selector: Mapping[str, Any], name: str) -> np.ndarray:
        """Return a score of each seed."""
        if rows.empty:
            return np.array([])
        if name == "mcc_gorodkin":
            held = rows[rows["metric"] == name].groupby("seed")["value"].mean()
            return held.to_numpy(dtype=float)
        if "class" not in selector and "class_number" not in selector:
            return self._whole(rows)[name].to_numpy(dtype=float)
        scored = class_scores(rows, by=[*_KEYS, "seed"], unit="")
        classes = list(dict.fromkeys(rows.loc[rows["class"] != "all", "class"]))
        if "class_number" in selector:
            number = int(selector["class_number"])
            wanted = classes[number : number + 1]
        else:
            wanted = [one for one in classes if _folded(one) == _folded(selector["class"])]
        scored = scored[scored["class"].isin(wanted)]
        if name == "labelled_pixels":
            return (scored["tp"] + scored["fn"]).to_numpy(dtype=float)[:1]
        return scored[name].to_numpy(dtype=float)

    def _units(self, selector: Mapping[str, Any], metric: str) -> pd.Series:
        """Return a score of each unit of one condition, the mean of its seeds."""
        rows = self._one({name: value for name, value in selector.items() if name != "score"}, self.test)
        if rows.empty:
            return pd.Series(dtype=float)
        names = self.names_of(selector)
        unit = unit_of(self.test[self.test["data"].isin(names)])
        return unit_scores(rows, by=[*_KEYS, "seed"], unit=unit).groupby("unit")[metric].mean()

    def anova_cells(self, asked: Mapping[tuple[int, str], dict[str, Any]]) -> dict[tuple[int, str], str]:
        """Return F and p over the units of the rows of another table that were run."""
        found: dict[int, Any] = {}
        for (row, _), selector in asked.items():
            if row in found:
                continue
            source = published_table(selector["groups"])
            groups = [self._units({**source.of, **where, "data": selector["data"]}, selector["metric"])
                      for where in source.wheres if where is not None]  # fmt: skip
            held = [one.to_numpy(dtype=float) for one in groups if len(one)]
            if len(held) >= 2:
                found[row] = compare_groups(held)
        corrected = dict(zip(found, adjusted([one.p for one in found.values()], method="bonferroni"), strict=True))
        cells = {}
        for (row, column), selector in asked.items():
            if row in found and not found[row].reason:
                p = found[row].p if selector["score"] == "p" else corrected[row]
                cells[row, column] = f"{found[row].f:.2f}" if selector["score"] == "f" else _p(p)
        return cells

    def paired_cells(self, asked: Mapping[tuple[int, str], dict[str, Any]]) -> dict[tuple[int, str], str]:
        """Return the paired tests of the rows that were run against the one that the table names."""
        found: dict[int, Any] = {}
        for (row, _), selector in asked.items():
            if row in found:
                continue
            metric = selector["metric"]
            base = {name: value for name, value in selector.items() if name not in ("modality", "samples", "model")}
            one = self._units(selector, metric)
            other = self._units({**base, **selector["against"]}, metric)
            common = one.index.intersection(other.index)
            if len(common):
                found[row] = compare_pair(one[common].to_numpy(), other[common].to_numpy(), draws=self.plan.draws)
        tested = {row: one for row, one in found.items() if not one.reason}
        corrected = dict(zip(tested, adjusted([one.p_t for one in tested.values()], method="bonferroni"), strict=True))
        cells = {}
        for (row, column), selector in asked.items():
            if row not in found:
                continue
            name = selector["score"]
            if name == "p_bonferroni":
                text = _p(corrected[row]) if row in corrected else ""
            else:
                value = getattr(found[row], name)
                text = "" if not math.isfinite(value) else f"{value:+.3f}" if name == "difference" else f"{value:.2f}"
            if text:
                cells[row, column] = text
        return cells

    def unclear_told(self) -> tuple[str, ...]:
        """Return why cells are empty that more than one of our conditions could stand in."""
        if not self.unclear:
            return ()
        each = "; ".join(f"{name}: {', '.join(sorted(levels))}" for name, levels in self.unclear.items())
        way = (
            "; a comparison of one data set fills them" if "data" in self.unclear
            else "; say with `table_modality` of the data set which it is" if "modality" in self.unclear else ""
        )  # fmt: skip
        return (f"Cells that several of ours could stand in are empty ({each}){way}.",)

    def told(self, asked: Mapping[tuple[int, str], dict[str, Any]]) -> tuple[str, ...]:
        """Return what our columns are of."""
        said = []
        for name in sorted(self.used):
            one = self.plan.data[name]
            simulated = (
                " (SIMULATED)" if (self.rows.loc[self.rows["data"] == name, "source"] == "simulated").any() else ""
            )
            merge = self.plan.data[name].merge
            if merge:
                said.append(f"{name}{simulated}: the models of {' and '.join(merge.of)}, merged by {merge.rule}")
                continue
            simulated = f", {one.table_modality}{simulated}" if one.table_modality else simulated
            place = f", in place of {one.stands_for}" if one.stands_for and one.stands_for != one.reader else ""
            said.append(f"{name}{simulated}: reader {one.reader}{place}")
        of = f"Ours: {'; '.join(said)}. " if said else ""
        return (
            f"{of}Scores of the test part, mean of the seeds ± one standard deviation over them; tests over glaciers "
            "or scenes. They are of these data and this training, not a repetition of the published.",
        )


def _search_cells(
    asked: Mapping[tuple[int, str], dict[str, Any]], choices: Sequence[Choice]
) -> dict[tuple[int, str], str]:
    """Return what a search chose for the model of a table."""
    cells = {}
    for cell, selector in asked.items():
        chosen = [one for one in choices if one.condition[FACTORS.index("model")] in selector["model"]]
        if len(chosen) == 1:
            held = dict(part.split("=", 1) for part in chosen[0].candidate.split(" ") if "=" in part)
            if selector["score"] in held:
                cells[cell] = held[selector["score"]]
    return cells


def _retreat_cells(
    asked: Mapping[tuple[int, str], dict[str, Any]], retreat: pd.DataFrame | None
) -> dict[tuple[int, str], str]:
    """Return the figures of an archive's retreat table, of glaciers by their name."""
    cells: dict[tuple[int, str], str] = {}
    if retreat is None:
        return cells
    held = {_folded(row["glacier"]): row for row in retreat.to_dict("records")}
    for cell, selector in asked.items():
        row = held.get(_folded(selector["glacier"]))
        if row is None:
            continue
        score = str(selector["score"])
        value = row[score.replace("_year", "_date")] if score.endswith("_year") else row[score]
        if not pd.isna(value):
            cells[cell] = f"{value:%Y-%m-%d}" if score.endswith("_year") else f"{value:.2f}"
    return cells


def _folded(value: Any) -> str:
    return fold_name(str(value).replace("_", " ").replace("-", " "))


def _p(value: float) -> str:
    return "" if not math.isfinite(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _text(values: np.ndarray, name: str, *, unit: str = "") -> str:
    mean = float(values.mean())
    if name == "labelled_pixels":
        return f"{mean:,.0f}"
    digits = _DIGITS.get(name, 4)
    share = 100 if unit == "%" else 1
    digits = max(digits - 2, 0) if unit == "%" else digits
    text = f"{share * mean:.{digits}f}"
    if len(values) > 1 and name not in ("parameters_m", "size_mb"):
        text += f" ± {share * float(values.std(ddof=1)):.{max(digits, 1)}f}"
    return text + ("%" if unit == "%" else f" {unit}" if unit else "")
