"""Where the weights of the recurrent forecasters come from: the package, or files that a user has trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from glaciertime.errors import DataNotFoundError, InputError
from glaciertime.forecast.learned.bank import fold_of
from glaciertime.forecast.learned.sequences import CONTEXT, LENGTH, STEP
from glaciertime.forecast.series import as_days
from glaciertime.walls import wall

__all__ = ["NetworkWeights", "networks_of_files", "session_of", "shipped_weights", "weights_for"]


@dataclass(frozen=True)
class NetworkWeights:
    """One trained network.

    Attributes
    ----------
    name : str
        Of the file, without its ending.
    model : str
    trained_until : str
        No target after this date was learned from.
    left_out : tuple of int
        Glaciers of these folds were left out, see :func:`glaciertime.forecast.learned.bank.fold_of`.
    quantiles : tuple of float
        What it answers with.
    content : bytes
        The network as ONNX, of one's own; empty for those in the package.
    """

    name: str
    model: str
    trained_until: str
    left_out: tuple[int, ...]
    quantiles: tuple[float, ...]
    content: bytes = field(default=b"", repr=False)

    @property
    def is_own(self) -> bool:
        """Whether a user has trained it."""
        return bool(self.content)


@lru_cache(maxsize=1)
def shipped_weights() -> tuple[NetworkWeights, ...]:
    """Return the weights in the package, by model, date and group.

    Examples
    --------
    >>> sorted({weights.model for weights in shipped_weights()})
    ['lstm', 'mamba']
    """
    folder = resources.files("glaciertime.forecast") / "shipped"
    found = []
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.name.endswith(".json"):
            card = json.loads(file.read_text(encoding="utf-8"))
            found.append(NetworkWeights(file.name.removesuffix(".json"), card["model"], card["trained_until"],
                                        tuple(card["left_out_folds"]), tuple(card["quantiles"])))  # fmt: skip
    return tuple(sorted(found, key=lambda weights: weights.name))


def networks_of_files(paths: Sequence[Path]) -> tuple[NetworkWeights, ...]:
    """Return the networks of files that ``glaciertime train-forecaster`` wrote.

    Raises
    ------
    DataNotFoundError
        If a file does not exist.
    InputError
        If it is none of them, or of another version's inputs.
    """
    found = []
    for path in paths:
        if not path.is_file():
            raise DataNotFoundError(f"--weights {path} does not exist; write it with glaciertime train-forecaster")
        content = path.read_bytes()
        with wall(f"{path} is no forecaster of glaciertime", "write it with glaciertime train-forecaster"):
            card = json.loads(_opened(content).get_modelmeta().custom_metadata_map["glaciertime"])
            shape = (card["steps"], tuple(card["channels"]), tuple(card["context"]))
            held = NetworkWeights(
                path.stem, str(card["model"]), str(as_days([card["trained_until"]])[0]),
                tuple(map(int, card["left_out_folds"])), tuple(map(float, card["quantiles"])), content,
            )  # fmt: skip
        if shape != (LENGTH, STEP, CONTEXT):
            raise InputError(f"{path} was trained for other inputs, by another version; train it again")
        found.append(held)
    return tuple(found)


def session_of(weights: NetworkWeights) -> Any:
    """Return the onnxruntime session of a network."""
    return _session(weights.name, weights.content)


@lru_cache(maxsize=64)
def _session(name: str, content: bytes) -> Any:
    file = resources.files("glaciertime.forecast") / "shipped" / f"{name}.onnx"
    return _opened(content or file.read_bytes())


def _opened(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def weights_for(
    model: str, *, glacier: str, cutoff: np.datetime64, own: Sequence[NetworkWeights] = ()
) -> NetworkWeights | str:
    """Return the latest weights trained up to a cutoff and never on the glacier, or the reason why there are none.

    Where weights of the model are given, ``own``, the latest of them trained up to the cutoff.

    Examples
    --------
    >>> weights_for("lstm", glacier="Crane", cutoff=np.datetime64("1950-01-01"))
    'lstm: its earliest weights were trained until 1990-01-01, after the cutoff 1950-01-01; use gbm, or a later cutoff'
    """
    given = [weights for weights in own if weights.model == model]
    if given:
        usable = [weights for weights in given if as_days([weights.trained_until])[0] <= cutoff]
        if not usable:
            earliest = min(weights.trained_until for weights in given)
            return (f"{model}: the earliest of the weights given was trained until {earliest}, after the cutoff "
                    f"{cutoff}; give a later cutoff, or weights trained until then")  # fmt: skip
        return max(usable, key=lambda weights: weights.trained_until)
    fold = fold_of(glacier)
    mine = [weights for weights in shipped_weights() if weights.model == model and fold in weights.left_out]
    if not mine:
        return f"{model}: the package holds no weights for it; reinstall it, or train them"
    usable = [weights for weights in mine if as_days([weights.trained_until])[0] <= cutoff]
    if not usable:
        earliest = min(weights.trained_until for weights in mine)
        return (f"{model}: its earliest weights were trained until {earliest}, after the cutoff {cutoff}; use gbm, or "
                "a later cutoff")  # fmt: skip
    return max(usable, key=lambda weights: weights.trained_until)
