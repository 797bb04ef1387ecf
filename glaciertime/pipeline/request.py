"""What is to be tracked of a glacier, and what came of it: what goes to a worker, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd

from glaciertime.archive import Place
from glaciertime.catalog import Glacier
from glaciertime.pipeline.held import Held
from glaciertime.provenance import Digest
from glaciertime.scenes.folder import MaskReading
from glaciertime.scenes.glacier_rows import VectorReading
from glaciertime.track import Tracked, TrackSettings

if TYPE_CHECKING:
    from glaciertime.scenes.sources.stac import StacRequest

__all__ = ["TrackOutcome", "TrackRequest"]


@dataclass(frozen=True, kw_only=True)
class TrackRequest:
    """What is to be tracked, and how: everything a process of the pool needs."""

    glacier: str
    data: Path | None = None
    #: Which scenes of a catalogue are to be read, instead of data.
    scenes: StacRequest | None = None
    downloads: Path | None = None
    manifests: tuple[Path, ...] = ()
    dataset: str = ""
    #: The segmentation model for images: a shipped name or a file; by default the one made for their kind.
    #: Several, separated by commas, are merged as ``merge`` says.
    weights: str = ""
    merge: str = ""
    #: Where the ocean lies in images, degrees clockwise from north; by default where the glacier's line leads to.
    ocean: float | None = None
    reading: MaskReading = field(default_factory=MaskReading)
    #: Which columns of vector layers hold what.
    columns: VectorReading = field(default_factory=VectorReading)
    settings: TrackSettings = field(default_factory=TrackSettings)
    #: Where the results go: what the glacier was measured with before is taken from there.
    archive: Place | None = None
    #: Files that hold the line to measure along, or the box, instead of what the catalog has.
    centreline: Path | None = None
    box: Path | None = None
    #: What the fronts are made of, where neither the data nor the catalog says it.
    front_of: str = ""
    #: Whether to leave what was used before and to draw anew.
    redraw: bool = False
    #: Whether to move masks onto each other by their stable rock before they are measured.
    coregister: bool = False
    #: Other files that the request was made from, by what they are.
    files: Mapping[str, Path] = field(default_factory=dict)
    #: The glacier, where it was looked up before, and what the archive holds of it.
    known: Glacier | None = None
    held: Held | None = None


@dataclass(frozen=True, kw_only=True)
class TrackOutcome:
    """What came of tracking one glacier: its tables, or the reason why there are none.

    ``problems`` are sentences about single inputs that could not be used; the others were. ``notes`` say what was done
    to those, or was not measured of them.
    """

    glacier: str
    dataset: str = ""
    origin: str = ""
    simulated: bool = False
    tracked: Tracked | None = None
    centrelines: gpd.GeoDataFrame | None = None
    inputs: tuple[tuple[str, str, str, str], ...] = ()
    #: As ``inputs``, with every file that an image was made of, and not its first only.
    read: tuple[tuple[str, str, str, str], ...] = ()
    #: Other files that were read, by what they are; and the models that segmented images, names or files.
    files: Mapping[str, Path] = field(default_factory=dict)
    weights: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0
    #: The digest of what decides the numbers beside the files; empty where it cannot be known.
    task: str = ""
    #: Of the files that were read, by their paths.
    digests: Mapping[str, list[Digest]] = field(default_factory=dict)
    #: Whether the archive holds all of it from before, and nothing was measured.
    is_done: bool = False
    #: Processor time that it took.
    cpu_seconds: float = 0.0
