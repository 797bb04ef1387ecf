"""``glaciertime export-masks``: the dated masks of a folder as a stack, as a catalogue or as outlines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glaciertime.cli.common import GlacierOption, OverwriteOption, note
from glaciertime.cli.run_notes import check_note, write_note
from glaciertime.cli.running import the_run
from glaciertime.naming import counted

if TYPE_CHECKING:
    from glaciertime.scenes.acquisition import MaskScene
    from glaciertime.scenes.folder import MaskReading

__all__ = ["export_masks"]

_MARK = "glaciertime export-masks"
_ENDINGS = {"netcdf": (".nc",), "glims": (".shp", ".gpkg"), "stac": ("",)}


def export_masks(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Dated masks, as track reads them.")],
    out: Annotated[
        Path, typer.Option(metavar="FILE|FOLDER", help="FILE.nc; FILE.shp or FILE.gpkg; a folder of items.")
    ],
    glacier: GlacierOption,
    form: Annotated[str, typer.Option("--format", help="netcdf, stac or glims.")] = "netcdf",
    dataset: Annotated[str, typer.Option(help="Whose masks they are: a data set, or a name.")] = "",
    classes: Annotated[
        str | None, typer.Option(metavar="VALUE=ZONE,...", help="What values mean, such as 0=ocean,1=glacier.")
    ] = None,
    crs: Annotated[str | None, typer.Option(help="Coordinate system of masks that name none, e.g. EPSG:3031.")] = None,
    resolution: Annotated[
        float | None, typer.Option(min=0.001, max=10_000, help="Pixel size in metres of masks without georeference.")
    ] = None,
    dates: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV with the columns file and date.")] = None,
    submitter: Annotated[Path | None, typer.Option(metavar="FILE", help="For glims: who submits, YAML.")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write the dated masks of a folder as others open them: a CF NetCDF stack, STAC items, or outlines for GLIMS.

    Examples:

    glaciertime export-masks masks --glacier Crane --out crane_masks.nc

    glaciertime export-masks masks --glacier Crane --format stac --out catalogue
    """
    from glaciertime.catalog import load_catalog
    from glaciertime.errors import UsageError, nearest_names
    from glaciertime.exchange.licences import data_sources, licence_texts

    if form not in _ENDINGS:
        near = nearest_names(form, _ENDINGS)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UsageError(f"--format '{form}' is not known{hint}; known are {', '.join(_ENDINGS)}")
    if out.suffix.lower() not in _ENDINGS[form]:
        wanted = " or ".join(f"{out.stem}{end}" for end in _ENDINGS[form])
        raise UsageError(f"--out {out}: --format {form} writes no such file; give --out {wanted}")
    if (submitter is None) == (form == "glims"):
        raise UsageError("--submitter: of --format glims, which needs it: a YAML that begins investigator: NAME")
    reading = _reading(classes=classes, crs=crs, resolution=resolution, dates=dates)
    from glaciertime.cli.quiet import working

    scenes = _scenes(folder, glacier, dataset, reading)
    rows = _acquired(scenes)
    sources = data_sources(rows, load_catalog())
    licences = licence_texts(sources)
    options: dict[str, Any] = {"overwrite": overwrite, "licences": licences, "folder": folder}
    with working(f"writing {counted(len(scenes), 'masks')}"):
        if form == "stac":
            count = _write_items(scenes, out, sources, **options)
        elif form == "netcdf":
            count = _write_stack(scenes, out, **options)
        else:
            assert submitter is not None
            count = _write_outlines(scenes, out, submitter, **options)
    note(f"{counted(count, 'masks')} of {glacier} written to {out}")
    for text in licences:
        note(f"data: {text}")


def _acquired(scenes: list[MaskScene]) -> Any:
    import pandas as pd

    return pd.DataFrame([(one.acquisition.dataset, one.acquisition.source) for one in scenes],
                        columns=["dataset", "source"])  # fmt: skip


def _reading(
    *, classes: str | None, crs: str | None, resolution: float | None, dates: Path | None
) -> MaskReading:  # fmt: skip
    from glaciertime.scenes.classes import CAFFE, parse_classes
    from glaciertime.scenes.folder import MaskReading
    from glaciertime.scenes.names import dates_of_files
    from glaciertime.scenes.rasters import parse_crs

    return MaskReading(
        classes=parse_classes(classes, nodata=None) if classes else CAFFE, crs=parse_crs(crs) if crs else None,
        local_resolution_m=resolution, dates=dates_of_files(dates) if dates else {},
    )  # fmt: skip


def _scenes(folder: Path, glacier: str, dataset: str, reading: MaskReading) -> list[MaskScene]:
    from glaciertime.cli.quiet import working
    from glaciertime.errors import DataNotFoundError
    from glaciertime.scenes.acquisition import MaskScene
    from glaciertime.scenes.folder import masks_in_folder

    if not folder.is_dir():
        raise DataNotFoundError(f"{folder} is no folder; give that of the masks")
    with working("reading masks"):
        found = list(
            masks_in_folder(folder, glacier=glacier, dataset=dataset or folder.resolve().name, reading=reading)
        )
    for one in found:
        if not isinstance(one, MaskScene):
            note(f"{Path(one.input).name}: {one.reason}")
    scenes = [one for one in found if isinstance(one, MaskScene)]
    if not scenes:
        raise DataNotFoundError(f"no file of {folder} is a dated mask")
    return scenes


def _record(out: Path, folder: Path, licences: list[str], scenes: list[MaskScene]) -> Any:
    read = [(one.acquisition.glacier, one.acquisition.dataset, one.acquisition.image_id, one.acquisition.input)
            for one in scenes]  # fmt: skip
    return the_run().record(images=read, settings={"output": str(out), "folder": str(folder), "licences": licences})


def _write_stack(scenes: list[MaskScene], out: Path, *, overwrite: bool, licences: list[str], folder: Path) -> int:
    from glaciertime.track.record.stack import mask_stack
    from glaciertime.writing import Target, check_target, draft
    from glaciertime.writing.marks import made_by
    from glaciertime.writing.netcdf import netcdf_told

    own = made_by(_MARK)
    check_target(Target(out, "--out", own), overwrite=overwrite)
    check_note(out, overwrite=overwrite)
    stack = mask_stack(scenes).assign_attrs(license="; ".join(licences), generator=_MARK)
    with draft(out, own=own, overwrite=overwrite) as made, netcdf_told(made):
        stack.to_netcdf(made, engine="netcdf4", encoding={"zone": {"zlib": True, "_FillValue": None}})
    write_note(out, _record(out, folder, licences, scenes), overwrite=overwrite)
    return len(scenes)


def _write_outlines(
    scenes: list[MaskScene], out: Path, submitter: Path, *, overwrite: bool, licences: list[str], folder: Path
) -> int:
    from glaciertime.exchange.glims import GLIMS_COLUMNS, glims_problems, to_glims
    from glaciertime.exchange.masks import outlines_of
    from glaciertime.exchange.submitter import read_submitter
    from glaciertime.report.files import write_table

    layer = to_glims(outlines_of(scenes), read_submitter(submitter))
    for problem in glims_problems(layer):
        note(f"GLIMS: {problem}")
    run = _record(out, folder, licences, scenes)
    return write_table(layer, out, form=out.suffix[1:].lower(), overwrite=overwrite, run=run, licences=licences,
                       columns=(*GLIMS_COLUMNS, "geometry"))  # fmt: skip


def _write_items(
    scenes: list[MaskScene], out: Path, sources: Any, *, overwrite: bool, licences: list[str], folder: Path
) -> int:
    import json
    import os

    from glaciertime.cli.selecting import make_folder
    from glaciertime.exchange.stac import mask_collection, mask_item
    from glaciertime.writing import file_names, write_bytes

    make_folder(out)
    glacier = scenes[0].acquisition.glacier
    files = file_names([one.acquisition.image_id for one in scenes], ".json", taken=["collection.json"])
    name = f"masks-of-{glacier}".replace(" ", "-")
    items = []
    for scene in scenes:
        href = os.path.relpath(scene.acquisition.input, out)
        items.append(mask_item(scene, href=Path(href).as_posix(), collection=name))
    whole = mask_collection(items, name=name, glacier=glacier, sources=sources, hrefs=list(files.values()))
    texts = {files[item["id"]]: item for item in items} | {"collection.json": whole}
    for file, held in texts.items():
        text = json.dumps(held, indent=1, ensure_ascii=False) + "\n"
        write_bytes(out / file, text.encode(), own=_is_item, inputs=[Path(one.acquisition.input) for one in scenes],
                    overwrite=overwrite)  # fmt: skip
    write_note(out / "collection.json", _record(out, folder, licences, scenes), overwrite=overwrite)
    return len(scenes)


def _is_item(path: Path) -> bool:
    """Return whether a file is an item or a collection of masks that this command wrote."""
    import contextlib
    import json

    with contextlib.suppress(OSError, ValueError):
        held = json.loads(path.read_bytes())
        return isinstance(held, dict) and (
            "glaciertime:glacier" in (held.get("properties") or {}) or str(held.get("id", "")).startswith("masks-of-")
        )
    return False
