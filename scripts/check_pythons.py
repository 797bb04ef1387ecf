"""Install glaciertime into fresh environments and see whether every Python gives the same numbers.

On each Python from 3.11 to 3.14 that is on the PATH or under pyenv: a virtual environment, ``pip install .`` without
extras, then Crane's areas (654.08 and 622.95 km2, loss 31.13) and the light tests.

    python scripts/check_pythons.py                      # the newest releases, on every Python
    python scripts/check_pythons.py --minimum            # the oldest ones (tests/minimum-versions.txt), on 3.11
    python scripts/check_pythons.py --suite              # all tests that need no torch
    python scripts/check_pythons.py --python /opt/python3.14/bin/python3 --folder environments

Ends with 0 if everything installed and passed. Crane needs the real data (see CONTRIBUTING.md): without them its tests
are skipped, and the table says so. ``--folder`` keeps the environments, so that a stopped run goes on with them.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
MINIMUM = ROOT / "tests" / "minimum-versions.txt"
CRANE = ("tests/cli/test_main_job.py",)
#: Units, dates, tables, tracking, the forecasts of one series, the archive and reports: what the core is made of.
LIGHT = (
    "tests/test_units.py", "tests/test_tables.py", "tests/test_combining.py", "tests/test_slopes.py",
    "tests/test_breaks.py", "tests/test_catalog.py", "tests/test_record.py", "tests/dates", "tests/archive",
    "tests/track", "tests/report", "tests/scenes/test_vectors.py", "tests/scenes/test_readers.py",
    "tests/forecast/test_series.py", "tests/forecast/test_filter.py", "tests/forecast/test_kalman.py",
    "tests/forecast/test_simple.py", "tests/forecast/test_arima.py", "tests/forecast/test_prediction.py",
    "tests/forecast/test_metrics.py",
)  # fmt: skip
#: What tests need besides the core.
TOOLS = ("pytest", "hypothesis")


def pythons() -> dict[str, str]:
    """Return the interpreters that are there, by full version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [shutil.which(f"python{version}") for version in VERSIONS]
    places += [str(path / "bin" / "python") for path in sorted(pyenv.glob("3.*")) if path.is_dir()]
    found = {}
    for place in filter(None, places):
        version = version_of(place)
        if version and version.rpartition(".")[0] in VERSIONS:
            found.setdefault(version, place)
    return dict(sorted(found.items(), key=lambda pair: [int(part) for part in re.findall(r"\d+", pair[0])]))


def version_of(python: str) -> str:
    """Return the version of an interpreter, empty where it does not start."""
    told = "import platform; print(platform.python_version())"
    try:
        done = subprocess.run([python, "-c", told], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def needs_torch(path: Path) -> bool:
    """Return whether a file of tests imports torch or what else the extra ``train`` brings, or runs notebooks."""
    text = path.read_text(encoding="utf-8")
    return bool(re.search(r"^\s*(import|from) (torch|lightning|onnx|safetensors|captum|h5py|nbclient)\b", text, re.M))


def suite() -> list[str]:
    """Return every file of tests that needs no extra."""
    inside_torch = {path.parent for path in (ROOT / "tests").rglob("conftest.py") if needs_torch(path)}
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in files if not needs_torch(path) and path.parent not in inside_torch]


def install(python: str, environment: Path, *, minimum: bool, extras: str) -> str:
    """Make an environment and install the core; return what went wrong."""
    there = environment / "bin" / "python"
    if (environment / "ready").is_file():
        return ""
    shutil.rmtree(environment, ignore_errors=True)
    constraint = ["-c", str(MINIMUM)] if minimum else []
    for command in (
        [python, "-m", "venv", str(environment)],
        [str(there), "-m", "pip", "install", "-q", *constraint, f"{ROOT}{extras}", *TOOLS],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return (done.stdout + done.stderr).strip()[-2000:]
    (environment / "ready").touch()
    return ""


def run_tests(environment: Path, tests: list[str]) -> tuple[bool, str]:
    """Return whether tests pass, and how many of them."""
    data = os.environ.get("GLACIERTIME_DATA", str(ROOT.parent / "shared" / "data"))
    variables = os.environ | {"PYTHONPATH": str(ROOT), "GLACIERTIME_DATA": data, "OMP_NUM_THREADS": "1",
                              "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1",
                              "NUMBA_CACHE_DIR": str(environment / "compiled")}  # fmt: skip
    command = [
        str(environment / "bin" / "python"),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--tb=short",
        *tests,
    ]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 0, "; ".join([lines[-1] if lines else done.stderr.strip()[-500:], *told])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="an interpreter, in place of all that are there")
    parser.add_argument("--minimum", action="store_true", help="the oldest releases, on the oldest Python alone")
    parser.add_argument("--suite", action="store_true", help="all tests that need no torch, not the light ones")
    parser.add_argument("--folder", type=Path, help="keep the environments here")
    options = parser.parse_args()
    known = {version_of(place): place for place in options.python} if options.python else pythons()
    if not known or "" in known:
        parser.error(f"no Python of {', '.join(VERSIONS)} starts; give one with --python")
    if options.minimum and not options.python:
        known = dict([next(iter(known.items()))])
    failed = False
    with tempfile.TemporaryDirectory(prefix="pythons-") as made:
        folder = (options.folder or Path(made)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for version, python in known.items():
            start = time.monotonic()
            environment = folder / f"{version}{'-minimum' * options.minimum}{'-suite' * options.suite}"
            extras = "[excel,netcdf]" if options.suite else ""
            wrong = install(python, environment, minimum=options.minimum, extras=extras)
            if wrong:
                print(f"{version}: does not install: {wrong}", flush=True)
                failed = True
                continue
            print(f"{version}: installed in {time.monotonic() - start:.0f} s", flush=True)
            for name, tests in (
                ("Crane", list(CRANE)),
                ("suite", suite()) if options.suite else ("light", list(LIGHT)),
            ):
                start = time.monotonic()
                passed, told = run_tests(environment, tests)
                failed = failed or not passed
                print(f"{version}: {name}: {told} ({time.monotonic() - start:.0f} s)", flush=True)
            if not options.folder:
                shutil.rmtree(environment, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
