"""Run what the Dockerfile runs, without Docker: its libraries are asked of apt, its pip line fills a fresh environment.

    python scripts/check_recipes.py                    # the packages of apt, the pip line, then a main job outside
    python scripts/check_recipes.py --extras ""        # the core alone
    python scripts/check_recipes.py --python /usr/bin/python3.12 --folder container

The copy that is installed holds only what .dockerignore lets through. Nothing is installed into the system: apt is
asked with --simulate. Ends with 0 if every line went through and Crane was tracked by what they installed.
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


def steps(dockerfile: Path, given: dict[str, str] | None = None) -> dict[str, list[str]]:
    """Return the lines of a Dockerfile by their instruction, with its arguments filled in.

    Parameters
    ----------
    dockerfile : Path
    given : dict of str to str, optional
        Arguments, in place of their defaults.
    """
    found: dict[str, list[str]] = {}
    values: dict[str, str] = {}
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in filter(None, (row.strip() for row in text.splitlines())):
        if line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "ARG":
            name, _, default = rest.partition("=")
            values[name] = (given or {}).get(name, default.strip('"'))
            rest = f"{name}={values[name]}"
        filled = re.sub(r"\$\{(\w+)\}", lambda gap: values.get(gap[1], gap[0]), rest)
        found.setdefault(word, []).append(filled)
    return found


def copied(target: Path) -> None:
    """Lay down what the container is given."""
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if line.startswith("!"):
            source = ROOT / line[1:]
            if source.is_dir():
                shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.mkdir(exist_ok=True)
                shutil.copy(source, target)


def ran(title: str, line: list[str], **given: object) -> bool:
    """Run a line, and print how it went."""
    begun = time.monotonic()
    done = subprocess.run(line, capture_output=True, text=True, check=False, **given)  # type: ignore[call-overload]
    print(f"{title}: {'ok' if done.returncode == 0 else 'FAILED'}, {time.monotonic() - begun:.0f} s", flush=True)
    if done.returncode != 0:
        print(done.stdout[-2000:], done.stderr[-2000:])
    return bool(done.returncode == 0)


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", help="in place of those of the Dockerfile")
    parser.add_argument("--python", default=sys.executable, help="to make the environment with")
    parser.add_argument("--folder", type=Path, help="keep the environment here")
    args = parser.parse_args()
    held = steps(ROOT / "Dockerfile", {} if args.extras is None else {"EXTRAS": args.extras})
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    source, environment = folder / "source", folder / "environment"
    is_good = True
    try:
        shutil.rmtree(source, ignore_errors=True)
        copied(source)
        for line in held["RUN"]:
            for part in (one.strip() for one in line.split("&&")):
                if part.startswith("apt-get install"):
                    names = [word for word in part.split()[2:] if not word.startswith("-")]
                    is_good &= ran(f"apt {' '.join(names)}", ["apt-get", "install", "--simulate", "-q", *names])
                elif part.startswith("pip install"):
                    asked = f"{source}[{args.extras if args.extras is not None else _extras(held)}]".replace("[]", "")
                    is_good &= ran("environment", [args.python, "-m", "venv", str(environment)])
                    is_good &= ran(f"pip {part}", [str(environment / "bin" / "pip"), "install", "-q", asked])
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GLACIERTIME"))}
        job = [str(environment / "bin" / "glaciertime"), "track", "--glacier", "Crane", "--archive", "crane.gpkg"]
        is_good &= ran("track --glacier Crane", job, cwd=folder, env=clean)
    finally:
        if args.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_good else 1


def _extras(held: dict[str, list[str]]) -> str:
    return next(line.partition("=")[2] for line in held["ARG"] if line.startswith("EXTRAS="))


if __name__ == "__main__":
    sys.exit(main())
