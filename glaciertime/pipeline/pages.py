"""The pages of many glaciers, made by one process or by several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from glaciertime.archive import Archive, Place
from glaciertime.catalog import Catalog
from glaciertime.errors import GlacierTimeError, UsageError
from glaciertime.pipeline.runs import run_of_tables
from glaciertime.pipeline.selection import Chosen
from glaciertime.pipeline.work import Task, Where, run_tasks
from glaciertime.provenance import Run, RunRecord
from glaciertime.record import GlacierRecord
from glaciertime.report.content import TABLES_SHOWN, glacier_content
from glaciertime.report.forms import lay_out
from glaciertime.walls import wall

__all__ = ["Page", "pages_of", "write_page"]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page of a glacier, or why it has none."""

    glacier: str
    #: As the bytes of its file.
    data: bytes = b""
    #: What the page rests on, and what made it.
    run: RunRecord | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class _PageRequest:
    archive: Place
    glacier: str
    #: Of the glacier alone: a whole inventory does not travel with each page.
    catalog: Catalog
    target: str
    run: Run
    language: str
    units: Mapping[str, str]


def write_page(
    record: GlacierRecord,
    *,
    run: Run,
    target: str,
    form: str = ".html",
    language: str = "en",
    units: Mapping[str, str] | None = None,
) -> tuple[bytes, RunRecord]:
    """Return the report of a glacier in one of its forms, and the run as it is kept with it."""
    kept = run_of_tables(run, record, TABLES_SHOWN, settings={"output": target})
    return lay_out(glacier_content(record), form=form, language=language, units=units, run=kept), kept


def pages_of(
    chosen: Chosen,
    store: Archive,
    targets: Mapping[str, Path],
    *,
    run: Run,
    jobs: int = 1,
    language: str = "en",
    units: Mapping[str, str] | None = None,
) -> Iterator[Page]:
    """Yield the page of each glacier, in their order; what fails of one is told in it and stops none.

    Parameters
    ----------
    chosen : Chosen
    store : Archive
    targets : mapping of glacier to file
        Where each is to be written; those without one are passed over.
    run : Run
        What makes them.
    jobs : int
        Processes; 1 stays in this one.
    language : str
        Of their sentences.
    units : mapping of quantity to unit, optional
        In which their numbers are shown.
    """
    tasks = (
        Task(
            name=name, call=_page,
            given=_PageRequest(
                archive=store.path, glacier=name, catalog=_catalog_of(chosen.catalog, name), target=str(target),
                run=run, language=language, units=units or {},
            ),
        )
        for name, target in targets.items()
    )  # fmt: skip
    for result in run_tasks(tasks, where=Where(jobs=jobs), total=len(targets)):
        name = result.task.name
        yield result.value or Page(glacier=name, error=f"{name}: {result.lost}")


def _catalog_of(catalog: Catalog, name: str) -> Catalog:
    try:
        entries = [catalog.glacier(name)]
    except UsageError:
        entries = []
    return Catalog(entries, catalog.datasets.values())


def _page(request: _PageRequest) -> Page:
    name = request.glacier
    try:
        with wall(f"{name}: its page cannot be made", "this is a defect: please report it, with the archive"):
            record = GlacierRecord(Archive(request.archive), name, catalog=request.catalog)
            data, kept = write_page(
                record, run=request.run, target=request.target, language=request.language, units=request.units
            )
    except GlacierTimeError as error:
        return Page(glacier=name, error=str(error))
    return Page(glacier=name, data=data, run=kept)
