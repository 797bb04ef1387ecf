"""What others state of the cost of these architectures, and why it is not our figure where it is not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PUBLISHED", "PublishedCost", "published_of"]

_COMPLEXITY = "thesis, table 5.1"
_SPEED = "thesis, table 6.10"
_NOTEBOOK = "the authors' notebook"


@dataclass(frozen=True)
class PublishedCost:
    """One published row; None where nothing is stated.

    Attributes
    ----------
    model : str
        The architecture here that it is nearest to.
    source, name : str
        Where it stands, and what it is called there.
    parameters_m, size_mb : float or None
        Millions of parameters, megabytes.
    latency_ms : str
        As it is stated, on a machine that is not named.
    gmacs : float or None
        Multiply-adds of one image of 256 x 256, 1e9.
    training : str
        How fast it trains, in the words of the table.
    why : str
        What the difference from our figure is, where it was found.
    """

    model: str
    source: str
    name: str
    parameters_m: float | None = None
    size_mb: float | None = None
    latency_ms: str = ""
    gmacs: float | None = None
    training: str = ""
    why: str = ""


_CLASSIFIER = "the figures are those of the network that classifies ImageNet, without a decoder: {}"
PUBLISHED = (
    PublishedCost(
        "glacier-seg", _COMPLEXITY, "Glacier-Seg", 0.68, 2.64, "2.58", 3.76,
        why="677,206 parameters at 11 bands and 2 classes. Our multiply-adds are 3.875 G, 3.735 G without the Mamba "
        "blocks; at 3 bands and 19 classes, as the notebook counts, 3.908 and 3.768 G. The recurrence of the scan "
        "is in none of them",
    ),
    PublishedCost(
        "glacier-seg", _NOTEBOOK, "Glacier-Seg", 0.679242, None, "", 3.6,
        why="679,242 parameters, 431,543 of them in the encoder, are exactly those of this network at 3 bands and 19 "
        "classes; at 11 bands and 2 classes it has 677,206 and 431,700. Of its 3.908 G multiply-adds there 3.592 G are "
        "in the decoder",
    ),
    PublishedCost(
        "unet-classic", _COMPLEXITY, "U-Net", 31.0, 120.0, "4-6", 7.6,
        why="the same 31.0 M parameters; of 256 x 256 we count 48 G multiply-adds, six times what is stated",
    ),
    PublishedCost(
        "resnet50-unet", _COMPLEXITY, "ResNet-50", 25.6, 98.0, "3-4", 4.1,
        why=_CLASSIFIER.format("25,557,032 parameters, 4.09 G of an image of 224 x 224"),
    ),
    PublishedCost(
        "efficientnet-b3-unet", _COMPLEXITY, "EfficientNet-B3", 12.0, 45.0, "2-3", 0.9,
        why=_CLASSIFIER.format("12,233,232 parameters, 0.96 G of an image of 224 x 224"),
    ),
    PublishedCost(
        "vgg19-unet", _COMPLEXITY, "VGG-19", 143.0, 575.0, "7-9", 9.8,
        why=_CLASSIFIER.format("143,667,240 parameters; 9.8 is half of its 19.63 G of 224 x 224"),
    ),
    PublishedCost(
        "deeplabv3", _COMPLEXITY, "DeepLabV3", 41.0, 160.0, "9-11", 8.1,
        why="at 21 classes the network has 39,638,869 parameters, with the second head of its training 42,004,074; "
        "41.0 M is neither",
    ),
    PublishedCost(
        "vim-seg", _COMPLEXITY, "Vision Mamba", 7.50, 28.74, "10.24", 0.52,
        why="no class token and a linear head here; what its counter saw of the Mamba blocks is not said",
    ),
    PublishedCost(
        "segformer-b0", _COMPLEXITY, "SegFormer (B0)", 3.73, 14.28, "3.52", 1.74, why="the same network, at 11 bands"
    ),
    PublishedCost(
        "unet-ps1", _SPEED, "U-Net", 7.8, training="Moderate", why="7,760,130 at 3 bands: 32 first features, not 64"
    ),
    PublishedCost(
        "vgg19-unet", _SPEED, "VGG19-UNet", 20.0, training="Slow",
        why="the figure is that of the encoder alone (20,024,384 parameters)",
    ),
    PublishedCost("efficientnet-b3-unet", _SPEED, "EfficientNet-B3 UNet", None, training="Slow"),
    PublishedCost(
        "resnet50-unet", _SPEED, "ResNet50-UNet", 25.6, training="Moderate",
        why=_CLASSIFIER.format("25,557,032 parameters"),
    ),
    PublishedCost(
        "deeplabv3", _SPEED, "DeepLabV3 (R50)", 41.5, training="Moderate",
        why="at 21 classes the network has 39,638,869 parameters, with the second head of its training 42,004,074; "
        "41.5 M is neither",
    ),
    PublishedCost("segformer-b0", _SPEED, "SegFormer (MiT-B0)", 3.8, training="Fast", why="3,714,658 at 3 bands"),
)  # fmt: skip


def published_of(model: str) -> tuple[PublishedCost, ...]:
    """Return the published rows of an architecture, in the order of the tables.

    Examples
    --------
    >>> [row.source for row in published_of("glacier-seg")]
    ['thesis, table 5.1', "the authors' notebook"]
    """
    return tuple(row for row in PUBLISHED if row.model == model)
