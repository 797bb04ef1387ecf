"""``glaciertime archive``: whether an archive is sound, a copy of it, and making it sound again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glaciertime.cli.common import JsonOption, Place, StrictOption, note, print_json, read_place
from glaciertime.cli.messages import exit_code
from glaciertime.cli.quiet import working
from glaciertime.cli.running import as_command
from glaciertime.naming import counted

__all__ = ["archive_app"]

archive_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check, copy, convert or repair an archive.",
    epilog="Examples:  glaciertime archive check glaciertime.gpkg   |   glaciertime archive backup glaciertime.gpkg",
)

PlaceArgument = Annotated[Place, typer.Argument(metavar="PLACE", parser=read_place, help="The archive.")]


@archive_app.command(short_help="Say whether it is sound.")
@as_command
def check(place: PlaceArgument = Path("glaciertime.gpkg"), as_json: JsonOption = False) -> None:
    """Say what an archive holds, and what is wrong with it: the file, its schema, its rows. Exit 1 where anything is.

    Examples:

    glaciertime archive check glaciertime.gpkg

    glaciertime archive check glaciertime.gpkg --json
    """
    from glaciertime.archive import Archive
    from glaciertime.archive.care import check as condition_of

    with working("looking at every row"):
        found = condition_of(Archive(place, tell=note))
    if as_json:
        print_json(
            [
                {
                    "file": str(place), "schema": found.version, "written_by": found.written_by, **found.counts,
                    "problems": list(found.problems), "notes": list(found.notes), "is_sound": found.is_sound,
                }
            ]
        )  # fmt: skip
    else:
        by = f", written by glaciertime {found.written_by}" if found.written_by else ""
        typer.echo(f"{place}: schema {found.version}{by}")
        for name, count in found.counts.items():
            typer.echo(f"  {name:<14}{counted(count, 'rows'):>15}")
        for text in found.notes:
            typer.echo(f"  note: {text}")
        for text in found.problems:
            typer.echo(f"  WRONG: {text}")
        typer.echo(
            "sound" if found.is_sound else f"not sound; glaciertime archive repair {place} mends what can be mended"
        )
    raise typer.Exit(0 if found.is_sound else 1)


@archive_app.command(short_help="Copy it, checked.")
@as_command
def backup(
    place: PlaceArgument = Path("glaciertime.gpkg"),
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The copy; default the name with the day.")] = None,
) -> None:
    """Copy an archive as it is at one moment, even while others write to it, and check the copy.

    Examples:

    glaciertime archive backup glaciertime.gpkg

    glaciertime archive backup glaciertime.gpkg --out /media/disk/glaciertime.gpkg
    """
    from glaciertime.archive import Archive
    from glaciertime.archive.care import file_of_archive
    from glaciertime.archive.maintenance import back_up

    with working("copying"):
        made = back_up(file_of_archive(Archive(place), command="backup"), out)
    typer.echo(made)


@archive_app.command(short_help="Take in what another one holds.")
@as_command
def merge(
    place: PlaceArgument,
    other: Annotated[
        Place,
        typer.Argument(metavar="OTHER", parser=read_place, help="The archive whose measurements are taken in."),
    ],
    strict: StrictOption = False,
) -> None:
    """Store what another archive holds of measurements; what the same images gave before is replaced.

    Rows that break the rules of their table stay behind and are told (exit 3).

    Examples:

    glaciertime archive merge glaciertime.gpkg glaciertime.unstored-4711.gpkg
    """
    from glaciertime.archive import Archive
    from glaciertime.cli.common import open_archive
    from glaciertime.pipeline.rescreening import screening_of

    held = open_archive(other)
    with working("taking in"):
        counts, left_out = Archive(place, tell=note).take_in(held, flagging_of=screening_of, strict=strict)
    for name, count in counts.items():
        typer.echo(f"  {name:<14}{counted(count, 'rows'):>13} taken in")
    if left_out:
        typer.echo(f"  {'left behind':<14}{counted(left_out, 'rows'):>13} that cannot be used")
        raise typer.Exit(exit_code(stored=bool(counts), failed=True))


@archive_app.command(short_help="Copy all of it into an archive of another kind.")
@as_command
def convert(
    place: PlaceArgument,
    new: Annotated[
        Place,
        typer.Argument(metavar="NEW", parser=read_place, help="A new archive: a file, a folder, or on a server."),
    ],
) -> None:
    """Copy every row, with the runs that stored them, into a new archive of any kind; the old one stays.

    Examples:

    glaciertime archive convert glaciertime.gpkg all_glaciers

    glaciertime archive convert all_glaciers postgresql://anna@localhost/glaciers
    """
    from glaciertime.archive import Archive
    from glaciertime.archive.care import convert as copy_all

    with working("copying every row"):
        counts = copy_all(Archive(place, tell=note), Archive(new, tell=note))
    for name, count in counts.items():
        typer.echo(f"  {name:<14}{counted(count, 'rows'):>15} copied")


@archive_app.command(short_help="Make it sound again.")
@as_command
def repair(
    place: PlaceArgument = Path("glaciertime.gpkg"),
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For what is saved of a damaged file; default beside it.")
    ] = None,
) -> None:
    """Bring an archive up to date and make indexes, extents and metadata anew; save what a damaged one holds.

    A damaged file is left as it is: what can be read of it goes into a new one.

    Examples:

    glaciertime archive repair glaciertime.gpkg

    glaciertime archive repair glaciertime.gpkg --out saved.gpkg
    """
    from glaciertime.archive import Archive
    from glaciertime.archive.care import file_of_archive
    from glaciertime.archive.maintenance import repair as make_sound

    with working("making it sound"):
        made, done = make_sound(file_of_archive(Archive(place), command="repair"), out)
    for text in done:
        note(text)
    typer.echo(made)
