"""``glaciertime demo``: the main job from end to end on a simulated glacier, each command as it would be typed."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from glaciertime.cli.running import begin

__all__ = ["STEPS", "demo"]

_ARCHIVE = "demo.gpkg"
_GLACIER = ("--glacier", "Crane", "--archive", _ARCHIVE)
#: What is shown, in order: what it is, and the command.
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("areas, calving fronts and positions of 93 simulated scenes", ("track", *_GLACIER)),
    ("what was lost between two dates", ("table", "--from", "2000-01-01", "--to", "2024-10-11", "--archive", _ARCHIVE)),
    ("when the series broke", ("series", *_GLACIER, "--product", "changes", "--variable", "area_km2")),
    ("what comes next, with intervals", ("forecast", *_GLACIER, "--until", "2027", "--model",
                                         "last,drift,kalman", "--variable", "area_km2", "--footprint", "box")),
    ("the fronts on a map", ("plot", "fronts", *_GLACIER, "--out", "fronts.svg")),
    ("the forecast", ("plot", "fan", *_GLACIER, "--out", "forecast.svg")),
    ("the retreat", ("plot", "retreat", *_GLACIER, "--out", "retreat.svg")),
    ("all of it on one page", ("report", *_GLACIER, "--out", "crane.html")),
    ("the fronts for QGIS", ("export", *_GLACIER, "--table", "fronts", "--format", "gpkg", "--out", "fronts.gpkg")),
    ("where the page comes from", ("why", "crane.html", "--archive", _ARCHIVE)),
)  # fmt: skip


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where everything goes.")] = Path(
        "glaciertime-demo"
    ),
) -> None:
    """Show the main job on a simulated Crane: scenes to areas and fronts, a forecast, plots, a page, an export.

    Every command is printed as it would be typed, and can be typed again in the folder. It needs no data and no
    network, and takes about a minute; nothing of it was observed.

    Examples:

    glaciertime demo --out crane-demo
    """
    from glaciertime.cli.selecting import make_folder
    from glaciertime.errors import UsageError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--out {folder} is there and not empty; name a folder that is not there yet")
    make_folder(folder)
    root, before = context.find_root().command, Path.cwd()
    # The glacier is simulated whatever folder of data is set elsewhere: a demo shows nobody's own masks.
    own_data = os.environ.pop("GLACIERTIME_DATA", None)
    os.chdir(folder)
    try:
        for number, (what, arguments) in enumerate(STEPS, start=1):
            typer.echo(f"\n[{number}/{len(STEPS)}] {what}\n$ {shlex.join(['glaciertime', *arguments])}", err=True)
            begin(arguments)
            code = root.main(args=list(arguments), prog_name="glaciertime", standalone_mode=False)
            if isinstance(code, int) and code:
                raise typer.Exit(code)
    finally:
        os.chdir(before)
        if own_data is not None:
            os.environ["GLACIERTIME_DATA"] = own_data
    typer.echo(f"\neverything is in {folder.resolve()}: open crane.html in a browser, fronts.gpkg in QGIS", err=True)
    typer.echo(folder)
