"""Two thousand hostile inputs, the same each time: none ends otherwise than in an error of the package, or outside."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
if not (SCRIPTS / "fuzzing").is_dir():
    pytest.skip("no scripts/fuzzing: the scripts are not part of the installed package", allow_module_level=True)
sys.path.insert(0, str(SCRIPTS))

from fuzzing.running import read_case, run_inputs  # noqa: E402
from fuzzing.seeds import FORMATS, seeds_of  # noqa: E402

#: How many of each; together 2,000, fewer of those that are slow to open.
COUNTS = dict.fromkeys(FORMATS, 100) | {
    "png": 100, "npy": 200, "yaml": 150, "json": 150, "flatgeobuf": 120, "jpeg2000": 80, "csv": 80, "excel": 60,
    "geopackage": 40, "zip": 60, "archive": 20, "onnx": 60, "hdf5": 80, "netcdf": 60, "safetensors": 120, "index": 120,
}  # fmt: skip


def test_there_are_two_thousand() -> None:
    assert sum(COUNTS.values()) == 2000
    assert set(COUNTS) == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_every_reader_reads_a_sound_input(name: str, tmp_path: Path) -> None:
    """A mutation of what no reader takes would test nothing."""
    failed: dict[str, list[str]] = {}
    cases = seeds_of(name)
    for number, case in enumerate(cases):
        for finding in read_case(name, number, case, tmp_path / "work", allowed=()):
            failed.setdefault(finding.reader, []).append(finding.what)
    assert {reader: told for reader, told in failed.items() if len(told) == len(cases)} == {}


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_inputs_are_told(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [
            finding
            for _, findings in run_inputs(name, range(COUNTS[name]), seeds_of(name), tmp_path / "work", seed=7)
            for finding in findings
        ]
    assert found == []
