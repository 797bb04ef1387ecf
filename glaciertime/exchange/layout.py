"""How the columns of an export are to be: the archive's, or those of another archive, of a form or of a library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import pandas as pd

from glaciertime.errors import UsageError, nearest_names
from glaciertime.exchange.long_tables import LAYOUTS, to_long
from glaciertime.exchange.submitter import Submitter
from glaciertime.exchange.termpicks import PLANE
from glaciertime.exchange.wgms import to_wgms
from glaciertime.naming import counted
from glaciertime.track.record.formats import ARCHIVES, to_archive_columns
from glaciertime.track.record.screening import keep

__all__ = ["Layout"]

_OF_OBSERVATIONS = (*LAYOUTS, "wgms")
#: Formats that hold a table of plain columns.
_PLAIN_FORMS = ("csv", "parquet")
#: North of here the plane of Greenland is meant.
_GREENLAND = (-80.0, 58.0, -8.0, 85.0)


@dataclass(frozen=True)
class Layout:
    """How the columns are to be.

    Parameters
    ----------
    name : str, optional
        Of an archive, a form or a library; None for our own.
    table : str
        The table that is exported.
    form : str
        The file format.

    Raises
    ------
    UsageError
        For an unknown name, or one that the table or the format has no place for.
    """

    name: str | None
    table: str
    form: str
    submitter: Submitter | None = None

    def __post_init__(self) -> None:
        if self.name is None:
            return
        object.__setattr__(self, "name", self.name.casefold())
        known = (*ARCHIVES, *_OF_OBSERVATIONS)
        if self.name not in known:
            near = nearest_names(self.name, known)
            hint = f", did you mean {near[0]}?" if near else ""
            raise UsageError(f"unknown archive '{self.name}'{hint}; known are {', '.join(known)}")
        of = "observations" if self.name in _OF_OBSERVATIONS else "fronts"
        if self.table != of:
            verb = "renames fronts" if of == "fronts" else "lays out observations"
            raise UsageError(f"--columns {self.name} {verb}; the table asked for is {self.table}")
        if of == "observations" and self.form not in _PLAIN_FORMS:
            raise UsageError(f"--columns {self.name} is a plain table: --format {' or '.join(_PLAIN_FORMS)}")

    def by(self, submitter: Submitter | None) -> Layout:
        """Return the layout with who submits."""
        return replace(self, submitter=submitter)

    def of(self, rows: pd.DataFrame, *, tell: Callable[[str], None]) -> pd.DataFrame:
        """Return rows of one glacier in this layout; what is left out is told."""
        if self.name is None:
            return rows
        if self.name in LAYOUTS:
            kept = keep(rows, allow=("year-only", "month-only", "unregistered"))
            table = to_long(kept, layout=self.name)
            left = len(rows) - len(kept)
            if left:
                tell(
                    f"{rows['glacier'].iloc[0]}: {left} of {counted(len(rows), 'rows')} left out, flagged or "
                    "without a value"
                )
            return table
        if self.name == "wgms":
            assert self.submitter is not None
            return to_wgms(rows, self.submitter, tell=tell)
        return _as_archive(rows, self.name, tell)


def _as_archive(rows: Any, name: str, tell: Callable[[str], None]) -> gpd.GeoDataFrame:
    drawn = int((rows["source"] == "simulated").sum())
    if drawn:
        tell(
            f"{rows['GlacierID'].iloc[0]}: {drawn} of {counted(len(rows), 'fronts', 'are')} simulated, as the "
            "column source says: "
            "they are no observations, and are not to be submitted"
        )
    if name == "termpicks" and rows.crs is not None:
        west, south, east, north = rows.to_crs("EPSG:4326").total_bounds
        if _GREENLAND[0] <= west and _GREENLAND[1] <= south and east <= _GREENLAND[2] and north <= _GREENLAND[3]:
            rows = rows.to_crs(PLANE)
        else:
            tell(f"{rows['GlacierID'].iloc[0]}: not in Greenland, which TermPicks is of; the columns alone are theirs")
    return to_archive_columns(rows, archive=name)
