"""What the commands that look ahead share: which series of a glacier are meant, and tables from the user's files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glaciertime.cli.common import note

if TYPE_CHECKING:
    import pandas as pd

    from glaciertime.forecast import Series
    from glaciertime.record import GlacierRecord

__all__ = ["chosen_front", "read_table", "series_of"]


def series_of(
    record: GlacierRecord,
    *,
    variable: str | None,
    method: str | None,
    footprint: str | None,
    dataset: str | None,
    front_of: str | None = None,
) -> list[Series]:
    """Return the series of a glacier that are meant, and say what was dropped on the way to them."""
    from glaciertime.pipeline import choose_series

    chosen = choose_series(
        record, variable=variable, method=method, footprint=footprint, dataset=dataset, front_of=chosen_front(front_of)
    )
    for series in chosen:
        for text in series.notes:
            note(f"{series.label}: {text}")
    return chosen


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
