"""The table of mutants fits the code: each fragment stands once in its file, and its tests are there."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load():
    path = ROOT / "scripts" / "mutants.py"
    if not path.is_file():
        pytest.skip(f"no {path.name}: the scripts are not part of the installed package")
    spec = importlib.util.spec_from_file_location("mutants", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module
    spec.loader.exec_module(module)
    return module


def test_every_mutant_changes_one_place_of_the_code():
    table = load().MUTANTS
    assert len(table) >= 60
    wrong = []
    for mutant in table:
        source = (ROOT / mutant.file).read_text(encoding="utf-8")
        count = source.count(mutant.fragment)
        # What is no Python at all would be killed by any test.
        compile(source.replace(mutant.fragment, mutant.replacement), mutant.name, "exec")
        if count != 1 or mutant.fragment == mutant.replacement:
            wrong.append(f"{mutant.name} (stands {count} times)")
        wrong += [f"{mutant.name}: no {test}" for test in mutant.tests if not (ROOT / test).exists()]
    assert wrong == [], "bring the table in scripts/mutants.py up to date with the lines that changed"


def test_a_mutant_that_no_longer_fits_is_told(tmp_path):
    module = load()
    gone = module.Mutant("glaciertime/units.py", "no such line", "x", ())
    outcome, told = module.run_mutant(gone, tmp_path, tmp_path)
    assert outcome == "gone"
    assert "stands 0 times" in told
