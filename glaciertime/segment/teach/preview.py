"""What a training is about to see: twelve of its patches as a picture, and the pixels of each class."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glaciertime.scenes.acquisition import GLACIER, OCEAN, ROCK
from glaciertime.scenes.classes import zone_of_word
from glaciertime.scenes.datasets.sample import TrainingData
from glaciertime.scenes.datasets.splits import Split
from glaciertime.segment.normalisation import Normalisation
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.loading import data_loaders
from glaciertime.segment.teach.sampling import Place
from glaciertime.writing import write_bytes

__all__ = ["ClassPixels", "class_pixels", "draw_patches", "is_preview"]

_PATCHES, _COLUMNS = 12, 4
# Okabe and Ito 2008: told apart by all eyes. Zones have one of their own.
_COLOURS = ("#56b4e9", "#cc79a7", "#009e73", "#d55e00", "#f0e442", "#e69f00", "#0072b2", "#777777")
_OF_ZONE = {GLACIER: "#e69f00", OCEAN: "#0072b2", ROCK: "#777777"}
_NAME = 44
MADE_BY = "glaciertime train --check"


@dataclass(frozen=True)
class ClassPixels:
    """What is labelled in a part of the data.

    Attributes
    ----------
    part : str
    samples : int
    pixels : dict of class to count
    ignored : float
        Share of all pixels, 0 to 1, that have no label.
    """

    part: str
    samples: int
    pixels: dict[str, int]
    ignored: float


def class_pixels(data: TrainingData, split: Split) -> list[ClassPixels]:
    """Return the pixels of each class in each part of a split; parts without a sample are left out."""
    counts, pixels = getattr(data, "counts", None), getattr(data, "pixels", None)
    found = []
    for part in ("train", "validation", "test"):
        places = list(getattr(split, part))
        if not places:
            continue
        if counts is not None and pixels is not None:
            of_class, total = counts[places].sum(axis=0), int(pixels[places].sum())
        else:
            of_class, total = _counted(data, places)
        found.append(
            ClassPixels(
                part=part, samples=len(places), ignored=1 - int(of_class.sum()) / total,
                pixels={name: int(count) for name, count in zip(data.classes, of_class, strict=True)},
            )
        )  # fmt: skip
    return found


def _counted(data: TrainingData, places: Sequence[int]) -> tuple[NDArray[np.int64], int]:
    counts = np.zeros(256, dtype=np.int64)
    for place in places:
        counts += np.bincount(data[place].labels.ravel(), minlength=256)
    return counts[: len(data.classes)], int(counts.sum())


def draw_patches(
    data: TrainingData, config: TrainConfig, split: Split, normalisation: Normalisation, path: Path
) -> list[str]:
    """Write a picture of twelve patches as the first epochs draw them; return the names of their samples.

    Beside each patch lies the same with the colours of its labels over it; what is not labelled is white.
    """
    training, _ = data_loaders(data, config, split, normalisation, None)
    places: list[Place] = []
    epoch = 0
    while len(places) < _PATCHES:
        places += training.sampler.of_epoch(epoch)
        epoch += 1
    shown = []
    for place in places[:_PATCHES]:
        image, labels = training.patches[place]
        shown.append(_Patch(data.infos[place[2]].name, np.asarray(image)[: len(data.bands)], np.asarray(labels)))
    _draw(shown, data, path)
    return [patch.name for patch in shown]


@dataclass(frozen=True)
class _Patch:
    name: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]


def _draw(patches: Sequence[_Patch], data: TrainingData, path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch as Swatch

    rows = -(-len(patches) // _COLUMNS)
    height, width = patches[0].labels.shape
    side = 1.55
    figure = Figure(figsize=(2 * _COLUMNS * side + 0.4, rows * (side * height / width + 0.2) + 0.9), dpi=130)
    axes = figure.subplots(rows, 2 * _COLUMNS, squeeze=False)
    colours = _colours(data.classes)
    bands, how = _shown_bands(data.bands)
    for number, patch in enumerate(patches):
        left, right = (axes[number // _COLUMNS][2 * (number % _COLUMNS) + step] for step in (0, 1))
        picture = _picture(patch.image, bands)
        left.imshow(picture, interpolation="nearest")
        grey = picture.mean(axis=2, keepdims=True)
        over = np.ones((*patch.labels.shape, 3))
        for place, colour in enumerate(colours):
            here = patch.labels == place
            over[here] = 0.35 * grey[here] + 0.65 * np.array(colour)
        right.imshow(over, interpolation="nearest")
        # The name stands over both, from the left edge of the patch.
        left.set_title(_short(patch.name), fontsize=6.5, loc="left", pad=2)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_linewidth(0.4)
    swatches = [Swatch(facecolor=colour, label=name) for colour, name in zip(colours, data.classes, strict=True)]
    swatches.append(Swatch(facecolor="white", edgecolor="black", linewidth=0.5, label="not labelled"))
    figure.legend(handles=swatches, loc="lower center", ncol=min(7, len(swatches)), frameon=False, fontsize=8)
    figure.suptitle(
        f"{len(patches)} training patches of {height} x {width} pixels with augmentation, and their labels; {how}",
        fontsize=9,
    )
    low = 0.36 * -(-len(swatches) // 7) / figure.get_figheight()
    top = 1 - 0.55 / figure.get_figheight()
    figure.subplots_adjust(left=0.01, right=0.99, bottom=low, top=top, wspace=0.04, hspace=0.1)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": MADE_BY})
    write_bytes(path, buffer.getvalue(), own=is_preview, overwrite=False)


def is_preview(path: Path) -> bool:
    """Return whether a file is a picture that this module wrote: a later one may take its place."""
    try:
        with path.open("rb") as stream:
            return MADE_BY.encode() in stream.read(4096)
    except OSError:
        return False


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"...{name[3 - _NAME :]}"


def _colours(classes: Sequence[str]) -> list[tuple[float, float, float]]:
    """Return a colour for each class: ice orange, ocean blue, rock grey, where no two are of one zone."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    if len(classes) > len(_COLOURS):
        table = colormaps["tab20"]
        return [to_rgb(table(place % 20)) for place in range(len(classes))]
    zones = [_OF_ZONE.get(zone_of_word(name) or -1, "") for name in classes]
    taken: list[str] = []
    for zone in zones:
        free = (colour for colour in _COLOURS if colour not in taken and colour not in zones)
        left = (colour for colour in _COLOURS if colour not in taken)
        taken.append(zone if zone and zone not in taken else next(free, "") or next(left))
    return [to_rgb(colour) for colour in taken]


def _shown_bands(bands: Sequence[str]) -> tuple[list[int], str]:
    """Return which bands make the picture, and what is to be said of them."""
    names = [name.casefold() for name in bands]
    if {"red", "green", "blue"} <= set(names):
        return [names.index(name) for name in ("red", "green", "blue")], "red, green and blue"
    if len(bands) == 3:
        return [0, 1, 2], f"{', '.join(bands)} as red, green and blue"
    return [0], f"band {bands[0]}" if not bands[0].startswith("band") else bands[0]


def _picture(image: NDArray[np.float32], bands: Sequence[int]) -> NDArray[np.float64]:
    """Return (H, W, 3) from 0 to 1: from the 2 % to the 98 % point of the bands together."""
    values = np.stack([image[band] for band in (bands if len(bands) == 3 else [bands[0]] * 3)], axis=2).astype(float)
    low, high = np.percentile(values, (2, 98))
    return np.clip((values - low) / (high - low if high > low else 1.0), 0, 1)
