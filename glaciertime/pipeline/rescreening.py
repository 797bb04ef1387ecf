"""What an archive keeps when others of its values go, or more come, is screened again as it was screened before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import geopandas as gpd
import pandas as pd

from glaciertime.archive.flagging import Flagging
from glaciertime.catalog import load_catalog
from glaciertime.errors import GlacierTimeError
from glaciertime.track.record.screening import screen_record
from glaciertime.track.settings import ScreeningSettings

__all__ = ["screening_of"]


def screening_of(fronts: Sequence[gpd.GeoDataFrame], observations: pd.DataFrame) -> Flagging | None:
    """Return the screening that gives some rows the flags that they have; None where none of this release does.

    With what a glacier was screened is not stored: whether it surges may have stood in a manifest, or in a layer. Rows
    that surging or not makes no difference to are screened as the catalog says.

    Parameters
    ----------
    fronts, observations
        What an archive holds of a glacier, data set and source.
    """
    if observations.empty:
        return None
    surging = _surges(str(observations["glacier"].iloc[0]))
    for each in (surging, not surging):
        flagged = partial(screen_record, settings=ScreeningSettings(surging=each))
        lines, found = flagged(fronts, observations)
        same = [(a["QualFlag"] == b["QualFlag"]).all() for a, b in zip(fronts, lines, strict=True)]
        if all(same) and (found["quality"] == observations["quality"]).all():
            return flagged
    return None


def _surges(glacier: str) -> bool:
    try:
        return load_catalog().glacier(glacier).surging
    except GlacierTimeError:
        return False
