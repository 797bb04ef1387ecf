"""List the licences of the core dependencies, and of all that these bring, from what their packages say themselves.

    python scripts/licences.py            # prints the table
    python scripts/licences.py --write    # writes it to docs/licences.md

Ends with 1 where a licence is one of the GPL or AGPL, or where a package says none.
"""

from __future__ import annotations

import argparse
import configparser
import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
HEAD = """\
# Licences of the core dependencies

What `pip install glaciertime` brings, without extras, and what its packages say of themselves (`python
scripts/licences.py --write`). None is under the GPL or the AGPL. What wheels hold beside their own code is not in this
table: those of numpy, scipy and scikit-learn hold run-time libraries of GCC (GPL with the exception that allows any
use, and libquadmath, LGPL), those of shapely and rasterio hold GEOS (LGPL), each as a shared library of its own.
glaciertime itself is under the MIT licence.

| package | licence | needed by |
|---|---|---|
"""
#: Longer than this, the field holds the text of the licence and not its name.
_NAME_LENGTH = 80
_FIRST_WORDS = {
    "Apache License": "Apache-2.0", "MIT License": "MIT", "The MIT License": "MIT", "BSD 3-Clause": "BSD-3-Clause",
    "Redistribution and use in source and binary forms": "BSD", "Permission is hereby granted": "MIT",
}  # fmt: skip


def core_requirements() -> list[Requirement]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].splitlines()
    return [Requirement(line) for line in map(str.strip, lines) if line and not line.startswith("#")]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed() -> dict[str, set[str]]:
    """Return every package that the core brings, with what needs it (nothing: the core itself)."""
    found: dict[str, set[str]] = {}
    pending = [(requirement, "glaciertime") for requirement in core_requirements()]
    while pending:
        requirement, by = pending.pop()
        name = normalised(requirement.name)
        is_new = name not in found
        found.setdefault(name, set()).add(by)
        if not is_new and not requirement.extras:
            continue
        for text in metadata.requires(name) or []:
            other = Requirement(text)
            extras = requirement.extras or {""}
            wanted = other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in extras)
            if wanted and normalised(other.name) != name:
                pending.append((other, name))
    return found


def licence_of(name: str) -> str:
    """Return the licence that a package states: its expression, its classifiers, or its field; empty for none."""
    about = metadata.metadata(name)
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classified = [
        text.rpartition("::")[2].strip() for text in about.get_all("Classifier") or [] if text.startswith("License ::")
    ]
    classified = [text for text in classified if text != "OSI Approved"]
    if classified:
        return " AND ".join(sorted(classified))
    field = " ".join(str(about.get("License") or "").split())
    if field and field != "UNKNOWN":
        for words, known in _FIRST_WORDS.items():
            if words in field and len(field) > _NAME_LENGTH:
                return known
        return field[:_NAME_LENGTH]
    return ""


def is_refused(licence: str) -> bool:
    """Return whether a licence is none, or one of the GPL or AGPL that no other can be chosen for.

    Examples
    --------
    >>> is_refused("GPL-3.0-only"), is_refused("GNU Affero General Public License v3"), is_refused("")
    (True, True, True)
    >>> is_refused("MIT OR GPL-2.0"), is_refused("GPL-3.0-or-later WITH GCC-exception-3.1"), is_refused("LGPL-2.1")
    (False, False, False)
    """
    choices = re.split(r"\s+OR\s+", licence)
    return all(_is_copyleft(choice) for choice in choices)


def _is_copyleft(licence: str) -> bool:
    parts = [part for part in re.split(r"\s+AND\s+", licence) if "GCC-exception" not in part]
    text = " ".join(parts)
    has_gpl = re.search(r"(?<![A-Za-z])A?GPL|(?<!Lesser )(?<!Library )General Public License", text, re.IGNORECASE)
    return not licence.strip() or bool(has_gpl)


def table() -> list[tuple[str, str, str]]:
    """Return name, licence and what needs it, the direct dependencies first."""
    rows = [(name, licence_of(name), by) for name, by in needed().items()]
    rows.sort(key=lambda row: ("glaciertime" not in row[2], row[0]))
    return [
        (name, licence, "glaciertime" if "glaciertime" in by else ", ".join(sorted(by))) for name, licence, by in rows
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    rows = table()
    text = HEAD + "".join(f"| {name} | {licence} | {by} |\n" for name, licence, by in rows)
    if options.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    refused = [f"{name}: {licence or 'no licence stated'}" for name, licence, _ in rows if is_refused(licence)]
    for line in refused:
        print(f"refused: {line}", file=sys.stderr)
    return int(bool(refused))


if __name__ == "__main__":
    sys.exit(main())
