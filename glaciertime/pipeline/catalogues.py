"""Scenes of a glacier out of a catalogue on their way to be tracked: where they are looked for, and as what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from glaciertime.catalog import Glacier, Source
from glaciertime.errors import DataNotFoundError, InputError, UsageError
from glaciertime.pipeline.rulers import given_in_files
from glaciertime.scenes.locate import Located
from glaciertime.scenes.sources.place import Place, place_of_glacier
from glaciertime.scenes.sources.products import OPTICAL, RADAR
from glaciertime.scenes.sources.stac import StacRequest, at_glacier, is_simulated, list_scenes, scenes_listed
from glaciertime.scenes.sources.web import Web, shown

if TYPE_CHECKING:
    from glaciertime.segment.description import ModelSpec

__all__ = ["located_in_catalogue", "place_told"]

_DEFAULT_WEIGHTS = "landsat-fronts"


def place_told(glacier: Glacier, box: Path | None) -> Place:
    """Return the box in which scenes are looked for: that of a file, else that of the glacier.

    Raises
    ------
    GlacierTimeError
        Where there is none.
    """
    if box is None:
        return place_of_glacier(glacier)
    _, given = given_in_files(glacier, centreline=None, box=box)
    ruler = next(each for each in given if each.kind == "box")
    if ruler.crs is None:
        raise InputError(f"--box {box.name} names no coordinate system")
    return Place(polygon=ruler.geometry, crs=ruler.crs, what=f"the box of {box.name}")


def located_in_catalogue(
    glacier: Glacier, request: StacRequest, *, box: Path | None, weights: str, merge: str = "", dataset: str
) -> Located:
    """Return the scenes of a glacier out of a catalogue, each fetched when its turn comes.

    Raises
    ------
    GlacierTimeError
        Where nothing says where the glacier is, or the catalogue has nothing there.
    """
    place = place_told(glacier, box)
    web = Web()
    bands, said = _bands_for_model(request, weights, merge)
    request = replace(at_glacier(request, glacier), bands=bands)
    listing = list_scenes(request, place, web=web)
    notes = [
        f"{request.address}: {', '.join(request.collections)} over {place.what}, {request.since} to {request.until}",
        said,
        *listing.notes,
    ]
    if not listing.listed:
        raise DataNotFoundError(
            f"{glacier.name}: no scene of {request.address} is left. {' '.join([*listing.notes, *listing.problems])}"
        )
    name = dataset or " + ".join(sorted(request.collections))
    scenes = scenes_listed(
        listing, request, place, glacier=glacier.name, dataset=name, web=web, tell=notes.append
    )  # fmt: skip
    return Located(
        glacier=glacier,
        dataset=name,
        origin=shown(request.address),
        simulated=is_simulated(listing),
        scenes=scenes,
        notes=notes,
        source=Source(dataset=name, format="images"),
    )


def _bands_for_model(request: StacRequest, weights: str, merge: str = "") -> tuple[tuple[str, ...], str]:
    """Return the bands that a model is given, and what is to be said of it."""
    from glaciertime.segment.description import read_spec, weights_path
    from glaciertime.segment.predict.merging import parse_weights

    are_radar = all("sentinel-1" in name for name in request.collections)
    if not weights and are_radar:
        return request.bands or ("hh",), ""  # no model: told scene by scene
    names, _ = parse_weights(weights or _DEFAULT_WEIGHTS, merge or None)
    specs: list[ModelSpec] = [read_spec(weights_path(name)) for name in names]
    spec = specs[0]
    for other in specs[1:]:
        if other.bands != spec.bands:
            raise UsageError(
                f"{spec.name} takes the bands {', '.join(spec.bands)}, {other.name} {', '.join(other.bands)}: of a "
                "catalogue's scenes all models are given the same; merge models of the same bands"
            )
    known = (*OPTICAL, *RADAR)
    if request.bands:
        if len(request.bands) != len(spec.bands):
            raise UsageError(
                f"--bands {','.join(request.bands)}: {spec.name} takes {len(spec.bands)} ({', '.join(spec.bands)})"
            )
        return request.bands, f"{spec.name} is given the bands {', '.join(request.bands)}"
    if all(band in known for band in spec.bands):
        return tuple(spec.bands), f"{spec.name} is given the bands {', '.join(spec.bands)}"
    if spec.bands == ("grey",) and not are_radar:
        return ("green",), f"{spec.name} takes one grey band and is given green; --bands NAME gives it another"
    raise UsageError(
        f"{spec.name} takes the bands {', '.join(spec.bands)}: say which those are with --bands, such as "
        f"--bands {','.join(known[: len(spec.bands)])}"
    )
