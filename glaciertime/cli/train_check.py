"""``glaciertime train --check``: what a training would see, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glaciertime.cli.common import note

if TYPE_CHECKING:
    from glaciertime.scenes.datasets.selection import Selected
    from glaciertime.scenes.datasets.splits import Split

__all__ = ["check_training"]


def check_training(data: Selected, settings: Any, split: Split, *, out: Path) -> None:
    """Print the pixels of each class by part, and write ``check.png`` with twelve patches into the folder."""
    from glaciertime.segment.teach.preview import class_pixels, draw_patches
    from glaciertime.segment.teach.training import normalisation_of

    parts = class_pixels(data, split)
    width = max(len("not labelled"), *(len(name) for name in data.classes))
    typer.echo("".join([" " * width, *(f"{f'{part.part} ({part.samples})':>28}" for part in parts)]))
    for name in data.classes:
        cells = [_cell(part.pixels[name], sum(part.pixels.values())) for part in parts]
        typer.echo("".join([f"{name:<{width}}", *(f"{cell:>28}" for cell in cells)]))
    typer.echo("".join([f"{'not labelled':<{width}}", *(f"{f'{part.ignored:.1%} of all':>28}" for part in parts)]))
    for part in parts:
        for name, count in part.pixels.items():
            if not count:
                note(f"no pixel of {name} is in the {part.part} part" + _MEANS[part.part])
    if len(parts) == 1:
        note("nothing is held out: no checkpoint can be chosen and no score is one of new images; see --split")
    sides = [min(data[place].labels.shape[axis] for place in split.train[:_LOOKED_AT]) for axis in (0, 1)]
    patch = tuple(settings.patch)
    if any(side > held for side, held in zip(patch, sides, strict=True)):
        inside = min(patch[0], sides[0]) * min(patch[1], sides[1]) / (patch[0] * patch[1])
        note(
            f"patches of {patch[0]} x {patch[1]} pixels are larger than images of {sides[0]} x {sides[1]}: "
            f"{1 - inside:.0%} of such a patch is mirrored and not labelled; set patch: [{sides[0]}, {sides[1]}] in "
            "the settings, or less"
        )
    out.mkdir(parents=True, exist_ok=True)
    draw_patches(data, settings, split, normalisation_of(data, settings, split), out / "check.png")
    typer.echo(f"{out / 'check.png'}")


_LOOKED_AT = 20
_MEANS = {
    "train": ": a model cannot learn it",
    "validation": ": the checkpoint is chosen without it",
    "test": ": nothing will be known of how well it is told",
}


def _cell(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.1%})" if total else "0"
