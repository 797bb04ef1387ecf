"""The house stands: imports point one way, and the light core stays light."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "glaciertime"

# Each room and the rooms it may import; what is not named here is a mistake.
_BASE = {
    "lazy",
    "errors",
    "limits",
    "walls",
    "documents",
    "dates",
    "naming",
    "rgi_regions",
    "meridian",
    "units",
    "writing",
    "tables",
    "qgis_style",
    "slopes",
    "combining",
    "breaks",
    "cells",
    "front_kinds",
    "known_dates",
    "sentences",
    "provenance",
    "processes",
}
MAY_IMPORT = {
    "errors": set(),
    "lazy": set(),
    "limits": {"errors"},
    "walls": {"errors"},
    "documents": {"errors", "limits", "walls"},
    "processes": set(),
    "dates": {"errors"},
    "naming": {"errors"},
    "rgi_regions": {"errors", "naming"},
    "meridian": set(),
    "units": {"errors", "dates", "meridian", "walls"},
    "writing": {"errors", "dates", "units"},
    "cells": set(),
    "tables": {"errors", "dates", "units"},
    "front_kinds": {"errors", "dates", "units", "tables"},
    "sentences": {"errors"},
    "known_dates": {"errors", "dates", "units", "tables"},
    "qgis_style": set(),
    "slopes": {"errors", "dates", "units"},
    "combining": {"errors", "dates", "units", "tables"},
    "breaks": {"errors", "dates", "units", "tables", "slopes", "combining"},
    "provenance": {"errors", "dates", "units", "tables", "lazy"},
    "catalog": _BASE,
    "archive": _BASE | {"catalog"},
    "record": _BASE | {"catalog", "archive"},
    "scenes": _BASE | {"catalog", "archive", "record"},
    "nn": _BASE | {"catalog", "archive", "record"},
    "segment": _BASE | {"catalog", "archive", "record", "scenes", "nn"},
    "track": _BASE | {"catalog", "archive", "record", "scenes", "nn"},
    "forecast": _BASE | {"catalog", "archive", "record", "scenes", "nn"},
    "region": _BASE | {"catalog", "archive", "record", "scenes", "track", "forecast"},
    "exchange": _BASE | {"catalog", "archive", "record", "scenes", "track"},
    "plot": _BASE | {"catalog", "archive", "record", "scenes", "nn", "segment", "track", "forecast"},
    "report": _BASE
    | {"catalog", "archive", "record", "scenes", "nn", "segment", "track", "forecast", "region", "plot", "exchange"},
    "pipeline": _BASE
    | {"catalog", "archive", "record", "scenes", "nn", "segment", "track", "forecast", "region", "plot", "report"}
    | {"exchange"},
    "dashboard": _BASE
    | {"catalog", "archive", "record", "scenes", "nn", "segment", "track", "forecast", "region", "plot", "report"}
    | {"exchange", "pipeline"},
    "cli": _BASE
    | {"catalog", "archive", "record", "scenes", "nn", "segment", "track", "forecast", "region", "plot", "report"}
    | {"exchange", "pipeline", "dashboard"},
    "__main__": _BASE | {"cli"},
}


# The floors of a room from the ground up: a module imports its own floor and those below. A floor is a door (a folder)
# or the files at the room's top that stand on one level. ``__init__`` of a room only names what the outside uses.
FLOORS = {
    "track": (
        {"settings", "place", "measurement"},
        {"scene"},
        {"ruler"},
        {"record"},
        {"rows", "series"},
    ),
    "forecast": (
        {"series", "prediction", "covariates", "example", "screening", "task", "reading"},
        {"local"},
        {"regime"},
        {"learned"},
        {"models", "tasks", "predict"},
        {"judged"},
        {"front"},
        {"scenario", "profile", "adapters", "sktime_forecaster", "lending", "totals"},
    ),
    "segment": (
        {"description", "frame", "normalisation", "legend"},
        {"architectures"},
        {"losses"},
        {"predict"},
        {"judge"},
        {"teach"},
        {"adapt"},
        {"explain"},
        {"export"},
        {"pixels"},
    ),
    "nn": (
        {"checks"},
        {"plain"},
        {"cpu"},
        {"gpu"},
        {"backends"},
        {"scan", "ssd", "conv"},
        {"mixers"},
        {"blocks"},
        {"image", "weights"},
    ),
}


def modules_imported(path: Path) -> set[str]:
    """Return the modules of ours that a module imports, in functions and under TYPE_CHECKING too, without the root."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module] if node.module != "glaciertime" else [f"glaciertime.{a.name}" for a in node.names]
        if isinstance(node, ast.ImportFrom) and node.module and node.module.count(".") == 1:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.removeprefix("glaciertime.") for name in names if name.startswith("glaciertime.")}
    return found - {"__version__"}


def rooms_imported(path: Path) -> set[str]:
    """Return the rooms that a module imports."""
    return {name.split(".")[0] for name in modules_imported(path)}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    wrong = rooms_imported(path) - MAY_IMPORT[room] - {room}
    assert not wrong, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("room", FLOORS)
def test_every_file_of_a_room_stands_on_a_floor(room: str) -> None:
    there = {path.stem for path in (PACKAGE / room).glob("*.py")} - {"__init__"}
    there |= {path.name for path in (PACKAGE / room).iterdir() if (path / "__init__.py").is_file()}
    floors = FLOORS[room]
    assert there == set().union(*floors)
    assert sum(map(len, floors)) == len(there), "a name stands on two floors"


@pytest.mark.parametrize(
    "path",
    [path for room in FLOORS for path in sorted((PACKAGE / room).rglob("*.py")) if path.parent.name != room],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_doors_open_one_way_behind(path: Path) -> None:
    check_floor(path)


@pytest.mark.parametrize(
    "path",
    [path for room in FLOORS for path in sorted((PACKAGE / room).glob("*.py")) if path.stem != "__init__"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_doors_open_one_way_at_the_top(path: Path) -> None:
    check_floor(path)


def check_floor(path: Path) -> None:
    room, place = path.relative_to(PACKAGE).with_suffix("").parts[:2]
    floor_of = {name: level for level, names in enumerate(FLOORS[room]) for name in names}
    inside = {name.split(".")[1] for name in modules_imported(path) if name.startswith(f"{room}.")}
    above = {name for name in inside if floor_of.get(name, -1) > floor_of[place]}
    assert not above, f"{path.relative_to(PACKAGE)} stands below {', '.join(sorted(above))} and imports it"


def test_no_modules_import_each_other() -> None:
    """No circle among modules, functions and TYPE_CHECKING included."""
    files = {}
    for path in PACKAGE.rglob("*.py"):
        files[".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")] = path
    edges = {name: {found for found in modules_imported(path) if found in files} for name, path in files.items()}
    done: set[str] = set()
    for start in edges:
        trail: list[str] = []

        def visit(name: str, trail: list[str] = trail) -> None:
            assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
            if name in done:
                return
            trail.append(name)
            for other in sorted(edges[name] - {name}):
                visit(other)
            trail.pop()
            done.add(name)

        visit(start)


def test_every_module_that_is_imported_is_there() -> None:
    """Imports inside of functions too, which no start of the command line sees."""
    gone = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glaciertime."):
                place = PACKAGE.parent.joinpath(*str(node.module).split("."))
                if not (place.with_suffix(".py").is_file() or place.is_dir()):
                    gone.append(f"{path.relative_to(PACKAGE)}: {node.module}")
    assert not gone


def test_setup_names_every_package() -> None:
    """A folder that ``setup.cfg`` does not list is missing from the wheel."""
    setup = configparser.ConfigParser()
    setup.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    listed = set(setup["options"]["packages"].split())
    there = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in PACKAGE.rglob("__init__.py")}
    assert listed == there | {"glaciertime.data_manifests"}


def test_the_installed_package_holds_and_imports_every_module(tmp_path: Path) -> None:
    code = (
        "import importlib, pkgutil, glaciertime\n"
        "print(glaciertime.__file__)\n"
        "for found in pkgutil.walk_packages(glaciertime.__path__, 'glaciertime.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
        "        print(found.name)\n"
    )
    # -I leaves the folder that the tests run in out of the search path.
    ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    if "No module named 'glaciertime'" in ran.stderr:
        pytest.skip("glaciertime is not installed here: pip install '.[test]'")
    assert ran.returncode == 0, ran.stderr
    home, *names = ran.stdout.split()
    if "site-packages" not in home:
        pytest.skip("glaciertime is installed from a checkout (editable): there is no wheel to look into")
    there = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    missing = {name.removesuffix(".__init__") for name in there} - {*names, "glaciertime", "glaciertime.__main__"}
    assert missing == set()


def test_no_module_is_too_long() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 500} == {}


def imported_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in printed.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    [
        "import glaciertime",
        "import glaciertime.track",
        "import glaciertime.forecast",
        "import glaciertime.segment",
        "import glaciertime.pipeline",
        "import glaciertime.report.content",
        "import glaciertime.report.forms",
        "import glaciertime.cli",
    ],
)
def test_the_core_does_not_import_torch(statement: str) -> None:
    assert {"torch", "mamba_ssm"} & imported_by(statement) == set()


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "matplotlib", "pandas", "numpy", "geopandas", "rasterio", "pydantic"}
    assert imported_by("from glaciertime.__main__ import run\nrun(['--help'])") & heavy == set()


def test_plots_import_matplotlib_when_they_are_drawn() -> None:
    assert "matplotlib" not in imported_by("import glaciertime.plot")


def test_public_names_exist_and_are_few() -> None:
    import glaciertime

    assert len(glaciertime.__all__) <= 20
    assert [name for name in glaciertime.__all__ if getattr(glaciertime, name, None) is None] == []
