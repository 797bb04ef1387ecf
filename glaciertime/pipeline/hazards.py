"""How often glaciers of a kind lose much at once, of all that an archive holds: read once, for all its glaciers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from glaciertime.archive import Archive
from glaciertime.breaks import hazards_of, watched
from glaciertime.forecast.screening import without_later_flags
from glaciertime.pipeline.selection import Known
from glaciertime.tables import VARIABLES, empty
from glaciertime.track.record.passing import PASSING
from glaciertime.track.record.screening import keep
from glaciertime.track.ruler.sensors import remove_sensor_offsets
from glaciertime.units import as_date

__all__ = ["Hazards"]

#: What is watched where a forecast is of something whose zero means nothing, such as a position.
_WATCHED = ("area_km2", "length_m", "volume_km3")


class Hazards:
    """The hazards of the glaciers of an archive.

    Parameters
    ----------
    archive : Archive
    known : Known
        Says what glaciers end in, where their rows do not.
    cutoff : date or text, optional
        Nothing later is seen; default everything is.
    """

    def __init__(self, archive: Archive, known: Known, *, cutoff: str | None = None) -> None:
        self._archive, self._known = archive, known
        self._cutoff = None if cutoff is None else np.datetime64(as_date(cutoff), "D")
        self._tables: dict[str, dict[str, pd.DataFrame]] = {}

    def of(self, glacier: str, variables: Sequence[str]) -> pd.DataFrame:
        """Return the hazards of a glacier, the table ``hazards``; without rows where none of its series tells of any.

        Parameters
        ----------
        glacier : str
            Its name in the archive.
        variables : sequence of str
            What is forecast. Of those whose zero means none, else of its area, length or volume, the hazard is told.
        """
        scaled = [name for name in dict.fromkeys(variables) if name in VARIABLES and VARIABLES[name].ratio_scale]
        for names in (scaled, [name for name in _WATCHED if name not in scaled]):
            parts = []
            for name in names:
                found = self._of_all(name).get(glacier)
                if found is not None:
                    parts.append(found)
                    if not scaled:
                        break
            if parts:
                return pd.concat(parts, ignore_index=True)
        return empty("hazards")

    def _of_all(self, variable: str) -> dict[str, pd.DataFrame]:
        """Return the hazards of each glacier of the archive by its name."""
        if variable not in self._tables:
            rows = self._archive.read("observations", variable=variable, until=self._cutoff)
            if self._cutoff is not None:
                # As of a forecast: flags that are made from the whole record tell of what came later.
                rows = rows.assign(quality=rows["quality"].map(without_later_flags))
            kept = keep(rows, allow=PASSING)
            # Sensors differ only where there are several.
            of_several = kept.groupby("glacier")["sensor"].transform("nunique") > 1
            if of_several.any():
                several = remove_sensor_offsets(kept[of_several])
                kept = pd.concat([kept[~of_several], several], ignore_index=True)
            found = watched(kept, terminus=self._ends_in)
            # Of values that are all flagged, or of none, there is no last date.
            last = np.datetime64("NaT") if kept.empty else np.datetime64(pd.Timestamp(kept["date"].max()), "D")
            names = dict.fromkeys(one.glacier for one in found)
            table = hazards_of(found, names, cutoff=last if self._cutoff is None else self._cutoff)
            self._tables[variable] = {str(name): rows for name, rows in table.groupby("glacier", sort=False)}
        return self._tables[variable]

    def _ends_in(self, glacier: str) -> str:
        entry = self._known.entry(glacier)
        return (entry.terminus_type if entry else None) or ""
