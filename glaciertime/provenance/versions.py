"""Which program made a number: its version and its code, and the libraries that numbers depend on."""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import lru_cache
from importlib import import_module, metadata
from pathlib import Path

import glaciertime

__all__ = ["code_digest", "versions"]

#: Libraries whose versions can change a number; what a run has not loaded has changed nothing.
_LIBRARIES = (
    "numpy", "pandas", "scipy", "shapely", "geopandas", "pyproj", "rasterio", "pyogrio", "scikit-image", "numba",
    "statsmodels", "scikit-learn", "lightgbm", "onnxruntime", "torch", "mamba-ssm",
)  # fmt: skip
_MODULES = {"scikit-image": "skimage", "scikit-learn": "sklearn", "mamba-ssm": "mamba_ssm"}
_COUNTED = (".py", ".yaml", ".json", ".onnx")
_CODE_LETTERS = 12


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return what tells two states of the package apart, even of one version: its code, manifests and forecasters.

    Examples
    --------
    >>> len(code_digest())
    12
    """
    home = Path(glaciertime.__file__).parent
    total = hashlib.sha256()
    beside = [home.parent / "data_manifests"] if not (home / "data_manifests").is_dir() else []
    found = [path for folder in (home, *beside) for path in folder.rglob("*") if path.suffix in _COUNTED]
    # What segments is large, and is told by its own hash where it was used.
    for path in sorted(path for path in found if "segment/shipped" not in path.as_posix()):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:_CODE_LETTERS]


def versions(*, also: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the versions of what this process has loaded of what numbers depend on.

    Parameters
    ----------
    also : tuple of str
        Libraries that other processes of the run used.

    Examples
    --------
    >>> versions()["python"] == platform.python_version()
    True
    """
    found = {
        "glaciertime": glaciertime.__version__,
        "code": code_digest(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name in _LIBRARIES:
        if _MODULES.get(name, name) in sys.modules or name in also:
            found[name] = library_version(name)
    if "rasterio" in sys.modules:
        found["GDAL"] = str(getattr(import_module("rasterio"), "__gdal_version__", ""))
    if "pyogrio" in sys.modules:
        found["GDAL of pyogrio"] = str(getattr(import_module("pyogrio"), "__gdal_version_string__", ""))
    if "pyproj" in sys.modules:
        found["PROJ"] = str(getattr(import_module("pyproj"), "proj_version_str", ""))
    if "shapely" in sys.modules:
        found["GEOS"] = str(getattr(import_module("shapely"), "geos_version_string", ""))
    return {name: text for name, text in found.items() if text}


@lru_cache(maxsize=100)
def library_version(name: str) -> str:
    """Return the version of a library that is installed; empty where it is not."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
