"""A report on paper, where the printer is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from glaciertime.errors import MissingExtraError
from glaciertime.provenance import sidecar
from glaciertime.report.views.pdf_view import check_printer

from .conftest import Command


def test_a_report_is_printed_and_its_run_is_told_beside_it(command: Command, masks: Path, manifest: Path) -> None:
    try:
        check_printer()
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert command("track", "--glacier", "Toy", "--manifest", manifest, "--data", masks).code == 0
    result = command("report", "--glacier", "Toy", "--out", "toy.pdf")
    assert result.code == 0, result.err
    held = Path("toy.pdf").read_bytes()
    assert held.startswith(b"%PDF-1.4")
    assert held.rstrip().endswith(b"%%EOF")
    assert sidecar(Path("toy.pdf")).is_file()
