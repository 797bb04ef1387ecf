"""``glaciertime report``: all that is known of a glacier, of many, or of their region: a page, a PDF, a text, JSON."""

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
    from glaciertime.writing import Target

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
            help="Its end says what it is: .html, .pdf, .md or .json; of several glaciers that of their region, "
            "or a folder for its page and one of each.",
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
    language: Annotated[str, typer.Option(metavar="en|de", help="In which language it speaks.")] = "en",
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    jobs: JobsOption = 1,
    overwrite: OverwriteOption = False,
) -> None:
    """Write a report: headline, map of fronts, what was lost, how fast, series, forecast, backtest, methods.

    One HTML page that needs no network, a PDF (extra pdf), Markdown, or JSON with every number, its unit and sigma.
    Of several glaciers it is the report of their region: totals, completeness, ranking, map; in a folder, with a page
    of each glacier beside it.

    Examples:

    glaciertime report --glacier Crane --out crane.html

    glaciertime report --glacier Crane --out crane.json --language de

    glaciertime report --region Alps --rgi outlines.shp --out alps.html

    glaciertime report --all --out pages
    """
    from glaciertime.errors import UsageError
    from glaciertime.report.wording import language_named

    language = language_named(language)
    store = open_archive(archive)
    chosen = chosen_held(store, selection_of(glacier, every=every, region=region, manifest=manifest, rgi=rgi))
    of_region = {"date_from": date_from, "date_to": date_to, "correlation": correlation}
    if not chosen.is_many:
        told = [f"--{name.removeprefix('date_')}" for name, value in of_region.items() if value is not None]
        told += ["--max-gap"] if max_gap != 180 else []
        if told:
            raise UsageError(f"{' and '.join(told)}: of the page of several glaciers; the page of one shows all dates")
        if jobs > 1:
            raise UsageError("--jobs: of the pages of several glaciers, in a folder; one page is made by one process")
        record = next(chosen.records(store))
        target = out or _default(chosen)
        if target.is_dir():
            target = target / _default(chosen)
        kept = _report_of_one(record, target, language, archive=archive, overwrite=overwrite)
        keep_run(store, kept)
        typer.echo(target)
        return
    options: dict[str, object] = {**of_region, "max_gap_days": max_gap}
    target = out or _default(chosen)
    if jobs > 1 and not folder_meant(target, is_many=True):
        raise UsageError("--jobs: of the pages of several glaciers, in a folder; one page is made by one process")
    _report_of_region(chosen, store, target, language, options, archive=archive, overwrite=overwrite, jobs=jobs)


def _default(chosen: Chosen) -> Path:
    from glaciertime.writing import file_name

    return Path(file_name(chosen.names[0] if not chosen.is_many else chosen.label, ".html"))


def _report_of_one(record: GlacierRecord, target: Path, language: str, *, archive: Path, overwrite: bool) -> RunRecord:
    from glaciertime.cli.configuration import shown_units
    from glaciertime.cli.quiet import working
    from glaciertime.pipeline.pages import write_page
    from glaciertime.report.forms import check_form, form_of

    _check_place(target, archive=archive)
    form = form_of(target)
    check_form(form)
    _check(target, archive=archive, overwrite=overwrite)
    run = the_run()
    with working("writing the report"):
        data, kept = write_page(record, run=run, target=str(target), form=form, language=language, units=shown_units())
    _write(target, data, kept, archive=archive, overwrite=overwrite)
    return kept


def _check_place(target: Path, *, archive: Path) -> None:
    """Refuse the archive itself before its suffix is spoken of."""
    from glaciertime.writing import Target, check_target

    check_target(Target(target, "--out"), archive=archive, overwrite=True)


def _targets(target: Path) -> list[Target]:
    """Return where a report goes: what has no place for its run has a note beside it."""
    from glaciertime.provenance import sidecar
    from glaciertime.provenance.tags import has_tag
    from glaciertime.report.forms import MARK, form_of
    from glaciertime.writing import Target
    from glaciertime.writing.marks import made_by

    note_beside = [] if form_of(target) == ".html" else [Target(sidecar(target), "--out", has_tag)]
    return [Target(target, "--out", made_by(MARK)), *note_beside]


def _check(target: Path, *, archive: Path, overwrite: bool) -> None:
    from glaciertime.writing import check_target

    for one in _targets(target):
        check_target(one, archive=archive, overwrite=overwrite)


def _write(target: Path, data: bytes, kept: RunRecord, *, archive: Path, overwrite: bool) -> None:
    """Write a report, and the note beside it, whole or not at all."""
    from glaciertime.provenance import sidecar_text
    from glaciertime.writing import drafts

    with drafts(_targets(target), archive=archive, overwrite=overwrite) as files:
        files[0].write_bytes(data)
        if len(files) > 1:
            files[1].write_bytes(sidecar_text(kept.tag(), files[0]).encode())
    the_run().stored.append(f"the page {target}")


def _report_of_region(
    chosen: Chosen, store: Archive, out: Path, language: str, options: dict[str, object], *, archive: Path,
    overwrite: bool, jobs: int,
) -> None:  # fmt: skip
    """Write the report of a region; in a folder as a page, with the pages of its glaciers."""
    from functools import partial

    from glaciertime.cli.configuration import shown_units
    from glaciertime.cli.quiet import told_along, working
    from glaciertime.pipeline.regional import labels_of, region_reading
    from glaciertime.region.forecasts import ForecastsHeld, sum_forecasts
    from glaciertime.report.content import region_content
    from glaciertime.report.forms import check_form, form_of, lay_out

    in_folder = folder_meant(out, is_many=True)
    target = out / _INDEX if in_folder else out
    if in_folder:
        make_folder(out)
    _check_place(target, archive=archive)
    form = form_of(target)
    check_form(form)
    _check(target, archive=archive, overwrite=overwrite)
    held = ForecastsHeld()
    reading, digest = region_reading(
        chosen, store, seen=held.take, along=partial(told_along, what="reading", total=len(chosen)),
        ahead=("forecasts",), **options,  # type: ignore[arg-type]
    )  # fmt: skip
    sums = sum_forecasts(reading, held, correlation=options["correlation"])  # type: ignore[arg-type]
    pages: dict[str, str] = {}
    failed: dict[str, str] = {}
    if in_folder:
        pages, failed = _pages_of_each(chosen, store, out, language, archive=archive, overwrite=overwrite, jobs=jobs)
    run = the_run()
    kept = run.record(
        tables={f"observations of {counted(len(reading.glaciers), 'glaciers')}": digest},
        settings={"output": str(target), "region": chosen.label, "correlation": reading.correlation},
    )  # fmt: skip
    content = region_content(
        reading, pages=pages, labels=labels_of(chosen), without_page=failed, sums=sums,
        without_sum=tuple(held.without_sum),
    )  # fmt: skip
    with working("writing the report"):
        data = lay_out(content, form=form, language=language, units=shown_units(), run=kept)
    _write(target, data, kept, archive=archive, overwrite=overwrite)
    keep_run(store, kept)
    typer.echo(target)
    bad = {**reading.failed, **failed}
    for name, why in reading.failed.items():
        note(f"{name}: {why}")
    if bad:
        raise typer.Exit(exit_code(stored=True, failed=True))


def _pages_of_each(
    chosen: Chosen, store: Archive, out: Path, language: str, *, archive: Path, overwrite: bool, jobs: int
) -> tuple[dict[str, str], dict[str, str]]:
    """Write a page of each glacier; return their files by glacier, and why some have none."""
    from rich.progress import track as bar

    from glaciertime.cli.configuration import shown_units
    from glaciertime.cli.quiet import progress_console
    from glaciertime.errors import GlacierTimeError
    from glaciertime.pipeline.pages import pages_of
    from glaciertime.writing import file_names

    run = the_run()
    pages: dict[str, str] = {}
    failed: dict[str, str] = {}
    targets: dict[str, Path] = {}
    for name, file in file_names(chosen.names, ".html", taken=[_INDEX]).items():
        try:
            _check(out / file, archive=archive, overwrite=overwrite)
            targets[name] = out / file
        except GlacierTimeError as error:
            failed[name] = str(error)
    made = pages_of(chosen, store, targets, run=run, jobs=jobs, language=language, units=shown_units())
    for page in bar(made, "reporting", total=len(targets), console=progress_console(), transient=True):
        target = targets[page.glacier]
        try:
            if page.run is not None:
                _write(target, page.data, page.run, archive=archive, overwrite=overwrite)
                pages[page.glacier] = target.name
                continue
            failed[page.glacier] = page.error
        except GlacierTimeError as error:
            failed[page.glacier] = str(error)
    for name, why in failed.items():
        note(f"{name}: no page: {why}")
    return pages, failed
