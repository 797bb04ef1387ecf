"""Training data by the name of its reader."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from glaciertime.errors import UsageError, nearest_names
from glaciertime.scenes.datasets.options import option_fields, read_options
from glaciertime.scenes.datasets.sample import TrainingData

__all__ = ["open_training_data", "reader_fields", "reader_names"]

_HERE = "glaciertime.scenes.datasets"
_READERS = {
    "caffe": (f"{_HERE}.caffe_training", "CaffeTraining"),
    "cdw-seg": (f"{_HERE}.off_ice", "CdwSeg"),
    "cityscapes": (f"{_HERE}.off_ice", "Cityscapes"),
    "folder": (f"{_HERE}.own_images", "OwnImages"),
    "glacierhack": (f"{_HERE}.glacierhack", "GlacierHack"),
    "hkh-aryal": (f"{_HERE}.hkh", "HkhAryal"),
    "hkh-baraka": (f"{_HERE}.hkh", "HkhBaraka"),
    "landsat-fronts": (f"{_HERE}.landsat_fronts", "LandsatFronts"),
    "nird": (f"{_HERE}.nird", "Nird"),
    "simulated": ("glaciertime.scenes.simulate_images", "SimulatedFronts"),
}


def reader_names() -> list[str]:
    """Return the names that :func:`open_training_data` knows, sorted.

    Examples
    --------
    >>> "nird" in reader_names()
    True
    """
    return sorted(_READERS)


def open_training_data(name: str, *, root: Path, options: dict[str, Any] | None = None) -> TrainingData:
    """Open a data set.

    Parameters
    ----------
    name : str
        One of :func:`reader_names`.
    root : Path
        Its folder; not used by ``simulated``.
    options : dict, optional
        Further arguments of the reader, see :func:`.options.read_options`.

    Raises
    ------
    UsageError
        If no reader has that name, or the reader does not know an option or its value.

    Examples
    --------
    >>> len(open_training_data("simulated", root=Path("."), options={"count": 5}))
    5
    """
    reader = _reader(name)
    plain = read_options(reader, options or {}, name=name)
    if name != "simulated":
        plain["root"] = Path(root)
    return reader(**plain)


def reader_fields(name: str) -> list[str]:
    """Return the names of the options that a reader takes.

    Examples
    --------
    >>> "modalities" in reader_fields("nird")
    True
    """
    return option_fields(_reader(name))


def _reader(name: str) -> Any:
    if name not in _READERS:
        near = nearest_names(name, _READERS) or reader_names()
        raise UsageError(f"data set '{name}' is not known; nearest: {', '.join(near)}")
    module, kind = _READERS[name]
    return getattr(importlib.import_module(module), kind)
