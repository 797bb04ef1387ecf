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
    GlaciersOption,
    JsonOption,
    LimitOption,
    ManifestOption,
    OverwriteOption,
    note,
    print_json,
    split_names,
)
from glaciertime.cli.messages import exit_code
from glaciertime.cli.run_notes import write_note
from glaciertime.cli.running import the_run
from glaciertime.cli.selecting import RegionOption, RgiOption, chosen_known, selection_of
from glaciertime.naming import counted
from glaciertime.writing import file_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glaciertime.catalog import Glacier
    from glaciertime.scenes.sources.choice import Pass
    from glaciertime.scenes.sources.kept import Kept
    from glaciertime.scenes.sources.place import Place
    from glaciertime.scenes.sources.stac import Listed, Listing, StacRequest
    from glaciertime.scenes.sources.web import Web

__all__ = ["scenes"]


def scenes(
    glacier: GlaciersOption = None,
    region: RegionOption = None,
    rgi: RgiOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    catalogue: Annotated[
        str | None,
        typer.Option(
            "--stac",
            metavar="URL|FILE",
            envvar="GLACIERTIME_STAC",
            help="A STAC API, or a catalogue of files; default that of the manifest, else Earth Search.",
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
    from glaciertime.errors import GlacierTimeError, UsageError
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
    selection = selection_of(glacier, region=region, manifest=manifest, rgi=rgi)
    if selection.is_empty:
        raise UsageError(
            "name glaciers with --glacier NAME, --region NAME or --rgi FILE; --all is of their scenes here; "
            "glaciertime catalog lists them"
        )
    chosen = chosen_known(selection)
    if out is not None:
        check_folder(out, overwrite=overwrite)
    run = the_run()
    run.next = "run the same command again: windows that came are kept and not asked for again"
    rows: list[dict[str, object]] = []
    outcomes = []
    for name in chosen.names:
        folder = out if out is None or len(chosen.names) == 1 else out / file_name(name, "")
        try:
            known = chosen.catalog.glacier(name)
            outcomes.append(_one(known, request, box=box, out=folder, overwrite=overwrite, web=Web(), rows=rows,
                                 quiet=as_json))  # fmt: skip
        except GlacierTimeError as error:
            if len(chosen.names) == 1:
                raise
            note(f"{name}: {error}")
            outcomes.append((0, True))
    if as_json:
        print_json(rows)
    usable, failed = sum(count for count, _ in outcomes), any(wrong for _, wrong in outcomes)
    raise typer.Exit(exit_code(stored=usable > 0, failed=failed or not usable))


def _one(
    glacier: Glacier, request: StacRequest, *, box: Path | None, out: Path | None, overwrite: bool, web: Web,
    rows: list[dict[str, object]], quiet: bool,
) -> tuple[int, bool]:  # fmt: skip
    """List the scenes of one glacier, and fetch them; return how many can be used, and whether some cannot."""
    from glaciertime.pipeline.catalogues import place_told
    from glaciertime.scenes.sources.stac import at_glacier, list_scenes
    from glaciertime.scenes.sources.taken import check_folder

    request = at_glacier(request, glacier)
    place = place_told(glacier, box)
    note(f"{request.address}: {', '.join(request.collections)} over {place.what}, {request.since} to {request.until}")
    if out is not None:
        check_folder(out, overwrite=overwrite)
    listing = list_scenes(request, place, web=web, progress=_with_bar)
    for sentence in (*listing.notes, *listing.problems):
        note(sentence)
    rows += [{"glacier": glacier.name, **_row(each)} for each in listing.listed]
    if not quiet:
        _print(glacier, listing)
    failed = bool(listing.problems) or any(each.problem for each in listing.listed)
    if out is None:
        return sum(not each.problem for each in listing.listed), failed
    count, missing = _fetch(listing, request, place, out=out, overwrite=overwrite, web=web)
    note(f"{count} windows in {out}; {web.bytes_read:,} bytes came in {web.requests} requests")
    return count, failed or missing


def _with_bar(passes: Sequence[Pass]) -> Iterable[Pass]:
    from rich.progress import track as bar

    from glaciertime.cli.quiet import progress_console

    return bar(passes, "clouds over the box", total=len(passes), console=progress_console(), transient=True)


def _fetch(
    listing: Listing, request: StacRequest, place: Place, *, out: Path, overwrite: bool, web: Web
) -> tuple[int, bool]:
    """Fetch the windows of a listing into a folder; return how many came, and whether some did not."""
    from rich.progress import track as bar

    from glaciertime.cli.quiet import progress_console
    from glaciertime.errors import GlacierTimeError, WritingError
    from glaciertime.scenes.sources.stac import fetch_listed
    from glaciertime.scenes.sources.taken import take_into

    usable = [each for each in listing.listed if not each.problem]
    count, missing, said = 0, False, set()
    kept: list[tuple[Listed, Kept]] = []
    try:
        for each in bar(usable, "windows", total=len(usable), console=progress_console(), transient=True):
            try:
                found = fetch_listed(each, request, place, web=web)
            except WritingError:
                raise
            except GlacierTimeError as error:
                note(f"{each.one.id}: {error}")
                missing = True
                continue
            for sentence in found.notes:
                if sentence not in said:
                    note(sentence)
                said.add(sentence)
            kept.append((each, found))
            count += 1
    finally:
        # What came before Ctrl-C, too.
        if kept:
            take_into(out, kept, address=request.address, overwrite=overwrite)
            _note_runs(out, kept, address=request.address, overwrite=overwrite)
            the_run().stored.append(f"{len(kept)} windows in {out}")
    return count, missing


def _note_runs(out: Path, kept: Sequence[tuple[Listed, Kept]], *, address: str, overwrite: bool) -> None:
    """Write beside each window, and beside the table, of which files of the catalogue it was made."""
    from glaciertime.scenes.sources.taken import TABLE
    from glaciertime.scenes.sources.web import shown

    run = the_run()
    every: list[str] = []
    for each, found in kept:
        parts = [(str(part["item"]), part, shown(str(part["address"]))) for part in found.parts]
        told = [f"{part['band']} from {where}, etag {part['etag'] or 'none'}" for _, part, where in parts]
        every.append(f"{found.path.name}: {each.one.id}, sha256 {found.sha256}")
        record = run.record(
            images=[("", "", scene, where) for scene, _, where in parts],
            settings={"input": shown(address), "decided": told, "notes": list(found.notes)},
        )  # fmt: skip
        write_note(out / found.path.name, record, overwrite=overwrite)
    write_note(out / TABLE, run.record(settings={"input": shown(address), "decided": every}), overwrite=overwrite)


def _share(value: float) -> str:
    return "?" if math.isnan(value) else f"{value:.1%}"


def _print(glacier: Glacier, listing: Listing) -> None:
    typer.echo(glacier.name)
    typer.echo(f"{'date':<12}{'sensor':<14}{'clouds':>8}{'of box':>8}{'MB':>8}  scene")
    for each in listing.listed:
        one = each.one
        size = f"{each.bytes_expected / 1e6:.1f}" if not each.problem else ""
        typer.echo(
            f"{one.date:%Y-%m-%d}  {one.product.sensor:<14}{_share(each.sky.clouds):>8}{_share(each.sky.seen):>8}"
            f"{size:>8}  {one.id}" + (f": {each.problem}" if each.problem else "")
        )
    total = sum(each.bytes_expected for each in listing.listed)
    typer.echo(f"{counted(len(listing.listed), 'scenes')}, at most about {total / 1e6:,.1f} MB of pixels in the box")


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
