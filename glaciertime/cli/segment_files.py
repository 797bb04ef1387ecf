"""What ``glaciertime segment`` writes of an image: a mask that says what it is, probabilities, polygons and a front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import shapely
    from numpy.typing import NDArray

    from glaciertime.scenes.imagery import Imagery
    from glaciertime.segment.description import ModelSpec
    from glaciertime.segment.legend import Legend
    from glaciertime.writing import Target
    from glaciertime.writing.rasters import RasterDraft

__all__ = ["MARK", "TIFF", "Files", "Maker", "mask_file", "probability_file", "with_uncertainty", "write_vector"]

MARK = "glaciertime segment"
TIFF = (".tif", ".tiff")
_TILE = 256


@dataclass(frozen=True)
class Files:
    """What is written of one image."""

    mask: Path
    probabilities: Path | None = None
    vector: Path | None = None

    def targets(self) -> list[Target]:
        """Return the places to write to."""
        from glaciertime.pipeline.zone_outlines import check_outlines
        from glaciertime.provenance.tags import has_tag, sidecar
        from glaciertime.writing import Target
        from glaciertime.writing.marks import made_by

        own = made_by(MARK)
        found = [Target(self.mask, "--out", own)]
        if self.probabilities is not None:
            found.append(Target(self.probabilities, "--probabilities", own))
        if self.vector is not None:
            found.append(Target(self.vector, "--vector", own, check_outlines))
            found.append(Target(sidecar(self.vector), "--vector", has_tag))
        return found


@dataclass(frozen=True)
class Maker:
    """What made a mask.

    Attributes
    ----------
    name : str
        Of the model or the method.
    version : str
        Of glaciertime that the weights were written with, or that holds the method; empty where it is not known.
    weights : tuple of Path
    tag : str
        The run, see :meth:`glaciertime.provenance.RunRecord.tag`.
    """

    name: str
    version: str
    weights: tuple[Path, ...]
    tag: str

    def tags(self) -> dict[str, str]:
        """Return what a raster says of it."""
        from glaciertime.provenance import digest_of
        from glaciertime.provenance.tags import TAG

        told = {TAG: self.tag, "GLACIERTIME_MODEL": self.name, "GLACIERTIME_MODEL_VERSION": self.version}
        if self.weights:
            told["GLACIERTIME_WEIGHTS_SHA256"] = ", ".join(digest_of(path)[0].sha256 for path in self.weights)
        return told


def mask_file(path: Path, pixels: Imagery, *, legend: Legend, maker: Maker, cog: bool) -> RasterDraft:
    """Return a mask that is to be written: with its classes, their colours, and what made it."""
    options = {"nodata": legend.unobserved, "compress": "deflate"}
    tags = {**maker.tags(), **legend.tags}
    # In a PNG the numbers are greys: many programs read a palette as its colours.
    colours = None if path.suffix.lower() == ".png" else legend.colours
    target = _raster(path, pixels, count=1, dtype="uint8", cog=cog, tags=tags, options=options, colours=colours)
    target.describe((f"zones: {legend.text}",), tags=legend.band_tags)
    return target


def probability_file(
    path: Path, pixels: Imagery, *, spec: ModelSpec, maker: Maker, is_merged: bool = False
) -> RasterDraft:
    """Return the probabilities of the classes, the entropy of them, and of several models their disagreement."""
    options = {"nodata": float("nan"), "compress": "deflate", "predictor": 3}
    target = _raster(
        path, pixels, count=len(spec.codes) + 1 + is_merged, dtype="float32", cog=False, tags=maker.tags(),
        options=options,
    )  # fmt: skip
    also = ("disagreement of the models (0 to 1)",) if is_merged else ()
    target.describe((*spec.classes, "uncertainty (entropy, 0 to 1)", *also))
    return target


def with_uncertainty(
    probability: NDArray[np.float32], disagreement: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return probabilities, (K, H, W), with their entropy as one band more, and the disagreement of models."""
    import numpy as np

    from glaciertime.segment.predict.uncertainty import entropy

    also = [] if disagreement is None else [disagreement[None]]
    return np.concatenate([probability, entropy(probability)[None], *also])


def write_vector(
    files: tuple[Path, Path],
    zones: NDArray[np.uint8],
    *,
    front: shapely.Geometry | None,
    place: tuple[Any, Any],
    legend: Legend,
    maker: Maker,
    told: Mapping[str, Any],
) -> None:
    """Write polygons and the front, and the note of the run beside them.

    A front that the model did not draw as a line is traced on its mask.

    Parameters
    ----------
    files : (Path, Path)
        Drafts of the vector file and of its note.
    zones : (H, W) uint8
    front : LineString, optional
    place : (Affine, CRS or None)
    legend : Legend
    maker : Maker
    told : mapping
        What every row says of the image.
    """
    from glaciertime.pipeline.zone_outlines import front_of_zones, write_outlines, zone_polygons
    from glaciertime.provenance.tags import sidecar_text

    transform, crs = place
    if front is None and legend.names.get(254) == "ocean" and 127 in legend.names:
        front = front_of_zones(zones, transform=transform)
    polygons = zone_polygons(zones, legend=legend, transform=transform, crs=crs)
    told = {**told, "model": maker.name, "version": maker.version}
    pixel = abs(transform.determinant) ** 0.5
    write_outlines(files[0], polygons, front=front, told=told, pixel=pixel, mark=MARK)
    files[1].write_bytes(sidecar_text(maker.tag, files[0]).encode())


def _raster(
    path: Path,
    pixels: Imagery,
    *,
    count: int,
    dtype: str,
    cog: bool,
    tags: dict[str, str],
    options: dict[str, Any],
    colours: dict[int, tuple[int, int, int, int]] | None = None,
) -> RasterDraft:
    from glaciertime.writing.rasters import RasterDraft

    shape = {"height": pixels.height, "width": pixels.width, "count": count, "dtype": dtype}
    if path.suffix.lower() == ".png":
        return RasterDraft(
            path, mark=MARK, tags=tags, driver="PNG", **shape, nodata=options["nodata"], **pixels.georeference
        )
    tiles = {"tiled": True, "blockxsize": _TILE, "blockysize": _TILE, "BIGTIFF": "IF_SAFER"}
    return RasterDraft(
        path, mark=MARK, cog=cog, tags=tags, colours=colours, driver="GTiff", **shape, **tiles, **options,
        **pixels.georeference,
    )  # fmt: skip
