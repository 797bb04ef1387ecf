"""``glaciertime report``: one HTML page that tells it all, of a glacier, of many, or of their region."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import (
    ArchiveOption,
    GlaciersOption,
    JobsOption,
    ManifestOption,
    OverwriteOption,
    keep_run,
    note,
    open_archive,
)
from glaciertime.cli.messages import exit_code
from glaciertime.cli.running import the_run
from glaciertime.cli.selecting import (
    AllOption,
    CorrelationOption,
    RegionOption,
    RgiOption,
    chosen_held,
    folder_meant,
    make_folder,
    selection_of,
)
from glaciertime.naming import counted

if TYPE_CHECKING:
    from glaciertime.archive import Archive
    from glaciertime.pipeline.selection import Chosen
    from glaciertime.provenance import RunRecord
    from glaciertime.record import GlacierRecord

__all__ = ["report"]

_INDEX = "index.html"


def report(
    glacier: GlaciersOption = None,
    every: AllOption = False,
    region: RegionOption = None,
    manifest: ManifestOption = None,
    rgi: RgiOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="The page; of several glaciers that of their region, or a folder for it and a page of each.",
        ),
    ] = None,
    date_from: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="Start of the region's changes; the nearest counts.")
    ] = None,
    date_to: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="End of the region's changes; the nearest counts.")
    ] = None,
    max_gap: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="How far the nearest observation may be.")
    ] = 180,
    correlation: CorrelationOption = None,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    jobs: JobsOption = 1,
    overwrite: OverwriteOption = False,
) -> None:
    """Write one self-contained HTML page: map of fronts, series, forecast, retreat table, backtest.

    Of several glaciers it is the page of their region: totals, completeness, ranking, map; in a folder, with a page of
    each glacier beside it.

    Examples:

    glaciertime report --glacier Crane --out crane.html

    glaciertime report --region Alps --out alps.html

    glaciertime report --all --out pages
    """
    from glaciertime.errors import UsageError

    store = open_archive(archive)
    chosen = chosen_held(store, selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi))
    of_region = {"date_from": date_from, "date_to": date_to, "correlation": correlation}
    if not chosen.is_many:
        told = [f"--{name.removeprefix('date_')}" for name, value in of_region.items() if value is not None]
        if told:
            raise UsageError(f"{' and '.join(told)}: of the page of several glaciers; the page of one shows all dates")
        if jobs > 1:
            raise UsageError("--jobs: of the pages of several glaciers, in a folder; one page is made by one process")
        record = next(chosen.records(store))
        target = out or _default(chosen)
        if target.is_dir():
            target = target / _default(chosen)
        kept = _page_of_one(record, target, archive=archive, overwrite=overwrite)
        keep_run(store, kept)
        typer.echo(target)
        return
    options: dict[str, object] = {**of_region, "max_gap_days": max_gap}
    target = out or _default(chosen)
    if jobs > 1 and not folder_meant(target, is_many=True):
        raise UsageError("--jobs: of the pages of several glaciers, in a folder; one page is made by one process")
    _page_of_region(chosen, store, target, options, archive=archive, overwrite=overwrite, jobs=jobs)


def _default(chosen: Chosen) -> Path:
    from glaciertime.writing import file_name

    return Path(file_name(chosen.names[0] if not chosen.is_many else chosen.label, ".html"))


def _page_of_one(record: GlacierRecord, target: Path, *, archive: Path, overwrite: bool) -> RunRecord:
    from glaciertime.pipeline.pages import write_page
    from glaciertime.report.page import MARK
    from glaciertime.writing import Target, check_target, write_bytes
    from glaciertime.writing.marks import made_by

    own = made_by(MARK)
    check_target(Target(target, "--out", own), archive=archive, overwrite=overwrite)
    run = the_run()
    page, kept = write_page(record, run=run, target=str(target))
    write_bytes(target, page.encode(), own=own, archive=archive, overwrite=overwrite)
    run.stored.append(f"the page {target}")
    return kept


def _page_of_region(
    chosen: Chosen, store: Archive, out: Path, options: dict[str, object], *, archive: Path, overwrite: bool, jobs: int
) -> None:
    """Write the page of a region, in a folder with the pages of its glaciers."""
    from glaciertime.pipeline.regional import labels_of, region_reading
    from glaciertime.report.page import MARK
    from glaciertime.report.region_page import region_page
    from glaciertime.writing import Target, check_target, write_bytes
    from glaciertime.writing.marks import made_by

    own, in_folder = made_by(MARK), folder_meant(out, is_many=True)
    if in_folder:
        make_folder(out)
    target = out / _INDEX if in_folder else out
    check_target(Target(target, "--out", own), archive=archive, overwrite=overwrite)
    reading, digest = region_reading(chosen, store, **options)  # type: ignore[arg-type]
    pages, failed = _pages_of_each(chosen, store, out, archive, overwrite, jobs) if in_folder else ({}, {})
    run = the_run()
    kept = run.record(
        tables={f"observations of {counted(len(reading.glaciers), 'glaciers')}": digest},
        settings={"output": str(target), "region": chosen.label, "correlation": reading.correlation},
    )  # fmt: skip
    page = region_page(reading, run=kept, pages=pages, labels=labels_of(chosen), without_page=failed)
    write_bytes(target, page.encode(), own=own, archive=archive, overwrite=overwrite)
    run.stored.append(f"the page {target}")
    keep_run(store, kept)
    typer.echo(target)
    bad = {**reading.failed, **failed}
    for name, why in reading.failed.items():
        note(f"{name}: {why}")
    if bad:
        raise typer.Exit(exit_code(stored=True, failed=True))


def _pages_of_each(
    chosen: Chosen, store: Archive, out: Path, archive: Path, overwrite: bool, jobs: int
) -> tuple[dict[str, str], dict[str, str]]:
    """Write a page of each glacier; return their files by glacier, and why some have none."""
    from rich.progress import track as bar

    from glaciertime.cli.quiet import progress_console
    from glaciertime.errors import GlacierTimeError
    from glaciertime.pipeline.pages import pages_of
    from glaciertime.report.page import MARK
    from glaciertime.writing import Target, check_target, file_names, write_bytes
    from glaciertime.writing.marks import made_by

    own, run = made_by(MARK), the_run()
    pages: dict[str, str] = {}
    failed: dict[str, str] = {}
    targets: dict[str, Path] = {}
    for name, file in file_names(chosen.names, ".html", taken=[_INDEX]).items():
        try:
            check_target(Target(out / file, "--out", own), archive=archive, overwrite=overwrite)
            targets[name] = out / file
        except GlacierTimeError as error:
            failed[name] = str(error)
    made = pages_of(chosen, store, targets, run=run, jobs=jobs)
    for page in bar(made, "reporting", total=len(targets), console=progress_console(), transient=True):
        target = targets[page.glacier]
        try:
            if not page.error:
                write_bytes(target, page.text.encode(), own=own, archive=archive, overwrite=overwrite)
                run.stored.append(f"the page {target}")
                pages[page.glacier] = target.name
                continue
            failed[page.glacier] = page.error
        except GlacierTimeError as error:
            failed[page.glacier] = str(error)
    for name, why in failed.items():
        note(f"{name}: no page: {why}")
    return pages, failed
