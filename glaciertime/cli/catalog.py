"""``glaciertime catalog``: the glaciers that are known by name."""

from __future__ import annotations

from typing import Annotated

import typer

from glaciertime.cli.common import JsonOption, ManifestOption, note, print_json
from glaciertime.cli.selecting import RgiOption

__all__ = ["catalog"]


def catalog(
    manifest: ManifestOption = None,
    rgi: RgiOption = None,
    template: Annotated[bool, typer.Option("--template", help="Print a commented manifest to start from.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the glaciers that are known by name, and where their data may come from.

    Examples:

    glaciertime catalog

    glaciertime catalog --rgi outlines.shp --json

    glaciertime catalog --template > my_glacier.yaml
    """
    from glaciertime.catalog import TEMPLATE
    from glaciertime.pipeline.selection import read_known

    if template:
        typer.echo(TEMPLATE, nl=False)
        return
    known = read_known(tuple(manifest or ()), tuple(rgi or ()))
    for inventory in known.inventories:
        for text in inventory.notes:
            note(text)
    glaciers = [entry for name in known.catalog.glaciers if (entry := known.entry(name)) is not None]
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in glaciers])
        return
    for entry in sorted(glaciers, key=lambda entry: entry.name):
        names = f" ({', '.join(entry.aliases)})" if entry.aliases else ""
        sources = ", ".join(dict.fromkeys(source.dataset for source in entry.sources)) or "none"
        typer.echo(f"{entry.name}{names}\n    {entry.region or 'unknown region'}; {entry.terminus_type or 'unknown'}; "
                   f"sources: {sources}")  # fmt: skip
