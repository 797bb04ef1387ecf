"""``glaciertime forget``: take images out of the archive, with what was made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glaciertime.cli.common import ArchiveOption, GlaciersOption, JsonOption, note, open_archive, print_json
from glaciertime.naming import agreeing, counted

__all__ = ["forget", "print_counts"]

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Change nothing; only print how many rows would go.")]


def forget(
    glacier: GlaciersOption = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", metavar="NAME", help="Images of this data set; may be repeated.")
    ] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", metavar="ID", help="This image; may be repeated.")
    ] = None,
    date_from: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First date of the images.")] = None,
    date_to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last date of the images.")] = None,
    dry_run: DryRunOption = False,
    archive: ArchiveOption = Path("glaciertime.gpkg"),
    as_json: JsonOption = False,
) -> None:
    """Take images out of the archive: those that match in all that is given.

    Their observations, fronts and inputs go, and with them forecasts that saw one of their values, scores of their
    series and fronts predicted from them.

    Examples:

    glaciertime forget --glacier Crane --dataset "my masks" --dry-run

    glaciertime forget --glacier Crane --from 2003-01-01 --to 2003-12-31
    """
    from glaciertime.errors import DataNotFoundError
    from glaciertime.pipeline.rescreening import screening_of
    from glaciertime.record import held_name

    store = open_archive(archive)
    names = [held_name(store, name) for name in glacier] if glacier else None
    counts = store.forget(
        glacier=names, dataset=dataset or None, image=image or None, since=date_from, until=date_to, dry_run=dry_run,
        flagging_of=None if dry_run else screening_of,
    )  # fmt: skip
    if not counts:
        raise DataNotFoundError(
            f"nothing in {archive} matches; glaciertime export --table observations lists what is there"
        )
    print_counts(counts, dry_run=dry_run, as_json=as_json)
    if not dry_run:
        note("the next track measures them again where their files are still in its folder")


def print_counts(counts: dict[str, int], *, dry_run: bool, as_json: bool) -> None:
    """Print how many rows went, or would go, by table."""
    if as_json:
        print_json([{"table": name, "rows": count, "dry_run": dry_run} for name, count in counts.items()])
        return
    for name, count in counts.items():
        typer.echo(
            f"  {name:<14}{counted(count, 'rows'):>13} {'would go' if dry_run else agreeing(count, 'are') + ' gone'}"
        )
