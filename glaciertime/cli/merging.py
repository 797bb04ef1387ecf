"""An image as several models see it, and what is said of how they agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glaciertime.cli.segment_settings import Loaded, Settings
    from glaciertime.scenes.imagery import Imagery
    from glaciertime.segment.predict.merged_scene import MemberScene, MergedScene

__all__ = ["MergeOption", "MergedImage", "check_models", "merge_image"]

MergeOption = Annotated[
    str | None,
    typer.Option(
        metavar="mean|vote|A>B",
        help="How several --weights become one: mean of their probabilities, vote, or classes in their order of "
        "precedence, such as 'debris>clean'.",
    ),
]


@dataclass(frozen=True, eq=False)
class MergedImage:
    """What several models say of an image, and what is known against it."""

    scene: MergedScene
    flags: dict[str, str] = field(default_factory=dict)


def merge_image(pixels: Sequence[Imagery], settings: Settings, model: Loaded) -> MergedImage:
    """Return what several models say of an image, on its grid, and say how far they agree.

    Parameters
    ----------
    pixels : sequence of Imagery
        The image as each of them reads it.
    settings : Settings
    model : Loaded
        With its members.

    Raises
    ------
    InputError
        If one of them cannot see it, or nothing was seen by all.
    """
    import numpy as np

    from glaciertime.cli.framing import scene_of
    from glaciertime.segment.predict.merged_scene import merge_scene

    assert model.united is not None
    held = len(model.spec.codes) * (len(model.members) + 2)
    pixels[0].check_whole(bytes_per_pixel=4 * held + 20, step="held whole, as each of the models sees it")
    members: list[Any] = []
    flags: dict[str, str] = {}
    for member, image in zip(model.members, pixels, strict=True):
        seen, told = _member_scene(image, settings, member)
        members.append(seen)
        flags |= {name: f"{member.spec.name}: {why}" for name, why in told.items()}
    scene = scene_of(pixels[0], model.spec, None)
    merged = merge_scene(model.united, members, scene, smoothness=settings.smoothness)
    name = pixels[0].path.name
    lost = np.mean(~np.isfinite(merged.pixels.probability).all(axis=0)) - np.min(
        [np.mean(~np.isfinite(each.probability).all(axis=0)) for each in members]
    )
    if lost > 0:
        note(f"{name}: {lost:.1%} of it was seen by some of the models only and is not observed in the merged mask")
    if merged.apart_m == merged.apart_m and pixels[0].place is not None:
        note(f"{name}: the fronts of the models lie {merged.apart_m:.0f} m apart (one standard deviation)")
    if merged.unclear:
        note(f"The front is unclear, {merged.unclear}: compare it with the image")
        flags.setdefault("unclear-front", merged.unclear)
    return MergedImage(merged, flags)


def _member_scene(pixels: Imagery, settings: Settings, model: Loaded) -> tuple[MemberScene, dict[str, str]]:
    from glaciertime.cli.framing import predict_in_frame, scene_of
    from glaciertime.segment.predict.merged_scene import MemberScene, member_without_frame

    spec = model.spec
    if spec.frame.up == "ocean":
        framed = predict_in_frame(
            pixels, run=model.run, quick=model.quick, spec=spec, ocean=settings.ocean, centreline=settings.centreline,
            smoothness=settings.smoothness, threads=settings.threads,
        )  # fmt: skip
        made = framed.made
        sigma_m = made.sigma_px * made.framing.pixel_m
        return MemberScene(framed.probability, framed.zones, sigma_m, made), framed.flags
    scene = scene_of(pixels, spec, None)
    return member_without_frame(pixels, scene, run=model.run, spec=spec, batch=settings.batch), {}


def check_models(weights: str, merge: str | None) -> None:
    """Refuse models that cannot be merged, before any work."""
    from glaciertime.errors import UsageError
    from glaciertime.segment.description import read_spec, weights_path
    from glaciertime.segment.predict.merging import parse_weights, unite

    if not weights and merge is not None:
        raise UsageError(f"--merge {merge} merges two models or more; name them with --weights a,b")
    names, rule = parse_weights(weights, merge) if weights else ((), None)
    if rule is not None:
        unite([read_spec(weights_path(name)) for name in names], rule)
