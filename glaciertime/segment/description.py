"""Trained models on disk: what they expect and what they return, beside their weights, never as a pickle.

A model is one file: ``.onnx`` for use without torch, or ``.safetensors`` for fine-tuning. Both carry the same JSON,
the :class:`ModelSpec`, in their metadata.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

import glaciertime
from glaciertime import limits
from glaciertime.documents import parse_json
from glaciertime.errors import DataNotFoundError, InputError, UsageError, nearest_names
from glaciertime.segment.frame import LANDSAT_FRONTS, Frame
from glaciertime.segment.normalisation import Normalisation
from glaciertime.walls import readable_text, wall

__all__ = ["FORMAT", "KEY", "ModelSpec", "open_session", "read_spec", "shipped_names", "weights_path"]

KEY = "glaciertime"
#: Of the description: 2 has the frame, the scaling of raw values and the values seen; 1 had none of them; 3 says what
#: place a model was adapted to, and is written of such models alone.
FORMAT = 3
_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".joblib")


@dataclass(frozen=True)
class ModelSpec:
    """What a trained model expects and returns.

    Attributes
    ----------
    name : str
        Name of the trained model.
    model : str
        Architecture, one of ``glaciertime models``.
    bands : tuple of str
        Bands expected, in order.
    classes : tuple of str
        What each output channel stands for.
    codes : tuple of int
        Value of each class in a mask, 0 to 255.
    normalisation : Normalisation
        All that is done to raw values before the network sees them.
    frame : Frame
        Orientation, pixel size and field of view of the images that the network was made for.
    seen : tuple of (float, float)
        Least and largest raw value of each band in training, the outermost 0.1 % left out; empty where not known.
    fold : int
        The architecture works on blocks of that many pixels squared, see :mod:`.architectures.folding`.
    activation : str
        In place of the architecture's own, see :mod:`.architectures.choices`; empty for that.
    dropout : float or None
        Probability in its dropout layers, for those who leave them on in use; None for its own.
    multiple : int
        Height and width that the ONNX graph takes are a multiple of it; engines pad and crop.
    zones : str
        ``argmax``: each pixel gets its most probable class. ``line``: one line across the image parts ocean above
        from glacier below (see :func:`glaciertime.segment.predict.front_line.zones_from_ocean`).
    temperature : float
        Logits are divided by it.
    patch_px : int
        Side of the patches that a large raster is predicted in.
    resolution_m : float
        Pixel size of the training data, NaN where it has none.
    augmented : bool
        Average over mirror images and magnifications by default, see :func:`.predict.uncertainty.varied`.
    trained_on, licence, note : str
    adapted_to : str
        The glacier that it was adapted to, see ``glaciertime adapt``; empty where to none.
    made_by : str
        The version of glaciertime that wrote the file; empty where it does not say.
    scores : dict of str to float
        Among them ``front_sigma_px``, where it was measured: see :attr:`front_sigma_px`.
    """

    name: str
    model: str
    bands: tuple[str, ...]
    classes: tuple[str, ...]
    codes: tuple[int, ...]
    normalisation: Normalisation = field(default_factory=Normalisation)
    frame: Frame = field(default_factory=Frame)
    seen: tuple[tuple[float, float], ...] = ()
    fold: int = 1
    activation: str = ""
    dropout: float | None = None
    multiple: int = 1
    zones: str = "argmax"
    temperature: float = 1.0
    patch_px: int = 512
    resolution_m: float = float("nan")
    augmented: bool = False
    trained_on: str = ""
    licence: str = ""
    note: str = ""
    adapted_to: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    made_by: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.codes) or len(set(self.codes)) != len(self.codes):
            raise InputError(f"classes {self.classes} and codes {self.codes} given, one distinct code each expected")
        if self.zones not in ("argmax", "line"):
            raise InputError(f"zones '{self.zones}' given, 'argmax' or 'line' expected")
        if self.zones == "line" and not {127, 254} <= set(self.codes):
            raise InputError(f"zones 'line' needs the classes 127 and 254, codes {self.codes} given")
        if not 0 < self.temperature < math.inf:
            raise InputError(f"temperature {self.temperature} given, a positive number expected")
        if not all(0 <= code <= 255 for code in self.codes) or not (self.bands and self.codes):
            raise InputError(f"codes {self.codes} of bands {self.bands} given, a code from 0 to 255 per class expected")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise InputError(f"dropout {self.dropout} given, 0 to 1 expected")
        for name, largest in (("fold", 64), ("multiple", 4096), ("patch_px", 16384)):
            if not 1 <= getattr(self, name) <= largest:
                raise InputError(f"{name} {getattr(self, name)} given, 1 to {largest} expected")

    @property
    def channels(self) -> int:
        """Return the channels of the network's input."""
        return self.normalisation.channels(len(self.bands))

    @property
    def unobserved(self) -> int:
        """Return the value of a mask where nothing was observed: 0, or the largest that is no class.

        Examples
        --------
        >>> parts = {"name": "a", "model": "unet", "bands": ("b",), "classes": ("land", "ice")}
        >>> ModelSpec(**parts, codes=(64, 127)).unobserved, ModelSpec(**parts, codes=(0, 127)).unobserved
        (0, 255)
        """
        return next(code for code in (0, *range(255, 0, -1)) if code not in self.codes)

    @property
    def front_sigma_px(self) -> float:
        """Return one standard deviation of the front at one point, in pixels of the image; NaN where not measured.

        Measured on glaciers that were left out of training, as the distance that 68 % of the fronts keep to: a few that
        are missed altogether would make a root mean square say nothing of the others.

        Examples
        --------
        >>> parts = {"name": "a", "model": "unet", "bands": ("b",), "classes": ("g", "o"), "codes": (127, 254)}
        >>> ModelSpec(**parts).front_sigma_px, ModelSpec(**parts, scores={"front_sigma_px": 1.5}).front_sigma_px
        (nan, 1.5)
        """
        return float(self.scores.get("front_sigma_px", float("nan")))

    def to_json(self) -> str:
        """Return the JSON that a weights file carries; NaN is written as null."""
        values = {**asdict(self), "frame": self.frame.to_dict(), "format": FORMAT, "made_by": glaciertime.__version__}
        if not self.adapted_to:
            del values["adapted_to"]
            values["format"] = FORMAT - 1
        # What is left as the architecture has it is not written.
        for name in ("activation", "dropout"):
            if values[name] in ("", None):
                del values[name]
        values["resolution_m"] = None if self.resolution_m != self.resolution_m else self.resolution_m
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, *, path: Path | str = "weights") -> ModelSpec:
        """Return the spec written by :meth:`to_json`.

        Raises
        ------
        InputError
            If the JSON is damaged or lacks a field, or was written by a later version.
        """
        what, remedy = f"{path}: the description of the model", "export it again with `glaciertime train`"
        values = parse_json(text, what=f"{what} is damaged: it", remedy=remedy)
        if isinstance(values, dict):
            made_by, written = values.get("made_by", ""), values.pop("format", 1)
            if isinstance(written, int) and written > FORMAT:
                version = readable_text(made_by or "of a later version")
                raise InputError(
                    f"{path} was made by glaciertime {version}, this is {glaciertime.__version__}, "
                    "which does not know all of its description; upgrade with pip install -U glaciertime"
                )
            if "frame" not in values and values.get("zones") == "line":
                # The first descriptions left out what only one model could mean.
                values["frame"] = LANDSAT_FRONTS.to_dict()
            if isinstance(values.get("frame"), dict) and values["frame"].get("pixel_m") is None:
                values["frame"]["pixel_m"] = math.nan
        strange = sorted(set(values) - {each.name for each in fields(cls)}) if isinstance(values, dict) else ["it"]
        if strange:
            raise InputError(f"{what} is damaged ({readable_text(strange[0])} is no field of it); {remedy}")
        if values.get("resolution_m") is None:
            values["resolution_m"] = float("nan")
        with wall(f"{what} is damaged", remedy):
            try:
                return _checked().validate_python(values)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise InputError(f"{what} is damaged ({where}: {first['msg']}); {remedy}") from error


@cache
def _checked() -> TypeAdapter[ModelSpec]:
    return TypeAdapter(ModelSpec)


def shipped_names() -> list[str]:
    """Return the names of the models that come with the package.

    Examples
    --------
    >>> "landsat-fronts" in shipped_names()
    True
    """
    folder = resources.files("glaciertime.segment") / "shipped"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".onnx"))


def weights_path(name_or_file: str | Path, *, suffix: str = ".onnx") -> Path:
    """Return the file of a shipped model by its name, or of a given path.

    Parameters
    ----------
    name_or_file : str or Path
        A name of :func:`shipped_names`, or a file that ends in .onnx or .safetensors.
    suffix : str
        Which file of a shipped model: ``.onnx`` or ``.safetensors``.

    Raises
    ------
    UsageError
        If it is neither a shipped name nor a file.
    InputError
        If the file is of a kind that would have to be unpickled.
    DataNotFoundError
        If it looks like a file and does not exist.
    """
    names = shipped_names()
    if str(name_or_file) in names:
        return Path(str(resources.files("glaciertime.segment") / "shipped" / f"{name_or_file}{suffix}"))
    path = Path(name_or_file)
    if path.suffix.lower() in _PICKLES:
        raise InputError(
            f"{path}: a {path.suffix} file can run code when it is loaded and is never opened; "
            "give .onnx or .safetensors as written by `glaciertime train`"
        )
    if path.suffix.lower() not in (".onnx", ".safetensors"):
        near = nearest_names(str(name_or_file), names) or names
        raise UsageError(
            f"weights '{name_or_file}' are neither a shipped name ({', '.join(near)}) nor .onnx/.safetensors"
        )
    if not path.is_file():
        raise DataNotFoundError(f"{path} does not exist; give a weights file or one of {names}")
    return path


def _safetensors_metadata(path: Path) -> dict[str, str]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > size - 8:
            raise InputError(f"{path} is not a safetensors file; give one as written by `glaciertime train`")
        what, remedy = f"{path} is not a safetensors file: its header", "give one as written by `glaciertime train`"
        limits.check("document-mb", length / 1e6, what)
        header = parse_json(stream.read(length), what=what, remedy=remedy)
    found = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return found if isinstance(found, dict) else {}


@lru_cache(maxsize=4)
def _session(path: str, _modified_ns: int, threads: int) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # A thread that waits for its part sleeps: spinning takes the cores from others and makes nothing sooner.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with wall(f"{path} is not an ONNX model that onnxruntime can run", "export it again"):
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def open_session(path: Path, *, threads: int = 0) -> Any:
    """Return an onnxruntime session on the CPU; 0 threads leaves the number to onnxruntime.

    Raises
    ------
    InputError
        If the file is missing or is no ONNX model.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist; give an ONNX file")
    return _session(str(path), path.stat().st_mtime_ns, threads)


def read_spec(path: Path) -> ModelSpec:
    """Return what the model in a weights file expects; reads no weights and no code.

    Parameters
    ----------
    path : Path
        ``.onnx`` or ``.safetensors``.

    Raises
    ------
    InputError
        If the file is damaged or was not written by this package.
    """
    path = weights_path(path)
    if path.suffix.lower() == ".safetensors":
        metadata = _safetensors_metadata(path)
    else:
        session = open_session(path)
        with wall(f"{path}: what it says of itself cannot be read", "export it again"):
            metadata = session.get_modelmeta().custom_metadata_map
    if KEY not in metadata:
        raise InputError(
            f"{path} does not say what it expects (no '{KEY}' metadata); export it with `glaciertime train`"
        )
    return ModelSpec.from_json(metadata[KEY], path=path)
