"""``glaciertime scenes``: which scenes of a glacier a catalogue has, how cloudy its box is in them, and the windows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.catalogues import (
    CollectionOption,
    MaxCloudsOption,
    PerOption,
    RefreshOption,
    SieveOption,
    SignOption,
    SinceOption,
    UntilOption,
    stac_request,
)
from glaciertime.cli.common import (
    GlacierOption,
    JsonOption,
    LimitOption,
    ManifestOption,
    OverwriteOption,
    note,
    print_json,
    split_names,
)
from glaciertime.cli.messages import exit_code
from glaciertime.cli.running import the_run

if TYPE_CHECKING:
    from glaciertime.scenes.sources.stac import Listed, Listing

__all__ = ["scenes"]


def scenes(
    glacier: GlacierOption,
    since: SinceOption = None,
    until: UntilOption = None,
    catalogue: Annotated[
        str | None,
        typer.Option(
            "--stac",
            metavar="URL",
            envvar="GLACIERTIME_STAC",
            help="Address of a STAC API; default that of the manifest, else Earth Search.",
        ),
    ] = None,
    collection: CollectionOption = None,
    per: PerOption = None,
    every: Annotated[bool, typer.Option("--all", help="All scenes, not one per month.")] = False,
    max_clouds: MaxCloudsOption = None,
    sieve: SieveOption = None,
    bands: Annotated[
        list[str] | None,
        typer.Option(help="blue, green, red, nir, swir1, swir2, vv, vh, hh, hv; default all that a product has."),
    ] = None,
    box: Annotated[Path | None, typer.Option(help="Vector file with the box; default the glacier's.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Fetch the windows into this folder, after listing them.")
    ] = None,
    overwrite: OverwriteOption = False,
    refresh: RefreshOption = False,
    sign: SignOption = None,
    manifest: ManifestOption = None,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """List the scenes that a catalogue has over the box of a glacier, and fetch that window of them.

    Clouds are those over the box, by the product's own cloud layer. Windows are measured values (reflectance,
    backscatter) with clouds as not observed; they are kept, and come from there the next time.

    Examples:

    glaciertime scenes --glacier Crane --from 2023-01-01 --to 2023-03-31 --max-clouds 20

    glaciertime scenes --glacier Crane --from 2020-01-01 --to 2023-12-31 --per month --out windows
    """
    from glaciertime.catalog import load_catalog
    from glaciertime.errors import UsageError
    from glaciertime.pipeline.catalogues import place_told
    from glaciertime.scenes.sources.stac import at_glacier, list_scenes
    from glaciertime.scenes.sources.taken import check_folder
    from glaciertime.scenes.sources.web import Web

    if every and per:
        raise UsageError("--all and --per: give one of them")
    if out is not None and not (every or per):
        raise UsageError("--out: say whether --all scenes are to be fetched, or the best --per month")
    request = stac_request(
        catalogue, since=since, until=until, collections=collection, bands=tuple(split_names(bands)), per=per,
        most_clouds=max_clouds, sieve=sieve, refresh=refresh, sign=sign,
    )  # fmt: skip
    known = load_catalog(tuple(manifest or ())).glacier(glacier)
    request = at_glacier(request, known)
    place = place_told(known, box)
    note(f"{request.address}: {', '.join(request.collections)} over {place.what}, {request.since} to {request.until}")
    if out is not None:
        check_folder(out, overwrite=overwrite)
    web = Web()
    listing = list_scenes(request, place, web=web, progress=_with_bar)
    for sentence in (*listing.notes, *listing.problems):
        note(sentence)
    if as_json:
        print_json([_row(each) for each in listing.listed])
    else:
        _print(listing)
    failed = bool(listing.problems) or any(each.problem for each in listing.listed)
    count = 0
    if out is not None:
        count, missing = _fetch(listing, request, place, out=out, overwrite=overwrite, web=web)
        failed = failed or missing
        note(f"{count} windows in {out}; {web.bytes_read:,} bytes came in {web.requests} requests")
        the_run().stored.append(f"{count} windows in {out}")
    usable = count if out is not None else sum(not each.problem for each in listing.listed)
    raise typer.Exit(exit_code(stored=usable > 0, failed=failed or not usable))


def _with_bar(passes):  # type: ignore[no-untyped-def]
    from rich.console import Console
    from rich.progress import track as bar

    return bar(passes, "clouds over the box", total=len(passes), console=Console(stderr=True), transient=True)


def _fetch(listing: Listing, request, place, *, out: Path, overwrite: bool, web) -> tuple[int, bool]:  # type: ignore[no-untyped-def]
    """Fetch the windows of a listing into a folder; return how many came, and whether some did not."""
    from rich.console import Console
    from rich.progress import track as bar

    from glaciertime.errors import GlacierTimeError
    from glaciertime.scenes.sources.stac import fetch_listed
    from glaciertime.scenes.sources.taken import take_into

    usable = [each for each in listing.listed if not each.problem]
    kept, missing, said = [], False, set()
    for each in bar(usable, "windows", total=len(usable), console=Console(stderr=True), transient=True):
        try:
            found = fetch_listed(each, request, place, web=web)
        except GlacierTimeError as error:
            note(f"{each.one.id}: {error}")
            missing = True
            continue
        for sentence in found.notes:
            if sentence not in said:
                note(sentence)
            said.add(sentence)
        kept.append((each, found))
    take_into(out, kept, address=request.address, overwrite=overwrite)
    return len(kept), missing


def _share(value: float) -> str:
    return "?" if math.isnan(value) else f"{value:.1%}"


def _print(listing: Listing) -> None:
    typer.echo(f"{'date':<12}{'sensor':<14}{'clouds':>8}{'of box':>8}{'MB':>8}  scene")
    for each in listing.listed:
        one = each.one
        size = f"{each.bytes_expected / 1e6:.1f}" if not each.problem else ""
        typer.echo(
            f"{one.date:%Y-%m-%d}  {one.product.sensor:<14}{_share(each.sky.clouds):>8}{_share(each.sky.seen):>8}"
            f"{size:>8}  {one.id}" + (f": {each.problem}" if each.problem else "")
        )
    total = sum(each.bytes_expected for each in listing.listed)
    typer.echo(f"{len(listing.listed)} scenes, at most about {total / 1e6:,.1f} MB of pixels in the box")


def _row(each: Listed) -> dict[str, object]:
    one = each.one
    return {
        "date": one.date.isoformat(),
        "scene": one.id,
        "sensor": one.product.sensor,
        "level": one.product.level,
        "clouds": each.sky.clouds,
        "seen": each.sky.seen,
        "bands": list(each.bands),
        "bytes_expected": each.bytes_expected,
        "problem": each.problem,
    }
