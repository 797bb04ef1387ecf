"""What an archive holds of a glacier that measuring it again has to know: read once, and carried to whoever measures.

A process, or a worker on another machine, that has it needs no archive.
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import pandas as pd

from glaciertime.archive import Archive

__all__ = ["Held", "held_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """Rows of one glacier.

    Attributes
    ----------
    rulers : GeoDataFrame
        With what it was measured.
    observations : DataFrame
    inputs : DataFrame
        Which file each image came from.
    run_inputs : DataFrame
        What each run read of it.
    """

    rulers: gpd.GeoDataFrame
    observations: pd.DataFrame
    inputs: pd.DataFrame
    run_inputs: pd.DataFrame


def held_of(archive: Archive, glacier: str) -> Held:
    """Return what an archive holds of a glacier, by its name in the catalog; nothing of one that is not there yet."""
    return Held(
        rulers=gpd.GeoDataFrame(archive.read("rulers", glacier=glacier)),
        observations=archive.read("observations", glacier=glacier),
        inputs=archive.read("inputs", glacier=glacier),
        run_inputs=archive.read("run_inputs", glacier=glacier),
    )
