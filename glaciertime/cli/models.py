"""``glaciertime models``: the segmentation architectures, and what each costs."""

from __future__ import annotations

from typing import Annotated

import typer

from glaciertime.cli.common import JsonOption, print_json, split_names

__all__ = ["models"]


def models(
    model: Annotated[
        list[str] | None, typer.Option("--model", help="An architecture; may be repeated or comma-separated.")
    ] = None,
    latency: Annotated[
        bool, typer.Option("--latency", help="Export each and time it in onnxruntime on one CPU thread; takes minutes.")
    ] = False,
    in_channels: Annotated[int, typer.Option(min=1, help="Bands of the image.")] = 11,
    classes: Annotated[int, typer.Option(min=1, help="Classes of the mask.")] = 2,
    size: Annotated[int, typer.Option(min=1, help="Height and width of the image, pixels.")] = 256,
    as_json: JsonOption = False,
) -> None:
    """List the segmentation architectures: parameters and operations for one image.

    A multiplication and an addition count as two operations; activations and norms do not count. The recurrence of
    the selective scans is counted beside the rest.

    Examples:

    glaciertime models

    glaciertime models --model glacier-seg-fast,segformer-b0 --latency --json
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from glaciertime.segment.export.models_table import model_table

    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("counting", total=None)
        rows = model_table(
            split_names(model) or None,
            in_channels=in_channels,
            classes=classes,
            size_px=size,
            latency=latency,
            progress=lambda name: bar.update(task, description=name),
        )
    if as_json:
        print_json([vars(row) for row in rows])
        return
    width = max(len(row.name) for row in rows)
    typer.echo(f"{'model':<{width}}  {'parameters':>11}  {'GFLOPs':>8}  {'scan':>6}  {'MB':>7}  {'ms':>7}  note")
    for row in rows:
        timed = "" if row.latency_ms is None else f"{row.latency_ms:.1f}"
        typer.echo(
            f"{row.name:<{width}}  {row.parameters:>11,}  {row.gflops:>8.2f}  {row.scan_gflops:>6.2f}  "
            f"{row.size_mb:>7.2f}  {timed:>7}  {row.note}"
        )
