"""``glaciertime doctor``: what is installed, what works, what is missing and how to get it, for bug reports."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

from glaciertime.cli.common import ArchiveOption, JsonOption, Place, data_folder, print_json_value
from glaciertime.naming import counted

__all__ = ["doctor"]

#: What the extras bring: library, extra, and what it is for.
_EXTRAS = (
    ("torch", "train", "training, fine-tuning, --engine torch"),
    ("lightning", "train", "training"),
    ("segmentation-models-pytorch", "train", "the smp architectures"),
    ("safetensors", "train", "weights for fine-tuning"),
    ("onnx", "train", "glaciertime export-model"),
    ("h5py", "train", "tiles of NIRD"),
    ("openpyxl", "excel", "spreadsheets (.xlsx)"),
    ("xarray", "netcdf", "NetCDF"),
    ("duckdb", "folder", "archives in a folder: all glaciers at once"),
    ("psycopg", "postgis", "archives on a PostGIS server"),
    ("pystac-client", "stac", "glaciertime scenes, track --scenes"),
    ("mamba-ssm", "cuda", "selective scans on an NVIDIA GPU, faster"),
)
#: Drivers of GDAL that the readers rest on, and for what.
_RASTER_DRIVERS = {"GTiff": "GeoTIFF", "COG": "--cog", "PNG": "PNG masks", "JP2OpenJPEG": "JPEG 2000", "VRT": "mosaics"}
_VECTOR_DRIVERS = {
    "GPKG": "GeoPackage", "ESRI Shapefile": "shapefiles", "GeoJSON": "GeoJSON", "FlatGeobuf": "FlatGeobuf",
    "KML": "KML", "GML": "GML",
}  # fmt: skip
#: A cache is counted up to so many files: what takes longer is told as "more than".
_MOST_FILES = 50_000

Finding = dict[str, Any]


def doctor(archive: ArchiveOption = Path("glaciertime.gpkg"), as_json: JsonOption = False) -> None:
    """Print versions, GDAL and its drivers, caches, the archive, what works, and what is missing with how to get it.

    Ends with 1 where something that is needed does not work.

    Examples:

    glaciertime doctor

    glaciertime doctor --json > doctor.json
    """
    sections: dict[str, Callable[[], list[Finding]]] = {
        "glaciertime": _program,
        "libraries": _libraries,
        "GDAL": _gdal,
        "extras": _extras,
        "models": _models,
        "folders": _folders,
        "settings": _settings,
        "limits": _limits,
        "archive": lambda: _archive(archive),
        "machine": _machine,
    }
    found = {name: _tried(look) for name, look in sections.items()}
    wrong = [finding for findings in found.values() for finding in findings if finding["state"] == "wrong"]
    if as_json:
        print_json_value({"works": not wrong, **found})
    else:
        for name, findings in found.items():
            typer.echo(name)
            for finding in findings:
                typer.echo(_text(finding))
        typer.echo(f"{len(wrong)} things do not work: see WRONG above" if wrong else "works")
    raise typer.Exit(1 if wrong else 0)


def _text(finding: Finding) -> str:
    mark = {"ok": "", "missing": "missing; ", "wrong": "WRONG: "}[finding["state"]]
    remedy = f" -> {finding['remedy']}" if finding.get("remedy") else ""
    return f"  {finding['name']:<39}{mark}{finding['value']}{remedy}"


def _finding(name: str, value: object, *, state: str = "ok", remedy: str = "") -> Finding:
    return {"name": name, "value": value, "state": state, **({"remedy": remedy} if remedy else {})}


def _tried(look: Callable[[], list[Finding]]) -> list[Finding]:
    """Return what a look found; that it failed is a finding."""
    try:
        return look()
    except Exception as error:  # whatever is broken is what is to be told
        return [_finding("cannot be told", f"{type(error).__name__}: {error}", state="wrong")]


def _program() -> list[Finding]:
    import glaciertime
    from glaciertime.provenance.versions import code_digest

    return [
        _finding("version", glaciertime.__version__),
        _finding("code", code_digest()),
        _finding("in", str(Path(glaciertime.__file__).parent)),
        _finding("python", f"{platform.python_version()}, {sys.executable}"),
        _finding("system", platform.platform()),
    ]


def _requirements(extra: str = "") -> Iterator[tuple[str, str]]:
    """Return the libraries that the package, or one of its extras, asks for: name, and the version asked for."""
    try:
        asked = metadata.requires("glaciertime") or []
    except metadata.PackageNotFoundError:
        return
    for text in asked:
        named, _, condition = text.partition(";")
        given = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", condition)
        if (given[1] if given else "") == extra and (found := re.match(r"([A-Za-z0-9._-]+)\s*(.*)", named)):
            yield found[1], found[2].strip(" ()")


def _libraries() -> list[Finding]:
    out = []
    for name, wanted in _requirements():
        try:
            held, state = metadata.version(name), "ok"
            if _numbers(held) < _numbers(wanted.partition(">=")[2]):
                held, state = f"{held} is too old, {wanted} is needed", "wrong"
        except metadata.PackageNotFoundError:
            held, state = f"{wanted} is needed", "wrong"
        out.append(_finding(name, held, state=state, remedy=f"pip install '{name}{wanted}'" if state != "ok" else ""))
    if not out:
        remedy = "pip install glaciertime"
        return [_finding("glaciertime", "is not installed, only found on the path", state="missing", remedy=remedy)]
    return out


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with, to compare it."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _gdal() -> list[Finding]:
    import pyogrio
    import rasterio

    out = [_finding("GDAL of rasterio", rasterio.__gdal_version__)]
    with rasterio.Env() as env:
        held = env.drivers()
    out += _drivers(held, _RASTER_DRIVERS, remedy="pip install --force-reinstall rasterio")
    out.append(_finding("GDAL of pyogrio", pyogrio.__gdal_version_string__))
    held = pyogrio.list_drivers()
    return out + _drivers(held, _VECTOR_DRIVERS, remedy="pip install --force-reinstall pyogrio")


def _drivers(held: dict[str, str], wanted: dict[str, str], *, remedy: str) -> list[Finding]:
    there = [name for name in wanted if name in held]
    out = [_finding("drivers", ", ".join(there))]
    for name, what in wanted.items():
        if name not in held:
            out.append(_finding(f"driver {name}", f"{what} cannot be read", state="missing", remedy=remedy))
    return out


def _extras() -> list[Finding]:
    out = []
    for name, extra, what in _EXTRAS:
        try:
            out.append(_finding(name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            out.append(_finding(name, f"for {what}", state="missing", remedy=f"pip install 'glaciertime[{extra}]'"))
    return out


def _models() -> list[Finding]:
    from importlib import resources

    folder = Path(str(resources.files("glaciertime"))) / "segment" / "shipped"
    found = sorted(path for path in folder.glob("*.onnx"))
    if not found:
        return [_finding("shipped models", "none", state="wrong", remedy="pip install --force-reinstall glaciertime")]
    return [_finding(path.stem, _size(path.stat().st_size)) for path in found]


def _folders() -> list[Finding]:
    from glaciertime.provenance.secrets import without_secrets
    from glaciertime.scenes.download import downloads_folder

    out = [_folder("downloads (GLACIERTIME_DOWNLOADS)", downloads_folder())]
    given = data_folder(None)
    if given is None:
        out.append(_finding("data (GLACIERTIME_DATA)", "not set"))
    elif not given.exists():
        out.append(_finding("data (GLACIERTIME_DATA)", f"{given} is not there", state="wrong",
                            remedy="correct or unset GLACIERTIME_DATA"))  # fmt: skip
    else:
        out.append(_finding("data (GLACIERTIME_DATA)", str(given)))
    compiled = os.environ.get("NUMBA_CACHE_DIR")
    if compiled:
        out.append(_folder("compiled code (NUMBA_CACHE_DIR)", Path(compiled)))
    else:
        import glaciertime

        home = Path(glaciertime.__file__).parent
        size = sum(path.stat().st_size for path in home.rglob("__pycache__/*.nb[ic]"))
        out.append(_finding("compiled code (numba)", f"{_size(size)} beside the package"))
    for name in sorted(os.environ):
        if name.startswith("GLACIERTIME_") and name not in ("GLACIERTIME_DATA", "GLACIERTIME_DOWNLOADS"):
            out.append(_finding(name, without_secrets(os.environ[name])))
    return out


def _settings() -> list[Finding]:
    from glaciertime.cli.configuration import FILE, read_configuration
    from glaciertime.errors import UsageError

    try:
        held = read_configuration()
    except UsageError as error:
        return [_finding(FILE, str(error), state="wrong")]
    if held.path is None:
        return [_finding(FILE, "none, neither here nor among the user's settings")]
    return [
        _finding(FILE, str(held.path.resolve())),
        *(_finding(name, value) for name, value in held.variables.items()),
    ]


def _folder(name: str, path: Path) -> Finding:
    if not path.exists():
        return _finding(name, f"{path}, not there yet")
    if not os.access(path, os.W_OK):
        return _finding(name, f"{path} cannot be written", state="wrong", remedy="set the variable to another folder")
    files = size = 0
    for folder, _, names in os.walk(path):
        for one in names:
            files += 1
            try:
                size += os.lstat(os.path.join(folder, one)).st_size
            except OSError:
                continue
        if files > _MOST_FILES:
            return _finding(name, f"{path}: more than {counted(files, 'files')}, {_size(size)}")
    return _finding(
        name, f"{path}: {counted(files, 'files')}, {_size(size)}; {_size(shutil.disk_usage(path).free)} free"
    )


def _limits() -> list[Finding]:
    from glaciertime.limits import LIMITS, limit

    return [
        _finding(f"{name} ({known.variable})", f"{limit(name):,.12g} {known.unit}; {known.option} raises it")
        for name, known in LIMITS.items()
    ]


def _archive(path: Place) -> list[Finding]:
    from glaciertime.archive.connection import opened_to_read
    from glaciertime.archive.migrations import layout_of
    from glaciertime.archive.schema import VERSION
    from glaciertime.errors import GlacierTimeError

    told: list[str] = []
    if not isinstance(path, Path) or path.is_dir():
        return _archive_elsewhere(path)
    try:
        if not path.exists():
            return [_finding(str(path), "not there yet; glaciertime track makes it")]
        with opened_to_read(path, tell=told.append, wait_seconds=0) as database:
            layout = layout_of(database, path)
    except GlacierTimeError as error:
        sentence, _, remedy = str(error).partition("; ")
        return [_finding(str(path), sentence, state="wrong", remedy=remedy)]
    by = f", written by glaciertime {layout.written_by}" if layout.written_by else ""
    value = f"schema {layout.version} of {VERSION}{by}, {_size(path.stat().st_size)}"
    return [_finding(str(path.resolve()), value), *(_finding("said", text) for text in told)]


def _archive_elsewhere(place: Place) -> list[Finding]:
    """Return what is found of an archive in a folder or on a server."""
    from glaciertime.archive import Archive
    from glaciertime.errors import GlacierTimeError

    try:
        archive = Archive(place)
        if not archive.exists():
            return [_finding(str(place), "not there yet; glaciertime track makes it")]
        return [_finding(str(place), f"{len(archive.glaciers()):,} glaciers with observations")]
    except GlacierTimeError as error:
        sentence, _, remedy = str(error).partition("; ")
        return [_finding(str(place), sentence, state="wrong", remedy=remedy)]


def _machine() -> list[Finding]:
    out = [_finding("processors", os.cpu_count() or 0)]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        out.append(_finding("memory", _size(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))))
    out.append(_finding("free here", _size(shutil.disk_usage(Path.cwd()).free)))
    return out


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
