"""Whether a folder's training may go on: the same settings, more epochs, the data that it was trained on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glaciertime.documents import read_json
from glaciertime.errors import InputError
from glaciertime.naming import agreeing, counted
from glaciertime.scenes.datasets.sample import IGNORE, TrainingSample
from glaciertime.segment.teach.config import TrainConfig
from glaciertime.segment.teach.keeping import Keeper
from glaciertime.writing import Target, check_target, write_bytes

__all__ = ["STATE", "Marks", "check_same", "history_of", "note_settings"]

STATE = "state.safetensors"
_FILES = (
    "config.json", "split.json", "history.json", "history.csv", "learning_curve.png",
    "weights.safetensors", "model.onnx", STATE,
)  # fmt: skip
#: When a training ends, not what it is: raised, it goes on.
_ENDS = ("epochs", "patience")
#: What changes no number: how many processes cut patches.
_FREE = ("workers",)
_log = logging.getLogger(__name__)


def check_same(config: TrainConfig, out: Path, *, overwrite: bool) -> None:
    """Raise where a folder holds something else than a training that may go on.

    Raises
    ------
    InputError
        If it holds one of other settings, but for more epochs, another patience or other workers.
    UsageError
        If files of the same names lie there that no training made.
    """
    kept = out / "config.json"
    # Without weights or a state nothing was trained yet: a setting that was refused may be mended.
    begun = any((out / name).is_file() for name in (STATE, "weights.safetensors"))
    if begun and kept.is_file():
        remedy = "what was trained there is not known: give another folder"
        was, now = read_json(kept, what=f"{kept} is damaged: it", remedy=remedy), config.model_dump(mode="json")
        if not isinstance(was, dict) or not isinstance(was.get("epochs", 1), int):
            raise InputError(f"{kept} is damaged: it holds no settings; {remedy}")
        # A setting that is younger than the training had its default.
        usual = TrainConfig(data=config.data, root=config.root).model_dump(mode="json")
        changed = sorted(
            key
            for key in was.keys() | now
            if key not in (*_ENDS, *_FREE) and was.get(key, usual.get(key)) != now.get(key, usual.get(key))
        )
        if changed:
            raise InputError(f"{out} holds a training with other settings ({', '.join(changed)}); give another folder")
        _check_extended(int(was.get("epochs", usual["epochs"])), config, out)
    # A folder is a training's by its settings; then so are the files in it.
    ours = _is_of_training(kept)
    for name in _FILES:
        check_target(Target(out / name, "--out", lambda _: ours), overwrite=overwrite)


def note_settings(config: TrainConfig, out: Path) -> None:
    """Write the settings into the folder of a training that begins, or goes on: one that is refused changes nothing."""
    write_bytes(out / "config.json", config.model_dump_json(indent=1).encode(), overwrite=True)


def _check_extended(before: int, config: TrainConfig, out: Path) -> None:
    if config.epochs == before:
        return
    if config.epochs < before:
        raise InputError(f"{out} holds a training of {before} epochs, {config.epochs} given; give as many or more")
    if config.schedule == "one-cycle":
        raise InputError(
            f"{out} holds a training of {before} epochs in one cycle, which ends where it ends; "
            "give another folder, and --initial to begin with its weights"
        )
    rise = " from where it stands: the learning rate rises again" if config.schedule == "cosine" else ""
    _log.warning(
        "%s: a training of %d epochs is extended to %d; its schedule (%s) is that of %d epochs%s",
        out,
        before,
        config.epochs,
        config.schedule,
        config.epochs,
        rise,
    )


def _is_of_training(kept: Path) -> bool:
    try:
        found = json.loads(kept.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"data", "root", "model"} <= found.keys() <= set(TrainConfig.model_fields)


class Marks:
    """What the training part of a state was: told where it has changed since."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()
        #: Whether any pixel has a label.
        self.is_labelled = False

    def add(self, sample: TrainingSample) -> None:
        """Note a sample."""
        self.is_labelled = self.is_labelled or bool((sample.labels != IGNORE).any())
        for part in (sample.image, sample.labels):
            self._total.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())

    def of(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what is kept with a state."""
        return {"names": list(names), "sha256": self._total.hexdigest()}


def history_of(state: dict[str, Any], marks: Marks, held_out: Sequence[str], *, out: Path) -> list[dict[str, float]]:
    """Return the history that a state holds; told or refused where the data are not those that it was trained on."""
    kept = state.get("callbacks", {}).get(Keeper.__qualname__, {})
    then = kept.get("data") or {}
    if then and then["sha256"] != marks.of(())["sha256"]:
        trained = set(then["names"]) & set(held_out)
        if trained:
            raise InputError(
                f"{out}: {counted(len(trained), 'images')} of the validation part, such as {min(trained)}, "
                f"{agreeing(len(trained), 'were')} trained on before "
                "the data changed: their scores would be too good; give another folder, or name validation glaciers"
            )
        _log.warning(
            "%s: the training part has changed since (%d images then): the weights are made from both",
            out,
            len(then["names"]),
        )
    history: list[dict[str, float]] = kept.get("history", [])
    return history
