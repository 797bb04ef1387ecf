"""``glaciertime data``: data sets, and how to get them."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glaciertime.cli.common import JsonOption, LimitOption, ManifestOption, note, print_json
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import as_command, the_run

if TYPE_CHECKING:
    from glaciertime.catalog import DataFile, DataSet

__all__ = ["data_app"]

data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List data sets and download them.")


@data_app.command("list")
@as_command
def list_datasets(as_json: JsonOption = False) -> None:
    """List the data sets that are known, with their licences.

    Examples:

    glaciertime data list
    """
    from glaciertime.catalog import load_catalog

    datasets = load_catalog().datasets.values()
    if as_json:
        print_json([dataset.model_dump(mode="json") for dataset in datasets])
        return
    for dataset in datasets:
        how = "glaciertime data fetch" if dataset.files else "by hand"
        typer.echo(f"{dataset.name}\n    {dataset.title}\n    doi:{dataset.doi}; {dataset.licence}; {how}")


@data_app.command()
@as_command
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set; glaciertime data list names them.")],
    folder: Annotated[Path | None, typer.Option(help="Where it goes; default the downloads folder.")] = None,
    manifest: ManifestOption = None,
    max_gb: Annotated[
        float | None, typer.Option(help="Of a file whose size the manifest omits; default 50.", show_default=False)
    ] = None,
    max_unpacked_gb: Annotated[
        float | None, typer.Option(help="Of an archive; default 200 or 200 x its size.", show_default=False)
    ] = None,
    limit: LimitOption = None,
) -> None:
    """Download a data set; a download that broke off is continued, and what came is verified.

    Where no checksum is published, that of the first download is kept in FILE.sha256 and later ones must have it.

    Examples:

    glaciertime data fetch CaFFe
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from glaciertime.catalog import load_catalog
    from glaciertime.cli.quiet import progress_console
    from glaciertime.limits import given, positive
    from glaciertime.scenes.download import came_of, downloads_folder
    from glaciertime.scenes.download import fetch as download

    raised = {}
    if max_gb is not None:
        raised["download-gb"] = positive(str(max_gb), "--max-gb")
    if max_unpacked_gb is not None:
        # Who says how much is to come has looked: how well it packs is no question then.
        raised |= {"unpacked-gb": positive(str(max_unpacked_gb), "--max-unpacked-gb"), "unpacked-ratio": math.inf}
    run = the_run()
    run.next = "run the same command again: what has come of a file is continued"
    dataset = load_catalog(tuple(manifest or ())).dataset(name)
    target = folder or downloads_folder()
    there = {target / file.path for file in dataset.files if (target / file.path).is_file()}
    for file in dataset.files:
        if target / file.path not in there and (target / file.path).parent.is_dir():
            check_note(target / file.path, option="--folder")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console(), transient=True) as bar:

        def started(file: str):  # type: ignore[no-untyped-def]
            task = bar.add_task(file)
            return lambda have, total: bar.update(task, completed=have, total=total)

        try:
            with given(raised):
                paths = download(dataset, folder=target, progress=started)
        except KeyboardInterrupt:
            run.stored += came_of(dataset, target)
            raise
    for file, path in zip(dataset.files, paths, strict=True):
        _note_run(path, file, dataset, is_new=path not in there)
        typer.echo(path)
    note(f"{dataset.citation}; licence {dataset.licence}")


def _note_run(path: Path, file: DataFile, dataset: DataSet, *, is_new: bool) -> None:
    """Write the note of the run beside a file that came: where from, of which data set, under which licence."""
    from glaciertime.provenance import sidecar

    if not is_new and (sidecar(path).exists() or not os.access(path.parent, os.W_OK)):
        return
    told = [f"{path.name} from {file.url.partition('?')[0]}", f"{dataset.name}: {dataset.citation}", dataset.licence]
    record = the_run().record(settings={"input": dataset.name, "decided": [text for text in told if text]})
    write_note(path, record, option="--folder")


@data_app.command()
@as_command
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What is to be submitted, or given on.")],
    form: Annotated[str, typer.Option("--form", help="wgms, glims, termpicks, cf or stac.")],
    as_json: JsonOption = False,
) -> None:
    """Say what a file breaks of a form: of an archive's submissions, of the CF conventions, of STAC.

    Examples:

    glaciertime export --glacier Crane --format netcdf --out crane.nc

    glaciertime data check crane.nc --form cf
    """
    from glaciertime.exchange.forms import problems_of

    found = problems_of(file, form=form)
    if as_json:
        print_json([{"problem": text} for text in found])
    else:
        for text in found:
            typer.echo(text)
        if not found:
            typer.echo(f"{file} keeps the form {form}")
    if found:
        raise typer.Exit(1)
