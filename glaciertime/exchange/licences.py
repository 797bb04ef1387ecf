"""Of which data sets rows were made, under which licence those are, and whether they may be passed on."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from glaciertime.catalog import Catalog
from glaciertime.errors import UsageError

__all__ = ["DataSource", "data_sources", "licence_texts"]

_OWN = "your own data: their licence is for you to state"
_DRAWN = "drawn by a program, not observed: no licence of others applies"


@dataclass(frozen=True)
class DataSource:
    """A data set that rows were made of.

    Attributes
    ----------
    name, citation, doi, licence : str
        Empty where unknown.
    source : str
        ``observed`` or ``simulated``.
    redistributable : bool
        Whether it may be passed on.
    """

    name: str
    source: str
    citation: str = ""
    doi: str = ""
    licence: str = ""
    redistributable: bool = True

    @property
    def text(self) -> str:
        """All of it, in one sentence."""
        doi = f", doi:{self.doi}" if self.doi else ""
        cited = f": {self.citation}" if self.citation else ""
        passed = "" if self.redistributable else "; NOT to be passed on"
        return f"{self.name}{cited}{doi}; licence: {self.licence}{passed}"


def data_sources(rows: pd.DataFrame, catalog: Catalog) -> list[DataSource]:
    """Return the data sets of rows, in the order of their first row.

    Parameters
    ----------
    rows : DataFrame
        Rows of any table of the corridor; one without a column ``dataset`` names none.
    catalog : Catalog
        Where data sets are known.
    """
    if "dataset" not in rows or rows.empty:
        return []
    table = pd.DataFrame({"dataset": rows["dataset"], "source": rows.get("source", "observed")})
    return [_source_of(str(name), str(source), catalog) for name, source in table.drop_duplicates().to_numpy()]


def _source_of(name: str, source: str, catalog: Catalog) -> DataSource:
    try:
        entry = catalog.dataset(name)
    except UsageError:
        return DataSource(name or "unnamed", source, licence=_DRAWN if source == "simulated" else _OWN)
    return DataSource(name, source, entry.citation, entry.doi, entry.licence, entry.redistributable)


def licence_texts(sources: list[DataSource]) -> list[str]:
    """Return one sentence for each data set."""
    return list(dict.fromkeys(one.text for one in sources))
