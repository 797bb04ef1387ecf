"""Which samples a model was trained on, kept beside its weights: what a score of it may be given for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glaciertime.documents import read_json
from glaciertime.errors import InputError
from glaciertime.scenes.datasets.sample import SampleInfo, TrainingData
from glaciertime.scenes.datasets.splits import Split
from glaciertime.writing import write_bytes

__all__ = ["KeptSplit", "keep_split", "read_split"]

NAME = "split.json"
PARTS = ("train", "validation", "test")
_REMEDY = "without the file every sample is taken for one that was not trained on"


@dataclass(frozen=True)
class KeptSplit:
    """The parts of a training.

    Attributes
    ----------
    data : str
        Name of the reader.
    split : str
        As it was typed; empty for the one by validation glaciers or drawn blocks.
    seed : int
    told : str
        What was said of the split.
    settings : dict
        What the samples were selected by, as the training was told.
    parts : dict
        Of each part the names of its samples, with the SHA-256 of the image or an empty text.
    """

    data: str
    split: str
    seed: int
    told: str
    settings: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, dict[str, str]] = field(default_factory=dict)

    def part_of(self, infos: Sequence[SampleInfo], *, digests: Sequence[str] = ()) -> list[str]:
        """Return the part of each sample, ``train``, ``validation`` or ``test``; empty where it was in none.

        A sample is known by its image, else by its name: one that may have been trained on counts as such.

        Examples
        --------
        >>> kept = KeptSplit("folder", "random", 0, "", parts={"train": {"a": "11"}, "test": {"b": "22"}})
        >>> kept.part_of([SampleInfo("renamed", "X"), SampleInfo("b", "X"), SampleInfo("c", "X")],
        ...              digests=["11", "22", "33"])
        ['train', 'test', '']
        """
        by_image, by_name = {}, {}
        for part in reversed(PARTS):
            for name, digest in self.parts.get(part, {}).items():
                by_name[name] = part
                if digest:
                    by_image[digest] = part
        found = []
        for place, info in enumerate(infos):
            image = by_image.get(digests[place], "") if digests else ""
            found.append(image or by_name.get(info.name, ""))
        return found


def keep_split(
    folder: Path, data: TrainingData, split: Split, *, name: str, kind: str, seed: int, settings: dict[str, Any]
) -> None:
    """Write the parts of a training into its folder, as ``split.json``."""
    infos, digests = data.infos, getattr(data, "digests", ())
    parts = {
        part: {infos[place].name: digests[place] if digests else "" for place in getattr(split, part)} for part in PARTS
    }
    text = {"data": name, "split": kind, "seed": seed, "told": split.told, "settings": settings, "parts": parts}
    write_bytes(folder / NAME, json.dumps(text, indent=1, default=str).encode(), overwrite=True)


def read_split(weights: Path) -> KeptSplit | None:
    """Return what is kept beside weights; None where nothing is.

    Raises
    ------
    InputError
        If it is damaged.
    """
    path = Path(weights).with_name(NAME)
    if not path.is_file():
        return None
    found = read_json(path, what=f"{path} is damaged: it", remedy=_REMEDY)
    try:
        parts = {str(part): {str(k): str(v) for k, v in names.items()} for part, names in found["parts"].items()}
        return KeptSplit(
            data=str(found["data"]), split=str(found["split"]), seed=int(found["seed"]), told=str(found["told"]),
            settings=dict(found["settings"]), parts=parts,
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); {_REMEDY}") from error
