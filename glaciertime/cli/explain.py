"""``glaciertime explain``: which pixels and bands a model's answer hangs on, and whether that can be trusted."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import JsonOption, LimitOption, OverwriteOption, note, print_json_value
from glaciertime.cli.merging import MergeOption
from glaciertime.cli.messages import exit_code
from glaciertime.cli.quiet import told_along, working
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.errors import GlacierTimeError, InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glaciertime.cli.segment_settings import Loaded, Settings
    from glaciertime.scenes.image_listing import ListedImage
    from glaciertime.segment.explain.explanation import Explained, Explainer

__all__ = ["explain"]


def explain(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Rasters, as for segment: files, folders, patterns.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE|FOLDER", help="The picture, .png; of several images a folder.")],
    weights: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="A shipped model, a .safetensors or .onnx file; several with --merge."),
    ] = "landsat-fronts",
    merge: MergeOption = None,
    method: Annotated[
        str,
        typer.Option(
            help="occlusion or permutation, of any model; grad-cam, saliency or integrated-gradients need the "
            "network's .safetensors and the extra 'train'."
        ),
    ] = "occlusion",
    of: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="NAME", help="A class of the model, or front; default the front where one is drawn."
        ),
    ] = None,
    bands: Annotated[str | None, typer.Option(metavar="LIST", help="Bands to use; as for segment.")] = None,
    sensor: Annotated[str | None, typer.Option(metavar="NAME", help="What made the images; as for segment.")] = None,
    nodata: Annotated[str | None, typer.Option(metavar="VALUE", help="Value that was not observed, or none.")] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="FACTOR,OFFSET", help="What makes stored values measured ones.")
    ] = None,
    ocean: Annotated[str | None, typer.Option(metavar="WHERE", help="Where the ocean lies; as for segment.")] = None,
    centreline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The glacier's line, from inland to the sea.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random weights and of shuffling.")] = 0,
    overwrite: OverwriteOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where any image failed.")] = False,
    as_json: JsonOption = False,
    limit: LimitOption = None,
) -> None:
    """Draw which pixels a model's answer hangs on, and print how much each band counts.

    Each map is compared with that of the same network with random weights: where they are alike, the map shows the
    image and not what was learnt, and is told as not to be trusted. Scores of bands over eight images or more have a
    95 % interval. The picture shows the image as the model gets it, in the model's own frame, with the front that
    segment draws. Of several models, --merge says how they become one.

    Examples:

    glaciertime explain landsat.png --out why.png

    glaciertime explain scenes --weights runs/a/weights.safetensors --method saliency --class glacier --out why --json
    """
    from dataclasses import replace

    from glaciertime.cli.segment_settings import Settings
    from glaciertime.cli.segmenting import load
    from glaciertime.scenes.image_listing import is_several, list_images
    from glaciertime.scenes.pixel_values import parse_nodata, parse_scale
    from glaciertime.segment.explain.explanation import band_table
    from glaciertime.segment.predict.merging import parse_weights

    factor, offset = parse_scale(scale)
    names, rule = parse_weights(weights, merge)
    settings = Settings(
        weights=names, merge=rule, method=None, sensor=sensor, bands=bands,
        values=replace(parse_nodata(nodata), scale=factor, offset=offset), scaled=scale is not None, min_area_km2=0.0,
        engine="onnx", tta=None, ocean=ocean, centreline=centreline, clouds="none", mc_dropout=0, smoothness=0.1,
        window=16384, batch=1, cog=False, threads=0, overwrite=overwrite,
    )  # fmt: skip
    networks = [_network(name, method) for name in names]
    if all(network is not None for network in networks) and any(
        Path(name).suffix.lower() == ".safetensors" for name in names
    ):
        settings = replace(settings, engine="torch")
    model = load(settings)
    several = is_several(images) or (out.suffix.lower() != ".png" and (out.is_dir() or not out.suffix))
    listing = list_images(images, mark="glaciertime segment", outputs=out if several else None, clouds="none")
    targets = [_place(out, image.place, several=several) for image in listing.images]
    _check_places(targets, listing.images, settings, folder=out if several else None)
    explainer = _explainer(model, networks, seed=seed)
    found: list[dict[str, Any]] = []
    scores = []
    pairs = list(zip(listing.images, targets, strict=True))
    for image, target in told_along(pairs, "explaining", total=len(pairs)):
        try:
            with nullcontext() if len(pairs) > 1 else working("explaining"):
                made = _explain_one(image, target, explainer, model, settings, method=method, of=of)
        except GlacierTimeError as error:
            if not several or isinstance(error, UsageError):
                raise
            note(f"{image.name} FAILED: {error}")
            found.append({"image": image.source, "reason": str(error)})
            continue
        found.append(_row(image, target, made))
        if made.scores is not None:
            scores.append(made.scores)
    table = band_table(explainer.spec.bands, scores, seed=seed) if scores else []
    if as_json:
        print_json_value({"weights": model.spec.name, "method": method, "images": found, "bands": table})
    else:
        _print(found, table)
    if failed := sum("reason" in row for row in found):
        raise typer.Exit(exit_code(stored=failed < len(found), failed=True, strict=strict))


def _explainer(model: Loaded, networks: list[Any], *, seed: int) -> Explainer:
    """Return the model, or several merged ones, as they are explained: by one pass of each."""
    from glaciertime.segment.explain.explanation import Explainer
    from glaciertime.segment.explain.merged import merged_engine, merged_network, one_input

    if model.united is None:
        return Explainer(model.spec, model.quick, networks[0], seed)
    run = merged_engine(model.united, [member.quick for member in model.members])
    network = None if any(one is None for one in networks) else merged_network(model.united, networks)
    return Explainer(one_input(model.united), run, network, seed, model.united)


def _network(weights: str, method: str) -> Any:
    """Return the network of a model, None where only its answers can be had."""
    from glaciertime.errors import DataNotFoundError, MissingExtraError
    from glaciertime.segment.description import weights_path
    from glaciertime.segment.explain.attribution import GRADIENTS
    from glaciertime.segment.explain.explanation import METHODS

    if method not in METHODS:
        from glaciertime.errors import nearest_names

        near = nearest_names(method, METHODS) or list(METHODS)
        raise UsageError(f"there is no method '{method}'; did you mean {', '.join(near)}?")
    try:
        path = weights_path(weights, suffix=".safetensors")
        if path.suffix.lower() != ".safetensors":
            if method in GRADIENTS:
                raise UsageError(f"{method} needs the network: give its .safetensors, or use --method occlusion")
            return None
        from glaciertime.segment.predict.weights import load_model

        return load_model(path)[0]
    except ModuleNotFoundError as error:
        if method in GRADIENTS:
            raise MissingExtraError("explaining by gradients", "train") from error
        if Path(weights).suffix.lower() == ".safetensors":
            raise MissingExtraError("running .safetensors", "train") from error
        return None
    except DataNotFoundError:
        if method in GRADIENTS:
            raise
        return None


def _place(out: Path, name: str, *, several: bool) -> Path:
    if several:
        return out / f"{name}_explained.png"
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}: .png expected")
    return out


def _check_places(
    targets: list[Path], images: tuple[ListedImage, ...], settings: Settings, *, folder: Path | None
) -> None:
    from glaciertime.cli.selecting import make_folder
    from glaciertime.report.explanation_picture import MARK
    from glaciertime.writing import Target, check_target
    from glaciertime.writing.marks import made_by

    inputs = [
        path for path in (*(image.path for image in images), *map(Path, settings.weights), settings.centreline) if path
    ]
    if folder is not None:
        make_folder(folder)
        for target in targets:  # of folders of glaciers each has its own
            target.parent.mkdir(parents=True, exist_ok=True)
    for target in targets:
        check_target(Target(target, "--out", made_by(MARK)), inputs=inputs, overwrite=settings.overwrite)
        check_note(target, overwrite=settings.overwrite)


def _explain_one(
    image: ListedImage, target: Path, explainer: Explainer, model: Loaded, settings: Settings, *, method: str,
    of: str | None,
) -> Explained:  # fmt: skip
    """Explain an image and write its picture and the note of its run."""
    from glaciertime import limits
    from glaciertime.cli.segmenting import open_image, run_of_images
    from glaciertime.report.explanation_picture import MARK, explanation_picture
    from glaciertime.segment.explain.merged import zones_seen
    from glaciertime.writing import write_bytes
    from glaciertime.writing.marks import made_by

    with limits.timed(image.name), ExitStack() as opened:
        pixels, _ = open_image(image, settings, model.single[0], opened)
        seen = _as_seen(pixels, settings, model.single[0])
        zones = zones_seen(seen, [(one.run, one.spec) for one in model.single], model.united)
        made = explainer.explain(seen, method=method, target=of, zones=zones)
        picture = explanation_picture(made, seen, bands=explainer.spec.bands, title=image.name)
    write_bytes(target, picture, option="--out", own=made_by(MARK), overwrite=settings.overwrite)
    write_note(target, run_of_images([image], settings, model, layers={}), overwrite=settings.overwrite)
    the_run().stored.append(f"the picture {target}")
    if made.sanity.is_trusted is False:
        note(f"{image.name}: {made.sanity.told}")
    return made


def _as_seen(pixels: Any, settings: Settings, model: Loaded) -> NDArray[np.float32]:
    """Return an image in the frame of the model, raw values, (C, h, w)."""
    from glaciertime.cli.framing import predict_in_frame
    from glaciertime.segment.predict.framing import read_framed, trimmed

    spec = model.spec
    if spec.frame.up == "ocean":
        framed = predict_in_frame(
            pixels, run=model.quick, quick=model.quick, spec=spec, ocean=settings.ocean,
            centreline=settings.centreline, smoothness=settings.smoothness, threads=settings.threads,
        )  # fmt: skip
        shape = (pixels.height, pixels.width)
        return trimmed(read_framed(pixels.read, framed.framing, scene_shape=shape), framed.framing)[0]
    if max(pixels.height, pixels.width) > spec.patch_px:
        raise InputError(
            f"{pixels.path.name} has {pixels.width} x {pixels.height} pixels, {spec.name} sees {spec.patch_px} at a "
            "time: cut out the part that is to be explained"
        )
    image: NDArray[np.float32] = pixels.read_all()
    return image


def _row(image: ListedImage, target: Path, made: Explained) -> dict[str, Any]:
    from glaciertime.segment.explain.explanation import mass_near_front

    near = mass_near_front(made)
    return {
        "image": image.source,
        "picture": str(target),
        "target": made.target.name,
        "share_within_10_px_of_front": None if near != near else near,
        "sanity": {
            "rank_correlation": None if made.sanity.is_trusted is None else made.sanity.correlation,
            "trusted": made.sanity.is_trusted,
            "told": made.sanity.told,
        },
        "scores": None if made.scores is None else [float(score) for score in made.scores],
    }


def _print(found: list[dict[str, Any]], table: list[dict[str, Any]]) -> None:
    for row in found:
        if "reason" not in row:
            near = row["share_within_10_px_of_front"]
            of_front = "" if near is None else f", {near:.0%} of it within 10 pixels of the front"
            typer.echo(f"{row['picture']}: {row['target']}{of_front}; {row['sanity']['told']}")
    for row in table:
        low, high = row["share_low"], row["share_high"]
        interval = "" if low is None else f" [{low:.1%}, {high:.1%}]"
        typer.echo(f"{row['band']}: {row['share']:.1%}{interval} of the bands' scores, mean {row['score']:.4g}, "
                   f"{row['images']} image{'' if row['images'] == 1 else 's'}")  # fmt: skip
