"""The options of commands that read labelled images: where they lie, which of them, which classes, how parted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import note
from glaciertime.cli.messages import by_kind
from glaciertime.naming import counted

if TYPE_CHECKING:
    from glaciertime.scenes.datasets.sample import SampleInfo, TrainingSample
    from glaciertime.scenes.datasets.selection import Selected

__all__ = [
    "BinaryOption",
    "ClassesOption",
    "DataOption",
    "DateFromOption",
    "DateToOption",
    "FoldClassesOption",
    "GlaciersOption",
    "MinLabelledOption",
    "MonthsOption",
    "PositiveOption",
    "ReaderOption",
    "RegionsOption",
    "RootOption",
    "SensorsOption",
    "SplitOption",
    "open_selected",
    "reader_options",
    "selection_settings",
]

DataOption = Annotated[
    str | None, typer.Option("--data", help="Reader: folder (your own images), landsat-fronts, caffe, nird, ...")
]
RootOption = Annotated[Path | None, typer.Option("--root", metavar="FOLDER", help="Where the data lie.")]
ReaderOption = Annotated[
    list[str] | None,
    typer.Option("--reader", metavar="NAME=VALUE", help="Of the reader, e.g. tile=256; may be repeated."),
]
DateFromOption = Annotated[str | None, typer.Option("--from", metavar="DATE", help="Images from that day on.")]
DateToOption = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Images up to that day.")]
MonthsOption = Annotated[
    list[str] | None, typer.Option("--month", metavar="N|N-N", help="Images of that month, or of 6-9; may be repeated.")
]
SensorsOption = Annotated[
    list[str] | None, typer.Option("--sensor", metavar="NAME", help="Images of that sensor; may be repeated.")
]
RegionsOption = Annotated[
    list[str] | None, typer.Option("--region", metavar="NAME", help="Images of that region; may be repeated.")
]
GlaciersOption = Annotated[
    list[str] | None, typer.Option("--glacier", metavar="NAME", help="Images of that glacier; may be repeated.")
]
ClassesOption = Annotated[
    str | None, typer.Option("--classes", metavar="NAME,NAME", help="Classes to tell apart; the others are ignored.")
]
FoldClassesOption = Annotated[
    list[str] | None,
    typer.Option("--fold-classes", metavar="NEW=NAME,NAME", help="Classes that become one; may be repeated."),
]
BinaryOption = Annotated[bool, typer.Option("--binary", help="Glacier ice against all else, whatever the classes.")]
PositiveOption = Annotated[
    list[str] | None, typer.Option("--positive", metavar="NAME", help="With --binary: this class instead of ice.")
]
MinLabelledOption = Annotated[
    float | None,
    typer.Option("--min-labelled", metavar="SHARE", help="Leave out images with less than this labelled, e.g. 0.1."),
]
SplitOption = Annotated[
    str | None,
    typer.Option("--split", metavar="NAME", help="glacier, region, block, random, own or date:YYYY-MM-DD."),
]


def reader_options(given: list[str] | None) -> dict[str, Any]:
    """Return what ``--reader NAME=VALUE`` says: numbers, yes or no, and texts; several parted by commas stay a text.

    Raises
    ------
    UsageError
        For a text that is no pair, or a name given twice.
    """
    from glaciertime.errors import UsageError

    found: dict[str, Any] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise UsageError(f"--reader {text}: NAME=VALUE expected, for example --reader tile=256")
        if name in found:
            raise UsageError(f"--reader {name}: given twice")
        found[name] = _plain(value)
    return found


def _plain(text: str) -> Any:
    """Return a number, yes or no, or the text itself."""
    if text.casefold() in ("true", "yes", "false", "no"):
        return text.casefold() in ("true", "yes")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def selection_settings(
    *,
    date_from: str | None = None,
    date_to: str | None = None,
    months: list[str] | None = None,
    sensors: list[str] | None = None,
    regions: list[str] | None = None,
    glaciers: list[str] | None = None,
    classes: str | None = None,
    fold_classes: list[str] | None = None,
    binary: bool = False,
    positive: list[str] | None = None,
    min_labelled: float | None = None,
) -> dict[str, Any]:
    """Return what was given of the options above, under the names that a training's settings have.

    Raises
    ------
    UsageError
        For a month or a fold that is none.
    """
    from glaciertime.scenes.datasets.selection import parse_months

    folds = None if not fold_classes else _folds(fold_classes)
    found = {
        "date_from": date_from,
        "date_to": date_to,
        "months": parse_months(months) if months else None,
        "sensors": tuple(sensors) if sensors else None,
        "regions": tuple(regions) if regions else None,
        "glaciers": tuple(glaciers) if glaciers else None,
        "classes": None if classes is None else tuple(name.strip() for name in classes.split(",") if name.strip()),
        "fold_classes": folds,
        "binary": binary or None,
        "positive": tuple(positive) if positive else None,
        "min_labelled": min_labelled,
    }
    return {name: value for name, value in found.items() if value is not None}


def _folds(given: list[str]) -> dict[str, tuple[str, ...]]:
    from glaciertime.errors import UsageError

    folds: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, equals, members = text.partition("=")
        names = tuple(each.strip() for each in members.split(",") if each.strip())
        if not equals or not name.strip() or not names:
            raise UsageError(f'--fold-classes {text}: NEW=NAME,NAME expected, such as "glacier=clean ice,debris ice"')
        if name.strip() in folds:
            raise UsageError(f"--fold-classes {name.strip()}: given twice")
        folds[name.strip()] = names
    return folds


def open_selected(
    data: str,
    root: Path,
    *,
    options: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    seen: Callable[[SampleInfo, TrainingSample], None] | None = None,
    strict: bool = False,
) -> Selected:
    """Open a data set, read every sample once, tell what was left out, and return what was asked for.

    Parameters
    ----------
    data : str
        Name of a reader.
    root : Path
        Its folder.
    options : mapping, optional
        Of the reader.
    settings : mapping, optional
        As of :func:`selection_settings`; other settings of a training are passed over.
    seen : callable, optional
        Called with each sample as the reader has it.
    strict : bool
        Refuse where a sample cannot be read.

    Raises
    ------
    InputError
        If nothing is left, or with ``strict`` a sample cannot be read.
    """
    from glaciertime.errors import InputError
    from glaciertime.scenes.datasets.selection import open_selection, read_selection

    selected = open_selection(data, root=root, options=options, selection=read_selection(settings or {}), seen=seen)
    for sentence in selected.told:
        note(sentence)
    for count, problem in by_kind(selected.problems):
        note(problem + (f" (and {count - 1} more like it)" if count > 1 else ""))
    if strict and selected.problems:
        raise InputError(
            f"{counted(len(selected.problems), 'samples')} cannot be read; without --strict the others are used"
        )
    return selected
