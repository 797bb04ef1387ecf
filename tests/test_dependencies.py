"""What the core needs: its oldest releases, and licences, none of them the GPL."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def licences():
    path = ROOT / "scripts" / "licences.py"
    if not path.is_file():
        pytest.skip(f"no {path.name}: the scripts are not part of the installed package")
    spec = importlib.util.spec_from_file_location("licences", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["licences"] = module
    spec.loader.exec_module(module)
    return module


def test_no_core_dependency_is_under_the_gpl(licences):
    found = {name: licence for name, licence, _ in licences.table()}
    assert len(found) > len(licences.core_requirements())
    assert {name: licence for name, licence in found.items() if licences.is_refused(licence)} == {}


def test_every_core_requirement_is_listed(licences):
    page = licences.PAGE.read_text(encoding="utf-8")
    names = [licences.normalised(requirement.name) for requirement in licences.core_requirements()]
    assert [name for name in names if f"| {name} |" not in page] == [], "run scripts/licences.py --write"


def test_the_lower_bounds_are_the_releases_that_were_tried(licences):
    lines = (ROOT / "tests" / "minimum-versions.txt").read_text(encoding="utf-8").splitlines()
    tried = {name: Version(version) for name, _, version in (line.partition("==") for line in lines if line[0] != "#")}
    stated = {
        licences.normalised(requirement.name): [Version(s.version) for s in requirement.specifier if s.operator == ">="]
        for requirement in licences.core_requirements()
    }
    assert {name: [version] for name, version in tried.items()} == stated


@pytest.mark.parametrize(
    ("licence", "is_refused"),
    [
        ("GPL-3.0-only", True),
        ("GPLv2+", True),
        ("AGPL-3.0", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("GNU Affero General Public License v3", True),
        ("MIT AND GPL-2.0-only", True),
        ("BSD License AND GNU General Public License (GPL)", True),
        ("", True),
        ("MIT OR GPL-2.0-only", False),
        ("GPL-3.0-or-later WITH GCC-exception-3.1 AND BSD-3-Clause", False),
        ("LGPL-2.1-or-later", False),
        ("GNU Lesser General Public License v2 (LGPLv2)", False),
        ("BSD-3-Clause", False),
    ],
)
def test_which_licences_are_refused(licences, licence, is_refused):
    assert licences.is_refused(licence) == is_refused
