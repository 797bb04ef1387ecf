"""Scenes of a glacier out of a STAC catalogue: searched, listed with the clouds over its box, fetched one by one."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyproj
import shapely

from glaciertime.catalog import Glacier
from glaciertime.errors import DataNotFoundError, GlacierTimeError, InputError, UsageError
from glaciertime.scenes.acquisition import Acquisition, ImageScene, UnreadableScene
from glaciertime.scenes.sources.choice import Pass, passes_over
from glaciertime.scenes.sources.kept import Kept, kept_sky, kept_window, windows_folder
from glaciertime.scenes.sources.place import Place
from glaciertime.scenes.sources.products import OPTICAL, RADAR, asset_of
from glaciertime.scenes.sources.search import EARTH_SEARCH, search
from glaciertime.scenes.sources.web import Signer, Web
from glaciertime.scenes.sources.windows import Files, Sky
from glaciertime.units import resolution_m

__all__ = ["Listed", "Listing", "StacRequest", "at_glacier", "fetch_listed", "list_scenes", "scenes_listed"]

_SIMULATED = "glaciertime:source"


@dataclass(frozen=True, kw_only=True)
class StacRequest:
    """Which scenes are wanted of which catalogue.

    ``per`` is "month" for the best of each month, or empty for all. ``most_clouds`` is the largest share of clouds over
    the box, ``sieve`` that over the whole scene as the catalogue has it, above which a scene is not looked at; both
    from 0 to 1. ``bands`` is empty for those of the product, ``address`` for the catalogue that the glacier names, or
    Earth Search. ``sign`` is where tokens for files are had: see :class:`.web.Signer`.
    """

    address: str = ""
    since: dt.date
    until: dt.date
    collections: tuple[str, ...] = ("sentinel-2-l2a",)
    bands: tuple[str, ...] = ()
    per: str = ""
    most_clouds: float = 1.0
    sieve: float = 0.95
    refresh: bool = False
    sign: str = ""
    folder: Path = field(default_factory=windows_folder)

    def __post_init__(self) -> None:
        if self.since > self.until:
            raise UsageError(f"--from {self.since} lies after --to {self.until}")
        if self.per not in ("", "month"):
            raise UsageError(f"--per {self.per}: month expected, or --all")
        strange = [band for band in self.bands if band not in (*OPTICAL, *RADAR)]
        if strange:
            raise UsageError(f"--bands {','.join(strange)}: expected some of {', '.join((*OPTICAL, *RADAR))}")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One pass over a box: what of it was seen, how much is to be fetched, or why it cannot be used."""

    one: Pass
    sky: Sky
    bands: tuple[str, ...] = ()
    bytes_expected: int = 0
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a catalogue has over a box: the passes chosen, in order of time, and what was said."""

    listed: tuple[Listed, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def at_glacier(request: StacRequest, glacier: Glacier) -> StacRequest:
    """Return a request with the address of its catalogue: as told, else as the glacier names it, else Earth Search."""
    return request if request.address else replace(request, address=glacier.stac or EARTH_SEARCH)


def bands_of(one: Pass, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the bands of a pass: those wanted, or all that its product has.

    Raises
    ------
    InputError
        Where it has none of them.
    """
    if wanted:
        return wanted
    item, product = one.items[0]
    found = []
    for band in product.bands:
        try:
            asset_of(item, product, band)
        except InputError:
            continue
        found.append(band)
    if not found:
        raise InputError(f"{item.id} has none of the bands {', '.join(product.bands)}")
    return tuple(found)


def list_scenes(
    request: StacRequest,
    place: Place,
    *,
    web: Web,
    progress: Callable[[Sequence[Pass]], Iterable[Pass]] | None = None,
) -> Listing:
    """Return what a catalogue has over a box, with the clouds over it by the products' own cloud layers.

    Raises
    ------
    DataNotFoundError, InputError
        Where the catalogue does not answer, or has nothing there.
    """
    items, problems = search(
        request.address, boxes=place.boxes(), since=request.since, until=request.until,
        collections=request.collections, web=web,
    )  # fmt: skip
    passes, notes, more = passes_over(items, place.degrees())
    problems += more
    looked_at = []
    cloudy = 0
    for one in passes:
        told = one.scene_clouds
        if told is not None and told > request.sieve and not one.product.is_radar:
            cloudy += 1
        else:
            looked_at.append(one)
    if cloudy:
        notes.append(
            f"{cloudy} passes not looked at: the catalogue calls more than {request.sieve:.0%} of their whole scenes "
            "cloudy; --sieve 100 looks at all"
        )
    if not looked_at:
        raise DataNotFoundError(
            f"{request.address} has no scene of {', '.join(request.collections)} over {place.what} "
            f"from {request.since} to {request.until} that can be used. {' '.join([*notes, *problems])}".strip()
        )
    shown = looked_at if progress is None else progress(looked_at)
    listed = [_listed(one, request, place, web) for one in shown]
    empty = sum(each.sky.seen == 0 for each in listed)
    if empty:
        notes.append(f"{empty} passes left out: they show nothing of the box")
        listed = [each for each in listed if each.sky.seen != 0]
    hidden = sum(each.sky.clouds > request.most_clouds for each in listed)
    if hidden:
        notes.append(f"{hidden} passes left out: more than {request.most_clouds:.0%} of the box under clouds")
        listed = [each for each in listed if not each.sky.clouds > request.most_clouds]
    if request.per == "month":
        # What could not be looked at may have been the best of its month.
        problems += [each.problem for each in listed if each.problem]
        listed = best_of_months(listed)
    return Listing(listed=tuple(listed), notes=tuple(notes), problems=tuple(dict.fromkeys(problems)))


def _listed(one: Pass, request: StacRequest, place: Place, web: Web) -> Listed:
    try:
        bands = bands_of(one, request.bands)
        for item, product in one.items:
            for band in bands:
                asset_of(item, product, band)
        sky = kept_sky(request.address, one, place=place, files=files_of(request, web), folder=request.folder,
                       refresh=request.refresh)  # fmt: skip
    except GlacierTimeError as error:
        return Listed(one=one, sky=Sky(seen=float("nan"), clouds=float("nan")), problem=str(error))
    if sky.seen != sky.seen:
        # No layer tells: by the outlines of the scenes, of clouds nothing.
        box = place.degrees()
        outlines = [item.footprint for item, _ in one.items if item.footprint is not None]
        seen = _share(outlines, box) if outlines else float("nan")
        sky = replace(sky, seen=seen)
    return Listed(one=one, sky=sky, bands=bands, bytes_expected=_bytes_expected(one, bands, place))


def _share(outlines: Sequence[shapely.Geometry], box: shapely.Geometry) -> float:
    return float(shapely.union_all(outlines).intersection(box).area / box.area)


def _clear(each: Listed) -> float:
    return 0.0 if math.isnan(each.sky.clear) else each.sky.clear


def best_of_months(listed: list[Listed]) -> list[Listed]:
    """Return of each month the pass that shows most of the box without clouds, the earliest of several."""
    best: dict[tuple[int, int], Listed] = {}
    for each in listed:
        if each.problem:
            continue
        month = (each.one.date.year, each.one.date.month)
        if month not in best or _clear(each) > _clear(best[month]):
            best[month] = each
    return list(best.values())


_PIXEL_M = {"sentinel-2": {"swir1": 20.0, "swir2": 20.0}, "landsat": {}, "sentinel-1": {}}
_USUAL_M = {"sentinel-2": 10.0, "landsat": 30.0, "sentinel-1": 10.0}


def _bytes_expected(one: Pass, bands: tuple[str, ...], place: Place) -> int:
    """Return about how many bytes of pixels lie in the box, unpacked: what comes is less, packed, and whole blocks."""
    area = abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(place.degrees())[0])
    family = one.product.family
    sizes = [_PIXEL_M[family].get(band, _USUAL_M[family]) for band in bands]
    item_bytes = 4 if one.product.level == "RTC" else 2
    return round(sum(area / size**2 for size in sizes) * item_bytes * len(one.items))


def files_of(request: StacRequest, web: Web) -> Files:
    """Return how the files of a request's catalogue are opened: none is asked for twice while a window is read."""
    return Files(web, Signer(request.sign, web=web).signed if request.sign else None)


def fetch_listed(each: Listed, request: StacRequest, place: Place, *, web: Web) -> Kept:
    """Return the window of a listed pass, kept or fetched; raises as :func:`.kept.kept_window` does."""
    return kept_window(
        request.address, each.one, bands=each.bands, place=place, files=files_of(request, web), folder=request.folder,
        refresh=request.refresh,
    )  # fmt: skip


def is_simulated(listing: Listing) -> bool:
    """Return whether the scenes of a listing are simulated, as their catalogue says.

    Raises
    ------
    InputError
        Where some are and others are not.
    """
    kinds = {item.properties.get(_SIMULATED) == "simulated" for each in listing.listed for item, _ in each.one.items}
    if len(kinds) > 1:
        raise InputError("the catalogue mixes simulated scenes with others; name --collection of one kind")
    return kinds == {True}


def scenes_listed(
    listing: Listing, request: StacRequest, place: Place, *, glacier: str, dataset: str, web: Web,
    tell: Callable[[str], None],
) -> Iterator[ImageScene | UnreadableScene]:  # fmt: skip
    """Yield listed passes as images to be segmented, each fetched when its turn comes."""
    source = "simulated" if is_simulated(listing) else "observed"
    for reason in listing.problems:
        yield UnreadableScene(input=request.address, reason=reason)
    for each in listing.listed:
        one = each.one
        what = Acquisition(
            glacier=glacier, date=one.date, dataset=dataset, image_id=one.id, source=source, input=request.address,
            sensor=one.product.sensor,
        )  # fmt: skip
        if each.problem:
            yield UnreadableScene(input=request.address, reason=each.problem, date=one.date, acquisition=what)
            continue
        try:
            kept = fetch_listed(each, request, place, web=web)
            size = resolution_m(kept.transform, shape=kept.shape, crs=kept.crs)
        except GlacierTimeError as error:
            yield UnreadableScene(input=request.address, reason=str(error), date=one.date, acquisition=what)
            continue
        for sentence in kept.notes:
            tell(sentence)
        yield ImageScene(
            acquisition=replace(what, input=str(kept.path.resolve()), crs=kept.crs, resolution_m=size),
            path=kept.path,
            shape=kept.shape,
            transform=kept.transform,
            weights="" if one.product.is_radar else "landsat-fronts",
        )
