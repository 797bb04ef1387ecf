"""``glaciertime track``: from scenes to areas, calving fronts and dated series."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.catalogues import (
    CollectionOption,
    MaxCloudsOption,
    PerOption,
    RefreshOption,
    ScenesOption,
    SieveOption,
    SignOption,
    SinceOption,
    UntilOption,
    scenes_request,
)
from glaciertime.cli.common import (
    ArchiveOption,
    GlaciersOption,
    JobsOption,
    JsonOption,
    JsonRows,
    LimitOption,
    ManifestOption,
    Place,
    SchedulerOption,
    StrictOption,
    data_folder,
    note,
    split_names,
)
from glaciertime.cli.dating import DateFormatOption, DayFirstOption, MonthFirstOption, date_reading
from glaciertime.cli.forget import print_counts
from glaciertime.cli.merging import MergeOption, check_models
from glaciertime.cli.messages import by_kind, exit_code, option_that_helps
from glaciertime.cli.planning import print_plan
from glaciertime.cli.running import the_run
from glaciertime.cli.selecting import AllOption, RegionOption, RgiOption, chosen_known, selection_of
from glaciertime.naming import agreeing, counted

if TYPE_CHECKING:
    from glaciertime.archive import Archive
    from glaciertime.pipeline import TrackOutcome
    from glaciertime.pipeline.selection import Known
    from glaciertime.scenes.inventory import Inventory

__all__ = ["parse_direction", "track"]


def track(
    glacier: GlaciersOption = None,
    every: AllOption = False,
    region: RegionOption = None,
    rgi: RgiOption = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder (or file) of real input; default GLACIERTIME_DATA, else downloads, else simulation."),
    ] = None,
    scenes: ScenesOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    collection: CollectionOption = None,
    per: PerOption = None,
    max_clouds: MaxCloudsOption = None,
    sieve: SieveOption = None,
    refresh: RefreshOption = False,
    sign: SignOption = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="What the pixels of masks mean: values (0=ocean,1=glacier), colours (#00ffff=glacier) or names in the "
            "file (Bare rock=rock); zones are ocean, glacier, rock, nodata. Default: names in the file, CaFFe's codes."
        ),
    ] = None,
    nodata: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE",
            help="Value that was not observed, or none, whatever the header of a file says.",
        ),
    ] = None,
    crs: Annotated[str | None, typer.Option(help="Coordinate system of masks that name none, e.g. EPSG:3031.")] = None,
    resolution: Annotated[
        float | None, typer.Option(min=0.001, max=10_000, help="Pixel size in metres of masks without georeference.")
    ] = None,
    dates: Annotated[Path | None, typer.Option(help="CSV with the columns file and date.")] = None,
    date_format: DateFormatOption = "",
    day_first: DayFirstOption = False,
    month_first: MonthFirstOption = False,
    name_column: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of a layer that names glaciers; none: all rows are of one.")
    ] = "",
    id_column: Annotated[str, typer.Option(metavar="COLUMN", help="Column of a layer that numbers glaciers.")] = "",
    date_column: Annotated[str, typer.Option(metavar="COLUMN", help="Column of a layer that holds dates.")] = "",
    dataset: Annotated[
        str, typer.Option(help="Use this source of the catalog; or the name of your own data set.")
    ] = "",
    weights: Annotated[
        str,
        typer.Option(
            help="Model that segments images: a shipped name or a file; several with --merge, separated by commas. "
            "Default: that of their kind."
        ),
    ] = "",
    merge: MergeOption = None,
    images: Annotated[
        bool | None,
        typer.Option(
            "--images/--masks", help="Whether rasters are images to be segmented; default: as their values say."
        ),
    ] = None,
    bands: Annotated[str | None, typer.Option(help="Bands of images to use, from 1, comma-separated.")] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="FACTOR,OFFSET", help="What makes the values of images measured ones.")
    ] = None,
    clouds: Annotated[
        str | None,
        typer.Option(
            metavar="BAND|PATTERN",
            help="Cloud layers of images: number or name of a band, or file names such as '*_QA_PIXEL.TIF'; none, or "
            "auto: what is called QA_PIXEL, SCL or Fmask beside or in them. Default: auto.",
        ),
    ] = None,
    ocean: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Where the ocean lies in images: north, east, south, west or degrees clockwise from north. Default: "
            "where the glacier's line leads to, else where the model is surest.",
        ),
    ] = None,
    common_footprint: Annotated[
        bool, typer.Option("--common-footprint", help="Measure areas inside the footprint that all masks share, too.")
    ] = False,
    method: Annotated[
        list[str] | None, typer.Option(help="How to measure the front position; may be repeated or comma-separated.")
    ] = None,
    box_width: Annotated[float, typer.Option(min=1.0, metavar="METRES", help="Width of the box methods.")] = 2000.0,
    centreline: Annotated[
        Path | None, typer.Option(help="Vector file with the line to measure along, from inland to the sea.")
    ] = None,
    box: Annotated[
        Path | None, typer.Option(help="Vector file with the rectangle in which areas are measured.")
    ] = None,
    coregister: Annotated[
        bool, typer.Option("--coregister", help="Move masks onto each other by their stable rock before measuring.")
    ] = False,
    front_of: Annotated[
        str,
        typer.Option(metavar="WORD", help="What the fronts are made of: calving front, tongue, mélange edge or shelf."),
    ] = "",
    redraw: Annotated[
        bool,
        typer.Option("--redraw", help="Leave the line that the archive keeps of this glacier, and measure all again."),
    ] = False,
    manifest: ManifestOption = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out what the archive holds of files that are gone.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Store nothing: print what is left to do, and its cost; with --prune, what goes."
        ),
    ] = False,
    jobs: JobsOption = 1,
    scheduler: SchedulerOption = "",
    strict: StrictOption = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Measure areas, calving fronts and front positions of glaciers, and store them in the archive.

    Examples:

    glaciertime track --glacier Crane

    glaciertime track --glacier Crane --glacier DBE --data /path/to/data

    glaciertime track --rgi outlines.shp --data outlines.shp

    glaciertime track --glacier Crane --data /path/to/data --prune --dry-run

    glaciertime track --glacier Crane --scenes stac --from 2023-01-01 --to 2023-12-31 --per month --max-clouds 10
    """
    from rich.progress import track as bar

    from glaciertime.archive import Archive
    from glaciertime.cli.quiet import progress_console
    from glaciertime.errors import UsageError
    from glaciertime.pipeline import TrackRequest, track_many
    from glaciertime.pipeline.rescreening import screening_of
    from glaciertime.pipeline.upkeep import Store, from_before, other_inputs, with_notes_of_the_record
    from glaciertime.scenes.classes import parse_classes
    from glaciertime.scenes.download import downloads_folder
    from glaciertime.scenes.folder import MaskReading
    from glaciertime.scenes.glacier_rows import VectorReading
    from glaciertime.scenes.names import dates_of_files
    from glaciertime.scenes.pixel_values import parse_bands, parse_scale
    from glaciertime.scenes.rasters import parse_crs
    from glaciertime.track import TrackSettings
    from glaciertime.track.settings import DEFAULT_METHODS

    chosen = chosen_known(selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi))
    names = list(chosen.names)
    target = Archive(archive, tell=note)
    if dry_run and prune:
        _print_prunable(names, target, as_json=as_json)
        return
    target.check_place()
    told = date_reading(day_first=day_first, month_first=month_first, form=date_format, hemisphere="")
    columns = VectorReading(dates=told, name_column=name_column, date_column=date_column, id_column=id_column)
    reading = MaskReading(
        classes=parse_classes(classes, nodata=nodata),
        crs=parse_crs(crs) if crs else None,
        local_resolution_m=resolution,
        dates=dates_of_files(dates, reading=told) if dates else {},
        date_reading=told,
        common_footprint=common_footprint,
        are_images=images,
        image_bands=None if scenes else parse_bands(bands),
        scale=parse_scale(scale),
        clouds=clouds or "auto",
    )
    settings = TrackSettings(
        methods=tuple(split_names(method)) or DEFAULT_METHODS, box_width_m=box_width, common_footprint=common_footprint
    )
    check_models(weights, merge)
    wanted = scenes_request(
        scenes, data=data, since=since, until=until, collections=collection, bands=bands, per=per,
        most_clouds=max_clouds, sieve=sieve, refresh=refresh, sign=sign,
        others={
            "--classes": classes, "--nodata": nodata, "--crs": crs, "--resolution": resolution, "--dates": dates,
            "--date-format": date_format, "--day-first": day_first, "--month-first": month_first,
            "--name-column": name_column, "--id-column": id_column, "--date-column": date_column, "--scale": scale,
            "--masks": images is False,
        },
    )  # fmt: skip
    requests = [
        TrackRequest(
            glacier=name, known=chosen.known.entry(name), scenes=wanted, data=None if wanted else data_folder(data),
            downloads=downloads_folder(), manifests=chosen.known.manifests_of(name),
            dataset=dataset or ("" if wanted else _of_inventories(chosen.known, name, data)),
            weights=weights, merge=merge or "", ocean=parse_direction(ocean), reading=reading,
            columns=columns, settings=settings, archive=archive,
            centreline=centreline, box=box, redraw=redraw, coregister=coregister,
            front_of=_front_kind(front_of), files=_files(chosen.known.inventory_of(name), dates),
        )
        for name in names
    ]  # fmt: skip
    if dry_run:
        if wanted:
            raise UsageError("--dry-run lists no scenes of a catalogue; glaciertime scenes does")
        print_plan(requests, target, jobs=jobs, scheduler=scheduler, as_json=as_json)
        return
    run = the_run()
    run.next = "run the same command again: what is stored is not measured again"
    results = Store(target, run=run)
    errors: list[str] = []
    codes: list[int] = []
    stored = False
    console = progress_console()
    many = track_many(requests, jobs=jobs, scheduler=scheduler)
    shown = bar(many, "tracking", total=len(requests), console=console, transient=True) if len(requests) > 1 else many
    with JsonRows() if as_json else nullcontext() as out:
        for outcome in shown:
            kept: tuple[str, ...] = ()
            if outcome.is_done:
                outcome = from_before(outcome, target)
            elif not (strict and outcome.problems):
                kept = results.store(outcome)
                if outcome.tracked is not None:
                    run.stored.append(_stored(outcome, target.path))
                if not results.is_aside:
                    outcome = with_notes_of_the_record(target, outcome)
            # Of a region no more is kept than of a glacier: what is told of it is told now.
            if out is not None and not results.is_aside:
                out.add([_summary(outcome)])
            elif not results.is_aside:
                _print(outcome, archive, stored=not (strict and outcome.problems))
            errors += [outcome.error] if outcome.error else []
            codes.append(outcome.exit_code)
            stored = stored or (outcome.tracked is not None and outcome.exit_code in (0, 3))
            _log(outcome)
            for count, problem in kinds_of(outcome):
                note(f"{outcome.glacier}: {problem}" + (f" (and {count - 1} more like it)" if count > 1 else ""))
            for sentence in outcome.notes:
                note(f"{outcome.glacier}: {sentence}")
            if kept:
                note(f"{outcome.glacier}: the earlier measurement of {', '.join(kept)} was kept")
            if results.is_aside:
                continue
            if prune:
                for table, count in target.prune(outcome.glacier, flagging_of=screening_of).items():
                    note(
                        f"{outcome.glacier}: {counted(count, 'rows')} of {table} came from files that are gone, and "
                        f"{agreeing(count, 'were')} taken out"
                    )
            for sentence in other_inputs(target, outcome):
                note(sentence)
    results.finish()
    for error in errors:
        note(f"glaciertime: {error}")
    if len(codes) == 1 and not stored and errors:
        raise typer.Exit(codes[0])
    raise typer.Exit(exit_code(stored=stored, failed=any(codes), strict=strict))


def _files(inventory: Inventory | None, dates: Path | None) -> dict[str, Path]:
    """Return the files that a glacier's tracking rests on beside its scenes and its manifest."""
    given = {"inventory": None if inventory is None else inventory.path, "dates": dates}
    return {role: path for role, path in given.items() if path is not None}


def _log(outcome: TrackOutcome) -> None:
    """Write to the log what was decided for a glacier."""
    from glaciertime.pipeline.runs import ruler_lines

    name, log = outcome.glacier, logging.getLogger("glaciertime.track")
    if outcome.tracked is None:
        log.error("%s: failed: %s", name, outcome.error, extra={"told": True})
        return
    log.info("%s: %d scenes of %s, from %s", name, len(outcome.inputs), outcome.dataset, outcome.origin)
    for weights in outcome.weights:
        log.info("%s: images segmented with %s", name, weights)
    for line in ruler_lines(outcome.tracked.rulers):
        log.info("%s: %s", name, line)
    for problem in outcome.problems:
        log.info("%s: refused: %s", name, problem)
    rows = outcome.tracked.observations
    for row in rows[rows["quality"] != "ok"].itertuples():
        log.info("%s: %s, %s by %s: %s", name, row.image_id, row.variable, row.method, row.quality)
    for _, _, image, path in outcome.read:
        log.debug("%s: read %s as %s", name, path, image)


def _stored(outcome: TrackOutcome, archive: Place) -> str:
    assert outcome.tracked is not None
    scenes, fronts, rows = len(outcome.inputs), len(outcome.tracked.fronts), len(outcome.tracked.observations)
    found = f"{counted(scenes, 'scenes')}, {counted(fronts, 'fronts')}, {counted(rows, 'observations')}"
    return f"{outcome.glacier} ({found}) in {archive}"


def _print_prunable(names: list[str], archive: Archive, *, as_json: bool) -> None:
    """Print how many rows come from files that are gone, by table."""
    from collections import Counter

    from glaciertime.record import held_name

    counts: Counter[str] = Counter()
    for name in dict.fromkeys(names):
        found = held_name(archive, name)
        gone = archive.gone_inputs(found)
        for (_, dataset, image), source in gone.images.items():
            note(f"{found}: {image} of {dataset} comes from {source}, which is gone")
        counts.update(archive.prune(found, dry_run=True))
    print_counts(counts, dry_run=True, as_json=as_json)
    if not counts:
        note("nothing would go: every file is where it was")


def parse_direction(text: str | None) -> float | None:
    """Return the azimuth that --ocean names for the scenes of a glacier; None where it is to be found."""
    from glaciertime.errors import UsageError
    from glaciertime.segment.predict.orientation import AUTO, parse_ocean

    told = None if text is None else parse_ocean(text)
    if told == "up":
        raise UsageError("--ocean up: scenes of one glacier can be turned differently; give an angle from north")
    return None if told == AUTO or not isinstance(told, float) else told


def _front_kind(word: str) -> str:
    from glaciertime.errors import InputError, UsageError
    from glaciertime.front_kinds import front_kind

    try:
        return front_kind(word)
    except InputError as error:
        raise UsageError(f"--front-of: {error}") from error


def kinds_of(outcome: TrackOutcome) -> list[tuple[int, str]]:
    """Return the failures of a glacier by kind: how many, and the first."""
    return by_kind(outcome.problems, names=[image for _, _, image, _ in outcome.inputs])


def _summary(outcome: TrackOutcome) -> dict[str, object]:
    from glaciertime.pipeline.runs import ruler_lines

    tracked = outcome.tracked
    areas = None if tracked is None else tracked.observations.query("variable == 'area_km2'")
    return {
        "glacier": outcome.glacier,
        "dataset": outcome.dataset,
        "origin": outcome.origin,
        "source": "" if tracked is None else "simulated" if outcome.simulated else "observed",
        "scenes": len(outcome.inputs),
        "fronts": 0 if tracked is None else len(tracked.fronts),
        "front_of": {} if tracked is None else tracked.fronts["front_of"].value_counts().to_dict(),
        "observations": 0 if tracked is None else len(tracked.observations),
        "first_date": None if areas is None or areas.empty else areas["date"].min().isoformat()[:10],
        "last_date": None if areas is None or areas.empty else areas["date"].max().isoformat()[:10],
        "ruler": [] if tracked is None else ruler_lines(tracked.rulers),
        "problems": list(outcome.problems),
        "notes": list(outcome.notes),
        "error": outcome.error,
    }


def _of_inventories(known: Known, name: str, data: Path | None) -> str:
    """Return what data of a glacier of an inventory are called: as their folder, in how many of its files it stands.

    Totals are of one data set: a glacier that one inventory of the folder lacks is in them all the same.
    """
    folder = None if known.inventory_of(name) is None else data_folder(data)
    return "" if folder is None or not folder.is_dir() else folder.resolve().name


def _print(outcome: TrackOutcome, archive: Place, *, stored: bool) -> None:
    from glaciertime.pipeline.runs import ruler_lines

    tracked = outcome.tracked
    if tracked is None:
        typer.echo(f"{outcome.glacier}: failed")
        return
    if not stored:
        typer.echo(f"{outcome.glacier}: nothing stored, because --strict was given and some inputs failed")
        return
    kind = "simulated" if outcome.simulated else "observed"
    observations = tracked.observations
    typer.echo(f"{outcome.glacier} ({kind}; {outcome.dataset}, from {outcome.origin})")
    typer.echo(
        f"  {counted(len(outcome.inputs), 'scenes')}, {observations['date'].min():%Y-%m-%d} to "
        f"{observations['date'].max():%Y-%m-%d}: {counted(len(tracked.fronts), 'calving fronts')}, "
        f"{counted(len(observations), 'observations')} in {archive}"
    )
    for (variable, method, footprint, front_of), rows in observations[observations["value"].notna()].groupby(
        ["variable", "method", "footprint", "front_of"], sort=False
    ):
        rows = rows.sort_values("date")
        first, last = rows.iloc[0], rows.iloc[-1]
        typer.echo(
            f"  {variable:<18}{method:<25}{footprint:<24}{len(rows):>4} values  "
            f"{first['value']:>12,.2f} ({first['date']:%Y-%m-%d})  {last['value']:>12,.2f} ({last['date']:%Y-%m-%d})"
            + (f"  {front_of}" if front_of else "")
        )
    for line in ruler_lines(tracked.rulers):
        typer.echo(f"  {line}")
    _print_missing(outcome)
    if outcome.simulated:
        typer.echo(
            "  These numbers are simulated, not observed. For real ones give --data FOLDER, or run "
            "glaciertime data fetch CaFFe."
        )


def _print_missing(outcome: TrackOutcome) -> None:
    """Say how many inputs were not measured, and the one option that would change most of it."""
    if not outcome.problems or outcome.tracked is None:
        return
    measured = outcome.tracked.observations.loc[outcome.tracked.observations["value"].notna(), "image_id"].nunique()
    kinds = kinds_of(outcome)
    option = option_that_helps(kinds)
    typer.echo(
        f"  measured: {counted(measured, 'scenes')}; not measured: {len(outcome.problems)}"
        + (f"; {option} would change that for {_helped(kinds, option)}" if option else "")
    )


def _helped(kinds: list[tuple[int, str]], option: str) -> str:
    count = sum(number for number, problem in kinds if option in problem)
    return "all of them" if count == sum(number for number, _ in kinds) else str(count)
