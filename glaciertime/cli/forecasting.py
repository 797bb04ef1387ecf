"""What the commands that look ahead share: glaciers one after the other, and tables from the user's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import note
from glaciertime.cli.messages import exit_code

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.forecast.covariates import Covariates
    from glaciertime.forecast.learned.network_weights import NetworkWeights
    from glaciertime.pipeline.outlook import Outlook
    from glaciertime.pipeline.selection import Chosen

__all__ = [
    "Tally",
    "WeightsOption",
    "chosen_front",
    "covariates_of",
    "failed_row",
    "files_of",
    "looked_at",
    "own_networks",
    "read_table",
]

WeightsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--weights", metavar="FILE",
        help="A network of glaciertime train-forecaster, in place of the shipped ones of its model; may be repeated.",
    ),
]  # fmt: skip


def own_networks(paths: Sequence[Path] | None, *, models: Sequence[str]) -> tuple[NetworkWeights, ...]:
    """Return the user's own networks, each of a model that is asked for.

    Raises
    ------
    UsageError
        If one is of another model: it would not be used.
    """
    from glaciertime.errors import UsageError
    from glaciertime.forecast.learned.network_weights import networks_of_files

    found = networks_of_files(paths or ())
    for path, held in zip(paths or (), found, strict=True):
        if held.model not in models:
            raise UsageError(f"--weights {path} are of {held.model}, which is not asked for; give --model {held.model}")
    return found


def files_of(paths: Sequence[Path] | None, *, what: str = "weights") -> dict[str, Path | None]:
    """Return the user's files by what they are, for the run that is kept."""
    return {what if k == 0 else f"{what} {k + 1}": path for k, path in enumerate(paths or ())}


def covariates_of(paths: Sequence[Path], *, effect: str, season: bool) -> tuple[Covariates, ...]:
    """Return the covariates of files, each of several another future with the name of its file.

    Raises
    ------
    UsageError
        If two files have one name: their forecasts could not be told apart.
    """
    from glaciertime.errors import UsageError
    from glaciertime.forecast.covariates import Covariates, covariates_from_table

    if not paths:
        return (Covariates(season=True),) if season else ()
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise UsageError(f"--covariates {' and '.join(map(str, paths))}: a future is called as its file; rename one")
    futures = names if len(paths) > 1 else [""]
    return tuple(
        covariates_from_table(read_table(path), effect=effect, season=season, future=future)
        for path, future in zip(paths, futures, strict=True)
    )


def looked_at(
    requests: Sequence[Any],
    look: Callable[[Any], Outlook],
    *,
    chosen: Chosen,
    what: str,
    jobs: int = 1,
    scheduler: str = "",
) -> Iterator[Outlook]:
    """Yield what comes of each glacier, with a bar where there are several.

    Where one glacier is named, what fails is raised; of several, it is a row of that glacier, and told.

    Parameters
    ----------
    requests : sequence of requests of ``pipeline.outlook``
    look : callable
        What does one.
    chosen : Chosen
    what : str
        What is done, for the bar.
    jobs : int
        Processes that do several; one is done in this process, which may have its own for its models.
    scheduler : str
        Address of a Dask scheduler whose workers do them.
    """
    from rich.progress import track as bar

    from glaciertime.cli.quiet import progress_console
    from glaciertime.pipeline.outlook import many

    if len(requests) == 1 and not chosen.is_many and not scheduler:
        outlooks: Iterable[Outlook] = map(look, requests)
    else:
        every = many(requests, look, jobs=jobs, scheduler=scheduler)
        outlooks = bar(every, what, total=len(requests), console=progress_console(), transient=True)
    for outlook in outlooks:
        for text in outlook.notes:
            note(text)
        if outlook.error:
            note(f"{outlook.glacier}: {outlook.error}")
        yield outlook


class Tally:
    """How many glaciers gave something, failed in part, and gave nothing."""

    def __init__(self) -> None:
        self.stored = self.failed = 0
        self.errors: list[str] = []

    def add(self, outlook: Outlook) -> None:
        """Count one more."""
        self.stored += not (outlook.has_nothing or outlook.error)
        self.failed += outlook.has_failed
        if outlook.error:
            self.errors.append(outlook.glacier)

    def exit_code(self, *, strict: bool) -> int:
        """Return 0, 3 where something failed, 1 where nothing was stored."""
        return exit_code(stored=self.stored > 0, failed=self.failed > 0, strict=strict)


def failed_row(outlook: Outlook) -> dict[str, Any]:
    """Return the row that stands for a glacier of which nothing came."""
    return {"glacier": outlook.glacier, "status": f"failed: {outlook.error}"}


def chosen_front(word: str | None) -> str | None:
    """Return what ``--front-of`` names: a kind of front, empty for fronts of no known kind, None where nothing is said.

    Raises
    ------
    UsageError
        For a word that is not known.
    """
    from glaciertime.errors import InputError, UsageError
    from glaciertime.front_kinds import front_kind

    try:
        return None if word is None else front_kind(word)
    except InputError as error:
        raise UsageError(f"--front-of: {error}, unknown") from error


def read_table(path: Path) -> pd.DataFrame:
    """Return a CSV of the user's.

    Raises
    ------
    DataNotFoundError
        Where it is not.
    InputError
        Where it is no CSV.
    """
    import pandas as pd

    from glaciertime import limits
    from glaciertime.cells import unquote_formulas
    from glaciertime.errors import DataNotFoundError
    from glaciertime.walls import wall

    if not path.is_file():
        raise DataNotFoundError(f"there is no file {path}; give a CSV")
    limits.check("table-mb", path.stat().st_size / 1e6, str(path))
    with wall(f"{path}: it could not be read as CSV", "save it as CSV in UTF-8"):
        return unquote_formulas(pd.read_csv(path))
