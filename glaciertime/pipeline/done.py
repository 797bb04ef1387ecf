"""Whether a glacier was measured before, from the same files, by the same code, in the same way.

A run writes down, with what it stores, the digest of all that decides the numbers beside the files: settings, the
manifest's entry, the code and its libraries. What has the same digest, read the same bytes, and was measured with the
rulers that the archive still holds, gives the same again and is not measured again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from glaciertime import limits
from glaciertime.archive import Place
from glaciertime.catalog import Glacier
from glaciertime.pipeline.held import Held
from glaciertime.pipeline.request import TrackRequest
from glaciertime.pipeline.runs import ruler_digests
from glaciertime.provenance import digest_of, value_digest
from glaciertime.provenance.versions import code_digest, library_version
from glaciertime.scenes.folder import RASTER_ENDINGS
from glaciertime.scenes.locate import Located
from glaciertime.segment.description import weights_path
from glaciertime.track.place import Ruler

__all__ = ["TASK", "file_states", "is_done", "task_digest"]

#: Under this name the digest of what decides the numbers stands among what a run read.
TASK = "settings, manifest, code and libraries"
_LIBRARIES = ("numpy", "pandas", "scipy", "shapely", "geopandas", "pyproj", "rasterio", "scikit-image", "onnxruntime")
#: Fields of a request that say where things lie, and not what is done with them.
_WHERE = {
    "glacier", "data", "downloads", "manifests", "archive", "known", "held", "files", "redraw", "centreline", "box",
    "weights",
}  # fmt: skip
_LATE = "after the run began"

ImageInput = tuple[str, str, str, str]
State = tuple[int, int, int]


def task_digest(
    request: TrackRequest, glacier: Glacier, located: Located, *, read: Iterable[ImageInput], weights: Iterable[str]
) -> str:
    """Return the digest of all that decides what is measured of a glacier, beside the files of its scenes.

    Parameters
    ----------
    request : TrackRequest
    glacier : Glacier
        As the catalog has it.
    located : Located
        Where its scenes were found.
    read : iterable of (glacier, dataset, image_id, input)
    weights : iterable of str
        The models that segmented images.
    """
    files = [path for path in (request.centreline, request.box) if path is not None]
    models = [weights_path(name) for name in weights]
    return value_digest(
        {
            "code": code_digest(),
            "libraries": {name: library_version(name) for name in _LIBRARIES},
            "glacier": glacier.model_dump(mode="json"),
            "request": {name: value for name, value in vars(request).items() if name not in _WHERE},
            "files": [[one.sha256 for one in digest_of(path)] for path in [*files, *models]],
            "given": [request.centreline is not None, request.box is not None],
            # What a limit kept from being measured may be measured with another one.
            "limits": {name: limits.limit(name) for name in limits.LIMITS},
            "found": [located.dataset, located.simulated, None if located.source is None else located.source.format],
            "beside": _beside([source for *_, source in read], archive=request.archive),
        }
    )


def _beside(sources: Iterable[str], *, archive: Place | None) -> list[tuple[str, int, int]]:
    """Return name, size and time of change of the files beside some that can say how these are to be read.

    World files, legends, metadata, tables of dates: what is no raster, and what bears the name of a raster.
    """
    found: dict[str, tuple[str, int, int]] = {}
    by_folder: dict[str, set[str]] = {}
    own = {archive.name + end for end in ("", "-journal", "-wal", "-shm")} if isinstance(archive, Path) else set()
    for source in sources:
        folder, name = os.path.split(source)
        by_folder.setdefault(folder, set()).add(name)
    for folder, names in by_folder.items():
        stems = {name.split(".")[0] for name in names}
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            is_other_raster = (
                Path(entry.name).suffix.lower() in RASTER_ENDINGS and entry.name.split(".")[0] not in stems
            )
            if entry.name in names or is_other_raster or entry.name in own or not entry.is_file():
                continue
            state = entry.stat()
            found[entry.path] = (entry.name, state.st_size, state.st_mtime_ns)
    return [found[path] for path in sorted(found)]


def file_states(read: Iterable[ImageInput]) -> dict[str, State]:
    """Return size, time of change and number of each file: what tells that it was changed in between."""
    found = {}
    for *_, source in read:
        try:
            state = os.stat(source)
        except OSError:
            continue
        found[source] = (state.st_size, state.st_mtime_ns, state.st_ino)
    return found


def is_done(
    held: Held, digest: str, *, read: Sequence[ImageInput], rulers: Sequence[Ruler], is_simulated: bool
) -> bool:
    """Return whether an archive holds what measuring some scenes would give.

    Parameters
    ----------
    held : Held
        What it holds of the glacier.
    digest : str
        See :func:`task_digest`.
    read : sequence of (glacier, dataset, image_id, input)
        Every file that the scenes are made of.
    rulers : sequence of Ruler
        With what they would be measured.
    is_simulated : bool
        Whether there are no files, because the scenes are simulated.
    """
    rows = held.run_inputs
    runs = rows.loc[(rows["input"] == TASK) & (rows["sha256"] == digest), "run"]
    stored = set(held.inputs[["glacier", "dataset", "image_id"]].itertuples(index=False, name=None))
    if not read or runs.empty or not {image[:3] for image in read} <= stored:
        return False
    wanted = _read_now(read, is_simulated=is_simulated)
    if wanted is None:
        return False
    return any(_is_same(rows[rows["run"] == run], wanted, ruler_digests(rulers)) for run in runs.unique())


def _read_now(read: Sequence[ImageInput], *, is_simulated: bool) -> set[tuple[str, ...]] | None:
    """Return image, file and SHA-256 of all that would be read; None where a file cannot be."""
    found: set[tuple[str, ...]] = set()
    for image in read:
        digests = digest_of(image[3])
        if not digests and not is_simulated:
            return None
        found |= {(*image[:3], one.path, one.sha256) for one in digests} or {(*image, "")}
    return found


def _is_same(rows: pd.DataFrame, wanted: set[tuple[str, ...]], rulers: Mapping[str, str]) -> bool:
    images = rows[rows["image_id"] != ""]
    columns = ["glacier", "dataset", "image_id", "input", "sha256"]
    before = set(images[columns].itertuples(index=False, name=None))
    with_rulers = rows[rows["input"].str.startswith("ruler: ")]
    return (
        before == wanted
        and dict(zip(with_rulers["input"], with_rulers["sha256"], strict=True)) == dict(rulers)
        and not images["modified"].fillna("").astype(str).str.contains(_LATE).any()
    )
