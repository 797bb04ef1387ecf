"""What the command line says of every image that is to be segmented, and the models that do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glaciertime.scenes.pixel_values import PixelReading
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.predict.engine import Engine
    from glaciertime.segment.predict.merging import Merge, United

__all__ = ["Loaded", "Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line says of every image; see ``glaciertime segment --help``."""

    weights: tuple[str, ...]
    merge: Merge | None
    method: str | None
    sensor: str | None
    bands: str | None
    values: PixelReading
    scaled: bool
    min_area_km2: float
    engine: str
    tta: bool | None
    ocean: str | None
    centreline: Path | None
    clouds: str
    mc_dropout: int
    smoothness: float
    window: int
    batch: int
    cog: bool
    threads: int
    overwrite: bool


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to run; ``quick`` is for what is only tried out.

    Of several models that are merged ``members`` are these, ``spec`` is what the merged masks hold, and the rest that
    of the first.
    """

    path: Path
    spec: ModelSpec
    run: Engine
    quick: Engine
    members: tuple[Loaded, ...] = ()
    united: United | None = None

    @property
    def single(self) -> tuple[Loaded, ...]:
        """Return the models that are run, each by itself."""
        return self.members or (self,)
