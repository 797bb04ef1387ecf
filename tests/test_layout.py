"""The house stands: imports point one way, and the light core stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "glaciertime"

# Each room and the rooms it may import; what is not named here is a mistake.
_BASE = {"errors", "units", "tables", "qgis_style"}
MAY_IMPORT = {
    "errors": set(),
    "units": {"errors"},
    "tables": {"errors", "units"},
    "qgis_style": set(),
    "catalog": _BASE,
    "archive": _BASE,
    "scenes": _BASE | {"catalog", "archive"},
    "nn": _BASE | {"catalog", "archive"},
    "segment": _BASE | {"catalog", "archive", "scenes", "nn"},
    "track": _BASE | {"catalog", "archive", "scenes", "nn"},
    "forecast": _BASE | {"catalog", "archive", "scenes", "nn"},
    "report": _BASE | {"catalog", "archive", "scenes", "nn", "segment", "track", "forecast"},
    "pipeline": _BASE | {"catalog", "archive", "scenes", "nn", "segment", "track", "forecast", "report"},
    "cli": _BASE | {"catalog", "archive", "scenes", "nn", "segment", "track", "forecast", "report", "pipeline"},
    "__main__": _BASE | {"cli"},
}


def rooms_imported(path: Path) -> set[str]:
    """Return the rooms that a module imports, in functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module] if node.module != "glaciertime" else [f"glaciertime.{a.name}" for a in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("glaciertime.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    wrong = rooms_imported(path) - MAY_IMPORT[room] - {room}
    assert not wrong, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(wrong))}"


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
        "import glaciertime.report.page",
        "import glaciertime.cli",
    ],
)
def test_the_core_does_not_import_torch(statement: str) -> None:
    assert {"torch", "mamba_ssm"} & imported_by(statement) == set()


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "matplotlib", "pandas", "numpy", "geopandas", "rasterio", "pydantic"}
    assert imported_by("from glaciertime.__main__ import run\nrun(['--help'])") & heavy == set()


def test_public_names_exist_and_are_few() -> None:
    import glaciertime

    assert len(glaciertime.__all__) <= 20
    assert [name for name in glaciertime.__all__ if getattr(glaciertime, name, None) is None] == []
