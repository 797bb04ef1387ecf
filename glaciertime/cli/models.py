"""``glaciertime models``: the segmentation architectures, and what each costs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from glaciertime.cli.common import JsonOption, print_json, split_names
from glaciertime.errors import MissingExtraError, UsageError

__all__ = ["models"]

_BANDS, _CLASSES, _SIZE = 11, 2, 256


def models(
    model: Annotated[
        list[str] | None, typer.Option("--model", help="An architecture; may be repeated or comma-separated.")
    ] = None,
    costs: Annotated[
        bool, typer.Option("--costs", help="Count parameters and operations (needs the extra 'train'); kept for later.")
    ] = False,
    latency: Annotated[
        bool,
        typer.Option("--latency", help="Also export each and time it in onnxruntime on one CPU thread; takes minutes."),
    ] = False,
    measured: Annotated[
        bool,
        typer.Option(
            "--measured",
            help="Also measure time by CPU threads, memory, training speed, and the same on a GPU where there is one; "
            "takes minutes.",
        ),
    ] = False,
    published: Annotated[
        bool,
        typer.Option("--published", help="Also show what the thesis and its notebook state, and why."),
    ] = False,
    in_channels: Annotated[
        int | None, typer.Option(min=1, help=f"Of --costs: bands of the image. [default: {_BANDS}]")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help=f"Of --costs: classes of the mask. [default: {_CLASSES}]")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help=f"Of --costs: height and width of the image, pixels. [default: {_SIZE}]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the segmentation architectures; with --costs the parameters and operations for one image.

    A multiplication and an addition count as two operations; activations and norms do not count. The recurrence of
    the selective scans is counted beside the rest.

    Examples:

    glaciertime models

    glaciertime models --costs

    glaciertime models --model glacier-seg-fast,segformer-b0 --latency --json

    glaciertime models --model glacier-seg --published --measured
    """
    from glaciertime.segment.architectures.registry import get_architecture, model_names

    sizes = {"--in-channels": in_channels, "--classes": classes, "--size": size}
    given = [option for option, value in sizes.items() if value is not None]
    costs = costs or measured or published
    if given and not (costs or latency):
        raise UsageError(f"{', '.join(given)}: what the costs are counted for; add --costs, or leave it out")
    names = split_names(model) or (_stated() if published else model_names())
    entries = [get_architecture(name) for name in names]
    if not (costs or latency):
        if as_json:
            print_json([{"name": one.name, "reference": one.reference, "note": one.note} for one in entries])
            return
        width, middle = (max(len(text) for text in texts) for texts in zip(
            *((one.name, one.reference) for one in entries), strict=True))  # fmt: skip
        for one in entries:
            typer.echo(f"{one.name:<{width}}  {one.reference:<{middle}}  {one.note}".rstrip())
        return
    rows = _counted(
        names, in_channels=in_channels or _BANDS, classes=classes or _CLASSES, size_px=size or _SIZE, latency=latency
    )  # fmt: skip
    if measured:
        _measure(rows, in_channels=in_channels or _BANDS, classes=classes or _CLASSES, size_px=size or _SIZE)
    if published:
        from dataclasses import asdict

        from glaciertime.segment.export.published_costs import published_of

        for row in rows:
            row["published"] = [asdict(one) for one in published_of(row["name"])]
    if as_json:
        print_json(rows)
        return
    if measured or published:
        from glaciertime.cli.model_costs import costs_text

        typer.echo(costs_text(rows))
        return
    width = max(len(row["name"]) for row in rows)
    typer.echo(f"{'model':<{width}}  {'parameters':>11}  {'GFLOPs':>8}  {'scan':>6}  {'MB':>7}  {'ms':>7}  note")
    for row in rows:
        timed = "" if row["latency_ms"] is None else f"{row['latency_ms']:.1f}"
        typer.echo(
            f"{row['name']:<{width}}  {row['parameters']:>11,}  {row['gflops']:>8.2f}  {row['scan_gflops']:>6.2f}  "
            f"{row['size_mb']:>7.2f}  {timed:>7}  {row['note']}".rstrip()
        )


def _counted(names: list[str], *, in_channels: int, classes: int, size_px: int, latency: bool) -> list[dict[str, Any]]:
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from glaciertime.cli.quiet import progress_console

    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=progress_console(), transient=True) as bar:
        task = bar.add_task("counting", total=None)

        def told(name: str) -> None:
            bar.update(task, description=name)

        if latency:
            from glaciertime.segment.export.models_table import model_table

            timed = model_table(
                names, in_channels=in_channels, classes=classes, size_px=size_px, latency=True, progress=told
            )
            return [vars(row) for row in timed]
        from glaciertime.segment.export.kept_costs import kept_costs

        return kept_costs(names, in_channels=in_channels, classes=classes, size_px=size_px, progress=told)


def _stated() -> list[str]:
    from glaciertime.segment.export.published_costs import PUBLISHED

    return list(dict.fromkeys(row.model for row in PUBLISHED))


def _measure(rows: list[dict[str, Any]], *, in_channels: int, classes: int, size_px: int) -> None:
    """Add to each row what its model costs on this machine."""
    from dataclasses import asdict

    from rich.progress import Progress, SpinnerColumn, TextColumn

    from glaciertime.cli.quiet import progress_console

    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("measuring costs", "train") from error
    from glaciertime.segment.export.measured_costs import BATCH, HOW, REPEATS, STEPS, measure_costs

    columns = (SpinnerColumn(), TextColumn("measuring {task.description}"))
    with Progress(*columns, console=progress_console(), transient=True) as bar:
        task = bar.add_task("", total=None)
        found = measure_costs(
            [row["name"] for row in rows], in_channels=in_channels, classes=classes, size_px=size_px,
            progress=lambda name: bar.update(task, description=name),
        )  # fmt: skip
    for row, cost in zip(rows, found, strict=True):
        row["measured"] = {**asdict(cost), "how": HOW.format(batch=BATCH, repeats=REPEATS, steps=STEPS)}
