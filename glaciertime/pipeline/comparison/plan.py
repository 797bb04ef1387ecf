"""What is to be compared, as a YAML says it: data, models, bands, seeds, samples, settings, and what is searched."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from glaciertime.documents import read_yaml
from glaciertime.errors import DataNotFoundError, InputError, UsageError, nearest_names
from glaciertime.report.published_tables import tables_named
from glaciertime.scenes.datasets.readers import reader_names
from glaciertime.segment.architectures.registry import get_architecture
from glaciertime.segment.predict.merging import parse_merge
from glaciertime.segment.teach.config import TrainConfig

__all__ = [
    "DATA_SETTINGS", "FACTORS", "ComparisonPlan", "DataSet", "MergeRule", "Modality", "Random", "Span", "TrainPart",
    "read_plan", "template",
]  # fmt: skip

#: What trainings may differ in, as the columns of the results are called.
FACTORS = ("data", "region", "modality", "train_on", "samples", "model", "variant")
#: Settings of a training that say which samples there are and how they are parted: one for all models on the same data.
DATA_SETTINGS = (
    "test", "validation", "validation_fraction", "own_split", "split", "test_fraction", "date_from", "date_to",
    "months", "sensors", "regions", "glaciers", "classes", "fold_classes", "binary", "positive", "min_labelled",
)  # fmt: skip
#: Settings of a training that the file says by another name.
_ELSEWHERE = {
    "data": "data", "root": "data: NAME: root", "data_options": "data: NAME: options", "model": "models",
    "seed": "seeds", **{name: "data: NAME: settings" for name in DATA_SETTINGS},
}  # fmt: skip
_REMEDY = "see `glaciertime compare --template-config`"


class _Part(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False, extra="forbid", frozen=True, protected_namespaces=())


class Modality(_Part):
    """Bands, or options of the reader, or both; with settings of the training that go with them."""

    bands: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)


class MergeRule(_Part):
    """Data sets whose models are merged, and how; see :func:`glaciertime.segment.predict.merging.parse_merge`."""

    of: tuple[str, ...]
    rule: str


class DataSet(_Part):
    """Where labelled images lie, which of them count, and how they are parted.

    With ``merge`` nothing is trained on it: the models of other data sets, merged, are tested on its test part.
    """

    reader: str
    root: Path = Path()
    options: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    modalities: dict[str, Modality] = Field(default_factory=dict)
    stands_for: str = ""
    table_modality: str = ""
    merge: MergeRule | None = None


class TrainPart(_Part):
    """Which images of the training and the validation part are learned from; the test part stays whole."""

    months: tuple[int | str, ...] = ()
    sensors: tuple[str, ...] = ()
    glaciers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    date_from: str = ""
    date_to: str = ""

    @field_validator("date_from", "date_to", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> str:
        return "" if value is None else str(value)


class Span(_Part):
    """Numbers from ``low`` to ``high``, drawn evenly, or evenly in their logarithm."""

    low: float
    high: float
    log: bool = False


def _no_bool(value: Any) -> Any:
    """Return what was given for numbers, of which yes and no are none."""
    if any(isinstance(one, bool) for one in (value if isinstance(value, list) else [value])):
        raise ValueError("whole numbers expected")
    return value


class Random(_Part):
    """So many settings, drawn with a seed."""

    budget: int = Field(ge=1, le=1000)
    seed: int = Field(default=0, ge=0, lt=2**32)
    settings: dict[str, Span | list[Any]]

    @field_validator("budget", "seed", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        return _no_bool(value)


class ComparisonPlan(_Part):
    """A comparison; every field has the meaning its comment in :func:`template` gives."""

    data: dict[str, DataSet]
    models: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    modalities: dict[str, Modality] = Field(default_factory=dict)
    regions: tuple[str, ...] = ()
    samples: tuple[int, ...] = ()
    train_on: dict[str, TrainPart] = Field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    random: Random | None = None
    split_seed: int = Field(default=0, ge=0, lt=2**32)
    metrics: tuple[Literal["iou", "dice", "precision", "recall", "pixel_accuracy", "front_error_px"], ...] = (
        "iou", "dice", "pixel_accuracy", "precision", "recall",
    )  # fmt: skip
    baseline: str = ""
    correction: Literal["holm", "bonferroni"] = "holm"
    draws: int = Field(default=2000, ge=100, le=100_000)
    tables: tuple[str, ...] = ()
    archive: Path | None = None

    @field_validator("seeds", "samples", "split_seed", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        return _no_bool(value)

    @field_validator("tables", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, float):
                raise ValueError(f"the table {one} in quotes expected ('{one}', or '{one}0': YAML reads 5.10 as 5.1)")
        return [value] if isinstance(value, str) else value


def read_plan(path: Path) -> ComparisonPlan:
    """Read a comparison from YAML; folders in it are beside the file where they are not absolute.

    Raises
    ------
    DataNotFoundError
        If the file does not exist.
    InputError
        If a key is unknown or a value out of range; the message names it, and the nearest known one.
    """
    values = read_yaml(path, what=str(path), remedy=_REMEDY)
    if not isinstance(values, dict):
        raise InputError(f"{path}: 'name: value' lines expected; {_REMEDY}")
    try:
        plan = ComparisonPlan(**values)
    except ValidationError as error:
        raise InputError(_told(error)) from error
    _check(plan)
    if plan.archive is not None and not (path.parent / plan.archive).exists():
        raise DataNotFoundError(f"'archive': {path.parent / plan.archive} does not exist; give that of `track`")
    return plan.model_copy(
        update={
            # Folders are beside the file.
            "data": {name: one.model_copy(update={"root": path.parent / one.root}) for name, one in plan.data.items()},
            "archive": None if plan.archive is None else path.parent / plan.archive,
        }
    )


def _told(error: ValidationError) -> str:
    """Return the first thing that is wrong, by the name that it has in the file, with the nearest known key."""
    # A key that is missing may be the one that is written otherwise.
    first = next((one for one in error.errors() if one["type"] == "extra_forbidden"), error.errors()[0])
    parts = [str(part) for part in first["loc"] if str(part) not in ("Span", "list[any]")]
    if first["type"] == "extra_forbidden":
        near = nearest_names(parts[-1], _keys_at(parts[:-1]), count=1)
        hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(_keys_at(parts[:-1]))}"
        return f"'{': '.join(parts)}' is not a key of a comparison{hint}"
    if first["type"] == "missing":
        return f"'{': '.join(parts)}' is missing; {_REMEDY}"
    message = first["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list, as [a, b]")
    return f"'{': '.join(parts)}': {message}, {first['input']!r} given"


def _keys_at(parts: list[str]) -> list[str]:
    if "merge" in parts:
        return list(MergeRule.model_fields)
    kinds: dict[str, type[BaseModel]] = {"data": DataSet, "modalities": Modality, "train_on": TrainPart,
                                         "random": Random}  # fmt: skip
    if "modalities" in parts:
        return list(Modality.model_fields)
    return list(kinds.get(parts[0], ComparisonPlan).model_fields if parts else ComparisonPlan.model_fields)


def _check(plan: ComparisonPlan) -> None:
    """Refuse what contradicts itself, before anything is read."""
    for what, values in (
        ("data", plan.data), ("models", plan.models), ("seeds", plan.seeds), ("metrics", plan.metrics),
    ):  # fmt: skip
        if not values:
            raise InputError(f"'{what}' is empty; name one or more")
    for name in plan.models:
        get_architecture(name)
    for what, listed in (("models", plan.models), ("seeds", plan.seeds), ("samples", plan.samples),
                         ("regions", plan.regions), ("metrics", plan.metrics)):  # fmt: skip
        again = [one for at, one in enumerate(listed) if one in listed[:at]]
        if again:
            raise InputError(f"'{what}': {again[0]} is there twice; keep one of them")
    if wrong := [seed for seed in plan.seeds if not 0 <= seed < 2**32]:
        raise InputError(f"'seeds': {wrong[0]} given, 0 or more and below 2^32 expected")
    for what, named in (("variants", plan.variants), ("train_on", plan.train_on), ("modalities", plan.modalities)):
        alike = [(a, b) for a, b in itertools.combinations(named, 2) if named[a] == named[b]]
        if alike:
            first, second = alike[0]
            raise InputError(f"'{what}': {first} and {second} say the same; keep one of them")
    if wrong := [count for count in plan.samples if count < 1]:
        raise InputError(f"'samples': {wrong[0]} given, one or more expected")
    for name in (*plan.data, *plan.modalities, *plan.train_on, *plan.variants):
        if not name.strip() or any(letter in name for letter in "/\\|"):
            raise InputError(f"'{name}' is no name of a part of a comparison; leave / \\ | out of it")
    if plan.grid and plan.random:
        raise InputError("'grid' and 'random' given; a search is one of them")
    for where, settings in _all_settings(plan):
        _check_names(settings, where)
    for name, one in plan.data.items():
        wrong_names = [key for key in one.settings if key not in DATA_SETTINGS]
        if wrong_names:
            near = nearest_names(wrong_names[0], DATA_SETTINGS, count=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(DATA_SETTINGS)}"
            raise InputError(f"'data: {name}: settings: {wrong_names[0]}' says nothing of samples or of parts{hint}")
    for name, listed_values in plan.grid.items():
        if not listed_values:
            raise InputError(f"'grid: {name}' is empty; give the values to try")
    if plan.random:
        for name, span in plan.random.settings.items():
            if isinstance(span, Span) and not (span.low < span.high and (span.low > 0 or not span.log)):
                raise InputError(
                    f"'random: settings: {name}': low {span.low:g}, high {span.high:g} given; low below high expected, "
                    "both above 0 with log"
                )
            if not isinstance(span, Span) and not span:
                raise InputError(f"'random: settings: {name}' is empty; give the values to try")
    _check_merges(plan)
    _check_used(plan)
    _check_baseline(plan)


def _check_merges(plan: ComparisonPlan) -> None:
    """Refuse merges of what is not there, and by no rule."""
    trained = [name for name, one in plan.data.items() if one.merge is None]
    if not trained:
        raise InputError("every data set of 'data' is a merge of others; name the ones that are trained on")
    for name, one in plan.data.items():
        if one.merge is None:
            continue
        where = f"'data: {name}: merge"
        if len(set(one.merge.of)) < 2 or len(set(one.merge.of)) < len(one.merge.of):
            raise InputError(f"{where}: of': {', '.join(one.merge.of) or 'nothing'} given, two data sets or more "
                             "expected, each once")  # fmt: skip
        for other in one.merge.of:
            if other not in trained:
                near = nearest_names(other, trained, count=1) or trained
                raise InputError(f"{where}: of: {other}' is no data set that is trained on; nearest: {near[0]}")
        try:
            parse_merge(one.merge.rule)
        except UsageError as error:
            raise InputError(f"{where}: rule: {one.merge.rule}': mean, vote, or classes in their order of precedence, "
                             "such as debris > clean, expected") from error  # fmt: skip
        if plan.grid or plan.random:
            raise InputError(f"{where}' and a search given; search first, and merge with what it chose as 'settings'")


def _check_used(plan: ComparisonPlan) -> None:
    """Refuse what nothing would use."""
    if plan.modalities and all(one.modalities for one in plan.data.values()):
        raise InputError("'modalities' given, and every data set has its own; leave one of them out")
    for name, one in plan.data.items():
        known = list(one.modalities or plan.modalities)
        if one.table_modality and one.table_modality not in known:
            near = nearest_names(one.table_modality, known, count=1) or known[:1] or ["it has none"]
            raise InputError(
                f"'data: {name}: table_modality: {one.table_modality}' is no modality of it; nearest: {near[0]}"
            )
    stand = {name: one.stands_for for name, one in plan.data.items() if one.stands_for}
    for name, other in stand.items():
        if other not in reader_names():
            near = nearest_names(other, reader_names(), count=1) or reader_names()
            raise InputError(f"'data: {name}: stands_for: {other}' is no data set of the tables; nearest: {near[0]}")
    tables = tables_named(plan.tables)
    if stand and not tables:
        raise InputError(f"'stands_for' of {min(stand)} is for the columns of 'tables'; name some, or leave it out")
    of_archive = any(one.of.get("statistic") == "retreat" for one in tables)
    if plan.archive is not None and not of_archive:
        raise InputError("'archive' is for table 6.11; add it to 'tables', or leave the archive out")


def _check_baseline(plan: ComparisonPlan) -> None:
    known = [*plan.models, *plan.modalities, *plan.train_on, *plan.variants, *map(str, plan.samples),
             *(name for one in plan.data.values() for name in one.modalities)]  # fmt: skip
    if plan.baseline and plan.baseline not in known:
        near = nearest_names(plan.baseline, known, count=1)
        hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
        raise InputError(f"'baseline: {plan.baseline}' is none of what is compared{hint}")


def _all_settings(plan: ComparisonPlan) -> Iterable[tuple[str, Mapping[str, Any]]]:
    yield "settings", plan.settings
    yield "grid", plan.grid
    if plan.random:
        yield "random: settings", plan.random.settings
    for name, settings in plan.variants.items():
        yield f"variants: {name}", settings
    for name, modality in plan.modalities.items():
        yield f"modalities: {name}: settings", modality.settings
    for name, one in plan.data.items():
        for kind, modality in one.modalities.items():
            yield f"data: {name}: modalities: {kind}: settings", modality.settings


def _check_names(settings: Mapping[str, Any], where: str) -> None:
    known = list(TrainConfig.model_fields)
    for name in settings:
        if name in _ELSEWHERE:
            raise InputError(f"'{where}: {name}' is not said here, but by '{_ELSEWHERE[name]}'")
        if name not in known:
            near = nearest_names(name, known, count=1)
            hint = f"; did you mean {near[0]}?" if near else "; see `glaciertime train --template-config`"
            raise UsageError(f"'{where}: {name}' is no setting of a training{hint}")


def template() -> str:
    """Return a commented YAML of a comparison.

    Examples
    --------
    >>> template().splitlines()[0]
    '# Trainings to compare: every combination of what is listed is trained once for each seed.'
    """
    return _TEMPLATE


_TEMPLATE = """\
# Trainings to compare: every combination of what is listed is trained once for each seed.
data:  # by a name of your own; folders are beside this file
  greenland:
    reader: landsat-fronts  # as of `glaciertime train --data`
    root: data/landsat_fronts
    options: {}  # of the reader
    settings: {test: [Sverdrup]}  # which images, and how they are parted; the same for all models and seeds
    stands_for: ""  # caffe, nird, ...: fills the columns of that data set in `tables`, under its own name
    modalities: {}  # in place of those below, for this data set
    table_modality: ""  # of several, the one that stands in `tables` that know of none
#   merge: {of: [clean, debris], rule: debris > clean}  # trains nothing: the models of these data sets, as one
models: [glacier-seg, unet-small, segformer-b0]  # of `glaciertime models`
seeds: [1, 2, 3]  # they show the noise of training; tests are over glaciers or scenes
modalities: {}  # name: {bands: [red, nir], options: {of the reader}, settings: {of the training}}
regions: []  # each trained and tested apart
samples: []  # images to train on: 500, 1000, 2000; the smaller are among the larger
train_on: {}  # name: {months: [8]} of the training part; the test part stays whole. Empty: {} is all of it
variants: {}  # name: {loss: bce-dice}: any settings of a training, compared on the test part
settings: {epochs: 20}  # of every training, see `glaciertime train --template-config`
grid: {}  # learning_rate: [0.001, 0.01]: every combination; chosen on the validation part, only it is then tested
# random: {budget: 10, seed: 0, settings: {learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}}}
split_seed: 0  # of parts that are drawn
metrics: [iou, dice, pixel_accuracy, precision, recall]  # tested; the first is drawn. front_error_px too
baseline: ""  # what the others are compared with; empty: all pairs
correction: holm  # or bonferroni; both are told
draws: 2000  # of intervals
tables: []  # published tables to fill: "5.2", "6.1" or thesis, sentinel2, boundary, glacierhack for all of one
# archive: glaciertime.gpkg  # of tracked zones, for table 6.11
"""
