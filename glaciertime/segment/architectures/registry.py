"""Segmentation architectures by name.

Nothing here imports torch until a model is built, so that a command can list
the names without it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glaciertime.errors import InputError, MissingExtraError, UsageError, nearest_names

if TYPE_CHECKING:
    import torch

__all__ = ["ARCHITECTURES", "Architecture", "build_model", "model_names"]


@dataclass(frozen=True)
class Architecture:
    """Where an architecture comes from and how it is built.

    Attributes
    ----------
    name : str
        Name on the command line.
    module : str
        Module below ``glaciertime.segment.architectures`` whose ``build`` makes it.
    variant : str
        What that ``build`` is asked for.
    multiple : int
        Height and width are padded to a multiple of this inside the model.
    reference : str
        Publication, as a DOI or an arXiv number where there is one.
    note : str
        What was chosen where the publication leaves a choice.
    mamba : bool
        Whether it contains blocks of :mod:`glaciertime.nn`.
    """

    name: str
    module: str
    variant: str
    multiple: int
    reference: str
    note: str = ""
    mamba: bool = False


def _smp(name: str, variant: str, reference: str, note: str = "", *, multiple: int = 32) -> Architecture:
    return Architecture(name, "smp", variant, multiple, reference, note)


def _glacier_seg(variant: str, note: str) -> Architecture:
    name = "glacier-seg" if variant == "default" else f"glacier-seg-{variant}"
    return Architecture(name, "glacier_seg", variant, 16, "Glacier-Seg, thesis", note, mamba=True)


_TABLE = (
    _smp(
        "unet",
        "Unet:resnet34",
        "doi:10.1007/978-3-319-24574-4_28",
        "ResNet-34 encoder, the library's default; the same network as resnet34-unet",
    ),
    _smp("resnet34-unet", "Unet:resnet34", "doi:10.1007/978-3-319-24574-4_28"),
    _smp("resnet50-unet", "Unet:resnet50", "doi:10.1109/CVPR.2016.90"),
    _smp("efficientnet-b3-unet", "Unet:efficientnet-b3", "arXiv:1905.11946"),
    _smp("vgg19-unet", "Unet:vgg19", "arXiv:1409.1556"),
    _smp("deeplabv3", "DeepLabV3:resnet50", "arXiv:1706.05587", "ResNet-50 encoder"),
    _smp("deeplabv3plus", "DeepLabV3Plus:resnet34", "doi:10.1007/978-3-030-01234-2_49"),
    _smp("segformer-b0", "Segformer:mit_b0", "arXiv:2105.15203"),
    _smp("unetplusplus", "UnetPlusPlus:resnet34", "doi:10.1007/978-3-030-00889-5_1"),
    _smp("manet", "MAnet:resnet34", "doi:10.1109/ACCESS.2020.3025372"),
    _smp("linknet", "Linknet:resnet34", "doi:10.1109/VCIP.2017.8305148"),
    _smp("fpn", "FPN:resnet34", "doi:10.1109/CVPR.2017.106"),
    _smp("pspnet", "PSPNet:resnet34", "doi:10.1109/CVPR.2017.660"),
    _smp(
        "pan", "PAN:resnet34", "arXiv:1805.10180", "its pyramid halves the stride-16 features three times", multiple=128
    ),
    Architecture(
        "unet-classic",
        "conv_unet",
        "classic",
        16,
        "doi:10.1007/978-3-319-24574-4_28",
        "64 first features, 31.0 M parameters, with batch norm and padding",
    ),
    Architecture("unet-ps1", "conv_unet", "ps1", 16, "doi:10.1007/978-3-319-24574-4_28", "32 first features"),
    Architecture("boundary-unet", "conv_unet", "boundary", 16, "doi:10.7557/18.6789", "32 first features"),
    Architecture("ma-resunet", "ma_resunet", "resnet34", 32, "doi:10.1109/LGRS.2021.3063381"),
    Architecture("wavemix", "wavemix", "256/16", 64, "arXiv:2205.14375", "256 channels, 16 blocks, four levels"),
    Architecture("glavitu", "glavitu", "published", 16, "doi:10.1109/IGARSS52108.2023.10281828"),
    Architecture("unet-small", "small_unet", "default", 16, "", "residual, 0.27 M parameters"),
    Architecture("unet-small-deep", "small_unet", "deep", 32, "", "residual, down to stride 32, 0.57 M parameters"),
    Architecture("unet-small-deep-wide", "small_unet", "deep-wide", 32, "", "twice its channels, 2.2 M parameters"),
    Architecture(
        "efficientnet-lite0-unet",
        "lite_unet",
        "tf_efficientnet_lite0",
        32,
        "arXiv:1905.11946",
        "light decoder; ImageNet weights by encoder_weights",
    ),
    Architecture("vim-seg", "vim", "tiny", 8, "arXiv:2401.09417", "no class token, a linear head", mamba=True),
    Architecture("glacier-seg-fast", "glacier_seg_fast", "default", 16, "", "Mamba-2 at strides 8 and 16", mamba=True),
    _glacier_seg("default", "the thesis's 0.68 M: involution in stages 1 and 2, Mamba in all four"),
    _glacier_seg("text", "a 3 x 3 convolution after the involution, as its text has it"),
    _glacier_seg("shallow", "equal to glacier-seg, as in the thesis's own count"),
    _glacier_seg("deep", "two blocks a stage"),
    _glacier_seg("wider", "twice the channels"),
    _glacier_seg("involution", "involution in all four stages"),
    _glacier_seg("involution-deep", "involution in all four stages, two blocks a stage"),
    _glacier_seg("involution-wider", "involution in all four stages, twice the channels"),
    _glacier_seg("conv", "convolution in all four stages"),
    _glacier_seg("conv-deep", "convolution in all four stages, two blocks a stage"),
    _glacier_seg("conv-wider", "convolution in all four stages, twice the channels"),
    _glacier_seg("s12", "Mamba in stages 1 and 2, attention in 3 and 4: the thesis's best"),
    _glacier_seg("s12-d2", "Mamba in stages 1 and 2, attention in 3 and 4, two blocks a stage"),
    _glacier_seg("s1", "Mamba in stage 1, attention in the others"),
    _glacier_seg("s1-d2", "Mamba in stage 1, attention in the others, two blocks a stage"),
    _glacier_seg("s4", "Mamba in stage 4, attention in the others"),
    _glacier_seg("s4-d2", "Mamba in stage 4, attention in the others, two blocks a stage"),
    _glacier_seg("s1-deep", "Stage1-Deep: as s1-d2 with four blocks in stage 1; the thesis does not say how many"),
    _glacier_seg("s4-deep", "Stage4-Deep: as s4-d2 with four blocks in stage 4; the thesis does not say how many"),
    _glacier_seg("s1234", "equal to glacier-seg"),
    _glacier_seg("s1234-d2", "equal to glacier-seg-deep"),
)

ARCHITECTURES: dict[str, Architecture] = {entry.name: entry for entry in _TABLE}


def model_names() -> list[str]:
    """Return the names that :func:`build_model` knows, sorted.

    Examples
    --------
    >>> "segformer-b0" in model_names()
    True
    """
    return sorted(ARCHITECTURES)


def get_architecture(name: str) -> Architecture:
    """Return the entry of one architecture.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.

    Raises
    ------
    UsageError
        If no architecture has that name; the message gives the nearest ones.

    Examples
    --------
    >>> get_architecture("pspnet").reference
    'doi:10.1109/CVPR.2017.660'
    """
    if name not in ARCHITECTURES:
        near = ", ".join(nearest_names(name, ARCHITECTURES)) or ", ".join(model_names())
        raise UsageError(f"model {name!r} is not known; nearest: {near}; `glaciertime models` lists all")
    return ARCHITECTURES[name]


def build_model(name: str, *, in_channels: int, classes: int) -> torch.nn.Module:
    """Build an untrained segmentation model.

    The model maps (B, ``in_channels``, H, W) float32 to logits (B, ``classes``, H, W)
    for any H and W of at least one pixel: it pads at the bottom and the right with
    the edge values to the multiple its strides need, and crops the logits back.
    Weights are drawn from torch's global generator, so a seed set before the call
    fixes them.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.
    in_channels : int
        Bands of the input, at least 1.
    classes : int
        Classes of the output, at least 1 (a single logit is a binary model).

    Returns
    -------
    torch.nn.Module
        In training mode, on the CPU.

    Raises
    ------
    UsageError
        If no architecture has that name.
    InputError
        If ``in_channels`` or ``classes`` is not a positive integer.
    MissingExtraError
        If the packages of the extra ``train`` are not installed.

    Examples
    --------
    >>> import torch
    >>> model = build_model("pspnet", in_channels=3, classes=2).eval()
    >>> model(torch.zeros(1, 3, 40, 50)).shape
    torch.Size([1, 2, 40, 50])
    """
    entry = get_architecture(name)
    for label, count in (("in_channels", in_channels), ("classes", classes)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InputError(f"{label}={count!r} given, a positive integer expected; use the number of bands or labels")
    try:
        from glaciertime.segment.architectures.padding import PaddedModel

        family = importlib.import_module(f"glaciertime.segment.architectures.{entry.module}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("glaciertime"):
            raise
        raise MissingExtraError(f"building {name!r}", "train") from error
    core = family.build(entry.variant, in_channels=in_channels, classes=classes)
    return PaddedModel(core, name=name, in_channels=in_channels, classes=classes, multiple=entry.multiple)
