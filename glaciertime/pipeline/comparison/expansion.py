"""The trainings that a comparison asks for: every combination of what it lists, once for each seed."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from glaciertime.errors import InputError
from glaciertime.pipeline.comparison.plan import (
    FACTORS,
    ComparisonPlan,
    DataSet,
    MergeRule,
    Modality,
    Random,
    Span,
    TrainPart,
)
from glaciertime.segment.teach.config import TrainConfig, read_config
from glaciertime.segment.teach.contradictions import check_settings

__all__ = ["Run", "candidates", "expand", "modalities_of"]

_WHOLE = "all"
_MOST = 5000


@dataclass(frozen=True)
class Run:
    """One training and the scores of its test part.

    Attributes
    ----------
    data, region, modality, train_on, model, variant : str
        Levels of what is compared; ``all`` or empty where nothing is.
    samples : int
        Images of the training part; 0 for all there are.
    candidate : str
        The settings of a search, as text; empty where nothing is searched.
    seed : int
    config : TrainConfig
        All that the training is told.
    bands : tuple of str
        Of the data; empty for all.
    part : TrainPart
    merge : MergeRule or None
        Where nothing is trained: whose models are tested as one.
    """

    data: str
    region: str
    modality: str
    train_on: str
    samples: int
    model: str
    variant: str
    candidate: str
    seed: int
    config: TrainConfig
    bands: tuple[str, ...]
    part: TrainPart
    merge: MergeRule | None = None

    @property
    def condition(self) -> tuple[Any, ...]:
        """Return what it is of each of :data:`FACTORS`."""
        return tuple(getattr(self, factor) for factor in FACTORS)

    @property
    def name(self) -> str:
        """Return what a reader calls it."""
        levels = [str(level) for level in self.condition if level not in ("", _WHOLE, 0)]
        return ", ".join([*levels, *([self.candidate] if self.candidate else []), f"seed {self.seed}"])


def modalities_of(plan: ComparisonPlan, data: DataSet) -> Mapping[str, Modality]:
    """Return the modalities of a data set: its own, else those of the comparison, else all bands."""
    return data.modalities or plan.modalities or {_WHOLE: Modality()}


def candidates(plan: ComparisonPlan) -> dict[str, dict[str, Any]]:
    """Return the settings that a search tries, by their text; one that is empty where nothing is searched.

    Examples
    --------
    >>> from glaciertime.pipeline.comparison.plan import DataSet
    >>> plan = ComparisonPlan(data={"a": DataSet(reader="simulated")}, models=("unet-small",),
    ...                       grid={"learning_rate": [0.1, 0.01], "batch": [4]})
    >>> list(candidates(plan))
    ['learning_rate=0.1 batch=4', 'learning_rate=0.01 batch=4']
    """
    if plan.random:
        tried = list(_drawn(plan.random))
    else:
        tried = [dict(zip(plan.grid, values, strict=True)) for values in itertools.product(*plan.grid.values())]
    found = {}
    for settings in tried:
        found[" ".join(f"{name}={_text(value)}" for name, value in settings.items())] = settings
    return found


def _text(value: Any) -> str:
    # As short as tells it from every other number.
    return (
        repr(value).removesuffix(".0")
        if isinstance(value, float)
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


def _drawn(search: Random) -> Iterator[dict[str, Any]]:
    """Yield as many different settings as the budget has, or as there are."""
    rng = np.random.default_rng(search.seed)
    seen = set()
    for _ in range(100 * search.budget):
        drawn = {name: _one(span, rng) for name, span in search.settings.items()}
        if (key := json.dumps(drawn, sort_keys=True, default=str)) in seen:
            continue
        seen.add(key)
        yield drawn
        if len(seen) == search.budget:
            return


def _one(span: Span | list[Any], rng: np.random.Generator) -> Any:
    if not isinstance(span, Span):
        return span[int(rng.integers(len(span)))]
    if span.log:
        value = math.exp(rng.uniform(math.log(span.low), math.log(span.high)))
    else:
        value = rng.uniform(span.low, span.high)
    # As it is told, so that it can be typed again.
    return float(f"{value:.3g}")


def expand(plan: ComparisonPlan) -> list[Run]:
    """Return every training that a comparison asks for, those of one data set and modality together.

    Raises
    ------
    InputError
        If a setting is out of range or contradicts another, or there are too many.
    """
    searched = candidates(plan)
    variants = plan.variants or {_WHOLE: {}}
    parts = plan.train_on or {_WHOLE: TrainPart()}
    found: list[Run] = []
    for name, data in plan.data.items():
        kinds = modalities_of(plan, data)
        levels = (
            kinds.items(), plan.regions or ("",), parts.items(), plan.samples or (0,), plan.models, variants.items(),
            searched.items(), plan.seeds,
        )  # fmt: skip
        if len(found) + math.prod(map(len, levels)) > _MOST:
            raise InputError(f"the comparison asks for more than {_MOST} trainings; make its lists shorter")
        for (kind, modality), region, (part, kept), samples, model, (variant, told), (
            text,
            tried,
        ), seed in itertools.product(*levels):
            given = {
                **data.settings, **plan.settings, **modality.settings, **told, **tried, "data": data.reader,
                "root": data.root, "data_options": {**data.options, **modality.options}, "model": model, "seed": seed,
            }  # fmt: skip
            run = Run(
                data=name, region=region, modality=kind, train_on=part, samples=samples, model=model, variant=variant,
                candidate=text, seed=seed, config=_config(given, f"{name}, {variant} {text}".strip()),
                bands=modality.bands, part=kept, merge=data.merge,
            )  # fmt: skip
            found.append(run)
    return found


def _config(given: dict[str, Any], where: str) -> TrainConfig:
    try:
        config = read_config(given)
        check_settings(config)
    except InputError as error:
        raise type(error)(f"{where}: {error}") from error
    return config
